//===- PackedForm.h - What packed words are, by names ------------------------===//
//
// Width, storage and class of activations together, for ops that say them as attributes.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_PACKEDFORM_H
#define TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_PACKEDFORM_H

#include "dialects/Support/Layout/Packing.h"

namespace tilewright::layout {

/// "words", "nested", "stack": the name of a storage in attributes and messages.
llvm::StringRef getName(Storage storage);
llvm::Expected<Storage> parseStorage(llvm::StringRef name);

struct PackedForm {
  unsigned bits = 4;
  Storage storage = Storage::Words;
  ActivationClass activations = ActivationClass::Bits16;

  /// Fails unless there are 1 to 8 bits, both names are known, and planes are for
  /// activations of 16 bits.
  static llvm::Expected<PackedForm> parse(int64_t bits, llvm::StringRef storage,
                                          llvm::StringRef activations);

  const WordLayout &getWordLayout() const;
  /// 32-bit words of a block that follow each other.
  int64_t getWordsPerBlock() const;
  /// A tile of words: strips, blocks, words, or strips, blocks, planes, words.
  llvm::SmallVector<int64_t, 4> getTileShape(int64_t strips, int64_t blocks) const;
  /// The words of a matrix as they lie: strips, blocks, words; planes come first.
  llvm::SmallVector<int64_t, 4> getMatrixShape(int64_t k, int64_t n) const;
};

} // namespace tilewright::layout

#endif
