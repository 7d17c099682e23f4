//===- AttentionPlaces.cpp - Which rows and keys a block has ------------------===//
//
// Part of Expand; see AttentionProgram.h.
//
//===----------------------------------------------------------------------===//
#include "passes/Expand/AttentionProgram.h"
#include "passes/Memory/Attributes.h"

using namespace mlir;
using namespace tilewright;
using expand::AttentionProgram;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

//===----------------------------------------------------------------------===//
// Heads
//===----------------------------------------------------------------------===//

/// i64, of which is known what the launcher checked.
Value AttentionProgram::getStride(const Operand &operand, unsigned axis) {
  if (!operand.strideArgs[axis])
    return arith::ConstantOp::create(builder, loc,
                                     builder.getI64IntegerAttr(operand.strides[axis]));
  unsigned bytes = tensorOf(operand.value).getElementTypeBitWidth() / 8;
  int64_t divisor = std::max<int64_t>(1, getAlign(operand.name) / bytes);
  return tile::AssumeOp::create(builder, loc, argument(*operand.strideArgs[axis]), divisor);
}

Value AttentionProgram::getExtent(StringRef name) {
  for (auto &[known, index] : extentArgs)
    if (known == name)
      return argument(index);
  for (const Operand *operand : {&q, &k, &qStarts, &pageTable, &blocks})
    for (auto [axis, extent] : llvm::enumerate(operand->extents))
      if (extent == name)
        return constant(tensorOf(operand->value).getDimSize(axis));
  llvm_unreachable("every extent is that of an operand");
}

Value AttentionProgram::getHead(const Operand &operand, Value batch, Value head) {
  Type i64 = builder.getI64Type();
  Value distance;
  for (auto [axis, name] : llvm::enumerate(operand.extents)) {
    bool isBatch = name == "N" || (name == "B" && !attention.hasSequences());
    bool isRank = hasFactors() && (name == "Rk" || name == "Rv") && axis == 2;
    Value index = isBatch ? batch : StringRef(name).starts_with("H") || isRank ? head : Value();
    if (!index)
      continue;
    Value wide = arith::ExtUIOp::create(builder, loc, i64, index);
    Value part = arith::MulIOp::create(builder, loc, wide, getStride(operand, axis));
    distance = distance ? add(distance, part) : part;
  }
  return tile::AdvanceOp::create(builder, loc, argument(operand.pointer), distance,
                                 tensorOf(operand.value).getElementType());
}

Value AttentionProgram::viewHead(const Operand &operand, Value head, Value start, Value count,
                                 unsigned align) {
  RankedTensorType type = tensorOf(operand.value);
  Value base = getHead(operand, batch, head);
  int64_t length = start ? ShapedType::kDynamic : type.getDimSize(1);
  Values sizes, strides;
  if (ShapedType::isDynamic(length))
    sizes.push_back(count);
  if (operand.strideArgs[1])
    strides.push_back(getStride(operand, 1));
  if (start) {
    Value wide = arith::ExtUIOp::create(builder, loc, builder.getI64Type(), start);
    Value distance = arith::MulIOp::create(builder, loc, wide, getStride(operand, 1));
    base = tile::AdvanceOp::create(builder, loc, base, distance, type.getElementType());
  }
  return view(base, {length, getColumns(operand)}, getStorage(operand), {operand.strides[1], 1},
              std::min(align, getAlignAt(operand, base)), sizes, strides);
}

Value AttentionProgram::readNumber(const Operand &operand) {
  Type type = tensorOf(operand.value).getElementType();
  Value cell = view(getHead(operand, batch, head), {1}, type, {1}, 4);
  return tile::ReadOp::create(builder, loc, type, cell, ValueRange(constant(0)));
}

//===----------------------------------------------------------------------===//
// Rows and keys
//===----------------------------------------------------------------------===//

/// Blocks are dealt to the tiles of sequences in order:
///
///   before = 0; sequence = 0; tile = -1
///   for b in sequences:
///     tiles = ceil(length of b / tile_q)
///     if before <= block < before + tiles: sequence = b; tile = block - before
///     before += tiles
///
/// The grid has more blocks than there are tiles; what is left over has tile -1 of an
/// empty sequence.
Value AttentionProgram::findSequence() {
  Value block = rowTile, one = constant(1), last = sub(getExtent("starts"), one);
  auto loop = scf::ForOp::create(builder, loc, constant(0), last, one,
                                 Values{constant(0), constant(0), constant(-1)});
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    Value index = loop.getInductionVar(), before = loop.getRegionIterArg(0);
    Value rows = sub(readStart(qStarts, add(index, one)), readStart(qStarts, index));
    rows = scaled(rows, getPackedHeads());
    Value tiles = arith::DivUIOp::create(builder, loc, add(rows, constant(schedule.tileQ - 1)),
                                         constant(schedule.tileQ));
    Value tile = sub(block, before);
    Value isHere = compare(arith::CmpIPredicate::ult, tile, tiles);
    auto select = [&](Value here, unsigned carried) -> Value {
      return arith::SelectOp::create(builder, loc, isHere, here, loop.getRegionIterArg(carried));
    };
    scf::YieldOp::create(builder, loc,
                         Values{add(before, tiles), select(index, 1), select(tile, 2)});
  }
  batch = loop.getResult(1);
  Value tile = loop.getResult(2), next = add(batch, one);
  Value exists = compare(arith::CmpIPredicate::sge, tile, constant(0));
  auto getCount = [&](const Operand &operand, Value start) -> Value {
    Value count = sub(readStart(operand, next), start);
    return arith::SelectOp::create(builder, loc, exists, count, constant(0));
  };
  queryStart = readStart(qStarts, batch);
  queryCount = getCount(qStarts, queryStart);
  if (kLengths.value)
    return tile;
  keyStart = readStart(kStarts, batch);
  keyCount = getCount(kStarts, keyStart);
  return tile;
}

/// Entry `index` of where sequences start.
Value AttentionProgram::readStart(const Operand &operand, Value index) {
  RankedTensorType type = tensorOf(operand.value);
  Values sizes;
  if (type.isDynamicDim(0))
    sizes.push_back(getExtent("starts"));
  Value entries = view(argument(operand.pointer), type.getShape(), type.getElementType(), {1},
                       getAlign(operand.name), sizes);
  return tile::ReadOp::create(builder, loc, type.getElementType(), entries, index);
}

/// Which rows, and their positions. With causal masks later rows see more keys: blocks
/// start from the last, so that long ones do not come at the end.
void AttentionProgram::placeBlock() {
  head = programId(1);
  batch = programId(2);
  rowTile = programId(0);
  if (schedule.splitKeys) {
    part = arith::RemUIOp::create(builder, loc, rowTile, argument(splitsArg));
    rowTile = arith::DivUIOp::create(builder, loc, rowTile, argument(splitsArg));
  }
  int64_t ratio = attention.getQueryHeads() / attention.getKeyHeads(), heads = getPackedHeads();
  keyHead = head;
  if (heads > 1)
    head = scaled(keyHead, heads);
  else if (ratio > 1)
    keyHead = arith::DivUIOp::create(builder, loc, head, constant(ratio));
  queryCount = getExtent("Sq");
  Value tile = attention.hasSequences() ? findSequence() : rowTile;
  if (!keyCount)
    keyCount = countKeys();
  Value rows = scaled(queryCount, heads);
  if (attention.getCausal()) {
    Value tiles = arith::DivUIOp::create(builder, loc, add(rows, constant(schedule.tileQ - 1)),
                                         constant(schedule.tileQ));
    tile = sub(sub(tiles, constant(1)), tile);
  }
  rowStart = scaled(tile, schedule.tileQ);
  distance = sub(keyCount, queryCount);
  if (offset.value)
    distance = add(distance, readNumber(offset));
  auto getPosition = [&](Value row) -> Value {
    if (heads > 1)
      row = arith::DivSIOp::create(builder, loc, row, constant(heads));
    return add(row, distance);
  };
  firstPosition = getPosition(rowStart);
  Value count = minimum(constant(schedule.tileQ), sub(rows, rowStart));
  lastPosition = getPosition(sub(add(rowStart, count), constant(1)));
}

/// Which tiles of keys: those that some row may see.
void AttentionProgram::placeKeys() {
  kView = viewKeys(k);
  if (v.value)
    vView = viewKeys(v);
  if (kScales.value)
    kScaleView = viewKeys(kScales);
  if (vScales.value)
    vScaleView = viewKeys(vScales);
  if (hasBlocks())
    return placeBlocks();
  fullTiles = findFullTiles();
  Value end = keyCount, begin;
  if (attention.getCausal())
    end = minimum(end, add(lastPosition, constant(1)));
  if (getWindow(1) >= 0)
    end = minimum(end, add(lastPosition, constant(getWindow(1) + 1)));
  if (getWindow(0) >= 0)
    begin = maximum(constant(0), sub(firstPosition, constant(getWindow(0))));
  Value tile = constant(schedule.tileK);
  firstTile = begin ? Value(arith::DivUIOp::create(builder, loc, begin, tile)) : constant(0);
  end = maximum(end, constant(0));
  endTile = arith::DivUIOp::create(builder, loc, add(end, constant(schedule.tileK - 1)), tile);
  if (begin) // a window beyond the last key may still begin in its tile
    endTile = arith::SelectOp::create(builder, loc, compare(arith::CmpIPredicate::slt, begin, end),
                                      endTile, constant(0));
}

void AttentionProgram::loadQueries() {
  Value view, rows;
  if (packsHeads()) {
    view = viewPackedHeads(q);
    rows = findPackedRows(getQueryStep(q), constant(1));
  } else {
    view = viewHead(q, head, queryStart, queryCount);
  }
  for (schedule::HeadPart part : headParts) {
    SmallVector<int64_t> shape = {schedule.tileQ, part.width};
    Value start = constant(part.start);
    Value tile =
        rows ? tile::GatherOp::create(builder, loc, tensor(shape, element), view, rows, start)
                   .getResult()
             : load(view, {rowStart, start}, shape);
    if (schedule.sharedQ)
      tile.getDefiningOp()->setAttr(memory::sharedAttrName, builder.getUnitAttr());
    queries.push_back(tile);
  }
}
