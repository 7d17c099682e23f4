//===- MergeAttention.h - Calls of merge_attention ----------------------------===//
//
// Attention over parts of the keys put together, from what a caller holds to the
// problem that the compiler and the kernel cache understand. The semantics are those
// of nn.merge_attention.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_MERGEATTENTION_H
#define TILEWRIGHT_RUNTIME_LAUNCH_MERGEATTENTION_H

#include "runtime/Launch/Call.h"
#include <vector>

namespace tilewright::launch {

/// Any strides; only the last axis must be contiguous.
struct MergeAttentionCall {
  std::vector<Tensor> parts; ///< 1 to 16, [B,S,H,Dv], "f16", "bf16" or "f32", all alike
  std::vector<Tensor> lses;  ///< as many, [B,H,S] "f32"
  Tensor o;                  ///< [B,S,H,Dv] "f16", "bf16" or "f32"
  std::optional<Tensor> lse; ///< [B,H,S] "f32"
};

/// The call by names. Operands are o0, o1, ..., lse0, lse1, ..., lse, o; dimensions B
/// and S are dynamic.
Call describe(const MergeAttentionCall &call);

/// The problem a call is an instance of. Fails on extents that do not belong together,
/// strides that kernels do not take, and what the family of kernels does not know.
llvm::Expected<problem::Problem> makeProblem(const MergeAttentionCall &call);

/// Compiles where needed and runs a call; see launchCall().
llvm::Error launchMergeAttention(KernelCache &cache, const MergeAttentionCall &call,
                                 const std::shared_ptr<device::Device> &fallback,
                                 device::Stream stream = 0,
                                 const std::optional<schedule::Schedule> &pinned = std::nullopt);

} // namespace tilewright::launch

#endif
