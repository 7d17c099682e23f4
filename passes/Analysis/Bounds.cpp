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

//===----------------------------------------------------------------------===//
// Tiles counted by an extent
//===----------------------------------------------------------------------===//

/// True where the i32 `value` is surely not negative.
static bool isNonNegative(Value value) {
  if (getConstant(value))
    return true;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto loop = dyn_cast_or_null<scf::ForOp>(argument.getOwner()->getParentOp());
    return loop && argument == loop.getInductionVar() && isNonNegative(loop.getLowerBound());
  }
  Operation *op = value.getDefiningOp();
  if (auto divide = dyn_cast<arith::DivUIOp>(op))
    return getConstant(divide.getRhs()).value_or(0) > 1;
  if (isa<arith::MaxSIOp>(op))
    return llvm::any_of(op->getOperands(), isNonNegative);
  return isa<arith::MinSIOp>(op) && llvm::all_of(op->getOperands(), isNonNegative);
}

/// `value` as a sum of another and a constant.
static std::pair<Value, int64_t> splitConstant(Value value) {
  APInt constant;
  Operation *op = value.getDefiningOp();
  if (isa_and_nonnull<arith::AddIOp, arith::SubIOp>(op) &&
      matchPattern(op->getOperand(1), m_ConstantInt(&constant)))
    return {op->getOperand(0),
            isa<arith::AddIOp>(op) ? constant.getSExtValue() : -constant.getSExtValue()};
  return {value, 0};
}

namespace {
/// Shows that tiles of `size` elements, number i of which starts at i * step, end
/// before `extent`.
class TileCounter {
public:
  TileCounter(int64_t step, int64_t size, Value extent) : step(step), size(size), extent(extent) {}

  /// Whether 0 <= i <= limit + more is enough.
  bool isEnough(Value limit, int64_t more) const {
    Operation *op = limit.getDefiningOp();
    if (!op)
      return false;
    if (isa<arith::MinSIOp>(op))
      return llvm::any_of(op->getOperands(), [&](Value part) { return isEnough(part, more); });
    if (isa<arith::MaxSIOp>(op)) // no i is at most a negative number
      return llvm::all_of(op->getOperands(), [&](Value part) {
        auto constant = getConstant(part);
        return constant ? *constant + more < 0 : isEnough(part, more);
      });
    if (auto [rest, constant] = splitConstant(limit); constant != 0)
      // A sum that wraps is negative, a difference of what is not negative does not.
      return (constant > 0 || isNonNegative(rest)) && isEnough(rest, more + constant);
    auto divide = dyn_cast<arith::DivUIOp>(op);
    return divide && getConstant(divide.getRhs()) == step && size <= -more * step &&
           isAtMostExtent(divide.getLhs());
  }

private:
  /// Whether `value`, which is more than 0 when read without a sign, is at most the extent.
  bool isAtMostExtent(Value value) const {
    auto clamped = value.getDefiningOp<arith::MaxSIOp>();
    if (!clamped || getConstant(clamped.getRhs()) != 0)
      return false;
    return isBelowExtent(clamped.getLhs());
  }
  bool isBelowExtent(Value value) const {
    auto minimum = value.getDefiningOp<arith::MinSIOp>();
    return value == extent ||
           (minimum && (isBelowExtent(minimum.getLhs()) || isBelowExtent(minimum.getRhs())));
  }

  int64_t step, size;
  Value extent;
};
} // namespace

/// The number that `value`, at least 0, is below; null where none is known. What is
/// a few turns ahead of an induction variable is not negative either: the loop's end
/// is that number, a quotient, from which no i32 is few away.
static Value getLimit(Value value, Value holds) {
  auto getEnd = [](Value value) -> Value {
    auto argument = dyn_cast<BlockArgument>(value);
    auto loop =
        argument ? dyn_cast_or_null<scf::ForOp>(argument.getOwner()->getParentOp()) : scf::ForOp();
    bool isCounted = loop && argument == loop.getInductionVar() && isNonNegative(value);
    return isCounted ? loop.getUpperBound() : Value();
  };
  auto compare = holds ? holds.getDefiningOp<arith::CmpIOp>() : arith::CmpIOp();
  if (compare && compare.getPredicate() == arith::CmpIPredicate::slt && compare.getLhs() == value) {
    auto [start, turns] = splitConstant(value);
    bool isAhead = turns >= 0 && getEnd(start) == compare.getRhs();
    return isAhead ? compare.getRhs() : Value();
  }
  return getEnd(value);
}

/// True where a tile of `size` elements at `offset` ends before `extent`.
static bool isCountedTile(Value offset, int64_t size, Value extent, Value holds) {
  auto product = offset.getDefiningOp<arith::MulIOp>();
  auto step = product ? getConstant(product.getRhs()) : std::nullopt;
  Value limit = step && *step > 1 ? getLimit(product.getLhs(), holds) : Value();
  return limit && TileCounter(*step, size, extent).isEnough(limit, -1);
}

SmallVector<bool> analysis::getInsideDimensions(Value view, ValueRange offsets,
                                                ArrayRef<int64_t> shape, Value holds) {
  auto type = cast<tile::ViewType>(view.getType());
  auto op = view.getDefiningOp<tile::ViewOp>();
  SmallVector<bool> inside;
  unsigned dynamic = 0;
  for (auto [extent, offset, size] : llvm::zip_equal(type.getShape(), offsets, shape)) {
    if (ShapedType::isDynamic(extent)) {
      Value known = op ? op.getSizes()[dynamic++] : Value();
      inside.push_back(known && isCountedTile(offset, size, known, holds));
      continue;
    }
    auto last = getUpperBound(offset, holds);
    inside.push_back(last && *last + size <= extent);
  }
  return inside;
}
