//===- SharedReads.h - How a tile will be read from shared memory -------------===//
//
// Facts about the uses of a tile that decide how it lies in shared memory.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_MEMORY_SHAREDREADS_H
#define TILEWRIGHT_PASSES_MEMORY_SHAREDREADS_H

#include "dialects/TileGPU/TileGPUDialect.h"

namespace tilewright::memory {

/// Whether a read of `tile` from shared memory is one of matrices, as of operands of
/// products, or reads as bytes what matrices of 16-bit elements would have: eight rows
/// as well, half as wide.
bool isReadAsMatrices(mlir::Value tile);

/// The swizzle bytes that keep ldmatrix free of bank conflicts, where the tile
/// (or each slice of it, where it is read in parts) has a layout that ldmatrix
/// reads; nullopt otherwise.
std::optional<unsigned> getOperandSwizzle(mlir::Value tile);

/// Every use takes a static part of the tile, in a layout that a conversion may have
/// given all of it.
bool isReadInParts(mlir::Value tile);

/// Every use takes a static part of the tile.
bool isOnlySliced(mlir::Value tile);

} // namespace tilewright::memory

#endif
