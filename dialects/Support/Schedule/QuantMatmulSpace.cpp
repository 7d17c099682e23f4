//===- QuantMatmulSpace.cpp - Default and space of the quantised matmul ----===//
//
// Picks schedules among those that QuantMatmul.cpp allows: one by rule, for
// compiling without a tuner, or all that are worth trying.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Packing.h"
#include "dialects/Support/Schedule/QuantMatmul.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>
#include <set>

using namespace llvm;

namespace tilewright::schedule {

static int64_t getTilesOfK(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem) {
  return divideCeil(problem.k, schedule.tileK);
}

/// Steps along K of all tiles of y.
static int64_t getWork(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem,
                       int64_t rows) {
  return problem.batch * divideCeil(rows, schedule.tileM) * divideCeil(problem.n, schedule.tileN) *
         getTilesOfK(schedule, problem);
}

/// Tiles of K in a row that the longest block computes.
static int64_t getLongestRun(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem,
                             int64_t rows) {
  int64_t tiles = getTilesOfK(schedule, problem);
  if (schedule.streamK == 0)
    return divideCeil(tiles, schedule.splitK);
  return std::min<int64_t>(tiles, divideCeil(getWork(schedule, problem, rows), schedule.streamK));
}

/// More buffers than tiles, and one being computed on, are never filled.
static int64_t getMaxUsefulStages(const QuantMatmulSchedule &schedule,
                                  const QuantMatmulProblem &problem, int64_t rows) {
  return std::max<int64_t>(3, getLongestRun(schedule, problem, rows) + 1);
}

static int64_t getChunk(const QuantMatmulProblem &problem) {
  return problem.isDeterministic ? getCanonicalChunk(problem.k) : 0;
}

static int64_t getRows(const QuantMatmulProblem &problem, int64_t expectedM) {
  return std::max<int64_t>(1, problem.m.value_or(expectedM));
}

static bool isLegal(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem,
                    const target::Target &target) {
  Error error = verifyQuantMatmul(schedule, problem, target);
  bool legal = !error;
  consumeError(std::move(error));
  return legal;
}

//===----------------------------------------------------------------------===//
// Default
//===----------------------------------------------------------------------===//

namespace {
struct Tiling {
  int64_t leastRows; ///< where tile_m begins to be useful
  int64_t tileM, tileN, warpsM, warpsN;
};
} // namespace

/// In order of preference; the tilings of one tile_m follow each other, wide to
/// narrow.
static constexpr Tiling tilings[] = {
    {257, 128, 128, 2, 4}, {257, 128, 64, 4, 2}, {65, 64, 128, 1, 4}, {65, 64, 64, 2, 2},
    {17, 32, 128, 1, 4},   {17, 32, 64, 2, 2},   {9, 16, 256, 1, 4},  {9, 16, 128, 1, 4},
    {9, 16, 64, 1, 2},     {9, 16, 32, 1, 1},    {1, 8, 256, 1, 4},   {1, 8, 128, 1, 4},
    {1, 8, 64, 1, 2},      {1, 8, 32, 1, 1}};

/// Rule 3: the smallest split with a block for every SM; else the largest that
/// leaves each block two tiles of K.
static int64_t chooseSplit(QuantMatmulSchedule schedule, const QuantMatmulProblem &problem,
                           int64_t rows, int64_t smCount) {
  int64_t best = 1;
  for (int64_t split : splitsToTry) {
    schedule.splitK = split;
    if (split > 1 &&
        (getTilesOfK(schedule, problem) < 2 * split || !schedule.hasEvenSplit(problem.k)))
      continue;
    best = split;
    if (getBlocks(schedule, problem, rows) >= smCount)
      break;
  }
  return best;
}

/// Steps along K that the busiest SM takes when every SM gets its share of
/// blocks.
static int64_t getSteps(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem,
                        int64_t rows, int64_t smCount) {
  int64_t blocks = divideCeil(getBlocks(schedule, problem, rows), smCount);
  if (schedule.streamK > 0)
    return blocks * divideCeil(getWork(schedule, problem, rows), schedule.streamK);
  return blocks * divideCeil(getTilesOfK(schedule, problem), schedule.splitK);
}

/// Rule 5: the schedule as a stream where that is worth it, else as it is.
static QuantMatmulSchedule chooseStream(const QuantMatmulSchedule &schedule,
                                        const QuantMatmulProblem &problem, int64_t rows,
                                        int64_t smCount) {
  constexpr int64_t fewRows = 64;
  QuantMatmulSchedule stream = schedule;
  stream.splitK = 1;
  int64_t work = getWork(schedule, problem, rows);
  if (work < 4 * smCount || schedule.chunkK > 0)
    return schedule;
  stream.streamK = work < 8 * smCount ? smCount : 2 * smCount;
  // Saved: a tenth, or a quarter where partial sums are large.
  int64_t steps = getSteps(schedule, problem, rows, smCount);
  int64_t saved = steps - getSteps(stream, problem, rows, smCount);
  return saved * (rows > fewRows ? 4 : 10) > steps ? stream : schedule;
}

/// Whether an SM holds two blocks.
static bool sharesSM(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem,
                     const target::Target &target) {
  constexpr int64_t residentBlocks = 2;
  int64_t shared = target.sharedBytesPerSM / residentBlocks - target.reservedSharedBytes;
  int64_t registers = target.registersPerSM / (residentBlocks * schedule.getThreads());
  return estimateRegisters(schedule, problem) <= registers &&
         getSharedBytes(schedule, problem) <= shared;
}

/// Rule 4; 0 when not even two buffers fit.
static int64_t chooseStages(QuantMatmulSchedule schedule, const QuantMatmulProblem &problem,
                            const target::Target &target, int64_t rows) {
  int64_t useful = getMaxUsefulStages(schedule, problem, rows);
  for (int64_t stages = std::min<int64_t>(6, useful); stages >= 3; --stages) {
    schedule.stages = stages;
    if (sharesSM(schedule, problem, target) && isLegal(schedule, problem, target))
      return stages;
  }
  for (int64_t stages = std::min<int64_t>(4, useful); stages >= 2; --stages) {
    schedule.stages = stages;
    if (isLegal(schedule, problem, target))
      return stages;
  }
  return 0;
}

/// The legal schedules of rule 2 and 3 in order of preference, ended by the
/// first with a block for every SM; of the rest the one with the most blocks.
/// Empty when none is legal.
static std::optional<QuantMatmulSchedule> chooseTiling(const QuantMatmulProblem &problem,
                                                       const target::GpuModel &model, int64_t rows,
                                                       int64_t leastTileM, bool maySplit) {
  const target::Target &target = target::getTarget(model);
  std::optional<QuantMatmulSchedule> best;
  for (const Tiling *tiling = std::begin(tilings); tiling != std::end(tilings); ++tiling) {
    const Tiling *next = tiling + 1;
    bool hasNarrower = next != std::end(tilings) && next->tileM == tiling->tileM;
    bool isHalfEmpty = hasNarrower && next->tileN >= problem.n;
    if (rows < tiling->leastRows || tiling->tileM < leastTileM || isHalfEmpty)
      continue;
    QuantMatmulSchedule schedule{{.tileM = tiling->tileM,
                                  .tileN = tiling->tileN,
                                  .warpsM = tiling->warpsM,
                                  .warpsN = tiling->warpsN,
                                  .chunkK = getChunk(problem)}};
    if (maySplit)
      schedule.splitK = chooseSplit(schedule, problem, rows, model.smCount);
    // Where tiles alone are to fill the SMs, a smaller one comes before a stream.
    if (maySplit || getBlocks(schedule, problem, rows) >= model.smCount)
      schedule = chooseStream(schedule, problem, rows, model.smCount);
    schedule.stages = chooseStages(schedule, problem, target, rows);
    if (schedule.stages == 0)
      continue;
    int64_t blocks = getBlocks(schedule, problem, rows);
    bool isWide = tiling->tileN == 256;
    if (isWide && (blocks < 2 * model.smCount || !sharesSM(schedule, problem, target)))
      continue;
    // Of equal numbers of blocks the smaller tile wastes less beyond the edge.
    if (!best || blocks >= getBlocks(*best, problem, rows))
      best = schedule;
    if (blocks >= model.smCount)
      break;
  }
  return best;
}

Expected<QuantMatmulSchedule> chooseQuantMatmulDefault(const QuantMatmulProblem &problem,
                                                       const target::GpuModel &model,
                                                       int64_t expectedM) {
  constexpr int64_t fewRows = 64;
  int64_t rows = getRows(problem, expectedM);
  std::optional<QuantMatmulSchedule> best;
  if (rows > fewRows)
    best = chooseTiling(problem, model, rows, /*leastTileM=*/32, /*maySplit=*/false);
  if (!best || getBlocks(*best, problem, rows) < model.smCount)
    best = chooseTiling(problem, model, rows, /*leastTileM=*/rows > 8 ? 16 : 8, /*maySplit=*/true);
  if (best)
    return *best;
  // Only a target that cannot be compiled for refuses the smallest tile.
  QuantMatmulSchedule smallest{
      {.tileM = 16, .tileN = 32, .warpsN = 1, .stages = 2, .chunkK = getChunk(problem)}};
  Error error = verifyQuantMatmul(smallest, problem, target::getTarget(model));
  assert(error && "the smallest schedule is legal, but the default was not found");
  return error;
}

//===----------------------------------------------------------------------===//
// Space
//===----------------------------------------------------------------------===//

/// Appends `schedule` with every depth of its pipeline that is legal.
static void appendDepths(QuantMatmulSchedule schedule, const QuantMatmulProblem &problem,
                         const target::Target &target, int64_t rows,
                         std::vector<QuantMatmulSchedule> &all) {
  constexpr int64_t maxStages = 6;
  int64_t useful = std::min(maxStages, getMaxUsefulStages(schedule, problem, rows));
  for (schedule.stages = 2; schedule.stages <= useful; ++schedule.stages)
    if (isLegal(schedule, problem, target))
      all.push_back(schedule);
}

/// One and two blocks for every SM of the target's models.
static std::set<int64_t> getStreams(const target::Target &target) {
  std::set<int64_t> streams;
  for (const target::GpuModel &model : target::allGpuModels())
    if (&target::getTarget(model) == &target)
      streams.insert({model.smCount, 2 * model.smCount});
  return streams;
}

/// Appends the legal schedules with the tile and warps of `schedule`.
static void appendSplits(QuantMatmulSchedule schedule, const QuantMatmulProblem &problem,
                         const target::Target &target, int64_t rows,
                         std::vector<QuantMatmulSchedule> &all) {
  constexpr int64_t maxWaves = 4;
  int64_t smCount = target::getReferenceModel(target).smCount;
  int64_t previousBlocks = 0;
  for (int64_t split : splitsToTry) {
    schedule.splitK = split;
    // Splitting fills SMs; once they are full it only adds partial sums.
    if (previousBlocks >= maxWaves * smCount)
      break;
    if (split > schedule.getUnitsOfK(problem.k) || !schedule.hasEvenSplit(problem.k))
      continue;
    previousBlocks = getBlocks(schedule, problem, rows);
    appendDepths(schedule, problem, target, rows, all);
  }
  // Streams of long pieces, where whole tiles leave SMs without work.
  schedule.splitK = 1;
  for (int64_t blocks : getStreams(target)) {
    schedule.streamK = blocks;
    if (schedule.tileK == layout::blockK && getWork(schedule, problem, rows) >= 4 * blocks)
      appendDepths(schedule, problem, target, rows, all);
  }
}

/// 128 and 256, and the least depth that whole groups fill where neither is one.
static SmallVector<int64_t> getDepths(const QuantMatmulProblem &problem) {
  SmallVector<int64_t> depths = {128, 256};
  constexpr int64_t maxDepth = 512;
  if (problem.granularity.getGroups(problem.k) <= 1)
    return depths;
  int64_t whole = std::lcm(int64_t(layout::blockK), problem.granularity.rows);
  if (problem.getSegmentRows(256) < std::min<int64_t>(256, problem.granularity.rows) &&
      whole <= maxDepth)
    depths.push_back(whole);
  return depths;
}

std::vector<QuantMatmulSchedule> enumerateQuantMatmul(const QuantMatmulProblem &problem,
                                                      const target::Target &target,
                                                      int64_t expectedM) {
  constexpr int64_t maxWarps = 8;
  int64_t rows = getRows(problem, expectedM);
  std::vector<QuantMatmulSchedule> all;
  for (int64_t tileM : {8, 16, 32, 64, 128})
    for (int64_t tileN : {32, 64, 128, 256})
      for (int64_t tileK : getDepths(problem))
        for (int64_t warpsM = 1; (warpsM == 1 || warpsM * 16 <= tileM) && warpsM <= maxWarps;
             warpsM *= 2)
          for (int64_t warpsN = 1; warpsN * 32 <= tileN && warpsM * warpsN <= maxWarps; warpsN *= 2)
            if (tileM < 16 + rows && (tileM > 8 || rows <= 8))
              appendSplits({{.tileM = tileM,
                             .tileN = tileN,
                             .tileK = tileK,
                             .warpsM = warpsM,
                             .warpsN = warpsN,
                             .chunkK = getChunk(problem)}},
                           problem, target, rows, all);
  return all;
}

} // namespace tilewright::schedule
