//===- EmulatedDevice.h - A GPU that runs PTX on the CPU ----------------------===//
//
// The Device interface over the emulator: PTX text is parsed and decoded when it
// is loaded, launches run at once and in order. A launch in which a checker
// found an error returns that error; its report says more. Threads may share a
// device; its operations wait for each other.
//
// The way of a kernel: Parser/ (text -> AST), Execution/Decoder (AST ->
// Program, with Instructions/), Execution/ (Program -> effects on Machine/).
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_EMULATEDDEVICE_H
#define TILEWRIGHT_RUNTIME_EMULATOR_EMULATEDDEVICE_H

#include "runtime/Device/Device.h"
#include "runtime/Emulator/Machine/Options.h"
#include "runtime/Emulator/Machine/Report.h"
#include <mutex>

namespace tilewright::emulator {

class GlobalMemory;

class EmulatedDevice final : public device::Device {
public:
  /// `modelName`: a row of the table of GPU models, such as "a100".
  static llvm::Expected<std::unique_ptr<EmulatedDevice>> create(llvm::StringRef modelName,
                                                                const Options &options = {});
  ~EmulatedDevice() override;

  llvm::StringRef getName() const override { return name; }
  const target::GpuModel &getModel() const override { return model; }
  llvm::Expected<device::DevicePointer> allocate(uint64_t bytes) override;
  llvm::Error release(device::DevicePointer pointer) override;
  llvm::Error copyToDevice(device::DevicePointer to, const void *from, uint64_t bytes,
                           device::Stream stream = 0) override;
  llvm::Error copyToHost(void *to, device::DevicePointer from, uint64_t bytes,
                         device::Stream stream = 0) override;
  llvm::Error fill(device::DevicePointer to, uint8_t value, uint64_t bytes,
                   device::Stream stream = 0) override;
  llvm::Expected<std::unique_ptr<device::Module>> load(const device::Image &image) override;
  llvm::Error launch(device::Kernel &kernel, const device::LaunchConfig &config,
                     llvm::ArrayRef<uint8_t> arguments) override;
  llvm::Error synchronize(device::Stream stream = 0) override;

  /// Of the last launch, whether it succeeded or not: for devices that one thread
  /// uses. Others pass LaunchConfig::report.
  const Report &getLastReport() const { return lastReport; }
  /// Host threads that the last launch ran on; as getLastReport().
  unsigned getLastThreads() const { return lastThreads; }
  Options getOptions();
  /// For the launches to come.
  void setOptions(const Options &value);

private:
  EmulatedDevice(const target::GpuModel &model, const Options &options);
  llvm::Error launchAlone(const Program &program, const device::LaunchConfig &config,
                          llvm::ArrayRef<uint8_t> arguments);
  llvm::Error checkLaunch(const Program &program, const device::LaunchConfig &config,
                          llvm::ArrayRef<uint8_t> arguments) const;
  llvm::Error clearGridWorkspace();

  /// Held by every operation: host threads may share a device.
  std::recursive_mutex mutex;
  const target::GpuModel &model;
  std::string name;
  Options options;
  std::unique_ptr<GlobalMemory> memory;
  Report lastReport;
  uint64_t gridWorkspace = 0; ///< of cooperative groups; made when first asked for
  unsigned lastThreads = 1;
};

} // namespace tilewright::emulator

#endif
