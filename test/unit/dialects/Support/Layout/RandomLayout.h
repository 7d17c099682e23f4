//===- RandomLayout.h - Layouts drawn at random ----------------------------===//
//
// For tests of the algebra: any tile of powers of two times odd repetitions,
// its coordinate bits dealt to registers, lanes and warps in any mixture.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_DIALECTS_SUPPORT_LAYOUT_RANDOMLAYOUT_H
#define TILEWRIGHT_TEST_UNIT_DIALECTS_SUPPORT_LAYOUT_RANDOMLAYOUT_H

#include "dialects/Support/Layout/LinearLayout.h"

#include <algorithm>
#include <random>

namespace tilewright::layout {

struct RandomOptions {
  unsigned maxBitsPerDimension = 3;
  bool repeats = true;    ///< some dimensions repeat 3 or 5 times
  bool replicates = true; ///< some places hold the same element
  bool mixes = true;      ///< bases are XORs of unit vectors
};

/// A layout that is onto. Lanes and warps are few, so that tests enumerate all
/// places.
inline LinearLayout makeRandomLayout(std::mt19937 &random, unsigned rank,
                                     RandomOptions options = {}) {
  std::vector<Basis> units;
  llvm::SmallVector<int64_t, 4> repeat;
  for (unsigned d = 0; d < rank; ++d) {
    unsigned bits = random() % (options.maxBitsPerDimension + 1);
    for (unsigned i = 0; i < bits; ++i) {
      Basis basis(rank, 0);
      basis[d] = 1 << i;
      units.push_back(basis);
    }
    repeat.push_back(options.repeats && random() % 3 == 0 ? 3 + random() % 2 * 2 : 1);
  }
  std::shuffle(units.begin(), units.end(), random);
  // Adding one vector to another keeps the span.
  for (size_t step = 0; options.mixes && units.size() > 1 && step < units.size(); ++step) {
    size_t to = random() % units.size(), from = random() % units.size();
    for (unsigned d = 0; to != from && d < rank; ++d)
      units[to][d] ^= units[from][d];
  }
  if (options.replicates)
    for (unsigned extra = random() % 3; extra; --extra) {
      Basis basis(rank, 0);
      if (!units.empty() && random() % 2)
        basis = units[random() % units.size()];
      units.insert(units.begin() + random() % (units.size() + 1), basis);
    }
  Bases bases[numPlaces];
  for (const Basis &basis : units)
    bases[random() % numPlaces].push_back(basis);
  return LinearLayout(rank, bases[0], bases[1], bases[2], repeat);
}

/// Calls `visit(reg, lane, warp)` for every place.
template <typename Visitor> void forEachPlace(const LinearLayout &layout, Visitor visit) {
  for (unsigned warp = 0; warp < layout.getNumWarps(); ++warp)
    for (unsigned lane = 0; lane < layout.getNumLanes(); ++lane)
      for (unsigned reg = 0; reg < layout.getNumRegisters(); ++reg)
        visit(reg, lane, warp);
}

} // namespace tilewright::layout

#endif
