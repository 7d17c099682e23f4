//===- AttentionFactors.cpp - Keys and values as products ---------------------===//
//
// Part of Expand; see AttentionProgram.h. Factored keys lie in memory as a few rows that all
// heads share, one a rank, and a number for each head and rank. Tiles of the rows go the
// way of any tile of keys; what a product takes is put together in its operand's
// registers, a slice at a time:
//
//   k[j, d] = round(sum_r factor[j, r] * row_r[j, d])
//
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/Expand/AttentionProgram.h"

using namespace mlir;
using namespace tilewright;
using expand::AttentionProgram;

AttentionProgram::Rows AttentionProgram::loadRows(const Operand &operand, Value view,
                                                  Value firstKey, schedule::HeadPart part) {
  if (!hasFactors())
    return {{loadKeys(operand, view, firstKey, part)}, {}};
  const Operand &factors = &operand == &k ? kFactors : vFactors;
  constexpr unsigned elementBytes = 2;
  Value numbers = viewHead(factors, keyHead, keyStart, keyCount, elementBytes);
  Rows rows;
  int64_t ranks = cast<RankedTensorType>(operand.value.getType()).getDimSize(2);
  for (int64_t rank = 0; rank < ranks; ++rank) {
    Value ofRank = viewHead(operand, constant(rank), keyStart, keyCount);
    rows.ranks.push_back(
        load(ofRank, {firstKey, constant(part.start)}, {schedule.tileK, part.width}));
    rows.factors.push_back(load(numbers, {firstKey, constant(rank)}, {schedule.tileK, 1}));
  }
  return rows;
}

Value AttentionProgram::takeRows(const Rows &rows, ArrayRef<int64_t> offsets,
                                 ArrayRef<int64_t> shape) {
  if (rows.factors.empty())
    return slice(rows.ranks.front(), offsets, shape);
  Value sum;
  for (auto [row, factor] : llvm::zip_equal(rows.ranks, rows.factors)) {
    Value numbers = extend(slice(row, offsets, shape));
    Value weight = spread(extend(slice(factor, {offsets[0], 0}, {shape[0], 1})), shape);
    sum = sum ? math::FmaOp::create(builder, loc, weight, numbers, sum).getResult()
              : arith::MulFOp::create(builder, loc, weight, numbers).getResult();
  }
  return arith::TruncFOp::create(builder, loc, tensor(shape, element), sum);
}
