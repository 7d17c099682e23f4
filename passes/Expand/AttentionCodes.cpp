//===- AttentionCodes.cpp - Keys and values of low-bit caches -----------------===//
//
// Part of Expand; see AttentionProgram.h. Bytes travel and lie in shared memory as the
// cache has them. A thread takes those of its operands and makes f16 of them, then numbers
// of the dtype of q: both have all codes exactly.
//
// A scale multiplies its column of scores, or its column of weights before these are
// rounded. Weights times scales would be small numbers, for which f16 has few bits:
// they are multiplied by F, about the largest code, and o by 1 / F.
//
//===----------------------------------------------------------------------===//
#include "passes/Expand/AttentionProgram.h"

using namespace mlir;
using namespace tilewright;
using expand::AttentionProgram;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

Value AttentionProgram::toElement(Value numbers) {
  RankedTensorType type = tensorOf(numbers);
  if (type.getElementType() == element)
    return numbers;
  auto result = tensor(type.getShape(), element);
  return arith::TruncFOp::create(builder, loc, result, extend(numbers));
}

Value AttentionProgram::decode(const Operand &operand, Value codes, int64_t width) {
  RankedTensorType type = tensorOf(codes);
  if (isa<FloatType>(type.getElementType()))
    return toElement(
        arith::ExtFOp::create(builder, loc, tensor(type.getShape(), builder.getF16Type()), codes));
  if (width != type.getDimSize(1)) { // two in a byte
    auto pairs = tensor({schedule.tileK, width / 2, 2}, builder.getIntegerType(4));
    codes = reshape(tile::FieldsOp::create(builder, loc, pairs, codes), {schedule.tileK, width});
  }
  auto halves = tensor({schedule.tileK, width}, builder.getF16Type());
  return toElement(arith::SIToFPOp::create(builder, loc, halves, codes));
}

/// Of mma.m16n8k16 a thread has a column of b in eight (PTX ISA, "Matrix Fragments"): its
/// eighth of 64 columns, as a matrix of 8 x 8 turned over.
Value AttentionProgram::orderColumns(Value values, bool isBack) {
  RankedTensorType type = tensorOf(values);
  int64_t rows = type.getDimSize(0), width = type.getDimSize(1),
          group = std::min<int64_t>(width, 64);
  SmallVector<int64_t> from = {rows, width / group, 8, group / 8};
  if (isBack)
    std::swap(from[2], from[3]);
  SmallVector<int64_t> to(from);
  std::swap(to[2], to[3]);
  Value turned = tile::TransposeOp::create(builder, loc, tensor(to, type.getElementType()),
                                           reshape(values, from), ArrayRef<int64_t>{0, 1, 3, 2});
  return reshape(turned, {rows, width});
}

Value AttentionProgram::loadScales(const Operand &operand, Value view, Value firstKey) {
  Value column = loadKeys(operand, view, firstKey, {0, 1});
  return spread(transpose(column), scoreShape());
}

double AttentionProgram::getWeightFactor() {
  if (!vScales.value)
    return 1;
  Type type = tensorOf(v.value).getElementType();
  if (isa<Float8E4M3FNType>(type))
    return 256;
  if (isa<Float8E5M2Type>(type))
    return 32768;
  return type.isUnsignedInteger(8) ? 4 : 64;
}

Value AttentionProgram::scaleWeights(Value weights, Value firstKey) {
  if (!vScales.value)
    return weights;
  Value scales = loadScales(vScales, vScaleView, firstKey);
  scales = arith::MulFOp::create(builder, loc, scales, splat(getWeightFactor(), scoreShape()));
  return arith::MulFOp::create(builder, loc, weights, scales);
}
