//===- Nvrtc.cpp - CUDA C++ to PTX, for Python ------------------------------===//
//
// One function over runtime/Nvrtc. Python knows where the library may lie.
//
//===----------------------------------------------------------------------===//
#include "runtime/Nvrtc/Nvrtc.h"
#include "bindings/python/Bindings.h"
#include "bindings/python/Errors.h"
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace py::literals;

namespace tilewright::python {

/// {"succeeded", "ptx", "log", "library", "version"}
static py::dict compileCuda(const std::string &source, const std::string &name,
                            const std::vector<std::string> &options,
                            const std::vector<std::string> &libraries) {
  auto library = unwrap(nvrtc::Library::open(libraries), exception::unsupported);
  auto compiled = [&] {
    py::gil_scoped_release release;
    return library->compile(source, name, options);
  }();
  nvrtc::Compilation compilation = unwrap(std::move(compiled), exception::argument);
  // The log may quote the source, in whatever encoding that has.
  py::object log = py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(compilation.log.data(), compilation.log.size(), "replace"));
  return py::dict("succeeded"_a = compilation.succeeded, "ptx"_a = compilation.ptx, "log"_a = log,
                  "library"_a = library->getPath().str(), "version"_a = library->getVersion());
}

void bindNvrtc(py::module_ &module) {
  module.def("compile_cuda", &compileCuda, "source"_a, "name"_a, "options"_a, "libraries"_a);
}

} // namespace tilewright::python
