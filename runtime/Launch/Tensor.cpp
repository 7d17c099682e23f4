//===- Tensor.cpp - Tensor arguments of a launch ----------------------------===//
//
// Address arithmetic on tensor descriptions.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/Tensor.h"

#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <bit>

using namespace llvm;

namespace tilewright::launch {

Tensor makeDense(std::shared_ptr<device::Device> device, uint64_t address, StringRef dtype,
                 ArrayRef<int64_t> shape) {
  Tensor tensor;
  tensor.address = address;
  tensor.device = std::move(device);
  tensor.dtype = dtype.str();
  tensor.shape.assign(shape.begin(), shape.end());
  tensor.strides.resize(shape.size());
  int64_t stride = 1;
  for (size_t axis = shape.size(); axis-- > 0;) {
    tensor.strides[axis] = stride;
    stride *= std::max<int64_t>(shape[axis], 1);
  }
  return tensor;
}

ByteRange getByteRange(const Tensor &tensor, unsigned elementBytes) {
  if (tensor.isEmpty())
    return {tensor.address, tensor.address};
  if (tensor.isPacked())
    return {tensor.address, tensor.address + tensor.packedBytes};
  int64_t first = 0, last = 0;
  for (auto [extent, stride] : zip_equal(tensor.shape, tensor.strides))
    (stride < 0 ? first : last) += (extent - 1) * stride;
  return {tensor.address + first * int64_t(elementBytes),
          tensor.address + (last + 1) * int64_t(elementBytes)};
}

/// Bytes of one row of a matrix whose rows are contiguous and do not touch each
/// other; 0 for any other tensor.
static uint64_t getRowBytes(const Tensor &tensor, unsigned elementBytes) {
  if (tensor.shape.size() != 2 || tensor.strides.size() != 2)
    return 0;
  bool isRowMajor = tensor.shape[1] == 1 || tensor.strides[1] == 1;
  if (!isRowMajor || tensor.strides[0] < tensor.shape[1])
    return 0;
  return tensor.shape[1] * elementBytes;
}

bool mayOverlap(const Tensor &a, unsigned elementBytesA, const Tensor &b, unsigned elementBytesB) {
  if (a.device != b.device || a.isEmpty() || b.isEmpty())
    return false;
  ByteRange rangeA = getByteRange(a, elementBytesA), rangeB = getByteRange(b, elementBytesB);
  if (rangeA.end <= rangeB.begin || rangeB.end <= rangeA.begin)
    return false;
  // Column slices of one array: rows repeat with the same period, so they are
  // apart if they are within one period.
  uint64_t rowA = getRowBytes(a, elementBytesA), rowB = getRowBytes(b, elementBytesB);
  if (rowA == 0 || rowB == 0 || a.strides[0] * elementBytesA != b.strides[0] * elementBytesB)
    return true;
  uint64_t period = a.strides[0] * elementBytesA;
  uint64_t distance = rangeB.begin >= rangeA.begin
                          ? (rangeB.begin - rangeA.begin) % period
                          : (period - (rangeA.begin - rangeB.begin) % period) % period;
  return distance < rowA || distance + rowB > period;
}

bool mayOverlapItself(const Tensor &tensor) {
  if (tensor.isPacked() || tensor.isEmpty())
    return false;
  // From the smallest stride up, each must step over all that the smaller ones
  // reach. Two strides that interleave without meeting (2 and 3) are refused:
  // nobody lays an output out like that.
  SmallVector<std::pair<int64_t, int64_t>, 4> steps;
  for (auto [extent, stride] : zip_equal(tensor.shape, tensor.strides))
    if (extent > 1)
      steps.push_back({std::abs(stride), extent});
  llvm::sort(steps);
  int64_t reach = 0;
  for (auto [stride, extent] : steps) {
    if (stride <= reach)
      return true;
    reach += (extent - 1) * stride;
  }
  return false;
}

unsigned getAlignment(uint64_t value) { return 1u << std::countr_zero(value | 16); }

} // namespace tilewright::launch
