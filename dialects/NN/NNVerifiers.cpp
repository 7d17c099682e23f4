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

/// "a rank-2 tensor", or what is expected of an operand of a batch.
static std::string describe(int64_t batch) {
  return batch ? "a batch of " + std::to_string(batch) + " matrices" : "a rank-2 tensor";
}

/// C11: a matrix, or `batch` of them.
static bool isMatrix(RankedTensorType type, int64_t batch) {
  return batch ? type.getRank() == 3 && type.getDimSize(0) == batch : type.getRank() == 2;
}

/// C11: `shape`, after `batch` where there is one.
static SmallVector<int64_t> inBatch(int64_t batch, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> all;
  if (batch)
    all.push_back(batch);
  all.append(shape.begin(), shape.end());
  return all;
}

/// The parts of C6 and C7: what the problem says of the op's operands.
template <typename Op>
static LogicalResult verifyProblem(Op op, ProblemAttr problem, int64_t rows, int64_t columnsOfY,
                                   int64_t batch) {
  size_t rank = batch ? 3 : 2;
  for (StringRef name : {"x", "w", "y", "residual"}) { // C6
    OperandAttr operand = problem.findOperand(name);
    if (!operand || operand.getStrides().empty())
      continue;
    ArrayRef<int64_t> strides = operand.getStrides();
    if (strides.size() != rank || strides.back() != 1)
      return op.emitOpError() << "expects " << (batch ? "three" : "two") << " strides of " << name
                              << " with contiguous columns (1) in the problem, but got " << operand;
    int64_t rowStride = strides[rank - 2];
    bool mayOverlap = !ShapedType::isDynamic(rowStride) && rowStride < columnsOfY;
    if (name == "y" && mayOverlap)
      return op.emitOpError() << "expects a row stride of y of at least " << columnsOfY
                              << " in the problem, but got " << rowStride;
  }
  DimensionAttr m = problem.findDim("M"); // C7
  if (m && m.getExtent() != rows)
    return op.emitOpError() << "expects M of the problem to be the rows of x, but got " << m
                            << " for " << op.getX().getType();
  return success();
}

/// C3 to C11, which every matrix product has, for `batch` w of `n` columns.
template <typename Op>
static LogicalResult verifyEpilogue(Op op, int64_t n, int64_t batch, StringRef family) {
  RankedTensorType x = tensorOf(op.getX()), y = tensorOf(op.getY());
  bool hasPairs = op.getActivation() == Activation::SwiGLU;
  Type result = y.getElementType();
  if (!isMatrix(y, batch) || !(isFloat(result) || isFloat8(result))) // C3, C11
    return op.emitOpError() << "expects y to be " << describe(batch)
                            << " of f16, bf16, f32, f8E4M3FN or f8E5M2, but got " << y;
  if (hasPairs && n % 2) // C3
    return op.emitOpError() << "expects an even N for swiglu, but got " << n;
  int64_t outputs = hasPairs ? n / 2 : n;
  int64_t rows = x.getDimSize(x.getRank() - 2);
  if (y.getDimSize(y.getRank() - 2) != rows || y.getShape().back() != outputs) // C3
    return op.emitOpError() << "expects y to have the rows of x and "
                            << (hasPairs ? "N / 2 = " : "N = ") << outputs << " columns, but got "
                            << y;
  if (op.getBias()) { // C4
    RankedTensorType bias = tensorOf(op.getBias());
    if (bias.getShape() != ArrayRef<int64_t>(inBatch(batch, n)) || !isFloat(bias.getElementType()))
      return op.emitOpError() << "expects bias to be a tensor of "
                              << (batch ? std::to_string(batch) + "x" : "") << n
                              << " f16, bf16 or f32 elements, but got " << bias;
  }
  if (op.getSchedule() && op.getSchedule()->getFamily() != family) // C5
    return op.emitOpError() << "expects a schedule of family \"" << family << "\", but got \""
                            << op.getSchedule()->getFamily() << "\"";
  auto verifyScale = [&](Value scale, StringRef name, ArrayRef<int64_t> shape) -> LogicalResult {
    if (!scale)
      return success();
    auto expected = RankedTensorType::get(shape, Float32Type::get(op.getContext()));
    if (scale.getType() != expected)
      return op.emitOpError() << "expects " << name << " of type " << expected << ", but got "
                              << scale.getType();
    return success();
  };
  if (failed(verifyScale(op.getRowScale(), "row_scale", inBatch(batch, rows))) ||    // C8
      failed(verifyScale(op.getColumnScale(), "column_scale", inBatch(batch, n))) || // C8
      failed(verifyScale(op.getOutScale(), "out_scale", 1)))                         // C10
    return failure();
  if (op.getResidual()) { // C9
    RankedTensorType residual = tensorOf(op.getResidual());
    if (residual.getShape() != y.getShape() || !isFloat(residual.getElementType()))
      return op.emitOpError() << "expects residual to have the shape of " << y
                              << " and f16, bf16 or f32 elements, but got " << residual;
  }
  if (op.getProblem())
    return verifyProblem(op, *op.getProblem(), rows, outputs, batch);
  return success();
}

LogicalResult QuantMatmulOp::verify() {
  RankedTensorType x = tensorOf(getX());
  QuantizedType w = getW().getType();
  bool isByte = x.getElementType().isSignlessInteger(8);
  Type element = x.getElementType();
  if (!isMatrix(x, w.getBatch()) || !(isHalf(element) || isByte || isFloat8(element))) // C1, C11
    return emitOpError() << "expects x to be " << describe(w.getBatch())
                         << " of f16, bf16, i8, f8E4M3FN or f8E5M2, but got " << x;
  if (x.getShape().back() != w.getK()) // C2
    return emitOpError() << "expects x to have K = " << w.getK() << " columns like w, but got "
                         << x;
  if (isByte && !w.getFormat().getCodeFormat().isInteger()) // C12
    return emitOpError() << "expects integer codes with x of i8, but got "
                         << w.getFormat().getCode();
  const format::Granularity &groups = w.getFormat().getGranularity();
  if (isByte && groups.getGroups(w.getK()) > 1 && groups.rows % 32 != 0) // C12
    return emitOpError() << "expects groups of a multiple of 32 rows with x of i8, but got "
                         << groups.str();
  return verifyEpilogue(*this, w.getN(), w.getBatch(), "quant_matmul");
}

LogicalResult MatmulOp::verify() {
  RankedTensorType x = tensorOf(getX()), w = tensorOf(getW());
  Type element = x.getElementType();
  bool isByte = element.isInteger(8) || isFloat8(element);
  int64_t batch = w.getRank() == 3 && !w.isDynamicDim(0) ? w.getDimSize(0) : 0;
  if (!isMatrix(x, batch) || !(isFloat(element) || isByte)) // C1, C11
    return emitOpError() << "expects x to be " << describe(batch)
                         << " of f16, bf16, f32, i8, f8E4M3FN or f8E5M2, but got " << x;
  if (isByte && !getTransposeW()) // C2
    return emitOpError() << "expects transpose_w (w as N x K) for " << element;
  if (!isMatrix(w, batch) || !w.hasStaticShape() || element != w.getElementType()) // C2
    return emitOpError() << "expects w to be a static rank-2 tensor, or a batch of them, of "
                         << x.getElementType() << ", but got " << w;
  if (x.getShape().back() != getK()) // C2
    return emitOpError() << "expects x to have K = " << getK() << " columns like w, but got " << x;
  return verifyEpilogue(*this, getN(), batch, "matmul");
}

int64_t MatmulOp::getK() {
  return tensorOf(getW()).getShape().take_back(2)[getTransposeW() ? 1 : 0];
}
int64_t MatmulOp::getN() {
  return tensorOf(getW()).getShape().take_back(2)[getTransposeW() ? 0 : 1];
}
int64_t MatmulOp::getBatch() {
  RankedTensorType w = tensorOf(getW());
  return w.getRank() == 3 ? w.getDimSize(0) : 0;
}
