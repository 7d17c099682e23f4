//===- PipelineLoops.cpp - Overlap loads with work through shared memory -----===//
//
// First pass of the Memory phase. With s stages the loop
//
//   for i: t = load(i); use(t)
// becomes
//   for i in 0..s-2: copy(i -> slot i); commit
//   for i: wait(s - 2); copy(i + s-1 -> slot (i + s-1) % s); commit
//          t = read(slot i % s); use(t)
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Analysis/Divisibility.h"
#include "passes/Memory/Passes.h"
#include "passes/Memory/SharedReads.h"

using namespace mlir;
using namespace tilewright;

namespace tilewright::memory {
#define GEN_PASS_DEF_PIPELINELOOPS
#include "passes/Memory/Passes.h.inc"
} // namespace tilewright::memory

/// Bytes one asynchronous copy moves for a thread.
constexpr int64_t copyBytes = 16;

/// True when the value can be computed for another iteration: it depends on
/// nothing the loop carries but the induction variable, without side effects.
static bool dependsOnlyOnInduction(Value value, scf::ForOp loop) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return argument.getOwner() != loop.getBody() || argument == loop.getInductionVar();
  Operation *op = value.getDefiningOp();
  if (!loop->isProperAncestor(op))
    return true;
  return isMemoryEffectFree(op) && op->getNumRegions() == 0 &&
         llvm::all_of(op->getOperands(),
                      [&](Value operand) { return dependsOnlyOnInduction(operand, loop); });
}

/// The pointer a view comes from; the view itself where that is not known.
static Value getBase(Value view) {
  auto op = view.getDefiningOp<tile::ViewOp>();
  return op ? analysis::getRootPointer(op.getBase()) : view;
}

/// True when the loop stores to the memory the load reads: a copy that starts
/// ahead could miss what an earlier iteration writes.
static bool isWrittenInLoop(tile::LoadOp load, scf::ForOp loop) {
  return loop
      .walk([&](tile::StoreOp store) {
        return getBase(store.getView()) == getBase(load.getView()) ? WalkResult::interrupt()
                                                                   : WalkResult::advance();
      })
      .wasInterrupted();
}

namespace {
/// A load of the loop and its slots.
struct Stream {
  tile::LoadOp load;
  Value memory;
};

class Pipeliner {
public:
  Pipeliner(scf::ForOp loop, int64_t stages) : loop(loop), builder(loop), stages(stages) {}

  /// Finds the loads to pipeline; remarks on those that cannot be.
  bool collect();
  void run();

private:
  std::string whyNot(tile::LoadOp load);
  Value cloneFor(Value value, Value induction, IRMapping &mapping);
  void startCopies(Value induction, Value slot);
  Value constant(int64_t value) {
    return arith::ConstantOp::create(builder, loop.getLoc(),
                                     builder.getIntegerAttr(loop.getStep().getType(), value));
  }
  Value index(int64_t value) {
    return arith::ConstantOp::create(builder, loop.getLoc(), builder.getI32IntegerAttr(value));
  }
  Value advance(Value slot);
  scf::ForOp buildLoop();
  void readFromSlot(Stream &stream, Value slot, IRMapping &mapping);

  scf::ForOp loop;
  OpBuilder builder;
  int64_t stages;
  SmallVector<Stream> streams;
};
} // namespace

/// Why asynchronous copies cannot serve a load; empty when they can.
std::string Pipeliner::whyNot(tile::LoadOp load) {
  auto type = cast<RankedTensorType>(load.getTile().getType());
  int64_t bytes =
      analysis::getAccessBytes(load.getView(), load.getOffsets(), type.getShape(), copyBytes);
  if (bytes < copyBytes)
    return "16-byte copies need aligned rows, but only " + std::to_string(bytes) +
           "-byte accesses are known to be aligned and whole";
  if (!llvm::all_of(load->getOperands(),
                    [&](Value value) { return dependsOnlyOnInduction(value, loop); }))
    return "its address depends on a value the loop carries";
  if (isWrittenInLoop(load, loop))
    return "the loop writes to the memory it reads";
  return "";
}

bool Pipeliner::collect() {
  for (auto load : loop.getBody()->getOps<tile::LoadOp>()) {
    if (std::string reason = whyNot(load); reason.empty())
      streams.push_back({load, nullptr});
    else
      load.emitRemark() << "load is not pipelined: " << reason;
  }
  return !streams.empty();
}

/// The value as iteration `induction` would compute it.
Value Pipeliner::cloneFor(Value value, Value induction, IRMapping &mapping) {
  if (value == loop.getInductionVar())
    return induction;
  if (Value known = mapping.lookupOrNull(value))
    return known;
  Operation *op = value.getDefiningOp();
  if (!op || !loop->isProperAncestor(op))
    return value;
  for (Value operand : op->getOperands())
    mapping.map(operand, cloneFor(operand, induction, mapping));
  builder.clone(*op, mapping);
  return mapping.lookup(value);
}

/// Starts the copies of one iteration, if it exists, and closes their group.
void Pipeliner::startCopies(Value induction, Value slot) {
  Location loc = loop.getLoc();
  Value exists = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, induction,
                                       loop.getUpperBound());
  IRMapping mapping;
  for (Stream &stream : streams) {
    Value view = cloneFor(stream.load.getView(), induction, mapping);
    SmallVector<Value> offsets;
    for (Value offset : stream.load.getOffsets())
      offsets.push_back(cloneFor(offset, induction, mapping));
    auto type = cast<tilegpu::MemDescType>(stream.memory.getType());
    Value target = tilegpu::SlotOp::create(builder, loc, type.getSlotType(), stream.memory, slot);
    tilegpu::AsyncCopyOp::create(builder, stream.load.getLoc(), view, offsets, target, exists);
  }
  tilegpu::AsyncCommitOp::create(builder, loc);
}

/// The next slot, round robin.
Value Pipeliner::advance(Value slot) {
  Location loc = loop.getLoc();
  Value next = arith::AddIOp::create(builder, loc, slot, index(1));
  Value wraps = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, next, index(stages));
  return arith::SelectOp::create(builder, loc, wraps, index(0), next);
}

/// Reads what the uses of a load need from its slot: the parts that slices
/// take where they take them, the whole tile for any other use.
void Pipeliner::readFromSlot(Stream &stream, Value slot, IRMapping &mapping) {
  Location loc = stream.load.getLoc();
  auto type = cast<tilegpu::MemDescType>(stream.memory.getType());
  Value source = tilegpu::SlotOp::create(builder, loc, type.getSlotType(), stream.memory, slot);
  if (!memory::isOnlySliced(stream.load.getTile())) {
    SmallVector<int64_t> origin(type.getShape().size(), 0);
    Value whole =
        tilegpu::LocalLoadOp::create(builder, loc, stream.load.getTile().getType(), source, origin);
    mapping.map(stream.load.getTile(), whole);
    return;
  }
  // The clone of each slice reads its part; the memory travels in the mapping.
  mapping.map(stream.load.getTile(), source);
}

scf::ForOp Pipeliner::buildLoop() {
  Location loc = loop.getLoc();
  SmallVector<Value> inits(loop.getInitArgs());
  inits.push_back(index(0));          // slot to read
  inits.push_back(index(stages - 1)); // slot to fill
  auto next = scf::ForOp::create(builder, loc, loop.getLowerBound(), loop.getUpperBound(),
                                 loop.getStep(), inits);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(next.getBody());
  unsigned carried = loop.getNumRegionIterArgs();
  Value readSlot = next.getRegionIterArg(carried), fillSlot = next.getRegionIterArg(carried + 1);

  tilegpu::AsyncWaitOp::create(builder, loc, builder.getI32IntegerAttr(stages - 2));
  Value ahead = arith::MulIOp::create(builder, loc, loop.getStep(), constant(stages - 1));
  startCopies(arith::AddIOp::create(builder, loc, next.getInductionVar(), ahead), fillSlot);

  IRMapping mapping;
  mapping.map(loop.getInductionVar(), next.getInductionVar());
  for (unsigned i = 0; i < carried; ++i)
    mapping.map(loop.getRegionIterArg(i), next.getRegionIterArg(i));
  for (Operation &op : loop.getBody()->without_terminator()) {
    auto stream = llvm::find_if(streams, [&](Stream &s) { return s.load == &op; });
    if (stream != streams.end()) {
      readFromSlot(*stream, readSlot, mapping);
      continue;
    }
    auto slice = dyn_cast<tile::SliceOp>(op);
    Value source = slice ? mapping.lookupOrNull(slice.getSource()) : Value();
    if (source && isa<tilegpu::MemDescType>(source.getType())) {
      mapping.map(slice.getResult(),
                  tilegpu::LocalLoadOp::create(builder, op.getLoc(), slice.getResult().getType(),
                                               source, slice.getOffsets()));
      continue;
    }
    builder.clone(op, mapping);
  }
  SmallVector<Value> yielded;
  for (Value value : loop.getYieldedValues())
    yielded.push_back(mapping.lookupOrDefault(value));
  yielded.push_back(advance(readSlot));
  yielded.push_back(advance(fillSlot));
  scf::YieldOp::create(builder, loc, yielded);
  return next;
}

void Pipeliner::run() {
  Location loc = loop.getLoc();
  for (Stream &stream : streams) {
    auto type = cast<RankedTensorType>(stream.load.getTile().getType());
    unsigned swizzle = memory::getOperandSwizzle(stream.load.getTile()).value_or(0);
    auto memory = tilegpu::MemDescType::get(
        builder.getContext(), stages, type.getShape(), type.getElementType(),
        tilegpu::SharedAttr::get(builder.getContext(), swizzle));
    stream.memory = tilegpu::AllocOp::create(builder, stream.load.getLoc(), memory, IntegerAttr());
  }
  for (int64_t i = 0; i < stages - 1; ++i) {
    Value distance = arith::MulIOp::create(builder, loc, loop.getStep(), constant(i));
    startCopies(arith::AddIOp::create(builder, loc, loop.getLowerBound(), distance), index(i));
  }
  scf::ForOp next = buildLoop();
  loop.replaceAllUsesWith(next.getResults().take_front(loop.getNumResults()));
  loop.erase();
}

namespace {
struct PipelineLoopsPass : memory::impl::PipelineLoopsBase<PipelineLoopsPass> {
  void runOnOperation() override {
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](scf::ForOp loop) {
      if (loop->hasAttr(tile::stagesAttrName))
        loops.push_back(loop);
    });
    for (scf::ForOp loop : loops) {
      auto attr = dyn_cast<IntegerAttr>(loop->removeAttr(tile::stagesAttrName));
      if (!attr || attr.getInt() < 1) {
        loop.emitError() << "expects " << tile::stagesAttrName << " to be a positive integer";
        return signalPassFailure();
      }
      if (attr.getInt() == 1)
        continue;
      Pipeliner pipeliner(loop, attr.getInt());
      if (pipeliner.collect())
        pipeliner.run();
    }
  }
};
} // namespace
