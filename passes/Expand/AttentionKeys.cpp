//===- AttentionKeys.cpp - Keys and values of caches and pages ----------------===//
//
// Part of Expand; see AttentionProgram.h. A page is as many rows of a head as keys fit
// it, so key j of a batch is row
//
//   page_table[j / size] * rows from page to page + j % size
//
// of the head. Where a tile of keys lies in one page, its number is read once and the
// tile is one of the page; where it spans several, each row has a number.
//
//===----------------------------------------------------------------------===//
#include "passes/Analysis/Divisibility.h"
#include "passes/Expand/AttentionProgram.h"

using namespace mlir;
using namespace tilewright;
using expand::AttentionProgram;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

int64_t AttentionProgram::getPageSize() { return tensorOf(k.value).getDimSize(1); }

Value AttentionProgram::getRoom() {
  return isPaged() ? scaled(getExtent("pages"), getPageSize()) : getExtent("Sk");
}

/// What a length says, where there is room.
Value AttentionProgram::countKeys() {
  if (!kLengths.value)
    return getExtent("Sk");
  return minimum(maximum(readNumber(kLengths), constant(0)), getRoom());
}

/// Null of factored keys, of which each rank has a view.
Value AttentionProgram::viewKeys(const Operand &operand) {
  if (hasFactors())
    return {};
  if (!isPaged())
    return viewHead(operand, keyHead, keyStart, keyCount);
  Value rows = arith::MulIOp::create(builder, loc, getExtent("P"), getPageRows(operand));
  Values strides;
  if (operand.strideArgs[1])
    strides.push_back(getStride(operand, 1));
  Value base = getHead(operand, batch, keyHead);
  return view(base, {ShapedType::kDynamic, getColumns(operand)}, getStorage(operand),
              {operand.strides[1], 1}, getAlignAt(operand, base), rows, strides);
}

Value AttentionProgram::getPageRows(const Operand &operand) {
  if (!operand.strideArgs[0] && !operand.strideArgs[1])
    return constant(operand.strides[0] / operand.strides[1]);
  Value rows = arith::DivUIOp::create(builder, loc, getStride(operand, 0), getStride(operand, 1));
  return arith::TruncIOp::create(builder, loc, builder.getI32Type(), rows);
}

/// The batch's row of the table, as a vector or as a column.
Value AttentionProgram::viewTable(int64_t rank) {
  int64_t pages = tensorOf(pageTable.value).getDimSize(1);
  SmallVector<int64_t> shape = {pages, 1}, strides = {1, 1};
  shape.resize(rank), strides.resize(rank);
  Values sizes;
  if (ShapedType::isDynamic(pages))
    sizes.push_back(getExtent("pages"));
  return view(getHead(pageTable, batch, head), shape, builder.getI32Type(), strides, 4, sizes);
}

Value AttentionProgram::loadKeys(const Operand &operand, Value view, Value firstKey,
                                 schedule::HeadPart part) {
  int64_t width = part.width;
  bool isDecoded = tensorOf(operand.value).getRank() == 4 && isCoded(operand);
  if (isDecoded) {
    int64_t codes = nn::getCodesPerElement(tensorOf(operand.value).getElementType());
    part = {part.start / codes, part.width / codes};
  }
  Value rows;
  if (!isPaged())
    rows = load(view, {firstKey, constant(part.start)}, {schedule.tileK, part.width});
  else if (getPageSize() % schedule.tileK == 0)
    rows = loadFromPage(operand, firstKey, part);
  else
    rows = loadFromPages(view, getPageRows(operand), firstKey, part);
  return isDecoded ? decode(operand, rows, width) : rows;
}

int64_t AttentionProgram::getColumns(const Operand &operand) {
  RankedTensorType type = tensorOf(operand.value);
  return type.getRank() == 4 ? type.getDimSize(3) : 1; // scales have no columns
}

Type AttentionProgram::getStorage(const Operand &operand) {
  Type type = tensorOf(operand.value).getElementType();
  return type.isUnsignedInteger(8) ? Type(builder.getI8Type()) : type;
}

unsigned AttentionProgram::getAlignAt(const Operand &operand, Value base) {
  return std::min<int64_t>(getAlign(operand.name), *analysis::getKnownAlign(base));
}

/// A tile of keys in one page. A page that does not exist has no rows.
Value AttentionProgram::loadFromPage(const Operand &operand, Value firstKey,
                                     schedule::HeadPart part) {
  Value size = constant(getPageSize()), table = viewTable(1);
  Value index = arith::DivUIOp::create(builder, loc, firstKey, size);
  Value page = tile::ReadOp::create(builder, loc, builder.getI32Type(), table, ValueRange(index));
  Value exists = compare(arith::CmpIPredicate::ult, page, getExtent("P"));
  Value left = minimum(size, sub(keyCount, arith::MulIOp::create(builder, loc, index, size)));
  Value rows =
      arith::SelectOp::create(builder, loc, exists, maximum(left, constant(0)), constant(0));
  Value wide = arith::ExtUIOp::create(builder, loc, builder.getI64Type(), page);
  Value distance = arith::MulIOp::create(builder, loc, wide, getStride(operand, 0));
  Value base = tile::AdvanceOp::create(builder, loc, getHead(operand, batch, keyHead), distance,
                                       getStorage(operand));
  Values strides;
  if (operand.strideArgs[1])
    strides.push_back(getStride(operand, 1));
  Value inPage = view(base, {ShapedType::kDynamic, getColumns(operand)}, getStorage(operand),
                      {operand.strides[1], 1}, getAlignAt(operand, base), rows, strides);
  Value slot = arith::RemUIOp::create(builder, loc, firstKey, size);
  return load(inPage, {slot, constant(part.start)}, {schedule.tileK, part.width});
}

/// A tile of keys in several pages. Rows behind the last key are none of the view's.
Value AttentionProgram::loadFromPages(Value view, Value pageRows, Value firstKey,
                                      schedule::HeadPart part) {
  Type i32 = builder.getI32Type();
  auto column = tensor({schedule.tileK, 1}, i32);
  auto all = [&](Value value) -> Value {
    return tile::SplatOp::create(builder, loc, column, value);
  };
  Value keys = tile::IotaOp::create(builder, loc, column, firstKey, 0);
  Value size = all(constant(getPageSize()));
  Value index = arith::DivUIOp::create(builder, loc, keys, size);
  Value slot = arith::RemUIOp::create(builder, loc, keys, size);
  Value page = tile::GatherOp::create(builder, loc, column, viewTable(2), index, constant(0));
  Value row = add(arith::MulIOp::create(builder, loc, page, all(pageRows)), slot);
  Value exists = compare(arith::CmpIPredicate::slt, keys, all(keyCount));
  row = arith::SelectOp::create(builder, loc, exists, row, all(constant(-1)));
  Type type = cast<tile::ViewType>(view.getType()).getElementType();
  return tile::GatherOp::create(builder, loc, tensor({schedule.tileK, part.width}, type), view, row,
                                constant(part.start));
}
