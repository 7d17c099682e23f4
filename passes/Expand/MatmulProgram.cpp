//===- MatmulProgram.cpp - What programs of matrix products share ------------===//
//
// Part of Expand; see MatmulProgram.h.
//
//===----------------------------------------------------------------------===//
#include "passes/Expand/MatmulProgram.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Expand/Passes.h"

using namespace mlir;
using namespace tilewright;
using expand::MatmulProgram;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

void MatmulProgram::run() {
  buildFunction();
  buildViews();
  Value acc = buildMainLoop();
  if (schedule.splitK > 1)
    buildSplitEpilogue(acc);
  else
    buildEpilogue(acc);
  func::ReturnOp::create(builder, loc);
}

//===----------------------------------------------------------------------===//
// Function and views
//===----------------------------------------------------------------------===//

/// Grid: N tiles, M tiles, splits. Workspaces only for split K.
tile::KernelAttr MatmulProgram::getKernelAttr() {
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

std::optional<unsigned> MatmulProgram::addStride(StringRef name, int64_t contiguous) {
  if (!ShapedType::isDynamic(getRowStride(name, contiguous)))
    return std::nullopt;
  return addParameter(tile::ParameterKind::Stride, name, builder.getI64Type(), "", 0);
}

/// Pointers in the order of the problem's operands, then numbers, then
/// workspaces.
void MatmulProgram::buildFunction() {
  auto addOptional = [&](StringRef name, Value operand) -> std::optional<unsigned> {
    if (!operand)
      return std::nullopt;
    return addPointer(name, tensorOf(operand).getElementType());
  };
  int64_t outputs = facts.yType.getDimSize(1);
  x.pointer = addPointer("x", tensorOf(facts.x).getElementType());
  addWeightParameters();
  biasArg = addOptional("bias", facts.bias);
  rowScaleArg = addOptional("row_scale", facts.rowScale);
  columnScaleArg = addOptional("column_scale", facts.columnScale);
  residual.pointer = addOptional("residual", facts.residual).value_or(0);
  y.pointer = addPointer("y", facts.yType.getElementType(), /*written=*/true);
  if (ShapedType::isDynamic(m))
    mArg = addParameter(tile::ParameterKind::Dimension, "M", builder.getI32Type(), "");
  x.stride = addStride("x", k);
  addWeightStrides();
  if (facts.residual)
    residual.stride = addStride("residual", outputs);
  y.stride = addStride("y", outputs);
  if (schedule.splitK > 1) {
    Type pointer = tile::PtrType::get(builder.getContext());
    partialsArg = addParameter(tile::ParameterKind::Workspace, "partials", pointer, "f32", 0, 16);
    countersArg = addParameter(tile::ParameterKind::Workspace, "counters", pointer, "u32", 0, 4);
  }
  createProgram(getKernelAttr(), facts.schedule);
}

void MatmulProgram::viewRows(StringRef name, RankedTensorType type, Rows &rows) {
  int64_t stride = getRowStride(name, type.getDimSize(1));
  rows.view = view(argument(rows.pointer), type.getShape(), type.getElementType(), {stride, 1},
                   getAlign(name), mSize ? ValueRange(mSize) : ValueRange(),
                   rows.stride ? ValueRange(argument(*rows.stride)) : ValueRange());
}

Value MatmulProgram::viewVector(StringRef name, std::optional<unsigned> parameter, Value operand,
                                ArrayRef<int64_t> shape) {
  if (!parameter)
    return {};
  bool isDynamic = llvm::any_of(shape, ShapedType::isDynamic);
  return view(argument(*parameter), shape, tensorOf(operand).getElementType(), {shape[1], 1},
              getAlign(name), isDynamic ? ValueRange(mSize) : ValueRange());
}

void MatmulProgram::buildViews() {
  programN = programId(0);
  programM = programId(1);
  if (schedule.splitK > 1)
    programK = programId(2);
  rowStart = scaled(programM, schedule.tileM);
  columnStart = scaled(programN, schedule.tileN);

  if (mArg)
    mSize = argument(*mArg);
  viewRows("x", tensorOf(facts.x), x);
  viewRows("y", facts.yType, y);
  if (facts.residual)
    viewRows("residual", tensorOf(facts.residual), residual);
  buildWeightViews();
  biasView = viewVector("bias", biasArg, facts.bias, {1, n});
  rowScaleView = viewVector("row_scale", rowScaleArg, facts.rowScale, {m, 1});
  columnScaleView = viewVector("column_scale", columnScaleArg, facts.columnScale, {1, n});
}

//===----------------------------------------------------------------------===//
// Main loop
//===----------------------------------------------------------------------===//

Value MatmulProgram::loadX(Value kTile) {
  return load(x.view, {rowStart, scaled(kTile, schedule.tileK)}, {schedule.tileM, schedule.tileK});
}

Value MatmulProgram::buildMainLoop() {
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
  Value acc = addTile(loop.getInductionVar(), loop.getRegionIterArg(0));
  scf::YieldOp::create(builder, loc, acc);
  return loop.getResult(0);
}

//===----------------------------------------------------------------------===//
// Epilogue
//===----------------------------------------------------------------------===//

Value MatmulProgram::applySwiGLU(Value acc) {
  int64_t tileM = schedule.tileM, outputs = getTileOutputs();
  Value pairs = reshape(acc, {tileM, outputs, 2});
  auto half = [&](int64_t index) {
    return reshape(slice(pairs, {0, 0, index}, {tileM, outputs, 1}), {tileM, outputs});
  };
  Value gate = expand::applyActivation(builder, loc, nn::Activation::SiLU, half(0));
  return arith::MulFOp::create(builder, loc, gate, half(1));
}

/// The rest of the sum, scales, bias, activation, residual, rounding, store.
void MatmulProgram::buildEpilogue(Value acc) {
  int64_t tileM = schedule.tileM, tileN = schedule.tileN, outputs = getTileOutputs();
  acc = finishSum(acc);
  if (rowScaleView) {
    Value column = load(rowScaleView, {rowStart, constant(0)}, {tileM, 1});
    acc = arith::MulFOp::create(builder, loc, acc, spread(column, {tileM, tileN}));
  }
  if (columnScaleView) {
    Value row = load(columnScaleView, {constant(0), columnStart}, {1, tileN});
    acc = arith::MulFOp::create(builder, loc, acc, broadcastRow(row));
  }
  if (biasView) {
    Value row = load(biasView, {constant(0), columnStart}, {1, tileN});
    acc = arith::AddFOp::create(builder, loc, acc, broadcastRow(row));
  }
  acc =
      hasPairs() ? applySwiGLU(acc) : expand::applyActivation(builder, loc, facts.activation, acc);
  Value outputStart = hasPairs() ? scaled(programN, outputs) : columnStart;
  if (residual.view) {
    Value tile = load(residual.view, {rowStart, outputStart}, {tileM, outputs});
    acc = arith::AddFOp::create(builder, loc, acc, extend(tile));
  }
  Type element = facts.yType.getElementType();
  if (!element.isF32())
    acc = arith::TruncFOp::create(builder, loc, tensor({tileM, outputs}, element), acc);
  tile::StoreOp::create(builder, loc, acc, y.view, ValueRange{rowStart, outputStart});
}

/// Partial sums meet in the workspace; the last block adds them in the order
/// of the splits, so that the result does not depend on who came last.
void MatmulProgram::buildSplitEpilogue(Value acc) {
  int64_t tileM = schedule.tileM, tileN = schedule.tileN, paddedN = llvm::alignTo(n, tileN);
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
      view(argument(*partialsArg), {schedule.splitK, m, paddedN}, f32(), {splitStride, paddedN, 1},
           16, mSize ? ValueRange(mSize) : ValueRange(), dynamicStride);
  Value mine = reshape(acc, {1, tileM, tileN});
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
    Value sum = arith::AddFOp::create(builder, loc, loop.getRegionIterArg(0),
                                      reshape(part, {tileM, tileN}));
    scf::YieldOp::create(builder, loc, sum);
  }
  buildEpilogue(loop.getResult(0));
}
