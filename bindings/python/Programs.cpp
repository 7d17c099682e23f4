//===- Programs.cpp - Compiling programs and problems, for Python -----------===//
//
// What the command line compiles: MLIR text, and problems that are described
// by options. Text in, PTX and JSON text out; compilations run without the GIL.
//
//===----------------------------------------------------------------------===//
#include "bindings/python/Bindings.h"
#include "bindings/python/Errors.h"
#include "bindings/python/Runtime.h"
#include "codegen/Compile/Compile.h"
#include "dialects/Support/Format/Format.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FormatVariadic.h"
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace py::literals;

namespace tilewright::python {

//===- Problems -------------------------------------------------------------===//

static std::string toText(const llvm::json::Value &value) {
  return llvm::formatv("{0}", value).str();
}

static problem::Problem readProblem(const std::string &text) {
  llvm::json::Value value = unwrap(llvm::json::parse(text), exception::argument);
  return unwrap(problem::Problem::fromJSON(value), exception::argument);
}

/// The problem `linear` would compile for contiguous arrays of these dtypes and
/// extents. `zeros`: dtype of the zero points, of which `zero` is the rule.
static std::string quantMatmulProblem(int64_t m, int64_t n, int64_t k,
                                      const std::string &formatName, const std::string &group,
                                      const std::string &scale, const std::string &zero,
                                      const std::string &zeros, bool hasTensorScale,
                                      const std::string &x, const std::string &y,
                                      const std::optional<std::string> &bias,
                                      const std::string &activation, bool deterministic) {
  format::Format code = unwrap(format::parse(formatName), exception::unsupported);
  launch::QuantMatmulCall call;
  launch::QuantisedWeights &weights = call.weights;
  weights.shape = {k, n, code.bits};
  weights.shape.storage = layout::getStorage(code);
  check(weights.shape.verify(), exception::unsupported);
  weights.format = formatName;
  weights.group = group;
  weights.zero = unwrap(format::parseZero(zero), exception::unsupported);
  auto makeTable = [&](launch::Tensor &table, const std::string &dtype, auto getStorage) {
    table = launch::makePacked(nullptr, 0, dtype, 0);
    auto storage = unwrap(getStorage(weights), exception::unsupported);
    table.packedBytes = storage.getElements() * (format::get(dtype).bits / 8);
  };
  weights.words = launch::makePacked(nullptr, 0, "u32", weights.shape.getWordCount() * 4);
  makeTable(weights.scales, scale, launch::getScaleStorage);
  if (weights.zero != format::Zero::None)
    makeTable(weights.zeros.emplace(), zeros, launch::getZeroStorage);
  if (hasTensorScale)
    weights.tensorScale = launch::makeDense(nullptr, 0, "f32", {1});
  if (code.isIndex())
    weights.codebook = launch::makePacked(nullptr, 0, "u32", 4 * layout::getTableWords(code.bits));
  if (x == "i8")
    weights.shape.activations = layout::ActivationClass::Bits8;
  call.x = launch::makeDense(nullptr, 0, x, {m, k});
  call.activation = activation;
  call.deterministic = deterministic;
  call.y = launch::makeDense(nullptr, 0, y, {m, call.getOutputs(n)});
  if (bias)
    call.bias = launch::makeDense(nullptr, 0, *bias, {n});
  return toText(unwrap(launch::makeProblem(call), exception::unsupported).toJSON());
}

/// The problem that a call of attention is an instance of, and of merge_attention.
static std::string attentionProblem(const py::dict &arrays, const py::dict &constants) {
  launch::AttentionCall call = readAttention(arrays, constants);
  return toText(unwrap(launch::makeProblem(call), exception::argument).toJSON());
}

static std::string mergeAttentionProblem(const std::vector<py::array> &parts,
                                         const std::vector<py::array> &lses, const py::array &o,
                                         const std::optional<py::array> &lse) {
  launch::MergeAttentionCall call = readMergeAttention(parts, lses, o, lse);
  return toText(unwrap(launch::makeProblem(call), exception::argument).toJSON());
}

//===- Compilation ----------------------------------------------------------===//

static std::optional<schedule::Schedule> readSchedule(const std::optional<std::string> &text) {
  if (!text)
    return std::nullopt;
  return unwrap(schedule::Schedule::parse(*text), exception::argument);
}

/// The schedule of a problem: `text`, checked, or the default.
static std::string chooseSchedule(const std::string &problemText, const std::string &modelName,
                                  const std::optional<std::string> &text, int64_t expectedM) {
  problem::Problem problem = readProblem(problemText);
  const target::GpuModel &model = findModel(modelName);
  std::optional<schedule::Schedule> chosen = readSchedule(text);
  if (!chosen)
    return unwrap(schedule::chooseDefault(problem, model, expectedM), exception::unsupported).str();
  check(schedule::verify(*chosen, problem, target::getTarget(model)), exception::resource);
  return chosen->str();
}

using CompileFunction =
    llvm::function_ref<llvm::Expected<artifact::Artifact>(const compile::Options &)>;

/// Runs `compile` and describes what it made.
static py::dict runCompiler(const std::optional<std::string> &schedule, int64_t expectedM,
                            bool wantsPhases, CompileFunction compile) {
  std::vector<std::pair<std::string, std::string>> phases;
  compile::Options options;
  options.schedule = readSchedule(schedule);
  options.expectedM = expectedM;
  if (wantsPhases)
    options.observe = [&](const std::string &phase, const std::string &ir) {
      phases.emplace_back(phase, ir);
    };
  Stopwatch watch;
  llvm::Expected<artifact::Artifact> compiled = [&] {
    py::gil_scoped_release release;
    return compile(options);
  }();
  double seconds = watch.getSeconds();
  artifact::Artifact artifact = unwrap(std::move(compiled), exception::compile);
  return py::dict("ptx"_a = artifact.ptx, "metadata"_a = toText(artifact.metadata.toJSON()),
                  "phases"_a = phases, "seconds"_a = seconds);
}

static py::dict compileProblem(const std::string &problemText, const std::string &modelName,
                               const std::optional<std::string> &schedule, int64_t expectedM,
                               bool wantsPhases) {
  problem::Problem problem = readProblem(problemText);
  const target::GpuModel &model = findModel(modelName);
  return runCompiler(schedule, expectedM, wantsPhases, [&](const compile::Options &options) {
    return compile::compile(problem, model, options);
  });
}

static py::dict compileSource(const std::string &source, const std::string &name,
                              const std::string &modelName,
                              const std::optional<std::string> &schedule, int64_t expectedM,
                              bool wantsPhases) {
  const target::GpuModel &model = findModel(modelName);
  return runCompiler(schedule, expectedM, wantsPhases, [&](const compile::Options &options) {
    return compile::compileSource(source, name, model, options);
  });
}

/// The value of an expression of an artifact's metadata.
static int64_t evaluate(const std::string &text, const std::map<std::string, int64_t> &values) {
  llvm::StringMap<int64_t> named;
  for (const auto &[name, value] : values)
    named[name] = value;
  artifact::Expression expression = unwrap(artifact::Expression::parse(text), exception::argument);
  return unwrap(expression.evaluate(named), exception::argument);
}

void bindPrograms(py::module_ &module) {
  module.attr("VERSION") = TILEWRIGHT_VERSION;
  module.attr("LLVM_VERSION") = LLVM_VERSION_STRING;
  module.def("quant_matmul_problem", &quantMatmulProblem, py::kw_only(), "m"_a, "n"_a, "k"_a,
             "format"_a, "group"_a, "scale"_a, "zero"_a, "zeros"_a, "tensor_scale"_a, "x"_a, "y"_a,
             "bias"_a, "activation"_a, "deterministic"_a);
  module.def("attention_problem", &attentionProblem, "arrays"_a, "constants"_a);
  module.def("merge_attention_problem", &mergeAttentionProblem, "parts"_a, "lses"_a, "o"_a,
             "lse"_a);
  module.def("choose_schedule", &chooseSchedule, "problem"_a, "model"_a, "schedule"_a,
             "expected_m"_a);
  module.def("compile_problem", &compileProblem, "problem"_a, "model"_a, "schedule"_a,
             "expected_m"_a, "phases"_a);
  module.def("compile_source", &compileSource, "source"_a, "name"_a, "model"_a, "schedule"_a,
             "expected_m"_a, "phases"_a);
  module.def("evaluate", &evaluate, "expression"_a, "values"_a);
}

} // namespace tilewright::python
