//===- MatrixRead.h - Layouts that ldmatrix reads ---------------------------===//
//
// ldmatrix (PTX ISA, "Warp-level matrix load instruction") moves 8 x 16 bytes
// from shared memory to a 32-bit register of each lane: lane 4g+t receives bytes
// 4t..4t+3 of row g. Transposed, for 16-bit elements, it receives elements g of
// rows 2t and 2t+1. One instruction reads up to four such matrices.
//
// The registers of an mma operand are made of such matrices whichever operand
// it is and whichever of its dimensions is contiguous in memory, so one question
// answers for all of them: is a layout made of matrices, and how many may one
// instruction read?
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_MATRIXREAD_H
#define TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_MATRIXREAD_H

#include "dialects/Support/Layout/LinearLayout.h"

namespace tilewright::layout {

/// How a rank-2 tile is read by ldmatrix.
struct MatrixRead {
  bool transposed = false;
  unsigned elements = 0; ///< of a lane in one matrix: 32 / element bits
  /// Tile coordinates by which the second and the third matrix of an
  /// instruction lie apart from the first; the fourth is both away. None, one or
  /// two of them: one, two or four matrices.
  llvm::SmallVector<Basis, 2> steps;

  unsigned getMatrices() const { return 1u << steps.size(); }
};

/// How to read a tile of `elementBits`-bit elements, last dimension contiguous,
/// into `layout`; nullopt where its registers are not made of matrices.
std::optional<MatrixRead> getMatrixRead(const LinearLayout &layout, unsigned elementBits);

} // namespace tilewright::layout

#endif
