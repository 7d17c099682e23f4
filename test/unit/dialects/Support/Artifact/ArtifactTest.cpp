//===- ArtifactTest.cpp - JSON of a kernel's metadata ----------------------===//
#include "dialects/Support/Artifact/Artifact.h"

#include "gtest/gtest.h"

using namespace tilewright;
using artifact::Expression;
using artifact::Metadata;
using artifact::Parameter;
using llvm::json::Array;
using llvm::json::Object;
using llvm::json::Value;

static Expression parseExpression(llvm::StringRef text) {
  return llvm::cantFail(Expression::parse(text));
}

/// Metadata with every kind of parameter and every optional field set.
static Metadata makeSample() {
  Metadata sample;
  sample.kernel = "quant_matmul_u4";
  sample.target = "sm_90a";
  sample.problem.op = "quant_matmul";
  sample.problem.dimensions = {{"M", std::nullopt}, {"N", 1024}};
  sample.schedule = {"quant_matmul", {{"tile_m", 16}}};
  sample.parameters = {
      {.kind = Parameter::Kind::Pointer, .name = "x", .dtype = "f16", .alignment = 16},
      {.kind = Parameter::Kind::Pointer,
       .name = "y",
       .dtype = "f32",
       .alignment = 4,
       .written = true,
       .updated = true},
      {.kind = Parameter::Kind::Dimension, .name = "M", .bytes = 4},
      {.kind = Parameter::Kind::Stride, .name = "x", .axis = 1, .bytes = 8},
      {.kind = Parameter::Kind::Scalar, .name = "alpha", .dtype = "bf16", .bytes = 2},
      {.kind = Parameter::Kind::Workspace, .name = "partials", .dtype = "f32"},
      {.kind = Parameter::Kind::TensorMap,
       .name = "w",
       .bytes = 128,
       .recipe = Value(Object{{"box", Array{64, 64}}})}};
  sample.grid = {parseExpression("ceildiv(M, 16)"), 8, 1};
  sample.cluster = {2, 1, 1};
  sample.block = {128, 2, 1};
  sample.staticSharedBytes = 1024;
  sample.dynamicSharedBytes = 100000;
  sample.workspaces = {{"partials", parseExpression("4 * M * 1024"), true, true}};
  sample.registers = 128;
  sample.spillBytes = 0;
  sample.versions = {{"tilewright", "0.1.0"}, {"llvm", "22.1"}};
  sample.remarks = {"x is read with plain loads, because its row stride is odd"};
  return sample;
}

static std::string toText(const Value &value) {
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return text;
}

TEST(Metadata, RoundTripThroughText) {
  std::string text = toText(makeSample().toJSON());
  llvm::Expected<Metadata> back = Metadata::fromJSON(llvm::cantFail(llvm::json::parse(text)));
  ASSERT_TRUE(bool(back)) << llvm::toString(back.takeError());
  EXPECT_EQ(toText(back->toJSON()), text);

  // The text could drop the same field twice; so look at the fields.
  EXPECT_EQ(back->kernel, "quant_matmul_u4");
  EXPECT_EQ(back->target, "sm_90a");
  EXPECT_EQ(back->problem, makeSample().problem);
  EXPECT_EQ(back->schedule, makeSample().schedule);
  ASSERT_EQ(back->parameters.size(), makeSample().parameters.size());
  for (auto [read, written] : llvm::zip(back->parameters, makeSample().parameters)) {
    EXPECT_EQ(read.kind, written.kind);
    EXPECT_EQ(read.name, written.name);
    EXPECT_EQ(read.dtype, written.dtype);
    EXPECT_EQ(read.axis, written.axis);
    EXPECT_EQ(read.bytes, written.bytes);
    EXPECT_EQ(read.alignment, written.alignment);
    EXPECT_EQ(read.written, written.written);
    EXPECT_EQ(read.updated, written.updated);
    EXPECT_EQ(read.recipe, written.recipe);
  }
  EXPECT_EQ(back->grid, makeSample().grid);
  EXPECT_EQ(back->cluster, makeSample().cluster);
  EXPECT_EQ(back->block, makeSample().block);
  EXPECT_EQ(back->staticSharedBytes, 1024u);
  EXPECT_EQ(back->dynamicSharedBytes, 100000u);
  ASSERT_EQ(back->workspaces.size(), 1u);
  EXPECT_EQ(back->workspaces[0].name, "partials");
  EXPECT_EQ(back->workspaces[0].bytes.str(), "4 * M * 1024");
  EXPECT_TRUE(back->workspaces[0].zeroed && back->workspaces[0].resetByKernel);
  EXPECT_EQ(back->registers, 128u);
  EXPECT_EQ(back->spillBytes, 0u);
  EXPECT_EQ(back->versions, makeSample().versions);
  EXPECT_EQ(back->remarks, makeSample().remarks);
}

TEST(Metadata, WhatPtxasSaidMayBeMissing) {
  Metadata sample = makeSample();
  sample.registers.reset();
  sample.spillBytes.reset();
  Metadata back = llvm::cantFail(Metadata::fromJSON(sample.toJSON()));
  EXPECT_FALSE(back.registers);
  EXPECT_FALSE(back.spillBytes);
}

TEST(Metadata, AProgramWrittenByHandHasNoProblem) {
  Metadata sample = makeSample();
  sample.problem = {};
  sample.schedule = {};
  EXPECT_EQ(llvm::cantFail(Metadata::fromJSON(sample.toJSON())).problem, problem::Problem());
}

//===----------------------------------------------------------------------===//
// Malformed JSON
//===----------------------------------------------------------------------===//

/// The message of the error after `change` was made to the sample's JSON.
template <typename Change> static std::string errorAfter(Change change) {
  Value value = makeSample().toJSON();
  change(*value.getAsObject());
  llvm::Expected<Metadata> metadata = Metadata::fromJSON(value);
  return metadata ? "no error" : llvm::toString(metadata.takeError());
}

static Object &elementOf(Object &metadata, llvm::StringRef field, unsigned index) {
  return *(*metadata.getArray(field))[index].getAsObject();
}
static Object &parameterOf(Object &metadata, unsigned index) {
  return elementOf(metadata, "parameters", index);
}

TEST(MetadataJSON, EveryFieldIsRequiredAndTyped) {
  for (const char *field : {"schema", "kernel", "target", "problem", "schedule", "parameters",
                            "grid", "cluster", "block", "static_shared_bytes",
                            "dynamic_shared_bytes", "workspaces", "versions", "remarks"}) {
    EXPECT_EQ(errorAfter([&](Object &o) { o.erase(field); }),
              "metadata: expects the field '" + std::string(field) + "', but it is missing");
    std::string message = errorAfter([&](Object &o) { o[field] = nullptr; });
    EXPECT_EQ(message.find("metadata." + std::string(field) + ": expects "), 0u) << message;
  }
  EXPECT_EQ(errorAfter([](Object &o) { o["registers"] = -1; }),
            "metadata.registers: expects an integer from 0 to 4294967295, but got -1");
  EXPECT_EQ(errorAfter([](Object &o) {
              o["sharedBytes"] = 1;
            }).find("unknown field of metadata 'sharedBytes'; the nearest are "),
            0u);
}

TEST(MetadataJSON, AnotherSchemaIsRefusedFirst) {
  EXPECT_EQ(errorAfter([](Object &o) {
              o["schema"] = 2;
              o["kernel"] = 7;
              o["novelty"] = true;
            }),
            "metadata.schema: expects an integer from 1 to 1, but got 2");
}

TEST(MetadataJSON, NamesAndTargets) {
  EXPECT_EQ(errorAfter([](Object &o) { o["kernel"] = ""; }),
            "metadata.kernel: expects a name, but got \"\"");
  EXPECT_EQ(errorAfter([](Object &o) { o["target"] = "sm_90"; }),
            "unknown metadata.target 'sm_90'; the nearest are 'sm_80', 'sm_90a', 'sm_75'");
  // A model is not a target.
  EXPECT_EQ(errorAfter([](Object &o) { o["target"] = "a100"; }).find("unknown metadata.target"),
            0u);
}

TEST(MetadataJSON, NestedErrorsCarryThePath) {
  EXPECT_EQ(errorAfter([](Object &o) { (*o.getObject("problem"))["index_width"] = 8; }),
            "metadata.problem.index_width: expects 32 or 64, but got 8");
  EXPECT_EQ(errorAfter([](Object &o) { (*o.getObject("schedule"))["family"] = 8; }),
            "metadata.schedule.family: expects a string, but got 8");
  EXPECT_EQ(errorAfter([](Object &o) { (*o.getObject("versions"))["llvm"] = 22; }),
            "metadata.versions.llvm: expects a string, but got 22");
  EXPECT_EQ(errorAfter([](Object &o) { o["remarks"] = Array{"a", 1}; }),
            "metadata.remarks[1]: expects a string, but got 1");
}

TEST(MetadataJSON, Parameters) {
  auto errorOf = [](unsigned index, llvm::StringRef field, Value value) {
    return errorAfter([&](Object &o) { parameterOf(o, index)[field] = value; });
  };
  EXPECT_EQ(errorOf(0, "kind", "ptr"),
            "unknown metadata.parameters[0].kind 'ptr'; the nearest are 'pointer', 'stride', "
            "'scalar'");
  EXPECT_EQ(errorOf(0, "name", ""), "metadata.parameters[0].name: expects a name, but got \"\"");
  EXPECT_EQ(errorOf(0, "dtype", "half"),
            "metadata.parameters[0].dtype: unknown number format 'half'; the nearest are 'u1', "
            "'u2', 'u3'");
  EXPECT_EQ(errorOf(0, "bytes", 4),
            "metadata.parameters[0].bytes: expects 8 for a pointer, but got 4");
  EXPECT_EQ(errorOf(2, "bytes", 2),
            "metadata.parameters[2].bytes: expects 4 or 8 for a dimension, but got 2");
  EXPECT_EQ(errorOf(3, "bytes", 16),
            "metadata.parameters[3].bytes: expects 4 or 8 for a stride, but got 16");
  EXPECT_EQ(errorOf(4, "bytes", 4),
            "metadata.parameters[4].bytes: expects 2 for a scalar, but got 4");
  EXPECT_EQ(errorOf(5, "bytes", 4),
            "metadata.parameters[5].bytes: expects 8 for a workspace, but got 4");
  EXPECT_EQ(errorOf(6, "bytes", 64),
            "metadata.parameters[6].bytes: expects 128 for a tensor_map, but got 64");
  EXPECT_EQ(errorOf(0, "alignment", 12),
            "metadata.parameters[0].alignment: expects a power of two, but got 12");
  EXPECT_EQ(errorOf(0, "alignment", 0),
            "metadata.parameters[0].alignment: expects a power of two, but got 0");
  EXPECT_EQ(errorOf(3, "axis", -1),
            "metadata.parameters[3].axis: expects an integer from 0 to 4294967295, but got -1");
  EXPECT_EQ(errorOf(5, "name", "partial"),
            "unknown workspace in metadata.parameters[5].name 'partial'; the nearest is "
            "'partials'");
  // Fields of other kinds do not belong.
  EXPECT_EQ(errorOf(2, "axis", 0).find("unknown field of metadata.parameters[2] 'axis'"), 0u);
  EXPECT_EQ(errorOf(2, "written", true).find("unknown field of metadata.parameters[2] 'written'"),
            0u);
  EXPECT_EQ(errorOf(0, "recipe", 1).find("unknown field of metadata.parameters[0] 'recipe'"), 0u);
  EXPECT_EQ(errorAfter([](Object &o) { parameterOf(o, 0).erase("dtype"); }),
            "metadata.parameters[0]: expects the field 'dtype', but it is missing");
  EXPECT_EQ(errorAfter([](Object &o) { parameterOf(o, 0).erase("written"); }),
            "metadata.parameters[0]: expects the field 'written', but it is missing");
  EXPECT_EQ(errorAfter([](Object &o) { parameterOf(o, 6).erase("recipe"); }),
            "metadata.parameters[6]: expects the field 'recipe', but it is missing");
}

TEST(MetadataJSON, GridClusterAndBlock) {
  EXPECT_EQ(errorAfter([](Object &o) { o["grid"] = Array{"1", "1"}; }),
            "metadata.grid: expects three elements, but got 2");
  EXPECT_EQ(errorAfter([](Object &o) { o["grid"] = Array{"1", "1", "1", "1"}; }),
            "metadata.grid[3]: expects three elements, but got more");
  EXPECT_EQ(errorAfter([](Object &o) { o["grid"] = Array{"1", 1, "1"}; }),
            "metadata.grid[1]: expects an expression in a string, but got 1");
  EXPECT_EQ(errorAfter([](Object &o) { o["cluster"] = Array{"1", "M +", "1"}; }),
            "metadata.cluster[1]: expression 'M +', column 4: expects a number, a name or '(', "
            "but got the end");
  EXPECT_EQ(errorAfter([](Object &o) { o["block"] = Array{0, 1, 1}; }),
            "metadata.block[0]: expects an integer from 1 to 1024, but got 0");
  EXPECT_EQ(errorAfter([](Object &o) { o["block"] = Array{64, 64, 1}; }),
            "metadata.block: expects at most 1024 threads, but got 4096");
}

TEST(MetadataJSON, Workspaces) {
  EXPECT_EQ(errorAfter([](Object &o) { elementOf(o, "workspaces", 0)["bytes"] = "4 M"; }),
            "metadata.workspaces[0].bytes: expression '4 M', column 3: expects an operator or the "
            "end, but got 'M'");
  EXPECT_EQ(errorAfter([](Object &o) { elementOf(o, "workspaces", 0)["zeroed"] = 1; }),
            "metadata.workspaces[0].zeroed: expects true or false, but got 1");
  EXPECT_EQ(errorAfter([](Object &o) {
              Array &workspaces = *o.getArray("workspaces");
              workspaces.push_back(Value(workspaces[0]));
            }),
            "metadata.workspaces[1].name: expects a name used once, but got 'partials'");
}

TEST(MetadataJSON, EveryPartReplacedByEveryKindOfValueIsAnErrorOrIsRead) {
  // Nothing crashes, whatever stands where.
  const Value values[] = {nullptr,    true,    -1,       1e300,         "",
                          "\xc3\xa4", Array{}, Object{}, Array{nullptr}};
  Value whole = makeSample().toJSON();
  std::vector<std::string> fields;
  for (const auto &entry : *whole.getAsObject())
    fields.push_back(entry.first.str());
  for (const std::string &field : fields)
    for (const Value &value : values)
      EXPECT_FALSE(errorAfter([&](Object &o) { o[field] = value; }).empty());
  for (unsigned index = 0; index < makeSample().parameters.size(); ++index)
    for (const char *field : {"kind", "name", "bytes", "dtype", "axis", "alignment", "recipe"})
      for (const Value &value : values)
        EXPECT_FALSE(errorAfter([&](Object &o) { parameterOf(o, index)[field] = value; }).empty());
}
