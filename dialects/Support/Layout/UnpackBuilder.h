//===- UnpackBuilder.h - Assembling unpack programs -------------*- C++ -*-===//
//
// Appends steps to a program while running them on named bits (SymbolicWord.h),
// so that whoever assembles a program can look for what it has got so far.
// Private to this folder.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_UNPACKBUILDER_H
#define TILEWRIGHT_DIALECTS_SUPPORT_LAYOUT_UNPACKBUILDER_H

#include "dialects/Support/Layout/SymbolicWord.h"

namespace tilewright::layout {

class UnpackBuilder {
public:
  using Value = unsigned;

  explicit UnpackBuilder(unsigned bits, ActivationClass activations = ActivationClass::Bits16)
      : UnpackBuilder(WordLayout::get(bits, activations)) {}
  explicit UnpackBuilder(const WordLayout &layout)
      : layout(layout), values(makeSymbolicWords(layout)) {
    program.bits = layout.getBits();
    program.activations = layout.getActivations();
  }

  Value shiftRight(Value a, unsigned amount) {
    return append({UnpackStep::Kind::ShiftRight, a, 0, amount});
  }

  Value shiftLeft(Value a, unsigned amount) {
    return append({UnpackStep::Kind::ShiftLeft, a, 0, amount});
  }

  Value rotateLeft(Value a, unsigned amount) {
    return append({UnpackStep::Kind::RotateLeft, a, 0, amount});
  }

  /// In each half: the upper byte of `a` below byte `upper` (0 or 1) of `b`.
  Value gather(Value a, Value b, unsigned upper = 0) {
    return append({UnpackStep::Kind::Permute, a, b, upper ? 0x7351u : 0x6341u});
  }

  /// In each half: its two bytes swapped.
  Value swapBytes(Value a) { return append({UnpackStep::Kind::Permute, a, a, 0x2301u}); }

  /// In each half (byte): the bits of `a` where `mask` is set, else those of `b`.
  Value select(Value a, Value b, uint16_t mask) {
    return append({UnpackStep::Kind::Select, a, b, repeatPart(mask, program.activations)});
  }

protected:
  Value append(const UnpackStep &step) {
    llvm::cantFail(runStep(step, values));
    program.steps.push_back(step);
    return values.size() - 1;
  }

  /// Whether the pair's (quad's) code lies at `offset` of both halves (all bytes).
  bool holdsPair(const SymbolicWord &value, unsigned offset, unsigned pair) const {
    ActivationClass activations = program.activations;
    for (unsigned part = 0; part < getParts(activations); ++part)
      for (unsigned bit = 0; bit < program.bits; ++bit)
        if (value[getPartBits(activations) * part + offset + bit] !=
            CodeBit(activations, pair, part, bit))
          return false;
    return true;
  }

  const WordLayout &layout;
  std::vector<SymbolicWord> values;
  UnpackProgram program;
};

} // namespace tilewright::layout

#endif
