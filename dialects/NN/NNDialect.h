//===- NNDialect.h - What to compute: the entry level ----------------------===//
//
// C++ declarations of the `nn` dialect; see NNDialect.td and NNOps.td.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_NN_NNDIALECT_H
#define TILEWRIGHT_DIALECTS_NN_NNDIALECT_H

#include "dialects/Support/Format/Format.h"
#include "dialects/Support/Format/WeightRule.h"
#include "dialects/Tile/TileDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/NN/NNDialect.h.inc"
#include "dialects/NN/NNEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/NN/NNAttributes.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/NN/NNTypes.h.inc"

#define GET_OP_CLASSES
#include "dialects/NN/NNOps.h.inc"

namespace tilewright::nn {

/// Strides of a row-major tensor, in elements; dynamic outside of a dynamic extent.
llvm::SmallVector<int64_t> getRowMajorStrides(llvm::ArrayRef<int64_t> shape);

/// Whether elements of a cache are codes: f8E4M3FN, f8E5M2, i8, or ui8, two integers of 4
/// bits.
bool isCacheCode(mlir::Type element);
/// Columns of a head in one element of a cache.
int64_t getCodesPerElement(mlir::Type element);
/// Fails unless scales `name` fit a cache, which may be null: f32 or f16, one a row and
/// head; of integers always, of other numbers than codes never.
mlir::LogicalResult verifyCacheScales(mlir::Operation *op, llvm::StringRef name,
                                      mlir::RankedTensorType cache, mlir::RankedTensorType scales);

} // namespace tilewright::nn

#endif
