//===- TileGPUVerifiers.cpp - What is legal per thread ------------------------===//
//
// Checks that mma operands hold the instruction's fragments and proves that
// packed words unpack into them. Messages carry expectation and actual.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Packing.h"
#include "dialects/Support/Layout/Reduction.h"
#include "dialects/TileGPU/TileGPUDialect.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tilegpu;
using layout::LinearLayout;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// i8 and ui8: signed and unsigned bytes.
static bool isByteInteger(Type type) {
  return type.isSignlessInteger(8) || type.isUnsignedInteger(8);
}

/// Fails when a tensor has no layout or one for another shape.
static LogicalResult verifyEncoded(Operation *op, Value value, StringRef name) {
  RankedTensorType type = tensorOf(value);
  LayoutAttr attr = getLayoutAttr(type);
  if (!attr)
    return op->emitOpError() << "expects " << name << " to have a #tilegpu.layout, but got "
                             << type;
  if (SmallVector<int64_t> shape(attr.getLayout().getShape()); ArrayRef(shape) != type.getShape())
    return op->emitOpError() << "expects the layout of " << name << " to cover its shape, but "
                             << attr << " is for another shape than " << type;
  return success();
}

LogicalResult ConvertLayoutOp::verify() {
  RankedTensorType source = tensorOf(getSource()), result = tensorOf(getResult());
  if (source.getShape() != result.getShape() || source.getElementType() != result.getElementType())
    return emitOpError() << "expects source and result of one shape and element type, but got "
                         << source << " and " << result;
  if (failed(verifyEncoded(*this, getSource(), "source")))
    return failure();
  return verifyEncoded(*this, getResult(), "result");
}

LogicalResult WarpReduceOp::verify() {
  RankedTensorType source = tensorOf(getSource()), result = tensorOf(getResult());
  if (failed(verifyEncoded(*this, getSource(), "source")) ||
      failed(verifyEncoded(*this, getResult(), "result")))
    return failure();
  if (getDimAttr().getInt() < 0 || getDimAttr().getInt() >= source.getRank())
    return emitOpError() << "expects a dimension below " << source.getRank() << ", but got "
                         << getDimAttr().getInt();
  auto plan = layout::planReduction(getLayout(getSource()), getDim());
  if (!plan)
    return emitOpError() << "expects lanes and warps that move along dimension " << getDim()
                         << " or others, not both, but got " << source;
  SmallVector<int64_t> shape(source.getShape());
  shape[getDim()] = plan->warps;
  auto expected =
      tilegpu::withLayout(RankedTensorType::get(shape, source.getElementType()), plan->perWarp);
  if (result != expected)
    return emitOpError() << "expects a result of " << expected << ", but got " << result;
  return success();
}

//===----------------------------------------------------------------------===//
// MmaOp
//===----------------------------------------------------------------------===//

LogicalResult MmaOp::verify() {
  for (auto [value, name] :
       {std::pair<Value, StringRef>{getA(), "a"}, {getB(), "b"}, {getC(), "c"}})
    if (failed(verifyEncoded(*this, value, name)))
      return failure();
  RankedTensorType a = tensorOf(getA()), b = tensorOf(getB()), c = tensorOf(getC());
  if (a.getRank() != 2 || b.getRank() != 2 || c.getRank() != 2 ||
      a.getDimSize(1) != b.getDimSize(0) || a.getDimSize(0) != c.getDimSize(0) ||
      b.getDimSize(1) != c.getDimSize(1))
    return emitOpError() << "expects MxK, KxN and MxN operands, but got " << a << ", " << b << ", "
                         << c;
  Type element = a.getElementType();
  bool isFloat = element.isF16() || element.isBF16() || element.isF32() ||
                 isa<Float8E4M3FNType, Float8E5M2Type>(element);
  bool isByte = isByteInteger(element) && isByteInteger(b.getElementType());
  bool isSum =
      (isFloat && c.getElementType().isF32()) || (isByte && c.getElementType().isInteger(32));
  if (!isSum || (isFloat && element != b.getElementType()))
    return emitOpError() << "expects f16, bf16, f32, f8E4M3FN or f8E5M2 operands and an f32 "
                            "accumulator, or i8 or ui8 operands and an i32 one, but got "
                         << a.getElementType() << ", " << b.getElementType() << ", "
                         << c.getElementType();
  int64_t warps = getLayout(getC()).getNumWarps();
  unsigned bits = element.getIntOrFloatBitWidth();
  if (bits == 16 && layout::getOperandBits(getLayout(getA()), 0) == 8)
    bits = 8; // halves that lie as bytes do
  int64_t depth = layout::getMmaDepth(bits);
  for (int64_t warpsM = 1; warpsM <= warps; warpsM *= 2) {
    int64_t grid[] = {warpsM, warps / warpsM};
    if (c.getDimSize(0) % (16 * grid[0]) || c.getDimSize(1) % (8 * grid[1]) ||
        a.getDimSize(1) % depth)
      continue;
    if (getLayout(getC()) != layout::mmaAccumulator(c.getShape(), grid))
      continue;
    if (getLayout(getA()) != layout::mmaOperand(0, a.getShape(), grid, bits))
      return emitOpError() << "expects a in the layout of mma operand 0 for " << grid[0] << "x"
                           << grid[1] << " warps, but got " << a;
    if (getLayout(getB()) != layout::mmaOperand(1, b.getShape(), grid, bits))
      return emitOpError() << "expects b in the layout of mma operand 1 for " << grid[0] << "x"
                           << grid[1] << " warps, but got " << b;
    return success();
  }
  return emitOpError() << "expects c in the layout of an mma accumulator, but got " << c;
}

//===----------------------------------------------------------------------===//
// DequantOp
//===----------------------------------------------------------------------===//

/// Where the code at `at` of the values, rows counted from `row`, is stored.
static layout::BlockPosition getHome(const layout::Coordinates &at, int64_t row,
                                     layout::ActivationClass activations) {
  return layout::getBlockPosition(
      {unsigned((at[0] + row) % layout::blockK), unsigned(at[1] % layout::blockN)}, activations);
}

/// Proves memory o packed = fragment: for each thread, the words that hold the
/// codes of its operand registers (by the storage layout) are words the thread
/// holds, at the register that thread 0 would use. Both sides are linear over
/// F2, so one thread for each place bit suffices.
static LogicalResult provePlacement(DequantOp op, const LinearLayout &words,
                                    const LinearLayout &values, const layout::WordLayout &layout) {
  unsigned bits = layout.getBits();
  layout::ActivationClass activations = layout.getActivations();
  SmallVector<unsigned> lanes = {0, 1, 2, 4, 8, 16}, warps = {0};
  for (unsigned warp = 1; warp < values.getNumWarps(); warp *= 2)
    warps.push_back(warp);
  int64_t row = op.getRow();
  bool hasPlanes = op.getPacked().hasPlanes();
  auto locate = [&](const layout::Coordinates &at, unsigned fragment, unsigned word,
                    unsigned lane) {
    return layout::getWordCoordinates(hasPlanes, bits, at[1] / layout::blockN,
                                      (at[0] + row) / layout::blockK, fragment, word, lane);
  };
  for (unsigned reg = 0, e = values.getNumRegisters(); reg != e; ++reg) {
    // Where thread 0 would hold the words that the register's code is in.
    layout::Coordinates base = values.apply(reg, 0, 0);
    layout::BlockPosition baseHome = getHome(base, row, activations);
    SmallVector<std::optional<unsigned>, 8> held;
    for (unsigned i = 0; i < bits; ++i)
      held.push_back(words.findRegister(locate(base, baseHome.fragment, i, 0)));
    for (unsigned warp : warps)
      for (unsigned lane : lanes) {
        layout::Coordinates at = values.apply(reg, lane, warp);
        layout::BlockPosition home = getHome(at, row, activations);
        if (home.lane != lane || home.half != reg % getParts(activations))
          return op.emitOpError() << "expects values in the registers of mma operand 1, but "
                                  << "register " << reg << " of lane " << lane
                                  << " holds a code that lane " << home.lane << " stores";
        for (unsigned i = 0; i < bits; ++i) {
          layout::Coordinates needed = locate(at, home.fragment, i, lane);
          if (!held[i] || words.apply(*held[i], lane, warp) != needed)
            return op.emitOpError()
                   << "expects lane " << lane << " of warp " << warp << " to hold word "
                   << needed.back() << " of block (" << needed[0] << ", " << needed[1]
                   << ") for its register " << reg;
        }
      }
  }
  return success();
}

/// A table goes with indices; each thread holds all of it.
static LogicalResult verifyTable(DequantOp op) {
  StringAttr format = op.getPacked().getFormat();
  if (format && op.getZero())
    return op.emitOpError() << "expects no zero points of " << format.getValue() << " codes";
  bool isIndex = format && format::get(format.getValue()).isIndex();
  if (isIndex != bool(op.getTable()))
    return op.emitOpError() << "expects a table exactly where codes are indices";
  if (!isIndex)
    return success();
  if (failed(verifyEncoded(op, op.getTable(), "table")))
    return failure();
  RankedTensorType table = tensorOf(op.getTable());
  int64_t words = layout::getTableWords(op.getPacked().getBits());
  if (table.getRank() != 1 || !table.getElementType().isInteger(32) || table.getDimSize(0) != words)
    return op.emitOpError() << "expects a table of " << words << " i32 words, but got " << table;
  LinearLayout layout = getLayout(op.getTable());
  for (int64_t word = 0; word < words; ++word)
    if (word >= layout.getNumRegisters() || layout.apply(word, 0, 0)[0] != word ||
        layout.apply(word, 31, layout.getNumWarps() - 1)[0] != word)
      return op.emitOpError() << "expects every thread to hold word " << word
                              << " of the table in its register of that number";
  return success();
}

/// Strips x blocks x words; x planes x words for nested codes.
static LogicalResult verifyWords(DequantOp op) {
  RankedTensorType words = tensorOf(op.getWords());
  int64_t bits = op.getPacked().getBits(), plane = layout::blockK * layout::blockN / 32;
  SmallVector<int64_t> block = {plane * bits};
  if (op.getPacked().hasPlanes())
    block = {bits, plane};
  if (words.getElementType().isInteger(32) && words.getRank() == 2 + int64_t(block.size()) &&
      words.getShape().drop_front(2) == ArrayRef<int64_t>(block))
    return success();
  auto error = op.emitOpError() << "expects words to be a strips x blocks";
  for (int64_t extent : block)
    error << " x " << extent;
  return error << " tensor of i32, but got " << words;
}

LogicalResult DequantOp::verify() {
  RankedTensorType words = tensorOf(getWords()), values = tensorOf(getValues());
  if (failed(verifyEncoded(*this, getWords(), "words")) ||
      failed(verifyEncoded(*this, getValues(), "values")))
    return failure();
  if (failed(verifyWords(*this)))
    return failure();
  Type element = values.getElementType();
  if (values.getRank() != 2 || !(element.isF16() || element.isBF16() || isByteInteger(element)))
    return emitOpError() << "expects values to be a rank-2 tensor of f16, bf16, i8 or ui8, but got "
                         << values;
  if (isByteInteger(element) &&
      (getPacked().getBias() != 0 || getPacked().getFormat() || getZero() || getTable()))
    return emitOpError() << "expects neither bias, format, zero points nor a table with values of "
                         << element;
  int64_t rows = words.getDimSize(1) * layout::blockK;
  int64_t first = getRowAttr().getInt(), last = first + values.getDimSize(0);
  if (first < 0 || first % 16 != 0 || last > rows)
    return emitOpError() << "expects rows within the " << rows
                         << " of words, from a multiple of 16, but got " << first << " .. " << last;
  if (values.getDimSize(1) != words.getDimSize(0) * layout::blockN)
    return emitOpError() << "expects " << words.getDimSize(0) * layout::blockN
                         << " columns, but got " << values;
  if (getPacked().getVersion() != layout::packingVersion)
    return emitOpError() << "expects storage layout version " << layout::packingVersion
                         << ", but got " << getPacked().getVersion();
  if (failed(verifyTable(*this)))
    return failure();
  const layout::UnpackProgram &program = getPacked().getUnpackProgram(element);
  const layout::WordLayout &wordLayout = getPacked().getWordLayout(element);
  if (auto error = layout::verifyUnpack(wordLayout, program))
    return emitOpError() << llvm::toString(std::move(error));
  if (getZero()) {
    RankedTensorType zero = tensorOf(getZero());
    if (failed(verifyEncoded(*this, getZero(), "zero")))
      return failure();
    if (zero.getRank() != 2 || !zero.getElementType().isInteger(8) ||
        zero.getDimSize(1) != values.getDimSize(1) ||
        values.getDimSize(0) % zero.getDimSize(0) != 0)
      return emitOpError() << "expects zero points to be a GxN tensor of i8 with G dividing "
                           << values.getDimSize(0) << ", but got " << zero;
  }
  return provePlacement(*this, getLayout(getWords()), getLayout(getValues()), wordLayout);
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

LogicalResult SlotOp::verify() {
  if (getSlot().getType() != getMemory().getType().getSlotType())
    return emitOpError() << "expects a slot of type " << getMemory().getType().getSlotType()
                         << ", but got " << getSlot().getType();
  return success();
}

LogicalResult LocalLoadOp::verify() {
  MemDescType memory = getMemory().getType();
  RankedTensorType tile = tensorOf(getTile());
  if (failed(verifyEncoded(*this, getTile(), "tile")))
    return failure();
  if (memory.getSlots() != 1)
    return emitOpError() << "expects one slot, but got " << memory;
  if (tile.getElementType() != memory.getElementType() ||
      tile.getRank() != int64_t(memory.getShape().size()) ||
      tile.getRank() != int64_t(getOffsets().size()))
    return emitOpError() << "expects a tile and offsets of the memory's rank and element type, "
                         << "but got " << tile << " from " << memory;
  for (auto [offset, extent, whole] :
       llvm::zip_equal(getOffsets(), tile.getShape(), memory.getShape()))
    if (offset < 0 || offset + extent > whole)
      return emitOpError() << "expects the part to lie within extent " << whole << ", but got "
                           << offset << " .. " << offset + extent;
  return success();
}

LogicalResult LocalStoreOp::verify() {
  MemDescType memory = getMemory().getType();
  RankedTensorType tile = tensorOf(getTile());
  if (failed(verifyEncoded(*this, getTile(), "tile")))
    return failure();
  if (memory.getSlots() != 1 || tile.getElementType() != memory.getElementType() ||
      tile.getShape() != memory.getShape())
    return emitOpError() << "expects memory of the tile's shape and element type, but got " << tile
                         << " to " << memory;
  return success();
}

LogicalResult AsyncCopyOp::verify() {
  MemDescType memory = getMemory().getType();
  tile::ViewType view = getView().getType();
  if (memory.getSlots() != 1)
    return emitOpError() << "expects one slot, but got " << memory;
  if (view.getElementType() != memory.getElementType() ||
      view.getRank() != memory.getShape().size() || getOffsets().size() != view.getRank())
    return emitOpError() << "expects memory of the view's rank and element type and an offset a "
                         << "dimension, but got " << view << " to " << memory;
  if (memory.getRowBytes() % 16 != 0)
    return emitOpError() << "expects rows of a multiple of 16 bytes, but got "
                         << memory.getRowBytes();
  return success();
}

LogicalResult AsyncGatherOp::verify() {
  MemDescType memory = getMemory().getType();
  tile::ViewType view = getView().getType();
  if (memory.getSlots() != 1)
    return emitOpError() << "expects one slot, but got " << memory;
  if (view.getElementType() != memory.getElementType() || view.getRank() != 2 ||
      memory.getShape().size() != 2)
    return emitOpError() << "expects a view and memory of rank 2 and one element type, but got "
                         << view << " to " << memory;
  if (view.getStrides().back() != 1)
    return emitOpError() << "expects rows of consecutive elements, but got " << view;
  if (memory.getRowBytes() % 16 != 0)
    return emitOpError() << "expects rows of a multiple of 16 bytes, but got "
                         << memory.getRowBytes();
  if (failed(verifyEncoded(*this, getRows(), "rows")))
    return failure();
  RankedTensorType rows = tensorOf(getRows());
  LinearLayout layout = getLayout(getRows());
  auto expected = tilegpu::withLayout(
      RankedTensorType::get({memory.getNumRows(), 1}, IntegerType::get(getContext(), 32)),
      layout::copiedRows(memory.getNumRows(), memory.getRowBytes() / 16, layout.getNumWarps()));
  if (rows != expected)
    return emitOpError() << "expects rows of " << expected << ", but got " << rows;
  return success();
}
