//===- BitMatrix.cpp - Linear maps over F2 ---------------------------------===//
//
// Everything follows from one elimination over the columns, which remembers
// for each reduced vector the combination of columns that makes it.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/BitMatrix.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include <cassert>

using namespace llvm;

namespace tilewright::layout {

namespace {
/// Vectors with distinct leading bits that span the vectors added so far.
class Echelon {
public:
  /// A vector and the set of columns whose XOR it is.
  struct Entry {
    uint64_t vector = 0;
    uint64_t columns = 0;
  };

  /// What is left of `entry` after subtracting all that is spanned already.
  Entry reduce(Entry entry) const {
    for (uint64_t rest = entry.vector; rest;) {
      unsigned lead = bit_width(rest) - 1;
      const Entry &pivot = pivots[lead];
      if (pivot.vector) {
        entry.vector ^= pivot.vector;
        entry.columns ^= pivot.columns;
      }
      rest = entry.vector & ((uint64_t(1) << lead) - 1);
    }
    return entry;
  }

  /// Adds a vector; returns its remainder, zero where it was spanned already.
  Entry add(Entry entry) {
    entry = reduce(entry);
    if (entry.vector)
      pivots[bit_width(entry.vector) - 1] = entry;
    return entry;
  }

private:
  Entry pivots[64];
};
} // namespace

uint64_t BitMatrix::apply(uint64_t x) const {
  uint64_t y = 0;
  for (; x; x &= x - 1) {
    assert(unsigned(countr_zero(x)) < columns.size() && "more bits than columns");
    y ^= columns[countr_zero(x)];
  }
  return y;
}

BitMatrix BitMatrix::compose(const BitMatrix &inner) const {
  BitMatrix result;
  for (uint64_t column : inner.columns)
    result.columns.push_back(apply(column));
  return result;
}

unsigned BitMatrix::getRank() const {
  unsigned rank = 0;
  for (bool pivot : getPivots())
    rank += pivot;
  return rank;
}

std::optional<uint64_t> BitMatrix::solve(uint64_t y) const {
  Echelon echelon;
  for (auto [i, column] : enumerate(columns))
    echelon.add({column, uint64_t(1) << i});
  Echelon::Entry rest = echelon.reduce({y, 0});
  if (rest.vector)
    return std::nullopt;
  return rest.columns;
}

SmallVector<uint64_t, 8> BitMatrix::getKernel() const {
  Echelon echelon;
  SmallVector<uint64_t, 8> kernel;
  for (auto [i, column] : enumerate(columns)) {
    Echelon::Entry rest = echelon.add({column, uint64_t(1) << i});
    if (!rest.vector)
      kernel.push_back(rest.columns);
  }
  return kernel;
}

SmallVector<bool, 16> BitMatrix::getPivots() const {
  Echelon echelon;
  SmallVector<bool, 16> pivots;
  for (uint64_t column : columns)
    pivots.push_back(echelon.add({column, 0}).vector != 0);
  return pivots;
}

} // namespace tilewright::layout
