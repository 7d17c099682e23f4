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

struct Epilogue {
  std::optional<Tensor> bias;        ///< [N], x's dtype where that has 16 bits, or "f32"
  std::string activation = "none";   ///< "relu", "gelu", "silu", "swiglu"
  std::optional<Tensor> rowScale;    ///< [M] "f32": of the activations
  std::optional<Tensor> columnScale; ///< [N] "f32"
  std::optional<Tensor> residual;    ///< shaped as y; "f16", "bf16" or "f32"
  std::optional<Tensor> outScale;    ///< [1] "f32"

  /// Columns of y for `n` columns of the product.
  int64_t getOutputs(int64_t n) const { return activation == "swiglu" ? n / 2 : n; }

  /// Fails on extents that do not fit an M x N product, an odd N with swiglu,
  /// and a y of another shape.
  llvm::Error verify(int64_t m, int64_t n, const Tensor &y) const;
  /// Fails on dtypes that do not go with x's.
  llvm::Error verifyDtypes(llvm::StringRef x) const;

  /// Adds these operands, y, the activation and the dimensions "outputs" (with swiglu)
  /// and "ones" (with out_scale).
  void addTo(Call &call, int64_t n, const Tensor &y) const;
};

} // namespace tilewright::launch

#endif
