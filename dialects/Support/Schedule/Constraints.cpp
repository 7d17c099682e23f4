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
#include <numeric>

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

//===----------------------------------------------------------------------===//
// Problems
//===----------------------------------------------------------------------===//

Error Constraints::checkParameters(const Schedule &schedule, ArrayRef<StringRef> required,
                                   ArrayRef<StringRef> optional) const {
  if (schedule.family != family)
    return makeError("expects a schedule of the family " + family + ", but got '" +
                     schedule.family + "'");
  SmallVector<StringRef> known(required);
  known.append(optional.begin(), optional.end());
  bool hasVowel = StringRef("aeiou").contains(family.front());
  for (const auto &[name, value] : schedule.parameters)
    if (!is_contained(known, StringRef(name)))
      return text::makeUnknownNameError(
          ("parameter of " + Twine(hasVowel ? "an " : "a ") + family + " schedule").str(), name,
          known);
  for (StringRef name : required)
    if (!schedule.parameters.count(name.str()))
      return makeError("expects the schedule parameter " + name + ", but it is missing");
  return Error::success();
}

Error Constraints::checkWord(const Twine &what, StringRef value, ArrayRef<StringRef> words) const {
  if (is_contained(words, value))
    return Error::success();
  return makeError("expects " + what + " to be one of " + join(words, ", ") + ", but got '" +
                   value + "'");
}

Error Constraints::checkOperand(const problem::Problem &problem, StringRef name,
                                ArrayRef<StringRef> dtypes) const {
  const problem::Operand *operand = problem.findOperand(name);
  if (!operand)
    return makeError("expects the operand '" + name + "', but there is none");
  return checkWord("the dtype of '" + name + "'", operand->dtype, dtypes);
}

Expected<int64_t> Constraints::readStatic(const problem::Problem &problem, StringRef name) const {
  const problem::Dimension *dimension = problem.findDimension(name);
  if (!dimension)
    return makeError("expects the dimension " + name + ", but there is none");
  if (!dimension->extent)
    return makeError("expects " + name + " to be static, but it is dynamic");
  if (*dimension->extent < 1)
    return makeError("expects " + name + " to be at least 1, but got " + Twine(*dimension->extent));
  return *dimension->extent;
}

Error Constraints::checkResult(const problem::Problem &problem) const {
  if (Error error = checkOperand(problem, "y", {"f16", "bf16", "f32", "e4m3", "e5m2"}))
    return error;
  if (!problem.findOperand("out_scale"))
    return Error::success();
  return checkOperand(problem, "out_scale", {"f32"});
}

Expected<bool> Constraints::readDeterministic(const problem::Problem &problem) const {
  StringRef value = problem.getAttribute("deterministic", "false");
  if (Error error = checkWord("deterministic", value, {"false", "true"}))
    return std::move(error);
  return value == "true";
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

Error Constraints::checkChunk(const ProductTiles &tiles, bool isDeterministic, int64_t k) const {
  int64_t wanted = isDeterministic ? getCanonicalChunk(k) : 0;
  if (tiles.chunkK != wanted)
    return makeError("chunk_k",
                     isDeterministic ? "that of a deterministic product"
                                     : "left out where bits may differ",
                     tiles.chunkK, wanted);
  if (!isDeterministic)
    return Error::success();
  if (wanted % tiles.tileK != 0)
    return makeError("tile_k", "a divisor of chunk_k (" + Twine(wanted) + ")", tiles.tileK,
                     std::gcd(wanted, tiles.tileK));
  if (Error error = checkRange("stream_k", tiles.streamK, 0, 0))
    return error;
  return checkRange("split_k", tiles.splitK, 1, divideCeil(k, wanted));
}

Error Constraints::checkBatch(const ProductTiles &tiles, int64_t batch) const {
  constexpr int64_t maxBlocks = 65535;
  if (batch > maxBlocks)
    return makeError("expects a batch of at most " + Twine(maxBlocks) + " products, but got " +
                     Twine(batch));
  return checkRange("split_k", tiles.splitK, 1, maxBlocks / batch);
}

/// The change of one parameter, among those that save resources, to the nearest
/// smaller value with which `fits` holds; says so where no single one does.
static std::string suggestSmaller(const ProductTiles &tiles,
                                  ArrayRef<std::pair<StringRef, int64_t>> units,
                                  function_ref<bool(const ProductTiles &)> fits) {
  for (auto [name, unit] : units) {
    const TileParameter &parameter = *find_if(
        getTileParameters(), [&](const TileParameter &entry) { return entry.name == name; });
    int64_t minimum = name == "stages" ? 2 : unit;
    ProductTiles smaller = tiles;
    while (smaller.*parameter.member - unit >= minimum) {
      smaller.*parameter.member -= unit;
      if (fits(smaller))
        return ("; the nearest is " + name + " = " + Twine(smaller.*parameter.member)).str();
    }
  }
  return "; use smaller tiles";
}

Error Constraints::checkResources(const ProductTiles &tiles, const Resources &resources,
                                  const target::Target &target) const {
  int64_t available = target.maxSharedBytesPerBlock;
  int64_t needed = resources.getSharedBytes(tiles);
  if (needed <= available)
    return checkRegisters(tiles, resources, target);
  auto fits = [&](const ProductTiles &smaller) {
    return resources.isShape(smaller) && resources.getSharedBytes(smaller) <= available;
  };
  std::string nearest = suggestSmaller(tiles,
                                       {{"stages", 1},
                                        {"tile_k", resources.depth},
                                        {"tile_n", resources.columns},
                                        {"tile_m", resources.rows}},
                                       fits);
  return makeError("expects at most " + Twine(available) + " bytes of shared memory a block on " +
                   target.name + ", but stages = " + Twine(tiles.stages) + " of tiles " +
                   Twine(tiles.tileM) + "x" + Twine(tiles.tileN) + "x" + Twine(tiles.tileK) +
                   " need " + Twine(needed) + nearest);
}

Error Constraints::checkRegisters(const ProductTiles &tiles, const Resources &resources,
                                  const target::Target &target) const {
  constexpr int64_t maxAccumulators = 128;
  auto getMaximum = [&](const ProductTiles &smaller) {
    return std::min<int64_t>(target.maxRegistersPerThread,
                             target.registersPerSM / smaller.getThreads());
  };
  auto fits = [&](const ProductTiles &smaller) {
    return resources.isShape(smaller) && smaller.getAccumulators() <= maxAccumulators &&
           resources.estimateRegisters(smaller) <= getMaximum(smaller);
  };
  if (fits(tiles))
    return Error::success();
  std::string nearest =
      suggestSmaller(tiles, {{"tile_n", resources.columns}, {"tile_m", resources.rows}}, fits);
  std::string tile = (" for tile_m = " + Twine(tiles.tileM) + ", tile_n = " + Twine(tiles.tileN) +
                      " on " + Twine(tiles.getThreads()) + " threads")
                         .str();
  if (tiles.getAccumulators() > maxAccumulators)
    return makeError("expects at most " + Twine(maxAccumulators) +
                     " accumulators a thread, but got " + Twine(tiles.getAccumulators()) + tile +
                     nearest);
  return makeError("expects at most " + Twine(getMaximum(tiles)) + " registers a thread on " +
                   target.name + ", but the estimate is " +
                   Twine(resources.estimateRegisters(tiles)) + tile + nearest);
}

} // namespace tilewright::schedule
