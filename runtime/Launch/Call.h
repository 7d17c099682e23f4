//===- Call.h - Calls of kernel families ------------------------------------===//
//
// What a caller hands over, by name, before there is a problem or a kernel for
// it. A family checks its own call and writes it down as a Call; from there on
// all families are alike: the problem it is an instance of, the device it runs
// on, the kernel in the cache, the launch.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_CALL_H
#define TILEWRIGHT_RUNTIME_LAUNCH_CALL_H

#include "runtime/Launch/KernelCache.h"

namespace tilewright::launch {

/// An operand by the name of the problem, with the names of its extents.
struct NamedTensor {
  llvm::StringRef name;
  Tensor tensor;
  llvm::SmallVector<llvm::StringRef, 3> dimensions;
};

/// Borrows every name and value; what it describes must outlive it.
struct Call {
  llvm::StringRef op;                          ///< "quant_matmul"
  llvm::SmallVector<NamedTensor, 12> operands; ///< in the order of the problem
  struct Dimension {
    llvm::StringRef name;
    std::optional<int64_t> extent; ///< unset: dynamic
  };
  llvm::SmallVector<Dimension, 6> dimensions;
  struct Attribute {
    llvm::StringRef name, value;
  };
  llvm::SmallVector<Attribute, 8> attributes;
  /// The rows that a schedule is chosen for.
  int64_t rows = 0;
  /// The scalars of a kernel for this call, in its order. Unset: no kernel of the family
  /// takes any.
  std::function<llvm::Expected<llvm::SmallVector<Scalar, 1>>(const Executable &)> makeScalars;

  void add(llvm::StringRef name, Tensor tensor, llvm::ArrayRef<llvm::StringRef> dimensions) {
    operands.push_back(
        {name, std::move(tensor), llvm::SmallVector<llvm::StringRef, 3>(dimensions)});
  }
  void addOptional(llvm::StringRef name, const std::optional<Tensor> &tensor,
                   llvm::ArrayRef<llvm::StringRef> dimensions) {
    if (tensor)
      add(name, *tensor, dimensions);
  }
  llvm::SmallVector<Tensor, 12> getTensors() const;
};

/// Fails unless `tensor` has the extents `expected` and strides that kernels
/// take: 1 along the last axis, 0 or more along the others.
llvm::Error checkShape(const Tensor &tensor, llvm::StringRef name,
                       llvm::ArrayRef<int64_t> expected);

/// Rows of a matrix, or of each matrix of a batch; 0 for anything else.
int64_t getRows(const Tensor &x);

/// The problem a checked call is an instance of:
///   - the last axis of an array is contiguous; strides of the others are static
///     where they are those of a contiguous array, its axes in any order, and no
///     dynamic extent lies within; otherwise dynamic; packed operands have none;
///   - an alignment is the largest power of two, at most 16, that divides the
///     address and every dynamic stride in bytes. Arrays in host memory are
///     copied to aligned memory: only their strides count;
///   - indices have 64 bits when an operand spans more than 2^31 - 1 elements
///     or bytes.
/// Fails on dtypes that are no format.
llvm::Expected<problem::Problem> makeProblem(const Call &call);

/// The device of a call: that of its operands, which must all be on the same
/// one or in host memory; `fallback` if all are in host memory.
llvm::Expected<std::shared_ptr<device::Device>>
chooseDevice(const Call &call, const std::shared_ptr<device::Device> &fallback);

/// Runs a call on its kernel, with operands on the device or in host memory.
llvm::Error launchStaged(Executable &executable, const Call &call, device::Stream stream = 0,
                         emulator::Report *report = nullptr);

/// Compiles where needed and runs a call. `fallback` is where calls with every
/// operand in host memory run; `makeProblem` checks the call and names its
/// problem. A call whose output is empty compiles nothing. A call like an
/// earlier one asks for no problem and allocates nothing.
llvm::Error launchCall(KernelCache &cache, const Call &call,
                       const std::shared_ptr<device::Device> &fallback, device::Stream stream,
                       const std::optional<schedule::Schedule> &pinned,
                       llvm::function_ref<llvm::Expected<problem::Problem>()> makeProblem);

} // namespace tilewright::launch

#endif
