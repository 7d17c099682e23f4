//===- AppendCacheCodes.cpp - Codes and scales of low-bit caches --------------===//
//
// Part of Expand; see AppendCacheProgram.h. The rule is that of nn.append_cache.
//
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/Expand/AppendCacheProgram.h"

using namespace mlir;
using namespace tilewright;
using expand::AppendCacheProgram;

/// The largest number of codes.
static double getLargest(Type element) {
  if (isa<Float8E4M3FNType>(element))
    return 448;
  if (isa<Float8E5M2Type>(element))
    return 57344;
  return element.isUnsignedInteger(8) ? 7 : 127;
}

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

Value AppendCacheProgram::splat(double value, ArrayRef<int64_t> shape) {
  auto attr = builder.getF32FloatAttr(value);
  return arith::ConstantOp::create(builder, loc,
                                   DenseElementsAttr::get(tensor(shape, f32()), attr.getValue()));
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

/// max |x| of each head of a segment. Columns beyond a segment are zeros.
Value AppendCacheProgram::findLargest(Value values) {
  Value largest = math::AbsFOp::create(builder, loc, extend(values));
  for (int64_t dim = shapeOf(values).size() - 1; dim > 0; --dim) {
    SmallVector<int64_t> shape(shapeOf(largest));
    shape[dim] = 1;
    largest = tile::ReduceOp::create(builder, loc, tensor(shape, f32()), tile::ReduceKind::Max,
                                     largest, dim);
  }
  return reshape(largest, headShape());
}

Value AppendCacheProgram::findScales(const Part &part, ValueRange values) {
  Value largest;
  for (Value value : values) {
    Value next = findLargest(value);
    largest = largest ? arith::MaximumFOp::create(builder, loc, largest, next) : next;
  }
  Value bound = splat(getLargest(part.target->type.getElementType()), headShape());
  Value scales = arith::DivFOp::create(builder, loc, largest, bound);
  Type element = part.scales->type.getElementType();
  if (element.isF32())
    return scales;
  return arith::TruncFOp::create(builder, loc, tensor(headShape(), element), scales);
}

void AppendCacheProgram::storeScales(const Part &part, Value scales) {
  const Operand &operand = *part.scales;
  Values strideArgs;
  if (operand.strideArgs[2])
    strideArgs.push_back(getStride(operand, 2));
  Type element = operand.type.getElementType();
  Value heads = view(getAddress(operand, cacheOuter, cacheInner), {operand.type.getDimSize(2), 1},
                     element, {operand.strides[2], 1}, element.getIntOrFloatBitWidth() / 8,
                     /*sizes=*/{}, strideArgs);
  tile::StoreOp::create(builder, loc, scales, heads, Values{head, constant(0)});
}

//===----------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------===//

Value AppendCacheProgram::encode(const Part &part, Value values, Value scales) {
  Type element = part.target->type.getElementType();
  values = extend(values);
  if (scales)
    values = divide(values, scales);
  if (isa<FloatType>(element))
    return tile::SaturateOp::create(builder, loc, tensor(shapeOf(values), element), values);
  Value codes = roundToIntegers(values, getLargest(element));
  if (element.isUnsignedInteger(8))
    codes = packPairs(codes);
  return arith::TruncIOp::create(builder, loc, tensor(shapeOf(codes), builder.getI8Type()), codes);
}

/// x / scale, 0 where the scale is.
Value AppendCacheProgram::divide(Value values, Value scales) {
  ArrayRef<int64_t> shape = shapeOf(values);
  SmallVector<int64_t> narrow(shape.size(), 1);
  narrow.front() = shape.front();
  Value wide = spread(reshape(scales, narrow), shape), zero = splat(0, shape);
  Value quotient = arith::DivFOp::create(builder, loc, values, wide);
  Value isNone =
      arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ, wide, splat(0, shape));
  return arith::SelectOp::create(builder, loc, isNone, zero, quotient);
}

/// To nearest, ties to even, within the bounds; i32.
Value AppendCacheProgram::roundToIntegers(Value values, double largest) {
  ArrayRef<int64_t> shape = shapeOf(values);
  Value whole = math::RoundEvenOp::create(builder, loc, values);
  whole = arith::MaxNumFOp::create(builder, loc, whole, splat(-largest, shape));
  whole = arith::MinNumFOp::create(builder, loc, whole, splat(largest, shape));
  return arith::FPToSIOp::create(builder, loc, tensor(shape, builder.getI32Type()), whole);
}

/// Neighbours in one byte, the first in the low half. Both are in one thread.
Value AppendCacheProgram::packPairs(Value codes) {
  SmallVector<int64_t> shape(shapeOf(codes)), pairs(shape), offsets(shape.size() + 1, 0);
  pairs.back() /= 2;
  SmallVector<int64_t> bytes(pairs);
  pairs.push_back(2);
  Value both = reshape(codes, pairs);
  pairs.back() = 1;
  auto number = [&](int64_t value) -> Value {
    auto type = tensor(pairs, builder.getI32Type());
    return arith::ConstantOp::create(
        builder, loc, DenseElementsAttr::get(type, builder.getI32IntegerAttr(value).getValue()));
  };
  Value low = arith::AndIOp::create(builder, loc, slice(both, offsets, pairs), number(15));
  offsets.back() = 1;
  Value high = arith::ShLIOp::create(builder, loc, slice(both, offsets, pairs), number(4));
  return reshape(arith::OrIOp::create(builder, loc, low, high), bytes);
}
