//===- QuantMatmulSharingTest.cpp - Blocks that share tiles of y --------------===//
//
// Splits, streams and chunks of the quantised matmul: what is legal, and that the
// default leaves no SM with much more than its share.
//
//===----------------------------------------------------------------------===//
#include "test/unit/dialects/Support/Schedule/ScheduleProblems.h"

#include "gtest/gtest.h"
#include <random>

using namespace tilewright;
using problem::Problem;
using schedule::QuantMatmulProblem;
using schedule::QuantMatmulSchedule;

static std::string errorOf(const QuantMatmulSchedule &schedule, const Problem &problem) {
  return messageOf(schedule::verify(schedule.toSchedule(), problem, getTarget("sm_80")));
}

TEST(QuantMatmulSharing, C11StreamK) {
  Problem problem = makeProblem("u4", "128", 1024, 1024);
  EXPECT_EQ(errorOf({{.streamK = 216}}, problem), "no error");
  EXPECT_EQ(errorOf({{.streamK = 65536}}, problem),
            "quant_matmul: expects stream_k to be 0..65535, but got 65536; the nearest is 65535");
  EXPECT_EQ(errorOf({{.splitK = 2, .streamK = 10}}, problem),
            "quant_matmul: expects split_k to be 1..1, but got 2; the nearest is 1");
}

TEST(QuantMatmulSharing, C12ChunkK) {
  auto check = [](QuantMatmulSchedule schedule, const char *deterministic) {
    Problem problem = makeProblem("u4", "128", 4096, 1024);
    problem.attributes["deterministic"] = deterministic;
    return errorOf(schedule, problem);
  };
  // 32 tiles of K, at most 16 chunks.
  EXPECT_EQ(check({{.chunkK = 256}}, "true"), "no error");
  EXPECT_EQ(check({{.splitK = 16, .chunkK = 256}}, "true"), "no error");
  EXPECT_EQ(check({}, "true"), "quant_matmul: expects chunk_k to be that of a deterministic "
                               "product, but got 0; the nearest is 256");
  EXPECT_EQ(check({{.chunkK = 256}}, "false"),
            "quant_matmul: expects chunk_k to be left out where bits may differ, but got 256; the "
            "nearest is 0");
  EXPECT_EQ(check({{.splitK = 17, .chunkK = 256}}, "true"),
            "quant_matmul: expects split_k to be 1..16, but got 17; the nearest is 16");
  EXPECT_EQ(check({{.streamK = 8, .chunkK = 256}}, "true"),
            "quant_matmul: expects stream_k to be 0..0, but got 8; the nearest is 0");
  EXPECT_EQ(check({{.tileK = 256, .chunkK = 256}}, "true"), "no error");
  EXPECT_EQ(check({{.tileK = 384, .chunkK = 256}}, "true"),
            "quant_matmul: expects tile_k to be a divisor of chunk_k (256), but got 384; the "
            "nearest is 128");
  // 256 rows at once round otherwise than twice 128 do, unless only the whole is scaled.
  auto checkGroup = [](const char *group) {
    Problem problem = makeProblem("u4", group, 4096, 1024);
    problem.attributes["deterministic"] = "true";
    return errorOf({{.tileK = 256, .chunkK = 256}}, problem);
  };
  EXPECT_EQ(checkGroup("32"), "no error");
  EXPECT_EQ(checkGroup("channel"), "no error");
  EXPECT_EQ(checkGroup("256"),
            "quant_matmul: expects tile_k to be one that sums 128 rows before it scales them in a "
            "deterministic product, but got 256; the nearest is 128");
  EXPECT_EQ(check({}, "yes"),
            "quant_matmul: expects deterministic to be one of false, true, but got 'yes'");
  EXPECT_EQ(schedule::getCanonicalChunk(1), 128);
  EXPECT_EQ(schedule::getCanonicalChunk(2048), 128);
  EXPECT_EQ(schedule::getCanonicalChunk(2049), 256);
  EXPECT_EQ(schedule::getCanonicalChunk(28672), 1792);
}

TEST(QuantMatmulSharing, TilesThatDoNotDivideAmongSMsBecomeAStream) {
  // 86 tiles of 32 steps on 108 SMs: split in two, 64 SMs would have twice the
  // work of the others; two blocks an SM take 13 steps each.
  QuantMatmulSchedule schedule = chooseTyped(makeProblem("u4", "128", 4096, 11008), "a100", 1);
  EXPECT_EQ(schedule.splitK, 1);
  EXPECT_EQ(schedule.streamK, 216);
  // 86 tiles are two waves of the 58 SMs of the l4, the second half full.
  EXPECT_EQ(chooseTyped(makeProblem("u4", "128", 4096, 11008), "l4", 1).streamK, 116);
  // 110 tiles of many rows: the second wave has two of them.
  EXPECT_EQ(chooseTyped(makeProblem("u4", "128", 4096, 128 * 11), "a100", 1280).streamK, 216);
  // 108 tiles are no reason.
  EXPECT_EQ(chooseTyped(makeProblem("u4", "128", 4096, 128 * 108), "a100", 1).streamK, 0);
}

/// Steps along K of the busiest SM, from the documented meaning of a schedule.
static int64_t countSteps(const QuantMatmulSchedule &s, const QuantMatmulProblem &problem,
                          int64_t rows, int64_t smCount) {
  auto ceildiv = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
  int64_t tiles = ceildiv(rows, s.tileM) * ceildiv(problem.n, s.tileN);
  int64_t depth = ceildiv(problem.k, s.tileK);
  if (s.streamK > 0)
    return ceildiv(s.streamK, smCount) * ceildiv(tiles * depth, s.streamK);
  return ceildiv(tiles * s.splitK, smCount) * ceildiv(depth, s.splitK);
}

TEST(QuantMatmulSharing, NoSMHasMuchMoreThanItsShare) {
  constexpr unsigned seed = 1618;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int i = 0; i < 1500; ++i) {
    int64_t n = 1 + random() % 20000, k = 128 * (1 + random() % 100), rows = 1 + random() % 64;
    Problem problem = makeProblem("u4", "128", k, n);
    QuantMatmulProblem typed = llvm::cantFail(QuantMatmulProblem::fromProblem(problem));
    for (const char *name : {"a100", "l4", "rtx3090", "h200", "rtx5090", "b200"}) {
      int64_t smCount = getModel(name).smCount;
      QuantMatmulSchedule schedule = chooseTyped(problem, name, rows);
      int64_t tiles = ((rows + schedule.tileM - 1) / schedule.tileM) *
                      ((n + schedule.tileN - 1) / schedule.tileN);
      int64_t work = tiles * (k / 128);
      if (work < 4 * smCount)
        continue;
      // Up to two whole steps from rounding up, and the tenth that a stream has to save.
      int64_t steps = countSteps(schedule, typed, rows, smCount);
      EXPECT_LE(0.9 * steps, double(work) / smCount + 2)
          << schedule.toSchedule().str() << " for " << rows << " rows of " << problem.str()
          << " on " << name;
    }
  }
}
