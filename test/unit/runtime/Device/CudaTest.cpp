//===- CudaTest.cpp - The CUDA device against a driver that records ---------===//
//
// Order of driver calls, context discipline, argument blocks and errors, each
// checked against what the stub library wrote down.
//
//===----------------------------------------------------------------------===//
#include "runtime/Device/Cuda.h"

#include "gtest/gtest.h"
#include <cstring>
#include <dlfcn.h>
#include <functional>

using namespace tilewright::device;

namespace {

constexpr const char *ptx = ".version 8.0\n.visible .entry add(.param .u64 add_param_0,\n"
                            " .param .u32 add_param_1, .param .u64 add_param_2) { ret; }\n"
                            ".visible .entry other() { ret; }\n";

/// Removes `what` from the log so that a test can name calls only.
std::string without(std::string log, const std::string &what) {
  for (size_t at; (at = log.find(what)) != std::string::npos;)
    log.erase(at, what.size());
  return log;
}

class Cuda : public testing::Test {
protected:
  void SetUp() override {
    // The same library the device opens, so the same recording.
    library = dlopen(STUB_DRIVER, RTLD_NOW);
    ASSERT_NE(library, nullptr) << dlerror();
    find(reset, "stubReset");
    find(calls, "stubCalls");
    find(forget, "stubForgetCalls");
    find(fail, "stubFail");
    find(setDevices, "stubSetDevices");
    find(setJitLog, "stubSetJitLog");
    find(arguments, "stubArguments");
    find(depth, "stubDepth");
    reset();
  }
  void TearDown() override { dlclose(library); }

  std::unique_ptr<Device> open(unsigned ordinal = 0) {
    auto found = enumerateCuda(STUB_DRIVER);
    if (!found) {
      ADD_FAILURE() << llvm::toString(found.takeError());
      return nullptr;
    }
    forget();
    return std::move(found->devices[ordinal]);
  }
  static std::string text(llvm::Error error) { return llvm::toString(std::move(error)); }

  void (*reset)();
  const char *(*calls)();
  void (*forget)();
  void (*fail)(const char *, int);
  void (*setDevices)(int, int, int);
  void (*setJitLog)(const char *);
  const unsigned char *(*arguments)(size_t *);
  int (*depth)();

private:
  template <typename F> void find(F &function, const char *name) {
    function = reinterpret_cast<F>(dlsym(library, name));
    ASSERT_NE(function, nullptr) << name;
  }
  void *library = nullptr;
};

TEST_F(Cuda, SaysWhatIsMissingWithoutADriver) {
  auto found = enumerateCuda("libtilewright-no-such-driver.so");
  ASSERT_FALSE(bool(found));
  std::string message = text(found.takeError());
  EXPECT_NE(message.find("'libtilewright-no-such-driver.so' cannot be opened"), std::string::npos)
      << message;
  EXPECT_NE(message.find("install NVIDIA's display driver, version 525 or newer"),
            std::string::npos);
}

TEST_F(Cuda, NamesTheFunctionAnOldDriverLacks) {
  auto found = enumerateCuda(STUB_DRIVER_OLD);
  ASSERT_FALSE(bool(found));
  EXPECT_NE(text(found.takeError()).find("has no function cuLaunchKernelEx"), std::string::npos);
}

TEST_F(Cuda, ListsBothGpusWithTheirModelsAndNoContext) {
  auto found = enumerateCuda(STUB_DRIVER);
  ASSERT_TRUE(bool(found));
  ASSERT_EQ(found->devices.size(), 2u);
  EXPECT_EQ(found->devices[0]->getName(), "cuda:0");
  EXPECT_EQ(found->devices[0]->getModel().name, "a100");
  EXPECT_EQ(found->devices[1]->getName(), "cuda:1");
  EXPECT_EQ(found->devices[1]->getModel().name, "h200");
  // A context costs hundreds of megabytes on its GPU: none before first use.
  EXPECT_EQ(std::string(calls()).find("PrimaryCtx"), std::string::npos);
  found->devices.clear();
  EXPECT_EQ(std::string(calls()).find("PrimaryCtx"), std::string::npos);
}

TEST_F(Cuda, SkipsAGpuNoTargetServesAndKeepsTheOthersOrdinal) {
  setDevices(2, 61, 90);
  auto found = enumerateCuda(STUB_DRIVER);
  ASSERT_TRUE(bool(found));
  ASSERT_EQ(found->devices.size(), 1u);
  EXPECT_EQ(found->devices[0]->getName(), "cuda:1");
  ASSERT_EQ(found->skipped.size(), 1u);
  EXPECT_EQ(found->skipped[0].find("cuda:0 (Stub 10): compute capability 6.1 is not supported"), 0u)
      << found->skipped[0];
}

TEST_F(Cuda, TreatsADriverWithoutGpusAsAnEmptyList) {
  fail("cuInit", 100);
  auto found = enumerateCuda(STUB_DRIVER);
  ASSERT_TRUE(bool(found));
  EXPECT_TRUE(found->devices.empty());
}

TEST_F(Cuda, PushesAndPopsItsOwnContextAroundEachCall) {
  auto device = open(1);
  auto pointer = device->allocate(0);
  ASSERT_TRUE(bool(pointer));
  EXPECT_EQ(*pointer % 256, 0u);
  EXPECT_EQ(text(device->release(*pointer)), "");
  device.reset();
  EXPECT_STREQ(calls(), "cuDevicePrimaryCtxRetain(11)\n"
                        "cuCtxPushCurrent_v2(c0b)\ncuMemAlloc_v2(1)\ncuCtxPopCurrent_v2()\n"
                        "cuCtxPushCurrent_v2(c0b)\ncuMemFree_v2()\ncuCtxPopCurrent_v2()\n"
                        "cuDevicePrimaryCtxRelease_v2(11)\n");
}

TEST_F(Cuda, CopiesInStreamOrderAndWaits) {
  auto device = open();
  auto pointer = device->allocate(8);
  ASSERT_TRUE(bool(pointer));
  forget();
  uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8}, back[8] = {};
  EXPECT_FALSE(bool(device->copyToDevice(*pointer, data, 8, 5)));
  EXPECT_FALSE(bool(device->fill(*pointer + 2, 9, 3, 5)));
  EXPECT_FALSE(bool(device->copyToHost(back, *pointer, 8, 5)));
  EXPECT_FALSE(bool(device->copyToHost(back, *pointer, 0, 5)));
  std::string log =
      without(without(calls(), "cuCtxPushCurrent_v2(c0a)\n"), "cuCtxPopCurrent_v2()\n");
  EXPECT_EQ(log, "cuMemcpyHtoDAsync_v2(8, 5)\ncuStreamSynchronize(5)\n"
                 "cuMemsetD8Async(9, 3, 5)\n"
                 "cuMemcpyDtoHAsync_v2(8, 5)\ncuStreamSynchronize(5)\n");
  uint8_t expected[8] = {1, 2, 9, 9, 9, 6, 7, 8};
  EXPECT_EQ(std::memcmp(back, expected, 8), 0);
  EXPECT_FALSE(bool(device->release(*pointer)));
}

TEST_F(Cuda, LaunchesWithTheArgumentBlockAsGiven) {
  auto device = open();
  auto module = device->load({ptx, {}});
  ASSERT_TRUE(bool(module));
  auto kernel = (*module)->getKernel("add");
  ASSERT_TRUE(bool(kernel));
  EXPECT_EQ((*kernel)->getName(), "add");
  EXPECT_EQ((*kernel)->getArgumentBytes(), 24u);
  forget();
  std::vector<uint8_t> block(24);
  for (size_t i = 0; i < block.size(); ++i)
    block[i] = uint8_t(3 * i + 1);
  LaunchConfig config;
  config.grid = {7, 6, 5};
  config.block = {128, 2, 1};
  config.stream = 9;
  ASSERT_EQ(text(device->launch(**kernel, config, block)), "");
  EXPECT_STREQ(calls(), "cuCtxPushCurrent_v2(c0a)\n"
                        "cuLaunchKernelEx(f00, 7x6x5, 128x2x1, 0, 9)\ncuCtxPopCurrent_v2()\n");
  size_t bytes = 0;
  const unsigned char *seen = arguments(&bytes);
  ASSERT_EQ(bytes, block.size());
  EXPECT_EQ(std::memcmp(seen, block.data(), bytes), 0);
}

TEST_F(Cuda, AsksForSharedMemoryAndLargeClustersOnce) {
  auto device = open();
  auto module = device->load({ptx, {}});
  ASSERT_TRUE(bool(module));
  Kernel *kernel = llvm::cantFail((*module)->getKernel("other"));
  forget();
  LaunchConfig config;
  config.dynamicSharedBytes = 100000;
  config.cluster = {16, 1, 1};
  config.grid = {16, 1, 1};
  for (int i = 0; i < 2; ++i)
    ASSERT_EQ(text(device->launch(*kernel, config, {})), "");
  config.dynamicSharedBytes = 40000;
  config.cluster = {2, 2, 1};
  ASSERT_EQ(text(device->launch(*kernel, config, {})), "");
  std::string log =
      without(without(calls(), "cuCtxPushCurrent_v2(c0a)\n"), "cuCtxPopCurrent_v2()\n");
  EXPECT_EQ(log, "cuFuncSetAttribute(f00, 8, 100000)\ncuFuncSetAttribute(f00, 14, 1)\n"
                 "cuLaunchKernelEx(f00, 16x1x1, 1x1x1, 100000, 0)\nattribute(4, 16x1x1)\n"
                 "cuLaunchKernelEx(f00, 16x1x1, 1x1x1, 100000, 0)\nattribute(4, 16x1x1)\n"
                 "cuLaunchKernelEx(f00, 16x1x1, 1x1x1, 40000, 0)\nattribute(4, 2x2x1)\n");
}

TEST_F(Cuda, RefusesAnArgumentBlockOfTheWrongSize) {
  auto device = open();
  auto module = device->load({ptx, {}});
  ASSERT_TRUE(bool(module));
  Kernel *kernel = llvm::cantFail((*module)->getKernel("add"));
  forget();
  EXPECT_EQ(text(device->launch(*kernel, {}, std::vector<uint8_t>(20))),
            "kernel 'add' takes 24 bytes of arguments, but got 20");
  EXPECT_STREQ(calls(), "");
}

TEST_F(Cuda, PrefersTheCubinAndUnloadsTheModule) {
  auto device = open();
  {
    auto module = device->load({ptx, {'E', 'L', 'F', 0}});
    ASSERT_TRUE(bool(module));
    EXPECT_NE(std::string(calls()).find("cuModuleLoadDataEx(ELF)"), std::string::npos);
    forget();
  }
  EXPECT_STREQ(calls(), "cuCtxPushCurrent_v2(c0a)\ncuModuleUnload(3000)\ncuCtxPopCurrent_v2()\n");
}

TEST_F(Cuda, ListsTheKernelsThereAre) {
  auto device = open();
  auto module = device->load({ptx, {}});
  ASSERT_TRUE(bool(module));
  EXPECT_EQ(text((*module)->getKernel("ad").takeError()),
            "the module has no kernel 'ad'; it has add, other");
}

TEST_F(Cuda, FindsVariables) {
  auto device = open();
  auto module = device->load({ptx, {}});
  ASSERT_TRUE(bool(module));
  forget();
  Symbol symbol = llvm::cantFail((*module)->getSymbol("table"));
  EXPECT_EQ(symbol.address, 0x9100u);
  EXPECT_EQ(symbol.bytes, 48u);
  EXPECT_EQ(without(without(calls(), "cuCtxPushCurrent_v2(c0a)\n"), "cuCtxPopCurrent_v2()\n"),
            "cuModuleGetGlobal_v2(3000, table)\n");
  fail("cuModuleGetGlobal_v2", 1);
  EXPECT_NE(text((*module)->getSymbol("table").takeError()).find("variable 'table'"),
            std::string::npos);
}

TEST_F(Cuda, PutsTheAssemblersLogIntoTheError) {
  auto device = open();
  fail("cuModuleLoadDataEx", 209);
  setJitLog("ptxas line 3; error: unknown directive\n");
  EXPECT_EQ(text(device->load({ptx, {}}).takeError()),
            "cuModuleLoadDataEx failed on cuda:0 for PTX: CUDA_ERROR_NO_BINARY_FOR_GPU (209, "
            "something else); the assembler says: ptxas line 3; error: unknown directive");
}

TEST_F(Cuda, NamesEachFailingCallAndLeavesNoContextPushed) {
  auto device = open();
  auto module = device->load({ptx, {}});
  ASSERT_TRUE(bool(module));
  Kernel *kernel = llvm::cantFail((*module)->getKernel("other"));
  uint8_t byte = 0;
  LaunchConfig config;
  config.dynamicSharedBytes = 1;
  struct Case {
    const char *symbol, *named;
    std::function<llvm::Error()> run;
  } cases[] = {
      {"cuMemAlloc_v2", "cuMemAlloc", [&] { return device->allocate(77).takeError(); }},
      {"cuMemFree_v2", "cuMemFree", [&] { return device->release(0); }},
      {"cuMemcpyHtoDAsync_v2", "cuMemcpyHtoDAsync",
       [&] { return device->copyToDevice(0, &byte, 1, 0); }},
      {"cuMemcpyDtoHAsync_v2", "cuMemcpyDtoHAsync",
       [&] { return device->copyToHost(&byte, 0, 1, 0); }},
      {"cuMemsetD8Async", "cuMemsetD8Async", [&] { return device->fill(0, 0, 1, 0); }},
      {"cuModuleLoadDataEx", "cuModuleLoadDataEx",
       [&] { return device->load({ptx, {}}).takeError(); }},
      {"cuModuleGetFunction", "cuModuleGetFunction",
       [&] { return (*module)->getKernel("add").takeError(); }},
      {"cuFuncSetAttribute", "cuFuncSetAttribute",
       [&] { return device->launch(*kernel, config, {}); }},
      {"cuLaunchKernelEx", "cuLaunchKernelEx", [&] { return device->launch(*kernel, {}, {}); }},
      {"cuStreamSynchronize", "cuStreamSynchronize", [&] { return device->synchronize(3); }},
      {"cuCtxPushCurrent_v2", "cuCtxPushCurrent", [&] { return device->synchronize(3); }},
      {"cuCtxPopCurrent_v2", "cuCtxPopCurrent", [&] { return device->synchronize(3); }},
  };
  for (Case &test : cases) {
    fail(test.symbol, 2);
    std::string message = text(test.run());
    EXPECT_EQ(message.find(std::string(test.named) + " failed on cuda:0"), 0u) << message;
    EXPECT_NE(message.find("CUDA_ERROR_OUT_OF_MEMORY (2, out of memory)"), std::string::npos)
        << message;
    EXPECT_EQ(depth(), 0) << test.symbol;
  }
  // The next call works again.
  fail("", 0);
  EXPECT_EQ(text(device->synchronize()), "");
}

TEST_F(Cuda, NamesEachFailingCallOfEnumeration) {
  for (const char *call : {"cuInit", "cuDeviceGetCount"}) {
    fail(call, 2);
    auto found = enumerateCuda(STUB_DRIVER);
    ASSERT_FALSE(bool(found));
    EXPECT_EQ(text(found.takeError()).find(std::string(call) + " failed"), 0u);
  }
  // A GPU that fails does not take the others with it.
  for (const char *call : {"cuDeviceGet", "cuDeviceGetAttribute", "cuDeviceTotalMem_v2"}) {
    fail(call, 999);
    auto found = enumerateCuda(STUB_DRIVER);
    ASSERT_TRUE(bool(found));
    ASSERT_EQ(found->skipped.size(), 2u);
    EXPECT_NE(found->skipped[1].find("failed on cuda:1"), std::string::npos) << found->skipped[1];
    EXPECT_NE(found->skipped[1].find("an unknown error (999, no description)"), std::string::npos);
  }
}

TEST_F(Cuda, ReportsAContextThatCannotBeRetainedAtFirstUse) {
  auto device = open();
  fail("cuDevicePrimaryCtxRetain", 2);
  EXPECT_EQ(text(device->synchronize()).find("cuDevicePrimaryCtxRetain failed on cuda:0"), 0u);
  fail("", 0);
  EXPECT_EQ(text(device->synchronize()), "");
}

} // namespace
