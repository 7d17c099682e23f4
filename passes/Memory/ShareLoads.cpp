//===- ShareLoads.cpp - Tiles that stay in shared memory ----------------------===//
//
// Part of the Memory phase, after pipelining (whose groups of copies it counts) and
// before conversions are routed:
//
//   t = load; loop { use(slice(t)) }
//     = copy(t -> memory); commit; ...; wait; loop { use(local_load(memory)) }
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/Builders.h"
#include "passes/Analysis/Divisibility.h"
#include "passes/Memory/Streams.h"

using namespace mlir;
using namespace tilewright;

namespace tilewright::memory {
#define GEN_PASS_DEF_SHARELOADS
#include "passes/Memory/Passes.h.inc"
} // namespace tilewright::memory

/// Ops that name a part of the tile, or its registers, and do no work.
static bool isRenaming(Operation *op) { return isa<tile::SliceOp, tilegpu::ConvertLayoutOp>(op); }

/// What works on the tile, or on a part of it; the ops between are added to `renamings`.
static SmallVector<OpOperand *> findUses(Value tile, SmallVector<Operation *> &renamings) {
  SmallVector<OpOperand *> uses;
  for (OpOperand &use : tile.getUses()) {
    if (!isRenaming(use.getOwner())) {
      uses.push_back(&use);
      continue;
    }
    uses.append(findUses(use.getOwner()->getResult(0), renamings));
    renamings.push_back(use.getOwner()); // users before what they use
  }
  return uses;
}

/// Where in the tile `value`, a part of it, begins.
static SmallVector<int64_t> getOrigin(Value value, Value tile) {
  SmallVector<int64_t> origin(cast<RankedTensorType>(tile.getType()).getRank(), 0);
  for (; value != tile; value = value.getDefiningOp()->getOperand(0))
    if (auto slice = value.getDefiningOp<tile::SliceOp>())
      for (auto [start, offset] : llvm::zip_equal(origin, slice.getOffsets()))
        start += offset;
  return origin;
}

/// The swizzle for all uses; nullopt where some of them is no operand of a product.
static std::optional<unsigned> getSwizzle(ArrayRef<OpOperand *> uses, Value memoryTile) {
  auto type = cast<RankedTensorType>(memoryTile.getType());
  for (OpOperand *use : uses)
    if (!memory::isReadAsMatrices(use->get()))
      return std::nullopt;
  int64_t rowBytes = type.getShape().back() * type.getElementTypeBitWidth() / 8;
  return layout::chooseLdmatrixSwizzle(rowBytes).swizzleBytes;
}

/// Groups of copies that are committed between `from` and `to`, ops of one block.
static int64_t countGroups(Operation *from, Operation *to) {
  int64_t count = 0;
  for (Operation *op = from->getNextNode(); op != to; op = op->getNextNode())
    count += isa<tilegpu::AsyncCommitOp>(op);
  return count;
}

/// Copies the tile, and waits for that before the first use. Copies that are started in
/// between go on.
static void copy(OpBuilder &builder, tile::LoadOp load, Value tile, Operation *firstUse) {
  Location loc = load.getLoc();
  tilegpu::AsyncCopyOp::create(builder, loc, load.getView(), load.getOffsets(), tile, Value());
  auto commit = tilegpu::AsyncCommitOp::create(builder, loc);
  builder.setInsertionPoint(firstUse);
  tilegpu::AsyncWaitOp::create(builder, loc,
                               builder.getI32IntegerAttr(countGroups(commit, firstUse)));
}

static void share(tile::LoadOp load) {
  SmallVector<Operation *> renamings;
  SmallVector<OpOperand *> uses = findUses(load.getTile(), renamings);
  if (uses.empty())
    return;
  Operation *firstUse = nullptr;
  for (OpOperand *use : uses) {
    Operation *here = load->getBlock()->findAncestorOpInBlock(*use->getOwner());
    if (!firstUse || here->isBeforeInBlock(firstUse))
      firstUse = here;
  }
  OpBuilder builder(load);
  builder.setInsertionPointAfter(load);
  auto type = cast<RankedTensorType>(load.getTile().getType());
  auto memory = tilegpu::MemDescType::get(
      builder.getContext(), 1, type.getShape(), type.getElementType(),
      tilegpu::SharedAttr::get(builder.getContext(), getSwizzle(uses, load.getTile()).value_or(0)));
  Value tile = tilegpu::AllocOp::create(builder, load.getLoc(), memory, IntegerAttr());
  for (OpOperand *use : uses) {
    builder.setInsertionPoint(use->getOwner());
    use->set(tilegpu::LocalLoadOp::create(builder, load.getLoc(), use->get().getType(), tile,
                                          getOrigin(use->get(), load.getTile())));
  }
  for (Operation *renaming : renamings)
    renaming->erase();
  builder.setInsertionPointAfterValue(tile);
  constexpr int64_t copyBytes = 16;
  if (analysis::getAccessBytes(load.getView(), load.getOffsets(), type.getShape()) < copyBytes) {
    tilegpu::LocalStoreOp::create(builder, load.getLoc(), load.getTile(), tile);
    return;
  }
  copy(builder, load, tile, firstUse);
  load.erase();
}

namespace {
struct ShareLoadsPass : memory::impl::ShareLoadsBase<ShareLoadsPass> {
  void runOnOperation() override {
    SmallVector<tile::LoadOp> loads;
    getOperation().walk([&](tile::LoadOp load) {
      if (load->removeAttr(memory::sharedAttrName))
        loads.push_back(load);
    });
    for (tile::LoadOp load : loads)
      share(load);
  }
};
} // namespace
