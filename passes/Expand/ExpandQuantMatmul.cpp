//===- ExpandQuantMatmul.cpp - The quantised matmul as a tile program --------===//
//
// Part of Expand. One step of the main loop (MatmulProgram.h):
//
//   x tile, packed words, scales, zero points <- memory
//   for each group in the tile:
//     part = sum over the group's rows of x * (q - z)      (tensor cores, f32)
//     acc  = part * scale + acc                            (f32)
//
// The scale meets the f32 sum, not the weights: exact whatever its range, and
// fewer instructions than scaling operands. Scales of whole columns meet the
// sum over K.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Packing.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/Expand/MatmulProgram.h"
#include "passes/Expand/Passes.h"

using namespace mlir;
using namespace tilewright;
using schedule::QuantMatmulSchedule;

namespace {
class QuantMatmulProgram final : public expand::MatmulProgram {
public:
  QuantMatmulProgram(nn::QuantMatmulOp op, func::FuncOp function,
                     const QuantMatmulSchedule &schedule)
      : MatmulProgram(op, function, expand::MatmulFacts::get(op, op.getW().getType().getN()),
                      schedule),
        format(op.getW().getType().getFormat()) {}

private:
  void addWeightParameters() override;
  void buildWeightViews() override;
  Value addTile(Value kTile, Value acc) override;
  Value finishSum(Value acc) override;

  Value loadGroups(Value view, Value kTile);
  Value getStripStart() { return scaled(programN, schedule.tileN / layout::blockN); }
  int64_t getGroupsPerTile() const {
    bool within = !format.isChannel() && format.getGroup() < schedule.tileK;
    return within ? schedule.tileK / format.getGroup() : 1;
  }
  /// Rows of one product: within a group, and at most one packed fragment.
  int64_t getChunk() const {
    int64_t fragment = layout::fragmentK;
    return format.isChannel() ? fragment : std::min(fragment, format.getGroup());
  }

  nn::QFormatAttr format;
  unsigned wArg = 0, scalesArg = 0;
  std::optional<unsigned> zerosArg, codebookArg;
  Value wView, scalesView, zerosView;
  Value codebook; ///< of indices: the table's words
};
} // namespace

void QuantMatmulProgram::addWeightParameters() {
  wArg = addPointer("w", builder.getI32Type());
  scalesArg = addPointer("scales", format.getScale());
  if (format.getZero() == nn::ZeroPoint::Integer)
    zerosArg = addPointer("zeros", builder.getI8Type());
  if (format.getCodeFormat().isIndex())
    codebookArg = addPointer("codebook", builder.getI32Type());
}

void QuantMatmulProgram::buildWeightViews() {
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
  if (codebookArg) {
    int64_t words = layout::getTableWords(format.getBits());
    Value table =
        view(argument(*codebookArg), {words}, builder.getI32Type(), {1}, getAlign("codebook"));
    codebook = load(table, {constant(0)}, {words});
  }
}

/// The rows of scales or zero points that K tile `kTile` needs, G x tile_n in
/// column order.
Value QuantMatmulProgram::loadGroups(Value groupsView, Value kTile) {
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
  Value stored =
      load(groupsView, {first, getStripStart(), zero}, {perTile, strips, layout::blockN});
  Type element = cast<RankedTensorType>(stored.getType()).getElementType();
  // Position 4g + c holds column 8c + g.
  stored = reshape(stored, {perTile, strips, 8, 4});
  Value columns = tile::TransposeOp::create(builder, loc, tensor({perTile, strips, 4, 8}, element),
                                            stored, ArrayRef<int64_t>{0, 1, 3, 2});
  return reshape(columns, {perTile, schedule.tileN});
}

Value QuantMatmulProgram::addTile(Value kTile, Value acc) {
  int64_t tileM = schedule.tileM, tileN = schedule.tileN, tileK = schedule.tileK;
  int64_t blocks = tileK / layout::blockK, words = layout::blockK * layout::blockN / 32;
  Value x = loadX(kTile);
  Value packed = load(wView, {getStripStart(), scaled(kTile, blocks), constant(0)},
                      {tileN / layout::blockN, blocks, words * int64_t(format.getBits())});
  Value scales = format.isChannel() ? Value() : loadGroups(scalesView, kTile);
  Value zeroPoints = zerosView ? loadGroups(zerosView, kTile) : Value();

  Type code = builder.getIntegerType(format.getBits());
  Value codes = tile::UnpackOp::create(builder, loc, tensor({tileK, tileN}, code), packed);
  Type half = cast<RankedTensorType>(x.getType()).getElementType();
  // Zero points are stored biased as the codes are: the biases cancel.
  int64_t bias = zerosView ? 0 : format.getCodeFormat().storageBias();
  StringAttr kind = format.getCodeFormat().hasExponent() || codebook
                        ? builder.getStringAttr(format.getCode())
                        : StringAttr();
  int64_t chunk = getChunk(), groupRows = tileK / getGroupsPerTile();
  for (int64_t group = 0; group < getGroupsPerTile(); ++group) {
    Value part = format.isChannel() ? acc : zeros({tileM, tileN});
    Value groupZero = zeroPoints ? slice(zeroPoints, {group, 0}, {1, tileN}) : Value();
    for (int64_t row = group * groupRows; row < (group + 1) * groupRows; row += chunk) {
      Value rows = slice(codes, {row, 0}, {chunk, tileN});
      Value values =
          tile::DequantOp::create(builder, loc, tensor({chunk, tileN}, half), rows, groupZero,
                                  codebook, builder.getI32IntegerAttr(bias), kind);
      Value columns = slice(x, {0, row}, {tileM, chunk});
      part = multiply(columns, values, part);
    }
    if (format.isChannel())
      acc = part;
    else
      acc = math::FmaOp::create(builder, loc, part,
                                broadcastRow(slice(scales, {group, 0}, {1, tileN})), acc);
  }
  return acc;
}

Value QuantMatmulProgram::finishSum(Value acc) {
  // Powers of two, so that nothing is rounded (layout::getSumExponent).
  bool isF16 = cast<RankedTensorType>(facts.x.getType()).getElementType().isF16();
  int exponent = layout::getSumExponent(format.getCodeFormat(),
                                        isF16 ? layout::Activation::F16 : layout::Activation::BF16);
  if (exponent != 0) {
    auto type = cast<RankedTensorType>(acc.getType());
    Value factor = arith::ConstantOp::create(
        builder, loc,
        DenseElementsAttr::get(type,
                               builder.getF32FloatAttr(std::ldexp(1.0f, exponent)).getValue()));
    acc = arith::MulFOp::create(builder, loc, acc, factor);
  }
  if (!format.isChannel())
    return acc;
  Value row = loadGroups(scalesView, constant(0));
  return arith::MulFOp::create(builder, loc, acc, broadcastRow(row));
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
  QuantMatmulProgram(op, function, *schedule).run();
  return success();
}
