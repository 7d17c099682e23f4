//===- AccessCounters.cpp - Bank conflicts and sectors --------------------------===//
//
// The memory system's unit of work: shared memory has 32 banks of 4 bytes and
// serves, in a wavefront, one word of each bank to any number of lanes; global
// memory moves sectors of 32 bytes.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/Access.h"
#include "runtime/Emulator/Machine/Lanes.h"
#include <algorithm>

using namespace tilewright::emulator;

// The most distinct words any one bank has to serve.
static uint32_t countPhase(const uint64_t *address, uint32_t mask, uint32_t bytes) {
  uint32_t words[kLanes * 4];
  unsigned numWords = 0;
  unsigned perLane = std::max(bytes / 4, 1u);
  for (; mask; mask &= mask - 1)
    for (unsigned i = 0; i < perLane; ++i)
      words[numWords++] = static_cast<uint32_t>(address[std::countr_zero(mask)] / 4) + i;
  std::sort(words, words + numWords);
  numWords = std::unique(words, words + numWords) - words;
  uint32_t perBank[32] = {}, most = 0;
  for (unsigned i = 0; i < numWords; ++i)
    most = std::max(most, ++perBank[words[i] % 32]);
  return most;
}

// True if no two lanes share a bank: the common case, decided by one pass.
static bool hasNoConflict(const uint64_t *address, uint32_t mask, uint32_t unitBytes) {
  uint32_t seen = 0, lanes = std::popcount(mask), units = 128 / unitBytes;
  int shift = std::countr_zero(unitBytes);
  for (; mask; mask &= mask - 1)
    seen |= 1u << (address[std::countr_zero(mask)] >> shift & (units - 1));
  return static_cast<uint32_t>(std::popcount(seen)) == lanes;
}

uint32_t tilewright::emulator::countWavefronts(const uint64_t *address, uint32_t mask,
                                               uint32_t bytes, uint32_t &ideal) {
  uint32_t lanesPerPhase = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;
  uint32_t phaseMask = lanesPerPhase == 32 ? kFullMask : (1u << lanesPerPhase) - 1;
  uint32_t unit = std::max(bytes, 4u), wavefronts = 0;
  ideal = 0;
  for (uint32_t first = 0; first < kLanes; first += lanesPerPhase) {
    uint32_t part = mask & (phaseMask << first);
    if (!part)
      continue;
    ++ideal;
    wavefronts +=
        unit <= 16 && hasNoConflict(address, part, unit) ? 1 : countPhase(address, part, bytes);
  }
  return wavefronts;
}

uint32_t tilewright::emulator::countSectors(const uint64_t *address, uint32_t mask,
                                            uint32_t bytes) {
  uint64_t sectors[kLanes * 2];
  unsigned count = 0;
  uint64_t last = UINT64_MAX;
  bool isSorted = true;
  for (; mask; mask &= mask - 1) {
    uint64_t begin = address[std::countr_zero(mask)];
    for (uint64_t sector = begin / 32; sector <= (begin + bytes - 1) / 32; ++sector) {
      if (sector == last)
        continue;
      isSorted &= last == UINT64_MAX || sector > last;
      sectors[count++] = last = sector;
    }
  }
  if (!isSorted) {
    std::sort(sectors, sectors + count);
    count = std::unique(sectors, sectors + count) - sectors;
  }
  return count;
}
