//===- Main.cpp - tw-opt: run passes on MLIR text -----------------------------===//
//
// mlir-opt for Tilewright: all our dialects and passes, the upstream ones they
// build on, and the pipeline by name.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/Pipeline.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  tilewright::compile::registerDialects(registry);
  tilewright::compile::registerPasses();
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  mlir::registerLoopInvariantCodeMotionPass();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Tilewright optimizer driver\n", registry));
}
