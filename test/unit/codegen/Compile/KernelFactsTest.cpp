//===- KernelFactsTest.cpp - What a decode kernel costs, from its counters -----===//
//
// The promises of the default schedule for u4 weights, group 128, M = 16 and
// K = N = 1024 on an A100, counted by the emulated device.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/QuantMatmul.h"
#include "test/unit/codegen/Compile/ProductRun.h"
#include "gtest/gtest.h"

using namespace tilewright;

namespace {
constexpr int64_t m = 16, n = 1024, k = 1024;

class KernelFactsTest : public testing::Test {
protected:
  KernelFactsTest() : run({m, n, k}, /*seed=*/3) {}

  void SetUp() override {
    if (auto error = run.prepare())
      FAIL() << llvm::toString(std::move(error));
    if (auto error = run.launch())
      FAIL() << llvm::toString(std::move(error));
    schedule = llvm::cantFail(
        schedule::QuantMatmulSchedule::fromSchedule(run.getArtifact().metadata.schedule));
  }

  const emulator::Counters &total() { return run.getReport().total; }

  ProductRun run;
  schedule::QuantMatmulSchedule schedule;
};

TEST_F(KernelFactsTest, SharedMemoryHasNoBankConflicts) {
  EXPECT_GT(total().sharedAccesses, 0u);
  for (const emulator::CounterLine &line : run.getReport().lines)
    EXPECT_EQ(line.counters.sharedWavefronts, line.counters.sharedIdealWavefronts) << line.text;
}

TEST_F(KernelFactsTest, CopiesMoveSixteenBytesAndNoSectorTwice) {
  uint64_t copies = 0;
  for (const emulator::CounterLine &line : run.getReport().lines) {
    llvm::StringRef text = line.text;
    // Inputs come through cp.async alone.
    if (text.contains("ld.global"))
      EXPECT_EQ(line.counters.globalSectors, line.counters.globalSectorsNeeded) << line.text;
    if (!text.contains("cp.async") || !text.contains("shared.global"))
      continue;
    ++copies;
    // .cg copies are 16 bytes a lane (PTX ISA, cp.async).
    EXPECT_TRUE(text.starts_with("cp.async.cg.")) << line.text;
    EXPECT_EQ(line.counters.globalSectors, line.counters.globalSectorsNeeded) << line.text;
  }
  EXPECT_GT(copies, 0u);
}

TEST_F(KernelFactsTest, WeightsAreReadOnce) {
  // Packed words and scales once; x once for each column of blocks.
  uint64_t weights = n * k / 2 + n * (k / 128) * 2, x = m * k * 2 * (n / schedule.tileN);
  EXPECT_EQ(total().asyncBytes, weights + x);
}

TEST_F(KernelFactsTest, ProductsAreIdealInNumber) {
  EXPECT_EQ(total().matrixOperations, uint64_t(m / 16) * (n / 8) * (k / 16));
}

TEST_F(KernelFactsTest, NothingSpills) { EXPECT_EQ(total().localBytes, 0u); }

TEST_F(KernelFactsTest, TilesAreInFlightAtTheWaits) {
  ASSERT_GE(schedule.stages, 3);
  // A warp's share of one stage.
  uint64_t stage = schedule.tileM * schedule.tileK * 2 + schedule.tileN * schedule.tileK / 2 +
                   schedule.tileN * 2 * (schedule.tileK / 128);
  uint64_t mostAfterWait = 0;
  for (const emulator::CounterLine &line : run.getReport().lines)
    mostAfterWait = std::max(mostAfterWait, line.counters.asyncInFlightMax);
  // The wait takes one stage; the others are still on their way.
  EXPECT_EQ(mostAfterWait + stage / schedule.getWarps(),
            (schedule.stages - 1) * stage / schedule.getWarps());
}

TEST_F(KernelFactsTest, EverySMHasABlock) {
  EXPECT_GE(run.getReport().blocks, run.getModel().smCount);
}

TEST_F(KernelFactsTest, OneBarrierATileAndTwoAtTheEnd) {
  uint64_t barriers = 0, tiles = k / schedule.tileK / schedule.splitK;
  for (const emulator::CounterLine &line : run.getReport().lines)
    if (llvm::StringRef(line.text).contains("bar."))
      barriers += line.counters.issues;
  EXPECT_EQ(barriers, run.getReport().warps * (tiles + 2));
}
} // namespace
