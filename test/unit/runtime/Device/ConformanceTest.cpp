//===- ConformanceTest.cpp - What every device does ----------------------------===//
//
// The same tests on the emulated device and on the first GPU; without a driver
// the latter are skipped with the reason.
//
//===----------------------------------------------------------------------===//
#include "runtime/Device/Cuda.h"
#include "runtime/Emulator/EmulatedDevice.h"
#include "gtest/gtest.h"
#include <numeric>

using namespace tilewright;

namespace {
/// y[i] = x[i] * factor for i < count, by way of dynamic shared memory.
constexpr const char *scalePTX = R"(
.version 7.0
.target sm_80
.address_size 64
.visible .global .align 4 .b32 table[3] = {5, 6, 7};
.extern .shared .align 16 .b8 tile[];
.visible .entry scale(.param .u64 x, .param .u64 y, .param .u32 count, .param .f32 factor) {
  .reg .pred %p;
  .reg .b32 %r<8>;
  .reg .f32 %f<4>;
  .reg .b64 %d<8>;
  ld.param.u64 %d0, [x];
  ld.param.u64 %d1, [y];
  ld.param.u32 %r0, [count];
  ld.param.f32 %f0, [factor];
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.u32 %r4, %r1, %r2, %r3;
  setp.ge.u32 %p, %r4, %r0;
  @%p bra done;
  mul.wide.u32 %d2, %r4, 4;
  add.s64 %d3, %d0, %d2;
  add.s64 %d4, %d1, %d2;
  ld.global.f32 %f1, [%d3];
  shl.b32 %r5, %r3, 2;
  mov.u32 %r6, tile;
  add.u32 %r6, %r6, %r5;
  st.shared.f32 [%r6], %f1;
  ld.shared.f32 %f2, [%r6];
  mul.rn.f32 %f3, %f2, %f0;
  st.global.f32 [%d4], %f3;
done:
  ret;
}
)";

struct Arguments {
  device::DevicePointer x, y;
  uint32_t count;
  float factor;
};

class DeviceConformance : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    if (llvm::StringRef(GetParam()) == "emulated") {
      device = llvm::cantFail(emulator::EmulatedDevice::create("a100"));
      return;
    }
    auto gpus = device::enumerateCuda();
    if (!gpus)
      GTEST_SKIP() << llvm::toString(gpus.takeError());
    if (gpus->devices.empty())
      GTEST_SKIP() << "the driver knows no GPU that kernels can be compiled for";
    device = std::move(gpus->devices.front());
  }

  void expectSuccess(llvm::Error error) {
    if (error)
      FAIL() << llvm::toString(std::move(error));
  }

  std::unique_ptr<device::Device> device;
};

TEST_P(DeviceConformance, MemoryIsAlignedAndKeepsWhatIsCopied) {
  std::vector<uint8_t> in(1000), out(1000, 0);
  std::iota(in.begin(), in.end(), 0);
  auto pointer = device->allocate(in.size());
  ASSERT_TRUE(bool(pointer)) << llvm::toString(pointer.takeError());
  EXPECT_EQ(*pointer % 256, 0u);
  expectSuccess(device->copyToDevice(*pointer, in.data(), in.size()));
  expectSuccess(device->fill(*pointer + 10, 0xab, 5));
  expectSuccess(device->copyToHost(out.data(), *pointer, out.size()));
  std::fill(in.begin() + 10, in.begin() + 15, 0xab);
  EXPECT_EQ(in, out);
  expectSuccess(device->release(*pointer));
}

TEST_P(DeviceConformance, NoBytesAreAllocatedToo) {
  auto pointer = device->allocate(0);
  ASSERT_TRUE(bool(pointer)) << llvm::toString(pointer.takeError());
  expectSuccess(device->release(*pointer));
}

TEST_P(DeviceConformance, KernelsRunWithTheirArguments) {
  constexpr uint32_t count = 1000, threads = 128;
  std::vector<float> in(count), out(count, -1);
  std::iota(in.begin(), in.end(), 0.0f);
  auto x = llvm::cantFail(device->allocate(count * 4));
  auto y = llvm::cantFail(device->allocate(count * 4));
  expectSuccess(device->copyToDevice(x, in.data(), count * 4));
  auto module = device->load({scalePTX, {}});
  ASSERT_TRUE(bool(module)) << llvm::toString(module.takeError());
  auto kernel = (*module)->getKernel("scale");
  ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
  EXPECT_EQ((*kernel)->getArgumentBytes(), sizeof(Arguments));
  Arguments arguments{x, y, count, 0.5f};
  device::LaunchConfig config;
  config.grid.x = (count + threads - 1) / threads;
  config.block.x = threads;
  config.dynamicSharedBytes = threads * 4;
  expectSuccess(device->launch(**kernel, config,
                               {reinterpret_cast<const uint8_t *>(&arguments), sizeof(arguments)}));
  expectSuccess(device->synchronize());
  expectSuccess(device->copyToHost(out.data(), y, count * 4));
  for (uint32_t i = 0; i < count; ++i)
    ASSERT_EQ(out[i], i * 0.5f) << i;
  expectSuccess(device->release(x));
  expectSuccess(device->release(y));
}

TEST_P(DeviceConformance, AnUnknownKernelIsAnErrorThatListsThoseThereAre) {
  auto module = llvm::cantFail(device->load({scalePTX, {}}));
  auto kernel = module->getKernel("sclae");
  ASSERT_FALSE(bool(kernel));
  std::string message = llvm::toString(kernel.takeError());
  EXPECT_NE(message.find("scale"), std::string::npos) << message;
}

TEST_P(DeviceConformance, VariablesAreFoundByName) {
  auto module = llvm::cantFail(device->load({scalePTX, {}}));
  device::Symbol symbol = llvm::cantFail(module->getSymbol("table"));
  ASSERT_EQ(symbol.bytes, 12u);
  uint32_t values[3];
  expectSuccess(device->copyToHost(values, symbol.address, sizeof values));
  EXPECT_EQ(values[2], 7u);
  auto unknown = module->getSymbol("tabel");
  ASSERT_FALSE(bool(unknown));
  std::string message = llvm::toString(unknown.takeError());
  EXPECT_NE(message.find("'tabel'"), std::string::npos) << message;
}

TEST_P(DeviceConformance, TextThatIsNotPTXIsAnError) {
  auto module = device->load({".version 7.0\n.target sm_80\nnonsense", {}});
  ASSERT_FALSE(bool(module));
  EXPECT_FALSE(llvm::toString(module.takeError()).empty());
}

TEST_P(DeviceConformance, TooLargeAnAllocationIsAnError) {
  auto pointer = device->allocate(uint64_t(1) << 60);
  ASSERT_FALSE(bool(pointer));
  EXPECT_FALSE(llvm::toString(pointer.takeError()).empty());
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceConformance, testing::Values("emulated", "cuda"),
                         [](const auto &info) { return std::string(info.param); });
} // namespace
