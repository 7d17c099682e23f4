//===- ProductTiles.cpp - What schedules of matrix products have in common --===//
//
// See ProductTiles.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Schedule/ProductTiles.h"
#include "dialects/Support/Schedule/Constraints.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright::schedule {

static constexpr TileParameter parameters[] = {
    {"tile_m", &ProductTiles::tileM, false},   {"tile_n", &ProductTiles::tileN, false},
    {"tile_k", &ProductTiles::tileK, false},   {"warps_m", &ProductTiles::warpsM, false},
    {"warps_n", &ProductTiles::warpsN, false}, {"stages", &ProductTiles::stages, false},
    {"split_k", &ProductTiles::splitK, false}, {"stream_k", &ProductTiles::streamK, true},
    {"chunk_k", &ProductTiles::chunkK, true},  {"operand_bits", &ProductTiles::operandBits, true}};

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
  SmallVector<StringRef> required;
  for (const TileParameter &parameter : parameters)
    if (!parameter.isOptional)
      required.push_back(parameter.name);
  if (Error error = constraints.checkParameters(schedule, required, optional))
    return std::move(error);
  ProductTiles tiles;
  for (const TileParameter &parameter : parameters)
    if (auto found = schedule.parameters.find(parameter.name.str());
        found != schedule.parameters.end())
      tiles.*parameter.member = found->second;
  return tiles;
}

int64_t getCanonicalChunk(int64_t k) {
  constexpr int64_t unit = 128, maxChunks = 16;
  return unit * divideCeil(divideCeil(k, unit), maxChunks);
}

} // namespace tilewright::schedule
