//===- AttentionBlocks.cpp - Lists of blocks of keys --------------------------===//
//
// Part of Expand; see AttentionProgram.h. A list names the blocks of keys that a block of
// rows sees, those in which a function decides before those that are visible altogether.
// The loop goes over the tiles of listed blocks in the order of the list:
//
//   turn t: entry t / tiles of a block, tile t % tiles of it
//
// so what is shared out among parts and split into two loops are turns.
//
//===----------------------------------------------------------------------===//
#include "passes/Expand/AttentionProgram.h"

using namespace mlir;
using namespace tilewright;
using expand::AttentionProgram;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

void AttentionProgram::placeBlocks() {
  int64_t rows = (*attention.getBlockSize())[0], keys = (*attention.getBlockSize())[1];
  bool isOfKeys = tensorOf(blocks.value).getDimSize(1) == attention.getKeyHeads();
  Value query = arith::DivSIOp::create(builder, loc, rowStart, constant(getPackedHeads()));
  Value number = arith::DivSIOp::create(builder, loc, query, constant(rows));
  auto viewRow = [&](const Operand &operand) {
    RankedTensorType type = tensorOf(operand.value);
    Value wide = arith::ExtUIOp::create(builder, loc, builder.getI64Type(), number);
    Value distance = arith::MulIOp::create(builder, loc, wide, getStride(operand, 2));
    Value base = getHead(operand, batch, isOfKeys ? keyHead : head);
    base = tile::AdvanceOp::create(builder, loc, base, distance, type.getElementType());
    Values sizes;
    if (type.isDynamicDim(3))
      sizes.push_back(getExtent("Kb"));
    return view(base, {type.getDimSize(3)}, type.getElementType(), {1}, 4, sizes);
  };
  Value counts = viewRow(blockCounts);
  blockList = viewRow(blocks);
  auto readCount = [&](int64_t kind) -> Value {
    Value count = tile::ReadOp::create(builder, loc, builder.getI32Type(), counts,
                                       ValueRange(constant(kind)));
    return minimum(maximum(count, constant(0)), getExtent("Kb"));
  };
  int64_t tiles = keys / schedule.tileK;
  Value partial = readCount(0);
  Value all = minimum(add(partial, readCount(1)), getExtent("Kb"));
  firstTile = constant(0);
  endTile = scaled(all, tiles);
  fullTiles = std::pair(scaled(partial, tiles), endTile);
}

Value AttentionProgram::getTile(Value turn) {
  if (!hasBlocks())
    return turn;
  int64_t tiles = (*attention.getBlockSize())[1] / schedule.tileK;
  Value count = constant(tiles);
  Value entry = arith::DivUIOp::create(builder, loc, turn, count);
  Value number =
      tile::ReadOp::create(builder, loc, builder.getI32Type(), blockList, ValueRange(entry));
  return add(scaled(number, tiles), arith::RemUIOp::create(builder, loc, turn, count));
}

Value AttentionProgram::getReach() {
  return hasBlocks() ? scaled(getExtent("Kb"), (*attention.getBlockSize())[1]) : getRoom();
}

std::string AttentionProgram::getReachText() {
  if (hasBlocks())
    return getExtentText("Kb") + " * " + std::to_string((*attention.getBlockSize())[1]);
  if (isPaged())
    return getExtentText("pages") + " * " + std::to_string(getPageSize());
  return getExtentText("Sk");
}
