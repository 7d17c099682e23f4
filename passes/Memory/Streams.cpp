//===- Streams.cpp - Loads of a loop as copies ahead of it --------------------===//
//
// Part of tw-pipeline-loops; see Streams.h.
//
//===----------------------------------------------------------------------===//
#include "passes/Memory/Streams.h"
#include "passes/Analysis/Divisibility.h"

using namespace mlir;
using namespace tilewright;

/// Bytes one asynchronous copy moves for a thread.
constexpr int64_t copyBytes = 16;

/// The pointer a view comes from; the view itself where that is not known.
static Value getBase(Value view) {
  auto op = view.getDefiningOp<tile::ViewOp>();
  return op ? analysis::getRootPointer(op.getBase()) : view;
}

/// True when the loop stores to the memory of the view: a copy that starts ahead
/// could miss what an earlier iteration writes.
static bool isWrittenInLoop(Value view, scf::ForOp loop) {
  return loop
      .walk([&](Operation *op) {
        bool isWrite =
            isa<tile::StoreOp, tile::ScatterOp>(op) && getBase(op->getOperand(1)) == getBase(view);
        return isWrite ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

/// The view that an op reads; null for ops that read none.
static Value getReadView(Operation *op) {
  if (isa<tile::LoadOp, tile::GatherOp, tile::ReadOp>(op))
    return op->getOperand(0);
  return {};
}

/// True when the value can be computed for another iteration: it depends on
/// nothing the loop carries but the induction variable, without side effects, and
/// reads no memory that the loop writes.
static bool dependsOnlyOnInduction(Value value, scf::ForOp loop) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return argument.getOwner() != loop.getBody() || argument == loop.getInductionVar();
  Operation *op = value.getDefiningOp();
  if (!loop->isProperAncestor(op))
    return true;
  Value view = getReadView(op);
  bool isRepeatable = view ? !isWrittenInLoop(view, loop) : isMemoryEffectFree(op);
  return isRepeatable && op->getNumRegions() == 0 &&
         llvm::all_of(op->getOperands(),
                      [&](Value operand) { return dependsOnlyOnInduction(operand, loop); });
}

std::string memory::whyNotCopied(Operation *op, scf::ForOp loop) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  Value view = op->getOperand(0);
  // Of a gather the columns are what is contiguous; its offset is the last operand, too.
  ValueRange offsets = isa<tile::GatherOp>(op) ? op->getOperands().take_back(1)
                                               : ValueRange(op->getOperands()).drop_front(1);
  int64_t bytes = analysis::getAccessBytes(view, offsets, type.getShape(), copyBytes);
  if (bytes < copyBytes)
    return "16-byte copies need aligned rows, but only " + std::to_string(bytes) +
           "-byte accesses are known to be aligned and whole";
  if (!llvm::all_of(op->getOperands(),
                    [&](Value value) { return dependsOnlyOnInduction(value, loop); }))
    return "its address depends on a value the loop carries";
  if (isWrittenInLoop(view, loop))
    return "the loop writes to the memory it reads";
  return "";
}

bool memory::isIndexOnly(Operation *op) {
  if (op->use_empty())
    return false;
  SmallVector<Operation *> worklist = {op};
  DenseSet<Operation *> seen;
  while (!worklist.empty())
    for (OpOperand &use : worklist.pop_back_val()->getUses()) {
      Operation *user = use.getOwner();
      if (auto gather = dyn_cast<tile::GatherOp>(user); gather && &use == &gather.getRowsMutable())
        continue;
      if (user->getNumRegions() != 0 || user->hasTrait<OpTrait::IsTerminator>() ||
          !isMemoryEffectFree(user))
        return false;
      if (user->use_empty())
        return false;
      if (seen.insert(user).second)
        worklist.push_back(user);
    }
  return true;
}

Value memory::allocateSlots(OpBuilder &builder, Operation *op, int64_t slots) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  unsigned swizzle = memory::getOperandSwizzle(op->getResult(0)).value_or(0);
  auto memory =
      tilegpu::MemDescType::get(builder.getContext(), slots, type.getShape(), type.getElementType(),
                                tilegpu::SharedAttr::get(builder.getContext(), swizzle));
  return tilegpu::AllocOp::create(builder, op->getLoc(), memory, IntegerAttr());
}

//===----------------------------------------------------------------------===//
// Another iteration
//===----------------------------------------------------------------------===//

Value memory::IterationCloner::clone(Value value) {
  if (value == loop.getInductionVar())
    return induction;
  if (Value known = mapping.lookupOrNull(value))
    return known;
  Operation *op = value.getDefiningOp();
  if (!op || !loop->isProperAncestor(op))
    return value;
  for (Value operand : op->getOperands())
    mapping.map(operand, clone(operand));
  builder.clone(*op, mapping);
  return mapping.lookup(value);
}

/// True where the op computes its tile in any layout, from operands in the same.
static bool takesAnyLayout(Operation *op) {
  if (isa<arith::ConstantOp, tile::SplatOp, tile::IotaOp, tile::LoadOp>(op))
    return true;
  Type type = op->getResult(0).getType();
  // Rows of a column have the layout of the column.
  if (auto gather = dyn_cast<tile::GatherOp>(op))
    return gather.getTile().getType().getDimSize(1) == 1;
  return op->hasTrait<OpTrait::Elementwise>() && op->getNumResults() == 1 &&
         llvm::all_of(op->getOperandTypes(), [&](Type operand) {
           auto tensor = dyn_cast<RankedTensorType>(operand);
           return !tensor || tensor.getShape() == cast<RankedTensorType>(type).getShape();
         });
}

Value memory::IterationCloner::cloneInLayout(Value tile, const layout::LinearLayout &layout) {
  auto type = tilegpu::withLayout(cast<RankedTensorType>(tile.getType()), layout);
  if (Value known = inLayout.lookup({tile, type}))
    return known;
  Operation *op = tile.getDefiningOp();
  bool isHere = op && loop->isProperAncestor(op);
  bool isLeaf = op && isa<arith::ConstantOp, tile::SplatOp, tile::IotaOp>(op);
  if (!(isHere || isLeaf) || !takesAnyLayout(op)) {
    Value value = clone(tile);
    if (value.getType() != type)
      value = tilegpu::ConvertLayoutOp::create(builder, tile.getLoc(), type, value);
    inLayout[{tile, type}] = value;
    return value;
  }
  IRMapping operands;
  for (Value operand : op->getOperands())
    operands.map(operand, isa<RankedTensorType>(operand.getType()) ? cloneInLayout(operand, layout)
                                                                   : clone(operand));
  Operation *copy = builder.clone(*op, operands);
  Value result = copy->getResult(0);
  result.setType(type);
  if (auto constant = dyn_cast<arith::ConstantOp>(copy))
    constant.setValueAttr(DenseElementsAttr::get(
        type, cast<SplatElementsAttr>(constant.getValue()).getSplatValue<Attribute>()));
  inLayout[{tile, type}] = result;
  return result;
}

/// Copies need the indices where copiedRows has them.
static void startGather(OpBuilder &builder, tile::GatherOp op, memory::IterationCloner &cloner,
                        llvm::function_ref<Value()> getTarget, Value exists) {
  auto tile = cast<RankedTensorType>(op.getTile().getType());
  int64_t rowBytes = tile.getDimSize(1) * tile.getElementTypeBitWidth() / 8;
  auto layout = layout::copiedRows(tile.getDimSize(0), rowBytes / copyBytes,
                                   tilegpu::getLayout(op.getTile()).getNumWarps());
  Value view = cloner.clone(op.getView()), column = cloner.clone(op.getColumn());
  Value rows = cloner.cloneInLayout(op.getRows(), layout);
  tilegpu::AsyncGatherOp::create(builder, op.getLoc(), view, rows, column, getTarget(), exists);
}

void memory::startCopy(OpBuilder &builder, Operation *op, IterationCloner &cloner,
                       llvm::function_ref<Value()> getTarget, Value exists) {
  if (auto gather = dyn_cast<tile::GatherOp>(op))
    return startGather(builder, gather, cloner, getTarget, exists);
  auto load = cast<tile::LoadOp>(op);
  Value view = cloner.clone(load.getView());
  SmallVector<Value> offsets;
  for (Value offset : load.getOffsets())
    offsets.push_back(cloner.clone(offset));
  tilegpu::AsyncCopyOp::create(builder, load.getLoc(), view, offsets, getTarget(), exists);
}

//===----------------------------------------------------------------------===//
// Where uses are
//===----------------------------------------------------------------------===//

/// Ops that say which register is which and do no work.
static bool isRenaming(Operation *op) {
  return isa<tile::TransposeOp, tile::ReshapeOp, tile::SliceOp, tilegpu::ConvertLayoutOp>(op);
}

void memory::sinkReads(scf::ForOp loop, ArrayRef<Stream> streams) {
  DenseSet<Operation *> movable;
  for (const Stream &stream : streams)
    movable.insert(stream.op);
  SmallVector<Operation *> order;
  for (Operation &op : *loop.getBody()) {
    if (isRenaming(&op) && movable.contains(op.getOperand(0).getDefiningOp()))
      movable.insert(&op);
    order.push_back(&op);
  }
  for (Operation *op : llvm::reverse(order)) {
    if (!movable.contains(op))
      continue;
    Operation *first = nullptr;
    for (Operation *user : op->getUsers()) {
      Operation *here = loop.getBody()->findAncestorOpInBlock(*user);
      if (!first || here->isBeforeInBlock(first))
        first = here;
    }
    if (first)
      op->moveBefore(first);
  }
}

Operation *memory::findLastUse(Operation *op) {
  Operation *last = op;
  SmallVector<Operation *> worklist = {op};
  while (!worklist.empty())
    for (Operation *user : worklist.pop_back_val()->getUsers()) {
      Operation *here = op->getBlock()->findAncestorOpInBlock(*user);
      if (last->isBeforeInBlock(here))
        last = here;
      if (isRenaming(user))
        worklist.push_back(user);
    }
  return last;
}
