//===- QuantMatmulProblemTest.cpp - Problems of the quantised matmul -------===//
//
// What the family says of a problem before there is a schedule.
//
//===----------------------------------------------------------------------===//
#include "test/unit/dialects/Support/Schedule/ScheduleProblems.h"

#include "gtest/gtest.h"

using namespace tilewright;
using problem::Problem;
using schedule::QuantMatmulProblem;
using schedule::QuantMatmulSchedule;

template <typename Change> static std::string problemErrorAfter(Change change) {
  Problem problem = makeProblem("u4", "128", 1024, 1024);
  change(problem);
  return messageOf(
      schedule::verify(QuantMatmulSchedule().toSchedule(), problem, getTarget("sm_80")));
}

TEST(QuantMatmulProblem, RefusesWhatTheFamilyDoesNotDo) {
  auto attribute = [](const char *name, const char *value) {
    return problemErrorAfter([&](Problem &p) { p.attributes[name] = value; });
  };
  EXPECT_EQ(problemErrorAfter([](Problem &) {}), "no error");
  EXPECT_EQ(problemErrorAfter([](Problem &p) { p.op = "quant_matmull"; }),
            "unknown op to schedule 'quant_matmull'; the nearest are 'quant_matmul', 'matmul', "
            "'attention'");
  EXPECT_EQ(attribute("format", "f16"),
            "quant_matmul: expects format to be u1..u8, i1..i8, lut2..lut4, nested1..nested8, "
            "stack or a float with sign of 3 to 8 bits (f4e2m1, e4m3, ...), but got 'f16'");
  EXPECT_EQ(attribute("format", "i32"),
            "quant_matmul: expects format to be u1..u8, i1..i8, lut2..lut4, nested1..nested8, "
            "stack or a float with sign of 3 to 8 bits (f4e2m1, e4m3, ...), but got 'i32'");
  EXPECT_EQ(attribute("format", "u9").find("quant_matmul: format: unknown number format 'u9'"), 0u);
  EXPECT_EQ(attribute("format", "lut4"),
            "quant_matmul: expects the operand 'codebook' exactly when "
            "codes are indices, but got format lut4");
  EXPECT_EQ(problemErrorAfter([](Problem &p) {
              p.attributes["format"] = "f4e2m1";
              p.attributes["zero"] = "integer";
              p.operands.push_back({"zeros", "u8", {"groups", "N"}, {}, 16});
            }),
            "quant_matmul: expects zero=none unless codes are integers, or offset of nested ones, "
            "but got zero=integer with format f4e2m1");
  EXPECT_EQ(attribute("format", "stack"), "quant_matmul: expects the dimension 'planes' exactly "
                                          "when weights are stacks, but got format stack");
  EXPECT_EQ(problemErrorAfter([](Problem &p) { p.dimensions.push_back({"planes", std::nullopt}); }),
            "quant_matmul: expects the dimension 'planes' exactly when weights are stacks, but got "
            "format u4");
  EXPECT_EQ(problemErrorAfter([](Problem &p) {
              p.attributes["format"] = "stack";
              p.attributes["deterministic"] = "true";
              p.dimensions.push_back({"planes", std::nullopt});
            }),
            "quant_matmul: expects deterministic to be false with stacks, whose chunks of K no "
            "schedule has, but got true");
  EXPECT_EQ(attribute("group", "40"),
            "quant_matmul: expects group to have a multiple of 16 rows of K, but got 40; the "
            "nearest is 48");
  EXPECT_EQ(attribute("scale", "e5m2"), "quant_matmul: expects scale to be one of f16, bf16, f32, "
                                        "e8m0, e4m3, ue5m3, but got 'e5m2'");
  EXPECT_EQ(attribute("zero", "integral").find("quant_matmul: zero: unknown kind of zero points"),
            0u);
  EXPECT_EQ(attribute("activation", "tanh"), "quant_matmul: expects activation to be one of none, "
                                             "relu, gelu, silu, swiglu, but got 'tanh'");
  EXPECT_EQ(attribute("zero", "integer"),
            "quant_matmul: expects the operand 'zeros' exactly when zero is not none, but got "
            "zero=integer");
  EXPECT_EQ(attribute("scale", "bf16"),
            "quant_matmul: expects the dtype of 'scales' to be one of bf16, but got 'f16'");
  auto zeros = [](const char *zero, const char *dtype) {
    return problemErrorAfter([&](Problem &p) {
      p.attributes["zero"] = zero;
      p.operands.push_back({"zeros", dtype, {"N"}, {}});
    });
  };
  EXPECT_EQ(zeros("offset", "bf16"), "no error");
  EXPECT_EQ(zeros("float", "u8"),
            "quant_matmul: expects the dtype of 'zeros' to be one of f16, bf16, f32, but got 'u8'");
  EXPECT_EQ(zeros("integer", "f16"),
            "quant_matmul: expects the dtype of 'zeros' to be one of u8, but got 'f16'");
  EXPECT_EQ(problemErrorAfter(
                [](Problem &p) { p.operands.push_back({"tensor_scale", "f16", {"N"}, {1}}); }),
            "quant_matmul: expects the dtype of 'tensor_scale' to be one of f32, but got 'f16'");
  EXPECT_EQ(
      problemErrorAfter([](Problem &p) { p.operands[0].dtype = "f32"; }),
      "quant_matmul: expects the dtype of 'x' to be one of f16, bf16, i8, e4m3, e5m2, but got "
      "'f32'");
  auto besideBytes = [](const char *format, const char *group) {
    return problemErrorAfter([&](Problem &p) {
      p.operands[0].dtype = "i8";
      p.attributes["format"] = format;
      p.attributes["group"] = group;
    });
  };
  EXPECT_EQ(besideBytes("i3", "96"), "no error");
  EXPECT_EQ(besideBytes("f4e2m1", "128"), "quant_matmul: expects format to be u1..u8 or i1..i8 "
                                          "with x of i8, but got 'f4e2m1'");
  EXPECT_EQ(besideBytes("i4", "48"), "quant_matmul: expects group to have a multiple of 32 rows "
                                     "with x of i8, but got 48; the nearest is 64");
  EXPECT_EQ(problemErrorAfter([](Problem &p) { p.operands[1].name = "weights"; }),
            "quant_matmul: expects the operand 'w', but there is none");
  EXPECT_EQ(problemErrorAfter([](Problem &p) { p.dimensions[2].extent.reset(); }),
            "quant_matmul: expects K to be static, but it is dynamic");
  EXPECT_EQ(problemErrorAfter([](Problem &p) { p.dimensions[1].extent = 0; }),
            "quant_matmul: expects N to be at least 1, but got 0");
  EXPECT_EQ(problemErrorAfter([](Problem &p) { p.dimensions.erase(p.dimensions.begin()); }),
            "quant_matmul: expects the dimension M, but there is none");
}

TEST(QuantMatmulProblem, BytesAreScaledInTheLoopWhereTheirSumsNeedIt) {
  auto scales = [](const char *group, int64_t k, const char *dtype) {
    Problem problem = makeProblem("u8", group, k, 64);
    problem.operands[0].dtype = dtype;
    return llvm::cantFail(QuantMatmulProblem::fromProblem(problem)).scalesInLoop();
  };
  EXPECT_FALSE(scales("channel", 65536, "i8"));
  EXPECT_TRUE(scales("channel", 65537, "i8"));
  EXPECT_FALSE(scales("channel", 65537, "f16"));
}

TEST(QuantMatmulProblem, SegmentsLieWithinGroups) {
  auto segments = [](const char *group, int64_t k, int64_t tileK) {
    auto typed = QuantMatmulProblem::fromProblem(makeProblem("u4", group, k, 64));
    return std::pair(llvm::cantFail(std::move(typed)).getSegmentRows(tileK), tileK);
  };
  for (auto [group, k, tileK, rows] : {std::tuple("128", 1024, 128, 128),
                                       {"32", 1024, 128, 32},
                                       {"256", 1024, 128, 128},
                                       {"48", 1024, 128, 16},
                                       {"48", 1024, 384, 48},
                                       {"96", 1024, 256, 32},
                                       {"1040", 4096, 512, 16},
                                       {"48", 48, 128, 128},
                                       {"channel", 1024, 256, 256},
                                       {"128x64", 1024, 256, 128}})
    EXPECT_EQ(segments(group, k, tileK).first, rows) << group << " of " << k << " in " << tileK;
}

// Beside i8 sums are integers; 8-bit floats are halves once they are multiplied.
TEST(QuantMatmulProblem, FloatsOfEightBitsAreNoBytes) {
  Problem problem = makeProblem("u4", "128", 256, 64);
  problem.operands[0].dtype = "e4m3";
  QuantMatmulProblem typed = llvm::cantFail(QuantMatmulProblem::fromProblem(problem));
  EXPECT_TRUE(typed.isWidened);
  EXPECT_FALSE(typed.hasByteActivations());
  EXPECT_EQ(typed.activationBytes, 1u);
}
