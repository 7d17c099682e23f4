//===- Compare.cpp - setp, set, selp, slct ----------------------------------------===//
//
// PTX ISA, "Comparison and Selection Instructions".
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include <cmath>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

enum class Comparison : uint8_t { Eq, Ne, Lt, Le, Gt, Ge, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan };

// The unsigned names of integer comparisons are those of ordered ones.
constexpr llvm::StringLiteral comparisonNames[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",  "equ",
                                                   "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};

template <typename T> bool isNaN(T value) {
  if constexpr (std::is_floating_point_v<T>)
    return value != value;
  return false;
}

template <Comparison c, typename T> bool compare(T a, T b) {
  bool unordered = isNaN(a) || isNaN(b);
  switch (c) {
  case Comparison::Eq:
    return a == b;
  case Comparison::Ne:
    return !unordered && a != b;
  case Comparison::Lt:
    return a < b;
  case Comparison::Le:
    return a <= b;
  case Comparison::Gt:
    return a > b;
  case Comparison::Ge:
    return a >= b;
  case Comparison::Equ:
    return unordered || a == b;
  case Comparison::Neu:
    return a != b;
  case Comparison::Ltu:
    return unordered || a < b;
  case Comparison::Leu:
    return unordered || a <= b;
  case Comparison::Gtu:
    return unordered || a > b;
  case Comparison::Geu:
    return unordered || a >= b;
  case Comparison::Num:
    return !unordered;
  case Comparison::Nan:
    return unordered;
  }
}

constexpr uint8_t kFlush = 1, kNegateC = 2;
enum class Combine : uint8_t { None, And, Or, Xor };

template <typename T> T load(const Warp &w, Slot slot, unsigned lane, bool flushes) {
  T value = w.at<T>(slot)[lane];
  if constexpr (std::is_same_v<T, float>)
    if (flushes && std::fpclassify(value) == FP_SUBNORMAL)
      return std::copysign(0.0f, value);
  return value;
}

template <Comparison c, typename T> uint32_t compareLanes(const Warp &w, const Inst &i) {
  bool flushes = i.flags & kFlush;
  uint32_t result = 0;
  const T *a = w.at<T>(i.a), *b = w.at<T>(i.b);
  if (!flushes) {
    for (unsigned l = 0; l < kLanes; ++l)
      result |= uint32_t(compare<c, T>(a[l], b[l])) << l;
    return result;
  }
  for (unsigned l = 0; l < kLanes; ++l)
    result |= uint32_t(compare<c, T>(load<T>(w, i.a, l, true), load<T>(w, i.b, l, true))) << l;
  return result;
}

/// f16 and bf16 compare as f32, exactly.
template <Comparison c, numerics::FloatType type>
uint32_t compareHalves(const Warp &w, const Inst &i) {
  uint32_t result = 0;
  auto value = [&](Slot slot, unsigned l) {
    uint16_t bits = w.at<uint16_t>(slot)[l];
    if ((i.flags & kFlush) && type == numerics::FloatType::F16 && (bits & 0x7c00) == 0)
      bits &= 0x8000;
    return numerics::toDouble(bits, type);
  };
  for (unsigned l = 0; l < kLanes; ++l)
    result |= uint32_t(compare<c, double>(value(i.a, l), value(i.b, l))) << l;
  return result;
}

/// Both halves of f16x2 or bf16x2: the upper one's bits above the lower's.
template <Comparison c, numerics::FloatType type>
uint64_t comparePairs(const Warp &w, const Inst &i) {
  uint64_t result = 0;
  auto value = [&](Slot slot, unsigned l, unsigned half) {
    uint16_t bits = static_cast<uint16_t>(w.at<uint32_t>(slot)[l] >> (16 * half));
    if ((i.flags & kFlush) && type == numerics::FloatType::F16 && (bits & 0x7c00) == 0)
      bits &= 0x8000;
    return numerics::toDouble(bits, type);
  };
  for (unsigned l = 0; l < 2 * kLanes; ++l)
    result |= uint64_t(compare<c, double>(value(i.a, l % kLanes, l / kLanes),
                                          value(i.b, l % kLanes, l / kLanes)))
              << l;
  return result;
}

using CompareFunction = uint32_t (*)(const Warp &, const Inst &);
using ComparePairsFunction = uint64_t (*)(const Warp &, const Inst &);

template <Comparison c> CompareFunction pickCompare(ScalarType type) {
  constexpr bool isFloatOnly = c >= Comparison::Equ;
  if constexpr (!isFloatOnly) {
    switch (type) {
    case ScalarType::B16:
    case ScalarType::U16:
      return compareLanes<c, uint16_t>;
    case ScalarType::S16:
      return compareLanes<c, int16_t>;
    case ScalarType::B32:
    case ScalarType::U32:
      return compareLanes<c, uint32_t>;
    case ScalarType::S32:
      return compareLanes<c, int32_t>;
    case ScalarType::B64:
    case ScalarType::U64:
      return compareLanes<c, uint64_t>;
    case ScalarType::S64:
      return compareLanes<c, int64_t>;
    default:
      break;
    }
  }
  switch (type) {
  case ScalarType::F32:
    return compareLanes<c, float>;
  case ScalarType::F64:
    return compareLanes<c, double>;
  case ScalarType::F16:
    return compareHalves<c, numerics::FloatType::F16>;
  case ScalarType::BF16:
    return compareHalves<c, numerics::FloatType::BF16>;
  default:
    return nullptr;
  }
}

template <Comparison c> ComparePairsFunction pickComparePairs(ScalarType type) {
  return type == ScalarType::F16x2    ? comparePairs<c, numerics::FloatType::F16>
         : type == ScalarType::BF16x2 ? comparePairs<c, numerics::FloatType::BF16>
                                      : nullptr;
}

/// The function for the comparison and the type, as a number; 0 if none.
template <size_t... index>
uint64_t pickCompare(Comparison c, ScalarType type, std::index_sequence<index...>) {
  bool isPacked = parser::getClass(type) == parser::TypeClass::Packed;
  uint64_t result = 0;
  auto pick = [&]<Comparison which>() {
    result = isPacked ? reinterpret_cast<uint64_t>(pickComparePairs<which>(type))
                      : reinterpret_cast<uint64_t>(pickCompare<which>(type));
  };
  ((static_cast<size_t>(c) == index ? pick.template operator()<static_cast<Comparison>(index)>()
                                    : void()),
   ...);
  return result;
}

uint32_t combine(const Warp &w, const Inst &i, uint32_t result) {
  uint32_t c = i.c == kNoSlot ? 0 : w.predicate(i.c) ^ (i.flags & kNegateC ? kFullMask : 0);
  switch (static_cast<Combine>(i.aux)) {
  case Combine::None:
    return result;
  case Combine::And:
    return result & c;
  case Combine::Or:
    return result | c;
  case Combine::Xor:
    return result ^ c;
  }
  return result;
}

uint32_t evaluate(const Warp &w, const Inst &i) {
  return reinterpret_cast<CompareFunction>(i.imm)(w, i);
}

void handleSetp(Warp &w, const Inst &i, uint32_t m) {
  uint32_t result = evaluate(w, i), first = combine(w, i, result);
  // The second destination gets the complement of the comparison, combined.
  if (i.extra != kNoSlot) {
    uint32_t second = combine(w, i, ~result);
    w.setPredicate(i.extra, m, second);
  }
  w.setPredicate(i.d, m, first);
}

// setp of pairs: one predicate a half, each combined with c.
void handleSetpPairs(Warp &w, const Inst &i, uint32_t m) {
  uint64_t result = reinterpret_cast<ComparePairsFunction>(i.imm)(w, i);
  uint32_t low = combine(w, i, uint32_t(result)), high = combine(w, i, uint32_t(result >> 32));
  w.setPredicate(i.d, m, low);
  w.setPredicate(i.extra, m, high);
}

// extra: what stands for true.
template <typename T> void handleSet(Warp &w, const Inst &i, uint32_t m) {
  uint32_t result = combine(w, i, evaluate(w, i));
  T *d = w.at<T>(i.d);
  forEachLane(m, [&](unsigned l) { d[l] = result >> l & 1 ? T(i.extra) : T(0); });
}

void handleSetPairs(Warp &w, const Inst &i, uint32_t m) {
  uint64_t result = reinterpret_cast<ComparePairsFunction>(i.imm)(w, i);
  uint32_t low = combine(w, i, uint32_t(result)), high = combine(w, i, uint32_t(result >> 32));
  uint32_t *d = w.at<uint32_t>(i.d);
  forEachLane(m, [&](unsigned l) {
    d[l] = (low >> l & 1 ? i.extra : 0) | (high >> l & 1 ? i.extra << 16 : 0);
  });
}

/// Takes the comparison, the combination, .ftz; fills the function.
ScalarType takeComparison(InstructionDecoder &d) {
  std::optional<unsigned> comparison = d.takeOneOf(comparisonNames);
  // lo ls hi hs: the unsigned comparisons by their older names.
  std::optional<unsigned> alias;
  if (!comparison && (alias = d.takeOneOf({"lo", "ls", "hi", "hs"}))) {
    constexpr Comparison meanings[] = {Comparison::Lt, Comparison::Le, Comparison::Gt,
                                       Comparison::Ge};
    comparison = static_cast<unsigned>(meanings[*alias]);
  }
  if (!comparison)
    d.fail("'" + d.source.opcode + "' needs a comparison such as .lt");
  d.inst.aux = d.take("and") ? 1 : d.take("or") ? 2 : d.take("xor") ? 3 : 0;
  d.inst.flags = d.take("ftz") ? kFlush : 0;
  ScalarType type = d.requireType();
  auto typeClass = parser::getClass(type);
  if ((alias && typeClass != parser::TypeClass::Unsigned) ||
      (typeClass == parser::TypeClass::Bits && comparison.value_or(0) > 1))
    d.fail("this comparison does not apply to ." + parser::getName(type));
  bool mayFlush = type == ScalarType::F32 || type == ScalarType::F16 || type == ScalarType::F16x2;
  if ((d.inst.flags & kFlush) && !mayFlush)
    d.fail("'.ftz' does not apply to ." + parser::getName(type));
  d.inst.imm = pickCompare(static_cast<Comparison>(comparison.value_or(0)), type,
                           std::make_index_sequence<std::size(comparisonNames)>());
  if (!d.inst.imm)
    d.refuseType(type);
  return type;
}

void takeSources(InstructionDecoder &d, ScalarType type) {
  if (!d.expectOperands(d.inst.aux ? 4 : 3))
    return;
  d.inst.a = d.read(1, type);
  d.inst.b = d.read(2, type);
  if (!d.inst.aux)
    return;
  bool isNegated = false;
  d.inst.c = d.readPredicate(d.operand(3), isNegated);
  d.inst.flags |= isNegated ? kNegateC : 0;
}

void decodeSetp(InstructionDecoder &d) {
  ScalarType type = takeComparison(d);
  takeSources(d, type);
  const parser::Operand &result = d.operand(0);
  bool isPair = result.kind == parser::Operand::Kind::Pair;
  d.inst.d = d.writePredicate(isPair ? result.parts[0] : result);
  d.inst.extra = isPair ? d.writePredicate(result.parts[1]) : kNoSlot;
  bool isPacked = parser::getClass(type) == parser::TypeClass::Packed;
  if (isPacked && !isPair)
    d.fail(result.location, "'setp' of '." + parser::getName(type).str() + "' expects p|q");
  d.set(isPacked ? handleSetpPairs : handleSetp, OpClass::Predicate);
}

void decodeSet(InstructionDecoder &d) {
  ScalarType resultType = d.requireType(), type = takeComparison(d);
  bool isPacked = parser::getClass(type) == parser::TypeClass::Packed;
  bool isHalf = type == ScalarType::F16 || type == ScalarType::BF16;
  switch (resultType) {
  case ScalarType::U16:
  case ScalarType::S16: // of halves only
    d.inst.extra = isHalf ? 0xffff : 0;
    break;
  case ScalarType::U32:
  case ScalarType::S32:
    d.inst.extra = isPacked ? 0xffff : ~0u; // of pairs: a mask a half
    break;
  case ScalarType::F32:
    d.inst.extra = isPacked || isHalf ? 0 : 0x3f800000;
    break;
  case ScalarType::F16:
  case ScalarType::F16x2:
    d.inst.extra = 0x3c00;
    break;
  case ScalarType::BF16:
  case ScalarType::BF16x2:
    d.inst.extra = 0x3f80;
    break;
  default:
    d.inst.extra = 0;
  }
  bool isPackedResult = parser::getClass(resultType) == parser::TypeClass::Packed;
  bool isMask = isPacked && (resultType == ScalarType::U32 || resultType == ScalarType::S32);
  if (d.inst.extra == 0 || ((isPackedResult || isPacked) && !isMask && type != resultType))
    return d.fail("no 'set' of '." + parser::getName(resultType).str() + "' from '." +
                  parser::getName(type) + "'");
  takeSources(d, type);
  d.inst.d = d.write(0, resultType);
  d.set(isPacked                            ? handleSetPairs
        : parser::getBits(resultType) == 16 ? handleSet<uint16_t>
                                            : handleSet<uint32_t>,
        OpClass::Predicate);
}

/// What selp and slct move: bits, integers, f32 and f64.
bool isSelectable(ScalarType type) {
  unsigned bits = parser::getBits(type);
  if (bits < 16 || bits > 64 || parser::getClass(type) == parser::TypeClass::Packed)
    return false;
  return !isFloat(type) || type == ScalarType::F32 || type == ScalarType::F64;
}

template <typename T> void handleSelp(Warp &w, const Inst &i, uint32_t m) {
  uint32_t p = w.predicate(i.c) ^ (i.flags & kNegateC ? kFullMask : 0);
  T *d = w.at<T>(i.d);
  const T *a = w.at<T>(i.a), *b = w.at<T>(i.b);
  forLanes(m, [=](unsigned l) { d[l] = p >> l & 1 ? a[l] : b[l]; });
}

void decodeSelp(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  unsigned bits = parser::getBits(type);
  if (!isSelectable(type))
    return d.refuseType(type);
  if (!d.expectOperands(4))
    return;
  d.inst.d = d.write(0, type);
  d.inst.a = d.read(1, type);
  d.inst.b = d.read(2, type);
  bool isNegated = false;
  d.inst.c = d.readPredicate(d.operand(3), isNegated);
  d.inst.flags = isNegated ? kNegateC : 0;
  d.set(bits == 16   ? handleSelp<uint16_t>
        : bits == 32 ? handleSelp<uint32_t>
                     : handleSelp<uint64_t>,
        OpClass::Predicate);
}

// slct d, a, b, c: a where c >= 0 (a NaN gives b).
template <typename T, typename C> void handleSlct(Warp &w, const Inst &i, uint32_t m) {
  T *d = w.at<T>(i.d);
  const T *a = w.at<T>(i.a), *b = w.at<T>(i.b);
  bool flushes = i.flags & kFlush;
  forEachLane(m, [&](unsigned l) { d[l] = load<C>(w, i.c, l, flushes) >= 0 ? a[l] : b[l]; });
}

void decodeSlct(InstructionDecoder &d) {
  d.inst.flags = d.take("ftz") ? kFlush : 0;
  ScalarType type = d.requireType(), selector = d.requireType();
  unsigned bits = parser::getBits(type);
  if (!isSelectable(type))
    return d.refuseType(type);
  if (selector != ScalarType::S32 && selector != ScalarType::F32)
    return d.refuseType(selector);
  bool isFloatSelector = selector == ScalarType::F32;
  if (!d.expectOperands(4))
    return;
  d.inst.d = d.write(0, type);
  d.inst.a = d.read(1, type);
  d.inst.b = d.read(2, type);
  d.inst.c = d.read(3, selector);
  d.set(isFloatSelector ? (bits == 16   ? handleSlct<uint16_t, float>
                           : bits == 32 ? handleSlct<uint32_t, float>
                                        : handleSlct<uint64_t, float>)
                        : (bits == 16   ? handleSlct<uint16_t, int32_t>
                           : bits == 32 ? handleSlct<uint32_t, int32_t>
                                        : handleSlct<uint64_t, int32_t>),
        OpClass::Predicate);
}

} // namespace

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getCompareInstructions() {
  static constexpr InstructionEntry entries[] = {
      {"setp", decodeSetp},
      {"set", decodeSet},
      {"selp", decodeSelp},
      {"slct", decodeSlct},
  };
  return entries;
}
