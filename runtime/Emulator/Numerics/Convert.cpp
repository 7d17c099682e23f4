//===- Convert.cpp - cvt between floating-point formats and integers -------===//
//
// Implements the conversions of Float.h (PTX ISA, "Data Movement and Conversion
// Instructions: cvt") on top of Format.h: unpack, apply the modifiers to the
// exact value, round once.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Numerics/Format.h"
#include <bit>

using namespace tilewright;
using namespace tilewright::numerics;

static Unpacked unpackFlushed(uint64_t bits, FloatType type, bool flush) {
  if (flush && type == FloatType::F32)
    bits = flushSubnormal(bits, type);
  return unpack(bits, type);
}

/// Whether a finite or infinite value is at least one.
static bool isAtLeastOne(const Unpacked &value) {
  if (value.isInfinity())
    return true;
  return !value.isZero() && value.exponent + highestBit(value.significand) >= 0;
}

static uint64_t encodeOne(FloatType type) {
  return roundToFormat(false, 1, 0, type, Rounding::NearestEven);
}

uint64_t numerics::convert(uint64_t bits, FloatType from, FloatType to,
                           const ConvertOptions &options) {
  Unpacked value = unpackFlushed(bits, from, options.flushInput);
  if (value.isNaN())
    return options.saturateUnit ? encodeZero(false, to) : numerics::propagateNaN(value, to);
  if (value.negative && (options.saturateUnit || options.relu))
    return encodeZero(false, to);
  if (options.saturateUnit && isAtLeastOne(value))
    return encodeOne(to);
  if (value.isZero())
    return encodeZero(value.negative, to);
  if (value.isInfinity())
    return encodeInfinity(value.negative, to, options.saturateFinite);
  uint64_t result = roundToFormat(value.negative, value.significand, value.exponent, to,
                                  options.rounding, options.saturateFinite);
  return options.flushOutput && to == FloatType::F32 ? flushSubnormal(result, to) : result;
}

uint64_t numerics::convertToInteger(uint64_t bits, FloatType from, unsigned integerBits,
                                    bool isSigned, Rounding rounding, bool flushInput) {
  uint64_t mask = integerBits == 64 ? ~uint64_t(0) : (uint64_t(1) << integerBits) - 1;
  uint64_t signBit = uint64_t(1) << (integerBits - 1);
  Unpacked value = unpackFlushed(bits, from, flushInput);
  if (value.isNaN())
    return from == FloatType::F64 || integerBits == 64 ? signBit : 0;
  if (value.isZero())
    return 0;
  uint64_t limit = !isSigned ? (value.negative ? 0 : mask) : value.negative ? signBit : signBit - 1;
  // 2^64 and beyond clamp whatever the destination is.
  UInt128 magnitude = UInt128(1) << 64;
  if (!value.isInfinity() && value.exponent + highestBit(value.significand) < 64)
    magnitude = value.exponent >= 0
                    ? UInt128(value.significand) << value.exponent
                    : roundedShift(value.negative, value.significand, -value.exponent, rounding);
  uint64_t clamped = magnitude > limit ? limit : static_cast<uint64_t>(magnitude);
  return (value.negative ? -clamped : clamped) & mask;
}

uint64_t numerics::convertFromInteger(uint64_t value, unsigned integerBits, bool isSigned,
                                      FloatType to, Rounding rounding) {
  unsigned unused = 64 - integerBits;
  bool negative = isSigned && ((value >> (integerBits - 1)) & 1);
  uint64_t extended = isSigned
                          ? static_cast<uint64_t>(static_cast<int64_t>(value << unused) >> unused)
                          : value << unused >> unused;
  uint64_t magnitude = negative ? -extended : extended;
  return magnitude == 0 ? encodeZero(false, to)
                        : roundToFormat(negative, magnitude, 0, to, rounding);
}

uint64_t numerics::roundToIntegral(uint64_t bits, FloatType type, Rounding rounding, bool flush) {
  Unpacked value = unpackFlushed(bits, type, flush);
  if (value.isNaN())
    return numerics::propagateNaN(value, type);
  if (value.isZero())
    return encodeZero(value.negative, type);
  if (value.isInfinity() || value.exponent >= 0)
    return bits;
  UInt128 integer = roundedShift(value.negative, value.significand, -value.exponent, rounding);
  if (integer == 0)
    return encodeZero(value.negative, type);
  return roundToFormat(value.negative, integer, 0, type, Rounding::NearestEven);
}

double numerics::toDouble(uint64_t bits, FloatType type) {
  return std::bit_cast<double>(convert(bits, type, FloatType::F64));
}

uint64_t numerics::fromDouble(double value, FloatType type) {
  return convert(std::bit_cast<uint64_t>(value), FloatType::F64, type);
}
