//===- Approximate.cpp - ex2, lg2, rcp, rsqrt, sqrt, sin, cos, tanh --------===//
//
// The approximate instructions of PTX as correctly rounded functions: a choice
// that lies inside every bound of the PTX ISA and does not depend on the host's
// math library. The host evaluates in f64; Ziv's test decides whether that is
// good enough to round, else the wider `long double` decides.
//
// Example: 2^x for f32 keeps 24 bits. The f64 value is known to 2^-50 of itself;
// only when that interval contains the middle between two f32 (once in about
// 2^25 arguments) is the wider evaluation needed.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Numerics/Format.h"
#include <bit>
#include <cmath>

using namespace tilewright;
using namespace tilewright::numerics;

/// Relative error allowed to the host's f64 functions; glibc promises 2^-52.
static constexpr double kHostError = 0x1p-50;

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

/// The function at a finite argument inside its domain.
template <typename Float> static Float evaluate(Float x, Approximate function) {
  switch (function) {
  case Approximate::Exp2:
    return std::exp2(x);
  case Approximate::Log2:
    return std::log2(x);
  case Approximate::Reciprocal:
    return 1 / x;
  case Approximate::ReciprocalSqrt:
    return 1 / std::sqrt(x);
  case Approximate::Sqrt:
    return std::sqrt(x);
  case Approximate::Sin:
    return std::sin(x);
  case Approximate::Cos:
    return std::cos(x);
  case Approximate::Tanh:
    return std::tanh(x);
  }
  return x;
}

/// Rounds a value wider than f64 once: its leading 64 bits as an integer, with
/// whatever is below them jammed.
static uint64_t roundWide(long double value, FloatType type) {
  bool negative = std::signbit(value);
  int exponent = 0;
  long double scaled = std::ldexp(std::frexp(std::fabs(value), &exponent), 64);
  long double integer = std::floor(scaled);
  if (integer == 0)
    return encodeZero(negative, type);
  UInt128 significand = (UInt128(static_cast<uint64_t>(integer)) << 2) | (scaled != integer);
  return roundToFormat(negative, significand, exponent - 66, type, Rounding::NearestEven);
}

static uint64_t roundFunction(double x, Approximate function, FloatType type) {
  double value = evaluate(x, function);
  double low = value * (1 - kHostError), high = value * (1 + kHostError);
  if (type == FloatType::F32) { // the host's conversion rounds once, to nearest even
    float rounded = static_cast<float>(low);
    if (rounded == static_cast<float>(high))
      return std::bit_cast<uint32_t>(rounded);
  } else if (uint64_t rounded = fromDouble(low, type); rounded == fromDouble(high, type)) {
    return rounded;
  }
  return roundWide(evaluate(static_cast<long double>(x), function), type);
}

//===----------------------------------------------------------------------===//
// Special cases
//===----------------------------------------------------------------------===//

/// The tables of special values (PTX ISA: ex2, lg2, rcp, rsqrt, sqrt, sin, cos,
/// tanh). Returns false when the argument is an ordinary one.
static bool evaluateSpecial(const Unpacked &x, Approximate function, FloatType type,
                            uint64_t &result) {
  auto infinity = [&](bool negative) { return encodeInfinity(negative, type, false); };
  uint64_t one = roundToFormat(false, 1, 0, type, Rounding::NearestEven);
  if (x.isNaN()) {
    result = canonicalNaN(type);
    return true;
  }
  bool needsPositive = function == Approximate::Log2 || function == Approximate::Sqrt ||
                       function == Approximate::ReciprocalSqrt;
  if (needsPositive && x.negative && !x.isZero()) {
    result = canonicalNaN(type);
    return true;
  }
  if (!x.isZero() && !x.isInfinity())
    return false;
  switch (function) {
  case Approximate::Exp2:
    result = x.isZero() ? one : x.negative ? encodeZero(false, type) : infinity(false);
    break;
  case Approximate::Log2:
    result = infinity(x.isZero());
    break;
  case Approximate::Reciprocal:
  case Approximate::ReciprocalSqrt:
    result = x.isZero() ? infinity(x.negative) : encodeZero(x.negative, type);
    break;
  case Approximate::Sqrt:
    result = x.isZero() ? encodeZero(x.negative, type) : infinity(false);
    break;
  case Approximate::Sin:
    result = x.isZero() ? encodeZero(x.negative, type) : canonicalNaN(type);
    break;
  case Approximate::Cos:
    result = x.isZero() ? one : canonicalNaN(type);
    break;
  case Approximate::Tanh:
    result = x.isZero() ? encodeZero(x.negative, type)
                        : roundToFormat(x.negative, 1, 0, type, Rounding::NearestEven);
    break;
  }
  return true;
}

static uint64_t approximate(uint64_t a, FloatType type, Approximate function, bool flush) {
  if (flush)
    a = flushSubnormal(a, type);
  uint64_t result = 0;
  if (!evaluateSpecial(unpack(a, type), function, type, result))
    result = roundFunction(toDouble(a, type), function, type);
  return flush ? flushSubnormal(result, type) : result;
}

uint32_t numerics::approximateF32(uint32_t a, Approximate function, bool flush) {
  return static_cast<uint32_t>(approximate(a, FloatType::F32, function, flush));
}

uint16_t numerics::approximateHalf(uint16_t a, FloatType type, Approximate function, bool flush) {
  return static_cast<uint16_t>(approximate(a, type, function, flush));
}

//===----------------------------------------------------------------------===//
// f64 and division
//===----------------------------------------------------------------------===//

uint64_t numerics::approximateF64(uint64_t a, Approximate function) {
  constexpr uint64_t kUpperWord = 0xffffffff00000000;
  a = flushSubnormal(a & kUpperWord, FloatType::F64);
  Unpacked x = unpack(a, FloatType::F64);
  if (x.isNaN() || (function == Approximate::ReciprocalSqrt && x.negative && !x.isZero()))
    return 0x7fffffff00000000;
  uint64_t result = 0;
  if (!evaluateSpecial(x, function, FloatType::F64, result))
    result = std::bit_cast<uint64_t>(evaluate(std::bit_cast<double>(a), function));
  return flushSubnormal(result, FloatType::F64) & kUpperWord;
}

uint32_t numerics::divideApproximate(uint32_t a, uint32_t b, bool flush) {
  uint32_t divisor = b & 0x7fffffff, dividend = a & 0x7fffffff;
  if (divisor > 0x7e800000 && divisor < 0x7f800000)
    return dividend >= 0x7f800000 ? 0x7fffffff : (a ^ b) & 0x80000000;
  ArithmeticOptions options;
  options.flush = flush;
  return static_cast<uint32_t>(divide(a, b, FloatType::F32, options));
}
