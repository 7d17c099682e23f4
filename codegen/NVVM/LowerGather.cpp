//===- LowerGather.cpp - Tiles whose rows are named by a tile -----------------===//
//
// Part of the lowering to nvvm: tile.gather without a copy, and tile.scatter. A thread
// holds the indices of the rows it reads or writes (LinearLayout::squeeze of the tile's
// layout), so that each row is an address of its own and columns are constants.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Passes.h"
#include "codegen/NVVM/VectorAccess.h"
#include "codegen/NVVM/ViewRegisters.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Analysis/Bounds.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;
using layout::LinearLayout;

namespace {
/// Addresses and bounds of the accesses of one tile of named rows; `Op` is tile.gather or
/// tile.scatter.
template <typename Op> class NamedRows {
public:
  NamedRows(Emitter &emit, Op op, ValueRange viewValues, ValueRange rows, Value column)
      : emit(emit), type(op.getView().getType()), view(emit, type, viewValues),
        rowMap(tilegpu::getLayout(op.getRows())), rows(rows),
        elementBytes(type.getElementType().getIntOrFloatBitWidth() / 8) {
    LinearLayout layout = tilegpu::getLayout(op.getTile());
    first = emit.add(column, emitThreadCoordinate(emit, layout, 1));
    Value start = emit.mul(emit.extend(first), view.strides[1]);
    base = emit.displace(view.base, emit.mul(start, emit.i64(elementBytes)));
    int64_t width = cast<RankedTensorType>(op.getTile().getType()).getDimSize(1);
    auto last = ShapedType::isDynamic(type.getShape()[1]) ? std::nullopt
                                                          : analysis::getUpperBound(op.getColumn());
    isWhole = last && *last + width <= type.getShape()[1];
  }

  Value address(const layout::Coordinates &at) {
    Value row = emit.mul(emit.extend(indexOf(at)), view.strides[0]);
    Value start = emit.displace(base, emit.mul(row, emit.i64(elementBytes)));
    Value step = emit.mul(emit.i64(at[1] * elementBytes), view.strides[1]);
    return emit.displace(start, step);
  }

  /// True where the row exists and the columns are inside.
  Value isInside(const layout::Coordinates &at) {
    Value inside = emit.isBelow(indexOf(at), view.sizes[0]);
    if (isWhole)
      return inside;
    return emit.bitAnd(inside, emit.isBelow(emit.add(first, emit.i32(at[1])), view.sizes[1]));
  }

private:
  Value indexOf(const layout::Coordinates &at) { return rows[rowMap.at({at[0], 0})]; }

  Emitter &emit;
  tile::ViewType type;
  ViewRegisters view;
  RegisterMap rowMap;
  ValueRange rows;
  int64_t elementBytes;
  Value first, base; ///< this thread's first column; where it is in the view
  bool isWhole;      ///< all columns are inside
};

/// The accesses of a tile of named rows; nullopt where other threads hold the rows.
template <typename Op> std::optional<AccessPlan> planRows(Op op) {
  LinearLayout layout = tilegpu::getLayout(op.getTile());
  if (tilegpu::getLayout(op.getRows()) != layout.squeeze(1))
    return std::nullopt;
  auto tile = cast<RankedTensorType>(op.getTile().getType());
  return planAccesses(layout, getMaxWidth(op.getView(), op.getColumn(), tile.getShape()));
}

struct LowerGather : OpConversionPattern<tile::GatherOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::GatherOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    std::optional<AccessPlan> plan = planRows(op);
    if (!plan)
      return rewriter.notifyMatchFailure(op, "other threads hold the rows");
    auto tile = cast<RankedTensorType>(op.getTile().getType());
    Emitter emit(rewriter, op.getLoc());
    NamedRows memory(emit, op, adaptor.getView(), adaptor.getRows(), adaptor.getColumn().front());
    Type element = getRegisterType(tile.getElementType());
    unsigned align = plan->width * element.getIntOrFloatBitWidth() / 8;
    Value zero = arith::ConstantOp::create(rewriter, op.getLoc(), rewriter.getZeroAttr(element));
    SmallVector<Value> registers = readRegisters(
        *plan, tilegpu::getLayout(op.getTile()).getNumRegisters(), [&](const Access &access) {
          return buildGuarded(emit, memory.isInside(access.origin), plan->width, zero, [&] {
            return loadVector(emit, memory.address(access.origin), element, plan->width, align);
          });
        });
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};

struct LowerScatter : OpConversionPattern<tile::ScatterOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::ScatterOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    std::optional<AccessPlan> plan = planRows(op);
    if (!plan)
      return rewriter.notifyMatchFailure(op, "other threads hold the rows");
    auto tile = cast<RankedTensorType>(op.getTile().getType());
    Emitter emit(rewriter, op.getLoc());
    NamedRows memory(emit, op, adaptor.getView(), adaptor.getRows(), adaptor.getColumn().front());
    unsigned align = plan->width * tile.getElementTypeBitWidth() / 8;
    for (const Access &access : plan->accesses) {
      OpBuilder::InsertionGuard guard(rewriter);
      auto branch = scf::IfOp::create(rewriter, op.getLoc(), memory.isInside(access.origin),
                                      /*withElseRegion=*/false);
      rewriter.setInsertionPointToStart(branch.thenBlock());
      storeVector(emit, memory.address(access.origin), pickRegisters(adaptor.getTile(), access),
                  align);
    }
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void nvvm::populateGatherPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerGather, LowerScatter>(converter, patterns.getContext());
}
