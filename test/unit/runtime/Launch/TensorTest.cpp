//===- TensorTest.cpp - Ranges and overlaps against sets of bytes ----------===//
#include "runtime/Launch/Tensor.h"

#include "gtest/gtest.h"
#include <algorithm>
#include <iterator>
#include <random>
#include <set>

using namespace tilewright::launch;

namespace {

constexpr unsigned seed = 7;

Tensor makeTensor(uint64_t address, llvm::ArrayRef<int64_t> shape,
                  llvm::ArrayRef<int64_t> strides) {
  Tensor tensor = makeDense(nullptr, address, "f16", shape);
  tensor.strides.assign(strides.begin(), strides.end());
  return tensor;
}

/// Every byte of a tensor of up to two dimensions; `isUnique` becomes false
/// when two elements share one.
std::set<uint64_t> listBytes(const Tensor &tensor, unsigned elementBytes, bool &isUnique) {
  std::set<uint64_t> bytes;
  isUnique = true;
  int64_t rows = tensor.shape[0], columns = tensor.shape[1];
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      for (unsigned byte = 0; byte < elementBytes; ++byte)
        isUnique &= bytes
                        .insert(tensor.address +
                                (row * tensor.strides[0] + column * tensor.strides[1]) *
                                    int64_t(elementBytes) +
                                byte)
                        .second;
  return bytes;
}

TEST(Tensor, HasRowMajorStridesWhenDense) {
  Tensor tensor = makeDense(nullptr, 64, "f32", {2, 3, 4});
  EXPECT_EQ(tensor.strides, (llvm::SmallVector<int64_t, 4>{12, 4, 1}));
  EXPECT_EQ(getByteRange(tensor, 4).begin, 64u);
  EXPECT_EQ(getByteRange(tensor, 4).end, 64u + 96);
}

TEST(Tensor, SpansFromItsFirstToItsLastByte) {
  EXPECT_EQ(getByteRange(makeTensor(100, {3, 2}, {10, 1}), 2).end, 100u + 2 * 22);
  ByteRange reversed = getByteRange(makeTensor(100, {3, 2}, {-10, 1}), 2);
  EXPECT_EQ(reversed.begin, 100u - 40);
  EXPECT_EQ(reversed.end, 100u + 4);
  EXPECT_EQ(getByteRange(makeTensor(100, {0, 5}, {5, 1}), 2).size(), 0u);
  Tensor packed;
  packed.address = 32;
  packed.shape = {64, 64};
  packed.packedBytes = 2048;
  EXPECT_EQ(getByteRange(packed, 4).end, 32u + 2048);
}

TEST(Tensor, FindsEveryOverlap) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  unsigned overlapping = 0, exactlyApart = 0;
  for (int trial = 0; trial < 4000; ++trial) {
    auto make = [&] {
      int64_t rowStride = int64_t(random() % 12) - 3;
      return makeTensor(1000 + random() % 60, {int64_t(random() % 5), int64_t(random() % 6)},
                        {trial % 2 ? rowStride : 8, trial % 3 ? 1 : int64_t(random() % 3)});
    };
    Tensor a = make(), b = make();
    unsigned bytesA = 1 << random() % 3, bytesB = trial % 4 ? bytesA : 1;
    bool isUnique;
    std::set<uint64_t> ours = listBytes(a, bytesA, isUnique);
    if (!isUnique) {
      EXPECT_TRUE(mayOverlapItself(a)) << "trial " << trial;
    }
    bool doOverlap = false;
    for (uint64_t byte : listBytes(b, bytesB, isUnique))
      doOverlap |= ours.count(byte) != 0;
    overlapping += doOverlap;
    if (doOverlap) {
      EXPECT_TRUE(mayOverlap(a, bytesA, b, bytesB)) << "trial " << trial;
    } else if (!mayOverlap(a, bytesA, b, bytesB))
      ++exactlyApart;
    EXPECT_EQ(mayOverlap(a, bytesA, b, bytesB), mayOverlap(b, bytesB, a, bytesA));
  }
  // The trials must have been of both kinds.
  EXPECT_GT(overlapping, 200u);
  EXPECT_GT(exactlyApart, 200u);
}

/// Every slice of an array of pages of rows of heads, by its first element and extents.
TEST(Tensor, TellsSlicesOfOneArrayApart) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed + 1);
  unsigned apart = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    int64_t shape[3] = {3, int64_t(2 + random() % 3), int64_t(1 + random() % 6)};
    int64_t strides[3] = {shape[1] * shape[2] + trial % 2, shape[2], 1};
    auto make = [&](std::set<int64_t> &elements) {
      int64_t start[3], count[3], first = 0;
      for (int axis = 0; axis < 3; ++axis) {
        start[axis] = random() % shape[axis];
        count[axis] = 1 + random() % (shape[axis] - start[axis]);
        first += start[axis] * strides[axis];
      }
      for (int64_t i = 0; i < count[0] * count[1] * count[2]; ++i)
        elements.insert(first + i / (count[1] * count[2]) * strides[0] +
                        i / count[2] % count[1] * strides[1] + i % count[2]);
      return makeTensor(64 + 2 * first, count, strides);
    };
    std::set<int64_t> ours, theirs, both;
    Tensor a = make(ours), b = make(theirs);
    std::set_intersection(ours.begin(), ours.end(), theirs.begin(), theirs.end(),
                          std::inserter(both, both.end()));
    EXPECT_EQ(mayOverlap(a, 2, b, 2), mayOverlap(b, 2, a, 2)) << "trial " << trial;
    if (!mayOverlap(a, 2, b, 2)) {
      EXPECT_TRUE(both.empty()) << "trial " << trial;
      ++apart;
    }
  }
  EXPECT_GT(apart, 500u);
  // Keys and values that take turns: pages x rows x (k, v) x elements.
  Tensor k = makeTensor(0x1000, {4, 16, 8}, {16 * 16, 16, 1});
  Tensor v = makeTensor(0x1010, {4, 16, 8}, {16 * 16, 16, 1});
  EXPECT_FALSE(mayOverlap(k, 2, v, 2));
  EXPECT_TRUE(mayOverlap(k, 2, makeTensor(0x100e, {4, 16, 8}, {16 * 16, 16, 1}), 2));
}

TEST(Tensor, LetsColumnSlicesOfOneArrayBe) {
  // Rows of 10: columns 0-3, 4-9, and 3-5, which meets both.
  Tensor left = makeTensor(0x1000, {7, 4}, {10, 1}), right = makeTensor(0x1008, {7, 6}, {10, 1}),
         middle = makeTensor(0x1006, {7, 3}, {10, 1});
  EXPECT_FALSE(mayOverlap(left, 2, right, 2));
  EXPECT_TRUE(mayOverlap(left, 2, middle, 2));
  EXPECT_TRUE(mayOverlap(middle, 2, right, 2));
  // A slice that runs over the end of its row meets the next.
  EXPECT_TRUE(mayOverlap(left, 2, makeTensor(0x1008, {7, 7}, {10, 1}), 2));
}

TEST(Tensor, KnowsWhatOverlapsItself) {
  EXPECT_FALSE(mayOverlapItself(makeTensor(0, {4, 5}, {5, 1})));
  EXPECT_FALSE(mayOverlapItself(makeTensor(0, {4, 5}, {1, 4})));
  EXPECT_FALSE(mayOverlapItself(makeTensor(0, {4, 5}, {-8, 1})));
  EXPECT_FALSE(mayOverlapItself(makeTensor(0, {1, 5}, {0, 1})));
  EXPECT_TRUE(mayOverlapItself(makeTensor(0, {4, 5}, {0, 1})));
  EXPECT_TRUE(mayOverlapItself(makeTensor(0, {4, 5}, {4, 1})));
}

TEST(Tensor, KeepsHostAndDeviceMemoryApart) {
  Tensor host = makeDense(nullptr, 0x1000, "f16", {4, 4}),
         empty = makeDense(nullptr, 0x1000, "f16", {0, 4});
  EXPECT_TRUE(mayOverlap(host, 2, host, 2));
  EXPECT_FALSE(mayOverlap(host, 2, empty, 2));
}

TEST(Tensor, MeasuresAlignmentUpTo16) {
  EXPECT_EQ(getAlignment(0), 16u);
  EXPECT_EQ(getAlignment(48), 16u);
  EXPECT_EQ(getAlignment(8), 8u);
  EXPECT_EQ(getAlignment(1024 + 2), 2u);
  EXPECT_EQ(getAlignment(7), 1u);
}

} // namespace
