//===- TileGPUDialect.h - How, per thread: layouts, shared memory, mma ------===//
//
// C++ declarations of the `tilegpu` dialect; see TileGPUDialect.td and
// TileGPUOps.td.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_TILEGPU_TILEGPUDIALECT_H
#define TILEWRIGHT_DIALECTS_TILEGPU_TILEGPUDIALECT_H

#include "dialects/Support/Layout/LinearLayout.h"
#include "dialects/Support/Layout/SharedLayout.h"
#include "dialects/Tile/TileDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace tilewright::layout {
struct UnpackProgram;
class WordLayout;
} // namespace tilewright::layout

#include "dialects/TileGPU/TileGPUDialect.h.inc"

namespace tilewright::tilegpu {

/// Shared memory of the block, as a side-effect resource.
struct SharedMemory : mlir::SideEffects::Resource::Base<SharedMemory> {
  llvm::StringRef getName() final { return "tilegpu.shared"; }
};

} // namespace tilewright::tilegpu

#define GET_ATTRDEF_CLASSES
#include "dialects/TileGPU/TileGPUAttributes.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/TileGPU/TileGPUTypes.h.inc"

#define GET_OP_CLASSES
#include "dialects/TileGPU/TileGPUOps.h.inc"

namespace tilewright::tilegpu {

/// The layout of an encoded tensor; null for a tensor without one.
LayoutAttr getLayoutAttr(mlir::Type type);
/// The layout of a tensor that must have one.
layout::LinearLayout getLayout(mlir::Value value);
/// The tensor type with its encoding replaced.
mlir::RankedTensorType withLayout(mlir::RankedTensorType type, const layout::LinearLayout &layout);

} // namespace tilewright::tilegpu

#endif
