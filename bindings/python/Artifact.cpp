//===- Artifact.cpp - Running compiled kernels, for Python ------------------===//
//
// An artifact that was compiled before, perhaps elsewhere, and kept as PTX and
// metadata: checked, loaded on a device and launched on arrays.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Artifact/Artifact.h"
#include "bindings/python/Bindings.h"
#include "bindings/python/Errors.h"
#include "bindings/python/Runtime.h"
#include "runtime/Launch/Staging.h"
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace py::literals;

namespace tilewright::python {

static artifact::Artifact readArtifact(const std::string &ptx, const std::string &metadata) {
  llvm::json::Value value = unwrap(llvm::json::parse(metadata), exception::argument);
  return {ptx, {}, unwrap(artifact::Metadata::fromJSON(value), exception::argument)};
}

/// An artifact on a device. Thread-safe.
class LoadedArtifact {
public:
  /// Raises ArgumentError for metadata or PTX that cannot be used.
  LoadedArtifact(Runtime &runtime, const std::string &ptx, const std::string &metadata,
                 const std::string &deviceName)
      : device(unwrap(runtime.getRegistry().get(deviceName), exception::device)) {
    artifact::Artifact artifact = readArtifact(ptx, metadata);
    auto loaded = [&] {
      py::gil_scoped_release release;
      return launch::Executable::load(device, std::make_shared<launch::Workspaces>(device),
                                      artifact);
    }();
    executable = unwrap(std::move(loaded), exception::argument);
  }

  /// Runs a quantised matrix product into `y`: seconds, counters and, if asked for,
  /// the emulated device's report as JSON.
  py::dict runQuantMatmul(const py::array &x, const PackedWeights &weights,
                          const std::optional<py::array> &bias, const py::array &y,
                          bool wantsReport) {
    launch::QuantMatmulCall call{{}, describeArray(x), weights.get(), describeArray(y)};
    if (bias)
      call.bias = describeArray(*bias);
    llvm::SmallVector<launch::Tensor, 12> operands = launch::getOperands(call);
    check(executable->verify(operands), exception::shape);
    LaunchRecord record(*device);
    Stopwatch watch;
    llvm::Error error = [&] {
      // So that the caller can say how long it takes, and be interrupted.
      py::gil_scoped_release release;
      return launch::launchStaged(*executable, operands, {}, 0, record.get());
    }();
    checkLaunch(std::move(error), *device, record, watch.getSeconds());
    return py::dict("seconds"_a = watch.getSeconds(), "counters"_a = record.readCounters(),
                    "report"_a = wantsReport ? record.write() : std::nullopt);
  }

private:
  std::shared_ptr<device::Device> device;
  std::shared_ptr<launch::Executable> executable;
};

void bindArtifact(py::module_ &module) {
  py::class_<LoadedArtifact>(module, "LoadedArtifact")
      .def(py::init<Runtime &, const std::string &, const std::string &, const std::string &>(),
           "runtime"_a, "ptx"_a, "metadata"_a, "device"_a, py::keep_alive<1, 2>())
      .def("quant_matmul", &LoadedArtifact::runQuantMatmul, "x"_a, "weights"_a, "bias"_a, "y"_a,
           "report"_a = false);
}

} // namespace tilewright::python
