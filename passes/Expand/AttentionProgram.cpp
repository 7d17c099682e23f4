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

AttentionProgram::AttentionProgram(nn::AttentionOp op, func::FuncOp source,
                                   const schedule::AttentionSchedule &schedule)
    : ProgramBuilder(op, source, op.getProblem().value_or(nn::ProblemAttr())), attention(op),
      schedule(schedule), element(tensorOf(op.getQ()).getElementType()),
      headParts(schedule::splitHead(op.getHeadSize())),
      valueParts(schedule::splitHead(op.getValueSize())), exponentScale(std::numbers::log2e) {}

void AttentionProgram::run() {
  if (!changesScores())
    exponentScale *= attention.getScale().convertToDouble();
  buildFunction();
  placeBlock();
  placeKeys();
  storeResults(buildLoop());
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
                               type.getElementType().isInteger(32) ? "i32" : "");
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
  declare(k, attention.getK(), "k", {"B", "Sk", "Hkv", "D"});
  declare(v, attention.getV(), "v", {"B", "Sk", "Hkv", "Dv"});
  StringRef batches = attention.hasSequences() ? "N" : "B";
  declare(qStarts, attention.getQStarts(), "q_starts", {"starts"});
  declare(kStarts, attention.getKStarts(), "k_starts", {"starts"});
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

  SmallVector<Operand *> operands = {&q, &k, &v, &qStarts, &kStarts, &offset, &slopes, &sinks};
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
  createProgram(getKernelAttr(), *attention.getSchedule());
  program->setAttr(tile::warpsAttrName, builder.getDenseI64ArrayAttr({schedule.warps, 1}));
}

/// Grid: tiles of rows, heads, batches; blocks that read the same keys are neighbours.
/// Of sequences no launch knows the tiles: each has at most one more than its rows fill.
tile::KernelAttr AttentionProgram::getKernelAttr() {
  RankedTensorType type = tensorOf(attention.getQ());
  int64_t batches = type.getDimSize(0), rows = type.getDimSize(1), tile = schedule.tileQ;
  std::string tiles = ShapedType::isDynamic(rows) ? "ceildiv(Sq, " + std::to_string(tile) + ")"
                                                  : std::to_string(llvm::divideCeil(rows, tile));
  if (attention.hasSequences()) {
    int64_t starts = tensorOf(attention.getQStarts()).getDimSize(0);
    tiles += " + " + (ShapedType::isDynamic(starts) ? "starts" : std::to_string(starts)) + " - 1";
  }
  return tile::KernelAttr::get(
      builder.getContext(),
      builder.getStrArrayAttr({tiles, std::to_string(attention.getQueryHeads()),
                               ShapedType::isDynamic(batches) ? "B" : std::to_string(batches)}),
      schedule.warps, {});
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

void AttentionProgram::storeResults(const State &state) {
  Value shift = getShift(state.max), total = state.sum;
  if (sinks.value) {
    Value sink = tile::SplatOp::create(builder, loc, tensor(rowShape(), f32()), readNumber(sinks));
    Value exponent = math::FmaOp::create(builder, loc, sink, splat(std::numbers::log2e, rowShape()),
                                         arith::NegFOp::create(builder, loc, shift));
    total = arith::AddFOp::create(builder, loc, total, exp2(exponent));
  }
  Value zero = splat(0, rowShape());
  Value isEmpty = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ, total, zero);
  Value inverse = arith::DivFOp::create(builder, loc, splat(1, rowShape()), total);
  inverse = arith::SelectOp::create(builder, loc, isEmpty, zero, inverse);
  Value oView = viewHead(o, head, queryStart, queryCount);
  for (auto [part, acc] : llvm::zip_equal(valueParts, state.acc)) {
    SmallVector<int64_t> shape = {schedule.tileQ, part.width};
    Value rows = arith::MulFOp::create(builder, loc, acc, spread(inverse, shape));
    rows = arith::TruncFOp::create(builder, loc, tensor(shape, element), rows);
    tile::StoreOp::create(builder, loc, rows, oView, ValueRange{rowStart, constant(part.start)});
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
