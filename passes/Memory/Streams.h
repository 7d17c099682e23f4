//===- Streams.h - Loads of a loop as copies ahead of it ----------------------===//
//
// The parts of tw-pipeline-loops that look at one load: whether copies can serve
// it, how its address is computed for another iteration, where its uses are.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_MEMORY_STREAMS_H
#define TILEWRIGHT_PASSES_MEMORY_STREAMS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Memory/Passes.h"
#include "passes/Memory/SharedReads.h"

namespace tilewright::memory {

/// A load or gather of the loop and its slots.
struct Stream {
  mlir::Operation *op;
  mlir::Value memory = {};
  mlir::Operation *lastUse = nullptr; ///< in the loop's body, where that matters
};

/// Why asynchronous copies cannot serve a load or gather; empty when they can.
std::string whyNotCopied(mlir::Operation *op, mlir::scf::ForOp loop);

/// What only says where gathers find their rows: it is computed again for the
/// iteration that is copied, not copied itself.
bool isIndexOnly(mlir::Operation *op);

/// Slots for a load's tile, swizzled for its uses.
mlir::Value allocateSlots(mlir::OpBuilder &builder, mlir::Operation *op, int64_t slots);

/// Computes values as another iteration of the loop would.
class IterationCloner {
public:
  IterationCloner(mlir::OpBuilder &builder, mlir::scf::ForOp loop, mlir::Value induction)
      : builder(builder), loop(loop), induction(induction) {}

  mlir::Value clone(mlir::Value value);
  /// A tile, in `layout`: computed in it where its ops allow that, else converted.
  mlir::Value cloneInLayout(mlir::Value tile, const layout::LinearLayout &layout);

private:
  mlir::OpBuilder &builder;
  mlir::scf::ForOp loop;
  mlir::Value induction;
  mlir::IRMapping mapping;
  /// By the tile and the type that says its layout.
  llvm::DenseMap<std::pair<mlir::Value, mlir::Type>, mlir::Value> inLayout;
};

/// Starts the copy of a load's tile to the memory that `getTarget` builds, if `exists`.
void startCopy(mlir::OpBuilder &builder, mlir::Operation *op, IterationCloner &cloner,
               llvm::function_ref<mlir::Value()> getTarget, mlir::Value exists);

/// Moves loads, and ops that only rename their registers, down to their first
/// uses, so that each waits as late as it can.
void sinkReads(mlir::scf::ForOp loop, llvm::ArrayRef<Stream> streams);

/// The last op of the loop's body that works on a load's tile.
mlir::Operation *findLastUse(mlir::Operation *op);

} // namespace tilewright::memory

#endif
