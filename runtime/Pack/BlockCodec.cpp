//===- BlockCodec.cpp - One block of codes to words and back ----------------===//
//
// Loops over lanes have a constant length of 32 so that they become vector
// code.
//
//===----------------------------------------------------------------------===//
#include "runtime/Pack/BlockCodec.h"

#include "llvm/ADT/bit.h"
#include <cstring>

namespace tilewright::pack {

using namespace layout;

// Pairs are read as halves in the order of memory: low half first.
static_assert(llvm::endianness::native == llvm::endianness::little);
using Codes = uint8_t __attribute__((vector_size(8)));
using Halves = uint16_t __attribute__((vector_size(16)));

BlockCodec::BlockCodec(unsigned bits, Storage storage, ActivationClass activations)
    : bits(bits), storage(storage), activations(activations) {
  const WordLayout &words = hasPlanes(storage)
                                ? WordLayout::getPlanes(bits, storage == Storage::Stack)
                                : WordLayout::get(bits, activations);
  for (unsigned pair = 0; pair < getRegistersPerFragment(activations); ++pair)
    for (unsigned bit = 0; bit < bits;) {
      BitPosition first = words.locate(pair, bit);
      unsigned length = 1;
      for (; bit + length < bits; ++length) {
        BitPosition next = words.locate(pair, bit + length);
        if (next.word != first.word || next.offset != first.offset + length)
          break;
      }
      uint32_t mask = repeatPart((1u << length) - 1, activations);
      runs.push_back({uint8_t(pair), first.word, uint8_t(bit), first.offset, mask});
      bit += length;
    }
}

/// Calls body(column, first row, pair, lane) for runs of the codes of four lanes,
/// consecutive in a column: eight for pairs, 16 for quads.
template <typename Body>
static void forEachRun(unsigned fragment, ActivationClass activations, Body body) {
  unsigned k0 = fragment / 2 * fragmentK, n0 = fragment % 2 * fragmentN;
  unsigned length = 4 * getParts(activations);
  for (unsigned n = 0; n < fragmentN; ++n)
    for (unsigned run = 0; run < fragmentK / length; ++run) {
      unsigned kb = run / 2, kh = run % 2, nb = n / 8, g = n % 8;
      body(n0 + n, k0 + length * run, (kb * 2 + nb) * 2 + kh, 4 * g);
    }
}

void BlockCodec::encode(const BlockColumns &columns, uint32_t *words, uint64_t planeWords) const {
  alignas(64) Lanes laneWords[4 * 8];
  std::memset(laneWords, 0, 4 * bits * sizeof(Lanes));
  for (unsigned fragment = 0; fragment < 4; ++fragment) {
    alignas(64) Lanes pairs[pairsPerFragment];
    forEachRun(fragment, activations, [&](unsigned n, unsigned k, unsigned pair, unsigned lane) {
      // Code 4t + i is byte i of lane t: as they lie in memory.
      if (activations == ActivationClass::Bits8)
        return std::memcpy(&pairs[pair][lane], &columns[n][k], 16);
      // Code 2t is the low half of lane t, code 2t + 1 the high one: eight codes,
      // widened, are the four lanes as they lie in memory.
      Codes codes;
      std::memcpy(&codes, &columns[n][k], sizeof(codes));
      Halves halves = __builtin_convertvector(codes, Halves);
      return std::memcpy(&pairs[pair][lane], &halves, sizeof(halves));
    });
    for (const Run &run : runs) {
      Lanes &to = laneWords[getIndex(fragment, run.word)];
      const Lanes &from = pairs[run.pair];
      for (unsigned lane = 0; lane < lanes; ++lane)
        to[lane] |= (from[lane] >> run.codeBit & run.mask) << run.wordBit;
    }
  }
  uint64_t step = getGroupWords(planeWords);
  for (unsigned group = 0; group < bits; ++group)
    for (unsigned lane = 0; lane < lanes; ++lane)
      for (unsigned i = 0; i < 4; ++i)
        words[group * step + lane * 4 + i] = laneWords[group * 4 + i][lane];
}

void BlockCodec::decode(const uint32_t *words, uint64_t planeWords, BlockColumns &columns) const {
  alignas(64) Lanes laneWords[4 * 8];
  uint64_t step = getGroupWords(planeWords);
  for (unsigned group = 0; group < bits; ++group)
    for (unsigned lane = 0; lane < lanes; ++lane)
      for (unsigned i = 0; i < 4; ++i)
        laneWords[group * 4 + i][lane] = words[group * step + lane * 4 + i];
  for (unsigned fragment = 0; fragment < 4; ++fragment) {
    alignas(64) Lanes pairs[pairsPerFragment] = {};
    for (const Run &run : runs) {
      const Lanes &from = laneWords[getIndex(fragment, run.word)];
      Lanes &to = pairs[run.pair];
      for (unsigned lane = 0; lane < lanes; ++lane)
        to[lane] |= (from[lane] >> run.wordBit & run.mask) << run.codeBit;
    }
    forEachRun(fragment, activations, [&](unsigned n, unsigned k, unsigned pair, unsigned lane) {
      if (activations == ActivationClass::Bits8)
        return std::memcpy(&columns[n][k], &pairs[pair][lane], 16);
      Halves halves;
      std::memcpy(&halves, &pairs[pair][lane], sizeof(halves));
      Codes codes = __builtin_convertvector(halves, Codes);
      return std::memcpy(&columns[n][k], &codes, sizeof(codes));
    });
  }
}

} // namespace tilewright::pack
