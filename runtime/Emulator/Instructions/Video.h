//===- Video.h - What scalar and SIMD video instructions share ----------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_VIDEO_H
#define TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_VIDEO_H

#include "runtime/Emulator/Instructions/Builder.h"

namespace tilewright::emulator {

enum class Comparison : uint8_t { Eq, Ne, Lt, Le, Gt, Ge };

inline bool compare(Comparison comparison, int64_t a, int64_t b) {
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
  return false;
}

/// The comparison of vset, vset2 and vset4.
inline Comparison takeComparison(InstructionDecoder &d) {
  auto taken = d.takeOneOf({"eq", "ne", "lt", "le", "gt", "ge"});
  if (!taken)
    d.fail("'" + d.source.opcode + "' needs a comparison such as .lt");
  return Comparison(taken.value_or(0));
}

} // namespace tilewright::emulator

#endif
