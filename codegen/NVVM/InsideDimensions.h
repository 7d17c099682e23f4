//===- InsideDimensions.h - Which accesses need no test for an edge ----------===//
//
// That a tile ends inside its view may follow from a loop's bounds, which patterns
// cannot see while they take the loop apart: it is found before and kept on the ops.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_CODEGEN_NVVM_INSIDEDIMENSIONS_H
#define TILEWRIGHT_CODEGEN_NVVM_INSIDEDIMENSIONS_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"

namespace tilewright::nvvm {

/// Finds `analysis::getInsideDimensions` of every load, store and asynchronous copy.
void markInsideDimensions(mlir::ModuleOp module);

/// What was found of `op`, one for each dimension of its view.
llvm::SmallVector<bool> getInsideDimensions(mlir::Operation *op);

} // namespace tilewright::nvvm

#endif
