//===- DeviceRegistry.cpp - The devices of a process, by name ---------------===//
//
// See DeviceRegistry.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/DeviceRegistry.h"

#include "runtime/Device/Cuda.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;

namespace tilewright::launch {

using DevicePtr = std::shared_ptr<device::Device>;

void DeviceRegistry::openCuda() {
  if (isCudaOpen)
    return;
  isCudaOpen = true;
  Expected<device::CudaDevices> found = device::enumerateCuda(driverPath);
  if (!found) {
    problems.push_back(toString(found.takeError()));
    return;
  }
  for (std::unique_ptr<device::Device> &gpu : found->devices)
    gpus.push_back(std::move(gpu));
  problems = std::move(found->skipped);
  if (gpus.empty() && problems.empty())
    problems.push_back("the CUDA driver lists no GPU");
}

Expected<DevicePtr> DeviceRegistry::getCuda(StringRef name) {
  std::lock_guard<std::mutex> lock(mutex);
  openCuda();
  StringRef wanted = name == "cuda" ? "cuda:0" : name;
  for (const DevicePtr &gpu : gpus)
    if (gpu->getName() == wanted)
      return gpu;
  std::string known =
      join(map_range(gpus, [](const DevicePtr &gpu) { return gpu->getName(); }), ", ");
  std::string message = "there is no device '" + wanted.str() + "'";
  if (!known.empty())
    message += "; there are " + known;
  for (const std::string &problem : problems)
    message += "; " + problem;
  return createStringError(message);
}

Expected<DevicePtr> DeviceRegistry::getEmulated(StringRef name) {
  StringRef modelName = name;
  modelName.consume_front("emulated:");
  Expected<const target::GpuModel *> model = target::findGpuModel(modelName);
  if (!model)
    return createStringError("there is no device '" + name + "': " + toString(model.takeError()));
  std::lock_guard<std::mutex> lock(mutex);
  DevicePtr &device = emulated[(*model)->name.str()];
  if (!device) {
    Expected<std::unique_ptr<device::Device>> made = makeEmulated(**model);
    if (!made)
      return made.takeError();
    device = std::move(*made);
  }
  return device;
}

Expected<DevicePtr> DeviceRegistry::get(StringRef name) {
  if (name == "cuda" || name.starts_with("cuda:"))
    return getCuda(name);
  if (name.starts_with("emulated:"))
    return getEmulated(name);
  return createStringError("a device is called 'cuda:<ordinal>' or 'emulated:<model>', but got '" +
                           name + "'");
}

Expected<DevicePtr> DeviceRegistry::getDefault() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    openCuda();
    if (!gpus.empty())
      return gpus.front();
  }
  return getEmulated("emulated:a100");
}

std::vector<std::string> DeviceRegistry::list() {
  std::lock_guard<std::mutex> lock(mutex);
  openCuda();
  std::vector<std::string> names;
  for (const DevicePtr &gpu : gpus)
    names.push_back(gpu->getName().str());
  for (const target::GpuModel &model : target::allGpuModels())
    names.push_back("emulated:" + model.name.str());
  return names;
}

std::vector<std::string> DeviceRegistry::getProblems() {
  std::lock_guard<std::mutex> lock(mutex);
  openCuda();
  return problems;
}

} // namespace tilewright::launch
