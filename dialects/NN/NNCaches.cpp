//===- NNCaches.cpp - What ops on caches have in common -----------------------===//
//
// Codes of low-bit caches and their scales: nn.append_cache writes them, nn.attention
// reads them.
//
//===----------------------------------------------------------------------===//
#include "dialects/NN/NNDialect.h"

using namespace mlir;
using namespace tilewright;

bool nn::isCacheCode(Type element) {
  return isa<Float8E4M3FNType, Float8E5M2Type>(element) || element.isSignlessInteger(8) ||
         element.isUnsignedInteger(8);
}

int64_t nn::getCodesPerElement(Type element) { return element.isUnsignedInteger(8) ? 2 : 1; }

LogicalResult nn::verifyCacheScales(Operation *op, StringRef name, RankedTensorType cache,
                                    RankedTensorType scales) {
  Type element = cache ? cache.getElementType() : Type();
  bool isInteger = cache && isa<IntegerType>(element);
  if (!scales && isInteger)
    return op->emitOpError() << "expects " << name << " of a cache of integers, " << cache;
  if (!scales)
    return success();
  if (!cache || !isCacheCode(element))
    return op->emitOpError() << "expects " << name
                             << " of a cache of 8-bit floats or integers, but there is none";
  Type type = scales.getElementType();
  if (!(type.isF32() || type.isF16()) || scales.getShape() != cache.getShape().drop_back())
    return op->emitOpError() << "expects " << name << " of f32 or f16, one a row and head of "
                             << cache << ", but got " << scales;
  return success();
}
