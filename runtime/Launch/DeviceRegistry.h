//===- DeviceRegistry.h - The devices of a process, by name -----------------===//
//
// "cuda:0" is the driver's first GPU; "emulated:a100" imitates a GPU model and
// is made when first asked for. Nothing is opened before it is needed, so
// starting a process costs nothing on a machine with or without GPUs.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_DEVICEREGISTRY_H
#define TILEWRIGHT_RUNTIME_LAUNCH_DEVICEREGISTRY_H

#include "runtime/Device/Device.h"
#include <functional>
#include <map>
#include <mutex>

namespace tilewright::launch {

/// Makes an emulated device called "emulated:<model>".
using EmulatedFactory =
    std::function<llvm::Expected<std::unique_ptr<device::Device>>(const target::GpuModel &)>;

/// Thread-safe; the devices are as their classes say.
class DeviceRegistry {
public:
  explicit DeviceRegistry(EmulatedFactory makeEmulated, std::string driverPath = "libcuda.so.1")
      : makeEmulated(std::move(makeEmulated)), driverPath(std::move(driverPath)) {}

  /// The device called `name`: "cuda:<ordinal>", "cuda" for the first, or
  /// "emulated:<model>". The error says why a GPU cannot be had, or lists the
  /// nearest names.
  llvm::Expected<std::shared_ptr<device::Device>> get(llvm::StringRef name);

  /// Where arrays in host memory are computed on: "cuda:0", or the first GPU
  /// that can be used; "emulated:a100" on a machine without.
  llvm::Expected<std::shared_ptr<device::Device>> getDefault();

  /// Every GPU, then every model that can be emulated.
  std::vector<std::string> list();

  /// Why there are no GPUs, or fewer than the driver lists; one sentence each.
  std::vector<std::string> getProblems();

private:
  /// Opens the driver at the first call. The lock is held.
  void openCuda();
  llvm::Expected<std::shared_ptr<device::Device>> getCuda(llvm::StringRef name);
  llvm::Expected<std::shared_ptr<device::Device>> getEmulated(llvm::StringRef name);

  const EmulatedFactory makeEmulated;
  const std::string driverPath;
  std::mutex mutex; ///< of what follows
  bool isCudaOpen = false;
  std::vector<std::shared_ptr<device::Device>> gpus;
  std::vector<std::string> problems;
  std::map<std::string, std::shared_ptr<device::Device>> emulated;
};

} // namespace tilewright::launch

#endif
