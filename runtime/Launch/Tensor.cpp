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

namespace {
/// A tensor as blocks of `bytes` that follow each other by `period`, outermost axis first.
class Blocks {
public:
  Blocks(const Tensor &tensor, unsigned elementBytes) : bytes(elementBytes) {
    for (auto [extent, stride] : zip(tensor.shape, tensor.strides)) {
      steps.push_back({stride * int64_t(elementBytes), extent});
      isRegular &= stride >= 0;
      bytes += uint64_t(extent - 1) * stride * elementBytes;
    }
    sort(steps);
    isRegular &= !tensor.isPacked() && !steps.empty();
  }

  /// Goes on to what lies within a block of the outermost axis left; false where there is
  /// none or its blocks touch each other.
  bool enter() {
    if (!isRegular || steps.empty())
      return false;
    auto [step, extent] = steps.pop_back_val();
    period = step;
    bytes -= (extent - 1) * period;
    return bytes <= period;
  }

  uint64_t period = 0, bytes = 0;

private:
  SmallVector<std::pair<int64_t, int64_t>, 4> steps; ///< bytes and extent of each axis
  bool isRegular = true;
};
} // namespace

/// Parts of one array, column slices of a matrix or keys and values that take turns,
/// repeat with the same periods: they are apart if they are within one of them.
bool mayOverlap(const Tensor &a, unsigned elementBytesA, const Tensor &b, unsigned elementBytesB) {
  if (a.device != b.device || a.isEmpty() || b.isEmpty())
    return false;
  ByteRange rangeA = getByteRange(a, elementBytesA), rangeB = getByteRange(b, elementBytesB);
  if (rangeA.end <= rangeB.begin || rangeB.end <= rangeA.begin)
    return false;
  Blocks blocksA(a, elementBytesA), blocksB(b, elementBytesB);
  uint64_t distance = rangeB.begin - rangeA.begin; // modulo 2^64 where b comes first
  bool isBehind = rangeB.begin >= rangeA.begin;
  while (blocksA.enter() && blocksB.enter() && blocksA.period == blocksB.period) {
    uint64_t period = blocksA.period;
    distance = isBehind ? distance % period : (period - (0 - distance) % period) % period;
    isBehind = true;
    bool isBeyond = distance >= blocksA.bytes;
    if (distance + blocksB.bytes > period) { // b's block reaches into the next of a
      if (!isBeyond)
        return true;
      std::swap(blocksA, blocksB);
      distance = period - distance;
    } else if (isBeyond) {
      return false;
    }
  }
  return true;
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
