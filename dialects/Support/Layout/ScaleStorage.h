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
// Integer zero points of codes of more than 4 bits are bytes. Up to 4 bits two
// columns share one: of the 32 of a strip, whatever granularity they have, those
// at scalePosition 2i (low half) and 2i + 1. So a strip has 16 bytes of them, and
// the four columns of a lane are one 16-bit word. Where a half has room for 2 or
// 4 zero points, those of as many groups along K share it, the first in the lowest
// bits, provided that the groups fill a part of a block: then each tile of K has
// whole rows of the table, and which bits are whose is known when compiling.
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
  int64_t perStrip = blockN; ///< elements in a strip
  int64_t perElement = 1;    ///< columns whose numbers share an element, the first lowest
  int64_t groupsPerRow = 1;  ///< groups along K that share a row of the table
  format::Granularity granularity;

  /// Numbers of `elementBytes` each for a `k` x `n` matrix.
  static ScaleStorage get(format::Granularity granularity, int64_t k, int64_t n,
                          unsigned elementBytes);

  /// Integer zero points, bytes, of codes of `bits`.
  static ScaleStorage getZeroPoints(format::Granularity granularity, int64_t k, int64_t n,
                                    unsigned bits);

  /// Whether each column has a number of its own in memory.
  bool isPerColumn() const { return perStrip * perElement == blockN; }
  int64_t getRows() const { return (groups + groupsPerRow - 1) / groupsPerRow; }
  int64_t getElements() const { return getRows() * strips * perStrip; }
  /// Numbers of a group, `perElement` in each element.
  int64_t getNumbers() const { return strips * perStrip * perElement; }
  /// The first column whose number `position` of a group is.
  int64_t getColumn(int64_t position) const;
  /// The (first) position in a group that has the number of column `column`.
  int64_t getPosition(int64_t column) const;
};

/// Zero points that share a word of 16 bits: the columns of a strip that a lane has.
constexpr int64_t zeroPointsPerWord = 4;

} // namespace tilewright::layout

#endif
