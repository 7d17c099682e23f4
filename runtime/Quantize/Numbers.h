//===- Numbers.h - Numbers of a format --------------------------*- C++ -*-===//
//
// The numbers that codes of a format stand for, and which of them is near a given
// one: for the scales and zero points of quantised weights.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_QUANTIZE_NUMBERS_H
#define TILEWRIGHT_RUNTIME_QUANTIZE_NUMBERS_H

#include "dialects/Support/Format/Format.h"
#include <cstdint>
#include <vector>

namespace tilewright::quantize {

/// The number of a float's bits, at most 32; infinity and NaN included.
double decode(const format::Format &format, uint32_t bits);

/// A stored number: its bits and what they are worth.
struct Stored {
  uint32_t bits = 0;
  double value = 0;
};

/// The format of a scale: f16, bf16, f32, e8m0, e4m3 or ue5m3.
class ScaleNumbers {
public:
  explicit ScaleNumbers(const format::Format &format);

  /// The smallest number that is not below `value` (0 or more); infinity or NaN
  /// where there is none.
  Stored roundUp(double value) const;

private:
  format::Format format;
  std::vector<double> table; ///< finite numbers in ascending order, of 8 bits
};

/// The nearest number of f16, bf16 or f32, of two the one with the even code. bf16
/// is reached through f32, as ml_dtypes does: `value` was rounded to that first.
Stored roundToNearest(const format::Format &format, double value);

} // namespace tilewright::quantize

#endif
