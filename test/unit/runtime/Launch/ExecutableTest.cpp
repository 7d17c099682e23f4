//===- ExecutableTest.cpp - Argument blocks, grids and refusals ------------===//
//
// The kernel under test reads x [M,K] with a dynamic row stride and writes
// y [M,N]; it takes a parameter of every kind.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/Executable.h"

#include "FakeDevice.h"
#include "gtest/gtest.h"

using namespace tilewright;
using namespace tilewright::launch;
using artifact::Expression;
using artifact::Parameter;

namespace {

Expression parse(llvm::StringRef text) { return llvm::cantFail(Expression::parse(text)); }

Parameter parameter(Parameter::Kind kind, std::string name, unsigned bytes,
                    std::string dtype = "") {
  Parameter result;
  result.kind = kind;
  result.name = std::move(name);
  result.bytes = bytes;
  result.dtype = std::move(dtype);
  return result;
}

/// Offsets of the block: x 0, M 8, y 16, x's row stride 24, alpha 32, K 40,
/// counters 48, partial 56, seed 64; 72 bytes.
artifact::Artifact makeArtifact() {
  artifact::Artifact result;
  result.ptx = ".entry scale(.param .u64 x, .param .u32 m, .param .u64 y, .param .u32 s,\n"
               ".param .f64 alpha, .param .u64 k, .param .u64 c, .param .u64 p, .param .u64 t) {}";
  artifact::Metadata &metadata = result.metadata;
  metadata.kernel = "scale";
  metadata.target = "sm_80";
  metadata.problem.op = "scale";
  metadata.problem.dimensions = {{"M"}, {"N", 8}, {"K", 16}};
  metadata.problem.operands = {{"x", "f16", {"M", "K"}, {std::nullopt, 1}, 8},
                               {"y", "f32", {"M", "N"}, {8, 1}, 16}};
  using Kind = Parameter::Kind;
  metadata.parameters = {
      parameter(Kind::Pointer, "x", 8),           parameter(Kind::Dimension, "M", 4),
      parameter(Kind::Pointer, "y", 8),           parameter(Kind::Stride, "x", 4),
      parameter(Kind::Scalar, "alpha", 8, "f64"), parameter(Kind::Dimension, "K", 8),
      parameter(Kind::Workspace, "counters", 8),  parameter(Kind::Workspace, "partial", 8),
      parameter(Kind::Scalar, "seed", 8, "i64")};
  metadata.parameters[2].written = true;
  metadata.grid = {parse("ceildiv(M, 4)"), parse("min(sm_count, N)"), parse("1")};
  metadata.cluster = {parse("2"), parse("1"), parse("1")};
  metadata.block = {64, 2, 1};
  metadata.dynamicSharedBytes = 4096;
  metadata.workspaces = {{"partial", parse("M * N * 4")}, {"counters", parse("4 * M"), true, true}};
  return result;
}

class ExecutableTest : public testing::Test {
protected:
  std::shared_ptr<FakeDevice> device = std::make_shared<FakeDevice>();
  std::shared_ptr<Workspaces> workspaces = std::make_shared<Workspaces>(device);
  artifact::Artifact artifact = makeArtifact();

  llvm::Expected<std::shared_ptr<Executable>> tryLoad() {
    return Executable::load(device, workspaces, artifact);
  }
  std::string loadError() {
    auto executable = tryLoad();
    return executable ? "" : llvm::toString(executable.takeError());
  }
  std::shared_ptr<Executable> load() {
    auto executable = tryLoad();
    if (!executable) {
      ADD_FAILURE() << llvm::toString(executable.takeError());
      return nullptr;
    }
    return *executable;
  }

  /// x [10,16] in rows of 20, y [10,8].
  std::vector<Tensor> makeOperands(int64_t m = 10) {
    Tensor x = makeDense(device, 0x10000, "f16", {m, 16}),
           y = makeDense(device, 0x20000, "f32", {m, 8});
    x.strides[0] = 20;
    return {x, y};
  }
  std::string launch(Executable &executable, llvm::ArrayRef<Tensor> operands) {
    return llvm::toString(executable.launch(operands, {Scalar(0.5), Scalar(int64_t(-3))}, 6));
  }
  /// The error for operands that `change` has spoilt; nothing may be launched.
  template <typename Change> std::string refuse(Change change) {
    auto executable = load();
    auto operands = makeOperands();
    change(operands);
    std::string message = launch(*executable, operands);
    EXPECT_EQ(device->launches, 0u);
    return message;
  }
};

TEST_F(ExecutableTest, PacksEveryKindOfParameter) {
  auto executable = load();
  ASSERT_EQ(executable->getScalarNames().size(), 2u);
  EXPECT_EQ(executable->getScalarNames()[0], "alpha");
  ASSERT_EQ(launch(*executable, makeOperands()), "");
  ASSERT_EQ(device->block.size(), 72u);
  EXPECT_EQ(device->getArgument(0), 0x10000u);
  EXPECT_EQ(device->getArgument(8, 4), 10u);
  EXPECT_EQ(device->getArgument(16), 0x20000u);
  EXPECT_EQ(device->getArgument(24, 4), 20u);
  uint64_t half = device->getArgument(32);
  double alpha;
  std::memcpy(&alpha, &half, 8);
  EXPECT_EQ(alpha, 0.5);
  EXPECT_EQ(device->getArgument(40), 16u);
  EXPECT_EQ(int64_t(device->getArgument(64)), -3);
  // The workspaces are live allocations of at least their sizes.
  ASSERT_EQ(device->live.count(device->getArgument(48)), 1u);
  ASSERT_EQ(device->live.count(device->getArgument(56)), 1u);
  EXPECT_GE(device->live[device->getArgument(48)], 4u * 10);
  EXPECT_GE(device->live[device->getArgument(56)], 10u * 8 * 4);
  EXPECT_NE(device->getArgument(48), device->getArgument(56));
}

TEST_F(ExecutableTest, EvaluatesGridAndClusterFromDimensionsAndSmCount) {
  auto executable = load();
  ASSERT_EQ(launch(*executable, makeOperands(10)), "");
  const device::LaunchConfig &config = device->lastConfig;
  EXPECT_EQ(config.grid.x, 3u);
  EXPECT_EQ(config.grid.y, 8u); // an A100 has 108 SMs, N is 8
  EXPECT_EQ(config.grid.z, 1u);
  EXPECT_EQ(config.cluster.x, 2u);
  EXPECT_EQ(config.block.x, 64u);
  EXPECT_EQ(config.block.y, 2u);
  EXPECT_EQ(config.dynamicSharedBytes, 4096u);
  EXPECT_EQ(config.stream, 6u);
  // Another M must not find the shape of the last.
  ASSERT_EQ(launch(*executable, makeOperands(41)), "");
  EXPECT_EQ(device->lastConfig.grid.x, 11u);
  EXPECT_EQ(device->getArgument(8, 4), 41u);
}

/// So that a launch chooses into how many parts work is cut.
TEST_F(ExecutableTest, EvaluatesGridAndWorkspacesFromScalars) {
  artifact.metadata.grid[0] = parse("ceildiv(M, 4) * seed");
  artifact.metadata.workspaces[0].bytes = parse("M * seed * 4096");
  auto executable = load();
  auto launchParts = [&](int64_t parts) {
    return llvm::toString(executable->launch(makeOperands(), {Scalar(0.5), Scalar(parts)}));
  };
  ASSERT_EQ(launchParts(2), "");
  EXPECT_EQ(device->lastConfig.grid.x, 6u);
  EXPECT_GE(device->live[device->getArgument(56)], 10u * 2 * 4096);
  ASSERT_EQ(launchParts(5), ""); // of the same dimensions
  EXPECT_EQ(device->lastConfig.grid.x, 15u);
  EXPECT_GE(device->live[device->getArgument(56)], 10u * 5 * 4096);
}

TEST_F(ExecutableTest, CleansWorkspacesOnceAndAfterFailures) {
  auto executable = load();
  device->log.clear();
  ASSERT_EQ(launch(*executable, makeOperands()), "");
  ASSERT_EQ(launch(*executable, makeOperands()), "");
  EXPECT_EQ(device->log, "allocate 512; allocate 256; fill 256; launch; launch");
  device->failing = "launch";
  EXPECT_EQ(launch(*executable, makeOperands()), "the fake device fails to launch");
  device->failing.clear();
  device->log.clear();
  ASSERT_EQ(launch(*executable, makeOperands()), "");
  EXPECT_EQ(device->log, "fill 256; launch");
}

TEST_F(ExecutableTest, LaunchesNothingForEmptyOutputs) {
  auto executable = load();
  device->log.clear();
  auto operands = makeOperands(0);
  for (Tensor &operand : operands)
    operand.address = 0;
  EXPECT_EQ(launch(*executable, operands), "");
  EXPECT_EQ(device->log, "");
}

TEST_F(ExecutableTest, AcceptsAnyStrideOfAnAxisOfOne) {
  auto executable = load();
  auto operands = makeOperands(1);
  operands[0].strides[0] = 3;
  operands[1].strides[0] = 0;
  EXPECT_EQ(launch(*executable, operands), "");
}

TEST_F(ExecutableTest, RefusesOperandsItWasNotCompiledFor) {
  EXPECT_EQ(refuse([](auto &o) { o.pop_back(); }), "kernel 'scale' takes 2 operands, but got 1");
  EXPECT_EQ(refuse([](auto &o) { o[0].dtype = "bf16"; }),
            "operand 'x' has dtype bf16, but the kernel was compiled for f16");
  EXPECT_EQ(refuse([&](auto &o) { o[0] = makeDense(device, 0x10000, "f16", {10, 16, 1}); }),
            "operand 'x' has 3 dimensions, but the kernel was compiled for 2");
  EXPECT_EQ(refuse([](auto &o) { o[0].shape[1] = 15; }),
            "operand 'x' has K=15, but the kernel was compiled for 16");
  EXPECT_EQ(refuse([](auto &o) { o[1].shape[0] = 9; }),
            "operand 'y' has M=9, but another operand has 10");
  EXPECT_EQ(refuse([](auto &o) { o[0].shape[0] = o[1].shape[0] = -1; }),
            "operand 'x' has M=-1, but extents are not negative");
  EXPECT_EQ(refuse([](auto &o) { o[1].strides[0] = 9; }),
            "operand 'y' has stride 9 along axis 0, but the kernel was compiled for 8");
  EXPECT_EQ(refuse([](auto &o) { o[0].strides[0] = 18; }),
            "operand 'x' has stride 18 along axis 0, but the kernel was compiled for rows that "
            "are 8-byte aligned");
  EXPECT_EQ(refuse([](auto &o) { o[0].strides.clear(); }),
            "operand 'x' is packed, but the kernel was compiled for strides");
  EXPECT_EQ(refuse([](auto &o) { o[0].strides.pop_back(); }),
            "operand 'x' has 1 strides for 2 dimensions");
}

TEST_F(ExecutableTest, RefusesOperandsInTheWrongPlace) {
  EXPECT_EQ(refuse([](auto &o) { o[1].address += 8; }),
            "operand 'y' is 8-byte aligned, but the kernel was compiled for 16 bytes");
  EXPECT_EQ(refuse([](auto &o) { o[0].device = nullptr; }),
            "operand 'x' is in host memory, but the kernel runs on fake:0");
  auto other = std::make_shared<FakeDevice>("fake:1");
  EXPECT_EQ(refuse([&](auto &o) { o[1].device = other; }),
            "operand 'y' is on fake:1, but the kernel runs on fake:0");
}

TEST_F(ExecutableTest, HoldsTheParametersAlignmentAgainstTheAddress) {
  artifact.metadata.parameters[0].alignment = 64;
  EXPECT_EQ(refuse([](auto &o) { o[0].address += 32; }),
            "operand 'x' is 16-byte aligned, but the kernel was compiled for 64 bytes");
}

TEST_F(ExecutableTest, RefusesOverlappingOutputs) {
  EXPECT_EQ(refuse([](auto &o) { o[1].address = o[0].address + 64; }),
            "output 'y' overlaps input 'x'; kernels do not work in place");
  artifact.metadata.problem.operands[1].strides[0] = 4;
  EXPECT_EQ(refuse([](auto &o) { o[1].strides[0] = 4; }),
            "output 'y' overlaps itself: its strides reach the same memory twice");
}

TEST_F(ExecutableTest, NamesTwoOutputsThatOverlap) {
  artifact.metadata.parameters[0].written = true;
  EXPECT_EQ(refuse([](auto &o) { o[1].address = o[0].address + 64; }),
            "output 'x' overlaps output 'y'; kernels do not work in place");
}

TEST_F(ExecutableTest, RefusesWhatExceedsTheIndexWidth) {
  EXPECT_EQ(refuse([](auto &o) { o[0].strides[0] = int64_t(1) << 28; }),
            "operand 'x' spans 4831838240 bytes, but the kernel was compiled for 32-bit indices");
  artifact.metadata.problem.indexWidth = 64;
  EXPECT_EQ(refuse([](auto &o) {
              o[0].address = 0x30000;
              o[0].strides[0] = int64_t(1) << 36;
            }),
            "a stride of 'x' is 68719476736, but the kernel was compiled for 32-bit indices");
}

TEST_F(ExecutableTest, ChecksDivisorsOfDynamicDimensions) {
  artifact.metadata.problem.dimensions[0].divisor = 4;
  EXPECT_EQ(refuse([](auto &) {}),
            "operand 'x' has M=10, but the kernel was compiled for multiples of 4");
}

TEST_F(ExecutableTest, RefusesGridsNoDeviceTakes) {
  artifact.metadata.grid[1] = parse("M * 10000");
  EXPECT_EQ(refuse([](auto &) {}),
            "the grid has 100000 along y (M * 10000), but a device takes 1 to 65535");
  artifact.metadata.grid[1] = parse("M / (N - 8)");
  EXPECT_NE(refuse([](auto &) {}).find("grid axis y: "), std::string::npos);
  artifact.metadata.grid[1] = parse("1");
  artifact.metadata.workspaces[0].bytes = parse("0 - M");
  EXPECT_EQ(refuse([](auto &) {}), "workspace 'partial' takes -10 bytes (0 - M)");
}

TEST_F(ExecutableTest, ConvertsAndChecksScalars) {
  artifact.ptx = ".entry scale(.param .u64 y, .param .u32 n, .param .f32 a) {}";
  artifact.metadata.parameters = {artifact.metadata.parameters[2],
                                  parameter(Parameter::Kind::Scalar, "n", 4, "i32"),
                                  parameter(Parameter::Kind::Scalar, "a", 4, "f32")};
  auto executable = load();
  auto run = [&](llvm::ArrayRef<Scalar> scalars) {
    return llvm::toString(executable->launch(makeOperands(), scalars));
  };
  EXPECT_EQ(run({int64_t(-7), int64_t(3)}), "");
  EXPECT_EQ(int32_t(device->getArgument(8, 4)), -7);
  uint32_t bits = device->getArgument(12, 4);
  float three;
  std::memcpy(&three, &bits, 4);
  EXPECT_EQ(three, 3.0f);
  EXPECT_EQ(run({int64_t(1)}), "kernel 'scale' takes 2 scalars, but got 1");
  EXPECT_EQ(run({1.5, 1.0}), "scalar 'n' is a float, but the kernel takes i32");
  EXPECT_EQ(run({int64_t(1) << 31, 1.0}),
            "scalar 'n' is 2147483648, but i32 holds -2147483648 to 2147483647");
}

TEST_F(ExecutableTest, RefusesMetadataThatDoesNotFitTheKernel) {
  artifact.ptx = ".entry scale(.param .u64 x) {}";
  EXPECT_EQ(loadError(), "kernel 'scale': the metadata describes 72 bytes of parameters, but the "
                         "kernel takes 8");
  artifact.ptx = ".entry other() {}";
  EXPECT_EQ(loadError(), "kernel 'scale': no kernel 'scale'");
}

TEST_F(ExecutableTest, RefusesMetadataThatContradictsItself) {
  artifact::Metadata &metadata = artifact.metadata;
  auto expect = [&](const char *message) {
    EXPECT_EQ(loadError(), std::string("kernel 'scale': ") + message);
    artifact = makeArtifact();
  };
  metadata.parameters[0].name = "z";
  expect("parameter 'z' names no operand of the problem");
  metadata.parameters[1].name = "Q";
  expect("parameter 'Q' names no dimension of the problem");
  metadata.parameters[3].axis = 2;
  expect("the stride of axis 2 of 'x' is a parameter, but the operand has 2 strides");
  metadata.parameters[6].name = "w";
  expect("parameter 'w' names no workspace");
  metadata.parameters[1].bytes = 2;
  expect("parameter 'M' takes 2 bytes, but such parameters take 4 or 8");
  metadata.parameters[4].dtype = "f16";
  expect("scalar 'alpha' has dtype 'f16'; supported are i32, u32, i64, f32 and f64");
  metadata.parameters[0].kind = Parameter::Kind::TensorMap;
  expect("parameter 'x' is a tensor map, which this runtime does not encode yet");
  metadata.parameters[2].written = false;
  expect("no parameter is written, so the kernel has no effect");
  metadata.problem.dimensions.push_back({"Z"});
  expect("dimension 'Z' is neither static nor the extent of an operand");
  metadata.problem.operands[0].dimensions[0] = "P";
  expect("operand 'x' has the unknown dimension 'P'");
  metadata.problem.operands[0].strides.pop_back();
  expect("operand 'x' has 2 dimensions, but 1 strides");
  metadata.problem.operands[0].dtype = "u4";
  expect("operand 'x' has elements of 4 bits; in memory they take whole bytes");
}

TEST_F(ExecutableTest, FallsBackFromTheCubinWithARemark) {
  artifact.cubin = {1, 2, 3};
  auto executable = load();
  EXPECT_EQ(device->log, "load cubin");
  EXPECT_TRUE(executable->getMetadata().remarks.empty());
  device->failing = "load cubin";
  executable = load();
  ASSERT_EQ(executable->getMetadata().remarks.size(), 1u);
  EXPECT_EQ(executable->getMetadata().remarks[0], "the cubin was refused and the PTX assembled "
                                                  "instead: the fake device fails to load cubin");
  device->failing = "load ptx";
  artifact.cubin.clear();
  EXPECT_EQ(loadError(), "kernel 'scale': the fake device fails to load ptx");
}

} // namespace
