//===- Convert.cpp - cvt ------------------------------------------------------------===//
//
// PTX ISA, "Data Movement and Conversion Instructions: cvt". Registers may be
// wider than the types: a source's upper bits are ignored, a result is extended
// by its type's sign.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Numerics/Warp.h"

using namespace tilewright;
using namespace tilewright::emulator;
using numerics::ConvertOptions;
using numerics::FloatType;
using numerics::Rounding;

namespace {

constexpr uint8_t kFlush = 1, kSaturate = 2, kSaturateFinite = 4, kRelu = 8;

// aux: destination and source types, their register bytes, rounding.
struct Form {
  ScalarType to, from;
  unsigned toBytes, fromBytes;
  Rounding rounding;
};
uint32_t pack(const Form &form) {
  return uint32_t(form.to) | uint32_t(form.from) << 6 | form.toBytes << 12 | form.fromBytes << 17 |
         uint32_t(form.rounding) << 22;
}
Form unpack(uint32_t aux) {
  return {ScalarType(aux & 63), ScalarType(aux >> 6 & 63), aux >> 12 & 31, aux >> 17 & 31,
          Rounding(aux >> 22)};
}

ConvertOptions optionsOf(const Inst &i, Rounding rounding) {
  ConvertOptions options;
  options.rounding = rounding;
  options.flushInput = options.flushOutput = i.flags & kFlush;
  options.saturateUnit = i.flags & kSaturate;
  options.saturateFinite = i.flags & kSaturateFinite;
  options.relu = i.flags & kRelu;
  return options;
}

uint64_t extend(uint64_t value, unsigned bits, bool isSigned) {
  if (bits == 64)
    return value;
  value &= (uint64_t(1) << bits) - 1;
  return isSigned && value >> (bits - 1) & 1 ? value | ~uint64_t(0) << bits : value;
}

// Integer to integer: .sat clamps to the destination's range.
uint64_t convertInteger(uint64_t value, ScalarType from, ScalarType to, bool saturates) {
  unsigned toBits = parser::getBits(to);
  bool fromSigned = parser::isSigned(from), toSigned = parser::isSigned(to);
  value = extend(value, parser::getBits(from), fromSigned);
  if (saturates) {
    bool isNegative = fromSigned && int64_t(value) < 0;
    uint64_t most = toSigned       ? (uint64_t(1) << (toBits - 1)) - 1
                    : toBits == 64 ? ~uint64_t(0)
                                   : (uint64_t(1) << toBits) - 1;
    if (isNegative) {
      int64_t least = toSigned ? -int64_t(most) - 1 : 0;
      if (int64_t(value) < least)
        value = uint64_t(least);
    } else if (value > most) {
      value = most;
    }
  }
  return extend(value, toBits, toSigned);
}

void handleInteger(Warp &w, const Inst &i, uint32_t m) {
  Form form = unpack(i.aux);
  forEachLane(m, [&](unsigned l) {
    uint64_t value = readLane(w, i.a, form.fromBytes, l);
    writeLane(w, i.d, form.toBytes, l,
              convertInteger(value, form.from, form.to, i.flags & kSaturate));
  });
}

/// Plain widening and narrowing between 32- and 64-bit registers.
template <typename D, typename S> void handleCast(Warp &w, const Inst &i, uint32_t m) {
  D *d = w.at<D>(i.d);
  const S *a = w.at<S>(i.a);
  forLanes(m, [=](unsigned l) { d[l] = static_cast<D>(a[l]); });
}

uint64_t maskTo(uint64_t value, ScalarType type) {
  unsigned bits = parser::getBits(type);
  return bits == 64 ? value : value & ((uint64_t(1) << bits) - 1);
}

void handleFloatToFloat(Warp &w, const Inst &i, uint32_t m) {
  Form form = unpack(i.aux);
  ConvertOptions options = optionsOf(i, form.rounding);
  FloatType from = toFloatType(form.from), to = toFloatType(form.to);
  forEachLane(m, [&](unsigned l) {
    uint64_t value = maskTo(readLane(w, i.a, form.fromBytes, l), form.from);
    writeLane(w, i.d, form.toBytes, l, numerics::convert(value, from, to, options));
  });
}

// cvt.rni.f32.f32 and kin round to an integral value.
void handleIntegral(Warp &w, const Inst &i, uint32_t m) {
  Form form = unpack(i.aux);
  FloatType type = toFloatType(form.from);
  ConvertOptions saturate;
  saturate.saturateUnit = i.flags & kSaturate;
  forEachLane(m, [&](unsigned l) {
    uint64_t value = maskTo(readLane(w, i.a, form.fromBytes, l), form.from);
    value = numerics::roundToIntegral(value, type, form.rounding, i.flags & kFlush);
    if (i.flags & kSaturate)
      value = numerics::convert(value, type, type, saturate);
    writeLane(w, i.d, form.toBytes, l, value);
  });
}

void handleFloatToInteger(Warp &w, const Inst &i, uint32_t m) {
  Form form = unpack(i.aux);
  FloatType from = toFloatType(form.from);
  unsigned bits = parser::getBits(form.to);
  bool isSigned = parser::isSigned(form.to);
  forEachLane(m, [&](unsigned l) {
    uint64_t value = maskTo(readLane(w, i.a, form.fromBytes, l), form.from);
    value =
        numerics::convertToInteger(value, from, bits, isSigned, form.rounding, i.flags & kFlush);
    writeLane(w, i.d, form.toBytes, l, extend(value, bits, isSigned));
  });
}

void handleIntegerToFloat(Warp &w, const Inst &i, uint32_t m) {
  Form form = unpack(i.aux);
  FloatType to = toFloatType(form.to);
  unsigned bits = parser::getBits(form.from);
  bool isSigned = parser::isSigned(form.from);
  ConvertOptions saturate;
  saturate.saturateUnit = true;
  forEachLane(m, [&](unsigned l) {
    uint64_t value = extend(readLane(w, i.a, form.fromBytes, l), bits, isSigned);
    value = numerics::convertFromInteger(value, bits, isSigned, to, form.rounding);
    if (i.flags & kSaturate)
      value = numerics::convert(value, to, to, saturate);
    writeLane(w, i.d, form.toBytes, l, value);
  });
}

// cvt.rn.f16x2.f32 d, a, b: a in the upper half.
void handlePackTwo(Warp &w, const Inst &i, uint32_t m) {
  Form form = unpack(i.aux);
  ConvertOptions options = optionsOf(i, form.rounding);
  FloatType to = toFloatType(form.to);
  unsigned half = parser::getBits(form.to) / 2;
  forEachLane(m, [&](unsigned l) {
    uint64_t high = numerics::convert(w.at<uint32_t>(i.a)[l], FloatType::F32, to, options);
    uint64_t low = numerics::convert(w.at<uint32_t>(i.b)[l], FloatType::F32, to, options);
    writeLane(w, i.d, form.toBytes, l, high << half | low);
  });
}

void handlePackFast(Warp &w, const Inst &i, uint32_t m) {
  const numerics::WarpOperations &warp = numerics::getWarpOperations();
  auto pack = unpack(i.aux).to == ScalarType::F16x2 ? warp.packF16x2 : warp.packBF16x2;
  pack(w.at<uint32_t>(i.d), w.at<uint32_t>(i.a), w.at<uint32_t>(i.b), m);
}

// cvt.f32.f16 and cvt.f32.bf16 between registers of just that width.
void handleWiden(Warp &w, const Inst &i, uint32_t m) {
  const numerics::WarpOperations &warp = numerics::getWarpOperations();
  const uint16_t *a = w.at<uint16_t>(i.a);
  uint32_t words[kLanes];
  for (unsigned l = 0; l < kLanes; ++l)
    words[l] = a[l];
  (unpack(i.aux).from == ScalarType::F16 ? warp.widenF16 : warp.widenBF16)(w.at<uint32_t>(i.d),
                                                                           words, m);
}

// cvt.rn.f16.f32 and cvt.rn.bf16.f32 between registers of just that width.
void handleNarrow(Warp &w, const Inst &i, uint32_t m) {
  const numerics::WarpOperations &warp = numerics::getWarpOperations();
  (unpack(i.aux).to == ScalarType::F16 ? warp.narrowF16 : warp.narrowBF16)(w.at<uint16_t>(i.d),
                                                                           w.at<uint32_t>(i.a), m);
}

// Between packed pairs: f16x2 and the 8-bit formats.
void handlePacked(Warp &w, const Inst &i, uint32_t m) {
  Form form = unpack(i.aux);
  ConvertOptions options = optionsOf(i, form.rounding);
  FloatType from = toFloatType(form.from), to = toFloatType(form.to);
  unsigned fromBits = parser::getBits(form.from) / 2, toBits = parser::getBits(form.to) / 2;
  uint64_t mask = (uint64_t(1) << fromBits) - 1;
  forEachLane(m, [&](unsigned l) {
    uint64_t value = readLane(w, i.a, form.fromBytes, l);
    uint64_t low = numerics::convert(value & mask, from, to, options);
    uint64_t high = numerics::convert(value >> fromBits & mask, from, to, options);
    writeLane(w, i.d, form.toBytes, l, high << toBits | low);
  });
}

bool isInteger(ScalarType type) {
  unsigned bits = parser::getBits(type);
  auto typeClass = parser::getClass(type);
  return bits >= 8 && bits <= 64 &&
         (typeClass == parser::TypeClass::Unsigned || typeClass == parser::TypeClass::Signed);
}
bool isPacked(ScalarType type) { return parser::getClass(type) == parser::TypeClass::Packed; }

/// .rni .rzi .rmi .rpi
std::optional<Rounding> takeIntegralRounding(InstructionDecoder &d) {
  constexpr Rounding meanings[] = {Rounding::NearestEven, Rounding::Zero, Rounding::Down,
                                   Rounding::Up};
  if (auto index = d.takeOneOf({"rni", "rzi", "rmi", "rpi"}))
    return meanings[*index];
  return std::nullopt;
}

Handler pickCast(const Form &form) {
  bool fromSigned = parser::isSigned(form.from);
  unsigned fromBits = parser::getBits(form.from), toBits = parser::getBits(form.to);
  if (form.fromBytes * 8 != fromBits || form.toBytes * 8 != toBits)
    return nullptr;
  if (fromBits == 32 && toBits == 64)
    return fromSigned ? handleCast<int64_t, int32_t> : handleCast<uint64_t, uint32_t>;
  if (fromBits == 64 && toBits == 32)
    return handleCast<uint32_t, uint64_t>;
  if (fromBits == 16 && toBits == 32)
    return fromSigned ? handleCast<int32_t, int16_t> : handleCast<uint32_t, uint16_t>;
  if (fromBits == 32 && toBits == 16)
    return handleCast<uint16_t, uint32_t>;
  return nullptr;
}

bool isHalf(ScalarType type) { return type == ScalarType::F16 || type == ScalarType::BF16; }

/// Whether .sat can change a value.
bool canOverflow(ScalarType from, ScalarType to) {
  unsigned fromBits = parser::getBits(from), toBits = parser::getBits(to);
  if (parser::isSigned(from) == parser::isSigned(to))
    return toBits < fromBits;
  return parser::isSigned(from) || toBits <= fromBits;
}

/// Packed results: f16x2 and bf16x2 of two f32, the 8-bit formats both ways.
/// Narrower formats belong to later targets.
void checkPacked(InstructionDecoder &d, const Form &form, std::optional<Rounding> rounding) {
  auto isEight = [](ScalarType type) {
    return type == ScalarType::E4M3x2 || type == ScalarType::E5M2x2;
  };
  if (d.inst.flags & (kFlush | kSaturate))
    d.fail("'.ftz' and '.sat' do not apply to packed conversions");
  if (isEight(form.to) && (rounding != Rounding::NearestEven || !(d.inst.flags & kSaturateFinite)))
    d.fail("a conversion to ." + parser::getName(form.to) + " needs .rn.satfinite");
  if (isEight(form.from) && rounding != Rounding::NearestEven)
    d.fail("a conversion from ." + parser::getName(form.from) + " needs .rn");
  if (form.from == ScalarType::F32 && !isEight(form.to) && rounding != Rounding::NearestEven &&
      rounding != Rounding::Zero && parser::getBits(form.to) == 32)
    d.fail("a conversion to ." + parser::getName(form.to) + " needs .rn or .rz");
  if (parser::getBits(form.from) == 32 && form.from != ScalarType::F32 &&
      parser::getBits(form.to) == 32)
    d.fail("no conversion from '." + parser::getName(form.from).str() + "' to '." +
           parser::getName(form.to) + "'");
}

/// Refuses modifiers that the types do not have (PTX ISA, cvt).
void checkModifiers(InstructionDecoder &d, const Form &form, std::optional<Rounding> integral,
                    std::optional<Rounding> rounding) {
  auto refuse = [&](const llvm::Twine &modifier) {
    d.fail(modifier + " does not apply to a conversion from ." + parser::getName(form.from).str() +
           " to ." + parser::getName(form.to));
  };
  if (isPacked(form.to) || isPacked(form.from))
    return checkPacked(d, form, rounding);
  uint8_t flags = d.inst.flags;
  bool fromInteger = isInteger(form.from), toInteger = isInteger(form.to);
  bool narrows = !fromInteger && !toInteger && form.to != form.from &&
                 (parser::getBits(form.to) < parser::getBits(form.from) || isHalf(form.to) ||
                  form.to == ScalarType::TF32);
  bool hasF32 = form.to == ScalarType::F32 || form.from == ScalarType::F32;
  bool hasBF16 = form.to == ScalarType::BF16 || form.from == ScalarType::BF16;
  if (integral && (fromInteger || (!toInteger && form.to != form.from)))
    refuse("a rounding to integers");
  if (rounding && (toInteger || (!fromInteger && !narrows)))
    refuse("a rounding");
  if (rounding == Rounding::NearestAway && form.to != ScalarType::TF32)
    refuse("'.rna'");
  if ((flags & kFlush) && (!hasF32 || form.to == ScalarType::TF32))
    refuse("'.ftz'");
  if ((flags & kSaturate) && (hasBF16 || form.to == ScalarType::TF32 ||
                              (fromInteger && toInteger && !canOverflow(form.from, form.to))))
    refuse("'.sat'");
  bool clampsFinite = form.from == ScalarType::F32 && narrows;
  if ((flags & (kRelu | kSaturateFinite)) && !clampsFinite)
    refuse(flags & kRelu ? "'.relu'" : "'.satfinite'");
  if ((flags & kRelu) && rounding != Rounding::NearestEven && rounding != Rounding::Zero)
    d.fail("'.relu' needs .rn or .rz");
  if (hasBF16 && (parser::getBits(form.to) == 8 || parser::getBits(form.from) == 8))
    refuse("cvt");
}

/// What the types ask for; null where PTX has no such conversion.
Handler pickConversion(InstructionDecoder &d, const Form &form, std::optional<Rounding> integral,
                       std::optional<Rounding> rounding) {
  auto isScalar = [](ScalarType type) {
    return isFloat(type) && !isPacked(type) && parser::getBits(type) >= 16;
  };
  bool fromFloat = isScalar(form.from) && form.from != ScalarType::TF32;
  bool toFloat = isScalar(form.to);
  if (isPacked(form.to) && form.from == ScalarType::F32) {
    bool isFast = (form.to == ScalarType::F16x2 || form.to == ScalarType::BF16x2) &&
                  rounding == Rounding::NearestEven && d.inst.flags == 0;
    return isFast ? handlePackFast : handlePackTwo;
  }
  if (isPacked(form.to) && isPacked(form.from))
    return handlePacked;
  if (isInteger(form.from) && isInteger(form.to)) {
    Handler cast = d.inst.flags & kSaturate ? nullptr : pickCast(form);
    return cast ? cast : handleInteger;
  }
  if (fromFloat && isInteger(form.to)) {
    if (!integral)
      d.fail("a conversion from float to integer needs .rni, .rzi, .rmi or .rpi");
    return handleFloatToInteger;
  }
  if (isInteger(form.from) && toFloat) {
    if (!rounding)
      d.fail("a conversion from integer to float needs .rn, .rz, .rm or .rp");
    return handleIntegerToFloat;
  }
  if (!fromFloat || !toFloat)
    return nullptr;
  if (integral)
    return form.from == form.to ? handleIntegral : nullptr;
  bool narrows = parser::getBits(form.to) < parser::getBits(form.from) ||
                 form.to == ScalarType::TF32 ||
                 (form.to != form.from && parser::getBits(form.to) == 16);
  bool widens = (form.from == ScalarType::F16 || form.from == ScalarType::BF16) &&
                form.to == ScalarType::F32 && form.fromBytes == 2 && form.toBytes == 4;
  if (widens && d.inst.flags == 0)
    return handleWiden;
  bool isHalf = form.to == ScalarType::F16 || form.to == ScalarType::BF16;
  if (isHalf && form.from == ScalarType::F32 && form.toBytes == 2 && form.fromBytes == 4 &&
      rounding == Rounding::NearestEven && d.inst.flags == 0)
    return handleNarrow;
  if (narrows && !rounding)
    d.fail("a conversion that loses bits needs a rounding such as .rn");
  return handleFloatToFloat;
}

void decodeConvert(InstructionDecoder &d) {
  std::optional<Rounding> integral = takeIntegralRounding(d), rounding = d.takeRounding();
  d.inst.flags = (d.take("ftz") ? kFlush : 0) | (d.take("sat") ? kSaturate : 0) |
                 (d.take("satfinite") ? kSaturateFinite : 0) | (d.take("relu") ? kRelu : 0);
  Form form{d.requireType(), d.requireType(), 0, 0, Rounding::NearestEven};
  form.rounding = integral ? *integral : rounding.value_or(Rounding::NearestEven);
  bool twoSources = isPacked(form.to) && form.from == ScalarType::F32;
  if (!d.expectOperands(twoSources ? 3 : 2))
    return;
  unsigned bits = 0;
  d.inst.d = d.writeAny(d.operand(0), bits);
  form.toBytes = bits / 8;
  if (bits < parser::getBits(form.to))
    d.fail(d.operand(0).location, "the destination has " + llvm::Twine(bits) +
                                      " bits, fewer than '." + parser::getName(form.to) + "'");
  d.inst.a = d.readAny(d.operand(1), form.from, bits);
  form.fromBytes = bits / 8;
  if (bits < parser::getBits(form.from))
    d.fail(d.operand(1).location, "the source has " + llvm::Twine(bits) + " bits, fewer than '." +
                                      parser::getName(form.from) + "'");
  if (twoSources)
    d.inst.b = d.read(2, ScalarType::F32);
  checkModifiers(d, form, integral, rounding);
  Handler handler = pickConversion(d, form, integral, rounding);
  d.inst.aux = pack(form);
  if (!handler)
    return d.fail("no conversion from '." + parser::getName(form.from).str() + "' to '." +
                  parser::getName(form.to) + "'");
  d.set(handler, OpClass::Convert);
}

// cvt.pack.sat.s8.s32.b32 d, a, b, c and kin (PTX ISA, cvt.pack): d = {c, a, b}
// with the new values in the low bits, b lowest.
void handleConvertPack(Warp &w, const Inst &i, uint32_t m) {
  ScalarType to = ScalarType(i.aux);
  unsigned bits = parser::getBits(to);
  uint64_t mask = (uint64_t(1) << bits) - 1;
  forEachLane(m, [&](unsigned l) {
    uint64_t a = convertInteger(w.at<uint32_t>(i.a)[l], ScalarType::S32, to, true) & mask;
    uint64_t b = convertInteger(w.at<uint32_t>(i.b)[l], ScalarType::S32, to, true) & mask;
    uint64_t rest = i.c == kNoSlot ? 0 : uint64_t(w.at<uint32_t>(i.c)[l]) << (2 * bits);
    w.at<uint32_t>(i.d)[l] = static_cast<uint32_t>(rest | a << bits | b);
  });
}

void decodeConvertPack(InstructionDecoder &d) {
  if (!d.take("sat"))
    d.fail("'cvt.pack' needs .sat");
  ScalarType to = d.requireType(), from = d.requireType();
  bool hasRest = d.takeType() == ScalarType::B32;
  unsigned bits = parser::getBits(to);
  if (!(isInteger(to) || to == ScalarType::U4 || to == ScalarType::S4 || to == ScalarType::U2 ||
        to == ScalarType::S2) ||
      bits > 16)
    return d.refuseType(to);
  if (from != ScalarType::S32)
    return d.refuseType(from);
  if (!d.expectOperands(hasRest ? 4 : 3))
    return;
  d.inst.d = d.write(0, ScalarType::B32);
  d.inst.a = d.read(1, ScalarType::B32);
  d.inst.b = d.read(2, ScalarType::B32);
  if (hasRest)
    d.inst.c = d.read(3, ScalarType::B32);
  d.inst.aux = static_cast<uint32_t>(to);
  d.set(handleConvertPack, OpClass::Convert);
}

void decodeAnyConvert(InstructionDecoder &d) {
  d.take("pack") ? decodeConvertPack(d) : decodeConvert(d);
}

} // namespace

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getConvertInstructions() {
  static constexpr InstructionEntry entries[] = {{"cvt", decodeAnyConvert}};
  return entries;
}
