//===- QuantMatmul.h - Schedules of the quantised matmul family ------------===//
//
// y[M,N] = x[M,K] * dequant(w[K,N]). A block computes a tile_m x tile_n tile
// of y over 1/split_k of K, tile_k at a time, through `stages` buffers of
// shared memory. warps_m x warps_n warps share the tile; each warp owns whole
// 32-column strips of packed weights. With split_k > 1 the blocks of a tile
// leave f32 partial sums in a workspace and the last one to arrive adds them in
// a fixed order, so results do not depend on timing.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_QUANTMATMUL_H
#define TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_QUANTMATMUL_H

#include "dialects/Support/Schedule/Schedule.h"

namespace tilewright::schedule {

struct QuantMatmulSchedule {
  int64_t tileM = 16;  ///< tile_m: multiple of 16 * warps_m
  int64_t tileN = 64;  ///< tile_n: multiple of 32 * warps_n
  int64_t tileK = 128; ///< tile_k: multiple of 128
  int64_t warpsM = 1;  ///< warps_m: power of two
  int64_t warpsN = 2;  ///< warps_n: power of two
  int64_t stages = 4;  ///< stages: 2..8 buffers of the main loop
  int64_t splitK = 1;  ///< split_k: blocks that share one tile of y

  Schedule toSchedule() const;
  /// Fails on unknown or missing parameters, naming them.
  static llvm::Expected<QuantMatmulSchedule> fromSchedule(const Schedule &schedule);

  int64_t getWarps() const { return warpsM * warpsN; }
  int64_t getThreads() const { return 32 * getWarps(); }
};

/// Shared memory the main loop needs, bytes: stages * (x tile + packed weights
/// tile + scales + zero points).
int64_t getSharedBytes(const QuantMatmulSchedule &schedule, const problem::Problem &problem);

} // namespace tilewright::schedule

#endif
