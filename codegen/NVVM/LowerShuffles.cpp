//===- LowerShuffles.cpp - Layout conversions within a warp -------------------===//
//
// Part of the lowering to nvvm. Emits the rounds of a layout::ShufflePlan. The
// register a lane sends and the one it fills depend on the lane by XOR, so both
// are a permutation of registers per lane bit: a row of selects before the
// rounds and one after.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Indexing.h"
#include "codegen/NVVM/Passes.h"
#include "dialects/Support/Layout/Conversion.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;
using layout::LayoutConversion;
using layout::ShufflePlan;

namespace {
class ShuffleEmitter {
public:
  ShuffleEmitter(Emitter &emit, const ShufflePlan &plan)
      : emit(emit), plan(plan),
        place(emit.bitAnd(emit.laneId(), emit.i32((1 << plan.laneBits) - 1))), warp(emit.warpId()) {
  }

  /// The destination registers of one copy of the base tile.
  SmallVector<Value> run(ArrayRef<Value> source) {
    SmallVector<Value> sent = permute(source, plan.send);
    Value fromHere = emit.i32(0);
    forThreadBits(plan.from, [&](uint64_t column, Value bit) {
      fromHere = emit.bitXor(fromHere, emit.mul(bit, emit.i32(column)));
    });
    SmallVector<Value> received;
    for (unsigned round = 0; round < 1u << plan.roundBits; ++round) {
      Value lane = emit.bitXor(fromHere, emit.i32(plan.from.apply(round)));
      received.push_back(shuffle(sent[plan.send.apply(round)], lane));
    }
    SmallVector<Value> ordered(received.size());
    for (auto [round, value] : llvm::enumerate(received))
      ordered[plan.receive.apply(round)] = value;
    return permute(ordered, plan.receive);
  }

private:
  /// Calls `action` with the column and the bit (i32, 0 or 1) of each lane and
  /// warp bit that the matrix looks at.
  void forThreadBits(const layout::BitMatrix &matrix,
                     llvm::function_ref<void(uint64_t, Value)> action) {
    ArrayRef<uint64_t> columns = matrix.getColumns().drop_front(plan.roundBits);
    for (auto [i, column] : llvm::enumerate(columns)) {
      if (column == 0)
        continue;
      bool isLane = i < plan.laneBits;
      Value shifted = isLane ? emit.shiftRight(place, i) : emit.shiftRight(warp, i - plan.laneBits);
      action(column, emit.bitAnd(shifted, emit.i32(1)));
    }
  }

  /// registers[r ^ (what this thread's bits contribute)].
  SmallVector<Value> permute(ArrayRef<Value> registers, const layout::BitMatrix &matrix) {
    SmallVector<Value> current(registers);
    forThreadBits(matrix, [&](uint64_t column, Value bit) {
      Value isSet =
          LLVM::ICmpOp::create(emit.builder, emit.loc, LLVM::ICmpPredicate::ne, bit, emit.i32(0));
      SmallVector<Value> next(current.size());
      for (auto [reg, value] : llvm::enumerate(current))
        next[reg] =
            LLVM::SelectOp::create(emit.builder, emit.loc, isSet, current[reg ^ column], value);
      current = std::move(next);
    });
    return current;
  }

  /// shfl.sync.idx of a value of up to 32 bits.
  Value shuffle(Value value, Value lane) {
    OpBuilder &builder = emit.builder;
    Type type = value.getType(), i32 = builder.getI32Type();
    unsigned bits = type.getIntOrFloatBitWidth();
    Type integer = builder.getIntegerType(bits);
    Value word =
        type == integer ? value : LLVM::BitcastOp::create(builder, emit.loc, integer, value);
    if (bits < 32)
      word = LLVM::ZExtOp::create(builder, emit.loc, i32, word);
    word = NVVM::ShflOp::create(builder, emit.loc, i32, emit.i32(-1), word, lane, emit.i32(31),
                                NVVM::ShflKind::idx, UnitAttr());
    if (bits < 32)
      word = LLVM::TruncOp::create(builder, emit.loc, integer, word);
    return type == integer ? word : LLVM::BitcastOp::create(builder, emit.loc, type, word);
  }

  Emitter &emit;
  const ShufflePlan &plan;
  Value place, warp;
};

struct LowerShuffles : OpConversionPattern<tilegpu::ConvertLayoutOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tilegpu::ConvertLayoutOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    unsigned bits = cast<RankedTensorType>(op.getSource().getType()).getElementTypeBitWidth();
    if (bits > 32 || bits % 8 != 0)
      return rewriter.notifyMatchFailure(op, "shuffles move 8 to 32 bits");
    auto conversion = layout::synthesizeConversion(tilegpu::getLayout(op.getSource()),
                                                   tilegpu::getLayout(op.getResult()), bits / 8);
    if (!conversion || conversion->kind != LayoutConversion::Kind::Shuffles)
      return rewriter.notifyMatchFailure(op, "not a conversion within warps");
    const ShufflePlan &plan = conversion->shuffles;
    Emitter emit(rewriter, op.getLoc());
    ShuffleEmitter emitter(emit, plan);
    SmallVector<Value> source(adaptor.getSource()), results;
    for (unsigned copy = 0; copy < plan.copies; ++copy)
      results.append(
          emitter.run(ArrayRef(source).slice(copy << plan.sourceBits, 1u << plan.sourceBits)));
    rewriter.replaceOpWithMultiple(op, {results});
    return success();
  }
};
} // namespace

void nvvm::populateShufflePatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerShuffles>(converter, patterns.getContext());
}
