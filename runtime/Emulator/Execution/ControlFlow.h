//===- ControlFlow.h - The order in which a split warp runs its parts --------===//
//
// Lanes of a warp that have parted are run lowest pc first and merge on equal
// pc. That reconverges them as early as possible if code is laid out so that
//   - a block comes after all blocks that lead to it, loops aside, and
//   - the blocks of a loop are contiguous, its head first.
// Such a layout is a weak topological order (Bourdoncle, "Efficient chaotic
// iteration strategies with widenings", 1993). It exists for irreducible graphs
// too, and makes immediate post-dominators unnecessary: a join has a higher pc
// than both sides of its branch, a loop's exit than all of the loop.
//
// Example: H -> B, H -> E, B -> H (a loop H B with exit E) is laid out H B E;
// a plain reverse post-order could give H E B and run E with part of the lanes.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_EXECUTION_CONTROLFLOW_H
#define TILEWRIGHT_RUNTIME_EMULATOR_EXECUTION_CONTROLFLOW_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <vector>

namespace tilewright::emulator {

using Successors = std::vector<llvm::SmallVector<uint32_t, 2>>;

/// The nodes that node 0 reaches, in a weak topological order; none if loops nest
/// deeper than kMaxLoopDepth.
std::vector<uint32_t> orderBlocks(const Successors &successors);

} // namespace tilewright::emulator

#endif
