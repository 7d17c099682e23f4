//===- SharedLayout.h - Where a tile's bytes lie in shared memory ---------===//
//
// A shared-memory tile of R rows is row-major, in panels of 128 bytes a row where
// rows are a multiple of that (the form tensor maps and wgmma descriptors know),
// with one XOR on top: the 16-byte chunk index is XORed with the number of the
// 128-byte line, so that the eight rows an ldmatrix reads fall in eight different
// bank groups. Only byte-multiple elements live in shared memory.
//
//   swizzleBytes = 0:  offset = row * rowBytes + byte
//   else, with P = 128 where that divides rowBytes, and rowBytes otherwise:
//     offset  = (byte / P) * (rows * P) + row * P + byte % P
//     offset' = offset ^ (line & (swizzleBytes/16 - 1)) << 4
//   The line is offset / 128; where P is no power of two, that of a tile whose rows
//   are as long as the power of two in rowBytes, since only such groups of chunks
//   start at the same place in each row.
//
//   Rows of 192 bytes (96 halves) have groups of 64: odd rows start half a line
//   later than even ones, and an XOR with bits 1 and 2 of the row spreads the four
//   rows of a kind over the four chunks of a group. Neighbouring chunks stay in
//   neighbouring banks, so copies have no conflict either. Rows of 144 bytes, an
//   odd number of chunks, need nothing.
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
  /// Whether rows of `rowBytes` can be swizzled so: the power of two in them is at
  /// least the swizzle. Always true unswizzled.
  bool isCompatible(uint64_t rowBytes) const;
  /// Width of the panels of a swizzled tile: P above.
  static uint64_t getPanelBytes(uint64_t rowBytes);
  /// Bytes of a row that count for its line where panels are rows: the power of two
  /// in `rowBytes`, at most 128.
  static uint64_t getGroupBytes(uint64_t rowBytes);
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
/// row-major tile with `rowBytes` a row, a multiple of 16, take one wavefront.
SharedLayout chooseLdmatrixSwizzle(uint64_t rowBytes);

} // namespace tilewright::layout

#endif
