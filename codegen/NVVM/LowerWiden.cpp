//===- LowerWiden.cpp - Numbers of 8 bits as numbers of 16 --------------------===//
//
// Part of the lowering to nvvm. Every e4m3 and e5m2 is an f16: `cvt.rn.f16x2.e4m3x2`
// widens two registers at once (PTX ISA, "cvt", from sm_89 on). Elsewhere the two bytes
// go to the upper halves of two 16-bit numbers, and
//
//   e5m2   that is the number: it is the upper half of an f16
//   e4m3   sign to bit 15, exponent and mantissa below f16's, a multiplication by 2^8
//          for the difference of the biases, which makes subnormals right too. NaN
//          (0x7f) would be 480 (0x5f80): the bit that is missing in its exponent is set
//          where adding one to the code's lower bits carries beyond them
//
// Integers of 8 and of 4 bits with their sign bit inverted, q + 2^(b-1), are the lowest
// bits of 1024 + q + 2^(b-1) as an f16: two of them take an xor, a permute or a shift,
// and one subtraction.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Indexing.h"
#include "codegen/NVVM/Passes.h"
#include "dialects/TileGPU/TileGPUDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;

namespace {
/// Two 8-bit floats of `type`, the first in the lower byte, as two f16.
class Widener {
public:
  Widener(Emitter &emit, Type type)
      : emit(emit), type(type), pairType(VectorType::get(2, emit.builder.getF16Type())) {}

  Value convert(Value bytes) {
    return NVVM::ConvertF8x2ToF16x2Op::create(emit.builder, emit.loc, pairType, bytes,
                                              /*relu=*/false, type);
  }

  Value place(Value bytes) {
    Value word = bitcast(bytes, emit.builder.getI16Type());
    word = LLVM::ZExtOp::create(emit.builder, emit.loc, emit.builder.getI32Type(), word);
    // Bytes 0 and 1 above a byte of the second operand, which is zero, each.
    constexpr uint32_t toUpperBytes = 0x1404;
    Value upper =
        LLVM::CallIntrinsicOp::create(emit.builder, emit.loc, emit.builder.getI32Type(),
                                      emit.builder.getStringAttr("llvm.nvvm.prmt"),
                                      ValueRange{word, emit.i32(0), emit.i32(toUpperBytes)})
            .getResult(0);
    return isa<Float8E5M2Type>(type) ? bitcast(upper, pairType) : placeE4M3(upper);
  }

private:
  Value placeE4M3(Value upper) {
    Value magnitude = emit.bitAnd(emit.shiftRight(upper, 1), both(0x3f80));
    Value sign = emit.bitAnd(upper, both(0x8000));
    Value scale = LLVM::ConstantOp::create(
        emit.builder, emit.loc, pairType,
        DenseElementsAttr::get(pairType, emit.builder.getF16FloatAttr(256).getValue()));
    Value number = LLVM::FMulOp::create(emit.builder, emit.loc,
                                        bitcast(bitOr(magnitude, sign), pairType), scale);
    Value carry = emit.bitAnd(emit.add(magnitude, both(0x0080)), both(0x4000));
    Value bits = bitcast(number, emit.builder.getI32Type());
    return bitcast(bitOr(bits, emit.shiftRight(carry, 1)), pairType);
  }

  Value both(uint32_t half) { return emit.i32(int32_t(half << 16 | half)); }
  Value bitOr(Value a, Value b) { return LLVM::OrOp::create(emit.builder, emit.loc, a, b); }
  Value bitcast(Value value, Type to) {
    return LLVM::BitcastOp::create(emit.builder, emit.loc, to, value);
  }

  Emitter &emit;
  Type type;
  VectorType pairType;
};

/// Two integers of 4 or 8 bits as two f16.
Value widenIntegers(Emitter &emit, Value first, Value second) {
  OpBuilder &builder = emit.builder;
  unsigned bits = first.getType().getIntOrFloatBitWidth();
  int32_t bias = 1 << (bits - 1), one = 0x6400 | bias; // the bits of 1024, and the sign's
  auto widen = [&](Value value) -> Value {
    return LLVM::ZExtOp::create(builder, emit.loc, builder.getI32Type(), value);
  };
  Value upper = LLVM::ShlOp::create(builder, emit.loc, widen(second), emit.i32(16));
  Value both = LLVM::OrOp::create(builder, emit.loc, widen(first), upper);
  Value word = LLVM::XOrOp::create(builder, emit.loc, both, emit.i32(one << 16 | one));
  auto pair = VectorType::get(2, builder.getF16Type());
  Value offset = LLVM::ConstantOp::create(
      builder, emit.loc, pair,
      DenseElementsAttr::get(pair, builder.getF16FloatAttr(1024 + bias).getValue()));
  Value numbers = LLVM::BitcastOp::create(builder, emit.loc, pair, word);
  return LLVM::FSubOp::create(builder, emit.loc, numbers, offset);
}

struct LowerWidenIntegers : OpConversionPattern<arith::SIToFPOp> {
  LowerWidenIntegers(const TypeConverter &converter, MLIRContext *context)
      : OpConversionPattern(converter, context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(arith::SIToFPOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto source = dyn_cast<RankedTensorType>(op.getIn().getType());
    auto result = dyn_cast<RankedTensorType>(op.getType());
    if (!source || !result.getElementType().isF16() ||
        !(source.getElementType().isInteger(4) || source.getElementType().isInteger(8)))
      return rewriter.notifyMatchFailure(op, "not a tile of i4 or i8 to f16");
    Emitter emit(rewriter, op.getLoc());
    ValueRange numbers = adaptor.getIn();
    SmallVector<Value> halves;
    for (size_t first = 0; first < numbers.size(); first += 2) {
      size_t second = std::min(first + 1, numbers.size() - 1);
      Value pair = widenIntegers(emit, numbers[first], numbers[second]);
      for (size_t i = first; i <= second; ++i)
        halves.push_back(
            LLVM::ExtractElementOp::create(rewriter, op.getLoc(), pair, emit.i32(i - first)));
    }
    rewriter.replaceOpWithMultiple(op, {halves});
    return success();
  }
};

struct LowerWiden : OpConversionPattern<arith::ExtFOp> {
  LowerWiden(const TypeConverter &converter, MLIRContext *context, bool hasConvert)
      : OpConversionPattern(converter, context, /*benefit=*/2), hasConvert(hasConvert) {}

  LogicalResult matchAndRewrite(arith::ExtFOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto source = dyn_cast<RankedTensorType>(op.getIn().getType());
    auto result = dyn_cast<RankedTensorType>(op.getType());
    if (!source || !isa<Float8E4M3FNType, Float8E5M2Type>(source.getElementType()) ||
        !result.getElementType().isF16())
      return rewriter.notifyMatchFailure(op, "not a tile of f8E4M3FN or f8E5M2 to f16");
    if (!hasConvert)
      op.emitRemark() << "widens " << source.getElementType()
                      << " by integer arithmetic: the target has no cvt";
    Emitter emit(rewriter, op.getLoc());
    Widener widener(emit, source.getElementType());
    ValueRange numbers = adaptor.getIn();
    SmallVector<Value> halves;
    for (size_t first = 0; first < numbers.size(); first += 2) {
      ValueRange pair = numbers.slice(first, std::min<size_t>(2, numbers.size() - first));
      Value bytes = makePair(emit, pair);
      Value wide = hasConvert ? widener.convert(bytes) : widener.place(bytes);
      for (size_t i = 0; i < pair.size(); ++i)
        halves.push_back(LLVM::ExtractElementOp::create(rewriter, op.getLoc(), wide, emit.i32(i)));
    }
    rewriter.replaceOpWithMultiple(op, {halves});
    return success();
  }

private:
  /// One byte twice where there is no second.
  static Value makePair(Emitter &emit, ValueRange numbers) {
    Type type = VectorType::get(2, emit.builder.getI8Type());
    Value pair = LLVM::UndefOp::create(emit.builder, emit.loc, type);
    for (int i : {0, 1})
      pair = LLVM::InsertElementOp::create(emit.builder, emit.loc, pair,
                                           i == 0 ? numbers.front() : numbers.back(), emit.i32(i));
    return pair;
  }

  bool hasConvert;
};
} // namespace

void nvvm::populateWidenPatterns(const TypeConverter &converter, RewritePatternSet &patterns,
                                 bool hasConvert) {
  patterns.add<LowerWiden>(converter, patterns.getContext(), hasConvert);
  patterns.add<LowerWidenIntegers>(converter, patterns.getContext());
}
