//===- Bounds.cpp - Largest values of integers --------------------------------===//
//
// Facts only; used by code generation.
//
//===----------------------------------------------------------------------===//
#include "passes/Analysis/Bounds.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace tilewright;

static std::optional<int64_t> getConstant(Value value) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)) && !constant.isNegative())
    return constant.getSExtValue();
  return std::nullopt;
}

/// Blocks along the op's axis minus one, where the grid is a number.
static std::optional<int64_t> getLastProgram(tile::ProgramIdOp op) {
  auto function = op->getParentOfType<FunctionOpInterface>();
  auto kernel = function ? function->getAttrOfType<tile::KernelAttr>(tile::kernelAttrName)
                         : tile::KernelAttr();
  if (!kernel || op.getAxis() >= kernel.getGrid().size())
    return std::nullopt;
  auto text = dyn_cast<StringAttr>(kernel.getGrid()[op.getAxis()]);
  int64_t blocks;
  if (!text || text.getValue().getAsInteger(10, blocks) || blocks < 1)
    return std::nullopt;
  return blocks - 1;
}

namespace {
class BoundFinder {
public:
  explicit BoundFinder(Value holds) {
    // holds: v < bound, or a conjunction of such.
    if (!holds)
      return;
    if (auto compare = holds.getDefiningOp<arith::CmpIOp>())
      if (compare.getPredicate() == arith::CmpIPredicate::slt ||
          compare.getPredicate() == arith::CmpIPredicate::ult)
        known = compare;
  }

  std::optional<int64_t> find(Value value) {
    if (auto constant = getConstant(value))
      return constant;
    std::optional<int64_t> bound = findByDefinition(value);
    if (known && known.getLhs() == value) {
      arith::CmpIOp compare = std::exchange(known, arith::CmpIOp());
      auto limit = find(compare.getRhs());
      known = compare;
      if (limit && *limit > 0)
        bound = bound ? std::min(*bound, *limit - 1) : *limit - 1;
    }
    return bound;
  }

private:
  std::optional<int64_t> findByDefinition(Value value) {
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      auto loop = dyn_cast_or_null<scf::ForOp>(argument.getOwner()->getParentOp());
      if (!loop || argument != loop.getInductionVar() || !find(loop.getLowerBound()))
        return std::nullopt;
      auto end = find(loop.getUpperBound());
      return end && *end > 0 ? std::optional(*end - 1) : std::nullopt;
    }
    Operation *op = value.getDefiningOp();
    if (auto program = dyn_cast<tile::ProgramIdOp>(op))
      return getLastProgram(program);
    if (isa<arith::AddIOp, arith::MulIOp>(op)) {
      auto a = find(op->getOperand(0)), b = find(op->getOperand(1));
      if (!a || !b)
        return std::nullopt;
      int64_t result;
      bool overflow = isa<arith::AddIOp>(op) ? llvm::AddOverflow(*a, *b, result)
                                             : llvm::MulOverflow(*a, *b, result);
      // Beyond i32 the value may have wrapped.
      return overflow || result > INT32_MAX ? std::nullopt : std::optional(result);
    }
    if (auto divide = dyn_cast<arith::DivUIOp>(op)) {
      auto a = find(divide.getLhs()), b = getConstant(divide.getRhs());
      return a && b && *b > 0 ? std::optional(*a / *b) : std::nullopt;
    }
    if (auto remainder = dyn_cast<arith::RemUIOp>(op)) {
      auto b = getConstant(remainder.getRhs());
      return b && *b > 0 ? std::optional(*b - 1) : std::nullopt;
    }
    if (auto minimum = dyn_cast<arith::MinUIOp>(op)) {
      auto a = find(minimum.getLhs()), b = find(minimum.getRhs());
      return a && b ? std::min(*a, *b) : a ? a : b;
    }
    if (auto select = dyn_cast<arith::SelectOp>(op)) {
      auto a = find(select.getTrueValue()), b = find(select.getFalseValue());
      return a && b ? std::optional(std::max(*a, *b)) : std::nullopt;
    }
    return std::nullopt;
  }

  arith::CmpIOp known;
};
} // namespace

std::optional<int64_t> analysis::getUpperBound(Value value, Value holds) {
  return BoundFinder(holds).find(value);
}

SmallVector<bool> analysis::getInsideDimensions(tile::ViewType view, ValueRange offsets,
                                                ArrayRef<int64_t> shape, Value holds) {
  SmallVector<bool> inside;
  for (auto [extent, offset, size] : llvm::zip_equal(view.getShape(), offsets, shape)) {
    auto last = ShapedType::isDynamic(extent) ? std::nullopt : getUpperBound(offset, holds);
    inside.push_back(last && *last + size <= extent);
  }
  return inside;
}
