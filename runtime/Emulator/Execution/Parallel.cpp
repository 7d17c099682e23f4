//===- Parallel.cpp - Blocks over the host's threads ---------------------------===//
//
// Runs parts of the grid, each a range of blocks with a Launch of its own, on
// several threads, and puts together what they leave behind in the order of
// blocks. That is what one thread would have left as long as blocks do not meet
// in global memory and nothing is found. If they do, or something is, or a block
// waits for another or looks at a clock, memory is put back as it was and the
// launch runs again on one thread. So reports never depend on threads.
//
// Example: a thousand blocks of an in-place addition, the last of which reads
// beyond the buffer. Seven parts end well, the eighth has a finding; the pages
// that all have written get their old bytes, and the second run adds once.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Execution/Interpreter.h"
#include "runtime/Emulator/Machine/Footprint.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <atomic>
#include <thread>

using namespace tilewright::emulator;

/// Parts a thread: some take longer than others.
static constexpr uint64_t kPartsPerThread = 8;

/// Says no where parts would surely give up, after work that is then lost.
static bool mayBeIndependent(const Launch &launch) {
  const Options &options = launch.options;
  if (options.warpOrderSeed || options.preemptionSeed || options.landing == LandingPolicy::Random)
    return false; // one sequence of random numbers over all blocks
  const Program &program = launch.program;
  if (program.usesGridWorkspace)
    return false; // a barrier of the grid
  if (llvm::any_of(program.calls,
                   [](const CallSite &site) { return site.builtin == Builtin::Printf; }))
    return false;
  auto isElsewhere = [](const MemoryInfo &info) {
    return info.space == Space::Global || info.space == Space::Generic;
  };
  return llvm::none_of(program.code,
                       [&](const Inst &inst) {
                         return inst.opClass == OpClass::Atomic &&
                                isElsewhere(program.memory[inst.aux]);
                       }) &&
         llvm::none_of(program.memory, [&](const MemoryInfo &info) {
           return isElsewhere(info) && (info.isVolatile || info.ordering != Ordering::Weak);
         });
}

unsigned tilewright::emulator::countThreads(const Launch &launch) {
  uint64_t wanted = launch.options.threads;
  if (wanted == 0)
    wanted = std::max(std::thread::hardware_concurrency(), 1u);
  wanted = std::min(wanted, launch.grid.count());
  return wanted > 1 && mayBeIndependent(launch) ? static_cast<unsigned>(wanted) : 1;
}

/// Counts, written bytes, and the worst accesses: the first of equals, as one
/// thread keeps it.
static void addPart(Launch &launch, Launch &part) {
  part.written.publish(launch.global);
  for (auto [mine, theirs] : llvm::zip_equal(launch.counters, part.counters))
    mine.add(theirs);
  for (auto [mine, theirs] : llvm::zip_equal(launch.worst, part.worst))
    if (theirs && (!mine || mine->getExcess() < theirs->getExcess()))
      mine = std::move(theirs);
  launch.steps += part.steps;
}

/// When the time of the launch is over, a second run would have none: what the
/// parts have done and found is all there will be. False: there is time.
static bool endIfTimeIsOver(Launch &launch, llvm::ArrayRef<std::unique_ptr<Launch>> parts) {
  auto hasNoTime = [](const std::unique_ptr<Launch> &part) {
    return part && llvm::any_of(part->findings, [](const Finding &finding) {
             return finding.kind == FindingKind::TimeBudget;
           });
  };
  if (llvm::none_of(parts, hasNoTime))
    return false;
  for (const std::unique_ptr<Launch> &part : parts) {
    if (!part)
      continue;
    addPart(launch, *part);
    for (Finding &finding : part->findings)
      launch.record(std::move(finding), /*stops=*/finding.kind == FindingKind::TimeBudget);
  }
  return true;
}

bool tilewright::emulator::runInParallel(Launch &launch, unsigned threads) {
  UndoLog undo;
  const uint64_t blocks = launch.grid.count(), count = std::min(blocks, threads * kPartsPerThread);
  // Without a product: there may be 2^63 blocks.
  auto first = [&](uint64_t part) {
    return blocks / count * part + std::min(part, blocks % count);
  };
  // So many parts at a time keep memory of the host; what one alone may have is
  // tried in order.
  Options options = launch.options;
  options.launchMemoryLimit /= threads;
  options.raceRecordLimit /= threads;
  std::vector<std::unique_ptr<Launch>> parts(count);
  std::atomic<uint64_t> next{0};
  std::atomic<bool> isAbandoned{false};
  auto work = [&] {
    for (uint64_t i; !isAbandoned && (i = next++) < count;) {
      auto part = launch.makePart(options, undo, isAbandoned);
      runBlocks(*part, first(i), first(i + 1));
      if (part->races)
        part->races->finish();
      if (part->isStopped || !part->findings.empty() || !part->notes.empty())
        isAbandoned = true;
      part->races.reset();
      parts[i] = std::move(part);
    }
  };
  std::vector<std::thread> helpers;
  for (unsigned i = 1; i < threads; ++i)
    helpers.emplace_back(work);
  work();
  for (std::thread &helper : helpers)
    helper.join();

  if (endIfTimeIsOver(launch, parts))
    return true;
  uint64_t steps = 0;
  for (size_t i = 0; i < count && !isAbandoned; ++i) {
    steps += parts[i]->steps;
    if (i && !parts[0]->footprint->merge(*parts[i]->footprint))
      isAbandoned = true;
  }
  if (isAbandoned || steps > launch.options.instructionBudget) {
    undo.restore();
    return false;
  }
  for (auto &part : parts)
    addPart(launch, *part);
  return true;
}
