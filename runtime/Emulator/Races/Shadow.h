//===- Shadow.h - Who touched which bytes -------------------------------------===//
//
// Memory is remembered in pages of 512 bytes, each with a log of the accesses
// that a later one could still race with. A log entry is a *run*: lanes of one
// warp that touch bytes at a regular distance. A coalesced access of a warp is
// one run a page, a scattered one a run a lane.
//
// Logs stay short, because what a later access makes irrelevant is dropped:
// what every thread of the block knows of (after a barrier of all, shared memory
// starts afresh), and what a write that is ordered after it has overwritten.
// Beyond a limit only the newest entries are kept.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_RACES_SHADOW_H
#define TILEWRIGHT_RUNTIME_EMULATOR_RACES_SHADOW_H

#include "runtime/Emulator/Races/Order.h"
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
  kVolatile = 128,  ///< strong, but neither atomic nor ordering; lanes in step must not rely on it
  kGuess = 64,      ///< a weak read whose value its thread has checked by atom.cas
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
  bool operator==(const Run &other) const {
    return mask == other.mask && offset == other.offset && stride == other.stride &&
           bytes == other.bytes && units == other.units;
  }
};

/// The lanes of `run` whose bytes meet [begin, end).
uint32_t lanesAt(const Run &run, int32_t begin, int32_t end);

/// An access as it is remembered.
struct Record {
  Run run;
  Epoch epoch = 0;
  uint32_t block = 0;
  uint16_t warp = 0;
  uint8_t flags = 0;
  uint32_t pc = 0;
  uint64_t step = 0; ///< of the launch: equal for runs of one dynamic instruction
  /// Of the run; set when it is remembered.
  int32_t low = 0, high = 0;
};

using Log = llvm::SmallVector<Record, 1>;

struct Page {
  Log reads, writes, strong; ///< weak reads, weak writes, strong accesses
  Epoch latest = 0;          ///< of any access
  /// Some strong access has .cta scope: strong ones may race with each other.
  bool hasBlockScope = false;
  size_t size() const { return reads.size() + writes.size() + strong.size(); }
};

/// Two accesses without an order.
struct Conflict {
  Record earlier;
  unsigned earlierLane = 0, lane = 0;
  int32_t begin = 0; ///< of the later access's bytes in the page
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

  /// Earlier accesses that conflict with `access` and have no order with it: the
  /// first of each log, or a few readers of what an atomic updates.
  llvm::SmallVector<Conflict, 1> find(const Record &access);
  void remember(Record access);
  /// The lanes of `access` that meet lanes of `earlier` without an order.
  uint32_t lanesInConflict(const Record &earlier, const Record &access) const;
  /// A lane compares and swaps the bytes that `run` has for it: what it has read
  /// of them was a guess and does not race with atomics.
  void markGuess(const Run &run, unsigned lane);

private:
  void search(Log &log, const Record &access, bool onlyBlockScope,
              llvm::SmallVectorImpl<Conflict> &found);
  std::optional<Conflict> compare(const Log &log, size_t index, const Record &access) const;
  /// Lane `lane` touches bytes from `begin` on that lanes `others` touched before.
  std::optional<Conflict> compareLane(const Log &log, size_t index, unsigned lane, int32_t begin,
                                      int32_t end, uint32_t others) const;
  bool isObserved(const Log &log, size_t index, unsigned earlierLane, unsigned lane, int32_t begin,
                  int32_t end) const;
  bool isObservedByAll(const Log &log, size_t index, const Record &access);
  bool isKnown(const Record &earlier, const Record &access) const;

  Page &page;
  const WarpOrder &warp;
  Epoch common;
  /// Of the log that is searched: each lane of the access knows of a strong read
  /// of all its bytes at this index or later; unset until asked for.
  std::optional<size_t> observedUpTo;
};

} // namespace tilewright::emulator::races

#endif
