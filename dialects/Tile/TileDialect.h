//===- TileDialect.h - How, per block: the level of tile programs ----------===//
//
// C++ declarations of the `tile` dialect; see TileAttributes.td and TileOps.td.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_TILE_TILEDIALECT_H
#define TILEWRIGHT_DIALECTS_TILE_TILEDIALECT_H

#include "dialects/Support/Layout/PackedForm.h"
#include "dialects/Support/Schedule/Schedule.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/Tile/TileDialect.h.inc"
#include "dialects/Tile/TileEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Tile/TileAttributes.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/Tile/TileTypes.h.inc"

#define GET_OP_CLASSES
#include "dialects/Tile/TileOps.h.inc"

namespace tilewright::tile {

/// Names of the attributes that make a function a kernel.
constexpr llvm::StringLiteral kernelAttrName = "tile.kernel";       ///< KernelAttr
constexpr llvm::StringLiteral parameterAttrName = "tile.parameter"; ///< on each argument
constexpr llvm::StringLiteral scheduleAttrName = "tile.schedule";   ///< ScheduleAttr
constexpr llvm::StringLiteral targetAttrName = "tile.target";       ///< on the module, "sm_80"
/// On an scf.for: how many buffers its loads may be spread over.
constexpr llvm::StringLiteral warpsAttrName = "tile.warps"; ///< rows, columns of products
constexpr llvm::StringLiteral stagesAttrName = "tile.stages";
/// On the same: its loads wait one by one, each for its own copies.
constexpr llvm::StringLiteral staggeredAttrName = "tile.staggered";

/// The attribute form of a schedule and back.
ScheduleAttr toAttribute(mlir::MLIRContext *context, const schedule::Schedule &schedule);
schedule::Schedule fromAttribute(ScheduleAttr attribute);

} // namespace tilewright::tile

#endif
