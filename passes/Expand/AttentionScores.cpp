//===- AttentionScores.cpp - What is done to scores ----------------------------===//
//
// Part of Expand; see AttentionProgram.h. Soft caps, slopes, regions and masks as
// operations on tiles: what depends on the query alone is a column, on the key
// alone a row, on neither a scalar, and each is spread only where it meets another.
//
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Expand/AttentionProgram.h"

#include <limits>

using namespace mlir;
using namespace tilewright;
using expand::AttentionProgram;
using expand::ScorePlace;

static ArrayRef<int64_t> getShape(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type ? type.getShape() : ArrayRef<int64_t>();
}

Value AttentionProgram::spreadTo(Value value, ArrayRef<int64_t> shape) {
  if (getShape(value) == shape)
    return value;
  auto type = tensor(shape, getElementTypeOrSelf(value.getType()));
  if (getShape(value).empty())
    return tile::SplatOp::create(builder, loc, type, value);
  return tile::BroadcastOp::create(builder, loc, type, value);
}

ScorePlace AttentionProgram::getPlace(Value firstKey) {
  ScorePlace place{batch, head, {}, {}, firstPosition, firstKey};
  Type i32 = builder.getI32Type();
  if (packsHeads()) {
    place.head = add(getRowHeads(), splatInteger(head));
    place.queries = add(getRowQueries(), splatInteger(distance));
  } else {
    place.queries = tile::IotaOp::create(builder, loc, tensor(rowShape(), i32), firstPosition, 0);
  }
  place.keys = tile::IotaOp::create(builder, loc, tensor({1, schedule.tileK}, i32), firstKey, 1);
  return place;
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

Value AttentionProgram::changeScores(Value scores, Value firstKey) {
  SmallVector<int64_t> shape = scoreShape();
  double scale = attention.getScale().convertToDouble();
  if (hasSoftcap()) {
    double cap = attention.getSoftcap().convertToDouble();
    scores = arith::MulFOp::create(builder, loc, scores, splat(scale / cap, shape));
    scores = math::TanhOp::create(builder, loc, scores);
    scores = arith::MulFOp::create(builder, loc, scores, splat(cap, shape));
  } else {
    scores = arith::MulFOp::create(builder, loc, scores, splat(scale, shape));
  }
  ScorePlace place = getPlace(firstKey);
  if (slopes.value) {
    Value distance = sub(spreadTo(place.queries, shape), spreadTo(place.keys, shape));
    Value number = arith::SIToFPOp::create(builder, loc, tensor(shape, f32()), distance);
    number = math::AbsFOp::create(builder, loc, number);
    Value slope = spreadTo(arith::NegFOp::create(builder, loc, readHeadNumbers(slopes)), shape);
    scores = math::FmaOp::create(builder, loc, slope, number, scores);
  }
  if (!attention.getScore().empty())
    scores = inlineRegion(attention.getScore(), scores, place);
  return scores;
}

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

Value AttentionProgram::hideKeys(Value scores, Value firstKey, bool asksFunction) {
  SmallVector<int64_t> shape = scoreShape();
  ScorePlace place = getPlace(firstKey);
  Value queries = spreadTo(place.queries, shape), keys = spreadTo(place.keys, shape);
  // The last tile may reach beyond the last key.
  Value visible = compare(arith::CmpIPredicate::slt, keys, spreadTo(keyCount, shape));
  auto require = [&](arith::CmpIPredicate predicate, Value bound) {
    visible = arith::AndIOp::create(builder, loc, visible, compare(predicate, keys, bound));
  };
  auto move = [&](int64_t distance) {
    Value moved = add(place.queries, spreadTo(constant(distance), rowShape()));
    return spreadTo(moved, shape);
  };
  if (attention.getCausal())
    require(arith::CmpIPredicate::sle, queries);
  if (getWindow(1) >= 0)
    require(arith::CmpIPredicate::sle, move(getWindow(1)));
  if (getWindow(0) >= 0)
    require(arith::CmpIPredicate::sge, move(-getWindow(0)));
  if (asksFunction && !attention.getMask().empty())
    visible = arith::AndIOp::create(builder, loc, visible,
                                    spreadTo(inlineRegion(attention.getMask(), {}, place), shape));
  Value hidden = splat(-std::numeric_limits<double>::infinity(), shape);
  return arith::SelectOp::create(builder, loc, visible, scores, hidden);
}

std::optional<std::pair<Value, Value>> AttentionProgram::findFullTiles() {
  if (!attention.getMask().empty())
    return std::nullopt;
  // Keys first .. end are seen by every row.
  Value end = keyCount, first;
  if (attention.getCausal())
    end = minimum(end, add(firstPosition, constant(1)));
  if (getWindow(1) >= 0)
    end = minimum(end, add(firstPosition, constant(getWindow(1) + 1)));
  if (getWindow(0) >= 0)
    first = maximum(constant(0), sub(lastPosition, constant(getWindow(0))));
  Value tile = constant(schedule.tileK);
  end = arith::DivUIOp::create(builder, loc, maximum(end, constant(0)), tile);
  if (getWindow(0) >= 0)
    first = arith::DivUIOp::create(builder, loc, add(first, constant(schedule.tileK - 1)), tile);
  return std::pair(first, end);
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

/// The element of a capture at every place of the tile: a scalar where no index is
/// of a query or key, else a column, row or whole tile.
Value AttentionProgram::loadElement(nn::ElementOp element, const ScorePlace &place,
                                    ArrayRef<unsigned> indices) {
  const Operand &capture = captures[element.getCaptureAttr().getInt()];
  auto type = cast<RankedTensorType>(capture.value.getType());
  Values sizes, strides, offsets;
  SmallVector<int64_t> tile, shape = {1, 1};
  for (auto [axis, index] : llvm::enumerate(indices)) {
    if (type.isDynamicDim(axis))
      sizes.push_back(getExtent(capture.extents[axis]));
    if (capture.strideArgs[axis])
      strides.push_back(getStride(capture, axis));
    const Value starts[] = {place.batch, place.head, place.firstQuery, place.firstKey};
    const int64_t extents[] = {1, 1, schedule.tileQ, schedule.tileK};
    offsets.push_back(starts[index]);
    tile.push_back(extents[index]);
    if (index >= 2)
      shape[index - 2] = extents[index];
  }
  Value value;
  bool dependsOnRow = llvm::is_contained(indices, 1u) || llvm::is_contained(indices, 2u);
  if (packsHeads() && dependsOnRow) {
    value = gatherElement(capture, place, indices);
  } else {
    Value all = view(argument(capture.pointer), type.getShape(), type.getElementType(),
                     capture.strides, getAlign(capture.name), sizes, strides);
    if (shape[0] == 1 && shape[1] == 1)
      value = tile::ReadOp::create(builder, loc, type.getElementType(), all, offsets);
    else
      value = reshape(load(all, offsets, tile), shape);
  }
  if (value.getType() == element.getType() || !isa<FloatType>(type.getElementType()))
    return value;
  if (!isa<RankedTensorType>(value.getType()))
    return type.getElementType().isF32() ? value
                                         : Value(arith::ExtFOp::create(builder, loc, f32(), value));
  return extend(value);
}

/// The common shape of values that one op takes; empty for scalars.
static SmallVector<int64_t> joinShapes(ValueRange values) {
  SmallVector<int64_t> joined;
  for (Value value : values) {
    ArrayRef<int64_t> shape = getShape(value);
    if (joined.empty())
      joined.assign(shape.begin(), shape.end());
    for (size_t dim = 0; dim < shape.size(); ++dim)
      joined[dim] = std::max(joined[dim], shape[dim]);
  }
  return joined;
}

/// The result of a region, each op on the smallest tile that its operands allow.
Value AttentionProgram::inlineRegion(Region &region, Value scores, const ScorePlace &place) {
  llvm::DenseMap<Value, Value> values;
  Block &block = region.front();
  Values arguments = {place.batch, place.head, place.queries, place.keys};
  if (scores)
    arguments.insert(arguments.begin(), scores);
  for (auto [argument, value] : llvm::zip_equal(block.getArguments(), arguments))
    values[argument] = value;
  unsigned firstIndex = scores ? 1 : 0;
  for (Operation &op : block.without_terminator()) {
    if (auto element = dyn_cast<nn::ElementOp>(op)) {
      SmallVector<unsigned> indices;
      for (Value index : element.getIndices())
        indices.push_back(cast<BlockArgument>(index).getArgNumber() - firstIndex);
      values[element.getResult()] = loadElement(element, place, indices);
      continue;
    }
    Values operands;
    for (Value operand : op.getOperands())
      operands.push_back(values.lookup(operand));
    SmallVector<int64_t> shape = joinShapes(operands);
    IRMapping mapping;
    for (auto [operand, value] : llvm::zip_equal(op.getOperands(), operands))
      mapping.map(operand, shape.empty() ? value : spreadTo(value, shape));
    Operation *copy = builder.clone(op, mapping);
    if (!shape.empty())
      copy->getResult(0).setType(tensor(shape, op.getResult(0).getType()));
    values[op.getResult(0)] = copy->getResult(0);
  }
  Value yielded = cast<nn::YieldOp>(block.getTerminator()).getValue();
  return spreadTo(values.lookup(yielded), scoreShape());
}
