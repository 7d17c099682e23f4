//===- Runtime.cpp - Devices and kernels of a Python process ----------------===//
//
// See Runtime.h. Python has checked shapes and dtypes and chosen the names; what
// the libraries still refuse becomes the exception of the step that refused.
//
//===----------------------------------------------------------------------===//
#include "bindings/python/Runtime.h"
#include "bindings/python/Bindings.h"
#include "bindings/python/Errors.h"
#include "codegen/Compile/Compile.h"
#include "dialects/Support/Format/Format.h"
#include "dialects/Support/Layout/PackedForm.h"
#include "runtime/Launch/EmulatedDevices.h"
#include "runtime/Launch/Staging.h"
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace py::literals;

namespace tilewright::python {

//===- Arguments ------------------------------------------------------------===//

PackedWeights::PackedWeights(py::array words, py::array scales, std::optional<py::array> zeros,
                             std::optional<py::array> tensorScale,
                             std::optional<py::array> codebook, int64_t batch, int64_t k, int64_t n,
                             const std::string &formatName, const std::string &group,
                             const std::string &scale, const std::string &zero,
                             const std::string &zeroDtype, const std::string &activations)
    : words(std::move(words)), scales(std::move(scales)), zeros(std::move(zeros)),
      tensorScale(std::move(tensorScale)), codebook(std::move(codebook)) {
  format::Format code = unwrap(format::parse(formatName), exception::unsupported);
  weights.shape = {k, n, code.bits};
  weights.shape.storage = layout::getStorage(code);
  weights.shape.activations =
      unwrap(layout::parseActivationClass(activations), exception::unsupported);
  if (code.isStack()) {
    check(weights.shape.verify(), exception::shape);
    weights.shape.bits = this->words.size() / std::max<uint64_t>(weights.shape.getWordCount(), 1);
  }
  weights.batch = batch;
  weights.format = formatName;
  weights.group = group;
  weights.zero = unwrap(format::parseZero(zero), exception::unsupported);
  weights.words = describe(this->words, "u32", wordsBuffer);
  weights.scales = describe(this->scales, scale, scalesBuffer);
  if (this->zeros)
    weights.zeros = describe(*this->zeros, zeroDtype, zerosBuffer);
  if (this->tensorScale) {
    tensorScaleBuffer = std::make_shared<launch::ResidentBuffer>();
    weights.tensorScale = describeArray(*this->tensorScale);
    weights.tensorScale->resident = tensorScaleBuffer.get();
  }
  if (this->codebook)
    weights.codebook = describe(*this->codebook, "u32", codebookBuffer);
}

launch::Tensor PackedWeights::describe(const py::array &array, const std::string &dtype,
                                       Buffer &buffer) {
  if (!(array.flags() & py::array::c_style))
    raise(exception::shape, "expects packed weights to be contiguous");
  auto address = reinterpret_cast<uint64_t>(array.data());
  launch::Tensor tensor = launch::makePacked(nullptr, address, dtype, array.nbytes());
  buffer = std::make_shared<launch::ResidentBuffer>();
  tensor.resident = buffer.get();
  return tensor;
}

PackedWeights PackedWeights::takePlanes(unsigned planes, std::optional<py::array> scales,
                                        std::optional<py::array> zeros) const {
  PackedWeights part = *this;
  launch::QuantisedWeights &taken = part.weights;
  unsigned all = taken.shape.bits;
  if (taken.shape.storage == layout::Storage::Words || planes < 1 || planes > all)
    raise(exception::argument, "expects 1 to " + std::to_string(all) + " planes of " +
                                   taken.format + " weights in planes, but got " +
                                   std::to_string(planes));
  bool isStack = taken.shape.storage == layout::Storage::Stack;
  if (isStack)
    taken.scales.packedBytes = taken.scales.packedBytes / all * planes;
  else
    taken.format = format::getNestedName(all, planes);
  taken.shape.bits = planes;
  taken.words.packedBytes = taken.shape.getWordCount() * 4;
  if (scales) {
    part.scales = std::move(*scales);
    taken.scales = part.describe(part.scales, taken.scales.dtype, part.scalesBuffer);
  }
  if (zeros && taken.zeros) {
    part.zeros = std::move(*zeros);
    taken.zeros = part.describe(*part.zeros, taken.zeros->dtype, part.zerosBuffer);
  }
  return part;
}

launch::Tensor describeArray(const py::array &array) {
  static constexpr std::pair<const char *, const char *> names[] = {
      {"float16", "f16"}, {"bfloat16", "bf16"},      {"float32", "f32"},
      {"int8", "i8"},     {"float8_e4m3fn", "e4m3"}, {"float8_e5m2", "e5m2"},
      {"int32", "i32"},   {"uint8", "u8"},           {"uint32", "u32"}};
  auto dtype = py::cast<std::string>(array.dtype().attr("name"));
  launch::Tensor tensor;
  for (auto [numpy, ours] : names)
    if (dtype == numpy)
      tensor.dtype = ours;
  if (tensor.dtype.empty())
    raise(exception::unsupported, "no kernel takes arrays of " + dtype);
  tensor.address = reinterpret_cast<uint64_t>(array.data());
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
    tensor.shape.push_back(array.shape(axis));
    tensor.strides.push_back(array.strides(axis) / array.itemsize());
  }
  return tensor;
}

launch::Epilogue readEpilogue(const py::dict &arguments) {
  launch::Epilogue epilogue;
  static constexpr std::pair<const char *, std::optional<launch::Tensor> launch::Epilogue::*>
      operands[] = {{"bias", &launch::Epilogue::bias},
                    {"row_scale", &launch::Epilogue::rowScale},
                    {"column_scale", &launch::Epilogue::columnScale},
                    {"residual", &launch::Epilogue::residual},
                    {"out_scale", &launch::Epilogue::outScale}};
  for (auto [name, member] : operands)
    if (arguments.contains(name) && !arguments[name].is_none())
      epilogue.*member = describeArray(py::cast<py::array>(arguments[name]));
  if (arguments.contains("activation"))
    epilogue.activation = py::cast<std::string>(arguments["activation"]);
  return epilogue;
}

//===- Calls ----------------------------------------------------------------===//

Runtime::Runtime()
    : registry(&launch::makeEmulatedDevice),
      cache([this](const problem::Problem &problem, const target::GpuModel &model,
                   const std::optional<schedule::Schedule> &schedule, int64_t expectedM) {
        Stopwatch watch;
        compile::Options options;
        options.schedule = schedule;
        options.expectedM = expectedM;
        auto artifact = compile::compile(problem, model, options);
        std::lock_guard<std::mutex> lock(mutex);
        compilations.push_back({problem, watch.getSeconds()});
        return artifact;
      }) {}

size_t Runtime::countCompilations() {
  std::lock_guard<std::mutex> lock(mutex);
  return compilations.size();
}

double Runtime::getCompileSeconds(const problem::Problem &problem, size_t first) {
  std::lock_guard<std::mutex> lock(mutex);
  double seconds = 0;
  for (const Compilation &compilation : llvm::ArrayRef(compilations).drop_front(first))
    if (compilation.problem == problem)
      seconds += compilation.seconds;
  return seconds;
}

py::object Runtime::runQuantMatmul(const py::array &x, const PackedWeights &weights,
                                   const py::dict &epilogue, py::array y,
                                   const std::string &deviceName,
                                   const std::optional<std::string> &schedule, bool deterministic,
                                   int detail) {
  launch::QuantMatmulCall call{readEpilogue(epilogue), describeArray(x), weights.get(),
                               describeArray(y), deterministic};
  auto problem = unwrap(launch::makeProblem(call), exception::argument);
  return runCall(launch::describe(call), problem, deviceName, schedule, detail);
}

py::object Runtime::runMatmul(const py::array &x, const py::array &w, bool isTransposed,
                              const py::dict &epilogue, py::array y, const std::string &deviceName,
                              const std::optional<std::string> &schedule, bool deterministic,
                              int detail) {
  launch::MatmulCall call{readEpilogue(epilogue), describeArray(x), describeArray(w),
                          isTransposed,           describeArray(y), deterministic};
  auto problem = unwrap(launch::makeProblem(call), exception::argument);
  return runCall(launch::describe(call), problem, deviceName, schedule, detail);
}

launch::AttentionCall readAttention(const py::dict &arrays, const py::dict &constants) {
  launch::AttentionCall call;
  auto has = [](const py::dict &dict, const char *name) {
    return dict.contains(name) && !dict[name].is_none();
  };
  for (auto [name, member] : {std::pair("q", &launch::AttentionCall::q),
                              {"k", &launch::AttentionCall::k},
                              {"v", &launch::AttentionCall::v},
                              {"o", &launch::AttentionCall::o}})
    call.*member = describeArray(py::cast<py::array>(arrays[name]));
  for (auto [name, member] : {std::pair("q_starts", &launch::AttentionCall::qStarts),
                              {"k_starts", &launch::AttentionCall::kStarts},
                              {"k_lengths", &launch::AttentionCall::kLengths},
                              {"page_table", &launch::AttentionCall::pageTable},
                              {"k_factors", &launch::AttentionCall::kFactors},
                              {"v_factors", &launch::AttentionCall::vFactors},
                              {"block_counts", &launch::AttentionCall::blockCounts},
                              {"blocks", &launch::AttentionCall::blocks},
                              {"k_scales", &launch::AttentionCall::kScales},
                              {"v_scales", &launch::AttentionCall::vScales},
                              {"q_offset", &launch::AttentionCall::qOffset},
                              {"alibi_slopes", &launch::AttentionCall::alibiSlopes},
                              {"sinks", &launch::AttentionCall::sinks},
                              {"lse", &launch::AttentionCall::lse}})
    if (has(arrays, name))
      call.*member = describeArray(py::cast<py::array>(arrays[name]));
  if (has(arrays, "captures"))
    for (py::handle capture : py::cast<py::list>(arrays["captures"]))
      call.captures.push_back(describeArray(py::cast<py::array>(capture)));
  for (auto [name, member] : {std::pair("scale", &launch::AttentionCall::scale),
                              {"softcap", &launch::AttentionCall::softcap},
                              {"causal", &launch::AttentionCall::causal},
                              {"window", &launch::AttentionCall::window},
                              {"score", &launch::AttentionCall::score},
                              {"mask", &launch::AttentionCall::mask},
                              {"block_size", &launch::AttentionCall::blockSize},
                              {"deterministic", &launch::AttentionCall::deterministic}})
    if (has(constants, name))
      call.*member = py::cast<std::string>(constants[name]);
  if (has(constants, "splits"))
    call.splits = std::stoll(py::cast<std::string>(constants["splits"]));
  return call;
}

py::object Runtime::runAttention(const py::dict &arrays, const py::dict &constants,
                                 const std::string &deviceName,
                                 const std::optional<std::string> &schedule, int detail) {
  launch::AttentionCall call = readAttention(arrays, constants);
  auto problem = unwrap(launch::makeProblem(call), exception::argument);
  return runCall(launch::describe(call), problem, deviceName, schedule, detail);
}

launch::MergeAttentionCall readMergeAttention(const std::vector<py::array> &parts,
                                              const std::vector<py::array> &lses,
                                              const py::array &o,
                                              const std::optional<py::array> &lse) {
  launch::MergeAttentionCall call;
  for (const py::array &part : parts)
    call.parts.push_back(describeArray(part));
  for (const py::array &logarithms : lses)
    call.lses.push_back(describeArray(logarithms));
  call.o = describeArray(o);
  if (lse)
    call.lse = describeArray(*lse);
  return call;
}

py::object Runtime::runMergeAttention(const std::vector<py::array> &parts,
                                      const std::vector<py::array> &lses, const py::array &o,
                                      const std::optional<py::array> &lse,
                                      const std::string &deviceName,
                                      const std::optional<std::string> &schedule, int detail) {
  launch::MergeAttentionCall call = readMergeAttention(parts, lses, o, lse);
  auto problem = unwrap(launch::makeProblem(call), exception::argument);
  return runCall(launch::describe(call), problem, deviceName, schedule, detail);
}

py::object Runtime::runAppendCache(const py::dict &arrays, const py::dict &constants,
                                   const std::string &deviceName,
                                   const std::optional<std::string> &schedule, int detail) {
  launch::AppendCacheCall call;
  call.lengths = describeArray(py::cast<py::array>(arrays["lengths"]));
  for (auto [name, member] : {std::pair("k", &launch::AppendCacheCall::k),
                              {"v", &launch::AppendCacheCall::v},
                              {"q", &launch::AppendCacheCall::q},
                              {"page_table", &launch::AppendCacheCall::pageTable},
                              {"cos", &launch::AppendCacheCall::cos},
                              {"sin", &launch::AppendCacheCall::sin},
                              {"k_cache", &launch::AppendCacheCall::kCache},
                              {"v_cache", &launch::AppendCacheCall::vCache},
                              {"k_scales", &launch::AppendCacheCall::kScales},
                              {"v_scales", &launch::AppendCacheCall::vScales},
                              {"rotated", &launch::AppendCacheCall::rotated}})
    if (arrays.contains(name) && !arrays[name].is_none())
      call.*member = describeArray(py::cast<py::array>(arrays[name]));
  call.rotary = py::cast<std::string>(constants["rotary"]);
  call.rotaryStart = py::cast<std::string>(constants["rotary_start"]);
  auto problem = unwrap(launch::makeProblem(call), exception::argument);
  return runCall(launch::describe(call), problem, deviceName, schedule, detail);
}

py::object Runtime::runPack(const py::array &codes, py::array words, const py::dict &constants,
                            const std::string &deviceName,
                            const std::optional<std::string> &schedule, int detail) {
  launch::PackCall call;
  call.codes = describeArray(codes);
  call.words = describeArray(words);
  call.isAlongN = py::cast<bool>(constants["along_n"]);
  bool hasRank = codes.ndim() == 2;
  call.shape.k = hasRank ? codes.shape(call.isAlongN ? 0 : 1) : 0;
  call.shape.n = hasRank ? codes.shape(call.isAlongN ? 1 : 0) : 0;
  call.shape.bits = py::cast<unsigned>(constants["bits"]);
  call.shape.storage = unwrap(layout::parseStorage(py::cast<std::string>(constants["storage"])),
                              exception::unsupported);
  call.shape.activations =
      unwrap(layout::parseActivationClass(py::cast<std::string>(constants["activations"])),
             exception::unsupported);
  auto problem = unwrap(launch::makeProblem(call), exception::argument);
  return runCall(launch::describe(call), problem, deviceName, schedule, detail);
}

py::object Runtime::runCall(const launch::Call &call, const problem::Problem &problem,
                            const std::string &deviceName,
                            const std::optional<std::string> &scheduleText, int detail) {
  auto device = unwrap(registry.get(deviceName), exception::device);
  std::optional<schedule::Schedule> pinned;
  if (scheduleText) {
    pinned = unwrap(schedule::Schedule::parse(*scheduleText), exception::argument);
    check(schedule::verify(*pinned, problem, target::getTarget(device->getModel())),
          exception::resource);
  }
  if (call.operands.back().tensor.isEmpty())
    return py::none();

  size_t compiledBefore = countCompilations();
  auto executable = [&] {
    py::gil_scoped_release release;
    return cache.get(problem, device, call.rows, pinned);
  }();
  auto kernel = unwrap(std::move(executable), exception::compile);
  LaunchRecord record(*device);
  Stopwatch watch;
  llvm::Error error = [&] {
    py::gil_scoped_release release;
    return launch::launchStaged(*kernel, call, 0, record.get());
  }();
  checkLaunch(std::move(error), *device, record, watch.getSeconds());
  if (!detail)
    return py::none();
  return py::dict("kernel"_a = kernel->getMetadata().kernel, "problem"_a = problem.str(),
                  "compile_seconds"_a = getCompileSeconds(problem, compiledBefore),
                  "seconds"_a = watch.getSeconds(), "counters"_a = record.readCounters(),
                  "report"_a = detail > 1 ? record.write() : std::nullopt);
}

/// The model behind a device's name. An emulated device need not be made for it.
static const target::GpuModel &findModel(Runtime &runtime, const std::string &name) {
  llvm::StringRef emulated = name;
  if (emulated.consume_front("emulated:"))
    return *unwrap(target::findGpuModel(emulated), exception::device);
  return unwrap(runtime.getRegistry().get(name), exception::device)->getModel();
}

static py::dict describeDevice(Runtime &runtime, const std::string &name) {
  const target::GpuModel &model = findModel(runtime, name);
  return py::dict("name"_a = name == "cuda" ? "cuda:0" : name, "model"_a = model.name.str(),
                  "target"_a = model.target.str(), "sm_count"_a = model.smCount,
                  "memory_bytes"_a = model.memoryBytes);
}

void bindRuntime(py::module_ &module) {
  py::class_<PackedWeights>(module, "PackedWeights")
      .def(py::init<py::array, py::array, std::optional<py::array>, std::optional<py::array>,
                    std::optional<py::array>, int64_t, int64_t, int64_t, const std::string &,
                    const std::string &, const std::string &, const std::string &,
                    const std::string &, const std::string &>(),
           "words"_a, "scales"_a, "zeros"_a, "tensor_scale"_a, "codebook"_a, py::kw_only(),
           "batch"_a, "k"_a, "n"_a, "format"_a, "group"_a, "scale"_a, "zero"_a, "zero_dtype"_a,
           "activations"_a)
      .def("take_planes", &PackedWeights::takePlanes, "planes"_a, "scales"_a = py::none(),
           "zeros"_a = py::none());
  py::class_<Runtime>(module, "Runtime")
      .def(py::init<>())
      .def("device_names", [](Runtime &runtime) { return runtime.getRegistry().list(); })
      .def("device_problems", [](Runtime &runtime) { return runtime.getRegistry().getProblems(); })
      .def("default_device",
           [](Runtime &runtime) {
             return unwrap(runtime.getRegistry().getDefault(), exception::device)->getName().str();
           })
      .def(
          "set_emulator_options",
          [](Runtime &runtime, const std::string &name, const py::dict &options) {
            setOptions(*unwrap(runtime.getRegistry().get(name), exception::device), options);
          },
          "device"_a, "options"_a)
      .def("describe_device", &describeDevice, "name"_a)
      .def("quant_matmul", &Runtime::runQuantMatmul, "x"_a, "weights"_a, "epilogue"_a, "y"_a,
           "device"_a, "schedule"_a, "deterministic"_a, "detail"_a)
      .def("matmul", &Runtime::runMatmul, "x"_a, "w"_a, "transposed"_a, "epilogue"_a, "y"_a,
           "device"_a, "schedule"_a, "deterministic"_a, "detail"_a)
      .def("attention", &Runtime::runAttention, "arrays"_a, "constants"_a, "device"_a, "schedule"_a,
           "detail"_a)
      .def("merge_attention", &Runtime::runMergeAttention, "parts"_a, "lses"_a, "o"_a, "lse"_a,
           "device"_a, "schedule"_a, "detail"_a)
      .def("pack", &Runtime::runPack, "codes"_a, "words"_a, "constants"_a, "device"_a, "schedule"_a,
           "detail"_a)
      .def("append_cache", &Runtime::runAppendCache, "arrays"_a, "constants"_a, "device"_a,
           "schedule"_a, "detail"_a);
}

} // namespace tilewright::python
