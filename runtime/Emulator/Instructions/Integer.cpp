//===- Integer.cpp - Integer arithmetic -----------------------------------------===//
//
// PTX ISA, "Integer Arithmetic Instructions" and "Extended-Precision Integer
// Arithmetic Instructions".
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include <algorithm>
#include <limits>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

template <typename T> using Unsigned = std::make_unsigned_t<T>;

// Wrapping arithmetic: in the unsigned type, which for 16 bits must not be
// promoted to a signed int whose overflow is undefined.
template <typename T> constexpr uint64_t bitsOf(T value) { return Unsigned<T>(value); }

struct Add {
  template <typename T> static T apply(T a, T b) { return T(Unsigned<T>(a) + Unsigned<T>(b)); }
};
struct Subtract {
  template <typename T> static T apply(T a, T b) { return T(Unsigned<T>(a) - Unsigned<T>(b)); }
};
template <bool isSubtract> struct AddSaturating {
  template <typename T> static T apply(T a, T b) {
    int64_t exact = isSubtract ? int64_t(a) - int64_t(b) : int64_t(a) + int64_t(b);
    return T(
        std::clamp<int64_t>(exact, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  }
};
struct MultiplyLow {
  template <typename T> static T apply(T a, T b) {
    return sizeof(T) < 4 ? T(uint32_t(a) * uint32_t(b)) : T(Unsigned<T>(a) * Unsigned<T>(b));
  }
};
struct MultiplyHigh {
  template <typename T> static T apply(T a, T b) {
    if constexpr (sizeof(T) == 8) {
      using Wide = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
      return T((Wide(a) * Wide(b)) >> 64);
    } else {
      using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
      return T((Wide(a) * Wide(b)) >> (8 * sizeof(T)));
    }
  }
};
struct MultiplyWide {
  template <typename T> static auto apply(T a, T b) {
    using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
    return Wide(a) * Wide(b);
  }
};
struct MultiplyAddLow {
  template <typename T> static T apply(T a, T b, T c) {
    return Add::apply(MultiplyLow::apply(a, b), c);
  }
};
struct MultiplyAddHigh {
  template <typename T> static T apply(T a, T b, T c) {
    return Add::apply(MultiplyHigh::apply(a, b), c);
  }
};
struct MultiplyAddHighSaturating {
  template <typename T> static T apply(T a, T b, T c) {
    return AddSaturating<false>::apply(MultiplyHigh::apply(a, b), c);
  }
};
struct MultiplyAddWide {
  template <typename T, typename W> static W apply(T a, T b, W c) {
    return W(uint64_t(W(MultiplyWide::apply(a, b))) + uint64_t(c));
  }
};
template <bool isHigh> struct Multiply24 {
  template <typename T> static T apply(T a, T b) {
    using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
    Wide x = Wide(Unsigned<T>(a) << 8), y = Wide(Unsigned<T>(b) << 8);
    if constexpr (std::is_signed_v<T>)
      x = T(Unsigned<T>(a) << 8), y = T(Unsigned<T>(b) << 8);
    Wide product = (x >> 8) * (y >> 8);
    return T(isHigh ? product >> 16 : product);
  }
};
template <bool isHigh> struct MultiplyAdd24 {
  template <typename T> static T apply(T a, T b, T c) {
    return Add::apply(Multiply24<isHigh>::apply(a, b), c);
  }
};
struct MultiplyAdd24HighSaturating {
  template <typename T> static T apply(T a, T b, T c) {
    return AddSaturating<false>::apply(Multiply24<true>::apply(a, b), c);
  }
};
// Division by zero gives all ones on the device (PTX ISA: "unspecified,
// machine-specific value"); the overflow of signed division wraps.
struct Divide {
  template <typename T> static T apply(T a, T b) {
    if (b == 0)
      return T(~Unsigned<T>(0));
    if (std::is_signed_v<T> && b == T(-1))
      return T(Unsigned<T>(0) - Unsigned<T>(a));
    return T(a / b);
  }
};
struct Remainder {
  template <typename T> static T apply(T a, T b) {
    if (b == 0)
      return a;
    if (std::is_signed_v<T> && b == T(-1))
      return 0;
    return T(a % b);
  }
};
struct Minimum {
  template <typename T> static T apply(T a, T b) { return a < b ? a : b; }
};
struct Maximum {
  template <typename T> static T apply(T a, T b) { return a < b ? b : a; }
};
struct MinimumRelu {
  template <typename T> static T apply(T a, T b) { return std::max<T>(a < b ? a : b, 0); }
};
struct MaximumRelu {
  template <typename T> static T apply(T a, T b) { return std::max<T>(a < b ? b : a, 0); }
};
struct Absolute {
  template <typename T> static T apply(T a) {
    return a < 0 ? T(Unsigned<T>(0) - Unsigned<T>(a)) : a;
  }
};
struct Negate {
  template <typename T> static T apply(T a) { return T(Unsigned<T>(0) - Unsigned<T>(a)); }
};
struct SumOfDifferences {
  template <typename T> static T apply(T a, T b, T c) {
    Unsigned<T> difference =
        a < b ? Unsigned<T>(b) - Unsigned<T>(a) : Unsigned<T>(a) - Unsigned<T>(b);
    return T(Unsigned<T>(c) + difference);
  }
};

/// Applies a 16-bit functor to both halves of 32 bits.
template <typename F, typename T> struct Halves {
  template <typename W> static W apply(W a, W b) {
    uint32_t low = uint16_t(F::apply(T(a), T(b)));
    uint32_t high = uint16_t(F::apply(T(a >> 16), T(b >> 16)));
    return low | high << 16;
  }
};
template <typename F> Handler pickPacked(ScalarType type) {
  if (type == ScalarType::U16x2)
    return applyBinary<Halves<F, uint16_t>, uint32_t, uint32_t, uint32_t>;
  if (type == ScalarType::S16x2)
    return applyBinary<Halves<F, int16_t>, uint32_t, uint32_t, uint32_t>;
  return nullptr;
}

/// As decodeUniform, but .b16 to .b64 are no numbers.
void decodeNumbers(InstructionDecoder &d, unsigned sources, ScalarType type, Handler handler) {
  bool isNumber = parser::getClass(type) != parser::TypeClass::Bits;
  decodeUniform(d, sources, type, isNumber ? handler : nullptr, OpClass::Integer);
}

bool isSigned32(ScalarType type) { return type == ScalarType::S32; }

//===----------------------------------------------------------------------===//
// Carry chains: the carry is a predicate of the frame, in slot c or extra
//===----------------------------------------------------------------------===//

constexpr uint8_t kSetsCarry = 1, kUsesCarry = 2, kSubtracts = 4, kHigh = 8;

template <typename T>
T addWithCarry(T a, T b, uint8_t flags, uint32_t carryIn, uint32_t &carryOut) {
  // a - b = a + ~b + 1; the stored bit is the borrow.
  unsigned __int128 wide = (unsigned __int128)a + ((flags & kSubtracts) ? T(~b) : b);
  bool carry = flags & kUsesCarry ? carryIn : false;
  wide += (flags & kSubtracts) ? !carry : carry;
  bool out = wide >> (8 * sizeof(T)) & 1;
  carryOut = (flags & kSubtracts) ? !out : out;
  return T(wide);
}

template <typename T> void handleCarryAdd(Warp &w, const Inst &i, uint32_t m) {
  T *d = w.at<T>(i.d);
  const T *a = w.at<T>(i.a), *b = w.at<T>(i.b);
  uint32_t in = w.predicate(i.extra), out = 0;
  forEachLane(m, [&](unsigned l) {
    uint32_t carry = 0;
    d[l] = addWithCarry<T>(a[l], b[l], i.flags, in >> l & 1, carry);
    out |= carry << l;
  });
  if (i.flags & kSetsCarry)
    w.setPredicate(i.extra, m, out);
}

template <typename T> void handleCarryMultiplyAdd(Warp &w, const Inst &i, uint32_t m) {
  using U = Unsigned<T>;
  T *d = w.at<T>(i.d);
  const T *a = w.at<T>(i.a), *b = w.at<T>(i.b), *c = w.at<T>(i.c);
  uint32_t in = w.predicate(i.extra), out = 0;
  forEachLane(m, [&](unsigned l) {
    uint32_t carry = 0;
    T product = i.flags & kHigh ? MultiplyHigh::apply(a[l], b[l]) : MultiplyLow::apply(a[l], b[l]);
    d[l] = T(addWithCarry<U>(U(product), U(c[l]), i.flags, in >> l & 1, carry));
    out |= carry << l;
  });
  if (i.flags & kSetsCarry)
    w.setPredicate(i.extra, m, out);
}

void decodeCarryAdd(InstructionDecoder &d, bool isSubtract, bool usesCarry) {
  bool setsCarry = d.take("cc");
  ScalarType type = d.requireType();
  bool isInteger = !isFloat(type) && parser::getClass(type) != parser::TypeClass::Packed;
  Handler handler = !isInteger                    ? nullptr
                    : parser::getBits(type) == 64 ? handleCarryAdd<uint64_t>
                    : parser::getBits(type) == 32 ? handleCarryAdd<uint32_t>
                                                  : nullptr;
  decodeNumbers(d, 2, type, handler);
  d.inst.extra = d.function.carrySlot();
  d.inst.flags =
      (setsCarry ? kSetsCarry : 0) | (usesCarry ? kUsesCarry : 0) | (isSubtract ? kSubtracts : 0);
}

void decodeAddWithCarry(InstructionDecoder &d) {
  decodeCarryAdd(d, d.source.opcode == "subc", true);
}

void decodeCarryMultiplyAdd(InstructionDecoder &d, bool isHigh, bool usesCarry) {
  bool setsCarry = d.take("cc");
  ScalarType type = d.requireType();
  Handler handler =
      parser::getBits(type) < 32
          ? nullptr
          : withInteger(
                type, [](auto t) -> Handler { return handleCarryMultiplyAdd<decltype(t)>; });
  decodeNumbers(d, 3, type, handler);
  d.inst.extra = d.function.carrySlot();
  d.inst.flags = (setsCarry ? kSetsCarry : 0) | (usesCarry ? kUsesCarry : 0) | (isHigh ? kHigh : 0);
}

void decodeMultiplyAddWithCarry(InstructionDecoder &d) {
  bool isHigh = d.take("hi");
  if (!isHigh && !d.take("lo"))
    d.fail("'madc' needs .lo or .hi");
  decodeCarryMultiplyAdd(d, isHigh, true);
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

ScalarType widen(ScalarType type) {
  switch (type) {
  case ScalarType::U16:
    return ScalarType::U32;
  case ScalarType::S16:
    return ScalarType::S32;
  case ScalarType::U32:
    return ScalarType::U64;
  case ScalarType::S32:
    return ScalarType::S64;
  default:
    return type;
  }
}

template <typename F> Handler pickWideBinary(ScalarType type) {
  switch (type) {
  case ScalarType::U16:
    return applyBinary<F, uint32_t, uint16_t, uint16_t>;
  case ScalarType::S16:
    return applyBinary<F, int32_t, int16_t, int16_t>;
  case ScalarType::U32:
    return applyBinary<F, uint64_t, uint32_t, uint32_t>;
  case ScalarType::S32:
    return applyBinary<F, int64_t, int32_t, int32_t>;
  default:
    return nullptr;
  }
}

template <typename F> Handler pickWideTernary(ScalarType type) {
  switch (type) {
  case ScalarType::U16:
    return applyTernary<F, uint32_t, uint16_t, uint16_t, uint32_t>;
  case ScalarType::S16:
    return applyTernary<F, int32_t, int16_t, int16_t, int32_t>;
  case ScalarType::U32:
    return applyTernary<F, uint64_t, uint32_t, uint32_t, uint64_t>;
  case ScalarType::S32:
    return applyTernary<F, int64_t, int32_t, int32_t, int64_t>;
  default:
    return nullptr;
  }
}

void decodeMultiply24(InstructionDecoder &d) {
  bool isHigh = d.take("hi"), isAdd = d.source.opcode == "mad24";
  if (!isHigh && !d.take("lo"))
    d.fail("'" + d.source.opcode + "' needs .lo or .hi");
  ScalarType type = d.requireType();
  Handler handler = nullptr;
  if (parser::getBits(type) == 32)
    handler = isAdd    ? (isHigh ? pickTernary<MultiplyAdd24<true>>(type)
                                 : pickTernary<MultiplyAdd24<false>>(type))
              : isHigh ? pickBinary<Multiply24<true>>(type)
                       : pickBinary<Multiply24<false>>(type);
  if (d.take("sat"))
    handler = isAdd && isHigh && isSigned32(type) ? pickTernary<MultiplyAdd24HighSaturating>(type)
                                                  : nullptr;
  decodeNumbers(d, isAdd ? 3 : 2, type, handler);
}

void decodeRemainder(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  decodeNumbers(d, 2, type, pickBinary<Remainder>(type));
}

void decodeSad(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  decodeNumbers(d, 3, type, pickTernary<SumOfDifferences>(type));
}

//===----------------------------------------------------------------------===//
// dp4a, dp2a
//===----------------------------------------------------------------------===//

constexpr uint8_t kSignedA = 1, kSignedB = 2, kHighHalf = 4;

int32_t byteOf(uint32_t word, unsigned index, bool isSigned) {
  uint8_t byte = word >> (8 * index);
  return isSigned ? int8_t(byte) : byte;
}

void handleDp4a(Warp &w, const Inst &i, uint32_t m) {
  uint32_t *d = w.at<uint32_t>(i.d);
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b), *c = w.at<uint32_t>(i.c);
  forEachLane(m, [&](unsigned l) {
    uint32_t sum = c[l];
    for (unsigned k = 0; k < 4; ++k)
      sum += byteOf(a[l], k, i.flags & kSignedA) * byteOf(b[l], k, i.flags & kSignedB);
    d[l] = sum;
  });
}

void handleDp2a(Warp &w, const Inst &i, uint32_t m) {
  uint32_t *d = w.at<uint32_t>(i.d);
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b), *c = w.at<uint32_t>(i.c);
  unsigned first = i.flags & kHighHalf ? 2 : 0;
  forEachLane(m, [&](unsigned l) {
    uint32_t sum = c[l];
    for (unsigned k = 0; k < 2; ++k) {
      uint16_t half = a[l] >> (16 * k);
      int32_t x = i.flags & kSignedA ? int16_t(half) : half;
      sum += x * byteOf(b[l], first + k, i.flags & kSignedB);
    }
    d[l] = sum;
  });
}

void decodeDotProduct(InstructionDecoder &d) {
  bool isBytes = d.source.opcode == "dp4a";
  if (!isBytes) {
    d.inst.flags |= d.take("hi") ? kHighHalf : 0;
    if (!(d.inst.flags & kHighHalf) && !d.take("lo"))
      d.fail("'dp2a' needs .lo or .hi");
  }
  ScalarType aType = d.requireType(), bType = d.requireType();
  for (ScalarType type : {aType, bType})
    if (type != ScalarType::U32 && type != ScalarType::S32)
      return d.refuseType(type);
  d.inst.flags |= (isSigned32(aType) ? kSignedA : 0) | (isSigned32(bType) ? kSignedB : 0);
  decodeUniform(d, 3, ScalarType::B32, isBytes ? handleDp4a : handleDp2a, OpClass::Integer);
}

} // namespace

//===----------------------------------------------------------------------===//
// Opcodes shared with floats
//===----------------------------------------------------------------------===//

void tilewright::emulator::decodeIntegerAdd(InstructionDecoder &d) {
  bool isSubtract = d.source.opcode == "sub";
  for (const parser::Modifier &modifier : d.source.modifiers)
    if (modifier.name == "cc")
      return decodeCarryAdd(d, isSubtract, false);
  bool saturates = d.take("sat");
  ScalarType type = d.requireType();
  Handler handler = isSubtract ? pickBinary<Subtract>(type) : pickBinary<Add>(type);
  if (!handler && !isSubtract)
    handler = pickPacked<Add>(type);
  if (saturates)
    handler = !isSigned32(type) ? nullptr
              : isSubtract      ? pickBinary<AddSaturating<true>>(type)
                                : pickBinary<AddSaturating<false>>(type);
  decodeNumbers(d, 2, type, handler);
}

void tilewright::emulator::decodeIntegerMultiply(InstructionDecoder &d) {
  bool isWide = d.take("wide"), isHigh = d.take("hi");
  if (!isWide && !isHigh && !d.take("lo"))
    d.fail("'mul' needs .lo, .hi or .wide");
  ScalarType type = d.requireType();
  if (!isWide)
    return decodeNumbers(d, 2, type,
                         isHigh ? pickBinary<MultiplyHigh>(type) : pickBinary<MultiplyLow>(type));
  Handler handler = pickWideBinary<MultiplyWide>(type);
  if (!handler)
    return d.refuseType(type);
  if (!d.expectOperands(3))
    return;
  d.inst.d = d.write(0, widen(type));
  d.inst.a = d.read(1, type);
  d.inst.b = d.read(2, type);
  d.set(handler, OpClass::Integer);
}

void tilewright::emulator::decodeIntegerMultiplyAdd(InstructionDecoder &d) {
  bool isWide = d.take("wide"), isHigh = d.take("hi");
  if (!isWide && !isHigh && !d.take("lo"))
    d.fail("'mad' needs .lo, .hi or .wide");
  for (const parser::Modifier &modifier : d.source.modifiers)
    if (modifier.name == "cc")
      return decodeCarryMultiplyAdd(d, isHigh, false);
  bool saturates = d.take("sat");
  ScalarType type = d.requireType();
  if (!isWide) {
    Handler handler =
        isHigh ? pickTernary<MultiplyAddHigh>(type) : pickTernary<MultiplyAddLow>(type);
    if (saturates)
      handler = isHigh && isSigned32(type) ? pickTernary<MultiplyAddHighSaturating>(type) : nullptr;
    return decodeNumbers(d, 3, type, handler);
  }
  Handler handler = saturates ? nullptr : pickWideTernary<MultiplyAddWide>(type);
  if (!handler)
    return d.refuseType(type);
  if (!d.expectOperands(4))
    return;
  d.inst.d = d.write(0, widen(type));
  d.inst.a = d.read(1, type);
  d.inst.b = d.read(2, type);
  d.inst.c = d.read(3, widen(type));
  d.set(handler, OpClass::Integer);
}

void tilewright::emulator::decodeIntegerDivide(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  decodeNumbers(d, 2, type, pickBinary<Divide>(type));
}

void tilewright::emulator::decodeIntegerMinMax(InstructionDecoder &d) {
  bool isMinimum = d.source.opcode == "min", relu = d.take("relu");
  ScalarType type = d.requireType();
  Handler handler = isMinimum ? pickBinary<Minimum>(type) : pickBinary<Maximum>(type);
  if (!handler)
    handler = isMinimum ? pickPacked<Minimum>(type) : pickPacked<Maximum>(type);
  if (relu) {
    handler = nullptr;
    if (type == ScalarType::S32)
      handler = isMinimum ? pickBinary<MinimumRelu>(type) : pickBinary<MaximumRelu>(type);
    if (type == ScalarType::S16x2)
      handler = isMinimum ? pickPacked<MinimumRelu>(type) : pickPacked<MaximumRelu>(type);
  }
  decodeNumbers(d, 2, type, handler);
}

void tilewright::emulator::decodeIntegerSign(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  Handler handler = nullptr;
  if (parser::isSigned(type))
    handler = d.source.opcode == "abs" ? pickUnary<Absolute>(type) : pickUnary<Negate>(type);
  decodeNumbers(d, 1, type, handler);
}

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getIntegerInstructions() {
  static constexpr InstructionEntry entries[] = {
      {"addc", decodeAddWithCarry},
      {"subc", decodeAddWithCarry},
      {"madc", decodeMultiplyAddWithCarry},
      {"mul24", decodeMultiply24},
      {"mad24", decodeMultiply24},
      {"rem", decodeRemainder},
      {"sad", decodeSad},
      {"dp4a", decodeDotProduct},
      {"dp2a", decodeDotProduct},
  };
  return entries;
}
