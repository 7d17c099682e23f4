//===- Matmul.cpp - Constraints, default and space of dense products --------===//
//
// See Matmul.h. The driver asks before it compiles, `expand-nn` relies on the
// answer.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/Matmul.h"
#include "dialects/Support/Layout/LinearLayout.h"
#include "dialects/Support/Schedule/Constraints.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright::schedule {

using problem::Problem;

static const Constraints constraints("matmul");

//===----------------------------------------------------------------------===//
// The typed problem
//===----------------------------------------------------------------------===//

Expected<MatmulProblem> MatmulProblem::fromProblem(const Problem &problem) {
  if (problem.op != "matmul")
    return constraints.makeError("expects the op matmul, but got '" + problem.op + "'");
  const problem::Dimension *rows = problem.findDimension("M");
  if (!rows)
    return constraints.makeError("expects the dimension M, but there is none");
  MatmulProblem typed;
  typed.m = rows->extent;
  if (problem.findDimension("B")) {
    Expected<int64_t> batch = constraints.readStatic(problem, "B");
    if (!batch)
      return batch.takeError();
    typed.batch = *batch;
  }
  Expected<int64_t> n = constraints.readStatic(problem, "N"),
                    k = constraints.readStatic(problem, "K");
  if (!n)
    return joinErrors(n.takeError(), k.takeError());
  if (!k)
    return k.takeError();
  typed.n = *n;
  typed.k = *k;
  if (Error error =
          constraints.checkOperand(problem, "x", {"f16", "bf16", "f32", "i8", "e4m3", "e5m2"}))
    return std::move(error);
  typed.element = format::get(problem.findOperand("x")->dtype);
  if (Error error =
          constraints.checkOperand(problem, "w", {StringRef(problem.findOperand("x")->dtype)}))
    return std::move(error);
  if (Error error = constraints.checkResult(problem))
    return std::move(error);
  if (Error error = constraints.checkWord("layout", problem.getAttribute("layout"), {"kn", "nk"}))
    return std::move(error);
  if (typed.element.bits == 8 && problem.getAttribute("layout") != "nk")
    return constraints.makeError("expects layout nk for " + typed.element.name + ", but got 'kn'");
  if (Error error = constraints.checkWord("activation", problem.getAttribute("activation", "none"),
                                          {"none", "relu", "gelu", "silu", "swiglu"}))
    return std::move(error);
  Expected<bool> deterministic = constraints.readDeterministic(problem);
  if (!deterministic)
    return deterministic.takeError();
  typed.isDeterministic = *deterministic;
  return typed;
}

//===----------------------------------------------------------------------===//
// The typed schedule
//===----------------------------------------------------------------------===//

Expected<MatmulSchedule> MatmulSchedule::fromSchedule(const Schedule &schedule) {
  Expected<ProductTiles> tiles = readTiles(schedule, "matmul", {"chunk_k", "operand_bits"});
  if (!tiles)
    return tiles.takeError();
  return MatmulSchedule{*tiles};
}

//===----------------------------------------------------------------------===//
// Resources
//===----------------------------------------------------------------------===//

int64_t getSharedBytes(const ProductTiles &tiles, const MatmulProblem &problem) {
  return tiles.stages * (tiles.tileM + tiles.tileN) * tiles.tileK * problem.getElementBytes();
}

int64_t estimateRegisters(const ProductTiles &tiles) {
  // A step of 16 along K: four registers for each 16 rows of x, two for each 8
  // columns of w; two steps are in flight.
  constexpr int64_t addressesAndLoopState = 40;
  const int64_t steps = tiles.operandBits == 0 ? 2 : 4;
  int64_t x = tiles.tileM / tiles.warpsM / 16 * 4;
  int64_t w = tiles.tileN / tiles.warpsN / 8 * 2;
  int64_t sums = (tiles.keepsTotal() ? 2 : 1) * tiles.getAccumulators();
  return sums + steps * (x + w) + addressesAndLoopState;
}

int64_t getBlocks(const ProductTiles &tiles, const MatmulProblem &problem, int64_t m) {
  return tiles.getBlocks(problem.batch, m, problem.n);
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

Error verifyMatmulShape(const ProductTiles &tiles, int64_t k, unsigned elementBits) {
  if (Error error = constraints.checkWarps(tiles.warpsM, tiles.warpsN)) // C1
    return error;
  int64_t rows = 16 * tiles.warpsM, columns = 16 * tiles.warpsN;
  if (Error error = constraints.checkMultiple("tile_m", tiles.tileM, rows, // C2
                                              "16 * warps_m (" + Twine(rows) + ")", 256))
    return error;
  if (Error error = constraints.checkOneOf("tile_n", tiles.tileN, {32, 64, 128, 192, 256})) // C3
    return error;
  if (Error error = constraints.checkMultiple("tile_n", tiles.tileN, columns, // C3
                                              "16 * warps_n (" + Twine(columns) + ")", 256))
    return error;
  SmallVector<int64_t, 4> depths = {16, 32, 64, 128};
  while (depths.front() % layout::getMmaDepth(elementBits) != 0)
    depths.erase(depths.begin());
  if (Error error = constraints.checkOneOf("tile_k", tiles.tileK, depths)) // C4
    return error;
  if (Error error = constraints.checkRange("stages", tiles.stages, 2, 8)) // C5
    return error;
  return constraints.checkRange("split_k", tiles.splitK, 1, divideCeil(k, tiles.tileK)); // C6
}

/// What a default says: 16 where numbers of 8 bits have no product of their own.
static int64_t getOperandBits(const MatmulProblem &problem, const target::Target &target) {
  return problem.isFloat8() && !target.hasFp8MmaSync ? 16 : 0;
}

static Error checkOperandBits(const MatmulSchedule &schedule, const MatmulProblem &problem,
                              const target::Target &target) {
  int64_t bits = schedule.operandBits;
  if (!problem.isFloat8())
    return bits == 0 ? Error::success()
                     : constraints.makeError("operand_bits",
                                             "left out with " + problem.element.name, bits, 0);
  int64_t byTarget = getOperandBits(problem, target);
  if (problem.isDeterministic && bits != byTarget)
    return constraints.makeError("operand_bits",
                                 "that of deterministic products of " + problem.element.name +
                                     " on " + target.name,
                                 bits, byTarget);
  if (byTarget == 16 && bits != 16)
    return constraints.makeError("operand_bits",
                                 "16 on " + target.name + ", whose mma.sync does not take " +
                                     problem.element.name,
                                 bits, 16);
  return constraints.checkOneOf("operand_bits", bits, {0, 16});
}

Error verifyMatmul(const MatmulSchedule &schedule, const MatmulProblem &problem,
                   const target::Target &target) {
  if (Error error = verifyMatmulShape(schedule, problem.k, problem.element.bits))
    return error;
  if (Error error = constraints.checkChunk(schedule, problem.isDeterministic, problem.k)) // C11
    return error;
  if (Error error = constraints.checkBatch(schedule, problem.batch)) // C6
    return error;
  if (Error error = constraints.checkTarget(target)) // C7
    return error;
  if (Error error = checkOperandBits(schedule, problem, target)) // C12
    return error;
  auto isShape = [&](const ProductTiles &tiles) {
    Error error = verifyMatmulShape(tiles, problem.k, problem.element.bits);
    bool isLegal = !error;
    consumeError(std::move(error));
    return isLegal;
  };
  return constraints.checkResources( // C8 to C10
      schedule,
      {[&](const ProductTiles &tiles) { return getSharedBytes(tiles, problem); },
       [](const ProductTiles &tiles) { return estimateRegisters(tiles); },
       /*depth=*/layout::getMmaDepth(problem.element.bits),
       /*columns=*/16 * schedule.warpsN, /*rows=*/16 * schedule.warpsM, isShape},
      target);
}

//===----------------------------------------------------------------------===//
// Default and space
//===----------------------------------------------------------------------===//

static bool isLegal(const MatmulSchedule &schedule, const MatmulProblem &problem,
                    const target::Target &target) {
  Error error = verifyMatmul(schedule, problem, target);
  bool legal = !error;
  consumeError(std::move(error));
  return legal;
}

static int64_t getChunk(const MatmulProblem &problem) {
  return problem.isDeterministic ? getCanonicalChunk(problem.k) : 0;
}

/// Splits of K that leave every block as many tiles, or chunks, but for the last.
static SmallVector<int64_t> getEvenSplits(MatmulSchedule schedule, const MatmulProblem &problem) {
  SmallVector<int64_t> even;
  for (int64_t split : splitsToTry) {
    schedule.splitK = split;
    if (split <= schedule.getUnitsOfK(problem.k) && schedule.hasEvenSplit(problem.k))
      even.push_back(split);
  }
  return even;
}

/// The smallest split with a block for every SM, while blocks have two tiles.
static int64_t chooseSplit(MatmulSchedule schedule, const MatmulProblem &problem, int64_t rows,
                           int64_t smCount) {
  int64_t tiles = divideCeil(problem.k, schedule.tileK), best = 1;
  for (int64_t split : getEvenSplits(schedule, problem)) {
    if (split > 1 && tiles < 2 * split)
      break;
    best = schedule.splitK = split;
    if (getBlocks(schedule, problem, rows) >= smCount)
      break;
  }
  return best;
}

/// The most stages, 4 down to 2, with which the schedule is legal; 0 for none.
static int64_t chooseStages(MatmulSchedule schedule, const MatmulProblem &problem,
                            const target::Target &target) {
  int64_t tiles = divideCeil(divideCeil(problem.k, schedule.tileK), schedule.splitK);
  for (schedule.stages = std::clamp<int64_t>(tiles + 1, 2, 4); schedule.stages >= 2;
       --schedule.stages)
    if (isLegal(schedule, problem, target))
      return schedule.stages;
  return 0;
}

Expected<MatmulSchedule> chooseMatmulDefault(const MatmulProblem &problem,
                                             const target::GpuModel &model, int64_t expectedM) {
  struct Tiling {
    int64_t leastRows, tileM, tileN, warpsM, warpsN;
  };
  static constexpr Tiling tilings[] = {
      {65, 128, 128, 2, 2}, {65, 128, 64, 2, 2}, {33, 64, 128, 2, 2},
      {33, 64, 64, 2, 2},   {17, 32, 128, 1, 4}, {17, 32, 64, 1, 2},
      {1, 16, 128, 1, 4},   {1, 16, 64, 1, 2},   {1, 16, 32, 1, 1}};
  constexpr int64_t leastUnsplitTileM = 64, tileBytesOfK = 128;
  const target::Target &target = target::getTarget(model);
  int64_t rows = std::max<int64_t>(1, problem.m.value_or(expectedM));
  std::optional<MatmulSchedule> best;
  for (bool maySplit : {false, true})
    for (const Tiling &tiling : tilings) {
      if (rows < tiling.leastRows || (!maySplit && tiling.tileM < leastUnsplitTileM))
        continue;
      MatmulSchedule schedule{{.tileM = tiling.tileM,
                               .tileN = tiling.tileN,
                               .tileK = tileBytesOfK / problem.getElementBytes(),
                               .warpsM = tiling.warpsM,
                               .warpsN = tiling.warpsN,
                               .chunkK = getChunk(problem),
                               .operandBits = getOperandBits(problem, target)}};
      if (maySplit)
        schedule.splitK = chooseSplit(schedule, problem, rows, model.smCount);
      schedule.stages = chooseStages(schedule, problem, target);
      if (schedule.stages == 0)
        continue;
      int64_t blocks = getBlocks(schedule, problem, rows);
      if (!best || blocks > getBlocks(*best, problem, rows))
        best = schedule;
      if (blocks >= model.smCount)
        return schedule;
    }
  if (best)
    return *best;
  MatmulSchedule smallest{{.tileM = 16,
                           .tileN = 32,
                           .tileK = 32,
                           .warpsM = 1,
                           .warpsN = 1,
                           .stages = 2,
                           .chunkK = getChunk(problem),
                           .operandBits = getOperandBits(problem, target)}};
  Error error = verifyMatmul(smallest, problem, target);
  assert(error && "the smallest schedule is legal, but the default was not found");
  return error;
}

std::vector<MatmulSchedule> enumerateMatmul(const MatmulProblem &problem,
                                            const target::Target &target, int64_t expectedM) {
  constexpr int64_t maxWarps = 8, maxStages = 5;
  int64_t rows = std::max<int64_t>(1, problem.m.value_or(expectedM));
  std::vector<MatmulSchedule> all;
  auto appendDepths = [&](MatmulSchedule schedule) {
    for (int64_t split : getEvenSplits(schedule, problem)) {
      schedule.splitK = split;
      for (schedule.stages = 2; schedule.stages <= maxStages; ++schedule.stages)
        if (isLegal(schedule, problem, target))
          all.push_back(schedule);
    }
  };
  for (int64_t tileM : {16, 32, 64, 128, 256})
    for (int64_t tileN : {32, 64, 128, 192, 256})
      for (int64_t tileK : {64 / problem.getElementBytes(), 128 / problem.getElementBytes()})
        for (int64_t warpsM = 1; warpsM <= maxWarps; warpsM *= 2)
          for (int64_t warpsN = 1; warpsM * warpsN <= maxWarps; warpsN *= 2)
            if (tileM < 16 + rows)
              appendDepths({{.tileM = tileM,
                             .tileN = tileN,
                             .tileK = tileK,
                             .warpsM = warpsM,
                             .warpsN = warpsN,
                             .chunkK = getChunk(problem),
                             .operandBits = getOperandBits(problem, target)}});
  return all;
}

} // namespace tilewright::schedule
