//===- NNAppendCache.cpp - The constraints of append_cache --------------------===//
//
// Each check cites the constraint of NNOps.td that it enforces.
//
//===----------------------------------------------------------------------===//
#include "dialects/NN/NNDialect.h"

using namespace mlir;
using namespace tilewright::nn;

static RankedTensorType tensorOf(Value value) {
  return value ? cast<RankedTensorType>(value.getType()) : RankedTensorType();
}
static bool isHalf(Type type) { return type.isF16() || type.isBF16(); }

/// The tokens of `k`, or of `q` where there is no k.
static RankedTensorType getTokens(AppendCacheOp op) {
  return tensorOf(op.getK() ? op.getK() : op.getQ());
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

static LogicalResult verifyPresence(AppendCacheOp op) { // C1
  if (!op.getK() && !op.getQ())
    return op.emitOpError() << "expects keys, queries or both, but got neither";
  if (op.getV() && !op.getK())
    return op.emitOpError() << "expects values beside keys, but got them alone";
  return success();
}

static LogicalResult verifyTokens(AppendCacheOp op, StringRef name, RankedTensorType type) {
  if (!type)
    return success();
  RankedTensorType first = getTokens(op);
  if (type.getRank() != 4 || !isHalf(type.getElementType()) || type.isDynamicDim(2) ||
      type.isDynamicDim(3) || type.getElementType() != first.getElementType()) // C2
    return op.emitOpError() << "expects " << name
                            << " to be a tensor of f16 or bf16, one dtype for all, batch x tokens "
                               "x heads x head size with static heads and head size, but got "
                            << type;
  if (type.getShape().take_front(2) != first.getShape().take_front(2)) // C2
    return op.emitOpError() << "expects " << name << " to have the batch and tokens of " << first
                            << ", but got " << type;
  int64_t size = type.getDimSize(3), step = AppendCacheOp::headStep;
  if (size < step || size > AppendCacheOp::largestHead || size % step != 0) // C3
    return op.emitOpError() << "expects the head size of " << name << " to be a multiple of "
                            << step << " from " << step << " to " << AppendCacheOp::largestHead
                            << ", but got " << size;
  return success();
}

//===----------------------------------------------------------------------===//
// Caches
//===----------------------------------------------------------------------===//

static LogicalResult verifyCache(AppendCacheOp op, StringRef name, RankedTensorType rows,
                                 RankedTensorType cache) { // C4
  if (!rows)
    return success();
  auto wrong = [&](StringRef what) {
    return op.emitOpError() << "expects " << name << " to have " << what << ", but got " << cache
                            << " for " << rows;
  };
  Type element = cache.getElementType();
  if (cache.getRank() != 4 || !(element == rows.getElementType() || isCacheCode(element)))
    return wrong("rank 4 and the dtype of its rows, f8E4M3FN, f8E5M2, i8 or ui8");
  int64_t codes = getCodesPerElement(element);
  if (cache.getDimSize(2) != rows.getDimSize(2) ||
      cache.getDimSize(3) * codes != rows.getDimSize(3))
    return wrong("the heads and the head size of its rows, half of that where it is ui8");
  if (!op.getPageTable() && cache.getDimSize(0) != rows.getDimSize(0))
    return wrong("the batch of its rows");
  return success();
}

static LogicalResult verifyCaches(AppendCacheOp op) {
  RankedTensorType k = tensorOf(op.getK()), v = tensorOf(op.getV());
  RankedTensorType kCache = tensorOf(op.getKCache()), vCache = tensorOf(op.getVCache());
  if (failed(verifyCache(op, "k_cache", k, kCache)) ||
      failed(verifyCache(op, "v_cache", v, vCache)))
    return failure();
  if (failed(verifyCacheScales(op, "k_scales", kCache, tensorOf(op.getKScales()))) || // C10
      failed(verifyCacheScales(op, "v_scales", vCache, tensorOf(op.getVScales()))))   // C10
    return failure();
  if (v && v.getDimSize(2) != k.getDimSize(2)) // C2
    return op.emitOpError() << "expects v to have the heads of k, but got " << v << " for " << k;
  if (v && vCache.getShape().drop_back() != kCache.getShape().drop_back()) // C4
    return op.emitOpError() << "expects caches that agree in all but the last extent, but got "
                            << kCache << " and " << vCache;
  return success();
}

static LogicalResult verifyIndices(AppendCacheOp op) { // C5
  auto i32 = IntegerType::get(op.getContext(), 32);
  auto lengths = RankedTensorType::get({getTokens(op).getDimSize(0)}, i32);
  if (op.getLengths().getType() != lengths)
    return op.emitOpError() << "expects lengths of type " << lengths << ", but got "
                            << op.getLengths().getType();
  RankedTensorType pages = tensorOf(op.getPageTable());
  if (pages && (pages.getRank() != 2 || pages.getElementType() != i32 ||
                pages.getDimSize(0) != lengths.getDimSize(0)))
    return op.emitOpError() << "expects page_table of i32, batch x pages of a sequence, but got "
                            << pages;
  return success();
}

//===----------------------------------------------------------------------===//
// Rotary embedding
//===----------------------------------------------------------------------===//

static LogicalResult verifyRotary(AppendCacheOp op) { // C6
  RankedTensorType cos = tensorOf(op.getCos()), sin = tensorOf(op.getSin());
  if (!cos)
    return op.getQ() ? LogicalResult(op.emitOpError() << "expects rotary tables for queries")
                     : success();
  Type element = getTokens(op).getElementType();
  if (cos != sin || cos.getRank() != 2 || cos.isDynamicDim(1) ||
      !(cos.getElementType().isF32() || cos.getElementType() == element))
    return op.emitOpError() << "expects cos and sin of one type, positions x half of the rotated "
                               "columns, of f32 or "
                            << element << ", but got " << cos << " and " << sin;
  int64_t size = op.getRotarySize(), start = op.getRotaryStart();
  if (size < 1 || size % AppendCacheOp::rotaryStep != 0)
    return op.emitOpError() << "expects a multiple of " << AppendCacheOp::rotaryStep
                            << " rotated columns, but got " << size << " by " << cos;
  for (Value value : {op.getK(), op.getQ()})
    if (RankedTensorType type = tensorOf(value))
      if (start < 0 || start % AppendCacheOp::headStep != 0 || start + size > type.getDimSize(3))
        return op.emitOpError() << "expects rotated columns that start at a multiple of "
                                << AppendCacheOp::headStep << " and lie in the head, but got "
                                << start << " to " << start + size << " for " << type;
  return success();
}

static LogicalResult verifyResults(AppendCacheOp op) { // C7
  SmallVector<Type> expected;
  for (Value value : {op.getKCache(), op.getVCache(), op.getKScales(), op.getVScales(), op.getQ()})
    if (value)
      expected.push_back(value.getType());
  if (llvm::equal(expected, op.getResultTypes()))
    return success();
  InFlightDiagnostic error = op.emitOpError() << "expects results of types ";
  llvm::interleaveComma(expected, error);
  error << ", but got ";
  llvm::interleaveComma(op.getResultTypes(), error);
  return error;
}

static LogicalResult verifyProblem(AppendCacheOp op, ProblemAttr problem) { // C9
  for (OperandAttr operand : problem.getOperands()) {
    ArrayRef<int64_t> strides = operand.getStrides();
    if (!strides.empty() && strides.back() != 1)
      return op.emitOpError() << "expects a last stride of 1 in the problem, but got " << operand;
  }
  return success();
}

LogicalResult AppendCacheOp::verify() {
  if (failed(verifyPresence(*this)) || failed(verifyTokens(*this, "k", tensorOf(getK()))) ||
      failed(verifyTokens(*this, "v", tensorOf(getV()))) ||
      failed(verifyTokens(*this, "q", tensorOf(getQ()))) || failed(verifyCaches(*this)) ||
      failed(verifyIndices(*this)) || failed(verifyRotary(*this)) || failed(verifyResults(*this)))
    return failure();
  if (getSchedule() && getSchedule()->getFamily() != "append_cache") // C8
    return emitOpError() << "expects a schedule of family \"append_cache\", but got \""
                         << getSchedule()->getFamily() << "\"";
  return getProblem() ? verifyProblem(*this, *getProblem()) : success();
}
