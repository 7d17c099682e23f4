//===- Targets.cpp - The tables of GPU models, for Python -------------------===//
//
// Rows of dialects/Support/Target as dictionaries.
//
//===----------------------------------------------------------------------===//
#include "bindings/python/Bindings.h"
#include "bindings/python/Errors.h"
#include "bindings/python/Runtime.h"

namespace py = pybind11;
using namespace py::literals;

namespace tilewright::python {

/// A GPU model and what its target gives a block.
static py::dict describeModel(const target::GpuModel &model) {
  const target::Target &target = target::getTarget(model);
  return py::dict("name"_a = model.name.str(), "target"_a = target.name.str(),
                  "can_compile"_a = target.canCompile, "sm_count"_a = model.smCount,
                  "memory_bytes"_a = model.memoryBytes,
                  "memory_bandwidth"_a = model.memoryBandwidth, "l2_bytes"_a = model.l2Bytes,
                  "clock_hz"_a = model.clock, "half_tensor_flops"_a = model.halfTensorFlops,
                  "shared_bytes_per_block"_a = target.maxSharedBytesPerBlock,
                  "shared_bytes_per_sm"_a = target.sharedBytesPerSM,
                  "registers_per_thread"_a = target.maxRegistersPerThread,
                  "threads_per_block"_a = target.maxThreadsPerBlock,
                  "threads_per_sm"_a = target.maxThreadsPerSM, "source"_a = model.source.str());
}

const target::GpuModel &findModel(const std::string &name) {
  const target::Target &target = *unwrap(target::findTarget(name), exception::unsupported);
  llvm::Expected<const target::GpuModel *> model = target::findGpuModel(name);
  if (model)
    return **model;
  llvm::consumeError(model.takeError());
  return target::getReferenceModel(target);
}

void bindTargets(py::module_ &module) {
  module.def("gpu_models", [] {
    py::list rows;
    for (const target::GpuModel &model : target::allGpuModels())
      rows.append(describeModel(model));
    return rows;
  });
  module.def(
      "find_model", [](const std::string &name) { return describeModel(findModel(name)); },
      "name"_a);
  module.def(
      "device_model",
      [](Runtime &runtime, const std::string &name) {
        // An emulated device need not be made for it.
        llvm::StringRef model = name;
        if (model.consume_front("emulated:"))
          return describeModel(*unwrap(target::findGpuModel(model), exception::device));
        return describeModel(
            unwrap(runtime.getRegistry().get(name), exception::device)->getModel());
      },
      "runtime"_a, "device"_a);
}

} // namespace tilewright::python
