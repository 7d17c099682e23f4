//===- InsideDimensions.cpp - Which accesses need no test for an edge --------===//
//
// Part of the lowering to nvvm; see InsideDimensions.h.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/InsideDimensions.h"
#include "dialects/TileGPU/TileGPUDialect.h"
#include "passes/Analysis/Bounds.h"

using namespace mlir;
using namespace tilewright;

constexpr llvm::StringLiteral insideAttrName = "nvvm.inside";

static void mark(Operation *op, Value view, ValueRange offsets, ArrayRef<int64_t> shape,
                 Value holds = {}) {
  SmallVector<bool> inside = analysis::getInsideDimensions(view, offsets, shape, holds);
  op->setAttr(insideAttrName, DenseBoolArrayAttr::get(op->getContext(), inside));
}

void nvvm::markInsideDimensions(ModuleOp module) {
  module.walk([](Operation *op) {
    auto getShape = [](Value tile) { return cast<RankedTensorType>(tile.getType()).getShape(); };
    if (auto load = dyn_cast<tile::LoadOp>(op))
      mark(op, load.getView(), load.getOffsets(), getShape(load.getTile()));
    else if (auto store = dyn_cast<tile::StoreOp>(op))
      mark(op, store.getView(), store.getOffsets(), getShape(store.getTile()));
    else if (auto copy = dyn_cast<tilegpu::AsyncCopyOp>(op))
      mark(op, copy.getView(), copy.getOffsets(), copy.getMemory().getType().getShape(),
           copy.getPredicate());
  });
}

SmallVector<bool> nvvm::getInsideDimensions(Operation *op) {
  return SmallVector<bool>(op->getAttrOfType<DenseBoolArrayAttr>(insideAttrName).asArrayRef());
}
