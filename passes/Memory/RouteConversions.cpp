//===- RouteConversions.cpp - Layout conversions through shared memory --------===//
//
// Part of the Memory phase, after pipelining (which turns most conversions into
// reads of its buffers) and before allocation:
//
//   convert(t) = local_load(local_store(t))     unless registers are renamed
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Conversion.h"
#include "mlir/IR/Builders.h"
#include "passes/Memory/Passes.h"
#include "passes/Memory/SharedReads.h"

using namespace mlir;
using namespace tilewright;
using layout::LayoutConversion;

namespace tilewright::memory {
#define GEN_PASS_DEF_ROUTECONVERSIONS
#include "passes/Memory/Passes.h.inc"
} // namespace tilewright::memory

/// Whether rounds of shuffles are fewer instructions a warp than the way
/// through shared memory: a shuffle and, for each lane or warp bit that changes
/// which register is sent or filled, a select a round; against the wavefronts
/// of both accesses, the address arithmetic and a barrier.
static bool isBetterShuffled(const LayoutConversion &conversion, unsigned bits) {
  if (conversion.kind != LayoutConversion::Kind::Shuffles || bits > 32)
    return false;
  constexpr uint64_t addressesAndBarrier = 16;
  const layout::ShufflePlan &plan = conversion.shuffles;
  uint64_t selects = 0;
  for (const layout::BitMatrix *matrix : {&plan.send, &plan.receive})
    selects += llvm::count_if(matrix->getColumns().drop_front(plan.roundBits),
                              [](uint64_t column) { return column != 0; });
  uint64_t warps = uint64_t(1) << (plan.from.getColumns().size() - plan.roundBits - plan.laneBits);
  const layout::SharedRoundTrip &trip = conversion.roundTrip;
  uint64_t shared = (trip.store.wavefronts + trip.load.wavefronts) / warps + addressesAndBarrier;
  return plan.getNumRounds() * (1 + selects) <= shared;
}

/// Replaces a conversion by a store and loads; `swizzle` is the tile's.
static void goThroughShared(tilegpu::ConvertLayoutOp op, unsigned swizzle) {
  OpBuilder builder(op);
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(op.getSource().getType());
  auto memory =
      tilegpu::MemDescType::get(op.getContext(), 1, type.getShape(), type.getElementType(),
                                tilegpu::SharedAttr::get(op.getContext(), swizzle));
  Value tile = tilegpu::AllocOp::create(builder, loc, memory, IntegerAttr());
  tilegpu::LocalStoreOp::create(builder, loc, op.getSource(), tile);
  if (memory::isOnlySliced(op.getResult())) {
    for (Operation *user : llvm::make_early_inc_range(op.getResult().getUsers())) {
      auto slice = cast<tile::SliceOp>(user);
      builder.setInsertionPoint(slice);
      Value part = tilegpu::LocalLoadOp::create(
          builder, slice.getLoc(), slice.getResult().getType(), tile, slice.getOffsets());
      slice.replaceAllUsesWith(part);
      slice.erase();
    }
  } else {
    SmallVector<int64_t> origin(type.getRank(), 0);
    Value whole =
        tilegpu::LocalLoadOp::create(builder, loc, op.getResult().getType(), tile, origin);
    op.replaceAllUsesWith(whole);
  }
  op.erase();
}

namespace {
struct RouteConversionsPass : memory::impl::RouteConversionsBase<RouteConversionsPass> {
  void runOnOperation() override {
    SmallVector<tilegpu::ConvertLayoutOp> conversions;
    getOperation().walk([&](tilegpu::ConvertLayoutOp op) { conversions.push_back(op); });
    for (tilegpu::ConvertLayoutOp op : conversions) {
      auto type = cast<RankedTensorType>(op.getSource().getType());
      unsigned bits = type.getElementTypeBitWidth();
      if (bits % 8 != 0) {
        op.emitError() << "expects elements of whole bytes to go through shared memory, but got "
                       << type.getElementType();
        return signalPassFailure();
      }
      auto conversion = layout::synthesizeConversion(tilegpu::getLayout(op.getSource()),
                                                     tilegpu::getLayout(op.getResult()), bits / 8);
      if (!conversion) {
        op.emitError() << "expects layouts of one tile over the same threads";
        return signalPassFailure();
      }
      if (conversion->kind == LayoutConversion::Kind::Moves || isBetterShuffled(*conversion, bits))
        continue;
      unsigned swizzle = type.getRank() == 2 ? conversion->roundTrip.shared.swizzleBytes : 0;
      goThroughShared(op, memory::getOperandSwizzle(op.getResult()).value_or(swizzle));
    }
  }
};
} // namespace
