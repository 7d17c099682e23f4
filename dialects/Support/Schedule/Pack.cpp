//===- Pack.cpp - Schedules of the pack family -------------------------------===//
//
// See Pack.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/Pack.h"

#include "dialects/Support/Schedule/Constraints.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

using namespace llvm;

namespace tilewright::schedule {

using problem::Problem;

static const Constraints constraints("pack");

//===----------------------------------------------------------------------===//
// The typed problem
//===----------------------------------------------------------------------===//

static Error checkAttributes(const Problem &problem) {
  if (Error error = constraints.checkWord("bits", problem.getAttribute("bits"),
                                          {"1", "2", "3", "4", "5", "6", "7", "8"}))
    return error;
  if (Error error = constraints.checkWord("storage", problem.getAttribute("storage"),
                                          {"words", "nested", "stack"}))
    return error;
  if (Error error = constraints.checkWord("activations", problem.getAttribute("activations"),
                                          {"16-bit", "8-bit"}))
    return error;
  if (problem.getAttribute("storage") != "words" && problem.getAttribute("activations") != "16-bit")
    return constraints.makeError("expects activations 16-bit with storage " +
                                 problem.getAttribute("storage") + ", but got '" +
                                 problem.getAttribute("activations") + "'");
  return constraints.checkWord("layout", problem.getAttribute("layout"), {"nk", "kn"});
}

Expected<PackProblem> PackProblem::fromProblem(const Problem &problem) {
  if (problem.op != "pack")
    return constraints.makeError("expects the op pack, but got '" + problem.op + "'");
  PackProblem typed;
  for (auto [name, member] : {std::pair("N", &PackProblem::n), {"K", &PackProblem::k}}) {
    Expected<int64_t> extent = constraints.readStatic(problem, name);
    if (!extent)
      return extent.takeError();
    typed.*member = *extent;
  }
  for (auto [name, dtype] : {std::pair("codes", "u8"), {"words", "u32"}})
    if (Error error = constraints.checkOperand(problem, name, {dtype}))
      return std::move(error);
  if (Error error = checkAttributes(problem))
    return std::move(error);
  return typed;
}

//===----------------------------------------------------------------------===//
// The typed schedule
//===----------------------------------------------------------------------===//

static constexpr Constraints::Parameter<PackSchedule> parameters[] = {
    {"tile_k", &PackSchedule::tileK},
    {"tile_n", &PackSchedule::tileN},
    {"warps", &PackSchedule::warps}};

Schedule PackSchedule::toSchedule() const {
  return constraints.write<PackSchedule>(*this, parameters);
}

Expected<PackSchedule> PackSchedule::fromSchedule(const Schedule &schedule) {
  return constraints.read<PackSchedule>(schedule, parameters);
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

Error verifyPackShape(const PackSchedule &schedule) {
  constexpr int64_t strip = 32, maxCodes = 256;
  if (Error error = constraints.checkOneOf("warps", schedule.warps, {1, 2, 4, 8})) // C1
    return error;
  SmallVector<int64_t, 4> widths = {32, 64, 128, 256};
  while (widths.front() < strip * schedule.warps) // a strip for each warp
    widths.erase(widths.begin());
  if (Error error = constraints.checkOneOf("tile_n", schedule.tileN, widths)) // C2
    return error;
  if (Error error = constraints.checkOneOf("tile_k", schedule.tileK, {128, 256})) // C3
    return error;
  int64_t most = maxCodes * 32 * schedule.warps / schedule.tileK;
  if (schedule.tileN > most) // C3
    return constraints.makeError("tile_n",
                                 "at most " + Twine(most) +
                                     " for tile_k = " + Twine(schedule.tileK) +
                                     " and warps = " + Twine(schedule.warps),
                                 schedule.tileN, most);
  return Error::success();
}

Error verifyPack(const PackSchedule &schedule, const PackProblem &, const target::Target &target) {
  if (Error error = verifyPackShape(schedule))
    return error;
  return constraints.checkTarget(target); // C4
}

//===----------------------------------------------------------------------===//
// Default and space
//===----------------------------------------------------------------------===//

static PackSchedule getDefault(const PackProblem &problem) {
  int64_t warps = problem.n > 64 ? 4 : problem.n > 32 ? 2 : 1;
  return {128, 32 * warps, warps};
}

Expected<PackSchedule> choosePackDefault(const PackProblem &problem, const target::GpuModel &model,
                                         int64_t) {
  PackSchedule schedule = getDefault(problem);
  if (Error error = verifyPack(schedule, problem, target::getTarget(model)))
    return std::move(error);
  return schedule;
}

/// Tiles that are less than half outside of the problem.
std::vector<PackSchedule> enumeratePack(const PackProblem &problem, const target::Target &target,
                                        int64_t) {
  std::vector<PackSchedule> all;
  for (int64_t tileN : {32, 64, 128, 256})
    for (int64_t tileK : {128, 256})
      for (int64_t warps : {1, 2, 4, 8}) {
        PackSchedule schedule{tileK, tileN, warps};
        Error error = verifyPack(schedule, problem, target);
        bool isSmall =
            (tileN == 32 || tileN < 2 * problem.n) && (tileK == 128 || tileK < 2 * problem.k);
        if (!error && isSmall)
          all.push_back(schedule);
        consumeError(std::move(error));
      }
  return all;
}

} // namespace tilewright::schedule
