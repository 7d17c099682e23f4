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
/// Writes of a page that are looked through for the warp's own before all else.
constexpr size_t kFewWrites = 8;
/// Conflicts of one access that are looked into.
constexpr size_t kMostReaders = 16;
/// Reads of bytes that nobody has written: the newest are enough to find a
/// writer that comes late, and inputs are read by everyone.
constexpr size_t kUnwrittenLimit = 64;
/// Accesses that stores have overwritten: the newest.
constexpr size_t kHiddenLimit = 64;

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

// `earlier` is a write that a strong read, one of `later`, saw, and that read is ordered
// before the access in question.
bool PageCheck::isObserved(const Record &earlier, llvm::ArrayRef<Record> later,
                           unsigned earlierLane, unsigned lane, int32_t begin, int32_t end) const {
  if (!(earlier.flags & kStrong) || !(earlier.flags & kWrite))
    return false;
  // The bytes that both touch: who has seen others of the write has not seen these.
  begin = std::max(begin, earlier.run.begin(earlierLane));
  end = std::min(end, earlier.run.begin(earlierLane) + earlier.run.bytes);
  const LaneState &state = warp.stateOf(lane);
  for (const Record &read : later) {
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

// Those of `lanes` that know of `read`, a strong read of all their bytes of `access`.
// What spins on a word meets long logs of others that do: a search asks each of them
// once, and spares isObserved().
uint32_t PageCheck::findWitnesses(const Record &read, const Record &access, uint32_t lanes) const {
  uint32_t found = 0;
  for (; lanes; lanes &= lanes - 1) {
    unsigned lane = std::countr_zero(lanes);
    int32_t begin = access.run.begin(lane), end = begin + access.run.bytes;
    for (uint32_t readers = lanesAt(read.run, begin, end); readers; readers &= readers - 1) {
      unsigned reader = std::countr_zero(readers);
      int32_t first = read.run.begin(reader);
      bool isWhole = first <= begin && end <= first + read.run.bytes;
      bool isOwn = read.block == warp.block && read.warp == warp.warp && reader == lane;
      if (isWhole && (isOwn || Order::known(warp.stateOf(lane), warp.block, read.block, read.warp,
                                            reader) >= read.epoch)) {
        found |= 1u << lane;
        break;
      }
    }
  }
  return found;
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

/// `later`: strong accesses after `earlier`, among others. `lanes`: of the access that
/// are looked at.
std::optional<Conflict> PageCheck::compare(const Record &earlier, llvm::ArrayRef<Record> later,
                                           const Record &access, uint32_t lanes) const {
  const Run &mine = access.run, &theirs = earlier.run;
  if (isKnown(earlier, access))
    return std::nullopt;
  if (mine.units) {
    for (uint32_t rest = mine.units; rest; rest &= rest - 1) {
      int32_t begin = std::countr_zero(rest) * kUnitBytes;
      uint32_t others = lanesAt(theirs, begin, begin + kUnitBytes);
      for (uint32_t left = others ? lanes : 0; left; left &= left - 1)
        if (auto conflict = compareLane(earlier, later, std::countr_zero(left), begin,
                                        begin + int32_t(kUnitBytes), others))
          return conflict;
    }
    return std::nullopt;
  }
  for (; lanes; lanes &= lanes - 1) {
    unsigned lane = std::countr_zero(lanes);
    int32_t begin = mine.begin(lane);
    uint32_t others = lanesAt(theirs, begin, begin + mine.bytes);
    if (auto conflict = compareLane(earlier, later, lane, begin, begin + mine.bytes, others))
      return conflict;
  }
  return std::nullopt;
}

// What `lane` is compared with: not its own access, or its copy that it waited for.
uint32_t PageCheck::comparedLanes(const Record &earlier, uint32_t others, unsigned lane) const {
  if (isAtomic)
    others &= ~earlier.excused;
  bool isOfWarp = earlier.block == warp.block && (earlier.warp & ~kCopies) == warp.warp;
  if (isOfWarp && (!(earlier.warp & kCopies) || warp.stateOf(lane).copies >= earlier.epoch))
    others &= ~(1u << lane);
  return others;
}

std::optional<Conflict> PageCheck::compareLane(const Record &earlier, llvm::ArrayRef<Record> later,
                                               unsigned lane, int32_t begin, int32_t end,
                                               uint32_t others) const {
  others = comparedLanes(earlier, others, lane);
  if (!others)
    return std::nullopt;
  const LaneState &state = warp.stateOf(lane);
  for (; others; others &= others - 1) {
    unsigned other = std::countr_zero(others);
    if (Order::known(state, warp.block, earlier.block, earlier.warp, other) < earlier.epoch &&
        !isObserved(earlier, later, other, lane, begin, end))
      return Conflict{earlier, other, lane, begin, 1u << other, 1u << lane, false};
  }
  return std::nullopt;
}

/// Of both accesses, the lanes that have no order; of `access` among `lanes`.
void PageCheck::fillLanes(Conflict &conflict, const Record &access, uint32_t lanes) const {
  const Record &earlier = conflict.earlier;
  for (lanes = access.run.units ? 0 : lanes; lanes; lanes &= lanes - 1) {
    unsigned lane = std::countr_zero(lanes);
    int32_t begin = access.run.begin(lane);
    uint32_t others =
        comparedLanes(earlier, lanesAt(earlier.run, begin, begin + access.run.bytes), lane);
    for (; others; others &= others - 1) {
      unsigned other = std::countr_zero(others);
      if (Order::known(warp.stateOf(lane), warp.block, earlier.block, earlier.warp, other) >=
          earlier.epoch)
        continue;
      conflict.lanes |= 1u << lane;
      conflict.earlierLanes |= 1u << other;
    }
  }
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

/// The two may race, going by what they are.
bool PageCheck::mayRace(const Record &earlier, const Record &access, bool onlyBlockScope) const {
  if (!((earlier.flags | access.flags) & kWrite))
    return false;
  if (isAtomic && (earlier.run.mask & ~earlier.excused) == 0)
    return false;
  if (!onlyBlockScope)
    return true;
  return earlier.block != access.block
             ? ((earlier.flags | access.flags) & kBlockScope) != 0
             : earlier.warp == access.warp && (earlier.flags & access.flags & kVolatile);
}

/// A conflict, with all its lanes; `open`: the lanes of the access that need an answer.
void PageCheck::add(Conflict conflict, Record &earlier, const Record &access, uint32_t &open,
                    llvm::SmallVectorImpl<Conflict> &found) const {
  bool isRead = access.flags == 0;
  fillLanes(conflict, access, open);
  conflict.isGuess = access.run.bytes == earlier.run.bytes &&
                     ((isRead && earlier.flags & kAtomic) || (isAtomic && !earlier.flags));
  if (isAtomic && conflict.isGuess)
    earlier.excused |= conflict.earlierLanes;
  if (isRead)
    open = conflict.isGuess ? open & ~conflict.lanes : 0;
  found.push_back(conflict);
}

void PageCheck::search(Log &log, const Record &access, bool onlyBlockScope,
                       llvm::SmallVectorImpl<Conflict> &found) {
  const bool isWrite = access.flags & kWrite, overwrites = isWrite && !(access.flags & kStrong);
  const Epoch stale = &log == &page.landed ? 0 : common;
  // A plain store may be excused for one of them and not for the next; a read lane by
  // lane.
  size_t wanted = found.size() + (isWrite || access.flags == 0 ? kMostReaders : 1);
  uint32_t open = access.run.mask, observed = 0;
  bool hasGone = false;
  const int32_t low = access.run.low(), high = access.run.high();
  for (size_t i = log.size(); i-- > 0 && open && found.size() < wanted;) {
    Record &earlier = log[i];
    bool meets = earlier.low < high && low < earlier.high;
    if (!meets && earlier.epoch > stale)
      continue;
    bool isOwn = isOwnRun(earlier, access);
    bool hasWitness =
        (earlier.flags & kStrong) && (earlier.flags & kWrite) && (open & ~observed) == 0;
    std::optional<Conflict> conflict;
    if (earlier.epoch > stale && !isOwn && !hasWitness && mayRace(earlier, access, onlyBlockScope))
      conflict = compare(earlier, llvm::ArrayRef<Record>(log).drop_front(i + 1), access, open);
    if (conflict)
      add(*conflict, earlier, access, open, found);
    if ((earlier.flags & kObserves) && (open & ~observed) && !access.run.units)
      observed |= findWitnesses(earlier, access, open & ~observed);
    // What comes after a write and has an order with it has one with what the
    // write was ordered after. What observed others stays as their witness.
    if (earlier.epoch <= stale ||
        (meets && overwrites && !conflict && earlier.step != access.step &&
         !(earlier.flags & kObserves) && covers(access.run, earlier.run))) {
      if (earlier.epoch > stale)
        hide(earlier, access.pc);
      earlier.run.mask = 0;
      hasGone = true;
    }
  }
  if (hasGone)
    llvm::erase_if(log, [](const Record &record) { return record.run.mask == 0; });
}

// What a store by the instruction at `pc` makes irrelevant but for stores that agree
// with it.
void PageCheck::hide(const Record &record, uint32_t pc) {
  if (record.flags == kWrite && record.pc == pc)
    return; // that agrees as well, or the store has changed it
  if (!page.hidden.empty()) {
    auto &[last, by] = page.hidden.back();
    if (by == pc && last.run == record.run && last.block == record.block &&
        last.warp == record.warp && last.flags == record.flags) {
      last = record;
      return;
    }
  }
  page.hidden.push_back({record, pc});
  if (page.hidden.size() >= 2 * kHiddenLimit)
    page.hidden.erase(page.hidden.begin(), page.hidden.begin() + kHiddenLimit);
}

// A store meets one of the same instruction, which may be forgiven: what that one hides.
// One such conflict is enough.
void PageCheck::searchHidden(const Record &access, llvm::SmallVectorImpl<Conflict> &found) const {
  for (const Hidden &hidden : llvm::reverse(page.hidden)) {
    const Record &earlier = hidden.record;
    if (hidden.pc != access.pc || earlier.epoch <= common || earlier.low >= access.run.high() ||
        access.run.low() >= earlier.high)
      continue;
    auto later = llvm::ArrayRef<Record>(page.strong).drop_while([&](const Record &record) {
      return record.step <= earlier.step;
    });
    if (auto conflict = compare(earlier, later, access, access.run.mask)) {
      fillLanes(*conflict, access, access.run.mask);
      found.push_back(*conflict);
      return;
    }
  }
}

/// The warp's own weak write of just these bytes, where nobody else has written any.
Record *PageCheck::findRepeated(const Record &access, int32_t low, int32_t high) {
  if (page.writes.size() > kFewWrites || access.flags != kWrite)
    return nullptr;
  Record *own = nullptr;
  for (Record &earlier : page.writes) {
    if (earlier.low >= high || low >= earlier.high)
      continue;
    if (own || earlier.run != access.run || earlier.flags != kWrite || !isOwnRun(earlier, access))
      return nullptr;
    own = &earlier;
  }
  return own;
}

llvm::SmallVector<Conflict, 1> PageCheck::find(const Record &access) {
  llvm::SmallVector<Conflict, 1> found;
  bool isWrite = access.flags & kWrite, isStrong = access.flags & kStrong;
  isAtomic = access.flags & kAtomic;
  if (!page.landed.empty())
    search(page.landed, access, false, found);
  if (page.latest <= common && page.latest) {
    page.reads.clear();
    page.writes.clear();
    page.strong.clear();
    page.guesses.clear();
    page.hidden.clear();
    page.latest = 0;
    page.hasBlockScope = false;
    return found;
  }
  // A warp that goes on with bytes of its own meets nobody's: remember() will put the
  // new access in the old one's place.
  repeated = findRepeated(access, access.run.low(), access.run.high());
  if (!repeated && !page.writes.empty())
    search(page.writes, access, false, found);
  if (!page.strong.empty() &&
      (!isStrong || page.hasBlockScope || (access.flags & (kBlockScope | kVolatile))))
    search(page.strong, access, isStrong, found);
  if (isWrite && !page.reads.empty())
    search(page.reads, access, false, found);
  if (isWrite && !isAtomic && !page.guesses.empty())
    search(page.guesses, access, false, found);
  auto mayBeForgiven = [&](const Conflict &conflict) {
    return conflict.earlier.flags == kWrite && conflict.earlier.pc == access.pc;
  };
  if (access.flags == kWrite && !page.hidden.empty() && llvm::any_of(found, mayBeForgiven))
    searchHidden(access, found);
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
  llvm::SmallVector<Record, 0> newest;
  for (const Record &record : llvm::reverse(log))
    if (newest.size() < limit && seen.insert(getKey(record)).second)
      newest.push_back(record);
  log.assign(newest.rbegin(), newest.rend());
}

void PageCheck::markGuess(const Run &swap) {
  bool hasMoved = false;
  for (Record &read : page.reads) {
    bool isOwn = read.block == warp.block && read.warp == warp.warp && !read.run.units &&
                 read.run.bytes == swap.bytes;
    for (uint32_t lanes = isOwn ? read.run.mask & swap.mask : 0; lanes; lanes &= lanes - 1)
      if (unsigned lane = std::countr_zero(lanes); read.run.begin(lane) == swap.begin(lane))
        read.excused |= 1u << lane;
    // Out of the way of further atomics.
    if (read.excused == read.run.mask) {
      page.guesses.push_back(read);
      read.run.mask = 0;
      hasMoved = true;
    }
  }
  if (hasMoved)
    llvm::erase_if(page.reads, [](const Record &read) { return read.run.mask == 0; });
  if (page.guesses.size() >= 2 * kLogLimit)
    thin(page.guesses, kLogLimit);
}

void PageCheck::remember(Record access) {
  access.low = static_cast<int16_t>(access.run.low());
  access.high = static_cast<int16_t>(access.run.high());
  bool isWrite = access.flags & kWrite;
  Log &log = access.warp & kCopies    ? static_cast<Log &>(page.landed)
             : access.flags & kStrong ? static_cast<Log &>(page.strong)
             : isWrite                ? static_cast<Log &>(page.writes)
                                      : static_cast<Log &>(page.reads);
  if (!(access.warp & kCopies))
    page.latest = std::max(page.latest, access.epoch);
  page.hasBlockScope |= (access.flags & kStrong) && (access.flags & kBlockScope);
  if (repeated) {
    hide(*repeated, access.pc);
    *repeated = access;
    return;
  }
  if (!log.empty()) {
    Record &last = log.back();
    if (last.run == access.run && last.block == access.block && last.warp == access.warp &&
        last.flags == access.flags && (last.epoch == access.epoch || !(access.flags & kObserves))) {
      if (access.flags == kWrite)
        hide(last, access.pc);
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
