//===- PackTest.cpp - Schedules of pack ----------------------------------------===//
#include "dialects/Support/Schedule/Pack.h"

#include "gtest/gtest.h"

using namespace tilewright;
using namespace tilewright::schedule;
using problem::Problem;

namespace {

Problem makeProblem(int64_t n = 4096, int64_t k = 4096) {
  Problem problem;
  problem.op = "pack";
  problem.dimensions = {{"N", n}, {"K", k}};
  problem.operands = {{"codes", "u8", {"N", "K"}}, {"words", "u32", {"strips", "blocks", "words"}}};
  problem.attributes = {
      {"bits", "4"}, {"storage", "words"}, {"activations", "16-bit"}, {"layout", "nk"}};
  return problem;
}

const target::GpuModel &getModel(llvm::StringRef name) {
  return *llvm::cantFail(target::findGpuModel(name));
}

std::string messageOf(llvm::Error error) { return llvm::toString(std::move(error)); }

std::string refuse(PackSchedule schedule, llvm::StringRef model = "a100") {
  return messageOf(
      verify(schedule.toSchedule(), makeProblem(), target::getTarget(getModel(model))));
}

TEST(PackScheduleTest, TextRoundTrips) {
  PackSchedule schedule{.tileK = 256, .tileN = 64, .warps = 2};
  EXPECT_EQ(schedule.toSchedule().str(), "pack{tile_k=256, tile_n=64, warps=2}");
  Schedule text = llvm::cantFail(Schedule::parse(schedule.toSchedule().str()));
  EXPECT_EQ(llvm::cantFail(PackSchedule::fromSchedule(text)), schedule);
  text.parameters.erase("warps");
  EXPECT_EQ(messageOf(PackSchedule::fromSchedule(text).takeError()),
            "pack: expects the schedule parameter warps, but it is missing");
}

TEST(PackScheduleTest, EachConstraintIsNamedWithTheNearestValue) {
  EXPECT_EQ(refuse({}), "");
  EXPECT_EQ(refuse({.warps = 3}), // C1
            "pack: expects warps to be one of 1, 2, 4, 8, but got 3; the nearest is 2");
  EXPECT_EQ(refuse({.tileN = 64}), // C2
            "pack: expects tile_n to be one of 128, 256, but got 64; the nearest is 128");
  EXPECT_EQ(refuse({.tileK = 64}), // C3
            "pack: expects tile_k to be one of 128, 256, but got 64; the nearest is 128");
  EXPECT_EQ(refuse({.tileN = 128, .warps = 1}), // C3
            "pack: expects tile_n to be at most 64 for tile_k = 128 and warps = 1, but got 128; "
            "the nearest is 64");
  EXPECT_NE(refuse({}, "t4").find("the nearest is sm_80"), std::string::npos); // C4
}

TEST(PackScheduleTest, ProblemsAreChecked) {
  auto refuseProblem = [](auto change) {
    Problem problem = makeProblem();
    change(problem);
    return messageOf(PackProblem::fromProblem(problem).takeError());
  };
  EXPECT_EQ(refuseProblem([](Problem &) {}), "");
  EXPECT_EQ(refuseProblem([](Problem &p) { p.attributes["bits"] = "9"; }),
            "pack: expects bits to be one of 1, 2, 3, 4, 5, 6, 7, 8, but got '9'");
  EXPECT_EQ(refuseProblem([](Problem &p) { p.attributes["storage"] = "bits"; }),
            "pack: expects storage to be one of words, nested, stack, but got 'bits'");
  EXPECT_EQ(refuseProblem([](Problem &p) {
              p.attributes["storage"] = "nested";
              p.attributes["activations"] = "8-bit";
            }),
            "pack: expects activations 16-bit with storage nested, but got '8-bit'");
  EXPECT_EQ(refuseProblem([](Problem &p) { p.attributes["layout"] = "n"; }),
            "pack: expects layout to be one of nk, kn, but got 'n'");
  EXPECT_EQ(refuseProblem([](Problem &p) { p.operands[0].dtype = "i8"; }),
            "pack: expects the dtype of 'codes' to be one of u8, but got 'i8'");
  EXPECT_EQ(refuseProblem([](Problem &p) { p.dimensions[1].extent = 0; }),
            "pack: expects K to be at least 1, but got 0");
}

TEST(PackScheduleTest, DefaultsAndSpacesAreLegal) {
  for (llvm::StringRef model : {"a100", "rtx4090", "h200"})
    for (auto [n, k] : {std::pair<int64_t, int64_t>{1, 1}, {33, 128}, {64, 100}, {4096, 4096}}) {
      Problem problem = makeProblem(n, k);
      const target::Target &target = target::getTarget(getModel(model));
      Schedule standard = llvm::cantFail(chooseDefault(problem, getModel(model), 1));
      EXPECT_EQ(messageOf(verify(standard, problem, target)), "");
      auto space = llvm::cantFail(enumerate(problem, target, 1));
      EXPECT_TRUE(llvm::is_contained(space, standard));
      for (const Schedule &schedule : space)
        EXPECT_EQ(messageOf(verify(schedule, problem, target)), "") << schedule.str();
    }
}

} // namespace
