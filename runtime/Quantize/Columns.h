//===- Columns.h - Columns of weights as float32 -----------------*- C++ -*-===//
//
// The part of quantisation that touches every weight: reading, ranges, codes and
// errors of one group of one column.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_QUANTIZE_COLUMNS_H
#define TILEWRIGHT_RUNTIME_QUANTIZE_COLUMNS_H

#include "runtime/Quantize/Quantize.h"
#include <vector>

namespace tilewright::quantize {

/// Columns that are read at a time: where rows run along N, a cache line of each.
constexpr int64_t columnsAtOnce = 16;

/// Some columns of a matrix, as float32, divided by the scale of the tensor.
class Columns {
public:
  Columns(const Weights &weights, float tensorScale)
      : weights(weights), tensorScale(tensorScale), values(columnsAtOnce * weights.k) {}

  /// Reads columns first .. last, at most columnsAtOnce; the first weight, by
  /// columns, that is NaN or infinite.
  std::optional<Refusal> read(int64_t first, int64_t last);
  llvm::ArrayRef<float> get(int64_t column) const {
    return llvm::ArrayRef(values).slice((column - first) * weights.k, weights.k);
  }

private:
  template <typename T, typename Convert> void readAs(Convert convert);
  std::optional<Refusal> findNotFinite() const;

  const Weights &weights;
  float tensorScale;
  int64_t first = 0, last = 0;
  std::vector<float> values;
};

struct Range {
  float low = 0, high = 0;
};
/// The smallest and the largest of at least one weight.
Range getRange(llvm::ArrayRef<float> weights);

/// What a group's codes are relative to.
struct Step {
  float scale = 0; ///< the stored scale
  float zero = 0;  ///< the stored zero point; integers as numbers, not as stored
};

/// The nearest codes of weights of one group, as they are stored.
void chooseCodes(const Rule &rule, Step step, llvm::ArrayRef<float> weights, uint8_t *codes);

/// The sum of squared errors of codes, in the order of NumPy's `add.reduceat`.
float sumErrors(const Rule &rule, Step step, llvm::ArrayRef<float> weights, const uint8_t *codes,
                std::vector<float> &scratch);

/// The first number and the pairwise sum of the others: eight sums side by side,
/// halves of more than 128. What `add.reduceat` makes of a segment.
float sumInOrder(const float *numbers, int64_t count, int64_t stride = 1);

} // namespace tilewright::quantize

#endif
