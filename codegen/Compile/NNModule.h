//===- NNModule.h - Problems as nn programs and back ---------------------------===//
//
// The two forms of what is to be computed: problem::Problem, which the runtime
// builds and caches hash, and an nn op in a function, which the passes take.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_CODEGEN_COMPILE_NNMODULE_H
#define TILEWRIGHT_CODEGEN_COMPILE_NNMODULE_H

#include "dialects/NN/NNDialect.h"
#include "dialects/Support/Problem/Problem.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace tilewright::compile {

/// A module with one function that holds the problem's nn op.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> buildModule(mlir::MLIRContext &context,
                                                              const problem::Problem &problem);

/// The problem an nn op states: its types and its #nn.problem, with contiguous
/// aligned operands where there is none.
problem::Problem getProblem(nn::QuantMatmulOp op);
problem::Problem getProblem(nn::MatmulOp op);
problem::Problem getProblem(nn::AttentionOp op);
problem::Problem getProblem(nn::MergeAttentionOp op);
problem::Problem getProblem(nn::AppendCacheOp op);
problem::Problem getProblem(nn::PackOp op);

/// Adds the function of an attention problem to `module`; `attr` is the problem as an
/// attribute.
llvm::Error buildAttention(mlir::ModuleOp module, const problem::Problem &problem,
                           nn::ProblemAttr attr);
/// The same for merge_attention.
llvm::Error buildMergeAttention(mlir::ModuleOp module, const problem::Problem &problem,
                                nn::ProblemAttr attr);
/// The same for pack.
llvm::Error buildPack(mlir::ModuleOp module, const problem::Problem &problem, nn::ProblemAttr attr);
/// The same for append_cache.
llvm::Error buildAppendCache(mlir::ModuleOp module, const problem::Problem &problem,
                             nn::ProblemAttr attr);

} // namespace tilewright::compile

#endif
