//===- Tensor.h - Tensor arguments of a launch ------------------------------===//
//
// How callers describe the arrays of a call, and what a kernel must know about
// them: the bytes they span, their alignment, and whether two of them overlap.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_TENSOR_H
#define TILEWRIGHT_RUNTIME_LAUNCH_TENSOR_H

#include "runtime/Device/Device.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <memory>
#include <string>

namespace tilewright::launch {

class ResidentBuffer;

/// One array. It owns nothing; what it describes must outlive the call.
struct Tensor {
  uint64_t address = 0; ///< on `device`, or of this process
  /// Where the memory is; null for host memory.
  std::shared_ptr<device::Device> device;
  std::string dtype; ///< a format name, "f16"
  llvm::SmallVector<int64_t, 4> shape;
  /// In elements, one an extent. Empty for an operand in a storage layout of
  /// its own (packed weights and scales), which then spans `packedBytes`.
  llvm::SmallVector<int64_t, 4> strides;
  uint64_t packedBytes = 0;
  /// For host memory that many calls read: where its device copies are kept.
  ResidentBuffer *resident = nullptr;

  bool isPacked() const { return strides.empty() && !shape.empty(); }
  bool isEmpty() const { return llvm::is_contained(shape, 0); }
};

/// A tensor with row-major strides.
Tensor makeDense(std::shared_ptr<device::Device> device, uint64_t address, llvm::StringRef dtype,
                 llvm::ArrayRef<int64_t> shape);

/// Addresses [begin, end); empty when equal.
struct ByteRange {
  uint64_t begin = 0, end = 0;
  uint64_t size() const { return end - begin; }
};

/// The bytes between a tensor's first and last, those of other tensors that lie
/// between its rows included.
ByteRange getByteRange(const Tensor &tensor, unsigned elementBytes);

/// Whether two tensors share a byte. Exact for packed and dense tensors and for slices
/// of one array, whose strides agree from the outermost on; otherwise by their ranges,
/// so that interleaved arrays may count as overlapping.
bool mayOverlap(const Tensor &a, unsigned elementBytesA, const Tensor &b, unsigned elementBytesB);

/// Whether two elements of the tensor share a byte, which an output must not.
/// Conservative: strides that interleave count as overlapping.
bool mayOverlapItself(const Tensor &tensor);

/// The largest power of two, at most 16, that divides `value`; 16 for 0.
unsigned getAlignment(uint64_t value);

} // namespace tilewright::launch

#endif
