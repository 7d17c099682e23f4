//===- BitMatrix.h - Linear maps over F2 ----------------------------------===//
//
// A map from n bits to m bits (n, m <= 64) that respects XOR:
// f(x ^ y) = f(x) ^ f(y). It is given by its columns, the images of the single
// bits: f(x) is the XOR of the columns of the set bits of x. Layouts are such
// maps once coordinates are written as one number (LinearLayout::getMatrix).
//
//   Example: columns {1, 2, 3}: f(0b101) = 1 ^ 3 = 2. The rank is 2, and the
//   kernel is {0b111}: setting all three bits changes nothing.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_BITMATRIX_H
#define TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_BITMATRIX_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <optional>

namespace tilewright::layout {

class BitMatrix {
public:
  BitMatrix() = default;
  explicit BitMatrix(llvm::ArrayRef<uint64_t> columns) : columns(columns) {}

  llvm::ArrayRef<uint64_t> getColumns() const { return columns; }
  uint64_t apply(uint64_t x) const;
  /// The map x -> this(inner(x)).
  BitMatrix compose(const BitMatrix &inner) const;
  unsigned getRank() const;
  /// An x with apply(x) == y, using the leftmost (lowest) columns that span y;
  /// nullopt where y is not in the image.
  std::optional<uint64_t> solve(uint64_t y) const;
  /// A basis of the x with apply(x) == 0.
  llvm::SmallVector<uint64_t, 8> getKernel() const;
  /// Whether each column is independent of the columns before it.
  llvm::SmallVector<bool, 16> getPivots() const;

private:
  llvm::SmallVector<uint64_t, 16> columns;
};

} // namespace tilewright::layout

#endif
