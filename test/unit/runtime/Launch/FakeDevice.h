//===- FakeDevice.h - A device that records and computes nothing -----------===//
//
// Its memory is the process's own, so tests can look at what was written; its
// kernels are the .entry declarations of the PTX it is given.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_RUNTIME_LAUNCH_FAKEDEVICE_H
#define TILEWRIGHT_TEST_UNIT_RUNTIME_LAUNCH_FAKEDEVICE_H

#include "runtime/Device/Device.h"
#include "runtime/Device/PtxEntries.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>

namespace tilewright::launch {

class FakeKernel : public device::Kernel {
public:
  explicit FakeKernel(device::PtxEntry entry) : entry(std::move(entry)) {}
  llvm::StringRef getName() const override { return entry.name; }
  uint32_t getArgumentBytes() const override { return entry.argumentBytes; }

private:
  device::PtxEntry entry;
};

class FakeModule : public device::Module {
public:
  std::vector<std::unique_ptr<FakeKernel>> kernels;
  llvm::Expected<device::Kernel *> getKernel(llvm::StringRef name) override {
    for (auto &kernel : kernels)
      if (kernel->getName() == name)
        return kernel.get();
    return llvm::createStringError("no kernel '" + name + "'");
  }
  llvm::Expected<device::Symbol> getSymbol(llvm::StringRef name) override {
    return llvm::createStringError("no variable '" + name + "'");
  }
};

class FakeDevice : public device::Device {
public:
  explicit FakeDevice(std::string name = "fake:0", llvm::StringRef model = "a100")
      : name(std::move(name)), model(**target::findGpuModel(model)) {}
  ~FakeDevice() override {
    for (auto [pointer, bytes] : live)
      std::free(reinterpret_cast<void *>(pointer));
  }

  llvm::StringRef getName() const override { return name; }
  const target::GpuModel &getModel() const override { return model; }

  llvm::Expected<device::DevicePointer> allocate(uint64_t bytes) override {
    std::lock_guard<std::mutex> lock(mutex);
    if (llvm::Error error = note("allocate " + std::to_string(bytes)))
      return std::move(error);
    // Garbage, as on a real device.
    size_t size = llvm::alignTo(std::max<uint64_t>(bytes, 1), 256);
    void *memory = std::aligned_alloc(256, size);
    std::memset(memory, 0xcd, size);
    live[reinterpret_cast<uint64_t>(memory)] = bytes;
    return reinterpret_cast<uint64_t>(memory);
  }
  llvm::Error release(device::DevicePointer pointer) override {
    std::lock_guard<std::mutex> lock(mutex);
    if (!live.erase(pointer))
      return llvm::createStringError("released what is not allocated");
    std::free(reinterpret_cast<void *>(pointer));
    return note("release");
  }
  llvm::Error copyToDevice(device::DevicePointer to, const void *from, uint64_t bytes,
                           device::Stream stream) override {
    std::lock_guard<std::mutex> lock(mutex);
    std::memcpy(reinterpret_cast<void *>(to), from, bytes);
    return note("upload " + std::to_string(bytes));
  }
  llvm::Error copyToHost(void *to, device::DevicePointer from, uint64_t bytes,
                         device::Stream stream) override {
    std::lock_guard<std::mutex> lock(mutex);
    std::memcpy(to, reinterpret_cast<void *>(from), bytes);
    return note("download " + std::to_string(bytes));
  }
  llvm::Error fill(device::DevicePointer to, uint8_t value, uint64_t bytes,
                   device::Stream stream) override {
    std::lock_guard<std::mutex> lock(mutex);
    std::memset(reinterpret_cast<void *>(to), value, bytes);
    return note("fill " + std::to_string(bytes));
  }
  llvm::Expected<std::unique_ptr<device::Module>> load(const device::Image &image) override {
    std::lock_guard<std::mutex> lock(mutex);
    if (llvm::Error error = note(image.cubin.empty() ? "load ptx" : "load cubin"))
      return std::move(error);
    auto entries = device::readPtxEntries(image.ptx);
    if (!entries)
      return entries.takeError();
    auto module = std::make_unique<FakeModule>();
    for (device::PtxEntry &entry : *entries)
      module->kernels.push_back(std::make_unique<FakeKernel>(std::move(entry)));
    return module;
  }
  llvm::Error launch(device::Kernel &kernel, const device::LaunchConfig &config,
                     llvm::ArrayRef<uint8_t> arguments) override {
    std::lock_guard<std::mutex> lock(mutex);
    lastConfig = config;
    block.assign(arguments.begin(), arguments.end());
    ++launches;
    if (llvm::Error error = note("launch"))
      return error;
    if (run)
      run(arguments);
    return llvm::Error::success();
  }
  llvm::Error synchronize(device::Stream stream) override { return llvm::Error::success(); }

  /// The number of `bytes` bytes at an offset of the last argument block.
  uint64_t getArgument(size_t offset, size_t bytes = 8) const {
    uint64_t value = 0;
    std::memcpy(&value, block.data() + offset, bytes);
    return value;
  }

  std::string log;     ///< calls but synchronize, separated by "; "
  std::string failing; ///< a call to fail, as it is logged
  unsigned launches = 0;
  device::LaunchConfig lastConfig;
  std::vector<uint8_t> block;
  std::map<uint64_t, uint64_t> live;                ///< allocations
  std::function<void(llvm::ArrayRef<uint8_t>)> run; ///< what the kernel does

private:
  llvm::Error note(const std::string &call) {
    log += (log.empty() ? "" : "; ") + call;
    if (call == failing)
      return llvm::createStringError("the fake device fails to " + call);
    return llvm::Error::success();
  }

  std::string name;
  target::GpuModel model;
  std::mutex mutex;
};

} // namespace tilewright::launch

#endif
