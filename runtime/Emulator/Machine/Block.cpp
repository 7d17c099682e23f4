//===- Block.cpp - Blocks and their barriers ----------------------------------===//
//
// A warp arrives at a barrier when all its lanes that have not exited have
// (PTX ISA, "bar, barrier": the count goes up by the warp's size). Lanes that
// exit are no longer waited for. What can complete is judged at each arrival
// and each exit; a barrier that never completes shows as a deadlock.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/Machine.h"
#include <algorithm>
#include <bit>
#include <numeric>

using namespace tilewright::emulator;

Block::Block(Launch &launch, uint64_t linearIndex) : launch(launch), linearIndex(linearIndex) {
  index = {static_cast<uint32_t>(linearIndex % launch.grid.x),
           static_cast<uint32_t>(linearIndex / launch.grid.x % launch.grid.y),
           static_cast<uint32_t>(linearIndex / launch.grid.x / launch.grid.y)};
  clocks.block = static_cast<uint32_t>(linearIndex);
  uint64_t bytes = launch.program.staticSharedEnd - kSharedBase + launch.dynamicSharedBytes;
  shared.assign(bytes, 0xcb);
  if (uint32_t reserved = launch.program.reservedShared)
    std::fill_n(at(reserved), kReservedSharedBytes, 0);
  pending.resize(bytes);
  if (launch.options.checkInitialisation)
    defined = DefinedBytes(bytes);
  if (uint32_t reserved = launch.program.reservedShared)
    defined.define(reserved - kSharedBase, kReservedSharedBytes);
  uint64_t threads = launch.blockSize.count();
  for (uint64_t first = 0; first < threads && !launch.isStopped; first += kLanes) {
    uint64_t count = std::min<uint64_t>(threads - first, kLanes);
    uint32_t mask = count == kLanes ? kFullMask : (1u << count) - 1;
    warps.push_back(std::make_unique<Warp>(launch, *this, first / kLanes, mask));
  }
  if (!launch.isStopped)
    warps.front()->charge(bytes + bytes / 8);
  order.resize(warps.size());
  std::iota(order.begin(), order.end(), 0u);
}

Block::~Block() {
  launch.hostBytes -= hostBytes;
  if (launch.races)
    launch.races->forget(*this);
}

bool Block::isDone() const {
  return std::all_of(warps.begin(), warps.end(), [](const auto &warp) { return warp->live == 0; });
}

void Block::arrive(Warp &warp, unsigned id, uint32_t lanes, bool hasCount, uint32_t threads) {
  NamedBarrier &barrier = barriers[id];
  if (barrier.arrived.empty()) {
    barrier.arrived.assign(warps.size(), 0);
    barrier.countsAll = !hasCount;
    barrier.expectedWarps = threads / kLanes;
  } else if (barrier.countsAll == hasCount ||
             (hasCount && barrier.expectedWarps != threads / kLanes)) {
    warp.report(FindingKind::BarrierMisuse, -1,
                "barrier " + llvm::Twine(id) + " expects " +
                    (barrier.countsAll ? llvm::Twine("every thread")
                                       : llvm::Twine(barrier.expectedWarps * kLanes) + " threads") +
                    " since its first arrival, but this one names " +
                    (hasCount ? llvm::Twine(threads) + " threads" : llvm::Twine("every thread")));
    return;
  }
  if (barrier.arrived[warp.index] & lanes) {
    warp.report(FindingKind::BarrierMisuse, std::countr_zero(barrier.arrived[warp.index] & lanes),
                "arrives twice at barrier " + llvm::Twine(id) + " before it completes");
    return;
  }
  barrier.arrived[warp.index] |= lanes;
  if (launch.races)
    launch.races->order.arrive(warp.clocks, lanes, barrier.clocks);
}

/// The lanes of a warp that wait at a barrier.
static uint32_t waitingAt(const Warp &warp, unsigned id) {
  uint32_t lanes = 0;
  for (const Group &group : warp.groups)
    if (group.state == GroupState::AtBarrier && group.barrier == id)
      lanes |= group.mask;
  return lanes;
}

// What the threads that wait know once a barrier is complete.
static void orderBarrier(Block &block, unsigned id) {
  NamedBarrier &barrier = block.barriers[id];
  races::Order &order = block.launch.races->order;
  // A barrier of all threads counts those that have exited as arrived.
  bool everyone = true;
  for (auto &warp : block.warps)
    everyone &= waitingAt(*warp, id) == (barrier.countsAll ? warp->live : warp->initialLanes);
  order.complete(barrier.clocks, block.clocks, everyone);
  for (auto &warp : block.warps)
    if (uint32_t lanes = waitingAt(*warp, id))
      order.wake(warp->clocks, lanes, barrier.clocks);
}

// Wakes the groups that wait at a barrier, and hands bar.red its result.
static void wake(Warp &warp, unsigned id, const NamedBarrier &barrier) {
  for (Group &group : warp.groups) {
    if (group.state != GroupState::AtBarrier || group.barrier != id)
      continue;
    const Inst &inst = warp.launch.program.code[group.pc];
    if (inst.d != kNoSlot) {
      warp.enter(*group.frame);
      if (inst.flags == 0) {
        for (uint32_t rest = group.mask; rest; rest &= rest - 1)
          warp.at<uint32_t>(inst.d)[std::countr_zero(rest)] = barrier.population;
      } else {
        bool value = inst.flags == 1 ? barrier.all : barrier.any;
        warp.setPredicate(inst.d, group.mask, value ? kFullMask : 0);
      }
    }
    group.state = GroupState::Ready;
    ++group.pc;
  }
}

// bar.sync is .aligned: the lanes of a warp must meet at one instruction. Judged
// when the barrier is full, since lanes may still catch up until then.
static void checkAligned(Warp &warp, unsigned id) {
  const Group *first = nullptr;
  for (const Group &group : warp.groups) {
    if (group.state != GroupState::AtBarrier || group.barrier != id)
      continue;
    const Inst &inst = warp.launch.program.code[group.pc];
    if (first && group.pc != first->pc && inst.imm & kAlignedBarrier) {
      Finding finding =
          warp.makeFinding(FindingKind::BarrierMisuse, std::countr_zero(group.mask), group.pc);
      const Origin &other = warp.launch.program.origins[warp.launch.program.code[first->pc].origin];
      finding.message = "lanes of one warp wait at different instructions for barrier " +
                        std::to_string(id) + ", which is .aligned; the others are at ptx line " +
                        std::to_string(other.location.line);
      finding.remedy = "let all lanes of the warp reach one bar.sync, or use barrier.sync";
      return warp.record(std::move(finding), /*stops=*/false);
    }
    if (!first)
      first = &group;
  }
}

bool Block::completeIfFull(unsigned id) {
  NamedBarrier &barrier = barriers[id];
  if (barrier.arrived.empty())
    return false;
  uint32_t arrivedWarps = 0;
  bool everyone = true;
  for (auto &warp : warps) {
    uint32_t arrived = barrier.arrived[warp->index];
    bool isWhole = (warp->live & ~arrived) == 0;
    arrivedWarps += arrived && isWhole;
    everyone &= isWhole;
  }
  if (barrier.countsAll ? !everyone : arrivedWarps < barrier.expectedWarps)
    return false;
  for (auto &warp : warps)
    checkAligned(*warp, id);
  if (launch.races)
    orderBarrier(*this, id);
  for (auto &warp : warps)
    wake(*warp, id, barrier);
  barrier = NamedBarrier();
  ++launch.progress;
  return true;
}

void Block::noteExit(Warp &warp) {
  ++launch.progress;
  for (unsigned id = 0; id < barriers.size(); ++id)
    completeIfFull(id);
}
