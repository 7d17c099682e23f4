//===- Errors.h - llvm::Error to the package's exceptions -------------------===//
//
// A failing call becomes an exception of tilewright.errors. Which one follows
// from the call that failed, since each of our libraries fails for one kind of
// reason: the caller names it, the library's text is the message.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_BINDINGS_PYTHON_ERRORS_H
#define TILEWRIGHT_BINDINGS_PYTHON_ERRORS_H

#include "llvm/Support/Error.h"
#include <pybind11/pybind11.h>
#include <string>

namespace tilewright::python {

/// Names of classes in tilewright/errors.py.
namespace exception {
constexpr const char *argument = "ArgumentError";
constexpr const char *shape = "ShapeError";
constexpr const char *unsupported = "UnsupportedError";
constexpr const char *resource = "ResourceError";
constexpr const char *compile = "CompileError";
constexpr const char *check = "CheckError";
constexpr const char *device = "DeviceError";
} // namespace exception

/// Raises the class called `name` with `message`. Needs the GIL.
[[noreturn]] void raise(const char *name, const std::string &message);

/// Raises if `error` is one. Needs the GIL.
inline void check(llvm::Error error, const char *name) {
  if (error)
    raise(name, llvm::toString(std::move(error)));
}

/// The value, or raises. Needs the GIL.
template <typename T> T unwrap(llvm::Expected<T> value, const char *name) {
  if (!value)
    raise(name, llvm::toString(value.takeError()));
  return std::move(*value);
}

} // namespace tilewright::python

#endif
