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

int64_t ScaleStorage::getColumn(int64_t strip, int64_t position) const {
  bool isPerColumn = granularity.isPerColumn();
  int64_t within = isPerColumn ? position % 4 * 8 + position / 4 : position * (blockN / perStrip);
  return strip * blockN + within;
}

int64_t ScaleStorage::getElement(int64_t column) const {
  int64_t strip = column / blockN, within = column % blockN;
  bool isPerColumn = granularity.isPerColumn();
  return strip * perStrip + (isPerColumn ? scalePosition(within) : within / (blockN / perStrip));
}

} // namespace tilewright::layout
