//===- Cuda.h - NVIDIA GPUs behind the Device interface ---------------------===//
//
// The CUDA driver API, opened at run time: nothing here is needed to build,
// link or import, and a machine without a driver gets a clear error instead.
//
// A CUDA device shares the process's primary context with every other library
// (PyTorch among them), so their pointers and streams are ours too. Each call
// pushes that context and pops it again: the caller's current device never
// changes. A CUDA device may be used from several threads at once.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_DEVICE_CUDA_H
#define TILEWRIGHT_RUNTIME_DEVICE_CUDA_H

#include "runtime/Device/Device.h"

namespace tilewright::device {

/// The GPUs of a machine.
struct CudaDevices {
  /// Named "cuda:<ordinal>", in the driver's order.
  std::vector<std::unique_ptr<Device>> devices;
  /// One sentence for each GPU that cannot be used, saying why.
  std::vector<std::string> skipped;
};

/// Opens the driver and every GPU it lists. A machine with a driver and no GPU
/// yields an empty list. Fails when the driver cannot be opened or is too old;
/// the error says what is missing and how to get it. `driverPath` is what
/// dlopen() is given.
///
/// On these devices
///   - allocate(), release() and load() may wait for the GPU;
///   - copies have finished when they return, in the order of their stream;
///   - launch() returns at once; a fault of the kernel is reported by the next
///     synchronize() or copy, and the driver then refuses all further work in
///     this process;
///   - an image's cubin is loaded where there is one, otherwise the driver
///     assembles its PTX; the assembler's log is part of the error.
llvm::Expected<CudaDevices> enumerateCuda(llvm::StringRef driverPath = "libcuda.so.1");

} // namespace tilewright::device

#endif
