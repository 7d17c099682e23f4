//===- Divisibility.h - Known divisors of integers ---------------------------===//
//
// Which power of two surely divides an i32 or i64 value, from its defining ops:
// what coalescing and 16-byte copies need to know of an offset.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_ANALYSIS_DIVISIBILITY_H
#define TILEWRIGHT_PASSES_ANALYSIS_DIVISIBILITY_H

#include "dialects/Tile/TileDialect.h"
#include <optional>

namespace tilewright::analysis {

/// The largest power of two known to divide `value` (at most 2^30; zero counts
/// as 2^30). Looks through constants, +, -, *, left shifts, extensions, minima,
/// maxima, selections and loop induction variables; believes `tile.assume`.
int64_t getKnownDivisor(mlir::Value value);

/// The pointer that `pointer` was advanced from, over any number of steps.
mlir::Value getRootPointer(mlir::Value pointer);

/// Bytes (a power of two) that surely divide the address of a `!tile.ptr`: what
/// the launcher checks of the kernel's parameter, less what `tile.advance` took
/// from it. nullopt where the pointer does not come from a parameter.
std::optional<int64_t> getKnownAlign(mlir::Value pointer);

/// Bytes (a power of two, at most `limit`) that consecutive elements along
/// the last dimension of a tile can be accessed at a time: each such chunk is
/// contiguous, aligned to its size, and either all inside the view or all
/// outside. `view` is a `!tile.view`; strides it takes at run time count for
/// what is known to divide them. `offsets` is where the tile starts, `shape` its extents.
int64_t getAccessBytes(mlir::Value view, mlir::ValueRange offsets, llvm::ArrayRef<int64_t> shape,
                       int64_t limit = 16);

} // namespace tilewright::analysis

#endif
