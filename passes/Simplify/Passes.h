//===- Passes.h - Phase Simplify ------------------------------------------------===//
//
// Rewrites of tile programs that need no layout.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_SIMPLIFY_PASSES_H
#define TILEWRIGHT_PASSES_SIMPLIFY_PASSES_H

#include "dialects/Tile/TileDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"

namespace tilewright::simplify {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Simplify/Passes.h.inc"

/// On an scf.for: split the turns in which masks hold everywhere from the others.
constexpr llvm::StringLiteral splitMasksAttrName = "tile.split_masks";
/// On the same: a turn in which a mask holds nowhere changes nothing it carries.
constexpr llvm::StringLiteral hiddenTurnsAttrName = "tile.hidden_turns_are_idle";

} // namespace tilewright::simplify

#endif
