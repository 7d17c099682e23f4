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
// Loads of a staggered loop have a group of copies each and wait only for their
// own, where they are used. Then one slot is enough to overlap: the next copy
// starts when the work on this one is done, and runs during the rest of the body.
//
//===----------------------------------------------------------------------===//
#include "passes/Memory/Streams.h"

using namespace mlir;
using namespace tilewright;
using memory::Stream;

namespace tilewright::memory {
#define GEN_PASS_DEF_PIPELINELOOPS
#include "passes/Memory/Passes.h.inc"
} // namespace tilewright::memory

namespace {
class Pipeliner {
public:
  Pipeliner(scf::ForOp loop, int64_t stages, bool staggered)
      : loop(loop), builder(loop), stages(stages), staggered(staggered),
        ahead(std::max<int64_t>(1, stages - 1)) {}

  /// Finds the loads to pipeline; remarks on those that cannot be.
  bool collect();
  void run();

private:
  void startCopies(ArrayRef<Stream> group, Value induction, Value slot);
  Value constant(int64_t value) {
    return arith::ConstantOp::create(builder, loop.getLoc(),
                                     builder.getIntegerAttr(loop.getStep().getType(), value));
  }
  Value index(int64_t value) {
    return arith::ConstantOp::create(builder, loop.getLoc(), builder.getI32IntegerAttr(value));
  }
  /// The induction variable `distance` turns after `from`.
  Value turnsAfter(Value from, int64_t distance) {
    Value steps = arith::MulIOp::create(builder, loop.getLoc(), loop.getStep(), constant(distance));
    return arith::AddIOp::create(builder, loop.getLoc(), from, steps);
  }
  void wait(int64_t pending) {
    tilegpu::AsyncWaitOp::create(builder, loop.getLoc(), builder.getI32IntegerAttr(pending));
  }
  Value advance(Value slot);
  void startBeforeLoop();
  scf::ForOp buildLoop();
  void buildBody(scf::ForOp next);
  void visit(Operation &op, scf::ForOp next, IRMapping &mapping);
  int64_t countPending(const Stream &stream);
  void readFromSlot(Stream &stream, Value slot, IRMapping &mapping);

  scf::ForOp loop;
  OpBuilder builder;
  int64_t stages;
  bool staggered;
  int64_t ahead; ///< turns between a copy and its use
  Value readSlot, fillSlot;
  SmallVector<Stream> streams;
};
} // namespace

bool Pipeliner::collect() {
  for (Operation &op : *loop.getBody()) {
    if (!isa<tile::LoadOp, tile::GatherOp>(op))
      continue;
    if (memory::isIndexOnly(&op))
      continue;
    if (std::string reason = memory::whyNotCopied(&op, loop); reason.empty())
      streams.push_back({&op});
    else
      op.emitRemark() << "load is not pipelined: " << reason;
  }
  if (streams.empty())
    return false;
  if (staggered) {
    memory::sinkReads(loop, streams);
    for (Stream &stream : streams)
      stream.lastUse = memory::findLastUse(stream.op);
    llvm::sort(streams, [](const Stream &a, const Stream &b) {
      return a.lastUse == b.lastUse ? a.op->isBeforeInBlock(b.op)
                                    : a.lastUse->isBeforeInBlock(b.lastUse);
    });
  }
  return true;
}

/// Starts the copies of one iteration, if it exists, and closes their group.
void Pipeliner::startCopies(ArrayRef<Stream> group, Value induction, Value slot) {
  Location loc = loop.getLoc();
  Value exists = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, induction,
                                       loop.getUpperBound());
  memory::IterationCloner cloner(builder, loop, induction);
  for (const Stream &stream : group) {
    auto type = cast<tilegpu::MemDescType>(stream.memory.getType());
    auto getTarget = [&]() -> Value {
      if (stages == 1)
        return stream.memory;
      return tilegpu::SlotOp::create(builder, loc, type.getSlotType(), stream.memory, slot);
    };
    memory::startCopy(builder, stream.op, cloner, getTarget, exists);
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
  Location loc = stream.op->getLoc();
  Value tile = stream.op->getResult(0), source = stream.memory;
  auto type = cast<tilegpu::MemDescType>(stream.memory.getType());
  if (stages > 1)
    source = tilegpu::SlotOp::create(builder, loc, type.getSlotType(), stream.memory, slot);
  if (!memory::isReadInParts(tile)) {
    SmallVector<int64_t> origin(type.getShape().size(), 0);
    Value whole = tilegpu::LocalLoadOp::create(builder, loc, tile.getType(), source, origin);
    mapping.map(tile, whole);
    return;
  }
  // The clone of each slice reads its part, in its own layout; the memory travels in the
  // mapping, through conversions too.
  mapping.map(tile, source);
}

/// Groups of a staggered loop that are committed after the one a stream waits
/// for: those of the turns ahead and of this one, less what this turn has yet to
/// start. With several slots each stream starts its next copy right after its own
/// wait; with one, where the work on it ends.
int64_t Pipeliner::countPending(const Stream &stream) {
  int64_t count = streams.size();
  if (stages > 1)
    return count * ahead - 1;
  int64_t position = &stream - streams.begin(), started = 0;
  for (const Stream &other : streams)
    started += other.lastUse->isBeforeInBlock(stream.op);
  return count - 1 - position + started;
}

void Pipeliner::visit(Operation &op, scf::ForOp next, IRMapping &mapping) {
  auto stream = llvm::find_if(streams, [&](Stream &s) { return s.op == &op; });
  if (stream != streams.end()) {
    if (staggered) {
      wait(countPending(*stream));
      if (stages > 1)
        startCopies(*stream, turnsAfter(next.getInductionVar(), ahead), fillSlot);
    }
    return readFromSlot(*stream, readSlot, mapping);
  }
  auto slice = dyn_cast<tile::SliceOp>(op);
  bool isConversion = isa<tilegpu::ConvertLayoutOp>(op);
  Value source = slice || isConversion ? mapping.lookupOrNull(op.getOperand(0)) : Value();
  bool isInMemory = source && isa<tilegpu::MemDescType>(source.getType());
  if (isInMemory && isConversion) {
    mapping.map(op.getResult(0), source);
  } else if (isInMemory) {
    mapping.map(slice.getResult(),
                tilegpu::LocalLoadOp::create(builder, op.getLoc(), slice.getResult().getType(),
                                             source, slice.getOffsets()));
  } else {
    builder.clone(op, mapping);
  }
}

void Pipeliner::buildBody(scf::ForOp next) {
  if (!staggered) {
    wait(stages - 2);
    startCopies(streams, turnsAfter(next.getInductionVar(), ahead), fillSlot);
  }
  unsigned carried = loop.getNumRegionIterArgs();
  IRMapping mapping;
  mapping.map(loop.getInductionVar(), next.getInductionVar());
  for (unsigned i = 0; i < carried; ++i)
    mapping.map(loop.getRegionIterArg(i), next.getRegionIterArg(i));
  for (Operation &op : *loop.getBody()) {
    if (!op.hasTrait<OpTrait::IsTerminator>())
      visit(op, next, mapping);
    if (stages == 1)
      for (Stream &stream : streams)
        if (stream.lastUse == &op)
          startCopies(stream, turnsAfter(next.getInductionVar(), 1), Value());
  }
  SmallVector<Value> yielded;
  for (Value value : loop.getYieldedValues())
    yielded.push_back(mapping.lookupOrDefault(value));
  if (stages > 1)
    yielded.append({advance(readSlot), advance(fillSlot)});
  scf::YieldOp::create(builder, loop.getLoc(), yielded);
}

scf::ForOp Pipeliner::buildLoop() {
  SmallVector<Value> inits(loop.getInitArgs());
  if (stages > 1)
    inits.append({index(0), index(ahead)}); // slots to read and to fill
  auto next = scf::ForOp::create(builder, loop.getLoc(), loop.getLowerBound(), loop.getUpperBound(),
                                 loop.getStep(), inits);
  OpBuilder::InsertionGuard guard(builder);
  // Without iteration arguments the builder makes the terminator itself.
  if (inits.empty())
    next.getBody()->getTerminator()->erase();
  builder.setInsertionPointToStart(next.getBody());
  if (stages > 1) {
    readSlot = next.getRegionIterArgs().drop_back().back();
    fillSlot = next.getRegionIterArgs().back();
  }
  buildBody(next);
  return next;
}

/// The copies of the first turns, in the order in which the loop goes on.
void Pipeliner::startBeforeLoop() {
  for (int64_t i = 0; i < ahead; ++i) {
    Value induction = turnsAfter(loop.getLowerBound(), i), slot = index(i);
    if (!staggered) {
      startCopies(streams, induction, slot);
      continue;
    }
    for (Stream &stream : streams)
      startCopies(stream, induction, slot);
  }
}

void Pipeliner::run() {
  for (Stream &stream : streams)
    stream.memory = memory::allocateSlots(builder, stream.op, stages);
  startBeforeLoop();
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
      bool staggered = bool(loop->removeAttr(tile::staggeredAttrName));
      if (!attr || attr.getInt() < 1) {
        loop.emitError() << "expects " << tile::stagesAttrName << " to be a positive integer";
        return signalPassFailure();
      }
      if (attr.getInt() == 1 && !staggered)
        continue;
      Pipeliner pipeliner(loop, attr.getInt(), staggered);
      if (pipeliner.collect())
        pipeliner.run();
    }
  }
};
} // namespace
