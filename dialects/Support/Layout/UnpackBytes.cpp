//===- UnpackBytes.cpp - How packed words become bytes ---------------------===//
//
// The unpack programs beside activations of 8 bits. A byte of a tensor core's
// operand is a code at the top of the byte: read as a signed byte it is a two's
// complement code times 2^(8-b), read as an unsigned one a plain binary code times
// the same, so one program serves both, and nothing is subtracted from operands.
// The factor is left to the sum of products.
//
// So a field takes a shift, unless it is at the top already, and a mask; residue
// a shift for each run of bits that move together, and selects between them.
// Shifts of whole words move bits from byte to byte, which the masks remove.
//
// Worked example, 3 bits. The bytes hold, from bit 0 (WordLayout.cpp):
//   w0: A1 A2 F0 F1      w1: A0 B0 F2 F3      w2: B1 B2 F4 F5
// F1, F3 and F5 are at the top; w << 3 brings F0, F2 and F4 there: 3 shifts, 6
// masks. w0 << 6 shows A1, A2 at bits 6, 7 and w1 << 5 shows A0 at bit 5; a
// select and a mask make A of them: 4 steps, and as many for B. 17 for 32 weights.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/UnpackBuilder.h"

#include <cassert>
#include <optional>
#include <vector>

using namespace llvm;

namespace tilewright::layout {

namespace {
constexpr unsigned bitsPerByte = 8;

class ByteBuilder : public UnpackBuilder {
public:
  explicit ByteBuilder(unsigned bits)
      : UnpackBuilder(bits, ActivationClass::Bits8), top(bitsPerByte - bits) {
    program.scheme = UnpackScheme::TopOfByte;
    program.sumExponent = -int(top);
  }

  UnpackProgram finish() {
    for (unsigned quad = 0; quad < getRegistersPerFragment(program.activations); ++quad) {
      if (!findValue(quad))
        gatherBits(quad);
      std::optional<Value> value = findValue(quad);
      assert(value && "the bits of this quad were not gathered");
      program.fields.push_back({*value, top, quad});
    }
    return std::move(program);
  }

private:
  /// The first value that shows the quad at the top of its bytes.
  std::optional<Value> findValue(unsigned quad) const {
    for (Value value = 0; value < values.size(); ++value)
      if (holdsPair(values[value], top, quad))
        return value;
    return std::nullopt;
  }

  /// Brings the bits of a quad to the top, those that move together at once.
  void gatherBits(unsigned quad) {
    std::optional<Value> sum;
    for (unsigned bit = 0; bit < program.bits;) {
      BitPosition first = layout.locate(quad, bit);
      unsigned target = top + bit;
      assert(target >= first.offset && "bits only move upwards");
      unsigned mask = 0;
      for (; bit < program.bits; ++bit) {
        BitPosition next = layout.locate(quad, bit);
        if (next.word != first.word || top + bit - next.offset != target - first.offset)
          break;
        mask |= 1u << (top + bit);
      }
      unsigned amount = target - first.offset;
      Value moved = amount ? shiftLeft(first.word, amount) : first.word;
      sum = sum ? select(moved, *sum, mask) : moved;
    }
  }

  unsigned top; ///< where a code begins in its byte
};
} // namespace

const UnpackProgram &getByteProgram(unsigned bits) {
  assert(bits >= 1 && bits <= bitsPerByte && "packed widths are 1 to 8 bits");
  static const std::vector<UnpackProgram> programs = [] {
    std::vector<UnpackProgram> all;
    for (unsigned width = 1; width <= bitsPerByte; ++width)
      all.push_back(ByteBuilder(width).finish());
    return all;
  }();
  return programs[bits - 1];
}

} // namespace tilewright::layout
