//===- StubDriver.c - A CUDA driver library that only records ---------------===//
//
// Stands in for libcuda.so.1 in tests: it has two GPUs, writes down every call
// with its arguments, lets a test make any one call fail, and keeps the
// argument block of the last launch. The entry points at the end with the
// prefix `stub` are the test's own.
//
// Built a second time with STUB_OLD it lacks cuLaunchKernelEx, as a driver
// before 520 does.
//
//===----------------------------------------------------------------------===//
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))

enum { success = 0, invalidValue = 1, outOfMemory = 2, noDevice = 100, noBinary = 209 };

static char calls[1 << 16];
static char failingCall[64];
static int failingResult;
static unsigned char arguments[4096];
static size_t argumentBytes;
static int deviceCount = 2;
static int capabilities[2] = {80, 90};
static const char *jitLog = "";
static unsigned long long current[16];
static int depth;

/// Records a call; returns the result the test asked for.
static int record(const char *call, const char *format, ...) {
  size_t used = strlen(calls);
  used += snprintf(calls + used, sizeof calls - used, "%s(", call);
  va_list list;
  va_start(list, format);
  used += vsnprintf(calls + used, sizeof calls - used, format, list);
  va_end(list);
  snprintf(calls + used, sizeof calls - used, ")\n");
  return strcmp(call, failingCall) == 0 ? failingResult : success;
}

API int cuInit(unsigned flags) { return record("cuInit", "%u", flags); }

API int cuGetErrorName(int result, const char **name) {
  *name = result == invalidValue  ? "CUDA_ERROR_INVALID_VALUE"
          : result == outOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY"
          : result == noBinary    ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
                                  : NULL;
  return *name ? success : invalidValue;
}

API int cuGetErrorString(int result, const char **text) {
  *text = result == outOfMemory ? "out of memory" : "something else";
  return result < 900 ? success : invalidValue;
}

API int cuDeviceGetCount(int *count) {
  *count = deviceCount;
  return record("cuDeviceGetCount", "");
}

API int cuDeviceGet(int *device, int ordinal) {
  *device = 10 + ordinal;
  return record("cuDeviceGet", "%d", ordinal);
}

API int cuDeviceGetName(char *name, int length, int device) {
  snprintf(name, length, "Stub %d", device);
  return record("cuDeviceGetName", "%d", device);
}

API int cuDeviceTotalMem_v2(size_t *bytes, int device) {
  *bytes = device == 10 ? 42297786368ull : 149000000000ull;
  return record("cuDeviceTotalMem_v2", "%d", device);
}

API int cuDeviceGetAttribute(int *value, int attribute, int device) {
  int index = device - 10;
  switch (attribute) {
  case 16:
    *value = index ? 132 : 108;
    break;
  case 38:
    *value = index ? 60 << 20 : 40 << 20;
    break;
  case 75:
    *value = capabilities[index] / 10;
    break;
  case 76:
    *value = capabilities[index] % 10;
    break;
  default:
    return invalidValue;
  }
  return record("cuDeviceGetAttribute", "%d, %d", attribute, device);
}

API int cuDevicePrimaryCtxRetain(unsigned long long *context, int device) {
  *context = 0xc00 + device;
  return record("cuDevicePrimaryCtxRetain", "%d", device);
}

API int cuDevicePrimaryCtxRelease_v2(int device) {
  return record("cuDevicePrimaryCtxRelease_v2", "%d", device);
}

API int cuCtxPushCurrent_v2(unsigned long long context) {
  int result = record("cuCtxPushCurrent_v2", "%llx", context);
  if (result == success)
    current[depth++] = context;
  return result;
}

API int cuCtxPopCurrent_v2(unsigned long long *context) {
  *context = depth ? current[--depth] : 0;
  return record("cuCtxPopCurrent_v2", "");
}

API int cuMemAlloc_v2(unsigned long long *pointer, size_t bytes) {
  int result = record("cuMemAlloc_v2", "%zu", bytes);
  void *memory = NULL;
  if (result == success && posix_memalign(&memory, 256, bytes))
    result = outOfMemory;
  *pointer = (unsigned long long)memory;
  return result;
}

API int cuMemFree_v2(unsigned long long pointer) {
  int result = record("cuMemFree_v2", "");
  if (result == success)
    free((void *)pointer);
  return result;
}

API int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes,
                             unsigned long long stream) {
  int result = record("cuMemcpyHtoDAsync_v2", "%zu, %llu", bytes, stream);
  if (result == success)
    memcpy((void *)to, from, bytes);
  return result;
}

API int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes,
                             unsigned long long stream) {
  int result = record("cuMemcpyDtoHAsync_v2", "%zu, %llu", bytes, stream);
  if (result == success)
    memcpy(to, (const void *)from, bytes);
  return result;
}

API int cuMemsetD8Async(unsigned long long to, unsigned char value, size_t bytes,
                        unsigned long long stream) {
  int result = record("cuMemsetD8Async", "%u, %zu, %llu", value, bytes, stream);
  if (result == success)
    memset((void *)to, value, bytes);
  return result;
}

API int cuModuleLoadDataEx(unsigned long long *module, const void *image, unsigned count,
                           int *options, void **values) {
  *module = 0x3000;
  for (unsigned i = 0; i + 1 < count; ++i)
    if (options[i] == 5 && options[i + 1] == 6)
      snprintf(values[i], (size_t)values[i + 1], "%s", jitLog);
  return record("cuModuleLoadDataEx", "%.8s", (const char *)image);
}

API int cuModuleUnload(unsigned long long module) {
  return record("cuModuleUnload", "%llx", module);
}

API int cuModuleGetFunction(unsigned long long *function, unsigned long long module,
                            const char *name) {
  *function = 0xf00;
  return record("cuModuleGetFunction", "%llx, %s", module, name);
}

API int cuModuleGetGlobal_v2(unsigned long long *pointer, size_t *bytes, unsigned long long module,
                             const char *name) {
  *pointer = 0x9100;
  *bytes = 48;
  return record("cuModuleGetGlobal_v2", "%llx, %s", module, name);
}

API int cuFuncSetAttribute(unsigned long long function, int attribute, int value) {
  return record("cuFuncSetAttribute", "%llx, %d, %d", function, attribute, value);
}

#ifndef STUB_OLD
struct attribute {
  int id;
  char padding[4];
  unsigned value[16];
};
struct config {
  unsigned grid[3], block[3], shared;
  unsigned long long stream;
  struct attribute *attributes;
  unsigned count;
};

API int cuLaunchKernelEx(const struct config *c, unsigned long long function, void **parameters,
                         void **extra) {
  int result =
      record("cuLaunchKernelEx", "%llx, %ux%ux%u, %ux%ux%u, %u, %llu", function, c->grid[0],
             c->grid[1], c->grid[2], c->block[0], c->block[1], c->block[2], c->shared, c->stream);
  for (unsigned i = 0; i < c->count; ++i)
    record("attribute", "%d, %ux%ux%u", c->attributes[i].id, c->attributes[i].value[0],
           c->attributes[i].value[1], c->attributes[i].value[2]);
  argumentBytes = 0;
  if (parameters || extra[0] != (void *)1 || extra[2] != (void *)2 || extra[4] != NULL)
    return invalidValue;
  argumentBytes = *(size_t *)extra[3];
  if (argumentBytes > 0)
    memcpy(arguments, extra[1], argumentBytes);
  return result;
}
#endif

API int cuStreamSynchronize(unsigned long long stream) {
  return record("cuStreamSynchronize", "%llu", stream);
}

//===- The test's own entry points ------------------------------------------===//

/// Forgets calls and restores two healthy GPUs.
API void stubReset(void) {
  calls[0] = failingCall[0] = 0;
  deviceCount = 2;
  capabilities[0] = 80;
  capabilities[1] = 90;
  jitLog = "";
  argumentBytes = 0;
  depth = 0;
}
API const char *stubCalls(void) { return calls; }
API void stubForgetCalls(void) { calls[0] = 0; }
API void stubFail(const char *call, int result) {
  snprintf(failingCall, sizeof failingCall, "%s", call);
  failingResult = result;
}
API void stubSetDevices(int count, int first, int second) {
  deviceCount = count;
  capabilities[0] = first;
  capabilities[1] = second;
}
API void stubSetJitLog(const char *log) { jitLog = log; }
API const unsigned char *stubArguments(size_t *bytes) {
  *bytes = argumentBytes;
  return arguments;
}
/// Contexts pushed and not popped.
API int stubDepth(void) { return depth; }
