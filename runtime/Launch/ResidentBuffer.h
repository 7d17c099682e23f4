//===- ResidentBuffer.h - Device copies of host memory that stays -----------===//
//
// Packed weights live in host memory and are read by every call: they are
// copied to a device once and stay. Whoever owns the host memory owns one of
// these beside it, so that the copies die with it and an address that is used
// again for something else can never find an old copy.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_RESIDENTBUFFER_H
#define TILEWRIGHT_RUNTIME_LAUNCH_RESIDENTBUFFER_H

#include "runtime/Device/Device.h"
#include "llvm/ADT/SmallVector.h"
#include <memory>
#include <mutex>

namespace tilewright::launch {

/// Thread-safe.
class ResidentBuffer {
public:
  ResidentBuffer() = default;
  ~ResidentBuffer();
  ResidentBuffer(const ResidentBuffer &) = delete;

  /// The copy of `bytes` bytes at `data` on a device, made at the first call
  /// and again after invalidate() or for more bytes. Fewer are the beginning of
  /// what is there. Work on `stream` sees it.
  llvm::Expected<device::DevicePointer> get(const std::shared_ptr<device::Device> &device,
                                            const void *data, uint64_t bytes,
                                            device::Stream stream = 0);

  /// The host memory has changed: later calls of get() copy it again. Kernels
  /// already issued keep what they were given.
  void invalidate();

  /// Devices that hold a copy.
  unsigned getCopyCount();

private:
  struct Copy {
    std::weak_ptr<device::Device> device; ///< does not keep it alive
    device::DevicePointer pointer = 0;
    uint64_t bytes = 0;
  };
  static void release(Copy &copy);

  std::mutex mutex;
  llvm::SmallVector<Copy, 1> copies;
};

} // namespace tilewright::launch

#endif
