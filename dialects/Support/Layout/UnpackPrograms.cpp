//===- UnpackPrograms.cpp - How packed words become numbers ----------------===//
//
// The unpack programs of integer codes. A program is what its residue pairs need;
// whole fields that no value shows within the magic number's window (10 bits
// for f16, 7 for bf16) then get a shift each, and every field is found by
// running the program on named bits (SymbolicWord.h). So what is written here
// is a recipe for the residue, and nothing in it can misplace a field.
//
// Worked example, 3 bits for f16. The halves hold, from bit 0 (WordLayout.cpp):
//   w0: F0 F1 F2 F3 F4 A0     A0 at bit 15
//   w1: A1 F5 F6 F7 F8 F9     A1 at bit 0
//   w2: F10 F11 F12 A2 F13 F14    A2 at bit 9
// One permute takes, in each half, the upper byte of w0 as lower byte and the
// lower byte of w1 as upper byte:
//   x = gather(w0, w1):  rest of F2 at 0, F3 at 1, F4 at 4, A0 at 7, A1 at 8
// which shows F3, F4 and two bits of A. A bit select puts them under A2:
//   a = select(x, w2, 0x0180):   bits 7, 8 of x, the rest of w2: A at 7
// Visible so far: F0-F2 in w0, F3, F4 in x, F5-F7 in w1, F10-F12 in w2, A in a.
// The shifts w1 >> 10 and w2 >> 10 show the other four: 4 steps, and with
// lop3 and fma for each of the 16 pairs 36 instructions.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/UnpackBuilder.h"

#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cassert>
#include <optional>

using namespace llvm;

namespace tilewright::layout {

namespace {
class Builder : public UnpackBuilder {
public:
  Builder(unsigned bits, Activation activation)
      : UnpackBuilder(bits), isF16(activation == Activation::F16) {
    program.magic = isF16 ? 0x64006400 : 0x43004300;
    program.base = isF16 ? 1024 : 128;
    if (bits == 8)
      program.scheme = isF16 ? UnpackScheme::MagicByte : UnpackScheme::MagicSplit;
  }

  UnpackProgram finish() {
    for (unsigned pair = 0; pair < pairsPerFragment; ++pair) {
      if (!findField(pair)) {
        BitPosition at = layout.locate(pair, 0);
        shiftRight(at.word, at.offset);
      }
      std::optional<UnpackField> field = findField(pair);
      assert(field && "the residue of this pair was not gathered");
      program.fields.push_back(*field);
    }
    return std::move(program);
  }

private:
  /// Offsets at which the scheme can read a field.
  bool isReadable(unsigned offset) const {
    switch (program.scheme) {
    case UnpackScheme::MagicFma:
      return offset + program.bits <= (isF16 ? 10u : 7u);
    case UnpackScheme::MagicByte:
      return offset % 8 == 0;
    case UnpackScheme::MagicSplit:
      return offset == 0;
    case UnpackScheme::PlaceFloat:
    case UnpackScheme::PlaceByte:
    case UnpackScheme::TableLookup:
    case UnpackScheme::TopOfByte:
      break;
    }
    return false;
  }

  /// The first value that shows the pair: words before what steps computed.
  std::optional<UnpackField> findField(unsigned pair) const {
    for (unsigned value = 0; value < values.size(); ++value)
      for (unsigned offset = 0; offset + program.bits <= 16; ++offset)
        if (isReadable(offset) && holdsPair(values[value], offset, pair))
          return UnpackField{value, offset, pair};
    return std::nullopt;
  }

  bool isF16;
};
} // namespace

//===----------------------------------------------------------------------===//
// The residue of each width. Comments say where the residue bits have got to.
// f16 reads it where it is; bf16's narrower window takes a last shift.
//===----------------------------------------------------------------------===//

static void gatherResidue3(Builder &p, bool isF16) {
  auto x = p.gather(0, 1);         // A0,1 at 7
  auto a = p.select(x, 2, 0x0180); // A at 7
  if (!isF16)
    p.shiftRight(a, 7);
}

static void gatherResidue5(Builder &p, bool isF16) {
  auto x = p.gather(0, 1);                           // A2,3 at 7
  auto a = p.select(x, p.shiftRight(2, 10), 0x0180); // A0 at 5
  a = p.select(a, p.shiftRight(3, 9), 0x01a0);       // A1 at 6: A0-3 at 5
  if (isF16) {
    p.select(a, p.shiftRight(4, 6), 0x01e0); // A4 at 9
    return;
  }
  a = p.shiftRight(a, 3); // A0-3 at 2
  // A4 comes from a shift that also shows the last field of w4.
  p.select(a, p.shiftRight(4, 9), 0x003c); // A4 at 6: A at 2
}

static void gatherResidue6(Builder &p, bool isF16) {
  for (unsigned w : {0, 3})
    for (unsigned residue : {p.gather(w, w + 1, 0), p.gather(w + 2, w + 1, 1)}) // at 4
      if (!isF16)
        p.shiftRight(residue, 4);
}

static void gatherResidue7(Builder &p, bool isF16) {
  auto x = p.gather(0, 1);                     // A4,5,6 at 7
  auto a = p.shiftRight(p.gather(2, 3), 3);    // A0-3 at 3
  a = p.select(a, x, 0x0078);                  // A at 3
  auto b = p.shiftRight(p.gather(5, 6), 3);    // B0-3 at 3
  b = p.select(b, 0, 0x0078);                  // B4 at 7 of w0
  b = p.select(b, p.shiftRight(4, 6), 0x00f8); // B5,6 at 8: B at 3
  if (!isF16) {
    p.shiftRight(a, 3);
    p.shiftRight(b, 3);
  }
}

static UnpackProgram buildProgram(unsigned bits, Activation activation) {
  bool isF16 = activation == Activation::F16;
  Builder builder(bits, activation);
  switch (bits) {
  case 3:
    gatherResidue3(builder, isF16);
    break;
  case 5:
    gatherResidue5(builder, isF16);
    break;
  case 6:
    gatherResidue6(builder, isF16);
    break;
  case 7:
    gatherResidue7(builder, isF16);
    break;
  default: // whole fields only
    break;
  }
  return builder.finish();
}

const UnpackProgram &getUnpackProgram(unsigned bits, Activation activation) {
  assert(bits >= 1 && bits <= 8 && "packed widths are 1 to 8 bits");
  if (activation == Activation::I8)
    return getByteProgram(bits);
  static const std::vector<UnpackProgram> programs = [] {
    std::vector<UnpackProgram> all;
    for (Activation type : {Activation::F16, Activation::BF16})
      for (unsigned width = 1; width <= 8; ++width)
        all.push_back(buildProgram(width, type));
    return all;
  }();
  return programs[(activation == Activation::F16 ? 0 : 8) + bits - 1];
}

unsigned UnpackProgram::countInstructions() const {
  unsigned doubled = 0;
  if (isOdd && scheme == UnpackScheme::MagicFma)
    doubled = llvm::count_if(fields, [](const UnpackField &field) { return field.offset == 0; });
  unsigned perField = [&] {
    switch (scheme) {
    case UnpackScheme::MagicFma:  // lop3, fma
    case UnpackScheme::MagicByte: // prmt, add
      return 2;
    case UnpackScheme::MagicSplit: // two lop3, two adds
      return 4;
    case UnpackScheme::PlaceFloat: // lop3, and multiplication where there is a factor
      return factor == 1 ? 1 : 2;
    case UnpackScheme::PlaceByte:   // prmt
    case UnpackScheme::TableLookup: // prmt, beside the lookups
      return 1;
    case UnpackScheme::TopOfByte: // and, where there are other bits
      return bits == 8 ? 0 : 1;
    }
    return 0;
  }();
  // Of two pairs together: low and high bytes, of 16 entries twice and selected.
  unsigned lookups = scheme == UnpackScheme::TableLookup ? (bits == 4 ? 6 : 2) : 0;
  return steps.size() + doubled + perField * fields.size() + lookups * fields.size() / 2;
}

} // namespace tilewright::layout
