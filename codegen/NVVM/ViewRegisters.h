//===- ViewRegisters.h - A view as the values it was converted to ------------===//
//
// A `!tile.view` becomes its base pointer, its dynamic extents (i32) and its
// dynamic strides (i64), in that order; this reads them back by dimension.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_CODEGEN_NVVM_VIEWREGISTERS_H
#define TILEWRIGHT_CODEGEN_NVVM_VIEWREGISTERS_H

#include "codegen/NVVM/Indexing.h"
#include "dialects/Tile/TileDialect.h"

namespace tilewright::nvvm {

class ViewRegisters {
public:
  ViewRegisters(Emitter &emit, tile::ViewType type, mlir::ValueRange values)
      : base(values.front()) {
    unsigned next = 1;
    for (int64_t extent : type.getShape())
      sizes.push_back(mlir::ShapedType::isDynamic(extent) ? values[next++] : emit.i32(extent));
    for (int64_t stride : type.getStrides())
      strides.push_back(mlir::ShapedType::isDynamic(stride) ? values[next++] : emit.i64(stride));
  }

  mlir::Value base;
  llvm::SmallVector<mlir::Value> sizes;   ///< i32, one a dimension
  llvm::SmallVector<mlir::Value> strides; ///< i64 elements, one a dimension
};

} // namespace tilewright::nvvm

#endif
