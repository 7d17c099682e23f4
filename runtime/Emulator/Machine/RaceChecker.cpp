//===- RaceChecker.cpp - Reports accesses without an order --------------------===//
//
// See RaceChecker.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/RaceChecker.h"
#include "runtime/Emulator/Machine/Access.h"
#include "runtime/Emulator/Machine/Lanes.h"
#include "runtime/Emulator/Machine/Limits.h"
#include "llvm/ADT/STLExtras.h"
#include <cstring>
#include <tuple>

using namespace tilewright::emulator;
using races::Conflict;
using races::kPageBits;
using races::kPageBytes;
using races::kUnitBytes;
using races::Page;
using races::PageCheck;
using races::Record;
using races::Run;

RaceChecker::RaceChecker(Launch &launch) : order(launch.options.strictAcquire), launch(launch) {}

static uint64_t keyOf(uint32_t block, uint32_t warp) { return uint64_t(block) << 32 | warp; }

Page *RaceChecker::getPage(Block &block, Space space, uint64_t page) {
  if (space == Space::Global)
    return global.get(page);
  if (page >= block.pages.size())
    block.pages.resize((kSharedBase + block.shared.size()) / kPageBytes + 1);
  return &block.pages[page];
}

bool RaceChecker::isFull() const {
  return numRecords + global.size() > launch.options.raceRecordLimit ||
         order.numLocations() > kMaxSyncLocations || numGuesses > kMaxGuesses;
}

std::string RaceChecker::describeFull() const {
  auto more = [](uint64_t limit, const char *what) {
    return "more than " + std::to_string(limit) + what;
  };
  return "races are checked up to step " + std::to_string(launch.steps) + " only: " +
         (order.numLocations() > kMaxSyncLocations
              ? more(kMaxSyncLocations, " locations order threads")
          : numGuesses > kMaxGuesses
              ? more(kMaxGuesses, " reads wait for what is done with them")
              : more(launch.options.raceRecordLimit, " accesses are to be remembered"));
}

void RaceChecker::forget(const Block &block) {
  order.finish(block.clocks.block);
  for (const Page &page : block.pages)
    numRecords -= page.size();
  for (size_t warp = 0; warp < block.warps.size() && !guesses.empty(); ++warp)
    if (auto open = guesses.find(keyOf(block.clocks.block, warp)); open != guesses.end()) {
      report(open->second);
      guesses.erase(open);
    }
}

static const uint8_t *hostOf(const Access &access, unsigned lane) {
  return access.isContiguous ? access.host[0] + lane * access.bytes : access.host[lane];
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

/// The same for collective accesses to whole units; false, and no call, where a
/// lane's bytes are not one unit.
template <typename F> bool RaceChecker::forUnits(const Access &access, F f) {
  uint64_t pages[kLanes];
  uint32_t units[kLanes];
  unsigned count = 0;
  for (uint32_t rest = access.mask; rest; rest &= rest - 1) {
    uint64_t address = access.address[std::countr_zero(rest)], page = address >> kPageBits;
    if (address % kUnitBytes)
      return false;
    unsigned i = count;
    while (i > 0 && pages[i - 1] != page)
      --i;
    if (i == 0) {
      i = ++count;
      pages[i - 1] = page;
      units[i - 1] = 0;
    }
    units[i - 1] |= 1u << (address % kPageBytes / kUnitBytes);
  }
  for (unsigned i = 0; i < count; ++i)
    f(pages[i], Run::ofUnits(access.collective, units[i]));
  return true;
}

/// Calls f(page, run) for the runs that make up an access whose lanes are looked at one
/// by one.
template <typename F> void RaceChecker::forLaneRuns(const Access &access, F f) {
  if (access.collective && access.bytes == kUnitBytes && forUnits(access, f))
    return;
  Run run;
  uint64_t page = 0;
  auto bytesIn = [&](uint64_t offset) {
    return static_cast<uint8_t>(std::min<uint64_t>(access.bytes, kPageBytes - offset));
  };
  for (uint32_t rest = access.mask; rest; rest &= rest - 1) {
    unsigned lane = std::countr_zero(rest);
    uint64_t address = access.address[lane];
    int32_t offset = static_cast<int32_t>(address % kPageBytes);
    if (access.collective) {
      f(address >> kPageBits, Run{access.collective, offset, 0, bytesIn(offset), 0});
      continue;
    }
    if (run.mask && address >> kPageBits == page && bytesIn(offset) == run.bytes) {
      if (std::has_single_bit(run.mask)) {
        int32_t first = std::countr_zero(run.mask), distance = offset - run.offset;
        int32_t lanes = static_cast<int32_t>(lane) - first;
        if (distance % lanes == 0) {
          run.stride = static_cast<int16_t>(distance / lanes);
          run.offset -= run.stride * first;
          run.mask |= 1u << lane;
          continue;
        }
      } else if (run.begin(lane) == offset) {
        run.mask |= 1u << lane;
        continue;
      }
    }
    if (run.mask)
      f(page, run);
    page = address >> kPageBits;
    run = {1u << lane, offset, 0, bytesIn(offset), 0};
  }
  if (run.mask)
    f(page, run);
}

/// Lanes [begin, end) of a row whose lane 0 is at `offset`.
static Run rowOf(const Access &access, unsigned begin, unsigned end, int64_t offset) {
  return {uint32_t((uint64_t(1) << end) - (uint64_t(1) << begin)), static_cast<int32_t>(offset),
          static_cast<int16_t>(access.bytes), static_cast<uint8_t>(access.bytes), 0};
}

/// Calls f(page, run) for the runs that make up an access.
template <typename F> void RaceChecker::forRuns(const Access &access, F f) {
  bool isRow = access.isContiguous && !access.collective;
  uint64_t first = access.address[0], last = first + kLanes * access.bytes - 1;
  if (isRow && first >> kPageBits == last >> kPageBits) {
    f(first >> kPageBits, rowOf(access, 0, kLanes, first % kPageBytes));
  } else if (isRow && std::has_single_bit(access.bytes) && (first & (access.bytes - 1)) == 0) {
    // Cut where pages end, which is between two lanes.
    unsigned shift = std::countr_zero(access.bytes);
    for (unsigned lane = 0, end; lane < kLanes; lane = end) {
      uint64_t page = (first + lane * access.bytes) >> kPageBits;
      int64_t offset = int64_t(first) - int64_t(page << kPageBits);
      end = std::min<int64_t>((kPageBytes - offset) >> shift, kLanes);
      f(page, rowOf(access, lane, end, offset));
    }
  } else {
    forLaneRuns(access, f);
  }
}

void RaceChecker::access(Warp &warp, const Access &access) {
  if (access.space != Space::Shared && access.space != Space::Global)
    return;
  if (!warp.unsettled.empty())
    settleStores(warp, kFullMask);
  if (!guesses.empty())
    judgeGuesses(warp, access);
  bool isStore = access.kind == AccessKind::Store || access.kind == AccessKind::AsyncWrite;
  bool isAtomic = access.kind == AccessKind::Atomic;
  const MemoryInfo *info = access.info;
  bool isStrong = isAtomic || access.isStrong ||
                  (info && (info->isVolatile || info->ordering != Ordering::Weak));
  Record record;
  record.epoch = order.now();
  record.block = warp.clocks.block;
  record.warp = static_cast<uint16_t>(warp.index);
  record.pc = warp.pc;
  record.step = launch.steps;
  record.flags = (isStore || isAtomic ? races::kWrite : 0) | (isAtomic ? races::kAtomic : 0) |
                 (isStrong ? races::kStrong : 0) |
                 (isStrong && info && info->scope < Scope::Device ? races::kBlockScope : 0) |
                 (isStrong && !isStore && !access.isBlind ? races::kObserves : 0) |
                 (access.collective ? races::kCollective : 0) |
                 (launch.options.strictWarps && access.space == Space::Shared && !isAtomic &&
                          info && info->isVolatile
                      ? races::kVolatile
                      : 0);
  if (access.isSwap)
    markGuesses(warp, access);
  bool meetsStrong = false;
  forRuns(access, [&](uint64_t page, const Run &run) {
    record.run = run;
    meetsStrong |= checkRun(warp, access, page, record);
  });
  if (isStrong && !access.isStrong && !isAtomic)
    synchronise(warp, access, 0);
  else if (meetsStrong && isStore)
    order.overwrite(access.mask, access.address, access.bytes,
                    access.space == Space::Global ? nullptr : &warp.block.clocks);
}

/// True: strong accesses have been to the page.
bool RaceChecker::checkRun(Warp &warp, const Access &access, uint64_t page, const Record &record) {
  Page *logs = getPage(warp.block, access.space, page);
  races::Epoch common = access.space == Space::Shared ? warp.block.clocks.common : 0;
  PageCheck check(*logs, warp.clocks, common);
  numRecords -= logs->size();
  uint32_t held = 0;
  for (Conflict &conflict : check.find(record)) {
    if (conflict.isGuess && record.flags == 0)
      held |= conflict.lanes;
    handleConflict(warp, access, {record, conflict, access.space, page << kPageBits});
  }
  if (record.flags == races::kWrite && !record.run.units)
    checkSelf(warp, access, page, record);
  // A copy in flight writes when it lands.
  if (access.kind != AccessKind::AsyncWrite) {
    check.remember(record);
    if (held)
      check.excuse(held);
  }
  numRecords += logs->size();
  return !logs->strong.empty();
}

//===----------------------------------------------------------------------===//
// Conflicts
//===----------------------------------------------------------------------===//

// Lanes of one store that meet: the highest wins, as long as they agree.
void RaceChecker::checkSelf(Warp &warp, const Access &access, uint64_t page, const Record &record) {
  uint32_t mask = record.run.mask, meeting = 0;
  for (unsigned d = 1; d < kLanes && d * std::abs(record.run.stride) < record.run.bytes; ++d)
    meeting |= (mask & mask >> d) | (mask & mask << d);
  if (!meeting)
    return;
  Conflict conflict;
  conflict.earlier = record;
  conflict.earlierLane = std::countr_zero(meeting);
  conflict.lane = 31 - std::countl_zero(meeting);
  conflict.begin = record.run.begin(conflict.lane);
  conflict.lanes = meeting;
  handleConflict(warp, access, {record, conflict, access.space, page << kPageBits});
}

void RaceChecker::handleConflict(Warp &warp, const Access &access, Race race) {
  if (reported.contains(warp.pc))
    return;
  const Conflict &conflict = race.conflict;
  const Record &earlier = conflict.earlier, &later = race.later;
  // Lanes that part, and a word that all of them look at, are flags.
  bool isExchange = access.mask >> conflict.earlierLane & 1 &&
                    access.address[conflict.earlierLane] != access.address[conflict.lane];
  if (earlier.flags & later.flags & races::kVolatile && !isExchange)
    return;
  if (conflict.isGuess) {
    Guess guess{std::move(race), conflict.lanes};
    if (guess.race.later.flags != 0)
      guess.lanes = guess.race.conflict.earlierLanes;
    const Record &reader = guess.getReader();
    guesses[keyOf(reader.block, reader.warp)].push_back(std::move(guess));
    ++numGuesses;
    return;
  }
  bool mayAgree = access.kind == AccessKind::Store && earlier.pc == later.pc &&
                  earlier.flags == races::kWrite && later.flags == races::kWrite;
  if (!mayAgree) {
    reported.insert(warp.pc);
    return launch.record(describe(race), /*stops=*/false);
  }
  UnsettledStore store;
  store.lanes = conflict.lanes | 1u << conflict.lane;
  store.isSameInstruction = earlier.step == later.step;
  store.bytes = access.bytes;
  forEachLane(store.lanes, [&](unsigned lane) {
    const uint8_t *host = hostOf(access, lane);
    store.host.push_back(host);
    store.before.insert(store.before.end(), host, host + access.bytes);
  });
  store.race = std::move(race);
  warp.unsettled.push_back(std::move(store));
}

// Lanes of the two runs that meet, one of which has lost: they stored different values.
bool UnsettledStore::haveDiffered(uint32_t differing) {
  Conflict &conflict = race.conflict;
  const Run &mine = race.later.run, &theirs = conflict.earlier.run;
  for (uint32_t rest = mine.mask; rest; rest &= rest - 1) {
    const unsigned lane = std::countr_zero(rest);
    const int32_t begin = mine.begin(lane);
    uint32_t others = races::lanesAt(theirs, begin, begin + mine.bytes) & ~(1u << lane);
    others &= differing >> lane & 1 ? ~differing : differing;
    if (!others)
      continue;
    conflict.lane = lane;
    conflict.earlierLane = std::countr_zero(others);
    conflict.begin = begin;
    return true;
  }
  return false;
}

// A lane that has changed what another store left.
bool UnsettledStore::haveChanged() {
  Conflict &conflict = race.conflict;
  size_t i = 0;
  for (uint32_t rest = lanes; rest; rest &= rest - 1, ++i) {
    if (std::memcmp(host[i], &before[i * bytes], bytes) == 0)
      continue;
    conflict.lane = std::countr_zero(rest);
    conflict.begin = race.later.run.begin(conflict.lane);
    const uint32_t met =
        races::lanesAt(conflict.earlier.run, conflict.begin, conflict.begin + int32_t(bytes));
    if (!(met >> conflict.earlierLane & 1) || conflict.earlierLane == conflict.lane)
      conflict.earlierLane = std::countr_zero(met & conflict.earlierLanes);
    return true;
  }
  return false;
}

bool UnsettledStore::isRace(uint32_t differing) {
  if (!isSameInstruction)
    return haveChanged();
  return differing == kFullMask || haveDiffered(differing);
}

void tilewright::emulator::settleStores(Warp &warp, uint32_t differing) {
  for (UnsettledStore &store : warp.unsettled) {
    if (store.isRace(differing))
      warp.launch.record(warp.launch.races->describe(store.race), /*stops=*/false);
  }
  warp.unsettled.clear();
}

//===----------------------------------------------------------------------===//
// Guesses
//===----------------------------------------------------------------------===//

// Of all lanes, before any of them is judged: they may have guessed alike.
void RaceChecker::markGuesses(Warp &warp, const Access &access) {
  forRuns(access, [&](uint64_t page, const Run &run) {
    Page *logs = getPage(warp.block, access.space, page);
    numRecords -= logs->size();
    PageCheck(*logs, warp.clocks, 0).markGuess(run);
    numRecords += logs->size();
  });
}

void Guess::pickLane(unsigned lane) {
  Conflict &conflict = race.conflict;
  bool readsLater = race.later.flags == 0;
  const Run &run = getReader().run, &other = readsLater ? conflict.earlier.run : race.later.run;
  int32_t begin = run.begin(lane);
  unsigned otherLane = std::countr_zero(races::lanesAt(other, begin, begin + run.bytes));
  conflict.lane = readsLater ? lane : otherLane;
  conflict.earlierLane = readsLater ? otherLane : lane;
  conflict.begin = begin;
}

// What a thread does next with the bytes it has read decides.
void RaceChecker::judgeGuesses(Warp &warp, const Access &access) {
  auto open = guesses.find(keyOf(warp.clocks.block, warp.index));
  if (open == guesses.end())
    return;
  GuessesOfWarp races;
  llvm::erase_if(open->second, [&](Guess &guess) {
    if (guess.race.space != access.space)
      return false;
    const Run &run = guess.getReader().run;
    uint32_t checked = 0, used = 0;
    forEachLane(access.mask & guess.lanes, [&](unsigned lane) {
      uint64_t first = guess.race.page + run.begin(lane), address = access.address[lane];
      if (address >= first + run.bytes || first >= address + access.bytes)
        return;
      bool isChecked = access.isSwap && address == first && access.bytes == run.bytes;
      (isChecked ? checked : used) |= 1u << lane;
    });
    guess.lanes &= ~checked;
    if (used) {
      guess.lanes = used;
      races.push_back(guess);
    } else if (!guess.lanes) {
      --numGuesses;
    }
    return used || !guess.lanes;
  });
  if (open->second.empty())
    guesses.erase(open);
  report(races);
}

void RaceChecker::report(GuessesOfWarp &open) {
  numGuesses -= open.size();
  for (Guess &guess : open) {
    guess.pickLane(std::countr_zero(guess.lanes));
    reported.insert(guess.race.later.pc);
    launch.record(describe(guess.race), /*stops=*/false);
  }
}

void RaceChecker::finish() {
  GuessesOfWarp left;
  for (auto &entry : guesses)
    left.append(std::make_move_iterator(entry.second.begin()),
                std::make_move_iterator(entry.second.end()));
  guesses.clear();
  auto key = [](const Guess &guess) {
    const Record &reader = guess.getReader();
    return std::tuple(guess.race.later.step, reader.block, reader.warp);
  };
  llvm::sort(left, [&](const Guess &a, const Guess &b) { return key(a) < key(b); });
  report(left);
}

//===----------------------------------------------------------------------===//
// Words for findings
//===----------------------------------------------------------------------===//

static llvm::StringRef verbOf(uint8_t flags) {
  return flags & races::kAtomic ? "updates" : flags & races::kWrite ? "writes" : "reads";
}

static std::string remedyFor(const Record &earlier, const Record &record,
                             const Conflict &conflict) {
  if (earlier.flags & record.flags & races::kVolatile)
    return "lanes need not run in step: bar.warp.sync (__syncwarp()) between the two would order "
           "them, volatile does not";
  if (earlier.flags & record.flags & races::kStrong)
    return "both are strong, but .cta scope does not reach another block: use .gpu";
  if (earlier.step == record.step)
    return "lanes of one instruction that store to the same bytes must store the same value";
  if (earlier.block != record.block)
    return "blocks of one launch have no order of their own: release after the first access (a "
           "fence, __threadfence(), then an atomic or volatile flag) and acquire before the "
           "second, or make both atomic, or use two launches";
  if ((earlier.warp & races::kCopies) && conflict.earlierLane == conflict.lane &&
      (earlier.warp & ~races::kCopies) == record.warp)
    return "the thread that issues a copy must wait for it as well (cp.async.wait_all, or at the "
           "mbarrier that the copy arrives at)";
  if (earlier.flags & races::kAsync)
    return "after the issuing thread's cp.async wait, a barrier (bar.sync, __syncthreads()) makes "
           "the copy visible to other threads";
  if (earlier.warp == record.warp)
    return "bar.warp.sync (__syncwarp()) with lanes " + std::to_string(conflict.earlierLane) +
           " and " + std::to_string(conflict.lane) + " between the two would order them";
  return "a barrier (bar.sync, __syncthreads()) between the two would order them";
}

Party RaceChecker::makeParty(const Record &record, unsigned lane) const {
  const Program &program = launch.program;
  const Origin &origin = program.origins[program.code[record.pc].origin];
  Party party;
  party.what = record.flags & races::kWrite ? "written by" : "read by";
  party.instruction = origin.text;
  party.location = origin.location;
  party.source = origin.source;
  party.sourceFile = program.getFile(origin.source.file);
  party.inlinedAt = getCallers(program, origin.source);
  party.block = launch.blockIndex(record.block);
  party.warp = record.warp & ~races::kCopies;
  if (!(record.flags & races::kCollective))
    party.lane = static_cast<int>(lane);
  return party;
}

Finding RaceChecker::describe(const Race &race) const {
  const Record &earlier = race.conflict.earlier, &later = race.later;
  Party party = makeParty(later, race.conflict.lane);
  Finding finding;
  finding.kind = FindingKind::Race;
  finding.message =
      (verbOf(later.flags) + " " + llvm::Twine(unsigned(later.run.bytes)) +
       " bytes that another thread has " + (earlier.flags & races::kWrite ? "written" : "read") +
       ", without an order between the two")
          .str();
  finding.kernel = launch.program.kernelName;
  finding.instruction = std::move(party.instruction);
  finding.location = party.location;
  finding.source = party.source;
  finding.sourceFile = std::move(party.sourceFile);
  finding.inlinedAt = std::move(party.inlinedAt);
  finding.block = party.block;
  finding.warp = party.warp;
  finding.lane = static_cast<int>(race.conflict.lane);
  finding.setAddress(race.space, race.getAddress(), launch.describe(race.space, race.getAddress()));
  finding.other = makeParty(earlier, race.conflict.earlierLane);
  finding.remedy = remedyFor(earlier, later, race.conflict);
  return finding;
}

//===----------------------------------------------------------------------===//
// Synchronisation through memory
//===----------------------------------------------------------------------===//

void RaceChecker::synchronise(Warp &warp, const Access &access, uint32_t failed) {
  if (access.space != Space::Shared && access.space != Space::Global)
    return;
  const MemoryInfo &info = *access.info;
  // Nothing to hand on, and nobody has.
  bool releases = access.kind != AccessKind::Load &&
                  (info.ordering == Ordering::Release || info.ordering == Ordering::AcquireRelease);
  races::BlockOrder *block = access.space == Space::Global ? nullptr : &warp.block.clocks;
  if (!releases && order.isIdle(warp.clocks, block))
    return;
  races::StrongAccess strong;
  strong.reads = access.kind != AccessKind::Store;
  strong.observes = strong.reads && !access.isBlind;
  strong.writes = access.kind != AccessKind::Load;
  bool isBoth = info.ordering == Ordering::AcquireRelease;
  strong.acquires = strong.reads && (isBoth || info.ordering == Ordering::Acquire);
  strong.releases = releases;
  strong.isGrid = info.scope >= Scope::Device;
  strong.failed = failed;
  order.access(warp.clocks, access.mask, strong, access.address, access.bytes, block);
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

void RaceChecker::land(Warp &warp, const Copy &copy, uint32_t lanes, bool isAwaited) {
  Access access;
  access.kind = AccessKind::AsyncWrite;
  access.space = Space::Shared;
  access.bytes = copy.bytes;
  access.mask = lanes;
  uint64_t clean = UINT64_MAX; // a page that nobody has written
  forEachLane(lanes, [&](unsigned lane) {
    access.address[lane] = copy.destination[lane];
    uint64_t page = copy.sourceAddress[lane] >> kPageBits;
    if (!copy.sourceBytes[lane] || page == clean)
      return;
    const Page &log = *global.get(page);
    if (log.writes.empty() && log.strong.empty())
      clean = page;
    else
      checkSource(warp, copy, lane);
  });
  Record record;
  record.epoch = isAwaited ? order.now() : order.landCopies();
  record.block = warp.clocks.block;
  record.warp = static_cast<uint16_t>(warp.index | (isAwaited ? 0 : races::kCopies));
  record.pc = copy.pc;
  record.step = launch.steps;
  record.flags = races::kWrite | races::kAsync;
  forLaneRuns(access, [&](uint64_t page, const Run &run) {
    record.run = run;
    Page &logs = *getPage(warp.block, Space::Shared, page);
    numRecords -= logs.size();
    PageCheck(logs, warp.clocks, warp.block.clocks.common).remember(record);
    numRecords += logs.size();
  });
}

// Who writes the source of a copy in flight changes what is copied, whether or
// not the write is ordered after the copy's issue.
void RaceChecker::checkSource(Warp &warp, const Copy &copy, unsigned lane) {
  uint64_t address = copy.sourceAddress[lane];
  const Page &page = *global.get(address >> kPageBits);
  int32_t begin = static_cast<int32_t>(address % kPageBytes), end = begin + copy.sourceBytes[lane];
  for (const auto *log : {&page.writes, &page.strong})
    for (const Record &write : *log) {
      bool meets = write.flags & races::kWrite && write.epoch > copy.epoch &&
                   races::lanesAt(write.run, begin, end);
      if (!meets || reported.contains(copy.pc))
        continue;
      reported.insert(copy.pc);
      Finding finding =
          warp.makeFinding(FindingKind::AsyncSourceOverwritten, static_cast<int>(lane), copy.pc);
      finding.message =
          "the source of an asynchronous copy is written before the copy is waited for";
      finding.setAddress(Space::Global, address, launch.global.describe(address));
      finding.other = makeParty(write, std::countr_zero(races::lanesAt(write.run, begin, end)));
      finding.remedy = "wait for the copy (cp.async.wait_group) before the write, and order the "
                       "write after the wait";
      warp.record(std::move(finding), /*stops=*/false);
    }
}
