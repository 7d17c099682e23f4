//===- InsertBarriers.cpp - Order shared-memory accesses of a block ----------===//
//
// Last pass of the Memory phase; offsets are known, so hazards are hazards
// between bytes. A forward analysis carries three sets of byte ranges:
//   read     read since the last barrier
//   written  written, or landed by an async_wait, since the last barrier
//   flying   asynchronous copies on their way
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/Builders.h"
#include "passes/Memory/Passes.h"

using namespace mlir;
using namespace tilewright;

namespace tilewright::memory {
#define GEN_PASS_DEF_INSERTBARRIERS
#include "passes/Memory/Passes.h.inc"
} // namespace tilewright::memory

namespace {
/// Byte range of an allocation.
using ByteRange = std::pair<int64_t, int64_t>;

class RangeSet {
public:
  bool overlaps(ByteRange range) const {
    return llvm::any_of(ranges, [&](ByteRange other) {
      return range.first < other.second && other.first < range.second;
    });
  }
  void insert(ByteRange range) { ranges.insert(range); }
  void insert(const RangeSet &other) { ranges.insert(other.ranges.begin(), other.ranges.end()); }
  void clear() { ranges.clear(); }
  bool operator==(const RangeSet &other) const { return ranges == other.ranges; }

private:
  std::set<ByteRange> ranges;
};

struct State {
  RangeSet read, written, flying;

  void join(const State &other) {
    read.insert(other.read);
    written.insert(other.written);
    flying.insert(other.flying);
  }
  /// Threads have met: what was done is ordered. Copies go on.
  void meet() {
    read.clear();
    written.clear();
  }
  bool operator==(const State &other) const {
    return read == other.read && written == other.written && flying == other.flying;
  }
};

/// Runs the analysis; `insert` says whether conflicts get a barrier or are only
/// simulated.
class Analyzer {
public:
  explicit Analyzer(bool insert) : insert(insert) {}
  void visitBlock(Block &block, State &state);

private:
  void visit(Operation *op, State &state);
  void visitLoop(scf::ForOp loop, State &state);
  void require(Operation *op, bool conflict, State &state);

  bool insert;
};
} // namespace

/// The allocation that `memory` names; null where it is not known.
static tilegpu::AllocOp findAlloc(Value memory) {
  while (auto slot = memory.getDefiningOp<tilegpu::SlotOp>())
    memory = slot.getMemory();
  return memory.getDefiningOp<tilegpu::AllocOp>();
}

static ByteRange getRange(Value memory) {
  tilegpu::AllocOp alloc = findAlloc(memory);
  auto type = alloc.getMemory().getType();
  int64_t offset = alloc.getOffset().value_or(0);
  return {offset, offset + type.getSlots() * type.getSlotBytes()};
}

/// The memory that an asynchronous copy fills.
static Value getTarget(Operation *copy) {
  if (auto gather = dyn_cast<tilegpu::AsyncGatherOp>(copy))
    return gather.getMemory();
  return cast<tilegpu::AsyncCopyOp>(copy).getMemory();
}

void Analyzer::require(Operation *op, bool conflict, State &state) {
  if (!conflict)
    return;
  if (insert) {
    OpBuilder builder(op);
    tilegpu::BarrierOp::create(builder, op->getLoc());
  }
  state.meet();
}

void Analyzer::visit(Operation *op, State &state) {
  if (isa<tilegpu::BarrierOp, tile::ArriveOp>(op)) {
    state.meet();
  } else if (isa<tilegpu::AsyncCopyOp, tilegpu::AsyncGatherOp>(op)) {
    ByteRange range = getRange(getTarget(op));
    require(op, state.read.overlaps(range) || state.written.overlaps(range), state);
    state.flying.insert(range);
  } else if (isa<tilegpu::AsyncWaitOp>(op)) {
    state.written.insert(state.flying);
  } else if (auto load = dyn_cast<tilegpu::LocalLoadOp>(op)) {
    ByteRange range = getRange(load.getMemory());
    require(op, state.written.overlaps(range), state);
    state.read.insert(range);
  } else if (auto store = dyn_cast<tilegpu::LocalStoreOp>(op)) {
    ByteRange range = getRange(store.getMemory());
    require(op, state.read.overlaps(range) || state.written.overlaps(range), state);
    state.written.insert(range);
  } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
    visitLoop(loop, state);
  } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
    State other = state;
    visitBlock(*branch.thenBlock(), state);
    if (Block *block = branch.elseBlock())
      visitBlock(*block, other);
    state.join(other);
  }
}

/// The entry state of the body is the join of what comes from before and from
/// the end of the body; sets only grow, so this ends.
void Analyzer::visitLoop(scf::ForOp loop, State &state) {
  State entry = state;
  while (true) {
    State exit = entry;
    Analyzer(/*insert=*/false).visitBlock(*loop.getBody(), exit);
    State joined = entry;
    joined.join(exit);
    if (joined == entry)
      break;
    entry = joined;
  }
  state = entry;
  visitBlock(*loop.getBody(), state);
  state.join(entry);
}

void Analyzer::visitBlock(Block &block, State &state) {
  for (Operation &op : llvm::make_early_inc_range(block))
    visit(&op, state);
}

/// What the analysis relies on: it knows which bytes an op reaches and when.
static LogicalResult verifyAccess(Operation *op, func::FuncOp function) {
  for (Value operand : op->getOperands()) {
    if (!isa<tilegpu::MemDescType>(operand.getType()))
      continue;
    if (!findAlloc(operand))
      return op->emitOpError() << "expects memory from a tilegpu.alloc of the kernel";
    for (Operation *parent = op->getParentOp(); parent != function; parent = parent->getParentOp())
      if (!isa<scf::ForOp, scf::IfOp>(parent))
        return op->emitOpError() << "expects shared memory to be used in scf.for and scf.if only, "
                                 << "but got " << parent->getName();
  }
  return success();
}

namespace {
struct InsertBarriersPass : memory::impl::InsertBarriersBase<InsertBarriersPass> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!function->hasAttr(tile::kernelAttrName))
      return;
    WalkResult known =
        function.walk([&](Operation *op) -> WalkResult { return verifyAccess(op, function); });
    if (known.wasInterrupted())
      return signalPassFailure();
    State state;
    Analyzer(/*insert=*/true).visitBlock(function.getBody().front(), state);
  }
};
} // namespace
