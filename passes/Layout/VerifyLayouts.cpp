//===- VerifyLayouts.cpp - Every tensor has a layout that fits ----------------===//
//
// Last pass of the Layout phase.
//
//===----------------------------------------------------------------------===//
#include "passes/Layout/Passes.h"

using namespace mlir;
using namespace tilewright;
using layout::LinearLayout;

namespace tilewright::layoutpasses {
#define GEN_PASS_DEF_VERIFYLAYOUTS
#include "passes/Layout/Passes.h.inc"
} // namespace tilewright::layoutpasses

static LogicalResult verifyLayout(Operation *op, Type type, unsigned warps) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return success();
  tilegpu::LayoutAttr attr = tilegpu::getLayoutAttr(tensor);
  if (!attr)
    return op->emitOpError() << "expects a #tilegpu.layout on every tensor, but got " << type;
  LinearLayout layout = attr.getLayout();
  if (SmallVector<int64_t> shape(layout.getShape()); ArrayRef(shape) != tensor.getShape())
    return op->emitOpError() << "expects a layout of the tensor's shape, but got " << type;
  if (layout.getNumLanes() != 32 || layout.getNumWarps() != warps)
    return op->emitOpError() << "expects a layout over 32 lanes and " << warps << " warps, but got "
                             << layout.getNumLanes() << " lanes and " << layout.getNumWarps()
                             << " warps in " << type;
  if (!layout.isOnto())
    return op->emitOpError() << "expects a layout that holds every element, but got " << type;
  return success();
}

namespace {
struct VerifyLayoutsPass : layoutpasses::impl::VerifyLayoutsBase<VerifyLayoutsPass> {
  void runOnOperation() override {
    auto kernel = getOperation()->getAttrOfType<tile::KernelAttr>(tile::kernelAttrName);
    if (!kernel)
      return;
    WalkResult result = getOperation().getBody().walk([&](Operation *op) -> WalkResult {
      if (isa<tile::DotOp, tile::UnpackOp, tile::DequantOp>(op))
        return op->emitOpError() << "is left after the layout phase";
      for (Type type : op->getResultTypes())
        if (failed(verifyLayout(op, type, kernel.getWarps())))
          return WalkResult::interrupt();
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
