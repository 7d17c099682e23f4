//===- AttentionHeads.cpp - Rows of several heads in one tile -----------------===//
//
// Part of Expand; see AttentionProgram.h. Where few queries come and several heads of
// them read one head of k, a tile takes the rows of all these heads, so that k and v are
// read once for them: row r is query r / heads of head r % heads. What depends on the
// head is a column then, and rows of q and o are named one by one.
//
//===----------------------------------------------------------------------===//
#include "passes/Expand/AttentionProgram.h"

using namespace mlir;
using namespace tilewright;
using expand::AttentionProgram;
using expand::ScorePlace;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

Value AttentionProgram::splatInteger(Value value) {
  return tile::SplatOp::create(builder, loc, tensor(rowShape(), builder.getI32Type()), value);
}

static Value getRows(OpBuilder &builder, Location loc, RankedTensorType type, Value start) {
  return tile::IotaOp::create(builder, loc, type, start, 0);
}

Value AttentionProgram::getRowQueries() {
  Value rows = getRows(builder, loc, tensor(rowShape(), builder.getI32Type()), rowStart);
  return arith::DivSIOp::create(builder, loc, rows, splatInteger(constant(getPackedHeads())));
}

Value AttentionProgram::getRowHeads() {
  Value rows = getRows(builder, loc, tensor(rowShape(), builder.getI32Type()), rowStart);
  return arith::RemSIOp::create(builder, loc, rows, splatInteger(constant(getPackedHeads())));
}

Value AttentionProgram::findPackedRows(Value queryStep, Value headStep) {
  Value query = arith::MulIOp::create(builder, loc, getRowQueries(), splatInteger(queryStep));
  Value head = arith::MulIOp::create(builder, loc, getRowHeads(), splatInteger(headStep));
  Value rows = getRows(builder, loc, tensor(rowShape(), builder.getI32Type()), rowStart);
  Value count = splatInteger(scaled(queryCount, getPackedHeads()));
  Value exists = compare(arith::CmpIPredicate::ult, rows, count);
  return arith::SelectOp::create(builder, loc, exists, add(query, head),
                                 splatInteger(constant(-1)));
}

/// Rows of a head from one query to the next: schedules pack heads only where strides
/// are known and the head's divides the query's.
Value AttentionProgram::getQueryStep(const Operand &operand) {
  return constant(operand.strides[1] / operand.strides[2]);
}

Value AttentionProgram::viewPackedHeads(const Operand &operand) {
  RankedTensorType type = tensorOf(operand.value);
  Value base = getHead(operand, batch, head);
  if (queryStart) {
    Value wide = arith::ExtUIOp::create(builder, loc, builder.getI64Type(), queryStart);
    Value distance = arith::MulIOp::create(builder, loc, wide, getStride(operand, 1));
    base = tile::AdvanceOp::create(builder, loc, base, distance, type.getElementType());
  }
  Value rows = arith::MulIOp::create(builder, loc, queryCount, getQueryStep(operand));
  return view(base, {ShapedType::kDynamic, type.getDimSize(3)}, type.getElementType(),
              {operand.strides[2], 1}, getAlign(operand.name), rows);
}

Value AttentionProgram::readHeadNumbers(const Operand &operand) {
  if (!packsHeads())
    return readNumber(operand);
  Type type = tensorOf(operand.value).getElementType();
  Value all = view(getHead(operand, batch, head), {getPackedHeads(), 1}, type, {1, 1}, 4);
  return tile::GatherOp::create(builder, loc, tensor(rowShape(), type), all, getRowHeads(),
                                constant(0));
}

/// An element of a capture for each row and, where the last index is that of the key, each
/// key: all other axes count as one, whose entries rows name.
Value AttentionProgram::gatherElement(const Operand &capture, const ScorePlace &place,
                                      ArrayRef<unsigned> indices) {
  constexpr unsigned keyIndex = 3;
  RankedTensorType type = tensorOf(capture.value);
  bool hasKeys = indices.back() == keyIndex;
  auto getExtentOf = [&](unsigned axis) {
    return type.isDynamicDim(axis) ? getExtent(capture.extents[axis])
                                   : constant(type.getDimSize(axis));
  };
  Value row, exists, count;
  for (auto [axis, index] : llvm::enumerate(hasKeys ? indices.drop_back() : indices)) {
    const Value starts[] = {place.batch, place.head, place.queries};
    Value at = spreadTo(starts[index], rowShape()), extent = getExtentOf(axis);
    Value isInside = compare(arith::CmpIPredicate::ult, at, splatInteger(extent));
    exists = exists ? Value(arith::AndIOp::create(builder, loc, exists, isInside)) : isInside;
    row = row ? add(arith::MulIOp::create(builder, loc, row, splatInteger(extent)), at) : at;
    count = count ? Value(arith::MulIOp::create(builder, loc, count, extent)) : extent;
  }
  row = arith::SelectOp::create(builder, loc, exists, row, splatInteger(constant(-1)));
  unsigned rowAxis = type.getRank() - 2;
  SmallVector<int64_t> shape = {ShapedType::kDynamic, 1}, strides = {1, 1};
  Values sizes = {count}, dynamicStrides;
  if (hasKeys) {
    shape[1] = type.getShape().back();
    strides[0] = capture.strides[rowAxis];
    if (type.isDynamicDim(rowAxis + 1))
      sizes.push_back(getExtentOf(rowAxis + 1));
    if (capture.strideArgs[rowAxis])
      dynamicStrides.push_back(getStride(capture, rowAxis));
  }
  Value all = view(argument(capture.pointer), shape, type.getElementType(), strides,
                   getAlign(capture.name), sizes, dynamicStrides);
  SmallVector<int64_t> tile = {schedule.tileQ, hasKeys ? schedule.tileK : 1};
  return tile::GatherOp::create(builder, loc, tensor(tile, type.getElementType()), all, row,
                                hasKeys ? place.firstKey : constant(0));
}
