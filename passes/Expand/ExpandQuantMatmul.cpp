//===- ExpandQuantMatmul.cpp - The quantised matmul as a tile program --------===//
//
// Part of Expand. A block owns a tile_m x tile_n tile of y and walks K in steps
// of tile_k:
//
//   for each K tile:  x tile, packed words, scales, zero points <- memory
//     for each group in the tile:
//       part = sum over the group's rows of x * (q - z)      (tensor cores, f32)
//       acc  = part * scale + acc                            (f32)
//   y = activation(acc + bias)
//
// The scale meets the f32 sum, not the weights: exact whatever its range, and
// fewer instructions than scaling operands. With split_k > 1 each block leaves
// its sum in a workspace; the block that arrives last adds them in order.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Packing.h"
#include "dialects/Support/Schedule/QuantMatmul.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Expand/Passes.h"

using namespace mlir;
using namespace tilewright;
using schedule::QuantMatmulSchedule;

/// "f16" for the type f16, "u32" for i32 words, "u8" for zero points.
static std::string getDtype(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type))
    return "u" + std::to_string(integer.getWidth());
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

namespace {
/// Builds one program. The members follow the order of construction.
class Expander {
public:
  Expander(nn::QuantMatmulOp op, func::FuncOp function, QuantMatmulSchedule schedule)
      : op(op), source(function), loc(op.getLoc()), builder(function), schedule(schedule),
        weights(op.getW().getType()), format(weights.getFormat()), k(weights.getK()),
        n(weights.getN()), m(cast<RankedTensorType>(op.getX().getType()).getDimSize(0)) {}

  void run() {
    buildFunction();
    buildViews();
    Value acc = buildMainLoop();
    if (schedule.splitK > 1)
      buildSplitEpilogue(acc);
    else
      buildEpilogue(acc);
    func::ReturnOp::create(builder, loc);
  }

private:
  void buildFunction();
  void buildViews();
  Value buildMainLoop();
  Value buildTile(Value kTile, Value acc);
  void buildSplitEpilogue(Value acc);
  void buildEpilogue(Value acc);

  // Function arguments.
  unsigned addParameter(tile::ParameterKind kind, StringRef name, Type type, StringRef dtype,
                        unsigned axis = 0, unsigned align = 1, bool written = false);
  unsigned addPointer(StringRef name, Type element, bool written = false);
  Value argument(unsigned index) { return program.getArgument(index); }
  tile::KernelAttr getKernelAttr();

  // Small builders.
  Value constant(int64_t value) {
    return arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(value));
  }
  Value scaled(Value value, int64_t factor) {
    return arith::MulIOp::create(builder, loc, value, constant(factor));
  }
  RankedTensorType tensor(ArrayRef<int64_t> shape, Type element) {
    return RankedTensorType::get(shape, element);
  }
  Value zeros(ArrayRef<int64_t> shape) {
    auto type = tensor(shape, builder.getF32Type());
    return arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type));
  }
  Value load(Value view, ValueRange offsets, ArrayRef<int64_t> shape) {
    Type element = cast<tile::ViewType>(view.getType()).getElementType();
    return tile::LoadOp::create(builder, loc, tensor(shape, element), view, offsets);
  }
  Value slice(Value value, ArrayRef<int64_t> offsets, ArrayRef<int64_t> shape) {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getShape() == shape)
      return value;
    return tile::SliceOp::create(builder, loc, tensor(shape, type.getElementType()), value,
                                 offsets);
  }
  Value view(Value base, ArrayRef<int64_t> shape, Type element, ArrayRef<int64_t> strides,
             unsigned align, ValueRange sizes = {}, ValueRange dynamicStrides = {}) {
    auto type = tile::ViewType::get(builder.getContext(), shape, element, strides, align);
    return tile::ViewOp::create(builder, loc, type, base, sizes, dynamicStrides);
  }
  Value viewOfOperand(StringRef name, Value base, RankedTensorType type, Value dynamicStride);
  Value loadGroups(Value view, Value kTile);
  Value broadcastRow(Value row);

  // Problem facts.
  unsigned getAlign(StringRef name) {
    auto operand = op.getProblem() ? op.getProblem()->findOperand(name) : nn::OperandAttr();
    return operand ? operand.getAlignment() : 16;
  }
  int64_t getRowStride(StringRef name, int64_t contiguous) {
    auto operand = op.getProblem() ? op.getProblem()->findOperand(name) : nn::OperandAttr();
    return operand && !operand.getStrides().empty() ? operand.getStrides().front() : contiguous;
  }
  int64_t getGroupsPerTile() const {
    bool within = !format.isChannel() && format.getGroup() < schedule.tileK;
    return within ? schedule.tileK / format.getGroup() : 1;
  }
  /// Rows of one product: within a group, and at most one packed fragment.
  int64_t getChunk() const {
    int64_t fragment = layout::fragmentK;
    return format.isChannel() ? fragment : std::min(fragment, format.getGroup());
  }

  nn::QuantMatmulOp op;
  func::FuncOp source;
  Location loc;
  OpBuilder builder;
  QuantMatmulSchedule schedule;
  nn::QuantizedType weights;
  nn::QFormatAttr format;
  int64_t k, n, m;

  func::FuncOp program;
  SmallVector<Type> argumentTypes;
  SmallVector<tile::ParameterAttr> parameters;
  unsigned xArg = 0, wArg = 0, scalesArg = 0, yArg = 0;
  std::optional<unsigned> zerosArg, biasArg, mArg, xStrideArg, yStrideArg, partialsArg, countersArg;

  Value mSize; ///< M as an i32 when it is dynamic
  Value programM, programN, programK, rowStart, columnStart, stripStart;
  Value xView, wView, scalesView, zerosView, biasView, yView;
};
} // namespace

//===----------------------------------------------------------------------===//
// Function and views
//===----------------------------------------------------------------------===//

unsigned Expander::addParameter(tile::ParameterKind kind, StringRef name, Type type,
                                StringRef dtype, unsigned axis, unsigned align, bool written) {
  argumentTypes.push_back(type);
  parameters.push_back(
      tile::ParameterAttr::get(builder.getContext(), kind, name, dtype, axis, align, written));
  return parameters.size() - 1;
}

unsigned Expander::addPointer(StringRef name, Type element, bool written) {
  return addParameter(tile::ParameterKind::Pointer, name, tile::PtrType::get(builder.getContext()),
                      getDtype(element), 0, getAlign(name), written);
}

/// Grid: N tiles, M tiles, splits. Workspaces only for split K.
tile::KernelAttr Expander::getKernelAttr() {
  std::string rows = ShapedType::isDynamic(m) ? "M" : std::to_string(m);
  std::string tilesN = std::to_string(llvm::divideCeil(n, schedule.tileN));
  std::string tilesM = ShapedType::isDynamic(m)
                           ? "ceildiv(M, " + std::to_string(schedule.tileM) + ")"
                           : std::to_string(llvm::divideCeil(m, schedule.tileM));
  SmallVector<tile::WorkspaceAttr> workspaces;
  if (schedule.splitK > 1) {
    int64_t paddedN = llvm::alignTo(n, schedule.tileN);
    std::string bytes = std::to_string(4 * schedule.splitK * paddedN) + " * " + rows;
    workspaces.push_back(
        tile::WorkspaceAttr::get(builder.getContext(), "partials", bytes, false, false));
    bytes = "4 * " + tilesN + " * " + tilesM;
    workspaces.push_back(
        tile::WorkspaceAttr::get(builder.getContext(), "counters", bytes, true, true));
  }
  auto grid = builder.getStrArrayAttr({tilesN, tilesM, std::to_string(schedule.splitK)});
  return tile::KernelAttr::get(builder.getContext(), grid, schedule.getWarps(), workspaces);
}

void Expander::buildFunction() {
  auto xType = cast<RankedTensorType>(op.getX().getType());
  auto yType = cast<RankedTensorType>(op.getY().getType());
  xArg = addPointer("x", xType.getElementType());
  wArg = addPointer("w", builder.getI32Type());
  scalesArg = addPointer("scales", format.getScale());
  if (format.getZero() == nn::ZeroPoint::Integer)
    zerosArg = addPointer("zeros", builder.getI8Type());
  if (op.getBias())
    biasArg = addPointer("bias", cast<RankedTensorType>(op.getBias().getType()).getElementType());
  yArg = addPointer("y", yType.getElementType(), /*written=*/true);
  if (ShapedType::isDynamic(m))
    mArg = addParameter(tile::ParameterKind::Dimension, "M", builder.getI32Type(), "");
  if (ShapedType::isDynamic(getRowStride("x", k)))
    xStrideArg = addParameter(tile::ParameterKind::Stride, "x", builder.getI64Type(), "", 0);
  if (ShapedType::isDynamic(getRowStride("y", n)))
    yStrideArg = addParameter(tile::ParameterKind::Stride, "y", builder.getI64Type(), "", 0);
  if (schedule.splitK > 1) {
    Type pointer = tile::PtrType::get(builder.getContext());
    partialsArg = addParameter(tile::ParameterKind::Workspace, "partials", pointer, "f32", 0, 16);
    countersArg = addParameter(tile::ParameterKind::Workspace, "counters", pointer, "u32", 0, 4);
  }

  program = func::FuncOp::create(builder, source.getLoc(), source.getName(),
                                 builder.getFunctionType(argumentTypes, {}));
  program->setAttr(tile::kernelAttrName, getKernelAttr());
  program->setAttr(tile::scheduleAttrName, *op.getSchedule());
  for (auto [i, parameter] : llvm::enumerate(parameters))
    program.setArgAttr(i, tile::parameterAttrName, parameter);
  builder.setInsertionPointToStart(program.addEntryBlock());
}

Value Expander::viewOfOperand(StringRef name, Value base, RankedTensorType type,
                              Value dynamicStride) {
  int64_t stride = getRowStride(name, type.getDimSize(1));
  return view(base, type.getShape(), type.getElementType(), {stride, 1}, getAlign(name),
              mSize ? ValueRange(mSize) : ValueRange(),
              dynamicStride ? ValueRange(dynamicStride) : ValueRange());
}

void Expander::buildViews() {
  programN = tile::ProgramIdOp::create(builder, loc, builder.getI32Type(), 0);
  programM = tile::ProgramIdOp::create(builder, loc, builder.getI32Type(), 1);
  if (schedule.splitK > 1)
    programK = tile::ProgramIdOp::create(builder, loc, builder.getI32Type(), 2);
  rowStart = scaled(programM, schedule.tileM);
  columnStart = scaled(programN, schedule.tileN);
  stripStart = scaled(programN, schedule.tileN / layout::blockN);

  if (mArg)
    mSize = argument(*mArg);
  xView = viewOfOperand("x", argument(xArg), cast<RankedTensorType>(op.getX().getType()),
                        xStrideArg ? argument(*xStrideArg) : Value());
  yView = viewOfOperand("y", argument(yArg), cast<RankedTensorType>(op.getY().getType()),
                        yStrideArg ? argument(*yStrideArg) : Value());

  int64_t strips = llvm::divideCeil(n, layout::blockN),
          blocks = llvm::divideCeil(k, layout::blockK);
  int64_t words = layout::blockK * layout::blockN / 32 * format.getBits();
  wView = view(argument(wArg), {strips, blocks, words}, builder.getI32Type(),
               {blocks * words, words, 1}, getAlign("w"));
  // Scales and zero points: a strip's 32 columns in the order of
  // layout::scalePosition.
  int64_t groups = format.getNumGroups(k), perStrip = layout::blockN;
  SmallVector<int64_t> shape = {groups, strips, perStrip};
  SmallVector<int64_t> strides = {strips * perStrip, perStrip, 1};
  scalesView = view(argument(scalesArg), shape, format.getScale(), strides, getAlign("scales"));
  if (zerosArg)
    zerosView = view(argument(*zerosArg), shape, builder.getI8Type(), strides, getAlign("zeros"));
  if (biasArg) {
    Type element = cast<RankedTensorType>(op.getBias().getType()).getElementType();
    biasView = view(argument(*biasArg), {1, n}, element, {n, 1}, getAlign("bias"));
  }
}

//===----------------------------------------------------------------------===//
// Main loop
//===----------------------------------------------------------------------===//

/// The rows of scales or zero points that K tile `kTile` needs, G x tile_n in
/// column order.
Value Expander::loadGroups(Value groupsView, Value kTile) {
  int64_t perTile = getGroupsPerTile(), strips = schedule.tileN / layout::blockN;
  Value first = constant(0);
  if (!format.isChannel()) {
    if (format.getGroup() <= schedule.tileK)
      first = scaled(kTile, perTile);
    else
      first =
          arith::DivUIOp::create(builder, loc, kTile, constant(format.getGroup() / schedule.tileK));
  }
  Value zero = constant(0);
  Value stored = load(groupsView, {first, stripStart, zero}, {perTile, strips, layout::blockN});
  Type element = cast<RankedTensorType>(stored.getType()).getElementType();
  // Position 4g + c holds column 8c + g.
  stored = tile::ReshapeOp::create(builder, loc, tensor({perTile, strips, 8, 4}, element), stored);
  Value columns = tile::TransposeOp::create(builder, loc, tensor({perTile, strips, 4, 8}, element),
                                            stored, ArrayRef<int64_t>{0, 1, 3, 2});
  return tile::ReshapeOp::create(builder, loc, tensor({perTile, schedule.tileN}, element), columns);
}

/// A 1 x tile_n row of a 16-bit or f32 type as a tile_m x tile_n tile of f32.
Value Expander::broadcastRow(Value row) {
  auto type = cast<RankedTensorType>(row.getType());
  if (!type.getElementType().isF32())
    row = arith::ExtFOp::create(builder, loc, tensor(type.getShape(), builder.getF32Type()), row);
  return tile::BroadcastOp::create(
      builder, loc, tensor({schedule.tileM, schedule.tileN}, builder.getF32Type()), row);
}

/// One K tile added to the accumulator.
Value Expander::buildTile(Value kTile, Value acc) {
  int64_t tileM = schedule.tileM, tileN = schedule.tileN, tileK = schedule.tileK;
  int64_t blocks = tileK / layout::blockK, words = layout::blockK * layout::blockN / 32;
  Value zero = constant(0);
  Value x = load(xView, {rowStart, scaled(kTile, tileK)}, {tileM, tileK});
  Value packed = load(wView, {stripStart, scaled(kTile, blocks), zero},
                      {tileN / layout::blockN, blocks, words * int64_t(format.getBits())});
  Value scales = format.isChannel() ? Value() : loadGroups(scalesView, kTile);
  Value zeroPoints = zerosView ? loadGroups(zerosView, kTile) : Value();

  Type code = builder.getIntegerType(format.getBits());
  Value codes = tile::UnpackOp::create(builder, loc, tensor({tileK, tileN}, code), packed);
  Type half = cast<RankedTensorType>(x.getType()).getElementType();
  // Zero points are stored biased as the codes are: the biases cancel.
  int64_t bias = format.getIsSigned() && !zerosView ? int64_t(1) << (format.getBits() - 1) : 0;
  int64_t chunk = getChunk(), groupRows = tileK / getGroupsPerTile();
  for (int64_t group = 0; group < getGroupsPerTile(); ++group) {
    Value part = format.isChannel() ? acc : zeros({tileM, tileN});
    Value groupZero = zeroPoints ? slice(zeroPoints, {group, 0}, {1, tileN}) : Value();
    for (int64_t row = group * groupRows; row < (group + 1) * groupRows; row += chunk) {
      Value rows = slice(codes, {row, 0}, {chunk, tileN});
      Value values = tile::DequantOp::create(builder, loc, tensor({chunk, tileN}, half), rows,
                                             groupZero, builder.getI32IntegerAttr(bias));
      Value columns = slice(x, {0, row}, {tileM, chunk});
      part = tile::DotOp::create(builder, loc, part.getType(), columns, values, part);
    }
    if (format.isChannel())
      acc = part;
    else
      acc = math::FmaOp::create(builder, loc, part,
                                broadcastRow(slice(scales, {group, 0}, {1, tileN})), acc);
  }
  return acc;
}

Value Expander::buildMainLoop() {
  int64_t tiles = llvm::divideCeil(k, schedule.tileK);
  Value lower = constant(0), upper = constant(tiles);
  if (schedule.splitK > 1) {
    // Split s takes tiles [s * tiles / split, (s + 1) * tiles / split).
    Value split = constant(schedule.splitK);
    lower = arith::DivUIOp::create(builder, loc, scaled(programK, tiles), split);
    Value next = arith::AddIOp::create(builder, loc, programK, constant(1));
    upper = arith::DivUIOp::create(builder, loc, scaled(next, tiles), split);
  }
  Value init = zeros({schedule.tileM, schedule.tileN});
  auto loop = scf::ForOp::create(builder, loc, lower, upper, constant(1), ValueRange(init));
  loop->setAttr(tile::stagesAttrName, builder.getI32IntegerAttr(schedule.stages));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Value acc = buildTile(loop.getInductionVar(), loop.getRegionIterArg(0));
  scf::YieldOp::create(builder, loc, acc);
  return loop.getResult(0);
}

//===----------------------------------------------------------------------===//
// Epilogue
//===----------------------------------------------------------------------===//

/// Scale of a whole column, bias, activation, rounding, store.
void Expander::buildEpilogue(Value acc) {
  if (format.isChannel()) {
    Value row = loadGroups(scalesView, constant(0));
    acc = arith::MulFOp::create(builder, loc, acc, broadcastRow(row));
  }
  if (biasView) {
    Value row = load(biasView, {constant(0), columnStart}, {1, schedule.tileN});
    acc = arith::AddFOp::create(builder, loc, acc, broadcastRow(row));
  }
  acc = expand::applyActivation(builder, loc, op.getActivation(), acc);
  Type element = cast<RankedTensorType>(op.getY().getType()).getElementType();
  if (!element.isF32())
    acc = arith::TruncFOp::create(builder, loc, tensor({schedule.tileM, schedule.tileN}, element),
                                  acc);
  tile::StoreOp::create(builder, loc, acc, yView, ValueRange{rowStart, columnStart});
}

/// Partial sums meet in the workspace; the last block adds them in the order
/// of the splits, so that the result does not depend on who came last.
void Expander::buildSplitEpilogue(Value acc) {
  int64_t tileM = schedule.tileM, tileN = schedule.tileN, paddedN = llvm::alignTo(n, tileN);
  Type f32 = builder.getF32Type();
  SmallVector<Value> dynamicStride;
  int64_t splitStride = ShapedType::kDynamic;
  if (mSize) {
    Value rows = arith::ExtUIOp::create(builder, loc, builder.getI64Type(), mSize);
    Value width = arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(paddedN));
    dynamicStride.push_back(arith::MulIOp::create(builder, loc, rows, width));
  } else {
    splitStride = m * paddedN;
  }
  Value partials =
      view(argument(*partialsArg), {schedule.splitK, m, paddedN}, f32, {splitStride, paddedN, 1},
           16, mSize ? ValueRange(mSize) : ValueRange(), dynamicStride);
  Value mine = tile::ReshapeOp::create(builder, loc, tensor({1, tileM, tileN}, f32), acc);
  tile::StoreOp::create(builder, loc, mine, partials, ValueRange{programK, rowStart, columnStart});

  Value tilesN = constant(llvm::divideCeil(n, tileN));
  Value tileIndex = arith::AddIOp::create(
      builder, loc, arith::MulIOp::create(builder, loc, programM, tilesN), programN);
  Value last = tile::ArriveOp::create(builder, loc, builder.getI1Type(), argument(*countersArg),
                                      tileIndex, builder.getI32IntegerAttr(schedule.splitK));
  auto branch = scf::IfOp::create(builder, loc, last, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  auto loop = scf::ForOp::create(builder, loc, constant(0), constant(schedule.splitK), constant(1),
                                 ValueRange(zeros({tileM, tileN})));
  {
    OpBuilder::InsertionGuard loopGuard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    Value part = load(partials, {loop.getInductionVar(), rowStart, columnStart}, {1, tileM, tileN});
    Value flat = tile::ReshapeOp::create(builder, loc, tensor({tileM, tileN}, f32), part);
    Value sum = arith::AddFOp::create(builder, loc, loop.getRegionIterArg(0), flat);
    scf::YieldOp::create(builder, loc, sum);
  }
  buildEpilogue(loop.getResult(0));
}

LogicalResult expand::expandQuantMatmul(nn::QuantMatmulOp op, func::FuncOp function) {
  if (!op.getSchedule())
    return op.emitOpError() << "expects a schedule; the driver attaches one before tw-expand-nn";
  auto schedule = QuantMatmulSchedule::fromSchedule(tile::fromAttribute(*op.getSchedule()));
  if (!schedule)
    return op.emitOpError() << llvm::toString(schedule.takeError());
  if (auto error = schedule::verifyQuantMatmulShape(*schedule, op.getW().getType().getK()))
    return op.emitOpError() << llvm::toString(std::move(error));
  nn::QFormatAttr format = op.getW().getType().getFormat();
  if (!format.isChannel() && schedule->tileK % format.getGroup() != 0 &&
      format.getGroup() % schedule->tileK != 0)
    return op.emitOpError() << "expects tile_k and group to divide one another, but got "
                            << schedule->tileK << " and " << format.getGroup();
  Expander(op, function, *schedule).run();
  return success();
}
