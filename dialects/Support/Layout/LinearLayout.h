//===- LinearLayout.h - Which thread and register holds which element -----===//
//
// A layout says where the elements of a tile live. Ours are linear maps over
// F2: number the places (register, lane, warp) in binary, and every place bit
// contributes one basis vector of tile coordinates; the coordinates of a place
// are the XOR of the vectors of its set bits.
//
//   Example: a 16x8 mma accumulator (f32). Lane = 4g+t, register = 2h+j.
//     register bits: (0,1) (8,0)           j -> column, h -> row + 8
//     lane bits:     (0,2) (0,4) (1,0) (2,0) (4,0)
//   Place (register 3, lane 5): (0,1)^(8,0)^(0,2)^(1,0) = (9,3).
//
// A zero vector is replication: two places hold the same element.
//
// Extents need not be powers of two: 96, 192 and 576 are real head sizes and
// three 32-bit words hold 32 3-bit weights. A layout therefore has an outer
// repetition: the F2 map covers a base tile whose extents are powers of two,
// and along each dimension `repeat[d]` copies of the base tile (an odd number)
// are stacked; the copy index is the outermost part of the register number
// (last dimension fastest).
//
//   register number = copy * 2^registerBits + bits within the base tile
//   coordinate[d]   = copyIndex[d] * baseExtent[d] + (F2 map)[d]
//
// So what a constructor calls contiguous is contiguous within each copy: two
// warps over 96 = 3*32 rows own rows 0-15, 32-47, 64-79 and the rest.
//
// The algebra: a layout is the product of small ones (an instruction's
// fragment, times registers, times warps); it can be divided by a fragment
// again, and inverted to ask who holds an element. Conversion.h decides how
// values move between two layouts, SharedLayout.h counts bank conflicts. None
// of it knows any IR.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_LINEARLAYOUT_H
#define TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_LINEARLAYOUT_H

#include "dialects/Support/Layout/BitMatrix.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <optional>
#include <string>

namespace tilewright::layout {

/// The three kinds of place, fastest first.
enum class Place { Register, Lane, Warp };
constexpr unsigned numPlaces = 3;

/// One basis vector: what a place bit contributes to each tile coordinate.
using Basis = llvm::SmallVector<int32_t, 4>;
using Bases = llvm::SmallVector<Basis, 8>;
using Coordinates = llvm::SmallVector<int64_t, 4>;

/// One place of a block of threads.
struct PlaceIndex {
  unsigned reg = 0, lane = 0, warp = 0;
  bool operator==(const PlaceIndex &other) const = default;
};

class LinearLayout {
public:
  LinearLayout() = default;
  /// A layout from explicit bases. Every basis has one entry a dimension.
  /// `repeat` defaults to 1 in each dimension; entries must be odd.
  LinearLayout(unsigned rank, Bases reg, Bases lane, Bases warp,
               llvm::ArrayRef<int64_t> repeat = {});

  unsigned getRank() const { return rank; }
  llvm::ArrayRef<Basis> getBases(Place place) const { return bases[unsigned(place)]; }
  llvm::ArrayRef<int64_t> getRepeat() const { return repeat; }
  /// Extent of the base tile: the smallest powers of two that hold the bases.
  llvm::SmallVector<int64_t, 4> getBaseShape() const;
  /// Extent of the whole tile: base extent times repeat.
  llvm::SmallVector<int64_t, 4> getShape() const;
  /// Registers a thread holds, repetition included.
  unsigned getNumRegisters() const;
  unsigned getNumLanes() const { return 1u << getBases(Place::Lane).size(); }
  unsigned getNumWarps() const { return 1u << getBases(Place::Warp).size(); }

  /// Tile coordinates of a place.
  Coordinates apply(unsigned reg, unsigned lane, unsigned warp) const;
  /// A place that holds the element: the one whose number (warp, lane,
  /// register) has no bit that only replicates. nullopt where none holds it.
  std::optional<PlaceIndex> invert(llvm::ArrayRef<int64_t> coordinates) const;
  /// The register of this very thread that holds the element; nullopt where
  /// another thread does. All threads run the same code, so generators ask for
  /// lane 0 of warp 0: in another thread that register holds the corresponding
  /// element, displaced by that thread's own part of the map.
  std::optional<unsigned> findRegister(llvm::ArrayRef<int64_t> coordinates, unsigned lane = 0,
                                       unsigned warp = 0) const;
  /// The base tile's map as a matrix: columns are the register, lane and warp
  /// bits in that order; coordinates are one row-major number.
  BitMatrix getMatrix() const;

  /// Every element of the tile is held somewhere (rank of the map = number of
  /// coordinate bits). A layout of a distributed tensor must be onto.
  bool isOnto() const;
  /// Place bits whose basis is zero: copies of the same element.
  bool hasReplication() const;
  /// Same place -> same coordinates.
  bool operator==(const LinearLayout &other) const;
  bool operator!=(const LinearLayout &other) const { return !(*this == other); }

  /// Largest power of two v such that registers 0..v-1 (and every aligned run
  /// of v registers) hold v consecutive elements along dimension `dim`, in
  /// order: the vector width of an access whose fastest dimension is `dim`.
  unsigned getContiguity(unsigned dim) const;

  /// The layout of a tile with dimensions reordered: result dimension i is
  /// this layout's dimension `order[i]`, every place keeps its element. nullopt
  /// where two repeated dimensions would change their relative order (copies
  /// are numbered last dimension fastest).
  std::optional<LinearLayout> transpose(llvm::ArrayRef<unsigned> order) const;
  /// The layout of the row-major reshape to `shape`: every place keeps its
  /// element. nullopt where the repetition cannot be carried over, as from
  /// 96 = 3*32 to 2x48.
  std::optional<LinearLayout> reshape(llvm::ArrayRef<int64_t> shape) const;
  /// The layout after dimension `dim` has been reduced away (its extent is
  /// kept as 1): basis entries of that dimension become zero. Register bits
  /// that reach no new element are removed.
  LinearLayout squeeze(unsigned dim) const;

  /// This layout's tile arranged as `outer` says: place bits of `outer` follow
  /// this layout's, its coordinates count tiles of this layout's shape.
  ///   product(x) = this(low bits of x) + baseShape * outer(high bits of x)
  /// Only `outer` may repeat.
  LinearLayout product(const LinearLayout &outer) const;
  /// The `outer` with tile.product(outer) == *this; nullopt where there is
  /// none: how an instruction recognises the layout of its operand.
  std::optional<LinearLayout> divide(const LinearLayout &tile) const;

  /// Compact text: "register=[[0,1],[8,0]] lane=[...] warp=[...] repeat=[..]".
  std::string str() const;

private:
  unsigned rank = 0;
  Bases bases[numPlaces];
  llvm::SmallVector<int64_t, 4> repeat;
};

//===----------------------------------------------------------------------===//
// Named constructors. `warps[d]` is the number of warps along dimension d
// (powers of two, last dimension varies fastest); warps along a dimension an
// operand does not have are replication. An extent is 2^k * odd; the odd factor
// becomes the repetition, outermost in the register number. Extents of tiles
// for mma are multiples of the instruction's; where there are more warps than
// parts of the power of two, neighbouring warps share one (replication).
//===----------------------------------------------------------------------===//

/// f32 accumulator of mma.sync m16n8k16 over an MxN tile (PTX ISA, "Matrix
/// fragments for mma.m16n8k16"): each warp owns a contiguous
/// (M/warps[0]) x (N/warps[1]) part. Register order is the instruction's within
/// a 16x8 fragment, then along N, then along M.
LinearLayout mmaAccumulator(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> warps);

/// Rows of K that one mma.sync m16n8kX multiplies: 256 bits of each row of A.
constexpr int64_t getMmaDepth(unsigned elementBits) { return 256 / elementBits; }

/// Operand A (index 0, MxK) or B (index 1, KxN) of m16n8k16 with 16-bit, m16n8k32
/// with 8-bit or m16n8k8 with 32-bit (tf32) elements, for an accumulator
/// distributed over `warps` (of M and N). Register order is the instruction's
/// within a fragment (16 rows of A, 8 columns of B), then along K, then along M or
/// N. A register is one element; 32 / elementBits of them share the 32-bit
/// register the instruction takes.
LinearLayout mmaOperand(unsigned index, llvm::ArrayRef<int64_t> shape,
                        llvm::ArrayRef<int64_t> warps, unsigned elementBits = 16);

/// One instruction's worth of the above over one warp.
LinearLayout mmaAccumulatorFragment();
LinearLayout mmaOperandFragment(unsigned index, unsigned elementBits = 16);

/// The elementBits of an mmaOperand() layout: what a lane holds side by side along K fills
/// 32 bits.
unsigned getOperandBits(const LinearLayout &operand, unsigned index);

/// Blocked: each thread holds `vector` consecutive elements along the last
/// dimension; lanes and then warps fill the last dimension, then the one
/// before it; what is left over is register repetition, and surplus lanes or
/// warps replicate. `vector` and `warps` are powers of two; a vector wider than
/// the power of two in the last extent is cut to that.
LinearLayout blocked(llvm::ArrayRef<int64_t> shape, unsigned vector, unsigned warps);

/// The row indices of a gathered copy to shared memory, `rows` x 1, where a row is
/// `chunksPerRow` chunks of 16 bytes: getLanesPerRow neighbouring lanes hold the same
/// index and copy the row together; surplus lanes and warps replicate.
LinearLayout copiedRows(int64_t rows, int64_t chunksPerRow, unsigned warps);
/// Lanes that copy a row together: the power of two in its chunks, at most a warp.
unsigned getLanesPerRow(int64_t chunksPerRow);

/// The words of packed weights (Packing.h) as threads load them: `shape` is
/// (N/32 strips, K/128 blocks, 128*bits words a block); a 16-byte load a lane
/// takes words 128i + 4*lane + 0..3. Where they are planes of one bit, `shape` is
/// (strips, blocks, planes, 128), a load a plane. Register order: the four words of a load,
/// the loads of a block, the blocks along K, the strips. Warps along N
/// (warps[1]) own contiguous strips, warps along M (warps[0]) replicate.
LinearLayout packedWords(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> warps);
/// The register of a packedWords layout that holds word `word` (0..4*bits-1,
/// counted as Packing.h counts a thread's words of a block) of the thread's
/// strip and block.
unsigned packedWordRegister(const LinearLayout &layout, unsigned strip, unsigned block,
                            unsigned word);

} // namespace tilewright::layout

#endif
