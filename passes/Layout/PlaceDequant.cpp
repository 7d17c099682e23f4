//===- PlaceDequant.cpp - Unpack weights in the operand's registers ----------===//
//
// dequant(slice(unpack(words), row)) = tilegpu.dequant words row. Runs after
// assign-layouts, which gave words and values layouts that make it legal; the
// fused op's verifier proves that they do.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Packing.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Layout/Passes.h"

using namespace mlir;
using namespace tilewright;

namespace tilewright::layoutpasses {
#define GEN_PASS_DEF_PLACEDEQUANT
#include "passes/Layout/Passes.h.inc"
} // namespace tilewright::layoutpasses

namespace {
struct FuseUnpack : OpRewritePattern<tile::DequantOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(tile::DequantOp op, PatternRewriter &rewriter) const override {
    Value codes = op.getCodes();
    int64_t row = 0;
    if (auto slice = codes.getDefiningOp<tile::SliceOp>()) {
      if (slice.getOffsets()[1] != 0 ||
          slice.getSource().getType().getDimSize(1) != slice.getResult().getType().getDimSize(1))
        return rewriter.notifyMatchFailure(op, "a slice of columns");
      row = slice.getOffsets()[0];
      codes = slice.getSource();
    }
    auto unpack = codes.getDefiningOp<tile::UnpackOp>();
    if (!unpack)
      return rewriter.notifyMatchFailure(op, "codes do not come from packed words");
    unsigned bits = cast<RankedTensorType>(codes.getType()).getElementTypeBitWidth();
    auto packed = tilegpu::PackedAttr::get(op.getContext(), bits, op.getFormatAttr(), op.getBias(),
                                           layout::packingVersion);
    rewriter.replaceOpWithNewOp<tilegpu::DequantOp>(op, op.getValues().getType(), unpack.getWords(),
                                                    op.getZero(), op.getTable(),
                                                    rewriter.getI64IntegerAttr(row), packed);
    return success();
  }
};

struct PlaceDequantPass : layoutpasses::impl::PlaceDequantBase<PlaceDequantPass> {
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    set.add<FuseUnpack>(context);
    patterns = std::move(set);
    return success();
  }

  void runOnOperation() override {
    if (failed(applyPatternsGreedily(getOperation(), patterns)))
      return signalPassFailure();
    WalkResult left = getOperation().walk([](tile::DequantOp op) -> WalkResult {
      return op.emitOpError() << "expects codes that come from tile.unpack";
    });
    if (left.wasInterrupted())
      signalPassFailure();
  }

  FrozenRewritePatternSet patterns;
};
} // namespace
