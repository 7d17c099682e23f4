//===- Packing.cpp - Blocks of packed weights ------------------------------===//
//
// The arithmetic from matrix coordinates to fragments, lanes and words. The
// host packer and the verifiers of the packed ops share it.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Packing.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/Support/MathExtras.h"
#include <cassert>

using namespace llvm;

namespace tilewright::layout {

StringRef getName(ActivationClass activations) {
  return activations == ActivationClass::Bits16 ? "16-bit" : "8-bit";
}

Expected<ActivationClass> parseActivationClass(StringRef name) {
  for (ActivationClass known : {ActivationClass::Bits16, ActivationClass::Bits8})
    if (name == getName(known))
      return known;
  return text::makeUnknownNameError(
      "class of activations", name,
      {getName(ActivationClass::Bits16), getName(ActivationClass::Bits8)});
}

// With p parts to a register, 2 or 4 (k of a part is kp or kq):
// k = 64*(fragment/2) + 8p*kb + 4p*kh + p*t + k of the part
// n = 16*(fragment%2) + 8nb + g
// lane = 4g + t    register = (kb*2 + nb)*2 + kh
BlockPosition getBlockPosition(BlockCoordinates c, ActivationClass activations) {
  assert(c.k < blockK && c.n < blockN && "coordinates outside the block");
  unsigned parts = getParts(activations);
  unsigned kb = c.k % fragmentK / (8 * parts), kh = c.k / (4 * parts) % 2;
  unsigned t = c.k / parts % 4, part = c.k % parts;
  unsigned nb = c.n / 8 % 2, g = c.n % 8;
  return {fragmentIndex(c.k, c.n), 4 * g + t, (kb * 2 + nb) * 2 + kh, part};
}

BlockCoordinates getBlockCoordinates(BlockPosition p, ActivationClass activations) {
  unsigned parts = getParts(activations);
  assert(p.fragment < 4 && p.lane < 32 && p.pair < getRegistersPerFragment(activations) &&
         p.half < parts && "position outside the block");
  unsigned kb = p.pair / 4, nb = p.pair / 2 % 2, kh = p.pair % 2;
  unsigned g = p.lane / 4, t = p.lane % 4;
  return {p.fragment / 2 * fragmentK + parts * (8 * kb + 4 * kh + t) + p.half,
          p.fragment % 2 * fragmentN + 8 * nb + g};
}

unsigned getWordOffset(unsigned bits, unsigned fragment, unsigned word, unsigned lane) {
  assert(word < bits && fragment < 4 && lane < 32 && "word outside the block");
  unsigned w = fragment * bits + word;
  return w / 4 * 128 + lane * 4 + w % 4;
}

unsigned getPlaneOffset(unsigned fragment, unsigned lane) {
  assert(fragment < 4 && lane < 32 && "word outside the block");
  return lane * 4 + fragment;
}

SmallVector<int64_t, 4> getWordCoordinates(bool hasPlanes, unsigned bits, int64_t strip,
                                           int64_t block, unsigned fragment, unsigned word,
                                           unsigned lane) {
  if (hasPlanes)
    return {strip, block, word, getPlaneOffset(fragment, lane)};
  return {strip, block, getWordOffset(bits, fragment, word, lane)};
}

uint64_t getPackedBytes(uint64_t k, uint64_t n, unsigned bits) {
  return divideCeil(k, blockK) * divideCeil(n, blockN) * (blockK * blockN / 8) * bits;
}

unsigned fragmentIndex(unsigned k, unsigned n) {
  assert(k < blockK && n < blockN && "coordinates outside the block");
  return 2 * (k / fragmentK) + n / fragmentN;
}

unsigned scalePosition(unsigned n) {
  assert(n < blockN && "column outside the strip");
  return n % 8 * 4 + n / 8;
}

} // namespace tilewright::layout
