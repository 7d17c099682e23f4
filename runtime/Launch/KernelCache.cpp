//===- KernelCache.cpp - Compiled kernels of this process -------------------===//
//
// See KernelCache.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/KernelCache.h"

#include "llvm/ADT/Hashing.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright::launch {

int64_t getBucket(int64_t m) { return m <= 8 ? std::max<int64_t>(m, 1) : PowerOf2Ceil(m); }

size_t KernelCache::KeyHash::operator()(const KeyView &key) const {
  const problem::Problem &problem = key.problem;
  hash_code code = hash_combine(problem.op, problem.indexWidth, key.device, key.bucket);
  for (const problem::Dimension &dimension : problem.dimensions)
    code = hash_combine(code, dimension.extent.value_or(-1), dimension.divisor);
  for (const problem::Operand &operand : problem.operands) {
    code = hash_combine(code, operand.dtype, operand.alignment);
    for (const std::optional<int64_t> &stride : operand.strides)
      code = hash_combine(code, stride.value_or(-1));
  }
  for (const auto &[name, value] : problem.attributes)
    code = hash_combine(code, value);
  return code;
}

KernelCache::Counters KernelCache::getCounters() const { return {hits, compiles, loads}; }

std::shared_ptr<Workspaces>
KernelCache::getWorkspaces(const std::shared_ptr<device::Device> &device) {
  std::lock_guard<std::mutex> lock(workspacesMutex);
  std::shared_ptr<Workspaces> &entry = workspaces[device.get()];
  if (!entry)
    entry = std::make_shared<Workspaces>(device);
  return entry;
}

Expected<std::shared_ptr<Executable>>
KernelCache::make(const KeyView &key, const std::shared_ptr<device::Device> &device) {
  const target::GpuModel &model = device->getModel();
  std::optional<schedule::Schedule> schedule = key.pinned;
  if (!schedule) {
    Expected<schedule::Schedule> chosen = schedule::chooseDefault(key.problem, model, key.bucket);
    if (!chosen)
      return chosen.takeError();
    schedule = *chosen;
  }
  std::string artifactKey =
      key.problem.getHash() + " " + model.target.str() + " " + schedule->str();
  auto compileOnce = [&]() -> Expected<std::shared_ptr<const artifact::Artifact>> {
    ++compiles;
    Expected<artifact::Artifact> made = compile(key.problem, model, schedule, key.bucket);
    if (!made)
      return made.takeError();
    return std::make_shared<const artifact::Artifact>(std::move(*made));
  };
  Expected<std::shared_ptr<const artifact::Artifact>> artifact =
      artifacts.get(artifactKey, compileOnce);
  if (!artifact)
    return artifact.takeError();
  // The executable keeps its device, so the address stays this device's own.
  std::string loadKey =
      artifactKey + " " + std::to_string(reinterpret_cast<uintptr_t>(device.get()));
  return executables.get(loadKey, [&] {
    ++loads;
    return Executable::load(device, getWorkspaces(device), **artifact);
  });
}

Expected<std::shared_ptr<Executable>>
KernelCache::get(const problem::Problem &problem, const std::shared_ptr<device::Device> &device,
                 int64_t m, const std::optional<schedule::Schedule> &pinned) {
  // M chooses the schedule and nothing else.
  KeyView key(problem, device.get(), pinned ? 1 : getBucket(m), pinned);
  {
    std::shared_lock<std::shared_mutex> lock(mutex);
    if (auto found = known.find(key); found != known.end()) {
      ++hits;
      return found->second;
    }
  }
  Expected<std::shared_ptr<Executable>> executable = make(key, device);
  if (!executable)
    return executable.takeError();
  std::unique_lock<std::shared_mutex> lock(mutex);
  return known.try_emplace({problem, device.get(), key.bucket, pinned}, std::move(*executable))
      .first->second;
}

std::shared_ptr<Executable> KernelCache::findCall(StringRef bits) {
  std::shared_lock<std::shared_mutex> lock(mutex);
  auto found = calls.find(bits);
  if (found == calls.end())
    return nullptr;
  ++hits;
  return found->second;
}

void KernelCache::rememberCall(StringRef bits, std::shared_ptr<Executable> executable) {
  std::unique_lock<std::shared_mutex> lock(mutex);
  calls[bits] = std::move(executable);
}

} // namespace tilewright::launch
