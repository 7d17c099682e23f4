//===- Quantize.h - Weights to codes, scales and zero points ----*- C++ -*-===//
//
// Rounds a matrix of floats to the nearest numbers of a weight format, group by
// group. The order of the steps is the point: the scale is chosen in double, rounded
// up to the format it is stored in, then the zero point is chosen for the stored
// scale and rounded to its own format, and only then are codes chosen. All else is
// float32 arithmetic in a fixed order, so that the bits of the result depend neither
// on threads nor on the machine. Columns (outputs) are shared among threads; a thread
// needs memory for 16 of them.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_QUANTIZE_QUANTIZE_H
#define TILEWRIGHT_RUNTIME_QUANTIZE_QUANTIZE_H

#include "dialects/Support/Format/WeightRule.h"
#include "runtime/Quantize/Target.h"
#include "llvm/ADT/ArrayRef.h"
#include <optional>

namespace tilewright::quantize {

/// How weights are rounded.
struct Rule {
  Target target;
  format::Granularity granularity;
  format::Format scale; ///< f16, bf16, f32, e8m0, e4m3 or ue5m3
  format::Zero zero = format::Zero::None;
  format::Format zeroFormat; ///< of floating-point zero points
  /// Whether scales below the smallest that keeps a group in range are tried: 31/32
  /// of it, 30/32, ... 9/32. The least sum of squared errors wins.
  bool searchesScale = false;
  float tensorScale = 1; ///< weights are divided by it first
};

/// A matrix [K, N] of "f16", "bf16", "f32" or "f64" numbers; row k, column n at
/// `data` + k * rowStride + n * columnStride elements.
struct Weights {
  const void *data = nullptr;
  format::Format dtype;
  int64_t k = 0, n = 0;
  int64_t rowStride = 0, columnStride = 0;
};

/// What was chosen, in arrays of the caller.
struct Quantised {
  llvm::MutableArrayRef<uint8_t> codes; ///< [N, K], stored codes (pack::packCodes)
  /// [groups along N, groups along K]: the bits of scales and zero points. Integer
  /// zero points are stored codes. Without zero points `zeros` is empty.
  llvm::MutableArrayRef<uint32_t> scales, zeros;
};

/// Why weights cannot be quantised.
struct Refusal {
  enum class Kind { NotFinite, ScaleTooLarge };
  Kind kind = Kind::NotFinite;
  /// NotFinite: column and row of the weight. ScaleTooLarge: group along N and K.
  int64_t column = 0, row = 0;
  double value = 0; ///< the weight, or the scale that is needed
};

/// Quantises `weights`; the first refusal by columns, where there is one.
/// `threads`: how many at most; 0 for as many as the machine runs at once.
std::optional<Refusal> quantize(const Rule &rule, const Weights &weights, const Quantised &result,
                                unsigned threads = 0);

/// The largest scale that a group needs, before it is rounded, in `largest`.
std::optional<Refusal> findLargestScale(const Rule &rule, const Weights &weights, double &largest,
                                        unsigned threads = 0);

} // namespace tilewright::quantize

#endif
