//===- BuildMergeAttention.cpp - merge_attention as an nn program, and back ----===//
//
// See NNModule.h.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/NNModule.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace tilewright;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

//===----------------------------------------------------------------------===//
// Problem to program
//===----------------------------------------------------------------------===//

static llvm::Expected<Type> getType(Builder &builder, const problem::Problem &problem,
                                    const problem::Operand &operand) {
  Type element = llvm::StringSwitch<Type>(operand.dtype)
                     .Case("f16", builder.getF16Type())
                     .Case("bf16", builder.getBF16Type())
                     .Case("f32", builder.getF32Type())
                     .Default(Type());
  if (!element)
    return llvm::createStringError("expects " + operand.name + " of f16, bf16 or f32, but got " +
                                   operand.dtype);
  SmallVector<int64_t> shape;
  for (const std::string &name : operand.dimensions) {
    const problem::Dimension *dimension = problem.findDimension(name);
    shape.push_back(dimension && dimension->extent ? *dimension->extent : ShapedType::kDynamic);
  }
  return Type(RankedTensorType::get(shape, element));
}

llvm::Error compile::buildMergeAttention(ModuleOp module, const problem::Problem &problem,
                                         nn::ProblemAttr attr) {
  OpBuilder builder(module.getBodyRegion());
  Location loc = builder.getUnknownLoc();
  SmallVector<Type> inputs, results;
  Type lse;
  for (const problem::Operand &operand : problem.operands) {
    auto type = getType(builder, problem, operand);
    if (!type)
      return type.takeError();
    if (operand.name == "lse")
      lse = *type;
    else if (operand.name == "o")
      results.push_back(*type);
    else
      inputs.push_back(*type);
  }
  if (inputs.empty() || inputs.size() % 2 != 0 || results.size() != 1)
    return llvm::createStringError("expects parts, as many log-sum-exps and o in a "
                                   "merge_attention problem");
  if (lse)
    results.push_back(lse);
  auto function =
      func::FuncOp::create(builder, loc, problem.op, builder.getFunctionType(inputs, results));
  builder.setInsertionPointToStart(function.addEntryBlock());
  ValueRange arguments = function.getArguments();
  size_t parts = inputs.size() / 2;
  auto op = nn::MergeAttentionOp::create(builder, loc, results[0], lse, arguments.take_front(parts),
                                         arguments.drop_front(parts), attr, tile::ScheduleAttr());
  func::ReturnOp::create(builder, loc, op.getResults());
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Program to problem
//===----------------------------------------------------------------------===//

problem::Problem compile::getProblem(nn::MergeAttentionOp op) {
  problem::Problem problem;
  problem.op = "merge_attention";
  RankedTensorType o = tensorOf(op.getO());
  constexpr StringLiteral names[] = {"B", "S", "H", "Dv"};
  for (auto [name, extent] : llvm::zip_equal(names, o.getShape()))
    problem.dimensions.push_back(
        {name.str(), ShapedType::isDynamic(extent) ? std::nullopt : std::optional(extent)});
  nn::ProblemAttr attr = op.getProblem().value_or(nn::ProblemAttr());
  if (attr)
    problem.indexWidth = attr.getIndex();
  auto add = [&](const std::string &name, Value value) {
    RankedTensorType type = tensorOf(value);
    std::string dtype;
    llvm::raw_string_ostream(dtype) << type.getElementType();
    std::vector<std::string> dimensions = {"B", "S", "H", "Dv"};
    if (type.getRank() == 3)
      dimensions = {"B", "H", "S"};
    problem::Operand operand{name, dtype, dimensions, {}, 16};
    auto layout = attr ? attr.findOperand(name) : nn::OperandAttr();
    if (layout)
      operand.alignment = layout.getAlignment();
    SmallVector<int64_t> strides = layout && !layout.getStrides().empty()
                                       ? SmallVector<int64_t>(layout.getStrides())
                                       : nn::getRowMajorStrides(type.getShape());
    for (int64_t stride : strides)
      operand.strides.push_back(ShapedType::isDynamic(stride) ? std::nullopt
                                                              : std::optional(stride));
    problem.operands.push_back(std::move(operand));
  };
  for (auto [i, part] : llvm::enumerate(op.getParts()))
    add("o" + std::to_string(i), part);
  for (auto [i, lse] : llvm::enumerate(op.getLses()))
    add("lse" + std::to_string(i), lse);
  if (op.getLse())
    add("lse", op.getLse());
  add("o", op.getO());
  return problem;
}
