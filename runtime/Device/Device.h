//===- Device.h - One interface over GPUs and the emulated device ----------===//
//
// A Device allocates memory, copies, loads PTX and launches kernels. There are
// two: Cuda (the driver API, opened at run time) and Emulated (the same PTX
// interpreted on the CPU). Everything above this header is written once.
//
// A device is used from one thread at a time unless its class says otherwise.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_DEVICE_DEVICE_H
#define TILEWRIGHT_RUNTIME_DEVICE_DEVICE_H

#include "dialects/Support/Target/Target.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tilewright::emulator {
struct Report;
}

namespace tilewright::device {

/// An address in a device's global memory.
using DevicePointer = uint64_t;

/// A queue of work on a device, as the driver names it (CUstream); 0 is the
/// default stream. The emulated device runs everything at once and in order.
using Stream = uint64_t;

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

struct LaunchConfig {
  Dim3 grid, block, cluster;
  uint32_t dynamicSharedBytes = 0;
  Stream stream = 0;
  /// Where an emulated device leaves its report of the launch, also of one that
  /// fails; a GPU has none. Null: not wanted.
  emulator::Report *report = nullptr;
};

/// Code for a device: PTX always, a cubin where one was made for it.
struct Image {
  std::string ptx;            ///< text, NUL not included
  std::vector<uint8_t> cubin; ///< empty: the driver assembles the PTX
};

/// One kernel of a loaded module; lives as long as its module.
class Kernel {
public:
  virtual ~Kernel();
  virtual llvm::StringRef getName() const = 0;
  /// Bytes of the packed argument block: every parameter at its natural
  /// alignment, in order, as PTX lays out .param space.
  virtual uint32_t getArgumentBytes() const = 0;
};

/// A variable of a loaded module in global or constant memory.
struct Symbol {
  DevicePointer address = 0;
  uint64_t bytes = 0;
};

/// Loaded code. Unloaded on destruction; must not outlive its device.
class Module {
public:
  virtual ~Module();
  /// The error lists the kernels there are.
  virtual llvm::Expected<Kernel *> getKernel(llvm::StringRef name) = 0;
  virtual llvm::Expected<Symbol> getSymbol(llvm::StringRef name) = 0;
};

class Device {
public:
  virtual ~Device();
  /// "cuda:0", "emulated:a100".
  virtual llvm::StringRef getName() const = 0;
  virtual const target::GpuModel &getModel() const = 0;

  /// At least 256-byte aligned; zero bytes give a valid pointer.
  virtual llvm::Expected<DevicePointer> allocate(uint64_t bytes) = 0;
  /// Waits for work that may still use the memory.
  virtual llvm::Error release(DevicePointer pointer) = 0;
  /// Copies follow the work issued on `stream` before them and have finished
  /// when they return: the host memory is the caller's again.
  virtual llvm::Error copyToDevice(DevicePointer to, const void *from, uint64_t bytes,
                                   Stream stream = 0) = 0;
  virtual llvm::Error copyToHost(void *to, DevicePointer from, uint64_t bytes,
                                 Stream stream = 0) = 0;
  virtual llvm::Error fill(DevicePointer to, uint8_t value, uint64_t bytes, Stream stream = 0) = 0;

  virtual llvm::Expected<std::unique_ptr<Module>> load(const Image &image) = 0;
  /// `kernel` is of a module of this device; `arguments` is the packed argument
  /// block (see Kernel::getArgumentBytes).
  virtual llvm::Error launch(Kernel &kernel, const LaunchConfig &config,
                             llvm::ArrayRef<uint8_t> arguments) = 0;
  /// Waits for everything issued on `stream`; reports errors of kernels.
  virtual llvm::Error synchronize(Stream stream = 0) = 0;
};

} // namespace tilewright::device

#endif
