//===- LowerSaturate.cpp - Conversions to 8-bit floats -------------------------===//
//
// Part of the lowering to nvvm. `cvt.rn.satfinite.{e4m3,e5m2}x2.f32` converts two
// registers at once (PTX ISA, "cvt", from sm_89 on). Elsewhere arithmetic on the bits of
// each gives the same bytes:
//
//   normal      the mantissa rounded to the m bits of the format and the exponent moved,
//               in one addition and a shift; a carry goes on into the exponent
//   subnormal   |v| + 2^(23 - s), s the exponent of the format's smallest number: the
//               sum's last bit is worth that number, so f32 rounds for us
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Indexing.h"
#include "codegen/NVVM/Passes.h"
#include "dialects/TileGPU/TileGPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;

namespace {
/// A format whose bits are sign, exponent, mantissa.
struct SmallFloat {
  unsigned mantissaBits;
  int bias;
  unsigned largest; ///< code of the largest finite number

  static SmallFloat get(Type type) {
    return isa<Float8E4M3FNType>(type) ? SmallFloat{3, 7, 0x7e} : SmallFloat{2, 15, 0x7b};
  }
};

/// The code of one f32 by integer arithmetic.
class Rounder {
public:
  Rounder(Emitter &emit, SmallFloat format) : emit(emit), format(format) {}

  Value round(Value number) {
    constexpr uint32_t infinity = 0x7f800000, magnitudeMask = 0x7fffffff, nan = 0x7f;
    Value bits = bitcast(number, i32());
    Value magnitude = emit.bitAnd(bits, emit.i32(magnitudeMask));
    uint32_t leastNormal = uint32_t(128 - format.bias) << 23;
    Value code =
        select(isBelow(magnitude, leastNormal), roundSubnormal(magnitude), roundNormal(magnitude));
    Value sign = emit.bitAnd(emit.shiftRight(bits, 24), emit.i32(0x80));
    Value signedCode = LLVM::OrOp::create(emit.builder, emit.loc, code, sign);
    Value isNumber = isBelow(magnitude, infinity + 1);
    Value result = select(isNumber, signedCode, emit.i32(nan));
    return LLVM::TruncOp::create(emit.builder, emit.loc, emit.builder.getI8Type(), result);
  }

private:
  /// Half of the last place, less one where the last place is even, is added.
  Value roundNormal(Value magnitude) {
    unsigned dropped = 23 - format.mantissaBits;
    Value last = emit.bitAnd(emit.shiftRight(magnitude, dropped), emit.i32(1));
    Value half = emit.add(last, emit.i32((1 << (dropped - 1)) - 1));
    Value rounded = emit.shiftRight(emit.add(magnitude, half), dropped);
    Value code = emit.add(rounded, emit.i32(-((127 - format.bias) << format.mantissaBits)));
    Value largest = emit.i32(format.largest);
    return LLVM::UMinOp::create(emit.builder, emit.loc, code, largest);
  }

  Value roundSubnormal(Value magnitude) {
    int smallest = 1 - format.bias - int(format.mantissaBits);
    uint32_t unit = uint32_t(127 + 23 + smallest) << 23;
    Type f32 = emit.builder.getF32Type();
    Value sum = LLVM::FAddOp::create(emit.builder, emit.loc, bitcast(magnitude, f32),
                                     bitcast(emit.i32(unit), f32));
    return emit.add(bitcast(sum, i32()), emit.i32(-int64_t(unit)));
  }

  Type i32() { return emit.builder.getI32Type(); }
  Value bitcast(Value value, Type type) {
    return LLVM::BitcastOp::create(emit.builder, emit.loc, type, value);
  }
  Value isBelow(Value value, uint32_t bound) {
    return LLVM::ICmpOp::create(emit.builder, emit.loc, LLVM::ICmpPredicate::ult, value,
                                emit.i32(bound));
  }
  Value select(Value condition, Value yes, Value no) {
    return LLVM::SelectOp::create(emit.builder, emit.loc, condition, yes, no);
  }

  Emitter &emit;
  SmallFloat format;
};

struct LowerSaturate : OpConversionPattern<tile::SaturateOp> {
  LowerSaturate(const TypeConverter &converter, MLIRContext *context, bool hasConvert)
      : OpConversionPattern(converter, context), hasConvert(hasConvert) {}

  LogicalResult matchAndRewrite(tile::SaturateOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Type type = cast<RankedTensorType>(op.getResult().getType()).getElementType();
    Emitter emit(rewriter, op.getLoc());
    ValueRange numbers = adaptor.getSource();
    SmallVector<Value> codes;
    if (hasConvert) {
      for (size_t first = 0; first < numbers.size(); first += 2)
        convertPair(emit, type, numbers.slice(first, std::min<size_t>(2, numbers.size() - first)),
                    codes);
    } else {
      op.emitRemark() << "rounds to " << type << " by integer arithmetic: the target has no cvt";
      Rounder rounder(emit, SmallFloat::get(type));
      for (Value number : numbers)
        codes.push_back(rounder.round(number));
    }
    rewriter.replaceOpWithMultiple(op, {codes});
    return success();
  }

private:
  /// The first of the pair is the lower byte.
  static void convertPair(Emitter &emit, Type type, ValueRange pair, SmallVector<Value> &codes) {
    OpBuilder &builder = emit.builder;
    Value packed = NVVM::ConvertF32x2ToF8x2Op::create(
        builder, emit.loc, builder.getI16Type(), pair.back(), pair.front(),
        NVVM::FPRoundingMode::RN, NVVM::SaturationMode::SATFINITE, /*relu=*/false, type);
    codes.push_back(LLVM::TruncOp::create(builder, emit.loc, builder.getI8Type(), packed));
    if (pair.size() == 1)
      return;
    Value eight = LLVM::ConstantOp::create(builder, emit.loc, builder.getI16IntegerAttr(8));
    Value upper = LLVM::LShrOp::create(builder, emit.loc, packed, eight);
    codes.push_back(LLVM::TruncOp::create(builder, emit.loc, builder.getI8Type(), upper));
  }

  bool hasConvert;
};
} // namespace

void nvvm::populateSaturatePatterns(const TypeConverter &converter, RewritePatternSet &patterns,
                                    bool hasConvert) {
  patterns.add<LowerSaturate>(converter, patterns.getContext(), hasConvert);
}
