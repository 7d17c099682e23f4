//===- ScaleStorage.h - How scales and zero points lie in memory -*- C++ -*-===//
//
// One table of numbers for each of the two: a row for each group along K, cut
// into strips of 32 columns as the packed weights are. What a strip holds
// depends on how many columns share a number:
//
//   1 column    32 numbers, column n at scalePosition(n) (Packing.h)
//   8 and more  16 bytes, the least that a copy moves: 16 / bytes numbers in
//               the order of their columns, each for 2 * bytes of them (8
//               columns of f32, 4 of f16, 2 of 8-bit numbers)
//
// Integer zero points are bytes.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_SCALESTORAGE_H
#define TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_SCALESTORAGE_H

#include "dialects/Support/Format/WeightRule.h"
#include "dialects/Support/Layout/Packing.h"

namespace tilewright::layout {

struct ScaleStorage {
  int64_t groups = 0;       ///< along K
  int64_t columnGroups = 0; ///< along N
  int64_t strips = 0;
  int64_t perStrip = blockN; ///< numbers in a strip
  format::Granularity granularity;

  /// Numbers of `elementBytes` each for a `k` x `n` matrix.
  static ScaleStorage get(format::Granularity granularity, int64_t k, int64_t n,
                          unsigned elementBytes);

  int64_t getElements() const { return groups * strips * perStrip; }
  /// The first column whose number element `position` of strip `strip` is.
  int64_t getColumn(int64_t strip, int64_t position) const;
  /// The (first) element of a row that holds the number of column `column`.
  int64_t getElement(int64_t column) const;
};

} // namespace tilewright::layout

#endif
