//===- Bounds.h - Largest values of integers ----------------------------------===//
//
// What an offset can be at most, so that tests against the edge of a view are
// emitted only where a tile can reach it.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_ANALYSIS_BOUNDS_H
#define TILEWRIGHT_PASSES_ANALYSIS_BOUNDS_H

#include "dialects/Tile/TileDialect.h"

namespace tilewright::analysis {

/// The largest value of an i32 that is known not to be negative; nullopt where
/// nothing is known. Looks through constants, +, *, unsigned division by a
/// constant, selects, block indices of a constant grid and loop induction
/// variables. `holds`, when given, is an i1 known to be true; a comparison
/// `v < bound` says something of v.
std::optional<int64_t> getUpperBound(mlir::Value value, mlir::Value holds = {});

/// For each dimension of a view whether a tile of `shape` at `offsets` surely
/// ends inside it. Of an extent that a launch knows this is seen where the tiles are
/// counted by it, as i of i * 64 is below max(min(extent, n), 0) / 64.
llvm::SmallVector<bool> getInsideDimensions(mlir::Value view, mlir::ValueRange offsets,
                                            llvm::ArrayRef<int64_t> shape, mlir::Value holds = {});

} // namespace tilewright::analysis

#endif
