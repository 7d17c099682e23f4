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

/// The operands of an op in the order of its arguments; null values where the
/// problem has none.
struct Signature {
  SmallVector<Type> inputs;
  SmallVector<int> positions; ///< in `inputs`; -1 for an operand that is left out
  Type result;
};

/// x of `x`, w, then what every product ends with.
static llvm::Expected<Signature> getSignature(Builder &builder, const problem::Problem &problem,
                                              Type w) {
  Signature signature;
  auto add = [&](StringRef name, ArrayRef<int64_t> shape) -> llvm::Error {
    const problem::Operand *operand = problem.findOperand(name);
    if (!operand) {
      signature.positions.push_back(-1);
      return llvm::Error::success();
    }
    auto element = getFloatType(builder, operand->dtype, name);
    if (!element)
      return element.takeError();
    signature.positions.push_back(signature.inputs.size());
    signature.inputs.push_back(RankedTensorType::get(shape, *element));
    return llvm::Error::success();
  };
  int64_t m = getExtent(problem, "M"), n = getExtent(problem, "N"), k = getExtent(problem, "K");
  int64_t outputs = problem.findDimension("outputs") ? getExtent(problem, "outputs") : n;
  if (auto error = add("x", {m, k}))
    return std::move(error);
  signature.positions.push_back(signature.inputs.size());
  signature.inputs.push_back(w);
  if (auto error = add("bias", {n}))
    return std::move(error);
  if (auto error = add("row_scale", {m}))
    return std::move(error);
  if (auto error = add("column_scale", {n}))
    return std::move(error);
  if (auto error = add("residual", {m, outputs}))
    return std::move(error);
  auto element = getFloatType(builder, problem.findOperand("y")->dtype, "y");
  if (!element)
    return element.takeError();
  signature.result = RankedTensorType::get({m, outputs}, *element);
  return signature;
}

/// A function that holds one matrix product of `w`.
template <typename Op>
static llvm::Error buildProduct(OpBuilder &builder, const problem::Problem &problem, Type w) {
  auto signature = getSignature(builder, problem, w);
  if (!signature)
    return signature.takeError();
  auto activation = nn::symbolizeActivation(problem.getAttribute("activation", "none"));
  if (!activation)
    return llvm::createStringError("expects activation none, relu, gelu, silu or swiglu, but got " +
                                   problem.getAttribute("activation"));
  Location loc = builder.getUnknownLoc();
  auto function = func::FuncOp::create(
      builder, loc, problem.op, builder.getFunctionType(signature->inputs, {signature->result}));
  OpBuilder::InsertionGuard guard(builder);
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
  SmallVector<Value> operands;
  for (int position : signature->positions)
    operands.push_back(position < 0 ? Value() : body->getArgument(position));
  MLIRContext *context = builder.getContext();
  auto product = Op::create(builder, loc, signature->result, operands[0], operands[1], operands[2],
                            operands[3], operands[4], operands[5],
                            nn::ActivationAttr::get(context, *activation),
                            toAttribute(context, problem), tile::ScheduleAttr());
  func::ReturnOp::create(builder, loc, product.getY());
  return llvm::Error::success();
}

static llvm::Error buildQuantMatmul(OpBuilder &builder, const problem::Problem &problem) {
  int64_t n = getExtent(problem, "N"), k = getExtent(problem, "K");
  if (!problem.findOperand("x") || !problem.findOperand("y") || ShapedType::isDynamic(n) ||
      ShapedType::isDynamic(k))
    return llvm::createStringError(
        "expects operands x and y and static dimensions N and K in a quant_matmul problem");
  auto format = getFormat(builder, problem);
  if (!format)
    return format.takeError();
  return buildProduct<nn::QuantMatmulOp>(
      builder, problem, nn::QuantizedType::get(builder.getContext(), k, n, *format));
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
