//===- LinearLayoutConstructors.cpp - Layouts with a name ------------------===//
//
// The layouts that instructions and memory ask for, each a product of an
// instruction's fragment (or nothing), runs of registers, lanes and warps.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/LinearLayout.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cassert>

using namespace llvm;

namespace tilewright::layout {

namespace {
/// Builds a product from the inside out. Keeps, for each dimension, how much of
/// the extent's power of two is covered; the odd factor becomes the repetition.
class Builder {
public:
  explicit Builder(ArrayRef<int64_t> shape)
      : Builder(shape, LinearLayout(shape.size(), {}, {}, {})) {}

  Builder(ArrayRef<int64_t> shape, const LinearLayout &fragment)
      : rank(shape.size()), covered(fragment.getBaseShape()) {
    for (unsigned place = 0; place < numPlaces; ++place)
      bases[place].append(fragment.getBases(Place(place)).begin(),
                          fragment.getBases(Place(place)).end());
    for (auto [d, n] : enumerate(shape)) {
      assert(n > 0 && "extents are positive");
      extent.push_back(int64_t(1) << countr_zero(uint64_t(n)));
      repeat.push_back(n / extent[d]);
      assert(extent[d] >= covered[d] && "the extent is not a multiple of the fragment's");
    }
  }

  /// Copies of the dimension's extent still to be covered.
  int64_t remaining(unsigned dim) const { return extent[dim] / covered[dim]; }

  /// Spreads up to `count` copies of what is covered so far along `dim`;
  /// returns by how much.
  int64_t spread(Place place, unsigned dim, int64_t count) {
    count = std::min(count, remaining(dim));
    for (int64_t i = 1; i < count; i *= 2, covered[dim] *= 2) {
      Basis basis(rank, 0);
      basis[dim] = covered[dim];
      bases[unsigned(place)].push_back(basis);
    }
    return count;
  }

  /// `count` places that hold the same.
  void replicate(Place place, int64_t count) {
    bases[unsigned(place)].append(Log2_64(count), Basis(rank, 0));
  }

  /// Gives `count` warps equal contiguous parts of `dim`; where there are more
  /// warps than parts, neighbours share one.
  void distribute(unsigned dim, int64_t count) {
    int64_t parts = std::min(count, remaining(dim));
    replicate(Place::Warp, count / parts);
    spread(Place::Warp, dim, parts);
  }

  /// Spreads `count` over the dimensions, the last first; the surplus
  /// replicates.
  void fill(Place place, int64_t count) {
    for (unsigned d = rank; d-- > 0;)
      count /= spread(place, d, count);
    replicate(place, count);
  }

  LinearLayout build() const {
    assert(covered == extent && "part of the tile is held nowhere");
    return LinearLayout(rank, bases[0], bases[1], bases[2], repeat);
  }

private:
  unsigned rank;
  SmallVector<int64_t, 4> extent, covered, repeat;
  Bases bases[numPlaces];
};
} // namespace

// PTX ISA, "Matrix fragments for mma.m16n8k16 with floating point type". With
// g = lane / 4 and t = lane % 4:
//   C (16x8):  c0,c1: row g, columns 2t,2t+1     c2,c3: row g+8
//   A (16x16): a0,a1: row g, columns 2t,2t+1     a2,a3: row g+8
//              a4..a7: the same, columns + 8
//   B (16x8):  b0,b1: rows 2t,2t+1, column g     b2,b3: rows + 8
LinearLayout mmaAccumulatorFragment() {
  return LinearLayout(2, {{0, 1}, {8, 0}}, {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}}, {});
}

/// PTX ISA, "Matrix Fragments" for mma.m16n8k8 (tf32), m16n8k16 (16 bits) and
/// m16n8k32 (8 bits): four lanes hold a 32-bit register each of a row of A or a
/// column of B, then as many again further along K.
LinearLayout mmaOperandFragment(unsigned index, unsigned elementBits) {
  assert(index < 2 && "operands are A (0) and B (1)");
  assert((elementBits == 8 || elementBits == 16 || elementBits == 32) && "no such mma");
  int32_t perRegister = 32 / elementBits;
  unsigned k = 1 - index, mn = index;
  auto basis = [](unsigned dim, int32_t value) {
    Basis entries(2, 0);
    entries[dim] = value;
    return entries;
  };
  Bases registers, lanes;
  for (int32_t element = 1; element < perRegister; element *= 2)
    registers.push_back(basis(k, element));
  if (index == 0)
    registers.push_back(basis(mn, 8));
  registers.push_back(basis(k, 4 * perRegister));
  for (int32_t lane : {1, 2})
    lanes.push_back(basis(k, lane * perRegister));
  for (int32_t lane : {1, 2, 4})
    lanes.push_back(basis(mn, lane));
  return LinearLayout(2, registers, lanes, {});
}

unsigned getOperandBits(const LinearLayout &operand, unsigned index) {
  unsigned k = 1 - index;
  int32_t elements = 1;
  for (const Basis &basis : operand.getBases(Place::Register)) {
    if (basis[k] != elements)
      break;
    elements *= 2;
  }
  return 32 / elements;
}

LinearLayout mmaAccumulator(ArrayRef<int64_t> shape, ArrayRef<int64_t> warps) {
  assert(shape.size() == 2 && warps.size() == 2 && "mma tiles have two dimensions");
  Builder builder(shape, mmaAccumulatorFragment());
  builder.spread(Place::Register, 1, builder.remaining(1) / warps[1]);
  builder.spread(Place::Register, 0, builder.remaining(0) / warps[0]);
  builder.distribute(1, warps[1]);
  builder.distribute(0, warps[0]);
  return builder.build();
}

LinearLayout mmaOperand(unsigned index, ArrayRef<int64_t> shape, ArrayRef<int64_t> warps,
                        unsigned elementBits) {
  assert(shape.size() == 2 && warps.size() == 2 && "mma tiles have two dimensions");
  Builder builder(shape, mmaOperandFragment(index, elementBits));
  unsigned k = 1 - index, mn = index;
  builder.spread(Place::Register, k, builder.remaining(k));
  builder.spread(Place::Register, mn, builder.remaining(mn) / warps[mn]);
  // Warps count along N first; the operand is the same for all warps along the
  // dimension it does not have.
  if (index == 0)
    builder.replicate(Place::Warp, warps[1]);
  builder.distribute(mn, warps[mn]);
  if (index == 1)
    builder.replicate(Place::Warp, warps[0]);
  return builder.build();
}

LinearLayout blocked(ArrayRef<int64_t> shape, unsigned vector, unsigned warps) {
  assert(isPowerOf2_32(vector) && isPowerOf2_32(warps) && "vector and warps are powers of two");
  Builder builder(shape);
  if (!shape.empty())
    builder.spread(Place::Register, shape.size() - 1, vector);
  builder.fill(Place::Lane, 32);
  builder.fill(Place::Warp, warps);
  for (unsigned d = shape.size(); d-- > 0;)
    builder.spread(Place::Register, d, builder.remaining(d));
  return builder.build();
}

unsigned getLanesPerRow(int64_t chunksPerRow) {
  return std::min<int64_t>(32, chunksPerRow & -chunksPerRow);
}

LinearLayout copiedRows(int64_t rows, int64_t chunksPerRow, unsigned warps) {
  unsigned lanes = getLanesPerRow(chunksPerRow);
  Builder builder(ArrayRef<int64_t>{rows, 1});
  builder.replicate(Place::Lane, lanes);
  builder.fill(Place::Lane, 32 / lanes);
  builder.fill(Place::Warp, warps);
  builder.spread(Place::Register, 0, builder.remaining(0));
  return builder.build();
}

LinearLayout packedWords(ArrayRef<int64_t> shape, ArrayRef<int64_t> warps) {
  assert((shape.size() == 3 || shape.size() == 4) && warps.size() == 2 &&
         "packed words have three dimensions, four with planes");
  assert(shape.back() % 128 == 0 && "a block holds 128 words a bit");
  Builder builder(shape);
  unsigned last = shape.size() - 1;
  builder.spread(Place::Register, last, 4);
  builder.spread(Place::Lane, last, 32);
  for (unsigned dim = last; dim >= 2; --dim)
    builder.spread(Place::Register, dim, builder.remaining(dim));
  builder.spread(Place::Register, 1, builder.remaining(1));
  builder.spread(Place::Register, 0, builder.remaining(0) / warps[1]);
  builder.distribute(0, warps[1]);
  builder.replicate(Place::Warp, warps[0]);
  return builder.build();
}

unsigned packedWordRegister(const LinearLayout &layout, unsigned strip, unsigned block,
                            unsigned word) {
  std::optional<unsigned> reg = layout.findRegister({strip, block, word / 4 * 128 + word % 4});
  assert(reg && "the thread holds no such word");
  return *reg;
}

} // namespace tilewright::layout
