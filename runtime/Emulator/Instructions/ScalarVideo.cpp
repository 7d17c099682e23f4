//===- ScalarVideo.cpp - vadd, vmad and their like ------------------------------------===//
//
// PTX ISA, "Scalar Video Instructions". A byte, a half or all of a and b is
// extended by its type; the operation gives a number of 34 bits or more, which
// .sat clamps to the destination's type (or to the part of d that .b0 ... .h1
// name). Then c is added to it, or bounds it from one side, or is what the
// result is put into.
//
// Example: vsub.s32.u32.u32.sat d.b1, a.b0, b.b0, c replaces byte 1 of c by the
// difference of the lowest bytes, clamped to [-128, 127].
//
// Where the ISA keeps 34 bits, ptxas 13 compares 32 with c in .min and .max; the
// two differ when the unsaturated result exceeds 32 bits. Here the ISA holds.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Instructions/Video.h"
#include "llvm/ADT/StringSwitch.h"
#include <algorithm>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

/// What no video instruction overflows: vmad's products have 65 bits.
using Wide = __int128;

enum class Operation : uint8_t { Add, Subtract, AbsoluteDifference, Min, Max, Left, Right, Set };
enum class Secondary : uint8_t { None, Add, Min, Max };

// flags
constexpr uint8_t kSignedA = 1, kSignedB = 2, kSignedResult = 4, kSaturate = 8, kWrap = 16;
constexpr uint8_t kMinusProduct = 16, kMinusC = 32, kPlusOne = 64; ///< of vmad

/// Bits of a word: a byte, a half or all of it.
struct Part {
  uint8_t shift = 0, bits = 32;
};

/// Part, operation and comparison in imm.
struct Form {
  Part d, a, b;
  Operation operation = Operation::Add;
  Comparison comparison = Comparison::Eq;
  Secondary secondary = Secondary::None;
  uint8_t scale = 0; ///< vmad's shift
};

static uint64_t encode(Part part) { return part.shift | part.bits << 5; }
static Part decodePart(uint64_t bits) { return {uint8_t(bits & 31), uint8_t(bits >> 5 & 63)}; }
uint64_t encode(const Form &f) {
  return encode(f.d) | encode(f.a) << 11 | encode(f.b) << 22 | uint64_t(f.operation) << 33 |
         uint64_t(f.comparison) << 37 | uint64_t(f.secondary) << 40 | uint64_t(f.scale) << 42;
}
Form formOf(const Inst &i) {
  return {decodePart(i.imm),           decodePart(i.imm >> 11),     decodePart(i.imm >> 22),
          Operation(i.imm >> 33 & 15), Comparison(i.imm >> 37 & 7), Secondary(i.imm >> 40 & 3),
          uint8_t(i.imm >> 42 & 15)};
}

uint32_t maskOf(Part part) { return part.bits == 32 ? ~0u : ((1u << part.bits) - 1) << part.shift; }

int64_t extend(uint32_t word, Part part, bool isSigned) {
  uint32_t value = (word & maskOf(part)) >> part.shift;
  if (!isSigned)
    return value;
  return int32_t(value << (32 - part.bits)) >> (32 - part.bits);
}

Wide saturate(Wide value, unsigned bits, bool isSigned) {
  Wide most = (Wide(1) << (isSigned ? bits - 1 : bits)) - 1, least = isSigned ? -most - 1 : 0;
  return std::clamp(value, least, most);
}

Wide compute(const Form &f, uint8_t flags, int64_t a, int64_t b) {
  unsigned amount = flags & kWrap ? b & 31 : std::min<int64_t>(b, 32);
  switch (f.operation) {
  case Operation::Add:
    return a + b;
  case Operation::Subtract:
    return a - b;
  case Operation::AbsoluteDifference:
    return std::abs(a - b);
  case Operation::Min:
    return std::min(a, b);
  case Operation::Max:
    return std::max(a, b);
  case Operation::Left:
    return Wide(a) << amount;
  case Operation::Right:
    return a >> amount;
  case Operation::Set:
    break;
  }
  return compare(f.comparison, a, b);
}

Wide combine(Secondary secondary, Wide value, Wide c) {
  switch (secondary) {
  case Secondary::Add:
    return value + c;
  case Secondary::Min:
    return std::min(value, c);
  case Secondary::Max:
    return std::max(value, c);
  case Secondary::None:
    break;
  }
  return value;
}

void handleVideo(Warp &w, const Inst &i, uint32_t m) {
  const Form f = formOf(i);
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b), *c = w.at<uint32_t>(i.c);
  bool isSigned = i.flags & kSignedResult;
  uint32_t mask = maskOf(f.d);
  forEachLane(m, [&](unsigned l) {
    Wide value = compute(f, i.flags, extend(a[l], f.a, i.flags & kSignedA),
                         extend(b[l], f.b, i.flags & kSignedB));
    if (i.flags & kSaturate)
      value = saturate(value, f.d.bits, isSigned);
    value = combine(f.secondary, value, extend(c[l], {}, isSigned));
    w.at<uint32_t>(i.d)[l] = (uint32_t(value) << f.d.shift & mask) | (c[l] & ~mask);
  });
}

// d = (+-(a * b) +- c [+ 1]) >> scale. A negation is an inversion and one more in
// the last place of the sum, as is .po.
void handleMultiplyAdd(Warp &w, const Inst &i, uint32_t m) {
  const Form f = formOf(i);
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b), *c = w.at<uint32_t>(i.c);
  // The final result is signed, and c with it, unless nothing is.
  bool isSigned = i.flags & (kSignedA | kSignedB | kMinusProduct | kMinusC);
  forEachLane(m, [&](unsigned l) {
    Wide product =
        Wide(extend(a[l], f.a, i.flags & kSignedA)) * Wide(extend(b[l], f.b, i.flags & kSignedB));
    uint32_t addend = i.flags & kMinusC ? ~c[l] : c[l];
    if (i.flags & kMinusProduct)
      product = ~product;
    bool one = i.flags & (kMinusProduct | kMinusC | kPlusOne);
    Wide value = (product + extend(addend, {}, isSigned) + one) >> f.scale;
    if (i.flags & kSaturate)
      value = saturate(value, 32, isSigned);
    w.at<uint32_t>(i.d)[l] = uint32_t(value);
  });
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

/// The part of operand `index` that .b0 ... .b3, .h0 or .h1 name; all without.
Part takePart(InstructionDecoder &d, unsigned index) {
  llvm::StringRef selector = d.takeSelector(index);
  if (selector.empty())
    return {};
  unsigned bits = selector[0] == 'b' ? 8 : 16, number = selector[1] - '0';
  if (selector.size() == 2 && number < 32 / bits)
    return {uint8_t(number * bits), uint8_t(bits)};
  d.fail(d.operand(index).location,
         "expects a selector from .b0 to .b3, .h0 or .h1, but got '." + selector + "'");
  return {};
}

void takeOperandTypes(InstructionDecoder &d, bool hasResult) {
  ScalarType result = hasResult ? d.requireType() : ScalarType::U32;
  ScalarType a = d.requireType(), b = d.requireType();
  for (ScalarType type : {result, a, b})
    if (type != ScalarType::U32 && type != ScalarType::S32)
      return d.refuseType(type);
  d.inst.flags |= (a == ScalarType::S32 ? kSignedA : 0) | (b == ScalarType::S32 ? kSignedB : 0) |
                  (result == ScalarType::S32 ? kSignedResult : 0);
}

/// d, a, b and c, which is a where the instruction has no c: nothing depends on it.
void readOperands(InstructionDecoder &d) {
  d.inst.d = d.write(0, ScalarType::U32);
  d.inst.a = d.read(1, ScalarType::U32);
  d.inst.b = d.read(2, ScalarType::U32);
  d.inst.c = d.numOperands() == 4 ? d.read(3, ScalarType::U32) : d.inst.a;
}

template <Operation operation> void decodeVideo(InstructionDecoder &d) {
  constexpr bool isSet = operation == Operation::Set;
  constexpr bool isShift = operation == Operation::Left || operation == Operation::Right;
  Form form;
  form.operation = operation;
  if (isSet)
    form.comparison = takeComparison(d);
  takeOperandTypes(d, !isSet);
  if (isShift) {
    if (d.inst.flags & kSignedB)
      d.fail("'" + d.source.opcode + "' needs .u32 as type of the amount");
    auto mode = d.takeOneOf({"clamp", "wrap"});
    if (!mode)
      d.fail("'" + d.source.opcode + "' needs .clamp or .wrap");
    d.inst.flags |= mode == 1 ? kWrap : 0;
  }
  if (!isSet && d.take("sat"))
    d.inst.flags |= kSaturate;
  if (auto secondary = d.takeOneOf({"add", "min", "max"}))
    form.secondary = Secondary(*secondary + 1);
  if (!d.expectOperands(3, 4))
    return;
  form.d = takePart(d, 0);
  form.a = takePart(d, 1);
  form.b = takePart(d, 2);
  bool merges = form.d.bits != 32, combines = form.secondary != Secondary::None;
  if (merges && combines)
    d.fail("'" + d.source.opcode + "' takes a part of d or a secondary operation, not both");
  if ((merges || combines) && d.numOperands() == 3)
    d.fail("'" + d.source.opcode +
           "' needs a third source for a part of d or a secondary operation");
  readOperands(d);
  d.inst.imm = encode(form);
  d.set(handleVideo, OpClass::Integer);
}

void decodeMultiplyAdd(InstructionDecoder &d) {
  Form form;
  takeOperandTypes(d, true);
  d.inst.flags &= ~kSignedResult; // follows from a, b and the signs
  if (d.take("sat"))
    d.inst.flags |= kSaturate;
  bool isPlusOne = d.take("po");
  if (auto scale = d.takeOneOf({"shr7", "shr15"}))
    form.scale = *scale ? 15 : 7;
  if (!d.expectOperands(4))
    return;
  form.a = takePart(d, 1);
  form.b = takePart(d, 2);
  bool minusProduct = d.takeSign(1) != d.takeSign(2), minusC = d.takeSign(3);
  bool hasSign = d.operand(1).isMinus || d.operand(2).isMinus || minusC;
  if (isPlusOne && hasSign)
    d.fail("'vmad.po' takes no negated operands");
  if (minusProduct && minusC)
    d.fail("'vmad' negates the product or c, not both");
  d.inst.flags |=
      (minusProduct ? kMinusProduct : 0) | (minusC ? kMinusC : 0) | (isPlusOne ? kPlusOne : 0);
  readOperands(d);
  d.inst.imm = encode(form);
  d.set(handleMultiplyAdd, OpClass::Integer);
}

} // namespace

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getScalarVideoInstructions() {
  using O = Operation;
  static constexpr InstructionEntry entries[] = {
      {"vadd", decodeVideo<O::Add>},
      {"vsub", decodeVideo<O::Subtract>},
      {"vabsdiff", decodeVideo<O::AbsoluteDifference>},
      {"vmin", decodeVideo<O::Min>},
      {"vmax", decodeVideo<O::Max>},
      {"vshl", decodeVideo<O::Left>},
      {"vshr", decodeVideo<O::Right>},
      {"vset", decodeVideo<O::Set>},
      {"vmad", decodeMultiplyAdd},
  };
  return entries;
}
