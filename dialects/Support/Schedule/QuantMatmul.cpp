//===- QuantMatmul.cpp - Constraints of the quantised matmul family --------===//
//
// The one place that knows which schedules of the family a GPU can run. The
// driver asks before it compiles, the tuner before it ranks, `expand-nn` relies
// on the answer. QuantMatmulSpace.cpp picks among what is legal.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/QuantMatmul.h"
#include "dialects/Support/Layout/ScaleStorage.h"
#include "dialects/Support/Schedule/Constraints.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace llvm;

namespace tilewright::schedule {

using problem::Problem;

static const Constraints constraints("quant_matmul");

//===----------------------------------------------------------------------===//
// The typed problem
//===----------------------------------------------------------------------===//

/// Zero points come with each rule that has them, and in its dtype.
static Error checkZeros(const Problem &problem, format::Zero zero) {
  if ((zero != format::Zero::None) != (problem.findOperand("zeros") != nullptr))
    return constraints.makeError(
        "expects the operand 'zeros' exactly when zero is not none, but got "
        "zero=" +
        format::getName(zero));
  if (zero == format::Zero::None)
    return Error::success();
  return constraints.checkOperand(problem, "zeros",
                                  zero == format::Zero::Integer ? ArrayRef<StringRef>("u8")
                                                                : format::getFloatZeroNames());
}

static Error checkOperands(const Problem &problem) {
  if (Error error = constraints.checkOperand(problem, "x", {"f16", "bf16", "i8", "e4m3", "e5m2"}))
    return error;
  if (Error error = constraints.checkOperand(problem, "w", {"u32"}))
    return error;
  if (Error error = constraints.checkOperand(problem, "scales", {problem.getAttribute("scale")}))
    return error;
  if (Error error = constraints.checkResult(problem))
    return error;
  if (!problem.findOperand("tensor_scale"))
    return Error::success();
  return constraints.checkOperand(problem, "tensor_scale", {"f32"});
}

static Error checkAttributes(const Problem &problem) {
  static constexpr StringRef activations[] = {"none", "relu", "gelu", "silu", "swiglu"};
  if (Error error =
          constraints.checkWord("scale", problem.getAttribute("scale"), format::getScaleNames()))
    return error;
  return constraints.checkWord("activation", problem.getAttribute("activation", "none"),
                               activations);
}

/// Reads group, scale and zero into `typed`.
static Error readWeightRule(const Problem &problem, QuantMatmulProblem &typed) {
  Expected<format::Granularity> granularity =
      format::Granularity::parse(problem.getAttribute("group"));
  if (!granularity)
    return constraints.makeError(toString(granularity.takeError()));
  Expected<format::Zero> zero = format::parseZero(problem.getAttribute("zero", "none"));
  if (!zero)
    return constraints.makeError("zero: " + toString(zero.takeError()));
  if (Error error = checkZeros(problem, *zero))
    return error;
  typed.granularity = *granularity;
  typed.scaleBytes = format::get(problem.getAttribute("scale")).bits / 8;
  typed.zero = *zero;
  if (*zero != format::Zero::None)
    typed.zeroBytes = format::get(problem.findOperand("zeros")->dtype).bits / 8;
  return Error::success();
}

/// What beside x of i8 has a kernel: bytes are what tensor cores multiply.
static Error checkByteActivations(const QuantMatmulProblem &typed) {
  constexpr int64_t unit = 32;
  if (!typed.hasByteActivations())
    return Error::success();
  if (!typed.weight.isInteger())
    return constraints.makeError("expects format to be u1..u8 or i1..i8 with x of i8, but got '" +
                                 typed.weight.name + "'");
  int64_t rows = typed.granularity.rows;
  if (typed.granularity.getGroups(typed.k) > 1 && rows % unit != 0)
    return constraints.makeError("expects group to have a multiple of 32 rows with x of i8, but "
                                 "got " +
                                 Twine(rows) + "; the nearest is " +
                                 Twine(std::max(unit, (rows + unit / 2) / unit * unit)));
  return Error::success();
}

Expected<QuantMatmulProblem> QuantMatmulProblem::fromProblem(const Problem &problem) {
  if (problem.op != "quant_matmul")
    return constraints.makeError("expects the op quant_matmul, but got '" + problem.op + "'");
  QuantMatmulProblem typed;
  const problem::Dimension *rows = problem.findDimension("M");
  if (!rows)
    return constraints.makeError("expects the dimension M, but there is none");
  typed.m = rows->extent;
  if (problem.findDimension("B")) {
    Expected<int64_t> batch = constraints.readStatic(problem, "B");
    if (!batch)
      return batch.takeError();
    typed.batch = *batch;
  }
  Expected<int64_t> n = constraints.readStatic(problem, "N");
  if (!n)
    return n.takeError();
  Expected<int64_t> k = constraints.readStatic(problem, "K");
  if (!k)
    return k.takeError();
  typed.n = *n;
  typed.k = *k;

  Expected<format::Format> weight = format::parse(problem.getAttribute("format"));
  if (!weight)
    return constraints.makeError("format: " + toString(weight.takeError()));
  if (!weight->isWeight())
    return constraints.makeError("expects format to be " + format::weightNames + ", but got '" +
                                 weight->name + "'");
  typed.weight = *weight;
  if (Error error = checkAttributes(problem))
    return error;
  if (Error error = checkOperands(problem))
    return error;
  if (Error error = readWeightRule(problem, typed))
    return std::move(error);
  if (!format::canHave(*weight, typed.zero))
    return constraints.makeError("expects zero=none unless codes are integers, or offset of nested "
                                 "ones, but got zero=" +
                                 format::getName(typed.zero) + " with format " + weight->name);
  if (weight->isIndex() != (problem.findOperand("codebook") != nullptr))
    return constraints.makeError(
        "expects the operand 'codebook' exactly when codes are indices, but "
        "got format " +
        weight->name);
  if (weight->isStack() != (problem.findDimension("planes") != nullptr))
    return constraints.makeError(
        "expects the dimension 'planes' exactly when weights are stacks, but "
        "got format " +
        weight->name);
  Expected<bool> deterministic = constraints.readDeterministic(problem);
  if (!deterministic)
    return deterministic.takeError();
  typed.isDeterministic = *deterministic;
  if (typed.isDeterministic && weight->isStack())
    return constraints.makeError("expects deterministic to be false with stacks, whose chunks of K "
                                 "no schedule has, but got true");
  format::Format x = format::get(problem.findOperand("x")->dtype);
  typed.activationBytes = x.bits / 8;
  typed.isWidened = x.bits == 8 && x.isFloat();
  if (Error error = checkByteActivations(typed))
    return std::move(error);
  return typed;
}

int64_t QuantMatmulProblem::getSegmentRows(int64_t tileK) const {
  return granularity.getGroups(k) > 1 ? std::gcd(tileK, granularity.rows) : tileK;
}

bool QuantMatmulProblem::areRowsTogether(int64_t tileK) const {
  int64_t segments = getSegments(tileK);
  bool isWholeGroups = granularity.rows != 0 && tileK % granularity.rows == 0;
  return segments > 1 && isWholeGroups && isPowerOf2_64(segments);
}

//===----------------------------------------------------------------------===//
// The typed schedule
//===----------------------------------------------------------------------===//

Expected<QuantMatmulSchedule> QuantMatmulSchedule::fromSchedule(const Schedule &schedule) {
  Expected<ProductTiles> tiles = readTiles(schedule, "quant_matmul", {"stream_k", "chunk_k"});
  if (!tiles)
    return tiles.takeError();
  return QuantMatmulSchedule{*tiles};
}

//===----------------------------------------------------------------------===//
// Resources
//===----------------------------------------------------------------------===//

/// Bytes of a K tile's part of a table with elements of `elementBytes`.
static int64_t getTableBytes(const ProductTiles &tiles, const QuantMatmulProblem &problem,
                             const layout::ScaleStorage &table, unsigned elementBytes) {
  int64_t strips = tiles.tileN / layout::blockN;
  int64_t rows = divideCeil(problem.getSegments(tiles.tileK), table.groupsPerRow);
  return rows * strips * table.perStrip * elementBytes;
}

static layout::ScaleStorage getZeroStorage(const QuantMatmulProblem &problem) {
  using layout::ScaleStorage;
  return problem.zero == format::Zero::Integer
             ? ScaleStorage::getZeroPoints(problem.granularity, problem.k, problem.n,
                                           problem.weight.bits)
             : ScaleStorage::get(problem.granularity, problem.k, problem.n, problem.zeroBytes);
}

int64_t getSharedBytes(const ProductTiles &tiles, const QuantMatmulProblem &problem) {
  int64_t bytes = tiles.tileM * tiles.tileK * problem.activationBytes;
  bytes += tiles.tileN * tiles.tileK * problem.weight.bits / 8;
  if (problem.scalesInLoop())
    bytes += getTableBytes(
        tiles, problem,
        layout::ScaleStorage::get(problem.granularity, problem.k, problem.n, problem.scaleBytes),
        problem.scaleBytes);
  if (problem.zero != format::Zero::None)
    bytes += getTableBytes(tiles, problem, getZeroStorage(problem), problem.zeroBytes);
  return tiles.stages * bytes;
}

int64_t getSharedBytes(const ProductTiles &tiles, const Problem &problem) {
  return getSharedBytes(tiles, cantFail(QuantMatmulProblem::fromProblem(problem)));
}

int64_t estimateRegisters(const ProductTiles &tiles, const QuantMatmulProblem &problem) {
  // A k16 (of bytes k32) step of eight rows of x is two registers a lane; a fragment
  // of weights is 16 pairs or 8 quads, a block 4b words a lane; a lane has two columns of
  // each n8, one where weights are operand A, with a scale and a zero point a
  // segment. The sums of a segment, and of a chunk where a block has all of K, are
  // kept apart from those of all K, and the assembler begins the sums of further
  // segments early: about a third of each was seen. Floating-point zero points
  // have sums of x, as large as its fragments, and take some arithmetic. A codebook
  // stays in registers.
  constexpr int64_t addressesAndLoopState = 40, floatZeroArithmetic = 24;
  bool sumsX = problem.sumsX(), scales = problem.scalesInLoop();
  int64_t segments = problem.getSegments(tiles.tileK);
  int64_t sums = tiles.getAccumulators();
  if (scales)
    sums += sums + sums * (segments - 1) * 3 / 10;
  sums += tiles.keepsTotal() ? tiles.getAccumulators() : 0;
  int64_t x = tiles.tileM / tiles.warpsM / 8 * (sumsX ? 4 : 2);
  int64_t w =
      layout::pairsPerFragment / (problem.hasByteActivations() ? 2 : 1) + 4 * problem.weight.bits;
  int64_t columns = tiles.tileN / tiles.warpsN / 8 * (tiles.hasWeightsAsA() ? 1 : 2);
  int64_t perColumn = (scales ? 1 : 0) + (problem.zero != format::Zero::None ? 1 : 0);
  // With few sums the assembler has no reason to read scales ahead.
  constexpr int64_t fewSums = 24;
  int64_t live = tiles.getAccumulators() <= fewSums ? std::min<int64_t>(2, segments) : segments;
  int64_t codebook = problem.weight.isIndex() ? layout::getTableWords(problem.weight.bits) : 0;
  return sums + x + w + live * columns * perColumn + (sumsX ? floatZeroArithmetic : 0) + codebook +
         addressesAndLoopState;
}

int64_t getBlocks(const ProductTiles &tiles, const QuantMatmulProblem &problem, int64_t m) {
  return tiles.getBlocks(problem.batch, m, problem.n);
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

Error verifyQuantMatmulShape(const ProductTiles &tiles, int64_t k) {
  if (Error error = constraints.checkWarps(tiles.warpsM, tiles.warpsN)) // C1
    return error;
  int64_t rows = 16 * tiles.warpsM, strips = layout::blockN * tiles.warpsN;
  if (!tiles.hasWeightsAsA() || tiles.warpsM != 1)
    if (Error error = constraints.checkMultiple("tile_m", tiles.tileM, rows, // C2
                                                "16 * warps_m (" + Twine(rows) + ")", 256))
      return error;
  if (Error error = constraints.checkMultiple("tile_n", tiles.tileN, strips, // C3
                                              "32 * warps_n (" + Twine(strips) + ")", 512))
    return error;
  if (Error error = constraints.checkMultiple("tile_k", tiles.tileK, layout::blockK, "128", // C4
                                              1024))
    return error;
  if (Error error = constraints.checkRange("stages", tiles.stages, 2, 8)) // C5
    return error;
  if (Error error = constraints.checkRange("stream_k", tiles.streamK, 0, 65535)) // C11
    return error;
  int64_t splits = tiles.streamK > 0 ? 1 : divideCeil(k, tiles.tileK);
  return constraints.checkRange("split_k", tiles.splitK, 1, splits); // C6
}

/// The part of C12 that only products scaled in the loop have: bits depend on how many
/// rows are summed before they are scaled.
static Error checkSegments(const ProductTiles &tiles, const QuantMatmulProblem &problem) {
  if (!problem.isDeterministic || !problem.scalesInLoop())
    return Error::success();
  int64_t wanted = problem.getSegmentRows(layout::blockK);
  if (problem.getSegmentRows(tiles.tileK) == wanted)
    return Error::success();
  return constraints.makeError("tile_k",
                               "one that sums " + Twine(wanted) +
                                   " rows before it scales them in a deterministic product",
                               tiles.tileK, layout::blockK);
}

Error verifyQuantMatmul(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem,
                        const target::Target &target) {
  if (Error error = verifyQuantMatmulShape(schedule, problem.k))
    return error;
  if (Error error = constraints.checkChunk(schedule, problem.isDeterministic, problem.k)) // C12
    return error;
  if (Error error = checkSegments(schedule, problem)) // C12
    return error;
  if (Error error = constraints.checkBatch(schedule, problem.batch)) // C6
    return error;
  if (Error error = constraints.checkTarget(target)) // C7
    return error;
  auto isShape = [](const ProductTiles &) { return true; };
  return constraints.checkResources( // C8 to C10
      schedule,
      {[&](const ProductTiles &tiles) { return getSharedBytes(tiles, problem); },
       [&](const ProductTiles &tiles) { return estimateRegisters(tiles, problem); },
       /*depth=*/layout::blockK, /*columns=*/layout::blockN * schedule.warpsN,
       /*rows=*/16 * schedule.warpsM, isShape},
      target);
}

} // namespace tilewright::schedule
