//===- MatrixReadTest.cpp - Which layouts ldmatrix reads --------------------===//
//
// The reference is the PTX ISA's picture of ldmatrix, spelt out element by
// element: lane 4g+t receives elements 2t, 2t+1 of row g of matrix i in its
// register i, with .trans element g of rows 2t and 2t+1.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/MatrixRead.h"

#include "gtest/gtest.h"

using namespace tilewright::layout;

namespace {

/// Checks each register of each lane of warp 0 against the picture.
void expectPicture(const LinearLayout &layout, const MatrixRead &read) {
  unsigned perRead = read.getMatrices() * read.elements;
  for (unsigned reg = 0; reg < layout.getNumRegisters(); ++reg) {
    unsigned element = reg % read.elements, matrix = reg % perRead / read.elements;
    Coordinates start = layout.apply(reg / perRead * perRead, 0, 0);
    for (unsigned step = 0; step < read.steps.size(); ++step)
      for (unsigned dim = 0; dim < 2; ++dim)
        start[dim] += (matrix >> step & 1) * read.steps[step][dim];
    for (unsigned lane = 0; lane < 32; ++lane) {
      int64_t row = lane / 4, column = lane % 4 * read.elements + element;
      if (read.transposed)
        std::swap(row, column);
      EXPECT_EQ(layout.apply(reg, lane, 0), Coordinates({start[0] + row, start[1] + column}))
          << "register " << reg << " lane " << lane;
    }
  }
}

TEST(MatrixReadTest, ReadsOperandAFourMatricesAtATime) {
  LinearLayout layout = mmaOperand(0, {64, 32}, {2, 2});
  auto read = getMatrixRead(layout, 16);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->transposed);
  EXPECT_EQ(read->getMatrices(), 4u);
  expectPicture(layout, *read);
}

TEST(MatrixReadTest, ReadsOperandBEitherWay) {
  LinearLayout kn = mmaOperand(1, {16, 64}, {1, 2});
  auto read = getMatrixRead(kn, 16);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->transposed); // K runs down the rows of memory
  EXPECT_EQ(read->getMatrices(), 4u);
  expectPicture(kn, *read);
  LinearLayout nk = *kn.transpose({1, 0});
  read = getMatrixRead(nk, 16);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->transposed);
  expectPicture(nk, *read);
}

TEST(MatrixReadTest, TakesFewerMatricesWhereThereAreFewer) {
  LinearLayout pair = mmaOperand(1, {16, 8}, {1, 1});
  EXPECT_EQ(getMatrixRead(pair, 16)->getMatrices(), 2u);
  expectPicture(pair, *getMatrixRead(pair, 16));
  LinearLayout one(2, {{0, 1}}, {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}}, {});
  EXPECT_EQ(getMatrixRead(one, 16)->getMatrices(), 1u);
  expectPicture(one, *getMatrixRead(one, 16));
}

TEST(MatrixReadTest, WordsOfOtherWidthsArePlainOnly) {
  // Four bytes of a row in a register, as s8 operands want them.
  LinearLayout bytes(2, {{0, 1}, {0, 2}}, {{0, 4}, {0, 8}, {1, 0}, {2, 0}, {4, 0}}, {});
  ASSERT_TRUE(getMatrixRead(bytes, 8));
  expectPicture(bytes, *getMatrixRead(bytes, 8));
  EXPECT_FALSE(getMatrixRead(*bytes.transpose({1, 0}), 8));
  LinearLayout words(2, {}, {{0, 1}, {0, 2}, {1, 0}, {2, 0}, {4, 0}}, {});
  ASSERT_TRUE(getMatrixRead(words, 32));
  expectPicture(words, *getMatrixRead(words, 32));
}

TEST(MatrixReadTest, RefusesWhatIsNotMadeOfMatrices) {
  EXPECT_FALSE(getMatrixRead(mmaAccumulator({16, 16}, {1, 1}), 32));
  EXPECT_FALSE(getMatrixRead(blocked({16, 64}, 8, 1), 16));
  EXPECT_FALSE(getMatrixRead(mmaOperand(0, {16, 16}, {1, 1}), 32));
  EXPECT_FALSE(getMatrixRead(mmaOperand(0, {16, 16}, {1, 1}), 4));
  // A register that moves by half a matrix.
  LinearLayout half(2, {{0, 1}, {0, 4}}, {{0, 2}, {0, 8}, {1, 0}, {2, 0}, {4, 0}}, {});
  EXPECT_FALSE(getMatrixRead(half, 16));
  // Warps that do.
  LinearLayout warps(2, {{0, 1}}, {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}}, {{0, 12}});
  EXPECT_FALSE(getMatrixRead(warps, 16));
  EXPECT_FALSE(getMatrixRead(blocked({8, 4, 16}, 2, 1), 16));
}

} // namespace
