//===- CudaDriver.h - The part of the CUDA driver API in use ----------------===//
//
// Declarations of the CUDA driver API by hand, so that no CUDA header is needed
// to build, and the table of its functions as found in the driver library.
// Names, signatures and numbers are those of the CUDA driver API reference
// (modules "Types used by CUDA driver" and following); a `_v2` in a symbol is
// the version that cuda.h of CUDA 12 and later maps the plain name to.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_DEVICE_CUDADRIVER_H
#define TILEWRIGHT_RUNTIME_DEVICE_CUDADRIVER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include <cstddef>
#include <cstdint>
#include <memory>

namespace tilewright::device::cuda {

using Result = int;
using DeviceOrdinal = int;
using Pointer = unsigned long long;
using Context = struct CUctx_st *;
using ModuleHandle = struct CUmod_st *;
using Function = struct CUfunc_st *;
using StreamHandle = struct CUstream_st *;

constexpr Result success = 0;
constexpr Result errorNoDevice = 100;

/// CUdevice_attribute.
enum DeviceAttribute : int {
  attributeSmCount = 16,
  attributeL2Bytes = 38,
  attributeMajor = 75,
  attributeMinor = 76,
};

/// CUfunction_attribute.
enum FunctionAttribute : int {
  functionMaxDynamicSharedBytes = 8,
  functionNonPortableClusterAllowed = 14,
};

/// CUjit_option.
enum JitOption : int {
  jitErrorLogBuffer = 5,
  jitErrorLogBufferBytes = 6,
};

/// CUlaunchAttribute: an id, padding to 8 bytes, a union of 64 bytes of which
/// the cluster's three extents are used.
struct LaunchAttribute {
  int id;
  int padding;
  union {
    char bytes[64];
    struct {
      unsigned x, y, z;
    } cluster;
  } value;
};
static_assert(sizeof(LaunchAttribute) == 72);
constexpr int launchAttributeCluster = 4;

/// CUlaunchConfig.
struct LaunchConfigEx {
  unsigned gridX, gridY, gridZ;
  unsigned blockX, blockY, blockZ;
  unsigned sharedBytes;
  StreamHandle stream;
  LaunchAttribute *attributes;
  unsigned attributeCount;
};
static_assert(sizeof(LaunchConfigEx) == 56);

/// CU_LAUNCH_PARAM_*: what the entries of `extra` mean.
inline void *const launchParamEnd = nullptr;
inline void *const launchParamBufferPointer = reinterpret_cast<void *>(1);
inline void *const launchParamBufferSize = reinterpret_cast<void *>(2);

/// Every driver function in use: member, symbol, parameters.
#define TILEWRIGHT_CUDA_FUNCTIONS(X)                                                               \
  X(init, "cuInit", (unsigned flags))                                                              \
  X(getErrorName, "cuGetErrorName", (Result result, const char **name))                            \
  X(getErrorString, "cuGetErrorString", (Result result, const char **text))                        \
  X(deviceGetCount, "cuDeviceGetCount", (int *count))                                              \
  X(deviceGet, "cuDeviceGet", (DeviceOrdinal * device, int ordinal))                               \
  X(deviceGetName, "cuDeviceGetName", (char *name, int length, DeviceOrdinal device))              \
  X(deviceTotalMem, "cuDeviceTotalMem_v2", (size_t *bytes, DeviceOrdinal device))                  \
  X(deviceGetAttribute, "cuDeviceGetAttribute", (int *value, int attribute, DeviceOrdinal device)) \
  X(primaryContextRetain, "cuDevicePrimaryCtxRetain", (Context * context, DeviceOrdinal device))   \
  X(primaryContextRelease, "cuDevicePrimaryCtxRelease_v2", (DeviceOrdinal device))                 \
  X(contextPush, "cuCtxPushCurrent_v2", (Context context))                                         \
  X(contextPop, "cuCtxPopCurrent_v2", (Context * context))                                         \
  X(memAlloc, "cuMemAlloc_v2", (Pointer * pointer, size_t bytes))                                  \
  X(memFree, "cuMemFree_v2", (Pointer pointer))                                                    \
  X(memcpyToDevice, "cuMemcpyHtoDAsync_v2",                                                        \
    (Pointer to, const void *from, size_t bytes, StreamHandle stream))                             \
  X(memcpyToHost, "cuMemcpyDtoHAsync_v2",                                                          \
    (void *to, Pointer from, size_t bytes, StreamHandle stream))                                   \
  X(memset8, "cuMemsetD8Async",                                                                    \
    (Pointer to, unsigned char value, size_t bytes, StreamHandle stream))                          \
  X(moduleLoad, "cuModuleLoadDataEx",                                                              \
    (ModuleHandle * module, const void *image, unsigned count, int *options, void **values))       \
  X(moduleUnload, "cuModuleUnload", (ModuleHandle module))                                         \
  X(moduleGetFunction, "cuModuleGetFunction",                                                      \
    (Function * function, ModuleHandle module, const char *name))                                  \
  X(moduleGetGlobal, "cuModuleGetGlobal_v2",                                                       \
    (Pointer * pointer, size_t *bytes, ModuleHandle module, const char *name))                     \
  X(functionSetAttribute, "cuFuncSetAttribute", (Function function, int attribute, int value))     \
  X(launchKernel, "cuLaunchKernelEx",                                                              \
    (const LaunchConfigEx *config, Function function, void **parameters, void **extra))            \
  X(streamSynchronize, "cuStreamSynchronize", (StreamHandle stream))

/// The driver library and its functions. It stays loaded for the life of the
/// process, as the driver itself requires.
class Driver {
public:
  /// Opens the library and finds every function; runs no driver code.
  static llvm::Expected<std::shared_ptr<const Driver>> open(llvm::StringRef path);

#define TILEWRIGHT_CUDA_MEMBER(member, symbol, parameters) Result(*member) parameters = nullptr;
  TILEWRIGHT_CUDA_FUNCTIONS(TILEWRIGHT_CUDA_MEMBER)
#undef TILEWRIGHT_CUDA_MEMBER

  /// Success, or "<call> failed <context>: <NAME> (<description>)".
  llvm::Error check(Result result, llvm::StringRef call, const llvm::Twine &context) const;
};

} // namespace tilewright::device::cuda

#endif
