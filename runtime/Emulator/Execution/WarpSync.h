//===- WarpSync.h - Groups of a warp that meet, and wait for each other -------===//
//
// Instructions with a member mask (bar.warp.sync, shfl.sync, vote.sync, ...) wait
// for the lanes they name. Lanes that name different members take part in
// different exchanges, also at one instruction (PTX ISA, "bar.warp.sync": "the
// same membermask value"; "shfl.sync", "vote.sync" and their like say the same).
// Lanes that do not exist or have exited count in no mask.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_EXECUTION_WARPSYNC_H
#define TILEWRIGHT_RUNTIME_EMULATOR_EXECUTION_WARPSYNC_H

#include "runtime/Emulator/Machine/Lanes.h"
#include "runtime/Emulator/Machine/Machine.h"

namespace tilewright::emulator {

/// The lanes of `rest` that name the same members as its first one.
struct Members {
  uint32_t named = 0; ///< as the mask says
  uint32_t here = 0;
};
inline Members findMembers(const Warp &warp, const Inst &inst, uint32_t rest) {
  if (inst.c == kNoSlot)
    return {kFullMask, rest};
  const uint32_t *masks = warp.at<uint32_t>(inst.c);
  const uint32_t named = masks[std::countr_zero(rest)];
  if (inst.c & kConstantBank)
    return {named, rest};
  uint32_t here = 0;
  forEachLane(rest, [&](unsigned l) { here |= uint32_t(!((masks[l] ^ named) & warp.live)) << l; });
  return {named, here};
}

/// Erases empty groups, lets those go on whose members are all here, and joins
/// those that have met. Lanes that wait for each other in vain are a finding,
/// whatever the other lanes of the warp do: nobody else can help them.
void updateGroups(Warp &warp);

} // namespace tilewright::emulator

#endif
