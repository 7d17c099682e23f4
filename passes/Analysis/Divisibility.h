//===- Divisibility.h - Known divisors of integers ---------------------------===//
//
// Which power of two surely divides an i32 or i64 value, from its defining ops:
// what coalescing and 16-byte copies need to know of an offset.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_ANALYSIS_DIVISIBILITY_H
#define TILEWRIGHT_PASSES_ANALYSIS_DIVISIBILITY_H

#include "dialects/Tile/TileDialect.h"

namespace tilewright::analysis {

/// The largest power of two known to divide `value` (at most 2^30; zero counts
/// as 2^30). Looks through constants, +, -, *, left shifts, extensions
/// and loop induction variables.
int64_t getKnownDivisor(mlir::Value value);

/// Bytes (a power of two, at most `limit`) that consecutive elements along
/// the last dimension of a tile can be accessed at a time: each such chunk is
/// contiguous, aligned to its size, and either all inside the view or all
/// outside. `view` is a `!tile.view`; strides it takes at run time count for
/// what is known to divide them. `offsets` is where the tile starts, `shape` its extents.
int64_t getAccessBytes(mlir::Value view, mlir::ValueRange offsets, llvm::ArrayRef<int64_t> shape,
                       int64_t limit = 16);

} // namespace tilewright::analysis

#endif
