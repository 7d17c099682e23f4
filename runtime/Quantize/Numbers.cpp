//===- Numbers.cpp - Numbers of a format -------------------------------------===//
//
// See Numbers.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Quantize/Numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tilewright::quantize {

using format::Format;

/// The exponent of the smallest normal number.
static int getLeastExponent(const Format &format) { return 1 - format.exponentBias; }

/// Whether the highest exponent is that of infinity and NaN. Of 8 bits and less
/// only five exponent bits have that, as in f16.
static bool hasInfinity(const Format &format) {
  return format.isSigned() && (format.bits > 8 || format.exponentBits == 5);
}

/// Whether the code of all ones (below the sign) is NaN, and the only one.
static bool hasNaN(const Format &format) { return format.bits == 8 && !hasInfinity(format); }

double decode(const Format &format, uint32_t bits) {
  uint32_t mantissa = bits & ((1u << format.mantissaBits) - 1);
  uint32_t most = (1u << format.exponentBits) - 1;
  uint32_t exponent = bits >> format.mantissaBits & most;
  bool isNegative = format.isSigned() && bits >> (format.bits - 1) & 1;
  double value;
  if (hasInfinity(format) && exponent == most)
    value = mantissa ? std::numeric_limits<double>::quiet_NaN()
                     : std::numeric_limits<double>::infinity();
  else if (hasNaN(format) && exponent == most && mantissa == (1u << format.mantissaBits) - 1)
    value = std::numeric_limits<double>::quiet_NaN();
  else if (format.mantissaBits == 0) // e8m0: powers of two, no zero
    value = std::ldexp(1.0, int(exponent) - format.exponentBias);
  else if (exponent == 0)
    value = std::ldexp(double(mantissa), getLeastExponent(format) - int(format.mantissaBits));
  else
    value = std::ldexp(double(mantissa + (1u << format.mantissaBits)),
                       int(exponent) - format.exponentBias - int(format.mantissaBits));
  return isNegative ? -value : value;
}

/// The number of f16, bf16 or f32 that `round` makes of `magnitude`, given in units
/// of the spacing of numbers there.
template <typename Round>
static Stored roundMagnitude(const Format &format, double magnitude, Round round) {
  int exponent;
  std::frexp(magnitude, &exponent); // magnitude < 2^exponent
  int least = getLeastExponent(format), mantissaBits = format.mantissaBits;
  int spacing = std::max(exponent - 1, least) - mantissaBits;
  double value = std::ldexp(round(std::ldexp(magnitude, -spacing)), spacing);
  uint32_t infinity = ((1u << format.exponentBits) - 1) << mantissaBits;
  if (value >= std::ldexp(1.0, format.exponentBias + 1))
    return {infinity, std::numeric_limits<double>::infinity()};
  if (value < std::ldexp(1.0, least))
    return {uint32_t(std::ldexp(value, mantissaBits - least)), value};
  std::frexp(value, &exponent);
  auto digits = uint32_t(std::ldexp(value, mantissaBits + 1 - exponent));
  return {(uint32_t(exponent - 1 + format.exponentBias) << mantissaBits) +
              (digits - (1u << mantissaBits)),
          value};
}

ScaleNumbers::ScaleNumbers(const Format &format) : format(format) {
  if (format.bits > 8)
    return;
  uint32_t codes = 1u << (format.bits - format.isSigned());
  for (uint32_t code = 0; code < codes; ++code)
    if (double number = decode(format, code); std::isfinite(number))
      table.push_back(number);
}

Stored ScaleNumbers::roundUp(double value) const {
  if (format.bits > 8)
    return roundMagnitude(format, value, [](double x) { return std::ceil(x); });
  auto found = std::lower_bound(table.begin(), table.end(), value);
  if (found == table.end())
    return {uint32_t(table.size()), std::numeric_limits<double>::quiet_NaN()};
  return {uint32_t(found - table.begin()), *found};
}

Stored roundToNearest(const Format &format, double value) {
  if (format.exponentBits == 8)
    value = double(float(value));
  Stored stored = roundMagnitude(format, std::fabs(value), [](double x) {
    return std::nearbyint(x); // to even, as the process rounds
  });
  if (std::signbit(value))
    stored = {stored.bits | 1u << (format.bits - 1), -stored.value};
  return stored;
}

} // namespace tilewright::quantize
