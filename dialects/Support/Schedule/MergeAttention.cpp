//===- MergeAttention.cpp - Schedules of the merge_attention family ---------===//
//
// See MergeAttention.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/MergeAttention.h"

#include "dialects/Support/Schedule/Constraints.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright::schedule {

using problem::Problem;

static const Constraints constraints("merge_attention");

//===----------------------------------------------------------------------===//
// The typed problem
//===----------------------------------------------------------------------===//

static Error checkParts(const Problem &problem, int64_t count) {
  if (count < 1 || count > MergeAttentionProblem::maxParts)
    return constraints.makeError("expects 1 to " + Twine(MergeAttentionProblem::maxParts) +
                                 " parts, but got " + Twine(count));
  const problem::Operand *first = problem.findOperand("o0");
  for (int64_t i = 0; i < count; ++i) {
    std::string part = "o" + std::to_string(i), lse = "lse" + std::to_string(i);
    if (Error error = constraints.checkOperand(problem, part, {first->dtype}))
      return error;
    if (Error error = constraints.checkOperand(problem, lse, {"f32"}))
      return error;
  }
  if (problem.findOperand("lse"))
    if (Error error = constraints.checkOperand(problem, "lse", {"f32"}))
      return error;
  for (StringRef name : {"o0", "o"})
    if (Error error = constraints.checkOperand(problem, name, {"f16", "bf16", "f32"}))
      return error;
  return Error::success();
}

Expected<MergeAttentionProblem> MergeAttentionProblem::fromProblem(const Problem &problem) {
  if (problem.op != "merge_attention")
    return constraints.makeError("expects the op merge_attention, but got '" + problem.op + "'");
  MergeAttentionProblem typed;
  const problem::Dimension *rows = problem.findDimension("S");
  if (!rows)
    return constraints.makeError("expects the dimension S, but there is none");
  typed.rows = rows->extent;
  for (auto [name, member] :
       {std::pair("H", &MergeAttentionProblem::heads), {"Dv", &MergeAttentionProblem::headSize}}) {
    Expected<int64_t> extent = constraints.readStatic(problem, name);
    if (!extent)
      return extent.takeError();
    typed.*member = *extent;
  }
  typed.parts = 0;
  while (problem.findOperand("o" + std::to_string(typed.parts)))
    ++typed.parts;
  if (Error error = checkParts(problem, typed.parts))
    return std::move(error);
  return typed;
}

//===----------------------------------------------------------------------===//
// The typed schedule
//===----------------------------------------------------------------------===//

static constexpr Constraints::Parameter<MergeAttentionSchedule> parameters[] = {
    {"tile_s", &MergeAttentionSchedule::tileS},
    {"tile_h", &MergeAttentionSchedule::tileH},
    {"tile_d", &MergeAttentionSchedule::tileD},
    {"warps", &MergeAttentionSchedule::warps}};

Schedule MergeAttentionSchedule::toSchedule() const {
  return constraints.write<MergeAttentionSchedule>(*this, parameters);
}

Expected<MergeAttentionSchedule> MergeAttentionSchedule::fromSchedule(const Schedule &schedule) {
  return constraints.read<MergeAttentionSchedule>(schedule, parameters);
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

Error verifyMergeAttentionShape(const MergeAttentionSchedule &schedule) {
  if (Error error = constraints.checkOneOf("warps", schedule.warps, {1, 2, 4, 8})) // C1
    return error;
  static constexpr int64_t powers[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};
  if (Error error = constraints.checkOneOf("tile_s", schedule.tileS, powers)) // C2
    return error;
  if (Error error = constraints.checkOneOf("tile_h", schedule.tileH, powers)) // C2
    return error;
  if (Error error = constraints.checkOneOf("tile_d", schedule.tileD, // C2
                                           ArrayRef(powers).drop_front(3)))
    return error;
  int64_t threads = 32 * schedule.warps, elements = schedule.getElements();
  if (elements < threads || elements > 64 * threads) // C3
    return constraints.makeError(
        "expects tile_s * tile_h * tile_d to be " + Twine(threads) + " to " + Twine(64 * threads) +
        " with warps = " + Twine(schedule.warps) + ", but got " + Twine(elements));
  return Error::success();
}

Error verifyMergeAttention(const MergeAttentionSchedule &schedule, const MergeAttentionProblem &,
                           const target::Target &target) {
  if (Error error = verifyMergeAttentionShape(schedule))
    return error;
  return constraints.checkTarget(target); // C4
}

//===----------------------------------------------------------------------===//
// Default and space
//===----------------------------------------------------------------------===//

static MergeAttentionSchedule getDefault(const MergeAttentionProblem &problem,
                                         int64_t expectedRows) {
  constexpr int64_t threads = 128, elements = 8;
  auto cover = [](int64_t extent, int64_t most) {
    return std::min<int64_t>(most, bit_ceil(uint64_t(std::max<int64_t>(1, extent))));
  };
  MergeAttentionSchedule schedule;
  schedule.warps = threads / 32;
  schedule.tileD = std::max<int64_t>(8, cover(problem.headSize, 128));
  int64_t rows = threads * elements / schedule.tileD;
  schedule.tileS = cover(problem.rows.value_or(expectedRows), rows);
  schedule.tileH = rows / schedule.tileS;
  return schedule;
}

Expected<MergeAttentionSchedule> chooseMergeAttentionDefault(const MergeAttentionProblem &problem,
                                                             const target::GpuModel &model,
                                                             int64_t expectedRows) {
  MergeAttentionSchedule schedule = getDefault(problem, expectedRows);
  if (Error error = verifyMergeAttention(schedule, problem, target::getTarget(model)))
    return std::move(error);
  return schedule;
}

/// The default, and what has less than half of a tile outside of the problem.
std::vector<MergeAttentionSchedule> enumerateMergeAttention(const MergeAttentionProblem &problem,
                                                            const target::Target &target,
                                                            int64_t expectedRows) {
  std::vector<MergeAttentionSchedule> all;
  auto add = [&](const MergeAttentionSchedule &schedule) {
    Error error = verifyMergeAttention(schedule, problem, target);
    if (!error && !is_contained(all, schedule))
      all.push_back(schedule);
    consumeError(std::move(error));
  };
  add(getDefault(problem, expectedRows));
  int64_t rows = std::max<int64_t>(1, problem.rows.value_or(expectedRows));
  for (int64_t warps : {1, 2, 4, 8})
    for (int64_t tileD = 8; tileD <= 256 && tileD < 2 * problem.headSize; tileD *= 2)
      for (int64_t tileS = 1; tileS <= 256 && tileS < 2 * rows; tileS *= 2)
        for (int64_t tileH = 1; tileH <= 256 && tileH < 2 * problem.heads; tileH *= 2)
          if (tileS * tileH * tileD <= 32 * warps * 16)
            add({tileS, tileH, tileD, warps});
  return all;
}

} // namespace tilewright::schedule
