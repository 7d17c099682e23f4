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
// all these clocks exist twice, and a location keeps what was released at .cta scope
// by block. Who reads a write or goes on from it by an atomic observes it only if the
// scopes of the two accesses include each other; the fences on either side must do
// so as well, but not the scopes of atomics between. A cluster counts as its one block.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_RACES_ORDER_H
#define TILEWRIGHT_RUNTIME_EMULATOR_RACES_ORDER_H

#include "runtime/Emulator/Races/Clock.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
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

/// One location through which threads synchronise: what the last write and the atomics
/// that it goes on from hand on.
struct Location {
  uint32_t block = 0;  ///< of the last write
  bool isGrid = false; ///< the last write has .gpu scope or wider
  /// Released at .cta scope or wider, by block: for that block's threads.
  llvm::SmallDenseMap<uint32_t, Clock, 1> blockClocks;
  GridClock gridClock; ///< released at .gpu scope or wider

  /// The scopes of the last write and of an access by a thread of `other` include
  /// each other.
  bool isObservedBy(uint32_t other, bool isOtherGrid) const {
    return block == other || (isGrid && isOtherGrid);
  }
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
  /// Locations of global memory that hold a clock; one that several blocks have
  /// released to counts for each.
  size_t numLocations() const { return global.size() + numSharers; }
  WarpOrder makeWarp(uint32_t block, uint32_t warp, uint32_t lanes) const;
  /// All threads of a block have exited: nobody takes what is kept for them alone.
  void finish(uint32_t block) { finished.insert(block); }

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
  void release(Location &location, const WarpOrder &warp, unsigned lane, const Release &block,
               const Release &grid);
  void dropFinished(Location &location);
  void clear(Location &location);
  void erase(Locations &locations, uint64_t address);

  Epoch epoch = 1;
  bool strictAcquire;
  Locations global;
  size_t numSharers = 0; ///< clocks by block beyond the first of each location
  llvm::DenseSet<uint32_t> finished;
};

} // namespace tilewright::emulator::races

#endif
