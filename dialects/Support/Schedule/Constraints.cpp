//===- Constraints.cpp - Checks that schedule families share ----------------===//
//
// See Constraints.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/Constraints.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include <cstdlib>

using namespace llvm;

namespace tilewright::schedule {

Error Constraints::makeError(const Twine &message) const {
  return text::makeError(family + ": " + message);
}

Error Constraints::makeError(StringRef parameter, const Twine &what, int64_t value,
                             int64_t nearest) const {
  return makeError("expects " + parameter + " to be " + what + ", but got " + Twine(value) +
                   "; the nearest is " + Twine(nearest));
}

Error Constraints::checkRange(StringRef parameter, int64_t value, int64_t minimum,
                              int64_t maximum) const {
  if (value >= minimum && value <= maximum)
    return Error::success();
  return makeError(parameter, Twine(minimum) + ".." + Twine(maximum), value,
                   std::clamp(value, minimum, maximum));
}

Error Constraints::checkMultiple(StringRef parameter, int64_t value, int64_t unit,
                                 const Twine &unitText, int64_t maximum) const {
  if (value >= unit && value <= maximum && value % unit == 0)
    return Error::success();
  int64_t inRange = std::clamp(value, unit, maximum);
  int64_t nearest = (inRange + unit / 2) / unit * unit;
  return makeError(parameter, "a multiple of " + unitText + " up to " + Twine(maximum), value,
                   nearest);
}

Error Constraints::checkOneOf(StringRef parameter, int64_t value, ArrayRef<int64_t> values) const {
  if (is_contained(values, value))
    return Error::success();
  // Compared as numbers beyond any tile, so that distances cannot overflow.
  int64_t bounded = std::clamp(value, values.front(), values.back());
  int64_t nearest = *min_element(
      values, [&](int64_t a, int64_t b) { return std::abs(a - bounded) < std::abs(b - bounded); });
  auto texts = map_range(values, [](int64_t v) { return std::to_string(v); });
  return makeError(parameter, "one of " + join(texts, ", "), value, nearest);
}

Error Constraints::checkWarps(int64_t warpsM, int64_t warpsN) const {
  constexpr int64_t maxWarps = 8;
  for (auto [name, value] : {std::pair("warps_m", warpsM), {"warps_n", warpsN}}) {
    if (value >= 1 && value <= maxWarps && isPowerOf2_64(value))
      continue;
    int64_t inRange = std::clamp(value, int64_t(1), maxWarps);
    int64_t below = int64_t(bit_floor(uint64_t(inRange)));
    int64_t nearest = inRange - below < 2 * below - inRange ? below : 2 * below;
    return makeError(name, "a power of two up to 8", value, nearest);
  }
  if (warpsM * warpsN > maxWarps)
    return makeError("warps_n", "at most 8 / warps_m (" + Twine(warpsM) + ")", warpsN,
                     maxWarps / warpsM);
  return Error::success();
}

Error Constraints::checkTarget(const target::Target &target) const {
  if (target.canCompile && target.hasCpAsync && target.hasMmaM16N8K16)
    return Error::success();
  return makeError("expects a target with cp.async and mma.m16n8k16 that can be compiled "
                   "for, but got " +
                   target.name + "; the nearest is sm_80");
}

} // namespace tilewright::schedule
