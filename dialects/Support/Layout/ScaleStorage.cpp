//===- ScaleStorage.cpp - How scales and zero points lie in memory ----------===//
//
// See ScaleStorage.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/ScaleStorage.h"

#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright::layout {

ScaleStorage ScaleStorage::get(format::Granularity granularity, int64_t k, int64_t n,
                               unsigned elementBytes) {
  constexpr int64_t copyBytes = 16;
  ScaleStorage storage;
  storage.granularity = granularity;
  storage.groups = granularity.getGroups(k);
  storage.columnGroups = granularity.getColumnGroups(n);
  storage.strips = divideCeil(uint64_t(n), blockN);
  if (!granularity.isPerColumn())
    storage.perStrip = copyBytes / elementBytes;
  return storage;
}

ScaleStorage ScaleStorage::getZeroPoints(format::Granularity granularity, int64_t k, int64_t n,
                                         unsigned bits) {
  ScaleStorage storage = get(granularity, k, n, /*elementBytes=*/1);
  if (bits > 4)
    return storage;
  storage.perElement = 2;
  storage.perStrip = blockN / storage.perElement;
  int64_t rows = granularity.rows;
  while (rows && 2 * storage.groupsPerRow * bits <= 4 &&
         blockK % (2 * storage.groupsPerRow * rows) == 0)
    storage.groupsPerRow *= 2;
  return storage;
}

int64_t ScaleStorage::getColumn(int64_t position) const {
  int64_t inStrip = perStrip * perElement;
  int64_t strip = position / inStrip, within = position % inStrip;
  within = isPerColumn() ? within % 4 * 8 + within / 4 : within * (blockN / inStrip);
  return strip * blockN + within;
}

int64_t ScaleStorage::getPosition(int64_t column) const {
  int64_t inStrip = perStrip * perElement;
  int64_t strip = column / blockN, within = column % blockN;
  return strip * inStrip + (isPerColumn() ? scalePosition(within) : within / (blockN / inStrip));
}

} // namespace tilewright::layout
