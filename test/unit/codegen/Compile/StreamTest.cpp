//===- StreamTest.cpp - Blocks that share all tiles of y -----------------------===//
//
// Whatever N, K, the rows and the number of blocks: every tile of K is computed
// once, tiles that several blocks share are added up, and the workspaces are
// ready for the next launch. Sums are exact, so results must equal integers.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/QuantMatmul.h"
#include "test/unit/codegen/Compile/ProductRun.h"
#include "llvm/Support/MathExtras.h"
#include "gtest/gtest.h"

using namespace tilewright;
using schedule::QuantMatmulSchedule;

namespace {
uint64_t countMmas(const ProductRun &run) { return run.getReport().total.matrixOperations; }

void expectIntegers(ProductRun &run, const Case &c) {
  for (int round = 0; round < 2; ++round) {
    if (auto error = run.launch())
      FAIL() << llvm::toString(std::move(error));
    for (int64_t row = 0; row < c.m; ++row)
      for (int64_t column = 0; column < c.n; ++column)
        ASSERT_EQ(run.getResult(row, column), run.getExpected(row, column))
            << "at " << row << ", " << column;
  }
}

TEST(Stream, EqualsIntegersForAnyShapeAndNumberOfBlocks) {
  constexpr unsigned seed = 90210;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  auto pick = [&](int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(random);
  };
  const char *devices[] = {"a100", "a10", "l4", "rtx3090", "h200"};
  for (int i = 0; i < 20; ++i) {
    int64_t strips = int64_t(1) << pick(0, 2);
    QuantMatmulSchedule schedule{{.tileM = int64_t(8) << pick(0, 2),
                                  .tileN = 32 * strips,
                                  .warpsN = strips,
                                  .stages = pick(2, 4),
                                  .streamK = pick(1, i % 2 ? 9 : 80)}};
    std::string text = schedule.toSchedule().str();
    Case c{pick(1, 40), pick(1, 300), pick(1, 1200)};
    c.group = i % 3 ? "128" : "channel";
    c.zeros = i % 4 == 0;
    c.bias = true;
    c.schedule = text.c_str();
    c.device = devices[i % 5];
    SCOPED_TRACE(testing::PrintToString(c));
    ProductRun run(c, seed + i);
    if (auto error = run.prepare())
      FAIL() << llvm::toString(std::move(error));
    expectIntegers(run, c);
    if (testing::Test::HasFatalFailure())
      return;
    EXPECT_EQ(run.getReport().blocks, uint64_t(schedule.streamK));
    // No product is computed twice, none is left out.
    uint64_t tiles = llvm::divideCeil(c.m, schedule.tileM) * llvm::divideCeil(c.n, schedule.tileN) *
                     llvm::divideCeil(c.k, 128);
    EXPECT_EQ(countMmas(run), tiles * schedule.tileM * schedule.tileN / 128 * 8);
  }
}

/// Shapes whose tiles do not divide among SMs: the default is a stream there, and
/// on every class of device right.
TEST(Stream, TheDefaultFillsEveryDeviceForAnyN) {
  constexpr unsigned seed = 7;
  for (const char *device : {"a100", "l4", "h200"}) {
    Case c{3, 4480, 2560};
    c.device = device;
    SCOPED_TRACE(testing::PrintToString(c));
    ProductRun run(c, seed);
    if (auto error = run.prepare())
      FAIL() << llvm::toString(std::move(error));
    EXPECT_GE(llvm::cantFail(QuantMatmulSchedule::fromSchedule(run.getArtifact().metadata.schedule))
                  .streamK,
              int64_t(run.getModel().smCount));
    expectIntegers(run, c);
    EXPECT_GE(run.getReport().blocks, run.getModel().smCount);
  }
}
} // namespace
