//===- AppendCacheProgram.cpp - Which token and heads a block has -------------===//
//
// Part of Expand; see AppendCacheProgram.h.
//
//===----------------------------------------------------------------------===//
#include "passes/Expand/AppendCacheProgram.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/Expand/Passes.h"

using namespace mlir;
using namespace tilewright;
using expand::AppendCacheProgram;
using schedule::AppendCacheSchedule;

AppendCacheProgram::AppendCacheProgram(nn::AppendCacheOp op, func::FuncOp source,
                                       const AppendCacheSchedule &schedule)
    : ProgramBuilder(op, source, op.getProblem().value_or(nn::ProblemAttr())), append(op),
      schedule(schedule) {}

void AppendCacheProgram::run() {
  declareOperands();
  placeToken();
  buildParts(parts, /*firstTile=*/0);
  func::ReturnOp::create(builder, loc);
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

/// Adds the pointer; strides and extents that a launch knows come after all of them.
void AppendCacheProgram::declare(Operand &operand, Value value, StringRef name,
                                 ArrayRef<StringRef> extents, bool isUpdated, bool isWritten) {
  if (!value)
    return;
  operand.type = cast<RankedTensorType>(value.getType());
  operand.name = name.str();
  Type element = operand.type.getElementType();
  StringRef dtype = element.isSignlessInteger(32)  ? "i32"
                    : element.isSignlessInteger(8) ? "i8"
                                                   : "";
  operand.pointer = isUpdated ? addUpdatedPointer(name, element, dtype)
                              : addPointer(name, element, isWritten, dtype);
  auto attr = problem ? problem.findOperand(name) : nn::OperandAttr();
  operand.strides = attr && !attr.getStrides().empty()
                        ? SmallVector<int64_t>(attr.getStrides())
                        : nn::getRowMajorStrides(operand.type.getShape());
  operand.strideArgs.resize(operand.strides.size());
  for (StringRef extent : extents)
    operand.extents.push_back(extent.str());
}

/// Pointers in the order of the problem's operands, then extents, then strides.
void AppendCacheProgram::declareOperands() {
  declare(k, append.getK(), "k", {"B", "S", "Hkv", "D"});
  declare(v, append.getV(), "v", {"B", "S", "Hkv", "Dv"});
  declare(q, append.getQ(), "q", {"B", "S", "Hq", "Dq"});
  declare(lengths, append.getLengths(), "lengths", {"B"});
  declare(pages, append.getPageTable(), "page_table", {"B", "T"});
  declare(cos, append.getCos(), "cos", {"L", "R"});
  declare(sin, append.getSin(), "sin", {"L", "R"});
  StringRef outer = append.getPageTable() ? "P" : "B", inner = append.getPageTable() ? "Z" : "C";
  declare(kCache, append.getKCache(), "k_cache", {outer, inner, "Hkv", "D"}, /*isUpdated=*/true);
  declare(vCache, append.getVCache(), "v_cache", {outer, inner, "Hkv", "Dv"}, /*isUpdated=*/true);
  declare(kScales, append.getKScales(), "k_scales", {outer, inner, "Hkv"}, /*isUpdated=*/true);
  declare(vScales, append.getVScales(), "v_scales", {outer, inner, "Hkv"}, /*isUpdated=*/true);
  declare(rotated, append.getQ(), "rotated", {"B", "S", "Hq", "Dq"}, /*isUpdated=*/false,
          /*isWritten=*/true);
  addExtents(
      {&k, &v, &q, &lengths, &pages, &cos, &sin, &kCache, &vCache, &kScales, &vScales, &rotated});
  bool hasRotary = bool(append.getCos());
  if (q.type)
    parts.push_back({&q, &rotated, nullptr, hasRotary});
  if (k.type)
    parts.push_back({&k, &kCache, kScales.type ? &kScales : nullptr, hasRotary});
  if (v.type)
    parts.push_back({&v, &vCache, vScales.type ? &vScales : nullptr});
  createProgram(getKernelAttr(), *append.getSchedule());
  program->setAttr(tile::warpsAttrName, builder.getDenseI64ArrayAttr({schedule.warps, 1}));
}

/// Extents that the grid does not say and bounds need, and strides.
void AppendCacheProgram::addExtents(ArrayRef<Operand *> operands) {
  for (Operand *operand : operands)
    for (auto [axis, name] : llvm::enumerate(operand->extents)) {
      bool isKnown = llvm::any_of(extentArgs, [&](auto &known) { return known.first == name; });
      if (!isKnown && name != "B" && name != "S" && operand->type.isDynamicDim(axis))
        extentArgs.push_back(
            {name, addParameter(tile::ParameterKind::Dimension, name, builder.getI32Type(), "")});
    }
  for (Operand *operand : operands)
    for (auto [axis, stride] : llvm::enumerate(operand->strides))
      if (ShapedType::isDynamic(stride))
        operand->strideArgs[axis] = addParameter(tile::ParameterKind::Stride, operand->name,
                                                 builder.getI64Type(), "", axis);
}

int64_t AppendCacheProgram::getTiles(const Part &part) {
  return llvm::divideCeil(part.source->type.getDimSize(2), schedule.tileH);
}

/// Grid: tokens; tiles of heads of queries, keys and values; batches.
tile::KernelAttr AppendCacheProgram::getKernelAttr() {
  RankedTensorType type = parts.front().source->type;
  auto count = [&](unsigned axis, const char *name) {
    return type.isDynamicDim(axis) ? std::string(name) : std::to_string(type.getDimSize(axis));
  };
  int64_t tiles = 0;
  for (const Part &part : parts)
    tiles += getTiles(part);
  return tile::KernelAttr::get(
      builder.getContext(),
      builder.getStrArrayAttr({count(1, "S"), std::to_string(tiles), count(0, "B")}),
      schedule.warps, {});
}

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

/// i64, of which is known what the launcher checked.
Value AppendCacheProgram::getStride(const Operand &operand, unsigned axis) {
  if (!operand.strideArgs[axis])
    return arith::ConstantOp::create(builder, loc,
                                     builder.getI64IntegerAttr(operand.strides[axis]));
  int64_t bytes = operand.type.getElementTypeBitWidth() / 8;
  return tile::AssumeOp::create(builder, loc, argument(*operand.strideArgs[axis]),
                                std::max<int64_t>(1, getAlign(operand.name) / bytes));
}

Value AppendCacheProgram::getExtent(const Operand &operand, unsigned axis) {
  for (auto &[name, index] : extentArgs)
    if (name == operand.extents[axis])
      return argument(index);
  return constant(operand.type.getDimSize(axis));
}

/// One i32 of lengths or pages, 0 outside of them. The batch is always inside.
Value AppendCacheProgram::readIndex(const Operand &operand, ValueRange place) {
  Type element = operand.type.getElementType();
  Value wide = arith::ExtUIOp::create(builder, loc, builder.getI64Type(), place.front());
  Value distance = arith::MulIOp::create(builder, loc, wide, getStride(operand, 0));
  Value base = tile::AdvanceOp::create(builder, loc, argument(operand.pointer), distance, element);
  if (place.size() == 1)
    return tile::ReadOp::create(builder, loc, element, view(base, {1}, element, {1}, 4),
                                ValueRange(constant(0)));
  Values sizes;
  if (operand.type.isDynamicDim(1))
    sizes.push_back(getExtent(operand, 1));
  Value row = view(base, {operand.type.getDimSize(1)}, element, {1}, 4, sizes);
  return tile::ReadOp::create(builder, loc, element, row, place.drop_front());
}

void AppendCacheProgram::placeToken() {
  token = programId(0);
  batch = programId(2);
  position = add(readIndex(lengths, batch), token);
  if (k.type)
    findRow();
}

/// Comparisons without sign refuse what is negative, too.
void AppendCacheProgram::findRow() {
  auto isBelow = [&](Value value, Value bound) {
    return compare(arith::CmpIPredicate::ult, value, bound);
  };
  if (!pages.type) {
    cacheOuter = batch;
    cacheInner = position;
    hasRow = isBelow(position, getExtent(kCache, 1));
    return;
  }
  Value size = getExtent(kCache, 1);
  Value entry = arith::DivUIOp::create(builder, loc, position, size);
  cacheInner = arith::RemUIOp::create(builder, loc, position, size);
  cacheOuter = readIndex(pages, {batch, entry});
  Value isPosition = compare(arith::CmpIPredicate::sge, position, constant(0));
  Value isEntry = isBelow(entry, getExtent(pages, 1));
  Value isPage = isBelow(cacheOuter, getExtent(kCache, 0));
  hasRow = arith::AndIOp::create(builder, loc, isPosition, isEntry);
  hasRow = arith::AndIOp::create(builder, loc, hasRow, isPage);
}

Value AppendCacheProgram::getAddress(const Operand &operand, Value outer, Value inner) {
  Value distance;
  for (auto [axis, index] : llvm::enumerate(ArrayRef<Value>{outer, inner})) {
    Value wide = arith::ExtUIOp::create(builder, loc, builder.getI64Type(), index);
    Value part = arith::MulIOp::create(builder, loc, wide, getStride(operand, axis));
    distance = distance ? add(distance, part) : part;
  }
  return tile::AdvanceOp::create(builder, loc, argument(operand.pointer), distance,
                                 operand.type.getElementType());
}

//===----------------------------------------------------------------------===//
// Parts
//===----------------------------------------------------------------------===//

/// Each block has heads of one part.
void AppendCacheProgram::buildParts(ArrayRef<Part> rest, int64_t firstTile) {
  if (rest.size() == 1)
    return buildPart(rest.front(), firstTile);
  int64_t endTile = firstTile + getTiles(rest.front());
  Value isFirst = compare(arith::CmpIPredicate::slt, programId(1), constant(endTile));
  auto branch = scf::IfOp::create(builder, loc, isFirst, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  buildPart(rest.front(), firstTile);
  builder.setInsertionPointToStart(branch.elseBlock());
  buildParts(rest.drop_front(), endTile);
}

void AppendCacheProgram::buildPart(const Part &part, int64_t firstTile) {
  head = scaled(arith::SubIOp::create(builder, loc, programId(1), constant(firstTile)),
                schedule.tileH);
  Value source = getAddress(*part.source, batch, token);
  SmallVector<Segment, 3> segments = getSegments(part);
  Values values;
  for (const Segment &segment : segments)
    values.push_back(loadSegment(part, source, segment));
  Value scales = part.scales ? findScales(part, values) : Value();
  if (isLowBit(part))
    for (Value &value : values)
      value = encode(part, value, scales);
  OpBuilder::InsertionGuard guard(builder);
  bool isCache = part.target != &rotated;
  if (isCache) {
    auto branch = scf::IfOp::create(builder, loc, hasRow, /*withElseRegion=*/false);
    builder.setInsertionPointToStart(branch.thenBlock());
  }
  Value target = isCache ? getAddress(*part.target, cacheOuter, cacheInner)
                         : getAddress(*part.target, batch, token);
  for (auto [segment, value] : llvm::zip_equal(segments, values))
    storeSegment(part, target, segment, value);
  if (scales)
    storeScales(part, scales);
}

LogicalResult expand::expandAppendCache(nn::AppendCacheOp op, func::FuncOp function) {
  if (!op.getSchedule())
    return op.emitOpError() << "expects a schedule; the driver attaches one before tw-expand-nn";
  auto schedule = AppendCacheSchedule::fromSchedule(tile::fromAttribute(*op.getSchedule()));
  if (!schedule)
    return op.emitOpError() << llvm::toString(schedule.takeError());
  int64_t largest = 0;
  for (Value value : {op.getK(), op.getV(), op.getQ()})
    if (value)
      largest = std::max(largest, cast<RankedTensorType>(value.getType()).getDimSize(3));
  if (auto error = schedule::verifyAppendCacheShape(*schedule, largest))
    return op.emitOpError() << llvm::toString(std::move(error));
  AppendCacheProgram(op, function, *schedule).run();
  return success();
}
