//===- Conversion.h - How values move between two layouts ------------------===//
//
// Two layouts of one tile, source S and destination D: place p of D needs the
// element D(p), which S keeps at any place q with S(q) = D(p). What it takes to
// bring it there depends on how far q is from p:
//
//   moves      q is in the thread of p, the same register for all threads;
//   shuffles   q is in the warp of p;
//   shared     q is anywhere: store to shared memory, barrier, load.
//
// Both layouts factor a tile's extents alike into base tile and repetition, so
// a conversion is decided on the base tile and repeated for each copy.
//
// Shuffles go in rounds, one for each destination register. In a round every
// lane sends one register, reads one lane and writes one register; which ones
// is linear (XOR) in the bits of round, lane and warp:
//
//   received[receive(round, lane)] = shfl.idx(source[send(round, lane)],
//                                             from(round, lane))
//
//   Example: transpose a 2x2 tile that two lanes hold by rows. Lane l has
//   elements (l,0), (l,1) and wants (0,l), (1,l). In round j lane l receives
//   element (j^l, l) from lane j^l, which sends its register l = j ^ (its own
//   lane): receive = from = send = round ^ lane. Two shuffles, where a round a
//   fixed register would need lanes to send two registers at once.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_CONVERSION_H
#define TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_CONVERSION_H

#include "dialects/Support/Layout/LinearLayout.h"
#include "dialects/Support/Layout/SharedLayout.h"

namespace tilewright::layout {

/// A block's access to a tile in shared memory: all registers of all threads,
/// `vector` elements at a time.
struct SharedAccess {
  unsigned vector = 1;
  uint64_t wavefronts = 0; ///< of all warps together
  uint64_t ideal = 0;      ///< were there no bank conflicts
};

/// Predicts the access of a distributed tile to a row-major tile of `shared`
/// (rows are all dimensions but the last) with elements of 1, 2, 4 or 8 bytes.
/// Vectors are as wide as contiguity allows, up to 16 bytes.
SharedAccess predictAccess(const LinearLayout &layout, SharedLayout shared, unsigned elementBytes);

/// A store in one layout and a load in another.
struct SharedRoundTrip {
  SharedLayout shared;
  SharedAccess store, load;
};

/// The round trip with the swizzle that takes the fewest wavefronts; of equal
/// ones the smallest. Only tiles of rank two are swizzled.
SharedRoundTrip chooseRoundTrip(const LinearLayout &source, const LinearLayout &destination,
                                unsigned elementBytes);

/// One lane's part in a round of shuffles.
struct ShuffleStep {
  unsigned send = 0;    ///< source register the lane offers
  unsigned from = 0;    ///< lane it reads
  unsigned receive = 0; ///< destination register it writes
};

/// Rounds of shuffles. The matrices map the bits (round, lane, warp) of the
/// base tile; the copies of a repetition are further rounds.
struct ShufflePlan {
  unsigned roundBits = 0, laneBits = 0; ///< of the matrices' input
  unsigned sourceBits = 0;              ///< register bits of the source
  unsigned copies = 1;
  BitMatrix send, from, receive;

  unsigned getNumRounds() const { return copies << roundBits; }
  ShuffleStep getStep(unsigned round, unsigned lane, unsigned warp) const;
};

struct LayoutConversion {
  enum class Kind { Moves, Shuffles, SharedMemory };
  Kind kind = Kind::SharedMemory;
  /// Moves: destination register r is source register moves[r].
  llvm::SmallVector<unsigned, 16> moves;
  /// Shuffles: what each lane does in each round.
  ShufflePlan shuffles;
  /// Shuffles and SharedMemory: the way through shared memory, for comparison.
  SharedRoundTrip roundTrip;
};

/// The cheapest kind of conversion that is possible; nullopt where the layouts
/// are not of one tile over the same threads, or the source is not onto.
std::optional<LayoutConversion> synthesizeConversion(const LinearLayout &source,
                                                     const LinearLayout &destination,
                                                     unsigned elementBytes);

} // namespace tilewright::layout

#endif
