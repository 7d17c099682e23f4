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

/// The element type of x and w of a dense product.
static llvm::Expected<Type> getElementType(Builder &builder, StringRef dtype, StringRef operand) {
  if (dtype == "i8")
    return Type(builder.getIntegerType(8));
  if (dtype == "e4m3")
    return Type(Float8E4M3FNType::get(builder.getContext()));
  if (dtype == "e5m2")
    return Type(Float8E5M2Type::get(builder.getContext()));
  return getFloatType(builder, dtype, operand);
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
  auto granularity = format::Granularity::parse(problem.getAttribute("group", "channel"));
  if (!granularity)
    return granularity.takeError();
  auto zero = nn::symbolizeZeroPoint(problem.getAttribute("zero", "none"));
  if (!zero)
    return llvm::createStringError("expects zero to be none, integer, float or offset, but got " +
                                   problem.getAttribute("zero"));
  StringRef scale = problem.getAttribute("scale", "f16");
  const problem::Operand *zeros = problem.findOperand("zeros");
  MLIRContext *context = builder.getContext();
  auto emitError = [&] { return mlir::emitError(builder.getUnknownLoc()); };
  auto attr =
      nn::QFormatAttr::getChecked(emitError, context, StringRef(code->name), *granularity, scale,
                                  *zero, zeros ? StringRef(zeros->dtype) : StringRef(),
                                  problem.findOperand("tensor_scale") != nullptr);
  if (!attr)
    return llvm::createStringError("no kernel for weights of format " + code->name + ", group " +
                                   granularity->str() + ", scale " + scale);
  return attr;
}

/// `shape`, after the batch of the problem where it has one.
static SmallVector<int64_t> inBatch(const problem::Problem &problem, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> all;
  if (problem.findDimension("B"))
    all.push_back(getExtent(problem, "B"));
  all.append(shape.begin(), shape.end());
  return all;
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
    auto element = getElementType(builder, operand->dtype, name);
    if (!element)
      return element.takeError();
    signature.positions.push_back(signature.inputs.size());
    signature.inputs.push_back(RankedTensorType::get(shape, *element));
    return llvm::Error::success();
  };
  int64_t m = getExtent(problem, "M"), n = getExtent(problem, "N"), k = getExtent(problem, "K");
  int64_t outputs = problem.findDimension("outputs") ? getExtent(problem, "outputs") : n;
  if (auto error = add("x", inBatch(problem, {m, k})))
    return std::move(error);
  signature.positions.push_back(signature.inputs.size());
  signature.inputs.push_back(w);
  if (auto error = add("bias", inBatch(problem, {n})))
    return std::move(error);
  if (auto error = add("row_scale", inBatch(problem, {m})))
    return std::move(error);
  if (auto error = add("column_scale", inBatch(problem, {n})))
    return std::move(error);
  if (auto error = add("residual", inBatch(problem, {m, outputs})))
    return std::move(error);
  if (auto error = add("out_scale", {1}))
    return std::move(error);
  auto element = getElementType(builder, problem.findOperand("y")->dtype, "y");
  if (!element)
    return element.takeError();
  signature.result = RankedTensorType::get(inBatch(problem, {m, outputs}), *element);
  return signature;
}

/// What a product op is created from. Operands: x, w, bias, row_scale,
/// column_scale, residual, out_scale; null where the problem has none.
struct ProductParts {
  Type result;
  SmallVector<Value> operands;
  nn::ActivationAttr activation;
  nn::ProblemAttr problem;
};

/// A function that holds one matrix product of a `w`; `create` makes its op and
/// returns y.
static llvm::Error buildProduct(OpBuilder &builder, const problem::Problem &problem, Type w,
                                function_ref<Value(const ProductParts &)> create) {
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
  MLIRContext *context = builder.getContext();
  ProductParts parts{signature->result,
                     {},
                     nn::ActivationAttr::get(context, *activation),
                     toAttribute(context, problem)};
  for (int position : signature->positions)
    parts.operands.push_back(position < 0 ? Value() : body->getArgument(position));
  func::ReturnOp::create(builder, loc, create(parts));
  return llvm::Error::success();
}

/// Fails unless the problem has x, y and static N and K.
static llvm::Error checkProduct(const problem::Problem &problem) {
  if (problem.findOperand("x") && problem.findOperand("y") &&
      !ShapedType::isDynamic(getExtent(problem, "N")) &&
      !ShapedType::isDynamic(getExtent(problem, "K")) &&
      !(problem.findDimension("B") && ShapedType::isDynamic(getExtent(problem, "B"))))
    return llvm::Error::success();
  return llvm::createStringError("expects operands x and y and static dimensions N, K and B in a " +
                                 problem.op + " problem");
}

static llvm::Error buildQuantMatmul(OpBuilder &builder, const problem::Problem &problem) {
  if (auto error = checkProduct(problem))
    return error;
  auto format = getFormat(builder, problem);
  if (!format)
    return format.takeError();
  Type w =
      nn::QuantizedType::get(builder.getContext(), getExtent(problem, "K"), getExtent(problem, "N"),
                             *format, problem.findDimension("B") ? getExtent(problem, "B") : 0);
  return buildProduct(builder, problem, w, [&](const ProductParts &parts) -> Value {
    ArrayRef<Value> in = parts.operands;
    return nn::QuantMatmulOp::create(builder, builder.getUnknownLoc(), parts.result, in[0], in[1],
                                     in[2], in[3], in[4], in[5], in[6], parts.activation,
                                     parts.problem, tile::ScheduleAttr());
  });
}

static llvm::Error buildMatmul(OpBuilder &builder, const problem::Problem &problem) {
  if (auto error = checkProduct(problem))
    return error;
  auto element = getElementType(builder, problem.findOperand("x")->dtype, "x");
  if (!element)
    return element.takeError();
  bool isTransposed = problem.getAttribute("layout") == "nk";
  SmallVector<int64_t> shape = {getExtent(problem, "K"), getExtent(problem, "N")};
  if (isTransposed)
    std::swap(shape[0], shape[1]);
  Type w = RankedTensorType::get(inBatch(problem, shape), *element);
  return buildProduct(builder, problem, w, [&](const ProductParts &parts) -> Value {
    ArrayRef<Value> in = parts.operands;
    return nn::MatmulOp::create(builder, builder.getUnknownLoc(), parts.result, in[0], in[1],
                                isTransposed ? builder.getUnitAttr() : UnitAttr(), in[2], in[3],
                                in[4], in[5], in[6], parts.activation, parts.problem,
                                tile::ScheduleAttr());
  });
}

llvm::Expected<OwningOpRef<ModuleOp>> compile::buildModule(MLIRContext &context,
                                                           const problem::Problem &problem) {
  OpBuilder builder(&context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder, builder.getUnknownLoc());
  builder.setInsertionPointToStart(module->getBody());
  if (problem.op == "attention") {
    if (auto error = buildAttention(*module, problem, toAttribute(&context, problem)))
      return std::move(error);
    return module;
  }
  if (problem.op == "merge_attention") {
    if (auto error = buildMergeAttention(*module, problem, toAttribute(&context, problem)))
      return std::move(error);
    return module;
  }
  if (problem.op == "append_cache") {
    if (auto error = buildAppendCache(*module, problem, toAttribute(&context, problem)))
      return std::move(error);
    return module;
  }
  if (problem.op == "pack") {
    if (auto error = buildPack(*module, problem, toAttribute(&context, problem)))
      return std::move(error);
    return module;
  }
  if (problem.op != "quant_matmul" && problem.op != "matmul")
    return llvm::createStringError("no kernel family for op '" + problem.op +
                                   "'; supported are append_cache, attention, matmul, "
                                   "merge_attention, pack and quant_matmul");
  if (auto error = problem.op == "matmul" ? buildMatmul(builder, problem)
                                          : buildQuantMatmul(builder, problem))
    return std::move(error);
  return module;
}
