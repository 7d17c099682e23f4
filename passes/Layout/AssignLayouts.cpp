//===- AssignLayouts.cpp - Give every tensor a layout ------------------------===//
//
// First pass of the Layout phase. Each tensor value has one layout; it is found
// by spreading the demands of products over the program (a worklist), then the
// blocked default for what is left. Only then types are rewritten, and where a
// demand could not be met a conversion is put in between.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/LinearLayout.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "passes/Analysis/Divisibility.h"
#include "passes/Layout/Passes.h"

using namespace mlir;
using namespace tilewright;
using layout::LinearLayout;
using layout::Place;

namespace tilewright::layoutpasses {
#define GEN_PASS_DEF_ASSIGNLAYOUTS
#include "passes/Layout/Passes.h.inc"
} // namespace tilewright::layoutpasses

static bool isTensor(Value value) { return isa<RankedTensorType>(value.getType()); }

/// Warps that hold the same of a K x N tile of codes, and warps along N.
static std::array<int64_t, 2> getPackedGrid(const LinearLayout &codes) {
  std::array<int64_t, 2> grid = {1, 1};
  for (const layout::Basis &basis : codes.getBases(Place::Warp))
    grid[basis[1] != 0] *= 2;
  return grid;
}

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// What an operand of a product is a part or the transpose of.
static Operation *getSource(Value operand) {
  Operation *op = operand.getDefiningOp();
  while (isa_and_nonnull<tile::SliceOp, tile::TransposeOp>(op))
    op = op->getOperand(0).getDefiningOp();
  return op;
}

/// Whether `operand` of a product is numbers of at most 8 bits that are widened in
/// registers.
static bool isWidened(Value operand) {
  Operation *op = getSource(operand);
  return isa_and_nonnull<arith::ExtFOp, arith::SIToFPOp>(op) &&
         tensorOf(op->getOperand(0)).getElementTypeBitWidth() <= 8;
}

/// Bits of the elements whose fragments the operands of a product have: where bytes are
/// widened on both sides they stay where bytes lie, since the order of K is free; and
/// where `b` is, if `a` is loaded and takes any order.
static unsigned getFragmentBits(tile::DotOp dot) {
  unsigned bits = tensorOf(dot.getA()).getElementTypeBitWidth();
  if (bits != 16 || !isWidened(dot.getB()))
    return bits;
  bool isLoaded = isa_and_nonnull<tile::LoadOp, tile::GatherOp>(getSource(dot.getA()));
  bool isDeep = tensorOf(dot.getA()).getDimSize(1) % layout::getMmaDepth(8) == 0;
  return isWidened(dot.getA()) || (isLoaded && isDeep) ? 8 : bits;
}

/// All tensors of the op have one shape and element i of the results depends
/// on element i of the operands.
static bool isElementwise(Operation *op) {
  return op->hasTrait<OpTrait::Elementwise>() && op->getNumResults() == 1 &&
         isTensor(op->getResult(0));
}

/// The layout of a larger tile of which every aligned part of `layout`'s shape
/// has `layout`: further registers cover a power of two of parts, repetition an
/// odd number of those. Nullopt where there is no such tile.
static std::optional<LinearLayout> extend(const LinearLayout &layout, ArrayRef<int64_t> shape) {
  layout::Bases registers(layout.getBases(Place::Register));
  SmallVector<int64_t> from(layout.getShape()), repeat(layout.getRepeat());
  for (unsigned dim = 0; dim < shape.size(); ++dim) {
    if (shape[dim] == from[dim])
      continue;
    if (shape[dim] % from[dim] || repeat[dim] != 1)
      return std::nullopt;
    int64_t factor = shape[dim] / from[dim], powerOfTwo = factor & -factor;
    for (int64_t extent = from[dim]; extent < from[dim] * powerOfTwo; extent *= 2) {
      layout::Basis basis(shape.size(), 0);
      basis[dim] = extent;
      registers.push_back(basis);
    }
    repeat[dim] = factor / powerOfTwo;
  }
  return LinearLayout(layout.getRank(), registers, layout::Bases(layout.getBases(Place::Lane)),
                      layout::Bases(layout.getBases(Place::Warp)), repeat);
}

/// The layout of the first part of `layout`'s tile: registers that cover the
/// rest are left out. Nullopt where the rest is other threads'.
static std::optional<LinearLayout> restrict(const LinearLayout &layout, ArrayRef<int64_t> shape) {
  auto isOutside = [&](const layout::Basis &basis) {
    for (unsigned dim = 0; dim < shape.size(); ++dim)
      if (basis[dim] >= shape[dim])
        return true;
    return false;
  };
  for (Place place : {Place::Lane, Place::Warp})
    if (llvm::any_of(layout.getBases(place), isOutside))
      return std::nullopt;
  layout::Bases registers;
  for (const layout::Basis &basis : layout.getBases(Place::Register))
    if (!isOutside(basis))
      registers.push_back(basis);
  LinearLayout part(layout.getRank(), registers, layout::Bases(layout.getBases(Place::Lane)),
                    layout::Bases(layout.getBases(Place::Warp)), layout.getRepeat());
  if (ArrayRef<int64_t>(part.getShape()) != shape)
    return std::nullopt;
  return part;
}

/// The layout of the fields of words in `words`: each word's in its thread.
static LinearLayout withFields(const LinearLayout &words, int64_t fields) {
  unsigned rank = words.getRank() + 1;
  layout::Bases registers;
  for (int64_t field = 1; field < fields; field *= 2) {
    registers.push_back(layout::Basis(rank, 0));
    registers.back().back() = field;
  }
  auto widen = [&](Place place, layout::Bases to = {}) {
    for (layout::Basis basis : words.getBases(place)) {
      basis.push_back(0);
      to.push_back(basis);
    }
    return to;
  };
  SmallVector<int64_t> repeat(words.getRepeat());
  repeat.push_back(1);
  return LinearLayout(rank, widen(Place::Register, registers), widen(Place::Lane),
                      widen(Place::Warp), repeat);
}

namespace {
class Assigner {
public:
  Assigner(func::FuncOp function, unsigned warps, std::array<int64_t, 2> grid)
      : function(function), warps(warps), grid(grid) {}

  void run() {
    cloneConstants();
    // Sums before operands: what is computed from both has the layout in which
    // each element is held once.
    function.walk([&](tile::DotOp dot) { seedSum(dot); });
    spread();
    function.walk([&](tile::DotOp dot) { seedOperands(dot); });
    function.walk([&](tile::PackOp pack) { seedWords(pack); });
    spread();
    spreadsBlocked = true;
    // Loads that no product reached, then whatever is still open, in program
    // order: each decision spreads before the next.
    function.walk([&](Operation *op) {
      if (auto load = dyn_cast<tile::LoadOp>(op))
        assignBlocked(load.getTile(), load.getOffsets(), load.getView());
      if (auto gather = dyn_cast<tile::GatherOp>(op))
        assignBlocked(gather.getTile(), gather.getColumn(), gather.getView());
    });
    function.walk([&](Operation *op) {
      for (Value result : op->getResults())
        assignBlocked(result);
    });
    rewriteTypes();
    insertConversions();
    function.walk([&](tile::DotOp dot) { replaceDot(dot); });
  }

private:
  /// The layout of operand `index` of a product.
  LinearLayout getOperandLayout(unsigned index, tile::DotOp dot) {
    RankedTensorType type = tensorOf(dot->getOperand(index));
    return layout::mmaOperand(index, type.getShape(), grid, getFragmentBits(dot));
  }
  void assign(Value value, const LinearLayout &layout) {
    if (!isTensor(value) || refuses(value))
      return;
    if (layouts.try_emplace(value, layout).second)
      worklist.push_back(value);
  }
  bool refuses(Value value);
  void assignBlocked(Value value, ValueRange offsets = {}, Value view = {});
  void cloneConstants();
  void seedSum(tile::DotOp dot);
  void seedOperands(tile::DotOp dot);
  void seedWords(tile::PackOp pack);
  void spread();
  void spreadThroughLoop(Value value);
  std::optional<LinearLayout> demand(Operation *op, unsigned operand, const LinearLayout &result);
  void spreadBackward(Operation *op, const LinearLayout &result);
  void spreadForward(OpOperand &use, const LinearLayout &layout);
  void rewriteTypes();
  void insertConversions();
  void replaceDot(tile::DotOp dot);

  func::FuncOp function;
  unsigned warps;
  std::array<int64_t, 2> grid;
  llvm::MapVector<Value, LinearLayout> layouts;
  SmallVector<Value> worklist;
  bool spreadsBlocked = false; ///< demands of products have been spread
};
} // namespace

/// Constants, splats and iotas cost next to nothing to repeat: each use may want
/// another layout.
void Assigner::cloneConstants() {
  SmallVector<Operation *> constants;
  function.walk([&](Operation *op) {
    if (isa<arith::ConstantOp, tile::SplatOp, tile::IotaOp>(op) && isTensor(op->getResult(0)))
      constants.push_back(op);
  });
  for (Operation *op : constants) {
    for (OpOperand &use : llvm::make_early_inc_range(op->getUses())) {
      OpBuilder builder(use.getOwner());
      use.set(builder.clone(*op)->getResult(0));
    }
    op->erase();
  }
}

/// As wide as accesses to `view` at `offsets` may be, where there are such.
void Assigner::assignBlocked(Value value, ValueRange offsets, Value view) {
  if (!isTensor(value) || layouts.contains(value))
    return;
  RankedTensorType type = tensorOf(value);
  int64_t vector = 1;
  if (view) {
    int64_t bytes = analysis::getAccessBytes(view, offsets, type.getShape());
    vector = std::max<int64_t>(1, bytes * 8 / type.getElementTypeBitWidth());
  }
  assign(value, layout::blocked(type.getShape(), vector, warps));
  spread();
}

/// A load of an operand tile that 16-byte copies cannot serve keeps the layout
/// that coalesces it, and goes to the operand's through shared memory.
bool Assigner::refuses(Value value) {
  auto load = value.getDefiningOp<tile::LoadOp>();
  auto gather = value.getDefiningOp<tile::GatherOp>();
  if ((!load && !gather) || spreadsBlocked || tensorOf(value).getRank() != 2 ||
      llvm::is_contained(tensorOf(value).getShape(), 1))
    return false;
  ArrayRef<int64_t> shape = tensorOf(value).getShape();
  return (load ? analysis::getAccessBytes(load.getView(), load.getOffsets(), shape)
               : analysis::getAccessBytes(gather.getView(), gather.getColumn(), shape)) < 16;
}

/// mma selection: m16n8k of 256 bits, the one shape all our targets have.
void Assigner::seedSum(tile::DotOp dot) {
  LinearLayout c = layout::mmaAccumulator(tensorOf(dot.getC()).getShape(), grid);
  assign(dot.getResult(), c);
  assign(dot.getC(), c);
}

void Assigner::seedOperands(tile::DotOp dot) {
  assign(dot.getA(), getOperandLayout(0, dot));
  assign(dot.getB(), getOperandLayout(1, dot));
}

/// Words where products load them. Codes are wanted where operands are, but loads bring them
/// in as wide as they can: a conversion is in between, in front of a transpose, which then
/// renames registers and keeps the order that memory has.
void Assigner::seedWords(tile::PackOp pack) {
  LinearLayout words = layout::packedWords(tensorOf(pack.getWords()).getShape(), grid);
  assign(pack.getWords(), words);
  if (pack.getCodes().getDefiningOp<tile::TransposeOp>())
    layouts.try_emplace(pack.getCodes(), *demand(pack, 0, words));
}

void Assigner::spread() {
  while (!worklist.empty()) {
    Value value = worklist.pop_back_val();
    LinearLayout layout = layouts.find(value)->second;
    spreadThroughLoop(value);
    if (Operation *op = value.getDefiningOp())
      spreadBackward(op, layout);
    for (OpOperand &use : value.getUses())
      spreadForward(use, layout);
  }
}

/// Everything a region op carries through one position has one layout.
void Assigner::spreadThroughLoop(Value value) {
  LinearLayout layout = layouts.find(value)->second;
  auto tie = [&](scf::ForOp loop, unsigned index) {
    assign(loop.getInitArgs()[index], layout);
    assign(loop.getRegionIterArg(index), layout);
    assign(loop.getYieldedValues()[index], layout);
    assign(loop.getResult(index), layout);
  };
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp()))
      tie(loop, argument.getArgNumber() - loop.getNumInductionVars());
  } else if (auto loop = value.getDefiningOp<scf::ForOp>()) {
    tie(loop, cast<OpResult>(value).getResultNumber());
  } else if (auto branch = value.getDefiningOp<scf::IfOp>()) {
    unsigned index = cast<OpResult>(value).getResultNumber();
    assign(branch.thenYield().getOperand(index), layout);
    assign(branch.elseYield().getOperand(index), layout);
  }
  for (OpOperand &use : value.getUses()) {
    unsigned index = use.getOperandNumber();
    if (auto loop = dyn_cast<scf::ForOp>(use.getOwner()); loop && index >= 3)
      tie(loop, index - 3);
    if (auto yield = dyn_cast<scf::YieldOp>(use.getOwner())) {
      if (auto loop = dyn_cast<scf::ForOp>(yield->getParentOp()))
        tie(loop, index);
      else
        assign(yield->getParentOp()->getResult(index), layout);
    }
  }
}

/// The layout an op wants of an operand when its result has `result`; nullopt
/// when it takes any.
std::optional<LinearLayout> Assigner::demand(Operation *op, unsigned operand,
                                             const LinearLayout &result) {
  RankedTensorType type = dyn_cast<RankedTensorType>(op->getOperand(operand).getType());
  if (!type)
    return std::nullopt;
  if (isElementwise(op))
    return result;
  if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
    LinearLayout layout = result;
    for (unsigned dim = 0; dim < type.getRank(); ++dim)
      if (type.getDimSize(dim) != tensorOf(broadcast.getResult()).getDimSize(dim))
        layout = layout.squeeze(dim);
    return layout;
  }
  if (isa<tile::ReshapeOp>(op))
    return result.reshape(type.getShape());
  if (auto transpose = dyn_cast<tile::TransposeOp>(op)) {
    SmallVector<unsigned> inverse(type.getRank());
    for (auto [i, dim] : llvm::enumerate(transpose.getOrder()))
      inverse[dim] = i;
    return result.transpose(inverse);
  }
  if (isa<tile::SliceOp>(op))
    return extend(result, type.getShape());
  // A word is where its fields are.
  if (isa<tile::FieldsOp>(op))
    return result.squeeze(type.getRank()).reshape(type.getShape());
  if (isa<tile::GatherOp>(op))
    return result.squeeze(1); // each thread the rows it reads
  if (isa<tile::UnpackOp>(op))
    return layout::packedWords(type.getShape(), getPackedGrid(result));
  if (auto pack = dyn_cast<tile::PackOp>(op))
    return layout::mmaOperand(1, type.getShape(), grid,
                              layout::getPartBits(pack.getForm().activations));
  if (auto dequant = dyn_cast<tile::DequantOp>(op)) {
    if (operand == 0)
      return result;
    // Every thread looks up in a table of its own.
    if (op->getOperand(operand) == dequant.getTable())
      return layout::blocked(type.getShape(), type.getDimSize(0), result.getNumWarps());
    if (type.getDimSize(0) == 1)
      return result.squeeze(0);
  }
  return std::nullopt;
}

void Assigner::spreadBackward(Operation *op, const LinearLayout &result) {
  if (isa<tile::PackOp>(op)) // seedWords()
    return;
  for (OpOperand &operand : op->getOpOperands())
    if (auto wanted = demand(op, operand.getOperandNumber(), result))
      assign(operand.get(), *wanted);
}

void Assigner::spreadForward(OpOperand &use, const LinearLayout &layout) {
  Operation *op = use.getOwner();
  if (isElementwise(op)) {
    assign(op->getResult(0), layout);
  } else if (auto transpose = dyn_cast<tile::TransposeOp>(op)) {
    SmallVector<unsigned> order(transpose.getOrder().begin(), transpose.getOrder().end());
    if (auto result = layout.transpose(order))
      assign(transpose.getResult(), *result);
  } else if (auto reshape = dyn_cast<tile::ReshapeOp>(op)) {
    if (auto result = layout.reshape(tensorOf(reshape.getResult()).getShape()))
      assign(reshape.getResult(), *result);
  } else if (auto fields = dyn_cast<tile::FieldsOp>(op)) {
    assign(fields.getNumbers(),
           withFields(layout, tensorOf(fields.getNumbers()).getShape().back()));
  } else if (auto slice = dyn_cast<tile::SliceOp>(op)) {
    if (auto result = restrict(layout, tensorOf(slice.getResult()).getShape()))
      assign(slice.getResult(), *result);
  } else if (auto reduce = dyn_cast<tile::ReduceOp>(op)) {
    assign(reduce.getResult(), layout.squeeze(reduce.getDim()));
  } else if (auto scatter = dyn_cast<tile::ScatterOp>(op); scatter && use.getOperandNumber() == 0) {
    assign(scatter.getRows(), layout.squeeze(1));
  }
}

void Assigner::rewriteTypes() {
  for (auto &[value, layout] : layouts) {
    RankedTensorType type = tilegpu::withLayout(tensorOf(value), layout);
    value.setType(type);
    if (auto constant = value.getDefiningOp<arith::ConstantOp>()) {
      auto splat = cast<SplatElementsAttr>(constant.getValue());
      constant.setValueAttr(DenseElementsAttr::get(type, splat.getSplatValue<Attribute>()));
    }
  }
}

/// A reduction leaves its result where its source was; another layout, which
/// the users agreed on before, is a conversion away.
static void convertResult(tile::ReduceOp op) {
  LinearLayout layout = tilegpu::getLayout(op.getSource()).squeeze(op.getDim());
  if (tilegpu::getLayout(op.getResult()) == layout)
    return;
  OpBuilder builder(op);
  builder.setInsertionPointAfter(op);
  Type wanted = op.getResult().getType();
  op.getResult().setType(tilegpu::withLayout(tensorOf(op.getResult()), layout));
  Value converted = tilegpu::ConvertLayoutOp::create(builder, op.getLoc(), wanted, op.getResult());
  op.getResult().replaceAllUsesExcept(converted, converted.getDefiningOp());
}

void Assigner::insertConversions() {
  function.walk([](tile::ReduceOp op) { convertResult(op); });
  function.walk([&](Operation *op) {
    auto convert = [&](OpOperand &use, const LinearLayout &wanted) {
      if (!isTensor(use.get()) || tilegpu::getLayout(use.get()) == wanted)
        return;
      OpBuilder builder(op);
      Type type = tilegpu::withLayout(tensorOf(use.get()), wanted);
      use.set(tilegpu::ConvertLayoutOp::create(builder, op->getLoc(), type, use.get()));
    };
    if (auto dot = dyn_cast<tile::DotOp>(op)) {
      convert(dot->getOpOperand(0), getOperandLayout(0, dot));
      convert(dot->getOpOperand(1), getOperandLayout(1, dot));
      convert(dot->getOpOperand(2), tilegpu::getLayout(dot.getResult()));
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      for (auto [i, use] : llvm::enumerate(loop.getInitArgsMutable()))
        if (isTensor(use.get()))
          convert(use, tilegpu::getLayout(loop.getRegionIterArg(i)));
    } else if (auto scatter = dyn_cast<tile::ScatterOp>(op)) {
      convert(scatter.getRowsMutable(), tilegpu::getLayout(scatter.getTile()).squeeze(1));
    } else if (isa<scf::YieldOp>(op)) {
      for (OpOperand &use : op->getOpOperands())
        if (isTensor(use.get()))
          convert(use, tilegpu::getLayout(op->getParentOp()->getResult(use.getOperandNumber())));
    } else if (op->getNumResults() == 1 && isTensor(op->getResult(0))) {
      LinearLayout result = tilegpu::getLayout(op->getResult(0));
      for (OpOperand &use : op->getOpOperands())
        if (auto wanted = demand(op, use.getOperandNumber(), result))
          convert(use, *wanted);
    }
  });
}

void Assigner::replaceDot(tile::DotOp dot) {
  OpBuilder builder(dot);
  Value mma = tilegpu::MmaOp::create(builder, dot.getLoc(), dot.getResult().getType(), dot.getA(),
                                     dot.getB(), dot.getC());
  dot.replaceAllUsesWith(mma);
  dot.erase();
}

/// Whether somebody has assigned layouts already.
static bool hasLayouts(func::FuncOp function) {
  return function
      .walk([](Operation *op) {
        return llvm::any_of(op->getResultTypes(), tilegpu::getLayoutAttr) ? WalkResult::interrupt()
                                                                          : WalkResult::advance();
      })
      .wasInterrupted();
}

namespace {
struct AssignLayoutsPass : layoutpasses::impl::AssignLayoutsBase<AssignLayoutsPass> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    auto kernel = function->getAttrOfType<tile::KernelAttr>(tile::kernelAttrName);
    if (!kernel || hasLayouts(function))
      return;
    int64_t warps = kernel.getWarps();
    if (!llvm::isPowerOf2_64(warps)) {
      function.emitError() << "expects a power of two of warps, but got " << warps;
      return signalPassFailure();
    }
    std::array<int64_t, 2> grid = {1, warps};
    if (auto attr = function->getAttrOfType<DenseI64ArrayAttr>(tile::warpsAttrName)) {
      ArrayRef<int64_t> counts = attr.asArrayRef();
      if (counts.size() != 2 || counts[0] < 1 || counts[0] * counts[1] != warps) {
        function.emitError() << "expects " << tile::warpsAttrName << " to arrange the " << warps
                             << " warps of the kernel, but got " << attr;
        return signalPassFailure();
      }
      grid = {counts[0], counts[1]};
    } else if (auto attr = function->getAttrOfType<tile::ScheduleAttr>(tile::scheduleAttrName))
      if (auto rows = attr.getParameters().getAs<IntegerAttr>("warps_m")) {
        if (rows.getInt() < 1 || warps % rows.getInt() != 0) {
          function.emitError() << "expects warps_m to divide the " << warps
                               << " warps of the kernel, but got " << rows.getInt();
          return signalPassFailure();
        }
        grid = {rows.getInt(), warps / rows.getInt()};
      }
    WalkResult splats = function.walk([](arith::ConstantOp op) -> WalkResult {
      if (isTensor(op) && !isa<SplatElementsAttr>(op.getValue()))
        return op.emitOpError() << "expects a constant tile to repeat one value";
      return WalkResult::advance();
    });
    if (splats.wasInterrupted())
      return signalPassFailure();
    WalkResult fits = function.walk([&](tile::DotOp dot) -> WalkResult {
      ArrayRef<int64_t> c = tensorOf(dot.getC()).getShape();
      int64_t k = tensorOf(dot.getA()).getDimSize(1);
      int64_t depth = layout::getMmaDepth(getFragmentBits(dot));
      if (c[0] % (16 * grid[0]) || c[1] % (8 * grid[1]) || k % depth)
        return dot.emitOpError() << "expects tiles of a multiple of " << 16 * grid[0] << "x"
                                 << 8 * grid[1] << "x" << depth << " for " << grid[0] << "x"
                                 << grid[1] << " warps, but got " << c[0] << "x" << c[1] << "x"
                                 << k;
      return WalkResult::advance();
    });
    if (fits.wasInterrupted())
      return signalPassFailure();
    Assigner(function, warps, grid).run();
    function->removeAttr(tile::warpsAttrName); // layouts say it now
  }
};
} // namespace
