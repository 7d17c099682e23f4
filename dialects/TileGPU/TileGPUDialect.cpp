//===- TileGPUDialect.cpp - Registration of the `tilegpu` dialect ---------===//
//
// Registers types, attributes and operations. Where the dialect stands in the
// pipeline is in TileGPUDialect.td.
//
//===----------------------------------------------------------------------===//
#include "dialects/TileGPU/TileGPUDialect.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright::tilegpu;

#include "dialects/TileGPU/TileGPUDialect.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/TileGPU/TileGPUOps.cpp.inc"

void TileGPUDialect::initialize() {
  registerAttributes();
  registerTypes();
  addOperations<
#define GET_OP_LIST
#include "dialects/TileGPU/TileGPUOps.cpp.inc"
      >();
}
