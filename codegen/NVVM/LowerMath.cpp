//===- LowerMath.cpp - Functions that the hardware approximates ---------------===//
//
// Part of the lowering to nvvm, for f32 scalars. The backend has no library to
// call, so exp, log, log2, tanh, sin, cos and erf are written with ex2.approx,
// lg2.approx, sin.approx, cos.approx and rcp.approx (PTX ISA, "Floating Point
// Instructions"); exp2 without a flag stays LLVM's. Relative errors, e = 2^-23:
//
//   exp2                2 e                 ex2.approx
//   exp                 (2 + |x|) e         2^(x log2 e)
//   log2, log           2 e, or 2 e absolute where x is between 1/2 and 2
//   tanh                4 e                 polynomial below 0.6, else by 2^x
//   sin, cos            8 e absolute, |x| up to 2^13, of x less turns of 2 pi
//   erf                 4 e absolute        Abramowitz and Stegun 7.1.26
//
// With the flag `afn` (approximate functions): exp2 takes and returns zero for
// subnormal numbers, which saves three instructions of four, and tanh is
// tanh.approx, whose relative error is 2^-11.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace tilewright;

namespace {
/// Builds f32 arithmetic.
struct FloatBuilder {
  PatternRewriter &rewriter;
  Location loc;

  Value constant(double value) {
    return LLVM::ConstantOp::create(rewriter, loc, rewriter.getF32FloatAttr(value));
  }
  Value mul(Value a, Value b) { return LLVM::FMulOp::create(rewriter, loc, a, b); }
  Value fma(Value a, Value b, Value c) { return LLVM::FMAOp::create(rewriter, loc, a, b, c); }
  Value intrinsic(StringRef name, Value a) {
    return LLVM::CallIntrinsicOp::create(rewriter, loc, a.getType(), rewriter.getStringAttr(name),
                                         a)
        .getResult(0);
  }
  Value exp2(Value a) { return LLVM::Exp2Op::create(rewriter, loc, a); }
};

bool isApproximate(arith::FastMathFlags flags) {
  return arith::bitEnumContainsAny(flags, arith::FastMathFlags::afn);
}

/// `build(scalar)` for an op on f32.
template <typename Op> struct LowerFunction : OpRewritePattern<Op> {
  using Build = Value (*)(FloatBuilder &, Op);
  LowerFunction(MLIRContext *context, Build build)
      : OpRewritePattern<Op>(context, /*benefit=*/2), build(build) {}

  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!op.getType().isF32())
      return rewriter.notifyMatchFailure(op, "not an f32 number");
    FloatBuilder builder{rewriter, op.getLoc()};
    Value result = build(builder, op);
    if (!result)
      return rewriter.notifyMatchFailure(op, "LLVM knows it");
    rewriter.replaceOp(op, result);
    return success();
  }

  Build build;
};

constexpr double log2e = 1.4426950408889634, ln2 = 0.6931471805599453;

Value buildExp2(FloatBuilder &f, math::Exp2Op op) {
  if (!isApproximate(op.getFastmath()))
    return {};
  return f.intrinsic("llvm.nvvm.ex2.approx.ftz.f32", op.getOperand());
}

Value buildExp(FloatBuilder &f, math::ExpOp op) {
  Value scaled = f.mul(op.getOperand(), f.constant(log2e));
  return isApproximate(op.getFastmath()) ? f.intrinsic("llvm.nvvm.ex2.approx.ftz.f32", scaled)
                                         : f.exp2(scaled);
}

Value buildLog2(FloatBuilder &f, math::Log2Op op) {
  return f.intrinsic("llvm.nvvm.lg2.approx.f", op.getOperand());
}

Value buildLog(FloatBuilder &f, math::LogOp op) {
  return f.mul(f.intrinsic("llvm.nvvm.lg2.approx.f", op.getOperand()), f.constant(ln2));
}

/// 1 - 2 / (e^2|x| + 1) loses the digits of small numbers, whose odd series ends
/// early: x + x^3 p(x^2), p fitted to tanh on (0, 0.6).
Value buildTanh(FloatBuilder &f, math::TanhOp op) {
  Value x = op.getOperand();
  PatternRewriter &rewriter = f.rewriter;
  if (isApproximate(op.getFastmath()))
    return LLVM::InlineAsmOp::create(rewriter, f.loc, x.getType(), x, "tanh.approx.f32 $0, $1;",
                                     "=f,f", /*has_side_effects=*/false, /*is_align_stack=*/false,
                                     LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr())
        .getResult(0);
  Value size = LLVM::FAbsOp::create(rewriter, f.loc, x);
  Value power = f.exp2(f.mul(size, f.constant(2 * log2e)));
  Value sum = LLVM::FAddOp::create(rewriter, f.loc, power, f.constant(1));
  Value large =
      f.fma(f.constant(-2), f.intrinsic("llvm.nvvm.rcp.approx.ftz.f", sum), f.constant(1));
  large = LLVM::CopySignOp::create(rewriter, f.loc, large, x);

  Value square = f.mul(x, x), series = f.constant(0.01561263);
  for (double coefficient : {-0.05221181, 0.13313117, -0.33332598})
    series = f.fma(series, square, f.constant(coefficient));
  Value small = f.fma(f.mul(square, x), series, x);
  Value isSmall =
      LLVM::FCmpOp::create(rewriter, f.loc, LLVM::FCmpPredicate::olt, size, f.constant(0.6));
  return LLVM::SelectOp::create(rewriter, f.loc, isSmall, small, large);
}

/// x less the multiple of 2 pi next to it, which the approximations are made for.
/// 2 pi is split in three, so that whole turns subtract exactly.
Value reduceTurns(FloatBuilder &f, Value x) {
  Value scaled = f.mul(x, f.constant(0.15915494309189535));
  Value turns = LLVM::RoundEvenOp::create(f.rewriter, f.loc, scaled), rest = x;
  for (double part : {-6.28125, -0.0019350051879882812, -3.019916050561733e-07})
    rest = f.fma(turns, f.constant(part), rest);
  return rest;
}

Value buildSin(FloatBuilder &f, math::SinOp op) {
  return f.intrinsic("llvm.nvvm.sin.approx.f", reduceTurns(f, op.getOperand()));
}

Value buildCos(FloatBuilder &f, math::CosOp op) {
  return f.intrinsic("llvm.nvvm.cos.approx.f", reduceTurns(f, op.getOperand()));
}

Value buildErf(FloatBuilder &f, math::ErfOp op) {
  Value x = op.getOperand(), size = LLVM::FAbsOp::create(f.rewriter, f.loc, x);
  Value sum = f.fma(f.constant(0.3275911), size, f.constant(1));
  Value t = LLVM::FDivOp::create(f.rewriter, f.loc, f.constant(1), sum);
  Value series = f.constant(1.061405429);
  for (double coefficient : {-1.453152027, 1.421413741, -0.284496736, 0.254829592})
    series = f.fma(series, t, f.constant(coefficient));
  Value power = f.exp2(f.mul(f.mul(size, size), f.constant(-log2e)));
  Value tail = f.mul(f.mul(series, t), power);
  Value result = LLVM::FSubOp::create(f.rewriter, f.loc, f.constant(1), tail);
  return LLVM::CopySignOp::create(f.rewriter, f.loc, result, x);
}
} // namespace

void nvvm::populateMathPatterns(RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  patterns.add<LowerFunction<math::Exp2Op>>(context, buildExp2);
  patterns.add<LowerFunction<math::ExpOp>>(context, buildExp);
  patterns.add<LowerFunction<math::Log2Op>>(context, buildLog2);
  patterns.add<LowerFunction<math::LogOp>>(context, buildLog);
  patterns.add<LowerFunction<math::TanhOp>>(context, buildTanh);
  patterns.add<LowerFunction<math::SinOp>>(context, buildSin);
  patterns.add<LowerFunction<math::CosOp>>(context, buildCos);
  patterns.add<LowerFunction<math::ErfOp>>(context, buildErf);
}
