//===- MatmulTest.cpp - Schedules of dense products -------------------------===//
#include "dialects/Support/Schedule/Matmul.h"

#include "gtest/gtest.h"

using namespace tilewright;
using namespace tilewright::schedule;
using problem::Problem;

namespace {

Problem makeProblem(int64_t n, int64_t k, std::optional<int64_t> m = std::nullopt) {
  Problem problem;
  problem.op = "matmul";
  problem.dimensions = {{"M", m}, {"N", n}, {"K", k}};
  problem.operands = {{"x", "f16", {"M", "K"}, {k, 1}},
                      {"w", "f16", {"N", "K"}, {k, 1}},
                      {"y", "f16", {"M", "N"}, {n, 1}}};
  problem.attributes = {{"layout", "nk"}};
  return problem;
}

const target::GpuModel &getModel(llvm::StringRef name) {
  return *llvm::cantFail(target::findGpuModel(name));
}

std::string messageOf(llvm::Error error) { return llvm::toString(std::move(error)); }

std::string refuse(MatmulSchedule schedule, llvm::StringRef target = "sm_80", int64_t k = 4096,
                   const char *deterministic = "false") {
  Problem problem = makeProblem(4096, k);
  problem.attributes["deterministic"] = deterministic;
  return messageOf(verify(schedule.toSchedule(), problem,
                          target::getTarget(getModel(target == "sm_80" ? "a100" : "t4"))));
}

MatmulSchedule chooseTyped(const Problem &problem, llvm::StringRef model, int64_t rows) {
  return llvm::cantFail(
      MatmulSchedule::fromSchedule(llvm::cantFail(chooseDefault(problem, getModel(model), rows))));
}

TEST(MatmulScheduleTest, TextRoundTrips) {
  MatmulSchedule schedule{{.tileM = 64, .stages = 5, .splitK = 3}};
  Schedule text = llvm::cantFail(Schedule::parse(schedule.toSchedule().str()));
  EXPECT_EQ(llvm::cantFail(MatmulSchedule::fromSchedule(text)), schedule);
  text.parameters["depth"] = 1;
  EXPECT_NE(messageOf(MatmulSchedule::fromSchedule(text).takeError()).find("depth"),
            std::string::npos);
  text.parameters.erase("depth");
  text.parameters.erase("stages");
  EXPECT_EQ(messageOf(MatmulSchedule::fromSchedule(text).takeError()),
            "matmul: expects the schedule parameter stages, but it is missing");
}

TEST(MatmulScheduleTest, EachConstraintIsNamedWithTheNearestValue) {
  EXPECT_EQ(refuse({}), "");
  EXPECT_EQ(refuse({{.warpsM = 3}}), // C1
            "matmul: expects warps_m to be a power of two up to 8, but got 3; the nearest is 4");
  EXPECT_EQ(refuse({{.warpsM = 4, .warpsN = 4}}), // C1
            "matmul: expects warps_n to be at most 8 / warps_m (4), but got 4; the nearest is 2");
  EXPECT_EQ(refuse({{.tileM = 40, .warpsM = 2}}), // C2
            "matmul: expects tile_m to be a multiple of 16 * warps_m (32) up to 256, but got 40; "
            "the nearest is 32");
  EXPECT_EQ(refuse({{.tileN = 96}}), // C3
            "matmul: expects tile_n to be one of 32, 64, 128, 192, 256, but got 96; the nearest "
            "is 64");
  EXPECT_EQ(refuse({{.tileN = 64, .warpsN = 8}}), // C3
            "matmul: expects tile_n to be a multiple of 16 * warps_n (128) up to 256, but got 64; "
            "the nearest is 128");
  EXPECT_EQ(refuse({{.tileK = 100}}), // C4
            "matmul: expects tile_k to be one of 16, 32, 64, 128, but got 100; the nearest is 128");
  EXPECT_EQ(refuse({{.stages = 1}}), // C5
            "matmul: expects stages to be 2..8, but got 1; the nearest is 2");
  EXPECT_EQ(refuse({{.splitK = 9}}, "sm_80", 1024), // C6
            "matmul: expects split_k to be 1..8, but got 9; the nearest is 8");
  EXPECT_NE(refuse({}, "sm_75").find("the nearest is sm_80"), std::string::npos); // C7
}

TEST(MatmulScheduleTest, EachResourceIsNamedWithTheNearestTile) {
  EXPECT_EQ(refuse({{.tileM = 128, .tileN = 128, .tileK = 64, .warpsM = 2, .stages = 8}}), // C8
            "matmul: expects at most 166912 bytes of shared memory a block on sm_80, but stages = "
            "8 of tiles 128x128x64 need 262144; the nearest is stages = 5");
  // tile_n = 224 and 160 are no tiles.
  EXPECT_EQ(refuse({{.tileM = 64, .tileN = 256, .tileK = 32, .stages = 2}}), // C9
            "matmul: expects at most 128 accumulators a thread, but got 256 for tile_m = 64, "
            "tile_n = 256 on 64 threads; the nearest is tile_n = 128");
  // 128 sums, 2 * (16 + 16) of operands, 40 others; and 128 sums more.
  ProductTiles wide{.tileM = 64, .tileN = 128, .tileK = 64, .warpsN = 2, .stages = 2};
  EXPECT_EQ(refuse({wide}), "");
  wide.chunkK = 256;
  EXPECT_EQ(refuse({wide}, "sm_80", 4096, "true"), // C10
            "matmul: expects at most 255 registers a thread on sm_80, but the estimate is 360 for "
            "tile_m = 64, tile_n = 128 on 64 threads; the nearest is tile_n = 64");
}

TEST(MatmulScheduleTest, C11ChunkK) {
  auto check = [](MatmulSchedule schedule, const char *deterministic) {
    return refuse(schedule, "sm_80", 4096, deterministic);
  };
  // 32 times 128 of K, at most 16 chunks.
  for (int64_t tileK : {16, 32, 64, 128})
    EXPECT_EQ(check({{.tileK = tileK, .chunkK = 256}}, "true"), "");
  EXPECT_EQ(check({{.splitK = 16, .chunkK = 256}}, "true"), "");
  EXPECT_EQ(check({}, "true"), "matmul: expects chunk_k to be that of a deterministic product, but "
                               "got 0; the nearest is 256");
  EXPECT_EQ(check({{.chunkK = 256}}, "false"),
            "matmul: expects chunk_k to be left out where bits may differ, but got 256; the "
            "nearest is 0");
  EXPECT_EQ(check({{.splitK = 17, .chunkK = 256}}, "true"),
            "matmul: expects split_k to be 1..16, but got 17; the nearest is 16");
  EXPECT_EQ(check({}, "yes"),
            "matmul: expects deterministic to be one of false, true, but got 'yes'");
  Schedule stream = MatmulSchedule().toSchedule();
  stream.parameters["stream_k"] = 8;
  EXPECT_NE(messageOf(MatmulSchedule::fromSchedule(stream).takeError()).find("stream_k"),
            std::string::npos);
}

TEST(MatmulScheduleTest, C6BatchesShareAnAxisWithSplits) {
  auto check = [](int64_t batch, int64_t split) {
    Problem problem = makeProblem(64, 4096);
    problem.dimensions.push_back({"B", batch});
    return messageOf(verify(MatmulSchedule{{.splitK = split}}.toSchedule(), problem,
                            target::getTarget(getModel("a100"))));
  };
  EXPECT_EQ(check(8, 4), "");
  EXPECT_EQ(check(65535, 1), "");
  EXPECT_EQ(check(20000, 4), "matmul: expects split_k to be 1..3, but got 4; the nearest is 3");
  EXPECT_EQ(check(65536, 1), "matmul: expects a batch of at most 65535 products, but got 65536");
  EXPECT_EQ(check(0, 1), "matmul: expects B to be at least 1, but got 0");
  // Eight products of one tile are eight blocks.
  Problem problem = makeProblem(64, 4096);
  problem.dimensions.push_back({"B", 8});
  auto typed = llvm::cantFail(MatmulProblem::fromProblem(problem));
  EXPECT_EQ(getBlocks(MatmulSchedule(), typed, 16), 8);
}

TEST(MatmulScheduleTest, DepthsFollowTheElements) {
  Problem bytes = makeProblem(4096, 4096);
  bytes.operands[0].dtype = bytes.operands[1].dtype = "i8";
  EXPECT_EQ(chooseTyped(bytes, "a100", 1024).tileK, 128); // 128 bytes of a row
  MatmulSchedule shallow{{.tileK = 16}};
  EXPECT_EQ(messageOf(verify(shallow.toSchedule(), bytes, target::getTarget(getModel("a100")))),
            "matmul: expects tile_k to be one of 32, 64, 128, but got 16; the nearest is 32");
  Problem words = makeProblem(4096, 4096);
  words.operands[0].dtype = words.operands[1].dtype = "f32";
  EXPECT_EQ(chooseTyped(words, "a100", 1024).tileK, 32);
  EXPECT_EQ(messageOf(verify(shallow.toSchedule(), words, target::getTarget(getModel("a100")))),
            "");
}

TEST(MatmulScheduleTest, Float8IsWidenedWhereItHasNoProduct) {
  Problem problem = makeProblem(4096, 4096);
  problem.attributes["layout"] = "nk";
  problem.operands[0].dtype = problem.operands[1].dtype = "e4m3";
  for (auto [model, bits] : {std::pair{"rtx4090", 0}, {"a100", 16}, {"h200", 16}, {"rtx5090", 0}})
    for (int64_t rows : {1, 64, 4096}) {
      EXPECT_EQ(chooseTyped(problem, model, rows).operandBits, bits) << model;
      const target::Target &target = target::getTarget(getModel(model));
      for (const Schedule &schedule : llvm::cantFail(enumerate(problem, target, rows)))
        EXPECT_EQ(messageOf(verify(schedule, problem, target)), "") << schedule.str();
    }
  auto refuse = [&](int64_t bits, llvm::StringRef model) {
    return messageOf(verify(MatmulSchedule{{.tileK = 64, .operandBits = bits}}.toSchedule(),
                            problem, target::getTarget(getModel(model))));
  };
  EXPECT_EQ(refuse(16, "a100"), "");
  EXPECT_EQ(refuse(16, "rtx4090"), "");
  EXPECT_EQ(refuse(0, "h200"),
            "matmul: expects operand_bits to be 16 on sm_90a, whose mma.sync does not take e4m3, "
            "but got 0; the nearest is 16");
  EXPECT_EQ(refuse(12, "rtx4090"),
            "matmul: expects operand_bits to be one of 0, 16, but got 12; the nearest is 16");
  problem.attributes["deterministic"] = "true";
  EXPECT_EQ(
      messageOf(verify(MatmulSchedule{{.tileK = 64, .chunkK = 256, .operandBits = 16}}.toSchedule(),
                       problem, target::getTarget(getModel("rtx4090")))),
      "matmul: expects operand_bits to be that of deterministic products of e4m3 on sm_89, "
      "but got 16; the nearest is 0");
  problem = makeProblem(4096, 4096);
  EXPECT_EQ(refuse(16, "a100"),
            "matmul: expects operand_bits to be left out with f16, but got 16; the nearest is 0");
}

TEST(MatmulScheduleTest, TheDefaultFillsTheSMs) {
  // The largest tile where it does.
  MatmulSchedule large = chooseTyped(makeProblem(4096, 4096), "a100", 4096);
  EXPECT_EQ(large.tileM * large.tileN, 128 * 128);
  EXPECT_EQ(large.splitK, 1);
  // Few rows: K is split before tiles get narrow.
  MatmulSchedule few = chooseTyped(makeProblem(4096, 4096), "a100", 1);
  EXPECT_EQ(few.tileM, 16);
  EXPECT_EQ(few.tileN, 128);
  EXPECT_GT(few.splitK, 1);
  for (int64_t rows : {1, 16, 17, 64, 100, 1024, 4096})
    for (int64_t n : {1024, 4096, 12288}) {
      Problem problem = makeProblem(n, 4096);
      MatmulSchedule schedule = chooseTyped(problem, "a100", rows);
      auto typed = llvm::cantFail(MatmulProblem::fromProblem(problem));
      EXPECT_GE(getBlocks(schedule, typed, rows), getModel("a100").smCount)
          << schedule.toSchedule().str() << " for " << rows << " rows, N = " << n;
    }
}

TEST(MatmulScheduleTest, DefaultsAndSpacesAreLegal) {
  for (llvm::StringRef model : {"a100", "rtx4090", "h200"})
    for (int64_t rows : {1, 40, 300})
      for (auto [n, k] : {std::pair<int64_t, int64_t>{1, 1}, {64, 100}, {1024, 1024}, {33, 5000}}) {
        Problem problem = makeProblem(n, k);
        problem.attributes["deterministic"] = rows == 40 ? "true" : "false";
        const target::Target &target = target::getTarget(getModel(model));
        Schedule standard = llvm::cantFail(chooseDefault(problem, getModel(model), rows));
        EXPECT_EQ(messageOf(verify(standard, problem, target)), "");
        auto space = llvm::cantFail(enumerate(problem, target, rows));
        EXPECT_GT(space.size(), 10u);
        for (const Schedule &schedule : space)
          EXPECT_EQ(messageOf(verify(schedule, problem, target)), "") << schedule.str();
      }
}

TEST(MatmulScheduleTest, ProblemsAreChecked) {
  auto refuseProblem = [](auto change) {
    Problem problem = makeProblem(64, 64);
    change(problem);
    return messageOf(MatmulProblem::fromProblem(problem).takeError());
  };
  EXPECT_EQ(refuseProblem([](Problem &p) { p.operands[1].dtype = "bf16"; }),
            "matmul: expects the dtype of 'w' to be one of f16, but got 'bf16'");
  EXPECT_EQ(refuseProblem([](Problem &p) { p.operands[0].dtype = "f64"; }),
            "matmul: expects the dtype of 'x' to be one of f16, bf16, f32, i8, e4m3, e5m2, but got "
            "'f64'");
  EXPECT_EQ(refuseProblem([](Problem &p) { p.attributes["layout"] = "mk"; }),
            "matmul: expects layout to be one of kn, nk, but got 'mk'");
  EXPECT_EQ(refuseProblem([](Problem &p) {
              p.operands[0].dtype = p.operands[1].dtype = "i8";
              p.attributes["layout"] = "kn";
            }),
            "matmul: expects layout nk for i8, but got 'kn'");
  EXPECT_EQ(refuseProblem([](Problem &p) { p.dimensions[1].extent = 0; }),
            "matmul: expects N to be at least 1, but got 0");
  EXPECT_EQ(refuseProblem([](Problem &p) { p.dimensions[2].extent.reset(); }),
            "matmul: expects K to be static, but it is dynamic");
  EXPECT_EQ(refuseProblem([](Problem &p) { p.operands.pop_back(); }),
            "matmul: expects the operand 'y', but there is none");
}

} // namespace
