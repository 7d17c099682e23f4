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
static void copy(OpBuilder &builder, tile::LoadOp load, Value memory, Operation *firstUse) {
  Location loc = load.getLoc();
  tilegpu::AsyncCopyOp::create(builder, loc, load.getView(), load.getOffsets(), memory, Value());
  auto commit = tilegpu::AsyncCommitOp::create(builder, loc);
  builder.setInsertionPoint(firstUse);
  tilegpu::AsyncWaitOp::create(builder, loc,
                               builder.getI32IntegerAttr(countGroups(commit, firstUse)));
}

/// Whether 16-byte copies can serve the load. The rows of a gather would have to be where
/// copies want them.
static bool isCopied(Operation *op) {
  constexpr int64_t copyBytes = 16;
  auto load = dyn_cast<tile::LoadOp>(op);
  return load && analysis::getAccessBytes(load.getView(), load.getOffsets(),
                                          load.getTile().getType().getShape()) >= copyBytes;
}

static void share(Operation *op) {
  Value tile = op->getResult(0);
  SmallVector<Operation *> renamings;
  SmallVector<OpOperand *> uses = findUses(tile, renamings);
  if (uses.empty())
    return;
  Operation *firstUse = nullptr;
  for (OpOperand *use : uses) {
    Operation *here = op->getBlock()->findAncestorOpInBlock(*use->getOwner());
    if (!firstUse || here->isBeforeInBlock(firstUse))
      firstUse = here;
  }
  OpBuilder builder(op);
  builder.setInsertionPointAfter(op);
  auto type = cast<RankedTensorType>(tile.getType());
  auto memory = tilegpu::MemDescType::get(
      builder.getContext(), 1, type.getShape(), type.getElementType(),
      tilegpu::SharedAttr::get(builder.getContext(), getSwizzle(uses, tile).value_or(0)));
  Value shared = tilegpu::AllocOp::create(builder, op->getLoc(), memory, IntegerAttr());
  for (OpOperand *use : uses) {
    builder.setInsertionPoint(use->getOwner());
    use->set(tilegpu::LocalLoadOp::create(builder, op->getLoc(), use->get().getType(), shared,
                                          getOrigin(use->get(), tile)));
  }
  for (Operation *renaming : renamings)
    renaming->erase();
  builder.setInsertionPointAfterValue(shared);
  if (!isCopied(op)) {
    tilegpu::LocalStoreOp::create(builder, op->getLoc(), tile, shared);
    return;
  }
  copy(builder, cast<tile::LoadOp>(op), shared, firstUse);
  op->erase();
}

namespace {
struct ShareLoadsPass : memory::impl::ShareLoadsBase<ShareLoadsPass> {
  void runOnOperation() override {
    SmallVector<Operation *> loads;
    getOperation().walk([&](Operation *op) {
      if (isa<tile::LoadOp, tile::GatherOp>(op) && op->removeAttr(memory::sharedAttrName))
        loads.push_back(op);
    });
    for (Operation *load : loads)
      share(load);
  }
};
} // namespace
