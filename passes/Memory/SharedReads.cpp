//===- SharedReads.cpp - How a tile will be read from shared memory -----------===//
//
// Part of the Memory phase; see SharedReads.h.
//
//===----------------------------------------------------------------------===//
#include "passes/Memory/SharedReads.h"

#include "dialects/Support/Layout/MatrixRead.h"

using namespace mlir;
using namespace tilewright;

bool memory::isReadAsMatrices(Value tile) {
  unsigned bits = cast<RankedTensorType>(tile.getType()).getElementTypeBitWidth();
  layout::LinearLayout layout = tilegpu::getLayout(tile);
  if (layout::getMatrixRead(layout, bits))
    return true;
  std::optional<layout::MatrixRead> halves = layout::getMatrixRead(layout, 16);
  return bits == 8 && halves && !halves->transposed;
}

/// Whether each slice of the tile, or of a conversion, is one.
static bool areOperands(Value tile) {
  return llvm::all_of(tile.getUsers(), [](Operation *user) {
    Value result = user->getResult(0);
    return isa<tilegpu::ConvertLayoutOp>(user) ? areOperands(result)
                                               : memory::isReadAsMatrices(result);
  });
}

std::optional<unsigned> memory::getOperandSwizzle(Value tile) {
  auto type = cast<RankedTensorType>(tile.getType());
  if (type.getRank() != 2 || tile.use_empty())
    return std::nullopt;
  bool isOperand = isReadInParts(tile) ? areOperands(tile) : isReadAsMatrices(tile);
  if (!isOperand)
    return std::nullopt;
  int64_t rowBytes = type.getShape().back() * type.getElementTypeBitWidth() / 8;
  return layout::chooseLdmatrixSwizzle(rowBytes).swizzleBytes;
}

bool memory::isReadInParts(Value tile) {
  return llvm::all_of(tile.getUsers(), [](Operation *user) {
    return isa<tile::SliceOp>(user) ||
           (isa<tilegpu::ConvertLayoutOp>(user) && isOnlySliced(user->getResult(0)));
  });
}

bool memory::isOnlySliced(Value tile) {
  return llvm::all_of(tile.getUsers(), [](Operation *user) { return isa<tile::SliceOp>(user); });
}
