//===- Bits.cpp - Logic, shifts and bit fields ----------------------------------===//
//
// PTX ISA, "Logic and Shift Instructions" and the bit-field instructions of
// "Integer Arithmetic Instructions"; prmt of "Data Movement".
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Numerics/Warp.h"
#include <algorithm>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

struct And {
  template <typename T> static T apply(T a, T b) { return a & b; }
};
struct Or {
  template <typename T> static T apply(T a, T b) { return a | b; }
};
struct Xor {
  template <typename T> static T apply(T a, T b) { return a ^ b; }
};
struct Not {
  template <typename T> static T apply(T a) { return T(~a); }
};
struct LogicalNot {
  template <typename T> static T apply(T a) { return a == 0; }
};
// Shift amounts above the width give 0, or the sign.
struct ShiftLeft {
  template <typename T> static T apply(T a, uint32_t b) {
    return b >= 8 * sizeof(T) ? T(0) : T(std::make_unsigned_t<T>(a) << b);
  }
};
struct ShiftRight {
  template <typename T> static T apply(T a, uint32_t b) {
    uint32_t most = 8 * sizeof(T) - 1;
    if (std::is_signed_v<T>)
      return T(a >> std::min(b, most));
    return b > most ? T(0) : T(a >> b);
  }
};

template <typename F> Handler pickLogic(ScalarType type) {
  return parser::getClass(type) == parser::TypeClass::Bits ? pickBinary<F>(type) : nullptr;
}

enum class Logic : uint8_t { And, Or, Xor };

template <Logic op> void handlePredicateLogic(Warp &w, const Inst &i, uint32_t m) {
  uint32_t a = w.predicate(i.a) ^ (i.flags & 1 ? kFullMask : 0);
  uint32_t b = w.predicate(i.b) ^ (i.flags & 2 ? kFullMask : 0);
  w.setPredicate(i.d, m, op == Logic::And ? a & b : op == Logic::Or ? a | b : a ^ b);
}

template <typename F, Logic op> void decodeLogic(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  if (type != ScalarType::Pred)
    return decodeUniform(d, 2, type, pickLogic<F>(type), OpClass::Integer);
  if (!d.expectOperands(3))
    return;
  bool negateA = false, negateB = false;
  d.inst.d = d.writePredicate(d.operand(0));
  d.inst.a = d.readPredicate(d.operand(1), negateA);
  d.inst.b = d.readPredicate(d.operand(2), negateB);
  d.inst.flags = (negateA ? 1 : 0) | (negateB ? 2 : 0);
  d.set(handlePredicateLogic<op>, OpClass::Predicate);
}

void handlePredicateNot(Warp &w, const Inst &i, uint32_t m) {
  w.setPredicate(i.d, m, ~(w.predicate(i.a) ^ (i.flags ? kFullMask : 0)));
}

void decodeNot(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  bool isLogical = d.source.opcode == "cnot";
  if (type == ScalarType::Pred && !isLogical) {
    if (!d.expectOperands(2))
      return;
    bool isNegated = false;
    d.inst.d = d.writePredicate(d.operand(0));
    d.inst.a = d.readPredicate(d.operand(1), isNegated);
    d.inst.flags = isNegated;
    return d.set(handlePredicateNot, OpClass::Predicate);
  }
  Handler handler = nullptr;
  if (parser::getClass(type) == parser::TypeClass::Bits)
    handler = isLogical ? pickUnary<LogicalNot>(type) : pickUnary<Not>(type);
  decodeUniform(d, 1, type, handler, OpClass::Integer);
}

void decodeShift(InstructionDecoder &d) {
  bool isLeft = d.source.opcode == "shl";
  ScalarType type = d.requireType();
  Handler handler = withInteger(type, [isLeft](auto t) -> Handler {
    using T = decltype(t);
    return isLeft ? applyBinary<ShiftLeft, T, T, uint32_t>
                  : applyBinary<ShiftRight, T, T, uint32_t>;
  });
  if (!handler || (isLeft && parser::getClass(type) != parser::TypeClass::Bits))
    return d.refuseType(type);
  if (!d.expectOperands(3))
    return;
  d.inst.d = d.write(0, type);
  d.inst.a = d.read(1, type);
  d.inst.b = d.read(2, ScalarType::B32);
  d.set(handler, OpClass::Integer);
}

//===----------------------------------------------------------------------===//
// 32-bit functions of two and three operands
//===----------------------------------------------------------------------===//

template <bool isLeft, bool clamps> struct FunnelShift {
  template <typename T> static T apply(T a, T b, T c) {
    uint64_t both = uint64_t(b) << 32 | a;
    uint32_t n = clamps ? std::min(c, T(32)) : c & 31;
    return isLeft ? T((both << n) >> 32) : T(both >> n);
  }
};

void decodeFunnelShift(InstructionDecoder &d) {
  bool isLeft = d.take("l"), clamps = d.take("clamp");
  if (!isLeft && !d.take("r"))
    d.fail("'shf' needs .l or .r");
  if (!clamps && !d.take("wrap"))
    d.fail("'shf' needs .clamp or .wrap");
  ScalarType type = d.requireType();
  if (type != ScalarType::B32)
    return d.refuseType(type);
  decodeUniform(d, 3, type,
                isLeft ? (clamps ? pickTernary<FunnelShift<true, true>>(type)
                                 : pickTernary<FunnelShift<true, false>>(type))
                       : (clamps ? pickTernary<FunnelShift<false, true>>(type)
                                 : pickTernary<FunnelShift<false, false>>(type)),
                OpClass::Integer);
}

// One bit of the table for each combination of bits of a, b, c (PTX ISA, lop3).
void handleLop3(Warp &w, const Inst &i, uint32_t m) {
  uint32_t *d = w.at<uint32_t>(i.d);
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b), *c = w.at<uint32_t>(i.c);
  uint32_t table = i.imm, on[8];
  for (unsigned k = 0; k < 8; ++k)
    on[k] = table >> k & 1 ? kFullMask : 0;
  forLanes(m, [&, d, a, b, c](unsigned l) {
    uint32_t x = a[l], y = b[l], z = c[l];
    uint32_t low = (~z & ((~y & on[0]) | (y & on[2]))) | (z & ((~y & on[1]) | (y & on[3])));
    uint32_t high = (~z & ((~y & on[4]) | (y & on[6]))) | (z & ((~y & on[5]) | (y & on[7])));
    d[l] = (~x & low) | (x & high);
  });
}

// lop3.BoolOp.b32 d|p, a, b, c, immLut, q: p = (d != 0) BoolOp q
void handleLop3Predicate(Warp &w, const Inst &i, uint32_t m) {
  handleLop3(w, i, m);
  Slot predicate = w.launch.program.slots[i.extra], combined = w.launch.program.slots[i.extra + 1];
  const uint32_t *d = w.at<uint32_t>(i.d);
  uint32_t nonzero = 0, q = w.predicate(combined) ^ (i.flags & 2 ? kFullMask : 0);
  forEachLane(m, [&](unsigned l) { nonzero |= uint32_t(d[l] != 0) << l; });
  w.setPredicate(predicate, m, i.flags & 1 ? nonzero | q : nonzero & q);
}

void decodeLop3(InstructionDecoder &d) {
  bool isAnd = d.take("and"), isOr = !isAnd && d.take("or");
  ScalarType type = d.requireType();
  if (type != ScalarType::B32)
    return d.refuseType(type);
  bool hasPredicate = isAnd || isOr;
  if (!d.expectOperands(hasPredicate ? 6 : 5))
    return;
  const parser::Operand *result = &d.operand(0);
  if (hasPredicate) {
    if (result->kind != parser::Operand::Kind::Pair)
      return d.fail("'lop3' with .and or .or expects d|p");
    bool isNegated = false;
    Slot p = d.writePredicate(result->parts[1]);
    Slot q = d.readPredicate(d.operand(5), isNegated);
    d.inst.extra = d.addSlots({p, q});
    d.inst.flags = (isOr ? 1 : 0) | (isNegated ? 2 : 0);
    result = &result->parts[0];
  }
  d.inst.d = d.write(*result, type);
  d.inst.a = d.read(1, type);
  d.inst.b = d.read(2, type);
  d.inst.c = d.read(3, type);
  d.inst.imm = d.immediate(4, 0, 255);
  d.set(hasPredicate ? handleLop3Predicate : handleLop3, OpClass::Integer);
}

//===----------------------------------------------------------------------===//
// Counts and fields
//===----------------------------------------------------------------------===//

struct PopulationCount {
  template <typename T> static uint32_t apply(T a) { return std::popcount(a); }
};
struct LeadingZeros {
  template <typename T> static uint32_t apply(T a) { return std::countl_zero(a); }
};
// The most significant bit that differs from the sign; ~0 if none.
template <bool shiftAmount> struct FindBit {
  template <typename T> static uint32_t apply(T a) {
    using U = std::make_unsigned_t<T>;
    U bits = std::is_signed_v<T> && a < 0 ? U(~a) : U(a);
    unsigned zeros = std::countl_zero(bits);
    if (zeros == 8 * sizeof(T))
      return ~0u;
    return shiftAmount ? zeros : 8 * sizeof(T) - 1 - zeros;
  }
};
struct ReverseBits {
  template <typename T> static T apply(T a) {
    T result = 0;
    for (unsigned k = 0; k < 8 * sizeof(T); ++k)
      result |= (a >> k & 1) << (8 * sizeof(T) - 1 - k);
    return result;
  }
};

template <typename F> Handler pickCount(ScalarType type) {
  Handler handler = withInteger(type, [](auto t) -> Handler {
    return applyUnary<F, uint32_t, std::make_unsigned_t<decltype(t)>>;
  });
  return parser::getBits(type) >= 32 && parser::getClass(type) == parser::TypeClass::Bits ? handler
                                                                                          : nullptr;
}

template <bool shiftAmount> Handler pickFind(ScalarType type) {
  if (parser::getBits(type) < 32 || parser::getClass(type) == parser::TypeClass::Bits)
    return nullptr;
  return withInteger(type, [](auto t) -> Handler {
    return applyUnary<FindBit<shiftAmount>, uint32_t, decltype(t)>;
  });
}

void decodeCount(InstructionDecoder &d) {
  bool shiftAmount = d.source.opcode == "bfind" && d.take("shiftamt");
  ScalarType type = d.requireType();
  Handler handler = d.source.opcode == "popc"  ? pickCount<PopulationCount>(type)
                    : d.source.opcode == "clz" ? pickCount<LeadingZeros>(type)
                    : shiftAmount              ? pickFind<true>(type)
                                               : pickFind<false>(type);
  if (!handler)
    return d.refuseType(type);
  if (!d.expectOperands(2))
    return;
  d.inst.d = d.write(0, ScalarType::B32);
  d.inst.a = d.read(1, type);
  d.set(handler, OpClass::Integer);
}

void decodeReverse(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  Handler handler =
      type == ScalarType::B32 || type == ScalarType::B64 ? pickUnary<ReverseBits>(type) : nullptr;
  decodeUniform(d, 1, type, handler, OpClass::Integer);
}

// PTX ISA, bfe: position and length in the low 8 bits; beyond the top the sign.
struct ExtractField {
  template <typename T> static T apply(T a, uint32_t b, uint32_t c) {
    constexpr unsigned most = 8 * sizeof(T) - 1;
    unsigned position = b & 255, length = c & 255;
    bool isSigned = std::is_signed_v<T>;
    bool sign = isSigned && length && (a >> std::min(position + length - 1, most) & 1);
    using U = std::make_unsigned_t<T>;
    U result = position > most ? U(0) : U(a) >> position;
    if (length <= most) {
      U mask = (U(1) << length) - 1;
      result &= mask;
      if (sign)
        result |= ~mask;
    }
    if (sign && position + length > most + 1) {
      unsigned known = position > most ? 0 : most + 1 - position;
      result |= known > most ? U(0) : ~U(0) << known;
    }
    return T(result);
  }
};

struct InsertField {
  template <typename T> static T apply(T a, T b, uint32_t position, uint32_t length) {
    constexpr unsigned width = 8 * sizeof(T);
    position &= 255;
    length &= 255;
    if (position >= width || length == 0)
      return b;
    T mask = (length >= width ? ~T(0) : (T(1) << length) - 1) << position;
    return (b & ~mask) | ((a << position) & mask);
  }
};

template <typename T> void handleInsertField(Warp &w, const Inst &i, uint32_t m) {
  T *d = w.at<T>(i.d);
  const T *a = w.at<T>(i.a), *b = w.at<T>(i.b);
  const uint32_t *position = w.at<uint32_t>(i.c), *length = w.at<uint32_t>(i.extra);
  forLanes(m,
           [=](unsigned l) { d[l] = InsertField::apply<T>(a[l], b[l], position[l], length[l]); });
}

void decodeExtractField(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  Handler handler = withInteger(type, [](auto t) -> Handler {
    return applyTernary<ExtractField, decltype(t), decltype(t), uint32_t, uint32_t>;
  });
  if (!handler || parser::getBits(type) < 32 || parser::getClass(type) == parser::TypeClass::Bits)
    return d.refuseType(type);
  if (!d.expectOperands(4))
    return;
  d.inst.d = d.write(0, type);
  d.inst.a = d.read(1, type);
  d.inst.b = d.read(2, ScalarType::B32);
  d.inst.c = d.read(3, ScalarType::B32);
  d.set(handler, OpClass::Integer);
}

void decodeInsertField(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  if (type != ScalarType::B32 && type != ScalarType::B64)
    return d.refuseType(type);
  if (!d.expectOperands(5))
    return;
  d.inst.d = d.write(0, type);
  d.inst.a = d.read(1, type);
  d.inst.b = d.read(2, type);
  d.inst.c = d.read(3, ScalarType::B32);
  d.inst.extra = d.read(4, ScalarType::B32);
  d.set(type == ScalarType::B32 ? handleInsertField<uint32_t> : handleInsertField<uint64_t>,
        OpClass::Integer);
}

// PTX ISA, bmsk: `length` ones from `position` up.
template <bool clamps> struct BitMask {
  template <typename T> static T apply(T a, T b) {
    T position = clamps ? std::min(a, T(32)) : a & 31,
      length = clamps ? std::min(b, T(32)) : b & 31;
    uint64_t ones = (uint64_t(1) << length) - 1;
    return T(ones << position);
  }
};

void decodeBitMask(InstructionDecoder &d) {
  bool clamps = d.take("clamp");
  if (!clamps && !d.take("wrap"))
    d.fail("'bmsk' needs .clamp or .wrap");
  ScalarType type = d.requireType();
  if (type != ScalarType::B32)
    return d.refuseType(type);
  decodeUniform(d, 2, type,
                clamps ? pickBinary<BitMask<true>>(type) : pickBinary<BitMask<false>>(type),
                OpClass::Integer);
}

// PTX ISA, szext: keeps the low n bits and extends them by sign or with zero.
template <bool clamps> struct ExtendField {
  template <typename T> static T apply(T a, uint32_t b) {
    uint32_t n = clamps ? std::min(b, 32u) : b & 31;
    if (n == 0)
      return 0;
    return T(std::make_unsigned_t<T>(a) << (32 - n)) >> (32 - n);
  }
};

void decodeExtendField(InstructionDecoder &d) {
  bool clamps = d.take("clamp");
  if (!clamps && !d.take("wrap"))
    d.fail("'szext' needs .clamp or .wrap");
  ScalarType type = d.requireType();
  Handler handler = withInteger(type, [clamps](auto t) -> Handler {
    using T = decltype(t);
    return clamps ? applyBinary<ExtendField<true>, T, T, uint32_t>
                  : applyBinary<ExtendField<false>, T, T, uint32_t>;
  });
  bool isInteger32 = type == ScalarType::U32 || type == ScalarType::S32;
  decodeUniform(d, 2, type, isInteger32 ? handler : nullptr, OpClass::Integer);
}

// PTX ISA, fns: the position of the n-th set bit from `base`, up or down.
struct FindNthSet {
  template <typename T> static T apply(T mask, T base, T offset) {
    int32_t n = static_cast<int32_t>(offset);
    int position = static_cast<int>(base & 31);
    if (n == 0)
      return T(mask >> position & 1 ? position : ~0u);
    int step = n > 0 ? 1 : -1;
    uint32_t left = n > 0 ? n : -static_cast<uint32_t>(n);
    for (; position >= 0 && position < 32; position += step)
      if (mask >> position & 1 && --left == 0)
        return T(position);
    return T(~0u);
  }
};

void decodeFindNthSet(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  decodeUniform(d, 3, type, type == ScalarType::B32 ? pickTernary<FindNthSet>(type) : nullptr,
                OpClass::Integer);
}

//===----------------------------------------------------------------------===//
// prmt
//===----------------------------------------------------------------------===//

// Selector nibble k names byte 0-7 of {b, a} and, with bit 3, its sign.
struct Permute {
  template <typename T> static T apply(T a, T b, T selectors) {
    uint64_t bytes = uint64_t(b) << 32 | a;
    uint32_t result = 0;
    for (unsigned k = 0; k < 4; ++k) {
      uint32_t selector = selectors >> (4 * k);
      uint32_t byte = bytes >> (8 * (selector & 7)) & 255;
      if (selector & 8)
        byte = byte & 128 ? 255 : 0;
      result |= byte << (8 * k);
    }
    return result;
  }
};

// The other modes are tables of selectors over the low two bits of c.
template <unsigned mode> struct PermuteMode {
  template <typename T> static T apply(T a, T b, T c) {
    constexpr uint16_t selectors[6][4] = {
        {0x3210, 0x4321, 0x5432, 0x6543}, // f4e
        {0x5670, 0x6701, 0x7012, 0x0123}, // b4e
        {0x0000, 0x1111, 0x2222, 0x3333}, // rc8
        {0x3210, 0x3211, 0x3222, 0x3333}, // ecl
        {0x0000, 0x1110, 0x2210, 0x3210}, // ecr
        {0x1010, 0x3232, 0x1010, 0x3232}, // rc16
    };
    return Permute::apply<T>(a, b, selectors[mode][c & 3]);
  }
};

void handlePermute(Warp &w, const Inst &i, uint32_t m) {
  numerics::getWarpOperations().permute(w.at<uint32_t>(i.d), w.at<uint32_t>(i.a),
                                        w.at<uint32_t>(i.b), w.at<uint32_t>(i.c), m);
}

void decodePermute(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  if (type != ScalarType::B32)
    return d.refuseType(type);
  constexpr Handler handlers[] = {
      applyTernary<PermuteMode<0>, uint32_t, uint32_t, uint32_t, uint32_t>,
      applyTernary<PermuteMode<1>, uint32_t, uint32_t, uint32_t, uint32_t>,
      applyTernary<PermuteMode<2>, uint32_t, uint32_t, uint32_t, uint32_t>,
      applyTernary<PermuteMode<3>, uint32_t, uint32_t, uint32_t, uint32_t>,
      applyTernary<PermuteMode<4>, uint32_t, uint32_t, uint32_t, uint32_t>,
      applyTernary<PermuteMode<5>, uint32_t, uint32_t, uint32_t, uint32_t>,
  };
  std::optional<unsigned> mode = d.takeOneOf({"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"});
  decodeUniform(d, 3, type, mode ? handlers[*mode] : handlePermute, OpClass::Integer);
}

} // namespace

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getBitInstructions() {
  static constexpr InstructionEntry entries[] = {
      {"and", decodeLogic<And, Logic::And>},
      {"or", decodeLogic<Or, Logic::Or>},
      {"xor", decodeLogic<Xor, Logic::Xor>},
      {"not", decodeNot},
      {"cnot", decodeNot},
      {"shl", decodeShift},
      {"shr", decodeShift},
      {"shf", decodeFunnelShift},
      {"lop3", decodeLop3},
      {"popc", decodeCount},
      {"clz", decodeCount},
      {"bfind", decodeCount},
      {"brev", decodeReverse},
      {"bfe", decodeExtractField},
      {"bfi", decodeInsertField},
      {"bmsk", decodeBitMask},
      {"szext", decodeExtendField},
      {"fns", decodeFindNthSet},
      {"prmt", decodePermute},
  };
  return entries;
}
