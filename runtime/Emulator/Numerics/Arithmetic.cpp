//===- Arithmetic.cpp - add, mul, fma, div, sqrt, min, max ----------------===//
//
// Implements the arithmetic of Float.h. The hot case, round to nearest even, goes
// to the host's IEEE operations (FastFloat.h); every other case computes the
// exact result in integers and rounds it once. PTX ISA, "Floating Point
// Instructions" and "Half Precision Floating Point Instructions".
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Numerics/FastFloat.h"
#include "runtime/Emulator/Numerics/Format.h"
#include <bit>
#include <cmath>
#include <utility>

using namespace tilewright;
using namespace tilewright::numerics;

//===----------------------------------------------------------------------===//
// Modifiers
//===----------------------------------------------------------------------===//

static Unpacked unpackOperand(uint64_t bits, FloatType type, bool flush) {
  return unpack(flush ? flushSubnormal(bits, type) : bits, type);
}

/// Applies .relu, .sat and the result half of .ftz.
static uint64_t finish(uint64_t bits, FloatType type, const ArithmeticOptions &options) {
  if (options.flush)
    bits = flushSubnormal(bits, type);
  if (options.saturate || options.relu) {
    ConvertOptions clamp;
    clamp.saturateUnit = options.saturate;
    clamp.relu = options.relu;
    bits = convert(bits, type, type, clamp);
  }
  return bits;
}

/// The first NaN of the operands, quieted (payloads live in f64 only).
static uint64_t firstNaN(FloatType type, const Unpacked &a, const Unpacked &b,
                         const Unpacked &c = {Kind::Zero, false, 0, 0}) {
  return numerics::propagateNaN(a.isNaN() ? a : b.isNaN() ? b : c, type);
}

//===----------------------------------------------------------------------===//
// Exact sums
//===----------------------------------------------------------------------===//

namespace {
/// (-1)^negative * significand * 2^exponent with up to 106 significant bits.
struct Exact {
  bool negative;
  UInt128 significand;
  int exponent;
};
} // namespace

/// Moves the leading one to bit 125: room for a carry above, and at least 19
/// zero bits below a 106-bit product.
static Exact normalise(Exact value) {
  int shift = 125 - highestBit(value.significand);
  return {value.negative, value.significand << shift, value.exponent - shift};
}

/// Rounds x + y, neither zero. The smaller is aligned with its lost bits jammed
/// into one: cancellation can only be deep when the leading ones are at most
/// one apart, and then nothing is lost.
static uint64_t roundSum(Exact x, Exact y, FloatType type, Rounding rounding) {
  x = normalise(x);
  y = normalise(y);
  if (x.exponent < y.exponent || (x.exponent == y.exponent && x.significand < y.significand))
    std::swap(x, y);
  y.significand = shiftRightJam(y.significand, x.exponent - y.exponent);
  UInt128 sum =
      x.negative == y.negative ? x.significand + y.significand : x.significand - y.significand;
  if (sum == 0)
    return encodeZero(rounding == Rounding::Down, type);
  return roundToFormat(x.negative, sum, x.exponent, type, rounding);
}

/// The sign of a sum of zeros: theirs when equal, else by direction
/// (IEEE 754-2019, 6.3).
static uint64_t sumOfZeros(bool a, bool b, FloatType type, Rounding rounding) {
  return encodeZero(a == b ? a : rounding == Rounding::Down, type);
}

static uint64_t exactFma(const Unpacked &a, const Unpacked &b, const Unpacked &c, FloatType type,
                         Rounding rounding) {
  if (a.isNaN() || b.isNaN() || c.isNaN())
    return firstNaN(type, a, b, c);
  bool negative = a.negative != b.negative;
  if (a.isInfinity() || b.isInfinity()) {
    if (a.isZero() || b.isZero() || (c.isInfinity() && c.negative != negative))
      return canonicalNaN(type);
    return encodeInfinity(negative, type, false);
  }
  if (c.isInfinity())
    return encodeInfinity(c.negative, type, false);
  if (a.isZero() || b.isZero()) {
    if (c.isZero())
      return sumOfZeros(negative, c.negative, type, rounding);
    return roundToFormat(c.negative, c.significand, c.exponent, type, rounding);
  }
  Exact product = {negative, UInt128(a.significand) * b.significand, a.exponent + b.exponent};
  if (c.isZero())
    return roundToFormat(negative, product.significand, product.exponent, type, rounding);
  return roundSum(product, {c.negative, c.significand, c.exponent}, type, rounding);
}

static uint64_t exactAdd(const Unpacked &a, const Unpacked &b, FloatType type, Rounding rounding) {
  // One times a is a, NaN payload and sign of zero included.
  return exactFma(a, {Kind::Finite, false, 0, 1}, b, type, rounding);
}

static uint64_t exactMultiply(const Unpacked &a, const Unpacked &b, FloatType type,
                              Rounding rounding) {
  // Adding a zero of the product's sign changes nothing.
  return exactFma(a, b, {Kind::Zero, a.negative != b.negative, 0, 0}, type, rounding);
}

//===----------------------------------------------------------------------===//
// add, mul, fma
//===----------------------------------------------------------------------===//

/// The functions of FastFloat.h round to nearest even; only f32 flushes.
static bool hasFastPath(FloatType type, const ArithmeticOptions &options) {
  return options.rounding == Rounding::NearestEven && (!options.flush || type == FloatType::F32);
}

static double asDouble(uint64_t bits) { return std::bit_cast<double>(bits); }
static uint64_t asBits(double value) { return std::bit_cast<uint64_t>(value); }

uint64_t numerics::add(uint64_t a, uint64_t b, FloatType type, const ArithmeticOptions &options) {
  if (hasFastPath(type, options)) {
    switch (type) {
    case FloatType::F32:
      return finish(options.flush ? fast::addF32<true>(a, b) : fast::addF32(a, b), type, options);
    case FloatType::F16:
      return finish(fast::addF16(a, b), type, options);
    case FloatType::BF16:
      return finish(fast::addBF16(a, b), type, options);
    case FloatType::F64:
      if (double sum = asDouble(a) + asDouble(b); sum == sum)
        return finish(asBits(sum), type, options);
      break;
    default:
      break;
    }
  }
  return finish(exactAdd(unpackOperand(a, type, options.flush),
                         unpackOperand(b, type, options.flush), type, options.rounding),
                type, options);
}

uint64_t numerics::multiply(uint64_t a, uint64_t b, FloatType type,
                            const ArithmeticOptions &options) {
  if (hasFastPath(type, options)) {
    switch (type) {
    case FloatType::F32:
      return finish(options.flush ? fast::multiplyF32<true>(a, b) : fast::multiplyF32(a, b), type,
                    options);
    case FloatType::F16:
      return finish(fast::multiplyF16(a, b), type, options);
    case FloatType::BF16:
      return finish(fast::multiplyBF16(a, b), type, options);
    case FloatType::F64:
      if (double product = asDouble(a) * asDouble(b); product == product)
        return finish(asBits(product), type, options);
      break;
    default:
      break;
    }
  }
  return finish(exactMultiply(unpackOperand(a, type, options.flush),
                              unpackOperand(b, type, options.flush), type, options.rounding),
                type, options);
}

uint64_t numerics::fma(uint64_t a, uint64_t b, uint64_t c, FloatType type,
                       const ArithmeticOptions &options) {
  if (hasFastPath(type, options)) {
    switch (type) {
    case FloatType::F32:
      return finish(options.flush ? fast::fmaF32<true>(a, b, c) : fast::fmaF32(a, b, c), type,
                    options);
    case FloatType::F16:
      return finish(fast::fmaF16(a, b, c), type, options);
    case FloatType::BF16:
      return finish(fast::fmaBF16(a, b, c), type, options);
    case FloatType::F64:
      if (double result = std::fma(asDouble(a), asDouble(b), asDouble(c)); result == result)
        return finish(asBits(result), type, options);
      break;
    default:
      break;
    }
  }
  return finish(exactFma(unpackOperand(a, type, options.flush),
                         unpackOperand(b, type, options.flush),
                         unpackOperand(c, type, options.flush), type, options.rounding),
                type, options);
}

//===----------------------------------------------------------------------===//
// div, sqrt
//===----------------------------------------------------------------------===//

static uint64_t exactDivide(const Unpacked &a, const Unpacked &b, FloatType type,
                            Rounding rounding) {
  if (a.isNaN() || b.isNaN())
    return firstNaN(type, a, b);
  bool negative = a.negative != b.negative;
  if ((a.isInfinity() && b.isInfinity()) || (a.isZero() && b.isZero()))
    return canonicalNaN(type);
  if (a.isInfinity() || b.isZero())
    return encodeInfinity(negative, type, false);
  if (a.isZero() || b.isInfinity())
    return encodeZero(negative, type);
  // With the dividend's leading one at bit 126 and a divisor below 2^53 the
  // quotient has at least 73 bits; the remainder is jammed below them.
  int shift = 126 - highestBit(a.significand);
  UInt128 dividend = UInt128(a.significand) << shift;
  UInt128 quotient = dividend / b.significand;
  quotient |= (dividend % b.significand) != 0;
  return roundToFormat(negative, quotient, a.exponent - shift - b.exponent, type, rounding);
}

uint64_t numerics::divide(uint64_t a, uint64_t b, FloatType type,
                          const ArithmeticOptions &options) {
  if (hasFastPath(type, options)) {
    if (type == FloatType::F32) {
      uint32_t result = options.flush ? fast::divideF32<true>(a, b) : fast::divideF32(a, b);
      return finish(result, type, options);
    }
    if (type == FloatType::F64)
      if (double quotient = asDouble(a) / asDouble(b); quotient == quotient)
        return finish(asBits(quotient), type, options);
  }
  return finish(exactDivide(unpackOperand(a, type, options.flush),
                            unpackOperand(b, type, options.flush), type, options.rounding),
                type, options);
}

/// The integer square root of a value below 2^126, its remainder jammed.
static UInt128 squareRootJam(UInt128 value) {
  UInt128 root = static_cast<uint64_t>(std::sqrt(static_cast<double>(value)));
  // The host's estimate is off by at most a few units in 2^53 of the root;
  // one Newton step leaves an error of at most one.
  root = (root + value / root) / 2;
  while (root * root > value)
    --root;
  while ((root + 1) * (root + 1) <= value)
    ++root;
  // Below the last bit of the root: is anything left?
  return (root << 1) | (root * root != value);
}

static uint64_t exactSquareRoot(const Unpacked &a, FloatType type, Rounding rounding) {
  if (a.isNaN())
    return numerics::propagateNaN(a, type);
  if (a.isZero())
    return encodeZero(a.negative, type);
  if (a.negative)
    return canonicalNaN(type);
  if (a.isInfinity())
    return encodeInfinity(false, type, false);
  // An even exponent and 124 or 125 bits: the root has at least 62, nine more
  // than f64 keeps.
  int shift = 124 - highestBit(a.significand);
  if ((a.exponent - shift) & 1)
    ++shift;
  UInt128 root = squareRootJam(UInt128(a.significand) << shift);
  return roundToFormat(false, root, (a.exponent - shift) / 2 - 1, type, rounding);
}

uint64_t numerics::squareRoot(uint64_t a, FloatType type, const ArithmeticOptions &options) {
  if (type == FloatType::F32 && hasFastPath(type, options))
    return finish(options.flush ? fast::squareRootF32<true>(a) : fast::squareRootF32(a), type,
                  options);
  if (type == FloatType::F64 && hasFastPath(type, options))
    if (double root = std::sqrt(asDouble(a)); root == root)
      return finish(asBits(root), type, options);
  return finish(exactSquareRoot(unpackOperand(a, type, options.flush), type, options.rounding),
                type, options);
}

//===----------------------------------------------------------------------===//
// min, max
//===----------------------------------------------------------------------===//

/// Maps encodings to integers in the order of the values, -0 before +0.
static int64_t orderKey(uint64_t bits, FloatType type) {
  uint64_t sign = getFormat(type).signBit();
  uint64_t magnitude = bits & (sign - 1);
  return bits & sign ? -static_cast<int64_t>(magnitude) - 1 : static_cast<int64_t>(magnitude);
}

/// The usual f32 cases, without unpacking.
template <bool WantMaximum>
static uint64_t selectSingle(uint32_t a, uint32_t b, bool flush, bool propagate) {
  if (flush)
    return propagate ? fast::selectF32<WantMaximum, true, true>(a, b)
                     : fast::selectF32<WantMaximum, true, false>(a, b);
  return propagate ? fast::selectF32<WantMaximum, false, true>(a, b)
                   : fast::selectF32<WantMaximum, false, false>(a, b);
}

static uint64_t select(uint64_t a, uint64_t b, FloatType type, bool flush, bool propagate,
                       bool xorSign, bool wantMaximum) {
  if (type == FloatType::F32 && !xorSign)
    return wantMaximum ? selectSingle<true>(a, b, flush, propagate)
                       : selectSingle<false>(a, b, flush, propagate);
  if (flush) {
    a = flushSubnormal(a, type);
    b = flushSubnormal(b, type);
  }
  Unpacked left = unpack(a, type), right = unpack(b, type);
  if (left.isNaN() || right.isNaN()) {
    if (propagate || (left.isNaN() && right.isNaN()))
      return firstNaN(type, left, right);
    if (!xorSign)
      return left.isNaN() ? b : a;
  }
  if (!xorSign)
    return (orderKey(a, type) < orderKey(b, type)) == wantMaximum ? b : a;
  // .xorsign.abs: compare magnitudes, sign is the product's (PTX ISA, min/max).
  uint64_t sign = getFormat(type).signBit(), magnitudeMask = sign - 1;
  uint64_t resultSign = (a ^ b) & sign;
  a &= magnitudeMask;
  b &= magnitudeMask;
  if (left.isNaN() || right.isNaN())
    return (left.isNaN() ? b : a) | resultSign;
  return ((a < b) == wantMaximum ? b : a) | resultSign;
}

uint64_t numerics::minimum(uint64_t a, uint64_t b, FloatType type, bool flush, bool propagateNaN,
                           bool xorSign) {
  return select(a, b, type, flush, propagateNaN, xorSign, /*wantMaximum=*/false);
}

uint64_t numerics::maximum(uint64_t a, uint64_t b, FloatType type, bool flush, bool propagateNaN,
                           bool xorSign) {
  return select(a, b, type, flush, propagateNaN, xorSign, /*wantMaximum=*/true);
}
