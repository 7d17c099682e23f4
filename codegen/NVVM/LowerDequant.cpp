//===- LowerDequant.cpp - Packed words to operand registers -------------------===//
//
// Part of the lowering to nvvm. Runs the unpack program of the width
// (Layout/Packing.h) on the words of each fragment: shifts, byte permutes and
// selects, then one lop3 that turns a field into a floating-point number and
// one fma that removes the number's base, the bias and the zero point, or makes it
// odd; fields of floats only lack a mask and perhaps a factor, and so do bytes. lop3 is
// inline assembly without side effects: LLVM has no pattern for it and ptxas
// does not fuse (w & imm) | imm by itself.
//
//===----------------------------------------------------------------------===//
#include "codegen/NVVM/Indexing.h"
#include "codegen/NVVM/Passes.h"
#include "codegen/NVVM/WordFields.h"
#include "dialects/Support/Layout/Packing.h"
#include "dialects/TileGPU/TileGPUDialect.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::nvvm;
using layout::LinearLayout;
using layout::UnpackField;
using layout::UnpackProgram;
using layout::UnpackScheme;
using layout::UnpackStep;

/// Truth tables of lop3.b32 d, a, b, c (PTX ISA, lop3): a = 0xf0, b = 0xcc,
/// c = 0xaa.
constexpr unsigned lutAndOr = (0xf0 & 0xcc) | 0xaa;                     // (a & b) | c
constexpr unsigned lutNotAndOr = ((~0xf0 & 0xcc) | 0xaa) & 0xff;        // (~a & b) | c
constexpr unsigned lutSelect = ((0xf0 & 0xaa) | (0xcc & ~0xaa)) & 0xff; // c ? a : b

/// Both halves of a word.
static uint32_t both(uint32_t half) { return half | half << 16; }

namespace {
class FragmentEmitter {
public:
  /// `table`: the words of layout::getTableWords for a TableLookup.
  FragmentEmitter(Emitter &emit, const UnpackProgram &program, Type half, int64_t bias,
                  ValueRange table)
      : emit(emit), program(program), half(half),
        pairType(VectorType::get(getParts(program.activations), half)), bias(bias), table(table) {}

  /// Takes the fragment's words and runs the program's steps.
  void begin(ArrayRef<Value> words) {
    values.assign(words.begin(), words.end());
    for (const UnpackStep &step : program.steps)
      values.push_back(emitStep(step));
  }

  /// A zero point as emitField takes it: `base + zero * 2^offset` in both halves
  /// of `pair`; null for none.
  struct Zero {
    Value pair;
    double base = 0;
    unsigned offset = 0;
    explicit operator bool() const { return bool(pair); }
  };

  /// The zero point `code`, an i8. One that shares its word becomes a number as
  /// the codes do: its byte in both halves, then a mask below the magic number,
  /// where it is if that has room. A byte of its own is a permutation with f16;
  /// bf16 has no room for it.
  Zero makeZero(Value code) {
    if (std::optional<WordField> field = matchField(code); field && field->bits <= 7)
      return makeZero(*field);
    if (!half.isF16())
      return {convertZero(code)};
    Value wide = LLVM::ZExtOp::create(emit.builder, emit.loc, emit.builder.getI32Type(), code);
    return {asPair(permute(wide, word(program.magic >> 8 & 0xff), 0x4040)), program.base};
  }

  /// The two numbers (four bytes) of a field; `zero` is the zero point of its column.
  Value emitField(const UnpackField &field, Zero zero) {
    switch (program.scheme) {
    case UnpackScheme::MagicFma:
      return emitMagicFma(field, zero);
    case UnpackScheme::MagicByte:
      return emitMagicByte(field, zero);
    case UnpackScheme::MagicSplit:
      return emitMagicSplit(field, zero);
    case UnpackScheme::PlaceFloat:
      return emitPlacedFloat(field);
    case UnpackScheme::PlaceByte:
      return emitPlacedByte(field);
    case UnpackScheme::TableLookup:
      return emitLookup(field);
    case UnpackScheme::TopOfByte:
      return emitTopOfByte(field);
    }
    llvm_unreachable("unknown scheme");
  }

private:
  Value word(uint32_t value) { return emit.i32(int32_t(value)); }

  Value lop3(Value a, Value b, Value c, unsigned table) {
    std::string text = "lop3.b32 $0, $1, $2, $3, " + std::to_string(table) + ";";
    return LLVM::InlineAsmOp::create(
               emit.builder, emit.loc, emit.builder.getI32Type(), ValueRange{a, b, c}, text,
               "=r,r,r,r", /*has_side_effects=*/false, /*is_align_stack=*/false,
               LLVM::TailCallKind::None,
               LLVM::AsmDialectAttr::get(emit.builder.getContext(), LLVM::AsmDialect::AD_ATT),
               ArrayAttr())
        .getResult(0);
  }

  Value permute(Value a, Value b, Value selector) {
    return LLVM::CallIntrinsicOp::create(emit.builder, emit.loc, emit.builder.getI32Type(),
                                         emit.builder.getStringAttr("llvm.nvvm.prmt"),
                                         ValueRange{a, b, selector})
        .getResult(0);
  }
  Value permute(Value a, Value b, uint32_t selector) { return permute(a, b, word(selector)); }

  Value bitAnd(Value a, uint32_t mask) {
    return LLVM::AndOp::create(emit.builder, emit.loc, a, word(mask));
  }

  Value rotateLeft(Value a, uint32_t amount) {
    return LLVM::FshlOp::create(emit.builder, emit.loc, a, a, word(amount));
  }

  Value emitStep(const UnpackStep &step) {
    switch (step.kind) {
    case UnpackStep::Kind::ShiftRight:
      return emit.shiftRight(values[step.a], step.immediate);
    case UnpackStep::Kind::ShiftLeft:
      return emit.shiftLeft(values[step.a], step.immediate);
    case UnpackStep::Kind::RotateLeft:
      return rotateLeft(values[step.a], step.immediate);
    case UnpackStep::Kind::Permute:
      return permute(values[step.a], values[step.b], step.immediate);
    case UnpackStep::Kind::Select:
      return lop3(values[step.a], values[step.b], word(step.immediate), lutSelect);
    case UnpackStep::Kind::And:
      return bitAnd(values[step.a], step.immediate);
    case UnpackStep::Kind::Spread:
      return permute(values[step.a], values[step.b], step.immediate | 0x8888);
    }
    llvm_unreachable("unknown step");
  }

  /// A number in both halves.
  Value constant(double value) {
    APFloat number(value);
    bool inexact;
    number.convert(half.isF16() ? APFloat::IEEEhalf() : APFloat::BFloat(),
                   APFloat::rmNearestTiesToEven, &inexact);
    assert(!inexact && "constants of unpacking are exact");
    return LLVM::ConstantOp::create(emit.builder, emit.loc, pairType,
                                    DenseElementsAttr::get(pairType, number));
  }
  Value asPair(Value bits) {
    return LLVM::BitcastOp::create(emit.builder, emit.loc, pairType, bits);
  }
  Value add(Value a, Value b) { return LLVM::FAddOp::create(emit.builder, emit.loc, a, b); }
  Value subtract(Value a, Value b) { return LLVM::FSubOp::create(emit.builder, emit.loc, a, b); }
  Value fma(Value a, Value b, Value c) {
    return LLVM::FMAOp::create(emit.builder, emit.loc, a, b, c);
  }
  Zero makeZero(const WordField &field) {
    unsigned room = half.isF16() ? 10 : 7, offset = field.offset % 8, byte = field.offset / 8;
    Value bits = field.word;
    if (offset + field.bits > room) {
      bits = emit.shiftRight(bits, offset);
      offset = 0;
    }
    bits = permute(bits, bits, byte * 0x1111);
    uint32_t mask = both(((1u << field.bits) - 1) << offset);
    return {asPair(lop3(bits, word(mask), word(program.magic), lutAndOr)), program.base, offset};
  }

  /// A zero point as bf16, in both halves.
  Value convertZero(Value code) {
    Value number = LLVM::UIToFPOp::create(emit.builder, emit.loc, half, code);
    Value pair = LLVM::UndefOp::create(emit.builder, emit.loc, pairType);
    for (int i : {0, 1})
      pair = LLVM::InsertElementOp::create(emit.builder, emit.loc, pair, number, emit.i32(i));
    return pair;
  }

  /// `-(value + zero)`, exact: all three are small integers.
  Value minus(double value, Zero zero) {
    if (!zero)
      return constant(-value);
    double scale = std::ldexp(1.0, -int(zero.offset));
    Value rest = constant(zero.base * scale - value);
    return zero.offset ? fma(zero.pair, constant(-scale), rest) : subtract(rest, zero.pair);
  }

  /// 2 * (code - middle) + 1 from the difference.
  Value makeOdd(Value difference) { return fma(difference, constant(2), constant(1)); }

  /// base + code * 2^offset, doubled over 2^offset: with an offset of 1 or more the
  /// number that is left to add is an integer within the mantissa.
  Value emitOdd(const UnpackField &field) {
    uint32_t mask = both(((1u << program.bits) - 1) << field.offset);
    double middle = std::ldexp(1.0, program.bits - 1);
    Value number = asPair(lop3(values[field.value], word(mask), word(program.magic), lutAndOr));
    if (field.offset == 0)
      return makeOdd(add(number, constant(-(program.base + middle))));
    double scale = std::ldexp(1.0, 1 - int(field.offset));
    Value rest = constant(1 - 2 * middle - program.base * scale);
    return field.offset > 1 ? fma(number, constant(scale), rest) : add(number, rest);
  }

  /// (v & mask) | magic = base + code * 2^offset; the fma is exact.
  Value emitMagicFma(const UnpackField &field, Zero zero) {
    if (program.isOdd)
      return emitOdd(field);
    uint32_t mask = both(((1u << program.bits) - 1) << field.offset);
    Value number = asPair(lop3(values[field.value], word(mask), word(program.magic), lutAndOr));
    double scale = std::ldexp(1.0, -int(field.offset));
    Value rest = minus(program.base * scale + bias, zero);
    return field.offset ? fma(number, constant(scale), rest) : add(number, rest);
  }

  /// The code's byte below the magic byte, in each half.
  Value emitMagicByte(const UnpackField &field, Zero zero) {
    uint32_t byte = field.offset / 8;
    uint32_t selector = byte | 4 << 4 | (2 + byte) << 8 | 4 << 12;
    Value number = asPair(permute(values[field.value], word(program.magic >> 8 & 0xff), selector));
    return add(number, minus(program.base + bias, zero));
  }

  /// See UnpackScheme::MagicSplit: low + top = code - 128, then + 128 - zero.
  Value emitMagicSplit(const UnpackField &field, Zero zero) {
    Value low = asPair(
        lop3(values[field.value], word(both(0x7f << field.offset)), word(program.magic), lutAndOr));
    Value top = asPair(lop3(values[field.value], word(both(0x80 << field.offset)),
                            word(program.magic | 0x80008000u), lutNotAndOr));
    Value number = add(low, top);
    if (program.isOdd)
      return makeOdd(number);
    if (!zero && bias == 128)
      return number;
    return add(number, minus(bias - 128.0, zero));
  }

  /// The field's bits are those of the number, but for the exponent's bias.
  Value emitPlacedFloat(const UnpackField &field) {
    Value number = asPair(bitAnd(values[field.value], program.mask));
    if (program.factor == 1)
      return number;
    return LLVM::FMulOp::create(emit.builder, emit.loc, number, constant(program.factor));
  }

  /// The code's byte above a zero byte, in each half.
  Value emitPlacedByte(const UnpackField &field) {
    uint32_t byte = field.offset / 8;
    uint32_t selector = 4 | byte << 4 | 4 << 8 | (2 + byte) << 12;
    return asPair(permute(values[field.value], word(0), selector));
  }

  /// The codes at the top of four bytes, without what else is in them.
  Value emitTopOfByte(const UnpackField &field) {
    Value word = values[field.value];
    if (program.bits == 8)
      return asPair(word);
    uint32_t top = 0xff & (0xff << field.offset);
    return asPair(bitAnd(word, repeatPart(top, program.activations)));
  }

  /// The bytes of four codes from one half of the table: its low or high bytes.
  Value lookUp(ValueRange bytes, const UnpackField &field) {
    Value selector = values[field.value];
    Value low = permute(bytes[0], bytes[bytes.size() > 1 ? 1 : 0], selector);
    if (bytes.size() <= 2)
      return low;
    return lop3(permute(bytes[2], bytes[3], selector), low, values[field.top], lutSelect);
  }

  /// See UnpackTables.cpp. The two pairs of a selector share its lookups.
  Value emitLookup(const UnpackField &field) {
    auto [it, isNew] = lookups.try_emplace(field.value);
    if (isNew) {
      size_t words = table.size() / 2;
      it->second = {lookUp(table.take_front(words), field), lookUp(table.drop_front(words), field)};
    }
    auto [low, high] = it->second;
    return asPair(permute(low, high, field.offset == 0 ? 0x6240 : 0x7351));
  }

  Emitter &emit;
  const UnpackProgram &program;
  Type half;
  VectorType pairType;
  double bias;
  ValueRange table;
  SmallVector<Value> values;
  /// Low and high bytes by selector.
  std::map<unsigned, std::pair<Value, Value>> lookups;
};

struct LowerDequant : OpConversionPattern<tilegpu::DequantOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(tilegpu::DequantOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter emit(rewriter, op.getLoc());
    Type element = cast<RankedTensorType>(op.getValues().getType()).getElementType();
    Type half = getRegisterType(element);
    unsigned bits = op.getPacked().getBits();
    const UnpackProgram &program = op.getPacked().getUnpackProgram(element);
    unsigned parts = getParts(program.activations);
    SmallVector<const UnpackField *> fields(layout::pairsPerFragment);
    for (const UnpackField &field : program.fields)
      fields[field.pair] = &field;

    LinearLayout result = tilegpu::getLayout(op.getValues());
    RegisterMap words(tilegpu::getLayout(op.getWords()));
    // Emitters by (strip, block, fragment); each runs its program once.
    std::map<std::tuple<int64_t, int64_t, unsigned>, FragmentEmitter> fragments;
    SmallVector<Value> registers(result.getNumRegisters());
    for (unsigned reg = 0, e = registers.size(); reg != e; reg += parts) {
      layout::Coordinates at = result.apply(reg, 0, 0);
      int64_t row = at[0] + op.getRow(), strip = at[1] / layout::blockN,
              block = row / layout::blockK;
      layout::BlockPosition home = layout::getBlockPosition(
          {unsigned(row % layout::blockK), unsigned(at[1] % layout::blockN)}, program.activations);
      auto [it, isNew] = fragments.try_emplace({strip, block, home.fragment}, emit, program, half,
                                               op.getPacked().getBias(), adaptor.getTable());
      if (isNew) {
        SmallVector<Value> held;
        for (unsigned i = 0; i < bits; ++i)
          held.push_back(adaptor.getWords()[words.at(layout::getWordCoordinates(
              op.getPacked().hasPlanes(), bits, strip, block, home.fragment, i, 0))]);
        it->second.begin(held);
      }
      FragmentEmitter::Zero zero;
      if (op.getZero())
        zero = it->second.makeZero(getZeroCode(op, adaptor.getZero(), at));
      Value pair = it->second.emitField(*fields[home.pair], zero);
      for (unsigned i = 0; i < parts; ++i)
        registers[reg + i] =
            LLVM::ExtractElementOp::create(rewriter, op.getLoc(), pair, emit.i32(i));
    }
    rewriter.replaceOpWithMultiple(op, {registers});
    return success();
  }

private:
  /// The zero point's code of an element.
  static Value getZeroCode(tilegpu::DequantOp op, ValueRange zeros, const layout::Coordinates &at) {
    LinearLayout layout = tilegpu::getLayout(op.getZero());
    int64_t groups = cast<RankedTensorType>(op.getZero().getType()).getDimSize(0);
    int64_t rows = cast<RankedTensorType>(op.getValues().getType()).getDimSize(0) / groups;
    return zeros[RegisterMap(layout).at({at[0] / rows, at[1]})];
  }
};
} // namespace

void nvvm::populateDequantPatterns(const TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<LowerDequant>(converter, patterns.getContext());
}
