//===- MergeAttentionTest.cpp - Schedules of merge_attention ------------------===//
#include "dialects/Support/Schedule/MergeAttention.h"

#include "gtest/gtest.h"

using namespace tilewright;
using namespace tilewright::schedule;
using problem::Problem;

namespace {

Problem makeProblem(int64_t size = 128, int64_t parts = 2) {
  Problem problem;
  problem.op = "merge_attention";
  problem.dimensions = {{"B"}, {"S"}, {"H", 8}, {"Dv", size}};
  for (int64_t i = 0; i < parts; ++i)
    problem.operands.push_back({"o" + std::to_string(i), "f16", {"B", "S", "H", "Dv"}});
  for (int64_t i = 0; i < parts; ++i)
    problem.operands.push_back({"lse" + std::to_string(i), "f32", {"B", "H", "S"}});
  problem.operands.push_back({"o", "f16", {"B", "S", "H", "Dv"}});
  return problem;
}

const target::GpuModel &getModel(llvm::StringRef name) {
  return *llvm::cantFail(target::findGpuModel(name));
}

std::string messageOf(llvm::Error error) { return llvm::toString(std::move(error)); }

std::string refuse(MergeAttentionSchedule schedule, llvm::StringRef model = "a100") {
  return messageOf(
      verify(schedule.toSchedule(), makeProblem(), target::getTarget(getModel(model))));
}

MergeAttentionSchedule choose(int64_t size, int64_t rows) {
  return llvm::cantFail(MergeAttentionSchedule::fromSchedule(
      llvm::cantFail(chooseDefault(makeProblem(size), getModel("a100"), rows))));
}

TEST(MergeAttentionScheduleTest, TextRoundTrips) {
  MergeAttentionSchedule schedule{.tileS = 16, .tileH = 2, .tileD = 32, .warps = 8};
  Schedule text = llvm::cantFail(Schedule::parse(schedule.toSchedule().str()));
  EXPECT_EQ(llvm::cantFail(MergeAttentionSchedule::fromSchedule(text)), schedule);
  text.parameters["tile_k"] = 1;
  EXPECT_NE(messageOf(MergeAttentionSchedule::fromSchedule(text).takeError()).find("tile_k"),
            std::string::npos);
  text.parameters.erase("tile_k");
  text.parameters.erase("warps");
  EXPECT_EQ(messageOf(MergeAttentionSchedule::fromSchedule(text).takeError()),
            "merge_attention: expects the schedule parameter warps, but it is missing");
}

TEST(MergeAttentionScheduleTest, EachConstraintIsNamedWithTheNearestValue) {
  EXPECT_EQ(refuse({}), "");
  EXPECT_EQ(refuse({.warps = 3}), // C1
            "merge_attention: expects warps to be one of 1, 2, 4, 8, but got 3; the nearest is 2");
  EXPECT_NE(refuse({.tileS = 6}).find("expects tile_s to be one of 1, 2, 4"), // C2
            std::string::npos);
  EXPECT_NE(refuse({.tileD = 4}).find("expects tile_d to be one of 8, 16"), // C2
            std::string::npos);
  EXPECT_EQ(refuse({.tileS = 1, .tileD = 64}), // C3
            "merge_attention: expects tile_s * tile_h * tile_d to be 128 to 8192 with warps = 4, "
            "but got 64");
  EXPECT_NE(refuse({}, "t4"), ""); // C4
}

TEST(MergeAttentionScheduleTest, ProblemsNameWhatIsWrong) {
  Problem problem = makeProblem();
  problem.operands[1].dtype = "bf16";
  EXPECT_NE(messageOf(MergeAttentionProblem::fromProblem(problem).takeError()).find("'o1'"),
            std::string::npos);
  problem = makeProblem();
  problem.operands[3].dtype = "f16";
  EXPECT_NE(messageOf(MergeAttentionProblem::fromProblem(problem).takeError()).find("'lse1'"),
            std::string::npos);
  EXPECT_EQ(messageOf(MergeAttentionProblem::fromProblem(makeProblem(64, 17)).takeError()),
            "merge_attention: expects 1 to 16 parts, but got 17");
  EXPECT_EQ(llvm::cantFail(MergeAttentionProblem::fromProblem(makeProblem(64, 16))).parts, 16);
}

TEST(MergeAttentionScheduleTest, FewRowsLeaveTheirPlaceToHeads) {
  EXPECT_EQ(choose(128, 4096), (MergeAttentionSchedule{8, 1, 128, 4}));
  EXPECT_EQ(choose(128, 1), (MergeAttentionSchedule{1, 8, 128, 4}));
  EXPECT_EQ(choose(64, 3), (MergeAttentionSchedule{4, 4, 64, 4}));
  EXPECT_EQ(choose(576, 100), (MergeAttentionSchedule{8, 1, 128, 4}));
}

TEST(MergeAttentionScheduleTest, TheSpaceIsLegalAndHasTheDefault) {
  const target::Target &target = target::getTarget(getModel("a100"));
  for (int64_t size : {1, 8, 72, 576})
    for (int64_t rows : {1, 100}) {
      auto all = llvm::cantFail(enumerate(makeProblem(size), target, rows));
      EXPECT_EQ(llvm::count(all, choose(size, rows).toSchedule()), 1);
      for (const Schedule &schedule : all)
        EXPECT_EQ(messageOf(verify(schedule, makeProblem(size), target)), "");
    }
}

} // namespace
