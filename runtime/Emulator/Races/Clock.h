//===- Clock.h - What one thread knows of the others -------------------------===//
//
// Vector clocks (Fidge and Mattern, 1988; for race detection Flanagan and
// Freund, "FastTrack", 2009) for grids of many threads. A launch is interpreted
// one step at a time, so one counter serves all threads: an *epoch* goes up at
// each synchronising event, and an access is stamped with the epoch in which it
// happened. A clock says for each thread up to which epoch all it did is ordered
// before the clock's owner. Example: thread a writes in epoch 3 and releases,
// which starts epoch 4; b acquires and now knows a up to 3; what a does next is
// stamped 4 and unknown to b.
//
// Threads synchronise in crowds, so that is what is stored: BlockClock has a
// floor for all threads of a block, and entries for sets of lanes above it;
// GridClock is a persistent tree of BlockClocks, whose copies share what is
// equal. Both are immutable once shared; joining equal pointers costs nothing,
// and others one walk over their entries.
//
// A copy in flight (cp.async) that lands before its thread waits for it is written
// by nobody whom barriers know: it has a clock entry of its own, as if by a further
// warp, which the floor does not reach.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_RACES_CLOCK_H
#define TILEWRIGHT_RUNTIME_EMULATOR_RACES_CLOCK_H

#include "llvm/ADT/IntrusiveRefCntPtr.h"
#include "llvm/ADT/SmallVector.h"
#include <array>
#include <cstdint>

namespace tilewright::emulator::races {

using Epoch = uint32_t;

/// `warp | kCopies`: the copies of that warp's lanes, where they landed unawaited.
constexpr uint32_t kCopies = 1u << 15;

/// What is known of one block's threads.
class BlockClock : public llvm::RefCountedBase<BlockClock> {
public:
  explicit BlockClock(Epoch floor = 0) : floor(floor) {}

  /// Up to which epoch lane `lane` of warp `warp` is known.
  Epoch get(uint32_t warp, unsigned lane) const;
  /// The lanes of `warp` in `mask` are known up to `epoch`, at least.
  void add(uint32_t warp, uint32_t mask, Epoch epoch);
  /// The lanes of `warp` in `mask` are known up to `epoch`.
  bool covers(uint32_t warp, uint32_t mask, Epoch epoch) const;
  /// Knows at least what `other` knows.
  bool covers(const BlockClock &other) const;

  struct Entry {
    uint32_t warp, mask;
    Epoch epoch;
  };
  Epoch floor; ///< every thread is known up to here
  /// Above the floor, by warp, the newest of a warp first; of two entries of a warp
  /// the masks have no lane in common.
  llvm::SmallVector<Entry, 2> entries;

private:
  friend llvm::IntrusiveRefCntPtr<const BlockClock>
  join(const llvm::IntrusiveRefCntPtr<const BlockClock> &a,
       const llvm::IntrusiveRefCntPtr<const BlockClock> &b);
  const Entry *findFirst(uint32_t warp) const;
  Epoch floorOf(uint32_t warp) const { return warp & kCopies ? 0 : floor; }
};

using BlockClockRef = llvm::IntrusiveRefCntPtr<const BlockClock>;

/// All that either knows. Null knows nothing. Returns one of the two where it
/// covers the other.
BlockClockRef join(const BlockClockRef &a, const BlockClockRef &b);

/// What is known of all blocks of a grid: a radix tree by the block's index, as high
/// as the highest index asks for.
class GridClock {
public:
  GridClock() = default;

  bool isEmpty() const { return !root; }
  const BlockClock *find(uint32_t block) const;
  /// With `clock` joined in for `block`.
  GridClock with(uint32_t block, const BlockClockRef &clock) const;
  GridClock join(const GridClock &other) const;
  bool operator==(const GridClock &other) const { return root == other.root; }

private:
  static constexpr unsigned kBits = 4, kFanout = 1 << kBits;
  struct Node : llvm::RefCountedBase<Node> {
    std::array<llvm::IntrusiveRefCntPtr<const Node>, kFanout> children;
    BlockClockRef leaf; ///< at level 0
  };
  using NodeRef = llvm::IntrusiveRefCntPtr<const Node>;
  static NodeRef join(const NodeRef &a, const NodeRef &b, unsigned level);
  static NodeRef makePath(NodeRef node, uint32_t block, unsigned from, unsigned to);

  NodeRef root;
  unsigned levels = 0; ///< above the leaves
};

/// A thread's knowledge: of its own block, looked up most, and of the others.
struct Clock {
  BlockClockRef own;
  GridClock others;

  void join(const Clock &other) {
    own = races::join(own, other.own);
    others = others.join(other.others);
  }
  bool isEmpty() const { return !own && others.isEmpty(); }
  bool operator==(const Clock &other) const { return own == other.own && others == other.others; }
};

} // namespace tilewright::emulator::races

#endif
