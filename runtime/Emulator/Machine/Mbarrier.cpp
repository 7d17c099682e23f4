//===- Mbarrier.cpp - mbarrier objects in shared memory -----------------------===//
//
// See Mbarrier.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/Mbarrier.h"
#include "runtime/Emulator/Machine/Machine.h"

using namespace tilewright::emulator;

Mbarrier Mbarrier::decode(uint64_t word) {
  int32_t transactions = static_cast<int32_t>(word >> 40 & 0x1fffff);
  return {uint32_t(word & kMaxCount), uint32_t(word >> 20 & kMaxCount),
          transactions >= 1 << 20 ? transactions - (1 << 21) : transactions, bool(word >> 63)};
}

uint64_t Mbarrier::encode() const {
  return uint64_t(pending) | uint64_t(expected) << 20 |
         (uint64_t(uint32_t(transactions)) & 0x1fffff) << 40 | uint64_t(phase) << 63;
}

void Mbarrier::arrive(Warp &warp, unsigned lane, uint64_t address, uint32_t arrivals) {
  if (arrivals > pending)
    return warp.report(FindingKind::BarrierMisuse, lane,
                       llvm::Twine(arrivals) + " arrivals at an mbarrier that waits for " +
                           llvm::Twine(pending));
  pending -= arrivals;
  ++warp.launch.progress;
  completeIfDone(warp, address);
}

void Mbarrier::completeIfDone(Warp &warp, uint64_t address) {
  if (pending != 0 || transactions != 0)
    return;
  phase = !phase;
  pending = expected;
  ++warp.launch.progress;
  if (!warp.launch.races)
    return;
  // What has arrived is known to those who wait for the phase.
  races::PhaseOrder &order = warp.block.clocks.phases[address];
  order.completed = order.arrived;
}
