//===- EmulatedDevices.cpp - The registry's way to the emulator -------------===//
//
// See EmulatedDevices.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/EmulatedDevices.h"

#include "runtime/Emulator/EmulatedDevice.h"

using namespace llvm;

namespace tilewright::launch {

Expected<std::unique_ptr<device::Device>> makeEmulatedDevice(const target::GpuModel &model) {
  Expected<std::unique_ptr<emulator::EmulatedDevice>> device =
      emulator::EmulatedDevice::create(model.name);
  if (!device)
    return device.takeError();
  return std::move(*device);
}

} // namespace tilewright::launch
