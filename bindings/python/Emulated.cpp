//===- Emulated.cpp - The emulated device, for Python -----------------------===//
//
// The only file of the module that knows the emulator: its options, what a
// device counted, and whether a failure is a finding of its checkers.
//
//===----------------------------------------------------------------------===//
#include "bindings/python/Bindings.h"
#include "bindings/python/Errors.h"
#include "runtime/Emulator/EmulatedDevice.h"
#include "llvm/ADT/StringSwitch.h"
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace py::literals;

namespace tilewright::python {

/// Calls f(name in Python, field) for every option but the landing policy. A field
/// that Python does not have does not compile.
template <typename F> static void forEachOption(emulator::Options &options, F f) {
  auto &[landing, landingSeed, warpOrderSeed, instructionBudget, timeBudgetSeconds, backEdgeBudget,
         maxResidentBlocks, memoryLimit, launchMemoryLimit, localBytesPerThread, callDepth, threads,
         outputBytes, maxFindings, preemptionSeed, checkAlignment, checkAsync, checkRaces,
         raceRecordLimit, strictAcquire, strictWarps, checkInitialisation, countAccesses,
         keepWorstAccess] = options;
  f("landing_seed", landingSeed);
  f("warp_order_seed", warpOrderSeed);
  f("preemption_seed", preemptionSeed);
  f("instruction_budget", instructionBudget);
  f("time_budget", timeBudgetSeconds);
  f("back_edge_budget", backEdgeBudget);
  f("max_findings", maxFindings);
  f("output_bytes", outputBytes);
  f("race_record_limit", raceRecordLimit);
  f("max_resident_blocks", maxResidentBlocks);
  f("threads", threads);
  f("memory_limit", memoryLimit);
  f("launch_memory_limit", launchMemoryLimit);
  f("local_bytes_per_thread", localBytesPerThread);
  f("call_depth", callDepth);
  f("count_accesses", countAccesses);
  f("keep_worst_access", keepWorstAccess);
  f("strict_acquire", strictAcquire);
  f("strict_warps", strictWarps);
  f("alignment", checkAlignment);
  f("async", checkAsync);
  f("races", checkRaces);
  f("initialisation", checkInitialisation);
}

static emulator::Options readOptions(const py::dict &values) {
  using emulator::LandingPolicy;
  emulator::Options options;
  auto landing = py::cast<std::string>(values["landing"]);
  options.landing = llvm::StringSwitch<LandingPolicy>(landing)
                        .Case("eager", LandingPolicy::Eager)
                        .Case("random", LandingPolicy::Random)
                        .Default(LandingPolicy::Late);
  forEachOption(options, [&]<typename Field>(const char *name, Field &field) {
    field = py::cast<Field>(values[name]);
  });
  return options;
}

std::unique_ptr<device::Device> makeEmulatedDevice(const std::string &name,
                                                   const py::dict &options) {
  llvm::StringRef model = name;
  model.consume_front("emulated:");
  return unwrap(emulator::EmulatedDevice::create(model, readOptions(options)), exception::device);
}

/// What the options are where nobody gives them, by their names in Python.
static py::dict getDefaultOptions() {
  emulator::Options options;
  py::dict values("landing"_a = "late");
  forEachOption(options, [&](const char *name, auto &field) { values[name] = field; });
  return values;
}

void bindEmulated(py::module_ &module) {
  module.def("default_emulator_options", &getDefaultOptions);
}

LaunchRecord::LaunchRecord(const device::Device &device) {
  if (dynamic_cast<const emulator::EmulatedDevice *>(&device))
    report = std::make_unique<emulator::Report>();
}

LaunchRecord::~LaunchRecord() = default;

py::dict LaunchRecord::readCounters() const {
  py::dict counters;
  if (!report)
    return counters;
  for (const auto &[name, value] : report->total.toJSON())
    if (std::optional<int64_t> count = value.getAsInteger())
      counters[py::str(name.str())] = *count;
  return counters;
}

std::optional<std::string> LaunchRecord::write() const {
  if (!report)
    return std::nullopt;
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(report->toJSON());
  return text;
}

bool LaunchRecord::hasFindings() const { return report && !report->findings.empty(); }

void checkLaunch(llvm::Error error, const device::Device &device, const LaunchRecord &record,
                 double seconds) {
  if (!error)
    return;
  std::string message = llvm::toString(std::move(error));
  if (!record.hasFindings())
    raise(exception::device, message);
  py::object report = py::module_::import("tilewright.reports")
                          .attr("parse_report")(*record.write(), device.getName().str(), seconds);
  py::object type = py::module_::import("tilewright.errors").attr(exception::check);
  PyErr_SetObject(type.ptr(), type(message, report).ptr());
  throw py::error_already_set();
}

void setOptions(device::Device &device, const py::dict &options) {
  auto *emulated = dynamic_cast<emulator::EmulatedDevice *>(&device);
  if (!emulated)
    raise(exception::argument,
          "options are for emulated devices; '" + device.getName().str() + "' is a GPU");
  const emulator::Options values = readOptions(options);
  // Waits for a launch that is under way.
  py::gil_scoped_release release;
  emulated->setOptions(values);
}

} // namespace tilewright::python
