//===- Compile.h - From a problem to an artifact ----------------------------===//
//
// The single entry to the compiler. No MLIR type crosses this header, so that
// the Python module and the tools see a small API: a problem (what), a GPU
// model (for what), options; an artifact comes back.
//
// Thread-safe: each call owns its MLIR context; callers run calls in parallel.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_CODEGEN_COMPILE_COMPILE_H
#define TILEWRIGHT_CODEGEN_COMPILE_COMPILE_H

#include "dialects/Support/Artifact/Artifact.h"
#include "dialects/Support/Problem/Problem.h"
#include "dialects/Support/Schedule/Schedule.h"
#include "dialects/Support/Target/Target.h"
#include <functional>
#include <optional>
#include <string>

namespace tilewright::compile {

struct Options {
  /// The schedule to use; the family's default for the model otherwise.
  std::optional<schedule::Schedule> schedule;
  /// The token count to choose the default schedule for (a dynamic M).
  int64_t expectedM = 16;
  /// Called after each phase ("nn", "tile", "tilegpu", "llvm") with the IR.
  std::function<void(const std::string &phase, const std::string &ir)> observe;
  /// Called after each step with the milliseconds it took: "context", "program"
  /// (built or parsed), "schedule", the phases, "ptx".
  std::function<void(const std::string &step, double milliseconds)> time;
};

/// Compiles a problem for a GPU model. Errors carry what the compiler
/// diagnosed, with locations.
llvm::Expected<artifact::Artifact> compile(const problem::Problem &problem,
                                           const target::GpuModel &model,
                                           const Options &options = {});

/// Compiles the `nn` or `tile` program in `source` (MLIR text; `name` is used
/// in diagnostics). One kernel a module.
llvm::Expected<artifact::Artifact> compileSource(const std::string &source, const std::string &name,
                                                 const target::GpuModel &model,
                                                 const Options &options = {});

} // namespace tilewright::compile

#endif
