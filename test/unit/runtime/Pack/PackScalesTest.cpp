//===- PackScalesTest.cpp - Tables of scales and zero points ----------------===//
//
// Expected positions are written out here, not taken from ScaleStorage.
//
//===----------------------------------------------------------------------===//
#include "runtime/Pack/PackScales.h"

#include "gtest/gtest.h"
#include <numeric>
#include <vector>

using namespace tilewright;
using namespace tilewright::pack;
using format::Granularity;
using layout::ScaleStorage;

namespace {

std::string text(llvm::Error error) { return llvm::toString(std::move(error)); }

/// 1, 2, 3, ... so that no two numbers are the same.
template <typename T> std::vector<T> count(size_t size) {
  std::vector<T> numbers(size);
  std::iota(numbers.begin(), numbers.end(), T(1));
  return numbers;
}

TEST(PackScales, PutsEachColumnAtItsPlaceAndZeroElsewhere) {
  constexpr int64_t groups = 3, n = 45, columns = 64;
  auto storage = ScaleStorage::get({128, 1}, 300, n, 2);
  ASSERT_EQ(storage.getElements(), groups * columns);
  std::vector<uint16_t> scales = count<uint16_t>(groups * n), packed(groups * columns, 0xbeef);
  ASSERT_EQ(text(packScales<uint16_t>(storage, {scales.data(), n, 1}, packed)), "");
  // The four columns of residue g (mod 8) of a strip are neighbours: column
  // 8j + g of a strip lies at 4g + j.
  for (int64_t row = 0; row < groups; ++row)
    for (int64_t strip = 0; strip < 2; ++strip)
      for (int64_t j = 0; j < 4; ++j)
        for (int64_t g = 0; g < 8; ++g) {
          int64_t column = 32 * strip + 8 * j + g;
          uint16_t expected = column < n ? row * n + column + 1 : 0;
          EXPECT_EQ(packed[row * columns + 32 * strip + 4 * g + j], expected)
              << "row " << row << ", column " << column;
        }
  std::vector<uint16_t> back(scales.size());
  ASSERT_EQ(text(unpackScales<uint16_t>(storage, packed, {back.data(), n, 1})), "");
  EXPECT_EQ(back, scales);
}

// 16 bytes a strip: an element of b bytes is for 2b columns.
template <typename T> void checkBlocks(Granularity granularity, int64_t k, int64_t n) {
  auto storage = ScaleStorage::get(granularity, k, n, sizeof(T));
  int64_t wide = granularity.columns ? granularity.columns : n;
  int64_t groups = granularity.rows ? (k + granularity.rows - 1) / granularity.rows : 1;
  int64_t across = (n + wide - 1) / wide, strips = (n + 31) / 32, perStrip = 16 / sizeof(T);
  ASSERT_EQ(storage.getElements(), groups * strips * perStrip);
  std::vector<T> scales = count<T>(groups * across), packed(storage.getElements(), T(0xee));
  ASSERT_EQ(text(packScales<T>(storage, {scales.data(), across, 1}, packed)), "");
  for (int64_t row = 0; row < groups; ++row)
    for (int64_t column = 0; column < n; ++column) {
      int64_t element = (row * strips + column / 32) * perStrip + column % 32 / (2 * sizeof(T));
      EXPECT_EQ(packed[element], scales[row * across + column / wide])
          << "row " << row << ", column " << column;
    }
  std::vector<T> back(scales.size());
  ASSERT_EQ(text(unpackScales<T>(storage, packed, {back.data(), across, 1})), "");
  EXPECT_EQ(back, scales);
}

TEST(PackScales, RepeatsWhatColumnsShareToSixteenBytesAStrip) {
  checkBlocks<uint32_t>({128, 128}, 300, 200);
  checkBlocks<uint32_t>({16, 8}, 40, 70);
  checkBlocks<uint16_t>({32, 24}, 100, 100);
  checkBlocks<uint8_t>({64, 40}, 64, 130);
  checkBlocks<uint8_t>({0, 0}, 999, 77);
  checkBlocks<uint16_t>({0, 0}, 1, 1);
}

// Up to 4 bits two columns share a byte: 8j + g of a strip is part j of the
// 16-bit word g. Columns that share a zero point have a part each all the same.
// `perRow` groups share a part of 4 bits.
void checkZeroPoints(Granularity granularity, unsigned bits, int64_t perRow) {
  constexpr int64_t k = 130, n = 45, strips = 2;
  auto storage = ScaleStorage::getZeroPoints(granularity, k, n, bits);
  int64_t wide = granularity.columns ? granularity.columns : n;
  int64_t groups = granularity.rows ? (k + granularity.rows - 1) / granularity.rows : 1;
  int64_t across = (n + wide - 1) / wide, rows = (groups + perRow - 1) / perRow;
  ASSERT_EQ(storage.getElements(), rows * strips * 16);
  std::vector<uint8_t> zeros(groups * across), packed(rows * strips * 16, 0xee);
  for (size_t i = 0; i < zeros.size(); ++i)
    zeros[i] = i % (1u << bits);
  ASSERT_EQ(text(packScales<uint8_t>(storage, {zeros.data(), across, 1}, packed)), "");
  for (int64_t group = 0; group < groups; ++group)
    for (int64_t column = 0; column < n; ++column) {
      int64_t word = column / 32 * 8 + column % 8, field = column % 32 / 8;
      uint8_t byte = packed[group / perRow * strips * 16 + 2 * word + field / 2];
      int64_t shift = 4 * (field % 2) + group % perRow * (4 / perRow);
      EXPECT_EQ(byte >> shift & ((1 << 4 / perRow) - 1), zeros[group * across + column / wide])
          << "group " << group << ", column " << column;
    }
  std::vector<uint8_t> back(zeros.size());
  ASSERT_EQ(text(unpackScales<uint8_t>(storage, packed, {back.data(), across, 1})), "");
  EXPECT_EQ(back, zeros);
}

TEST(PackScales, PutsTwoZeroPointsOfFourBitsAndLessInAByte) {
  checkZeroPoints({16, 1}, 4, 1);
  checkZeroPoints({32, 1}, 3, 1);
  checkZeroPoints({128, 1}, 1, 1);
  checkZeroPoints({0, 1}, 3, 1);
  checkZeroPoints({0, 0}, 4, 1);
}

TEST(PackScales, PutsGroupsOfATileWhereThereIsRoom) {
  checkZeroPoints({16, 1}, 1, 4);
  checkZeroPoints({32, 1}, 1, 4);
  checkZeroPoints({64, 1}, 1, 2);
  checkZeroPoints({32, 1}, 2, 2);
  checkZeroPoints({64, 24}, 2, 2);
  // Tiles of 128 rows would have a part of the groups.
  checkZeroPoints({48, 1}, 1, 1);
  checkZeroPoints({128, 8}, 2, 1);
}

TEST(PackScales, LeavesWiderZeroPointsTheirBytes) {
  for (Granularity granularity : {Granularity{16, 1}, {64, 24}, {0, 0}}) {
    auto wide = ScaleStorage::getZeroPoints(granularity, 130, 45, 5);
    EXPECT_EQ(wide.getElements(), ScaleStorage::get(granularity, 130, 45, 1).getElements());
    EXPECT_EQ(wide.perElement * wide.groupsPerRow, 1);
  }
}

TEST(PackScales, ReadsTransposedZeroPoints) {
  constexpr int64_t groups = 5, n = 7;
  auto storage = ScaleStorage::get({16, 1}, 80, n, 1);
  std::vector<uint8_t> zeros = count<uint8_t>(groups * n), packed(groups * 32), back(groups * n);
  Matrix<const uint8_t> matrix{zeros.data(), 1, groups};
  ASSERT_EQ(text(packScales<uint8_t>(storage, matrix, packed)), "");
  EXPECT_EQ(packed[2 * 32 + 4 * 6], matrix.at(2, 6));
  ASSERT_EQ(text(unpackScales<uint8_t>(storage, packed, {back.data(), 1, groups})), "");
  EXPECT_EQ(back, zeros);
}

TEST(PackScales, RefusesBuffersOfTheWrongSize) {
  std::vector<uint16_t> scales(64), packed(64);
  auto pack = [&](int64_t k, int64_t n) {
    auto storage = ScaleStorage::get({16, 1}, k, n, 2);
    return text(packScales<uint16_t>(storage, {scales.data(), n, 1}, packed));
  };
  EXPECT_EQ(pack(32, 32), "");
  EXPECT_EQ(pack(48, 16), "packed scales of 3 x 16 groups take 96 elements, but got 64");
  EXPECT_EQ(pack(16, 80), "packed scales of 1 x 80 groups take 96 elements, but got 64");
}

TEST(PackScales, NothingTakesNothing) {
  for (Granularity granularity : {Granularity{0, 1}, {0, 0}, {16, 1}, {32, 8}}) {
    EXPECT_EQ(ScaleStorage::get(granularity, 0, 5, 2).getElements(), 0) << granularity.str();
    EXPECT_EQ(ScaleStorage::get(granularity, 5, 0, 2).getElements(), 0) << granularity.str();
  }
}

} // namespace
