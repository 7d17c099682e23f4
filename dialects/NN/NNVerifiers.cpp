//===- NNVerifiers.cpp - The constraints of `nn` operations -----------------===//
//
// Each check cites the constraint of NNOps.td that it enforces.
//
//===----------------------------------------------------------------------===//
#include "dialects/NN/NNDialect.h"

using namespace mlir;
using namespace tilewright::nn;

static bool isHalf(Type type) { return type.isF16() || type.isBF16(); }

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
  return success();
}
