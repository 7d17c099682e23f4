//===- EmulatedDevices.h - The registry's way to the emulator ---------------===//
//
// The one place where the launch path names the emulator.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_EMULATEDDEVICES_H
#define TILEWRIGHT_RUNTIME_LAUNCH_EMULATEDDEVICES_H

#include "runtime/Launch/DeviceRegistry.h"

namespace tilewright::launch {

/// An EmulatedFactory: a device with the emulator's default options.
llvm::Expected<std::unique_ptr<device::Device>> makeEmulatedDevice(const target::GpuModel &model);

} // namespace tilewright::launch

#endif
