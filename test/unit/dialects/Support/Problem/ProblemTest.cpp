//===- ProblemTest.cpp - Canonical text, hash and JSON of problems ---------===//
#include "dialects/Support/Problem/Problem.h"

#include "gtest/gtest.h"
#include <map>
#include <random>

using namespace tilewright;
using problem::Problem;

static Problem makeSample() {
  Problem sample;
  sample.op = "quant_matmul";
  sample.dimensions = {{"M", std::nullopt, 8}, {"N", 1024}, {"K", 512}, {"D", std::nullopt}};
  sample.operands = {{"x", "f16", {"M", "K"}, {std::nullopt, 1}, 16},
                     {"w", "u32", {"K", "N"}, {}, 16},
                     {"s", "f32", {}, {}, 4}};
  sample.attributes = {{"format", "u4"}, {"group", "128"}, {"note", "a, b=c"}};
  return sample;
}

TEST(Problem, CanonicalText) {
  EXPECT_EQ(makeSample().str(),
            "quant_matmul(M=?%8, N=1024, K=512, D=?; x:f16[M,K]{?,1}@16, w:u32[K,N]@16, "
            "s:f32[]@4; format=u4, group=128, note=\"a, b=c\"; i32)");
  EXPECT_EQ(Problem().str(), "\"\"(; ; ; i32)");
}

TEST(Problem, HashIsBlake3OfTheText) {
  // Computed with an independent implementation over the text above.
  EXPECT_EQ(makeSample().getHash(),
            "1eefae02ac15a2253c1b85b94659cdfd11d7386a06a0e5892ed39f3de3a25b18");
  EXPECT_EQ(makeSample().getHash(), Problem(makeSample()).getHash());
}

TEST(Problem, Lookup) {
  Problem sample = makeSample();
  EXPECT_EQ(sample.findDimension("N")->extent, 1024);
  EXPECT_EQ(sample.findDimension("n"), nullptr);
  EXPECT_EQ(sample.findOperand("w")->dtype, "u32");
  EXPECT_EQ(sample.findOperand("M"), nullptr);
  EXPECT_EQ(sample.getAttribute("format"), "u4");
  EXPECT_EQ(sample.getAttribute("zero", "none"), "none");
}

/// Every field of the sample, changed one at a time.
static std::vector<Problem> makeNeighbours() {
  std::vector<Problem> all(24, makeSample());
  size_t next = 0;
  auto change = [&]() -> Problem & { return all.at(next++); };
  change().op = "matmul";
  change().indexWidth = 64;
  change().dimensions[0].name = "L";
  change().dimensions[0].divisor = 16;
  change().dimensions[0].extent = 8;
  change().dimensions[1].extent = 1025;
  change().dimensions[1].extent.reset();
  change().dimensions.pop_back();
  std::swap(all[next].dimensions[0], all[next].dimensions[1]);
  ++next;
  change().operands[0].name = "y";
  change().operands[0].dtype = "bf16";
  change().operands[0].dimensions = {"K", "M"};
  change().operands[0].strides = {512, 1};
  change().operands[0].strides = {};
  change().operands[0].strides = {1, std::nullopt};
  change().operands[0].alignment = 8;
  change().operands.pop_back();
  std::swap(all[next].operands[0], all[next].operands[1]);
  ++next;
  change().attributes["format"] = "u5";
  change().attributes["zero"] = "none";
  change().attributes.erase("group");
  change().attributes = {{"format", "u4"}, {"group", "128, note=a"}};
  change().attributes = {{"format", "u4, group=128"}, {"note", "a, b=c"}};
  change().attributes = {{"format", "u4"}, {"group", "128"}, {"note", "\"a, b=c\""}};
  EXPECT_EQ(next, all.size());
  return all;
}

TEST(Problem, EveryFieldChangesTextAndHash) {
  std::map<std::string, std::string> textOfHash = {{makeSample().getHash(), makeSample().str()}};
  for (const Problem &neighbour : makeNeighbours()) {
    EXPECT_FALSE(neighbour == makeSample());
    EXPECT_TRUE(textOfHash.insert({neighbour.getHash(), neighbour.str()}).second)
        << neighbour.str();
  }
}

static std::string toText(const llvm::json::Value &value) {
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return text;
}

TEST(Problem, JSONRoundTrip) {
  std::vector<Problem> all = makeNeighbours();
  all.push_back(makeSample());
  for (const Problem &problem : all) {
    bool isValid = !problem.findDimension("M") || problem.dimensions[0].divisor == 1 ||
                   !problem.dimensions[0].extent;
    // Neighbours may drop a dimension that is in use; those are refused below.
    if (problem.dimensions.front().name == "L" || !isValid)
      continue;
    std::string text = toText(problem.toJSON());
    llvm::Expected<Problem> back = Problem::fromJSON(llvm::cantFail(llvm::json::parse(text)));
    ASSERT_TRUE(bool(back)) << llvm::toString(back.takeError()) << "\n" << text;
    EXPECT_EQ(*back, problem) << text;
  }
}

TEST(Problem, HostileTextIsInjectiveAndSurvivesJSON) {
  constexpr unsigned seed = 77;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string alphabet = "a,;= \"\\{}[]()@:?%";
  auto makeText = [&] {
    std::string text(random() % 4, ' ');
    for (char &c : text)
      c = alphabet[random() % alphabet.size()];
    return text;
  };
  std::map<std::string, Problem> problemOfText;
  for (int i = 0; i < 5000; ++i) {
    Problem problem;
    problem.op = "o" + makeText();
    for (unsigned n = random() % 3; n; --n)
      problem.attributes[makeText()] = makeText();
    for (unsigned n = random() % 2; n; --n)
      problem.dimensions.push_back({"d" + makeText(), std::nullopt});
    auto [entry, isNew] = problemOfText.insert({problem.str(), problem});
    ASSERT_EQ(entry->second, problem) << "two problems share " << problem.str();
    llvm::Expected<Problem> back =
        Problem::fromJSON(llvm::cantFail(llvm::json::parse(toText(problem.toJSON()))));
    ASSERT_TRUE(bool(back)) << llvm::toString(back.takeError());
    ASSERT_EQ(*back, problem);
  }
}

TEST(Problem, BytesThatAreNoTextDoNotCrash) {
  Problem problem = makeSample();
  problem.attributes["note"] = "\xff\n";
  EXPECT_NE(problem.str().find("note=\"\\xff\\x0a\""), std::string::npos);
  Problem back = llvm::cantFail(Problem::fromJSON(problem.toJSON()));
  EXPECT_EQ(back.getAttribute("note"), "\xef\xbf\xbd\n");
}

//===----------------------------------------------------------------------===//
// Malformed JSON
//===----------------------------------------------------------------------===//

/// The message of the error after `change` was made to the sample's JSON.
template <typename Change> static std::string errorAfter(Change change) {
  llvm::json::Value value = makeSample().toJSON();
  change(*value.getAsObject());
  llvm::Expected<Problem> problem = Problem::fromJSON(value);
  return problem ? "no error" : llvm::toString(problem.takeError());
}

using llvm::json::Array;
using llvm::json::Object;

static Object &dimensionOf(Object &problem, unsigned index) {
  return *(*problem.getArray("dimensions"))[index].getAsObject();
}
static Object &operandOf(Object &problem, unsigned index) {
  return *(*problem.getArray("operands"))[index].getAsObject();
}

TEST(ProblemJSON, TopLevelFields) {
  for (const char *field : {"op", "dimensions", "operands", "attributes", "index_width"}) {
    EXPECT_EQ(errorAfter([&](Object &o) { o.erase(field); }),
              "problem: expects the field '" + std::string(field) + "', but it is missing");
    EXPECT_EQ(errorAfter([&](Object &o) {
                o[field] = true;
              }).find("problem." + std::string(field) + ": expects "),
              0u);
  }
  EXPECT_EQ(errorAfter([](Object &o) { o["ops"] = 1; }),
            "unknown field of problem 'ops'; the nearest are 'op', 'operands', 'dimensions'");
  EXPECT_EQ(errorAfter([](Object &o) { o["index_width"] = 16; }),
            "problem.index_width: expects 32 or 64, but got 16");
  EXPECT_EQ(errorAfter([](Object &o) { (*o.getObject("attributes"))["group"] = 128; }),
            "problem.attributes.group: expects a string, but got 128");
}

TEST(ProblemJSON, Dimensions) {
  EXPECT_EQ(errorAfter([](Object &o) { dimensionOf(o, 1)["extent"] = -1; }),
            "problem.dimensions[1].extent: expects an integer from 0 to 9223372036854775807, "
            "but got -1");
  EXPECT_EQ(errorAfter([](Object &o) { dimensionOf(o, 0)["divisor"] = 0; }),
            "problem.dimensions[0].divisor: expects an integer from 1 to 9223372036854775807, "
            "but got 0");
  EXPECT_EQ(errorAfter([](Object &o) { dimensionOf(o, 0)["extent"] = 8; }),
            "problem.dimensions[0]: expects 'extent' (static) or 'divisor' (dynamic), but got "
            "both");
  EXPECT_EQ(errorAfter([](Object &o) { dimensionOf(o, 1)["name"] = "M"; }),
            "problem.dimensions[1].name: expects a name used once, but 'M' is there twice");
  EXPECT_EQ(errorAfter([](Object &o) { dimensionOf(o, 1)["name"] = ""; }),
            "problem.dimensions[1].name: expects a name, but got \"\"");
  EXPECT_EQ(errorAfter([](Object &o) { dimensionOf(o, 1)["extend"] = 1; }),
            "unknown field of problem.dimensions[1] 'extend'; the nearest are 'extent', 'name', "
            "'divisor'");
  EXPECT_EQ(errorAfter([](Object &o) { (*o.getArray("dimensions"))[0] = "M"; }),
            "problem.dimensions[0]: expects an object, but got \"M\"");
}

TEST(ProblemJSON, Operands) {
  EXPECT_EQ(errorAfter([](Object &o) { operandOf(o, 0)["dtype"] = "f17"; }),
            "problem.operands[0].dtype: unknown number format 'f17'; the nearest are 'f16', "
            "'u1', 'u7'");
  EXPECT_EQ(errorAfter([](Object &o) { operandOf(o, 0)["alignment"] = 12; }),
            "problem.operands[0].alignment: expects 1, 2, 4, 8 or 16, but got 12");
  EXPECT_EQ(errorAfter([](Object &o) { operandOf(o, 0)["alignment"] = 32; }),
            "problem.operands[0].alignment: expects an integer from 1 to 16, but got 32");
  EXPECT_EQ(errorAfter([](Object &o) { operandOf(o, 0)["strides"] = Array{1}; }),
            "problem.operands[0].strides: expects one stride a dimension (2), but got 1");
  EXPECT_EQ(errorAfter([](Object &o) { operandOf(o, 0)["strides"] = Array{1, "?"}; }),
            "problem.operands[0].strides[1]: expects an integer or null, but got \"?\"");
  EXPECT_EQ(errorAfter([](Object &o) { operandOf(o, 0)["dimensions"] = Array{"M", "J"}; }),
            "unknown dimension in problem.operands[0].dimensions[1] 'J'; the nearest are 'M', "
            "'N', 'K'");
  EXPECT_EQ(errorAfter([](Object &o) { operandOf(o, 0)["dimensions"] = Array{"M", 2}; }),
            "problem.operands[0].dimensions[1]: expects the name of a dimension, but got 2");
  EXPECT_EQ(errorAfter([](Object &o) { operandOf(o, 1)["name"] = "x"; }),
            "problem.operands[1].name: expects a name used once, but 'x' is there twice");
  for (const char *field : {"name", "dtype", "dimensions", "alignment"})
    EXPECT_EQ(errorAfter([&](Object &o) { operandOf(o, 2).erase(field); }),
              "problem.operands[2]: expects the field '" + std::string(field) +
                  "', but it is missing");
  EXPECT_EQ(errorAfter([](Object &o) {
              operandOf(o, 0)["written"] = true;
            }).find("unknown field of problem.operands[0] 'written'"),
            0u);
}
