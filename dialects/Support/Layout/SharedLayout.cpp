//===- SharedLayout.cpp - Where a tile's bytes lie in shared memory --------===//
//
// The offset formula, and the model of the banks that judges an access. The
// assign-layouts pass chooses swizzles with it; codegen computes addresses.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/SharedLayout.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cassert>

using namespace llvm;

namespace tilewright::layout {

constexpr unsigned numBanks = 32, bankBytes = 4, lineBytes = numBanks * bankBytes;
constexpr unsigned chunkBytes = 16;

uint64_t SharedLayout::getOffset(uint64_t rows, uint64_t rowBytes, uint64_t row,
                                 uint64_t byte) const {
  assert(row < rows && byte < rowBytes && "position outside the tile");
  if (swizzleBytes == 0)
    return row * rowBytes + byte;
  assert(isCompatible(rowBytes) && "rows do not hold whole swizzle units");
  uint64_t panel = getPanelBytes(rowBytes);
  uint64_t offset = (byte / panel) * (rows * panel) + row * panel + byte % panel;
  uint64_t line = (panel == lineBytes ? offset : row * getGroupBytes(rowBytes)) / lineBytes;
  return offset ^ (line & (swizzleBytes / chunkBytes - 1)) * chunkBytes;
}

bool SharedLayout::isCompatible(uint64_t rowBytes) const {
  return swizzleBytes == 0 || getGroupBytes(rowBytes) >= swizzleBytes;
}

uint64_t SharedLayout::getPanelBytes(uint64_t rowBytes) {
  return rowBytes % lineBytes == 0 ? lineBytes : rowBytes;
}

uint64_t SharedLayout::getGroupBytes(uint64_t rowBytes) {
  return std::min<uint64_t>(rowBytes & -rowBytes, lineBytes);
}

/// Lanes served together: as many as can move one 128-byte line.
static unsigned getLanesPerGroup(unsigned bytesPerLane) {
  assert(isPowerOf2_32(bytesPerLane) && bytesPerLane <= 16 && "no such access");
  return lineBytes / std::max(bytesPerLane, bankBytes);
}

/// Wavefronts of one group: the most distinct words asked of one bank.
static unsigned countGroupWavefronts(ArrayRef<uint64_t> addresses, unsigned bytesPerLane) {
  SmallVector<uint64_t, numBanks> words;
  for (uint64_t address : addresses) {
    assert(address % bytesPerLane == 0 && "accesses are naturally aligned");
    for (unsigned byte = 0; byte < bytesPerLane; byte += bankBytes)
      words.push_back((address + byte) / bankBytes);
  }
  llvm::sort(words);
  words.erase(llvm::unique(words), words.end());
  unsigned perBank[numBanks] = {};
  for (uint64_t word : words)
    ++perBank[word % numBanks];
  return *std::max_element(std::begin(perBank), std::end(perBank));
}

unsigned countWavefronts(ArrayRef<uint64_t> addresses, unsigned bytesPerLane) {
  unsigned group = getLanesPerGroup(bytesPerLane);
  unsigned wavefronts = 0;
  for (; !addresses.empty();
       addresses = addresses.drop_front(std::min<size_t>(group, addresses.size())))
    wavefronts += countGroupWavefronts(addresses.take_front(group), bytesPerLane);
  return wavefronts;
}

unsigned countIdealWavefronts(ArrayRef<uint64_t> addresses, unsigned bytesPerLane) {
  return divideCeil(addresses.size(), getLanesPerGroup(bytesPerLane));
}

SharedLayout chooseLdmatrixSwizzle(uint64_t rowBytes) {
  assert(rowBytes % chunkBytes == 0 && "matrices have rows of whole chunks");
  for (unsigned swizzle : {0u, 32u, 64u, 128u}) {
    SharedLayout layout{swizzle};
    if (!layout.isCompatible(rowBytes))
      continue;
    uint64_t addresses[8];
    for (unsigned row = 0; row < 8; ++row)
      addresses[row] = layout.getOffset(8, rowBytes, row, 0);
    if (countWavefronts(addresses, chunkBytes) == 1)
      return layout;
  }
  llvm_unreachable("the swizzle of the group's own width is free of conflicts");
}

} // namespace tilewright::layout
