//===- ExpandMatmul.cpp - The dense matmul as a tile program -----------------===//
//
// Part of Expand. One step of the main loop (MatmulProgram.h):
//
//   x tile, w tile <- memory
//   for each 256 bits of K in the tile:  acc = x * w + acc     (tensor cores)
//
// Steps of one product's depth keep few operand registers alive at a time. With
// operand_bits = 16 both operands of a step are widened first, 8-bit floats to f16.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/LinearLayout.h"
#include "dialects/Support/Schedule/Matmul.h"
#include "passes/Expand/MatmulProgram.h"
#include "passes/Expand/Passes.h"

using namespace mlir;
using namespace tilewright;
using schedule::MatmulSchedule;

namespace {
class DenseMatmulProgram final : public expand::MatmulProgram {
public:
  DenseMatmulProgram(nn::MatmulOp op, func::FuncOp function, const MatmulSchedule &schedule)
      : MatmulProgram(op, function, expand::MatmulFacts::get(op, op.getN()), schedule),
        wType(cast<RankedTensorType>(op.getW().getType())), isTransposed(op.getTransposeW()) {}

private:
  Type getSumType() override {
    return wType.getElementType().isInteger(8) ? builder.getI32Type() : f32();
  }

  void addWeightParameters() override {
    Type element = wType.getElementType();
    wArg = addPointer("w", element, /*written=*/false, element.isInteger(8) ? "i8" : "");
  }

  /// What only a launch knows of w comes after the pointers.
  void addWeightStrides() override {
    if (facts.batch)
      matrixStrideArg = addStride("w", 0, n * k);
    strideArg = addStride("w", getRowAxis(), wType.getShape().back());
  }

  void buildWeightViews() override {
    Type element = wType.getElementType();
    ArrayRef<int64_t> shape = wType.getShape().take_back(2);
    int64_t stride = getStride("w", getRowAxis(), shape[1]);
    Value base = argument(wArg);
    if (facts.batch)
      base = locate(wArg, element, getMatrixStride("w", element, matrixStrideArg, n * k));
    wView = view(base, shape, element, {stride, 1}, getViewAlign("w", base), {},
                 strideArg ? ValueRange(argument(*strideArg)) : ValueRange());
  }

  Value addTile(Value kTile, Value acc) override {
    int64_t step = layout::getMmaDepth(wType.getElementTypeBitWidth());
    int64_t tileM = schedule.tileM, tileN = schedule.tileN, tileK = schedule.tileK;
    Value kStart = scaled(kTile, tileK);
    Value x = loadX(kTile);
    Value w = isTransposed ? load(wView, {columnStart, kStart}, {tileN, tileK})
                           : load(wView, {kStart, columnStart}, {tileK, tileN});
    for (int64_t row = 0; row < tileK; row += step)
      acc = tile::DotOp::create(builder, loc, acc.getType(),
                                asOperand(slice(x, {0, row}, {tileM, step})),
                                asOperand(getRows(w, row, step)), acc);
    return acc;
  }

  Value asOperand(Value numbers) { return schedule.operandBits == 16 ? widen(numbers) : numbers; }

  /// Rows row .. row + count of K, count x tile_n.
  Value getRows(Value w, int64_t row, int64_t count) {
    if (!isTransposed)
      return slice(w, {row, 0}, {count, schedule.tileN});
    Value columns = slice(w, {0, row}, {schedule.tileN, count});
    return tile::TransposeOp::create(builder, loc,
                                     tensor({count, schedule.tileN}, wType.getElementType()),
                                     columns, ArrayRef<int64_t>{1, 0});
  }

  RankedTensorType wType;
  bool isTransposed;
  unsigned wArg = 0;
  std::optional<unsigned> strideArg, matrixStrideArg;
  Value wView;
};
} // namespace

LogicalResult expand::expandMatmul(nn::MatmulOp op, func::FuncOp function) {
  if (!op.getSchedule())
    return op.emitOpError() << "expects a schedule; the driver attaches one before tw-expand-nn";
  auto schedule = MatmulSchedule::fromSchedule(tile::fromAttribute(*op.getSchedule()));
  if (!schedule)
    return op.emitOpError() << llvm::toString(schedule.takeError());
  if (auto error = schedule::verifyMatmulShape(
          *schedule, op.getK(),
          cast<RankedTensorType>(op.getW().getType()).getElementTypeBitWidth()))
    return op.emitOpError() << llvm::toString(std::move(error));
  Type element = cast<RankedTensorType>(op.getW().getType()).getElementType();
  if (schedule->operandBits != 0) {
    if (!isa<Float8E4M3FNType, Float8E5M2Type>(element) || schedule->operandBits != 16)
      return op.emitOpError() << "expects operand_bits to be 16 with f8E4M3FN or f8E5M2, or left "
                                 "out, but got "
                              << schedule->operandBits << " with " << element;
    op.emitRemark() << "multiplies " << element << " as f16: operand_bits is 16";
  }
  DenseMatmulProgram(op, function, *schedule).run();
  return success();
}
