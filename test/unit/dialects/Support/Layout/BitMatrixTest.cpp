//===- BitMatrixTest.cpp - Linear maps over F2 -----------------------------===//
//
// Rank, solutions and kernels of random maps against enumeration of all inputs.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/BitMatrix.h"

#include <gtest/gtest.h>
#include <random>
#include <set>

using namespace tilewright::layout;

namespace {

BitMatrix makeRandomMatrix(std::mt19937 &random, unsigned columns, unsigned rows) {
  llvm::SmallVector<uint64_t, 16> values;
  for (unsigned i = 0; i < columns; ++i)
    values.push_back(random() % (1u << rows));
  return BitMatrix(values);
}

TEST(BitMatrix, AgreesWithEnumeration) {
  unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (unsigned trial = 0; trial < 500; ++trial) {
    unsigned columns = random() % 9, rows = random() % 8;
    BitMatrix matrix = makeRandomMatrix(random, columns, rows);
    std::set<uint64_t> image, kernel;
    for (uint64_t x = 0; x < 1u << columns; ++x) {
      uint64_t y = 0;
      for (unsigned i = 0; i < columns; ++i)
        y ^= x >> i & 1 ? matrix.getColumns()[i] : 0;
      ASSERT_EQ(matrix.apply(x), y);
      image.insert(y);
      if (y == 0)
        kernel.insert(x);
    }
    EXPECT_EQ(1u << matrix.getRank(), image.size());
    for (uint64_t y = 0; y < 1u << rows; ++y) {
      std::optional<uint64_t> x = matrix.solve(y);
      ASSERT_EQ(x.has_value(), image.count(y) != 0);
      if (x)
        EXPECT_EQ(matrix.apply(*x), y);
    }
    BitMatrix spanned(matrix.getKernel());
    EXPECT_EQ(1u << spanned.getColumns().size(), kernel.size());
    EXPECT_EQ(spanned.getRank(), spanned.getColumns().size());
    for (uint64_t x : spanned.getColumns())
      EXPECT_TRUE(kernel.count(x));
  }
}

TEST(BitMatrix, SolvesWithTheLowestColumns) {
  BitMatrix matrix({1, 1, 0, 2, 3});
  EXPECT_EQ(matrix.solve(1), 0b00001u);
  EXPECT_EQ(matrix.solve(3), 0b01001u);
  EXPECT_EQ(matrix.solve(4), std::nullopt);
}

TEST(BitMatrix, ComposesAsFunctionsDo) {
  unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (unsigned trial = 0; trial < 200; ++trial) {
    BitMatrix inner = makeRandomMatrix(random, 6, 5), outer = makeRandomMatrix(random, 5, 7);
    BitMatrix both = outer.compose(inner);
    for (uint64_t x = 0; x < 64; ++x)
      ASSERT_EQ(both.apply(x), outer.apply(inner.apply(x)));
  }
}

TEST(BitMatrix, HoldsSixtyFourBits) {
  llvm::SmallVector<uint64_t, 16> columns;
  for (unsigned i = 0; i < 64; ++i)
    columns.push_back(uint64_t(1) << i | (i ? 1 : 0));
  BitMatrix matrix(columns);
  EXPECT_EQ(matrix.getRank(), 64u);
  EXPECT_EQ(matrix.apply(*matrix.solve(0xdeadbeefcafef00d)), 0xdeadbeefcafef00du);
}

} // namespace
