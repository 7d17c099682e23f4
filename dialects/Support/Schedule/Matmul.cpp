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

static Error checkWord(const Twine &what, StringRef value, ArrayRef<StringRef> words) {
  if (is_contained(words, value))
    return Error::success();
  return constraints.makeError("expects " + what + " to be one of " + join(words, ", ") +
                               ", but got '" + value + "'");
}

static Error checkOperand(const Problem &problem, StringRef name, ArrayRef<StringRef> dtypes) {
  const problem::Operand *operand = problem.findOperand(name);
  if (!operand)
    return constraints.makeError("expects the operand '" + name + "', but there is none");
  return checkWord("the dtype of '" + name + "'", operand->dtype, dtypes);
}

static Expected<int64_t> readStatic(const Problem &problem, StringRef name) {
  const problem::Dimension *dimension = problem.findDimension(name);
  if (!dimension || !dimension->extent || *dimension->extent < 1)
    return constraints.makeError("expects a static dimension " + name + " of at least 1, but got " +
                                 (!dimension           ? "none"
                                  : !dimension->extent ? "a dynamic one"
                                                       : std::to_string(*dimension->extent)));
  return *dimension->extent;
}

Expected<MatmulProblem> MatmulProblem::fromProblem(const Problem &problem) {
  if (problem.op != "matmul")
    return constraints.makeError("expects the op matmul, but got '" + problem.op + "'");
  const problem::Dimension *rows = problem.findDimension("M");
  if (!rows)
    return constraints.makeError("expects the dimension M, but there is none");
  MatmulProblem typed;
  typed.m = rows->extent;
  Expected<int64_t> n = readStatic(problem, "N"), k = readStatic(problem, "K");
  if (!n)
    return joinErrors(n.takeError(), k.takeError());
  if (!k)
    return k.takeError();
  typed.n = *n;
  typed.k = *k;
  if (Error error = checkOperand(problem, "x", {"f16", "bf16", "f32", "i8", "e4m3", "e5m2"}))
    return std::move(error);
  typed.element = format::get(problem.findOperand("x")->dtype);
  if (Error error = checkOperand(problem, "w", {StringRef(problem.findOperand("x")->dtype)}))
    return std::move(error);
  if (Error error = checkOperand(problem, "y", {"f16", "bf16", "f32"}))
    return std::move(error);
  if (Error error = checkWord("layout", problem.getAttribute("layout"), {"kn", "nk"}))
    return std::move(error);
  if (typed.element.bits == 8 && problem.getAttribute("layout") != "nk")
    return constraints.makeError("expects layout nk for " + typed.element.name + ", but got 'kn'");
  if (Error error = checkWord("activation", problem.getAttribute("activation", "none"),
                              {"none", "relu", "gelu", "silu", "swiglu"}))
    return std::move(error);
  return typed;
}

//===----------------------------------------------------------------------===//
// The typed schedule
//===----------------------------------------------------------------------===//

static constexpr std::pair<StringLiteral, int64_t MatmulSchedule::*> parameters[] = {
    {"tile_m", &MatmulSchedule::tileM},   {"tile_n", &MatmulSchedule::tileN},
    {"tile_k", &MatmulSchedule::tileK},   {"warps_m", &MatmulSchedule::warpsM},
    {"warps_n", &MatmulSchedule::warpsN}, {"stages", &MatmulSchedule::stages},
    {"split_k", &MatmulSchedule::splitK}};

Schedule MatmulSchedule::toSchedule() const {
  Schedule schedule{"matmul", {}};
  for (const auto &[name, member] : parameters)
    schedule.parameters[name.str()] = this->*member;
  return schedule;
}

Expected<MatmulSchedule> MatmulSchedule::fromSchedule(const Schedule &schedule) {
  if (schedule.family != "matmul")
    return constraints.makeError("expects a schedule of the family matmul, but got '" +
                                 schedule.family + "'");
  SmallVector<StringRef> known;
  for (const auto &[name, member] : parameters)
    known.push_back(name);
  for (const auto &[name, value] : schedule.parameters)
    if (!is_contained(known, StringRef(name)))
      return text::makeUnknownNameError("parameter of a matmul schedule", name, known);
  MatmulSchedule typed;
  for (const auto &[name, member] : parameters) {
    auto found = schedule.parameters.find(name.str());
    if (found == schedule.parameters.end())
      return constraints.makeError("expects the schedule parameter " + name +
                                   ", but it is missing");
    typed.*member = found->second;
  }
  return typed;
}

//===----------------------------------------------------------------------===//
// Resources
//===----------------------------------------------------------------------===//

int64_t getSharedBytes(const MatmulSchedule &schedule, const MatmulProblem &problem) {
  return schedule.stages * (schedule.tileM + schedule.tileN) * schedule.tileK *
         problem.getElementBytes();
}

int64_t estimateRegisters(const MatmulSchedule &schedule) {
  // A step of 16 along K: four registers for each 16 rows of x, two for each 8
  // columns of w; two steps are in flight.
  constexpr int64_t addressesAndLoopState = 40, steps = 2;
  int64_t x = schedule.tileM / schedule.warpsM / 16 * 4;
  int64_t w = schedule.tileN / schedule.warpsN / 8 * 2;
  return schedule.getAccumulators() + steps * (x + w) + addressesAndLoopState;
}

int64_t getBlocks(const MatmulSchedule &schedule, const MatmulProblem &problem, int64_t m) {
  return divideCeil(m, schedule.tileM) * divideCeil(problem.n, schedule.tileN) * schedule.splitK;
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

Error verifyMatmulShape(const MatmulSchedule &schedule, int64_t k, unsigned elementBits) {
  if (Error error = constraints.checkWarps(schedule.warpsM, schedule.warpsN)) // C1
    return error;
  int64_t rows = 16 * schedule.warpsM, columns = 16 * schedule.warpsN;
  if (Error error = constraints.checkMultiple("tile_m", schedule.tileM, rows, // C2
                                              "16 * warps_m (" + Twine(rows) + ")", 256))
    return error;
  if (Error error = constraints.checkOneOf("tile_n", schedule.tileN, {32, 64, 128, 192, 256})) // C3
    return error;
  if (Error error = constraints.checkMultiple("tile_n", schedule.tileN, columns, // C3
                                              "16 * warps_n (" + Twine(columns) + ")", 256))
    return error;
  SmallVector<int64_t, 4> depths = {16, 32, 64, 128};
  while (depths.front() % layout::getMmaDepth(elementBits) != 0)
    depths.erase(depths.begin());
  if (Error error = constraints.checkOneOf("tile_k", schedule.tileK, depths)) // C4
    return error;
  if (Error error = constraints.checkRange("stages", schedule.stages, 2, 8)) // C5
    return error;
  return constraints.checkRange("split_k", schedule.splitK, 1, // C6
                                divideCeil(k, schedule.tileK));
}

static int64_t getMaxRegisters(const MatmulSchedule &schedule, const target::Target &target) {
  return std::min<int64_t>(target.maxRegistersPerThread,
                           target.registersPerSM / schedule.getThreads());
}

Error verifyMatmul(const MatmulSchedule &schedule, const MatmulProblem &problem,
                   const target::Target &target) {
  constexpr int64_t maxAccumulators = 128;
  if (Error error = verifyMatmulShape(schedule, problem.k, problem.element.bits))
    return error;
  if (Error error = constraints.checkTarget(target)) // C7
    return error;
  bool isFloat8 = problem.element.isFloat() && problem.element.bits == 8;
  if (isFloat8 && !target.hasFp8MmaSync) // C7
    return constraints.makeError("expects a target whose mma.sync takes " + problem.element.name +
                                 ", but got " + target.name +
                                 "; the nearest is sm_89, the nearest dtype f16");
  std::string tile = (Twine(schedule.tileM) + "x" + Twine(schedule.tileN)).str();
  int64_t available = target.maxSharedBytesPerBlock, needed = getSharedBytes(schedule, problem);
  if (needed > available) // C8
    return constraints.makeError(
        "expects at most " + Twine(available) + " bytes of shared memory a block on " +
        target.name + ", but stages = " + Twine(schedule.stages) + " of tiles " + tile + "x" +
        Twine(schedule.tileK) + " need " + Twine(needed) + "; at most " +
        Twine(available / (needed / schedule.stages)) + " stages fit");
  std::string threads = " for a tile of " + tile + " on " + std::to_string(schedule.getThreads()) +
                        " threads; use more warps";
  if (schedule.getAccumulators() > maxAccumulators) // C9
    return constraints.makeError("expects at most " + Twine(maxAccumulators) +
                                 " accumulators a thread, but got " +
                                 Twine(schedule.getAccumulators()) + threads);
  if (estimateRegisters(schedule) > getMaxRegisters(schedule, target)) // C10
    return constraints.makeError(
        "expects at most " + Twine(getMaxRegisters(schedule, target)) + " registers a thread on " +
        target.name + ", but the estimate is " + Twine(estimateRegisters(schedule)) + threads);
  return Error::success();
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

/// Splits of K that leave every block as many tiles but for the last.
static SmallVector<int64_t> getEvenSplits(const MatmulSchedule &schedule,
                                          const MatmulProblem &problem) {
  SmallVector<int64_t> even;
  int64_t tiles = divideCeil(problem.k, schedule.tileK);
  for (int64_t split : {1, 2, 3, 4, 6, 8, 12, 16, 24, 32})
    if (split <= tiles && int64_t(divideCeil(tiles, divideCeil(tiles, split))) == split)
      even.push_back(split);
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
      MatmulSchedule schedule{.tileM = tiling.tileM,
                              .tileN = tiling.tileN,
                              .tileK = tileBytesOfK / problem.getElementBytes(),
                              .warpsM = tiling.warpsM,
                              .warpsN = tiling.warpsN};
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
  Error error =
      verifyMatmul({.tileM = 16, .tileN = 32, .tileK = 32, .warpsM = 1, .warpsN = 1, .stages = 2},
                   problem, target);
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
              appendDepths({.tileM = tileM,
                            .tileN = tileN,
                            .tileK = tileK,
                            .warpsM = warpsM,
                            .warpsN = warpsN});
  return all;
}

} // namespace tilewright::schedule
