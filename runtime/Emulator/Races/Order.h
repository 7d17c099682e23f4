//===- Order.h - Which accesses happen before which --------------------------===//
//
// Keeps the clocks of all threads of a launch as barriers, fences, atomics and
// mbarriers order them (PTX ISA, "Memory Consistency Model"). Lanes of a warp
// that know the same share one LaneState.
//
// Release and acquire, by example. Thread a writes data, executes fence.gpu,
// stores a flag with st.relaxed; b loads the flag with ld.relaxed, executes
// fence.gpu and reads the data:
//   a: fence          its release clock := its clock
//   a: st.relaxed     the flag's clock  := a's release clock
//   b: ld.relaxed     b's pending clock := the flag's clock
//   b: fence          b's clock joins its pending clock: the write is known
// A mbarrier's phase is such a location too: a relaxed arrival hands on what the
// last fence released, a relaxed wait leaves it pending until the next.
// Scopes: a fence or access of .cta scope orders threads of one block only, so
// all these clocks exist twice. A cluster counts as its one block.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_RACES_ORDER_H
#define TILEWRIGHT_RUNTIME_EMULATOR_RACES_ORDER_H

#include "runtime/Emulator/Races/Clock.h"
#include "llvm/ADT/DenseMap.h"
#include <bit>
#include <optional>

namespace tilewright::emulator::races {

/// What a release hands on: a clock, and the releasing thread's own accesses up
/// to `self` (0: none beyond the clock), its own copies up to `copies`.
struct Release {
  Clock clock;
  Epoch self = 0, copies = 0;
  bool isEmpty() const { return self == 0 && clock.isEmpty(); }
};

/// One location through which threads synchronise.
struct Location {
  uint32_t block = 0;  ///< whose threads may take blockClock
  Clock blockClock;    ///< released at .cta scope or wider
  GridClock gridClock; ///< released at .gpu scope or wider
};

/// Lanes of one warp that know the same.
struct LaneState {
  uint32_t mask = 0;
  Clock clock;
  /// Each lane has waited for those of its own copies that landed up to here. Copies
  /// that land when their thread waits are its own accesses and need no entry.
  Epoch copies = 0;
  Release blockRelease, gridRelease; ///< of the last fence of that scope
  Clock blockPending;                ///< read by strong accesses, not yet acquired
  GridClock gridPending;
  Clock atomicPending; ///< the part of it that atomics read
};

/// The lanes of one warp; their masks have no lane in common.
struct WarpOrder {
  uint32_t block = 0, warp = 0;
  llvm::SmallVector<LaneState, 1> states;

  const LaneState &stateOf(unsigned lane) const;
};

/// An arrival at a block barrier.
struct Arrival {
  uint32_t warp, mask;
  Epoch epoch;
};

/// One phase of a block barrier.
struct BarrierOrder {
  LaneState joined; ///< of all that arrived
  llvm::SmallVector<Arrival, 8> arrivals;
};

/// An mbarrier: what its phases brought together.
struct PhaseOrder {
  Clock arrived;   ///< of the open phase and all before
  Clock completed; ///< of the phases that have ended
};

struct BlockOrder {
  uint32_t block = 0;
  /// Every thread of the block knows every other up to here.
  Epoch common = 0;
  llvm::DenseMap<uint64_t, Location> shared;
  llvm::DenseMap<uint64_t, PhaseOrder> phases; ///< by the mbarrier's address
};

struct StrongAccess {
  bool reads = false, writes = false;
  bool observes = false; ///< its thread gets what it read; not so with red
  bool acquires = false, releases = false;
  bool isGrid = false; ///< of .gpu scope or wider
  /// Lanes whose compare-and-swap has not swapped: they have read and no more.
  uint32_t failed = 0;
};

class Order {
public:
  /// `strictAcquire`: neither a block barrier nor a shuffle stands in for the
  /// fence that a thread owes after it, or a lane it talks to, has read a flag.
  explicit Order(bool strictAcquire) : strictAcquire(strictAcquire) {}

  Epoch now() const { return epoch; }
  void tick() { ++epoch; }
  /// Locations of global memory that hold a clock.
  size_t numLocations() const { return global.size(); }
  WarpOrder makeWarp(uint32_t block, uint32_t warp, uint32_t lanes) const;

  /// bar.warp.sync among `mask`.
  void syncWarp(WarpOrder &warp, uint32_t mask);
  /// A shuffle or vote among `mask`: the lanes get what any of them has acquired
  /// from other warps, but nothing of each other's own accesses. More than the PTX
  /// ISA grants, and what libraries rely on.
  void converge(WarpOrder &warp, uint32_t mask) {
    if (!strictAcquire && warp.states.size() > 1)
      shareAcquired(warp, mask);
  }
  void fence(WarpOrder &warp, uint32_t mask, bool acquires, bool releases, bool isGrid);

  void arrive(WarpOrder &warp, uint32_t mask, BarrierOrder &barrier);
  /// Ends a barrier's phase. `everyone`: all threads of the block that have not
  /// exited wait at it.
  void complete(BarrierOrder &barrier, BlockOrder &block, bool everyone);
  /// Lets lanes that waited at a barrier know what complete() found.
  void wake(WarpOrder &warp, uint32_t mask, const BarrierOrder &barrier);

  /// `releases`, `acquires`: not so for .relaxed ones, which fences make good.
  void arrive(WarpOrder &warp, uint32_t mask, PhaseOrder &phase, bool releases);
  void wait(WarpOrder &warp, uint32_t mask, const PhaseOrder &phase, bool acquires);
  /// On behalf of lanes, with what they released earlier.
  void arrive(const WarpOrder &warp, uint32_t mask, const Release &released, PhaseOrder &phase);

  /// A copy lands that its thread has not waited for; returns its epoch.
  Epoch landCopies() { return ++epoch; }
  /// Lanes have waited for all of their copies that have landed.
  void waitForCopies(WarpOrder &warp, uint32_t mask);

  /// No location of global memory, or of the block's, has a clock to hand on, and
  /// no lane of the warp has released one: strong accesses change nothing.
  bool isIdle(const WarpOrder &warp, const BlockOrder *block) const;
  /// A strong access of the lanes in `mask`, one after the other, to `bytes` bytes
  /// each from address[lane] on; of global memory, or of `block`'s own.
  void access(WarpOrder &warp, uint32_t mask, const StrongAccess &access, const uint64_t *address,
              unsigned bytes, BlockOrder *block);
  /// A weak store: who reads its value has not observed what was released before.
  void overwrite(uint32_t mask, const uint64_t *address, unsigned bytes, BlockOrder *block);

  /// Up to which epoch `state`, of a thread of `block`, knows another thread.
  static Epoch known(const LaneState &state, uint32_t block, uint32_t otherBlock,
                     uint32_t otherWarp, unsigned otherLane);

private:
  void shareAcquired(WarpOrder &warp, uint32_t mask);
  using Locations = llvm::DenseMap<uint64_t, Location>;
  void read(WarpOrder &warp, unsigned lane, const StrongAccess &access, const Location &from);
  void write(WarpOrder &warp, unsigned lane, const StrongAccess &access, uint64_t address,
             Locations &locations);

  Epoch epoch = 1;
  bool strictAcquire;
  Locations global;
};

} // namespace tilewright::emulator::races

#endif
