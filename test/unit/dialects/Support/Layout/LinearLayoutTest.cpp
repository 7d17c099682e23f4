//===- LinearLayoutTest.cpp - The algebra of register distributions --------===//
//
// Laws (identity, product, inversion) and operations on random layouts, each
// compared with an enumeration of places and elements.
//
//===----------------------------------------------------------------------===//
#include "RandomLayout.h"

#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <set>

using namespace tilewright::layout;
using Shape = llvm::SmallVector<int64_t, 4>;

namespace {

/// Runs `body` on many random layouts of rank 1 to 3; failures name the seed.
template <typename Body> void forRandomLayouts(unsigned trials, RandomOptions options, Body body) {
  unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (unsigned trial = 0; trial < trials && !testing::Test::HasFatalFailure(); ++trial) {
    LinearLayout layout = makeRandomLayout(random, 1 + random() % 3, options);
    SCOPED_TRACE(layout.str());
    body(layout, random);
  }
}

uint64_t countElements(llvm::ArrayRef<int64_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), uint64_t(1), std::multiplies<>());
}

uint64_t rowMajor(llvm::ArrayRef<int64_t> coordinates, llvm::ArrayRef<int64_t> shape) {
  uint64_t number = 0;
  for (unsigned d = 0; d < shape.size(); ++d)
    number = number * shape[d] + coordinates[d];
  return number;
}

Coordinates fromRowMajor(uint64_t number, llvm::ArrayRef<int64_t> shape) {
  Coordinates coordinates(shape.size(), 0);
  for (unsigned d = shape.size(); d-- > 0; number /= shape[d])
    coordinates[d] = number % shape[d];
  return coordinates;
}

std::set<Coordinates> elementsOf(const LinearLayout &layout) {
  std::set<Coordinates> elements;
  forEachPlace(layout, [&](unsigned reg, unsigned lane, unsigned warp) {
    elements.insert(layout.apply(reg, lane, warp));
  });
  return elements;
}

TEST(LinearLayout, HeaderExample) {
  LinearLayout layout(2, {{0, 1}, {8, 0}}, {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}}, {});
  EXPECT_EQ(layout.apply(3, 5, 0), (Coordinates{9, 3}));
  EXPECT_EQ(layout.getShape(), (Shape{16, 8}));
  EXPECT_EQ(layout.getNumRegisters(), 4u);
  EXPECT_EQ(layout.str(), "register=[[0,1],[8,0]] lane=[[0,2],[0,4],[1,0],[2,0],[4,0]] warp=[] "
                          "repeat=[1,1]");
}

TEST(LinearLayout, CopiesAreOutermostAndTheLastDimensionRunsFastest) {
  LinearLayout layout(2, {{0, 1}}, {{1, 0}}, {}, {3, 5});
  EXPECT_EQ(layout.getShape(), (Shape{6, 10}));
  EXPECT_EQ(layout.getNumRegisters(), 30u);
  for (unsigned row = 0; row < 3; ++row)
    for (unsigned column = 0; column < 5; ++column)
      for (unsigned bit = 0; bit < 2; ++bit)
        for (unsigned lane = 0; lane < 2; ++lane)
          EXPECT_EQ(layout.apply((row * 5 + column) * 2 + bit, lane, 0),
                    (Coordinates{2 * row + lane, 2 * column + bit}));
}

TEST(LinearLayout, EqualityIsOfPlaces) {
  LinearLayout a(1, {{1}}, {{2}}, {});
  EXPECT_EQ(a, LinearLayout(1, {{1}}, {{2}}, {}, {1}));
  EXPECT_NE(a, LinearLayout(1, {{2}}, {{1}}, {}));
  EXPECT_NE(a, LinearLayout(1, {{1}}, {{2}}, {{0}}));
  EXPECT_NE(a, LinearLayout(1, {{1}}, {{2}}, {}, {3}));
}

TEST(LinearLayout, OntoAndReplicationAgreeWithEnumeration) {
  forRandomLayouts(300, {}, [](const LinearLayout &layout, std::mt19937 &random) {
    EXPECT_TRUE(layout.isOnto());
    EXPECT_EQ(elementsOf(layout).size(), countElements(layout.getShape()));
    // Without one of its bases a layout may have a hole.
    Bases bases[numPlaces];
    for (unsigned place = 0; place < numPlaces; ++place)
      bases[place].append(layout.getBases(Place(place)).begin(),
                          layout.getBases(Place(place)).end());
    Bases &victim = bases[random() % numPlaces];
    if (victim.empty())
      return;
    victim.erase(victim.begin() + random() % victim.size());
    LinearLayout holed(layout.getRank(), bases[0], bases[1], bases[2], layout.getRepeat());
    EXPECT_EQ(holed.isOnto(), elementsOf(holed).size() == countElements(holed.getShape()));
  });
  EXPECT_TRUE(LinearLayout(1, {{1}, {0}}, {}, {}).hasReplication());
  EXPECT_FALSE(LinearLayout(1, {{1}, {2}}, {}, {}).hasReplication());
}

TEST(LinearLayout, InversionFindsAHolder) {
  forRandomLayouts(200, {}, [](const LinearLayout &layout, std::mt19937 &) {
    Shape shape = layout.getShape();
    for (uint64_t i = 0; i < countElements(shape); ++i) {
      Coordinates element = fromRowMajor(i, shape);
      std::optional<PlaceIndex> place = layout.invert(element);
      ASSERT_TRUE(place);
      ASSERT_EQ(layout.apply(place->reg, place->lane, place->warp), element);
    }
    Coordinates outside(shape.begin(), shape.end());
    EXPECT_EQ(layout.invert(outside), std::nullopt);
    EXPECT_EQ(layout.invert(Coordinates(shape.size(), -1)), std::nullopt);
  });
}

TEST(LinearLayout, InversionOfAnInjectionIsExact) {
  RandomOptions options;
  options.replicates = false;
  forRandomLayouts(200, options, [](const LinearLayout &layout, std::mt19937 &) {
    forEachPlace(layout, [&](unsigned reg, unsigned lane, unsigned warp) {
      ASSERT_EQ(layout.invert(layout.apply(reg, lane, warp)), (PlaceIndex{reg, lane, warp}));
    });
  });
}

TEST(LinearLayout, FindRegisterLooksInOneThread) {
  forRandomLayouts(200, {}, [](const LinearLayout &layout, std::mt19937 &random) {
    unsigned lane = random() % layout.getNumLanes(), warp = random() % layout.getNumWarps();
    std::map<Coordinates, unsigned> held;
    for (unsigned reg = 0; reg < layout.getNumRegisters(); ++reg)
      held.insert({layout.apply(reg, lane, warp), reg});
    Shape shape = layout.getShape();
    for (uint64_t i = 0; i < countElements(shape); ++i) {
      Coordinates element = fromRowMajor(i, shape);
      std::optional<unsigned> reg = layout.findRegister(element, lane, warp);
      ASSERT_EQ(reg.has_value(), held.count(element) != 0);
      if (reg)
        ASSERT_EQ(layout.apply(*reg, lane, warp), element);
    }
  });
}

/// Contiguity by its definition.
unsigned countContiguous(const LinearLayout &layout, unsigned dim) {
  auto holds = [&](unsigned width) {
    if (layout.getNumRegisters() % width != 0)
      return false;
    bool contiguous = true;
    forEachPlace(layout, [&](unsigned reg, unsigned lane, unsigned warp) {
      Coordinates expected = layout.apply(reg / width * width, lane, warp);
      contiguous &= expected[dim] % width == 0;
      expected[dim] += reg % width;
      contiguous &= layout.apply(reg, lane, warp) == expected;
    });
    return contiguous;
  };
  unsigned width = 1;
  while (holds(2 * width))
    width *= 2;
  return width;
}

TEST(LinearLayout, ContiguityMatchesItsDefinition) {
  RandomOptions options;
  options.replicates = options.mixes = false;
  for (bool mixes : {false, true}) {
    options.mixes = options.replicates = mixes;
    forRandomLayouts(400, options, [](const LinearLayout &layout, std::mt19937 &) {
      for (unsigned dim = 0; dim < layout.getRank(); ++dim)
        ASSERT_EQ(layout.getContiguity(dim), countContiguous(layout, dim)) << dim;
    });
  }
  EXPECT_EQ(LinearLayout(1, {{1}, {2}, {4}}, {{8}}, {}).getContiguity(0), 8u);
  // Lane 1 starts its run at an odd element: no vector access.
  EXPECT_EQ(LinearLayout(1, {{1}, {2}}, {{5}}, {}).getContiguity(0), 1u);
}

TEST(LinearLayout, TransposeMovesCoordinatesOnly) {
  unsigned refused = 0;
  forRandomLayouts(300, {}, [&](const LinearLayout &layout, std::mt19937 &random) {
    llvm::SmallVector<unsigned, 4> order(layout.getRank());
    std::iota(order.begin(), order.end(), 0u);
    std::shuffle(order.begin(), order.end(), random);
    std::optional<LinearLayout> transposed = layout.transpose(order);
    unsigned last = 0;
    bool keepsCopies = true;
    for (unsigned d : order)
      if (layout.getRepeat()[d] != 1) {
        keepsCopies &= d >= last;
        last = d;
      }
    ASSERT_EQ(transposed.has_value(), keepsCopies);
    refused += !transposed;
    if (!transposed)
      return;
    forEachPlace(layout, [&](unsigned reg, unsigned lane, unsigned warp) {
      Coordinates from = layout.apply(reg, lane, warp), to = transposed->apply(reg, lane, warp);
      for (unsigned d = 0; d < order.size(); ++d)
        ASSERT_EQ(to[d], from[order[d]]);
    });
  });
  EXPECT_GT(refused, 0u);
  LinearLayout operand = mmaOperand(1, {96, 64}, {1, 2});
  EXPECT_EQ(operand.transpose({1, 0})->transpose({1, 0}), operand);
}

/// A random way to write the same elements: extents merged and split.
Shape makeRandomShape(std::mt19937 &random, uint64_t elements) {
  Shape shape;
  while (elements > 1) {
    std::vector<int64_t> divisors;
    for (uint64_t i = 1; i <= elements; ++i)
      if (elements % i == 0)
        divisors.push_back(i);
    shape.push_back(divisors[random() % divisors.size()]);
    elements /= shape.back();
  }
  shape.insert(shape.begin() + random() % (shape.size() + 1), 1);
  return shape;
}

/// Whether some layout gives every place the same element of `shape`: a place's
/// copies lie where the header puts them.
bool isReshapePossible(const LinearLayout &layout, llvm::ArrayRef<int64_t> shape) {
  Shape base, repeat;
  for (int64_t extent : shape) {
    base.push_back(extent & -extent);
    repeat.push_back(extent / base.back());
  }
  unsigned copies = countElements(repeat);
  if (copies != countElements(layout.getRepeat()))
    return false;
  unsigned perCopy = layout.getNumRegisters() / copies;
  bool possible = true;
  forEachPlace(layout, [&](unsigned reg, unsigned lane, unsigned warp) {
    Coordinates to =
        fromRowMajor(rowMajor(layout.apply(reg, lane, warp), layout.getShape()), shape);
    Coordinates copy = fromRowMajor(reg / perCopy, repeat);
    for (unsigned d = 0; d < shape.size(); ++d)
      possible &= to[d] / base[d] == copy[d];
  });
  return possible;
}

TEST(LinearLayout, ReshapeKeepsRowMajorOrder) {
  unsigned possible = 0, impossible = 0;
  forRandomLayouts(600, {}, [&](const LinearLayout &layout, std::mt19937 &random) {
    Shape from = layout.getShape(), to = makeRandomShape(random, countElements(from));
    std::optional<LinearLayout> reshaped = layout.reshape(to);
    ASSERT_EQ(reshaped.has_value(), isReshapePossible(layout, to));
    ++(reshaped ? possible : impossible);
    if (!reshaped)
      return;
    ASSERT_EQ(reshaped->getShape(), to);
    forEachPlace(layout, [&](unsigned reg, unsigned lane, unsigned warp) {
      ASSERT_EQ(rowMajor(reshaped->apply(reg, lane, warp), to),
                rowMajor(layout.apply(reg, lane, warp), from));
    });
    ASSERT_EQ(reshaped->reshape(from), layout);
  });
  EXPECT_GT(possible, 50u);
  EXPECT_GT(impossible, 50u);
}

TEST(LinearLayout, ReshapeExamples) {
  LinearLayout row = blocked({96}, 2, 1); // 3 copies of 32
  EXPECT_TRUE(row.reshape({3, 32}));
  EXPECT_TRUE(row.reshape({3, 4, 8}));
  EXPECT_TRUE(row.reshape({1, 96, 1}));
  EXPECT_FALSE(row.reshape({2, 48}));
  EXPECT_FALSE(row.reshape({32, 3}));
  EXPECT_FALSE(row.reshape({64}));
  EXPECT_EQ(blocked({4, 8, 16}, 4, 2).reshape({512}), blocked({512}, 4, 2));
}

TEST(LinearLayout, SqueezeProjects) {
  forRandomLayouts(300, {}, [](const LinearLayout &layout, std::mt19937 &random) {
    unsigned dim = random() % layout.getRank();
    LinearLayout squeezed = layout.squeeze(dim);
    Shape shape = layout.getShape();
    shape[dim] = 1;
    EXPECT_EQ(squeezed.getShape(), shape);
    EXPECT_TRUE(squeezed.isOnto());
    EXPECT_EQ(squeezed.getNumLanes(), layout.getNumLanes());
    EXPECT_EQ(squeezed.getNumWarps(), layout.getNumWarps());
    // Every thread keeps its elements, each exactly once.
    for (unsigned warp = 0; warp < layout.getNumWarps(); ++warp)
      for (unsigned lane = 0; lane < layout.getNumLanes(); ++lane) {
        std::set<Coordinates> expected, actual;
        for (unsigned reg = 0; reg < layout.getNumRegisters(); ++reg) {
          expected.insert(layout.apply(reg, lane, warp));
        }
        std::set<Coordinates> projected;
        for (Coordinates c : expected) {
          c[dim] = 0;
          projected.insert(c);
        }
        for (unsigned reg = 0; reg < squeezed.getNumRegisters(); ++reg)
          ASSERT_TRUE(actual.insert(squeezed.apply(reg, lane, warp)).second);
        ASSERT_EQ(actual, projected);
      }
  });
}

TEST(LinearLayout, SqueezeOfAnAccumulatorKeepsItsRows) {
  LinearLayout rows = mmaAccumulator({64, 96}, {2, 1}).squeeze(1);
  EXPECT_EQ(rows.str(), "register=[[8,0],[16,0]] lane=[[0,0],[0,0],[1,0],[2,0],[4,0]] "
                        "warp=[[32,0]] repeat=[1,1]");
}

//===----------------------------------------------------------------------===//
// Product and division
//===----------------------------------------------------------------------===//

LinearLayout makeInner(std::mt19937 &random, unsigned rank) {
  RandomOptions options;
  options.repeats = false;
  options.maxBitsPerDimension = 2;
  return makeRandomLayout(random, rank, options);
}

TEST(LinearLayout, ProductArrangesTiles) {
  unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (unsigned trial = 0; trial < 100; ++trial) {
    unsigned rank = 1 + random() % 2;
    LinearLayout inner = makeInner(random, rank), outer = makeRandomLayout(random, rank);
    LinearLayout both = inner.product(outer);
    Shape tile = inner.getShape();
    unsigned innerRegisters = inner.getNumRegisters(), innerLanes = inner.getNumLanes(),
             innerWarps = inner.getNumWarps();
    forEachPlace(both, [&](unsigned reg, unsigned lane, unsigned warp) {
      Coordinates expected =
          outer.apply(reg / innerRegisters, lane / innerLanes, warp / innerWarps);
      Coordinates inside = inner.apply(reg % innerRegisters, lane % innerLanes, warp % innerWarps);
      for (unsigned d = 0; d < rank; ++d)
        expected[d] = expected[d] * tile[d] + inside[d];
      ASSERT_EQ(both.apply(reg, lane, warp), expected) << inner.str() << " * " << outer.str();
    });
    ASSERT_EQ(both.divide(inner), outer);
  }
}

TEST(LinearLayout, ProductHasAnIdentityAndAssociates) {
  unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (unsigned trial = 0; trial < 100; ++trial) {
    unsigned rank = 1 + random() % 3;
    LinearLayout one(rank, {}, {}, {});
    LinearLayout a = makeInner(random, rank), b = makeInner(random, rank),
                 c = makeRandomLayout(random, rank);
    EXPECT_EQ(one.product(c), c);
    EXPECT_EQ(a.product(one), a);
    EXPECT_EQ(a.product(b).product(c), a.product(b.product(c)));
    EXPECT_EQ(c.divide(one), c);
  }
}

TEST(LinearLayout, DivisionRecognisesTheInstruction) {
  EXPECT_TRUE(mmaAccumulator({64, 96}, {2, 2}).divide(mmaAccumulatorFragment()));
  EXPECT_TRUE(mmaOperand(0, {48, 64}, {1, 4}).divide(mmaOperandFragment(0)));
  EXPECT_TRUE(mmaOperand(1, {64, 64}, {1, 4}).divide(mmaOperandFragment(1)));
  EXPECT_FALSE(mmaOperand(1, {64, 64}, {1, 4}).divide(mmaOperandFragment(0)));
  EXPECT_FALSE(blocked({64, 64}, 2, 4).divide(mmaAccumulatorFragment()));
  // The quotient numbers fragments: warp 1 of two along N starts at fragment 4.
  auto fragments = mmaAccumulator({16, 64}, {1, 2}).divide(mmaAccumulatorFragment());
  ASSERT_TRUE(fragments);
  EXPECT_EQ(fragments->getShape(), (Shape{1, 8}));
  EXPECT_EQ(fragments->apply(3, 0, 1), (Coordinates{0, 7}));
  // A tile that fits the bits but not the coordinates.
  EXPECT_FALSE(LinearLayout(1, {{2}, {1}}, {}, {}).divide(LinearLayout(1, {{2}}, {}, {})));
}

} // namespace
