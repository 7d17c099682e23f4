//===- MatmulProgram.cpp - What programs of matrix products share ------------===//
//
// Part of Expand; see MatmulProgram.h.
//
//===----------------------------------------------------------------------===//
#include "passes/Expand/MatmulProgram.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Analysis/Divisibility.h"
#include "passes/Expand/Passes.h"

using namespace mlir;
using namespace tilewright;
using expand::MatmulProgram;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

void MatmulProgram::run() {
  buildFunction();
  if (mArg)
    mSize = argument(*mArg);
  if (!facts.batch)
    buildViews();
  dynamicSteps = getDynamicSteps();
  if (schedule.streamK > 0)
    buildStream();
  else
    buildGridOfTiles();
  func::ReturnOp::create(builder, loc);
}

//===----------------------------------------------------------------------===//
// Function and views
//===----------------------------------------------------------------------===//

/// Grid: N tiles, M tiles, splits of each matrix; or the blocks of a stream. Workspaces only
/// where tiles of y have several blocks.
tile::KernelAttr MatmulProgram::getKernelAttr() {
  std::string rows = ShapedType::isDynamic(m) ? "M" : std::to_string(m);
  std::string tilesN = std::to_string(getTilesN());
  std::string tilesM = ShapedType::isDynamic(m)
                           ? "ceildiv(M, " + std::to_string(schedule.tileM) + ")"
                           : std::to_string(llvm::divideCeil(m, schedule.tileM));
  SmallVector<tile::WorkspaceAttr> workspaces;
  if (leavesParts()) {
    int64_t paddedN = llvm::alignTo(n, schedule.tileN);
    std::string bytes = std::to_string(4 * getPartCount() * paddedN * getMatrices()) + " * " + rows;
    if (schedule.streamK > 0)
      bytes = std::to_string(4 * 2 * schedule.streamK * schedule.tileM * schedule.tileN);
    workspaces.push_back(
        tile::WorkspaceAttr::get(builder.getContext(), "partials", bytes, false, false));
    bytes = std::to_string(4 * getMatrices()) + " * " + tilesN + " * " + tilesM;
    workspaces.push_back(
        tile::WorkspaceAttr::get(builder.getContext(), "counters", bytes, true, true));
  }
  auto grid =
      builder.getStrArrayAttr({tilesN, tilesM, std::to_string(schedule.splitK * getMatrices())});
  if (schedule.streamK > 0)
    grid = builder.getStrArrayAttr({std::to_string(schedule.streamK), "1", "1"});
  return tile::KernelAttr::get(builder.getContext(), grid, schedule.getWarps(), workspaces);
}

std::optional<unsigned> MatmulProgram::addStride(StringRef name, unsigned axis,
                                                 int64_t contiguous) {
  if (!ShapedType::isDynamic(getStride(name, axis, contiguous)))
    return std::nullopt;
  return addParameter(tile::ParameterKind::Stride, name, builder.getI64Type(), "", axis);
}

void MatmulProgram::addStrides(StringRef name, int64_t columns, Rows &rows) {
  if (facts.batch)
    rows.matrixStride = addStride(name, 0, getMatrixElements(columns));
  rows.stride = addStride(name, getRowAxis(), columns);
}

void MatmulProgram::addStrides(StringRef name, int64_t extent, Numbers &numbers) {
  if (facts.batch && numbers.pointer)
    numbers.matrixStride = addStride(name, 0, extent);
}

/// Pointers in the order of the problem's operands, then numbers, then
/// workspaces.
void MatmulProgram::buildFunction() {
  auto addOptional = [&](StringRef name, Value operand) -> std::optional<unsigned> {
    if (!operand)
      return std::nullopt;
    return addPointer(name, tensorOf(operand).getElementType());
  };
  int64_t outputs = facts.yType.getShape().back();
  Type element = tensorOf(facts.x).getElementType();
  x.pointer = addPointer("x", element, /*written=*/false, element.isInteger(8) ? "i8" : "");
  addWeightParameters();
  bias.pointer = addOptional("bias", facts.bias);
  rowScale.pointer = addOptional("row_scale", facts.rowScale);
  columnScale.pointer = addOptional("column_scale", facts.columnScale);
  residual.pointer = addOptional("residual", facts.residual).value_or(0);
  outScale.pointer = addOptional("out_scale", facts.outScale);
  y.pointer = addPointer("y", facts.yType.getElementType(), /*written=*/true);
  if (ShapedType::isDynamic(m))
    mArg = addParameter(tile::ParameterKind::Dimension, "M", builder.getI32Type(), "");
  addStrides("x", k, x);
  addWeightStrides();
  addStrides("bias", n, bias);
  addStrides("row_scale", m, rowScale);
  addStrides("column_scale", n, columnScale);
  if (facts.residual)
    addStrides("residual", outputs, residual);
  addStrides("y", outputs, y);
  if (leavesParts()) {
    Type pointer = tile::PtrType::get(builder.getContext());
    partialsArg = addParameter(tile::ParameterKind::Workspace, "partials", pointer,
                               getSumType().isF32() ? "f32" : "i32", 0, 16);
    countersArg = addParameter(tile::ParameterKind::Workspace, "counters", pointer, "u32", 0, 4);
  }
  createProgram(getKernelAttr(), facts.schedule);
  SmallVector<int64_t> warps = {schedule.warpsM, schedule.warpsN};
  if (schedule.hasWeightsAsA())
    std::swap(warps[0], warps[1]);
  program->setAttr(tile::warpsAttrName, builder.getDenseI64ArrayAttr(warps));
}

Value MatmulProgram::getMatrixStride(StringRef name, Type element,
                                     std::optional<unsigned> parameter, int64_t contiguous) {
  if (!parameter)
    return arith::ConstantOp::create(builder, loc,
                                     builder.getI64IntegerAttr(getStride(name, 0, contiguous)));
  // The launcher checks that strides keep the alignment of the base.
  int64_t divisor = getAlign(name) / std::max(1u, element.getIntOrFloatBitWidth() / 8);
  if (divisor <= 1)
    return argument(*parameter);
  return tile::AssumeOp::create(builder, loc, builder.getI64Type(), argument(*parameter), divisor);
}

Value MatmulProgram::locate(unsigned pointer, Type element, int64_t stride) {
  if (!matrix)
    return argument(pointer);
  return locate(pointer, element,
                arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(stride)));
}

Value MatmulProgram::locate(unsigned pointer, Type element, Value stride) {
  Value distance = arith::MulIOp::create(builder, loc, matrix, stride);
  return tile::AdvanceOp::create(builder, loc, argument(pointer).getType(), argument(pointer),
                                 distance, element);
}

unsigned MatmulProgram::getViewAlign(StringRef name, Value base) {
  return std::min<int64_t>(getAlign(name), *analysis::getKnownAlign(base));
}

void MatmulProgram::viewRows(StringRef name, RankedTensorType type, Rows &rows) {
  Type element = type.getElementType();
  ArrayRef<int64_t> shape = type.getShape().take_back(2);
  int64_t stride = getStride(name, getRowAxis(), shape[1]);
  Value base = argument(rows.pointer);
  if (matrix)
    base = locate(rows.pointer, element,
                  getMatrixStride(name, element, rows.matrixStride, getMatrixElements(shape[1])));
  rows.view = view(base, shape, element, {stride, 1}, getViewAlign(name, base),
                   mSize ? ValueRange(mSize) : ValueRange(),
                   rows.stride ? ValueRange(argument(*rows.stride)) : ValueRange());
}

void MatmulProgram::viewNumbers(StringRef name, Value operand, ArrayRef<int64_t> shape,
                                Numbers &numbers) {
  if (!numbers.pointer)
    return;
  Type element = tensorOf(operand).getElementType();
  bool isDynamic = llvm::any_of(shape, ShapedType::isDynamic);
  Value base = argument(*numbers.pointer);
  if (matrix && tensorOf(operand).getRank() == 2)
    base = locate(
        *numbers.pointer, element,
        getMatrixStride(name, element, numbers.matrixStride, isDynamic ? m : shape[0] * shape[1]));
  numbers.view = view(base, shape, element, {shape[1], 1}, getViewAlign(name, base),
                      isDynamic ? ValueRange(mSize) : ValueRange());
}

void MatmulProgram::enterMatrix(Value index) {
  matrixIndex = index;
  matrix = arith::ExtUIOp::create(builder, loc, builder.getI64Type(), index);
  buildViews();
}

void MatmulProgram::buildViews() {
  viewRows("x", tensorOf(facts.x), x);
  viewRows("y", facts.yType, y);
  if (facts.residual)
    viewRows("residual", tensorOf(facts.residual), residual);
  buildWeightViews();
  viewNumbers("bias", facts.bias, {1, n}, bias);
  viewNumbers("row_scale", facts.rowScale, {m, 1}, rowScale);
  viewNumbers("column_scale", facts.columnScale, {1, n}, columnScale);
  viewNumbers("out_scale", facts.outScale, {1, 1}, outScale);
}

Value MatmulProgram::getTilesM() {
  if (!mSize)
    return constant(llvm::divideCeil(m, schedule.tileM));
  return arith::DivUIOp::create(builder, loc, add(mSize, constant(schedule.tileM - 1)),
                                constant(schedule.tileM));
}

void MatmulProgram::placeTile(Value m, Value n) {
  programM = m;
  programN = n;
  rowStart = scaled(programM, schedule.tileM);
  columnStart = scaled(programN, schedule.tileN);
}

//===----------------------------------------------------------------------===//
// Main loop
//===----------------------------------------------------------------------===//

Value MatmulProgram::loadX(Value kTile) {
  return load(x.view, {rowStart, scaled(kTile, schedule.tileK)}, {schedule.tileM, schedule.tileK});
}

Value MatmulProgram::widen(Value numbers) {
  return arith::ExtFOp::create(builder, loc,
                               tensor(tensorOf(numbers).getShape(), builder.getF16Type()), numbers);
}

/// Few rows would leave most of the 16 of m16n8k16 empty: there w fills them,
/// and y is computed as the transpose of w^T * x^T.
Value MatmulProgram::multiply(Value x, Value w, Value sum) {
  if (!schedule.hasWeightsAsA())
    return tile::DotOp::create(builder, loc, sum.getType(), x, w, sum);
  Value transposed = transpose(sum);
  return transpose(tile::DotOp::create(builder, loc, transposed.getType(), transpose(w),
                                       transpose(x), transposed));
}

Value MatmulProgram::timesSteps(Value value, int64_t factor) {
  if (!dynamicSteps)
    return scaled(value, getTilesOfK() * factor);
  if (factor != 1)
    value = scaled(value, factor);
  return arith::MulIOp::create(builder, loc, value, dynamicSteps);
}

Value MatmulProgram::plusSteps(Value value, int64_t extra) {
  if (!dynamicSteps)
    return add(value, constant(getTilesOfK() + extra));
  return add(value, extra ? add(dynamicSteps, constant(extra)) : dynamicSteps);
}

Value MatmulProgram::addSums(Value a, Value b) {
  if (getSumType().isF32())
    return arith::AddFOp::create(builder, loc, a, b);
  return arith::AddIOp::create(builder, loc, a, b);
}

/// Builds the loop over tiles of K; the caller fills and ends its body.
scf::ForOp MatmulProgram::createMainLoop(Value lower, Value upper, ValueRange inits) {
  auto loop = scf::ForOp::create(builder, loc, lower, upper, constant(1), inits);
  loop->setAttr(tile::stagesAttrName, builder.getI32IntegerAttr(schedule.stages));
  return loop;
}

Value MatmulProgram::buildMainLoop(Value lower, Value upper) {
  auto loop = createMainLoop(lower, upper, buildZeroSum());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Value acc = addTile(loop.getInductionVar(), loop.getRegionIterArg(0));
  scf::YieldOp::create(builder, loc, acc);
  return loop.getResult(0);
}

/// The loop with sums that start anew in each chunk. A block that has all of K
/// adds them up and returns the total; others leave them in `partials`, which is
/// null for the first.
Value MatmulProgram::buildChunkedLoop(Value lower, Value upper, Value partials) {
  int64_t tiles = schedule.chunkK / schedule.tileK;
  Value zero = buildZeroSum();
  SmallVector<Value> inits = {zero};
  if (!partials)
    inits.push_back(zero);
  auto loop = createMainLoop(lower, upper, inits);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Value kTile = loop.getInductionVar();
  Value acc = addTile(kTile, loop.getRegionIterArg(0));
  Value next = add(kTile, constant(1));
  Value position = arith::RemUIOp::create(builder, loc, next, constant(tiles));
  Value isEnd =
      arith::OrIOp::create(builder, loc, compare(arith::CmpIPredicate::eq, position, constant(0)),
                           compare(arith::CmpIPredicate::eq, next, upper));
  auto branch =
      scf::IfOp::create(builder, loc, ValueRange(inits).getTypes(), isEnd, /*withElse=*/true);
  {
    OpBuilder::InsertionGuard branchGuard(builder);
    SmallVector<Value> ended = {zero}, goesOn = {acc};
    builder.setInsertionPointToStart(branch.thenBlock());
    if (partials) {
      storePart(acc, partials, arith::DivUIOp::create(builder, loc, kTile, constant(tiles)));
    } else {
      Value total = loop.getRegionIterArg(1);
      ended.push_back(addSums(total, acc));
      goesOn.push_back(total);
    }
    scf::YieldOp::create(builder, loc, ended);
    builder.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(builder, loc, goesOn);
  }
  scf::YieldOp::create(builder, loc, branch.getResults());
  return partials ? Value() : loop.getResult(1);
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

/// The rest of the sum, scales, bias, activation, residual, scale, rounding, store.
void MatmulProgram::buildEpilogue(Value acc) {
  int64_t tileM = schedule.tileM, tileN = schedule.tileN, outputs = getTileOutputs();
  if (!getSumType().isF32())
    acc = arith::SIToFPOp::create(builder, loc, tensor({tileM, tileN}, f32()), acc);
  acc = finishSum(acc);
  if (rowScale.view) {
    Value column = load(rowScale.view, {rowStart, constant(0)}, {tileM, 1});
    acc = arith::MulFOp::create(builder, loc, acc, spread(column, {tileM, tileN}));
  }
  if (columnScale.view) {
    Value row = load(columnScale.view, {constant(0), columnStart}, {1, tileN});
    acc = arith::MulFOp::create(builder, loc, acc, broadcastRow(row));
  }
  if (bias.view) {
    Value row = load(bias.view, {constant(0), columnStart}, {1, tileN});
    acc = arith::AddFOp::create(builder, loc, acc, broadcastRow(row));
  }
  acc =
      hasPairs() ? applySwiGLU(acc) : expand::applyActivation(builder, loc, facts.activation, acc);
  Value outputStart = hasPairs() ? scaled(programN, outputs) : columnStart;
  if (residual.view) {
    Value tile = load(residual.view, {rowStart, outputStart}, {tileM, outputs});
    acc = arith::AddFOp::create(builder, loc, acc, extend(tile));
  }
  if (outScale.view) {
    Value scale = load(outScale.view, {constant(0), constant(0)}, {1, 1});
    acc = arith::MulFOp::create(builder, loc, acc, spread(scale, {tileM, outputs}));
  }
  tile::StoreOp::create(builder, loc, round(acc), y.view, ValueRange{rowStart, outputStart});
}

Value MatmulProgram::round(Value numbers) {
  Type element = facts.yType.getElementType();
  if (element.isF32())
    return numbers;
  auto type = tensor(tensorOf(numbers).getShape(), element);
  if (element.isF16() || element.isBF16())
    return arith::TruncFOp::create(builder, loc, type, numbers);
  return tile::SaturateOp::create(builder, loc, type, numbers);
}

/// Counts the block in at the counter of its tile of y; true for the last.
Value MatmulProgram::arrive(Value expected) {
  Value row = programM;
  if (matrixIndex)
    row = add(arith::MulIOp::create(builder, loc, matrixIndex, getTilesM()), row);
  Value index = add(scaled(row, getTilesN()), programN);
  return tile::ArriveOp::create(builder, loc, builder.getI1Type(), argument(*countersArg), index,
                                expected);
}

/// The sum of the parts `first` .. `end` of the tile of y, in this order: it
/// does not depend on who came last. `locate` says where a part starts.
Value MatmulProgram::addParts(Value partials, Value first, Value end,
                              llvm::function_ref<SmallVector<Value>(Value)> locate) {
  SmallVector<int64_t> shape = {schedule.tileM, schedule.tileN};
  auto loop = scf::ForOp::create(builder, loc, first, end, constant(1), ValueRange(buildZeroSum()));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Value part = load(partials, locate(loop.getInductionVar()), {1, shape[0], shape[1]});
  Value sum = addSums(loop.getRegionIterArg(0), reshape(part, shape));
  scf::YieldOp::create(builder, loc, sum);
  return loop.getResult(0);
}

//===----------------------------------------------------------------------===//
// A block a tile of y, or split_k of them
//===----------------------------------------------------------------------===//

void MatmulProgram::buildGridOfTiles() {
  placeTile(programId(1), programId(0));
  int64_t tiles = getTilesOfK(), splits = schedule.splitK;
  Value zero = constant(0), split;
  if (facts.batch) {
    Value id = programId(2), count = constant(splits);
    enterMatrix(splits == 1 ? id : arith::DivUIOp::create(builder, loc, id, count));
    split = arith::RemUIOp::create(builder, loc, id, count);
  }
  if (splits == 1) {
    Value end = dynamicSteps ? dynamicSteps : constant(tiles);
    return buildEpilogue(schedule.chunkK > 0 ? buildChunkedLoop(zero, end, nullptr)
                                             : buildMainLoop(zero, end));
  }
  // Split s takes units [s * units / splits, (s + 1) * units / splits): tiles of
  // K, or chunks.
  int64_t unit = schedule.chunkK > 0 ? schedule.chunkK / schedule.tileK : 1;
  int64_t units = llvm::divideCeil(tiles, unit);
  Value count = constant(splits);
  if (!split)
    split = programId(2);
  auto getStart = [&](Value s) {
    Value all = unit == 1 ? timesSteps(s) : scaled(s, units);
    Value first = arith::DivUIOp::create(builder, loc, all, count);
    return unit == 1 ? first : scaled(first, unit);
  };
  Value lower = getStart(split), upper = getStart(add(split, constant(1)));
  Value partials;
  if (schedule.chunkK > 0) {
    upper = arith::MinUIOp::create(builder, loc, upper, constant(tiles));
    partials = buildPartialsOfSplits();
    buildChunkedLoop(lower, upper, partials);
  } else {
    Value acc = buildMainLoop(lower, upper);
    partials = buildPartialsOfSplits();
    storePart(acc, partials, split);
  }
  auto branch = scf::IfOp::create(builder, loc, arrive(count), /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  buildEpilogue(addParts(partials, zero, constant(getPartCount()), [&](Value part) {
    return SmallVector<Value>{part, rowStart, columnStart};
  }));
}

void MatmulProgram::storePart(Value acc, Value partials, Value part) {
  tile::StoreOp::create(builder, loc, reshape(acc, {1, schedule.tileM, schedule.tileN}), partials,
                        ValueRange{part, rowStart, columnStart});
}

/// A part for each split (or chunk), each as large as y.
Value MatmulProgram::buildPartialsOfSplits() {
  int64_t paddedN = llvm::alignTo(n, schedule.tileN);
  SmallVector<Value> dynamicStride;
  int64_t stride = ShapedType::kDynamic;
  if (mSize) {
    Value rows = arith::ExtUIOp::create(builder, loc, builder.getI64Type(), mSize);
    Value width = arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(paddedN));
    dynamicStride.push_back(arith::MulIOp::create(builder, loc, rows, width));
  } else {
    stride = m * paddedN;
  }
  Value base = argument(*partialsArg);
  if (matrix) {
    Value part = mSize ? dynamicStride.front()
                       : arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(stride));
    Value parts =
        arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(getPartCount()));
    base = locate(*partialsArg, getSumType(), arith::MulIOp::create(builder, loc, part, parts));
  }
  return view(base, {getPartCount(), m, paddedN}, getSumType(), {stride, paddedN, 1}, 16,
              mSize ? ValueRange(mSize) : ValueRange(), dynamicStride);
}
