//===- Reduction.h - Who adds what along a dimension -------------------------===//
//
// To reduce a distributed tile along a dimension, each thread combines the
// registers that differ only there, then threads combine what lanes and then
// warps hold of the dimension. Since layouts are linear, lanes that share a row
// differ in fixed lane bits: a butterfly of shuffles over just those bits leaves
// the result in all of them.
//
//   Example: rows of a 16x16 mma accumulator. Lane 4g+t has columns 2t, 2t+1,
//   2t+8, 2t+9 of rows g and g+8: two results a thread of four registers each,
//   then lanes 1 and 2 apart; lane bits 2 to 4 move along the rows and stay out.
//
// The result is laid out as LinearLayout::squeeze says.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_REDUCTION_H
#define TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_REDUCTION_H

#include "dialects/Support/Layout/LinearLayout.h"

namespace tilewright::layout {

struct Reduction {
  /// For each register of the result, the thread's registers of the source that
  /// it takes, in order of their coordinate, no element twice.
  llvm::SmallVector<llvm::SmallVector<unsigned, 16>> registers;
  /// Lane masks of the butterfly, lowest first.
  llvm::SmallVector<unsigned, 5> laneMasks;
  /// Warps that share the dimension (a power of two).
  unsigned warps = 1;
  /// Layout of what warps have by themselves: the dimension's extent is `warps`,
  /// each holds its own part. The layout of the result where that is 1.
  LinearLayout perWarp;
  /// The same tile with every part in each thread, in registers.
  LinearLayout gathered;
};

/// How to reduce a tile of this layout along `dim`; nullopt where a lane or a warp
/// moves along `dim` and another dimension at once, or holds the same as others do
/// and not always.
std::optional<Reduction> planReduction(const LinearLayout &layout, unsigned dim);

} // namespace tilewright::layout

#endif
