//===- Pipeline.cpp - The phases, in order -------------------------------------===//
//
// See passes/README.md for what each phase does.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/Pipeline.h"
#include "codegen/NVVM/Passes.h"
#include "codegen/PTX/EmitPTX.h"
#include "dialects/NN/NNDialect.h"
#include "dialects/TileGPU/TileGPUDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Expand/Passes.h"
#include "passes/Layout/Passes.h"
#include "passes/Memory/Passes.h"
#include "passes/Simplify/Passes.h"

using namespace mlir;
using namespace tilewright;

static void buildExpand(OpPassManager &passes) {
  passes.addPass(expand::createExpandNN());
  passes.addPass(expand::createVerifyPrograms());
}

static void buildSimplify(OpPassManager &passes) {
  passes.addNestedPass<func::FuncOp>(simplify::createDeferDivision());
  passes.addNestedPass<func::FuncOp>(simplify::createSplitLoops());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createLoopInvariantCodeMotionPass());
}

static void buildLayout(OpPassManager &passes) {
  passes.addNestedPass<func::FuncOp>(layoutpasses::createAssignLayouts());
  passes.addNestedPass<func::FuncOp>(layoutpasses::createPlaceDequant());
  passes.addNestedPass<func::FuncOp>(layoutpasses::createDeferReductions());
  passes.addNestedPass<func::FuncOp>(layoutpasses::createSplitReductions());
  passes.addPass(createCSEPass());
  passes.addNestedPass<func::FuncOp>(layoutpasses::createVerifyLayouts());
}

static void buildMemory(OpPassManager &passes) {
  passes.addNestedPass<func::FuncOp>(memory::createPipelineLoops());
  passes.addNestedPass<func::FuncOp>(memory::createShareLoads());
  passes.addNestedPass<func::FuncOp>(memory::createRouteConversions());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addNestedPass<func::FuncOp>(memory::createAllocateShared());
  passes.addNestedPass<func::FuncOp>(memory::createInsertBarriers());
  passes.addNestedPass<func::FuncOp>(memory::createVerifyMemory());
}

static void buildLower(OpPassManager &passes) { passes.addPass(nvvm::createLowerToNVVM()); }

const std::vector<compile::Phase> &compile::getPhases() {
  static const std::vector<Phase> phases = {
      {"expand", "tile", buildExpand},    {"simplify", "tile", buildSimplify},
      {"layout", "tilegpu", buildLayout}, {"memory", "tilegpu", buildMemory},
      {"lower", "llvm", buildLower},
  };
  return phases;
}

void compile::registerDialects(DialectRegistry &registry) {
  registry.insert<nn::NNDialect, tile::TileDialect, tilegpu::TileGPUDialect, arith::ArithDialect,
                  cf::ControlFlowDialect, func::FuncDialect, LLVM::LLVMDialect, NVVM::NVVMDialect,
                  math::MathDialect, scf::SCFDialect>();
  ptx::registerTranslations(registry);
}

void compile::registerPasses() {
  expand::registerExpandPasses();
  layoutpasses::registerLayoutPasses();
  memory::registerMemoryPasses();
  simplify::registerSimplifyPasses();
  nvvm::registerNVVMPasses();
  for (const Phase &phase : getPhases())
    PassPipelineRegistration<>("tw-phase-" + phase.name, "phase " + phase.name, phase.build);
  PassPipelineRegistration<>("tw-pipeline", "every phase, from nn to the llvm dialect",
                             [](OpPassManager &passes) {
                               for (const Phase &phase : getPhases())
                                 phase.build(passes);
                             });
}
