//===- LinearLayout.cpp - Which thread and register holds which element ----===//
//
// The algebra of register distributions. Coordinates of the base tile are
// handled as one row-major number whose bits are those of all dimensions, the
// last lowest; reshape and inversion then need no case per dimension.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/LinearLayout.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <cassert>

using namespace llvm;

namespace tilewright::layout {

LinearLayout::LinearLayout(unsigned rank, Bases reg, Bases lane, Bases warp,
                           ArrayRef<int64_t> repeat)
    : rank(rank), bases{std::move(reg), std::move(lane), std::move(warp)}, repeat(repeat) {
  if (repeat.empty())
    this->repeat.assign(rank, 1);
  assert(this->repeat.size() == rank && "one repetition a dimension");
  assert(all_of(this->repeat, [](int64_t n) { return n > 0 && n % 2 == 1; }) &&
         "repetitions are odd");
  for (const Bases &place : bases)
    assert(all_of(place, [&](const Basis &basis) { return basis.size() == rank; }) &&
           "one entry a dimension");
}

//===----------------------------------------------------------------------===//
// Extents
//===----------------------------------------------------------------------===//

SmallVector<int64_t, 4> LinearLayout::getBaseShape() const {
  SmallVector<int64_t, 4> shape(rank, 1);
  for (const Bases &place : bases)
    for (const Basis &basis : place)
      for (unsigned d = 0; d < rank; ++d)
        while (shape[d] <= basis[d])
          shape[d] *= 2;
  return shape;
}

SmallVector<int64_t, 4> LinearLayout::getShape() const {
  SmallVector<int64_t, 4> shape = getBaseShape();
  for (unsigned d = 0; d < rank; ++d)
    shape[d] *= repeat[d];
  return shape;
}

unsigned LinearLayout::getNumRegisters() const {
  unsigned registers = 1u << getBases(Place::Register).size();
  for (int64_t copies : repeat)
    registers *= copies;
  return registers;
}

//===----------------------------------------------------------------------===//
// The map and its inverse
//===----------------------------------------------------------------------===//

Coordinates LinearLayout::apply(unsigned reg, unsigned lane, unsigned warp) const {
  assert(reg < getNumRegisters() && lane < getNumLanes() && warp < getNumWarps() &&
         "no such place");
  Coordinates base(rank, 0);
  unsigned registerBits = getBases(Place::Register).size();
  unsigned numbers[numPlaces] = {reg & ((1u << registerBits) - 1), lane, warp};
  for (unsigned place = 0; place < numPlaces; ++place)
    for (auto [bit, basis] : enumerate(bases[place]))
      if (numbers[place] >> bit & 1)
        for (unsigned d = 0; d < rank; ++d)
          base[d] ^= basis[d];

  unsigned copy = reg >> registerBits;
  if (copy == 0) // the only one of most layouts
    return base;
  SmallVector<int64_t, 4> baseShape = getBaseShape();
  for (unsigned d = rank; d-- > 0;) {
    base[d] += copy % repeat[d] * baseShape[d];
    copy /= repeat[d];
  }
  return base;
}

/// The coordinates of a base tile as one row-major number.
template <typename Range>
static uint64_t linearise(const Range &coordinates, ArrayRef<int64_t> shape) {
  uint64_t number = 0;
  for (unsigned d = 0; d < shape.size(); ++d)
    number = number * shape[d] + coordinates[d];
  return number;
}

BitMatrix LinearLayout::getMatrix() const {
  SmallVector<int64_t, 4> shape = getBaseShape();
  SmallVector<uint64_t, 16> columns;
  for (const Bases &place : bases)
    for (const Basis &basis : place)
      columns.push_back(linearise(basis, shape));
  return BitMatrix(columns);
}

/// Splits coordinates into the copy's number and the number within the base
/// tile; nullopt outside the tile.
static std::optional<std::pair<unsigned, uint64_t>>
splitCopy(ArrayRef<int64_t> coordinates, ArrayRef<int64_t> baseShape, ArrayRef<int64_t> repeat) {
  assert(coordinates.size() == baseShape.size() && "one coordinate a dimension");
  unsigned copy = 0;
  Coordinates inBase;
  for (unsigned d = 0; d < baseShape.size(); ++d) {
    if (coordinates[d] < 0 || coordinates[d] >= baseShape[d] * repeat[d])
      return std::nullopt;
    copy = copy * repeat[d] + coordinates[d] / baseShape[d];
    inBase.push_back(coordinates[d] % baseShape[d]);
  }
  return std::pair{copy, linearise(inBase, baseShape)};
}

std::optional<PlaceIndex> LinearLayout::invert(ArrayRef<int64_t> coordinates) const {
  auto split = splitCopy(coordinates, getBaseShape(), repeat);
  if (!split)
    return std::nullopt;
  std::optional<uint64_t> bits = getMatrix().solve(split->second);
  if (!bits)
    return std::nullopt;
  unsigned registerBits = getBases(Place::Register).size();
  unsigned laneBits = getBases(Place::Lane).size();
  PlaceIndex place;
  place.reg = (*bits & maskTrailingOnes<uint64_t>(registerBits)) | split->first << registerBits;
  place.lane = *bits >> registerBits & maskTrailingOnes<uint64_t>(laneBits);
  place.warp = *bits >> (registerBits + laneBits);
  return place;
}

std::optional<unsigned> LinearLayout::findRegister(ArrayRef<int64_t> coordinates, unsigned lane,
                                                   unsigned warp) const {
  SmallVector<int64_t, 4> baseShape = getBaseShape();
  auto split = splitCopy(coordinates, baseShape, repeat);
  if (!split)
    return std::nullopt;
  BitMatrix matrix = getMatrix();
  unsigned registerBits = getBases(Place::Register).size();
  BitMatrix registers(matrix.getColumns().take_front(registerBits));
  uint64_t origin = linearise(apply(0, lane, warp), baseShape);
  std::optional<uint64_t> bits = registers.solve(split->second ^ origin);
  if (!bits)
    return std::nullopt;
  return *bits | split->first << registerBits;
}

//===----------------------------------------------------------------------===//
// Properties
//===----------------------------------------------------------------------===//

bool LinearLayout::isOnto() const {
  unsigned coordinateBits = 0;
  for (int64_t extent : getBaseShape())
    coordinateBits += Log2_64(extent);
  return getMatrix().getRank() == coordinateBits;
}

bool LinearLayout::hasReplication() const {
  return any_of(getMatrix().getColumns(), [](uint64_t column) { return column == 0; });
}

bool LinearLayout::operator==(const LinearLayout &other) const {
  return rank == other.rank && repeat == other.repeat && equal(bases, other.bases);
}

unsigned LinearLayout::getContiguity(unsigned dim) const {
  assert(dim < rank && "no such dimension");
  // Register bit i must add exactly 2^i, and nothing else may touch the bits
  // below the run's length: the run would start in the middle or be permuted.
  const Bases &registers = bases[unsigned(Place::Register)];
  unsigned bits = 0;
  for (; bits < registers.size(); ++bits) {
    Basis expected(rank, 0);
    expected[dim] = 1 << bits;
    if (registers[bits] != expected)
      break;
  }
  auto touches = [&](ArrayRef<Basis> others) {
    return any_of(others, [&](const Basis &basis) { return basis[dim] & ((1 << bits) - 1); });
  };
  while (bits && (touches(ArrayRef(registers).drop_front(bits)) || touches(getBases(Place::Lane)) ||
                  touches(getBases(Place::Warp))))
    --bits;
  return 1u << bits;
}

//===----------------------------------------------------------------------===//
// Layouts from layouts
//===----------------------------------------------------------------------===//

std::optional<LinearLayout> LinearLayout::transpose(ArrayRef<unsigned> order) const {
  assert(order.size() == rank && "an order names every dimension");
  SmallVector<int64_t, 4> newRepeat;
  int lastRepeated = -1;
  for (unsigned source : order) {
    newRepeat.push_back(repeat[source]);
    if (repeat[source] == 1)
      continue;
    if (int(source) < lastRepeated)
      return std::nullopt;
    lastRepeated = source;
  }
  LinearLayout result = *this;
  result.repeat = newRepeat;
  for (auto [place, from] : zip(result.bases, bases))
    for (auto [basis, old] : zip(place, from))
      for (unsigned d = 0; d < rank; ++d)
        basis[d] = old[order[d]];
  return result;
}

/// The digits of a row-major number over the tile, slowest first, without the
/// digits of extent 1 and with neighbours of one kind (odd, power of two)
/// merged. Two shapes with the same digits number their copies and the elements
/// of a copy alike.
static SmallVector<int64_t, 8> getDigits(ArrayRef<int64_t> baseShape, ArrayRef<int64_t> repeat) {
  SmallVector<int64_t, 8> digits;
  auto append = [&](int64_t digit) {
    if (digit == 1)
      return;
    if (!digits.empty() && digits.back() % 2 == digit % 2)
      digits.back() *= digit;
    else
      digits.push_back(digit);
  };
  for (auto [base, copies] : zip(baseShape, repeat)) {
    append(copies);
    append(base);
  }
  return digits;
}

std::optional<LinearLayout> LinearLayout::reshape(ArrayRef<int64_t> shape) const {
  SmallVector<int64_t, 4> newBase, newRepeat;
  for (int64_t extent : shape) {
    assert(extent > 0 && "extents are positive");
    newBase.push_back(int64_t(1) << countr_zero(uint64_t(extent)));
    newRepeat.push_back(extent / newBase.back());
  }
  SmallVector<int64_t, 4> oldBase = getBaseShape();
  if (getDigits(oldBase, repeat) != getDigits(newBase, newRepeat))
    return std::nullopt;

  LinearLayout result;
  result.rank = shape.size();
  result.repeat = newRepeat;
  for (auto [place, from] : zip(result.bases, bases))
    for (const Basis &old : from) {
      uint64_t number = linearise(old, oldBase);
      Basis basis(shape.size(), 0);
      for (unsigned d = shape.size(); d-- > 0; number /= newBase[d])
        basis[d] = number % newBase[d];
      place.push_back(basis);
    }
  return result;
}

LinearLayout LinearLayout::squeeze(unsigned dim) const {
  assert(dim < rank && "no such dimension");
  LinearLayout result = *this;
  result.repeat[dim] = 1;
  for (Bases &place : result.bases)
    for (Basis &basis : place)
      basis[dim] = 0;
  SmallVector<bool, 16> pivots = result.getMatrix().getPivots();
  Bases registers;
  for (auto [basis, pivot] : zip(result.bases[unsigned(Place::Register)], pivots))
    if (pivot)
      registers.push_back(basis);
  result.bases[unsigned(Place::Register)] = registers;
  return result;
}

LinearLayout LinearLayout::product(const LinearLayout &outer) const {
  assert(rank == outer.rank && "a product is of layouts of one rank");
  assert(all_of(repeat, [](int64_t n) { return n == 1; }) && "only the outer layout repeats");
  SmallVector<int64_t, 4> shape = getBaseShape();
  LinearLayout result = *this;
  result.repeat = outer.repeat;
  for (auto [place, from] : zip(result.bases, outer.bases))
    for (Basis basis : from) {
      for (unsigned d = 0; d < rank; ++d)
        basis[d] *= shape[d];
      place.push_back(basis);
    }
  return result;
}

std::optional<LinearLayout> LinearLayout::divide(const LinearLayout &tile) const {
  assert(rank == tile.rank && "a quotient is of layouts of one rank");
  SmallVector<int64_t, 4> shape = tile.getBaseShape();
  LinearLayout outer;
  outer.rank = rank;
  outer.repeat = repeat;
  for (unsigned place = 0; place < numPlaces; ++place) {
    ArrayRef<Basis> mine = bases[place], inner = tile.bases[place];
    if (mine.size() < inner.size() || mine.take_front(inner.size()) != inner)
      return std::nullopt;
    for (Basis basis : mine.drop_front(inner.size())) {
      for (unsigned d = 0; d < rank; ++d) {
        if (basis[d] % shape[d] != 0)
          return std::nullopt;
        basis[d] /= shape[d];
      }
      outer.bases[place].push_back(basis);
    }
  }
  if (any_of(tile.repeat, [](int64_t n) { return n != 1; }))
    return std::nullopt;
  return outer;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

std::string LinearLayout::str() const {
  std::string text;
  raw_string_ostream out(text);
  static constexpr const char *names[numPlaces] = {"register", "lane", "warp"};
  for (unsigned place = 0; place < numPlaces; ++place) {
    out << names[place] << "=[";
    for (auto [i, basis] : enumerate(bases[place])) {
      out << (i ? ",[" : "[");
      interleave(basis, out, ",");
      out << "]";
    }
    out << "] ";
  }
  out << "repeat=[";
  interleave(repeat, out, ",");
  out << "]";
  return text;
}

} // namespace tilewright::layout
