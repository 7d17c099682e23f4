//===- Workspaces.cpp - Scratch memory that launches share ------------------===//
//
// See Workspaces.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/Workspaces.h"

#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace llvm;

namespace tilewright::launch {

Workspaces::Lease::~Lease() {
  for (Slot *slot : lent)
    slot->isClean = false;
}

Workspaces::~Workspaces() {
  // Errors have no one to go to: the device is being put away.
  for (auto &[stream, slots] : streams) {
    consumeError(device->synchronize(stream));
    for (auto *row : {&slots.scratch, &slots.clean})
      for (Slot &slot : *row)
        if (slot.capacity)
          consumeError(device->release(slot.pointer));
  }
  for (device::DevicePointer pointer : outgrown)
    consumeError(device->release(pointer));
}

Error Workspaces::reserve(Slot &slot, uint64_t bytes) {
  if (slot.capacity >= std::max<uint64_t>(bytes, 1))
    return Error::success();
  uint64_t capacity = alignTo(std::max<uint64_t>({bytes, 2 * slot.capacity, 1}), 256);
  Expected<device::DevicePointer> pointer = device->allocate(capacity);
  if (!pointer)
    return pointer.takeError();
  if (slot.capacity) {
    std::lock_guard<std::mutex> guard(mutex);
    outgrown.push_back(slot.pointer);
  }
  slot = {*pointer, capacity, /*isClean=*/false};
  return Error::success();
}

Expected<Workspaces::Lease> Workspaces::acquire(device::Stream stream, ArrayRef<Request> requests) {
  Lease lease;
  if (requests.empty())
    return std::move(lease);
  StreamSlots *slots;
  {
    std::lock_guard<std::mutex> guard(mutex);
    slots = &streams[stream];
  }
  lease.lock = std::unique_lock<std::mutex>(slots->mutex);
  unsigned scratchUsed = 0, cleanUsed = 0;
  // Slots are pointed to by the lease: make room before handing out any.
  slots->scratch.resize(std::max(slots->scratch.size(), requests.size()));
  slots->clean.resize(std::max(slots->clean.size(), requests.size()));
  for (const Request &request : requests) {
    bool staysClean = request.zeroed && request.resetByKernel;
    Slot &slot = staysClean ? slots->clean[cleanUsed++] : slots->scratch[scratchUsed++];
    if (Error error = reserve(slot, request.bytes))
      return std::move(error);
    if (staysClean && !slot.isClean) {
      if (Error error = device->fill(slot.pointer, 0, slot.capacity, stream))
        return std::move(error);
      slot.isClean = true;
    } else if (request.zeroed && !staysClean) {
      if (Error error = device->fill(slot.pointer, 0, request.bytes, stream))
        return std::move(error);
    }
    if (staysClean)
      lease.lent.push_back(&slot);
    lease.addresses.push_back(slot.pointer);
  }
  return std::move(lease);
}

} // namespace tilewright::launch
