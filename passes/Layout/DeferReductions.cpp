//===- DeferReductions.cpp - Lanes add up after the loop ----------------------===//
//
// Part of the Layout phase, after assign-layouts. A loop that carries the sum of rows,
//
//   l' = l * a + reduce(p)     =     u' = u * a + part(p)    with l = reduce(u)
//
// where part(p) adds what each thread holds: lanes come together once, after the loop.
// The factor a is the same along a row.
//
//   Example: a row of a 16x64 mma accumulator. Four lanes have columns 2t, 2t+1 of
//   every eight: p is 16x8x8, part(p) adds up its middle dimension, in registers, and u
//   is 16x8.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Reduction.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "passes/Layout/Passes.h"

using namespace mlir;
using namespace tilewright;
using layout::LinearLayout;
using layout::Place;

namespace tilewright::layoutpasses {
#define GEN_PASS_DEF_DEFERREDUCTIONS
#include "passes/Layout/Passes.h.inc"
} // namespace tilewright::layoutpasses

namespace {
/// How a tile is reduced by each thread alone.
struct ThreadParts {
  RankedTensorType split; ///< the tile with the dimension as two: steps and period
  RankedTensorType sum;   ///< with one step
  RankedTensorType parts; ///< without that dimension
};

/// A sum that a loop carries.
struct CarriedSum {
  unsigned index; ///< among what the loop carries
  Operation *update;
  Value factor; ///< null: the sum stays as it is
  tile::ReduceOp reduction;
  ThreadParts types;
};
} // namespace

/// The elements along `dim` after which threads have elements of their own again.
static int64_t getPeriod(const LinearLayout &layout, unsigned dim) {
  int64_t period = 1;
  for (Place place : {Place::Lane, Place::Warp})
    for (const layout::Basis &basis : layout.getBases(place))
      period = std::max<int64_t>(period, 2 * llvm::bit_floor(unsigned(basis[dim])));
  return period;
}

/// Nullopt where lanes need not come together, or warps would have to as well.
static std::optional<ThreadParts> splitDimension(tile::ReduceOp op) {
  auto source = cast<RankedTensorType>(op.getSource().getType());
  const LinearLayout layout = tilegpu::getLayout(op.getSource());
  unsigned dim = op.getDim();
  auto whole = layout::planReduction(layout, dim);
  int64_t extent = source.getDimSize(dim), period = getPeriod(layout, dim);
  if (!whole || whole->laneMasks.empty() || whole->warps > 1 || extent % period != 0)
    return std::nullopt;
  SmallVector<int64_t> shape(source.getShape());
  auto makeType = [&](const LinearLayout &of) {
    return tilegpu::withLayout(RankedTensorType::get(shape, source.getElementType()), of);
  };
  shape[dim] = period;
  shape.insert(shape.begin() + dim, extent / period);
  auto split = layout.reshape(shape);
  auto plan = split ? layout::planReduction(*split, dim) : std::nullopt;
  if (!plan || !plan->laneMasks.empty())
    return std::nullopt;
  ThreadParts types;
  types.split = makeType(*split);
  shape[dim] = 1;
  types.sum = makeType(plan->perWarp);
  shape.erase(shape.begin() + dim);
  auto parts = plan->perWarp.reshape(shape);
  if (!parts || parts->squeeze(dim) != whole->perWarp)
    return std::nullopt;
  types.parts = makeType(*parts);
  return types;
}

static bool mayReassociate(Operation *op) {
  auto flagged = dyn_cast<arith::ArithFastMathInterface>(op);
  return flagged && arith::bitEnumContainsAny(flagged.getFastMathFlagsAttr().getValue(),
                                              arith::FastMathFlags::reassoc);
}

/// The tile of parts that `init` is the sum of: nothing, or what another loop left.
static Value findInitialParts(Value init, const ThreadParts &types, unsigned dim) {
  auto reduction = init.getDefiningOp<tile::ReduceOp>();
  bool isSumOfParts = reduction && reduction.getKind() == tile::ReduceKind::Add &&
                      reduction.getDim() == dim && reduction.getSource().getType() == types.parts;
  return isSumOfParts ? reduction.getSource() : Value();
}

/// The sum at `index`, where the loop updates it as above and does nothing else with it.
static std::optional<CarriedSum> findSum(scf::ForOp loop, unsigned index) {
  CarriedSum sum{index, loop.getYieldedValues()[index].getDefiningOp(), {}, {}, {}};
  BlockArgument carried = loop.getRegionIterArg(index);
  if (!sum.update || !isa<math::FmaOp, arith::AddFOp>(sum.update) || !mayReassociate(sum.update) ||
      !carried.hasOneUse() || *carried.user_begin() != sum.update || !sum.update->hasOneUse())
    return std::nullopt;
  SmallVector<Value> operands(sum.update->getOperands());
  if (operands.size() == 3 && operands.back() == carried) // a product is added to the sum
    return std::nullopt;
  llvm::erase(operands, carried);
  sum.reduction = operands.back().getDefiningOp<tile::ReduceOp>();
  if (!sum.reduction || sum.reduction.getKind() != tile::ReduceKind::Add)
    return std::nullopt;
  if (operands.size() == 2)
    sum.factor = operands.front();
  auto types = splitDimension(sum.reduction);
  Value init = loop.getInitArgs()[index];
  if (!types || !(matchPattern(init, m_AnyZeroFloat()) ||
                  findInitialParts(init, *types, sum.reduction.getDim())))
    return std::nullopt;
  sum.types = *types;
  return sum;
}

static void defer(scf::ForOp loop, const CarriedSum &sum) {
  const ThreadParts &types = sum.types;
  tile::ReduceOp reduction = sum.reduction;
  unsigned dim = reduction.getDim();
  Location loc = reduction.getLoc();

  OpBuilder builder(loop);
  Value init = findInitialParts(loop.getInitArgs()[sum.index], types, dim);
  if (!init)
    init = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(types.parts));
  loop.getInitArgsMutable()[sum.index].set(init);
  BlockArgument carried = loop.getRegionIterArg(sum.index);
  carried.setType(types.parts);
  Value result = loop.getResult(sum.index);
  Type total = result.getType();
  result.setType(types.parts);

  builder.setInsertionPoint(sum.update);
  Value split = tile::ReshapeOp::create(builder, loc, types.split, reduction.getSource());
  Value parts = tile::ReduceOp::create(builder, loc, types.sum, tile::ReduceKind::Add, split, dim);
  parts = tile::ReshapeOp::create(builder, loc, types.parts, parts);
  Value next;
  if (sum.factor) {
    Value factors = tile::BroadcastOp::create(builder, loc, types.parts, sum.factor);
    next = math::FmaOp::create(builder, loc, carried, factors, parts);
  } else {
    next = arith::AddFOp::create(builder, loc, carried, parts);
  }
  sum.update->getResult(0).replaceAllUsesWith(next);
  sum.update->erase();
  if (reduction->use_empty())
    reduction->erase();

  builder.setInsertionPointAfter(loop);
  auto after = tile::ReduceOp::create(builder, loc, total, tile::ReduceKind::Add, result, dim);
  result.replaceAllUsesExcept(after, after);
}

namespace {
struct DeferReductionsPass : layoutpasses::impl::DeferReductionsBase<DeferReductionsPass> {
  void runOnOperation() override {
    // In program order: a loop may go on with the parts of the one before.
    getOperation().walk<WalkOrder::PreOrder>([](scf::ForOp loop) {
      for (unsigned i = 0; i < loop.getNumRegionIterArgs(); ++i)
        if (auto sum = findSum(loop, i))
          defer(loop, *sum);
    });
  }
};
} // namespace
