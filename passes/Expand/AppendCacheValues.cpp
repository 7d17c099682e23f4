//===- AppendCacheValues.cpp - Heads rotated on their way to a cache ----------===//
//
// Part of Expand; see AppendCacheProgram.h.
//
//===----------------------------------------------------------------------===//
#include "passes/Analysis/Divisibility.h"
#include "passes/Expand/AppendCacheProgram.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace tilewright;
using expand::AppendCacheProgram;

//===----------------------------------------------------------------------===//
// Segments
//===----------------------------------------------------------------------===//

SmallVector<AppendCacheProgram::Segment, 3> AppendCacheProgram::getSegments(const Part &part) {
  int64_t size = part.source->type.getDimSize(3);
  if (!part.isRotated)
    return {{0, size}};
  int64_t start = append.getRotaryStart(), end = start + append.getRotarySize();
  SmallVector<Segment, 3> segments;
  if (start > 0)
    segments.push_back({0, start});
  segments.push_back({start, end - start, /*isRotated=*/true});
  if (end < size)
    segments.push_back({end, size - end});
  return segments;
}

SmallVector<int64_t> AppendCacheProgram::getExtents(const Segment &segment, int64_t heads) {
  if (segment.isRotated && !append.getInterleaved())
    return {heads, 2, segment.size / 2};
  return {heads, segment.size};
}

SmallVector<int64_t> AppendCacheProgram::getTileShape(const Segment &segment) {
  SmallVector<int64_t> shape = getExtents(segment, schedule.tileH);
  shape.back() = llvm::bit_ceil(uint64_t(shape.back()));
  return shape;
}

Value AppendCacheProgram::viewSegment(const Operand &operand, Value base, const Segment &segment,
                                      bool isExchanged) {
  Type element = getStorage(operand);
  int64_t codes = getCodes(operand);
  SmallVector<int64_t> extents = getExtents(segment, operand.type.getDimSize(2));
  extents.back() /= codes;
  SmallVector<int64_t> strides = {operand.strides[2], 1};
  int64_t start = segment.start / codes, half = segment.size / codes / 2;
  if (extents.size() == 3)
    strides = {operand.strides[2], isExchanged ? -half : half, 1};
  if (isExchanged)
    start += half;
  if (start != 0) {
    Value distance = arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(start));
    base = tile::AdvanceOp::create(builder, loc, base, distance, element);
  }
  unsigned align = std::min<int64_t>(getAlign(operand.name), *analysis::getKnownAlign(base));
  Values strideArgs;
  if (operand.strideArgs[2])
    strideArgs.push_back(getStride(operand, 2));
  return view(base, extents, element, strides, align, /*sizes=*/{}, strideArgs);
}

AppendCacheProgram::Values AppendCacheProgram::getOffsets(const Segment &segment) {
  Values offsets(getExtents(segment, 1).size(), constant(0));
  offsets.front() = head;
  return offsets;
}

//===----------------------------------------------------------------------===//
// Rotation
//===----------------------------------------------------------------------===//

Value AppendCacheProgram::loadSegment(const Part &part, Value base, const Segment &segment) {
  if (!segment.isRotated)
    return load(viewSegment(*part.source, base, segment), getOffsets(segment),
                getTileShape(segment));
  return append.getInterleaved() ? rotatePairs(part, base, segment)
                                 : rotateHalves(part, base, segment);
}

Value AppendCacheProgram::rotateHalves(const Part &part, Value base, const Segment &segment) {
  SmallVector<int64_t> shape = getTileShape(segment);
  Values offsets = getOffsets(segment);
  Value x = load(viewSegment(*part.source, base, segment), offsets, shape);
  Value other =
      load(viewSegment(*part.source, base, segment, /*isExchanged=*/true), offsets, shape);
  return rotate(extend(x), extend(other), /*dim=*/1);
}

/// Pairs are neighbours in the registers of a thread; each is spread over both places,
/// of which one is taken.
Value AppendCacheProgram::rotatePairs(const Part &part, Value base, const Segment &segment) {
  SmallVector<int64_t> shape = getTileShape(segment);
  int64_t pairs = shape[1] / 2;
  Value x = load(viewSegment(*part.source, base, segment), getOffsets(segment), shape);
  x = reshape(extend(x), {shape[0], pairs, 2});
  auto take = [&](int64_t member) {
    return spread(slice(x, {0, 0, member}, {shape[0], pairs, 1}), {shape[0], pairs, 2});
  };
  Value other = arith::SelectOp::create(builder, loc, isFirst(x, /*dim=*/2), take(1), take(0));
  return reshape(rotate(x, other, /*dim=*/2), shape);
}

/// Columns of the position's row of a table, along `axis` of a tile of `shape`.
Value AppendCacheProgram::loadTable(const Operand &table, ArrayRef<int64_t> shape, unsigned axis) {
  Values sizes, strides;
  if (table.type.isDynamicDim(0))
    sizes.push_back(getExtent(table, 0));
  if (table.strideArgs[0])
    strides.push_back(getStride(table, 0));
  Value all = view(argument(table.pointer), table.type.getShape(), table.type.getElementType(),
                   {table.strides[0], 1}, getAlign(table.name), sizes, strides);
  Value row = extend(load(all, {position, constant(0)}, {1, shape[axis]}));
  SmallVector<int64_t> narrow(shape.size(), 1);
  narrow[axis] = shape[axis];
  return spread(reshape(row, narrow), shape);
}

Value AppendCacheProgram::isFirst(Value x, unsigned dim) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(x.getType()).getShape();
  Type i32 = builder.getI32Type();
  Value place = tile::IotaOp::create(builder, loc, tensor(shape, i32), constant(0), dim);
  return compare(arith::CmpIPredicate::eq, place, zeros(shape, i32));
}

Value AppendCacheProgram::rotate(Value x, Value other, unsigned dim) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(x.getType()).getShape();
  unsigned columns = 3 - dim; // of the tables: those of a half, or the pairs
  Value negative = arith::NegFOp::create(builder, loc, other);
  other = arith::SelectOp::create(builder, loc, isFirst(x, dim), negative, other);
  Value along = arith::MulFOp::create(builder, loc, x, loadTable(cos, shape, columns));
  Value across = arith::MulFOp::create(builder, loc, other, loadTable(sin, shape, columns));
  return arith::AddFOp::create(builder, loc, along, across);
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

void AppendCacheProgram::storeSegment(const Part &part, Value base, const Segment &segment,
                                      Value values) {
  Type element = getStorage(*part.target);
  auto type = cast<RankedTensorType>(values.getType());
  if (type.getElementType() != element)
    values = arith::TruncFOp::create(builder, loc, tensor(type.getShape(), element), values);
  tile::StoreOp::create(builder, loc, values, viewSegment(*part.target, base, segment),
                        getOffsets(segment));
}
