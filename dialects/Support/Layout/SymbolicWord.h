//===- SymbolicWord.h - Words whose bits know where they come from ---------===//
//
// The steps of an unpack program only move bits, so running it on words whose
// bits are names instead of values proves what it does for every value. The
// programs' builder looks for fields this way, the verifier proves them.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_SYMBOLICWORD_H
#define TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_SYMBOLICWORD_H

#include "dialects/Support/Layout/Packing.h"

#include <array>
#include <vector>

namespace tilewright::layout {

/// Names one bit of a weight of the fragment, or the constant zero.
class CodeBit {
public:
  CodeBit() = default;
  /// `pair` and `half`: which register, and which part of it; quad and byte beside
  /// activations of 8 bits.
  CodeBit(ActivationClass activations, unsigned pair, unsigned half, unsigned bit)
      : activations(activations), pair(pair), half(half), bit(bit), isCode(true) {}

  bool isZero() const { return !isCode; }
  unsigned getPair() const { return pair; }
  bool operator==(const CodeBit &other) const = default;

  /// "bit 2 of pair 7 (low half)", "bit 2 of quad 7 (byte 3)" or "zero".
  std::string str() const;

private:
  ActivationClass activations = ActivationClass::Bits16;
  uint8_t pair = 0, half = 0, bit = 0;
  bool isCode = false;
};

/// 32 named bits, the lowest first.
using SymbolicWord = std::array<CodeBit, 32>;

/// The words of a fragment, as `layout` stores its codes.
std::vector<SymbolicWord> makeSymbolicWords(const WordLayout &layout);

/// Runs one step on the values computed so far and appends its result. Fails
/// where the step is not one instruction on existing values.
llvm::Error runStep(const UnpackStep &step, std::vector<SymbolicWord> &values);

} // namespace tilewright::layout

#endif
