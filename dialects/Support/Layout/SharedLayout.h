//===- SharedLayout.h - Where a tile's bytes lie in shared memory ---------===//
//
// A shared-memory tile of R rows is row-major, in panels of at most 128 bytes
// a row when swizzled (the form tensor maps and wgmma descriptors know), with
// one XOR on top: the 16-byte chunk index is XORed with the number of the
// 128-byte line, so that the eight rows an ldmatrix reads fall in eight
// different bank groups. Only byte-multiple elements live in shared memory.
//
//   swizzleBytes = 0:  offset = row * rowBytes + byte
//   else, with P = min(rowBytes, 128) the panel width:
//     offset  = (byte / P) * (rows * P) + row * P + byte % P
//     offset' = offset ^ ((offset >> 7) & (swizzleBytes/16 - 1)) << 4
//
// Tiles of rank other than two are flat (swizzle 0), last dimension fastest.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_SHAREDLAYOUT_H
#define TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_SHAREDLAYOUT_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>

namespace tilewright::layout {

struct SharedLayout {
  unsigned swizzleBytes = 0; ///< 0, 32, 64 or 128

  bool operator==(const SharedLayout &other) const = default;

  /// Byte offset of (row, byte within the row) in a tile of `rows` rows of
  /// `rowBytes` bytes. A bijection onto [0, rows * rowBytes). The pattern is
  /// that of the address bits, as tensor maps have it (PTX ISA, "Swizzling
  /// Modes"), where the tile's base is a multiple of 8 * swizzleBytes.
  /// Requires isCompatible(rowBytes).
  uint64_t getOffset(uint64_t rows, uint64_t rowBytes, uint64_t row, uint64_t byte) const;
  /// Whether rows of `rowBytes` can be swizzled so: a power of two from
  /// swizzleBytes to 128, or whole panels of 128 bytes. Always true unswizzled.
  bool isCompatible(uint64_t rowBytes) const;
};

/// One warp-wide shared-memory access: the byte address each active lane asks
/// for and the width. Returns the number of wavefronts it takes on 32 banks of
/// 4 bytes: 8-byte accesses are served half-warp by half-warp and 16-byte
/// accesses quarter by quarter; lanes that touch the same word share it.
/// Addresses are in lane order and naturally aligned.
unsigned countWavefronts(llvm::ArrayRef<uint64_t> addresses, unsigned bytesPerLane);
/// The fewest wavefronts that so many lanes of that width could take.
unsigned countIdealWavefronts(llvm::ArrayRef<uint64_t> addresses, unsigned bytesPerLane);

/// The smallest swizzle under which ldmatrix reads (8 rows x 16 bytes) of a
/// row-major tile with `rowBytes` a row take one wavefront. `rowBytes` is a
/// power-of-two multiple of 16, or a multiple of 128.
SharedLayout chooseLdmatrixSwizzle(uint64_t rowBytes);

} // namespace tilewright::layout

#endif
