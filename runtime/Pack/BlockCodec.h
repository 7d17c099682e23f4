//===- BlockCodec.h - One block of codes to words and back ------------------===//
//
// The inner loop of packing. A block goes through three forms:
//   columns  [32 n][128 k]  codes, one byte each, K contiguous
//   pairs    [16][32 lanes] per fragment: a pair's two codes in the halves of
//                           a 32-bit value, as an unpacked mma register; beside
//                           activations of 8 bits [8][32 lanes] of four codes
//   words    [4 * bits][32 lanes], stored 16 bytes a lane at a time; in planes each
//            four words are those of a plane
// Between pairs and words, each pair's bits move in runs that stay together;
// a run is one mask and shift over all 32 lanes.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_PACK_BLOCKCODEC_H
#define TILEWRIGHT_RUNTIME_PACK_BLOCKCODEC_H

#include "dialects/Support/Layout/Packing.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace tilewright::pack {

/// The codes of a block: 32 columns of 128.
using BlockColumns = uint8_t[layout::blockN][layout::blockK];

class BlockCodec {
public:
  /// `bits` is 1..8.
  BlockCodec(unsigned bits, layout::Storage storage, layout::ActivationClass activations);

  /// Words that follow each other: those of a block, or of its part of a plane.
  unsigned getWordsPerBlock() const { return storage == layout::Storage::Words ? 128 * bits : 128; }
  /// `words` is where the block begins, each plane `planeWords` further. Codes must
  /// be below 2^bits.
  void encode(const BlockColumns &columns, uint32_t *words, uint64_t planeWords) const;
  void decode(const uint32_t *words, uint64_t planeWords, BlockColumns &columns) const;

private:
  static constexpr unsigned lanes = 32;
  using Lanes = uint32_t[lanes];

  /// Bits of a pair that are neighbours in the code and in a word.
  struct Run {
    uint8_t pair, word;
    uint8_t codeBit, wordBit; ///< lowest bit, in the code and in the half or byte
    uint32_t mask;            ///< of all halves or bytes, shifted down
  };

  /// Of word `word` of a fragment among the words of a lane.
  unsigned getIndex(unsigned fragment, unsigned word) const {
    return hasPlanes(storage) ? word * 4 + fragment : fragment * bits + word;
  }
  /// Words from the block's first to the next 16 bytes a lane.
  uint64_t getGroupWords(uint64_t planeWords) const {
    return hasPlanes(storage) ? planeWords : 128;
  }

  unsigned bits;
  layout::Storage storage;
  layout::ActivationClass activations;
  llvm::SmallVector<Run, 64> runs;
};

} // namespace tilewright::pack

#endif
