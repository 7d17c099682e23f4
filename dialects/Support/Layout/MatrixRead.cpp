//===- MatrixRead.cpp - Layouts that ldmatrix reads -------------------------===//
//
// See MatrixRead.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/MatrixRead.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright::layout {

/// Rows of a matrix, bytes of a row, lanes that share a row.
constexpr int32_t matrixRows = 8, rowBytes = 16, lanesPerRow = 4;

/// `count` vectors along dimension `dim`: 1, 2, 4, ... times `start`.
static Bases along(unsigned dim, int32_t start, unsigned count) {
  Bases bases;
  for (unsigned i = 0; i < count; ++i) {
    Basis basis(2, 0);
    basis[dim] = start << i;
    bases.push_back(basis);
  }
  return bases;
}

/// Vectors along `first`, then vectors along `second`.
static Bases concatenate(Bases first, const Bases &second) {
  first.append(second.begin(), second.end());
  return first;
}

std::optional<MatrixRead> getMatrixRead(const LinearLayout &layout, unsigned elementBits) {
  if (layout.getRank() != 2 || !is_contained({8u, 16u, 32u}, elementBits))
    return std::nullopt;
  MatrixRead read;
  read.elements = 32 / elementBits;
  unsigned elementBitsOfPlace = Log2_32(read.elements);
  ArrayRef<Basis> registers = layout.getBases(Place::Register);
  if (registers.size() < elementBitsOfPlace)
    return std::nullopt;
  auto isMade = [&](const Bases &ofWord, const Bases &ofLanes) {
    return registers.take_front(elementBitsOfPlace) == ArrayRef<Basis>(ofWord) &&
           layout.getBases(Place::Lane) == ArrayRef<Basis>(ofLanes);
  };
  unsigned laneBits = Log2_32(lanesPerRow), rowBits = Log2_32(matrixRows);
  int32_t elements = read.elements;
  bool isPlain = isMade(along(1, 1, elementBitsOfPlace),
                        concatenate(along(1, elements, laneBits), along(0, 1, rowBits)));
  read.transposed = elementBits == 16 && isMade(along(0, 1, 1), concatenate(along(0, 2, laneBits),
                                                                            along(1, 1, rowBits)));
  if (!isPlain && !read.transposed)
    return std::nullopt;

  // What remains moves whole matrices.
  int32_t columns = rowBytes * 8 / elementBits;
  auto movesMatrices = [&](const Basis &basis) {
    return basis[0] % matrixRows == 0 && basis[1] % columns == 0;
  };
  ArrayRef<Basis> rest = registers.drop_front(elementBitsOfPlace);
  if (!all_of(rest, movesMatrices) || !all_of(layout.getBases(Place::Warp), movesMatrices))
    return std::nullopt;
  for (const Basis &basis : rest.take_front(2))
    read.steps.push_back(basis);
  return read;
}

} // namespace tilewright::layout
