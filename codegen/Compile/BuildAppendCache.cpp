//===- BuildAppendCache.cpp - append_cache as an nn program, and back ----------===//
//
// See NNModule.h.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/NNModule.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace tilewright;

//===----------------------------------------------------------------------===//
// Problem to program
//===----------------------------------------------------------------------===//

static llvm::Expected<Type> getType(Builder &builder, const problem::Problem &problem,
                                    const problem::Operand &operand) {
  Type element = llvm::StringSwitch<Type>(operand.dtype)
                     .Case("f16", builder.getF16Type())
                     .Case("bf16", builder.getBF16Type())
                     .Case("f32", builder.getF32Type())
                     .Case("i32", builder.getI32Type())
                     .Case("i8", builder.getI8Type())
                     .Case("u8", builder.getIntegerType(8, /*isSigned=*/false))
                     .Case("e4m3", Float8E4M3FNType::get(builder.getContext()))
                     .Case("e5m2", Float8E5M2Type::get(builder.getContext()))
                     .Default(Type());
  if (!element)
    return llvm::createStringError("expects " + operand.name +
                                   " of f16, bf16, f32, e4m3, e5m2, i8, u8 or i32, but got " +
                                   operand.dtype);
  SmallVector<int64_t> shape;
  for (const std::string &name : operand.dimensions) {
    const problem::Dimension *dimension = problem.findDimension(name);
    shape.push_back(dimension && dimension->extent ? *dimension->extent : ShapedType::kDynamic);
  }
  return Type(RankedTensorType::get(shape, element));
}

llvm::Error compile::buildAppendCache(ModuleOp module, const problem::Problem &problem,
                                      nn::ProblemAttr attr) {
  OpBuilder builder(module.getBodyRegion());
  Location loc = builder.getUnknownLoc();
  SmallVector<Type> inputs, results;
  llvm::StringMap<unsigned> positions;
  for (const problem::Operand &operand : problem.operands) {
    auto type = getType(builder, problem, operand);
    if (!type)
      return type.takeError();
    StringRef name = operand.name;
    if (name != "rotated") {
      positions[name] = inputs.size();
      inputs.push_back(*type);
    }
    if (name == "rotated" || name.ends_with("_cache") || name.ends_with("_scales"))
      results.push_back(*type);
  }
  int64_t start = 0;
  if (problem.getAttribute("rotary_start", "0").getAsInteger(10, start) ||
      !positions.contains("lengths"))
    return llvm::createStringError("expects lengths and a number as rotary_start in an "
                                   "append_cache problem");
  auto function =
      func::FuncOp::create(builder, loc, problem.op, builder.getFunctionType(inputs, results));
  builder.setInsertionPointToStart(function.addEntryBlock());
  auto get = [&](StringRef name) {
    auto found = positions.find(name);
    return found == positions.end() ? Value() : Value(function.getArgument(found->second));
  };
  auto op = nn::AppendCacheOp::create(
      builder, loc, results, get("lengths"), get("k"), get("k_cache"), get("v"), get("v_cache"),
      get("k_scales"), get("v_scales"), get("q"), get("page_table"), get("cos"), get("sin"),
      problem.getAttribute("rotary") == "interleaved", start, attr, tile::ScheduleAttr());
  func::ReturnOp::create(builder, loc, op.getResults());
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Program to problem
//===----------------------------------------------------------------------===//

namespace {
/// Puts a problem together, extents by the names that operands give them.
class ProblemReader {
public:
  explicit ProblemReader(nn::AppendCacheOp op) : attr(op.getProblem().value_or(nullptr)) {
    problem.op = "append_cache";
    if (attr)
      problem.indexWidth = attr.getIndex();
  }

  void add(StringRef name, Value value, std::vector<std::string> dimensions) {
    if (!value)
      return;
    auto type = cast<RankedTensorType>(value.getType());
    for (auto [dimension, extent] : llvm::zip_equal(dimensions, type.getShape()))
      if (!problem.findDimension(dimension))
        problem.dimensions.push_back({dimension, getStatic(extent)});
    problem::Operand operand{name.str(), getName(type.getElementType()), dimensions, {}, 16};
    auto layout = attr ? attr.findOperand(name) : nn::OperandAttr();
    if (layout)
      operand.alignment = layout.getAlignment();
    SmallVector<int64_t> strides = layout && !layout.getStrides().empty()
                                       ? SmallVector<int64_t>(layout.getStrides())
                                       : nn::getRowMajorStrides(type.getShape());
    for (int64_t stride : strides)
      operand.strides.push_back(getStatic(stride));
    problem.operands.push_back(std::move(operand));
  }

  problem::Problem problem;

private:
  static std::string getName(Type type) {
    if (isa<Float8E4M3FNType>(type))
      return "e4m3";
    if (isa<Float8E5M2Type>(type))
      return "e5m2";
    if (type.isUnsignedInteger(8))
      return "u8";
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return text;
  }
  static std::optional<int64_t> getStatic(int64_t value) {
    return ShapedType::isDynamic(value) ? std::nullopt : std::optional(value);
  }

  nn::ProblemAttr attr;
};
} // namespace

problem::Problem compile::getProblem(nn::AppendCacheOp op) {
  ProblemReader reader(op);
  reader.add("k", op.getK(), {"B", "S", "Hkv", "D"});
  reader.add("v", op.getV(), {"B", "S", "Hkv", "Dv"});
  reader.add("q", op.getQ(), {"B", "S", "Hq", "Dq"});
  reader.add("lengths", op.getLengths(), {"B"});
  reader.add("page_table", op.getPageTable(), {"B", "T"});
  reader.add("cos", op.getCos(), {"L", "R"});
  reader.add("sin", op.getSin(), {"L", "R"});
  std::string outer = op.getPageTable() ? "P" : "B", inner = op.getPageTable() ? "Z" : "C";
  auto getColumns = [](Value cache, std::string columns) {
    bool isPacked =
        cache && cast<RankedTensorType>(cache.getType()).getElementType().isUnsignedInteger(8);
    return isPacked ? columns + "4" : columns;
  };
  reader.add("k_cache", op.getKCache(), {outer, inner, "Hkv", getColumns(op.getKCache(), "D")});
  reader.add("v_cache", op.getVCache(), {outer, inner, "Hkv", getColumns(op.getVCache(), "Dv")});
  reader.add("k_scales", op.getKScales(), {outer, inner, "Hkv"});
  reader.add("v_scales", op.getVScales(), {outer, inner, "Hkv"});
  reader.add("rotated", op.getQ(), {"B", "S", "Hq", "Dq"});
  if (op.getCos()) {
    reader.problem.attributes["rotary"] = op.getInterleaved() ? "interleaved" : "halves";
    reader.problem.attributes["rotary_start"] = std::to_string(op.getRotaryStart());
  }
  return reader.problem;
}
