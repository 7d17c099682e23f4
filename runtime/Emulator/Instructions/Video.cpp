//===- Video.cpp - SIMD video instructions ------------------------------------------===//
//
// PTX ISA, "SIMD Video Instructions": vadd2, vadd4 and kin, which CUDA C++'s
// SIMD intrinsics become. Each of the two or four parts of a and b gives a
// number; these are packed into d, over c where the mask leaves a part out, or
// added to c with .add. Selectors name the parts of the word pair {b, a} from the
// highest to the lowest: by default a.h10 and b.h32, a.b3210 and b.b7654.
//
// Example: vabsdiff4.u32.u32.u32.add d, a, b, c is c plus the sum of the
// absolute differences of the four bytes.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Video.h"
#include "runtime/Emulator/Instructions/Apply.h"
#include <algorithm>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

enum class Operation : uint8_t { Add, Subtract, Average, AbsoluteDifference, Min, Max, Set };

// flags
constexpr uint8_t kSignedA = 1, kSignedB = 2, kSignedResult = 4, kSaturate = 8, kAccumulate = 16;

int compute(Operation operation, Comparison comparison, int a, int b) {
  switch (operation) {
  case Operation::Add:
    return a + b;
  case Operation::Subtract:
    return a - b;
  case Operation::Average: // halves away from zero
    return a + b >= 0 ? (a + b + 1) >> 1 : (a + b) >> 1;
  case Operation::AbsoluteDifference:
    return std::abs(a - b);
  case Operation::Min:
    return std::min(a, b);
  case Operation::Max:
    return std::max(a, b);
  case Operation::Set:
    break;
  }
  return compare(comparison, a, b);
}

/// In imm: operation, comparison, the mask of parts, and for each part of a and
/// of b the place in {b, a} that it comes from.
struct Form {
  Operation operation;
  Comparison comparison;
  unsigned mask = 0;
  unsigned a[4] = {}, b[4] = {};
};

uint64_t encode(const Form &f) {
  uint64_t bits = uint64_t(f.operation) | uint64_t(f.comparison) << 4 | f.mask << 8;
  for (unsigned k = 0; k < 4; ++k)
    bits |= uint64_t(f.a[k]) << (12 + 3 * k) | uint64_t(f.b[k]) << (24 + 3 * k);
  return bits;
}
Form formOf(const Inst &i) {
  Form f{Operation(i.imm & 15), Comparison(i.imm >> 4 & 15), unsigned(i.imm >> 8 & 15)};
  for (unsigned k = 0; k < 4; ++k) {
    f.a[k] = i.imm >> (12 + 3 * k) & 7;
    f.b[k] = i.imm >> (24 + 3 * k) & 7;
  }
  return f;
}

template <unsigned parts> void handleParts(Warp &w, const Inst &i, uint32_t m) {
  constexpr unsigned bits = 32 / parts;
  constexpr uint32_t mask = (1u << bits) - 1;
  const Form f = formOf(i);
  auto part = [](uint64_t words, unsigned k, bool isSigned) {
    uint32_t value = words >> (k * bits) & mask;
    return isSigned ? int32_t(value << (32 - bits)) >> (32 - bits) : int32_t(value);
  };
  bool isSigned = i.flags & kSignedResult;
  int least = isSigned ? -(1 << (bits - 1)) : 0, most = isSigned ? (1 << (bits - 1)) - 1 : mask;
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b), *c = w.at<uint32_t>(i.c);
  forEachLane(m, [&](unsigned l) {
    uint64_t words = a[l] | uint64_t(b[l]) << 32;
    uint32_t packed = c[l], sum = c[l];
    for (unsigned k = 0; k < parts; ++k) {
      if (!(f.mask >> k & 1))
        continue;
      int value = compute(f.operation, f.comparison, part(words, f.a[k], i.flags & kSignedA),
                          part(words, f.b[k], i.flags & kSignedB));
      if (i.flags & kSaturate)
        value = std::clamp(value, least, most);
      packed = (packed & ~(mask << (k * bits))) | (uint32_t(value) & mask) << (k * bits);
      sum += uint32_t(value);
    }
    w.at<uint32_t>(i.d)[l] = i.flags & kAccumulate ? sum : packed;
  });
}

/// The digits of operand `index`'s selector, the lowest part first; `fallback`
/// without one. Digits are below `limit`.
template <unsigned parts>
llvm::SmallVector<unsigned, 4> takeDigits(InstructionDecoder &d, unsigned index, unsigned limit,
                                          llvm::StringRef fallback) {
  llvm::StringRef selector = d.takeSelector(index);
  llvm::SmallVector<unsigned, 4> digits;
  bool isRight = selector.empty() || selector[0] == (parts == 2 ? 'h' : 'b');
  for (char digit : llvm::reverse(selector.empty() ? fallback : selector.drop_front())) {
    digits.push_back(digit - '0');
    isRight &= digits.back() < limit;
  }
  if (!isRight)
    d.fail(d.operand(index).location, "'" + d.source.opcode + "' does not take the selector '." +
                                          selector + "' on operand " + llvm::Twine(index + 1));
  return digits;
}

template <unsigned parts> void takeSelectors(InstructionDecoder &d, Form &form) {
  constexpr bool isTwo = parts == 2;
  auto mask = takeDigits<parts>(d, 0, parts, isTwo ? "10" : "3210");
  auto a = takeDigits<parts>(d, 1, 2 * parts, isTwo ? "10" : "3210");
  auto b = takeDigits<parts>(d, 2, 2 * parts, isTwo ? "32" : "7654");
  if (d.hasFailed())
    return;
  // From the highest part to the lowest, each once.
  if (!llvm::is_sorted(mask, std::less_equal<unsigned>()))
    d.fail(d.operand(0).location, "expects the parts of d in descending order");
  for (unsigned digit : mask)
    form.mask |= 1u << digit;
  for (auto [index, digits] : {std::pair(1u, &a), std::pair(2u, &b)})
    if (digits->size() != parts)
      d.fail(d.operand(index).location, "expects " + llvm::Twine(parts) +
                                            " digits in the selector of operand " +
                                            llvm::Twine(index + 1));
  if (d.hasFailed())
    return;
  llvm::copy(a, form.a);
  llvm::copy(b, form.b);
}

template <Operation operation, unsigned parts> void decodeParts(InstructionDecoder &d) {
  constexpr bool isSet = operation == Operation::Set;
  Form form{operation, isSet ? takeComparison(d) : Comparison::Eq};
  ScalarType result = isSet ? ScalarType::U32 : d.requireType();
  ScalarType a = d.requireType(), b = d.requireType();
  for (ScalarType type : {result, a, b})
    if (type != ScalarType::U32 && type != ScalarType::S32)
      return d.refuseType(type);
  bool saturates = !isSet && d.take("sat"), accumulates = d.take("add");
  if (saturates && accumulates)
    return d.fail("'" + d.source.opcode + "' takes .sat or .add, not both");
  if (!d.expectOperands(4))
    return;
  takeSelectors<parts>(d, form);
  d.inst.flags = (a == ScalarType::S32 ? kSignedA : 0) | (b == ScalarType::S32 ? kSignedB : 0) |
                 (result == ScalarType::S32 ? kSignedResult : 0) | (saturates ? kSaturate : 0) |
                 (accumulates ? kAccumulate : 0);
  d.inst.imm = encode(form);
  decodeUniform(d, 3, ScalarType::U32, handleParts<parts>, OpClass::Integer);
}

} // namespace

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getVideoInstructions() {
  using O = Operation;
  static constexpr InstructionEntry entries[] = {
      {"vadd2", decodeParts<O::Add, 2>},
      {"vadd4", decodeParts<O::Add, 4>},
      {"vsub2", decodeParts<O::Subtract, 2>},
      {"vsub4", decodeParts<O::Subtract, 4>},
      {"vavrg2", decodeParts<O::Average, 2>},
      {"vavrg4", decodeParts<O::Average, 4>},
      {"vabsdiff2", decodeParts<O::AbsoluteDifference, 2>},
      {"vabsdiff4", decodeParts<O::AbsoluteDifference, 4>},
      {"vmin2", decodeParts<O::Min, 2>},
      {"vmin4", decodeParts<O::Min, 4>},
      {"vmax2", decodeParts<O::Max, 2>},
      {"vmax4", decodeParts<O::Max, 4>},
      {"vset2", decodeParts<O::Set, 2>},
      {"vset4", decodeParts<O::Set, 4>},
  };
  return entries;
}
