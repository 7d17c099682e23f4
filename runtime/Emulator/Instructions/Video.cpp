//===- Video.cpp - SIMD video instructions ------------------------------------------===//
//
// PTX ISA, "SIMD Video Instructions": vadd2, vadd4 and kin, which CUDA C++'s
// SIMD intrinsics become. Each of the two or four parts of a and b gives a
// number; these are packed into d, or added to c with .add. Selectors, masks and
// the scalar video instructions (vadd, vmad, ...) are not executed.
//
// Example: vabsdiff4.u32.u32.u32.add d, a, b, c is c plus the sum of the
// absolute differences of the four bytes.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include <algorithm>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

enum class Operation : uint8_t { Add, Subtract, Average, AbsoluteDifference, Min, Max, Set };
enum class Comparison : uint8_t { Eq, Ne, Lt, Le, Gt, Ge };

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
  switch (comparison) {
  case Comparison::Eq:
    return a == b;
  case Comparison::Ne:
    return a != b;
  case Comparison::Lt:
    return a < b;
  case Comparison::Le:
    return a <= b;
  case Comparison::Gt:
    return a > b;
  case Comparison::Ge:
    return a >= b;
  }
  return 0;
}

// imm: operation, comparison.
template <unsigned parts> void handleParts(Warp &w, const Inst &i, uint32_t m) {
  constexpr unsigned bits = 32 / parts;
  constexpr uint32_t mask = (1u << bits) - 1;
  auto operation = static_cast<Operation>(i.imm & 15);
  auto comparison = static_cast<Comparison>(i.imm >> 4);
  auto part = [](uint32_t word, unsigned k, bool isSigned) {
    uint32_t value = word >> (k * bits) & mask;
    return isSigned ? int32_t(value << (32 - bits)) >> (32 - bits) : int32_t(value);
  };
  bool isSigned = i.flags & kSignedResult;
  int least = isSigned ? -(1 << (bits - 1)) : 0, most = isSigned ? (1 << (bits - 1)) - 1 : mask;
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b), *c = w.at<uint32_t>(i.c);
  forEachLane(m, [&](unsigned l) {
    uint32_t packed = 0, sum = c[l];
    for (unsigned k = 0; k < parts; ++k) {
      int value = compute(operation, comparison, part(a[l], k, i.flags & kSignedA),
                          part(b[l], k, i.flags & kSignedB));
      if (i.flags & kSaturate)
        value = std::clamp(value, least, most);
      packed |= (uint32_t(value) & mask) << (k * bits);
      sum += uint32_t(value);
    }
    w.at<uint32_t>(i.d)[l] = i.flags & kAccumulate ? sum : packed;
  });
}

template <Operation operation, unsigned parts> void decodeParts(InstructionDecoder &d) {
  constexpr bool isSet = operation == Operation::Set;
  unsigned comparison = 0;
  if (isSet) {
    auto taken = d.takeOneOf({"eq", "ne", "lt", "le", "gt", "ge"});
    if (!taken)
      return d.fail("'" + d.source.opcode + "' needs a comparison such as .lt");
    comparison = *taken;
  }
  ScalarType result = isSet ? ScalarType::U32 : d.requireType();
  ScalarType a = d.requireType(), b = d.requireType();
  for (ScalarType type : {result, a, b})
    if (type != ScalarType::U32 && type != ScalarType::S32)
      return d.refuseType(type);
  bool saturates = !isSet && d.take("sat"), accumulates = d.take("add");
  if (saturates && accumulates)
    return d.fail("'" + d.source.opcode + "' takes .sat or .add, not both");
  d.inst.flags = (a == ScalarType::S32 ? kSignedA : 0) | (b == ScalarType::S32 ? kSignedB : 0) |
                 (result == ScalarType::S32 ? kSignedResult : 0) | (saturates ? kSaturate : 0) |
                 (accumulates ? kAccumulate : 0);
  d.inst.imm = uint64_t(operation) | comparison << 4;
  decodeUniform(d, 3, ScalarType::B32, handleParts<parts>, OpClass::Integer);
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
