//===- VerifyMemory.cpp - Shared memory is planned ----------------------------===//
//
// Last pass of the Memory phase.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Conversion.h"
#include "passes/Memory/Passes.h"

using namespace mlir;
using namespace tilewright;

namespace tilewright::memory {
#define GEN_PASS_DEF_VERIFYMEMORY
#include "passes/Memory/Passes.h.inc"
} // namespace tilewright::memory

static LogicalResult verifyAllocation(tilegpu::AllocOp op, int64_t sharedBytes) {
  auto type = op.getMemory().getType();
  int64_t bytes = type.getSlots() * type.getSlotBytes();
  if (!op.getOffset())
    return op.emitOpError() << "expects an offset after tw-allocate-shared";
  int64_t offset = *op.getOffset();
  if (offset < 0 || offset % 16 != 0 || offset + bytes > sharedBytes)
    return op.emitOpError() << "expects " << bytes << " bytes at a multiple of 16 within the "
                            << sharedBytes << " of the kernel, but got offset " << offset;
  return success();
}

static LogicalResult verifyConversion(tilegpu::ConvertLayoutOp op) {
  unsigned bits = cast<RankedTensorType>(op.getSource().getType()).getElementTypeBitWidth();
  auto conversion =
      layout::synthesizeConversion(tilegpu::getLayout(op.getSource()),
                                   tilegpu::getLayout(op.getResult()), std::max(1u, bits / 8));
  if (!conversion || conversion->kind == layout::LayoutConversion::Kind::SharedMemory)
    return op.emitOpError() << "expects a conversion within warps after tw-route-conversions";
  return success();
}

namespace {
struct VerifyMemoryPass : memory::impl::VerifyMemoryBase<VerifyMemoryPass> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!function->hasAttr(tile::kernelAttrName))
      return;
    auto attr = function->getAttrOfType<IntegerAttr>(memory::sharedBytesAttrName);
    if (!attr) {
      function.emitError() << "expects " << memory::sharedBytesAttrName
                           << " on a kernel after tw-allocate-shared";
      return signalPassFailure();
    }
    WalkResult result = function.walk([&](Operation *op) -> WalkResult {
      if (auto alloc = dyn_cast<tilegpu::AllocOp>(op))
        return verifyAllocation(alloc, attr.getInt());
      if (auto conversion = dyn_cast<tilegpu::ConvertLayoutOp>(op))
        return verifyConversion(conversion);
      if (op->hasAttr(tile::stagesAttrName))
        return op->emitOpError() << "expects no " << tile::stagesAttrName
                                 << " after tw-pipeline-loops";
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
