//===- NNDialect.cpp - Registration of the `nn` dialect ---------------------===//
//
// Registers types, attributes and operations. Where the dialect stands in the
// pipeline is in NNDialect.td.
//
//===----------------------------------------------------------------------===//
#include "dialects/NN/NNDialect.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright::nn;

#include "dialects/NN/NNDialect.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/NN/NNOps.cpp.inc"

void NNDialect::initialize() {
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "dialects/NN/NNOps.cpp.inc"
      >();
}
