//===- Divisibility.cpp - Known divisors of integers --------------------------===//
//
// Facts only; used by the layout and memory phases.
//
//===----------------------------------------------------------------------===//
#include "passes/Analysis/Divisibility.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace tilewright;

constexpr int64_t maxDivisor = int64_t(1) << 30;

static int64_t lowestBit(int64_t value) {
  return value == 0 ? maxDivisor : std::min(maxDivisor, value & -value);
}

int64_t analysis::getKnownDivisor(Value value) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return lowestBit(constant.getSExtValue());
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto loop = dyn_cast_or_null<scf::ForOp>(argument.getOwner()->getParentOp());
    if (!loop || argument != loop.getInductionVar())
      return 1;
    return std::min(getKnownDivisor(loop.getLowerBound()), getKnownDivisor(loop.getStep()));
  }
  Operation *op = value.getDefiningOp();
  if (auto assume = dyn_cast<tile::AssumeOp>(op))
    return std::max<int64_t>(std::min<int64_t>(maxDivisor, assume.getDivisor()),
                             getKnownDivisor(assume.getValue()));
  if (isa<arith::AddIOp, arith::SubIOp, arith::MinSIOp, arith::MaxSIOp, arith::MinUIOp,
          arith::MaxUIOp>(op))
    return std::min(getKnownDivisor(op->getOperand(0)), getKnownDivisor(op->getOperand(1)));
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return std::min(getKnownDivisor(select.getTrueValue()),
                    getKnownDivisor(select.getFalseValue()));
  if (isa<arith::MulIOp>(op))
    return std::min(maxDivisor,
                    getKnownDivisor(op->getOperand(0)) * getKnownDivisor(op->getOperand(1)));
  if (auto shift = dyn_cast<arith::ShLIOp>(op)) {
    if (matchPattern(shift.getRhs(), m_ConstantInt(&constant)) && constant.ult(30))
      return std::min(maxDivisor, getKnownDivisor(shift.getLhs()) << constant.getZExtValue());
    return 1;
  }
  if (isa<arith::ExtUIOp, arith::ExtSIOp>(op))
    return getKnownDivisor(op->getOperand(0));
  return 1;
}

Value analysis::getRootPointer(Value pointer) {
  while (auto advance = pointer.getDefiningOp<tile::AdvanceOp>())
    pointer = advance.getBase();
  return pointer;
}

std::optional<int64_t> analysis::getKnownAlign(Value pointer) {
  if (auto advance = pointer.getDefiningOp<tile::AdvanceOp>()) {
    auto base = getKnownAlign(advance.getBase());
    int64_t bytes = lowestBit(advance.getElementType().getIntOrFloatBitWidth() / 8);
    return base ? std::optional(std::min(*base, getKnownDivisor(advance.getElements()) * bytes))
                : std::nullopt;
  }
  auto argument = dyn_cast<BlockArgument>(pointer);
  auto function =
      argument ? dyn_cast<FunctionOpInterface>(argument.getOwner()->getParentOp()) : nullptr;
  auto parameter = function ? function.getArgAttrOfType<tile::ParameterAttr>(
                                  argument.getArgNumber(), tile::parameterAttrName)
                            : tile::ParameterAttr();
  return parameter ? std::optional<int64_t>(parameter.getAlign()) : std::nullopt;
}

/// What divides each stride of a view, in elements.
static SmallVector<int64_t> getStrideDivisors(Value view) {
  auto type = cast<tile::ViewType>(view.getType());
  auto op = view.getDefiningOp<tile::ViewOp>();
  SmallVector<int64_t> divisors;
  unsigned next = 0;
  for (int64_t stride : type.getStrides()) {
    if (!ShapedType::isDynamic(stride))
      divisors.push_back(lowestBit(stride));
    else
      divisors.push_back(op ? analysis::getKnownDivisor(op.getStrides()[next++]) : 1);
  }
  return divisors;
}

int64_t analysis::getAccessBytes(Value view, ValueRange offsets, ArrayRef<int64_t> shape,
                                 int64_t limit) {
  auto type = cast<tile::ViewType>(view.getType());
  int64_t elementBytes = type.getElementType().getIntOrFloatBitWidth() / 8;
  if (type.getRank() == 0 || type.getStrides().back() != 1)
    return elementBytes;
  // Every chunk starts at a multiple of its size: base, rows, column offset.
  int64_t bytes = std::min<int64_t>(limit, type.getAlign());
  for (int64_t divisor : ArrayRef(getStrideDivisors(view)).drop_back())
    bytes = std::min(bytes, divisor * elementBytes);
  bytes = std::min(bytes, getKnownDivisor(offsets.back()) * elementBytes);
  bytes = std::min(bytes, lowestBit(shape.back()) * elementBytes);
  // No chunk crosses the edge of the view.
  int64_t extent = type.getShape().back();
  bytes = std::min(bytes,
                   ShapedType::isDynamic(extent) ? elementBytes : lowestBit(extent) * elementBytes);
  return std::max(bytes, elementBytes);
}
