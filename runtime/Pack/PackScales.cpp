//===- PackScales.cpp - Scales and zero points in the order of kernels ------===//
//
// See PackScales.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Pack/PackScales.h"

#include "llvm/ADT/Twine.h"
#include <algorithm>
#include <vector>

using namespace llvm;

namespace tilewright::pack {

static Error verifyCount(const layout::ScaleStorage &storage, size_t count) {
  if (count == uint64_t(storage.getElements()))
    return Error::success();
  return createStringError("packed scales of " + Twine(storage.groups) + " x " +
                           Twine(storage.columnGroups) + " groups take " +
                           Twine(storage.getElements()) + " elements, but got " + Twine(count));
}

/// Where the number of a column lies in a group's row of a table.
template <typename T> struct Place {
  Place(const layout::ScaleStorage &storage, int64_t position)
      : element(position / storage.perElement),
        shift(position % storage.perElement * (8 * sizeof(T) / storage.perElement)) {}
  int64_t element;
  unsigned shift; ///< of the row's first group
};

/// A group's row of a table, and which bits of an element's part are its own.
template <typename T> struct Row {
  Row(const layout::ScaleStorage &storage, int64_t group)
      : first(group / storage.groupsPerRow * storage.strips * storage.perStrip) {
    unsigned bits = 8 * sizeof(T) / (storage.perElement * storage.groupsPerRow);
    shift = group % storage.groupsPerRow * bits;
    mask = T(~T(0)) >> (8 * sizeof(T) - bits);
  }
  int64_t first;
  unsigned shift;
  T mask;
};

template <typename T>
Error packScales(const layout::ScaleStorage &storage, Matrix<const T> scales,
                 MutableArrayRef<T> packed) {
  if (Error error = verifyCount(storage, packed.size()))
    return error;
  std::fill(packed.begin(), packed.end(), T(0));
  int64_t columns = std::max<int64_t>(storage.granularity.columns, 1);
  bool isOne = storage.granularity.columns == 0;
  std::vector<std::pair<int64_t, Place<T>>> places; // with their columns' groups
  for (int64_t i = 0; i < storage.getNumbers(); ++i) {
    int64_t columnGroup = isOne ? 0 : storage.getColumn(i) / columns;
    if (columnGroup < storage.columnGroups)
      places.emplace_back(columnGroup, Place<T>(storage, i));
  }
  for (int64_t group = 0; group < storage.groups; ++group) {
    Row<T> row(storage, group);
    for (const auto &[columnGroup, place] : places)
      packed[row.first + place.element] |=
          T((scales.at(group, columnGroup) & row.mask) << (place.shift + row.shift));
  }
  return Error::success();
}

template <typename T>
Error unpackScales(const layout::ScaleStorage &storage, ArrayRef<T> packed, Matrix<T> scales) {
  if (Error error = verifyCount(storage, packed.size()))
    return error;
  for (int64_t group = 0; group < storage.groups; ++group) {
    Row<T> row(storage, group);
    for (int64_t j = 0; j < storage.columnGroups; ++j) {
      Place<T> place(storage, storage.getPosition(j * storage.granularity.columns));
      T element = packed[row.first + place.element];
      scales.at(group, j) = T(element >> (place.shift + row.shift)) & row.mask;
    }
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
