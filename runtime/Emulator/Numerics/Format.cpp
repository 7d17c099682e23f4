//===- Format.cpp - Unpacking and the one rounding ------------------------===//
//
// See Format.h. All later stages (Convert, Arithmetic, Approximate, Mma) decode
// and round through these functions, so that a format is described once.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Numerics/Format.h"
#include <algorithm>

using namespace tilewright;
using namespace tilewright::numerics;

/// A narrow NaN as f64: the payload of the f32 NaN moves to the top of the
/// wider mantissa and is quieted.
static constexpr uint64_t kF64QuietBit = uint64_t(1) << 51;
static constexpr uint64_t kWideCanonicalNaN = 0x7fffffffe0000000;

unsigned numerics::getBits(FloatType type) {
  switch (type) {
  case FloatType::F64:
    return 64;
  case FloatType::F32:
  case FloatType::TF32:
    return 32;
  case FloatType::F16:
  case FloatType::BF16:
    return 16;
  case FloatType::E4M3:
  case FloatType::E5M2:
  case FloatType::UE8M0:
    return 8;
  case FloatType::E3M2:
  case FloatType::E2M3:
    return 6;
  case FloatType::E2M1:
    return 4;
  }
  return 0;
}

static Unpacked unpackScale(uint64_t bits) {
  uint64_t exponent = bits & 0xff;
  if (exponent == 0xff)
    return {Kind::NaN, false, 0, kWideCanonicalNaN};
  return {Kind::Finite, false, static_cast<int>(exponent) - 127, 1};
}

static uint64_t widenNaN(uint64_t bits, FloatType type) {
  if (type == FloatType::F64)
    return bits;
  if (type != FloatType::F32)
    return kWideCanonicalNaN;
  uint64_t sign = (bits & 0x80000000) << 32;
  return sign | 0x7ff0000000000000 | kF64QuietBit | ((bits & 0x7fffff) << 29);
}

Unpacked numerics::unpack(uint64_t bits, FloatType type) {
  if (type == FloatType::UE8M0)
    return unpackScale(bits);
  Format format = getFormat(type);
  bits >>= format.containerShift;
  bool negative = bits & format.signBit();
  uint64_t exponent = (bits >> format.mantissaBits) & format.exponentMask();
  uint64_t mantissa = bits & format.mantissaMask();
  if (exponent == format.exponentMask()) {
    if (format.specials == Specials::IEEE) {
      if (mantissa == 0)
        return {Kind::Infinity, negative, 0, 0};
      return {Kind::NaN, negative, 0, widenNaN(bits, type)};
    }
    if (format.specials == Specials::NaNOnly && mantissa == format.mantissaMask())
      return {Kind::NaN, negative, 0, kWideCanonicalNaN};
  }
  if (exponent == 0) {
    if (mantissa == 0)
      return {Kind::Zero, negative, 0, 0};
    return {Kind::Finite, negative, format.minQuantum(), mantissa};
  }
  return {Kind::Finite, negative, format.minQuantum() + static_cast<int>(exponent) - 1,
          mantissa | (uint64_t(1) << format.mantissaBits)};
}

uint64_t numerics::canonicalNaN(FloatType type) {
  switch (type) {
  case FloatType::F64:
    return 0xfff8000000000000;
  case FloatType::UE8M0:
    return 0xff;
  case FloatType::TF32:
    return 0x7fffffff;
  default:
    return getFormat(type).signBit() - 1;
  }
}

uint64_t numerics::propagateNaN(const Unpacked &value, FloatType type) {
  return type == FloatType::F64 ? value.significand | kF64QuietBit : canonicalNaN(type);
}

uint64_t numerics::encodeZero(bool negative, FloatType type) {
  if (type == FloatType::UE8M0 || !negative)
    return 0;
  Format format = getFormat(type);
  return format.signBit() << format.containerShift;
}

/// Whether `rounding` takes a finite value beyond the largest number to
/// infinity (IEEE 754-2019, 7.4).
static bool overflowsToInfinity(bool negative, Rounding rounding) {
  switch (rounding) {
  case Rounding::NearestEven:
  case Rounding::NearestAway:
    return true;
  case Rounding::Zero:
    return false;
  case Rounding::Down:
    return negative;
  case Rounding::Up:
    return !negative;
  }
  return true;
}

static uint64_t encodeMaxFinite(bool negative, FloatType type) {
  Format format = getFormat(type);
  return (format.maxFinite() | (negative ? format.signBit() : 0)) << format.containerShift;
}

uint64_t numerics::encodeInfinity(bool negative, FloatType type, bool saturateFinite) {
  if (type == FloatType::UE8M0)
    return saturateFinite ? 0xfe : 0xff;
  Format format = getFormat(type);
  if (saturateFinite || format.specials == Specials::None)
    return encodeMaxFinite(negative, type);
  if (format.specials == Specials::NaNOnly)
    return canonicalNaN(type);
  uint64_t magnitude = format.exponentMask() << format.mantissaBits;
  return (magnitude | (negative ? format.signBit() : 0)) << format.containerShift;
}

UInt128 numerics::roundedShift(bool negative, UInt128 significand, unsigned shift,
                               Rounding rounding) {
  UInt128 kept = shift > 127 ? 0 : significand >> shift;
  bool half = shift <= 128 && ((significand >> (shift - 1)) & 1);
  bool sticky =
      shift > 128 ? significand != 0 : (significand & ((UInt128(1) << (shift - 1)) - 1)) != 0;
  bool increment = false;
  switch (rounding) {
  case Rounding::NearestEven:
    increment = half && (sticky || (kept & 1));
    break;
  case Rounding::NearestAway:
    increment = half;
    break;
  case Rounding::Zero:
    break;
  case Rounding::Down:
    increment = negative && (half || sticky);
    break;
  case Rounding::Up:
    increment = !negative && (half || sticky);
    break;
  }
  return kept + increment;
}

/// UE8M0 keeps the magnitude only: |x| rounds to a power of two, and
/// everything at or below 2^-127, zero included, is 2^-127 (PTX ISA, cvt).
static uint64_t roundToScale(UInt128 significand, int exponent, Rounding rounding,
                             bool saturateFinite) {
  int top = highestBit(significand);
  int leading = exponent + top;
  if (leading < -127)
    return 0;
  int power = leading;
  if (top > 0 && roundedShift(false, significand, top, rounding) == 2)
    ++power;
  if (power > 127)
    return saturateFinite ? 0xfe : 0xff;
  return static_cast<uint64_t>(power + 127);
}

uint64_t numerics::roundToFormat(bool negative, UInt128 significand, int exponent, FloatType type,
                                 Rounding rounding, bool saturateFinite) {
  if (type == FloatType::UE8M0)
    return roundToScale(significand, exponent, rounding, saturateFinite);
  Format format = getFormat(type);
  int leading = exponent + highestBit(significand);
  int quantum = std::max(leading - static_cast<int>(format.mantissaBits), format.minQuantum());
  // Beyond any encoding; also keeps the shift below in range.
  bool overflow = leading > format.bias() + 1;
  uint64_t magnitude = 0;
  if (!overflow) {
    int shift = quantum - exponent;
    UInt128 kept =
        shift <= 0 ? significand << -shift : roundedShift(negative, significand, shift, rounding);
    // A normal number carries its leading one into the exponent field, so one
    // sum encodes subnormals, normals and the carry of the rounding alike.
    magnitude = (static_cast<uint64_t>(quantum - format.minQuantum()) << format.mantissaBits) +
                static_cast<uint64_t>(kept);
    overflow = magnitude > format.maxFinite();
  }
  if (!overflow)
    return (magnitude | (negative ? format.signBit() : 0)) << format.containerShift;
  if (!saturateFinite && !overflowsToInfinity(negative, rounding))
    return encodeMaxFinite(negative, type);
  return encodeInfinity(negative, type, saturateFinite);
}
