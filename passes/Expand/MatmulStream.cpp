//===- MatmulStream.cpp - Products whose blocks share all tiles of y ----------===//
//
// Part of Expand: the program of a schedule with stream_k. All steps along K, of
// all tiles of y, are numbered; each block takes a run of them, as long as every
// other but for one step. So SMs are filled whatever N, M and K are:
//
//   3 tiles of y, 4 steps each, 5 blocks:
//     tile   | 0       | 1       | 2       |
//     block    0 0 0 1   1 1 2 2   3 3 4 4
//
// Tile 0 is added up from parts of blocks 0 and 1, tile 1 from the second part of
// block 1 and that of block 2, tile 2 from parts of blocks 3 and 4.
//
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/Expand/MatmulProgram.h"

using namespace mlir;
using namespace tilewright;
using expand::MatmulProgram;

namespace {
/// Work items 0 .. count - 1, shared by `blocks` blocks: the first `rest` of
/// them have one more than the others' `each`.
///
///   10 items, 4 blocks: [0, 3) [3, 6) [6, 8) [8, 10)
class Shares {
public:
  Shares(OpBuilder &builder, Location loc, Value count, int64_t blocks)
      : builder(builder), loc(loc) {
    each = arith::DivUIOp::create(builder, loc, count, constant(blocks));
    rest = arith::RemUIOp::create(builder, loc, count, constant(blocks));
  }

  Value getStart(Value block) {
    Value before = arith::MulIOp::create(builder, loc, block, each);
    return arith::AddIOp::create(builder, loc, before,
                                 arith::MinUIOp::create(builder, loc, block, rest));
  }

  /// The block that has an item.
  Value getBlock(Value item) {
    Value one = constant(1), longer = arith::AddIOp::create(builder, loc, each, one);
    Value inLonger = arith::MulIOp::create(builder, loc, rest, longer);
    Value isLonger = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ult, item, inLonger);
    Value first = arith::DivUIOp::create(builder, loc, item, longer);
    // Without items for all blocks none comes here; a divisor has to be there.
    Value beyond = arith::SubIOp::create(builder, loc, item, inLonger);
    Value divisor = arith::MaxUIOp::create(builder, loc, each, one);
    Value second = arith::AddIOp::create(builder, loc, rest,
                                         arith::DivUIOp::create(builder, loc, beyond, divisor));
    return arith::SelectOp::create(builder, loc, isLonger, first, second);
  }

private:
  Value constant(int64_t value) {
    return arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(value));
  }

  OpBuilder &builder;
  Location loc;
  Value each, rest;
};
} // namespace

/// Two parts a block: of the tile of y that its share starts in, and of the
/// one that it ends in. Tiles in between are its own.
Value MatmulProgram::buildPartialsOfStream() {
  int64_t tileM = schedule.tileM, tileN = schedule.tileN;
  bool isWhole = !mSize && m % tileM == 0;
  SmallVector<Value> rows;
  if (!isWhole)
    rows.push_back(arith::SubIOp::create(builder, loc, mSize ? mSize : constant(m), rowStart));
  return view(argument(*partialsArg),
              {2 * schedule.streamK, isWhole ? tileM : ShapedType::kDynamic, tileN}, getSumType(),
              {tileM * tileN, tileN, 1}, 16, rows);
}

void MatmulProgram::buildStream() {
  using arith::CmpIPredicate;
  int64_t across = getTilesN();
  Value tilesM = getTilesM();
  Shares shares(builder, loc, timesSteps(tilesM, across * getMatrices()), schedule.streamK);
  Value kTiles = dynamicSteps ? dynamicSteps : constant(getTilesOfK());
  Value block = programId(0), one = constant(1), zero = constant(0);
  Value begin = shares.getStart(block), end = shares.getStart(add(block, one));
  Value firstTile = arith::DivUIOp::create(builder, loc, begin, kTiles);
  Value endTile = arith::DivUIOp::create(builder, loc, plusSteps(end, -1), kTiles);
  auto tiles = scf::ForOp::create(builder, loc, firstTile, endTile, one);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(tiles.getBody());
  Value tile = tiles.getInductionVar(), origin = timesSteps(tile), inMatrix = tile;
  if (facts.batch) {
    Value tilesOfMatrix = scaled(tilesM, across);
    enterMatrix(arith::DivUIOp::create(builder, loc, tile, tilesOfMatrix));
    inMatrix = arith::RemUIOp::create(builder, loc, tile, tilesOfMatrix);
  }
  placeTile(arith::DivUIOp::create(builder, loc, inMatrix, constant(across)),
            arith::RemUIOp::create(builder, loc, inMatrix, constant(across)));
  Value isFirst = compare(CmpIPredicate::eq, tile, firstTile);
  Value lower = arith::SelectOp::create(builder, loc, isFirst,
                                        arith::RemUIOp::create(builder, loc, begin, kTiles), zero);
  Value upper = arith::MinUIOp::create(builder, loc,
                                       arith::SubIOp::create(builder, loc, end, origin), kTiles);
  Value acc = buildMainLoop(lower, upper);

  // A tile that is not all ours: leave our part, and add all if we are last.
  Value isWhole =
      compare(CmpIPredicate::eq, arith::SubIOp::create(builder, loc, upper, lower), kTiles);
  SmallVector<Type> types = {acc.getType(), builder.getI1Type()};
  auto whole = scf::IfOp::create(builder, loc, types, isWhole, /*withElseRegion=*/true);
  builder.setInsertionPointToStart(whole.thenBlock());
  Value yes = compare(CmpIPredicate::eq, zero, zero);
  scf::YieldOp::create(builder, loc, ValueRange{acc, yes});
  builder.setInsertionPointToStart(whole.elseBlock());
  Value partials = buildPartialsOfStream();
  SmallVector<int64_t> shape = {1, schedule.tileM, schedule.tileN};
  Value mine = add(scaled(block, 2), arith::SelectOp::create(builder, loc, isFirst, zero, one));
  tile::StoreOp::create(builder, loc, reshape(acc, shape), partials, ValueRange{mine, zero, zero});
  Value first = shares.getBlock(origin), last = shares.getBlock(plusSteps(origin, -1));
  Value behind = add(last, one);
  Value arrived = arrive(arith::SubIOp::create(builder, loc, behind, first));
  auto adds = scf::IfOp::create(builder, loc, TypeRange(acc.getType()), arrived, true);
  scf::YieldOp::create(builder, loc, ValueRange{adds.getResult(0), arrived});
  builder.setInsertionPointToStart(adds.elseBlock());
  scf::YieldOp::create(builder, loc, acc);
  builder.setInsertionPointToStart(adds.thenBlock());
  // It is the second part of the first block where that began before the tile.
  Value beganBefore = compare(CmpIPredicate::ult, shares.getStart(first), origin);
  Value sum = addParts(partials, first, behind, [&](Value part) {
    Value isSecond =
        arith::AndIOp::create(builder, loc, beganBefore, compare(CmpIPredicate::eq, part, first));
    Value slot = add(scaled(part, 2), arith::SelectOp::create(builder, loc, isSecond, one, zero));
    return SmallVector<Value>{slot, zero, zero};
  });
  scf::YieldOp::create(builder, loc, sum);

  builder.setInsertionPointAfter(whole);
  auto done = scf::IfOp::create(builder, loc, whole.getResult(1), /*withElseRegion=*/false);
  builder.setInsertionPointToStart(done.thenBlock());
  buildEpilogue(whole.getResult(0));
}
