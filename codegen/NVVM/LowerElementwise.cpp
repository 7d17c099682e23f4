//===- LowerElementwise.cpp - Register-wise and shape ops --------------------===//
//
// Part of the lowering to nvvm. An elementwise op on tiles is itself once a
// register; broadcasts, transposes, reshapes and slices only say which
// register is which.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Indexing.h"
#include "codegen/NVVM/Passes.h"
#include "dialects/TileGPU/TileGPUDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace tilewright;
using layout::LinearLayout;

namespace {
/// `op(tile, tile) -> tile` becomes one scalar op a register.
struct LowerElementwise : ConversionPattern {
  LowerElementwise(const TypeConverter &converter, MLIRContext *context)
      : ConversionPattern(converter, MatchAnyOpTypeTag(), /*benefit=*/1, context) {}

  LogicalResult matchAndRewrite(Operation *op, ArrayRef<ValueRange> operands,
                                ConversionPatternRewriter &rewriter) const override {
    if (!op->hasTrait<OpTrait::Elementwise>() || op->getNumResults() != 1 ||
        op->getNumRegions() != 0 || isa<tile::SaturateOp>(op)) // no such op of scalars
      return failure();
    auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    if (!type || !tilegpu::getLayoutAttr(type))
      return failure();
    unsigned count = tilegpu::getLayout(op->getResult(0)).getNumRegisters();
    // A scalar operand (the condition of a select) serves every register.
    auto isScalar = [&](unsigned i) { return !isa<RankedTensorType>(op->getOperand(i).getType()); };
    for (auto [i, operand] : llvm::enumerate(operands))
      if (!isScalar(i) && operand.size() != count)
        return rewriter.notifyMatchFailure(op, "operands in different layouts");
    SmallVector<Value> results;
    for (unsigned reg = 0; reg < count; ++reg) {
      OperationState state(op->getLoc(), op->getName());
      for (auto [i, operand] : llvm::enumerate(operands))
        state.addOperands(operand[isScalar(i) ? 0 : reg]);
      state.addTypes(type.getElementType());
      state.addAttributes(op->getAttrs());
      results.push_back(rewriter.create(state)->getResult(0));
    }
    rewriter.replaceOpWithMultiple(op, {results});
    return success();
  }
};

struct LowerConstant : OpConversionPattern<arith::ConstantOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(arith::ConstantOp op, OpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto splat = dyn_cast<SplatElementsAttr>(op.getValue());
    if (!splat || !tilegpu::getLayoutAttr(op.getType()))
      return rewriter.notifyMatchFailure(op, "not a splat tile with a layout");
    auto value = splat.getSplatValue<TypedAttr>();
    Value scalar = arith::ConstantOp::create(rewriter, op.getLoc(), value);
    SmallVector<Value> registers(tilegpu::getLayout(op).getNumRegisters(), scalar);
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

struct LowerSplat : OpConversionPattern<tile::SplatOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::SplatOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    SmallVector<Value> registers(tilegpu::getLayout(op.getResult()).getNumRegisters(),
                                 adaptor.getScalar());
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

/// The thread's own coordinate plus a constant a register.
struct LowerIota : OpConversionPattern<tile::IotaOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::IotaOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    nvvm::Emitter emit(rewriter, op.getLoc());
    LinearLayout layout = tilegpu::getLayout(op.getResult());
    Value first =
        emit.add(adaptor.getStart(), nvvm::emitThreadCoordinate(emit, layout, op.getDim()));
    SmallVector<Value> registers;
    for (unsigned reg = 0, e = layout.getNumRegisters(); reg != e; ++reg)
      registers.push_back(emit.add(first, emit.i32(layout.apply(reg, 0, 0)[op.getDim()])));
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

/// Ops that only rename registers: result register r is the source register
/// that holds the element `sourceOf(coordinates of r)`. Legal when all threads
/// agree, that is when source and result displace lanes and warps alike.
template <typename Op> struct LowerRenaming : OpConversionPattern<Op> {
  using OpConversionPattern<Op>::OpConversionPattern;
  using Adaptor = typename OpConversionPattern<Op>::OneToNOpAdaptor;

  LogicalResult matchAndRewrite(Op op, Adaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    LinearLayout source = tilegpu::getLayout(op.getSource());
    LinearLayout result = tilegpu::getLayout(op.getResult());
    // Lanes and warps are checked at their powers of two: maps are linear.
    for (unsigned lane = 1; lane < result.getNumLanes(); lane *= 2)
      if (source.apply(0, lane, 0) != fromZero(op, result.apply(0, lane, 0)))
        return rewriter.notifyMatchFailure(op, "lanes hold other elements");
    for (unsigned warp = 1; warp < result.getNumWarps(); warp *= 2)
      if (source.apply(0, 0, warp) != fromZero(op, result.apply(0, 0, warp)))
        return rewriter.notifyMatchFailure(op, "warps hold other elements");
    nvvm::RegisterMap map(source);
    SmallVector<Value> registers;
    for (unsigned reg = 0, e = result.getNumRegisters(); reg != e; ++reg) {
      layout::Coordinates at = sourceOf(op, result.apply(reg, 0, 0));
      if (!map.contains(at))
        return rewriter.notifyMatchFailure(op, "another thread holds the element");
      registers.push_back(adaptor.getSource()[map.at(at)]);
    }
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }

private:
  static layout::Coordinates sourceOf(tile::BroadcastOp op, layout::Coordinates at) {
    for (auto [coordinate, extent] :
         llvm::zip_equal(at, cast<RankedTensorType>(op.getSource().getType()).getShape()))
      if (extent == 1)
        coordinate = 0;
    return at;
  }
  static layout::Coordinates sourceOf(tile::SliceOp op, layout::Coordinates at) {
    for (auto [coordinate, offset] : llvm::zip_equal(at, op.getOffsets()))
      coordinate += offset;
    return at;
  }
  static layout::Coordinates sourceOf(tile::TransposeOp op, layout::Coordinates at) {
    layout::Coordinates from(at);
    for (auto [i, dim] : llvm::enumerate(op.getOrder()))
      from[dim] = at[i];
    return from;
  }
  static layout::Coordinates sourceOf(tile::ReshapeOp op, layout::Coordinates at) {
    int64_t index = 0;
    for (auto [coordinate, extent] :
         llvm::zip_equal(at, cast<RankedTensorType>(op.getResult().getType()).getShape()))
      index = index * extent + coordinate;
    auto shape = cast<RankedTensorType>(op.getSource().getType()).getShape();
    layout::Coordinates from(shape.size());
    for (unsigned dim = shape.size(); dim-- > 0; index /= shape[dim])
      from[dim] = index % shape[dim];
    return from;
  }
  static layout::Coordinates sourceOf(tilegpu::ConvertLayoutOp, layout::Coordinates at) {
    return at;
  }

  /// Displacement of `at` in the source's coordinates: a slice's offset does
  /// not move with the thread.
  static layout::Coordinates fromZero(Op op, layout::Coordinates at) {
    layout::Coordinates origin = sourceOf(op, layout::Coordinates(at.size(), 0));
    layout::Coordinates from = sourceOf(op, at);
    for (auto [coordinate, start] : llvm::zip_equal(from, origin))
      coordinate -= start;
    return from;
  }
};
} // namespace

void nvvm::populateElementwisePatterns(const TypeConverter &converter,
                                       RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  patterns
      .add<LowerElementwise, LowerConstant, LowerSplat, LowerIota, LowerRenaming<tile::BroadcastOp>,
           LowerRenaming<tile::SliceOp>, LowerRenaming<tile::TransposeOp>,
           LowerRenaming<tile::ReshapeOp>, LowerRenaming<tilegpu::ConvertLayoutOp>>(converter,
                                                                                    context);
}
