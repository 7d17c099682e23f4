//===- ProblemOf.cpp - The problem an nn op states ----------------------------===//
//
// The reverse of BuildModule, for programs that come as MLIR text.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/NNModule.h"

using namespace mlir;
using namespace tilewright;

static std::string getName(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

static std::optional<int64_t> getStatic(int64_t value) {
  return ShapedType::isDynamic(value) ? std::nullopt : std::optional(value);
}

/// Strides and alignment from the attribute, contiguous and 16 otherwise.
static problem::Operand getOperand(nn::QuantMatmulOp op, StringRef name, std::string dtype,
                                   std::vector<std::string> dimensions,
                                   std::vector<std::optional<int64_t>> contiguous) {
  problem::Operand operand{name.str(), std::move(dtype), std::move(dimensions),
                           std::move(contiguous), 16};
  auto attr = op.getProblem() ? op.getProblem()->findOperand(name) : nn::OperandAttr();
  if (!attr)
    return operand;
  operand.alignment = attr.getAlignment();
  operand.strides.clear();
  for (int64_t stride : attr.getStrides())
    operand.strides.push_back(getStatic(stride));
  return operand;
}

problem::Problem compile::getProblem(nn::QuantMatmulOp op) {
  nn::QuantizedType w = op.getW().getType();
  nn::QFormatAttr format = w.getFormat();
  auto x = cast<RankedTensorType>(op.getX().getType());
  auto y = cast<RankedTensorType>(op.getY().getType());

  problem::Problem problem;
  problem.op = "quant_matmul";
  problem::Dimension rows{"M", getStatic(x.getDimSize(0)), 1};
  if (op.getProblem()) {
    problem.indexWidth = op.getProblem()->getIndex();
    if (auto dim = op.getProblem()->findDim("M"))
      rows.divisor = dim.getDivisor();
  }
  problem.dimensions = {
      rows, {"N", w.getN(), 1}, {"K", w.getK(), 1}, {"groups", format.getNumGroups(w.getK()), 1}};
  problem.operands = {getOperand(op, "x", getName(x.getElementType()), {"M", "K"}, {w.getK(), 1}),
                      getOperand(op, "w", "u32", {"N", "K"}, {}),
                      getOperand(op, "scales", getName(format.getScale()), {"groups", "N"}, {})};
  if (format.getZero() == nn::ZeroPoint::Integer)
    problem.operands.push_back(getOperand(op, "zeros", "u8", {"groups", "N"}, {}));
  if (op.getBias()) {
    Type element = cast<RankedTensorType>(op.getBias().getType()).getElementType();
    problem.operands.push_back(getOperand(op, "bias", getName(element), {"N"}, {1}));
  }
  problem.operands.push_back(
      getOperand(op, "y", getName(y.getElementType()), {"M", "N"}, {w.getN(), 1}));
  problem.attributes = {
      {"format", format.getCode().str()},
      {"group", format.isChannel() ? "channel" : std::to_string(format.getGroup())},
      {"scale", getName(format.getScale())},
      {"zero", nn::stringifyZeroPoint(format.getZero()).str()},
      {"activation", nn::stringifyActivation(op.getActivation()).str()}};
  return problem;
}
