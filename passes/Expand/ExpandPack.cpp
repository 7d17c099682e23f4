//===- ExpandPack.cpp - Packing as a tile program ------------------------------===//
//
// Part of Expand. A block takes whole blocks of the storage layout:
//
//   codes (tile_n x tile_k or tile_k x tile_n) <- memory
//   words = pack(codes)
//   memory <- words
//
// What is outside of the matrix reads as code 0, which is what padding holds.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Packing.h"
#include "dialects/Support/Schedule/Pack.h"
#include "passes/Expand/Passes.h"
#include "passes/Expand/ProgramBuilder.h"

using namespace mlir;
using namespace tilewright;
using schedule::PackSchedule;

namespace {
class PackProgram : expand::ProgramBuilder {
public:
  PackProgram(nn::PackOp op, func::FuncOp source, const PackSchedule &schedule)
      : ProgramBuilder(op, source, op.getProblem().value_or(nn::ProblemAttr())), pack(op),
        schedule(schedule), codesType(cast<RankedTensorType>(op.getCodes().getType())),
        wordsType(cast<RankedTensorType>(op.getWords().getType())) {}

  void run() {
    buildFunction();
    Value strip = scaled(programId(0), tileStrips()), block = scaled(programId(1), tileBlocks());
    Value words = tile::PackOp::create(builder, loc, tensor(getTileShape(), builder.getI32Type()),
                                       loadCodes(), pack.getBits(), pack.getStorageAttr(),
                                       pack.getActivationsAttr());
    SmallVector<Value> offsets = {strip, block};
    offsets.resize(wordsType.getRank(), constant(0));
    tile::StoreOp::create(builder, loc, words, viewWords(), offsets);
    func::ReturnOp::create(builder, loc);
  }

private:
  int64_t tileStrips() const { return schedule.tileN / layout::blockN; }
  int64_t tileBlocks() const { return schedule.tileK / layout::blockK; }
  int64_t getStrips() { return llvm::divideCeil(pack.getN(), layout::blockN); }
  int64_t getBlocks() { return llvm::divideCeil(pack.getK(), layout::blockK); }
  bool hasPlanes() const { return wordsType.getRank() == 4; }

  void buildFunction() {
    codesArg = addPointer("codes", codesType.getElementType());
    wordsArg = addPointer("words", builder.getI32Type(), /*written=*/true);
    if (ShapedType::isDynamic(getRowStride()))
      strideArg = addParameter(tile::ParameterKind::Stride, "codes", builder.getI64Type(), "", 0);
    auto count = [](int64_t extent, int64_t tile) {
      return std::to_string(llvm::divideCeil(extent, tile));
    };
    auto grid = builder.getStrArrayAttr(
        {count(getStrips(), tileStrips()), count(getBlocks(), tileBlocks()), "1"});
    createProgram(tile::KernelAttr::get(builder.getContext(), grid, schedule.warps, {}),
                  *pack.getSchedule());
    // Each warp has strips of its own, as words have.
    program->setAttr(tile::warpsAttrName, builder.getDenseI64ArrayAttr({1, schedule.warps}));
  }

  int64_t getRowStride() { return getStride("codes", 0, codesType.getDimSize(1)); }

  /// tile_k x tile_n of the codes.
  Value loadCodes() {
    Value stride;
    if (strideArg)
      stride = tile::AssumeOp::create(builder, loc, argument(*strideArg), getAlign("codes"));
    Value codes = view(argument(codesArg), codesType.getShape(), codesType.getElementType(),
                       {getRowStride(), 1}, getAlign("codes"), {},
                       stride ? ValueRange(stride) : ValueRange());
    Value k = scaled(programId(1), schedule.tileK), n = scaled(programId(0), schedule.tileN);
    if (pack.getAlongN())
      return load(codes, {k, n}, {schedule.tileK, schedule.tileN});
    return transpose(load(codes, {n, k}, {schedule.tileN, schedule.tileK}));
  }

  SmallVector<int64_t> getTileShape() {
    SmallVector<int64_t> shape = {tileStrips(), tileBlocks()};
    if (hasPlanes())
      shape.push_back(wordsType.getDimSize(0));
    shape.push_back(wordsType.getShape().back());
    return shape;
  }

  /// Strips x blocks x words, or strips x blocks x planes x words of planes that follow
  /// each other.
  Value viewWords() {
    int64_t words = wordsType.getShape().back(), strips = getStrips(), blocks = getBlocks();
    SmallVector<int64_t> shape = {strips, blocks}, strides = {blocks * words, words};
    if (hasPlanes()) {
      shape.push_back(wordsType.getDimSize(0));
      strides.push_back(strips * blocks * words);
    }
    shape.push_back(words);
    strides.push_back(1);
    return view(argument(wordsArg), shape, builder.getI32Type(), strides, getAlign("words"));
  }

  nn::PackOp pack;
  const PackSchedule schedule;
  RankedTensorType codesType, wordsType;
  unsigned codesArg = 0, wordsArg = 0;
  std::optional<unsigned> strideArg;
};
} // namespace

LogicalResult expand::expandPack(nn::PackOp op, func::FuncOp function) {
  if (!op.getSchedule())
    return op.emitOpError() << "expects a schedule; the driver attaches one before tw-expand-nn";
  auto schedule = PackSchedule::fromSchedule(tile::fromAttribute(*op.getSchedule()));
  if (!schedule)
    return op.emitOpError() << llvm::toString(schedule.takeError());
  if (auto error = schedule::verifyPackShape(*schedule))
    return op.emitOpError() << llvm::toString(std::move(error));
  PackProgram(op, function, *schedule).run();
  return success();
}
