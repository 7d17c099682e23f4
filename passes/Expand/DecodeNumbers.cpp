//===- DecodeNumbers.cpp - Stored scales and zero points in f32 --------------===//
//
// Part of Expand. Formats of 8 bits have no type of their own in a tile; their
// codes become f32 by integer arithmetic that every target has:
//
//   e8m0   2^(e - 127): e moves to the exponent of an f32. 2^-127 is subnormal
//          there, and e = 255 is NaN: both have the top mantissa bit set.
//   e4m3   the seven bits below the sign move to the top of an f32's exponent
//          and mantissa; times 2^120, the difference of the exponent biases.
//          Subnormals come out right, since their f32 images are subnormal
//          too. Code 0x7f (and 0xff) is NaN; there is no infinity (OCP 8-bit
//          Floating Point Specification, E4M3).
//   ue5m3  all eight bits, times 2^112; 0xff is NaN.
//
//===----------------------------------------------------------------------===//
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/Expand/Passes.h"

using namespace mlir;
using namespace tilewright;

namespace {
/// Arithmetic on tiles of one shape.
struct TileArithmetic {
  OpBuilder &builder;
  Location loc;
  ArrayRef<int64_t> shape;

  Type typeOf(Type element) const { return RankedTensorType::get(shape, element); }
  Value splat(int32_t value) const {
    auto type = cast<RankedTensorType>(typeOf(builder.getI32Type()));
    return arith::ConstantOp::create(builder, loc,
                                     DenseElementsAttr::get(type, APInt(32, uint32_t(value))));
  }
  Value splat(float value) const {
    auto type = cast<RankedTensorType>(typeOf(builder.getF32Type()));
    return arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(type, APFloat(value)));
  }
  Value bits(Value a, int32_t mask) const {
    return arith::AndIOp::create(builder, loc, a, splat(mask));
  }
  Value either(Value a, Value b) const { return arith::OrIOp::create(builder, loc, a, b); }
  Value shiftLeft(Value a, int32_t amount) const {
    return arith::ShLIOp::create(builder, loc, a, splat(amount));
  }
  Value equals(Value a, int32_t value) const {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, a, splat(value));
  }
  Value select(Value condition, Value a, Value b) const {
    return arith::SelectOp::create(builder, loc, condition, a, b);
  }
  Value asFloat(Value a) const {
    return arith::BitcastOp::create(builder, loc, typeOf(builder.getF32Type()), a);
  }
  Value times(Value a, float factor) const {
    return arith::MulFOp::create(builder, loc, a, splat(factor));
  }
};
} // namespace

constexpr int32_t topMantissaBit = 1 << 22, quietNaN = 0x7fc00000;

static Value decodeE8M0(const TileArithmetic &tile, Value code) {
  // 255 and 0 are the codes of which e + 1 has no bit 1..7.
  Value next = arith::AddIOp::create(tile.builder, tile.loc, code, tile.splat(1));
  Value isSpecial = tile.equals(tile.bits(next, 0xfe), 0);
  Value mantissa = tile.select(isSpecial, tile.splat(topMantissaBit), tile.splat(0));
  return tile.asFloat(tile.either(tile.shiftLeft(code, 23), mantissa));
}

static Value decodeE4M3(const TileArithmetic &tile, Value code) {
  Value magnitude = tile.bits(code, 0x7f);
  Value sign = tile.shiftLeft(tile.bits(code, 0x80), 24);
  Value image = tile.either(tile.shiftLeft(magnitude, 20), sign);
  image = tile.select(tile.equals(magnitude, 0x7f), tile.splat(quietNaN), image);
  return tile.times(tile.asFloat(image), 0x1p120f);
}

static Value decodeUE5M3(const TileArithmetic &tile, Value code) {
  Value image =
      tile.select(tile.equals(code, 0xff), tile.splat(quietNaN), tile.shiftLeft(code, 20));
  return tile.times(tile.asFloat(image), 0x1p112f);
}

Type expand::getStoredType(MLIRContext *context, StringRef name) {
  return llvm::StringSwitch<Type>(name)
      .Case("f16", Float16Type::get(context))
      .Case("bf16", BFloat16Type::get(context))
      .Case("f32", Float32Type::get(context))
      .Default(IntegerType::get(context, 8));
}

Value expand::decodeNumbers(OpBuilder &builder, Location loc, StringRef name, Value stored) {
  auto type = cast<RankedTensorType>(stored.getType());
  TileArithmetic tile{builder, loc, type.getShape()};
  if (type.getElementType().isF32())
    return stored;
  if (isa<FloatType>(type.getElementType()))
    return arith::ExtFOp::create(builder, loc, tile.typeOf(builder.getF32Type()), stored);
  Value code = arith::ExtUIOp::create(builder, loc, tile.typeOf(builder.getI32Type()), stored);
  if (name == "e8m0")
    return decodeE8M0(tile, code);
  if (name == "e4m3")
    return decodeE4M3(tile, code);
  assert(name == "ue5m3" && "a format of scales");
  return decodeUE5M3(tile, code);
}
