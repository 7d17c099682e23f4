//===- UnpackTables.cpp - How packed codes become entries of a table -------===//
//
// The unpack programs of codes that index a table of up to 16 numbers of 16
// bits. A byte permute (prmt) is a lookup: each of the four digits of its
// selector picks one of eight bytes. So with the entries' low bytes in one pair
// of registers and their high bytes in another, two permutes look four codes up
// whose selector has a code in each digit, and one more permute for each pair
// brings low and high bytes together:
//
//   c   = digits p.lo q.lo p.hi q.hi        the codes of pairs p and q
//   low = prmt(low bytes, c), high = prmt(high bytes, c)
//   p   = prmt(low, high, 0x6240)           low, high, low, high
//   q   = prmt(low, high, 0x7351)
//
// A table of 16 is two of 8, indexed by the lower three bits; a select by bytes
// that are all ones where the code's top bit is set takes the right one. prmt
// makes such bytes too: digits above 7 copy the sign of a byte (PTX ISA, prmt).
//
// What is left to the program is to make selectors: codes at multiples of four
// bits, zeros between, then the byte of either half with the two pairs.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/UnpackBuilder.h"

#include <cassert>
#include <optional>

using namespace llvm;

namespace tilewright::layout {

namespace {
class TableBuilder : public UnpackBuilder {
public:
  explicit TableBuilder(unsigned bits) : UnpackBuilder(bits) {
    program.scheme = UnpackScheme::TableLookup;
    program.fields.resize(pairsPerFragment);
  }

  UnpackProgram finish() {
    switch (program.bits) {
    case 2:
      for (Value word : {0u, 1u})
        for (Value codes : {word, shiftRight(word, 2)})
          addSelectors(keep(codes, 0x3333), {});
      break;
    case 3:
      alignCodes3();
      break;
    default:
      for (Value word = 0; word < program.bits; ++word)
        addSelectors(keep(word, 0x7777), shiftLeft(word, 4), word);
      break;
    }
    return std::move(program);
  }

private:
  /// `value` with the bits of `mask` in each half, zeros elsewhere.
  Value keep(Value value, uint16_t mask) {
    return append({UnpackStep::Kind::And, value, 0, mask * 0x10001u});
  }

  /// The selectors of `codes`, which has a code in each digit: the pairs of the
  /// halves' lower bytes, then those of the upper. For codes of 4 bits the top
  /// bits are the signs of bytes: of odd digits in `oddTops`, of even ones in
  /// `evenTops`.
  void addSelectors(Value codes, std::optional<Value> evenTops, Value oddTops = 0) {
    for (unsigned byte : {0u, 1u}) {
      Value selector = append({UnpackStep::Kind::Permute, codes, codes, byte | (byte + 2) << 4});
      Value top = 0;
      if (evenTops)
        top = append({UnpackStep::Kind::Spread, oddTops, *evenTops,
                      (byte + 4) | byte << 4 | (byte + 6) << 8 | (byte + 2) << 12});
      for (unsigned offset : {0u, 4u}) {
        unsigned pair = values[selector][offset].getPair();
        program.fields[pair] = {selector, offset, pair, top};
      }
    }
  }

  /// Codes from bits 0, 4, 8 and 12 of the four values, in that order.
  void addQuads(Value a, Value b, Value c, Value d) {
    Value codes = select(a, b, 0x000f);
    codes = select(codes, c, 0x00ff);
    codes = select(codes, d, 0x0fff);
    addSelectors(keep(codes, 0x7777), {});
  }

  /// Moves each code to the nearest digit; WordLayout.cpp says where they are.
  void alignCodes3() {
    addQuads(0, shiftLeft(0, 1), shiftLeft(0, 2), shiftLeft(0, 3)); // pairs 0-3
    Value down = shiftRight(1, 1);                                  // pair 5 at 0, 9 at 12
    addQuads(down, 1, shiftLeft(1, 1), shiftLeft(1, 2));            // pairs 5-8
    addQuads(2, shiftLeft(2, 1), shiftLeft(2, 2), 0);               // pairs 10-12, 4
    Value residue = select(gather(0, 1), 2, 0x0180);                // A at 7
    addQuads(shiftRight(2, 10), shiftRight(2, 9), shiftLeft(residue, 1), down); // 13, 14, A, 9
  }
};
} // namespace

const UnpackProgram &getTableProgram(unsigned bits) {
  assert(bits >= 2 && bits <= 4 && "tables have 4, 8 or 16 entries");
  static const UnpackProgram programs[] = {TableBuilder(2).finish(), TableBuilder(3).finish(),
                                           TableBuilder(4).finish()};
  return programs[bits - 2];
}

} // namespace tilewright::layout
