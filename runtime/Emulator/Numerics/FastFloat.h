//===- FastFloat.h - Hot arithmetic, inline ----------------------*- C++ -*-===//
//
// Round-to-nearest-even add, multiply and fma on f32, f16 and bf16 bits, and the
// conversions between them, written without branches so that a loop over the
// 32 lanes of a warp is vectorised by the compiler (always inlined, so that they
// take on the instruction set of the loop). Results are equal, bit for
// bit, to the functions of Float.h. They use the host's IEEE operations in the
// default environment (nearest even, no flushing), which the runtime never
// changes.
//
// Why one host operation may stand for the exact one:
// - Widening is exact. With p bits of precision, computing +, -, * in a format
//   of at least 2p + 2 bits and rounding again to p bits is one rounding
//   (Figueroa 1995); 24 >= 2 * 11 + 2 covers f16 and bf16 through f32. Sums that
//   are subnormal in the narrow format are exact in f32; a bf16 product has 16
//   significant bits, so from 2^-134, half the smallest bf16, upward it is a
//   multiple of 2^-149 and exact in f32.
// - fma rounds an exact product and an addend. `addToOddLanes` computes the sum
//   rounded to odd in a format with at least two more bits; rounding that
//   again gives the correctly rounded result (Boldo and Melquiond 2008). The
//   product of two f16 is exact in f32 (22 bits), of two bf16 or f32 in f64.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_FASTFLOAT_H
#define TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_FASTFLOAT_H

#include <bit>
#include <cmath>
#include <cstdint>

namespace tilewright::numerics::fast {

//===----------------------------------------------------------------------===//
// Building blocks
//===----------------------------------------------------------------------===//

/// Bits of `value`; every NaN becomes 0x7fffffff.
[[gnu::always_inline]] inline uint32_t canonical(float value) {
  return value == value ? std::bit_cast<uint32_t>(value) : 0x7fffffffu;
}

/// .ftz of f32: a subnormal becomes a zero of the same sign.
[[gnu::always_inline]] inline uint32_t flush(uint32_t bits) {
  return (bits & 0x7f800000u) != 0 ? bits : bits & 0x80000000u;
}

/// .sat: clamps to [0, 1]; NaN and -0 become +0.
[[gnu::always_inline]] inline uint32_t saturate(uint32_t bits) {
  float value = std::bit_cast<float>(bits);
  float low = value > 0.0f ? value : 0.0f;
  return std::bit_cast<uint32_t>(low < 1.0f ? low : 1.0f);
}

/// `value` in every lane; for one number, itself.
template <typename Word> [[gnu::always_inline]] inline Word splat(uint32_t value) {
  return Word{} + value;
}

/// a + b rounded to odd: the result is exact or has an odd significand.
/// Infinities and NaNs pass through. Like everything named ...Lanes, Float and
/// Word are one number and its bits, or vectors of the same width.
template <typename Float, typename Word>
[[gnu::always_inline]] inline Float addToOddLanes(Float a, Float b) {
  Float sum = a + b;
  // Knuth's two-sum: `error` is exactly a + b - sum.
  Float bPart = sum - a;
  Float error = (a - (sum - bPart)) + (b - bPart);
  Word bits = std::bit_cast<Word>(sum), one = Word{} + 1;
  // One unit in the last place toward the exact sum.
  Word moved = (error > 0) == (sum > 0) ? bits + one : bits - one;
  auto isInexact = (error > 0) | (error < 0);
  auto isEven = (bits & one) == 0;
  return std::bit_cast<Float>((isInexact & isEven) ? moved : bits);
}

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

/// f16 in the low bits to f32, exact; a NaN becomes 0x7fffffff.
template <typename Float, typename Word>
[[gnu::always_inline]] inline Float widenF16Lanes(Word half) {
  Word magnitude = half & 0x7fffu;
  Word normal = (magnitude << 13) + (112u << 23);
  // A subnormal is mantissa * 2^-24: put it below the leading one of 2^-14
  // (exponent field 113), then take that one away.
  Float subnormal = std::bit_cast<Float>((magnitude << 13) + (113u << 23)) - 0x1p-14f;
  Word finite = magnitude < 0x400u ? std::bit_cast<Word>(subnormal) : normal;
  Word ordered = magnitude == 0x7c00u ? splat<Word>(0x7f800000u) : finite;
  ordered |= (half & 0x8000u) << 16;
  return std::bit_cast<Float>(magnitude > 0x7c00u ? splat<Word>(0x7fffffffu) : ordered);
}

/// f32 to f16, to nearest even; a NaN becomes 0x7fff.
template <typename Float, typename Word>
[[gnu::always_inline]] inline Word narrowF16Lanes(Float value) {
  Word bits = std::bit_cast<Word>(value), magnitude = bits & 0x7fffffffu;
  // Drop 13 bits; add just under half, and one more when the kept part is odd.
  Word rebased = magnitude - (112u << 23);
  Word normal = (rebased + 0xfffu + ((rebased >> 13) & 1u)) >> 13;
  // Below 2^-14 the last place is 2^-24: adding 0.5, whose last place that is,
  // lets the host round.
  Word subnormal = std::bit_cast<Word>(std::bit_cast<Float>(magnitude) + 0.5f) - 0x3f000000u;
  Word finite = magnitude < 0x38800000u ? subnormal : normal;
  Word ordered = magnitude < 0x47800000u ? finite : splat<Word>(0x7c00u);
  ordered |= (bits >> 16) & 0x8000u;
  return magnitude > 0x7f800000u ? splat<Word>(0x7fffu) : ordered;
}

/// bf16 in the low bits to f32, exact; a NaN becomes 0x7fffffff.
template <typename Float, typename Word>
[[gnu::always_inline]] inline Float widenBF16Lanes(Word half) {
  Word bits = half << 16;
  return std::bit_cast<Float>((bits & 0x7fffffffu) > 0x7f800000u ? splat<Word>(0x7fffffffu) : bits);
}

/// f32 to bf16, to nearest even; a NaN becomes 0x7fff.
template <typename Float, typename Word>
[[gnu::always_inline]] inline Word narrowBF16Lanes(Float value) {
  Word bits = std::bit_cast<Word>(value);
  Word rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return (bits & 0x7fffffffu) > 0x7f800000u ? splat<Word>(0x7fffu) : rounded;
}

[[gnu::always_inline]] inline float widenF16(uint16_t half) {
  return widenF16Lanes<float, uint32_t>(half);
}
[[gnu::always_inline]] inline uint16_t narrowF16(float value) {
  return static_cast<uint16_t>(narrowF16Lanes<float, uint32_t>(value));
}
[[gnu::always_inline]] inline float widenBF16(uint16_t half) {
  return widenBF16Lanes<float, uint32_t>(half);
}
[[gnu::always_inline]] inline uint16_t narrowBF16(float value) {
  return static_cast<uint16_t>(narrowBF16Lanes<float, uint32_t>(value));
}

//===----------------------------------------------------------------------===//
// f32
//===----------------------------------------------------------------------===//

template <bool Flush = false> [[gnu::always_inline]] inline float operandF32(uint32_t bits) {
  return std::bit_cast<float>(Flush ? flush(bits) : bits);
}
template <bool Flush = false> [[gnu::always_inline]] inline uint32_t resultF32(float value) {
  return Flush ? flush(canonical(value)) : canonical(value);
}

template <bool Flush = false>
[[gnu::always_inline]] inline uint32_t addF32(uint32_t a, uint32_t b) {
  return resultF32<Flush>(operandF32<Flush>(a) + operandF32<Flush>(b));
}
template <bool Flush = false>
[[gnu::always_inline]] inline uint32_t multiplyF32(uint32_t a, uint32_t b) {
  return resultF32<Flush>(operandF32<Flush>(a) * operandF32<Flush>(b));
}
template <bool Flush = false>
[[gnu::always_inline]] inline uint32_t divideF32(uint32_t a, uint32_t b) {
  return resultF32<Flush>(operandF32<Flush>(a) / operandF32<Flush>(b));
}
template <bool Flush = false> [[gnu::always_inline]] inline uint32_t squareRootF32(uint32_t a) {
  return resultF32<Flush>(std::sqrt(operandF32<Flush>(a)));
}
/// min.f32 and max.f32: -0 < +0; a NaN gives way to a number unless
/// `PropagateNaN`.
template <bool WantMaximum, bool Flush, bool PropagateNaN>
[[gnu::always_inline]] inline uint32_t selectF32(uint32_t a, uint32_t b) {
  a = Flush ? flush(a) : a;
  b = Flush ? flush(b) : b;
  // Negative encodings are ordered backwards; flipped, all compare as integers.
  auto key = [](uint32_t bits) __attribute__((always_inline)) {
    auto number = static_cast<int32_t>(bits);
    return number ^ ((number >> 31) & 0x7fffffff);
  };
  uint32_t result = (key(a) < key(b)) == WantMaximum ? b : a;
  bool aIsNaN = (a & 0x7fffffffu) > 0x7f800000u, bIsNaN = (b & 0x7fffffffu) > 0x7f800000u;
  uint32_t number = aIsNaN ? b : a;
  result = (aIsNaN | bIsNaN) ? number : result;
  bool isNaN = PropagateNaN ? (aIsNaN | bIsNaN) : (aIsNaN & bIsNaN);
  return isNaN ? 0x7fffffffu : result;
}
template <bool Flush = false>
[[gnu::always_inline]] inline uint32_t fmaF32(uint32_t a, uint32_t b, uint32_t c) {
#ifdef __FMA__
  return resultF32<Flush>(
      __builtin_fmaf(operandF32<Flush>(a), operandF32<Flush>(b), operandF32<Flush>(c)));
#else
  double product = double(operandF32<Flush>(a)) * double(operandF32<Flush>(b));
  double sum = addToOddLanes<double, uint64_t>(product, double(operandF32<Flush>(c)));
  return resultF32<Flush>(static_cast<float>(sum));
#endif
}

//===----------------------------------------------------------------------===//
// f16 and bf16
//===----------------------------------------------------------------------===//

template <typename Float, typename Word>
[[gnu::always_inline]] inline Word addF16Lanes(Word a, Word b) {
  return narrowF16Lanes<Float, Word>(widenF16Lanes<Float, Word>(a) + widenF16Lanes<Float, Word>(b));
}
template <typename Float, typename Word>
[[gnu::always_inline]] inline Word multiplyF16Lanes(Word a, Word b) {
  return narrowF16Lanes<Float, Word>(widenF16Lanes<Float, Word>(a) * widenF16Lanes<Float, Word>(b));
}
template <typename Float, typename Word>
[[gnu::always_inline]] inline Word fmaF16Lanes(Word a, Word b, Word c) {
  Float product = widenF16Lanes<Float, Word>(a) * widenF16Lanes<Float, Word>(b);
  return narrowF16Lanes<Float, Word>(
      addToOddLanes<Float, Word>(product, widenF16Lanes<Float, Word>(c)));
}
template <typename Float, typename Word>
[[gnu::always_inline]] inline Word addBF16Lanes(Word a, Word b) {
  return narrowBF16Lanes<Float, Word>(widenBF16Lanes<Float, Word>(a) +
                                      widenBF16Lanes<Float, Word>(b));
}
template <typename Float, typename Word>
[[gnu::always_inline]] inline Word multiplyBF16Lanes(Word a, Word b) {
  return narrowBF16Lanes<Float, Word>(widenBF16Lanes<Float, Word>(a) *
                                      widenBF16Lanes<Float, Word>(b));
}

[[gnu::always_inline]] inline uint16_t addF16(uint16_t a, uint16_t b) {
  return static_cast<uint16_t>(addF16Lanes<float, uint32_t>(a, b));
}
[[gnu::always_inline]] inline uint16_t multiplyF16(uint16_t a, uint16_t b) {
  return static_cast<uint16_t>(multiplyF16Lanes<float, uint32_t>(a, b));
}
[[gnu::always_inline]] inline uint16_t fmaF16(uint16_t a, uint16_t b, uint16_t c) {
  return static_cast<uint16_t>(fmaF16Lanes<float, uint32_t>(a, b, c));
}
[[gnu::always_inline]] inline uint16_t addBF16(uint16_t a, uint16_t b) {
  return static_cast<uint16_t>(addBF16Lanes<float, uint32_t>(a, b));
}
[[gnu::always_inline]] inline uint16_t multiplyBF16(uint16_t a, uint16_t b) {
  return static_cast<uint16_t>(multiplyBF16Lanes<float, uint32_t>(a, b));
}
/// Rounds to odd twice: f64, then f32, each with two bits to spare.
[[gnu::always_inline]] inline uint16_t fmaBF16(uint16_t a, uint16_t b, uint16_t c) {
  double sum = addToOddLanes<double, uint64_t>(double(widenBF16(a)) * double(widenBF16(b)),
                                               double(widenBF16(c)));
  float nearest = static_cast<float>(sum);
  uint32_t bits = std::bit_cast<uint32_t>(nearest);
  double back = double(nearest);
  // Where rounding to nearest went past `sum`, step back; then set the odd bit.
  double magnitude = sum < 0 ? -sum : sum, backMagnitude = back < 0 ? -back : back;
  bits = backMagnitude > magnitude ? bits - 1 : bits;
  bits = (back < sum || back > sum) ? bits | 1 : bits;
  return narrowBF16(std::bit_cast<float>(bits));
}

} // namespace tilewright::numerics::fast

#endif
