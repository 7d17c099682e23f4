//===- SplitReductions.cpp - Reductions that cross warps ----------------------===//
//
// Part of the Layout phase, after assign-layouts. Warps see each other's values
// through shared memory only, which is the memory phase's business:
//
//   reduce(t) = reduce(convert(warp_reduce(t)))     where warps share a row
//
// The conversion brings every warp's part to all threads; the second reduction
// is of registers.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Reduction.h"
#include "mlir/IR/Builders.h"
#include "passes/Layout/Passes.h"

using namespace mlir;
using namespace tilewright;

namespace tilewright::layoutpasses {
#define GEN_PASS_DEF_SPLITREDUCTIONS
#include "passes/Layout/Passes.h.inc"
} // namespace tilewright::layoutpasses

static void split(tile::ReduceOp op, const layout::Reduction &plan) {
  OpBuilder builder(op);
  Location loc = op.getLoc();
  auto source = cast<RankedTensorType>(op.getSource().getType());
  SmallVector<int64_t> shape(source.getShape());
  shape[op.getDim()] = plan.warps;
  auto parts = RankedTensorType::get(shape, source.getElementType());
  Value ofWarps = tilegpu::WarpReduceOp::create(
      builder, loc, tilegpu::withLayout(parts, plan.perWarp), op.getKindAttr(), op.getSource(),
      builder.getI64IntegerAttr(op.getDim()));
  Value everywhere = tilegpu::ConvertLayoutOp::create(
      builder, loc, tilegpu::withLayout(parts, plan.gathered), ofWarps);
  op.getSourceMutable().assign(everywhere);
}

namespace {
struct SplitReductionsPass : layoutpasses::impl::SplitReductionsBase<SplitReductionsPass> {
  void runOnOperation() override {
    WalkResult result = getOperation().walk([](tile::ReduceOp op) -> WalkResult {
      tilegpu::LayoutAttr attr = tilegpu::getLayoutAttr(op.getSource().getType());
      if (!attr)
        return WalkResult::advance();
      auto plan = layout::planReduction(attr.getLayout(), op.getDim());
      if (!plan)
        return op.emitOpError() << "expects lanes and warps that move along dimension "
                                << op.getDim() << " or others, not both, but got "
                                << op.getSource().getType();
      if (plan->warps > 1)
        split(op, *plan);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
