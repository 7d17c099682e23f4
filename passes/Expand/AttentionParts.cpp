//===- AttentionParts.cpp - Blocks that share the keys of a tile of rows ------===//
//
// Part of Expand; see AttentionProgram.h. With split_keys a launch says into how many
// parts the keys of a tile of rows are cut. They are divided into chunks, each with a
// maximum, a sum and an accumulator of its own:
//
//   chunk == 0     a chunk is a part: the tiles that rows see, over the parts
//   chunk == c     chunks end at multiples of c keys, whatever the parts, each of which
//                  takes whole ones: so bits do not depend on how many there are
//
// A chunk leaves its state in a slot of the workspace. The last block of each group of 16
// chunks to arrive adds the group's up in order, the last of the groups the groups', and
// ends the rows. One chunk needs none of this and is decided at run time.
//
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/Expand/AttentionProgram.h"

using namespace mlir;
using namespace tilewright;
using expand::AttentionProgram;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Chunks that one block adds up.
static constexpr int64_t groupSize = 16;

//===----------------------------------------------------------------------===//
// Sharing out
//===----------------------------------------------------------------------===//

Value AttentionProgram::ceilDiv(Value a, Value b) {
  return arith::DivUIOp::create(builder, loc, sub(add(a, b), constant(1)), b);
}

AttentionProgram::Parts AttentionProgram::countParts() {
  Parts parts;
  Value one = constant(1), splits = argument(splitsArg);
  Value tiles = maximum(sub(endTile, firstTile), constant(0));
  if (schedule.chunk) {
    parts.chunkTiles = constant(schedule.chunk / schedule.tileK);
    Value first = arith::DivUIOp::create(builder, loc, firstTile, parts.chunkTiles);
    Value behind = ceilDiv(add(firstTile, tiles), parts.chunkTiles);
    parts.firstTile = arith::MulIOp::create(builder, loc, first, parts.chunkTiles);
    parts.chunks = maximum(sub(behind, first), one);
    parts.slots = ceilDiv(getReach(), constant(schedule.chunk));
  } else {
    parts.chunkTiles = maximum(ceilDiv(tiles, splits), one);
    parts.firstTile = firstTile;
    parts.chunks = maximum(ceilDiv(tiles, parts.chunkTiles), one);
    parts.slots = splits;
  }
  parts.slots = maximum(parts.slots, one);
  parts.groups = ceilDiv(parts.slots, constant(groupSize));
  Value each = ceilDiv(parts.chunks, splits);
  parts.begin = arith::MulIOp::create(builder, loc, part, each);
  parts.end = minimum(add(parts.begin, each), parts.chunks);

  // The number of the tile of rows: over all heads and batches.
  Value tilesOfHead = countRowTiles();
  Value plane = programId(1);
  if (!attention.hasSequences()) {
    int64_t heads = attention.getQueryHeads() / getPackedHeads();
    plane = add(scaled(programId(2), heads), plane);
  }
  parts.block = add(arith::MulIOp::create(builder, loc, plane, tilesOfHead), rowTile);
  return parts;
}

/// Tiles of rows of a head, as the grid has them.
Value AttentionProgram::countRowTiles() {
  Value rows = scaled(getExtent("Sq"), getPackedHeads());
  Value tiles = ceilDiv(rows, constant(schedule.tileQ));
  if (!attention.hasSequences())
    return tiles;
  return add(tiles, sub(getExtent("starts"), constant(1)));
}

/// Slots of a tile of rows, over the dimensions.
std::string AttentionProgram::getSlotsText() {
  if (!schedule.chunk)
    return "splits";
  return "max(1, ceildiv(" + getReachText() + ", " + std::to_string(schedule.chunk) + "))";
}

SmallVector<tile::WorkspaceAttr> AttentionProgram::getWorkspaces(const std::string &blocks) {
  constexpr int64_t bytes = 4;
  std::string slots = getSlotsText();
  std::string groups = "ceildiv(" + slots + ", " + std::to_string(groupSize) + ")";
  std::string states = "(" + blocks + ") * (" + slots + " + " + groups + ") * ";
  int64_t columns = schedule::getPaddedSize(attention.getValueSize());
  auto get = [&](StringRef name, const std::string &text, bool isCounter) {
    return tile::WorkspaceAttr::get(builder.getContext(), name, text, isCounter, isCounter);
  };
  return {
      get("parts", states + std::to_string(schedule.tileQ * columns * bytes), false),
      get("sums", states + std::to_string(schedule.tileQ * 2 * bytes), false),
      get("counters", "(" + blocks + ") * (1 + " + groups + ") * " + std::to_string(bytes), true)};
}

//===----------------------------------------------------------------------===//
// States
//===----------------------------------------------------------------------===//

/// Where a slot of `elements` starts.
Value AttentionProgram::getSlot(const Parts &parts, unsigned pointer, Value slot,
                                int64_t elements) {
  Type i64 = builder.getI64Type();
  auto widen = [&](Value value) { return arith::ExtUIOp::create(builder, loc, i64, value); };
  Value slots = add(parts.slots, parts.groups);
  Value number =
      add(arith::MulIOp::create(builder, loc, widen(parts.block), widen(slots)), widen(slot));
  Value size = arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(elements));
  Value distance = arith::MulIOp::create(builder, loc, number, size);
  return tile::AdvanceOp::create(builder, loc, argument(pointer), distance, f32());
}

/// The rows of a slot that exist.
Value AttentionProgram::viewRows(Value base, int64_t width) {
  Value rows = sub(scaled(queryCount, getPackedHeads()), rowStart);
  rows = minimum(maximum(rows, constant(0)), constant(schedule.tileQ));
  return view(base, {ShapedType::kDynamic, width}, f32(), {width, 1}, width == 1 ? 4 : 16, rows);
}

void AttentionProgram::storeState(const Parts &parts, Value slot, const State &state) {
  Value zero = constant(0);
  int64_t columns = schedule::getPaddedSize(attention.getValueSize());
  Value sums = getSlot(parts, sumsArg, slot, 2 * schedule.tileQ);
  Value size = arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(schedule.tileQ));
  Value second = tile::AdvanceOp::create(builder, loc, sums, size, f32());
  tile::StoreOp::create(builder, loc, state.max, viewRows(sums, 1), ValueRange{zero, zero});
  tile::StoreOp::create(builder, loc, state.sum, viewRows(second, 1), ValueRange{zero, zero});
  Value all = viewRows(getSlot(parts, partsArg, slot, schedule.tileQ * columns), columns);
  for (auto [part, acc] : llvm::zip_equal(valueParts, state.acc))
    tile::StoreOp::create(builder, loc, acc, all, ValueRange{zero, constant(part.start)});
}

/// A state and that of a slot, both relative to the larger maximum. Accumulators are read
/// a part at a time, since registers have no room for two.
AttentionProgram::State AttentionProgram::addSlot(const State &state, const Parts &parts,
                                                  Value slot) {
  Value zero = constant(0);
  Value sums = getSlot(parts, sumsArg, slot, 2 * schedule.tileQ);
  Value size = arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(schedule.tileQ));
  Value second = tile::AdvanceOp::create(builder, loc, sums, size, f32());
  Value max = load(viewRows(sums, 1), {zero, zero}, rowShape());
  Value ofSlot = load(viewRows(second, 1), {zero, zero}, rowShape());
  State sum;
  sum.max = arith::MaximumFOp::create(builder, loc, state.max, max);
  Value shift = arith::NegFOp::create(builder, loc, getShift(sum.max));
  auto getFactor = [&](Value value) {
    return exp2(math::FmaOp::create(builder, loc, value, splat(exponentScale, rowShape()), shift));
  };
  Value left = getFactor(state.max), right = getFactor(max);
  sum.sum = math::FmaOp::create(builder, loc, state.sum, left,
                                arith::MulFOp::create(builder, loc, ofSlot, right));
  int64_t columns = schedule::getPaddedSize(attention.getValueSize());
  Value all = viewRows(getSlot(parts, partsArg, slot, schedule.tileQ * columns), columns);
  for (auto [part, acc] : llvm::zip_equal(valueParts, state.acc)) {
    SmallVector<int64_t> shape = {schedule.tileQ, part.width};
    Value moved = arith::MulFOp::create(
        builder, loc, load(all, {zero, constant(part.start)}, shape), spread(right, shape));
    sum.acc.push_back(math::FmaOp::create(builder, loc, acc, spread(left, shape), moved));
  }
  return sum;
}

static SmallVector<Value> flatten(Value max, Value sum, ArrayRef<Value> acc) {
  SmallVector<Value> all = {max, sum};
  all.append(acc.begin(), acc.end());
  return all;
}

/// Buffers for slots, in the memory that tiles of k and v had.
int64_t AttentionProgram::countMergeStages() {
  constexpr int64_t sumBytes = 4;
  int64_t columns = schedule::getPaddedSize(attention.getValueSize());
  auto getRowBytes = [](const Operand &operand) -> int64_t {
    if (!operand.value)
      return 0;
    RankedTensorType type = tensorOf(operand.value);
    return type.getDimSize(3) * type.getElementTypeBitWidth() / 8;
  };
  int64_t room = schedule.stages * schedule.tileK * (getRowBytes(k) + getRowBytes(v));
  return std::min(schedule.stages, room / (schedule.tileQ * columns * sumBytes));
}

/// Slots begin .. end in order.
AttentionProgram::State AttentionProgram::mergeStates(const Parts &parts, Value begin, Value end) {
  State start = startState();
  auto loop = scf::ForOp::create(builder, loc, begin, end, constant(1),
                                 flatten(start.max, start.sum, start.acc));
  if (int64_t stages = countMergeStages(); stages > 1)
    loop->setAttr(tile::stagesAttrName, builder.getI32IntegerAttr(stages));
  auto toState = [](ValueRange values) {
    return State{values[0], values[1], Values(values.drop_front(2))};
  };
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  State next = addSlot(toState(loop.getRegionIterArgs()), parts, loop.getInductionVar());
  scf::YieldOp::create(builder, loc, flatten(next.max, next.sum, next.acc));
  return toState(loop.getResults());
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

Value AttentionProgram::arrive(const Parts &parts, Value counter, Value expected) {
  Value counters = arith::MulIOp::create(builder, loc, parts.block, add(parts.groups, constant(1)));
  return tile::ArriveOp::create(builder, loc, argument(countersArg), add(counters, counter),
                                expected);
}

/// What one of two makes, by a condition of the whole block.
AttentionProgram::Ending AttentionProgram::choose(Value condition,
                                                  llvm::function_ref<Ending()> then,
                                                  llvm::function_ref<Ending()> otherwise) {
  State types = startState();
  Values sample = flatten(types.max, types.sum, types.acc);
  SmallVector<Type> results = llvm::to_vector(ValueRange(sample).getTypes());
  results.push_back(builder.getI1Type());
  auto branch = scf::IfOp::create(builder, loc, results, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  for (auto [block, build] :
       {std::pair(branch.thenBlock(), then), {branch.elseBlock(), otherwise}}) {
    builder.setInsertionPointToStart(block);
    auto [state, ends] = build();
    Values yielded = flatten(state.max, state.sum, state.acc);
    yielded.push_back(ends);
    scf::YieldOp::create(builder, loc, yielded);
  }
  ValueRange values = branch.getResults();
  return {State{values[0], values[1], Values(values.drop_front(2).drop_back())}, values.back()};
}

AttentionProgram::Ending AttentionProgram::addGroup(const Parts &parts, Value group,
                                                    const State &sum) {
  Value groups = ceilDiv(parts.chunks, constant(groupSize));
  storeState(parts, add(parts.slots, group), sum);
  Value isLast = arrive(parts, constant(0), groups);
  return choose(
      isLast,
      [&] { return Ending(mergeStates(parts, parts.slots, add(parts.slots, groups)), isLast); },
      [&] { return Ending(sum, isLast); });
}

AttentionProgram::Ending AttentionProgram::addPart(const Parts &parts, Value chunk,
                                                   const State &own) {
  Value group = arith::DivUIOp::create(builder, loc, chunk, constant(groupSize));
  Value first = scaled(group, groupSize);
  Value count = minimum(sub(parts.chunks, first), constant(groupSize));
  storeState(parts, chunk, own);
  Value isLast = arrive(parts, add(group, constant(1)), count);
  return choose(
      isLast,
      [&] {
        State sum = mergeStates(parts, first, add(first, count));
        Value isOnly = compare(arith::CmpIPredicate::sle, parts.chunks, constant(groupSize));
        return choose(
            isOnly, [&] { return Ending(sum, isOnly); },
            [&] { return addGroup(parts, group, sum); });
      },
      [&] { return Ending(own, isLast); });
}

void AttentionProgram::buildParts() {
  Parts parts = countParts();
  auto loop = scf::ForOp::create(builder, loc, parts.begin, parts.end, constant(1));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Value chunk = loop.getInductionVar();
  Value first = add(parts.firstTile, arith::MulIOp::create(builder, loc, chunk, parts.chunkTiles));
  State own = buildLoop(maximum(first, firstTile), minimum(add(first, parts.chunkTiles), endTile));
  Value isOnly = compare(arith::CmpIPredicate::eq, parts.chunks, constant(1));
  auto [state, ends] = choose(
      isOnly, [&] { return Ending(own, isOnly); }, [&] { return addPart(parts, chunk, own); });
  auto branch = scf::IfOp::create(builder, loc, ends, /*withElseRegion=*/false);
  builder.setInsertionPointToStart(branch.thenBlock());
  storeResults(state);
}
