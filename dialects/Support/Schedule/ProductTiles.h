//===- ProductTiles.h - What schedules of matrix products have in common ----===//
//
// A block computes a tile_m x tile_n tile of y, tile_k of K at a time, through
// `stages` buffers of shared memory; warps_m x warps_n warps share the tile. With
// split_k > 1 the blocks of a tile have a part of K each, leave f32 partial sums in a
// workspace, and the last one to arrive adds them in a fixed order, so results do not
// depend on timing. With stream_k that many blocks share the tile_k steps of all tiles
// of y, evenly to one step, whatever the tiles are; tiles that several blocks share are
// added up the same way.
//
// With chunk_k the sum of each chunk of K starts from zero, whoever computes it, and
// chunks are added in ascending order: all schedules of the family then round alike.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_PRODUCTTILES_H
#define TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_PRODUCTTILES_H

#include "dialects/Support/Schedule/Schedule.h"
#include "llvm/ADT/ArrayRef.h"

namespace tilewright::schedule {

struct ProductTiles {
  int64_t tileM = 16, tileN = 64, tileK = 128;
  int64_t warpsM = 1, warpsN = 2;
  int64_t stages = 4;      ///< buffers of the main loop
  int64_t splitK = 1;      ///< blocks that share one tile of y
  int64_t streamK = 0;     ///< blocks that share all of y; 0 where each has one tile
  int64_t chunkK = 0;      ///< K is summed in chunks of so many, added in order; 0: at once
  int64_t operandBits = 0; ///< of the numbers that are multiplied; 0: those of x

  bool operator==(const ProductTiles &) const = default;

  /// Whether columns of w fill the 16 of m16n8k16 and rows of x its 8. The words of a
  /// lane are the same either way: what changes is the order of registers.
  bool hasWeightsAsA() const { return tileM == 8; }
  int64_t getWarps() const { return warpsM * warpsN; }
  int64_t getThreads() const { return 32 * getWarps(); }
  /// Accumulators of a thread, 32-bit registers.
  int64_t getAccumulators() const { return tileM * tileN / getThreads(); }
  /// Whether a block that has all of K keeps a total beside the sum of a chunk.
  bool keepsTotal() const { return chunkK > 0 && splitK == 1; }
  /// Blocks of the launch for `batch` results of m x n.
  int64_t getBlocks(int64_t batch, int64_t m, int64_t n) const;
  /// What a split of `k` cannot divide: tiles of K, or chunks.
  int64_t getUnitsOfK(int64_t k) const;
  /// Whether runs of equal length leave work for every block: of 8 tiles, 6 blocks would
  /// take 2 each and two blocks none.
  bool hasEvenSplit(int64_t k) const;
};

/// Worth trying for split_k. Beyond 32 the last block of a tile, which adds the partial
/// sums, becomes the longest.
inline constexpr int64_t splitsToTry[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32};

/// A parameter by the name it has in schedules.
struct TileParameter {
  llvm::StringLiteral name;
  int64_t ProductTiles::*member;
  bool isOptional; ///< 0 says nothing, and is left out
};
llvm::ArrayRef<TileParameter> getTileParameters();

/// `family{split_k=4, ...}`.
Schedule toSchedule(const ProductTiles &tiles, llvm::StringRef family);
/// Fails on another family and on missing parameters, naming them, and on names that
/// are neither required nor among `optional`.
llvm::Expected<ProductTiles> readTiles(const Schedule &schedule, llvm::StringRef family,
                                       llvm::ArrayRef<llvm::StringRef> optional);

/// Rows of K that a deterministic product sums from zero, before it adds the sums in
/// order: a multiple of 128 such that there are at most 16. It depends on K alone, so
/// that all schedules round alike.
int64_t getCanonicalChunk(int64_t k);

} // namespace tilewright::schedule

#endif
