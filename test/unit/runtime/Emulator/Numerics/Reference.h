//===- Reference.h - An independent model of numbers for the tests ---------===//
//
// Written apart from the code under test: formats are described by their
// values (tables of every finite value, decoded with ldexp), rounding is a
// search for the neighbours of an exact value, and exact values are wide
// fixed-point integers.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_NUMERICS_REFERENCE_H
#define TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_NUMERICS_REFERENCE_H

#include "runtime/Emulator/Numerics/Float.h"
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace reference {

using tilewright::numerics::FloatType;
using tilewright::numerics::Rounding;

/// A two's complement fixed-point number in units of 2^-kUnit, wide enough for
/// every sum of products of f32.
class Fixed {
public:
  static constexpr int kUnit = 448;
  static constexpr int kWords = 14;

  Fixed() : words{} {}
  /// significand * 2^exponent, exact.
  Fixed(int64_t significand, int exponent) : words{} {
    uint64_t magnitude = significand < 0 ? 0 - uint64_t(significand) : uint64_t(significand);
    int position = exponent + kUnit;
    if (position < 0) { // bits below the unit are zeros
      magnitude >>= -position;
      position = 0;
    }
    const int word = position / 64, shift = position % 64;
    words[word] = magnitude << shift;
    if (shift && word + 1 < kWords)
      words[word + 1] = magnitude >> (64 - shift);
    if (significand < 0)
      *this = -*this;
  }
  explicit Fixed(double value) : words{} {
    if (value == 0)
      return;
    int exponent;
    double fraction = std::frexp(value, &exponent);
    *this = Fixed(int64_t(std::ldexp(fraction, 53)), exponent - 53);
  }

  bool isNegative() const { return words[kWords - 1] >> 63; }
  bool isZero() const {
    return std::all_of(words.begin(), words.end(), [](uint64_t word) { return word == 0; });
  }
  Fixed operator-() const {
    Fixed result;
    uint64_t carry = 1;
    for (int i = 0; i < kWords; ++i) {
      result.words[i] = ~words[i] + carry;
      carry = carry && result.words[i] == 0;
    }
    return result;
  }
  Fixed operator+(const Fixed &other) const {
    Fixed result;
    unsigned carry = 0;
    for (int i = 0; i < kWords; ++i) {
      uint64_t partial = words[i] + other.words[i];
      unsigned overflow = partial < words[i];
      result.words[i] = partial + carry;
      carry = overflow | (result.words[i] < partial);
    }
    return result;
  }
  Fixed operator-(const Fixed &other) const { return *this + -other; }
  Fixed magnitude() const { return isNegative() ? -*this : *this; }
  /// -1, 0 or 1.
  static int compare(const Fixed &a, const Fixed &b) {
    if (a.isNegative() != b.isNegative())
      return a.isNegative() ? -1 : 1;
    // Of one sign, the words of two's complement are in the order of the numbers.
    for (int i = kWords - 1; i >= 0; --i)
      if (a.words[i] != b.words[i])
        return a.words[i] < b.words[i] ? -1 : 1;
    return 0;
  }
  /// The magnitude without its bits below 2^exponent, sign kept.
  Fixed truncated(int exponent) const {
    Fixed result = magnitude();
    const int end = std::clamp(exponent + kUnit, 0, kWords * 64);
    std::fill_n(result.words.begin(), end / 64, 0);
    if (end % 64)
      result.words[end / 64] &= ~uint64_t(0) << (end % 64);
    return isNegative() ? -result : result;
  }
  /// Exponent of the leading bit of the magnitude; the number is not zero.
  int leading() const {
    Fixed value = magnitude();
    for (int i = kWords - 1; i >= 0; --i)
      if (value.words[i])
        return 64 * i + 63 - std::countl_zero(value.words[i]) - kUnit;
    return -kUnit;
  }
  /// Exact when 53 bits suffice.
  double toDouble() const {
    Fixed value = magnitude();
    double result = 0;
    for (int i = kWords - 1; i >= 0; --i)
      result += std::ldexp(double(value.words[i] >> 32), 64 * i + 32 - kUnit) +
                std::ldexp(double(value.words[i] & 0xffffffff), 64 * i - kUnit);
    return isNegative() ? -result : result;
  }

private:
  std::array<uint64_t, kWords> words;
};

/// How one small format encodes: enough to list its values.
struct Encoding {
  int exponentBits, mantissaBits, bias;
  bool hasInfinity; ///< all-ones exponent: infinity and NaN
  bool hasOnlyNaN;  ///< all-ones exponent and mantissa: NaN
};

inline Encoding getEncoding(FloatType type) {
  switch (type) {
  case FloatType::F16:
    return {5, 10, 15, true, false};
  case FloatType::BF16:
    return {8, 7, 127, true, false};
  case FloatType::TF32:
    return {8, 10, 127, true, false};
  case FloatType::F32:
    return {8, 23, 127, true, false};
  case FloatType::E4M3:
    return {4, 3, 7, false, true};
  case FloatType::E5M2:
    return {5, 2, 15, true, false};
  case FloatType::E3M2:
    return {3, 2, 3, false, false};
  case FloatType::E2M3:
    return {2, 3, 1, false, false};
  default:
    return {2, 1, 1, false, false};
  }
}

/// Value of an encoding without sign and container: NaN, infinity or finite.
inline double decodeMagnitude(uint32_t bits, FloatType type) {
  Encoding encoding = getEncoding(type);
  int mantissa = bits & ((1 << encoding.mantissaBits) - 1);
  int exponent = bits >> encoding.mantissaBits;
  int top = (1 << encoding.exponentBits) - 1;
  if (exponent == top && encoding.hasInfinity)
    return mantissa ? NAN : INFINITY;
  if (exponent == top && encoding.hasOnlyNaN && mantissa == (1 << encoding.mantissaBits) - 1)
    return NAN;
  double fraction = std::ldexp(mantissa, -encoding.mantissaBits);
  return exponent == 0 ? std::ldexp(fraction, 1 - encoding.bias)
                       : std::ldexp(1 + fraction, exponent - encoding.bias);
}

inline double decode(uint32_t bits, FloatType type) {
  if (type == FloatType::TF32)
    bits >>= 13;
  Encoding encoding = getEncoding(type);
  uint32_t sign = 1u << (encoding.exponentBits + encoding.mantissaBits);
  double magnitude = decodeMagnitude(bits & (sign - 1), type);
  return bits & sign ? -magnitude : magnitude;
}

/// Rounds the finite exact value to `type` by searching its neighbours among
/// the encodings, whose order is the order of the values. `negativeZero` is the
/// sign of an exact zero.
inline uint32_t round(const Fixed &exact, FloatType type, Rounding rounding,
                      bool negativeZero = false, bool saturateFinite = false) {
  Encoding encoding = getEncoding(type);
  uint32_t sign = 1u << (encoding.exponentBits + encoding.mantissaBits);
  unsigned shift = type == FloatType::TF32 ? 13 : 0;
  bool negative = exact.isZero() ? negativeZero : exact.isNegative();
  auto signedBits = [&](uint32_t magnitude) {
    return (magnitude | (negative ? sign : 0)) << shift;
  };
  uint32_t largest = encoding.hasInfinity
                         ? (((1u << encoding.exponentBits) - 1) << encoding.mantissaBits) - 1
                     : encoding.hasOnlyNaN ? sign - 2
                                           : sign - 1;
  Fixed magnitude = exact.magnitude();
  // Binary search for the largest encoding that is not above the magnitude.
  uint32_t low = 0, high = largest + 1;
  while (high - low > 1) {
    uint32_t middle = low + (high - low) / 2;
    (Fixed::compare(Fixed(decodeMagnitude(middle, type)), magnitude) <= 0 ? low : high) = middle;
  }
  Fixed lower(decodeMagnitude(low, type));
  if (Fixed::compare(lower, magnitude) == 0)
    return signedBits(low);
  // The value that would follow the largest finite one in an unbounded format.
  double next = low == largest ? 2 * decodeMagnitude(low, type) - decodeMagnitude(low - 1, type)
                               : decodeMagnitude(low + 1, type);
  int nearer = Fixed::compare(magnitude - lower, Fixed(next) - magnitude);
  bool up = false;
  switch (rounding) {
  case Rounding::NearestEven:
    up = nearer > 0 || (nearer == 0 && (low & 1));
    break;
  case Rounding::NearestAway:
    up = nearer >= 0;
    break;
  case Rounding::Zero:
    break;
  case Rounding::Down:
    up = negative;
    break;
  case Rounding::Up:
    up = !negative;
    break;
  }
  if (!up)
    return signedBits(low);
  if (low < largest)
    return signedBits(low + 1);
  if (saturateFinite || (!encoding.hasInfinity && !encoding.hasOnlyNaN))
    return signedBits(largest);
  if (encoding.hasOnlyNaN)
    return sign - 1;
  return signedBits(largest + 1);
}

} // namespace reference

#endif
