//===- SharedLayoutTest.cpp - Swizzles and banks ---------------------------===//
//
// Swizzles as bijections with the published patterns; wavefront counts against
// a simulation that serves one line of banks at a time.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/SharedLayout.h"

#include <gtest/gtest.h>
#include <random>
#include <set>
#include <vector>

using namespace tilewright::layout;

namespace {

/// Simulates the service of an access: per group of lanes, repeatedly let every
/// bank deliver one word it is still asked for.
unsigned simulateWavefronts(const std::vector<uint64_t> &addresses, unsigned bytesPerLane) {
  unsigned lanes = bytesPerLane == 16 ? 8 : bytesPerLane == 8 ? 16 : 32;
  unsigned wavefronts = 0;
  for (size_t begin = 0; begin < addresses.size(); begin += lanes) {
    std::set<uint64_t> pending;
    for (size_t i = begin; i < addresses.size() && i < begin + lanes; ++i)
      for (unsigned byte = 0; byte < bytesPerLane; ++byte)
        pending.insert((addresses[i] + byte) / 4);
    while (!pending.empty()) {
      ++wavefronts;
      std::set<uint64_t> busyBanks;
      for (auto it = pending.begin(); it != pending.end();)
        it = busyBanks.insert(*it % 32).second ? pending.erase(it) : std::next(it);
    }
  }
  return wavefronts;
}

TEST(Wavefronts, MatchTheSimulation) {
  unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (unsigned trial = 0; trial < 3000; ++trial) {
    unsigned bytes = 1u << random() % 5;
    unsigned lanes = 1 + random() % 32;
    uint64_t range = 1u << (1 + random() % 10), stride = 1u << random() % 6;
    std::vector<uint64_t> addresses;
    for (unsigned lane = 0; lane < lanes; ++lane)
      addresses.push_back(random() % range * stride * bytes);
    ASSERT_EQ(countWavefronts(addresses, bytes), simulateWavefronts(addresses, bytes))
        << "trial " << trial;
  }
}

TEST(Wavefronts, KnownPatterns) {
  auto strided = [](unsigned bytes, uint64_t stride) {
    std::vector<uint64_t> addresses;
    for (unsigned lane = 0; lane < 32; ++lane)
      addresses.push_back(lane * stride);
    return countWavefronts(addresses, bytes);
  };
  EXPECT_EQ(strided(4, 4), 1u);
  EXPECT_EQ(strided(4, 0), 1u); // broadcast
  EXPECT_EQ(strided(4, 8), 2u);
  EXPECT_EQ(strided(4, 128), 32u);
  EXPECT_EQ(strided(2, 2), 1u);
  EXPECT_EQ(strided(8, 8), 2u);
  EXPECT_EQ(strided(16, 16), 4u);
  EXPECT_EQ(strided(16, 128), 32u);
  std::vector<uint64_t> addresses(32);
  EXPECT_EQ(countIdealWavefronts(addresses, 4), 1u);
  EXPECT_EQ(countIdealWavefronts(addresses, 8), 2u);
  EXPECT_EQ(countIdealWavefronts(addresses, 16), 4u);
  EXPECT_EQ(countWavefronts({}, 4), 0u);
  EXPECT_EQ(countIdealWavefronts({}, 4), 0u);
}

TEST(SharedLayout, IsABijection) {
  for (unsigned swizzle : {0u, 32u, 64u, 128u})
    for (uint64_t rowBytes : {16u, 32u, 48u, 64u, 96u, 128u, 160u, 192u, 256u, 384u, 512u})
      for (uint64_t rows : {1u, 2u, 3u, 8u, 12u, 64u}) {
        SharedLayout layout{swizzle};
        if (!layout.isCompatible(rowBytes))
          continue;
        std::vector<bool> seen(rows * rowBytes);
        for (uint64_t row = 0; row < rows; ++row)
          for (uint64_t byte = 0; byte < rowBytes; ++byte) {
            uint64_t offset = layout.getOffset(rows, rowBytes, row, byte);
            ASSERT_LT(offset, seen.size()) << swizzle << " " << rowBytes << " " << rows;
            ASSERT_FALSE(seen[offset]) << swizzle << " " << rowBytes << " " << rows;
            seen[offset] = true;
          }
      }
}

TEST(SharedLayout, ChunksStayWhole) {
  for (unsigned swizzle : {32u, 64u, 128u})
    for (uint64_t row = 0; row < 16; ++row)
      for (uint64_t byte = 0; byte < 256; ++byte)
        EXPECT_EQ(SharedLayout{swizzle}.getOffset(16, 256, row, byte) % 16, byte % 16);
}

TEST(SharedLayout, SwizzlesAsTensorMapsDo) {
  // PTX ISA, "Swizzling Modes": the chunk numbers of successive 128-byte lines.
  // 128 bytes: line i holds the chunks in the order i^0, i^1, ..., i^7.
  for (unsigned line = 0; line < 8; ++line)
    for (unsigned chunk = 0; chunk < 8; ++chunk) {
      EXPECT_EQ(SharedLayout{128}.getOffset(8, 128, line, chunk * 16),
                line * 128 + (chunk ^ line) * 16);
      EXPECT_EQ(SharedLayout{64}.getOffset(8, 128, line, chunk * 16),
                line * 128 + (chunk ^ line % 4) * 16);
      EXPECT_EQ(SharedLayout{32}.getOffset(8, 128, line, chunk * 16),
                line * 128 + (chunk ^ line % 2) * 16);
    }
  // Narrow rows: the swizzle follows the line, not the row. Rows of 64 bytes:
  // rows 2 and 3 lie in line 1, so their chunks 0,1,2,3 become 1,0,3,2.
  EXPECT_EQ(SharedLayout{64}.getOffset(8, 64, 1, 0), 64u);
  EXPECT_EQ(SharedLayout{64}.getOffset(8, 64, 2, 0), 128u + 16);
  EXPECT_EQ(SharedLayout{64}.getOffset(8, 64, 3, 48), 192u + 32);
  // Wide rows: panels of 128 bytes.
  EXPECT_EQ(SharedLayout{128}.getOffset(16, 256, 0, 128), 16u * 128);
  EXPECT_EQ(SharedLayout{128}.getOffset(16, 256, 3, 144), 16u * 128 + 3 * 128 + (1 ^ 3) * 16);
}

TEST(SharedLayout, ChosenSwizzlesServeLdmatrixWithoutConflicts) {
  const std::pair<uint64_t, unsigned> expected[] = {
      {16, 0},
      {32, 32},
      {64, 64},
      {128, 128},
      {256, 128},
      {384, 128},
      {512, 128},
      {1024, 128},
      // Head sizes that are no powers of two: 72, 80, 96, 112, 160, 192, 576 halves.
      {144, 0},
      {160, 32},
      {192, 64},
      {224, 32},
      {320, 64},
      {1152, 128}};
  for (auto [rowBytes, swizzle] : expected) {
    SharedLayout layout = chooseLdmatrixSwizzle(rowBytes);
    EXPECT_EQ(layout.swizzleBytes, swizzle) << rowBytes;
    for (uint64_t rows : {8u, 16u, 64u, 48u})
      for (uint64_t row = 0; row < rows; row += 8)
        for (uint64_t byte = 0; byte < rowBytes; byte += 16) {
          std::vector<uint64_t> addresses;
          for (uint64_t i = 0; i < 8; ++i)
            addresses.push_back(layout.getOffset(rows, rowBytes, row + i, byte));
          ASSERT_EQ(simulateWavefronts(addresses, 16), 1u) << rowBytes << " row " << row;
          ASSERT_EQ(countWavefronts(addresses, 16), 1u);
        }
  }
}

TEST(SharedLayout, SmallerSwizzlesWouldConflict) {
  for (auto [rowBytes, swizzle] :
       {std::pair<uint64_t, unsigned>{32, 0}, {64, 32}, {128, 64}, {1024, 64}}) {
    std::vector<uint64_t> addresses;
    for (uint64_t i = 0; i < 8; ++i)
      addresses.push_back(SharedLayout{swizzle}.getOffset(8, rowBytes, i, 0));
    EXPECT_GT(countWavefronts(addresses, 16), 1u) << rowBytes;
  }
}

TEST(SharedLayout, KnowsWhichRowsItFits) {
  EXPECT_TRUE(SharedLayout{0}.isCompatible(100));
  EXPECT_TRUE(SharedLayout{32}.isCompatible(64));
  EXPECT_FALSE(SharedLayout{64}.isCompatible(32));
  EXPECT_TRUE(SharedLayout{32}.isCompatible(96));
  EXPECT_FALSE(SharedLayout{64}.isCompatible(96));
  EXPECT_FALSE(SharedLayout{128}.isCompatible(192));
  EXPECT_TRUE(SharedLayout{128}.isCompatible(384));
}

} // namespace
