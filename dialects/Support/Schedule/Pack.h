//===- Pack.h - Schedules of the pack family --------------------------------===//
//
// Codes of weights into packed words: one pass over memory. A block takes tile_k x tile_n
// codes, whole blocks of the storage layout.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_PACK_H
#define TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_PACK_H

#include "dialects/Support/Schedule/Schedule.h"

namespace tilewright::schedule {

/// What a problem of this family says, typed. The op is "pack".
///   dimensions  N and K, strips and blocks (static, at least 1); words, and planes where
///               codes are stored in planes
///   operands    codes [N,K] or [K,N] u8; words [strips,blocks,words] or
///               [planes,strips,blocks,words] u32
///   attributes  bits 1..8; storage words|nested|stack; activations 16-bit|8-bit; layout nk|kn
struct PackProblem {
  int64_t n = 0, k = 0;

  /// The error names the dimension, operand or attribute, its value and what was expected.
  static llvm::Expected<PackProblem> fromProblem(const problem::Problem &problem);
};

/// Constraints, cited by number at their checks and in the tests.
///   C1 warps is 1, 2, 4 or 8
///   C2 tile_n is 32, 64, 128 or 256, and at least 32 * warps
///   C3 tile_k is 128 or 256, with at most 256 codes a thread
///   C4 the target can be compiled for
struct PackSchedule {
  int64_t tileK = 128, tileN = 128;
  int64_t warps = 4;

  Schedule toSchedule() const;
  /// Fails on unknown or missing parameters, naming them.
  static llvm::Expected<PackSchedule> fromSchedule(const Schedule &schedule);

  bool operator==(const PackSchedule &) const = default;
};

/// C1 to C3, which need no target.
llvm::Error verifyPackShape(const PackSchedule &schedule);
llvm::Error verifyPack(const PackSchedule &schedule, const PackProblem &problem,
                       const target::Target &target);

/// One block of the storage layout a warp, four warps along N, fewer where N has fewer.
llvm::Expected<PackSchedule> choosePackDefault(const PackProblem &problem,
                                               const target::GpuModel &model, int64_t expectedRows);

std::vector<PackSchedule> enumeratePack(const PackProblem &problem, const target::Target &target,
                                        int64_t expectedRows);

} // namespace tilewright::schedule

#endif
