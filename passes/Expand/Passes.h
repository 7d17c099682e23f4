//===- Passes.h - Phase Expand -----------------------------------------------===//
//
// `nn` ops become tile programs; one file a family.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_EXPAND_PASSES_H
#define TILEWRIGHT_PASSES_EXPAND_PASSES_H

#include "dialects/NN/NNDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/Pass/Pass.h"

namespace tilewright::expand {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Expand/Passes.h.inc"

/// Builds the tile program of `op` (the only nn op of `function`) in front of
/// `function`. Emits an error on the op and changes nothing when the schedule
/// does not fit.
mlir::LogicalResult expandQuantMatmul(nn::QuantMatmulOp op, mlir::func::FuncOp function);
mlir::LogicalResult expandMatmul(nn::MatmulOp op, mlir::func::FuncOp function);
mlir::LogicalResult expandAttention(nn::AttentionOp op, mlir::func::FuncOp function);
mlir::LogicalResult expandMergeAttention(nn::MergeAttentionOp op, mlir::func::FuncOp function);
mlir::LogicalResult expandAppendCache(nn::AppendCacheOp op, mlir::func::FuncOp function);
mlir::LogicalResult expandPack(nn::PackOp op, mlir::func::FuncOp function);

/// The activation applied to an f32 tile: relu propagates NaN, gelu is the erf
/// form x/2 * (1 + erf(x/sqrt(2))), silu is x / (1 + exp(-x)).
mlir::Value applyActivation(mlir::OpBuilder &builder, mlir::Location loc, nn::Activation activation,
                            mlir::Value tile);

/// The type a tile of stored scales or zero points of the format `name` has: a
/// float type, or i8 for formats of 8 bits.
mlir::Type getStoredType(mlir::MLIRContext *context, llvm::StringRef name);

/// The numbers of a tile of that type in f32, exactly.
mlir::Value decodeNumbers(mlir::OpBuilder &builder, mlir::Location loc, llvm::StringRef name,
                          mlir::Value tile);

} // namespace tilewright::expand

#endif
