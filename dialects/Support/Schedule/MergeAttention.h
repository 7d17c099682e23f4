//===- MergeAttention.h - Schedules of the merge_attention family -----------===//
//
// Attention over parts of the keys, put together: one pass over memory. A block takes
// tile_s rows of tile_h heads, and tile_d elements of each head; it reads all parts.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_MERGEATTENTION_H
#define TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_MERGEATTENTION_H

#include "dialects/Support/Schedule/Schedule.h"
#include <optional>

namespace tilewright::schedule {

/// What a problem of this family says, typed. The op is "merge_attention".
///   dimensions  B and S (static or dynamic), H and Dv (static)
///   operands    o0, o1, ... [B,S,H,Dv] of one dtype; lse0, lse1, ... [B,H,S] f32, as
///               many; o [B,S,H,Dv]; lse [B,H,S] f32 if there is one
struct MergeAttentionProblem {
  static constexpr int64_t maxParts = 16;

  std::optional<int64_t> rows; ///< S
  int64_t heads = 1, headSize = 64;
  int64_t parts = 1;

  /// The error names the dimension or operand, its value and what was expected.
  static llvm::Expected<MergeAttentionProblem> fromProblem(const problem::Problem &problem);
};

/// Constraints, cited by number at their checks and in the tests.
///   C1 warps is 1, 2, 4 or 8
///   C2 tile_s, tile_h and tile_d are powers of two, tile_d at least 8 and at most 256
///   C3 a thread holds at least one element and at most 64 of a part
///   C4 the target can be compiled for
struct MergeAttentionSchedule {
  int64_t tileS = 8, tileH = 1, tileD = 128;
  int64_t warps = 4;

  Schedule toSchedule() const;
  /// Fails on unknown or missing parameters, naming them.
  static llvm::Expected<MergeAttentionSchedule> fromSchedule(const Schedule &schedule);

  bool operator==(const MergeAttentionSchedule &) const = default;

  int64_t getElements() const { return tileS * tileH * tileD; }
};

/// C1 to C3, which need no target.
llvm::Error verifyMergeAttentionShape(const MergeAttentionSchedule &schedule);
llvm::Error verifyMergeAttention(const MergeAttentionSchedule &schedule,
                                 const MergeAttentionProblem &problem,
                                 const target::Target &target);

/// 16 bytes of a part for each of 128 threads. Few rows (decoding) leave their place to
/// heads, whose rows are as contiguous.
llvm::Expected<MergeAttentionSchedule>
chooseMergeAttentionDefault(const MergeAttentionProblem &problem, const target::GpuModel &model,
                            int64_t expectedRows);

std::vector<MergeAttentionSchedule> enumerateMergeAttention(const MergeAttentionProblem &problem,
                                                            const target::Target &target,
                                                            int64_t expectedRows);

} // namespace tilewright::schedule

#endif
