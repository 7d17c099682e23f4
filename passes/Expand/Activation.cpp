//===- Activation.cpp - Functions applied to a result in f32 -----------------===//
//
// Part of Expand. exp(x) is written 2^(x * log2 e), which the hardware has;
// erf is Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7 (f32
// itself rounds at 6e-8 near 1).
//
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/Expand/Passes.h"

using namespace mlir;
using namespace tilewright;

namespace {
/// Elementwise f32 expressions on one tile type.
struct Expression {
  OpBuilder &builder;
  Location loc;
  RankedTensorType type;

  Value constant(double value) {
    return arith::ConstantOp::create(
        builder, loc, DenseElementsAttr::get(type, builder.getF32FloatAttr(value).getValue()));
  }
  Value add(Value a, Value b) { return arith::AddFOp::create(builder, loc, a, b); }
  Value sub(Value a, Value b) { return arith::SubFOp::create(builder, loc, a, b); }
  Value mul(Value a, Value b) { return arith::MulFOp::create(builder, loc, a, b); }
  Value div(Value a, Value b) { return arith::DivFOp::create(builder, loc, a, b); }
  Value fma(Value a, Value b, Value c) { return math::FmaOp::create(builder, loc, a, b, c); }
  Value exp(Value a) {
    return math::Exp2Op::create(builder, loc, mul(a, constant(1.4426950408889634)));
  }

  Value erf(Value x) {
    Value magnitude = math::AbsFOp::create(builder, loc, x);
    Value t = div(constant(1), fma(constant(0.3275911), magnitude, constant(1)));
    Value series = constant(1.061405429);
    for (double coefficient : {-1.453152027, 1.421413741, -0.284496736, 0.254829592})
      series = fma(series, t, constant(coefficient));
    Value tail = mul(mul(series, t), exp(mul(sub(constant(0), x), x)));
    return math::CopySignOp::create(builder, loc, sub(constant(1), tail), x);
  }
};
} // namespace

Value expand::applyActivation(OpBuilder &builder, Location loc, nn::Activation activation,
                              Value tile) {
  Expression e{builder, loc, cast<RankedTensorType>(tile.getType())};
  switch (activation) {
  case nn::Activation::None:
    return tile;
  case nn::Activation::ReLU:
    return arith::MaximumFOp::create(builder, loc, tile, e.constant(0));
  case nn::Activation::GELU:
    return e.mul(e.mul(tile, e.constant(0.5)),
                 e.add(e.constant(1), e.erf(e.mul(tile, e.constant(0.7071067811865476)))));
  case nn::Activation::SiLU:
    return e.div(tile, e.add(e.constant(1), e.exp(e.sub(e.constant(0), tile))));
  case nn::Activation::SwiGLU:
    break; // of pairs of columns: the program's own work
  }
  llvm_unreachable("expects an activation of single numbers");
}
