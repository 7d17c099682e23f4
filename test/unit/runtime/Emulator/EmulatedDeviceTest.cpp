//===- EmulatedDeviceTest.cpp - The device interface and its errors ----------===//
#include "runtime/Emulator/EmulatedDevice.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"
#include <cstring>
#include <random>
#include <thread>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

std::string take(llvm::Error error) { return llvm::toString(std::move(error)); }

struct Fixture : testing::Test {
  Fixture() : device(llvm::cantFail(EmulatedDevice::create("a100"))) {}

  std::string loadError(std::string ptx) {
    device::Image image;
    image.ptx = std::move(ptx);
    auto module = device->load(image);
    return module ? "" : take(module.takeError());
  }
  std::unique_ptr<device::Module> load(std::string ptx) {
    device::Image image;
    image.ptx = std::move(ptx);
    return llvm::cantFail(device->load(image));
  }
  std::string launchError(device::Module &module, device::LaunchConfig config,
                          std::vector<uint8_t> arguments = {}) {
    return take(device->launch(*llvm::cantFail(module.getKernel("k")), config, arguments));
  }

  std::unique_ptr<EmulatedDevice> device;
};
using EmulatedDeviceTest = Fixture;

constexpr const char *kEmpty = ".version 8.0\n.target sm_80\n.address_size 64\n";

TEST_F(EmulatedDeviceTest, NamesItself) {
  EXPECT_EQ(device->getName(), "emulated:a100");
  EXPECT_EQ(device->getModel().name, "a100");
  EXPECT_NE(take(EmulatedDevice::create("a10000").takeError()), "");
}

TEST_F(EmulatedDeviceTest, CopiesWithinAllocations) {
  uint64_t pointer = llvm::cantFail(device->allocate(16));
  EXPECT_EQ(pointer % 256, 0u);
  uint32_t words[4] = {1, 2, 3, 4}, back[2] = {};
  EXPECT_EQ(take(device->copyToDevice(pointer, words, 16)), "");
  EXPECT_EQ(take(device->fill(pointer + 4, 0xab, 4)), "");
  EXPECT_EQ(take(device->copyToHost(back, pointer + 4, 8)), "");
  EXPECT_EQ(back[0], 0xababababu);
  EXPECT_EQ(back[1], 3u);
  EXPECT_NE(take(device->copyToHost(back, pointer + 12, 8)).find("leaves every allocation"),
            std::string::npos);
  EXPECT_NE(take(device->release(pointer + 4)).find("no allocation starts there"),
            std::string::npos);
  uint64_t nothing = llvm::cantFail(device->allocate(0)),
           another = llvm::cantFail(device->allocate(0));
  EXPECT_NE(nothing, another);
  EXPECT_NE(take(device->allocate(uint64_t(1) << 60).takeError()).find("cannot allocate"),
            std::string::npos);
}

TEST_F(EmulatedDeviceTest, RefusesBadModules) {
  EXPECT_EQ(loadError(""), "the emulated device needs PTX, but the image has none");
  EXPECT_EQ(loadError(kEmpty + std::string(".extern .func f();\n.entry k() { call f; ret; }")),
            "ptx line 5, column 19: 'f' is called but has no body");
  EXPECT_EQ(loadError(kEmpty + std::string(".func f(.param .b32 x) { ret; }\n"
                                           ".entry k() { call f; ret; }")),
            "ptx line 5, column 14: 'f' has 1 parameters, but the call gives 0");
  EXPECT_EQ(loadError(kEmpty + std::string(".global .u64 p = nobody;")),
            "ptx line 4, column 18: 'nobody' is no variable or function with an address");
  auto module = load(kEmpty + std::string(".entry k() { ret; } .entry other() { ret; }"));
  EXPECT_EQ(take(module->getKernel("x").takeError()),
            "no kernel 'x' in the module; it has k, other");
}

TEST_F(EmulatedDeviceTest, RefusesBadLaunches) {
  auto module =
      load(kEmpty + std::string(".shared .b8 s[100000];\n.entry k(.param .u32 n) .maxntid 64\n"
                                "{ .reg .b32 %r; mov.u32 %r, s; ret; }"));
  device::LaunchConfig config;
  std::vector<uint8_t> four(4);
  EXPECT_EQ(launchError(*module, config, four), "");
  EXPECT_EQ(launchError(*module, config, {}),
            "cannot launch 'k' on emulated:a100: it takes 4 bytes of arguments, but got 0");
  config.block.x = 65;
  EXPECT_EQ(launchError(*module, config, four),
            "cannot launch 'k' on emulated:a100: 65 threads a block, above its .maxntid of 64");
  config.block.x = 2000;
  EXPECT_EQ(launchError(*module, config, four),
            "cannot launch 'k' on emulated:a100: 2000 threads a block, above the limit of 1024");
  config.block.x = 0;
  EXPECT_EQ(launchError(*module, config, four),
            "cannot launch 'k' on emulated:a100: the grid or the block is empty");
  config.block.x = 1;
  config.dynamicSharedBytes = 1 << 20;
  EXPECT_EQ(launchError(*module, config, four),
            "cannot launch 'k' on emulated:a100: 1148576 bytes of shared memory a block, above the "
            "limit of 166912");
}

/// Calls with byval arguments, a switch, and every kind of memory, from LLVM.
TEST_F(EmulatedDeviceTest, RunsWhatLlvmEmits) {
  auto text = llvm::MemoryBuffer::getFile(TILEWRIGHT_CUDA_DIR "/llvm.ptx");
  ASSERT_TRUE(bool(text));
  auto module = load((*text)->getBuffer().str());
  uint64_t out = llvm::cantFail(device->allocate(64 * 4));
  std::vector<uint8_t> arguments(12);
  std::memcpy(arguments.data(), &out, 8);
  device::LaunchConfig config;
  config.block.x = 64;
  config.dynamicSharedBytes = 64 * 4;
  EXPECT_EQ(launchError(*module, config, arguments), "");
  float values[64];
  EXPECT_EQ(take(device->copyToHost(values, out, sizeof values)), "");
  for (int t = 0; t < 64; ++t)
    EXPECT_EQ(values[t], float(t % 4 + 1) + 10 * (t % 4 + 1));
}

/// Whatever happens to a kernel's text, loading it ends in a module or an error.
TEST_F(EmulatedDeviceTest, SurvivesDamagedKernels) {
  auto text = llvm::MemoryBuffer::getFile(TILEWRIGHT_CUDA_DIR "/kernels.ptx");
  ASSERT_TRUE(bool(text));
  llvm::StringRef whole = (*text)->getBuffer();
  // One kernel a round keeps a round short.
  size_t entry = whole.find(".visible .entry matmulTensor");
  std::string kernel = kEmpty + whole.slice(entry, whole.find("\n}", entry) + 3).str();
  ASSERT_EQ(loadError(kernel), "");
  constexpr unsigned seed = 9;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  unsigned refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string damaged = kernel;
    for (int i = 0; i < 3; ++i) {
      // Exchange a few bytes for others of the text: most stay words.
      size_t length = 1 + random() % 12, to = random() % (damaged.size() - length),
             from = random() % (kernel.size() - length);
      damaged.replace(to, length, kernel, from, length);
    }
    refused += !loadError(damaged).empty();
  }
  EXPECT_GT(refused, 150u);
}

TEST_F(EmulatedDeviceTest, EachLaunchHasItsReport) {
  // Kernel i has i additions more than the one before.
  std::string ptx = kEmpty, body = ".reg .b32 %r; mov.u32 %r, 0;";
  constexpr unsigned count = 4;
  for (unsigned i = 0; i < count; ++i) {
    ptx += ".entry k" + std::to_string(i) + "() {" + body + " ret; }\n";
    body += " add.u32 %r, %r, 1;";
  }
  auto module = load(ptx);
  unsigned mistakes[count] = {};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      std::string name = "k" + std::to_string(i);
      for (unsigned turn = 0; turn < 200; ++turn) {
        Report report;
        device::LaunchConfig config;
        config.report = &report;
        llvm::cantFail(device->launch(*llvm::cantFail(module->getKernel(name)), config, {}));
        mistakes[i] += report.kernel != name || report.total.issues != 2 + i;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  for (unsigned i = 0; i < count; ++i)
    EXPECT_EQ(mistakes[i], 0u) << "kernel " << i;
}

TEST_F(EmulatedDeviceTest, AFailedLaunchHasAReport) {
  auto module = load(kEmpty + std::string(".entry k() { trap; }"));
  Report report;
  device::LaunchConfig config;
  config.report = &report;
  EXPECT_NE(launchError(*module, config), "");
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].kind, FindingKind::Trap);
  config.block.x = 0; // refused: nothing of the launch before
  EXPECT_NE(launchError(*module, config), "");
  EXPECT_TRUE(report.findings.empty());
}

} // namespace
