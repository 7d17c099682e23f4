//===- Cuda.cpp - NVIDIA GPUs behind the Device interface -------------------===//
//
// The Device interface over the driver's functions. Every call runs with the
// device's primary context pushed, and names itself when it fails.
//
//===----------------------------------------------------------------------===//
#include "runtime/Device/Cuda.h"

#include "runtime/Device/CudaDriver.h"
#include "runtime/Device/CudaModel.h"
#include "runtime/Device/PtxEntries.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <atomic>
#include <map>
#include <mutex>

using namespace llvm;

namespace tilewright::device {
namespace {

using cuda::Driver;

/// The primary context of one GPU: retained at its first use, since it costs
/// time and hundreds of megabytes, and released with the last of its users.
class PrimaryContext {
public:
  PrimaryContext(std::shared_ptr<const Driver> driver, cuda::DeviceOrdinal device, std::string name)
      : driver(std::move(driver)), device(device), name(std::move(name)) {}
  ~PrimaryContext() {
    if (context)
      driver->primaryContextRelease(device);
  }
  PrimaryContext(const PrimaryContext &) = delete;

  /// Runs `body` with the context current. `call` and `what` name it in errors:
  /// "<call> failed on cuda:0<what>".
  template <typename Body> Error run(StringRef call, const Twine &what, Body body) {
    if (!context.load(std::memory_order_acquire))
      if (Error error = retain())
        return error;
    if (Error error = driver->check(driver->contextPush(context), "cuCtxPushCurrent", "on " + name))
      return error;
    cuda::Result result = body();
    cuda::Context popped = nullptr;
    cuda::Result popResult = driver->contextPop(&popped);
    if (result != cuda::success)
      return driver->check(result, call, "on " + name + what);
    return driver->check(popResult, "cuCtxPopCurrent", "on " + name);
  }

  const std::shared_ptr<const Driver> driver;

private:
  Error retain() {
    std::lock_guard<std::mutex> lock(mutex);
    if (context)
      return Error::success();
    cuda::Context retained = nullptr;
    if (Error error = driver->check(driver->primaryContextRetain(&retained, device),
                                    "cuDevicePrimaryCtxRetain", "on " + name))
      return error;
    context.store(retained, std::memory_order_release);
    return Error::success();
  }

  const cuda::DeviceOrdinal device;
  const std::string name;
  std::mutex mutex;
  std::atomic<cuda::Context> context = nullptr;
};

class CudaKernel : public Kernel {
public:
  CudaKernel(PtxEntry entry, cuda::Function function)
      : function(function), entry(std::move(entry)) {}
  StringRef getName() const override { return entry.name; }
  uint32_t getArgumentBytes() const override { return entry.argumentBytes; }

  const cuda::Function function;
  /// What the driver has been told to allow; raised by launches that need more.
  std::atomic<uint32_t> dynamicSharedLimit = 0;
  std::atomic<bool> allowsLargeCluster = false;

private:
  PtxEntry entry;
};

class CudaModule : public Module {
public:
  CudaModule(std::shared_ptr<PrimaryContext> context, cuda::ModuleHandle module,
             std::vector<PtxEntry> entries)
      : context(std::move(context)), module(module), entries(std::move(entries)) {}
  ~CudaModule() override {
    // Nobody is left to tell; after a kernel's fault the driver refuses this.
    consumeError(
        context->run("cuModuleUnload", "", [&] { return context->driver->moduleUnload(module); }));
  }

  Expected<Kernel *> getKernel(StringRef name) override {
    std::lock_guard<std::mutex> lock(mutex);
    std::unique_ptr<CudaKernel> &kernel = kernels[name.str()];
    if (kernel)
      return kernel.get();
    auto entry = find_if(entries, [&](const PtxEntry &entry) { return entry.name == name; });
    if (entry == entries.end()) {
      std::string names;
      for (const PtxEntry &entry : entries)
        names += (names.empty() ? "" : ", ") + entry.name;
      return createStringError("the module has no kernel '" + name + "'; it has " +
                               (names.empty() ? "none" : names));
    }
    cuda::Function function = nullptr;
    if (Error error = context->run("cuModuleGetFunction", " for kernel '" + name + "'", [&] {
          return context->driver->moduleGetFunction(&function, module, entry->name.c_str());
        }))
      return std::move(error);
    kernel = std::make_unique<CudaKernel>(*entry, function);
    return kernel.get();
  }

  Expected<Symbol> getSymbol(StringRef name) override {
    cuda::Pointer address = 0;
    size_t bytes = 0;
    std::string text = name.str();
    if (Error error = context->run("cuModuleGetGlobal", " for variable '" + name + "'", [&] {
          return context->driver->moduleGetGlobal(&address, &bytes, module, text.c_str());
        }))
      return std::move(error);
    return Symbol{address, bytes};
  }

private:
  std::shared_ptr<PrimaryContext> context;
  cuda::ModuleHandle module;
  std::vector<PtxEntry> entries;
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<CudaKernel>> kernels;
};

class CudaDevice : public Device {
public:
  CudaDevice(std::shared_ptr<PrimaryContext> context, std::string name, target::GpuModel model)
      : context(std::move(context)), driver(*this->context->driver), name(std::move(name)),
        model(model) {}

  StringRef getName() const override { return name; }
  const target::GpuModel &getModel() const override { return model; }

  Expected<DevicePointer> allocate(uint64_t bytes) override {
    cuda::Pointer pointer = 0;
    if (Error error = context->run("cuMemAlloc", " for " + Twine(bytes) + " bytes", [&] {
          return driver.memAlloc(&pointer, std::max<uint64_t>(bytes, 1));
        }))
      return std::move(error);
    return pointer;
  }

  Error release(DevicePointer pointer) override {
    return context->run("cuMemFree", "", [&] { return driver.memFree(pointer); });
  }

  Error copyToDevice(DevicePointer to, const void *from, uint64_t bytes, Stream stream) override {
    if (!bytes)
      return Error::success();
    if (Error error = context->run("cuMemcpyHtoDAsync", " for " + Twine(bytes) + " bytes", [&] {
          return driver.memcpyToDevice(to, from, bytes, getHandle(stream));
        }))
      return error;
    // From page-locked memory the copy is still under way here.
    return synchronize(stream);
  }

  Error copyToHost(void *to, DevicePointer from, uint64_t bytes, Stream stream) override {
    if (!bytes)
      return Error::success();
    if (Error error = context->run("cuMemcpyDtoHAsync", " for " + Twine(bytes) + " bytes", [&] {
          return driver.memcpyToHost(to, from, bytes, getHandle(stream));
        }))
      return error;
    return synchronize(stream);
  }

  Error fill(DevicePointer to, uint8_t value, uint64_t bytes, Stream stream) override {
    if (!bytes)
      return Error::success();
    return context->run("cuMemsetD8Async", " for " + Twine(bytes) + " bytes",
                        [&] { return driver.memset8(to, value, bytes, getHandle(stream)); });
  }

  Expected<std::unique_ptr<Module>> load(const Image &image) override;
  Error launch(Kernel &kernel, const LaunchConfig &config, ArrayRef<uint8_t> arguments) override;

  Error synchronize(Stream stream) override {
    return context->run("cuStreamSynchronize", "",
                        [&] { return driver.streamSynchronize(getHandle(stream)); });
  }

private:
  static cuda::StreamHandle getHandle(Stream stream) {
    return reinterpret_cast<cuda::StreamHandle>(stream);
  }
  Error allowCluster(CudaKernel &kernel);
  Error allowDynamicShared(CudaKernel &kernel, uint32_t bytes);

  std::shared_ptr<PrimaryContext> context;
  const Driver &driver;
  std::string name;
  target::GpuModel model;
};

Expected<std::unique_ptr<Module>> CudaDevice::load(const Image &image) {
  Expected<std::vector<PtxEntry>> entries = readPtxEntries(image.ptx);
  if (!entries)
    return entries.takeError();
  bool isBinary = !image.cubin.empty();
  const void *code = isBinary ? static_cast<const void *>(image.cubin.data()) : image.ptx.c_str();
  std::string log(8192, '\0');
  int options[] = {cuda::jitErrorLogBuffer, cuda::jitErrorLogBufferBytes};
  // The driver takes integer values in the pointer itself.
  void *values[] = {log.data(), reinterpret_cast<void *>(log.size())};
  cuda::ModuleHandle module = nullptr;
  Error error = context->run("cuModuleLoadDataEx", isBinary ? " for a cubin" : " for PTX", [&] {
    return driver.moduleLoad(&module, code, std::size(options), options, values);
  });
  if (error) {
    StringRef message = StringRef(log.c_str()).trim();
    if (message.empty())
      return std::move(error);
    return createStringError(toString(std::move(error)) + "; the assembler says: " + message);
  }
  return std::make_unique<CudaModule>(context, module, std::move(*entries));
}

Error CudaDevice::allowDynamicShared(CudaKernel &kernel, uint32_t bytes) {
  // Static and dynamic shared memory beyond 48 KB together needs asking for;
  // asking for any amount is harmless and happens once a kernel and size.
  if (bytes <= kernel.dynamicSharedLimit)
    return Error::success();
  if (Error error =
          context->run("cuFuncSetAttribute",
                       " for " + Twine(bytes) + " bytes of dynamic shared memory of kernel '" +
                           kernel.getName() + "'",
                       [&] {
                         return driver.functionSetAttribute(
                             kernel.function, cuda::functionMaxDynamicSharedBytes, bytes);
                       }))
    return error;
  kernel.dynamicSharedLimit = bytes;
  return Error::success();
}

Error CudaDevice::allowCluster(CudaKernel &kernel) {
  if (kernel.allowsLargeCluster)
    return Error::success();
  if (Error error = context->run(
          "cuFuncSetAttribute",
          " for clusters of more than 8 blocks of kernel '" + kernel.getName() + "'", [&] {
            return driver.functionSetAttribute(kernel.function,
                                               cuda::functionNonPortableClusterAllowed, 1);
          }))
    return error;
  kernel.allowsLargeCluster = true;
  return Error::success();
}

Error CudaDevice::launch(Kernel &kernel, const LaunchConfig &config, ArrayRef<uint8_t> arguments) {
  auto &own = static_cast<CudaKernel &>(kernel);
  if (arguments.size() != own.getArgumentBytes())
    return createStringError("kernel '" + own.getName() + "' takes " +
                             Twine(own.getArgumentBytes()) + " bytes of arguments, but got " +
                             Twine(arguments.size()));
  if (Error error = allowDynamicShared(own, config.dynamicSharedBytes))
    return error;
  // Clusters of up to 8 blocks run everywhere that clusters do; larger ones
  // must be asked for (CUDA C++ programming guide, "Thread Block Clusters").
  if (config.cluster.count() > 8)
    if (Error error = allowCluster(own))
      return error;

  cuda::LaunchAttribute cluster = {};
  cluster.id = cuda::launchAttributeCluster;
  cluster.value.cluster = {config.cluster.x, config.cluster.y, config.cluster.z};
  cuda::LaunchConfigEx launch = {};
  launch.gridX = config.grid.x, launch.gridY = config.grid.y, launch.gridZ = config.grid.z;
  launch.blockX = config.block.x, launch.blockY = config.block.y, launch.blockZ = config.block.z;
  launch.sharedBytes = config.dynamicSharedBytes;
  launch.stream = getHandle(config.stream);
  launch.attributes = &cluster;
  launch.attributeCount = config.cluster.count() > 1;

  size_t size = arguments.size();
  void *extra[] = {cuda::launchParamBufferPointer, const_cast<uint8_t *>(arguments.data()),
                   cuda::launchParamBufferSize, &size, cuda::launchParamEnd};
  return context->run("cuLaunchKernelEx", " for kernel '" + own.getName() + "'",
                      [&] { return driver.launchKernel(&launch, own.function, nullptr, extra); });
}

/// What the driver says about one GPU.
Expected<cuda::Silicon> readSilicon(const Driver &driver, int device, StringRef name) {
  cuda::Silicon silicon;
  int major = 0, minor = 0, smCount = 0, l2Bytes = 0;
  std::pair<int, int *> attributes[] = {{cuda::attributeMajor, &major},
                                        {cuda::attributeMinor, &minor},
                                        {cuda::attributeSmCount, &smCount},
                                        {cuda::attributeL2Bytes, &l2Bytes}};
  for (auto [attribute, value] : attributes)
    if (Error error = driver.check(driver.deviceGetAttribute(value, attribute, device),
                                   "cuDeviceGetAttribute",
                                   "on " + name + " for attribute " + Twine(attribute)))
      return std::move(error);
  size_t memoryBytes = 0;
  if (Error error = driver.check(driver.deviceTotalMem(&memoryBytes, device), "cuDeviceTotalMem",
                                 "on " + name))
    return std::move(error);
  silicon.major = major, silicon.minor = minor, silicon.smCount = smCount;
  silicon.l2Bytes = l2Bytes, silicon.memoryBytes = memoryBytes;
  return silicon;
}

/// Opens one GPU. Fails on driver errors and on silicon that no target serves.
Expected<std::unique_ptr<Device>> openDevice(const std::shared_ptr<const Driver> &driver,
                                             int ordinal) {
  std::string name = "cuda:" + std::to_string(ordinal);
  cuda::DeviceOrdinal device = 0;
  if (Error error = driver->check(driver->deviceGet(&device, ordinal), "cuDeviceGet", "on " + name))
    return std::move(error);
  Expected<cuda::Silicon> silicon = readSilicon(*driver, device, name);
  if (!silicon)
    return silicon.takeError();
  Expected<target::GpuModel> model = cuda::chooseModel(*silicon);
  if (!model) {
    char product[256] = {};
    driver->deviceGetName(product, sizeof(product) - 1, device);
    return createStringError(name + " (" + product + "): " + toString(model.takeError()));
  }
  return std::make_unique<CudaDevice>(std::make_shared<PrimaryContext>(driver, device, name), name,
                                      *model);
}

} // namespace

Expected<CudaDevices> enumerateCuda(StringRef driverPath) {
  Expected<std::shared_ptr<const Driver>> driver = Driver::open(driverPath);
  if (!driver)
    return driver.takeError();
  CudaDevices found;
  cuda::Result started = (*driver)->init(0);
  if (started == cuda::errorNoDevice)
    return found;
  if (Error error = (*driver)->check(started, "cuInit", "while starting the CUDA driver"))
    return std::move(error);
  int count = 0;
  if (Error error = (*driver)->check((*driver)->deviceGetCount(&count), "cuDeviceGetCount",
                                     "while listing GPUs"))
    return std::move(error);
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    Expected<std::unique_ptr<Device>> device = openDevice(*driver, ordinal);
    if (device)
      found.devices.push_back(std::move(*device));
    else
      found.skipped.push_back(toString(device.takeError()));
  }
  return found;
}

} // namespace tilewright::device
