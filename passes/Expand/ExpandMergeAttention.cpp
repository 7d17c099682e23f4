//===- ExpandMergeAttention.cpp - merge_attention as a tile program -----------===//
//
// Part of Expand. A block computes tile_s rows of tile_h heads of one batch, tile_d
// elements of each; parts are unrolled, all their loads in flight together:
//
//   m = max_i lse_i;  m = 0 where that is -inf
//   weight_i = 2^(log2(e) (lse_i - m));  total = sum_i weight_i
//   o = (sum_i weight_i * part_i) / total, 0 where total is
//   lse = m + ln(2) log2(total)
//
// A part of weight 0 is left out, so that what it holds does not count. Blocks that
// have other elements of the same heads compute the same weights; the first of them
// stores lse.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/MergeAttention.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Expand/Passes.h"
#include "passes/Expand/ProgramBuilder.h"
#include <limits>
#include <numbers>

using namespace mlir;
using namespace tilewright;
using schedule::MergeAttentionSchedule;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

namespace {
class MergeAttentionProgram : expand::ProgramBuilder {
public:
  MergeAttentionProgram(nn::MergeAttentionOp op, func::FuncOp source,
                        const MergeAttentionSchedule &schedule)
      : ProgramBuilder(op, source, op.getProblem().value_or(nn::ProblemAttr())), merge(op),
        schedule(schedule), partType(tensorOf(op.getO())) {}

  void run() {
    buildFunction();
    placeBlock();
    SmallVector<Value> logarithms;
    for (const Operand &operand : lses)
      logarithms.push_back(load(viewRows(operand), rowOffsets(), rowShape()));
    Value shift = getShift(logarithms);
    SmallVector<Value> weights;
    Value total;
    for (Value logarithm : logarithms) {
      Value distance = arith::SubFOp::create(builder, loc, logarithm, shift);
      weights.push_back(exp2(scale(distance, std::numbers::log2e)));
      total = total ? arith::AddFOp::create(builder, loc, total, weights.back()) : weights.back();
    }
    storeResult(weights, total);
    if (lse)
      storeLogarithm(shift, total);
    func::ReturnOp::create(builder, loc);
  }

private:
  struct Operand {
    RankedTensorType type;
    std::string name;
    unsigned pointer = 0;
    SmallVector<int64_t> strides;                    ///< kDynamic where a launch knows
    SmallVector<std::optional<unsigned>> strideArgs; ///< the parameters of those
  };

  // Parameters: pointers in the order of the problem's operands, S, strides.
  Operand declare(Value value, const Twine &name, bool isWritten = false);
  void buildFunction();
  tile::KernelAttr getKernelAttr();

  // Places.
  void placeBlock();
  Value getStride(const Operand &operand, unsigned axis);
  Value getBatch(const Operand &operand);
  Value viewElements(const Operand &operand);
  Value viewRows(const Operand &operand);
  SmallVector<Value> elementOffsets() { return {row, head, column}; }
  SmallVector<Value> rowOffsets() { return {row, head, constant(0)}; }
  SmallVector<int64_t> elementShape() { return {schedule.tileS, schedule.tileH, schedule.tileD}; }
  SmallVector<int64_t> rowShape() { return {schedule.tileS, schedule.tileH, 1}; }
  int64_t getColumnTiles() { return llvm::divideCeil(partType.getDimSize(3), schedule.tileD); }

  // Values.
  Value splat(double value, ArrayRef<int64_t> shape) {
    auto attr = builder.getF32FloatAttr(value);
    return arith::ConstantOp::create(builder, loc,
                                     DenseElementsAttr::get(tensor(shape, f32()), attr.getValue()));
  }
  Value scale(Value value, double factor) {
    return arith::MulFOp::create(builder, loc, value, splat(factor, rowShape()));
  }
  Value exp2(Value value) {
    return math::Exp2Op::create(builder, loc, value, arith::FastMathFlags::afn);
  }
  Value isEqual(Value value, double number, ArrayRef<int64_t> shape) {
    return arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ, value,
                                 splat(number, shape));
  }
  Value getShift(ArrayRef<Value> logarithms);
  void storeResult(ArrayRef<Value> weights, Value total);
  void storeLogarithm(Value shift, Value total);

  nn::MergeAttentionOp merge;
  const MergeAttentionSchedule schedule;
  RankedTensorType partType; ///< of o, whose extents are those of the parts
  SmallVector<Operand> parts, lses;
  Operand o;
  std::optional<Operand> lse;
  std::optional<unsigned> rowsArg;

  Value batch, row, head, column, columnTile; ///< of this block
};
} // namespace

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

MergeAttentionProgram::Operand MergeAttentionProgram::declare(Value value, const Twine &name,
                                                              bool isWritten) {
  Operand operand;
  operand.type = tensorOf(value);
  operand.name = name.str();
  operand.pointer = addPointer(operand.name, operand.type.getElementType(), isWritten);
  auto attr = problem ? problem.findOperand(operand.name) : nn::OperandAttr();
  operand.strides = attr && !attr.getStrides().empty()
                        ? SmallVector<int64_t>(attr.getStrides())
                        : nn::getRowMajorStrides(operand.type.getShape());
  operand.strideArgs.resize(operand.strides.size());
  return operand;
}

void MergeAttentionProgram::buildFunction() {
  for (auto [i, part] : llvm::enumerate(merge.getParts()))
    parts.push_back(declare(part, "o" + Twine(i)));
  for (auto [i, logarithm] : llvm::enumerate(merge.getLses()))
    lses.push_back(declare(logarithm, "lse" + Twine(i)));
  if (merge.getLse())
    lse = declare(merge.getLse(), "lse", /*isWritten=*/true);
  o = declare(merge.getO(), "o", /*isWritten=*/true);
  if (partType.isDynamicDim(1))
    rowsArg = addParameter(tile::ParameterKind::Dimension, "S", builder.getI32Type(), "");
  SmallVector<Operand *> operands;
  for (Operand &operand : llvm::concat<Operand>(parts, lses))
    operands.push_back(&operand);
  if (lse)
    operands.push_back(&*lse);
  operands.push_back(&o);
  for (Operand *operand : operands)
    for (auto [axis, stride] : llvm::enumerate(operand->strides))
      if (ShapedType::isDynamic(stride))
        operand->strideArgs[axis] = addParameter(tile::ParameterKind::Stride, operand->name,
                                                 builder.getI64Type(), "", axis);
  createProgram(getKernelAttr(), *merge.getSchedule());
  program->setAttr(tile::warpsAttrName, builder.getDenseI64ArrayAttr({schedule.warps, 1}));
}

/// Grid: tiles of rows; tiles of heads, and of elements within; batches.
tile::KernelAttr MergeAttentionProgram::getKernelAttr() {
  auto count = [](int64_t extent, int64_t tile, const char *name) {
    return ShapedType::isDynamic(extent)
               ? "ceildiv(" + std::string(name) + ", " + std::to_string(tile) + ")"
               : std::to_string(llvm::divideCeil(extent, tile));
  };
  int64_t batches = partType.getDimSize(0);
  int64_t heads = llvm::divideCeil(partType.getDimSize(2), schedule.tileH);
  return tile::KernelAttr::get(
      builder.getContext(),
      builder.getStrArrayAttr({count(partType.getDimSize(1), schedule.tileS, "S"),
                               std::to_string(heads * getColumnTiles()),
                               ShapedType::isDynamic(batches) ? "B" : std::to_string(batches)}),
      schedule.warps, {});
}

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

void MergeAttentionProgram::placeBlock() {
  row = scaled(programId(0), schedule.tileS);
  batch = programId(2);
  Value tile = programId(1), count = constant(getColumnTiles());
  head = scaled(arith::DivUIOp::create(builder, loc, tile, count), schedule.tileH);
  columnTile = arith::RemUIOp::create(builder, loc, tile, count);
  column = scaled(columnTile, schedule.tileD);
}

/// i64, of which is known what the launcher checked.
Value MergeAttentionProgram::getStride(const Operand &operand, unsigned axis) {
  if (!operand.strideArgs[axis])
    return arith::ConstantOp::create(builder, loc,
                                     builder.getI64IntegerAttr(operand.strides[axis]));
  int64_t bytes = operand.type.getElementTypeBitWidth() / 8;
  return tile::AssumeOp::create(builder, loc, argument(*operand.strideArgs[axis]),
                                std::max<int64_t>(1, getAlign(operand.name) / bytes));
}

/// The operand's elements of this block's batch.
Value MergeAttentionProgram::getBatch(const Operand &operand) {
  Value wide = arith::ExtUIOp::create(builder, loc, builder.getI64Type(), batch);
  Value distance = arith::MulIOp::create(builder, loc, wide, getStride(operand, 0));
  return tile::AdvanceOp::create(builder, loc, argument(operand.pointer), distance,
                                 operand.type.getElementType());
}

/// S x H x Dv of a part or o.
Value MergeAttentionProgram::viewElements(const Operand &operand) {
  SmallVector<Value> sizes, strides;
  if (rowsArg)
    sizes.push_back(argument(*rowsArg));
  for (unsigned axis : {1, 2})
    if (operand.strideArgs[axis])
      strides.push_back(getStride(operand, axis));
  return view(getBatch(operand), partType.getShape().drop_front(), operand.type.getElementType(),
              {operand.strides[1], operand.strides[2], 1}, getAlign(operand.name), sizes, strides);
}

/// S x H x 1 of logarithms, which lie [H, S].
Value MergeAttentionProgram::viewRows(const Operand &operand) {
  SmallVector<Value> sizes, strides;
  if (rowsArg)
    sizes.push_back(argument(*rowsArg));
  if (operand.strideArgs[1])
    strides.push_back(getStride(operand, 1));
  return view(getBatch(operand), {partType.getDimSize(1), partType.getDimSize(2), 1}, f32(),
              {1, operand.strides[1], 1}, 4, sizes, strides);
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Value MergeAttentionProgram::getShift(ArrayRef<Value> logarithms) {
  Value top = logarithms.front();
  for (Value logarithm : logarithms.drop_front())
    top = arith::MaximumFOp::create(builder, loc, top, logarithm);
  Value isNone = isEqual(top, -std::numeric_limits<double>::infinity(), rowShape());
  return arith::SelectOp::create(builder, loc, isNone, splat(0, rowShape()), top);
}

void MergeAttentionProgram::storeResult(ArrayRef<Value> weights, Value total) {
  Value sum, zero = splat(0, elementShape());
  for (auto [operand, weight] : llvm::zip_equal(parts, weights)) {
    Value elements = extend(load(viewElements(operand), elementOffsets(), elementShape()));
    Value wide = spread(weight, elementShape());
    Value isNone = isEqual(wide, 0, elementShape());
    elements = arith::SelectOp::create(builder, loc, isNone, zero, elements);
    sum = sum ? math::FmaOp::create(builder, loc, wide, elements, sum)
              : Value(arith::MulFOp::create(builder, loc, wide, elements));
  }
  Value inverse = arith::DivFOp::create(builder, loc, splat(1, rowShape()), total);
  inverse = arith::SelectOp::create(builder, loc, isEqual(total, 0, rowShape()),
                                    splat(0, rowShape()), inverse);
  sum = arith::MulFOp::create(builder, loc, sum, spread(inverse, elementShape()));
  if (Type element = o.type.getElementType(); !element.isF32())
    sum = arith::TruncFOp::create(builder, loc, tensor(elementShape(), element), sum);
  tile::StoreOp::create(builder, loc, sum, viewElements(o), elementOffsets());
}

void MergeAttentionProgram::storeLogarithm(Value shift, Value total) {
  OpBuilder::InsertionGuard guard(builder);
  if (getColumnTiles() > 1) {
    Value isFirst = compare(arith::CmpIPredicate::eq, columnTile, constant(0));
    auto branch = scf::IfOp::create(builder, loc, isFirst, /*withElseRegion=*/false);
    builder.setInsertionPointToStart(branch.thenBlock());
  }
  Value logarithm = scale(math::Log2Op::create(builder, loc, total), std::numbers::ln2);
  logarithm = arith::AddFOp::create(builder, loc, shift, logarithm);
  tile::StoreOp::create(builder, loc, logarithm, viewRows(*lse), rowOffsets());
}

LogicalResult expand::expandMergeAttention(nn::MergeAttentionOp op, func::FuncOp function) {
  if (!op.getSchedule())
    return op.emitOpError() << "expects a schedule; the driver attaches one before tw-expand-nn";
  auto schedule = MergeAttentionSchedule::fromSchedule(tile::fromAttribute(*op.getSchedule()));
  if (!schedule)
    return op.emitOpError() << llvm::toString(schedule.takeError());
  if (auto error = schedule::verifyMergeAttentionShape(*schedule))
    return op.emitOpError() << llvm::toString(std::move(error));
  MergeAttentionProgram(op, function, *schedule).run();
  return success();
}
