//===- Pipeline.h - The phases, in order ---------------------------------------===//
//
// The one list of phases; the compiler and tw-opt run it from here.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_CODEGEN_COMPILE_PIPELINE_H
#define TILEWRIGHT_CODEGEN_COMPILE_PIPELINE_H

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"
#include <string>
#include <vector>

namespace tilewright::compile {

struct Phase {
  std::string name;   ///< "expand", "layout", ...
  std::string result; ///< level it leaves: "tile", "tilegpu", "llvm"
  void (*build)(mlir::OpPassManager &);
};

/// Expand, Simplify, Layout, Memory, Lower.
const std::vector<Phase> &getPhases();

/// Every dialect a program may hold at any level.
void registerDialects(mlir::DialectRegistry &registry);
/// Our passes and one pipeline a phase ("tw-phase-layout") beside the whole
/// ("tw-pipeline"), by name. For tools; the compiler builds from getPhases().
void registerPasses();

} // namespace tilewright::compile

#endif
