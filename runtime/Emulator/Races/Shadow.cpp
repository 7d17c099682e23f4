//===- Shadow.cpp - Who touched which bytes -----------------------------------===//
//
// See Shadow.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Races/Shadow.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>

using namespace tilewright::emulator::races;

/// Entries of a log that is never thinned below what is distinct.
constexpr size_t kLogLimit = 2048;
/// Reads of bytes that nobody has written: the newest are enough to find a
/// writer that comes late, and inputs are read by everyone.
constexpr size_t kUnwrittenLimit = 64;

int32_t Run::low() const {
  return stride < 0 ? begin(31 - std::countl_zero(mask)) : begin(std::countr_zero(mask));
}

int32_t Run::high() const {
  return (stride < 0 ? begin(std::countr_zero(mask)) : begin(31 - std::countl_zero(mask))) + bytes;
}

Page *GlobalShadow::get(uint64_t page) {
  auto &slot = cache[page % kCached];
  if (slot.second && slot.first == page)
    return slot.second;
  Page *&known = pages[page];
  if (!known)
    known = &storage.emplace_back();
  slot = {page, known};
  return known;
}

//===----------------------------------------------------------------------===//
// Two accesses
//===----------------------------------------------------------------------===//

/// The lanes of `run` whose bytes meet [begin, end).
static uint32_t lanesAt(const Run &run, int32_t begin, int32_t end) {
  if (run.stride == 0)
    return run.offset < end && begin < run.offset + run.bytes ? run.mask : 0;
  uint32_t lanes = 0;
  for (uint32_t rest = run.mask; rest; rest &= rest - 1) {
    unsigned lane = std::countr_zero(rest);
    int32_t first = run.begin(lane);
    lanes |= uint32_t(first < end && begin < first + run.bytes) << lane;
  }
  return lanes;
}

// log[index] is a write that a later strong read saw, and that read is ordered
// before the access in question.
bool PageCheck::isObserved(const Log &log, size_t index, unsigned earlierLane,
                           unsigned lane) const {
  const Record &earlier = log[index];
  if (!(earlier.flags & kStrong) || !(earlier.flags & kWrite))
    return false;
  int32_t begin = earlier.run.begin(earlierLane), end = begin + earlier.run.bytes;
  const LaneState &state = warp.stateOf(lane);
  for (size_t i = index + 1; i < log.size(); ++i) {
    const Record &read = log[i];
    if (!(read.flags & kObserves))
      continue;
    for (uint32_t lanes = lanesAt(read.run, begin, end); lanes; lanes &= lanes - 1) {
      unsigned reader = std::countr_zero(lanes);
      bool isOwn = read.block == warp.block && read.warp == warp.warp && reader == lane;
      if (isOwn || Order::known(state, warp.block, read.block, read.warp, reader) >= read.epoch)
        return true;
    }
  }
  return false;
}

std::optional<Conflict> PageCheck::compare(const Log &log, size_t index,
                                           const Record &access) const {
  const Record &earlier = log[index];
  const Run &mine = access.run, &theirs = earlier.run;
  if (theirs.low() >= mine.high() || mine.low() >= theirs.high())
    return std::nullopt;
  bool isSameWarp = earlier.block == warp.block && earlier.warp == warp.warp;
  // Each lane meets its own bytes only.
  if (isSameWarp && theirs.offset == mine.offset && theirs.stride == mine.stride &&
      std::abs(mine.stride) >= std::max(mine.bytes, theirs.bytes))
    return std::nullopt;
  for (uint32_t rest = mine.mask; rest; rest &= rest - 1) {
    unsigned lane = std::countr_zero(rest);
    int32_t begin = mine.begin(lane);
    uint32_t others = lanesAt(theirs, begin, begin + mine.bytes);
    if (isSameWarp)
      others &= ~(1u << lane);
    if (!others)
      continue;
    const LaneState &state = warp.stateOf(lane);
    for (; others; others &= others - 1) {
      unsigned other = std::countr_zero(others);
      if (Order::known(state, warp.block, earlier.block, earlier.warp, other) < earlier.epoch &&
          !isObserved(log, index, other, lane))
        return Conflict{earlier, other, lane};
    }
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Logs
//===----------------------------------------------------------------------===//

/// All bytes of `inner` are bytes of `outer`.
static bool covers(const Run &outer, const Run &inner) {
  if (outer == inner)
    return true;
  bool isDense = std::abs(outer.stride) <= outer.bytes;
  return isDense &&
         std::has_single_bit((uint64_t(outer.mask) >> std::countr_zero(outer.mask)) + 1) &&
         outer.low() <= inner.low() && inner.high() <= outer.high();
}

void PageCheck::search(Log &log, const Record &access, bool onlyBlockScope,
                       llvm::SmallVectorImpl<Conflict> &found) {
  bool isWrite = access.flags & kWrite, overwrites = isWrite && !(access.flags & kStrong);
  bool hasFound = false;
  size_t kept = 0;
  for (size_t i = 0; i < log.size(); ++i) {
    const Record &earlier = log[i];
    bool isRelevant = isWrite || earlier.flags & kWrite;
    if (onlyBlockScope)
      isRelevant &= earlier.block != access.block && ((earlier.flags | access.flags) & kBlockScope);
    std::optional<Conflict> conflict;
    if (isRelevant && earlier.epoch > common)
      conflict = compare(log, i, access);
    if (conflict && !hasFound) {
      found.push_back(*conflict);
      hasFound = true;
    }
    // What comes after a write and has an order with it has one with what the
    // write was ordered after. What observed others stays as their witness.
    bool isGone = earlier.epoch <= common ||
                  (overwrites && !conflict && earlier.step != access.step &&
                   !(earlier.flags & kObserves) && covers(access.run, earlier.run));
    if (isGone)
      continue;
    if (kept != i)
      log[kept] = log[i];
    ++kept;
  }
  log.truncate(kept);
}

llvm::SmallVector<Conflict, 1> PageCheck::find(const Record &access) {
  llvm::SmallVector<Conflict, 1> found;
  if (page.latest <= common && page.latest) {
    page.reads.clear();
    page.writes.clear();
    page.strong.clear();
    page.latest = 0;
    page.hasBlockScope = false;
    return found;
  }
  bool isWrite = access.flags & kWrite, isStrong = access.flags & kStrong;
  if (!page.writes.empty())
    search(page.writes, access, false, found);
  if (!page.strong.empty() && (!isStrong || page.hasBlockScope || (access.flags & kBlockScope)))
    search(page.strong, access, isStrong, found);
  if (isWrite && !page.reads.empty())
    search(page.reads, access, false, found);
  return found;
}

// Drops entries that a newer one of the same threads and bytes repeats.
static void thin(Log &log, size_t limit) {
  llvm::DenseSet<size_t> seen;
  Log newest;
  for (const Record &record : llvm::reverse(log)) {
    const Run &run = record.run;
    size_t key = llvm::hash_combine(record.block, record.warp, record.flags, run.mask, run.offset,
                                    run.stride, run.bytes);
    if (newest.size() < limit && seen.insert(key >> 1).second)
      newest.push_back(record);
  }
  log.assign(newest.rbegin(), newest.rend());
}

void PageCheck::remember(const Record &access) {
  bool isWrite = access.flags & kWrite;
  Log &log = access.flags & kStrong ? page.strong : isWrite ? page.writes : page.reads;
  page.latest = access.epoch;
  page.hasBlockScope |= (access.flags & kStrong) && (access.flags & kBlockScope);
  if (!log.empty()) {
    Record &last = log.back();
    if (last.run == access.run && last.block == access.block && last.warp == access.warp &&
        last.flags == access.flags && (last.epoch == access.epoch || !(access.flags & kObserves))) {
      last = access;
      return;
    }
  }
  log.push_back(access);
  bool isUnwritten = &log == &page.reads && page.writes.empty() && page.strong.empty();
  size_t limit = isUnwritten ? kUnwrittenLimit : kLogLimit;
  if (log.size() >= 2 * limit && std::has_single_bit(log.size()))
    thin(log, limit);
}
