//===- AppendCache.cpp - Schedules of the append_cache family ---------------===//
//
// See AppendCache.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/AppendCache.h"

#include "dialects/Support/Schedule/Constraints.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/bit.h"

using namespace llvm;

namespace tilewright::schedule {

using problem::Problem;

static const Constraints constraints("append_cache");

//===----------------------------------------------------------------------===//
// The typed problem
//===----------------------------------------------------------------------===//

static Error checkDtypes(const Problem &problem) {
  const problem::Operand *first = problem.findOperand("k");
  if (!first)
    first = problem.findOperand("q");
  if (!first)
    return constraints.makeError("expects the operand k or q, but there is neither");
  if (Error error = constraints.checkOperand(problem, first->name, {"f16", "bf16"}))
    return error;
  StringRef dtype = first->dtype;
  for (StringRef name : {"k_cache", "v_cache"})
    if (problem.findOperand(name))
      if (Error error =
              constraints.checkOperand(problem, name, {dtype, "e4m3", "e5m2", "i8", "u8"}))
        return error;
  for (StringRef name : {"k_scales", "v_scales"})
    if (problem.findOperand(name))
      if (Error error = constraints.checkOperand(problem, name, {"f32", "f16"}))
        return error;
  for (StringRef name : {"v", "q", "rotated"})
    if (problem.findOperand(name))
      if (Error error = constraints.checkOperand(problem, name, {dtype}))
        return error;
  for (StringRef name : {"cos", "sin"})
    if (problem.findOperand(name))
      if (Error error = constraints.checkOperand(problem, name, {"f32", dtype}))
        return error;
  if (problem.findOperand("page_table"))
    if (Error error = constraints.checkOperand(problem, "page_table", {"i32"}))
      return error;
  return constraints.checkOperand(problem, "lengths", {"i32"});
}

Expected<AppendCacheProblem> AppendCacheProblem::fromProblem(const Problem &problem) {
  if (problem.op != "append_cache")
    return constraints.makeError("expects the op append_cache, but got '" + problem.op + "'");
  AppendCacheProblem typed;
  const problem::Dimension *tokens = problem.findDimension("S");
  if (!tokens)
    return constraints.makeError("expects the dimension S, but there is none");
  typed.tokens = tokens->extent;
  typed.heads = typed.largestHead = 0;
  for (auto [name, member] : {std::pair("Hkv", &AppendCacheProblem::heads),
                              {"Hq", &AppendCacheProblem::heads},
                              {"D", &AppendCacheProblem::largestHead},
                              {"Dv", &AppendCacheProblem::largestHead},
                              {"Dq", &AppendCacheProblem::largestHead}}) {
    if (!problem.findDimension(name))
      continue;
    Expected<int64_t> extent = constraints.readStatic(problem, name);
    if (!extent)
      return extent.takeError();
    typed.*member = std::max(typed.*member, *extent);
  }
  if (Error error = checkDtypes(problem))
    return std::move(error);
  return typed;
}

//===----------------------------------------------------------------------===//
// The typed schedule
//===----------------------------------------------------------------------===//

static constexpr Constraints::Parameter<AppendCacheSchedule> parameters[] = {
    {"tile_h", &AppendCacheSchedule::tileH}, {"warps", &AppendCacheSchedule::warps}};

Schedule AppendCacheSchedule::toSchedule() const {
  return constraints.write<AppendCacheSchedule>(*this, parameters);
}

Expected<AppendCacheSchedule> AppendCacheSchedule::fromSchedule(const Schedule &schedule) {
  return constraints.read<AppendCacheSchedule>(schedule, parameters);
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

Error verifyAppendCacheShape(const AppendCacheSchedule &schedule, int64_t largestHead) {
  if (Error error = constraints.checkOneOf("warps", schedule.warps, {1, 2, 4, 8})) // C1
    return error;
  if (Error error = constraints.checkOneOf("tile_h", schedule.tileH, // C2
                                           {1, 2, 4, 8, 16, 32, 64, 128, 256}))
    return error;
  int64_t width = bit_ceil(uint64_t(largestHead)), most = 64 * 32 * schedule.warps / width;
  if (schedule.tileH > most) // C3
    return constraints.makeError("tile_h",
                                 "at most " + Twine(most) + " for heads of " + Twine(largestHead) +
                                     " and warps = " + Twine(schedule.warps),
                                 schedule.tileH, most);
  return Error::success();
}

Error verifyAppendCache(const AppendCacheSchedule &schedule, const AppendCacheProblem &problem,
                        const target::Target &target) {
  if (Error error = verifyAppendCacheShape(schedule, problem.largestHead))
    return error;
  return constraints.checkTarget(target); // C4
}

//===----------------------------------------------------------------------===//
// Default and space
//===----------------------------------------------------------------------===//

static AppendCacheSchedule getDefault(const AppendCacheProblem &problem) {
  constexpr int64_t threads = 128, elements = 8;
  int64_t width = bit_ceil(uint64_t(problem.largestHead));
  AppendCacheSchedule schedule;
  schedule.tileH = std::clamp<int64_t>(threads * elements / width, 1,
                                       std::min<int64_t>(256, bit_ceil(uint64_t(problem.heads))));
  schedule.warps = std::clamp<int64_t>(schedule.tileH * width / (32 * elements), 1, threads / 32);
  return schedule;
}

Expected<AppendCacheSchedule> chooseAppendCacheDefault(const AppendCacheProblem &problem,
                                                       const target::GpuModel &model, int64_t) {
  AppendCacheSchedule schedule = getDefault(problem);
  if (Error error = verifyAppendCache(schedule, problem, target::getTarget(model)))
    return std::move(error);
  return schedule;
}

/// The default, and what has less than half of a tile outside of the problem.
std::vector<AppendCacheSchedule> enumerateAppendCache(const AppendCacheProblem &problem,
                                                      const target::Target &target, int64_t) {
  std::vector<AppendCacheSchedule> all;
  auto add = [&](const AppendCacheSchedule &schedule) {
    Error error = verifyAppendCache(schedule, problem, target);
    if (!error && !is_contained(all, schedule))
      all.push_back(schedule);
    consumeError(std::move(error));
  };
  add(getDefault(problem));
  for (int64_t warps : {1, 2, 4, 8})
    for (int64_t tileH = 1; tileH <= 256 && tileH < 2 * problem.heads; tileH *= 2)
      add({tileH, warps});
  return all;
}

} // namespace tilewright::schedule
