//===- ProductTiles.cpp - What schedules of matrix products have in common --===//
//
// See ProductTiles.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/ProductTiles.h"
#include "dialects/Support/Schedule/Constraints.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright::schedule {

static constexpr TileParameter parameters[] = {
    {"tile_m", &ProductTiles::tileM, false},   {"tile_n", &ProductTiles::tileN, false},
    {"tile_k", &ProductTiles::tileK, false},   {"warps_m", &ProductTiles::warpsM, false},
    {"warps_n", &ProductTiles::warpsN, false}, {"stages", &ProductTiles::stages, false},
    {"split_k", &ProductTiles::splitK, false}, {"stream_k", &ProductTiles::streamK, true},
    {"chunk_k", &ProductTiles::chunkK, true}};

ArrayRef<TileParameter> getTileParameters() { return parameters; }

int64_t ProductTiles::getBlocks(int64_t batch, int64_t m, int64_t n) const {
  if (streamK > 0)
    return streamK;
  return batch * divideCeil(m, tileM) * divideCeil(n, tileN) * splitK;
}

int64_t ProductTiles::getUnitsOfK(int64_t k) const {
  return divideCeil(k, chunkK > 0 ? chunkK : tileK);
}

bool ProductTiles::hasEvenSplit(int64_t k) const {
  int64_t units = getUnitsOfK(k);
  int64_t run = divideCeil(units, splitK);
  return int64_t(divideCeil(units, run)) == splitK;
}

Schedule toSchedule(const ProductTiles &tiles, StringRef family) {
  Schedule schedule{family.str(), {}};
  for (const TileParameter &parameter : parameters)
    if (!parameter.isOptional || tiles.*parameter.member != 0)
      schedule.parameters[parameter.name.str()] = tiles.*parameter.member;
  return schedule;
}

Expected<ProductTiles> readTiles(const Schedule &schedule, StringRef family,
                                 ArrayRef<StringRef> optional) {
  Constraints constraints(family);
  if (schedule.family != family)
    return constraints.makeError("expects a schedule of the family " + family + ", but got '" +
                                 schedule.family + "'");
  SmallVector<TileParameter> known(make_filter_range(parameters, [&](const TileParameter &p) {
    return !p.isOptional || is_contained(optional, p.name);
  }));
  SmallVector<StringRef> names(
      map_range(known, [](const TileParameter &p) -> StringRef { return p.name; }));
  for (const auto &[name, value] : schedule.parameters)
    if (!is_contained(names, StringRef(name)))
      return text::makeUnknownNameError(("parameter of a " + family + " schedule").str(), name,
                                        names);
  ProductTiles tiles;
  for (const TileParameter &parameter : known) {
    auto found = schedule.parameters.find(parameter.name.str());
    if (found != schedule.parameters.end())
      tiles.*parameter.member = found->second;
    else if (!parameter.isOptional)
      return constraints.makeError("expects the schedule parameter " + parameter.name +
                                   ", but it is missing");
  }
  return tiles;
}

int64_t getCanonicalChunk(int64_t k) {
  constexpr int64_t unit = 128, maxChunks = 16;
  return unit * divideCeil(divideCeil(k, unit), maxChunks);
}

} // namespace tilewright::schedule
