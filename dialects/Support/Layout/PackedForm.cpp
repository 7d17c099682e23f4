//===- PackedForm.cpp - What packed words are, by names ----------------------===//
//
// See PackedForm.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/PackedForm.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright::layout {

static constexpr Storage storages[] = {Storage::Words, Storage::Nested, Storage::Stack};

StringRef getName(Storage storage) {
  switch (storage) {
  case Storage::Words:
    return "words";
  case Storage::Nested:
    return "nested";
  case Storage::Stack:
    return "stack";
  }
  llvm_unreachable("unknown storage");
}

Expected<Storage> parseStorage(StringRef name) {
  SmallVector<StringRef> names;
  for (Storage known : storages) {
    if (name == getName(known))
      return known;
    names.push_back(getName(known));
  }
  return text::makeUnknownNameError("storage", name, names);
}

Expected<PackedForm> PackedForm::parse(int64_t bits, StringRef storage, StringRef activations) {
  if (bits < 1 || bits > 8)
    return createStringError("expects codes of 1 to 8 bits, but got " + Twine(bits) +
                             "; the nearest is " + Twine(bits < 1 ? 1 : 8));
  Expected<Storage> kind = parseStorage(storage);
  if (!kind)
    return kind.takeError();
  Expected<ActivationClass> parsed = parseActivationClass(activations);
  if (!parsed)
    return parsed.takeError();
  if (hasPlanes(*kind) && *parsed != ActivationClass::Bits16)
    return createStringError("expects activations 16-bit with storage " + storage + ", but got " +
                             activations);
  return PackedForm{unsigned(bits), *kind, *parsed};
}

const WordLayout &PackedForm::getWordLayout() const {
  return hasPlanes(storage) ? WordLayout::getPlanes(bits, storage == Storage::Stack)
                            : WordLayout::get(bits, activations);
}

int64_t PackedForm::getWordsPerBlock() const {
  constexpr int64_t perBit = blockK * blockN / 32;
  return hasPlanes(storage) ? perBit : perBit * bits;
}

SmallVector<int64_t, 4> PackedForm::getTileShape(int64_t strips, int64_t blocks) const {
  if (hasPlanes(storage))
    return {strips, blocks, bits, getWordsPerBlock()};
  return {strips, blocks, getWordsPerBlock()};
}

SmallVector<int64_t, 4> PackedForm::getMatrixShape(int64_t k, int64_t n) const {
  int64_t strips = divideCeil(n, blockN), blocks = divideCeil(k, blockK);
  if (hasPlanes(storage))
    return {bits, strips, blocks, getWordsPerBlock()};
  return {strips, blocks, getWordsPerBlock()};
}

} // namespace tilewright::layout
