//===- SplitLoops.cpp - Turns of a loop that need no mask ----------------------===//
//
// Part of the Simplify phase. Where all masks hold for lower <= j <= upper,
//
//   for j in [lo, hi): f(mask, j)
//     = for j in [lo, begin): f(mask, j)     where some mask has a lower bound
//       for j in [begin, end): f(true, j)
//       for j in [end, hi): f(mask, j)       where some mask has an upper bound
//
// begin and end are lo plus whole steps.
//
//===----------------------------------------------------------------------===//
#include "mlir/IR/IRMapping.h"
#include "passes/Simplify/LoopMasks.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::simplify;

namespace tilewright::simplify {
#define GEN_PASS_DEF_SPLITLOOPS
#include "passes/Simplify/Passes.h.inc"
} // namespace tilewright::simplify

namespace {
/// Bounds on j, built before the loop. Null: there is none.
struct Bounds {
  Value atLeast, atMost;
  Value always; ///< i1: what does not depend on j holds
};

/// The condition of an scf.if, and the value it has in a range of turns.
struct Condition {
  Mask mask; ///< what says that it has that value
  bool value;
};

class Splitter {
public:
  Splitter(scf::ForOp loop, bool isIdleWhenHidden)
      : loop(loop), builder(loop), loc(loop.getLoc()), isIdleWhenHidden(isIdleWhenHidden) {}

  /// Finds the masks that can be split off; remarks on those that cannot.
  bool collect();
  void run();

private:
  void add(Bounds &bounds, const Inequality &inequality);
  Value countTurns(Value last);
  Value afterTurns(Value count);
  Value minimum(Value a, Value b) {
    return !a ? b : !b ? a : arith::MinSIOp::create(builder, loc, a, b).getResult();
  }
  Value maximum(Value a, Value b) {
    return !a ? b : !b ? a : arith::MaxSIOp::create(builder, loc, a, b).getResult();
  }
  Value number(int64_t value) {
    return arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(value));
  }
  Value minusOne(Value value) { return arith::SubIOp::create(builder, loc, value, number(1)); }
  Value plusOne(Value value) { return arith::AddIOp::create(builder, loc, value, number(1)); }
  void cutIdleTurns();
  scf::ForOp cloneLoop(Value lower, Value upper, bool isInside, ValueRange inits);
  void unmask(const IRMapping &mapping);
  void decide(const IRMapping &mapping, bool isInside);

  scf::ForOp loop;
  OpBuilder builder;
  Location loc;
  bool isIdleWhenHidden;
  std::vector<Mask> masks;           ///< of selects
  std::vector<Condition> conditions; ///< of ifs
  Value lo, hi;
};
} // namespace

/// True where some comparison follows the induction variable.
static bool followsInduction(const Mask &mask) {
  return llvm::any_of(mask.comparisons, [](const Comparison &comparison) {
    return comparison.forAll.left.induction != comparison.forAll.right.induction;
  });
}

bool Splitter::collect() {
  llvm::SetVector<Value> seen;
  loop.walk([&](Operation *op) {
    bool isSelect = isa<arith::SelectOp>(op) && isa<RankedTensorType>(op->getOperand(0).getType());
    if (!(isSelect || isa<scf::IfOp>(op)) || !seen.insert(op->getOperand(0)))
      return;
    Value value = op->getOperand(0);
    if (loop.isDefinedOutsideOfLoop(value))
      return;
    Mask mask = analyseMask(value, loop);
    bool holds = isSelect || mask.isComplete;
    if (!holds)
      mask = analyseNegation(value, loop);
    if (!followsInduction(mask))
      return;
    if (!mask.isComplete)
      op->emitRemark() << "mask is kept in every turn: a part of it is no comparison of positions";
    if (isSelect)
      masks.push_back(mask);
    else if (mask.isComplete)
      conditions.push_back({mask, holds});
  });
  return !masks.empty() || !conditions.empty();
}

/// Adds what `left <= right` demands of j.
void Splitter::add(Bounds &bounds, const Inequality &inequality) {
  Affine distance = inequality.right - inequality.left; // 0 <= distance
  int64_t factor = std::exchange(distance.induction, 0);
  Value rest = distance.materialise(builder, loc);
  if (factor == -1) {
    bounds.atMost = minimum(bounds.atMost, rest);
  } else if (factor == 1) {
    Value bound = arith::SubIOp::create(builder, loc, number(0), rest);
    bounds.atLeast = maximum(bounds.atLeast, bound);
  } else {
    Value holds = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sge, rest, number(0));
    bounds.always = bounds.always
                        ? arith::AndIOp::create(builder, loc, bounds.always, holds).getResult()
                        : holds;
  }
}

/// How many of the turns from `lo` on have j <= last.
Value Splitter::countTurns(Value last) {
  Value distance = arith::SubIOp::create(builder, loc, last, lo);
  Value reached = arith::AddIOp::create(builder, loc, distance, loop.getStep());
  Value positive = arith::MaxSIOp::create(builder, loc, reached, number(0));
  return arith::DivUIOp::create(builder, loc, positive, loop.getStep());
}

/// j after `count` turns.
Value Splitter::afterTurns(Value count) {
  Value distance = arith::MulIOp::create(builder, loc, count, loop.getStep());
  return arith::AddIOp::create(builder, loc, lo, distance);
}

/// Turns in which a mask holds nowhere are left out at both ends.
void Splitter::cutIdleTurns() {
  Bounds some;
  for (const Mask &mask : masks)
    for (const Comparison &comparison : mask.comparisons)
      add(some, comparison.forSome);
  Value first = lo;
  if (some.atLeast)
    first = afterTurns(countTurns(minusOne(minimum(some.atLeast, hi))));
  if (some.atMost)
    hi = minimum(hi, plusOne(some.atMost));
  if (some.always)
    hi = arith::SelectOp::create(builder, loc, some.always, hi, lo);
  lo = first;
}

/// In a copy of the body, takes masks that are known whole for true.
void Splitter::unmask(const IRMapping &mapping) {
  for (const Mask &mask : masks) {
    if (!mask.isComplete)
      continue;
    Value copy = mapping.lookup(mask.value);
    for (Operation *user : llvm::make_early_inc_range(copy.getUsers()))
      if (auto select = dyn_cast<arith::SelectOp>(user); select && select.getCondition() == copy) {
        select.replaceAllUsesWith(select.getTrueValue());
        select.erase();
      }
  }
}

/// In a copy of the body, conditions have their value inside of the range; outside
/// of it a single one has the other, since scalars hold for all elements or none.
void Splitter::decide(const IRMapping &mapping, bool isInside) {
  if (!isInside && (conditions.size() != 1 || !masks.empty()))
    return;
  for (const Condition &condition : conditions)
    for (Operation *user :
         llvm::make_early_inc_range(mapping.lookup(condition.mask.value).getUsers()))
      if (auto branch = dyn_cast<scf::IfOp>(user)) {
        OpBuilder before(branch);
        branch.getConditionMutable().assign(arith::ConstantOp::create(
            before, loc, before.getBoolAttr(condition.value == isInside)));
      }
}

scf::ForOp Splitter::cloneLoop(Value lower, Value upper, bool isInside, ValueRange inits) {
  IRMapping mapping;
  auto copy = cast<scf::ForOp>(builder.clone(*loop, mapping));
  copy.setLowerBound(lower);
  copy.setUpperBound(upper);
  copy.getInitArgsMutable().assign(inits);
  if (isInside)
    unmask(mapping);
  decide(mapping, isInside);
  return copy;
}

void Splitter::run() {
  lo = loop.getLowerBound(), hi = loop.getUpperBound();
  if (isIdleWhenHidden)
    cutIdleTurns();
  Bounds all;
  bool isSplit = false;
  auto demand = [&](const Mask &mask) {
    isSplit |= mask.isComplete;
    for (const Comparison &comparison : mask.comparisons)
      if (mask.isComplete)
        add(all, comparison.forAll);
  };
  llvm::for_each(masks, demand);
  for (const Condition &condition : conditions)
    demand(condition.mask);
  ValueRange values = loop.getInitArgs();
  scf::ForOp last;
  auto append = [&](Value lower, Value upper, bool isInside) {
    last = cloneLoop(lower, upper, isInside, values);
    values = last.getResults();
  };
  if (!isSplit) {
    append(lo, hi, /*isInside=*/false);
  } else {
    Value begin = lo, end = hi;
    if (all.atLeast)
      begin = afterTurns(countTurns(minusOne(minimum(all.atLeast, hi))));
    if (all.atMost || all.always) {
      Value most = minimum(all.atMost, minusOne(hi));
      if (all.always)
        most = arith::SelectOp::create(builder, loc, all.always, most, minusOne(lo));
      end = maximum(afterTurns(countTurns(most)), begin);
    }
    if (all.atLeast)
      append(lo, minimum(begin, hi), /*isInside=*/false);
    append(begin, end, /*isInside=*/true);
    if (end != hi)
      append(end, hi, /*isInside=*/false);
  }
  loop.replaceAllUsesWith(last.getResults());
  loop.erase();
}

namespace {
struct SplitLoopsPass : simplify::impl::SplitLoopsBase<SplitLoopsPass> {
  void runOnOperation() override {
    SmallVector<scf::ForOp> loops;
    getOperation().walk([&](scf::ForOp loop) {
      if (loop->hasAttr(splitMasksAttrName))
        loops.push_back(loop);
    });
    for (scf::ForOp loop : loops) {
      loop->removeAttr(splitMasksAttrName);
      bool isIdle = bool(loop->removeAttr(hiddenTurnsAttrName));
      if (!loop.getInductionVar().getType().isInteger(32)) {
        loop.emitError() << "expects an i32 induction variable to split masks, but got "
                         << loop.getInductionVar().getType();
        return signalPassFailure();
      }
      Splitter splitter(loop, isIdle);
      if (splitter.collect())
        splitter.run();
    }
  }
};
} // namespace
