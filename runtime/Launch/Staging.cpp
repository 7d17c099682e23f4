//===- Staging.cpp - Launches on operands in host memory --------------------===//
//
// A staged operand keeps its shape and strides: the bytes from its first to its
// last element are mirrored, so the same kernel serves host and device arrays.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/Staging.h"

#include "dialects/Support/Format/Format.h"
#include "runtime/Launch/ResidentBuffer.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace tilewright::launch {
namespace {

const void *getHostPointer(uint64_t address) { return reinterpret_cast<const void *>(address); }

/// Device memory for the duration of a call.
class TemporaryMemory {
public:
  TemporaryMemory(device::Device &device, device::Stream stream) : device(device), stream(stream) {}
  ~TemporaryMemory() {
    if (pointers.empty())
      return;
    // Only after a failure is work still under way here.
    consumeError(device.synchronize(stream));
    for (device::DevicePointer pointer : pointers)
      consumeError(device.release(pointer));
  }
  Expected<device::DevicePointer> allocate(uint64_t bytes) {
    Expected<device::DevicePointer> pointer = device.allocate(bytes);
    if (pointer)
      pointers.push_back(*pointer);
    return pointer;
  }

private:
  device::Device &device;
  device::Stream stream;
  SmallVector<device::DevicePointer, 8> pointers;
};

/// Calls body(offset in elements, length) for each contiguous run of a tensor.
Error forEachRun(const Tensor &tensor, function_ref<Error(int64_t offset, int64_t length)> body) {
  // Inner axes that continue each other make one run.
  unsigned outer = tensor.shape.size();
  int64_t length = 1;
  while (outer > 0 && (tensor.shape[outer - 1] == 1 || tensor.strides[outer - 1] == length))
    length *= tensor.shape[--outer];
  SmallVector<int64_t, 4> index(outer, 0);
  while (true) {
    int64_t offset = 0;
    for (unsigned axis = 0; axis < outer; ++axis)
      offset += index[axis] * tensor.strides[axis];
    if (Error error = body(offset, length))
      return error;
    unsigned axis = outer;
    while (axis > 0 && ++index[axis - 1] == tensor.shape[axis - 1])
      index[--axis] = 0;
    if (axis == 0)
      return Error::success();
  }
}

/// Copies the elements of an output back, and nothing between them.
Error copyBack(device::Device &device, const Tensor &host, const Tensor &staged,
               unsigned elementBytes, device::Stream stream) {
  if (host.isEmpty())
    return Error::success();
  if (host.isPacked())
    return device.copyToHost(const_cast<void *>(getHostPointer(host.address)), staged.address,
                             host.packedBytes, stream);
  return forEachRun(host, [&](int64_t offset, int64_t length) {
    int64_t bytes = offset * int64_t(elementBytes);
    return device.copyToHost(const_cast<void *>(getHostPointer(host.address + bytes)),
                             staged.address + bytes, length * elementBytes, stream);
  });
}

} // namespace

Error launchStaged(Executable &executable, ArrayRef<Tensor> operands, ArrayRef<Scalar> scalars,
                   device::Stream stream, emulator::Report *report) {
  bool isStaged = any_of(operands, [](const Tensor &tensor) { return !tensor.device; });
  if (!isStaged)
    return executable.launch(operands, scalars, stream, report);
  // Before copying, while overlaps can be seen.
  if (Error error = executable.verify(operands))
    return error;

  const std::shared_ptr<device::Device> &device = executable.getDevice();
  TemporaryMemory memory(*device, stream);
  SmallVector<Tensor, 8> staged(operands.begin(), operands.end());
  for (auto [index, tensor] : enumerate(staged)) {
    if (tensor.device)
      continue;
    unsigned elementBytes = format::get(tensor.dtype).bits / 8;
    ByteRange range = getByteRange(tensor, elementBytes);
    Expected<device::DevicePointer> pointer =
        tensor.resident
            ? tensor.resident->get(device, getHostPointer(range.begin), range.size(), stream)
            : memory.allocate(range.size());
    if (!pointer)
      return pointer.takeError();
    if (!tensor.resident && executable.isRead(index))
      if (Error error =
              device->copyToDevice(*pointer, getHostPointer(range.begin), range.size(), stream))
        return error;
    tensor.address = *pointer + (tensor.address - range.begin);
    tensor.device = device;
  }
  if (Error error = executable.launch(staged, scalars, stream, report))
    return error;
  for (auto [index, tensor] : enumerate(operands))
    if (!tensor.device && executable.isWritten(index))
      if (Error error =
              copyBack(*device, tensor, staged[index], format::get(tensor.dtype).bits / 8, stream))
        return error;
  return device->synchronize(stream);
}

} // namespace tilewright::launch
