//===- PackedOperand.h - Packed words against the operand they become ------===//
//
// The proof that memory, seen through the packing, is the fragment: a thread
// that loads the words of `packedWords` and unpacks them holds exactly the
// elements, in the order, that the registers of its mma operand must hold. The
// verifier of the unpacking op calls it; verifyUnpack (Packing.h) proves the
// other half, that the unpack program inverts the word layout.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_PACKEDOPERAND_H
#define TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_PACKEDOPERAND_H

#include "dialects/Support/Layout/LinearLayout.h"
#include "dialects/Support/Layout/Packing.h"

namespace tilewright::layout {

/// Where the pair of operand registers 2i, 2i+1 of a thread comes from.
struct PackedPair {
  unsigned strip = 0, block = 0; ///< block of the tile
  unsigned fragment = 0;         ///< fragment of the block
  unsigned pair = 0;             ///< pair of the fragment
};

/// The origin of operand registers 2*index and 2*index+1 in thread 0. All
/// threads find theirs in the same registers of words once verifyPackedOperand
/// holds.
PackedPair getPackedPair(const LinearLayout &operand, unsigned index);

/// Checks that every thread holds the words of its operand, all threads in the
/// same registers (they run one program): `words` is the
/// layout of the (strips, blocks, 128*bits) words of a tile, `operand` that of
/// its K x N elements (operand B; operand A of a transposed product after
/// transpose). The error names the register, lane and warp.
llvm::Error verifyPackedOperand(const LinearLayout &words, const LinearLayout &operand,
                                unsigned bits);

} // namespace tilewright::layout

#endif
