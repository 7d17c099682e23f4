//===- ResidentBuffer.cpp - Device copies of host memory that stays ---------===//
//
// See ResidentBuffer.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/ResidentBuffer.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace tilewright::launch {

/// A device that is gone has taken its memory with it.
void ResidentBuffer::release(Copy &copy) {
  std::shared_ptr<device::Device> device = copy.device.lock();
  if (!device)
    return;
  // Kernels that read the copy may be under way on any stream; freeing waits
  // for them (CUDA), or they ran when they were issued (emulated).
  consumeError(device->release(copy.pointer));
}

ResidentBuffer::~ResidentBuffer() { invalidate(); }

void ResidentBuffer::invalidate() {
  std::lock_guard<std::mutex> lock(mutex);
  for (Copy &copy : copies)
    release(copy);
  copies.clear();
}

unsigned ResidentBuffer::getCopyCount() {
  std::lock_guard<std::mutex> lock(mutex);
  return count_if(copies, [](const Copy &copy) { return !copy.device.expired(); });
}

Expected<device::DevicePointer> ResidentBuffer::get(const std::shared_ptr<device::Device> &device,
                                                    const void *data, uint64_t bytes,
                                                    device::Stream stream) {
  // Held while copying: a second caller needs the same bytes and waits.
  std::lock_guard<std::mutex> lock(mutex);
  for (Copy *copy = copies.begin(); copy != copies.end(); ++copy) {
    if (copy->device.lock() != device)
      continue;
    if (copy->bytes >= bytes)
      return copy->pointer;
    release(*copy);
    copies.erase(copy);
    break;
  }
  erase_if(copies, [](const Copy &copy) { return copy.device.expired(); });
  Expected<device::DevicePointer> pointer = device->allocate(bytes);
  if (!pointer)
    return pointer.takeError();
  Copy copy{device, *pointer, bytes};
  if (Error error = device->copyToDevice(*pointer, data, bytes, stream)) {
    release(copy);
    return std::move(error);
  }
  copies.push_back(copy);
  return *pointer;
}

} // namespace tilewright::launch
