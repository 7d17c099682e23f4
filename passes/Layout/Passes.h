//===- Passes.h - Phase Layout -------------------------------------------------===//
//
// Block-level tensors get layouts; products become mma; unpacking moves into
// the operand's registers.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_LAYOUT_PASSES_H
#define TILEWRIGHT_PASSES_LAYOUT_PASSES_H

#include "dialects/TileGPU/TileGPUDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace tilewright::layoutpasses {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Layout/Passes.h.inc"

} // namespace tilewright::layoutpasses

#endif
