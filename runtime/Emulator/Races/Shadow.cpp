//===- Shadow.cpp - Who touched which bytes -----------------------------------===//
//
// See Shadow.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Races/Shadow.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>

using namespace tilewright::emulator::races;

/// Entries of a log that is never thinned below what is distinct.
constexpr size_t kLogLimit = 2048;
/// Conflicts of one access that are looked into.
constexpr size_t kMostReaders = 16;
/// Reads of bytes that nobody has written: the newest are enough to find a
/// writer that comes late, and inputs are read by everyone.
constexpr size_t kUnwrittenLimit = 64;

int32_t Run::low() const {
  return stride < 0 ? begin(31 - std::countl_zero(mask)) : begin(std::countr_zero(mask));
}

int32_t Run::high() const {
  if (units)
    return static_cast<int32_t>(kPageBytes - std::countl_zero(units) * kUnitBytes);
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

/// The units that [begin, end) meets.
static uint32_t unitsOf(int32_t begin, int32_t end) {
  int32_t first = begin / int32_t(kUnitBytes), last = (end - 1) / int32_t(kUnitBytes);
  return ~0u >> (31 - (last - first)) << first;
}

/// The lanes of `run` whose bytes meet [begin, end).
uint32_t tilewright::emulator::races::lanesAt(const Run &run, int32_t begin, int32_t end) {
  if (run.units)
    return run.units & unitsOf(begin, end) ? run.mask : 0;
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
bool PageCheck::isObserved(const Log &log, size_t index, unsigned earlierLane, unsigned lane,
                           int32_t begin, int32_t end) const {
  const Record &earlier = log[index];
  if (!(earlier.flags & kStrong) || !(earlier.flags & kWrite))
    return false;
  // The bytes that both touch: who has seen others of the write has not seen these.
  begin = std::max(begin, earlier.run.begin(earlierLane));
  end = std::min(end, earlier.run.begin(earlierLane) + earlier.run.bytes);
  const LaneState &state = warp.stateOf(lane);
  for (size_t i = index + 1; i < log.size(); ++i) {
    const Record &read = log[i];
    if (!(read.flags & kObserves))
      continue;
    for (uint32_t lanes = lanesAt(read.run, begin, end); lanes; lanes &= lanes - 1) {
      unsigned reader = std::countr_zero(lanes);
      int32_t first = read.run.begin(reader);
      if (first > begin || end > first + read.run.bytes)
        continue;
      bool isOwn = read.block == warp.block && read.warp == warp.warp && reader == lane;
      if (isOwn || Order::known(state, warp.block, read.block, read.warp, reader) >= read.epoch)
        return true;
    }
  }
  return false;
}

// Each lane meets its own bytes only.
static bool isOwnRun(const Record &earlier, const Record &access) {
  const Run &mine = access.run, &theirs = earlier.run;
  return earlier.warp == access.warp && earlier.block == access.block &&
         theirs.offset == mine.offset && theirs.stride == mine.stride && !theirs.units &&
         !mine.units && std::abs(mine.stride) >= std::max(mine.bytes, theirs.bytes);
}

// As isObserved, for all lanes at once and without a look at each: what spins on
// a word meets long logs of others that do.
bool PageCheck::isObservedByAll(const Log &log, size_t index, const Record &access) {
  const Record &earlier = log[index];
  if (!(earlier.flags & kStrong) || !(earlier.flags & kWrite))
    return false;
  if (!observedUpTo) {
    observedUpTo = log.size();
    for (uint32_t rest = access.run.mask; rest; rest &= rest - 1) {
      unsigned lane = std::countr_zero(rest);
      int32_t begin = access.run.begin(lane), end = begin + access.run.bytes;
      const LaneState &state = warp.stateOf(lane);
      auto knows = [&](const Record &read) {
        if (!(read.flags & kObserves))
          return false;
        for (uint32_t lanes = lanesAt(read.run, begin, end); lanes; lanes &= lanes - 1) {
          unsigned reader = std::countr_zero(lanes);
          int32_t first = read.run.begin(reader);
          bool isWhole = first <= begin && end <= first + read.run.bytes;
          bool isOwn = read.block == warp.block && read.warp == warp.warp && reader == lane;
          if (isWhole && (isOwn || Order::known(state, warp.block, read.block, read.warp, reader) >=
                                       read.epoch))
            return true;
        }
        return false;
      };
      size_t last = log.size();
      while (last > index && !knows(log[last - 1]))
        --last;
      observedUpTo = std::min(*observedUpTo, last);
    }
  }
  return index + 1 < *observedUpTo;
}

// All of `earlier` is ordered before all of `access`: the usual case, in one
// look for each set of lanes that know the same.
bool PageCheck::isKnown(const Record &earlier, const Record &access) const {
  if (earlier.block == warp.block && earlier.warp == warp.warp)
    return false;
  for (const LaneState &state : warp.states) {
    if (!(state.mask & access.run.mask))
      continue;
    const BlockClock *clock = earlier.block == warp.block ? state.clock.own.get()
                                                          : state.clock.others.find(earlier.block);
    if (!clock || !clock->covers(earlier.warp, earlier.run.mask, earlier.epoch))
      return false;
  }
  return true;
}

std::optional<Conflict> PageCheck::compare(const Log &log, size_t index,
                                           const Record &access) const {
  const Record &earlier = log[index];
  const Run &mine = access.run, &theirs = earlier.run;
  if (isKnown(earlier, access))
    return std::nullopt;
  if (mine.units) {
    for (uint32_t rest = mine.units; rest; rest &= rest - 1) {
      int32_t begin = std::countr_zero(rest) * kUnitBytes;
      uint32_t others = lanesAt(theirs, begin, begin + kUnitBytes);
      for (uint32_t lanes = others ? mine.mask : 0; lanes; lanes &= lanes - 1)
        if (auto conflict = compareLane(log, index, std::countr_zero(lanes), begin,
                                        begin + int32_t(kUnitBytes), others))
          return conflict;
    }
    return std::nullopt;
  }
  for (uint32_t rest = mine.mask; rest; rest &= rest - 1) {
    unsigned lane = std::countr_zero(rest);
    int32_t begin = mine.begin(lane);
    uint32_t others = lanesAt(theirs, begin, begin + mine.bytes);
    if (auto conflict = compareLane(log, index, lane, begin, begin + mine.bytes, others))
      return conflict;
  }
  return std::nullopt;
}

std::optional<Conflict> PageCheck::compareLane(const Log &log, size_t index, unsigned lane,
                                               int32_t begin, int32_t end, uint32_t others) const {
  const Record &earlier = log[index];
  if (earlier.block == warp.block && earlier.warp == warp.warp)
    others &= ~(1u << lane);
  if (!others)
    return std::nullopt;
  const LaneState &state = warp.stateOf(lane);
  for (; others; others &= others - 1) {
    unsigned other = std::countr_zero(others);
    if (Order::known(state, warp.block, earlier.block, earlier.warp, other) < earlier.epoch &&
        !isObserved(log, index, other, lane, begin, end))
      return Conflict{earlier, other, lane, begin};
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
  bool isDense = std::abs(outer.stride) <= outer.bytes && !outer.units;
  return isDense &&
         std::has_single_bit((uint64_t(outer.mask) >> std::countr_zero(outer.mask)) + 1) &&
         outer.low() <= inner.low() && inner.high() <= outer.high();
}

void PageCheck::search(Log &log, const Record &access, bool onlyBlockScope,
                       llvm::SmallVectorImpl<Conflict> &found) {
  bool isWrite = access.flags & kWrite, overwrites = isWrite && !(access.flags & kStrong);
  bool isAtomic = isWrite && access.flags & kObserves;
  observedUpTo.reset();
  // A warp goes on with bytes that only it has touched: remember() will put the
  // new access in the old one's place.
  if (log.size() == 1 && log[0].run == access.run && log[0].flags == access.flags &&
      !(access.flags & kObserves) && isOwnRun(log[0], access))
    return;
  // A plain store may be excused for one of them and not for the next.
  size_t wanted = found.size() + (isWrite ? kMostReaders : 1), kept = 0;
  const int32_t low = access.run.low(), high = access.run.high();
  for (size_t i = 0; i < log.size(); ++i) {
    const Record &earlier = log[i];
    bool meets = earlier.low < high && low < earlier.high;
    if (!meets && earlier.epoch > common) {
      if (kept != i)
        log[kept] = log[i];
      ++kept;
      continue;
    }
    bool isRelevant = isWrite || earlier.flags & kWrite;
    if (onlyBlockScope)
      isRelevant &= earlier.block != access.block
                        ? ((earlier.flags | access.flags) & kBlockScope) != 0
                        : earlier.warp == access.warp && (earlier.flags & access.flags & kVolatile);
    isRelevant &= !(isAtomic && earlier.flags & kGuess);
    std::optional<Conflict> conflict;
    if (isRelevant && earlier.epoch > common && !isOwnRun(earlier, access) &&
        !isObservedByAll(log, i, access))
      conflict = compare(log, i, access);
    if (conflict && found.size() < wanted)
      found.push_back(*conflict);
    // What comes after a write and has an order with it has one with what the
    // write was ordered after. What observed others stays as their witness.
    bool isGone = earlier.epoch <= common ||
                  (meets && overwrites && !conflict && earlier.step != access.step &&
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
  if (!page.strong.empty() &&
      (!isStrong || page.hasBlockScope || (access.flags & (kBlockScope | kVolatile))))
    search(page.strong, access, isStrong, found);
  if (isWrite && !page.reads.empty())
    search(page.reads, access, false, found);
  return found;
}

/// What makes two records one to thin(): the same threads, bytes and manner.
static uint64_t getKey(const Record &record) {
  const Run &run = record.run;
  uint64_t key = 0;
  for (uint64_t part :
       {uint64_t(record.block) << 32 | uint64_t(record.warp) << 8 | record.flags,
        uint64_t(run.mask) << 32 | run.units,
        uint64_t(uint32_t(run.offset)) << 32 | uint64_t(uint16_t(run.stride)) << 8 | run.bytes}) {
    key = (key ^ part) * 0x9e3779b97f4a7c15;
    key ^= key >> 29;
  }
  return key >> 1;
}

// Drops entries that a newer one of the same threads and bytes repeats.
static void thin(Log &log, size_t limit) {
  llvm::SmallDenseSet<uint64_t, 256> seen;
  Log newest;
  for (const Record &record : llvm::reverse(log))
    if (newest.size() < limit && seen.insert(getKey(record)).second)
      newest.push_back(record);
  log.assign(newest.rbegin(), newest.rend());
}

uint32_t PageCheck::lanesInConflict(const Record &earlier, const Record &access) const {
  uint32_t lanes = 0;
  for (uint32_t rest = access.run.units ? 0 : access.run.mask; rest; rest &= rest - 1) {
    unsigned lane = std::countr_zero(rest);
    int32_t begin = access.run.begin(lane);
    uint32_t others = lanesAt(earlier.run, begin, begin + access.run.bytes);
    if (earlier.block == warp.block && earlier.warp == warp.warp)
      others &= ~(1u << lane);
    for (; others; others &= others - 1)
      if (Order::known(warp.stateOf(lane), warp.block, earlier.block, earlier.warp,
                       std::countr_zero(others)) < earlier.epoch) {
        lanes |= 1u << lane;
        break;
      }
  }
  return lanes;
}

void PageCheck::markGuess(const Run &run, unsigned lane) {
  for (size_t i = 0, end = page.reads.size(); i < end; ++i) {
    Record &read = page.reads[i];
    bool isSame = read.block == warp.block && read.warp == warp.warp && read.run.mask >> lane & 1 &&
                  read.run.begin(lane) == run.begin(lane) && read.run.bytes == run.bytes;
    if (!isSame || read.flags & kGuess)
      continue;
    Record guess = read;
    guess.flags |= kGuess;
    guess.run.mask = 1u << lane;
    guess.low = guess.run.low();
    guess.high = guess.run.high();
    read.run.mask &= ~guess.run.mask;
    page.reads.push_back(guess);
  }
  llvm::erase_if(page.reads, [](const Record &read) { return read.run.mask == 0; });
}

void PageCheck::remember(Record access) {
  access.low = access.run.low();
  access.high = access.run.high();
  bool isWrite = access.flags & kWrite;
  Log &log = access.flags & kStrong ? page.strong : isWrite ? page.writes : page.reads;
  page.latest = std::max(page.latest, access.epoch);
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
  if (log.size() >= 2 * limit)
    thin(log, limit);
}
