//===- ExpandNN.cpp - nn ops become tile programs -----------------------------===//
//
// First pass of the pipeline. Finds the functions that hold an nn op and hands
// each to its family; the function is replaced by the program.
//
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "passes/Expand/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright;

namespace tilewright::expand {
#define GEN_PASS_DEF_EXPANDNN
#include "passes/Expand/Passes.h.inc"
} // namespace tilewright::expand

/// The only op of the function beside its return; null (with an error on the
/// first op too many) otherwise.
static Operation *findOnlyOp(func::FuncOp function) {
  if (!function.getBody().hasOneBlock()) {
    function.emitError() << "expects a function of one block around an nn op";
    return nullptr;
  }
  Operation *found = nullptr;
  for (Operation &op : function.getBody().front().without_terminator()) {
    if (found) {
      op.emitError() << "expects one nn op between the arguments and the return of a function";
      return nullptr;
    }
    found = &op;
  }
  return found;
}

static bool holdsNNOp(func::FuncOp function) {
  return function
      .walk([](Operation *op) {
        return isa_and_nonnull<nn::NNDialect>(op->getDialect()) ? WalkResult::interrupt()
                                                                : WalkResult::advance();
      })
      .wasInterrupted();
}

namespace {
struct ExpandNNPass : expand::impl::ExpandNNBase<ExpandNNPass> {
  void runOnOperation() override {
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (!holdsNNOp(function))
        continue;
      Operation *op = findOnlyOp(function);
      if (!op)
        return signalPassFailure();
      LogicalResult expanded =
          llvm::TypeSwitch<Operation *, LogicalResult>(op)
              .Case([&](nn::QuantMatmulOp op) { return expand::expandQuantMatmul(op, function); })
              .Case([&](nn::MatmulOp op) { return expand::expandMatmul(op, function); })
              .Case([&](nn::AttentionOp op) { return expand::expandAttention(op, function); })
              .Case([&](nn::MergeAttentionOp op) {
                return expand::expandMergeAttention(op, function);
              })
              .Case([&](nn::AppendCacheOp op) { return expand::expandAppendCache(op, function); })
              .Case([&](nn::PackOp op) { return expand::expandPack(op, function); })
              .Default([](Operation *op) {
                return op->emitOpError() << "has no expansion to a tile program";
              });
      if (failed(expanded))
        return signalPassFailure();
      function.erase();
    }
  }
};
} // namespace
