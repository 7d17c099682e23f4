//===- Device.cpp - One interface over GPUs and the emulated device ---------===//
//
// The out-of-line destructors that anchor the interface's vtables.
//
//===----------------------------------------------------------------------===//
#include "runtime/Device/Device.h"

namespace tilewright::device {

Kernel::~Kernel() = default;
Module::~Module() = default;
Device::~Device() = default;

} // namespace tilewright::device
