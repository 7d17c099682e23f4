//===- AppendCacheTest.cpp - Schedules of append_cache ------------------------===//
#include "dialects/Support/Schedule/AppendCache.h"

#include "gtest/gtest.h"

using namespace tilewright;
using namespace tilewright::schedule;
using problem::Problem;

namespace {

Problem makeProblem(int64_t size = 128, int64_t heads = 8) {
  Problem problem;
  problem.op = "append_cache";
  problem.dimensions = {{"B"}, {"S"}, {"Hkv", heads}, {"D", size}, {"C"}, {"L"}, {"R", 8}};
  problem.operands = {{"k", "f16", {"B", "S", "Hkv", "D"}},
                      {"lengths", "i32", {"B"}},
                      {"cos", "f32", {"L", "R"}},
                      {"sin", "f32", {"L", "R"}},
                      {"k_cache", "f16", {"B", "C", "Hkv", "D"}}};
  return problem;
}

const target::GpuModel &getModel(llvm::StringRef name) {
  return *llvm::cantFail(target::findGpuModel(name));
}

std::string messageOf(llvm::Error error) { return llvm::toString(std::move(error)); }

std::string refuse(AppendCacheSchedule schedule, llvm::StringRef model = "a100") {
  return messageOf(
      verify(schedule.toSchedule(), makeProblem(), target::getTarget(getModel(model))));
}

AppendCacheSchedule choose(int64_t size, int64_t heads) {
  return llvm::cantFail(AppendCacheSchedule::fromSchedule(
      llvm::cantFail(chooseDefault(makeProblem(size, heads), getModel("a100"), 1))));
}

TEST(AppendCacheScheduleTest, TextRoundTrips) {
  AppendCacheSchedule schedule{.tileH = 16, .warps = 8};
  Schedule text = llvm::cantFail(Schedule::parse(schedule.toSchedule().str()));
  EXPECT_EQ(llvm::cantFail(AppendCacheSchedule::fromSchedule(text)), schedule);
  text.parameters["tile_k"] = 1;
  EXPECT_NE(messageOf(AppendCacheSchedule::fromSchedule(text).takeError()).find("tile_k"),
            std::string::npos);
}

TEST(AppendCacheScheduleTest, EachConstraintIsNamedWithTheNearestValue) {
  EXPECT_EQ(refuse({}), "");
  EXPECT_EQ(refuse({.warps = 3}), // C1
            "append_cache: expects warps to be one of 1, 2, 4, 8, but got 3; the nearest is 2");
  EXPECT_NE(refuse({.tileH = 6}).find("expects tile_h to be one of 1, 2, 4"), // C2
            std::string::npos);
  EXPECT_EQ(refuse({.tileH = 32, .warps = 1}), // C3
            "append_cache: expects tile_h to be at most 16 for heads of 128 and warps = 1, but "
            "got 32; the nearest is 16");
  EXPECT_NE(refuse({}, "t4"), ""); // C4
}

TEST(AppendCacheScheduleTest, ProblemsNameWhatIsWrong) {
  auto refuseDtype = [](llvm::StringRef name, const char *dtype) {
    Problem problem = makeProblem();
    for (problem::Operand &operand : problem.operands)
      if (operand.name == name)
        operand.dtype = dtype;
    return messageOf(AppendCacheProblem::fromProblem(problem).takeError());
  };
  EXPECT_NE(refuseDtype("k", "f32").find("'k'"), std::string::npos);
  EXPECT_NE(refuseDtype("k_cache", "bf16").find("'k_cache'"), std::string::npos);
  EXPECT_NE(refuseDtype("sin", "bf16").find("'sin'"), std::string::npos);
  EXPECT_NE(refuseDtype("lengths", "f32").find("'lengths'"), std::string::npos);
  Problem problem = makeProblem();
  problem.operands.erase(problem.operands.begin());
  EXPECT_EQ(messageOf(AppendCacheProblem::fromProblem(problem).takeError()),
            "append_cache: expects the operand k or q, but there is neither");
}

TEST(AppendCacheScheduleTest, SixteenBytesAThread) {
  EXPECT_EQ(choose(128, 8), (AppendCacheSchedule{8, 4}));
  EXPECT_EQ(choose(128, 2), (AppendCacheSchedule{2, 1}));
  EXPECT_EQ(choose(64, 1), (AppendCacheSchedule{1, 1}));
  EXPECT_EQ(choose(576, 1), (AppendCacheSchedule{1, 4}));
  EXPECT_EQ(choose(72, 20), (AppendCacheSchedule{8, 4}));
}

TEST(AppendCacheScheduleTest, TheSpaceIsLegalAndHasTheDefault) {
  const target::Target &target = target::getTarget(getModel("a100"));
  for (int64_t size : {8, 72, 576, 1024})
    for (int64_t heads : {1, 8}) {
      auto all = llvm::cantFail(enumerate(makeProblem(size, heads), target, 1));
      EXPECT_EQ(llvm::count(all, choose(size, heads).toSchedule()), 1);
      for (const Schedule &schedule : all)
        EXPECT_EQ(messageOf(verify(schedule, makeProblem(size, heads), target)), "");
    }
}

} // namespace
