//===- LowerPack.cpp - Codes to packed words ------------------------------------===//
//
// Part of the lowering to nvvm. A thread holds the codes of its fragments, as an operand
// of products has them, and the words that those fill: nothing moves between threads. The
// codes of a register of the operand are put side by side, and then
//
//   word |= (register >> bit of the codes & mask) << bit of the word
//
// for each run of bits that are neighbours in both (layout::WordLayout), all parts of a
// register at once.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Indexing.h"
#include "codegen/NVVM/Passes.h"
#include "dialects/Support/Layout/Packing.h"
#include "dialects/TileGPU/TileGPUDialect.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;
using layout::LinearLayout;

namespace {
/// The fragments of a thread, one after the other.
class Packer {
public:
  Packer(Emitter &emit, tile::PackOp op, ValueRange codes)
      : emit(emit), bits(op.getBits()), activations(op.getForm().activations),
        words(op.getForm().getWordLayout()), map(tilegpu::getLayout(op.getCodes())), codes(codes) {}

  /// The words of a fragment of a block, in order.
  SmallVector<Value> pack(int64_t strip, int64_t block, unsigned fragment) {
    SmallVector<Value> packed(bits);
    for (unsigned pair = 0; pair < layout::getRegistersPerFragment(activations); ++pair) {
      Value all = gather(strip, block, fragment, pair);
      for (unsigned bit = 0; bit < bits;) {
        layout::BitPosition first = words.locate(pair, bit);
        unsigned length = getRunLength(pair, bit);
        uint32_t mask = layout::repeatPart((1u << length) - 1, activations);
        Value run = emit.bitAnd(emit.shiftRight(all, bit), emit.i32(int32_t(mask)));
        Value &word = packed[first.word];
        word = combine(word, emit.shiftLeft(run, first.offset));
        bit += length;
      }
    }
    return packed;
  }

private:
  /// Bits of a code from `bit` on that are neighbours in a word.
  unsigned getRunLength(unsigned pair, unsigned bit) {
    layout::BitPosition first = words.locate(pair, bit);
    unsigned length = 1;
    for (; bit + length < bits; ++length) {
      layout::BitPosition next = words.locate(pair, bit + length);
      if (next.word != first.word || next.offset != first.offset + length)
        break;
    }
    return length;
  }

  /// The codes of a register of the operand, in its halves or bytes.
  Value gather(int64_t strip, int64_t block, unsigned fragment, unsigned pair) {
    Value all;
    for (unsigned part = 0; part < layout::getParts(activations); ++part) {
      layout::BlockCoordinates at =
          layout::getBlockCoordinates({fragment, /*lane=*/0, pair, part}, activations);
      Value code = codes[map.at({block * layout::blockK + at.k, strip * layout::blockN + at.n})];
      code = LLVM::ZExtOp::create(emit.builder, emit.loc, emit.builder.getI32Type(), code);
      all = combine(all, emit.shiftLeft(code, part * layout::getPartBits(activations)));
    }
    return all;
  }

  Value combine(Value a, Value b) {
    return a ? Value(LLVM::OrOp::create(emit.builder, emit.loc, a, b)) : b;
  }

  Emitter &emit;
  unsigned bits;
  layout::ActivationClass activations;
  const layout::WordLayout &words;
  RegisterMap map;
  ValueRange codes;
};

struct LowerPack : OpConversionPattern<tile::PackOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tile::PackOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    LinearLayout words = tilegpu::getLayout(op.getWords());
    ArrayRef<int64_t> shape = cast<RankedTensorType>(op.getWords().getType()).getShape();
    ArrayRef<int64_t> codes = cast<RankedTensorType>(op.getCodes().getType()).getShape();
    layout::ActivationClass activations = op.getForm().activations;
    int64_t grid[] = {1, words.getNumWarps()};
    if (words != layout::packedWords(shape, grid) ||
        tilegpu::getLayout(op.getCodes()) !=
            layout::mmaOperand(1, codes, grid, layout::getPartBits(activations)))
      return op.emitOpError() << "expects codes where an operand of products has them and words "
                                 "where packed words are loaded, for "
                              << grid[1] << " warps along N";
    Emitter emit(rewriter, op.getLoc());
    Packer packer(emit, op, adaptor.getCodes());
    RegisterMap places(words);
    SmallVector<Value> registers(words.getNumRegisters());
    bool hasPlanes = layout::hasPlanes(op.getForm().storage);
    for (int64_t strip = 0; strip < shape[0]; ++strip)
      for (int64_t block = 0; block < shape[1]; ++block)
        for (unsigned fragment = 0; fragment < 4; ++fragment) {
          auto locate = [&](unsigned word) {
            return layout::getWordCoordinates(hasPlanes, op.getBits(), strip, block, fragment, word,
                                              /*lane=*/0);
          };
          if (!places.contains(locate(0)))
            continue; // another warp's strip
          for (auto [word, value] : llvm::enumerate(packer.pack(strip, block, fragment)))
            registers[places.at(locate(word))] = value;
        }
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }
};
} // namespace

void nvvm::populatePackPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerPack>(converter, patterns.getContext());
}
