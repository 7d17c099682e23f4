//===- Shadow.h - Who touched which bytes -------------------------------------===//
//
// Memory is remembered in pages of 512 bytes, each with a log of the accesses
// that a later one could still race with. A log entry is a *run*: lanes of one
// warp that touch bytes at a regular distance. A coalesced access of a warp is
// one run a page, a scattered one a run a lane.
//
// Logs stay short, because what a later access makes irrelevant is dropped:
// what every thread of the block knows of (after a barrier of all, shared memory
// starts afresh), and what a write that is ordered after it has overwritten: who has
// no order with that has none with the write. A race with the write alone may be
// forgiven, though, to another store of the same instruction and value; for such, what
// the write has hidden is kept apart.
// Beyond a limit only the newest entries are kept. They are searched from the
// newest on, and only until enough is found: in words that many threads update,
// that is at once.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_RACES_SHADOW_H
#define TILEWRIGHT_RUNTIME_EMULATOR_RACES_SHADOW_H

#include "runtime/Emulator/Races/Order.h"
#include "llvm/ADT/ArrayRef.h"
#include <deque>
#include <memory>
#include <vector>

namespace tilewright::emulator::races {

constexpr unsigned kPageBits = 9;
constexpr uint32_t kPageBytes = 1u << kPageBits;

enum AccessFlag : uint8_t {
  kWrite = 1,
  kStrong = 2,      ///< relaxed, volatile, atomic: strong accesses do not race with each other
  kBlockScope = 4,  ///< strong among threads of one block only
  kAsync = 8,       ///< of a copy in flight
  kCollective = 16, ///< every lane of the mask touches all the bytes, as in ldmatrix
  kObserves = 32,   ///< a strong access that reads, be it as part of an atomic
  kAtomic = 64,     ///< atom, red
  kVolatile = 128,  ///< strong, but neither atomic nor ordering; lanes in step must not rely on it
};

constexpr uint32_t kUnitBytes = kPageBytes / 32;

/// Lanes of one warp that touch `bytes` bytes each, at offset + lane * stride
/// within a page. Or, where `units` is not zero, lanes that all touch the same
/// bytes: a bit each for the 32 units of a page, `offset` being the first's.
struct Run {
  uint32_t mask = 0;
  int32_t offset = 0;
  int16_t stride = 0;
  uint8_t bytes = 0;
  uint32_t units = 0;

  /// All of `mask` touch `units`, which is not 0.
  static Run ofUnits(uint32_t mask, uint32_t units) {
    int32_t first = static_cast<int32_t>(std::countr_zero(units) * kUnitBytes);
    return {mask, first, 0, kUnitBytes, units};
  }
  int32_t begin(unsigned lane) const { return offset + int32_t(lane) * stride; }
  int32_t low() const;
  int32_t high() const;
  bool operator==(const Run &other) const = default;
};

/// The lanes of `run` whose bytes meet [begin, end).
uint32_t lanesAt(const Run &run, int32_t begin, int32_t end);

/// An access as it is remembered.
struct Record {
  Run run;
  Epoch epoch = 0;
  uint32_t block = 0;
  uint16_t warp = 0; ///< | kCopies: by copies of that warp, landed before it waited
  uint8_t flags = 0;
  uint32_t pc = 0;
  uint64_t step = 0; ///< of the launch: equal for runs of one dynamic instruction
  /// Of the run; set when it is remembered.
  int16_t low = 0, high = 0;
  /// Of a weak read: lanes that need not be compared with atomics, since their threads
  /// have checked the value by atom.cas, or it is held back until they do.
  uint32_t excused = 0;
};

using Log = llvm::SmallVectorImpl<Record>;

/// What a weak store by the instruction at `pc` has overwritten and is ordered after.
struct Hidden {
  Record record;
  uint32_t pc = 0;
};

struct Page {
  llvm::SmallVector<Record, 1> reads, writes, strong; ///< weak, weak, either
  llvm::SmallVector<Record, 0> guesses;               ///< weak reads of which all lanes are excused
  llvm::SmallVector<Record, 0> landed; ///< copies that landed before their thread waited
  llvm::SmallVector<Hidden, 0> hidden;
  Epoch latest = 0; ///< of any access but those of `landed`
  /// Some strong access has .cta scope: strong ones may race with each other.
  bool hasBlockScope = false;
  size_t size() const {
    return reads.size() + writes.size() + strong.size() + guesses.size() + landed.size() +
           hidden.size();
  }
};

/// Two accesses without an order.
struct Conflict {
  Record earlier;
  unsigned earlierLane = 0, lane = 0;
  int32_t begin = 0; ///< of the later access's bytes in the page
  /// All that are in conflict, of either.
  uint32_t earlierLanes = 0, lanes = 0;
  /// A weak read and an atomic of the same width, either first: to be held back until
  /// the reader's next access shows what it does with the value.
  bool isGuess = false;
};

/// Pages of the global memory of a launch.
class GlobalShadow {
public:
  Page *get(uint64_t page);
  size_t size() const { return storage.size(); }

private:
  static constexpr size_t kCached = 256;
  llvm::DenseMap<uint64_t, Page *> pages;
  std::deque<Page> storage;
  std::array<std::pair<uint64_t, Page *>, kCached> cache{};
};

/// Judges accesses to one page by lanes of one warp. `common`: the epoch up to
/// which all threads that could touch the page know each other; 0 for global
/// memory.
///
/// A strong write is also ordered before all that follows a strong read which
/// observed it (PTX ISA, "Causality Order"): the last of many blocks at a
/// counter may reset it with a plain store.
class PageCheck {
public:
  PageCheck(Page &page, const WarpOrder &warp, Epoch common)
      : page(page), warp(warp), common(common) {}

  /// Earlier accesses that conflict with `access` and have no order with it, the
  /// newest of each log first: one, or a few where the next may be judged otherwise.
  /// An atomic finds a read that is a guess only once.
  llvm::SmallVector<Conflict, 1> find(const Record &access);
  void remember(Record access);
  /// Lanes of the weak read remembered last need not be compared with atomics.
  void excuse(uint32_t lanes) { page.reads.back().excused |= lanes; }
  /// Lanes of the warp are about to swap what they have read: a weak read of theirs
  /// of just those bytes was a guess.
  void markGuess(const Run &swap);

private:
  Record *findRepeated(const Record &access, int32_t low, int32_t high);
  bool mayRace(const Record &earlier, const Record &access, bool onlyBlockScope) const;
  void add(Conflict conflict, Record &earlier, const Record &access, uint32_t &open,
           llvm::SmallVectorImpl<Conflict> &found) const;
  void search(Log &log, const Record &access, bool onlyBlockScope,
              llvm::SmallVectorImpl<Conflict> &found);
  void searchHidden(const Record &access, llvm::SmallVectorImpl<Conflict> &found) const;
  void hide(const Record &record, uint32_t pc);
  std::optional<Conflict> compare(const Record &earlier, llvm::ArrayRef<Record> later,
                                  const Record &access, uint32_t lanes) const;
  std::optional<Conflict> compareLane(const Record &earlier, llvm::ArrayRef<Record> later,
                                      unsigned lane, int32_t begin, int32_t end,
                                      uint32_t others) const;
  void fillLanes(Conflict &conflict, const Record &access, uint32_t lanes) const;
  uint32_t comparedLanes(const Record &earlier, uint32_t others, unsigned lane) const;
  bool isObserved(const Record &earlier, llvm::ArrayRef<Record> later, unsigned earlierLane,
                  unsigned lane, int32_t begin, int32_t end) const;
  uint32_t findWitnesses(const Record &read, const Record &access, uint32_t lanes) const;
  bool isKnown(const Record &earlier, const Record &access) const;

  Page &page;
  const WarpOrder &warp;
  Epoch common;
  bool isAtomic = false;      ///< the access that is judged
  Record *repeated = nullptr; ///< its place, where its warp has written just these bytes
};

} // namespace tilewright::emulator::races

#endif
