//===- VerifyPrograms.cpp - Kernels are complete tile programs ----------------===//
//
// Last pass of the Expand phase; the entry check of programs written by hand.
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/BuiltinOps.h"
#include "passes/Analysis/Divisibility.h"
#include "passes/Expand/Passes.h"

using namespace mlir;
using namespace tilewright;

namespace tilewright::expand {
#define GEN_PASS_DEF_VERIFYPROGRAMS
#include "passes/Expand/Passes.h.inc"
} // namespace tilewright::expand

static LogicalResult verifyArgument(func::FuncOp function, unsigned index,
                                    tile::KernelAttr kernel) {
  auto parameter = function.getArgAttrOfType<tile::ParameterAttr>(index, tile::parameterAttrName);
  if (!parameter)
    return function.emitError() << "expects " << tile::parameterAttrName << " on argument " << index
                                << " of a kernel";
  Type type = function.getArgument(index).getType();
  auto kind = parameter.getKind();
  bool isAddress = kind == tile::ParameterKind::Pointer || kind == tile::ParameterKind::Workspace;
  bool fits = isAddress ? isa<tile::PtrType>(type) : type.isInteger(32) || type.isInteger(64);
  if (!fits)
    return function.emitError() << "expects argument " << index << ", a "
                                << tile::stringifyParameterKind(kind) << ", to be "
                                << (isAddress ? "a !tile.ptr" : "an i32 or i64") << ", but got "
                                << type;
  if (kind != tile::ParameterKind::Workspace)
    return success();
  for (tile::WorkspaceAttr workspace : kernel.getWorkspaces())
    if (workspace.getName() == parameter.getName())
      return success();
  return function.emitError() << "expects workspace '" << parameter.getName()
                              << "' among the workspaces of the kernel";
}

static LogicalResult verifyKernel(func::FuncOp function, tile::KernelAttr kernel) {
  if (!function.getBody().hasOneBlock() || function.getNumResults() != 0)
    return function.emitError() << "expects a kernel of one block and no results";
  if (kernel.getGrid().size() != 3)
    return function.emitError() << "expects three grid expressions, but got "
                                << kernel.getGrid().size();
  if (!llvm::all_of(kernel.getGrid(), [](Attribute attr) { return isa<StringAttr>(attr); }))
    return function.emitError() << "expects grid expressions to be strings, but got "
                                << kernel.getGrid();
  if (!llvm::isPowerOf2_32(kernel.getWarps()) || kernel.getWarps() > 32)
    return function.emitError() << "expects 1, 2, 4, 8, 16 or 32 warps, but got "
                                << kernel.getWarps();
  for (unsigned i = 0, e = function.getNumArguments(); i != e; ++i)
    if (failed(verifyArgument(function, i, kernel)))
      return failure();
  return success();
}

/// A store through a pointer that the launch takes for read-only would be
/// undefined: the backend drops it, and all that leads to it.
static LogicalResult verifyStore(Operation *store, Value target, func::FuncOp function) {
  auto view = target.getDefiningOp<tile::ViewOp>();
  auto pointer =
      view ? dyn_cast<BlockArgument>(analysis::getRootPointer(view.getBase())) : BlockArgument();
  if (!pointer || pointer.getOwner() != &function.getBody().front())
    return success();
  auto parameter = function.getArgAttrOfType<tile::ParameterAttr>(pointer.getArgNumber(),
                                                                  tile::parameterAttrName);
  if (!parameter || parameter.getKind() != tile::ParameterKind::Pointer || parameter.getWritten())
    return success();
  return store->emitOpError() << "expects parameter '" << parameter.getName()
                              << "' to be marked written";
}

/// A view of a pointer that was moved: what the type claims must follow from the
/// parameter and the distance, or 16-byte accesses would fault.
static LogicalResult verifyView(tile::ViewOp view) {
  if (!view.getBase().getDefiningOp<tile::AdvanceOp>())
    return success();
  auto known = analysis::getKnownAlign(view.getBase());
  int64_t claimed = view.getView().getType().getAlign();
  if (!known || claimed <= *known)
    return success();
  return view.emitOpError() << "expects align of at most " << *known
                            << ", which is what is known of the advanced pointer, but got "
                            << claimed;
}

/// The rules for ops of a kernel.
static LogicalResult verifyBody(func::FuncOp function) {
  WalkResult result = function.walk([&](Operation *op) -> WalkResult {
    if (auto store = dyn_cast<tile::StoreOp>(op))
      return verifyStore(store, store.getView(), function);
    if (auto scatter = dyn_cast<tile::ScatterOp>(op))
      return verifyStore(scatter, scatter.getView(), function);
    if (auto view = dyn_cast<tile::ViewOp>(op))
      return verifyView(view);
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

namespace {
struct VerifyProgramsPass : expand::impl::VerifyProgramsBase<VerifyProgramsPass> {
  void runOnOperation() override {
    WalkResult left = getOperation().walk([](Operation *op) -> WalkResult {
      if (isa_and_nonnull<nn::NNDialect>(op->getDialect()))
        return op->emitOpError() << "is left after tw-expand-nn";
      return WalkResult::advance();
    });
    if (left.wasInterrupted())
      return signalPassFailure();
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (auto kernel = function->getAttrOfType<tile::KernelAttr>(tile::kernelAttrName))
        if (failed(verifyKernel(function, kernel)) || failed(verifyBody(function)))
          return signalPassFailure();
  }
};
} // namespace
