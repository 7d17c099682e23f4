//===- Attention.cpp - Schedules of the attention family ----------------------===//
//
// See Attention.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/Attention.h"
#include "dialects/Support/Schedule/Constraints.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <cassert>

using namespace llvm;

namespace tilewright::schedule {

using problem::Problem;

static const Constraints constraints("attention");

//===----------------------------------------------------------------------===//
// The typed problem
//===----------------------------------------------------------------------===//

static Error readDimension(const Problem &problem, StringRef name, std::optional<int64_t> &value) {
  const problem::Dimension *dimension = problem.findDimension(name);
  if (!dimension)
    return constraints.makeError("expects the dimension " + name + ", but there is none");
  value = dimension->extent;
  return Error::success();
}

static Error readStatic(const Problem &problem, StringRef name, int64_t &value) {
  std::optional<int64_t> extent;
  if (Error error = readDimension(problem, name, extent))
    return error;
  if (!extent || *extent < 1)
    return constraints.makeError("expects a static dimension " + name + " of at least 1, but got " +
                                 (extent ? std::to_string(*extent) : "a dynamic one"));
  value = *extent;
  return Error::success();
}

static Error readHeadSize(const Problem &problem, StringRef name, int64_t &value) {
  if (Error error = readStatic(problem, name, value))
    return error;
  return constraints.checkMultiple(name, value, 8, "8", 256);
}

static Error checkDtypes(const Problem &problem) {
  const problem::Operand *q = problem.findOperand("q");
  for (StringRef name : {"q", "k", "v", "o"}) {
    const problem::Operand *operand = problem.findOperand(name);
    if (!operand)
      return constraints.makeError("expects the operand '" + name + "', but there is none");
    if (operand->dtype != "f16" && operand->dtype != "bf16")
      return constraints.makeError("expects the dtype of '" + name +
                                   "' to be one of f16, bf16, but got '" + operand->dtype + "'");
    if (operand->dtype != q->dtype)
      return constraints.makeError("expects the dtype of '" + name + "' to be that of 'q' (" +
                                   q->dtype + "), but got '" + operand->dtype + "'");
  }
  return Error::success();
}

Expected<AttentionProblem> AttentionProblem::fromProblem(const Problem &problem) {
  if (problem.op != "attention")
    return constraints.makeError("expects the op attention, but got '" + problem.op + "'");
  AttentionProblem typed;
  for (auto [name, member] : {std::pair("B", &AttentionProblem::batch),
                              {"Sq", &AttentionProblem::queries},
                              {"Sk", &AttentionProblem::keys}})
    if (Error error = readDimension(problem, name, typed.*member))
      return std::move(error);
  for (auto [name, member] :
       {std::pair("Hq", &AttentionProblem::heads), {"Hkv", &AttentionProblem::keyHeads}})
    if (Error error = readStatic(problem, name, typed.*member))
      return std::move(error);
  for (auto [name, member] :
       {std::pair("D", &AttentionProblem::headSize), {"Dv", &AttentionProblem::valueSize}})
    if (Error error = readHeadSize(problem, name, typed.*member))
      return std::move(error);
  if (typed.heads % typed.keyHeads != 0)
    return constraints.makeError("expects Hq to be a multiple of Hkv (" + Twine(typed.keyHeads) +
                                 "), but got " + Twine(typed.heads) + "; the nearest is " +
                                 Twine(alignTo(typed.heads, typed.keyHeads)));
  if (Error error = checkDtypes(problem))
    return std::move(error);
  return typed;
}

//===----------------------------------------------------------------------===//
// The typed schedule
//===----------------------------------------------------------------------===//

static constexpr std::pair<StringLiteral, int64_t AttentionSchedule::*> parameters[] = {
    {"tile_q", &AttentionSchedule::tileQ},
    {"tile_k", &AttentionSchedule::tileK},
    {"warps", &AttentionSchedule::warps},
    {"stages", &AttentionSchedule::stages}};

Schedule AttentionSchedule::toSchedule() const { return constraints.write(*this, parameters); }

Expected<AttentionSchedule> AttentionSchedule::fromSchedule(const Schedule &schedule) {
  return constraints.read<AttentionSchedule>(schedule, parameters);
}

//===----------------------------------------------------------------------===//
// Resources
//===----------------------------------------------------------------------===//

SmallVector<HeadPart, 3> splitHead(int64_t size) {
  assert(size > 0 && size % 8 == 0 && "heads are multiples of 8");
  SmallVector<HeadPart, 3> parts;
  int64_t start = 0, left = alignTo(size, 16);
  auto take = [&](int64_t width) {
    if (width == 0)
      return;
    parts.push_back({start, width});
    start += width;
    left -= width;
  };
  take(left / 64 * 64);
  for (int64_t width : {32, 16})
    if (left >= width)
      take(width);
  return parts;
}

int64_t getPaddedSize(int64_t size) { return alignTo(size, 16); }

int64_t getSharedBytes(const AttentionSchedule &schedule, const AttentionProblem &problem) {
  constexpr int64_t elementBytes = 2;
  return schedule.stages * schedule.tileK * elementBytes *
         (getPaddedSize(problem.headSize) + getPaddedSize(problem.valueSize));
}

int64_t estimateRegisters(const AttentionSchedule &schedule, const AttentionProblem &problem) {
  constexpr int64_t addressesAndLoopState = 40;
  int64_t rows = schedule.getWarpRows();
  int64_t o = rows * getPaddedSize(problem.valueSize) / 32;
  int64_t q = rows * getPaddedSize(problem.headSize) / 64;
  int64_t scores = rows * schedule.tileK / 32;
  return o + q + scores + scores / 2 + addressesAndLoopState;
}

static int64_t getMaxRegisters(const AttentionSchedule &schedule, const target::Target &target) {
  return std::min<int64_t>(target.maxRegistersPerThread,
                           target.registersPerSM / schedule.getThreads());
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

Error verifyAttentionShape(const AttentionSchedule &schedule) {
  if (Error error = constraints.checkOneOf("warps", schedule.warps, {1, 2, 4, 8})) // C1
    return error;
  int64_t rows = 16 * schedule.warps;
  if (Error error = constraints.checkMultiple("tile_q", schedule.tileQ, rows, // C2
                                              "16 * warps (" + Twine(rows) + ")", 256))
    return error;
  if (Error error = constraints.checkOneOf("tile_k", schedule.tileK, {16, 32, 64, 128})) // C3
    return error;
  return constraints.checkRange("stages", schedule.stages, 1, 4); // C4
}

Error verifyAttention(const AttentionSchedule &schedule, const AttentionProblem &problem,
                      const target::Target &target) {
  if (Error error = verifyAttentionShape(schedule))
    return error;
  if (Error error = constraints.checkTarget(target)) // C5
    return error;
  std::string sizes =
      ("head sizes " + Twine(problem.headSize) + " and " + Twine(problem.valueSize) +
       " in tiles of " + Twine(schedule.tileQ) + "x" + Twine(schedule.tileK))
          .str();
  int64_t available = target.maxSharedBytesPerBlock, needed = getSharedBytes(schedule, problem);
  if (needed > available) // C6
    return constraints.makeError("expects at most " + Twine(available) +
                                 " bytes of shared memory a block on " + target.name +
                                 ", but stages = " + Twine(schedule.stages) + " of " + sizes +
                                 " need " + Twine(needed) + "; at most " +
                                 Twine(available / (needed / schedule.stages)) + " stages fit");
  int64_t registers = estimateRegisters(schedule, problem);
  if (registers > getMaxRegisters(schedule, target)) // C7
    return constraints.makeError(
        "expects at most " + Twine(getMaxRegisters(schedule, target)) + " registers a thread on " +
        target.name + ", but the estimate is " + Twine(registers) + " for " + sizes + " on " +
        Twine(schedule.getThreads()) + " threads; use a smaller tile_k or more warps");
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Default and space
//===----------------------------------------------------------------------===//

static bool isLegal(const AttentionSchedule &schedule, const AttentionProblem &problem,
                    const target::Target &target) {
  Error error = verifyAttention(schedule, problem, target);
  bool legal = !error;
  consumeError(std::move(error));
  return legal;
}

static int64_t chooseWarps(const AttentionProblem &problem, const target::GpuModel &model,
                           int64_t queries) {
  constexpr int64_t rows = 16;
  int64_t needed = bit_ceil(uint64_t(std::max<int64_t>(1, divideCeil(queries, rows))));
  if (needed < 8)
    return needed;
  int64_t blocks = divideCeil(queries, 8 * rows) * problem.heads * problem.batch.value_or(1);
  return blocks >= int64_t(model.smCount) ? 8 : 4;
}

Expected<AttentionSchedule> chooseAttentionDefault(const AttentionProblem &problem,
                                                   const target::GpuModel &model,
                                                   int64_t expectedQueries) {
  const target::Target &target = target::getTarget(model);
  AttentionSchedule schedule;
  schedule.warps = chooseWarps(problem, model, problem.queries.value_or(expectedQueries));
  schedule.tileQ = 16 * schedule.warps;
  for (schedule.tileK = 64; schedule.tileK >= 16; schedule.tileK /= 2)
    for (schedule.stages = 3; schedule.stages >= 1; --schedule.stages) {
      int64_t bytes = getSharedBytes(schedule, problem) + target.reservedSharedBytes;
      bool isAffordable = schedule.stages < 3 || 2 * bytes <= int64_t(target.sharedBytesPerSM);
      if (isAffordable && isLegal(schedule, problem, target))
        return schedule;
    }
  schedule.tileK = 16;
  schedule.stages = 1;
  Error error = verifyAttention(schedule, problem, target);
  assert(error && "the smallest schedule is legal, but the default was not found");
  return error;
}

std::vector<AttentionSchedule> enumerateAttention(const AttentionProblem &problem,
                                                  const target::Target &target,
                                                  int64_t expectedQueries) {
  int64_t queries = std::max<int64_t>(1, problem.queries.value_or(expectedQueries));
  std::vector<AttentionSchedule> all;
  for (int64_t warps : {1, 2, 4, 8})
    for (int64_t rows : {16, 32})
      for (int64_t tileK : {16, 32, 64, 128})
        for (int64_t stages = 1; stages <= 4; ++stages) {
          AttentionSchedule schedule{rows * warps, tileK, warps, stages};
          if (schedule.tileQ < 16 + queries && isLegal(schedule, problem, target))
            all.push_back(schedule);
        }
  return all;
}

} // namespace tilewright::schedule
