//===- NNMergeAttention.cpp - The constraints of merge_attention --------------===//
//
// Each check cites the constraint of NNOps.td that it enforces.
//
//===----------------------------------------------------------------------===//
#include "dialects/NN/NNDialect.h"

using namespace mlir;
using namespace tilewright::nn;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

static bool isPart(RankedTensorType type) {
  Type element = type.getElementType();
  return type.getRank() == 4 && (element.isF16() || element.isBF16() || element.isF32()) &&
         !type.isDynamicDim(2) && !type.isDynamicDim(3);
}

static LogicalResult verifyParts(MergeAttentionOp op) {
  size_t count = op.getParts().size();
  if (count < 1 || count > MergeAttentionOp::maxParts || op.getLses().size() != count) // C1
    return op.emitOpError() << "expects 1 to " << MergeAttentionOp::maxParts
                            << " parts with as many log-sum-exps, but got " << count << " and "
                            << op.getLses().size();
  RankedTensorType first = tensorOf(op.getParts().front());
  if (!isPart(first)) // C2
    return op.emitOpError() << "expects parts to be tensors of f16, bf16 or f32, batch x length x "
                               "heads x head size with static heads and head size, but got "
                            << first;
  for (Value part : op.getParts().drop_front())
    if (part.getType() != first) // C2
      return op.emitOpError() << "expects parts of one type, but got " << first << " and "
                              << part.getType();
  auto expected =
      RankedTensorType::get({first.getDimSize(0), first.getDimSize(2), first.getDimSize(1)},
                            Float32Type::get(op.getContext()));
  for (Value lse : op.getLses())
    if (lse.getType() != expected) // C3
      return op.emitOpError() << "expects log-sum-exps of type " << expected << ", but got "
                              << lse.getType();
  if (op.getLse() && op.getLse().getType() != expected) // C4
    return op.emitOpError() << "expects lse of type " << expected << ", but got "
                            << op.getLse().getType();
  return success();
}

LogicalResult MergeAttentionOp::verify() {
  if (failed(verifyParts(*this)))
    return failure();
  RankedTensorType part = tensorOf(getParts().front()), o = tensorOf(getO());
  if (o.getShape() != part.getShape() || !isPart(o)) // C4
    return emitOpError() << "expects o of the shape of the parts, of f16, bf16 or f32, but got "
                         << o << " for " << part;
  if (getSchedule() && getSchedule()->getFamily() != "merge_attention") // C5
    return emitOpError() << "expects a schedule of family \"merge_attention\", but got \""
                         << getSchedule()->getFamily() << "\"";
  return success();
}
