//===- ExpandQuantMatmul.cpp - The quantised matmul as a tile program --------===//
//
// Part of Expand. One step of the main loop (MatmulProgram.h):
//
//   x tile, packed words, scales, zero points <- memory
//   for each segment of the tile, rows that lie within one group:
//     part = sum over the segment's rows of x * (q - z)    (tensor cores, f32)
//     acc  = part * scale + acc                            (f32)
//
// The scale meets the f32 sum, not the weights: exact whatever its range, and
// fewer instructions than scaling operands. Where one group is all of K, scales
// meet the sum over K.
//
// A floating-point zero point would round q - z; it meets the sum of x instead,
// one more column of the product (weights of one):
//   float   (q - z) * s:   acc = (part - z * sum of x) * scale + acc
//   offset  q * s + z:     acc = part * scale + acc;  acc = z * sum of x + acc
//
// With x of i8, products are of bytes: part is an i32 sum of x * q * 2^(8-b), exact,
// and so are the sum of x and the product of both with any zero point:
//   integer (q - z) * s:   part = part - (z * 2^(8-b)) * sum of x
// A part starts from the bits of 1.5 * 2^23 and ends as a float of that size, so
// that one subtraction makes a number of it (an instruction at full rate, which a
// conversion is not). Where scales wait for all of K, so does the i32 sum.
//
// A stack of planes is a product whose K repeats for each of them, with rows of w
// and scales of its own: step plane * (tiles of K) + tile. Their number is for the
// launch to say.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/ScaleStorage.h"
#include "dialects/Support/Schedule/QuantMatmul.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/Expand/MatmulProgram.h"
#include "passes/Expand/Passes.h"
#include <numeric>

using namespace mlir;
using namespace tilewright;
using layout::ScaleStorage;
using schedule::QuantMatmulSchedule;

namespace {
/// The scales or the zero points in memory.
struct GroupTable {
  StringRef dtype;
  ScaleStorage storage;
  unsigned argument = 0;
  Value view;

  /// Two numbers share a byte: a view is of words, each the numbers of a lane.
  bool hasWords() const { return storage.perElement > 1; }
  /// Elements of a view in a strip.
  int64_t getPerStrip() const {
    return storage.perStrip * storage.perElement /
           (hasWords() ? layout::zeroPointsPerWord : storage.perElement);
  }
};

/// What a step of the main loop has of K tile.
struct LoadedTile {
  Value x, codes;
  SmallVector<Value> scales, zeroPoints; ///< of each segment, where they are needed
};

/// Bits of the float 1.5 * 2^23: an integer of 23 bits with a sign, added to them,
/// is added to the float.
constexpr int32_t integerBase = 0x4b400000;

/// Whether sums of products of `rows` signed with unsigned bytes are that small.
constexpr bool startsFromBase(int64_t rows) { return rows * 128 * 255 < 1 << 22; }

class QuantMatmulProgram final : public expand::MatmulProgram {
public:
  QuantMatmulProgram(nn::QuantMatmulOp op, func::FuncOp function,
                     const QuantMatmulSchedule &schedule)
      : MatmulProgram(op, function, expand::MatmulFacts::get(op, op.getW().getType().getN()),
                      schedule),
        format(op.getW().getType().getFormat()), rule(getRule(op)) {}

private:
  void addWeightParameters() override;
  void addWeightStrides() override;
  void buildWeightViews() override;
  Type getSumType() override {
    return isByte() && !rule.scalesInLoop() ? Type(builder.getI32Type()) : f32();
  }
  Value getDynamicSteps() override;
  Value addTile(Value step, Value acc) override;
  Value finishSum(Value acc) override;

  static schedule::QuantMatmulProblem getRule(nn::QuantMatmulOp op);

  Value getStripStart() { return scaled(programN, schedule.tileN / layout::blockN); }
  unsigned addTablePointer(StringRef name, StringRef dtype) {
    Type element = expand::getStoredType(builder.getContext(), dtype);
    return addPointer(name, element, /*written=*/false, dtype);
  }
  void buildTableView(GroupTable &table, StringRef name);
  Value loadWords(Value kTile);
  Value loadRows(const GroupTable &table, Value firstRow, int64_t rows);
  Value orderColumns(const GroupTable &table, Value stored);
  Value orderFields(const GroupTable &table, Value words);
  Value getGroup(Value kTile, int64_t segment);
  int getSumExponent();
  SmallVector<Value> loadTable(const GroupTable &table, Value kTile);
  Value multiplySegment(const LoadedTile &tile, int64_t segment, Value part, Value *sums);
  Value addSegment(const LoadedTile &tile, int64_t segment, Value acc);
  Value addByteSegment(const LoadedTile &tile, int64_t segment, Value acc);
  Value scalePart(const LoadedTile &tile, int64_t segment, Value part, Value sums, Value acc);

  bool isByte() const { return rule.hasByteActivations(); }
  layout::Activation getActivation() const;
  /// What bytes of codes are multiplied by, as a power of two.
  unsigned getByteShift() const { return 8 - format.getBits(); }
  bool isSigned() const { return format.getCodeFormat().isSigned(); }
  Value splat(RankedTensorType type, int64_t value) {
    return arith::ConstantOp::create(
        builder, loc,
        DenseElementsAttr::get(type, builder.getIntegerAttr(type.getElementType(), value)));
  }
  Value asFloat(Value part, int64_t rows);

  Value splat(RankedTensorType type, double value) {
    return arith::ConstantOp::create(
        builder, loc,
        DenseElementsAttr::get(type, builder.getFloatAttr(type.getElementType(), value)));
  }
  Value multiplyAdd(Value a, Value b, Value c) {
    return math::FmaOp::create(builder, loc, a, b, c);
  }
  /// A row of stored numbers as a tile_m x tile_n tile of f32.
  Value broadcastNumbers(Value row, StringRef dtype) {
    return broadcastRow(expand::decodeNumbers(builder, loc, dtype, row));
  }

  nn::QFormatAttr format;
  schedule::QuantMatmulProblem rule; ///< which groups there are, and when they are scaled
  unsigned wArg = 0;
  std::optional<unsigned> tensorScaleArg, codebookArg, planesArg;
  GroupTable scales;
  std::optional<GroupTable> zeroPoints;
  Value wView, tensorScaleView;
  Value codebook; ///< of indices: the table's words
  Value planes;   ///< of a stack: how many the launch has
  Value plane;    ///< of a stack: that of the step which is being built
};
} // namespace

schedule::QuantMatmulProblem QuantMatmulProgram::getRule(nn::QuantMatmulOp op) {
  nn::QuantizedType w = op.getW().getType();
  schedule::QuantMatmulProblem rule;
  rule.weight = w.getFormat().getCodeFormat();
  rule.k = w.getK();
  rule.n = w.getN();
  rule.granularity = w.getFormat().getGranularity();
  rule.zero = w.getFormat().getZeroRule();
  Type x = cast<RankedTensorType>(op.getX().getType()).getElementType();
  rule.activationBytes = x.getIntOrFloatBitWidth() / 8;
  rule.isWidened = isa<Float8E4M3FNType, Float8E5M2Type>(x);
  return rule;
}

layout::Activation QuantMatmulProgram::getActivation() const {
  Type element = cast<RankedTensorType>(facts.x.getType()).getElementType();
  if (element.isInteger())
    return layout::Activation::I8;
  return element.isBF16() ? layout::Activation::BF16 : layout::Activation::F16;
}

//===----------------------------------------------------------------------===//
// Parameters and views
//===----------------------------------------------------------------------===//

void QuantMatmulProgram::addWeightParameters() {
  auto getStorage = [&](StringRef dtype) {
    return ScaleStorage::get(rule.granularity, k, n, format::get(dtype).bits / 8);
  };
  wArg = addPointer("w", builder.getI32Type());
  scales = {format.getScale(), getStorage(format.getScale()),
            addTablePointer("scales", format.getScale()), Value()};
  if (rule.zero == format::Zero::Integer)
    zeroPoints = {"u8", ScaleStorage::getZeroPoints(rule.granularity, k, n, format.getBits())};
  else if (format.hasFloatZeros())
    zeroPoints = {format.getZeroType(), getStorage(format.getZeroType())};
  if (zeroPoints)
    zeroPoints->argument = addTablePointer("zeros", zeroPoints->dtype);
  if (format.getTensorScale())
    tensorScaleArg = addPointer("tensor_scale", f32());
  if (format.getCodeFormat().isIndex())
    codebookArg = addPointer("codebook", builder.getI32Type());
}

void QuantMatmulProgram::addWeightStrides() {
  if (format.getCodeFormat().isStack())
    planesArg = addParameter(tile::ParameterKind::Dimension, "planes", builder.getI32Type(), "");
}

/// Tables of a stack follow each other, one a plane.
void QuantMatmulProgram::buildTableView(GroupTable &table, StringRef name) {
  const ScaleStorage &storage = table.storage;
  Type element = table.hasWords() ? builder.getI16Type()
                                  : expand::getStoredType(builder.getContext(), table.dtype);
  int64_t perStrip = table.getPerStrip(), perRow = storage.strips * perStrip;
  Value base = locate(table.argument, element, storage.getRows() * perRow);
  SmallVector<Value> rows;
  if (planes)
    rows.push_back(scaled(planes, storage.getRows()));
  table.view =
      view(base, {planes ? ShapedType::kDynamic : storage.getRows(), storage.strips, perStrip},
           element, {perRow, perStrip, 1}, getViewAlign(name, base), rows);
}

void QuantMatmulProgram::buildWeightViews() {
  int64_t strips = llvm::divideCeil(n, layout::blockN),
          blocks = llvm::divideCeil(k, layout::blockK);
  constexpr int64_t planeWords = layout::blockK * layout::blockN / 32;
  int64_t words = planeWords * format.getBits();
  if (planesArg)
    planes = argument(*planesArg);
  if (format.getCodeFormat().isNested()) {
    wView = view(argument(wArg),
                 {strips, blocks, planes ? ShapedType::kDynamic : format.getBits(), planeWords},
                 builder.getI32Type(),
                 {blocks * planeWords, planeWords, strips * blocks * planeWords, 1}, getAlign("w"),
                 planes ? ValueRange(planes) : ValueRange());
  } else {
    Value base = locate(wArg, builder.getI32Type(), strips * blocks * words);
    wView = view(base, {strips, blocks, words}, builder.getI32Type(), {blocks * words, words, 1},
                 getViewAlign("w", base));
  }
  buildTableView(scales, "scales");
  if (zeroPoints)
    buildTableView(*zeroPoints, "zeros");
  if (tensorScaleArg) {
    Value scale = locate(*tensorScaleArg, f32(), 1);
    tensorScaleView = view(scale, {1, 1}, f32(), {1, 1}, getViewAlign("tensor_scale", scale));
  }
  if (codebookArg) {
    int64_t words = layout::getTableWords(format.getBits());
    Value table =
        view(argument(*codebookArg), {words}, builder.getI32Type(), {1}, getAlign("codebook"));
    codebook = load(table, {constant(0)}, {words});
  }
}

//===----------------------------------------------------------------------===//
// Scales and zero points
//===----------------------------------------------------------------------===//

/// Rows of a table for the strips of this tile, as they are stored.
Value QuantMatmulProgram::loadRows(const GroupTable &table, Value firstRow, int64_t rows) {
  int64_t strips = schedule.tileN / layout::blockN;
  if (plane)
    firstRow = add(scaled(plane, table.storage.getRows()), firstRow);
  return load(table.view, {firstRow, getStripStart(), constant(0)},
              {rows, strips, table.getPerStrip()});
}

/// Stored rows as groups x tile_n numbers in the order of columns.
Value QuantMatmulProgram::orderColumns(const GroupTable &table, Value stored) {
  auto type = cast<RankedTensorType>(stored.getType());
  int64_t rows = type.getDimSize(0), strips = type.getDimSize(1), perStrip = type.getDimSize(2);
  Type element = type.getElementType();
  if (table.hasWords())
    return orderFields(table, stored);
  if (table.storage.isPerColumn()) {
    // Position 4g + c holds column 8c + g.
    stored = reshape(stored, {rows, strips, 8, 4});
    stored = tile::TransposeOp::create(builder, loc, tensor({rows, strips, 4, 8}, element), stored,
                                       ArrayRef<int64_t>{0, 1, 3, 2});
  } else {
    stored = reshape(stored, {rows, strips, perStrip, 1});
    auto wide = tensor({rows, strips, perStrip, layout::blockN / perStrip}, element);
    stored = tile::BroadcastOp::create(builder, loc, wide, stored);
  }
  return reshape(stored, {rows, schedule.tileN});
}

/// The same of rows of words: word g of a strip has those of columns 8c + g, for
/// each those of the row's groups.
Value QuantMatmulProgram::orderFields(const GroupTable &table, Value words) {
  auto type = cast<RankedTensorType>(words.getType());
  int64_t rows = type.getDimSize(0), strips = type.getDimSize(1),
          groups = table.storage.groupsPerRow;
  constexpr int64_t perWord = layout::zeroPointsPerWord;
  Type element = builder.getI8Type();
  Value fields = tile::FieldsOp::create(
      builder, loc, tensor({rows, strips, 8, perWord * groups}, element), words);
  fields = reshape(fields, {rows, strips, 8, perWord, groups});
  fields =
      tile::TransposeOp::create(builder, loc, tensor({rows, groups, strips, perWord, 8}, element),
                                fields, ArrayRef<int64_t>{0, 4, 1, 3, 2});
  return reshape(fields, {rows * groups, schedule.tileN});
}

/// The group of segment `segment` of K tile `kTile`.
Value QuantMatmulProgram::getGroup(Value kTile, int64_t segment) {
  int64_t tileK = schedule.tileK, rows = rule.granularity.rows;
  if (rule.granularity.getGroups(k) <= 1)
    return constant(0);
  auto plus = [&](Value value, int64_t amount) -> Value {
    return amount ? arith::AddIOp::create(builder, loc, value, constant(amount)) : value;
  };
  if (tileK % rows == 0)
    return plus(scaled(kTile, tileK / rows), segment);
  if (rows % tileK == 0)
    return arith::DivUIOp::create(builder, loc, kTile, constant(rows / tileK));
  Value row = plus(scaled(kTile, tileK), segment * rule.getSegmentRows(tileK));
  return arith::DivUIOp::create(builder, loc, row, constant(rows));
}

/// The numbers of each segment of K tile `kTile`, 1 x tile_n each. The rows of
/// whole groups are one load, others a load each.
SmallVector<Value> QuantMatmulProgram::loadTable(const GroupTable &table, Value kTile) {
  int64_t segments = rule.getSegments(schedule.tileK), perRow = table.storage.groupsPerRow;
  SmallVector<Value> numbers;
  auto addGroups = [&](Value groups, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
      numbers.push_back(slice(groups, {i, 0}, {1, schedule.tileN}));
  };
  if (rule.areRowsTogether(schedule.tileK)) {
    int64_t rows = segments / perRow;
    addGroups(orderColumns(table, loadRows(table, scaled(kTile, rows), rows)), segments);
    return numbers;
  }
  for (int64_t segment = 0; segment < segments; segment += perRow) {
    // A tile has all groups of a row, and K of one group has one row.
    Value row = perRow == 1 ? getGroup(kTile, segment)
                            : add(scaled(kTile, segments / perRow), constant(segment / perRow));
    addGroups(orderColumns(table, loadRows(table, row, 1)), perRow);
  }
  return numbers;
}

//===----------------------------------------------------------------------===//
// The sum
//===----------------------------------------------------------------------===//

/// part + x * w of a segment's rows; where `sums` is given, the sums of x are
/// added to it. Those are one more column of the product, whose weights are one:
/// a tile of ones, all but one of whose columns are common subexpressions.
Value QuantMatmulProgram::multiplySegment(const LoadedTile &tile, int64_t segment, Value part,
                                          Value *sums) {
  int64_t tileM = schedule.tileM, tileN = schedule.tileN;
  int64_t rows = rule.getSegmentRows(schedule.tileK), first = segment * rows;
  int64_t chunk = std::gcd(rows, int64_t(layout::fragmentK));
  Type activation = cast<RankedTensorType>(tile.x.getType()).getElementType();
  if (rule.isWidened)
    activation = builder.getF16Type();
  Type element = activation;
  if (isByte() && !isSigned())
    element = builder.getIntegerType(8, /*isSigned=*/false);
  // Integer zero points are stored biased as the codes are: the biases cancel.
  bool isSubtracted = rule.zero == format::Zero::Integer && !isByte();
  int64_t bias = isSubtracted || isByte() ? 0 : format.getCodeFormat().storageBias();
  bool isNumber = format.getCodeFormat().hasExponent() || format.getCodeFormat().isNested();
  StringAttr kind = isNumber || codebook ? builder.getStringAttr(format.getCode()) : StringAttr();
  Value zero = isSubtracted ? tile.zeroPoints[segment] : Value(), ones;
  if (sums) {
    // The total is multiplied by a power of two, sums of x are not to be: those of
    // bytes are multiplied after they are summed.
    RankedTensorType type = tensor({chunk, tileN}, activation);
    ones = isByte() ? splat(type, int64_t(1)) : splat(type, std::ldexp(1.0, -getSumExponent()));
  }
  for (int64_t row = first; row < first + rows; row += chunk) {
    Value codes = slice(tile.codes, {row, 0}, {chunk, tileN});
    Value values = tile::DequantOp::create(builder, loc, tensor({chunk, tileN}, element), codes,
                                           zero, codebook, builder.getI32IntegerAttr(bias), kind);
    Value columns = slice(tile.x, {0, row}, {tileM, chunk});
    if (rule.isWidened)
      columns = widen(columns);
    part = multiply(columns, values, part);
    if (sums)
      *sums = multiply(columns, ones, *sums);
  }
  return part;
}

/// acc + the segment's part, by its scale and floating-point zero point.
Value QuantMatmulProgram::scalePart(const LoadedTile &tile, int64_t segment, Value part, Value sums,
                                    Value acc) {
  Value shift;
  if (format.hasFloatZeros())
    shift = broadcastNumbers(tile.zeroPoints[segment], format.getZeroType());
  if (rule.zero == format::Zero::Float)
    part = multiplyAdd(arith::NegFOp::create(builder, loc, shift), sums, part);
  Value scale = broadcastNumbers(tile.scales[segment], format.getScale());
  acc = multiplyAdd(part, scale, acc);
  return rule.zero == format::Zero::Offset ? multiplyAdd(sums, shift, acc) : acc;
}

Value QuantMatmulProgram::addSegment(const LoadedTile &tile, int64_t segment, Value acc) {
  SmallVector<int64_t> shape = {schedule.tileM, schedule.tileN};
  Value sums = rule.sumsX() ? zeros(shape) : Value();
  Value part = rule.scalesInLoop() ? zeros(shape) : acc;
  part = multiplySegment(tile, segment, part, sums ? &sums : nullptr);
  return rule.scalesInLoop() ? scalePart(tile, segment, part, sums, acc) : part;
}

/// An i32 sum of products of `rows` bytes, that began at integerBase where it is
/// small enough, as f32.
Value QuantMatmulProgram::asFloat(Value part, int64_t rows) {
  RankedTensorType type = tensor({schedule.tileM, schedule.tileN}, f32());
  if (!startsFromBase(rows))
    return arith::SIToFPOp::create(builder, loc, type, part);
  Value number = arith::BitcastOp::create(builder, loc, type, part);
  return arith::SubFOp::create(builder, loc, number, splat(type, 0x1.8p23));
}

/// The same for x of i8. Zero points of either kind are worth 2^(8-b) as much as
/// stored, since codes are.
Value QuantMatmulProgram::addByteSegment(const LoadedTile &tile, int64_t segment, Value acc) {
  SmallVector<int64_t> shape = {schedule.tileM, schedule.tileN};
  RankedTensorType type = tensor(shape, builder.getI32Type());
  int64_t rows = rule.getSegmentRows(schedule.tileK);
  bool scales = rule.scalesInLoop();
  Value sums = rule.sumsX() ? zeros(shape, builder.getI32Type()) : Value();
  Value start = scales ? splat(type, int64_t(startsFromBase(rows) ? integerBase : 0)) : acc;
  Value part = multiplySegment(tile, segment, start, sums ? &sums : nullptr);
  if (sums)
    sums = arith::ShLIOp::create(builder, loc, sums, splat(type, int64_t(getByteShift())));
  if (rule.zero == format::Zero::Integer) {
    Value codes = tile.zeroPoints[segment];
    RankedTensorType wide = tensor({1, schedule.tileN}, builder.getI32Type());
    Value zero = arith::ExtUIOp::create(builder, loc, wide, codes);
    // Stored with the bias that 16-bit activations' codes have.
    int64_t bias = format.getCodeFormat().storageBias();
    zero = arith::SubIOp::create(builder, loc, splat(wide, bias), zero);
    zero = tile::BroadcastOp::create(builder, loc, type, zero);
    part =
        arith::AddIOp::create(builder, loc, part, arith::MulIOp::create(builder, loc, zero, sums));
  }
  if (!scales)
    return part;
  if (format.hasFloatZeros())
    sums = arith::SIToFPOp::create(builder, loc, tensor(shape, f32()), sums);
  return scalePart(tile, segment, asFloat(part, rows), sums, acc);
}

Value QuantMatmulProgram::loadWords(Value kTile) {
  int64_t strips = schedule.tileN / layout::blockN, blocks = schedule.tileK / layout::blockK;
  constexpr int64_t planeWords = layout::blockK * layout::blockN / 32;
  int64_t bits = format.getBits();
  SmallVector<Value> offsets = {getStripStart(), scaled(kTile, blocks)};
  if (format.getCodeFormat().isNested()) {
    offsets.append({plane ? plane : constant(0), constant(0)});
    return load(wView, offsets, {strips, blocks, bits, planeWords});
  }
  offsets.push_back(constant(0));
  return load(wView, offsets, {strips, blocks, planeWords * bits});
}

Value QuantMatmulProgram::getDynamicSteps() {
  return planes ? scaled(planes, getTilesOfK()) : Value();
}

Value QuantMatmulProgram::addTile(Value step, Value acc) {
  int64_t tileN = schedule.tileN, tileK = schedule.tileK;
  Value kTile = step;
  if (planes) {
    Value tiles = constant(getTilesOfK());
    plane = arith::DivUIOp::create(builder, loc, step, tiles);
    kTile = arith::RemUIOp::create(builder, loc, step, tiles);
  }
  LoadedTile tile;
  tile.x = loadX(kTile);
  Value packed = loadWords(kTile);
  if (rule.scalesInLoop())
    tile.scales = loadTable(scales, kTile);
  if (zeroPoints)
    tile.zeroPoints = loadTable(*zeroPoints, kTile);
  Type code = builder.getIntegerType(format.getBits());
  tile.codes = tile::UnpackOp::create(builder, loc, tensor({tileK, tileN}, code), packed);
  for (int64_t segment = 0; segment < rule.getSegments(tileK); ++segment)
    acc = isByte() ? addByteSegment(tile, segment, acc) : addSegment(tile, segment, acc);
  return acc;
}

/// Of the power of two that is left to multiply the sum by; nothing is rounded.
int QuantMatmulProgram::getSumExponent() {
  return layout::getSumExponent(format.getCodeFormat(), getActivation());
}

Value QuantMatmulProgram::finishSum(Value acc) {
  plane = nullptr; // the loop is over
  int exponent = getSumExponent();
  if (exponent != 0) {
    auto type = cast<RankedTensorType>(acc.getType());
    Value factor = arith::ConstantOp::create(
        builder, loc,
        DenseElementsAttr::get(type,
                               builder.getF32FloatAttr(std::ldexp(1.0f, exponent)).getValue()));
    acc = arith::MulFOp::create(builder, loc, acc, factor);
  }
  if (!rule.scalesInLoop()) {
    Value row = orderColumns(scales, loadRows(scales, constant(0), 1));
    acc = arith::MulFOp::create(builder, loc, acc, broadcastNumbers(row, format.getScale()));
  }
  if (!tensorScaleView)
    return acc;
  Value scale = load(tensorScaleView, {constant(0), constant(0)}, {1, 1});
  return arith::MulFOp::create(builder, loc, acc, broadcastRow(scale));
}

LogicalResult expand::expandQuantMatmul(nn::QuantMatmulOp op, func::FuncOp function) {
  if (!op.getSchedule())
    return op.emitOpError() << "expects a schedule; the driver attaches one before tw-expand-nn";
  auto schedule = QuantMatmulSchedule::fromSchedule(tile::fromAttribute(*op.getSchedule()));
  if (!schedule)
    return op.emitOpError() << llvm::toString(schedule.takeError());
  if (auto error = schedule::verifyQuantMatmulShape(*schedule, op.getW().getType().getK()))
    return op.emitOpError() << llvm::toString(std::move(error));
  bool isStack = op.getW().getType().getFormat().getCodeFormat().isStack();
  if (isStack && schedule->chunkK > 0)
    return op.emitOpError() << "expects chunk_k to be left out with stacks, but got "
                            << schedule->chunkK;
  Type x = cast<RankedTensorType>(op.getX().getType()).getElementType();
  if (isa<Float8E4M3FNType, Float8E5M2Type>(x))
    op.emitRemark() << "multiplies " << x << " as f16, which packed weights are unpacked to";
  QuantMatmulProgram(op, function, *schedule).run();
  return success();
}
