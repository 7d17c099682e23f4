//===- AttentionProgram.cpp - Parameters and ends of an attention block -------===//
//
// Part of Expand; see AttentionProgram.h.
//
//===----------------------------------------------------------------------===//
#include "passes/Expand/AttentionProgram.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/Expand/Passes.h"
#include "llvm/ADT/STLExtras.h"
#include <numbers>

using namespace mlir;
using namespace tilewright;
using expand::AttentionProgram;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// The parts of o that a block sums up. Those that are merged are no wider than 64: a part
/// of another block's sum comes to registers beside its own. Neither are slices of tiles of
/// k, which have a layout only if each is a power of two of columns.
static SmallVector<schedule::HeadPart, 3> splitValues(nn::AttentionOp op,
                                                      const schedule::AttentionSchedule &schedule) {
  constexpr int64_t widest = 64;
  bool isNarrow = schedule.splitKeys || op.hasValuesInKeys();
  SmallVector<schedule::HeadPart, 3> parts;
  for (auto [start, width] : schedule::splitHead(op.getValueSize())) {
    int64_t step = isNarrow ? std::min(widest, width) : width;
    for (int64_t column = 0; column < width; column += step)
      parts.push_back({start + column, step});
  }
  return parts;
}

AttentionProgram::AttentionProgram(nn::AttentionOp op, func::FuncOp source,
                                   const schedule::AttentionSchedule &schedule)
    : ProgramBuilder(op, source, op.getProblem().value_or(nn::ProblemAttr())), attention(op),
      schedule(schedule), element(tensorOf(op.getQ()).getElementType()),
      headParts(schedule::splitHead(op.getHeadSize())), valueParts(splitValues(op, schedule)),
      exponentScale(std::numbers::log2e) {}

void AttentionProgram::run() {
  if (!changesScores())
    exponentScale *= attention.getScale().convertToDouble();
  buildFunction();
  placeBlock();
  placeKeys();
  loadQueries();
  if (schedule.splitKeys)
    buildParts();
  else
    storeResults(buildLoop(firstTile, endTile));
  func::ReturnOp::create(builder, loc);
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

/// Adds the pointer; strides and extents that a launch knows come after all of them.
void AttentionProgram::declare(Operand &operand, Value value, StringRef name,
                               ArrayRef<StringRef> extents) {
  operand.value = value;
  if (!value)
    return;
  RankedTensorType type = tensorOf(value);
  operand.name = name.str();
  bool isWritten = name == "o" || name == "lse";
  operand.pointer = addPointer(name, type.getElementType(), isWritten,
                               type.getElementType().isSignlessInteger(32)  ? "i32"
                               : type.getElementType().isSignlessInteger(8) ? "i8"
                                                                            : "");
  auto attr = problem ? problem.findOperand(name) : nn::OperandAttr();
  if (name == "lse") // row-major, always
    return;
  operand.strides = attr && !attr.getStrides().empty() ? SmallVector<int64_t>(attr.getStrides())
                                                       : nn::getRowMajorStrides(type.getShape());
  operand.strideArgs.resize(operand.strides.size());
  for (StringRef extent : extents)
    operand.extents.push_back(extent.str());
}

/// Pointers in the order of the problem's operands, then extents, then strides.
void AttentionProgram::buildFunction() {
  declare(q, attention.getQ(), "q", {"B", "Sq", "Hq", "D"});
  StringRef batches = attention.hasSequences() ? "N" : "B";
  SmallVector<StringRef> keys = {attention.getKLengths() ? batches : "B", "Sk", "Hkv", "D"};
  if (attention.getPageTable())
    keys = {"P", "page", "Hkv", "D"};
  SmallVector<StringRef> keyFactors = keys, valueFactors = keys;
  keyFactors.back() = "Rk", valueFactors.back() = "Rv";
  if (attention.getKFactors())
    keys[2] = "Rk";
  declare(k, attention.getK(), "k", keys);
  if (attention.getVFactors())
    keys[2] = "Rv";
  keys.back() = "Dv";
  declare(v, attention.hasValuesInKeys() ? Value() : attention.getV(), "v", keys);
  declare(kFactors, attention.getKFactors(), "k_factors", keyFactors);
  declare(vFactors, attention.getVFactors(), "v_factors", valueFactors);
  declare(qStarts, attention.getQStarts(), "q_starts", {"starts"});
  declare(kStarts, attention.getKStarts(), "k_starts", {"starts"});
  declare(kLengths, attention.getKLengths(), "k_lengths", {batches});
  declare(pageTable, attention.getPageTable(), "page_table", {batches, "pages"});
  StringRef listed = "Hq";
  if (Value lists = attention.getBlocks())
    listed = tensorOf(lists).getDimSize(1) == attention.getKeyHeads() ? "Hkv" : "Hq";
  declare(blockCounts, attention.getBlockCounts(), "block_counts", {"B", listed, "Qb", "kinds"});
  declare(blocks, attention.getBlocks(), "blocks", {"B", listed, "Qb", "Kb"});
  keys.pop_back();
  declare(kScales, attention.getKScales(), "k_scales", keys);
  declare(vScales, attention.getVScales(), "v_scales", keys);
  declare(offset, attention.getQOffset(), "q_offset", {batches});
  bool isPerBatch =
      attention.getAlibiSlopes() && tensorOf(attention.getAlibiSlopes()).getRank() == 2;
  declare(slopes, attention.getAlibiSlopes(), "alibi_slopes",
          isPerBatch ? ArrayRef<StringRef>{batches, "Hq"} : ArrayRef<StringRef>{"Hq"});
  declare(sinks, attention.getSinks(), "sinks", {"Hq"});
  for (auto [i, capture] : llvm::enumerate(attention.getCaptures())) {
    std::string number = std::to_string(i);
    std::string names[] = {"c" + number + "d0", "c" + number + "d1", "c" + number + "d2",
                           "c" + number + "d3"};
    SmallVector<StringRef> extents(names, names + tensorOf(capture).getRank());
    declare(captures.emplace_back(), capture, "capture" + number, extents);
  }
  declare(lse, attention.getLse(), "lse", {"B", "Hq", "Sq"});
  declare(o, attention.getO(), "o", {"B", "Sq", "Hq", "Dv"});

  SmallVector<Operand *> operands = {
      &q,         &k,           &v,      &kFactors, &vFactors, &qStarts, &kStarts, &kLengths,
      &pageTable, &blockCounts, &blocks, &kScales,  &vScales,  &offset,  &slopes,  &sinks};
  for (Operand &capture : captures)
    operands.push_back(&capture);
  operands.append({&lse, &o});
  for (Operand *operand : operands)
    for (auto [axis, name] : llvm::enumerate(operand->extents)) {
      bool isKnown = llvm::any_of(extentArgs, [&](auto &known) { return known.first == name; });
      if (!isKnown && name != "B" && name != "N" && tensorOf(operand->value).isDynamicDim(axis))
        extentArgs.push_back(
            {name, addParameter(tile::ParameterKind::Dimension, name, builder.getI32Type(), "")});
    }
  for (Operand *operand : operands)
    for (auto [axis, stride] : llvm::enumerate(operand->strides))
      if (ShapedType::isDynamic(stride))
        operand->strideArgs[axis] = addParameter(tile::ParameterKind::Stride, operand->name,
                                                 builder.getI64Type(), "", axis);
  if (schedule.splitKeys) {
    Type pointer = tile::PtrType::get(builder.getContext());
    auto addWorkspace = [&](StringRef name, StringRef dtype) {
      return addParameter(tile::ParameterKind::Workspace, name, pointer, dtype, 0, 16);
    };
    splitsArg = addParameter(tile::ParameterKind::Scalar, "splits", builder.getI32Type(), "i32");
    partsArg = addWorkspace("parts", "f32");
    sumsArg = addWorkspace("sums", "f32");
    countersArg = addWorkspace("counters", "u32");
  }
  createProgram(getKernelAttr(), *attention.getSchedule());
  program->setAttr(tile::warpsAttrName,
                   builder.getDenseI64ArrayAttr({schedule.warps, schedule.columnWarps}));
}

std::string AttentionProgram::getExtentText(StringRef name) {
  for (const Operand *operand : {&q, &k, &qStarts, &pageTable, &blocks})
    for (auto [axis, extent] : llvm::enumerate(operand->extents))
      if (extent == name && !tensorOf(operand->value).isDynamicDim(axis))
        return std::to_string(tensorOf(operand->value).getDimSize(axis));
  return name.str();
}

/// Grid: tiles of rows times parts of their keys, heads, batches; blocks that read the same
/// keys are neighbours. Of sequences no launch knows the tiles: each has at most one more
/// than its rows fill.
tile::KernelAttr AttentionProgram::getKernelAttr() {
  int64_t packed = getPackedHeads(), heads = attention.getQueryHeads() / packed;
  int64_t rows = tensorOf(attention.getQ()).getDimSize(1);
  std::string tiles = std::to_string(llvm::divideCeil(rows * packed, schedule.tileQ));
  if (ShapedType::isDynamic(rows))
    tiles = (packed == 1 ? "ceildiv(Sq, " : "ceildiv(Sq * " + std::to_string(packed) + ", ") +
            std::to_string(schedule.tileQ) + ")";
  if (attention.hasSequences())
    tiles += " + " + getExtentText("starts") + " - 1";
  std::string batches = getExtentText("B");
  SmallVector<tile::WorkspaceAttr> workspaces;
  std::string blocks = tiles;
  if (schedule.splitKeys) {
    workspaces = getWorkspaces("(" + tiles + ") * " + std::to_string(heads) + " * " + batches);
    blocks = "(" + tiles + ") * splits";
  }
  return tile::KernelAttr::get(builder.getContext(),
                               builder.getStrArrayAttr({blocks, std::to_string(heads), batches}),
                               schedule.getWarps(), workspaces);
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

void AttentionProgram::storeResults(const State &state) {
  Value shift = getShift(state.max), total = state.sum;
  if (sinks.value) {
    Value sink = spreadTo(readHeadNumbers(sinks), rowShape());
    Value exponent = math::FmaOp::create(builder, loc, sink, splat(std::numbers::log2e, rowShape()),
                                         arith::NegFOp::create(builder, loc, shift));
    total = arith::AddFOp::create(builder, loc, total, exp2(exponent));
  }
  Value zero = splat(0, rowShape());
  Value isEmpty = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ, total, zero);
  Value one = splat(1 / getWeightFactor(), rowShape()); // in units of acc
  Value inverse = arith::DivFOp::create(builder, loc, one, total);
  inverse = arith::SelectOp::create(builder, loc, isEmpty, zero, inverse);
  Value oView = packsHeads() ? viewPackedHeads(o) : viewHead(o, head, queryStart, queryCount);
  Value oRows = packsHeads() ? findPackedRows(getQueryStep(o), constant(1)) : Value();
  for (auto [part, acc] : llvm::zip_equal(valueParts, state.acc)) {
    SmallVector<int64_t> shape = {schedule.tileQ, part.width};
    Value rows = arith::MulFOp::create(builder, loc, acc, spread(inverse, shape));
    if (ordersColumns(part.width))
      rows = orderColumns(rows, /*isBack=*/true);
    rows = arith::TruncFOp::create(builder, loc, tensor(shape, element), rows);
    Value start = constant(part.start);
    if (oRows)
      tile::ScatterOp::create(builder, loc, rows, oView, oRows, start);
    else
      tile::StoreOp::create(builder, loc, rows, oView, ValueRange{rowStart, start});
  }
  if (!lse.value)
    return;
  Value logarithm = math::Log2Op::create(builder, loc, state.sum);
  logarithm =
      arith::MulFOp::create(builder, loc, arith::AddFOp::create(builder, loc, shift, logarithm),
                            splat(std::numbers::ln2, rowShape()));
  storeLogarithms(logarithm);
}

/// Into the row-major [B, Hq, Sq].
void AttentionProgram::storeLogarithms(Value column) {
  Type i64 = builder.getI64Type();
  auto widen = [&](Value value) { return arith::ExtUIOp::create(builder, loc, i64, value); };
  Value row = head;
  if (!queryStart)
    row = add(scaled(batch, attention.getQueryHeads()), head);
  Value distance = arith::MulIOp::create(builder, loc, widen(row), widen(getExtent("Sq")));
  if (queryStart)
    distance = add(distance, widen(queryStart));
  Value base = tile::AdvanceOp::create(builder, loc, argument(lse.pointer), distance, f32());
  if (packsHeads()) { // a head after the other
    Value extent = getExtent("Sq");
    Value all =
        view(base, {ShapedType::kDynamic, 1}, f32(), {1, 1}, 4, scaled(extent, getPackedHeads()));
    tile::ScatterOp::create(builder, loc, column, all, findPackedRows(constant(1), extent),
                            constant(0));
    return;
  }
  int64_t rows = queryStart ? ShapedType::kDynamic : tensorOf(attention.getQ()).getDimSize(1);
  Value lseView = view(base, {rows, 1}, f32(), {1, 1}, 4,
                       ShapedType::isDynamic(rows) ? ValueRange(queryCount) : ValueRange());
  tile::StoreOp::create(builder, loc, column, lseView, ValueRange{rowStart, constant(0)});
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Value AttentionProgram::splat(double value, ArrayRef<int64_t> shape) {
  auto type = tensor(shape, f32());
  return arith::ConstantOp::create(
      builder, loc, DenseElementsAttr::get(type, builder.getF32FloatAttr(value).getValue()));
}

Value AttentionProgram::sub(Value a, Value b) { return arith::SubIOp::create(builder, loc, a, b); }

Value AttentionProgram::minimum(Value a, Value b) {
  return arith::MinSIOp::create(builder, loc, a, b);
}

Value AttentionProgram::maximum(Value a, Value b) {
  return arith::MaxSIOp::create(builder, loc, a, b);
}

LogicalResult expand::expandAttention(nn::AttentionOp op, func::FuncOp function) {
  if (!op.getSchedule())
    return op.emitOpError() << "expects a schedule; the driver attaches one before tw-expand-nn";
  auto schedule = schedule::AttentionSchedule::fromSchedule(tile::fromAttribute(*op.getSchedule()));
  if (!schedule)
    return op.emitOpError() << llvm::toString(schedule.takeError());
  if (auto error = schedule::verifyAttentionShape(*schedule))
    return op.emitOpError() << llvm::toString(std::move(error));
  AttentionProgram(op, function, *schedule).run();
  return success();
}
