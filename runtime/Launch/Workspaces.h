//===- Workspaces.h - Scratch memory that launches share --------------------===//
//
// Kernels on one stream run one after the other, so they can use the same
// scratch memory. For each stream of a device this keeps two rows of buffers,
// as large as any kernel has asked for: scratch, whose contents mean nothing,
// and clean, which every kernel leaves zeroed as it found it.
//
// A buffer that became too small is kept until the end: a captured graph may
// still use it. Sizes at least double, so that this costs at most as much again.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_WORKSPACES_H
#define TILEWRIGHT_RUNTIME_LAUNCH_WORKSPACES_H

#include "runtime/Device/Device.h"
#include "llvm/ADT/SmallVector.h"
#include <map>
#include <memory>
#include <mutex>

namespace tilewright::launch {

/// Thread-safe: a lease locks its stream's buffers.
class Workspaces {
  struct Slot {
    device::DevicePointer pointer = 0;
    uint64_t capacity = 0;
    bool isClean = false;
  };
  struct StreamSlots {
    std::mutex mutex;
    llvm::SmallVector<Slot, 2> scratch, clean;
  };

public:
  struct Request {
    uint64_t bytes = 0;
    bool zeroed = false;        ///< must be zero when the kernel starts
    bool resetByKernel = false; ///< zero again when it ends
  };

  /// The buffers for one launch, which must be issued while the lease lives.
  /// Without commit() the kernel counts as not having cleaned up.
  class Lease {
  public:
    Lease() = default;
    Lease(Lease &&) = default;
    ~Lease();
    /// One an element of the request.
    llvm::ArrayRef<device::DevicePointer> getAddresses() const { return addresses; }
    /// The launch was issued.
    void commit() { lent.clear(); }

  private:
    friend class Workspaces;
    std::unique_lock<std::mutex> lock;
    llvm::SmallVector<device::DevicePointer, 2> addresses;
    llvm::SmallVector<Slot *, 2> lent; ///< clean slots, to be cleaned again
  };

  explicit Workspaces(std::shared_ptr<device::Device> device) : device(std::move(device)) {}
  ~Workspaces();
  Workspaces(const Workspaces &) = delete;

  /// Buffers of at least the sizes asked for, zeroed where asked.
  llvm::Expected<Lease> acquire(device::Stream stream, llvm::ArrayRef<Request> requests);

private:
  llvm::Error reserve(Slot &slot, uint64_t bytes);

  const std::shared_ptr<device::Device> device;
  std::mutex mutex; ///< of what follows
  std::map<device::Stream, StreamSlots> streams;
  std::vector<device::DevicePointer> outgrown;
};

} // namespace tilewright::launch

#endif
