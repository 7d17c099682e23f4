//===- Matmul.h - Calls of the dense matrix product -------------------------===//
//
// y[M,N] = epilogue(x[M,K] * w), or a batch of such products, from what a caller holds to the
// problem that the compiler and the kernel cache understand.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_MATMUL_H
#define TILEWRIGHT_RUNTIME_LAUNCH_MATMUL_H

#include "runtime/Launch/Epilogue.h"

namespace tilewright::launch {

struct MatmulCall : Epilogue {
  // With a w of three extents the first is the batch, and that of all other operands.
  Tensor x;                  ///< [M,K] "f16", "bf16", "f32", "i8", "e4m3" or "e5m2"
  Tensor w;                  ///< [N,K] or [K,N] of x's dtype
  bool isTransposed = false; ///< w is [N,K]
  Tensor y;                  ///< [M,N], a float of 8 to 32 bits; half of N with swiglu
  /// Equal bits of a row of y whatever the schedule and the other rows.
  bool deterministic = false;

  int64_t getN() const { return getExtent(isTransposed ? 2 : 1); }
  int64_t getK() const { return getExtent(isTransposed ? 1 : 2); }
  /// Products of the call; 0 where it is one without a batch.
  int64_t getBatch() const { return w.shape.size() == 3 ? w.shape[0] : 0; }

private:
  int64_t getExtent(size_t fromEnd) const {
    return w.shape.size() >= 2 ? w.shape[w.shape.size() - fromEnd] : 0;
  }
};

/// The call by names. Operands are x, w, those of the epilogue, y.
Call describe(const MatmulCall &call);

/// The problem a call is an instance of: M is dynamic, N and K are static; else
/// as for every call (Call.h). Fails on extents that do not belong together,
/// strides that kernels do not take, and what the family of kernels does not know.
llvm::Expected<problem::Problem> makeProblem(const MatmulCall &call);

/// Compiles where needed and runs a call; see launchCall().
llvm::Error launchMatmul(KernelCache &cache, const MatmulCall &call,
                         const std::shared_ptr<device::Device> &fallback, device::Stream stream = 0,
                         const std::optional<schedule::Schedule> &pinned = std::nullopt);

} // namespace tilewright::launch

#endif
