//===- NNVerifiers.cpp - The constraints of `nn` operations -----------------===//
//
// Each check cites the constraint of NNOps.td that it enforces.
//
//===----------------------------------------------------------------------===//
#include "dialects/NN/NNDialect.h"

using namespace mlir;
using namespace tilewright::nn;

static bool isHalf(Type type) { return type.isF16() || type.isBF16(); }

/// The parts of C6 and C7: what the problem says of the op's operands.
static LogicalResult verifyProblem(QuantMatmulOp op, ProblemAttr problem, int64_t rows,
                                   int64_t columnsOfY) {
  for (StringRef name : {"x", "y"}) { // C6
    OperandAttr operand = problem.findOperand(name);
    if (!operand || operand.getStrides().empty())
      continue;
    ArrayRef<int64_t> strides = operand.getStrides();
    if (strides.size() != 2 || strides.back() != 1)
      return op.emitOpError() << "expects two strides of " << name
                              << " with contiguous columns (1) in the problem, but got " << operand;
    bool mayOverlap = !ShapedType::isDynamic(strides[0]) && strides[0] < columnsOfY;
    if (name == "y" && mayOverlap)
      return op.emitOpError() << "expects a row stride of y of at least " << columnsOfY
                              << " in the problem, but got " << strides[0];
  }
  DimensionAttr m = problem.findDim("M"); // C7
  if (m && m.getExtent() != rows)
    return op.emitOpError() << "expects M of the problem to be the rows of x, but got " << m
                            << " for " << op.getX().getType();
  return success();
}

LogicalResult QuantMatmulOp::verify() {
  auto x = cast<RankedTensorType>(getX().getType());
  auto y = cast<RankedTensorType>(getY().getType());
  QuantizedType w = getW().getType();
  if (x.getRank() != 2 || !isHalf(x.getElementType())) // C1
    return emitOpError() << "expects x to be a rank-2 tensor of f16 or bf16, but got " << x;
  if (x.getDimSize(1) != w.getK()) // C2
    return emitOpError() << "expects x to have K = " << w.getK() << " columns like w, but got "
                         << x;
  if (y.getRank() != 2 || !(isHalf(y.getElementType()) || y.getElementType().isF32())) // C3
    return emitOpError() << "expects y to be a rank-2 tensor of f16, bf16 or f32, but got " << y;
  if (y.getDimSize(0) != x.getDimSize(0) || y.getDimSize(1) != w.getN()) // C3
    return emitOpError() << "expects y to have the rows of x and N = " << w.getN()
                         << " columns, but got " << y;
  if (getBias()) { // C4
    auto bias = cast<RankedTensorType>(getBias().getType());
    if (bias.getRank() != 1 || bias.getDimSize(0) != w.getN() ||
        !(isHalf(bias.getElementType()) || bias.getElementType().isF32()))
      return emitOpError() << "expects bias to be a tensor of " << w.getN()
                           << " f16, bf16 or f32 elements, but got " << bias;
  }
  if (getSchedule() && getSchedule()->getFamily() != "quant_matmul") // C5
    return emitOpError() << "expects a schedule of family \"quant_matmul\", but got \""
                         << getSchedule()->getFamily() << "\"";
  if (getProblem())
    return verifyProblem(*this, *getProblem(), x.getDimSize(0), w.getN());
  return success();
}
