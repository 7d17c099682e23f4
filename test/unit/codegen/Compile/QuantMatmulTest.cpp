//===- QuantMatmulTest.cpp - Compiled products on the emulated device ---------===//
//
// From a problem to numbers: compile, load, launch, compare. Every partial sum
// is exact, so results must agree bit for bit with integer arithmetic, whatever
// the schedule.
//
//===----------------------------------------------------------------------===//
#include "test/unit/codegen/Compile/ProductRun.h"
#include "gtest/gtest.h"

using namespace tilewright;

namespace {
class QuantMatmulTest : public testing::TestWithParam<Case> {};

TEST_P(QuantMatmulTest, EqualsIntegerArithmetic) {
  const Case &c = GetParam();
  constexpr uint64_t seed = 20;
  RecordProperty("seed", int(seed));
  ProductRun run(c, seed);
  if (auto error = run.prepare())
    FAIL() << llvm::toString(std::move(error));
  // Twice: workspaces must be ready for the next launch.
  for (int round = 0; round < 2; ++round) {
    if (auto error = run.launch())
      FAIL() << llvm::toString(std::move(error));
    for (int64_t row = 0; row < c.m; ++row)
      for (int64_t column = 0; column < c.n; ++column)
        ASSERT_EQ(run.getResult(row, column), run.getExpected(row, column))
            << "at " << row << ", " << column;
  }
}

constexpr const char *decode =
    "quant_matmul{split_k=1, stages=2, tile_k=128, tile_m=16, tile_n=32, warps_m=1, warps_n=1}";
constexpr const char *deep =
    "quant_matmul{split_k=3, stages=4, tile_k=256, tile_m=32, tile_n=64, warps_m=2, warps_n=2}";
constexpr const char *wide =
    "quant_matmul{split_k=1, stages=3, tile_k=128, tile_m=64, tile_n=128, warps_m=1, warps_n=4}";
constexpr const char *whole =
    "quant_matmul{split_k=2, stages=2, tile_k=384, tile_m=32, tile_n=64, warps_m=1, warps_n=2}";

INSTANTIATE_TEST_SUITE_P(
    Cases, QuantMatmulTest,
    testing::Values(Case{16, 64, 256, "u4", "f16", "128", "f16", false, false, decode},
                    Case{16, 256, 1024}, Case{1, 96, 512}, Case{5, 65, 200, "i4", "f16", "64"},
                    Case{17, 40, 63, "u3", "bf16", "32", "bf16", true},
                    Case{64, 128, 384, "i8", "bf16", "128", "f16", true, true, wide},
                    Case{33, 100, 1000, "u8", "f16", "channel", "f16", true, true},
                    Case{40, 96, 768, "u6", "f16", "32", "bf16", true, true, deep},
                    Case{7, 33, 129, "i5", "bf16", "channel", "bf16", false, true},
                    Case{3, 64, 128, "u7", "f16", "64", "f16", true},
                    Case{9, 32, 300, "i2", "bf16", "32", "f16", true},
                    Case{2, 32, 256, "u1", "f16", "128"},
                    Case{5, 70, 500, "u4", "f16", "48", "f16", true},
                    Case{19, 64, 800, "i8", "bf16", "96", "bf16", true, false, whole},
                    Case{4, 33, 400, "u3", "f16", "16", "f16", true},
                    Case{3, 64, 700, "u2", "f16", "256", "f16", true},
                    Case{6, 130, 300, "i6", "f16", "64x64", "bf16", true, true},
                    Case{6, 50, 300, "u4", "bf16", "48x8", "bf16", true},
                    Case{17, 40, 300, "u5", "f16", "tensor", "f16", true, true}));

// Prefill, by default schedules of several devices.
INSTANTIATE_TEST_SUITE_P(
    ManyRows, QuantMatmulTest,
    testing::Values(Case{1024, 128, 256}, Case{2000, 160, 200, "i4", "bf16", "64", "bf16", true},
                    Case{4096, 64, 128, "u8", "f16", "channel", "f16", false, true, nullptr,
                         "h200"},
                    Case{1500, 264, 384, "u3", "f16", "32", "f16", true, false, nullptr, "l4"}));

// Columns of w in the 16 of the product, with every kind of scale and zero point.
constexpr const char *few =
    "quant_matmul{split_k=1, stages=2, tile_k=128, tile_m=8, tile_n=64, warps_m=1, warps_n=2}";
constexpr const char *fewDeep =
    "quant_matmul{split_k=2, stages=3, tile_k=256, tile_m=8, tile_n=96, warps_m=1, warps_n=1}";
// As of large layers: a warp has 64 columns.
constexpr const char *broad = "quant_matmul{split_k=1, stages=3, stream_k=7, tile_k=128, tile_m=8, "
                              "tile_n=256, warps_m=1, warps_n=4}";
constexpr const char *broad16 =
    "quant_matmul{split_k=1, stages=3, stream_k=5, tile_k=128, tile_m=16, "
    "tile_n=256, warps_m=1, warps_n=4}";
INSTANTIATE_TEST_SUITE_P(
    FewRows, QuantMatmulTest,
    testing::Values(Case{8, 64, 256, "u4", "f16", "128", "f16", false, false, few},
                    Case{5, 600, 640, "u4", "f16", "64", "f16", true, true, broad},
                    Case{12, 520, 512, "i6", "bf16", "128", "bf16", true, false, broad16},
                    Case{3, 70, 300, "i8", "bf16", "32", "f16", true, true, few},
                    Case{20, 64, 128, "u5", "f16", "64", "bf16", true, true, few},
                    Case{1, 100, 640, "u3", "bf16", "channel", "bf16", true, true, fewDeep},
                    Case{8, 96, 512, "i7", "f16", "32", "f16", false, false, fewDeep}));
} // namespace
