//===- CudaDriver.cpp - The part of the CUDA driver API in use --------------===//
//
// Opens the driver library and turns its result codes into errors.
//
//===----------------------------------------------------------------------===//
#include "runtime/Device/CudaDriver.h"

#include <dlfcn.h>

using namespace llvm;

namespace tilewright::device::cuda {

Expected<std::shared_ptr<const Driver>> Driver::open(StringRef path) {
  void *library = dlopen(path.str().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return createStringError("no CUDA driver: '" + path + "' cannot be opened (" + dlerror() +
                             "); install NVIDIA's display driver, version 525 or newer, or use "
                             "an emulated device such as emulated:a100");
  auto driver = std::make_shared<Driver>();
  const char *missing = nullptr;
#define TILEWRIGHT_CUDA_FIND(member, symbol, parameters)                                           \
  driver->member = reinterpret_cast<decltype(driver->member)>(dlsym(library, symbol));             \
  if (!driver->member && !missing)                                                                 \
    missing = symbol;
  TILEWRIGHT_CUDA_FUNCTIONS(TILEWRIGHT_CUDA_FIND)
#undef TILEWRIGHT_CUDA_FIND
  if (missing) {
    dlclose(library);
    return createStringError("the CUDA driver '" + path + "' has no function " + missing +
                             "; update NVIDIA's display driver to version 525 or newer");
  }
  return std::shared_ptr<const Driver>(std::move(driver));
}

Error Driver::check(Result result, StringRef call, const Twine &context) const {
  if (result == success)
    return Error::success();
  const char *name = nullptr, *text = nullptr;
  // Both fail on codes newer than the driver knows.
  if (getErrorName(result, &name) != success || !name)
    name = "an unknown error";
  if (getErrorString(result, &text) != success || !text)
    text = "no description";
  return createStringError(call + " failed " + context + ": " + name + " (" + Twine(result) + ", " +
                           text + ")");
}

} // namespace tilewright::device::cuda
