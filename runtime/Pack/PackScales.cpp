//===- PackScales.cpp - Scales and zero points in the order of kernels ------===//
//
// See PackScales.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Pack/PackScales.h"

#include "llvm/ADT/Twine.h"
#include <algorithm>

using namespace llvm;

namespace tilewright::pack {

static Error verifyCount(const layout::ScaleStorage &storage, size_t count) {
  if (count == uint64_t(storage.getElements()))
    return Error::success();
  return createStringError("packed scales of " + Twine(storage.groups) + " x " +
                           Twine(storage.columnGroups) + " groups take " +
                           Twine(storage.getElements()) + " elements, but got " + Twine(count));
}

template <typename T>
Error packScales(const layout::ScaleStorage &storage, Matrix<const T> scales,
                 MutableArrayRef<T> packed) {
  if (Error error = verifyCount(storage, packed.size()))
    return error;
  std::fill(packed.begin(), packed.end(), T(0));
  int64_t perRow = storage.strips * storage.perStrip;
  int64_t columns = std::max<int64_t>(storage.granularity.columns, 1);
  bool isOne = storage.granularity.columns == 0;
  for (int64_t group = 0; group < storage.groups; ++group) {
    T *row = packed.data() + group * perRow;
    for (int64_t i = 0; i < perRow; ++i) {
      int64_t column = storage.getColumn(i / storage.perStrip, i % storage.perStrip);
      int64_t columnGroup = isOne ? 0 : column / columns;
      if (columnGroup < storage.columnGroups)
        row[i] = scales.at(group, columnGroup);
    }
  }
  return Error::success();
}

template <typename T>
Error unpackScales(const layout::ScaleStorage &storage, ArrayRef<T> packed, Matrix<T> scales) {
  if (Error error = verifyCount(storage, packed.size()))
    return error;
  int64_t perRow = storage.strips * storage.perStrip;
  for (int64_t group = 0; group < storage.groups; ++group) {
    const T *row = packed.data() + group * perRow;
    for (int64_t j = 0; j < storage.columnGroups; ++j)
      scales.at(group, j) = row[storage.getElement(j * storage.granularity.columns)];
  }
  return Error::success();
}

#define TILEWRIGHT_INSTANTIATE(T)                                                                  \
  template Error packScales<T>(const layout::ScaleStorage &, Matrix<const T>, MutableArrayRef<T>); \
  template Error unpackScales<T>(const layout::ScaleStorage &, ArrayRef<T>, Matrix<T>);
TILEWRIGHT_INSTANTIATE(uint8_t)
TILEWRIGHT_INSTANTIATE(uint16_t)
TILEWRIGHT_INSTANTIATE(uint32_t)
#undef TILEWRIGHT_INSTANTIATE

} // namespace tilewright::pack
