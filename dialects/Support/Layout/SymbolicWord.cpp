//===- SymbolicWord.cpp - Words whose bits know where they come from -------===//
//
// The meaning of each unpack step on named bits. PTX ISA: "shr", "shl",
// "prmt" (generic mode, no sign replication), "lop3".
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/SymbolicWord.h"

using namespace llvm;

namespace tilewright::layout {

std::string CodeBit::str() const {
  if (isZero())
    return "zero";
  std::string name = "bit " + std::to_string(bit) + " of ";
  if (activations == ActivationClass::Bits8)
    return name + "quad " + std::to_string(pair) + " (byte " + std::to_string(half) + ")";
  return name + "pair " + std::to_string(pair) + (half ? " (high half)" : " (low half)");
}

std::vector<SymbolicWord> makeSymbolicWords(const WordLayout &layout) {
  std::vector<SymbolicWord> words(layout.getBits());
  ActivationClass activations = layout.getActivations();
  for (unsigned pair = 0; pair < getRegistersPerFragment(activations); ++pair)
    for (unsigned bit = 0; bit < layout.getBits(); ++bit)
      for (unsigned part = 0; part < getParts(activations); ++part) {
        BitPosition at = layout.locate(pair, bit);
        words[at.word][getPartBits(activations) * part + at.offset] =
            CodeBit(activations, pair, part, bit);
      }
  return words;
}

/// Bits of `value` moved down by `amount` (up where negative), zeros moved in.
static SymbolicWord shift(const SymbolicWord &value, int amount) {
  SymbolicWord result;
  for (int i = 0; i < 32; ++i)
    if (i + amount >= 0 && i + amount < 32)
      result[i] = value[i + amount];
  return result;
}

static SymbolicWord rotateLeft(const SymbolicWord &value, unsigned amount) {
  SymbolicWord result;
  for (unsigned i = 0; i < 32; ++i)
    result[(i + amount) % 32] = value[i];
  return result;
}

static SymbolicWord permute(const SymbolicWord &a, const SymbolicWord &b, uint32_t selector) {
  SymbolicWord result;
  for (unsigned byte = 0; byte < 4; ++byte) {
    unsigned source = selector >> 4 * byte & 7;
    for (unsigned i = 0; i < 8; ++i)
      result[8 * byte + i] = (source < 4 ? a : b)[source % 4 * 8 + i];
  }
  return result;
}

static SymbolicWord select(const SymbolicWord &a, const SymbolicWord &b, uint32_t mask) {
  SymbolicWord result;
  for (unsigned i = 0; i < 32; ++i)
    result[i] = (mask >> i & 1 ? a : b)[i];
  return result;
}

static SymbolicWord keep(const SymbolicWord &a, uint32_t mask) {
  SymbolicWord result;
  for (unsigned i = 0; i < 32; ++i)
    if (mask >> i & 1)
      result[i] = a[i];
  return result;
}

/// Eight copies of the top bit of each byte.
static SymbolicWord spread(const SymbolicWord &bytes) {
  SymbolicWord result;
  for (unsigned i = 0; i < 32; ++i)
    result[i] = bytes[i | 7];
  return result;
}

Error runStep(const UnpackStep &step, std::vector<SymbolicWord> &values) {
  bool hasSecond = step.kind == UnpackStep::Kind::Permute ||
                   step.kind == UnpackStep::Kind::Select || step.kind == UnpackStep::Kind::Spread;
  for (unsigned operand : {step.a, hasSecond ? step.b : step.a})
    if (operand >= values.size())
      return createStringError("expects step " + Twine(values.size()) +
                               " to read an earlier value, but got value " + Twine(operand));
  switch (step.kind) {
  case UnpackStep::Kind::ShiftRight:
  case UnpackStep::Kind::ShiftLeft:
  case UnpackStep::Kind::RotateLeft: {
    if (step.immediate > 31)
      return createStringError("expects value " + Twine(values.size()) +
                               " to shift by at most 31, but got " + Twine(step.immediate));
    int amount = step.immediate;
    const SymbolicWord &value = values[step.a];
    if (step.kind == UnpackStep::Kind::RotateLeft)
      values.push_back(rotateLeft(value, amount));
    else
      values.push_back(shift(value, step.kind == UnpackStep::Kind::ShiftRight ? amount : -amount));
    return Error::success();
  }
  case UnpackStep::Kind::Permute:
  case UnpackStep::Kind::Spread: {
    if (step.immediate & 0xffff8888)
      return createStringError("expects the selector of value " + Twine(values.size()) +
                               " to have four digits 0 to 7, but got 0x" +
                               Twine::utohexstr(step.immediate));
    SymbolicWord bytes = permute(values[step.a], values[step.b], step.immediate);
    values.push_back(step.kind == UnpackStep::Kind::Spread ? spread(bytes) : bytes);
    return Error::success();
  }
  case UnpackStep::Kind::And:
    values.push_back(keep(values[step.a], step.immediate));
    return Error::success();
  case UnpackStep::Kind::Select:
    values.push_back(select(values[step.a], values[step.b], step.immediate));
    return Error::success();
  }
  return createStringError("unknown unpack step");
}

} // namespace tilewright::layout
