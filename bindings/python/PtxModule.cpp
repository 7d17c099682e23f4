//===- PtxModule.cpp - Anybody's PTX on a device, for Python ----------------===//
//
// What tilewright.Module stands on: PTX loaded on a device, its memory, its
// variables, and launches with an argument block that Python has packed. On
// the emulator each module has a device of its own, so its options, memory and
// report are nobody else's.
//
//===----------------------------------------------------------------------===//
#include "bindings/python/Bindings.h"
#include "bindings/python/Errors.h"
#include "bindings/python/Runtime.h"
#include "runtime/Device/PtxEntries.h"
#include "llvm/Demangle/Demangle.h"
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace py::literals;

namespace tilewright::python {

namespace {

using Extents = std::array<uint32_t, 3>;

device::Dim3 toDim3(const Extents &extents) { return {extents[0], extents[1], extents[2]}; }

/// Thread-safe. Calls run without the GIL, one at a time.
class PtxModule {
public:
  /// With `options` the device is an emulated one of its own; without, the
  /// process's GPU of that name. Raises CompileError for PTX that is refused.
  PtxModule(Runtime &runtime, const std::string &ptx, const std::string &deviceName,
            const std::optional<py::dict> &options);

  std::string getDeviceName() const { return device->getName().str(); }
  py::list describeKernels() const;

  uint64_t allocate(uint64_t bytes);
  void release(uint64_t address);
  void write(uint64_t address, const py::buffer &data);
  void read(uint64_t address, const py::buffer &data);
  /// (address, bytes)
  py::tuple findSymbol(const std::string &name);

  /// {"error", "is_finding", "seconds", "report"}: a launch that fails raises
  /// nothing, so that the caller has the report in either case.
  py::dict launch(const std::string &kernel, const Extents &grid, const Extents &block,
                  const Extents &cluster, uint32_t dynamicShared, const py::bytes &arguments);

private:
  /// The result of `work`, without the GIL and alone on the device.
  template <typename Work> auto runAlone(Work work) {
    py::gil_scoped_release release;
    std::lock_guard<std::mutex> lock(mutex);
    return work();
  }

  std::mutex mutex; ///< of the device and what is loaded there
  std::shared_ptr<device::Device> device;
  std::unique_ptr<device::Module> module;
  std::vector<device::PtxEntry> entries;
};

PtxModule::PtxModule(Runtime &runtime, const std::string &ptx, const std::string &deviceName,
                     const std::optional<py::dict> &options) {
  if (options)
    device = makeEmulatedDevice(deviceName, *options);
  else
    device = unwrap(runtime.getRegistry().get(deviceName), exception::device);
  auto loaded = runAlone([&] { return device->load({ptx, {}}); });
  module = unwrap(std::move(loaded), exception::compile);
  entries = unwrap(device::readPtxEntries(ptx), exception::compile);
}

/// What people call a kernel whose name a C++ compiler has mangled: the whole
/// declaration, the qualified name with template arguments, the plain name.
py::list getAliases(const std::string &name) {
  py::list aliases;
  llvm::ItaniumPartialDemangler demangler;
  if (demangler.partialDemangle(name.c_str()) || !demangler.isFunction())
    return aliases;
  using Getter = char *(llvm::ItaniumPartialDemangler::*)(char *, size_t *) const;
  for (Getter getter : {&llvm::ItaniumPartialDemangler::finishDemangle,
                        &llvm::ItaniumPartialDemangler::getFunctionName,
                        &llvm::ItaniumPartialDemangler::getFunctionBaseName})
    if (char *text = (demangler.*getter)(nullptr, nullptr)) {
      aliases.append(py::str(text));
      std::free(text);
    }
  return aliases;
}

py::list PtxModule::describeKernels() const {
  py::list kernels;
  for (const device::PtxEntry &entry : entries) {
    py::list parameters;
    for (const device::PtxParameter &parameter : entry.parameters)
      parameters.append(py::dict("name"_a = parameter.name, "type"_a = parameter.type,
                                 "offset"_a = parameter.offset, "nbytes"_a = parameter.bytes,
                                 "alignment"_a = parameter.alignment,
                                 "is_array"_a = parameter.isArray));
    kernels.append(py::dict("name"_a = entry.name, "aliases"_a = getAliases(entry.name),
                            "parameters"_a = parameters, "argument_bytes"_a = entry.argumentBytes));
  }
  return kernels;
}

uint64_t PtxModule::allocate(uint64_t bytes) {
  return unwrap(runAlone([&] { return device->allocate(bytes); }), exception::resource);
}

void PtxModule::release(uint64_t address) {
  check(runAlone([&] { return device->release(address); }), exception::device);
}

void PtxModule::write(uint64_t address, const py::buffer &data) {
  py::buffer_info info = data.request();
  uint64_t bytes = info.size * info.itemsize;
  check(runAlone([&] { return device->copyToDevice(address, info.ptr, bytes); }),
        exception::device);
}

void PtxModule::read(uint64_t address, const py::buffer &data) {
  py::buffer_info info = data.request(/*writable=*/true);
  uint64_t bytes = info.size * info.itemsize;
  check(runAlone([&] { return device->copyToHost(info.ptr, address, bytes); }), exception::device);
}

py::tuple PtxModule::findSymbol(const std::string &name) {
  device::Symbol symbol =
      unwrap(runAlone([&] { return module->getSymbol(name); }), exception::argument);
  return py::make_tuple(symbol.address, symbol.bytes);
}

py::dict PtxModule::launch(const std::string &name, const Extents &grid, const Extents &block,
                           const Extents &cluster, uint32_t dynamicShared,
                           const py::bytes &arguments) {
  device::LaunchConfig config{toDim3(grid), toDim3(block), toDim3(cluster), dynamicShared};
  std::string_view bytes = arguments;
  device::Kernel *kernel =
      unwrap(runAlone([&] { return module->getKernel(name); }), exception::argument);
  LaunchRecord record(*device);
  config.report = record.get();
  Stopwatch watch;
  double seconds = 0;
  std::optional<std::string> error, report;
  runAlone([&] {
    llvm::Error failure = device->launch(
        *kernel, config, {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
    if (!failure)
      failure = device->synchronize();
    seconds = watch.getSeconds();
    if (failure)
      error = llvm::toString(std::move(failure));
    report = record.write();
  });
  return py::dict("error"_a = error, "is_finding"_a = record.hasFindings(), "seconds"_a = seconds,
                  "report"_a = report);
}

} // namespace

void bindPtxModule(py::module_ &module) {
  module.def("demangle", [](const std::string &name) { return llvm::demangle(name); }, "name"_a);
  py::class_<PtxModule>(module, "PtxModule")
      .def(py::init<Runtime &, const std::string &, const std::string &,
                    const std::optional<py::dict> &>(),
           "runtime"_a, "ptx"_a, "device"_a, "options"_a, py::keep_alive<1, 2>())
      .def_property_readonly("device_name", &PtxModule::getDeviceName)
      .def("kernels", &PtxModule::describeKernels)
      .def("allocate", &PtxModule::allocate, "bytes"_a)
      .def("release", &PtxModule::release, "address"_a)
      .def("write", &PtxModule::write, "address"_a, "data"_a)
      .def("read", &PtxModule::read, "address"_a, "data"_a)
      .def("symbol", &PtxModule::findSymbol, "name"_a)
      .def("launch", &PtxModule::launch, "kernel"_a, "grid"_a, "block"_a, "cluster"_a,
           "dynamic_shared"_a, "arguments"_a);
}

} // namespace tilewright::python
