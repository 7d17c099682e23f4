//===- Attention.h - Calls of attention ---------------------------------------===//
//
// o = softmax(q k^T) v for each head of each batch, from what a caller holds to the
// problem that the compiler and the kernel cache understand. The semantics are
// those of nn.attention.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_ATTENTION_H
#define TILEWRIGHT_RUNTIME_LAUNCH_ATTENTION_H

#include "runtime/Launch/Call.h"
#include <vector>

namespace tilewright::launch {

/// Tensors of rank 4 are [batch, length, heads, head size] whatever their strides;
/// only the last axis must be contiguous.
struct AttentionCall {
  /// "f16" or "bf16", all alike; k and v also "e4m3", "e5m2", "i8" or, two codes a byte, "u8".
  Tensor q, k, v, o;
  /// [B,Sk,Hkv] or [P,page,Hkv], "f32" or "f16": of codes in k and v.
  std::optional<Tensor> kScales, vScales;
  /// [N+1] "i32": N sequences lie behind each other in the only batch. Both or none.
  std::optional<Tensor> qStarts, kStarts;
  /// [B], of sequences [N], "i32": keys there are in a cache; k is [B,room,Hkv,D].
  std::optional<Tensor> kLengths;
  /// [B,pages], of sequences [N,pages], "i32": k is [P,page,Hkv,D]. With kLengths.
  std::optional<Tensor> pageTable;
  /// [B,Sk,Hkv,Rk] and [B,Sk,Hkv,Rv]: k is [B,Sk,Rk,D] and v [B,Sk,Rv,Dv]. Both or none.
  std::optional<Tensor> kFactors, vFactors;
  /// [B,H,Qb,2] and [B,H,Qb,Kb] "i32", H that of q or of k: blocks of keys that each block of
  /// rows sees. Both or none, with blockSize.
  std::optional<Tensor> blockCounts, blocks;
  std::optional<Tensor> qOffset;     ///< [B], of sequences [N], "i32"
  std::optional<Tensor> alibiSlopes; ///< [Hq] or [B,Hq], of sequences [N,Hq], "f32"
  std::optional<Tensor> sinks;       ///< [Hq] "f32"
  std::vector<Tensor> captures;      ///< what the regions read, row-major
  std::optional<Tensor> lse;         ///< [B,Hq,Sq] "f32", row-major
  // Constants of the kernel, as text: they are part of what is compiled for.
  std::string scale;                   ///< "0.125", greater than zero
  std::string softcap = "0";           ///< 0: none
  std::string window = "-1,-1";        ///< left and right; -1: unbounded
  std::string causal = "false";        ///< or "true"
  std::string blockSize;               ///< "128,128": rows and keys of a block; empty: no lists
  std::string score, mask;             ///< regions of nn.attention as MLIR text; empty: none
  std::string deterministic = "false"; ///< or "true": bits do not depend on `splits`
  /// Parts that keys are cut into; unset: as many as fill the device.
  std::optional<int64_t> splits;
};

/// The call by names. Operands are q, k, v, q_starts, k_starts, k_lengths, page_table,
/// k_scales, v_scales, q_offset, alibi_slopes, sinks, capture0, ..., lse, o; dimensions B (1 of
/// sequences), Sq and Sk are dynamic, and of pages P and pages. A kernel that splits keys takes the
/// scalar splits; another one refuses call.splits but for 1.
Call describe(const AttentionCall &call);

/// The problem a call is an instance of. Fails on extents that do not belong
/// together, strides that kernels do not take, and what the family of kernels
/// does not know.
llvm::Expected<problem::Problem> makeProblem(const AttentionCall &call);

/// Compiles where needed and runs a call; see launchCall().
llvm::Error launchAttention(KernelCache &cache, const AttentionCall &call,
                            const std::shared_ptr<device::Device> &fallback,
                            device::Stream stream = 0,
                            const std::optional<schedule::Schedule> &pinned = std::nullopt);

} // namespace tilewright::launch

#endif
