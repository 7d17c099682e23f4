//===- Compile.cpp - Compiling without running, for Python ------------------===//
//
// tilewright.compile: the artifact of a problem for any target, with the IR
// after each phase, on a machine with or without that GPU.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/Compile.h"
#include "bindings/python/Bindings.h"
#include "bindings/python/Errors.h"
#include "bindings/python/Runtime.h"
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace py::literals;

namespace tilewright::python {

/// An artifact and how it came about.
struct CompiledKernel {
  artifact::Artifact artifact;
  std::vector<std::pair<std::string, std::string>> phases;
  double seconds = 0;

  std::string getMetadata() const {
    std::string text;
    llvm::raw_string_ostream(text) << artifact.metadata.toJSON();
    return text;
  }
};

/// A contiguous array that is nowhere: what a problem is made from.
static launch::Tensor describeShape(const std::string &dtype, llvm::ArrayRef<int64_t> shape) {
  return launch::makeDense(nullptr, 0, dtype, shape);
}

static std::unique_ptr<CompiledKernel>
compileQuantMatmul(const PackedWeights &weights, const std::string &x,
                   const std::optional<std::string> &bias, const std::string &out,
                   const std::string &activation, const std::string &target, int64_t m,
                   const std::optional<std::string> &schedule, bool deterministic) {
  int64_t n = weights.get().shape.n, k = weights.get().shape.k, batch = weights.get().batch;
  launch::QuantMatmulCall call{
      {}, describeShape(x, launch::extentsInBatch(batch, {m, k})), weights.get(), {}};
  call.activation = activation;
  call.deterministic = deterministic;
  call.y = describeShape(out, launch::extentsInBatch(batch, {m, call.getOutputs(n)}));
  if (bias)
    call.bias = describeShape(*bias, launch::extentsInBatch(batch, {n}));
  auto problem = unwrap(launch::makeProblem(call), exception::argument);
  const target::GpuModel &model = findModel(target);
  auto kernel = std::make_unique<CompiledKernel>();
  compile::Options options;
  options.expectedM = m;
  options.observe = [&](const std::string &phase, const std::string &ir) {
    kernel->phases.push_back({phase, ir});
  };
  if (schedule) {
    options.schedule = unwrap(schedule::Schedule::parse(*schedule), exception::argument);
    check(schedule::verify(*options.schedule, problem, target::getTarget(model)),
          exception::resource);
  }
  Stopwatch watch;
  auto artifact = [&] {
    py::gil_scoped_release release;
    return compile::compile(problem, model, options);
  }();
  kernel->artifact = unwrap(std::move(artifact), exception::compile);
  kernel->seconds = watch.getSeconds();
  return kernel;
}

void bindCompile(py::module_ &module) {
  py::class_<CompiledKernel>(module, "CompiledKernel")
      .def_property_readonly("ptx", [](const CompiledKernel &k) { return k.artifact.ptx; })
      .def_property_readonly("metadata", &CompiledKernel::getMetadata)
      .def_readonly("phases", &CompiledKernel::phases)
      .def_readonly("seconds", &CompiledKernel::seconds);
  module.def("compile_quant_matmul", &compileQuantMatmul, "weights"_a, "x"_a, "bias"_a, "out"_a,
             "activation"_a, "target"_a, "m"_a, "schedule"_a, "deterministic"_a);
}

} // namespace tilewright::python
