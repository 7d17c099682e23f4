//===- Bindings.h - The parts of the extension module -----------------------===//
//
// One function a part; Module.cpp calls them. The module is private to the
// package: tilewright/_native.pyi states its functions and the Python files
// around it are its only callers, so arguments are converted, not explained.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_BINDINGS_PYTHON_BINDINGS_H
#define TILEWRIGHT_BINDINGS_PYTHON_BINDINGS_H

#include "runtime/Device/Device.h"
#include <optional>
#include <pybind11/pybind11.h>

namespace tilewright::python {

/// Packing of weight codes, scales and zero points (runtime/Pack).
void bindPack(pybind11::module_ &module);
/// Devices, packed weights and calls of kernels (runtime/Launch).
void bindRuntime(pybind11::module_ &module);

/// Compiling without running (codegen/Compile).
void bindCompile(pybind11::module_ &module);
/// MLIR text and problems that options describe, for the command line.
void bindPrograms(pybind11::module_ &module);
/// Anybody's PTX on a device (runtime/Device), and options of emulated ones.
void bindPtxModule(pybind11::module_ &module);
void bindEmulated(pybind11::module_ &module);
/// CUDA C++ to PTX (runtime/Nvrtc).
void bindNvrtc(pybind11::module_ &module);
/// Kernels that were compiled before (dialects/Support/Artifact).
void bindArtifact(pybind11::module_ &module);
/// The tables of GPU models (dialects/Support/Target).
void bindTargets(pybind11::module_ &module);

/// A GPU model by its own name, or the reference model of a target. Raises
/// UnsupportedError with the nearest names.
const target::GpuModel &findModel(const std::string &name);

/// A new device "emulated:<model>" with the options of tilewright.EmulatorOptions.
std::unique_ptr<device::Device> makeEmulatedDevice(const std::string &name,
                                                   const pybind11::dict &options);

/// What an emulated device leaves behind of one launch; of a GPU's, nothing.
class LaunchRecord {
public:
  explicit LaunchRecord(const device::Device &device);
  ~LaunchRecord();
  /// For device::LaunchConfig.
  emulator::Report *get() { return report.get(); }
  /// What was counted; empty for a GPU.
  pybind11::dict readCounters() const;
  /// The report as JSON text; nothing for a GPU. Needs no GIL.
  std::optional<std::string> write() const;
  /// Whether a checker found something.
  bool hasFindings() const;

private:
  std::unique_ptr<emulator::Report> report;
};

/// Raises if a launch on `device` failed: CheckError with the report for a
/// finding, else DeviceError. Needs the GIL.
void checkLaunch(llvm::Error error, const device::Device &device, const LaunchRecord &record,
                 double seconds);
/// For the launches to come of an emulated device: options as of
/// makeEmulatedDevice.
void setOptions(device::Device &device, const pybind11::dict &options);

} // namespace tilewright::python

#endif
