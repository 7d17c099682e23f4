//===- NNPack.cpp - The constraints of pack -----------------------------------===//
//
// Each check cites the constraint of NNOps.td that it enforces.
//
//===----------------------------------------------------------------------===//
#include "dialects/NN/NNDialect.h"
#include "dialects/Support/Layout/PackedForm.h"

using namespace mlir;
using namespace tilewright::nn;

LogicalResult PackOp::verify() {
  auto codes = cast<RankedTensorType>(getCodes().getType());
  if (codes.getRank() != 2 || !codes.hasStaticShape() || !codes.getElementType().isInteger(8) ||
      codes.getNumElements() == 0) // C1
    return emitOpError() << "expects codes to be a static rank-2 tensor of i8 with elements, but "
                            "got "
                         << codes;
  auto form = tilewright::layout::PackedForm::parse(getBits(), getStorage(), getActivations());
  if (!form) // C2
    return emitOpError() << llvm::toString(form.takeError());
  auto words = RankedTensorType::get(form->getMatrixShape(getK(), getN()),
                                     IntegerType::get(getContext(), 32));
  if (getWords().getType() != words) // C3
    return emitOpError() << "expects words of type " << words << ", but got "
                         << getWords().getType();
  if (getSchedule() && getSchedule()->getFamily() != "pack") // C4
    return emitOpError() << "expects a schedule of family \"pack\", but got \""
                         << getSchedule()->getFamily() << "\"";
  return success();
}

int64_t PackOp::getK() {
  return cast<RankedTensorType>(getCodes().getType()).getDimSize(getAlongN() ? 0 : 1);
}
int64_t PackOp::getN() {
  return cast<RankedTensorType>(getCodes().getType()).getDimSize(getAlongN() ? 1 : 0);
}
