//===- UnpackMachine.h - Executes unpack programs on integers ---------------===//
//
// For tests: each step as the instruction it stands for, written from the PTX
// ISA and from nothing of the library but the programs themselves.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_DIALECTS_SUPPORT_LAYOUT_UNPACKMACHINE_H
#define TILEWRIGHT_TEST_UNIT_DIALECTS_SUPPORT_LAYOUT_UNPACKMACHINE_H

#include "dialects/Support/Layout/Packing.h"

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace tilewright::layout {

using Codes = std::array<std::array<unsigned, 2>, pairsPerFragment>; // [pair][half]

/// PTX ISA, prmt: a digit above 7 copies the sign of its byte.
inline uint32_t permute(uint32_t a, uint32_t b, uint32_t selector) {
  uint64_t bytes = uint64_t(b) << 32 | a;
  uint32_t result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    unsigned digit = selector >> 4 * i & 15;
    uint8_t byte = bytes >> (digit & 7) * 8;
    result |= uint32_t(digit < 8 ? byte : byte & 0x80 ? 0xff : 0) << 8 * i;
  }
  return result;
}

inline uint32_t runStep(const UnpackStep &step, uint32_t a, uint32_t b) {
  switch (step.kind) {
  case UnpackStep::Kind::ShiftRight:
    return a >> step.immediate;
  case UnpackStep::Kind::ShiftLeft:
    return a << step.immediate;
  case UnpackStep::Kind::RotateLeft:
    return std::rotl(a, int(step.immediate));
  case UnpackStep::Kind::Permute:
    return permute(a, b, step.immediate);
  case UnpackStep::Kind::Select:
    return (a & step.immediate) | (b & ~step.immediate);
  case UnpackStep::Kind::And:
    return a & step.immediate;
  case UnpackStep::Kind::Spread:
    return permute(a, b, step.immediate | 0x8888);
  }
  return 0;
}

/// A lane's words that hold `codes`.
inline std::vector<uint32_t> pack(const WordLayout &layout, const Codes &codes) {
  std::vector<uint32_t> words(layout.getBits());
  for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
    for (unsigned bit = 0; bit < layout.getBits(); ++bit)
      for (unsigned half = 0; half < 2; ++half) {
        BitPosition at = layout.locate(pair, bit);
        words[at.word] |= (codes[pair][half] >> bit & 1) << (at.offset + 16 * half);
      }
  return words;
}

/// The program's values on packed `codes`: the words, then the result of each step.
inline std::vector<uint32_t> run(const UnpackProgram &program, const Codes &codes) {
  std::vector<uint32_t> values = pack(WordLayout::get(program.bits), codes);
  for (const UnpackStep &step : program.steps)
    values.push_back(runStep(step, values.at(step.a), values.at(step.b)));
  return values;
}

} // namespace tilewright::layout

#endif
