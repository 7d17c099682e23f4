//===- TargetTest.cpp - Tables of capabilities and GPU models --------------===//
#include "dialects/Support/Target/Target.h"

#include "gtest/gtest.h"
#include <map>
#include <set>

using namespace tilewright;
using target::GpuModel;
using target::Target;

template <typename T> static std::string messageOf(llvm::Expected<T> result) {
  return result ? "no error" : llvm::toString(result.takeError());
}

TEST(Target, RowsAreConsistent) {
  std::set<std::string> names;
  for (const Target &target : target::allTargets()) {
    SCOPED_TRACE(target.name.str());
    EXPECT_TRUE(names.insert(target.name.str()).second);
    std::string number = std::to_string(target.major) + std::to_string(target.minor);
    EXPECT_TRUE(target.name == "sm_" + number || target.name == "sm_" + number + "a");
    EXPECT_EQ(target.ptxFeature, "+ptx" + std::to_string(target.ptxVersion));
    EXPECT_LE(target.maxSharedBytesPerBlock + target.reservedSharedBytes, target.sharedBytesPerSM);
    EXPECT_LE(target.maxThreadsPerBlock, target.maxThreadsPerSM);
    EXPECT_EQ(target.maxThreadsPerSM % 32, 0u);
    EXPECT_EQ(target.registersPerSM, 65536u);
    EXPECT_EQ(target.maxRegistersPerThread, 255u);
    // A full SM of the smallest blocks must be describable: a block has a warp.
    EXPECT_LE(target.maxBlocksPerSM * 32, target.maxThreadsPerSM);
    if (target.canCompile) {
      EXPECT_TRUE(target.hasCpAsync && target.hasBF16 && target.hasMmaM16N8K16);
    }
    EXPECT_FALSE(target.hasWgmma && target.hasTcgen05) << "one large mma each";
  }
}

TEST(Target, FeaturesNeverDisappearWithinTheMmaSyncFamily) {
  // In order of capability, what cp.async, mma.sync and TMA kernels rely on only
  // grows; wgmma and tcgen05 belong to single generations.
  const Target *previous = nullptr;
  for (const Target &target : target::allTargets()) {
    if (previous) {
      EXPECT_LT(previous->major * 10 + previous->minor, target.major * 10 + target.minor);
      EXPECT_LE(previous->ptxVersion, std::max(target.ptxVersion, 88u));
      EXPECT_LE(previous->hasCpAsync, target.hasCpAsync);
      EXPECT_LE(previous->hasBF16, target.hasBF16);
      EXPECT_LE(previous->hasMmaM16N8K16, target.hasMmaM16N8K16);
      EXPECT_LE(previous->hasFp8Mma, target.hasFp8Mma);
      EXPECT_LE(previous->hasFp8Convert, target.hasFp8Convert);
      EXPECT_LE(previous->hasTma, target.hasTma);
      EXPECT_LE(previous->tensorCore, target.tensorCore);
    }
    previous = &target;
  }
}

TEST(Target, OnlyTuringIsDataOnly) {
  for (const Target &target : target::allTargets())
    EXPECT_EQ(target.canCompile, target.name != "sm_75") << target.name.str();
}

TEST(GpuModel, RowsAreConsistent) {
  // Dense f16 multiply-adds with f32 accumulation an SM does a clock, from the
  // architecture whitepapers; GeForce boards do half of what their silicon can.
  const std::map<std::string, double> madsPerClock = {
      {"t4", 512},         {"a100", 1024}, {"a100-80gb", 1024}, {"a10", 512},    {"rtx3090", 256},
      {"l40s", 512},       {"l4", 512},    {"rtx4090", 256},    {"h200", 2048},  {"h100-sxm", 2048},
      {"h100-pcie", 2048}, {"b200", 4096}, {"b300", 4096},      {"rtx5090", 256}};
  std::set<std::string> names;
  for (const GpuModel &model : target::allGpuModels()) {
    SCOPED_TRACE(model.name.str());
    EXPECT_TRUE(names.insert(model.name.str()).second);
    EXPECT_EQ(model.name.lower(), model.name.str());
    EXPECT_FALSE(model.source.empty());
    EXPECT_EQ(target::getTarget(model).name, model.target);

    ASSERT_TRUE(madsPerClock.count(model.name.str()));
    double peak = 2 * madsPerClock.at(model.name.str()) * model.smCount * model.clock;
    EXPECT_GT(model.halfTensorFlops, 0.9 * peak);
    EXPECT_LT(model.halfTensorFlops, 1.02 * peak);
    // A whole number of GiB of memory, far larger than the cache.
    EXPECT_EQ(model.memoryBytes % (uint64_t(1) << 30), 0u);
    EXPECT_GT(model.memoryBytes, 100 * model.l2Bytes);
    EXPECT_GT(model.memoryBandwidth, 250e9);
    EXPECT_LT(model.memoryBandwidth, 10e12);
  }
  EXPECT_EQ(names.size(), madsPerClock.size());
}

TEST(GpuModel, EveryTargetHasAReference) {
  const std::pair<const char *, const char *> expected[] = {
      {"sm_75", "t4"},    {"sm_80", "a100"},   {"sm_86", "a10"},    {"sm_89", "l40s"},
      {"sm_90a", "h200"}, {"sm_100a", "b200"}, {"sm_103a", "b300"}, {"sm_120a", "rtx5090"}};
  EXPECT_EQ(std::size(expected), target::allTargets().size());
  for (auto [name, model] : expected) {
    const Target *target = llvm::cantFail(target::findTarget(name));
    EXPECT_EQ(target::getReferenceModel(*target).name, model);
    EXPECT_EQ(target::getReferenceModel(*target).target, name);
  }
}

TEST(Lookup, FindsByNameOfTargetOrModelInAnyCase) {
  EXPECT_EQ(llvm::cantFail(target::findTarget("sm_80"))->name, "sm_80");
  EXPECT_EQ(llvm::cantFail(target::findTarget("SM_90A"))->name, "sm_90a");
  EXPECT_EQ(llvm::cantFail(target::findTarget("A100"))->name, "sm_80");
  EXPECT_EQ(llvm::cantFail(target::findTarget("rtx4090"))->name, "sm_89");
  EXPECT_EQ(llvm::cantFail(target::findGpuModel("H100-SXM"))->name, "h100-sxm");
  EXPECT_EQ(llvm::cantFail(target::findGpuModel("h200"))->smCount, 132u);
}

TEST(Lookup, UnknownNamesListTheNearest) {
  EXPECT_EQ(messageOf(target::findTarget("sm_81")),
            "unknown target 'sm_81'; the nearest are 'sm_80', 'sm_86', 'sm_89'");
  EXPECT_EQ(messageOf(target::findGpuModel("a1000")),
            "unknown GPU model 'a1000'; the nearest are 'a100', 'a10', 'h200'");
  // A target is not a model: its silicon is unknown.
  EXPECT_EQ(messageOf(target::findGpuModel("sm_80")).substr(0, 25), "unknown GPU model 'sm_80'");
  EXPECT_NE(messageOf(target::findTarget("")), "no error");
}
