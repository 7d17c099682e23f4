//===- Bindings.h - The parts of the extension module -----------------------===//
//
// One function a part; Module.cpp calls them. The module is private to the
// package: tilewright/_native.pyi states its functions and the Python files
// around it are its only callers, so arguments are converted, not explained.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_BINDINGS_PYTHON_BINDINGS_H
#define TILEWRIGHT_BINDINGS_PYTHON_BINDINGS_H

#include <pybind11/pybind11.h>

namespace tilewright::python {

/// Packing of weight codes, scales and zero points (runtime/Pack).
void bindPack(pybind11::module_ &module);

} // namespace tilewright::python

#endif
