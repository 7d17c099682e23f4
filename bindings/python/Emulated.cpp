//===- Emulated.cpp - The emulated device, for Python -----------------------===//
//
// The only file of the module that knows the emulator: what a device counted,
// and whether a failure is a finding of its checkers.
//
//===----------------------------------------------------------------------===//
#include "bindings/python/Bindings.h"
#include "bindings/python/Errors.h"
#include "runtime/Emulator/EmulatedDevice.h"

namespace py = pybind11;

namespace tilewright::python {

bool isEmulated(const device::Device &device) {
  return dynamic_cast<const emulator::EmulatedDevice *>(&device) != nullptr;
}

py::dict readCounters(const device::Device &device) {
  py::dict counters;
  auto *emulated = dynamic_cast<const emulator::EmulatedDevice *>(&device);
  if (!emulated)
    return counters;
  for (const auto &[name, value] : emulated->getLastReport().total.toJSON())
    if (std::optional<int64_t> count = value.getAsInteger())
      counters[py::str(name.str())] = *count;
  return counters;
}

py::object readReport(const device::Device &device) {
  auto *emulated = dynamic_cast<const emulator::EmulatedDevice *>(&device);
  if (!emulated)
    return py::none();
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(emulated->getLastReport().toJSON());
  return py::str(text);
}

const char *getLaunchException(const device::Device &device) {
  auto *emulated = dynamic_cast<const emulator::EmulatedDevice *>(&device);
  bool hasFinding = emulated && !emulated->getLastReport().findings.empty();
  return hasFinding ? exception::check : exception::device;
}

} // namespace tilewright::python
