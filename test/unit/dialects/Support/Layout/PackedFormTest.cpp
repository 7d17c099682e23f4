//===- PackedFormTest.cpp - What packed words are, by names --------------------===//
#include "dialects/Support/Layout/PackedForm.h"

#include "gtest/gtest.h"

using namespace tilewright::layout;

namespace {

std::string messageOf(llvm::Error error) { return llvm::toString(std::move(error)); }

TEST(PackedFormTest, NamesRoundTrip) {
  for (Storage storage : {Storage::Words, Storage::Nested, Storage::Stack})
    EXPECT_EQ(llvm::cantFail(parseStorage(getName(storage))), storage);
  EXPECT_EQ(messageOf(parseStorage("planes").takeError()).find("unknown storage 'planes'"), 0u);
}

TEST(PackedFormTest, WhatThereIsNotIsRefused) {
  auto refuse = [](int64_t bits, const char *storage, const char *activations) {
    return messageOf(PackedForm::parse(bits, storage, activations).takeError());
  };
  EXPECT_EQ(refuse(8, "words", "8-bit"), "");
  EXPECT_EQ(refuse(0, "words", "8-bit"),
            "expects codes of 1 to 8 bits, but got 0; the nearest is 1");
  EXPECT_EQ(refuse(9, "words", "8-bit"),
            "expects codes of 1 to 8 bits, but got 9; the nearest is 8");
  EXPECT_EQ(refuse(4, "stack", "8-bit"),
            "expects activations 16-bit with storage stack, but got 8-bit");
  EXPECT_NE(refuse(4, "words", "4-bit"), "");
}

/// All words together are what getPackedBytes counts.
TEST(PackedFormTest, ExtentsAreThoseOfPaddedBlocks) {
  for (unsigned bits = 1; bits <= 8; ++bits)
    for (Storage storage : {Storage::Words, Storage::Nested, Storage::Stack})
      for (auto [k, n] : {std::pair<int64_t, int64_t>{1, 1}, {128, 32}, {129, 33}, {300, 70}}) {
        PackedForm form{bits, storage, ActivationClass::Bits16};
        uint64_t words = 1;
        for (int64_t extent : form.getMatrixShape(k, n))
          words *= extent;
        EXPECT_EQ(4 * words, getPackedBytes(k, n, bits));
      }
  EXPECT_EQ((PackedForm{3, Storage::Nested, ActivationClass::Bits16}.getTileShape(2, 1)),
            (llvm::SmallVector<int64_t, 4>{2, 1, 3, 128}));
  EXPECT_EQ((PackedForm{3, Storage::Words, ActivationClass::Bits8}.getTileShape(2, 1)),
            (llvm::SmallVector<int64_t, 4>{2, 1, 384}));
}

} // namespace
