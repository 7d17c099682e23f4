//===- Float.cpp - Floating-point arithmetic -------------------------------------===//
//
// PTX ISA, "Floating Point Instructions", "Half Precision Floating-Point
// Instructions". f32 and f64 with round-to-nearest run on the host's own
// arithmetic, which rounds the same; everything else goes through Numerics.
// NaN results are canonical for f32 (PTX ISA, "Semantics: NaN payloads").
//
// Size: one family with one Form, a few lines an instruction.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Numerics/Warp.h"
#include <cmath>
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;
using numerics::ArithmeticOptions;
using numerics::FloatType;

namespace {

//===----------------------------------------------------------------------===//
// Host fast paths: f32 and f64, nearest even, no saturation
//===----------------------------------------------------------------------===//

template <bool flushes> inline float flush(float x) {
  if (!flushes)
    return x;
  uint32_t bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits & 0x7f800000) == 0 ? bits & 0x80000000 : bits);
}
template <bool flushes> inline float finish(float x) {
  x = flush<flushes>(x);
  uint32_t bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fffffffu : bits);
}

enum class Operation : uint8_t { Add, Subtract, Multiply, Divide, Fma };

template <bool flushes> void handleDivideF32(Warp &w, const Inst &i, uint32_t m) {
  float *d = w.at<float>(i.d);
  const float *a = w.at<float>(i.a), *b = w.at<float>(i.b);
  forLanes(
      m, [=](unsigned l) { d[l] = finish<flushes>(flush<flushes>(a[l]) / flush<flushes>(b[l])); });
}

// div.approx: the quotient, but by divisors above 2^126 what numerics says.
template <bool flushes> void handleDivideApproximate(Warp &w, const Inst &i, uint32_t m) {
  uint32_t *d = w.at<uint32_t>(i.d);
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b);
  forLanes(m, [=](unsigned l) { d[l] = numerics::divideApproximate(a[l], b[l], flushes); });
}

template <Operation op> void handleF64(Warp &w, const Inst &i, uint32_t m) {
  double *d = w.at<double>(i.d);
  const double *a = w.at<double>(i.a), *b = w.at<double>(i.b);
  forLanes(m, [=](unsigned l) {
    d[l] = op == Operation::Add        ? a[l] + b[l]
           : op == Operation::Subtract ? a[l] - b[l]
           : op == Operation::Multiply ? a[l] * b[l]
                                       : a[l] / b[l];
  });
}

// The whole-warp functions of Numerics; the function is in imm.
template <typename Function> Function functionOf(const Inst &i) {
  return reinterpret_cast<Function>(i.imm);
}
void handleWarpUnary(Warp &w, const Inst &i, uint32_t m) {
  functionOf<numerics::WarpUnary>(i)(w.at<uint32_t>(i.d), w.at<uint32_t>(i.a), m);
}
void handleWarpBinary(Warp &w, const Inst &i, uint32_t m) {
  functionOf<numerics::WarpBinary>(i)(w.at<uint32_t>(i.d), w.at<uint32_t>(i.a), w.at<uint32_t>(i.b),
                                      m);
}
void handleWarpTernary(Warp &w, const Inst &i, uint32_t m) {
  functionOf<numerics::WarpTernary>(i)(w.at<uint32_t>(i.d), w.at<uint32_t>(i.a),
                                       w.at<uint32_t>(i.b), w.at<uint32_t>(i.c), m);
}

void handleHalfBinary(Warp &w, const Inst &i, uint32_t m) {
  functionOf<numerics::HalfBinary>(i)(w.at<uint16_t>(i.d), w.at<uint16_t>(i.a), w.at<uint16_t>(i.b),
                                      m);
}
void handleHalfTernary(Warp &w, const Inst &i, uint32_t m) {
  functionOf<numerics::HalfTernary>(i)(w.at<uint16_t>(i.d), w.at<uint16_t>(i.a),
                                       w.at<uint16_t>(i.b), w.at<uint16_t>(i.c), m);
}

void handleFmaF64(Warp &w, const Inst &i, uint32_t m) {
  double *d = w.at<double>(i.d);
  const double *a = w.at<double>(i.a), *b = w.at<double>(i.b), *c = w.at<double>(i.c);
  forEachLane(m, [=](unsigned l) { d[l] = std::fma(a[l], b[l], c[l]); });
}

//===----------------------------------------------------------------------===//
// Everything else, element by element through Numerics
//===----------------------------------------------------------------------===//

constexpr uint8_t kFlush = 1, kSaturate = 2, kRelu = 4, kPropagateNaN = 8, kXorSign = 16,
                  kRounds = 32, kOutOfBounds = 64;

ArithmeticOptions optionsOf(const Inst &i) {
  ArithmeticOptions options;
  options.rounding = static_cast<numerics::Rounding>(i.aux & 15);
  options.flush = i.flags & kFlush;
  options.saturate = i.flags & kSaturate;
  options.relu = i.flags & kRelu;
  return options;
}
FloatType typeOf(const Inst &i) { return static_cast<FloatType>(i.aux >> 4 & 15); }
unsigned elementBits(const Inst &i) { return i.aux >> 8 & 255; }
unsigned registerBytes(const Inst &i) { return i.aux >> 16 & 255; }

/// Calls f(a, b, c) on each element of each lane; packed types have two.
template <unsigned sources, typename F> void forElements(Warp &w, const Inst &i, uint32_t m, F f) {
  unsigned bits = elementBits(i), bytes = registerBytes(i);
  uint64_t mask = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  forEachLane(m, [&](unsigned l) {
    uint64_t a = readLane(w, i.a, bytes, l), b = 0, c = 0, result = 0;
    if (sources > 1)
      b = readLane(w, i.b, bytes, l);
    if (sources > 2)
      c = readLane(w, i.c, bytes, l);
    for (unsigned shift = 0; shift < 8 * bytes; shift += bits)
      result |= (f(a >> shift & mask, b >> shift & mask, c >> shift & mask) & mask) << shift;
    writeLane(w, i.d, bytes, l, result);
  });
}

template <Operation op> void handleBinary(Warp &w, const Inst &i, uint32_t m) {
  ArithmeticOptions options = optionsOf(i);
  FloatType type = typeOf(i);
  uint64_t negate = op == Operation::Subtract ? uint64_t(1) << (elementBits(i) - 1) : 0;
  forElements<2>(w, i, m, [&](uint64_t a, uint64_t b, uint64_t) {
    switch (op) {
    case Operation::Multiply:
      return numerics::multiply(a, b, type, options);
    case Operation::Divide:
      return numerics::divide(a, b, type, options);
    default:
      return numerics::add(a, b ^ negate, type, options);
    }
  });
}

// PTX ISA, fma, ".oob": an operand that is the NaN with which bulk tensor copies
// fill elements out of bounds makes the result +0. The ISA does not say which
// NaN; a published test expects this one, for f16 and bf16 alike. Not checked
// on hardware.
constexpr uint64_t kOutOfBoundsNaN = 0x7ff7;

void handleFma(Warp &w, const Inst &i, uint32_t m) {
  ArithmeticOptions options = optionsOf(i);
  FloatType type = typeOf(i);
  bool seeksBounds = i.flags & kOutOfBounds;
  forElements<3>(w, i, m, [&](uint64_t a, uint64_t b, uint64_t c) {
    bool isOut = a == kOutOfBoundsNaN || b == kOutOfBoundsNaN || c == kOutOfBoundsNaN;
    return seeksBounds && isOut ? 0 : numerics::fma(a, b, c, type, options);
  });
}

// PTX ISA, min/max with .xorsign.abs: magnitudes are compared, the sign is the
// exclusive or of the signs.
template <bool isMinimum> void handleMinMax(Warp &w, const Inst &i, uint32_t m) {
  FloatType type = typeOf(i);
  uint64_t sign = uint64_t(1) << (elementBits(i) - 1);
  bool propagate = i.flags & kPropagateNaN, flushes = i.flags & kFlush;
  auto two = [&](uint64_t a, uint64_t b) {
    return isMinimum ? numerics::minimum(a, b, type, flushes, propagate)
                     : numerics::maximum(a, b, type, flushes, propagate);
  };
  auto one = [&](uint64_t a, uint64_t b) {
    if (!(i.flags & kXorSign))
      return two(a, b);
    return (two(a & ~sign, b & ~sign) & ~sign) | ((a ^ b) & sign);
  };
  if (i.c == kNoSlot)
    return forElements<2>(w, i, m, [&](uint64_t a, uint64_t b, uint64_t) { return one(a, b); });
  forElements<3>(w, i, m, [&](uint64_t a, uint64_t b, uint64_t c) { return one(one(a, b), c); });
}

template <bool isNegate> void handleSign(Warp &w, const Inst &i, uint32_t m) {
  FloatType type = typeOf(i);
  uint64_t sign = uint64_t(1) << (elementBits(i) - 1);
  bool flushes = i.flags & kFlush;
  forElements<1>(w, i, m, [&](uint64_t a, uint64_t, uint64_t) {
    if (flushes && type == FloatType::F32 && (a & 0x7f800000) == 0)
      a &= sign;
    if (flushes && type == FloatType::F16 && (a & 0x7c00) == 0)
      a &= sign;
    return isNegate ? a ^ sign : a & ~sign;
  });
}

void handleCopysign(Warp &w, const Inst &i, uint32_t m) {
  uint64_t sign = uint64_t(1) << (elementBits(i) - 1);
  // copysign d, a, b: the sign of a on the magnitude of b.
  forElements<2>(w, i, m,
                 [&](uint64_t a, uint64_t b, uint64_t) { return (a & sign) | (b & ~sign); });
}

void handleSquareRoot(Warp &w, const Inst &i, uint32_t m) {
  ArithmeticOptions options = optionsOf(i);
  FloatType type = typeOf(i);
  forElements<1>(w, i, m, [&](uint64_t a, uint64_t, uint64_t) {
    return numerics::squareRoot(a, type, options);
  });
}

void handleReciprocal(Warp &w, const Inst &i, uint32_t m) {
  ArithmeticOptions options = optionsOf(i);
  FloatType type = typeOf(i);
  uint64_t one = numerics::fromDouble(1.0, type);
  forElements<1>(w, i, m, [&](uint64_t a, uint64_t, uint64_t) {
    return numerics::divide(one, a, type, options);
  });
}

void handleApproximate(Warp &w, const Inst &i, uint32_t m) {
  auto function = static_cast<numerics::Approximate>(i.imm);
  FloatType type = typeOf(i);
  bool flushes = i.flags & kFlush;
  forElements<1>(w, i, m, [&](uint64_t a, uint64_t, uint64_t) -> uint64_t {
    if (type == FloatType::F32)
      return numerics::approximateF32(static_cast<uint32_t>(a), function, flushes);
    return numerics::approximateHalf(static_cast<uint16_t>(a), type, function, flushes);
  });
}

// rcp.approx.ftz.f64 and rsqrt.approx.ftz.f64; without .ftz rsqrt keeps all bits.
void handleApproximateF64(Warp &w, const Inst &i, uint32_t m) {
  auto function = static_cast<numerics::Approximate>(i.imm);
  forEachLane(m, [&](unsigned l) {
    if (i.flags & kFlush) {
      w.at<uint64_t>(i.d)[l] = numerics::approximateF64(w.at<uint64_t>(i.a)[l], function);
      return;
    }
    auto exact = static_cast<double>(1 / std::sqrt(static_cast<long double>(w.at<double>(i.a)[l])));
    w.at<uint64_t>(i.d)[l] =
        std::isnan(exact) ? 0x7fffffff00000000u : std::bit_cast<uint64_t>(exact);
  });
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

struct Form {
  ScalarType type = ScalarType::F32;
  std::optional<numerics::Rounding> rounding;
  uint8_t flags = 0;
  bool isPlain() const { // what the host's arithmetic does
    return (!rounding || *rounding == numerics::Rounding::NearestEven) && !(flags & ~kFlush);
  }
};

/// What of the form the type does not have (PTX ISA, the instructions' syntax).
void checkForm(InstructionDecoder &d, const Form &form) {
  bool isHalf = form.type == ScalarType::F16 || form.type == ScalarType::F16x2;
  bool isBrain = form.type == ScalarType::BF16 || form.type == ScalarType::BF16x2;
  auto refuse = [&](llvm::StringRef modifier) {
    d.fail("'." + modifier + "' does not apply to ." + parser::getName(form.type));
  };
  if ((form.flags & kFlush) && (form.type == ScalarType::F64 || isBrain))
    refuse("ftz");
  if ((form.flags & kSaturate) && (form.type == ScalarType::F64 || isBrain))
    refuse("sat");
  if ((form.flags & kRelu) && !isHalf && !isBrain)
    refuse("relu");
  if ((form.flags & kRelu) && (form.flags & kSaturate))
    d.fail("'.relu' and '.sat' exclude each other");
  if ((form.flags & kPropagateNaN) && form.type == ScalarType::F64)
    refuse("NaN");
  if ((isHalf || isBrain) && form.rounding && *form.rounding != numerics::Rounding::NearestEven)
    d.fail("." + parser::getName(form.type) + " only rounds by .rn");
  if (form.rounding == numerics::Rounding::NearestAway)
    d.fail("'.rna' only applies to cvt");
}

/// Takes what is `allowed` of rounding, .ftz, .sat, .relu and .NaN, and the type;
/// fills aux.
Form takeForm(InstructionDecoder &d, uint8_t allowed) {
  Form form;
  if (allowed & kRounds)
    form.rounding = d.takeRounding();
  auto flag = [&](uint8_t bit, llvm::StringRef name) {
    if ((allowed & bit) && d.take(name))
      form.flags |= bit;
  };
  flag(kFlush, "ftz");
  flag(kSaturate, "sat");
  flag(kRelu, "relu");
  flag(kPropagateNaN, "NaN");
  form.type = d.requireType();
  unsigned bits = parser::getBits(form.type);
  bool isPacked = parser::getClass(form.type) == parser::TypeClass::Packed;
  if (!isFloat(form.type) || bits < 16 || form.type == ScalarType::TF32)
    d.refuseType(form.type);
  checkForm(d, form);
  d.inst.flags = form.flags;
  d.inst.aux = static_cast<uint32_t>(form.rounding.value_or(numerics::Rounding::NearestEven)) |
               static_cast<uint32_t>(toFloatType(form.type)) << 4 |
               (isPacked ? bits / 2 : bits) << 8 | (bits / 8) << 16;
  return form;
}

OpClass classOf(ScalarType type) {
  return type == ScalarType::F64                                ? OpClass::Double
         : type == ScalarType::F32 || type == ScalarType::F32x2 ? OpClass::Float
                                                                : OpClass::Half;
}

/// A whole-warp function as handler; sets imm. Null if there is no function.
Handler useUnary(InstructionDecoder &d, numerics::WarpUnary function) {
  d.inst.imm = reinterpret_cast<uint64_t>(function);
  return function ? handleWarpUnary : nullptr;
}
Handler useBinary(InstructionDecoder &d, numerics::WarpBinary function) {
  d.inst.imm = reinterpret_cast<uint64_t>(function);
  return function ? handleWarpBinary : nullptr;
}
Handler useTernary(InstructionDecoder &d, numerics::WarpTernary function) {
  d.inst.imm = reinterpret_cast<uint64_t>(function);
  return function ? handleWarpTernary : nullptr;
}
Handler useHalf(InstructionDecoder &d, numerics::HalfBinary function) {
  d.inst.imm = reinterpret_cast<uint64_t>(function);
  return handleHalfBinary;
}
Handler useHalf(InstructionDecoder &d, numerics::HalfTernary function) {
  d.inst.imm = reinterpret_cast<uint64_t>(function);
  return handleHalfTernary;
}

/// The fast form of an instruction that rounds to nearest even and does nothing
/// else; null where there is none.
template <Operation op> Handler pickFast(InstructionDecoder &d, const Form &form) {
  if (!form.isPlain())
    return nullptr;
  const numerics::WarpOperations &warp = numerics::getWarpOperations();
  bool flushes = form.flags & kFlush;
  if (form.type == ScalarType::F64)
    return handleF64<op>;
  if constexpr (op == Operation::Divide)
    return form.type != ScalarType::F32 ? nullptr
           : flushes                    ? handleDivideF32<true>
                                        : handleDivideF32<false>;
  if (form.type == ScalarType::F32)
    return useBinary(d, (op == Operation::Add        ? warp.addF32
                         : op == Operation::Subtract ? warp.subtractF32
                                                     : warp.multiplyF32)
                            .get(flushes));
  if (form.type == ScalarType::F16x2 && !flushes)
    return useBinary(d, op == Operation::Add        ? warp.addF16x2
                        : op == Operation::Subtract ? warp.subtractF16x2
                                                    : warp.multiplyF16x2);
  if (form.type == ScalarType::BF16x2 && !flushes)
    return useBinary(d, op == Operation::Add        ? warp.addBF16x2
                        : op == Operation::Subtract ? warp.subtractBF16x2
                                                    : warp.multiplyBF16x2);
  if (form.type == ScalarType::F16 && !flushes)
    return useHalf(d, op == Operation::Add        ? warp.addF16
                      : op == Operation::Subtract ? warp.subtractF16
                                                  : warp.multiplyF16);
  if (form.type == ScalarType::BF16 && !flushes)
    return useHalf(d, op == Operation::Add        ? warp.addBF16
                      : op == Operation::Subtract ? warp.subtractBF16
                                                  : warp.multiplyBF16);
  return nullptr;
}

void decodeSquareRoot(InstructionDecoder &d) {
  bool isApproximate = d.take("approx");
  Form form = takeForm(d, isApproximate ? kFlush : kFlush | kRounds);
  if (isApproximate) {
    d.inst.imm = static_cast<uint64_t>(numerics::Approximate::Sqrt);
    return decodeUniform(d, 1, form.type,
                         form.type == ScalarType::F32 ? handleApproximate : nullptr,
                         OpClass::Special);
  }
  if (!form.rounding)
    d.fail("'sqrt' needs .approx or a rounding");
  bool isWide = form.type == ScalarType::F32 || form.type == ScalarType::F64;
  decodeUniform(d, 1, form.type, isWide ? handleSquareRoot : nullptr, OpClass::Special);
}

void decodeReciprocal(InstructionDecoder &d) {
  bool isApproximate = d.take("approx");
  // rcp.approx.ftz.f64 is the one .f64 form with .ftz.
  bool flushesF64 = isApproximate && d.peekType() == ScalarType::F64 && d.take("ftz");
  Form form = takeForm(d, isApproximate ? kFlush : kFlush | kRounds);
  Handler handler = nullptr;
  if (isApproximate && form.type == ScalarType::F64 && !flushesF64)
    d.fail("'rcp.approx' of .f64 needs .ftz");
  if (form.type == ScalarType::F32)
    handler = isApproximate ? handleApproximate : handleReciprocal;
  if (form.type == ScalarType::F64)
    handler = isApproximate ? handleApproximateF64 : handleReciprocal;
  if (!isApproximate && !form.rounding)
    d.fail("'rcp' needs .approx or a rounding");
  d.inst.flags |= flushesF64 ? kFlush : 0;
  d.inst.imm = static_cast<uint64_t>(numerics::Approximate::Reciprocal);
  if (form.type == ScalarType::F32 && isApproximate)
    handler = useUnary(d, numerics::getWarpOperations().reciprocalF32.get(form.flags & kFlush));
  decodeUniform(d, 1, form.type, handler, OpClass::Special);
}

template <numerics::Approximate function, bool onHalf>
void decodeApproximate(InstructionDecoder &d) {
  bool isApproximate = d.take("approx");
  using A = numerics::Approximate;
  std::optional<ScalarType> type = d.peekType();
  bool flushesF64 = isApproximate && type == ScalarType::F64 && d.take("ftz");
  bool flushesBrain = function == A::Exp2 &&
                      (type == ScalarType::BF16 || type == ScalarType::BF16x2) && d.take("ftz");
  Form form = takeForm(d, kFlush);
  bool isHalf = classOf(form.type) == OpClass::Half, isExp2 = function == A::Exp2;
  bool isBrain = form.type == ScalarType::BF16 || form.type == ScalarType::BF16x2;
  Handler handler =
      form.type == ScalarType::F32 || (onHalf && isHalf) ? handleApproximate : nullptr;
  if (function == A::ReciprocalSqrt && form.type == ScalarType::F64)
    handler = handleApproximateF64;
  if (!isApproximate)
    d.fail("'" + d.source.opcode + "' needs .approx");
  // ex2 of bf16 always flushes, of f16 and tanh never.
  bool mayFlush = function != A::Tanh && !isHalf, mustFlush = isExp2 && isBrain;
  if (mustFlush && !flushesBrain)
    d.fail("'ex2' of ." + parser::getName(form.type) + " needs .ftz");
  if ((form.flags & kFlush) && !mayFlush)
    d.fail("'.ftz' does not apply to '" + d.source.opcode + "' of ." + parser::getName(form.type));
  d.inst.flags |= flushesBrain ? kFlush : 0;
  d.inst.flags |= flushesF64 ? kFlush : 0;
  d.inst.imm = static_cast<uint64_t>(function);
  if (form.type == ScalarType::F32) {
    const numerics::WarpOperations &warp = numerics::getWarpOperations();
    if (isExp2)
      handler = useUnary(d, warp.exp2F32.get(form.flags & kFlush));
    if (function == A::ReciprocalSqrt)
      handler = useUnary(d, warp.reciprocalSqrtF32.get(form.flags & kFlush));
  }
  decodeUniform(d, 1, form.type, handler, OpClass::Special);
}

void decodeCopysign(InstructionDecoder &d) {
  Form form = takeForm(d, 0);
  bool isWide = form.type == ScalarType::F32 || form.type == ScalarType::F64;
  decodeUniform(d, 2, form.type, isWide ? handleCopysign : nullptr, classOf(form.type));
}

enum class Test : uint8_t { Finite, Infinite, Number, NotANumber, Normal, Subnormal };

template <typename T> void handleTestp(Warp &w, const Inst &i, uint32_t m) {
  uint32_t result = 0;
  const T *a = w.at<T>(i.a);
  forEachLane(m, [&](unsigned l) {
    int kind = std::fpclassify(a[l]);
    bool value = false;
    switch (static_cast<Test>(i.imm)) {
    case Test::Finite:
      value = kind != FP_NAN && kind != FP_INFINITE;
      break;
    case Test::Infinite:
      value = kind == FP_INFINITE;
      break;
    case Test::Number:
      value = kind != FP_NAN;
      break;
    case Test::NotANumber:
      value = kind == FP_NAN;
      break;
    case Test::Normal:
      value = kind == FP_NORMAL;
      break;
    // PTX counts zero as neither; "subnormal" is also true of zero on no device.
    case Test::Subnormal:
      value = kind == FP_SUBNORMAL;
      break;
    }
    result |= uint32_t(value) << l;
  });
  w.setPredicate(i.d, m, result);
}

void decodeTestp(InstructionDecoder &d) {
  auto test = d.takeOneOf({"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
  ScalarType type = d.requireType();
  if (!test)
    return d.fail("'testp' needs what to test, such as .finite");
  if (type != ScalarType::F32 && type != ScalarType::F64)
    return d.refuseType(type);
  if (!d.expectOperands(2))
    return;
  d.inst.d = d.writePredicate(d.operand(0));
  d.inst.a = d.read(1, type);
  d.inst.imm = *test;
  d.set(type == ScalarType::F32 ? handleTestp<float> : handleTestp<double>, OpClass::Predicate);
}

/// PTX ISA, "Mixed Precision Floating-Point Instructions": sources of 16 bits,
/// widened exactly, the last source and the result of f32. imm is their type.
template <Operation op> void handleMixed(Warp &w, const Inst &i, uint32_t m) {
  ArithmeticOptions options = optionsOf(i);
  auto narrow = static_cast<FloatType>(i.imm);
  auto widen = [&](Slot slot, unsigned lane) {
    return numerics::convert(readLane(w, slot, 2, lane), narrow, FloatType::F32);
  };
  uint32_t sign = op == Operation::Subtract ? 0x80000000 : 0;
  forEachLane(m, [&](unsigned l) {
    uint64_t a = widen(i.a, l);
    uint64_t result =
        op == Operation::Fma
            ? numerics::fma(a, widen(i.b, l), readLane(w, i.c, 4, l), FloatType::F32, options)
            : numerics::add(a, readLane(w, i.b, 4, l) ^ sign, FloatType::F32, options);
    writeLane(w, i.d, 4, l, result);
  });
}

/// Decodes the mixed form, add.f32.f16 and the like, if that is what it is.
bool decodeMixed(InstructionDecoder &d, const Form &form, Handler handler, unsigned sources) {
  std::optional<ScalarType> narrow = d.takeType();
  if (!narrow)
    return false;
  if (form.type != ScalarType::F32 || form.flags & ~kSaturate ||
      (*narrow != ScalarType::F16 && *narrow != ScalarType::BF16)) {
    d.refuseType(*narrow);
    return true;
  }
  if (!d.expectOperands(sources + 1))
    return true;
  d.inst.d = d.write(0, form.type);
  d.inst.a = d.read(1, *narrow);
  if (sources == 3) {
    d.inst.b = d.read(2, *narrow);
    d.inst.c = d.read(3, form.type);
  } else {
    d.inst.b = d.read(2, form.type);
  }
  d.inst.imm = static_cast<uint64_t>(toFloatType(*narrow));
  d.set(handler, OpClass::Float);
  return true;
}

} // namespace

void tilewright::emulator::decodeFloatAdd(InstructionDecoder &d) {
  bool isSubtract = d.source.opcode == "sub";
  Form form = takeForm(d, kFlush | kSaturate | kRounds);
  if (decodeMixed(d, form,
                  isSubtract ? handleMixed<Operation::Subtract> : handleMixed<Operation::Add>, 2))
    return;
  Handler handler =
      isSubtract ? pickFast<Operation::Subtract>(d, form) : pickFast<Operation::Add>(d, form);
  if (!handler)
    handler = isSubtract ? handleBinary<Operation::Subtract> : handleBinary<Operation::Add>;
  decodeUniform(d, 2, form.type, handler, classOf(form.type));
}

void tilewright::emulator::decodeFloatMultiply(InstructionDecoder &d) {
  Form form = takeForm(d, kFlush | kSaturate | kRounds);
  Handler handler = pickFast<Operation::Multiply>(d, form);
  decodeUniform(d, 2, form.type, handler ? handler : handleBinary<Operation::Multiply>,
                classOf(form.type));
}

void tilewright::emulator::decodeFloatMultiplyAdd(InstructionDecoder &d) {
  Form form = takeForm(d, kFlush | kSaturate | kRelu | kRounds);
  Handler handler = handleFma;
  bool seeksBounds = d.source.opcode == "fma" && d.take("oob");
  if (seeksBounds && (classOf(form.type) != OpClass::Half || form.flags & (kFlush | kSaturate)))
    d.fail("'fma.oob' is of f16 or bf16, without .ftz and .sat");
  d.inst.flags |= seeksBounds ? kOutOfBounds : 0;
  form.flags |= seeksBounds ? kOutOfBounds : 0;
  if (!form.rounding)
    d.fail("'" + d.source.opcode + "' needs a rounding");
  if (d.source.opcode == "mad" && classOf(form.type) == OpClass::Half)
    return d.refuseType(form.type);
  if (d.source.opcode == "fma" && decodeMixed(d, form, handleMixed<Operation::Fma>, 3))
    return;
  if (form.isPlain() && form.type == ScalarType::F64)
    handler = handleFmaF64;
  const numerics::WarpOperations &warp = numerics::getWarpOperations();
  bool flushes = form.flags & kFlush;
  if (form.isPlain() && form.type == ScalarType::F32)
    handler = useTernary(d, warp.fmaF32.get(flushes));
  if (form.isPlain() && form.type == ScalarType::F16x2 && !flushes)
    handler = useTernary(d, warp.fmaF16x2);
  if (form.isPlain() && form.type == ScalarType::BF16x2 && !flushes)
    handler = useTernary(d, warp.fmaBF16x2);
  if (form.isPlain() && form.type == ScalarType::F16 && !flushes)
    handler = useHalf(d, warp.fmaF16);
  if (form.isPlain() && form.type == ScalarType::BF16 && !flushes)
    handler = useHalf(d, warp.fmaBF16);
  decodeUniform(d, 3, form.type, handler, classOf(form.type));
}

// div.approx and div.full are within 2 ulp (PTX ISA, div); the emulated device
// gives the correctly rounded quotient where it is not zero by definition.
void tilewright::emulator::decodeFloatDivide(InstructionDecoder &d) {
  bool isApproximate = d.take("approx"), isFull = !isApproximate && d.take("full");
  Form form = takeForm(d, kFlush | kRounds);
  if (!isApproximate && !isFull && !form.rounding)
    d.fail("'div' needs .approx, .full or a rounding");
  if ((isApproximate || isFull) && form.rounding)
    d.fail("'div' takes .approx, .full or a rounding, not two of them");
  Handler handler = pickFast<Operation::Divide>(d, form);
  if (!handler)
    handler = handleBinary<Operation::Divide>;
  if (isApproximate)
    handler = form.flags & kFlush ? handleDivideApproximate<true> : handleDivideApproximate<false>;
  bool isWide =
      form.type == ScalarType::F32 || (form.type == ScalarType::F64 && !isApproximate && !isFull);
  decodeUniform(d, 2, form.type, isWide ? handler : nullptr, classOf(form.type));
}

void tilewright::emulator::decodeFloatMinMax(InstructionDecoder &d) {
  bool xorSign = d.take("xorsign");
  if (xorSign && !d.take("abs"))
    d.fail("'.xorsign' needs .abs");
  Form form = takeForm(d, kFlush | kPropagateNaN);
  if (xorSign && form.type == ScalarType::F64)
    d.fail("'.xorsign.abs' does not apply to .f64");
  d.inst.flags |= xorSign ? kXorSign : 0;
  unsigned sources = form.type == ScalarType::F32 && d.numOperands() == 4 ? 3 : 2;
  bool isMinimum = d.source.opcode == "min";
  Handler handler = isMinimum ? handleMinMax<true> : handleMinMax<false>;
  if (form.type == ScalarType::F32 && sources == 2 && !xorSign) {
    const numerics::WarpOperations &warp = numerics::getWarpOperations();
    const auto &function = form.flags & kPropagateNaN
                               ? (isMinimum ? warp.minimumNaNF32 : warp.maximumNaNF32)
                               : (isMinimum ? warp.minimumF32 : warp.maximumF32);
    handler = useBinary(d, function.get(form.flags & kFlush));
  }
  decodeUniform(d, sources, form.type, handler, classOf(form.type));
}

void tilewright::emulator::decodeFloatSign(InstructionDecoder &d) {
  Form form = takeForm(d, kFlush);
  decodeUniform(d, 1, form.type, d.source.opcode == "neg" ? handleSign<true> : handleSign<false>,
                classOf(form.type));
}

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getFloatInstructions() {
  using A = numerics::Approximate;
  static constexpr InstructionEntry entries[] = {
      {"sqrt", decodeSquareRoot},
      {"rcp", decodeReciprocal},
      {"rsqrt", decodeApproximate<A::ReciprocalSqrt, false>},
      {"ex2", decodeApproximate<A::Exp2, true>},
      {"lg2", decodeApproximate<A::Log2, false>},
      {"sin", decodeApproximate<A::Sin, false>},
      {"cos", decodeApproximate<A::Cos, false>},
      {"tanh", decodeApproximate<A::Tanh, true>},
      {"copysign", decodeCopysign},
      {"testp", decodeTestp},
  };
  return entries;
}
