//===- Module.cpp - The extension module tilewright._native -----------------===//
//
// Where Python meets the libraries. Nothing is decided here: the Python files
// of the package prepare arguments, the libraries do the work.
//
//===----------------------------------------------------------------------===//
#include "bindings/python/Bindings.h"
#include "bindings/python/Errors.h"

namespace py = pybind11;

void tilewright::python::raise(const char *name, const std::string &message) {
  py::object type = py::module_::import("tilewright.errors").attr(name);
  PyErr_SetString(type.ptr(), message.c_str());
  throw py::error_already_set();
}

PYBIND11_MODULE(_native, module) {
  tilewright::python::bindPack(module);
  tilewright::python::bindCompile(module);
  tilewright::python::bindRuntime(module);
  tilewright::python::bindPtxModule(module);
  tilewright::python::bindEmulated(module);
  tilewright::python::bindNvrtc(module);
  tilewright::python::bindPrograms(module);
  tilewright::python::bindArtifact(module);
  tilewright::python::bindTargets(module);
}
