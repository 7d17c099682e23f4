//===- AppendCache.h - Calls of append_cache ----------------------------------===//
//
// New keys and values into a cache, from what a caller holds to the problem that the
// compiler and the kernel cache understand. The semantics are those of nn.append_cache.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_APPENDCACHE_H
#define TILEWRIGHT_RUNTIME_LAUNCH_APPENDCACHE_H

#include "runtime/Launch/Call.h"

namespace tilewright::launch {

/// Any strides; only the last axis must be contiguous. k, v and q are "f16" or "bf16",
/// one dtype; a cache is of that, "e4m3", "e5m2", "i8" or, with two codes a byte, "u8".
struct AppendCacheCall {
  std::optional<Tensor> k;              ///< [B,S,Hkv,D]
  std::optional<Tensor> v;              ///< [B,S,Hkv,Dv], beside k
  std::optional<Tensor> q;              ///< [B,S,Hq,Dq], beside cos and sin
  Tensor lengths;                       ///< [B] "i32"
  std::optional<Tensor> pageTable;      ///< [B,T] "i32"
  std::optional<Tensor> cos, sin;       ///< [L,R/2] "f32" or the dtype
  std::optional<Tensor> kCache, vCache; ///< [B,C,Hkv,.], with pages [P,Z,Hkv,.]
  std::optional<Tensor> kScales;        ///< [B,C,Hkv], with pages [P,Z,Hkv] "f32" or "f16"
  std::optional<Tensor> vScales;        ///< the same
  std::optional<Tensor> rotated;        ///< as q
  std::string rotary = "halves";        ///< "halves" or "interleaved"
  std::string rotaryStart = "0";        ///< the first rotated column
};

/// The call by names. Heads, head sizes and rotated columns are static.
Call describe(const AppendCacheCall &call);

/// The problem a call is an instance of. Fails on extents that do not belong together,
/// strides that kernels do not take, and what the family of kernels does not know.
llvm::Expected<problem::Problem> makeProblem(const AppendCacheCall &call);

/// Compiles where needed and runs a call; see launchCall(). Caches are written in place.
llvm::Error launchAppendCache(KernelCache &cache, const AppendCacheCall &call,
                              const std::shared_ptr<device::Device> &fallback,
                              device::Stream stream = 0,
                              const std::optional<schedule::Schedule> &pinned = std::nullopt);

} // namespace tilewright::launch

#endif
