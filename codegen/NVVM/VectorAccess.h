//===- VectorAccess.h - Loads and stores of vectors of registers -------------===//
//
// What every access to memory does with the registers of an AccessPlan.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_CODEGEN_NVVM_VECTORACCESS_H
#define TILEWRIGHT_CODEGEN_NVVM_VECTORACCESS_H

#include "codegen/NVVM/AccessPlan.h"
#include "codegen/NVVM/Indexing.h"

namespace tilewright::nvvm {

/// Reads `width` elements: one scalar or one vector.
llvm::SmallVector<mlir::Value> loadVector(Emitter &emit, mlir::Value address, mlir::Type element,
                                          unsigned width, unsigned align);
/// Writes them.
void storeVector(Emitter &emit, mlir::Value address, llvm::ArrayRef<mlir::Value> elements,
                 unsigned align);

/// Elements of the widest access that a view allows at these offsets.
unsigned getMaxWidth(mlir::Value view, mlir::ValueRange offsets, llvm::ArrayRef<int64_t> shape);

/// `count` values that `read` builds, where `condition` holds (null: always),
/// else `zero`.
llvm::SmallVector<mlir::Value>
buildGuarded(Emitter &emit, mlir::Value condition, unsigned count, mlir::Value zero,
             llvm::function_ref<llvm::SmallVector<mlir::Value>()> read);

/// The registers of a tile that `read` brings in access by access.
llvm::SmallVector<mlir::Value>
readRegisters(const AccessPlan &plan, unsigned count,
              llvm::function_ref<llvm::SmallVector<mlir::Value>(const Access &)> read);

/// The elements of one access.
llvm::SmallVector<mlir::Value> pickRegisters(mlir::ValueRange registers, const Access &access);

/// The values of operands that are one value each, or several.
llvm::SmallVector<mlir::Value> flatten(llvm::ArrayRef<mlir::ValueRange> ranges);

} // namespace tilewright::nvvm

#endif
