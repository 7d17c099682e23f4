//===- SharedReads.cpp - How a tile will be read from shared memory -----------===//
//
// Part of the Memory phase; see SharedReads.h.
//
//===----------------------------------------------------------------------===//
#include "passes/Memory/SharedReads.h"

using namespace mlir;
using namespace tilewright;

static bool feedsOperandA(Value tile) {
  return !tile.use_empty() && llvm::all_of(tile.getUses(), [](OpOperand &use) {
    if (isa<tilegpu::MmaOp>(use.getOwner()))
      return use.getOperandNumber() == 0;
    auto slice = dyn_cast<tile::SliceOp>(use.getOwner());
    return slice && feedsOperandA(slice.getResult());
  });
}

std::optional<unsigned> memory::getOperandSwizzle(Value tile) {
  auto type = cast<RankedTensorType>(tile.getType());
  if (type.getRank() != 2 || !feedsOperandA(tile))
    return std::nullopt;
  int64_t rowBytes = type.getShape().back() * type.getElementTypeBitWidth() / 8;
  return layout::chooseLdmatrixSwizzle(rowBytes).swizzleBytes;
}

bool memory::isOnlySliced(Value tile) {
  return llvm::all_of(tile.getUsers(), [](Operation *user) { return isa<tile::SliceOp>(user); });
}
