//===- LoopMasks.cpp - In which turns of a loop a mask holds -------------------===//
//
// Part of tw-split-loops; see LoopMasks.h.
//
//===----------------------------------------------------------------------===//
#include "passes/Simplify/LoopMasks.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::simplify;

Affine Affine::operator+(const Affine &other) const {
  Affine sum = *this;
  sum.induction += other.induction;
  sum.constant += other.constant;
  sum.terms.insert(sum.terms.end(), other.terms.begin(), other.terms.end());
  return sum;
}

Affine Affine::operator+(int64_t value) const {
  Affine sum = *this;
  sum.constant += value;
  return sum;
}

Affine Affine::scaled(int64_t factor) const {
  Affine product = *this;
  product.induction *= factor;
  product.constant *= factor;
  for (auto &[value, of] : product.terms)
    of *= factor;
  return product;
}

Value Affine::materialise(OpBuilder &builder, Location loc) const {
  assert(induction == 0 && "bounds do not depend on the induction variable");
  auto number = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(value));
  };
  Value sum = number(constant);
  for (auto [value, factor] : terms) {
    Value part = value;
    if (factor != 1 && factor != -1)
      part = arith::MulIOp::create(builder, loc, value, number(std::abs(factor)));
    sum = factor > 0 ? arith::AddIOp::create(builder, loc, sum, part).getResult()
                     : arith::SubIOp::create(builder, loc, sum, part).getResult();
  }
  return sum;
}

namespace {
/// Least and greatest element of a tile; both the value, of a scalar.
struct Range {
  Affine least, most;

  Range operator+(const Range &other) const { return {least + other.least, most + other.most}; }
  Range operator-(const Range &other) const { return {least - other.most, most - other.least}; }
};

class RangeFinder {
public:
  explicit RangeFinder(scf::ForOp loop) : loop(loop) {}

  std::optional<Range> find(Value value) {
    APInt constant;
    if (matchPattern(value, m_ConstantInt(&constant))) {
      Affine number{0, constant.getSExtValue()};
      return Range{number, number};
    }
    if (!isa<RankedTensorType>(value.getType()))
      return findScalar(value);
    Operation *op = value.getDefiningOp();
    if (auto iota = dyn_cast_or_null<tile::IotaOp>(op)) {
      auto start = find(iota.getStart());
      int64_t extent = iota.getResult().getType().getDimSize(iota.getDim());
      return start ? std::optional(Range{start->least, start->most + (extent - 1)}) : std::nullopt;
    }
    if (isa_and_nonnull<tile::BroadcastOp, tile::SplatOp, tile::ReshapeOp, tile::TransposeOp>(op))
      return find(op->getOperand(0));
    return findSum(op);
  }

private:
  std::optional<Range> findScalar(Value value) {
    if (!value.getType().isInteger(32))
      return std::nullopt;
    if (value == loop.getInductionVar()) {
      Affine induction{1};
      return Range{induction, induction};
    }
    if (loop.isDefinedOutsideOfLoop(value)) {
      Affine term;
      term.terms.push_back({value, 1});
      return Range{term, term};
    }
    return findSum(value.getDefiningOp());
  }

  std::optional<Range> findSum(Operation *op) {
    if (!isa_and_nonnull<arith::AddIOp, arith::SubIOp>(op))
      return std::nullopt;
    auto a = find(op->getOperand(0)), b = find(op->getOperand(1));
    if (!a || !b)
      return std::nullopt;
    return isa<arith::AddIOp>(op) ? *a + *b : *a - *b;
  }

  scf::ForOp loop;
};
} // namespace

/// `a pred b` as a comparison; nullopt where it is no inequality of positions.
static std::optional<Comparison> analyseComparison(arith::CmpIPredicate predicate, Value a, Value b,
                                                   scf::ForOp loop) {
  RangeFinder finder(loop);
  auto left = finder.find(a), right = finder.find(b);
  if (!left || !right)
    return std::nullopt;
  int64_t gap = 0; // left + gap <= right
  switch (predicate) {
  case arith::CmpIPredicate::slt:
    gap = 1;
    break;
  case arith::CmpIPredicate::sle:
    break;
  case arith::CmpIPredicate::sgt:
    gap = 1;
    std::swap(left, right);
    break;
  case arith::CmpIPredicate::sge:
    std::swap(left, right);
    break;
  default:
    return std::nullopt;
  }
  Comparison comparison{{left->most + gap, right->least}, {left->least + gap, right->most}};
  // Bounds are not divided: j itself, or its negative.
  if (std::abs(left->least.induction - right->least.induction) > 1)
    return std::nullopt;
  return comparison;
}

Mask simplify::analyseMask(Value value, scf::ForOp loop) {
  Mask mask{value};
  SmallVector<Value> parts = {value};
  while (!parts.empty()) {
    Operation *op = parts.pop_back_val().getDefiningOp();
    if (isa_and_nonnull<arith::AndIOp>(op)) {
      parts.append(op->operand_begin(), op->operand_end());
    } else if (isa_and_nonnull<tile::BroadcastOp, tile::SplatOp>(op)) {
      parts.push_back(op->getOperand(0));
    } else {
      auto compare = dyn_cast_or_null<arith::CmpIOp>(op);
      auto known = compare ? analyseComparison(compare.getPredicate(), compare.getLhs(),
                                               compare.getRhs(), loop)
                           : std::nullopt;
      if (known)
        mask.comparisons.push_back(*known);
      mask.isComplete &= known.has_value();
    }
  }
  return mask;
}

Mask simplify::analyseNegation(Value condition, scf::ForOp loop) {
  Mask mask{condition};
  SmallVector<Value> parts = {condition};
  while (!parts.empty()) {
    Operation *op = parts.pop_back_val().getDefiningOp();
    if (isa_and_nonnull<arith::OrIOp>(op)) {
      parts.append(op->operand_begin(), op->operand_end());
      continue;
    }
    auto compare = dyn_cast_or_null<arith::CmpIOp>(op);
    auto known = compare ? analyseComparison(arith::invertPredicate(compare.getPredicate()),
                                             compare.getLhs(), compare.getRhs(), loop)
                         : std::nullopt;
    if (known)
      mask.comparisons.push_back(*known);
    mask.isComplete &= known.has_value();
  }
  return mask;
}
