//===- LaunchCostTest.cpp - A repeated launch allocates nothing -------------===//
//
// Counts calls of operator new. The time of a launch is printed, not checked:
// on a shared machine it means little.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/Executable.h"

#include "FakeDevice.h"
#include "gtest/gtest.h"
#include <chrono>
#include <new>

using namespace tilewright;
using namespace tilewright::launch;

static thread_local uint64_t allocations = 0;

void *operator new(size_t bytes) {
  ++allocations;
  if (void *memory = std::malloc(bytes))
    return memory;
  std::abort();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }

namespace {

/// A device whose launches do nothing at all.
class IdleDevice : public FakeDevice {
public:
  llvm::Error launch(device::Kernel &, const device::LaunchConfig &,
                     llvm::ArrayRef<uint8_t> arguments) override {
    sum += arguments[0];
    return llvm::Error::success();
  }
  uint64_t sum = 0;
};

TEST(LaunchCost, AllocatesNothingWhenRepeated) {
  // Eight tensors, six scalars, a workspace and a dynamic dimension.
  using Kind = artifact::Parameter::Kind;
  auto device = std::make_shared<IdleDevice>();
  artifact::Artifact artifact;
  artifact::Metadata &metadata = artifact.metadata;
  metadata.kernel = "many";
  metadata.problem.dimensions = {{"M"}, {"N", 64}};
  artifact.ptx = ".entry many(";
  std::vector<Tensor> operands;
  auto add = [&](Kind kind, std::string name, unsigned bytes) {
    artifact::Parameter parameter;
    parameter.kind = kind;
    parameter.name = std::move(name);
    parameter.bytes = bytes;
    parameter.dtype = "f32";
    parameter.written = parameter.name == "t7";
    metadata.parameters.push_back(parameter);
    artifact.ptx += bytes == 8 ? ".param .b64 p, " : ".param .b32 p, ";
  };
  for (int i = 0; i < 8; ++i) {
    std::string name = "t" + std::to_string(i);
    metadata.problem.operands.push_back({name, "f16", {"M", "N"}, {std::nullopt, 1}, 16});
    add(Kind::Pointer, name, 8);
    add(Kind::Stride, name, 4);
    operands.push_back(makeDense(device, 0x100000 * (i + 1), "f16", {32, 64}));
  }
  for (int i = 0; i < 6; ++i)
    add(Kind::Scalar, "s" + std::to_string(i), 4);
  metadata.workspaces = {{"partial", llvm::cantFail(artifact::Expression::parse("M * N"))}};
  add(Kind::Workspace, "partial", 8);
  add(Kind::Dimension, "M", 4);
  artifact.ptx.resize(artifact.ptx.size() - 2); // the last comma
  artifact.ptx += ") {}";

  auto executable =
      llvm::cantFail(Executable::load(device, std::make_shared<Workspaces>(device), artifact));
  std::vector<Scalar> scalars(6, Scalar(1.5));
  llvm::cantFail(executable->launch(operands, scalars));

  constexpr int repeats = 100000;
  uint64_t before = allocations;
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i)
    llvm::cantFail(executable->launch(operands, scalars));
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(allocations - before, 0u);
  RecordProperty("nanoseconds_per_launch", std::to_string(seconds / repeats * 1e9));
  std::printf("%.0f ns a launch above the device\n", seconds / repeats * 1e9);
  // Another M may allocate; it must not be missed by the counter.
  for (Tensor &operand : operands)
    operand.shape[0] = 33;
  before = allocations;
  llvm::cantFail(executable->launch(operands, scalars));
  EXPECT_GT(allocations, before);
}

} // namespace
