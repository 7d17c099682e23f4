//===- EmulatedDevicesTest.cpp - The launch path down to running PTX --------===//
//
// Host arrays through the registry, an executable and the emulator: the kernel
// doubles each element of a column slice, x [M,4] f32 -> y [M,4] f32.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/EmulatedDevices.h"

#include "runtime/Launch/Staging.h"
#include "gtest/gtest.h"
#include <cstring>

using namespace tilewright;
using namespace tilewright::launch;

namespace {

constexpr const char *ptx = R"(
.version 8.0
.target sm_80
.address_size 64
.visible .entry twice(.param .u64 x, .param .u64 y, .param .u32 m, .param .u64 stride)
{
  .reg .pred %p;
  .reg .b32 %row, %column, %rows;
  .reg .b64 %from, %to, %s, %offset, %wide;
  .reg .f32 %v;
  mov.u32 %row, %ctaid.x;
  mov.u32 %column, %tid.x;
  ld.param.u32 %rows, [m];
  setp.ge.u32 %p, %row, %rows;
  @%p bra DONE;
  ld.param.u64 %from, [x];
  ld.param.u64 %to, [y];
  ld.param.u64 %s, [stride];
  cvt.u64.u32 %wide, %row;
  mul.lo.u64 %offset, %wide, %s;
  cvt.u64.u32 %wide, %column;
  add.u64 %offset, %offset, %wide;
  shl.b64 %offset, %offset, 2;
  add.u64 %from, %from, %offset;
  ld.global.f32 %v, [%from];
  add.f32 %v, %v, %v;
  mul.wide.u32 %offset, %row, 4;
  add.u64 %offset, %offset, %wide;
  shl.b64 %offset, %offset, 2;
  add.u64 %to, %to, %offset;
  st.global.f32 [%to], %v;
DONE:
  ret;
}
)";

artifact::Artifact makeArtifact() {
  using Kind = artifact::Parameter::Kind;
  artifact::Artifact artifact;
  artifact.ptx = ptx;
  artifact::Metadata &metadata = artifact.metadata;
  metadata.kernel = "twice";
  metadata.target = "sm_80";
  metadata.problem.dimensions = {{"M"}, {"K", 4}};
  metadata.problem.operands = {{"x", "f32", {"M", "K"}, {std::nullopt, 1}, 4},
                               {"y", "f32", {"M", "K"}, {4, 1}, 4}};
  metadata.parameters.resize(4);
  metadata.parameters[0].name = "x";
  metadata.parameters[1].name = "y";
  metadata.parameters[1].written = true;
  metadata.parameters[2].kind = Kind::Dimension;
  metadata.parameters[2].name = "M";
  metadata.parameters[2].bytes = 4;
  metadata.parameters[3].kind = Kind::Stride;
  metadata.parameters[3].name = "x";
  metadata.grid[0] = llvm::cantFail(artifact::Expression::parse("M"));
  metadata.block = {4, 1, 1};
  return artifact;
}

TEST(EmulatedDevices, RunsALaunchOnHostArrays) {
  DeviceRegistry registry(makeEmulatedDevice, "libtilewright-no-such-driver.so");
  auto device = llvm::cantFail(registry.getDefault());
  ASSERT_EQ(device->getName(), "emulated:a100");
  auto loaded = Executable::load(device, std::make_shared<Workspaces>(device), makeArtifact());
  ASSERT_TRUE(bool(loaded)) << llvm::toString(loaded.takeError());
  std::vector<float> memory(5 * 7), result(5 * 4, -1);
  for (size_t i = 0; i < memory.size(); ++i)
    memory[i] = float(i);
  Tensor x = makeDense(nullptr, uint64_t(memory.data() + 2), "f32", {5, 4});
  x.strides[0] = 7;
  Tensor y = makeDense(nullptr, uint64_t(result.data()), "f32", {5, 4});
  ASSERT_EQ(llvm::toString(launchStaged(**loaded, {x, y})), "");
  for (int row = 0; row < 5; ++row)
    for (int column = 0; column < 4; ++column)
      EXPECT_EQ(result[row * 4 + column], 2 * memory[2 + row * 7 + column])
          << row << ", " << column;
}

TEST(EmulatedDevices, AreMadeForEveryModel) {
  DeviceRegistry registry(makeEmulatedDevice, "libtilewright-no-such-driver.so");
  for (const std::string &name : registry.list()) {
    auto device = registry.get(name);
    ASSERT_TRUE(bool(device)) << llvm::toString(device.takeError());
    EXPECT_EQ((*device)->getName(), name);
  }
}

} // namespace
