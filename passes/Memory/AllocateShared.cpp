//===- AllocateShared.cpp - Offsets for tiles in shared memory ---------------===//
//
// Second pass of the Memory phase: first fit over live ranges. The range of a
// tile runs from its alloc to its last use, in program order; a use inside a
// loop counts to the loop's end.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "passes/Memory/Passes.h"

using namespace mlir;
using namespace tilewright;

namespace tilewright::memory {
#define GEN_PASS_DEF_ALLOCATESHARED
#include "passes/Memory/Passes.h.inc"
} // namespace tilewright::memory

/// One pass over all 32 banks.
constexpr int64_t allocationAlign = 128;

namespace {
struct Allocation {
  tilegpu::AllocOp op;
  int64_t bytes = 0;
  unsigned first = 0, last = 0; ///< live range in program order
  int64_t offset = 0;

  bool overlapsInTime(const Allocation &other) const {
    return first <= other.last && other.first <= last;
  }
};
} // namespace

/// Numbers the ops of the function in program order; a region op is numbered
/// before and after its body.
static DenseMap<Operation *, std::pair<unsigned, unsigned>> numberOps(func::FuncOp function) {
  DenseMap<Operation *, std::pair<unsigned, unsigned>> numbers;
  unsigned next = 0;
  function->walk([&](Operation *op, const WalkStage &stage) {
    if (stage.isBeforeAllRegions())
      numbers[op].first = next++;
    if (stage.isAfterAllRegions())
      numbers[op].second = next++;
  });
  return numbers;
}

static SmallVector<Allocation> collect(func::FuncOp function) {
  auto numbers = numberOps(function);
  SmallVector<Allocation> allocations;
  function.walk([&](tilegpu::AllocOp op) {
    Allocation allocation{op};
    auto type = op.getMemory().getType();
    allocation.bytes = type.getSlots() * type.getSlotBytes();
    allocation.first = allocation.last = numbers.lookup(op).first;
    SmallVector<Value> names = {op.getMemory()};
    while (!names.empty())
      for (Operation *user : names.pop_back_val().getUsers()) {
        Operation *atLevel = op->getBlock()->findAncestorOpInBlock(*user);
        allocation.last = std::max(allocation.last, numbers.lookup(atLevel).second);
        if (auto slot = dyn_cast<tilegpu::SlotOp>(user))
          names.push_back(slot.getSlot());
      }
    allocations.push_back(allocation);
  });
  return allocations;
}

/// Places each tile at the lowest offset that no live neighbour takes; returns
/// the bytes used.
static int64_t place(MutableArrayRef<Allocation> allocations) {
  int64_t total = 0;
  for (auto [i, allocation] : llvm::enumerate(allocations)) {
    SmallVector<std::pair<int64_t, int64_t>> taken;
    for (const Allocation &other : allocations.take_front(i))
      if (allocation.overlapsInTime(other))
        taken.push_back({other.offset, other.offset + other.bytes});
    llvm::sort(taken);
    for (auto [begin, end] : taken) {
      if (allocation.offset + allocation.bytes <= begin)
        break;
      allocation.offset = std::max<int64_t>(allocation.offset, llvm::alignTo(end, allocationAlign));
    }
    total = std::max(total, allocation.offset + allocation.bytes);
  }
  return total;
}

/// The limit of the module's target; nullopt where none is named.
static FailureOr<const target::Target *> findTarget(func::FuncOp function) {
  auto module = function->getParentOfType<ModuleOp>();
  auto name = module ? module->getAttrOfType<StringAttr>(tile::targetAttrName) : StringAttr();
  if (!name)
    return nullptr;
  auto target = target::findTarget(name.getValue());
  if (!target)
    return module.emitError() << llvm::toString(target.takeError());
  return *target;
}

namespace {
struct AllocateSharedPass : memory::impl::AllocateSharedBase<AllocateSharedPass> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!function->hasAttr(tile::kernelAttrName))
      return;
    auto target = findTarget(function);
    if (failed(target))
      return signalPassFailure();
    SmallVector<Allocation> allocations = collect(function);
    int64_t total = place(allocations);
    if (*target && total > (*target)->maxSharedBytesPerBlock) {
      Allocation &largest =
          *llvm::max_element(allocations, [](auto &a, auto &b) { return a.bytes < b.bytes; });
      int64_t limit = (*target)->maxSharedBytesPerBlock;
      largest.op.emitError() << "expects at most " << limit << " bytes of shared memory a block on "
                             << (*target)->name << ", but the program needs " << total << " ("
                             << total - limit << " over); this tile takes " << largest.bytes;
      return signalPassFailure();
    }
    OpBuilder builder(&getContext());
    for (Allocation &allocation : allocations)
      allocation.op.setOffsetAttr(builder.getI64IntegerAttr(allocation.offset));
    function->setAttr(memory::sharedBytesAttrName, builder.getI64IntegerAttr(total));
  }
};
} // namespace
