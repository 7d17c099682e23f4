//===- WarpSync.cpp - Groups of a warp that meet, and wait for each other -----===//
//
// See WarpSync.h. A group that waits has one member mask (Group::waitsFor).
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Execution/WarpSync.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <algorithm>

using namespace tilewright::emulator;

static bool isWaiting(const Group &group) { return group.state == GroupState::AtWarpSync; }

static bool isAtBarrier(const Warp &warp, const Group &group) {
  return isWaiting(group) && warp.launch.program.code[group.pc].opClass == OpClass::Barrier;
}

/// The lanes that it names and that are not in `others`.
static uint32_t findMissing(const Warp &warp, const Group &group, uint32_t others) {
  return group.waitsFor & warp.live & ~others;
}

/// Joins the groups in a state that have met.
static void join(Warp &warp, GroupState state) {
  auto &groups = warp.groups;
  auto haveMet = [&](const Group &a, const Group &b) {
    return a.frame == b.frame && a.pc == b.pc && a.state == state && b.state == state &&
           (state == GroupState::Ready || !((a.waitsFor ^ b.waitsFor) & warp.live));
  };
  for (size_t i = 1; i < groups.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (haveMet(groups[j], groups[i])) {
        groups[j].mask |= groups[i].mask;
        groups[j].demotion = std::min(groups[j].demotion, groups[i].demotion);
        groups.erase(groups.begin() + i--);
        break;
      }
}

/// bar.warp.sync may be reached at different places: completes the barrier that
/// `group` waits at if all the lanes it names wait at one.
static void completeBarrier(Warp &warp, const Group &group) {
  Launch &launch = warp.launch;
  const uint32_t named = group.waitsFor;
  auto isPart = [&](const Group &g) {
    return isAtBarrier(warp, g) && !((g.waitsFor ^ named) & warp.live);
  };
  uint32_t here = 0;
  for (const Group &g : warp.groups)
    here |= isPart(g) ? g.mask : 0;
  if (findMissing(warp, group, here))
    return;
  for (Group &g : warp.groups)
    if (isPart(g)) {
      ++launch.steps;
      ++launch.counters[g.pc].issues;
      launch.counters[g.pc].activeLanes += std::popcount(g.mask);
      g.state = GroupState::Ready;
      ++g.pc;
    }
  if (launch.races)
    launch.races->order.syncWarp(warp.clocks, here);
}

static void release(Warp &warp) {
  for (Group &group : warp.groups) {
    if (!isWaiting(group))
      continue;
    if (!findMissing(warp, group, group.mask))
      group.state = GroupState::Ready; // executes its instruction
    else if (isAtBarrier(warp, group))
      completeBarrier(warp, group);
  }
}

/// The lanes that wait for lanes that wait for lanes ..., none of which can go on.
static uint32_t findStuck(const Warp &warp) {
  uint32_t stuck = 0;
  for (const Group &group : warp.groups)
    stuck |= isWaiting(group) ? group.mask : 0;
  for (uint32_t before = 0; before != stuck;) {
    before = stuck;
    for (const Group &group : warp.groups)
      if (isWaiting(group) && findMissing(warp, group, stuck))
        stuck &= ~group.mask;
  }
  return stuck;
}

static void reportStuck(Warp &warp, uint32_t stuck) {
  const Program &program = warp.launch.program;
  auto isStuck = [&](const Group &group) { return isWaiting(group) && group.mask & stuck; };
  const Group &first = *llvm::find_if(warp.groups, isStuck);
  const uint32_t missing = findMissing(warp, first, first.mask);
  const Group &other = *llvm::find_if(
      warp.groups, [&](const Group &group) { return isStuck(group) && group.mask & missing; });
  const Origin &place = program.origins[program.code[other.pc].origin];
  Finding finding =
      warp.makeFinding(FindingKind::WarpSyncMisuse, std::countr_zero(first.mask), first.pc);
  finding.message =
      llvm::formatv("lanes {0:x} with member mask {1:x} wait for lanes {2:x}, which wait with "
                    "member mask {3:x} at ptx line {4} '{5}': none of them can go on",
                    first.mask, first.waitsFor, other.mask & missing, other.waitsFor,
                    place.location.line, place.text)
          .str();
  finding.remedy = "let all lanes that a member mask names execute the instruction with that mask";
  warp.record(std::move(finding), /*stops=*/true);
}

void tilewright::emulator::updateGroups(Warp &warp) {
  llvm::erase_if(warp.groups, [](const Group &group) { return group.mask == 0; });
  if (llvm::any_of(warp.groups, isWaiting)) {
    join(warp, GroupState::AtWarpSync);
    release(warp);
    if (uint32_t stuck = findStuck(warp))
      reportStuck(warp, stuck);
  }
  join(warp, GroupState::Ready);
}
