//===- LowerReduce.cpp - Reductions along a dimension -------------------------===//
//
// Part of the lowering to nvvm. Carries out a layout::Reduction: each thread
// combines its registers pairwise, then lanes exchange in a butterfly. Both
// operands of an exchange are the same in both lanes up to their order, so all
// lanes end with the same bits.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Indexing.h"
#include "codegen/NVVM/Passes.h"
#include "dialects/Support/Layout/Reduction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;
using layout::LinearLayout;

static Value combine(OpBuilder &builder, Location loc, tile::ReduceKind kind, Value a, Value b) {
  bool isFloat = isa<FloatType>(a.getType());
  switch (kind) {
  case tile::ReduceKind::Add:
    return isFloat ? arith::AddFOp::create(builder, loc, a, b).getResult()
                   : arith::AddIOp::create(builder, loc, a, b).getResult();
  case tile::ReduceKind::Max:
    return isFloat ? arith::MaximumFOp::create(builder, loc, a, b).getResult()
                   : arith::MaxSIOp::create(builder, loc, a, b).getResult();
  case tile::ReduceKind::Min:
    return isFloat ? arith::MinimumFOp::create(builder, loc, a, b).getResult()
                   : arith::MinSIOp::create(builder, loc, a, b).getResult();
  }
  llvm_unreachable("unknown reduction");
}

/// The value that lane `id ^ mask` has.
static Value exchange(Emitter &emit, Value value, unsigned mask) {
  OpBuilder &builder = emit.builder;
  Type type = value.getType(), i32 = builder.getI32Type();
  Value word =
      type == i32 ? value : LLVM::BitcastOp::create(builder, emit.loc, i32, value).getResult();
  word = NVVM::ShflOp::create(builder, emit.loc, i32, emit.i32(-1), word, emit.i32(mask),
                              emit.i32(31), NVVM::ShflKind::bfly, UnitAttr());
  return type == i32 ? word : LLVM::BitcastOp::create(builder, emit.loc, type, word).getResult();
}

/// The registers of the result: what this thread's warp holds, combined.
static SmallVector<Value> emitReduction(Emitter &emit, const layout::Reduction &plan,
                                        tile::ReduceKind kind, ValueRange source) {
  auto merge = [&](Value a, Value b) { return combine(emit.builder, emit.loc, kind, a, b); };
  SmallVector<Value> results;
  for (const auto &members : plan.registers) {
    SmallVector<Value> values =
        llvm::map_to_vector(members, [&](unsigned reg) { return source[reg]; });
    for (; values.size() > 1;) {
      SmallVector<Value> pairs;
      for (size_t i = 0; i + 1 < values.size(); i += 2)
        pairs.push_back(merge(values[i], values[i + 1]));
      if (values.size() % 2)
        pairs.push_back(values.back());
      values = std::move(pairs);
    }
    results.push_back(values.front());
  }
  for (unsigned mask : plan.laneMasks)
    for (Value &value : results)
      value = merge(value, exchange(emit, value, mask));
  return results;
}

namespace {
template <typename Op> struct LowerReduction : OpConversionPattern<Op> {
  using OpConversionPattern<Op>::OpConversionPattern;
  using Adaptor = typename OpConversionPattern<Op>::OneToNOpAdaptor;

  LogicalResult matchAndRewrite(Op op, Adaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto plan = layout::planReduction(tilegpu::getLayout(op.getSource()), op.getDim());
    if (!plan || plan->perWarp != tilegpu::getLayout(op.getResult()))
      return rewriter.notifyMatchFailure(op, "other warps hold parts; run tw-split-reductions");
    Emitter emit(rewriter, op.getLoc());
    rewriter.replaceOpWithMultiple(op,
                                   {emitReduction(emit, *plan, op.getKind(), adaptor.getSource())});
    return success();
  }
};
} // namespace

void nvvm::populateReducePatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerReduction<tile::ReduceOp>, LowerReduction<tilegpu::WarpReduceOp>>(
      converter, patterns.getContext());
}
