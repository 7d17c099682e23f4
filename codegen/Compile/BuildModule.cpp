//===- BuildModule.cpp - A problem as an nn program ----------------------------===//
//
// First step of a compilation that starts from the runtime.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/NNModule.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace tilewright;

static llvm::Expected<Type> getFloatType(Builder &builder, StringRef dtype, StringRef operand) {
  if (dtype == "f16")
    return Type(builder.getF16Type());
  if (dtype == "bf16")
    return Type(builder.getBF16Type());
  if (dtype == "f32")
    return Type(builder.getF32Type());
  return llvm::createStringError("expects " + operand + " of f16, bf16 or f32, but got " + dtype);
}

static int64_t getExtent(const problem::Problem &problem, StringRef name) {
  const problem::Dimension *dimension = problem.findDimension(name);
  return dimension && dimension->extent ? *dimension->extent : ShapedType::kDynamic;
}

static nn::ProblemAttr toAttribute(MLIRContext *context, const problem::Problem &problem) {
  SmallVector<nn::DimensionAttr> dims;
  for (const problem::Dimension &dimension : problem.dimensions)
    dims.push_back(nn::DimensionAttr::get(context, dimension.name,
                                          dimension.extent.value_or(ShapedType::kDynamic),
                                          dimension.divisor));
  SmallVector<nn::OperandAttr> operands;
  for (const problem::Operand &operand : problem.operands) {
    SmallVector<int64_t> strides;
    for (std::optional<int64_t> stride : operand.strides)
      strides.push_back(stride.value_or(ShapedType::kDynamic));
    operands.push_back(nn::OperandAttr::get(context, operand.name, strides, operand.alignment));
  }
  return nn::ProblemAttr::get(context, dims, operands, problem.indexWidth);
}

/// "u4", "128", "f16", "integer" as an attribute.
static llvm::Expected<nn::QFormatAttr> getFormat(Builder &builder,
                                                 const problem::Problem &problem) {
  auto code = format::parse(problem.getAttribute("format"));
  if (!code)
    return code.takeError();
  StringRef group = problem.getAttribute("group", "channel");
  int64_t rows = 0;
  if (group != "channel" && (group.getAsInteger(10, rows) || rows < 1))
    return llvm::createStringError("expects group to be a positive number or channel, but got " +
                                   group);
  auto scale = getFloatType(builder, problem.getAttribute("scale", "f16"), "scales");
  if (!scale)
    return scale.takeError();
  auto zero = nn::symbolizeZeroPoint(problem.getAttribute("zero", "none"));
  if (!zero)
    return llvm::createStringError("expects zero to be none or integer, but got " +
                                   problem.getAttribute("zero"));
  MLIRContext *context = builder.getContext();
  auto emitError = [&] { return mlir::emitError(builder.getUnknownLoc()); };
  auto attr =
      nn::QFormatAttr::getChecked(emitError, context, StringRef(code->name), rows, *scale, *zero);
  if (!attr)
    return llvm::createStringError("no kernel for weights of format " + code->name + ", group " +
                                   group);
  return attr;
}

static llvm::Error buildQuantMatmul(OpBuilder &builder, const problem::Problem &problem) {
  const problem::Operand *x = problem.findOperand("x"), *y = problem.findOperand("y"),
                         *bias = problem.findOperand("bias");
  int64_t m = getExtent(problem, "M"), n = getExtent(problem, "N"), k = getExtent(problem, "K");
  if (!x || !y || ShapedType::isDynamic(n) || ShapedType::isDynamic(k))
    return llvm::createStringError(
        "expects operands x and y and static dimensions N and K in a quant_matmul problem");
  auto format = getFormat(builder, problem);
  if (!format)
    return format.takeError();
  auto xElement = getFloatType(builder, x->dtype, "x"),
       yElement = getFloatType(builder, y->dtype, "y");
  if (!xElement)
    return llvm::joinErrors(xElement.takeError(), yElement.takeError());
  if (!yElement)
    return yElement.takeError();
  auto activation = nn::symbolizeActivation(problem.getAttribute("activation", "none"));
  if (!activation)
    return llvm::createStringError("expects activation none, relu, gelu or silu, but got " +
                                   problem.getAttribute("activation"));

  MLIRContext *context = builder.getContext();
  SmallVector<Type> inputs = {RankedTensorType::get({m, k}, *xElement),
                              nn::QuantizedType::get(context, k, n, *format)};
  if (bias) {
    auto element = getFloatType(builder, bias->dtype, "bias");
    if (!element)
      return element.takeError();
    inputs.push_back(RankedTensorType::get({n}, *element));
  }
  Type result = RankedTensorType::get({m, n}, *yElement);
  Location loc = builder.getUnknownLoc();
  auto function =
      func::FuncOp::create(builder, loc, problem.op, builder.getFunctionType(inputs, {result}));
  OpBuilder::InsertionGuard guard(builder);
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
  auto matmul = nn::QuantMatmulOp::create(
      builder, loc, result, body->getArgument(0), body->getArgument(1),
      bias ? body->getArgument(2) : Value(), nn::ActivationAttr::get(context, *activation),
      toAttribute(context, problem), tile::ScheduleAttr());
  func::ReturnOp::create(builder, loc, matmul.getY());
  return llvm::Error::success();
}

llvm::Expected<OwningOpRef<ModuleOp>> compile::buildModule(MLIRContext &context,
                                                           const problem::Problem &problem) {
  OpBuilder builder(&context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder, builder.getUnknownLoc());
  builder.setInsertionPointToStart(module->getBody());
  if (problem.op != "quant_matmul")
    return llvm::createStringError("no kernel family for op '" + problem.op +
                                   "'; supported is quant_matmul");
  if (auto error = buildQuantMatmul(builder, problem))
    return std::move(error);
  return module;
}
