//===- QuantMatmulTest.cpp - Schedules of the quantised matmul -------------===//
//
// Negative tests are named after the constraint of QuantMatmul.h they break.
//
//===----------------------------------------------------------------------===//
#include "test/unit/dialects/Support/Schedule/ScheduleProblems.h"

#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"
#include <random>
#include <set>

using namespace tilewright;
using problem::Problem;
using schedule::QuantMatmulProblem;
using schedule::QuantMatmulSchedule;
using schedule::Schedule;

//===----------------------------------------------------------------------===//
// Typed views
//===----------------------------------------------------------------------===//

TEST(QuantMatmulSchedule, RoundTrip) {
  QuantMatmulSchedule typed{
      {.tileM = 32, .tileN = 96, .tileK = 384, .warpsM = 2, .warpsN = 1, .stages = 5, .splitK = 7}};
  EXPECT_EQ(typed.toSchedule().str(),
            "quant_matmul{split_k=7, stages=5, tile_k=384, tile_m=32, tile_n=96, warps_m=2, "
            "warps_n=1}");
  EXPECT_EQ(llvm::cantFail(QuantMatmulSchedule::fromSchedule(typed.toSchedule())), typed);
  EXPECT_EQ(typed.getThreads(), 64);
  EXPECT_EQ(typed.getAccumulators(), 48);
}

TEST(QuantMatmulSchedule, NamesUnknownAndMissingParameters) {
  Schedule schedule = QuantMatmulSchedule().toSchedule();
  schedule.parameters["tile_q"] = 1;
  EXPECT_EQ(messageOf(QuantMatmulSchedule::fromSchedule(schedule).takeError()),
            "unknown parameter of a quant_matmul schedule 'tile_q'; the nearest are 'tile_m', "
            "'tile_n', 'tile_k'");
  for (const auto &[name, value] : QuantMatmulSchedule().toSchedule().parameters) {
    schedule = QuantMatmulSchedule().toSchedule();
    schedule.parameters.erase(name);
    EXPECT_EQ(messageOf(QuantMatmulSchedule::fromSchedule(schedule).takeError()),
              "quant_matmul: expects the schedule parameter " + name + ", but it is missing");
  }
  EXPECT_EQ(messageOf(QuantMatmulSchedule::fromSchedule({"attention", {}}).takeError()),
            "quant_matmul: expects a schedule of the family quant_matmul, but got 'attention'");
}

//===----------------------------------------------------------------------===//
// Resources
//===----------------------------------------------------------------------===//

TEST(QuantMatmulResources, SharedBytesByHand) {
  QuantMatmulSchedule schedule{{.tileM = 16, .tileN = 64, .tileK = 128, .stages = 1}};
  // x 16*128*2 = 4096; w 64*128*4/8 = 4096; one row of 64 scales = 128.
  EXPECT_EQ(getSharedBytes(schedule, makeProblem("u4", "128", 1024, 1024)), 8320);
  // One group is scaled after the loop.
  EXPECT_EQ(getSharedBytes(schedule, makeProblem("u4", "channel", 1024, 1024)), 8192);
  EXPECT_EQ(getSharedBytes(schedule, makeProblem("u4", "1024", 1024, 1024)), 8192);
  // Four rows of scales, and of zero points, two of 4 bits in a byte: 512 + 128.
  EXPECT_EQ(getSharedBytes(schedule, makeProblem("i4", "32", 1024, 1024, 16, true)), 8832);
  // Those of one bit share it with three groups more: a row of 32 bytes for all.
  EXPECT_EQ(getSharedBytes(schedule, makeProblem("u1", "32", 1024, 1024, 16, true)),
            4096 + 1024 + 512 + 32);
  // Wider ones are bytes.
  EXPECT_EQ(getSharedBytes(schedule, makeProblem("u5", "32", 1024, 1024, 16, true)),
            4096 + 5120 + 512 + 256);
  // Eight thirds of groups load a row each.
  EXPECT_EQ(getSharedBytes(schedule, makeProblem("u4", "48", 1024, 1024, 16, true)),
            8192 + 8 * (128 + 32));
  // 16 bytes of scales for 32 columns.
  EXPECT_EQ(getSharedBytes(schedule, makeProblem("u4", "64x64", 1024, 1024)), 8192 + 2 * 32);
  EXPECT_EQ(getSharedBytes(schedule, makeProblem("u3", "64", 1024, 1024)), 4096 + 3072 + 256);
  Problem bytes = makeProblem("u4", "128", 1024, 1024);
  bytes.operands[0].dtype = "i8";
  EXPECT_EQ(getSharedBytes(schedule, bytes), 8320 - 2048);
  schedule.tileK = 256;
  schedule.stages = 3;
  // x 8192; w 64*256*5/8 = 10240; two rows of scales = 256.
  EXPECT_EQ(getSharedBytes(schedule, makeProblem("u5", "128", 1024, 1024)), 3 * 18688);
  EXPECT_EQ(getSharedBytes(schedule, makeProblem("u5", "channel", 1024, 1024)), 3 * 18432);
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

/// What verify() says of the default schedule after `change`; u4, K = N = 1024.
template <typename Change>
static std::string errorAfter(Change change, const char *target = "sm_80",
                              const char *format = "u4", const char *group = "128") {
  QuantMatmulSchedule schedule;
  change(schedule);
  return messageOf(schedule::verify(schedule.toSchedule(), makeProblem(format, group, 1024, 1024),
                                    getTarget(target)));
}
using S = QuantMatmulSchedule;

TEST(QuantMatmulConstraints, TheExampleIsLegal) {
  EXPECT_EQ(errorAfter([](S &) {}), "no error");
}

TEST(QuantMatmulConstraints, C1Warps) {
  EXPECT_EQ(errorAfter([](S &s) { s.warpsM = 3; }),
            "quant_matmul: expects warps_m to be a power of two up to 8, but got 3; the nearest is "
            "4");
  EXPECT_EQ(errorAfter([](S &s) { s.warpsN = 5; }),
            "quant_matmul: expects warps_n to be a power of two up to 8, but got 5; the nearest is "
            "4");
  EXPECT_EQ(errorAfter([](S &s) { s.warpsN = 0; }),
            "quant_matmul: expects warps_n to be a power of two up to 8, but got 0; the nearest is "
            "1");
  EXPECT_EQ(errorAfter([](S &s) { s.warpsM = 16; }),
            "quant_matmul: expects warps_m to be a power of two up to 8, but got 16; the nearest "
            "is 8");
  EXPECT_EQ(errorAfter([](S &s) { s.warpsM = 4, s.warpsN = 4; }),
            "quant_matmul: expects warps_n to be at most 8 / warps_m (4), but got 4; the nearest "
            "is 2");
}

TEST(QuantMatmulConstraints, C2TileM) {
  EXPECT_EQ(errorAfter([](S &s) { s.tileM = 24; }),
            "quant_matmul: expects tile_m to be a multiple of 16 * warps_m (16) up to 256, but got "
            "24; the nearest is 32");
  EXPECT_EQ(errorAfter([](S &s) { s.tileM = 48, s.warpsM = 2; }),
            "quant_matmul: expects tile_m to be a multiple of 16 * warps_m (32) up to 256, but got "
            "48; the nearest is 64");
  EXPECT_EQ(errorAfter([](S &s) { s.tileM = 0; }),
            "quant_matmul: expects tile_m to be a multiple of 16 * warps_m (16) up to 256, but got "
            "0; the nearest is 16");
  EXPECT_EQ(errorAfter([](S &s) { s.tileM = 272; }),
            "quant_matmul: expects tile_m to be a multiple of 16 * warps_m (16) up to 256, but got "
            "272; the nearest is 256");
}

TEST(QuantMatmulConstraints, C2TileMOfEight) {
  EXPECT_EQ(errorAfter([](S &s) { s.tileM = 8; }), "no error");
  EXPECT_EQ(errorAfter([](S &s) { s.tileM = 8, s.warpsM = 2, s.warpsN = 1; }),
            "quant_matmul: expects tile_m to be a multiple of 16 * warps_m (32) up to 256, but got "
            "8; the nearest is 32");
}

TEST(QuantMatmulConstraints, C3TileN) {
  EXPECT_EQ(errorAfter([](S &s) { s.tileN = 96; }),
            "quant_matmul: expects tile_n to be a multiple of 32 * warps_n (64) up to 512, but got "
            "96; the nearest is 128");
  EXPECT_EQ(errorAfter([](S &s) { s.tileN = 40, s.warpsN = 1; }),
            "quant_matmul: expects tile_n to be a multiple of 32 * warps_n (32) up to 512, but got "
            "40; the nearest is 32");
}

TEST(QuantMatmulConstraints, C4TileK) {
  EXPECT_EQ(errorAfter([](S &s) { s.tileK = 64; }),
            "quant_matmul: expects tile_k to be a multiple of 128 up to 1024, but got 64; the "
            "nearest is 128");
  EXPECT_EQ(errorAfter([](S &s) { s.tileK = 2048; }),
            "quant_matmul: expects tile_k to be a multiple of 128 up to 1024, but got 2048; the "
            "nearest is 1024");
}

TEST(QuantMatmulConstraints, C5Stages) {
  EXPECT_EQ(errorAfter([](S &s) { s.stages = 1; }),
            "quant_matmul: expects stages to be 2..8, but got 1; the nearest is 2");
  EXPECT_EQ(errorAfter([](S &s) { s.stages = 9; }),
            "quant_matmul: expects stages to be 2..8, but got 9; the nearest is 8");
}

TEST(QuantMatmulConstraints, C6SplitK) {
  EXPECT_EQ(errorAfter([](S &s) { s.splitK = 8; }), "no error");
  EXPECT_EQ(errorAfter([](S &s) { s.splitK = 9; }),
            "quant_matmul: expects split_k to be 1..8, but got 9; the nearest is 8");
  EXPECT_EQ(errorAfter([](S &s) { s.splitK = 5, s.tileK = 256; }),
            "quant_matmul: expects split_k to be 1..4, but got 5; the nearest is 4");
  EXPECT_EQ(errorAfter([](S &s) { s.splitK = 0; }),
            "quant_matmul: expects split_k to be 1..8, but got 0; the nearest is 1");
}

TEST(QuantMatmulConstraints, C7Target) {
  EXPECT_EQ(errorAfter([](S &) {}, "sm_75"),
            "quant_matmul: expects a target with cp.async and mma.m16n8k16 that can be compiled "
            "for, but got sm_75; the nearest is sm_80");
}

TEST(QuantMatmulConstraints, C8SharedMemory) {
  // A stage of u8: x 64*128*2 + w 128*128 + scales 256 = 33024 bytes.
  auto change = [](S &s) {
    s = {{.tileM = 64, .tileN = 128, .warpsM = 1, .warpsN = 4, .stages = 4}};
  };
  EXPECT_EQ(errorAfter(change, "sm_80", "u8"), "no error");
  EXPECT_EQ(errorAfter(change, "sm_86", "u8"),
            "quant_matmul: expects at most 101376 bytes of shared memory a block on sm_86, but "
            "stages = 4 of tiles 64x128x128 need 132096; the nearest is stages = 3");
  // Where two stages are too many, another parameter is named: two stages of
  // 128x256x256 take 263168 bytes, of 128x256x128 half of it.
  auto large = [](S &s) {
    s = {{.tileM = 128, .tileN = 256, .tileK = 256, .warpsM = 1, .warpsN = 8, .stages = 2}};
  };
  EXPECT_EQ(errorAfter(large, "sm_90a", "u8"),
            "quant_matmul: expects at most 232448 bytes of shared memory a block on sm_90a, but "
            "stages = 2 of tiles 128x256x256 need 264192; the nearest is tile_k = 128");
  // And where no single change helps, none is named.
  auto huge = [](S &s) {
    s = {{.tileM = 256, .tileN = 512, .tileK = 1024, .warpsM = 1, .warpsN = 8, .stages = 8}};
  };
  EXPECT_EQ(errorAfter(huge, "sm_86", "u8").find("; use smaller tiles"),
            errorAfter(huge, "sm_86", "u8").size() - std::string("; use smaller tiles").size());
}

TEST(QuantMatmulConstraints, C9Accumulators) {
  auto on2Warps = [](S &s) {
    s = {{.tileM = 128, .tileN = 128, .warpsM = 1, .warpsN = 2, .stages = 2}};
  };
  EXPECT_EQ(errorAfter(on2Warps, "sm_80", "u4", "channel"),
            "quant_matmul: expects at most 128 accumulators a thread, but got 256 for tile_m = "
            "128, tile_n = 128 on 64 threads; the nearest is tile_n = 64");
  auto on4Warps = [](S &s) {
    s = {{.tileM = 128, .tileN = 128, .warpsM = 1, .warpsN = 4, .stages = 2}};
  };
  EXPECT_EQ(errorAfter(on4Warps, "sm_80", "u4", "channel"), "no error");
}

TEST(QuantMatmulConstraints, C10Registers) {
  // 2 * 128 sums, 32 of x, 16 + 16 of w, 8 scales, 40 others.
  auto wide = [](S &s) {
    s = {{.tileM = 128, .tileN = 128, .warpsM = 1, .warpsN = 4, .stages = 2}};
  };
  EXPECT_EQ(errorAfter(wide),
            "quant_matmul: expects at most 255 registers a thread on sm_80, but the estimate is "
            "368 for tile_m = 128, tile_n = 128 on 128 threads; the nearest is tile_m = 64");
}

// What ptxas spilled in: sums, scales and zero points of four groups.
TEST(QuantMatmulConstraints, C10CountsScalesAndZeroPoints) {
  QuantMatmulSchedule schedule{{.tileM = 64, .tileN = 128, .warpsM = 1, .warpsN = 4, .stages = 4}};
  auto check = [&](const char *group, bool hasZeros) {
    return messageOf(schedule::verify(schedule.toSchedule(),
                                      makeProblem("u1", group, 4096, 4096, 256, hasZeros),
                                      getTarget("sm_80")));
  };
  EXPECT_EQ(check("128", true), "no error");
  // 64 + 64 + 19 sums, 16 of x, 16 + 4 of w, 2 * 8 scales and zero points, 40 others.
  EXPECT_EQ(check("64", true), "no error");
  EXPECT_EQ(check("32", false),
            "quant_matmul: expects at most 255 registers a thread on sm_80, but the estimate is "
            "293 for tile_m = 64, tile_n = 128 on 128 threads; the nearest is tile_m = 48");
  EXPECT_EQ(check("32", true),
            "quant_matmul: expects at most 255 registers a thread on sm_80, but the estimate is "
            "325 for tile_m = 64, tile_n = 128 on 128 threads; the nearest is tile_m = 32");
}

TEST(QuantMatmulConstraints, ExtremeValuesAreErrorsNotOverflow) {
  const int64_t values[] = {INT64_MIN, INT64_MIN + 1,   -1, 0, INT64_MAX - 1,
                            INT64_MAX, int64_t(1) << 62};
  Problem problem = makeProblem("u8", "32", 1024, 1024, 16, true);
  Schedule legal = QuantMatmulSchedule().toSchedule();
  for (const auto &entry : legal.parameters)
    for (int64_t value : values) {
      Schedule schedule = legal;
      schedule.parameters[entry.first] = value;
      std::string message = messageOf(schedule::verify(schedule, problem, getTarget("sm_80")));
      EXPECT_EQ(message.find("quant_matmul: expects " + entry.first + " to be "), 0u) << message;
      EXPECT_NE(message.find("but got " + std::to_string(value) + "; the nearest is "),
                std::string::npos)
          << message;
    }
}

TEST(QuantMatmulConstraints, TheNearestValueOfAnErrorWorks) {
  // Follow the advice: each error names one parameter and a value that obeys
  // the constraint, so a few steps lead from any schedule to a legal one.
  constexpr unsigned seed = 4711;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Problem problem = makeProblem("u8", "64", 4096, 4096, 16, true);
  for (int i = 0; i < 2000; ++i) {
    Schedule schedule = QuantMatmulSchedule().toSchedule();
    for (auto &[name, value] : schedule.parameters)
      value = int64_t(random() % 300) - 10;
    for (int step = 0;; ++step) {
      std::string message = messageOf(schedule::verify(schedule, problem, getTarget("sm_86")));
      if (message == "no error" || message.find("use smaller tiles") != std::string::npos)
        break;
      ASSERT_LT(step, 20) << message;
      llvm::StringRef advice = llvm::StringRef(message).split("; the nearest is ").second;
      ASSERT_FALSE(advice.empty()) << message;
      llvm::StringRef name =
          llvm::StringRef(message).split("expects ").second.split(" to be ").first;
      if (advice.contains(" = "))
        std::tie(name, advice) = advice.split(" = ");
      ASSERT_TRUE(schedule.parameters.count(name.str())) << message;
      ASSERT_FALSE(advice.getAsInteger(10, schedule.parameters[name.str()])) << message;
    }
  }
}

//===----------------------------------------------------------------------===//
// Default
//===----------------------------------------------------------------------===//

TEST(QuantMatmulDefault, DecodeOfAThousandSquare) {
  Problem problem = makeProblem("u4", "128", 1024, 1024);
  QuantMatmulSchedule schedule = chooseTyped(problem, "a100", 16);
  EXPECT_EQ(schedule.tileM, 16);
  EXPECT_GE(schedule.stages, 3);
  int64_t blocks = (1024 / schedule.tileN) * schedule.splitK;
  EXPECT_GE(blocks, 108);
  // Eight tiles of K: no block is left with less than two.
  EXPECT_LE(schedule.splitK, 4);
}

TEST(QuantMatmulDefault, DecodeOfALargeMatrixUsesWideTilesAndTwoBlocksAnSM) {
  Problem problem = makeProblem("u4", "128", 4096, 12288);
  QuantMatmulSchedule schedule = chooseTyped(problem, "a100", 1);
  EXPECT_EQ(schedule.tileM, 8);
  EXPECT_EQ(schedule.tileN, 256);
  EXPECT_EQ(schedule.getWarps(), 4);
  EXPECT_EQ(schedule.streamK, 216); // 48 tiles of N
  EXPECT_GE(schedule.stages, 4);
  EXPECT_LE(2 * (getSharedBytes(schedule, problem) + 1024), 164 * 1024);
}

TEST(QuantMatmulDefault, TileFollowsTheRows) {
  Problem problem = makeProblem("u4", "128", 8192, 28672);
  const std::pair<int64_t, int64_t> tileOfRows[] = {{0, 8},    {1, 8},     {8, 8},     {9, 16},
                                                    {16, 16},  {17, 32},   {64, 32},   {65, 64},
                                                    {256, 64}, {257, 128}, {4096, 128}};
  for (auto [rows, tile] : tileOfRows)
    EXPECT_EQ(chooseTyped(problem, "h100-sxm", rows).tileM, tile) << rows;
}

TEST(QuantMatmulDefault, AStaticRowCountOverrulesTheHint) {
  Problem problem = makeProblem("u4", "128", 4096, 4096, /*m=*/8);
  EXPECT_EQ(chooseTyped(problem, "a100", 4096).tileM, 8);
}

TEST(QuantMatmulDefault, FullLaunchesAreNotSplit) {
  Problem problem = makeProblem("u4", "128", 4096, 28672);
  EXPECT_EQ(chooseTyped(problem, "a100", 16).splitK, 1);
  EXPECT_EQ(chooseTyped(problem, "a100", 4096).splitK, 1);
}

TEST(QuantMatmulDefault, ManyRowsPreferSmallerTilesToASplit) {
  QuantMatmulSchedule schedule = chooseTyped(makeProblem("u4", "128", 1024, 1024), "a100", 512);
  EXPECT_EQ(schedule.splitK, 1);
  EXPECT_GE((512 / schedule.tileM) * (1024 / schedule.tileN), 108);
  // Where tiles alone cannot fill the SMs, the split can.
  schedule = chooseTyped(makeProblem("u4", "128", 16384, 256), "a100", 128);
  EXPECT_TRUE(schedule.splitK > 1 || schedule.streamK > 0);
}

TEST(QuantMatmulDefault, NarrowMatricesGetNarrowTiles) {
  for (int64_t rows : {1, 32, 128, 4096})
    EXPECT_LE(chooseTyped(makeProblem("u4", "128", 20000, 64), "a100", rows).tileN, 64) << rows;
  EXPECT_EQ(chooseTyped(makeProblem("u4", "128", 20000, 32), "a100", 1).tileN, 32);
}

TEST(QuantMatmulDefault, KeepsThreeBuffersForTheShortestLoop) {
  EXPECT_EQ(chooseTyped(makeProblem("u4", "128", 128, 65536), "a100", 16).stages, 3);
}

TEST(QuantMatmulDefault, RefusesTargetsThatCannotBeCompiledFor) {
  EXPECT_EQ(
      messageOf(
          schedule::chooseDefault(makeProblem("u4", "128", 64, 64), getModel("t4"), 1).takeError()),
      "quant_matmul: expects a target with cp.async and mma.m16n8k16 that can be compiled "
      "for, but got sm_75; the nearest is sm_80");
}

namespace {

/// Valid problems of all formats, groups and shapes.
class ProblemGenerator {
public:
  explicit ProblemGenerator(unsigned seed) : random(seed) {}

  Problem make() {
    static const char *const groups[] = {"32", "64", "128",    "channel",
                                         "16", "48", "128x64", "tensor"};
    std::string format = (random() % 2 ? "u" : "i") + std::to_string(1 + random() % 8);
    std::optional<int64_t> m;
    if (random() % 4 == 0)
      m = int64_t(random() % 4097);
    Problem problem =
        makeProblem(format, groups[random() % 8], makeExtent(), makeExtent(), m, random() % 2);
    if (random() % 4 == 0)
      problem.attributes["deterministic"] = "true";
    return problem;
  }
  int64_t makeRows() { return random() % 2 ? 1 + random() % 4096 : 1 + random() % 40; }

private:
  /// 1 to 20000, half of them small.
  int64_t makeExtent() { return 1 + random() % (random() % 2 ? 20000 : 600); }

  std::mt19937 random;
};

} // namespace

TEST(QuantMatmulDefault, IsLegalForEveryProblemOnEveryModel) {
  constexpr unsigned seed = 31337;
  SCOPED_TRACE("seed " + std::to_string(seed));
  ProblemGenerator generator(seed);
  for (int i = 0; i < 1500; ++i) {
    Problem problem = generator.make();
    QuantMatmulProblem typed = llvm::cantFail(QuantMatmulProblem::fromProblem(problem));
    int64_t hint = generator.makeRows();
    int64_t rows = std::max<int64_t>(1, typed.m.value_or(hint));
    for (const target::GpuModel &model : target::allGpuModels()) {
      const target::Target &target = target::getTarget(model);
      if (!target.canCompile)
        continue;
      llvm::Expected<Schedule> chosen = schedule::chooseDefault(problem, model, hint);
      ASSERT_TRUE(bool(chosen)) << messageOf(chosen.takeError()) << "\n" << problem.str();
      ASSERT_EQ(messageOf(schedule::verify(*chosen, problem, target)), "no error")
          << problem.str() << " " << chosen->str();

      QuantMatmulSchedule schedule = llvm::cantFail(QuantMatmulSchedule::fromSchedule(*chosen));
      // tile_m is at most what the rows need.
      ASSERT_LE(schedule.tileM, rows <= 8 ? 8 : (rows + 15) / 16 * 16) << chosen->str();
      // Every block has work, and two tiles of K where K was split.
      int64_t tiles = (typed.k + schedule.tileK - 1) / schedule.tileK;
      if (schedule.splitK > 1 && !typed.isDeterministic) {
        ASSERT_GE(tiles / schedule.splitK, 2);
        int64_t run = (tiles + schedule.splitK - 1) / schedule.splitK;
        ASSERT_LT(run * (schedule.splitK - 1), tiles);
      }
      // Few rows leave SMs idle only where the narrowest tile does.
      if (rows <= 16 && getBlocks(schedule, typed, rows) < int64_t(model.smCount)) {
        ASSERT_EQ(schedule.tileN, 32) << problem.str();
      }
    }
  }
}

//===----------------------------------------------------------------------===//
// Space
//===----------------------------------------------------------------------===//

TEST(QuantMatmulSpace, EverySchedulePassesVerifyAndTheDefaultIsAmongThem) {
  constexpr unsigned seed = 2718;
  SCOPED_TRACE("seed " + std::to_string(seed));
  ProblemGenerator generator(seed);
  for (int i = 0; i < 12; ++i) {
    Problem problem = generator.make();
    int64_t rows = generator.makeRows();
    for (const target::GpuModel &model : target::allGpuModels()) {
      const target::Target &target = target::getTarget(model);
      if (!target.canCompile)
        continue;
      std::vector<Schedule> all = llvm::cantFail(schedule::enumerate(problem, target, rows));
      std::set<Schedule> unique(all.begin(), all.end());
      EXPECT_EQ(unique.size(), all.size()) << "schedules repeat";
      Schedule chosen = llvm::cantFail(schedule::chooseDefault(problem, model, rows));
      EXPECT_TRUE(unique.count(chosen)) << chosen.str() << " for " << rows << " rows of "
                                        << problem.str() << " on " << model.name.str();
      for (const Schedule &schedule : all)
        ASSERT_EQ(messageOf(schedule::verify(schedule, problem, target)), "no error")
            << schedule.str();
    }
  }
}

TEST(QuantMatmulSpace, HasASensibleSize) {
  for (int64_t rows : {1, 16, 64, 4096}) {
    std::vector<Schedule> all = llvm::cantFail(
        schedule::enumerate(makeProblem("u4", "128", 4096, 4096), getTarget("sm_80"), rows));
    EXPECT_GT(all.size(), 50u) << rows;
    EXPECT_LT(all.size(), 2000u) << rows;
  }
  EXPECT_TRUE(llvm::cantFail(
                  schedule::enumerate(makeProblem("u4", "128", 4096, 4096), getTarget("sm_75"), 1))
                  .empty());
}
