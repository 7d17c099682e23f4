//===- RaceChecker.cpp - Reports accesses without an order --------------------===//
//
// See RaceChecker.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/RaceChecker.h"
#include "runtime/Emulator/Machine/Access.h"
#include "runtime/Emulator/Machine/Lanes.h"
#include "runtime/Emulator/Machine/Limits.h"
#include <cstring>

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

Page *RaceChecker::getPage(Block &block, Space space, uint64_t page) {
  if (space == Space::Global)
    return global.get(page);
  if (page >= block.pages.size())
    block.pages.resize((kSharedBase + block.shared.size()) / kPageBytes + 1);
  return &block.pages[page];
}

bool RaceChecker::isFull() const {
  return numRecords + global.size() > launch.options.raceRecordLimit ||
         order.numLocations() > kMaxSyncLocations || guesses.size() > kMaxGuesses;
}

std::string RaceChecker::describeFull() const {
  auto more = [](uint64_t limit, const char *what) {
    return "more than " + std::to_string(limit) + what;
  };
  return "races are checked up to step " + std::to_string(launch.steps) + " only: " +
         (order.numLocations() > kMaxSyncLocations
              ? more(kMaxSyncLocations, " locations order threads")
          : guesses.size() > kMaxGuesses
              ? more(kMaxGuesses, " reads wait for what is done with them")
              : more(launch.options.raceRecordLimit, " accesses are to be remembered"));
}

void RaceChecker::forget(const Block &block) {
  for (const Page &page : block.pages)
    numRecords -= page.size();
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

/// Calls f(page, run) for the runs that make up an access.
template <typename F> void RaceChecker::forRuns(const Access &access, F f) {
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
  record.flags = (isStore || isAtomic ? races::kWrite : 0) | (isStrong ? races::kStrong : 0) |
                 (isStrong && info && info->scope < Scope::Device ? races::kBlockScope : 0) |
                 (isStrong && !isStore && !access.isBlind ? races::kObserves : 0) |
                 (access.collective ? races::kCollective : 0) |
                 (launch.options.strictWarps && access.space == Space::Shared && !isAtomic &&
                          info && info->isVolatile
                      ? races::kVolatile
                      : 0);
  bool isRow = access.isContiguous && !access.collective;
  uint64_t first = access.address[0], last = first + kLanes * access.bytes - 1;
  if (isRow && first >> kPageBits == last >> kPageBits) {
    record.run = rowOf(access, 0, kLanes, first % kPageBytes);
    checkRun(warp, access, first >> kPageBits, record);
  } else if (isRow && std::has_single_bit(access.bytes) && (first & (access.bytes - 1)) == 0) {
    // Cut where pages end, which is between two lanes.
    unsigned shift = std::countr_zero(access.bytes);
    for (unsigned lane = 0, end; lane < kLanes; lane = end) {
      uint64_t page = (first + lane * access.bytes) >> kPageBits;
      int64_t offset = int64_t(first) - int64_t(page << kPageBits);
      end = std::min<int64_t>((kPageBytes - offset) >> shift, kLanes);
      record.run = rowOf(access, lane, end, offset);
      checkRun(warp, access, page, record);
    }
  } else {
    forRuns(access, [&](uint64_t page, const Run &run) {
      record.run = run;
      checkRun(warp, access, page, record);
    });
  }
  if (isStrong && !access.isStrong)
    synchronise(warp, access);
}

void RaceChecker::checkRun(Warp &warp, const Access &access, uint64_t page, const Record &record) {
  Page *logs = getPage(warp.block, access.space, page);
  races::Epoch common = access.space == Space::Shared ? warp.block.clocks.common : 0;
  PageCheck check(*logs, warp.clocks, common);
  // First, since lanes of one instruction may have guessed alike.
  if (access.isSwap)
    forEachLane(record.run.mask, [&](unsigned lane) { check.markGuess(record.run, lane); });
  numRecords -= logs->size();
  for (const Conflict &conflict : check.find(record))
    handleConflict(warp, access, page, record, conflict,
                   conflict.earlier.step == record.step
                       ? record.run.mask
                       : check.lanesInConflict(conflict.earlier, record));
  if (record.flags == races::kWrite && !record.run.units)
    checkSelf(warp, access, page, record);
  // A copy in flight writes when it lands.
  if (access.kind != AccessKind::AsyncWrite)
    check.remember(record);
  numRecords += logs->size();
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
  handleConflict(warp, access, page, record, conflict, meeting);
}

void RaceChecker::handleConflict(Warp &warp, const Access &access, uint64_t page,
                                 const Record &record, const Conflict &conflict, uint32_t lanes) {
  if (reported.contains(warp.pc))
    return;
  uint64_t address = (page << kPageBits) + conflict.begin;
  const Record &earlier = conflict.earlier;
  // Lanes that part, and a word that all of them look at, are flags.
  bool isExchange = access.mask >> conflict.earlierLane & 1 &&
                    access.address[conflict.earlierLane] != access.address[conflict.lane];
  if (earlier.flags & record.flags & races::kVolatile && !isExchange)
    return;
  bool mayAgree = access.kind == AccessKind::Store && earlier.pc == record.pc &&
                  earlier.flags == races::kWrite && record.flags == races::kWrite;
  Finding finding = describe(warp, access, address, record, conflict);
  constexpr uint8_t atomic = races::kWrite | races::kObserves;
  bool isGuess = (record.flags == 0 && (earlier.flags & atomic) == atomic) ||
                 (earlier.flags == 0 && (record.flags & atomic) == atomic);
  if (isGuess && earlier.run.bytes == record.run.bytes)
    return hold(warp, access, address, conflict, std::move(finding));
  if (!mayAgree) {
    reported.insert(warp.pc);
    return warp.record(std::move(finding), /*stops=*/false);
  }
  UnsettledStore store;
  store.finding = std::move(finding);
  store.lanes = lanes | 1u << conflict.lane;
  store.isSameInstruction = earlier.step == record.step;
  store.bytes = access.bytes;
  forEachLane(store.lanes, [&](unsigned lane) {
    const uint8_t *host = hostOf(access, lane);
    store.host.push_back(host);
    store.before.insert(store.before.end(), host, host + access.bytes);
  });
  warp.unsettled.push_back(std::move(store));
}

void tilewright::emulator::settleStores(Warp &warp, uint32_t differing) {
  for (UnsettledStore &store : warp.unsettled) {
    bool isRace = store.isSameInstruction && (differing & store.lanes);
    for (size_t i = 0; i < store.host.size() && !store.isSameInstruction; ++i)
      isRace |= std::memcmp(store.host[i], &store.before[i * store.bytes], store.bytes) != 0;
    if (isRace)
      warp.record(std::move(store.finding), /*stops=*/false);
  }
  warp.unsettled.clear();
}

void RaceChecker::hold(Warp &warp, const Access &access, uint64_t address, const Conflict &conflict,
                       Finding finding) {
  Guess guess;
  bool readsNow = access.kind == AccessKind::Load;
  guess.block = readsNow ? warp.clocks.block : conflict.earlier.block;
  guess.warp = readsNow ? warp.index : conflict.earlier.warp;
  guess.lane = readsNow ? conflict.lane : conflict.earlierLane;
  guess.space = access.space;
  guess.address = address;
  guess.bytes = access.bytes;
  guess.finding = std::move(finding);
  for (const Guess &known : guesses)
    if (known.finding.location.line == guess.finding.location.line && known.lane == guess.lane &&
        known.warp == guess.warp && known.block == guess.block && known.address == guess.address)
      return;
  guesses.push_back(std::move(guess));
}

// What a thread does next with the bytes it has read decides.
void RaceChecker::judgeGuesses(Warp &warp, const Access &access) {
  for (size_t i = 0; i < guesses.size();) {
    Guess &guess = guesses[i];
    bool isNext = guess.block == warp.clocks.block && guess.warp == warp.index &&
                  guess.space == access.space && access.mask >> guess.lane & 1 &&
                  access.address[guess.lane] < guess.address + guess.bytes &&
                  guess.address < access.address[guess.lane] + access.bytes;
    if (!isNext) {
      ++i;
      continue;
    }
    bool isChecked =
        access.isSwap && access.address[guess.lane] == guess.address && access.bytes == guess.bytes;
    if (!isChecked)
      warp.record(std::move(guess.finding), /*stops=*/false);
    guesses.erase(guesses.begin() + i);
  }
}

void RaceChecker::finish() {
  for (Guess &guess : guesses)
    launch.record(std::move(guess.finding), /*stops=*/false);
  guesses.clear();
}

static llvm::StringRef verbOf(uint8_t flags, bool isAtomic) {
  return isAtomic ? "updates" : flags & races::kWrite ? "writes" : "reads";
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
  party.warp = record.warp;
  if (!(record.flags & races::kCollective))
    party.lane = static_cast<int>(lane);
  return party;
}

Finding RaceChecker::describe(Warp &warp, const Access &access, uint64_t address,
                              const Record &record, const Conflict &conflict) {
  const Record &earlier = conflict.earlier;
  Finding finding =
      warp.makeFindingAt(FindingKind::Race, static_cast<int>(conflict.lane), access.space, address);
  bool hasWritten = earlier.flags & races::kWrite;
  finding.message = (verbOf(record.flags, access.kind == AccessKind::Atomic) + " " +
                     llvm::Twine(access.bytes) + " bytes that another thread has " +
                     (hasWritten ? "written" : "read") + ", without an order between the two")
                        .str();
  finding.other = makeParty(earlier, conflict.earlierLane);
  finding.remedy = remedyFor(earlier, record, conflict);
  return finding;
}

//===----------------------------------------------------------------------===//
// Synchronisation through memory
//===----------------------------------------------------------------------===//

void RaceChecker::synchronise(Warp &warp, const Access &access) {
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
  forEachLane(access.mask, [&](unsigned lane) {
    // A wide flag is all its words; a narrow one does not stand for its neighbours.
    for (uint64_t word = 0; word < access.bytes; word += 4)
      if (block)
        order.access(warp.clocks, lane, strong, access.address[lane] + word, *block);
      else
        order.access(warp.clocks, lane, strong, access.address[lane] + word);
  });
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

void RaceChecker::land(Warp &warp, const Copy &copy, uint32_t lanes, races::Epoch epoch) {
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
  record.epoch = epoch ? epoch : order.now();
  record.block = warp.clocks.block;
  record.warp = static_cast<uint16_t>(warp.index);
  record.pc = copy.pc;
  record.step = launch.steps;
  record.flags = races::kWrite | races::kAsync;
  forRuns(access, [&](uint64_t page, const Run &run) {
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
