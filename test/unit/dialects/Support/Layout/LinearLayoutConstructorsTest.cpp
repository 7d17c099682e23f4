//===- LinearLayoutConstructorsTest.cpp - Layouts with a name --------------===//
//
// The named layouts against the formulae of the PTX ISA ("Matrix fragments for
// mma.m16n8k16 with floating point type"), written here as that document does:
// with groupID and threadID_in_group, for every element of every tile.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/LinearLayout.h"

#include <gtest/gtest.h>
#include <map>
#include <tuple>

using namespace tilewright::layout;

namespace {

struct Element {
  int64_t row, column;
};

Element accumulatorElement(unsigned i, unsigned lane) {
  unsigned groupID = lane >> 2, threadID = lane % 4;
  return {i < 2 ? groupID : groupID + 8, threadID * 2 + (i & 1)};
}

Element operandAElement(unsigned i, unsigned lane) {
  unsigned groupID = lane >> 2, threadID = lane % 4;
  bool upperRow = !((i >= 0 && i < 2) || (i >= 4 && i < 6));
  return {upperRow ? groupID + 8 : groupID, (threadID * 2) + (i & 1) + (i >= 4 ? 8 : 0)};
}

Element operandBElement(unsigned i, unsigned lane) {
  unsigned groupID = lane >> 2, threadID = lane % 4;
  return {(threadID * 2) + (i & 1) + (i >= 2 ? 8 : 0), groupID};
}

/// Largest power of two that divides n.
int64_t powerOfTwo(int64_t n) { return n & -n; }

/// What the header says of one dimension: `tile` wide fragments, equal parts a
/// warp within each of the odd number of copies. Position of fragment `index`
/// of warp `warp`, where the thread has `count` fragments in a copy.
int64_t fragmentOrigin(int64_t extent, int64_t tile, int64_t warps, int64_t warp, int64_t copy,
                       int64_t index) {
  int64_t base = powerOfTwo(extent);
  return copy * base + warp * (base / warps) + index * tile;
}

struct Dimension {
  int64_t extent, tile, warps;
  int64_t copies() const { return extent / powerOfTwo(extent); }
  int64_t fragments() const { return powerOfTwo(extent) / tile / warps; }
};

/// Checks a two-dimensional layout of fragments: `fast` and `slow` number the
/// dimension whose fragments come first and second in register order.
template <typename ElementOf>
void expectFragments(const LinearLayout &layout, Dimension rows, Dimension columns, bool rowsFast,
                     unsigned fragmentSize, int64_t warpsM, int64_t warpsN,
                     int64_t (*warpOfRow)(int64_t, int64_t),
                     int64_t (*warpOfColumn)(int64_t, int64_t), ElementOf element) {
  ASSERT_EQ(layout.getShape(), (llvm::SmallVector<int64_t, 4>{rows.extent, columns.extent}));
  EXPECT_TRUE(layout.isOnto());
  ASSERT_EQ(layout.getNumLanes(), 32u);
  ASSERT_EQ(layout.getNumWarps(), warpsM * warpsN);
  for (int64_t wm = 0; wm < warpsM; ++wm)
    for (int64_t wn = 0; wn < warpsN; ++wn)
      for (unsigned lane = 0; lane < 32; ++lane) {
        unsigned reg = 0;
        for (int64_t rowCopy = 0; rowCopy < rows.copies(); ++rowCopy)
          for (int64_t columnCopy = 0; columnCopy < columns.copies(); ++columnCopy) {
            int64_t slow = rowsFast ? columns.fragments() : rows.fragments();
            int64_t fast = rowsFast ? rows.fragments() : columns.fragments();
            for (int64_t i = 0; i < slow; ++i)
              for (int64_t j = 0; j < fast; ++j)
                for (unsigned e = 0; e < fragmentSize; ++e, ++reg) {
                  Element inside = element(e, lane);
                  int64_t row = fragmentOrigin(rows.extent, rows.tile, rows.warps,
                                               warpOfRow(wm, wn), rowCopy, rowsFast ? j : i) +
                                inside.row;
                  int64_t column =
                      fragmentOrigin(columns.extent, columns.tile, columns.warps,
                                     warpOfColumn(wm, wn), columnCopy, rowsFast ? i : j) +
                      inside.column;
                  ASSERT_EQ(layout.apply(reg, lane, wm * warpsN + wn), (Coordinates{row, column}))
                      << layout.str() << " register " << reg << " lane " << lane << " warp " << wm
                      << "," << wn;
                }
          }
        ASSERT_EQ(reg, layout.getNumRegisters());
      }
}

int64_t first(int64_t wm, int64_t) { return wm; }
int64_t second(int64_t, int64_t wn) { return wn; }
int64_t none(int64_t, int64_t) { return 0; }

const std::pair<int64_t, int64_t> shapes[] = {{16, 16}, {16, 96},   {48, 64},  {64, 128},
                                              {96, 32}, {128, 192}, {32, 576}, {48, 80}};
const std::pair<int64_t, int64_t> warpGrids[] = {{1, 1}, {1, 2}, {2, 1}, {2, 2}, {1, 4}, {4, 2}};

TEST(MmaAccumulator, HoldsTheElementsOfThePtxIsa) {
  unsigned checked = 0;
  for (auto [m, n] : shapes)
    for (auto [wm, wn] : warpGrids) {
      if (powerOfTwo(m) < 16 * wm || powerOfTwo(n) < 8 * wn)
        continue;
      expectFragments(mmaAccumulator({m, n}, {wm, wn}), {m, 16, wm}, {n, 8, wn}, false, 4, wm, wn,
                      first, second, accumulatorElement);
      ++checked;
    }
  EXPECT_GT(checked, 20u);
}

TEST(MmaOperand, AHoldsTheElementsOfThePtxIsa) {
  for (auto [m, k] : shapes)
    for (auto [wm, wn] : warpGrids)
      if (powerOfTwo(m) >= 16 * wm)
        expectFragments(mmaOperand(0, {m, k}, {wm, wn}), {m, 16, wm}, {k, 16, 1}, false, 8, wm, wn,
                        first, none, operandAElement);
}

TEST(MmaOperand, BHoldsTheElementsOfThePtxIsa) {
  for (auto [k, n] : shapes)
    for (auto [wm, wn] : warpGrids)
      if (powerOfTwo(n) >= 8 * wn)
        expectFragments(mmaOperand(1, {k, n}, {wm, wn}), {k, 16, 1}, {n, 8, wn}, true, 4, wm, wn,
                        none, second, operandBElement);
}

TEST(MmaOperand, PairsAreNeighboursAlongK) {
  EXPECT_EQ(mmaOperand(0, {64, 64}, {2, 2}).getContiguity(1), 2u);
  EXPECT_EQ(mmaOperand(1, {64, 64}, {2, 2}).getContiguity(0), 2u);
  EXPECT_EQ(mmaAccumulator({64, 96}, {2, 2}).getContiguity(1), 2u);
}

TEST(MmaOperand, SurplusWarpsReplicate) {
  LinearLayout layout = mmaOperand(0, {16, 32}, {4, 1});
  EXPECT_EQ(layout.getNumWarps(), 4u);
  EXPECT_TRUE(layout.isOnto());
  for (unsigned warp = 0; warp < 4; ++warp)
    EXPECT_EQ(layout.apply(5, 9, warp), layout.apply(5, 9, 0));
}

/// Blocked as a list: walk the tile's chunks of `vector` elements in row-major
/// order; the first 32 go to the lanes, the next to the next warp.
TEST(Blocked, LanesAndWarpsFillTheLastDimensionFirst) {
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>{64, 64}, {128, 32}, {16, 256}, {4, 8}})
    for (unsigned vector : {1u, 2u, 4u, 8u})
      for (unsigned warps : {1u, 2u, 4u}) {
        LinearLayout layout = blocked({rows, columns}, vector, warps);
        EXPECT_TRUE(layout.isOnto());
        EXPECT_EQ(layout.getShape(), (llvm::SmallVector<int64_t, 4>{rows, columns}));
        EXPECT_EQ(layout.getContiguity(1) >= vector, true);
        int64_t threads = 32 * warps, chunks = rows * columns / vector;
        for (int64_t thread = 0; thread < threads; ++thread)
          for (unsigned e = 0; e < vector; ++e) {
            int64_t element = thread % chunks * vector + e;
            ASSERT_EQ(layout.apply(e, thread % 32, thread / 32),
                      (Coordinates{element / columns, element % columns}))
                << layout.str();
          }
      }
}

TEST(Blocked, OddExtentsRepeat) {
  LinearLayout layout = blocked({16, 96}, 8, 4);
  EXPECT_EQ(layout.getRepeat(), (llvm::ArrayRef<int64_t>{1, 3}));
  EXPECT_EQ(layout.getShape(), (llvm::SmallVector<int64_t, 4>{16, 96}));
  EXPECT_EQ(layout.getContiguity(1), 8u);
  // 16x32 of base tile in chunks of 8 are 64 chunks: half of the threads copy.
  EXPECT_TRUE(layout.hasReplication());
  // A vector wider than the base tile's row is cut.
  EXPECT_EQ(blocked({4, 12}, 16, 1).getContiguity(1), 4u);
}

TEST(Blocked, ScalarTilesAreHeldByAll) {
  LinearLayout layout = blocked({}, 1, 4);
  EXPECT_EQ(layout.getRank(), 0u);
  EXPECT_TRUE(layout.isOnto());
  EXPECT_EQ(layout.getNumRegisters(), 1u);
  EXPECT_EQ(layout.apply(0, 31, 3), Coordinates{});
}

TEST(PackedWords, EveryWordIsLoadedOnceByItsWarp) {
  for (int64_t bits = 1; bits <= 8; ++bits)
    for (auto [strips, blocks] :
         {std::pair<int64_t, int64_t>{1, 1}, {2, 1}, {4, 2}, {6, 3}, {2, 5}})
      for (auto [wm, wn] : {std::pair<int64_t, int64_t>{1, 1}, {1, 2}, {2, 1}, {2, 4}}) {
        LinearLayout layout = packedWords({strips, blocks, 128 * bits}, {wm, wn});
        ASSERT_EQ(layout.getShape(), (llvm::SmallVector<int64_t, 4>{strips, blocks, 128 * bits}));
        ASSERT_TRUE(layout.isOnto());
        ASSERT_EQ(layout.getNumWarps(), wm * wn);
        EXPECT_GE(layout.getContiguity(2), 4u);
        // Word w of lane l of a block lies at (w/4)*128 + l*4 + w%4.
        int64_t parts = std::min(wn, powerOfTwo(strips));
        for (int64_t strip = 0; strip < strips / parts; ++strip)
          for (int64_t block = 0; block < blocks; ++block)
            for (int64_t word = 0; word < 4 * bits; ++word) {
              int64_t local = powerOfTwo(strips) / parts;
              int64_t stripInTile = strip / local * powerOfTwo(strips) + strip % local;
              unsigned reg = packedWordRegister(layout, stripInTile, block, word);
              for (int64_t warp = 0; warp < wm * wn; ++warp)
                for (int64_t lane = 0; lane < 32; ++lane)
                  ASSERT_EQ(layout.apply(reg, lane, warp),
                            (Coordinates{stripInTile + warp % wn / (wn / parts) * local, block,
                                         word / 4 * 128 + lane * 4 + word % 4}))
                      << layout.str();
            }
      }
}

TEST(Constructors, CopiedRowsHaveNeighboursThatShareThem) {
  for (int64_t rows : {8, 16, 32, 48, 64, 128})
    for (int64_t chunks : {1, 4, 9, 10, 12, 16, 24, 64, 72})
      for (unsigned warps : {1u, 2u, 4u, 8u}) {
        LinearLayout layout = copiedRows(rows, chunks, warps);
        unsigned lanes = getLanesPerRow(chunks);
        SCOPED_TRACE(layout.str());
        EXPECT_EQ(chunks % lanes, 0);
        ASSERT_TRUE(layout.isOnto());
        EXPECT_EQ(layout.getShape(), (llvm::SmallVector<int64_t, 4>{rows, 1}));
        std::vector<unsigned> holders(rows);
        for (unsigned warp = 0; warp < warps; ++warp)
          for (unsigned lane = 0; lane < 32; ++lane)
            for (unsigned reg = 0; reg < layout.getNumRegisters(); ++reg) {
              int64_t row = layout.apply(reg, lane, warp)[0];
              ++holders[row];
              EXPECT_EQ(row, layout.apply(reg, lane / lanes * lanes, warp)[0]);
            }
        // All rows have as many, and no more than there must be.
        for (unsigned count : holders) {
          EXPECT_EQ(count, holders.front());
          EXPECT_EQ(count % lanes, 0u);
        }
        EXPECT_EQ(holders.front() * rows, 32 * warps * layout.getNumRegisters());
      }
}

} // namespace
