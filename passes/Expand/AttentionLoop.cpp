//===- AttentionLoop.cpp - The loop over keys ----------------------------------===//
//
// Part of Expand; see AttentionProgram.h.
//
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/Expand/AttentionProgram.h"
#include "passes/Simplify/Passes.h"

#include <cmath>

using namespace mlir;
using namespace tilewright;
using expand::AttentionProgram;

/// Rows of K that one product takes: fewer operand registers are alive at a time.
static constexpr int64_t step = 16;

AttentionProgram::State AttentionProgram::startState() {
  State state{splat(getLowestScore(), rowShape()), splat(0, rowShape()), {}};
  for (schedule::HeadPart part : valueParts)
    state.acc.push_back(zeros({schedule.tileQ, part.width}));
  return state;
}

AttentionProgram::State AttentionProgram::buildLoop(Value begin, Value end) {
  State start = startState();
  Values inits = {start.max, splat(0, sumShape())};
  inits.append(start.acc);
  auto loop = scf::ForOp::create(builder, loc, begin, end, constant(1), inits);
  loop->setAttr(tile::stagesAttrName, builder.getI32IntegerAttr(schedule.stages));
  if (fullTiles) // a loop of its own for them
    loop->setAttr(simplify::splitMasksAttrName, builder.getUnitAttr());
  auto toState = [](ValueRange values) {
    return State{values[0], values[1], Values(values.drop_front(2))};
  };
  builder.setInsertionPointToStart(loop.getBody());
  Value tile = loop.getInductionVar();
  State next = addTile(tile, toState(loop.getRegionIterArgs()));
  Values yielded = {next.max, next.sum};
  yielded.append(next.acc);
  scf::YieldOp::create(builder, loc, yielded);
  State last = toState(loop.getResults());
  builder.setInsertionPointAfter(loop);
  if (schedule.columnWarps > 1)
    last.sum = reshape(reduce(tile::ReduceKind::Add, last.sum, 1), rowShape());
  return last;
}

AttentionProgram::State AttentionProgram::addTile(Value tile, const State &state) {
  Value firstKey = scaled(getTile(tile), schedule.tileK);
  Value scores = multiplyQueries(firstKey);
  if (changesScores())
    scores = changeScores(scores, firstKey);
  if (!fullTiles)
    return addScores(hideKeys(scores, firstKey, true), firstKey, state);
  Value isFull = compare(arith::CmpIPredicate::slt, tile, fullTiles->second);
  if (fullTiles->first)
    isFull = arith::AndIOp::create(
        builder, loc, compare(arith::CmpIPredicate::sge, tile, fullTiles->first), isFull);
  auto branch = scf::IfOp::create(builder, loc, scores.getType(), isFull, /*withElse=*/true);
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.thenBlock());
    // A listed block may be cut by structured masks and reach beyond the last key.
    scf::YieldOp::create(builder, loc, hasBlocks() ? hideKeys(scores, firstKey, false) : scores);
    builder.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(builder, loc, hideKeys(scores, firstKey, true));
  }
  return addScores(branch.getResult(0), firstKey, state);
}

/// q k^T of one tile.
Value AttentionProgram::multiplyQueries(Value firstKey) {
  Value scores = zeros(scoreShape());
  keyTiles.clear();
  for (auto [part, rows] : llvm::zip_equal(headParts, queries)) {
    Rows keys = loadRows(k, kView, firstKey, part);
    keyTiles.push_back(keys.ranks.front());
    // Codes lie as bytes do in fragments: two steps at a time.
    int64_t depth = isCoded(k) && part.width % (2 * step) == 0 ? 2 * step : step;
    for (int64_t column = 0; column < part.width; column += depth) {
      Value a = slice(rows, {0, column}, {schedule.tileQ, depth});
      Value b = transpose(takeRows(keys, {0, column}, {schedule.tileK, depth}));
      scores = tile::DotOp::create(builder, loc, scores.getType(), a, b, scores);
    }
  }
  if (kScales.value)
    scores = arith::MulFOp::create(builder, loc, scores, loadScales(kScales, kScaleView, firstKey));
  return scores;
}

Value AttentionProgram::exp2(Value value) {
  // Numbers below 2^-126 count as zero: they would be added to at least 1.
  return math::Exp2Op::create(builder, loc, value, arith::FastMathFlags::afn);
}

/// A power of two, whose product with c is exact, so that it decays by exactly 1. What
/// masks add to scores (-1e9, the lowest float) is to be lower: c s of such is off by more
/// than the 16 powers of two that p holds.
double AttentionProgram::getLowestScore() {
  int exponent = changesScores() ? 27 : 126;
  return -std::ldexp(1.0, exponent - std::max(0, std::ilogb(exponentScale) + 1));
}

Value AttentionProgram::getShift(Value max) {
  return arith::MulFOp::create(builder, loc, max, splat(exponentScale, rowShape()));
}

AttentionProgram::State AttentionProgram::addScores(Value scores, Value firstKey,
                                                    const State &state) {
  State next;
  Value top = reduce(tile::ReduceKind::Max, scores, 1);
  next.max = arith::MaximumFOp::create(builder, loc, state.max, top);
  Value shift = arith::NegFOp::create(builder, loc, getShift(next.max));
  Value decay =
      exp2(math::FmaOp::create(builder, loc, state.max, splat(exponentScale, rowShape()), shift));
  Value weights = exp2(math::FmaOp::create(builder, loc, scores, splat(exponentScale, scoreShape()),
                                           spread(shift, scoreShape())));
  next.sum = addWeights(weights, decay, state.sum);
  Value rounded = arith::TruncFOp::create(builder, loc, tensor(scoreShape(), element),
                                          scaleWeights(weights, firstKey));
  for (auto [i, part] : llvm::enumerate(valueParts)) {
    Value acc = arith::MulFOp::create(builder, loc, state.acc[i],
                                      spread(decay, {schedule.tileQ, part.width}));
    next.acc.push_back(addValues(rounded, firstKey, i, acc));
  }
  return next;
}

Value AttentionProgram::addWeights(Value weights, Value decay, Value sum) {
  int64_t warps = schedule.columnWarps;
  if (warps > 1) { // the keys of each are next to each other
    weights = reshape(weights, {schedule.tileQ, warps, schedule.tileK / warps});
    decay = spreadTo(reshape(decay, {schedule.tileQ, 1, 1}), sumShape());
  }
  Value added = reduce(tile::ReduceKind::Add, weights, sumShape().size() - 1);
  // In any order: tw-defer-reductions adds up the lanes after the loop.
  return math::FmaOp::create(builder, loc, sum, decay, added, arith::FastMathFlags::reassoc);
}

Value AttentionProgram::reduce(tile::ReduceKind kind, Value value, unsigned dim) {
  SmallVector<int64_t> shape(cast<RankedTensorType>(value.getType()).getShape());
  shape[dim] = 1;
  return tile::ReduceOp::create(builder, loc, tensor(shape, f32()), kind, value, dim);
}

Value AttentionProgram::addValues(Value weights, Value firstKey, unsigned part, Value acc) {
  auto [start, width] = valueParts[part];
  Rows values;
  if (v.value) {
    values = loadRows(v, vView, firstKey, valueParts[part]);
    start = 0;
  } else { // parts of v do not cross those of k
    size_t keyPart = 0;
    while (start >= headParts[keyPart].start + headParts[keyPart].width)
      ++keyPart;
    values.ranks = {keyTiles[keyPart]};
    start -= headParts[keyPart].start;
  }
  if (ordersColumns(width))
    values.ranks.front() = orderColumns(values.ranks.front(), /*isBack=*/false);
  for (int64_t key = 0; key < schedule.tileK; key += step)
    acc = tile::DotOp::create(builder, loc, acc.getType(),
                              slice(weights, {0, key}, {schedule.tileQ, step}),
                              takeRows(values, {key, start}, {step, width}), acc);
  return acc;
}
