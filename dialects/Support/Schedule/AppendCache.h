//===- AppendCache.h - Schedules of the append_cache family -----------------===//
//
// New keys and values into a cache: one pass over memory. A block takes one token and
// tile_h heads of its keys, its values or its queries, all of each head.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_APPENDCACHE_H
#define TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_APPENDCACHE_H

#include "dialects/Support/Schedule/Schedule.h"
#include <optional>

namespace tilewright::schedule {

/// What a problem of this family says, typed. The op is "append_cache".
///   dimensions  B and S (static or dynamic); Hkv, D, Dv, Hq, Dq, R (static) where an
///               operand has them; the others are dynamic
///   operands    k [B,S,Hkv,D], v [B,S,Hkv,Dv], q [B,S,Hq,Dq] of one dtype; lengths [B] i32;
///               page_table [B,T] i32; cos, sin [L,R]; k_cache, v_cache [B,C,Hkv,.] or
///               [P,Z,Hkv,.] of the dtype, e4m3, e5m2, i8 or u8 (D4, Dv4 bytes of two
///               codes); k_scales, v_scales [B,C,Hkv] or [P,Z,Hkv] f32 or f16; rotated
///               [B,S,Hq,Dq]; those that there are
///   attributes  rotary: "halves" or "interleaved" with cos and sin; rotary_start
struct AppendCacheProblem {
  std::optional<int64_t> tokens;       ///< S
  int64_t heads = 1, largestHead = 64; ///< the most and the largest of k, v and q

  /// The error names the dimension or operand, its value and what was expected.
  static llvm::Expected<AppendCacheProblem> fromProblem(const problem::Problem &problem);
};

/// Constraints, cited by number at their checks and in the tests.
///   C1 warps is 1, 2, 4 or 8
///   C2 tile_h is a power of two, at most 256
///   C3 a thread holds at most 64 elements of tile_h heads, each of a power of two
///   C4 the target can be compiled for
struct AppendCacheSchedule {
  int64_t tileH = 8;
  int64_t warps = 4;

  Schedule toSchedule() const;
  /// Fails on unknown or missing parameters, naming them.
  static llvm::Expected<AppendCacheSchedule> fromSchedule(const Schedule &schedule);

  bool operator==(const AppendCacheSchedule &) const = default;
};

/// C1 to C3, which need no target.
llvm::Error verifyAppendCacheShape(const AppendCacheSchedule &schedule, int64_t largestHead);
llvm::Error verifyAppendCache(const AppendCacheSchedule &schedule,
                              const AppendCacheProblem &problem, const target::Target &target);

/// 16 bytes a thread of 128, as many heads as that makes; fewer threads for fewer.
llvm::Expected<AppendCacheSchedule> chooseAppendCacheDefault(const AppendCacheProblem &problem,
                                                             const target::GpuModel &model,
                                                             int64_t expectedTokens);

std::vector<AppendCacheSchedule> enumerateAppendCache(const AppendCacheProblem &problem,
                                                      const target::Target &target,
                                                      int64_t expectedTokens);

} // namespace tilewright::schedule

#endif
