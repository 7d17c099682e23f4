//===- CudaModel.cpp - Which row of the GPU table a driver's device is ------===//
//
// Matches what the driver reports with the tables of targets and models.
//
//===----------------------------------------------------------------------===//
#include "runtime/Device/CudaModel.h"

#include "llvm/ADT/Twine.h"
#include <cmath>
#include <string>

using namespace llvm;

namespace tilewright::device::cuda {

/// The target whose code runs on a capability: the same one, else the nearest
/// lower minor version of the same major one. Code for targets whose name ends
/// in 'a' runs on exactly their capability (PTX ISA 8.0, 11.1.2 ".target").
static const target::Target *findRunnableTarget(const Silicon &silicon) {
  const target::Target *best = nullptr;
  for (const target::Target &candidate : target::allTargets()) {
    if (candidate.major != silicon.major || candidate.minor > silicon.minor)
      continue;
    if (candidate.minor < silicon.minor && candidate.name.ends_with("a"))
      continue;
    if (!best || candidate.minor > best->minor)
      best = &candidate;
  }
  return best;
}

Expected<target::GpuModel> chooseModel(const Silicon &silicon) {
  const target::Target *own = findRunnableTarget(silicon);
  if (!own) {
    std::string known;
    for (const target::Target &candidate : target::allTargets())
      known += (known.empty() ? "" : ", ") + candidate.name.str();
    return createStringError("compute capability " + Twine(silicon.major) + "." +
                             Twine(silicon.minor) + " is not supported; supported are " + known);
  }

  // Drivers report a few per cent less memory than the data sheet; models that
  // differ in nothing else (H100, H200) differ by a quarter or more.
  const target::GpuModel *best = nullptr;
  double bestDistance = 0.25;
  for (const target::GpuModel &model : target::allGpuModels()) {
    const target::Target &candidate = target::getTarget(model);
    if (candidate.major != silicon.major || candidate.minor != silicon.minor ||
        model.smCount != silicon.smCount)
      continue;
    double distance = std::abs(double(silicon.memoryBytes) / double(model.memoryBytes) - 1);
    if (distance < bestDistance) {
      best = &model;
      bestDistance = distance;
    }
  }
  if (best)
    return *best;

  const target::GpuModel &reference = target::getReferenceModel(*own);
  target::GpuModel model = reference;
  model.name = "unlisted";
  model.target = own->name;
  model.smCount = silicon.smCount;
  model.l2Bytes = silicon.l2Bytes;
  model.memoryBytes = silicon.memoryBytes;
  model.halfTensorFlops = reference.halfTensorFlops * silicon.smCount / reference.smCount;
  model.source = "the driver's attributes; rates of the capability's reference model";
  return model;
}

} // namespace tilewright::device::cuda
