//===- Epilogue.h - What happens to the sum of a matrix product -------------===//
//
// Every matrix product ends the same way. With `sum` its f32 sum:
//
//   v = sum * row_scale[m] * column_scale[n] + bias[n]
//   v = activation(v)             swiglu: silu(v[m, 2j]) * v[m, 2j + 1], so that
//                                 y has half of N as columns
//   y = (v + residual) * out_scale
//
// in f32, and rounded once to y's dtype; for e4m3 and e5m2 what is beyond the largest
// number becomes that number. What is absent is left out.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_EPILOGUE_H
#define TILEWRIGHT_RUNTIME_LAUNCH_EPILOGUE_H

#include "runtime/Launch/Call.h"

namespace tilewright::launch {

/// `parts`, after the name or extent of the batch where there is one.
template <typename T>
llvm::SmallVector<T, 4> inBatch(int64_t batch, T first, llvm::ArrayRef<T> parts) {
  llvm::SmallVector<T, 4> all;
  if (batch > 0)
    all.push_back(first);
  all.append(parts.begin(), parts.end());
  return all;
}
inline llvm::SmallVector<llvm::StringRef, 4> namesInBatch(int64_t batch,
                                                          llvm::ArrayRef<llvm::StringRef> names) {
  return inBatch<llvm::StringRef>(batch, "B", names);
}
inline llvm::SmallVector<int64_t, 4> extentsInBatch(int64_t batch,
                                                    llvm::ArrayRef<int64_t> extents) {
  return inBatch<int64_t>(batch, batch, extents);
}

struct Epilogue {
  std::optional<Tensor> bias;        ///< [N], x's dtype where that has 16 bits, or "f32"
  std::string activation = "none";   ///< "relu", "gelu", "silu", "swiglu"
  std::optional<Tensor> rowScale;    ///< [M] "f32": of the activations
  std::optional<Tensor> columnScale; ///< [N] "f32"
  std::optional<Tensor> residual;    ///< shaped as y; "f16", "bf16" or "f32"
  std::optional<Tensor> outScale;    ///< [1] "f32"

  /// Columns of y for `n` columns of the product.
  int64_t getOutputs(int64_t n) const { return activation == "swiglu" ? n / 2 : n; }

  /// Fails on extents that do not fit an M x N product, or `batch` of them (0: no batch,
  /// else the first extent of all but out_scale), an odd N with swiglu, and a y of another
  /// shape.
  llvm::Error verify(int64_t batch, int64_t m, int64_t n, const Tensor &y) const;
  /// Fails on dtypes that do not go with x's.
  llvm::Error verifyDtypes(llvm::StringRef x) const;

  /// Adds these operands, y, the activation and the dimensions "outputs" (with swiglu)
  /// and "ones" (with out_scale).
  void addTo(Call &call, int64_t batch, int64_t n, const Tensor &y) const;
};

} // namespace tilewright::launch

#endif
