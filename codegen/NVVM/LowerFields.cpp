//===- LowerFields.cpp - Numbers that share a word ---------------------------===//
//
// Part of the lowering to nvvm; see WordFields.h.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Passes.h"
#include "codegen/NVVM/WordFields.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace tilewright;
using layout::LinearLayout;
using layout::Place;

Value nvvm::emitField(Emitter &emit, const WordField &field, Type type) {
  Value bits = emit.shiftRight(field.word, field.offset);
  Value mask = emit.i32(int64_t((uint64_t(1) << field.bits) - 1));
  Value number = LLVM::AndOp::create(emit.builder, emit.loc, bits, mask);
  if (type == number.getType())
    return number;
  return LLVM::TruncOp::create(emit.builder, emit.loc, type, number);
}

std::optional<nvvm::WordField> nvvm::matchField(Value number) {
  if (auto narrow = number.getDefiningOp<LLVM::TruncOp>())
    number = narrow.getArg();
  auto masked = number.getDefiningOp<LLVM::AndOp>();
  APInt mask, amount;
  if (!masked || !number.getType().isInteger(32) ||
      !matchPattern(masked.getRhs(), m_ConstantInt(&mask)) || !mask.isMask())
    return std::nullopt;
  WordField field{masked.getLhs(), 0, mask.countr_one()};
  auto shifted = field.word.getDefiningOp<LLVM::LShrOp>();
  if (shifted && matchPattern(shifted.getRhs(), m_ConstantInt(&amount)))
    field = {shifted.getLhs(), unsigned(amount.getZExtValue()), field.bits};
  return field;
}

namespace {
struct LowerFields : OpConversionPattern<tile::FieldsOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::FieldsOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    LinearLayout words = tilegpu::getLayout(op.getWords());
    LinearLayout numbers = tilegpu::getLayout(op.getNumbers());
    if (!haveTheirWords(words, numbers))
      return rewriter.notifyMatchFailure(op, "threads hold other words");
    auto elementOf = [](Value value) {
      return cast<RankedTensorType>(value.getType()).getElementType();
    };
    unsigned wordBits = elementOf(op.getWords()).getIntOrFloatBitWidth();
    unsigned bits = wordBits / numbers.getShape().back();

    nvvm::Emitter emit(rewriter, op.getLoc());
    SmallVector<Value> shifted;
    for (Value word : adaptor.getWords())
      shifted.push_back(moveToThread(emit, word, numbers, bits));
    nvvm::RegisterMap map(words);
    SmallVector<Value> registers;
    for (unsigned reg = 0, e = numbers.getNumRegisters(); reg != e; ++reg) {
      layout::Coordinates at = numbers.apply(reg, 0, 0);
      unsigned field = at.pop_back_val();
      if (!map.contains(at))
        return rewriter.notifyMatchFailure(op, "another thread holds the word");
      registers.push_back(nvvm::emitField(emit, {shifted[map.at(at)], field * bits, bits},
                                          elementOf(op.getNumbers())));
    }
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }

private:
  /// Whether each thread's numbers are fields of its own words. Lanes and warps
  /// are checked at their powers of two: maps are linear.
  static bool haveTheirWords(const LinearLayout &words, const LinearLayout &numbers) {
    auto isSame = [&](unsigned lane, unsigned warp) {
      layout::Coordinates at = numbers.apply(0, lane, warp);
      at.pop_back();
      return words.apply(0, lane, warp) == at;
    };
    for (unsigned lane = 1; lane < numbers.getNumLanes(); lane *= 2)
      if (!isSame(lane, 0))
        return false;
    for (unsigned warp = 1; warp < numbers.getNumWarps(); warp *= 2)
      if (!isSame(0, warp))
        return false;
    return true;
  }

  /// The word as an i32, moved down by the fields that the thread is away from
  /// thread 0: most layouts have all fields of a word in one thread.
  static Value moveToThread(nvvm::Emitter &emit, Value word, const LinearLayout &numbers,
                            unsigned bits) {
    Type i32 = emit.builder.getI32Type();
    if (word.getType() != i32)
      word = LLVM::ZExtOp::create(emit.builder, emit.loc, i32, word);
    unsigned last = numbers.getRank() - 1;
    auto isMoved = [&](const layout::Basis &basis) { return basis[last] != 0; };
    if (llvm::none_of(numbers.getBases(Place::Lane), isMoved) &&
        llvm::none_of(numbers.getBases(Place::Warp), isMoved))
      return word;
    Value amount = emit.mul(nvvm::emitThreadCoordinate(emit, numbers, last), emit.i32(bits));
    return LLVM::LShrOp::create(emit.builder, emit.loc, word, amount);
  }
};
} // namespace

void nvvm::populateFieldPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerFields>(converter, patterns.getContext());
}
