//===- Lanes.h - Loops over the lanes of a warp ------------------------------===//
//
// Most handlers are one of these loops around an expression. All 32 lanes
// active is the common case and gets a loop of its own that vectorises; slots
// either coincide or do not overlap, so no lane depends on another.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_LANES_H
#define TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_LANES_H

#include "runtime/Emulator/Machine/Program.h"
#include <bit>

#if defined(__clang__)
#define TILEWRIGHT_LANE_LOOP _Pragma("clang loop vectorize(assume_safety) interleave(disable)")
#else
#define TILEWRIGHT_LANE_LOOP _Pragma("GCC ivdep")
#endif

namespace tilewright::emulator {

/// Calls f(lane) for each lane in `mask`.
template <typename F> inline void forLanes(uint32_t mask, F f) {
  if (mask == kFullMask) [[likely]] {
    TILEWRIGHT_LANE_LOOP
    for (unsigned lane = 0; lane < kLanes; ++lane)
      f(lane);
    return;
  }
  for (; mask; mask &= mask - 1)
    f(std::countr_zero(mask));
}

/// Calls f(lane) for each lane in `mask`; for bodies that cannot vectorise.
template <typename F> inline void forEachLane(uint32_t mask, F f) {
  for (; mask; mask &= mask - 1)
    f(static_cast<unsigned>(std::countr_zero(mask)));
}

} // namespace tilewright::emulator

#endif
