//===- QuantMatmul.cpp - Constraints of the quantised matmul family --------===//
//
// The one place that knows which schedules of the family a GPU can run. The
// driver asks before it compiles, the tuner before it ranks, `expand-nn` relies
// on the answer. QuantMatmulSpace.cpp picks among what is legal.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/QuantMatmul.h"
#include "dialects/Support/Layout/ScaleStorage.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace llvm;

namespace tilewright::schedule {

using problem::Problem;
using text::makeError;

//===----------------------------------------------------------------------===//
// The typed problem
//===----------------------------------------------------------------------===//

static Error makeProblemError(const Twine &message) {
  return makeError("quant_matmul: " + message);
}

/// Fails unless `value` is one of `words`.
static Error checkWord(const Twine &what, StringRef value, ArrayRef<StringRef> words) {
  if (is_contained(words, value))
    return Error::success();
  return makeProblemError("expects " + what + " to be one of " + join(words, ", ") + ", but got '" +
                          value + "'");
}

static Error checkOperand(const Problem &problem, StringRef name, ArrayRef<StringRef> dtypes) {
  const problem::Operand *operand = problem.findOperand(name);
  if (!operand)
    return makeProblemError("expects the operand '" + name + "', but there is none");
  return checkWord("the dtype of '" + name + "'", operand->dtype, dtypes);
}

/// Zero points come with each rule that has them, and in its dtype.
static Error checkZeros(const Problem &problem, format::Zero zero) {
  if ((zero != format::Zero::None) != (problem.findOperand("zeros") != nullptr))
    return makeProblemError("expects the operand 'zeros' exactly when zero is not none, but got "
                            "zero=" +
                            format::getName(zero));
  if (zero == format::Zero::None)
    return Error::success();
  return checkOperand(problem, "zeros",
                      zero == format::Zero::Integer ? ArrayRef<StringRef>("u8")
                                                    : format::getFloatZeroNames());
}

static Error checkOperands(const Problem &problem) {
  if (Error error = checkOperand(problem, "x", {"f16", "bf16"}))
    return error;
  if (Error error = checkOperand(problem, "w", {"u32"}))
    return error;
  if (Error error = checkOperand(problem, "scales", {problem.getAttribute("scale")}))
    return error;
  if (Error error = checkOperand(problem, "y", {"f16", "bf16", "f32"}))
    return error;
  if (!problem.findOperand("tensor_scale"))
    return Error::success();
  return checkOperand(problem, "tensor_scale", {"f32"});
}

static Error checkAttributes(const Problem &problem) {
  static constexpr StringRef activations[] = {"none", "relu", "gelu", "silu", "swiglu"};
  if (Error error = checkWord("scale", problem.getAttribute("scale"), format::getScaleNames()))
    return error;
  if (Error error = checkWord("deterministic", problem.getAttribute("deterministic", "false"),
                              {"false", "true"}))
    return error;
  return checkWord("activation", problem.getAttribute("activation", "none"), activations);
}

/// Reads group, scale and zero into `typed`.
static Error readWeightRule(const Problem &problem, QuantMatmulProblem &typed) {
  Expected<format::Granularity> granularity =
      format::Granularity::parse(problem.getAttribute("group"));
  if (!granularity)
    return makeProblemError(toString(granularity.takeError()));
  Expected<format::Zero> zero = format::parseZero(problem.getAttribute("zero", "none"));
  if (!zero)
    return makeProblemError("zero: " + toString(zero.takeError()));
  if (Error error = checkZeros(problem, *zero))
    return error;
  typed.granularity = *granularity;
  typed.scaleBytes = format::get(problem.getAttribute("scale")).bits / 8;
  typed.zero = *zero;
  if (*zero != format::Zero::None)
    typed.zeroBytes = format::get(problem.findOperand("zeros")->dtype).bits / 8;
  return Error::success();
}

/// The extent of a static dimension of at least one.
static Expected<int64_t> readStatic(const Problem &problem, StringRef name) {
  const problem::Dimension *dimension = problem.findDimension(name);
  if (!dimension)
    return makeProblemError("expects the dimension " + name + ", but there is none");
  if (!dimension->extent)
    return makeProblemError("expects " + name + " to be static, but it is dynamic");
  if (*dimension->extent < 1)
    return makeProblemError("expects " + name + " to be at least 1, but got " +
                            Twine(*dimension->extent));
  return *dimension->extent;
}

Expected<QuantMatmulProblem> QuantMatmulProblem::fromProblem(const Problem &problem) {
  if (problem.op != "quant_matmul")
    return makeProblemError("expects the op quant_matmul, but got '" + problem.op + "'");
  QuantMatmulProblem typed;
  const problem::Dimension *rows = problem.findDimension("M");
  if (!rows)
    return makeProblemError("expects the dimension M, but there is none");
  typed.m = rows->extent;
  Expected<int64_t> n = readStatic(problem, "N");
  if (!n)
    return n.takeError();
  Expected<int64_t> k = readStatic(problem, "K");
  if (!k)
    return k.takeError();
  typed.n = *n;
  typed.k = *k;

  Expected<format::Format> weight = format::parse(problem.getAttribute("format"));
  if (!weight)
    return makeProblemError("format: " + toString(weight.takeError()));
  if (!weight->isWeight())
    return makeProblemError("expects format to be " + format::weightNames + ", but got '" +
                            weight->name + "'");
  typed.weight = *weight;
  if (Error error = checkAttributes(problem))
    return error;
  if (Error error = checkOperands(problem))
    return error;
  if (Error error = readWeightRule(problem, typed))
    return std::move(error);
  if (typed.zero != format::Zero::None && !weight->isInteger())
    return makeProblemError("expects zero=none unless codes are integers, but got zero=" +
                            format::getName(typed.zero) + " with format " + weight->name);
  if (weight->isIndex() != (problem.findOperand("codebook") != nullptr))
    return makeProblemError("expects the operand 'codebook' exactly when codes are indices, but "
                            "got format " +
                            weight->name);
  typed.isDeterministic = problem.getAttribute("deterministic") == "true";
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

static constexpr std::pair<StringLiteral, int64_t QuantMatmulSchedule::*> parameters[] = {
    {"tile_m", &QuantMatmulSchedule::tileM},   {"tile_n", &QuantMatmulSchedule::tileN},
    {"tile_k", &QuantMatmulSchedule::tileK},   {"warps_m", &QuantMatmulSchedule::warpsM},
    {"warps_n", &QuantMatmulSchedule::warpsN}, {"stages", &QuantMatmulSchedule::stages},
    {"split_k", &QuantMatmulSchedule::splitK}};
/// Parameters that say nothing, and are left out, where they are 0.
static constexpr std::pair<StringLiteral, int64_t QuantMatmulSchedule::*> optionalParameters[] = {
    {"stream_k", &QuantMatmulSchedule::streamK}, {"chunk_k", &QuantMatmulSchedule::chunkK}};

Schedule QuantMatmulSchedule::toSchedule() const {
  Schedule schedule{"quant_matmul", {}};
  for (const auto &[name, member] : parameters)
    schedule.parameters[name.str()] = this->*member;
  for (const auto &[name, member] : optionalParameters)
    if (this->*member != 0)
      schedule.parameters[name.str()] = this->*member;
  return schedule;
}

Expected<QuantMatmulSchedule> QuantMatmulSchedule::fromSchedule(const Schedule &schedule) {
  if (schedule.family != "quant_matmul")
    return makeProblemError("expects a schedule of the family quant_matmul, but got '" +
                            schedule.family + "'");
  SmallVector<StringRef> known;
  for (const auto &[name, member] : parameters)
    known.push_back(name);
  for (const auto &[name, member] : optionalParameters)
    known.push_back(name);
  for (const auto &[name, value] : schedule.parameters)
    if (!is_contained(known, StringRef(name)))
      return text::makeUnknownNameError("parameter of a quant_matmul schedule", name, known);
  QuantMatmulSchedule typed;
  for (const auto &[name, member] : parameters) {
    auto found = schedule.parameters.find(name.str());
    if (found == schedule.parameters.end())
      return makeProblemError("expects the schedule parameter " + name + ", but it is missing");
    typed.*member = found->second;
  }
  for (const auto &[name, member] : optionalParameters)
    if (auto found = schedule.parameters.find(name.str()); found != schedule.parameters.end())
      typed.*member = found->second;
  return typed;
}

//===----------------------------------------------------------------------===//
// Resources
//===----------------------------------------------------------------------===//

int64_t getCanonicalChunk(int64_t k) {
  constexpr int64_t maxChunks = 16;
  int64_t blocks = divideCeil(k, layout::blockK);
  return layout::blockK * divideCeil(blocks, maxChunks);
}

/// Bytes of a K tile's part of a table of numbers of `elementBytes`.
static int64_t getTableBytes(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem,
                             unsigned elementBytes) {
  auto table = layout::ScaleStorage::get(problem.granularity, problem.k, problem.n, elementBytes);
  int64_t strips = schedule.tileN / layout::blockN;
  return problem.getSegments(schedule.tileK) * strips * table.perStrip * elementBytes;
}

int64_t getSharedBytes(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem) {
  constexpr int64_t bytesPerActivation = 2;
  int64_t bytes = schedule.tileM * schedule.tileK * bytesPerActivation;
  bytes += schedule.tileN * schedule.tileK * problem.weight.bits / 8;
  if (problem.scalesInLoop())
    bytes += getTableBytes(schedule, problem, problem.scaleBytes);
  if (problem.zero != format::Zero::None)
    bytes += getTableBytes(schedule, problem, problem.zeroBytes);
  return schedule.stages * bytes;
}

int64_t getSharedBytes(const QuantMatmulSchedule &schedule, const Problem &problem) {
  return getSharedBytes(schedule, cantFail(QuantMatmulProblem::fromProblem(problem)));
}

int64_t estimateRegisters(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem) {
  // A k16 step of eight rows of x is two registers a lane; a fragment of weights is
  // 16 pairs; a block of weights is 4b words a lane; a lane has two columns of
  // each n8, one where weights are operand A, with a scale and a zero point a
  // segment. The sums of a segment, and of a chunk where a block has all of K, are
  // kept apart from those of all K, and the assembler begins the sums of further
  // segments early: about a third of each was seen. Floating-point zero points
  // have sums of x, as large as its fragments, and take some arithmetic. A codebook
  // stays in registers.
  constexpr int64_t addressesAndLoopState = 40, floatZeroArithmetic = 24;
  bool hasFloatZeros = format::isFloat(problem.zero), scales = problem.scalesInLoop();
  int64_t segments = problem.getSegments(schedule.tileK);
  int64_t sums = schedule.getAccumulators();
  if (scales)
    sums += sums + sums * (segments - 1) * 3 / 10;
  bool keepsTotal = schedule.chunkK > 0 && schedule.splitK == 1;
  sums += keepsTotal ? schedule.getAccumulators() : 0;
  int64_t x = schedule.tileM / schedule.warpsM / 8 * (hasFloatZeros ? 4 : 2);
  int64_t w = layout::pairsPerFragment + 4 * problem.weight.bits;
  int64_t columns = schedule.tileN / schedule.warpsN / 8 * (schedule.hasWeightsAsA() ? 1 : 2);
  int64_t perColumn = (scales ? 1 : 0) + (problem.zero != format::Zero::None ? 1 : 0);
  // With few sums the assembler has no reason to read scales ahead.
  constexpr int64_t fewSums = 24;
  int64_t live = schedule.getAccumulators() <= fewSums ? std::min<int64_t>(2, segments) : segments;
  int64_t codebook = problem.weight.isIndex() ? layout::getTableWords(problem.weight.bits) : 0;
  return sums + x + w + live * columns * perColumn + (hasFloatZeros ? floatZeroArithmetic : 0) +
         codebook + addressesAndLoopState;
}

int64_t getBlocks(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem,
                  int64_t m) {
  if (schedule.streamK > 0)
    return schedule.streamK;
  return divideCeil(m, schedule.tileM) * divideCeil(problem.n, schedule.tileN) * schedule.splitK;
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

/// "expects <parameter> to be <what>, but got <value>; the nearest is <nearest>".
static Error makeConstraintError(StringRef parameter, const Twine &what, int64_t value,
                                 int64_t nearest) {
  return makeProblemError("expects " + parameter + " to be " + what + ", but got " + Twine(value) +
                          "; the nearest is " + Twine(nearest));
}

static Error checkRange(StringRef parameter, int64_t value, int64_t minimum, int64_t maximum) {
  if (value >= minimum && value <= maximum)
    return Error::success();
  return makeConstraintError(parameter, Twine(minimum) + ".." + Twine(maximum), value,
                             std::clamp(value, minimum, maximum));
}

/// Multiples of `unit` from `unit` to `maximum`, which is one itself.
static Error checkMultiple(StringRef parameter, int64_t value, int64_t unit, const Twine &unitText,
                           int64_t maximum) {
  if (value >= unit && value <= maximum && value % unit == 0)
    return Error::success();
  int64_t inRange = std::clamp(value, unit, maximum);
  int64_t nearest = (inRange + unit / 2) / unit * unit;
  return makeConstraintError(parameter, "a multiple of " + unitText + " up to " + Twine(maximum),
                             value, nearest);
}

/// C1.
static Error checkWarps(const QuantMatmulSchedule &schedule) {
  constexpr int64_t maxWarps = 8;
  for (auto [name, value] : {std::pair("warps_m", schedule.warpsM), {"warps_n", schedule.warpsN}}) {
    if (value >= 1 && value <= maxWarps && isPowerOf2_64(value))
      continue;
    int64_t inRange = std::clamp(value, int64_t(1), maxWarps);
    int64_t below = int64_t(bit_floor(uint64_t(inRange)));
    int64_t nearest = inRange - below < 2 * below - inRange ? below : 2 * below;
    return makeConstraintError(name, "a power of two up to 8", value, nearest);
  }
  if (schedule.getWarps() > maxWarps)
    return makeConstraintError("warps_n", "at most 8 / warps_m (" + Twine(schedule.warpsM) + ")",
                               schedule.warpsN, maxWarps / schedule.warpsM);
  return Error::success();
}

/// C2 to C6 and C11.
static Error checkShape(const QuantMatmulSchedule &schedule, int64_t k) {
  if (!schedule.hasWeightsAsA() || schedule.warpsM != 1)
    if (Error error = checkMultiple("tile_m", schedule.tileM, 16 * schedule.warpsM,
                                    "16 * warps_m (" + Twine(16 * schedule.warpsM) + ")", 256))
      return error;
  int64_t strips = layout::blockN * schedule.warpsN;
  if (Error error = checkMultiple("tile_n", schedule.tileN, strips,
                                  "32 * warps_n (" + Twine(strips) + ")", 512))
    return error;
  if (Error error = checkMultiple("tile_k", schedule.tileK, layout::blockK, "128", 1024))
    return error;
  if (Error error = checkRange("stages", schedule.stages, 2, 8))
    return error;
  if (Error error = checkRange("stream_k", schedule.streamK, 0, 65535))
    return error;
  int64_t splits = schedule.streamK > 0 ? 1 : divideCeil(k, schedule.tileK);
  return checkRange("split_k", schedule.splitK, 1, splits);
}

/// C12.
static Error checkChunk(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem) {
  int64_t wanted = problem.isDeterministic ? getCanonicalChunk(problem.k) : 0;
  if (schedule.chunkK != wanted)
    return makeConstraintError("chunk_k",
                               problem.isDeterministic ? "that of a deterministic product"
                                                       : "left out where bits may differ",
                               schedule.chunkK, wanted);
  if (!problem.isDeterministic)
    return Error::success();
  if (schedule.tileK != layout::blockK)
    return makeConstraintError("tile_k", "128 in a deterministic product", schedule.tileK,
                               layout::blockK);
  if (Error error = checkRange("stream_k", schedule.streamK, 0, 0))
    return error;
  return checkRange("split_k", schedule.splitK, 1, divideCeil(problem.k, wanted));
}

/// C7.
static Error checkTarget(const target::Target &target) {
  if (target.canCompile && target.hasCpAsync && target.hasMmaM16N8K16)
    return Error::success();
  return makeProblemError("expects a target with cp.async and mma.m16n8k16 that can be compiled "
                          "for, but got " +
                          target.name + "; the nearest is sm_80");
}

/// The change of one parameter, among those that save resources, to the nearest
/// smaller value with which `fits` holds; empty when no single one does.
static std::string suggestSmaller(const QuantMatmulSchedule &schedule,
                                  ArrayRef<std::pair<StringRef, int64_t>> units,
                                  function_ref<bool(const QuantMatmulSchedule &)> fits) {
  for (auto [name, unit] : units) {
    auto member =
        find_if(parameters, [&](const auto &entry) { return entry.first == name; })->second;
    int64_t minimum = name == "stages" ? 2 : unit;
    QuantMatmulSchedule smaller = schedule;
    while (smaller.*member - unit >= minimum) {
      smaller.*member -= unit;
      if (fits(smaller))
        return ("; the nearest is " + name + " = " + Twine(smaller.*member)).str();
    }
  }
  return "; use smaller tiles";
}

/// C8.
static Error checkSharedMemory(const QuantMatmulSchedule &schedule,
                               const QuantMatmulProblem &problem, const target::Target &target) {
  int64_t available = target.maxSharedBytesPerBlock;
  int64_t needed = getSharedBytes(schedule, problem);
  if (needed <= available)
    return Error::success();
  auto fits = [&](const QuantMatmulSchedule &s) { return getSharedBytes(s, problem) <= available; };
  std::string nearest = suggestSmaller(schedule,
                                       {{"stages", 1},
                                        {"tile_k", layout::blockK},
                                        {"tile_n", layout::blockN * schedule.warpsN},
                                        {"tile_m", 16 * schedule.warpsM}},
                                       fits);
  return makeProblemError(
      "expects at most " + Twine(available) + " bytes of shared memory a block on " + target.name +
      ", but stages = " + Twine(schedule.stages) + " of tiles " + Twine(schedule.tileM) + "x" +
      Twine(schedule.tileN) + "x" + Twine(schedule.tileK) + " need " + Twine(needed) + nearest);
}

/// C9 and C10.
static Error checkRegisters(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem,
                            const target::Target &target) {
  constexpr int64_t maxAccumulators = 128;
  auto getMaximum = [&](const QuantMatmulSchedule &s) {
    return std::min<int64_t>(target.maxRegistersPerThread, target.registersPerSM / s.getThreads());
  };
  auto fits = [&](const QuantMatmulSchedule &s) {
    return s.getAccumulators() <= maxAccumulators && estimateRegisters(s, problem) <= getMaximum(s);
  };
  if (fits(schedule))
    return Error::success();
  std::string nearest = suggestSmaller(
      schedule, {{"tile_n", layout::blockN * schedule.warpsN}, {"tile_m", 16 * schedule.warpsM}},
      fits);
  std::string tile =
      (" for tile_m = " + Twine(schedule.tileM) + ", tile_n = " + Twine(schedule.tileN) + " on " +
       Twine(schedule.getThreads()) + " threads")
          .str();
  if (schedule.getAccumulators() > maxAccumulators)
    return makeProblemError("expects at most " + Twine(maxAccumulators) +
                            " accumulators a thread, but got " + Twine(schedule.getAccumulators()) +
                            tile + nearest);
  return makeProblemError("expects at most " + Twine(getMaximum(schedule)) +
                          " registers a thread on " + target.name + ", but the estimate is " +
                          Twine(estimateRegisters(schedule, problem)) + tile + nearest);
}

Error verifyQuantMatmulShape(const QuantMatmulSchedule &schedule, int64_t k) {
  if (Error error = checkWarps(schedule))
    return error;
  return checkShape(schedule, k);
}

Error verifyQuantMatmul(const QuantMatmulSchedule &schedule, const QuantMatmulProblem &problem,
                        const target::Target &target) {
  if (Error error = verifyQuantMatmulShape(schedule, problem.k))
    return error;
  if (Error error = checkChunk(schedule, problem))
    return error;
  if (Error error = checkTarget(target))
    return error;
  if (Error error = checkSharedMemory(schedule, problem, target))
    return error;
  return checkRegisters(schedule, problem, target);
}

} // namespace tilewright::schedule
