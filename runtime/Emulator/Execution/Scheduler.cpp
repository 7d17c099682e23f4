//===- Scheduler.cpp - Turns of warps and blocks ---------------------------------===//
//
// Blocks run one after another, each until it is done. Only when the resident
// blocks make no progress of their own, because they wait for memory that
// another block is to write, does a further block join them, up to what the
// device holds; so persistent kernels and grid barriers work, and ordinary
// kernels need the memory of one block. With preemption a few blocks always run
// side by side.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Execution/Interpreter.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <algorithm>
#include <map>
#include <string>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

/// Blocks that run side by side when warps are preempted.
constexpr uint64_t kInterleavedBlocks = 4;

/// Rounds of nothing but failed waits, everywhere, after which nobody can be
/// expected to end them.
constexpr unsigned kHopelessRounds = 1024;

/// Rounds without a store after which a part is not expected to go on alone.
constexpr unsigned kPatience = 64;

enum class Round : uint8_t { Done, Progress, Waiting, Spinning, Deadlock };

class Scheduler {
public:
  explicit Scheduler(Launch &launch) : launch(launch) {}
  void run(uint64_t begin, uint64_t end);

private:
  Round runRound(Block &block);
  void addBlock();
  uint64_t residentLimit() const;
  void reportDeadlock(Block &block, llvm::StringRef reason);

  Launch &launch;
  uint64_t next = 0; ///< block that is to become resident
  std::vector<std::unique_ptr<Block>> resident;
};

uint64_t Scheduler::residentLimit() const {
  if (launch.options.maxResidentBlocks)
    return launch.options.maxResidentBlocks;
  const target::Target &target = target::getTarget(launch.model);
  uint64_t threads = std::max<uint64_t>(launch.blockSize.count(), 1);
  uint64_t shared = launch.program.staticSharedEnd + launch.dynamicSharedBytes;
  uint64_t perSM = std::min<uint64_t>(
      {target.maxBlocksPerSM, target.maxThreadsPerSM / threads, target.sharedBytesPerSM / shared});
  return std::max<uint64_t>(perSM, 1) * launch.model.smCount;
}

void Scheduler::addBlock() {
  resident.push_back(std::make_unique<Block>(launch, next++));
  // Making blocks takes time too, and may be most of it.
  launch.alarm = 0;
}

Round Scheduler::runRound(Block &block) {
  if (launch.isAbandoned && *launch.isAbandoned) {
    launch.needsOrder();
    return Round::Done;
  }
  uint64_t before = launch.progress;
  bool anyYield = false, anyWait = false;
  if (launch.options.warpOrderSeed)
    std::shuffle(block.order.begin(), block.order.end(), launch.order);
  for (unsigned index : block.order) {
    Warp &warp = *block.warps[index];
    if (warp.live == 0)
      continue;
    Turn turn = runTurn(warp);
    if (turn == Turn::Stopped)
      return Round::Done;
    anyYield |= turn == Turn::Yielded;
    anyWait |= turn == Turn::Waited;
  }
  if (block.isDone())
    return Round::Done;
  if (launch.progress != before)
    return Round::Progress;
  if (anyYield)
    return Round::Spinning;
  return anyWait ? Round::Waiting : Round::Deadlock;
}

void Scheduler::reportDeadlock(Block &block, llvm::StringRef reason) {
  const Program &program = launch.program;
  std::string text = ("no warp of the block can go on" + reason).str();
  Warp *first = nullptr;
  for (auto &warp : block.warps)
    for (const Group &group : warp->groups) {
      const Origin &origin = program.origins[program.code[group.pc].origin];
      text += "; warp " + std::to_string(warp->index);
      if (group.mask != kFullMask) {
        text += " lanes 0x";
        text += llvm::utohexstr(group.mask);
      }
      if (group.state == GroupState::AtBarrier) {
        const NamedBarrier &barrier = block.barriers[group.barrier];
        unsigned arrived =
            llvm::count_if(barrier.arrived, [](uint32_t lanes) { return lanes != 0; });
        text += " waits at barrier " + std::to_string(group.barrier) + " (" +
                std::to_string(arrived) + " of " +
                (barrier.countsAll ? "all " + std::to_string(block.warps.size())
                                   : std::to_string(barrier.expectedWarps)) +
                " warps arrived)";
      } else if (group.state == GroupState::AtWarpSync) {
        text += " waits for lanes 0x";
        text += llvm::utohexstr(group.waitsFor & warp->live & ~group.mask);
        text += " of its warp";
      } else {
        text += " polls";
      }
      text += " at ptx line " + std::to_string(origin.location.line);
      if (!first) {
        first = warp.get();
        warp->pc = group.pc;
      }
    }
  if (first)
    first->report(FindingKind::Deadlock, -1, text);
}

void Scheduler::run(uint64_t begin, uint64_t end) {
  const uint64_t limit = residentLimit();
  next = begin;
  unsigned hopeless = 0;
  while (!launch.isStopped && (next < end || !resident.empty())) {
    const uint64_t wanted = launch.options.preemptionSeed ? std::min(limit, kInterleavedBlocks) : 1;
    while (next < end && resident.size() < wanted && !launch.isStopped)
      addBlock();
    bool anyProgress = false, anySpin = false;
    for (size_t i = 0; i < resident.size() && !launch.isStopped;) {
      Round round;
      do {
        round = runRound(*resident[i]);
      } while (round == Round::Progress && resident.size() == 1 && !launch.isStopped);
      if (round == Round::Deadlock)
        return reportDeadlock(*resident[i], "");
      anyProgress |= round == Round::Progress || round == Round::Done;
      anySpin |= round == Round::Spinning;
      if (round == Round::Done)
        resident.erase(resident.begin() + i);
      else
        ++i;
    }
    if (anyProgress || launch.isStopped) {
      hopeless = 0;
      continue;
    }
    // A part has no other block to bring in: this one may wait for it.
    if (launch.footprint) {
      if (++hopeless == kPatience)
        launch.needsOrder();
      continue;
    }
    if (next < end && resident.size() < limit) {
      addBlock();
      continue;
    }
    hopeless = anySpin ? 0 : hopeless + 1;
    if (hopeless == kHopelessRounds)
      return reportDeadlock(*resident.front(), ", and no block will end their waits");
  }
}

} // namespace

void tilewright::emulator::runBlocks(Launch &launch, uint64_t begin, uint64_t end) {
  Scheduler(launch).run(begin, end);
}

unsigned tilewright::emulator::runLaunch(Launch &launch) {
  unsigned threads = countThreads(launch);
  if (threads > 1 && runInParallel(launch, threads))
    return threads;
  runBlocks(launch, 0, launch.grid.count());
  return 1;
}

// A load in a race may come before the store it races with and read what nobody
// has written yet: that the value is undefined follows from the race.
static void dropConsequences(std::vector<Finding> &findings) {
  auto isIn = [](const Finding &race, parser::Location load) {
    auto same = [&](parser::Location l) { return l.line == load.line && l.column == load.column; };
    return same(race.location) || (race.other && same(race.other->location));
  };
  auto follows = [&](const Finding &finding) {
    return finding.kind == FindingKind::Uninitialised && finding.other &&
           llvm::any_of(findings, [&](const Finding &race) {
             return race.kind == FindingKind::Race && isIn(race, finding.other->location);
           });
  };
  std::vector<Finding> kept;
  for (const Finding &finding : findings)
    if (!follows(finding))
      kept.push_back(finding);
  findings = std::move(kept);
}

Report tilewright::emulator::makeReport(Launch &launch) {
  const Program &program = launch.program;
  Report report;
  report.kernel = program.kernelName;
  report.blocks = launch.grid.count();
  report.warps = report.blocks * ((launch.blockSize.count() + kLanes - 1) / kLanes);
  dropConsequences(launch.findings);
  report.findings = std::move(launch.findings);
  report.output = std::move(launch.output);
  report.notes = std::move(launch.notes);
  std::map<std::pair<uint32_t, uint32_t>, CounterLine> lines, sourceLines;
  for (uint32_t pc = 0; pc < program.code.size(); ++pc) {
    const Inst &inst = program.code[pc];
    const Counters &counters = launch.counters[pc];
    bool isLayout = inst.flow == Flow::Branch && inst.flags == kLayoutJump;
    if (counters.issues == 0 || isLayout)
      continue;
    const Origin &origin = program.origins[inst.origin];
    report.total.add(counters);
    report.issuesByClass[static_cast<unsigned>(inst.opClass)] += counters.issues;
    CounterLine &line = lines[{origin.location.line, origin.location.column}];
    line.location = origin.location;
    line.source = origin.source;
    line.text = origin.text;
    line.opClass = inst.opClass;
    line.counters.add(counters);
    if (!launch.worst.empty() && launch.worst[pc] &&
        (!line.worst || line.worst->getExcess() < launch.worst[pc]->getExcess()))
      line.worst = *launch.worst[pc];
    if (!origin.source.line)
      continue;
    line.sourceFile = program.getFile(origin.source.file);
    CounterLine &sum = sourceLines[{origin.source.file, origin.source.line}];
    sum.source = origin.source;
    sum.sourceFile = line.sourceFile;
    sum.counters.add(counters);
  }
  for (auto &entry : lines)
    report.lines.push_back(std::move(entry.second));
  for (auto &entry : sourceLines)
    report.sourceLines.push_back(std::move(entry.second));
  return report;
}
