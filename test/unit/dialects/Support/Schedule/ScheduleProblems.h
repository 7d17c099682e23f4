//===- ScheduleProblems.h - Problems to schedule, in tests --------------------===//
//
// Short ways to a quantised product, a device by its name, and its default.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_DIALECTS_SUPPORT_SCHEDULE_SCHEDULEPROBLEMS_H
#define TILEWRIGHT_TEST_UNIT_DIALECTS_SUPPORT_SCHEDULE_SCHEDULEPROBLEMS_H

#include "dialects/Support/Schedule/QuantMatmul.h"

namespace tilewright {

inline problem::Problem makeProblem(const std::string &format, const std::string &group, int64_t k,
                                    int64_t n, std::optional<int64_t> m = std::nullopt,
                                    bool hasZeros = false) {
  problem::Problem problem;
  problem.op = "quant_matmul";
  problem.dimensions = {{"M", m}, {"N", n}, {"K", k}};
  problem.operands = {
      {"x", "f16", {"M", "K"}, {k, 1}}, {"w", "u32", {"K", "N"}, {}}, {"scales", "f16", {"N"}, {}}};
  if (hasZeros)
    problem.operands.push_back({"zeros", "u8", {"N"}, {}});
  problem.operands.push_back({"y", "f16", {"M", "N"}, {n, 1}});
  problem.attributes = {{"format", format},
                        {"group", group},
                        {"scale", "f16"},
                        {"zero", hasZeros ? "integer" : "none"},
                        {"activation", "none"}};
  return problem;
}

inline const target::GpuModel &getModel(llvm::StringRef name) {
  return *llvm::cantFail(target::findGpuModel(name));
}
inline const target::Target &getTarget(llvm::StringRef name) {
  return *llvm::cantFail(target::findTarget(name));
}
inline std::string messageOf(llvm::Error error) {
  return error ? llvm::toString(std::move(error)) : "no error";
}
inline schedule::QuantMatmulSchedule chooseTyped(const problem::Problem &problem,
                                                 llvm::StringRef model, int64_t m) {
  return llvm::cantFail(schedule::QuantMatmulSchedule::fromSchedule(
      llvm::cantFail(schedule::chooseDefault(problem, getModel(model), m))));
}

} // namespace tilewright

#endif
