//===- Format.h - Binary formats and the one rounding ------------*- C++ -*-===//
//
// Every exact operation of this folder has three steps: unpack the operands
// into integers, compute an exact integer result, round once. This header
// holds the first and the last step. Nothing here uses host floating point.
//
// Example, f32 1.5 = 0x3fc00000: unpack gives significand 0xc00000 and
// exponent -23, that is 0xc00000 * 2^-23. To round it to E2M1 (one mantissa
// bit, smallest normal exponent 0), `roundToFormat` keeps two significant bits,
// 0b11 * 2^-1, and encodes 0b0011.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_FORMAT_H
#define TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_FORMAT_H

#include "runtime/Emulator/Numerics/Float.h"

namespace tilewright::numerics {

__extension__ typedef unsigned __int128 UInt128;

/// What the encodings with an all-ones exponent mean.
enum class Specials {
  IEEE,    ///< infinities and NaNs
  NaNOnly, ///< one NaN a sign, S.1111.111; no infinity (E4M3)
  None     ///< every encoding is finite (the 6- and 4-bit formats)
};

/// A sign-exponent-mantissa format. UE8M0 has no sign, no zero and no mantissa
/// and is handled apart.
struct Format {
  unsigned exponentBits, mantissaBits;
  Specials specials;
  unsigned containerShift; ///< unused low bits of the register (TF32: 13)

  constexpr int bias() const { return (1 << (exponentBits - 1)) - 1; }
  /// Exponent of the smallest normal number.
  constexpr int minExponent() const { return 1 - bias(); }
  /// Exponent of the last mantissa bit of a subnormal number.
  constexpr int minQuantum() const { return minExponent() - static_cast<int>(mantissaBits); }
  constexpr uint64_t signBit() const { return uint64_t(1) << (exponentBits + mantissaBits); }
  constexpr uint64_t mantissaMask() const { return (uint64_t(1) << mantissaBits) - 1; }
  constexpr uint64_t exponentMask() const { return ((uint64_t(1) << exponentBits) - 1); }
  /// Magnitude of the largest finite number.
  constexpr uint64_t maxFinite() const {
    uint64_t all = signBit() - 1;
    switch (specials) {
    case Specials::IEEE:
      return (exponentMask() << mantissaBits) - 1;
    case Specials::NaNOnly:
      return all - 1;
    case Specials::None:
      return all;
    }
    return all;
  }
};

/// The format of `type`, which is not UE8M0.
constexpr Format getFormat(FloatType type) {
  switch (type) {
  case FloatType::F64:
    return {11, 52, Specials::IEEE, 0};
  case FloatType::F32:
    return {8, 23, Specials::IEEE, 0};
  case FloatType::TF32:
    return {8, 10, Specials::IEEE, 13};
  case FloatType::F16:
    return {5, 10, Specials::IEEE, 0};
  case FloatType::BF16:
    return {8, 7, Specials::IEEE, 0};
  case FloatType::E4M3:
    return {4, 3, Specials::NaNOnly, 0};
  case FloatType::E5M2:
    return {5, 2, Specials::IEEE, 0};
  case FloatType::E3M2:
    return {3, 2, Specials::None, 0};
  case FloatType::E2M3:
    return {2, 3, Specials::None, 0};
  case FloatType::E2M1:
  case FloatType::UE8M0:
    break;
  }
  return {2, 1, Specials::None, 0};
}

enum class Kind : uint8_t { Zero, Finite, Infinity, NaN };

/// An unpacked number: (-1)^negative * significand * 2^exponent when Finite,
/// with a significand that is not zero. A NaN keeps its f64 encoding in
/// `significand` (payloads matter for f64 only).
struct Unpacked {
  Kind kind;
  bool negative;
  int exponent;
  uint64_t significand;

  bool isNaN() const { return kind == Kind::NaN; }
  bool isInfinity() const { return kind == Kind::Infinity; }
  bool isZero() const { return kind == Kind::Zero; }
};

/// Decodes `bits`; higher bits of the container are ignored.
Unpacked unpack(uint64_t bits, FloatType type);

/// The NaN that an invalid operation of `type` returns (PTX ISA,
/// "Floating-Point Instructions"; f64 as in CUDART_NAN). Formats without NaN
/// answer with their largest finite number (PTX ISA, cvt .satfinite).
uint64_t canonicalNaN(FloatType type);
/// Quiets the f64 NaN `value` and keeps its payload; canonical for other types.
uint64_t propagateNaN(const Unpacked &value, FloatType type);

uint64_t encodeZero(bool negative, FloatType type);
uint64_t encodeInfinity(bool negative, FloatType type, bool saturateFinite);

/// Rounds (-1)^negative * significand * 2^exponent to `type`. The significand is
/// not zero; its bit 0 may stand for any number of lost lower bits when at
/// least two more bits than the precision of `type` are above it.
uint64_t roundToFormat(bool negative, UInt128 significand, int exponent, FloatType type,
                       Rounding rounding, bool saturateFinite = false);

/// Shifts right; bit 0 of the result is set when any bit was lost.
constexpr UInt128 shiftRightJam(UInt128 value, unsigned amount) {
  if (amount == 0)
    return value;
  if (amount > 127)
    return value != 0;
  UInt128 lost = value & ((UInt128(1) << amount) - 1);
  return (value >> amount) | (lost != 0);
}

/// Position of the highest set bit of `value`, which is not zero.
constexpr int highestBit(UInt128 value) {
  uint64_t high = static_cast<uint64_t>(value >> 64);
  return high ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll(static_cast<uint64_t>(value));
}

/// The integer part of significand / 2^shift (shift > 0), rounded.
UInt128 roundedShift(bool negative, UInt128 significand, unsigned shift, Rounding rounding);

/// Flushes a subnormal encoding of `type` to a zero of the same sign.
constexpr uint64_t flushSubnormal(uint64_t bits, FloatType type) {
  Format format = getFormat(type);
  bool normal = (bits >> (format.mantissaBits + format.containerShift)) & format.exponentMask();
  return normal ? bits : bits & (format.signBit() << format.containerShift);
}

} // namespace tilewright::numerics

#endif
