//===- NNVerifiers.cpp - The constraints of `nn` operations -----------------===//
//
// Each check cites the constraint of NNOps.td that it enforces.
//
//===----------------------------------------------------------------------===//
#include "dialects/NN/NNDialect.h"

using namespace mlir;
using namespace tilewright::nn;

static bool isHalf(Type type) { return type.isF16() || type.isBF16(); }
static bool isFloat(Type type) { return isHalf(type) || type.isF32(); }
static bool isFloat8(Type type) { return isa<Float8E4M3FNType, Float8E5M2Type>(type); }

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// The parts of C6 and C7: what the problem says of the op's operands.
template <typename Op>
static LogicalResult verifyProblem(Op op, ProblemAttr problem, int64_t rows, int64_t columnsOfY) {
  for (StringRef name : {"x", "w", "y", "residual"}) { // C6
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

/// C3 to C10, which every matrix product has, for an N of `n` columns.
template <typename Op> static LogicalResult verifyEpilogue(Op op, int64_t n, StringRef family) {
  RankedTensorType x = tensorOf(op.getX()), y = tensorOf(op.getY());
  bool hasPairs = op.getActivation() == Activation::SwiGLU;
  Type result = y.getElementType();
  if (y.getRank() != 2 || !(isFloat(result) || isFloat8(result))) // C3
    return op.emitOpError() << "expects y to be a rank-2 tensor of f16, bf16, f32, f8E4M3FN or "
                               "f8E5M2, but got "
                            << y;
  if (hasPairs && n % 2) // C3
    return op.emitOpError() << "expects an even N for swiglu, but got " << n;
  int64_t outputs = hasPairs ? n / 2 : n;
  if (y.getDimSize(0) != x.getDimSize(0) || y.getDimSize(1) != outputs) // C3
    return op.emitOpError() << "expects y to have the rows of x and "
                            << (hasPairs ? "N / 2 = " : "N = ") << outputs << " columns, but got "
                            << y;
  if (op.getBias()) { // C4
    RankedTensorType bias = tensorOf(op.getBias());
    if (bias.getRank() != 1 || bias.getDimSize(0) != n || !isFloat(bias.getElementType()))
      return op.emitOpError() << "expects bias to be a tensor of " << n
                              << " f16, bf16 or f32 elements, but got " << bias;
  }
  if (op.getSchedule() && op.getSchedule()->getFamily() != family) // C5
    return op.emitOpError() << "expects a schedule of family \"" << family << "\", but got \""
                            << op.getSchedule()->getFamily() << "\"";
  auto verifyScale = [&](Value scale, StringRef name, int64_t extent) -> LogicalResult { // C8
    if (!scale)
      return success();
    auto expected = RankedTensorType::get({extent}, Float32Type::get(op.getContext()));
    if (scale.getType() != expected)
      return op.emitOpError() << "expects " << name << " of type " << expected << ", but got "
                              << scale.getType();
    return success();
  };
  if (failed(verifyScale(op.getRowScale(), "row_scale", x.getDimSize(0))) ||
      failed(verifyScale(op.getColumnScale(), "column_scale", n)) ||
      failed(verifyScale(op.getOutScale(), "out_scale", 1))) // C10
    return failure();
  if (op.getResidual()) { // C9
    RankedTensorType residual = tensorOf(op.getResidual());
    if (residual.getShape() != y.getShape() || !isFloat(residual.getElementType()))
      return op.emitOpError() << "expects residual to have the shape of " << y
                              << " and f16, bf16 or f32 elements, but got " << residual;
  }
  if (op.getProblem())
    return verifyProblem(op, *op.getProblem(), x.getDimSize(0), outputs);
  return success();
}

LogicalResult QuantMatmulOp::verify() {
  RankedTensorType x = tensorOf(getX());
  QuantizedType w = getW().getType();
  if (x.getRank() != 2 || !isHalf(x.getElementType())) // C1
    return emitOpError() << "expects x to be a rank-2 tensor of f16 or bf16, but got " << x;
  if (x.getDimSize(1) != w.getK()) // C2
    return emitOpError() << "expects x to have K = " << w.getK() << " columns like w, but got "
                         << x;
  return verifyEpilogue(*this, w.getN(), "quant_matmul");
}

LogicalResult MatmulOp::verify() {
  RankedTensorType x = tensorOf(getX()), w = tensorOf(getW());
  Type element = x.getElementType();
  bool isByte = element.isInteger(8) || isFloat8(element);
  if (x.getRank() != 2 || !(isFloat(element) || isByte)) // C1
    return emitOpError() << "expects x to be a rank-2 tensor of f16, bf16, f32, i8, f8E4M3FN or "
                            "f8E5M2, but got "
                         << x;
  if (isByte && !getTransposeW()) // C2
    return emitOpError() << "expects transpose_w (w as N x K) for " << element;
  if (w.getRank() != 2 || !w.hasStaticShape() || w.getElementType() != x.getElementType()) // C2
    return emitOpError() << "expects w to be a static rank-2 tensor of " << x.getElementType()
                         << ", but got " << w;
  if (x.getDimSize(1) != getK()) // C2
    return emitOpError() << "expects x to have K = " << getK() << " columns like w, but got " << x;
  return verifyEpilogue(*this, getN(), "matmul");
}

int64_t MatmulOp::getK() { return tensorOf(getW()).getDimSize(getTransposeW() ? 1 : 0); }
int64_t MatmulOp::getN() { return tensorOf(getW()).getDimSize(getTransposeW() ? 0 : 1); }
