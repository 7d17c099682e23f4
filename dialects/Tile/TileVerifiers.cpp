//===- TileVerifiers.cpp - What a legal tile program is ----------------------===//
//
// Rows of early returns; every message carries what was expected and what was
// found.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Packing.h"
#include "dialects/Tile/TileDialect.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

static bool isHalf(Type type) { return type.isF16() || type.isBF16(); }
/// i8 and ui8: signed and unsigned bytes.
static bool isByteInteger(Type type) {
  return type.isSignlessInteger(8) || type.isUnsignedInteger(8);
}
static bool isFloat8(Type type) { return isa<Float8E4M3FNType, Float8E5M2Type>(type); }

LogicalResult ViewOp::verify() {
  ViewType type = getView().getType();
  if (getSizes().size() != type.getNumDynamicSizes())
    return emitOpError() << "expects " << type.getNumDynamicSizes()
                         << " sizes for the type, but got " << getSizes().size();
  if (getStrides().size() != type.getNumDynamicStrides())
    return emitOpError() << "expects " << type.getNumDynamicStrides()
                         << " strides for the type, but got " << getStrides().size();
  return success();
}

LogicalResult AdvanceOp::verify() {
  Type element = getElementType();
  if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() % 8 != 0)
    return emitOpError() << "expects elements of whole bytes, but got " << element;
  return success();
}

LogicalResult AssumeOp::verify() {
  int64_t divisor = getDivisorAttr().getInt();
  if (divisor < 1 || !llvm::isPowerOf2_64(divisor))
    return emitOpError() << "expects a divisor that is a power of two, but got " << divisor;
  return success();
}

/// Shared rules of load and store: the tile has the view's rank and element
/// type and one offset a dimension.
static LogicalResult verifyAccess(Operation *op, RankedTensorType tile, ViewType view,
                                  size_t numOffsets) {
  if (tile.getRank() != view.getRank())
    return op->emitOpError() << "expects a tile of the view's rank " << view.getRank()
                             << ", but got " << tile;
  if (tile.getElementType() != view.getElementType())
    return op->emitOpError() << "expects tile elements of type " << view.getElementType()
                             << ", but got " << tile.getElementType();
  if (numOffsets != view.getRank())
    return op->emitOpError() << "expects " << view.getRank() << " offsets, but got " << numOffsets;
  return success();
}

LogicalResult LoadOp::verify() {
  return verifyAccess(*this, tensorOf(getTile()), getView().getType(), getOffsets().size());
}

/// A tile whose rows are named by `rows`.
static LogicalResult verifyNamedRows(Operation *op, RankedTensorType tile, ViewType view,
                                     RankedTensorType rows) {
  if (view.getRank() != 2)
    return op->emitOpError() << "expects a view of rank 2, but got " << view;
  if (failed(verifyAccess(op, tile, view, 2)))
    return failure();
  if (!rows.getElementType().isInteger(32) || rows.getRank() != 2 ||
      rows.getDimSize(0) != tile.getDimSize(0) || rows.getDimSize(1) != 1)
    return op->emitOpError() << "expects rows to be a " << tile.getDimSize(0)
                             << "x1 tensor of i32, but got " << rows;
  return success();
}

LogicalResult GatherOp::verify() {
  return verifyNamedRows(*this, tensorOf(getTile()), getView().getType(), tensorOf(getRows()));
}

LogicalResult ScatterOp::verify() {
  return verifyNamedRows(*this, tensorOf(getTile()), getView().getType(), tensorOf(getRows()));
}

LogicalResult ReadOp::verify() {
  ViewType view = getView().getType();
  if (getElement().getType() != view.getElementType())
    return emitOpError() << "expects an element of type " << view.getElementType() << ", but got "
                         << getElement().getType();
  if (getOffsets().size() != view.getRank())
    return emitOpError() << "expects " << view.getRank() << " offsets, but got "
                         << getOffsets().size();
  return success();
}

LogicalResult StoreOp::verify() {
  return verifyAccess(*this, tensorOf(getTile()), getView().getType(), getOffsets().size());
}

LogicalResult ArriveOp::verify() {
  APInt expected;
  if (matchPattern(getExpected(), m_ConstantInt(&expected)) && expected.slt(1))
    return emitOpError() << "expects at least 1 block to arrive, but got "
                         << expected.getSExtValue();
  return success();
}

LogicalResult SaturateOp::verify() {
  RankedTensorType source = tensorOf(getSource()), result = tensorOf(getResult());
  if (!source.getElementType().isF32() || !isFloat8(result.getElementType()))
    return emitOpError() << "expects f32 elements as f8E4M3FN or f8E5M2, but got " << source
                         << " as " << result;
  return success();
}

LogicalResult BroadcastOp::verify() {
  RankedTensorType source = tensorOf(getSource()), result = tensorOf(getResult());
  if (source.getRank() != result.getRank() || source.getElementType() != result.getElementType())
    return emitOpError() << "expects source and result of one rank and element type, but got "
                         << source << " and " << result;
  for (auto [from, to] : llvm::zip_equal(source.getShape(), result.getShape()))
    if (from != to && from != 1)
      return emitOpError() << "expects source extents equal to the result's or 1, but got "
                           << source << " and " << result;
  return success();
}

LogicalResult ReshapeOp::verify() {
  RankedTensorType source = tensorOf(getSource()), result = tensorOf(getResult());
  if (source.getElementType() != result.getElementType() ||
      source.getNumElements() != result.getNumElements())
    return emitOpError() << "expects as many elements of the same type, but got " << source
                         << " and " << result;
  return success();
}

LogicalResult TransposeOp::verify() {
  RankedTensorType source = tensorOf(getSource()), result = tensorOf(getResult());
  ArrayRef<int64_t> order = getOrder();
  SmallVector<int64_t> sorted(order);
  llvm::sort(sorted);
  if (int64_t(order.size()) != source.getRank() ||
      !llvm::equal(sorted, llvm::seq<int64_t>(0, source.getRank())))
    return emitOpError() << "expects order to be a permutation of the " << source.getRank()
                         << " dimensions";
  if (result.getRank() != source.getRank() || result.getElementType() != source.getElementType())
    return emitOpError() << "expects source and result of one rank and element type, but got "
                         << source << " and " << result;
  for (auto [i, dim] : llvm::enumerate(order))
    if (result.getDimSize(i) != source.getDimSize(dim))
      return emitOpError() << "expects result dimension " << i << " to have extent "
                           << source.getDimSize(dim) << ", but got " << result.getDimSize(i);
  return success();
}

LogicalResult SliceOp::verify() {
  RankedTensorType source = tensorOf(getSource()), result = tensorOf(getResult());
  if (source.getRank() != result.getRank() || source.getElementType() != result.getElementType())
    return emitOpError() << "expects source and result of one rank and element type, but got "
                         << source << " and " << result;
  if (int64_t(getOffsets().size()) != source.getRank())
    return emitOpError() << "expects " << source.getRank() << " offsets, but got "
                         << getOffsets().size();
  for (auto [offset, from, to] :
       llvm::zip_equal(getOffsets(), source.getShape(), result.getShape()))
    if (offset < 0 || offset + to > from)
      return emitOpError() << "expects the slice to lie within extent " << from << ", but got "
                           << offset << " .. " << offset + to;
  return success();
}

LogicalResult IotaOp::verify() {
  RankedTensorType result = tensorOf(getResult());
  if (!result.getElementType().isInteger(32))
    return emitOpError() << "expects elements of i32, but got " << result.getElementType();
  if (int64_t(getDim()) >= result.getRank())
    return emitOpError() << "expects a dimension below " << result.getRank() << ", but got "
                         << getDim();
  return success();
}

LogicalResult SplatOp::verify() {
  if (tensorOf(getResult()).getElementType() != getScalar().getType())
    return emitOpError() << "expects elements of the scalar's type " << getScalar().getType()
                         << ", but got " << tensorOf(getResult()).getElementType();
  return success();
}

LogicalResult ReduceOp::verify() {
  RankedTensorType source = tensorOf(getSource()), result = tensorOf(getResult());
  Type element = source.getElementType();
  if (!element.isF32() && !element.isInteger(32))
    return emitOpError() << "expects elements of f32 or i32, but got " << element;
  if (int64_t(getDim()) >= source.getRank())
    return emitOpError() << "expects a dimension below " << source.getRank() << ", but got "
                         << getDim();
  SmallVector<int64_t> shape(source.getShape());
  if (shape[getDim()] == 0)
    return emitOpError() << "expects at least one element along dimension " << getDim();
  shape[getDim()] = 1;
  if (result.getShape() != ArrayRef(shape) || result.getElementType() != element)
    return emitOpError() << "expects a result of " << RankedTensorType::get(shape, element)
                         << ", but got " << result;
  return success();
}

LogicalResult DotOp::verify() {
  RankedTensorType a = tensorOf(getA()), b = tensorOf(getB()), c = tensorOf(getC());
  if (a.getRank() != 2 || b.getRank() != 2 || c.getRank() != 2)
    return emitOpError() << "expects rank-2 operands, but got " << a << ", " << b << ", " << c;
  Type element = a.getElementType();
  bool isByte = isByteInteger(element);
  bool areAlike = element == b.getElementType() || (isByte && isByteInteger(b.getElementType()));
  if (!(isHalf(element) || element.isF32() || isByte || isFloat8(element)) || !areAlike)
    return emitOpError() << "expects a and b of one type f16, bf16, f32, f8E4M3FN or f8E5M2, or "
                            "each of i8 or ui8, but got "
                         << element << " and " << b.getElementType();
  if (isByte ? !c.getElementType().isInteger(32) : !c.getElementType().isF32())
    return emitOpError() << "expects an accumulator of " << (isByte ? "i32" : "f32") << ", but got "
                         << c.getElementType();
  if (a.getDimSize(1) != b.getDimSize(0) || a.getDimSize(0) != c.getDimSize(0) ||
      b.getDimSize(1) != c.getDimSize(1))
    return emitOpError() << "expects MxK, KxN and MxN operands, but got " << a << ", " << b << ", "
                         << c;
  return success();
}

LogicalResult FieldsOp::verify() {
  RankedTensorType words = tensorOf(getWords()), numbers = tensorOf(getNumbers());
  auto word = dyn_cast<IntegerType>(words.getElementType());
  auto number = dyn_cast<IntegerType>(numbers.getElementType());
  if (!word || !llvm::is_contained({8, 16, 32}, word.getWidth()))
    return emitOpError() << "expects words of i8, i16 or i32, but got " << words.getElementType();
  if (!number)
    return emitOpError() << "expects integers, but got " << numbers.getElementType();
  if (numbers.getRank() != words.getRank() + 1 ||
      numbers.getShape().drop_back() != words.getShape())
    return emitOpError() << "expects one dimension more than the " << words.getRank()
                         << " of the words, but got " << words << " and " << numbers;
  int64_t fields = numbers.getShape().back();
  if (fields < 1 || word.getWidth() % fields != 0)
    return emitOpError() << "expects the fields to divide the " << word.getWidth()
                         << " bits of a word, but got " << fields;
  if (number.getWidth() < word.getWidth() / fields)
    return emitOpError() << "expects numbers of at least " << word.getWidth() / fields
                         << " bits, but got " << number;
  return success();
}

LogicalResult UnpackOp::verify() {
  RankedTensorType words = tensorOf(getWords()), codes = tensorOf(getCodes());
  auto element = dyn_cast<IntegerType>(codes.getElementType());
  if (!element || element.getWidth() < 1 || element.getWidth() > 8)
    return emitOpError() << "expects codes of 1 to 8 bits, but got " << codes.getElementType();
  bool hasPlanes = words.getRank() == 4;
  if ((words.getRank() != 3 && !hasPlanes) || !words.getElementType().isInteger(32))
    return emitOpError() << "expects words to be a strips x blocks x words tensor of i32, or one "
                            "of strips x blocks x planes x words, but got "
                         << words;
  constexpr int64_t wordsPerPlane = layout::blockK * layout::blockN / 32;
  if (hasPlanes &&
      (words.getDimSize(2) != element.getWidth() || words.getDimSize(3) != wordsPerPlane))
    return emitOpError() << "expects " << element.getWidth() << " planes of " << wordsPerPlane
                         << " words in a block of " << element.getWidth() << "-bit codes, but got "
                         << words.getDimSize(2) << " of " << words.getDimSize(3);
  int64_t wordsPerBlock = layout::blockK * layout::blockN / 32 * element.getWidth();
  if (!hasPlanes && words.getDimSize(2) != wordsPerBlock)
    return emitOpError() << "expects " << wordsPerBlock << " words in a block of "
                         << element.getWidth() << "-bit codes, but got " << words.getDimSize(2);
  if (codes.getRank() != 2 || codes.getDimSize(0) != words.getDimSize(1) * layout::blockK ||
      codes.getDimSize(1) != words.getDimSize(0) * layout::blockN)
    return emitOpError() << "expects " << words.getDimSize(1) * layout::blockK << "x"
                         << words.getDimSize(0) * layout::blockN << " codes, but got " << codes;
  return success();
}

LogicalResult PackOp::verify() {
  auto form = layout::PackedForm::parse(getBits(), getStorage(), getActivations());
  if (!form)
    return emitOpError() << llvm::toString(form.takeError());
  RankedTensorType codes = tensorOf(getCodes()), words = tensorOf(getWords());
  if (codes.getRank() != 2 || !codes.getElementType().isInteger(8) ||
      codes.getDimSize(0) % layout::blockK != 0 || codes.getDimSize(1) % layout::blockN != 0)
    return emitOpError() << "expects codes to be a tensor of i8, a multiple of " << layout::blockK
                         << " rows and of " << layout::blockN << " columns, but got " << codes;
  SmallVector<int64_t, 4> shape = form->getTileShape(codes.getDimSize(1) / layout::blockN,
                                                     codes.getDimSize(0) / layout::blockK);
  if (words.getShape() != ArrayRef<int64_t>(shape) || !words.getElementType().isInteger(32))
    return emitOpError() << "expects words of type "
                         << RankedTensorType::get(shape, IntegerType::get(getContext(), 32))
                         << ", but got " << words;
  return success();
}

layout::PackedForm PackOp::getForm() {
  return llvm::cantFail(layout::PackedForm::parse(getBits(), getStorage(), getActivations()));
}

/// Codes that are no integers: which they may be, and what goes with them.
static LogicalResult verifyFormat(DequantOp op, unsigned bits) {
  bool isIndex = false;
  if (auto name = op.getFormat()) {
    auto format = format::parse(*name);
    if (!format)
      return op.emitOpError() << llvm::toString(format.takeError());
    isIndex = format->isIndex();
    bool isNumber = format->hasExponent() || isIndex || format->isNested();
    if (!format->isWeight() || !isNumber || format->bits != bits)
      return op.emitOpError() << "expects a format of " << bits
                              << " bits, nested, of indices or of floats with a sign and "
                                 "exponents, but got "
                              << *name;
    if (op.getBias() != 0 || op.getZero())
      return op.emitOpError() << "expects neither bias nor zero points of " << *name << " codes";
  }
  if (isIndex != bool(op.getTable()))
    return op.emitOpError() << "expects a table exactly where codes are indices";
  if (!isIndex)
    return success();
  RankedTensorType table = tensorOf(op.getTable());
  int64_t words = layout::getTableWords(bits);
  if (table.getRank() != 1 || !table.getElementType().isInteger(32) || table.getDimSize(0) != words)
    return op.emitOpError() << "expects a table of " << words << " i32 words, but got " << table;
  return success();
}

LogicalResult DequantOp::verify() {
  RankedTensorType codes = tensorOf(getCodes()), values = tensorOf(getValues());
  auto element = dyn_cast<IntegerType>(codes.getElementType());
  if (!element || element.getWidth() < 1 || element.getWidth() > 8)
    return emitOpError() << "expects codes of 1 to 8 bits, but got " << codes.getElementType();
  bool isByte = isByteInteger(values.getElementType());
  if (!isHalf(values.getElementType()) && !isByte)
    return emitOpError() << "expects values of f16, bf16, i8 or ui8, but got "
                         << values.getElementType();
  if (codes.getShape() != values.getShape())
    return emitOpError() << "expects values of the codes' shape, but got " << codes << " and "
                         << values;
  int64_t limit = int64_t(1) << element.getWidth(), bias = getBiasAttr().getInt();
  if (bias < 0 || bias >= limit)
    return emitOpError() << "expects bias between 0 and " << limit - 1 << ", but got " << bias;
  if (isByte && (bias != 0 || getFormat() || getZero() || getTable()))
    return emitOpError() << "expects neither bias, format, zero points nor a table with values of "
                         << values.getElementType();
  if (failed(verifyFormat(*this, element.getWidth())))
    return failure();
  if (!getZero())
    return success();
  RankedTensorType zero = tensorOf(getZero());
  if (zero.getRank() != 2 || !zero.getElementType().isInteger(8) ||
      zero.getDimSize(1) != codes.getDimSize(1) || zero.getDimSize(0) == 0 ||
      codes.getDimSize(0) % zero.getDimSize(0) != 0)
    return emitOpError() << "expects zero points to be a GxN tensor of i8 with G dividing "
                         << codes.getDimSize(0) << ", but got " << zero;
  return success();
}
