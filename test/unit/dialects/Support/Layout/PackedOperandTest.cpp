//===- PackedOperandTest.cpp - Packed words against their operand ----------===//
//
// Real pairs of layouts hold, thread by thread; every way to get one of them
// wrong is refused.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/PackedOperand.h"

#include <gtest/gtest.h>
#include <map>
#include <set>

using namespace tilewright::layout;

namespace {

std::string verify(const LinearLayout &words, const LinearLayout &operand, unsigned bits) {
  llvm::Error error = verifyPackedOperand(words, operand, bits);
  return error ? llvm::toString(std::move(error)) : "";
}

/// For every thread by itself: the weights in its words are its operand's.
void expectSameWeights(const LinearLayout &words, const LinearLayout &operand, unsigned bits) {
  for (unsigned warp = 0; warp < operand.getNumWarps(); ++warp)
    for (unsigned lane = 0; lane < 32; ++lane) {
      // Weights of fragments whose words are all there.
      std::map<std::array<int64_t, 4>, unsigned> wordsOf; // strip, block, fragment, owner lane
      for (unsigned reg = 0; reg < words.getNumRegisters(); ++reg) {
        Coordinates at = words.apply(reg, lane, warp);
        unsigned word = at[2] / 128 * 4 + at[2] % 4;
        ++wordsOf[{at[0], at[1], word / bits, at[2] / 4 % 32}];
      }
      std::set<std::pair<int64_t, int64_t>> fromWords, fromOperand;
      for (auto [key, count] : wordsOf) {
        ASSERT_EQ(count, bits);
        for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
          for (unsigned half = 0; half < 2; ++half) {
            auto [k, n] = getBlockCoordinates({unsigned(key[2]), unsigned(key[3]), pair, half});
            fromWords.insert({key[1] * blockK + k, key[0] * blockN + n});
          }
      }
      for (unsigned reg = 0; reg < operand.getNumRegisters(); ++reg) {
        Coordinates at = operand.apply(reg, lane, warp);
        fromOperand.insert({at[0], at[1]});
      }
      ASSERT_EQ(fromWords, fromOperand) << "lane " << lane << ", warp " << warp;
    }
}

TEST(PackedOperand, WordsOfAWarpAreItsOperandB) {
  for (unsigned bits = 1; bits <= 8; ++bits)
    for (auto [strips, blocks] : {std::pair<int64_t, int64_t>{1, 1}, {4, 2}, {6, 1}, {2, 3}})
      for (auto [wm, wn] : {std::pair<int64_t, int64_t>{1, 1}, {2, 1}, {1, 2}, {2, 2}}) {
        if (strips % wn != 0)
          continue;
        LinearLayout words = packedWords({strips, blocks, 128 * bits}, {wm, wn});
        LinearLayout operand = mmaOperand(1, {blocks * blockK, strips * blockN}, {wm, wn});
        EXPECT_EQ(verify(words, operand, bits), "");
        expectSameWeights(words, operand, bits);
      }
}

TEST(PackedOperand, WordsOfAWarpAreItsTransposedOperandA) {
  // Few rows of activations: weights are operand A, N along its rows.
  LinearLayout operand = *mmaOperand(0, {64, 128}, {2, 1}).transpose({1, 0});
  LinearLayout words = packedWords({2, 1, 128 * 3}, {1, 2});
  EXPECT_EQ(verify(words, operand, 3), "");
  expectSameWeights(words, operand, 3);
}

TEST(PackedOperand, PairsNameTheirOrigin) {
  LinearLayout operand = mmaOperand(1, {256, 64}, {1, 1});
  std::set<std::array<unsigned, 4>> origins;
  for (unsigned index = 0; index < operand.getNumRegisters() / 2; ++index) {
    PackedPair origin = getPackedPair(operand, index);
    origins.insert({origin.strip, origin.block, origin.fragment, origin.pair});
    // Back again: the pair's weight for thread 0 is in register 2 * index.
    BlockCoordinates at = getBlockCoordinates({origin.fragment, 0, origin.pair, 0});
    EXPECT_EQ(operand.findRegister({origin.block * blockK + at.k, origin.strip * blockN + at.n}),
              2 * index);
  }
  EXPECT_EQ(origins.size(), 2u * 2 * 4 * 16);
}

TEST(PackedOperand, RefusesWarpsThatLoadOtherStrips) {
  // Warps along M share all of N, but each loads one strip.
  EXPECT_EQ(verify(packedWords({2, 1, 512}, {1, 2}), mmaOperand(1, {128, 64}, {2, 1}), 4),
            "expects the thread to load word 0 of fragment 0 of strip 1, block 0 (operand register "
            "128, lane 0, warp 0)");
  // Warps along N, each of which loads both strips: warp 1 would need other registers.
  EXPECT_EQ(verify(packedWords({2, 1, 512}, {2, 1}), mmaOperand(1, {128, 64}, {1, 2}), 4),
            "expects all threads to load word 0 of fragment 0 into the same register (operand "
            "register 0, lane 0, warp 1)");
  // One strip for two warps: half a block each.
  EXPECT_EQ(verify(packedWords({1, 1, 512}, {1, 2}), mmaOperand(1, {128, 32}, {1, 2}), 4),
            "expects all threads to unpack the same pair of the same fragment (operand register 0, "
            "lane 0, warp 1)");
}

TEST(PackedOperand, RefusesAnotherOperand) {
  LinearLayout words = packedWords({1, 1, 512}, {1, 1});
  EXPECT_EQ(verify(words, blocked({128, 32}, 2, 1), 4),
            "expects a packed pair in neighbouring operand registers (operand register 0, lane 0, "
            "warp 0)");
  EXPECT_NE(verify(words, mmaAccumulator({128, 32}, {1, 1}), 4), "");
  EXPECT_NE(verify(words, mmaOperand(0, {128, 32}, {1, 1}), 4), "");
}

TEST(PackedOperand, RefusesLanesThatLoadOtherWords) {
  // Lanes 1 and 2 exchanged.
  LinearLayout words(3, {{0, 0, 1}, {0, 0, 2}, {0, 0, 128}, {0, 0, 256}},
                     {{0, 0, 8}, {0, 0, 4}, {0, 0, 16}, {0, 0, 32}, {0, 0, 64}}, {});
  EXPECT_EQ(verify(words, mmaOperand(1, {128, 32}, {1, 1}), 4),
            "expects the thread to load word 0 of fragment 0 of strip 0, block 0 (operand register "
            "0, lane 1, warp 0)");
}

TEST(PackedOperand, RefusesOtherShapes) {
  LinearLayout words = packedWords({1, 1, 512}, {1, 1});
  EXPECT_EQ(verify(words, mmaOperand(1, {128, 32}, {1, 1}), 3),
            "expects 384 words a block for 3 bits, but got 512");
  EXPECT_EQ(verify(words, mmaOperand(1, {128, 64}, {1, 1}), 4),
            "expects an operand of 128x32 elements, but got 128x64");
  EXPECT_EQ(verify(words, mmaOperand(1, {128, 32}, {2, 1}), 4),
            "expects words and operand over the same warps of 32 lanes");
  EXPECT_EQ(verify(blocked({16, 16}, 1, 1), mmaOperand(1, {128, 32}, {1, 1}), 4),
            "expects words of rank 3 and an operand of rank 2, but got ranks 2 and 2");
}

} // namespace
