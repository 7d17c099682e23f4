//===- Schedule.h - The tuning parameters of one kernel --------------------===//
//
// A schedule is a family name and named integers, so that it can be an
// attribute, a JSON object, a cache-key field and a point of the tuner's
// search space without translation. Each family (see the <Family>.h headers)
// gives it a typed view, constraints, a search space and a default per GPU.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_SCHEDULE_H
#define TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_SCHEDULE_H

#include "dialects/Support/Problem/Problem.h"
#include "dialects/Support/Target/Target.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace tilewright::schedule {

struct Schedule {
  std::string family; ///< "quant_matmul"
  std::map<std::string, int64_t> parameters;

  bool operator==(const Schedule &) const = default;
  bool operator<(const Schedule &other) const {
    return std::tie(family, parameters) < std::tie(other.family, other.parameters);
  }

  /// Canonical text: "quant_matmul{split_k=4, stages=4, tile_k=128, ...}".
  std::string str() const;
  /// Reads canonical text; white space between its parts does not matter. The
  /// error quotes the rest that could not be read.
  static llvm::Expected<Schedule> parse(llvm::StringRef text);
  /// {"family": "quant_matmul", "parameters": {"split_k": 4, ...}}
  llvm::json::Value toJSON() const;
  /// The error names the field, the value and what was expected.
  static llvm::Expected<Schedule> fromJSON(const llvm::json::Value &value,
                                           const llvm::Twine &path = "schedule");
};

/// Checks a schedule against the rules of its family, the problem and the
/// target's resources. The error names the parameter, its value and the
/// nearest value that would do.
llvm::Error verify(const Schedule &schedule, const problem::Problem &problem,
                   const target::Target &target);

/// The documented default for a problem on a GPU model. `expectedM` is a hint
/// for a dynamic token count (the bucket being compiled for).
llvm::Expected<Schedule> chooseDefault(const problem::Problem &problem,
                                       const target::GpuModel &model, int64_t expectedM);

/// Every schedule of the family's space that passes verify().
llvm::Expected<std::vector<Schedule>> enumerate(const problem::Problem &problem,
                                                const target::Target &target, int64_t expectedM);

} // namespace tilewright::schedule

#endif
