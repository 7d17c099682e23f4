//===- DeferDivision.cpp - One division after a loop --------------------------===//
//
// Part of the Simplify phase. With weights l and a mean o carried by a loop,
//
//   o' = (o * l * a + x) / l'     =     u' = u * a + x    with u = o * l
//
// and o = u / l after the loop, where it had a turn.
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Simplify/Passes.h"

using namespace mlir;
using namespace tilewright;

namespace tilewright::simplify {
#define GEN_PASS_DEF_DEFERDIVISION
#include "passes/Simplify/Passes.h.inc"
} // namespace tilewright::simplify

/// What `value` broadcasts; the value itself where it is no broadcast.
static Value getSource(Value value) {
  auto broadcast = value.getDefiningOp<tile::BroadcastOp>();
  return broadcast ? broadcast.getSource() : value;
}

namespace {
/// A mean that a loop carries.
struct Mean {
  unsigned index = 0;  ///< among what the loop carries
  unsigned weight = 0; ///< the same, of its weights
  arith::DivFOp division;
  SmallVector<arith::MulFOp> products; ///< mean times weight, all uses of the mean
};
} // namespace

/// The mean at `index`, where the loop is of the form above.
static std::optional<Mean> findMean(scf::ForOp loop, unsigned index) {
  Mean mean{index};
  mean.division = loop.getYieldedValues()[index].getDefiningOp<arith::DivFOp>();
  if (!mean.division || mean.division->getBlock() != loop.getBody() ||
      !mean.division->hasOneUse() || !isa<RankedTensorType>(mean.division.getType()) ||
      !arith::bitEnumContainsAny(mean.division.getFastmath(), arith::FastMathFlags::reassoc))
    return std::nullopt;
  Value divisor = getSource(mean.division.getRhs());
  ValueRange yielded = loop.getYieldedValues();
  auto weight = llvm::find(yielded, divisor);
  if (weight == yielded.end())
    return std::nullopt;
  mean.weight = weight - yielded.begin();
  BlockArgument carried = loop.getRegionIterArg(index);
  for (Operation *user : carried.getUsers()) {
    auto product = dyn_cast<arith::MulFOp>(user);
    if (!product)
      return std::nullopt;
    Value factor = product.getLhs() == carried ? product.getRhs() : product.getLhs();
    if (getSource(factor) != loop.getRegionIterArg(mean.weight))
      return std::nullopt;
    mean.products.push_back(product);
  }
  return mean.products.empty() ? std::nullopt : std::optional(mean);
}

/// `value` as a tile of the mean's shape.
static Value spread(OpBuilder &builder, Location loc, Value value, Type type) {
  if (value.getType() == type)
    return value;
  return tile::BroadcastOp::create(builder, loc, type, value);
}

namespace {
struct DeferDivision : OpRewritePattern<scf::ForOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(scf::ForOp loop, PatternRewriter &rewriter) const override {
    for (unsigned i = 0; i < loop.getNumRegionIterArgs(); ++i)
      if (auto mean = findMean(loop, i)) {
        defer(loop, *mean, rewriter);
        return success();
      }
    return rewriter.notifyMatchFailure(loop, "carries no mean");
  }

private:
  static void defer(scf::ForOp loop, Mean &mean, PatternRewriter &rewriter) {
    Location loc = mean.division.getLoc();
    Type type = mean.division.getType();
    arith::FastMathFlags flags = mean.division.getFastmath();
    Value init = loop.getInitArgs()[mean.index];
    // A sum that starts from nothing has nothing to multiply.
    if (!matchPattern(init, m_AnyZeroFloat())) {
      rewriter.setInsertionPoint(loop);
      Value weights = spread(rewriter, loc, loop.getInitArgs()[mean.weight], type);
      Value sum = arith::MulFOp::create(rewriter, loc, init, weights, flags);
      rewriter.modifyOpInPlace(loop, [&] { loop.getInitArgsMutable()[mean.index].set(sum); });
    }
    for (arith::MulFOp product : mean.products)
      rewriter.replaceOp(product, loop.getRegionIterArg(mean.index));
    rewriter.replaceOp(mean.division, mean.division.getLhs());

    rewriter.setInsertionPointAfter(loop);
    Value weights = spread(rewriter, loc, loop.getResult(mean.weight), type);
    Value sum = loop.getResult(mean.index);
    auto quotient = arith::DivFOp::create(rewriter, loc, sum, weights, flags);
    Value hasTurns = arith::CmpIOp::create(rewriter, loc, arith::CmpIPredicate::slt,
                                           loop.getLowerBound(), loop.getUpperBound());
    Value result = arith::SelectOp::create(rewriter, loc, hasTurns, quotient, init);
    rewriter.replaceAllUsesExcept(sum, result, quotient);
  }
};

struct DeferDivisionPass : simplify::impl::DeferDivisionBase<DeferDivisionPass> {
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    set.add<DeferDivision>(context);
    patterns = std::move(set);
    return success();
  }

  void runOnOperation() override {
    // Only this rewrite: constants stay where they are.
    GreedyRewriteConfig config;
    config.enableFolding(false).enableConstantCSE(false);
    if (failed(applyPatternsGreedily(getOperation(), patterns, config)))
      signalPassFailure();
  }

  FrozenRewritePatternSet patterns;
};
} // namespace
