//===- CudaModelTest.cpp - Drivers' attributes against the GPU table --------===//
#include "runtime/Device/CudaModel.h"

#include "gtest/gtest.h"

using namespace tilewright;
using device::cuda::chooseModel;
using device::cuda::Silicon;

namespace {

target::GpuModel choose(const Silicon &silicon) {
  auto model = chooseModel(silicon);
  if (!model) {
    ADD_FAILURE() << llvm::toString(model.takeError());
    return target::allGpuModels()[0];
  }
  return *model;
}

TEST(CudaModel, FindsEveryRowFromItsOwnFigures) {
  // Drivers report up to 6 % less memory than the data sheet.
  for (const target::GpuModel &row : target::allGpuModels()) {
    const target::Target &own = target::getTarget(row);
    for (double share : {1.0, 0.94}) {
      target::GpuModel model = choose(
          {own.major, own.minor, row.smCount, row.l2Bytes, uint64_t(row.memoryBytes * share)});
      EXPECT_EQ(model.name, row.name) << "share " << share;
    }
  }
}

TEST(CudaModel, ScalesTheReferenceForSiliconOutsideTheTable) {
  // Half of an A100, as a partition of one shows itself.
  target::GpuModel model = choose({8, 0, 54, 20u << 20, 20ull << 30});
  const target::GpuModel &reference = target::getReferenceModel(**target::findTarget("sm_80"));
  EXPECT_EQ(model.name, "unlisted");
  EXPECT_EQ(model.target, "sm_80");
  EXPECT_EQ(model.smCount, 54u);
  EXPECT_EQ(model.l2Bytes, 20u << 20);
  EXPECT_EQ(model.memoryBytes, 20ull << 30);
  EXPECT_DOUBLE_EQ(model.halfTensorFlops, reference.halfTensorFlops * 54 / reference.smCount);
  EXPECT_DOUBLE_EQ(model.memoryBandwidth, reference.memoryBandwidth);
}

TEST(CudaModel, RunsLowerMinorCodeOnHigherMinorSilicon) {
  EXPECT_EQ(choose({8, 7, 16, 4u << 20, 32ull << 30}).target, "sm_86");
}

TEST(CudaModel, RefusesSiliconNoTargetRunsOn) {
  // Code for sm_120a does not run on 12.1: architecture-specific.
  for (Silicon silicon : {Silicon{6, 1, 28, 0, 0}, Silicon{12, 1, 48, 0, 0}, Silicon{7, 0, 80}}) {
    auto model = chooseModel(silicon);
    ASSERT_FALSE(bool(model));
    std::string message = llvm::toString(model.takeError());
    EXPECT_NE(message.find("is not supported; supported are sm_75, sm_80"), std::string::npos)
        << message;
  }
}

} // namespace
