//===- WordLayout.cpp - Where each bit of a code lies ----------------------===//
//
// The word layouts of all widths. They are the storage format: any change here
// is a new packingVersion.
//
// Widths that divide 16 fill each half with whole fields. The others are
// written down below, a string a word, from bit 0 of the half upwards:
//   F    the next pair's whole code
//   A3   bit 3 of residue pair A
// Whole fields number the pairs in order; the residue pairs A, B, ... come
// last (A of 3 bits is pair 15).
//
// Residue bits sit where unpacking is cheap: a byte permute moves the upper
// byte of one word's halves under the lower byte of another's, so residue at
// the top of one word (A0..A3 at bits 12..15) and at the bottom of the next (A4,
// A5 at 0, 1) becomes one field.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Packing.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"
#include <array>
#include <cassert>
#include <vector>

using namespace llvm;

namespace tilewright::layout {

constexpr unsigned bitsPerHalf = 16, maxBits = 8;

/// The words of a width, in the notation above.
static std::vector<std::string> describeWords(unsigned bits) {
  switch (bits) {
  case 3:
    return {"F F F F F A0", "A1 F F F F F", "F F F A2 F F"};
  case 5:
    return {"F F F A2", "A3 F F F", "F F F A0", "F F F A1", "F F F A4"};
  case 6:
    return {"F F A0 A1 A2 A3", "A4 A5 F B4 B5 F", "F F B0 B1 B2 B3",
            "F F C0 C1 C2 C3", "C4 C5 F D4 D5 F", "F F D0 D1 D2 D3"};
  case 7:
    return {"F B4 F A4", "A5 A6 F F", "F F A0 A1", "A2 A3 F F",
            "F F B5 B6", "F F B0 B1", "B2 B3 F F"};
  default: {
    std::string word;
    for (unsigned i = 0; i < bitsPerHalf / bits; ++i)
      word += "F ";
    return std::vector<std::string>(bits, word);
  }
  }
}

static WordLayout buildWordLayout(unsigned bits) {
  SmallVector<BitPosition, 128> positions(pairsPerFragment * bits);
  unsigned nextPair = 0;
  unsigned firstResiduePair = bits * (bitsPerHalf / bits);
  std::vector<std::string> words = describeWords(bits);
  for (unsigned word = 0; word < bits; ++word) {
    unsigned offset = 0;
    for (StringRef item : split(words[word], ' ')) {
      auto place = [&](unsigned pair, unsigned bit) {
        positions[pair * bits + bit] = {uint8_t(word), uint8_t(offset++)};
      };
      if (item == "F") {
        for (unsigned bit = 0; bit < bits; ++bit)
          place(nextPair, bit);
        ++nextPair;
      } else if (!item.empty()) {
        place(firstResiduePair + item[0] - 'A', item[1] - '0');
      }
    }
  }
  return WordLayout(bits, std::move(positions));
}

const WordLayout &WordLayout::get(unsigned bits) {
  assert(bits >= 1 && bits <= maxBits && "packed widths are 1 to 8 bits");
  static const std::vector<WordLayout> layouts = [] {
    std::vector<WordLayout> all;
    for (unsigned width = 1; width <= maxBits; ++width)
      all.push_back(buildWordLayout(width));
    return all;
  }();
  return layouts[bits - 1];
}

const WordLayout &WordLayout::getPlanes(unsigned bits, bool isStack) {
  assert(bits >= 1 && bits <= maxBits && "there are 1 to 8 planes");
  static const std::vector<WordLayout> layouts = [] {
    std::vector<WordLayout> all;
    for (bool isStack : {false, true})
      for (unsigned width = 1; width <= maxBits; ++width) {
        SmallVector<BitPosition, 128> positions;
        for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
          for (unsigned bit = 0; bit < width; ++bit) {
            unsigned plane = width - 1 - bit, skew = isStack ? 0 : plane;
            positions.push_back({uint8_t(plane), uint8_t((pair - skew) % bitsPerHalf)});
          }
        all.emplace_back(width, std::move(positions));
      }
    return all;
  }();
  return layouts[(isStack ? maxBits : 0) + bits - 1];
}

Error WordLayout::verify() const {
  if (bits < 1 || bits > maxBits)
    return createStringError("expects a width of 1 to 8 bits, but got " + Twine(bits));
  if (positions.size() != pairsPerFragment * bits)
    return createStringError("expects " + Twine(pairsPerFragment * bits) +
                             " bit positions for width " + Twine(bits) + ", but got " +
                             Twine(positions.size()));
  // 16 * bits positions in as many places: distinct means bijective.
  constexpr int none = -1;
  std::array<int, maxBits * bitsPerHalf> holder;
  holder.fill(none);
  for (unsigned i = 0; i < positions.size(); ++i) {
    unsigned word = positions[i].word, offset = positions[i].offset;
    if (word >= bits || offset >= bitsPerHalf)
      return createStringError("expects bit " + Twine(i % bits) + " of pair " + Twine(i / bits) +
                               " in words 0 to " + Twine(bits - 1) +
                               " at offsets 0 to 15, but got word " + Twine(word) + " offset " +
                               Twine(offset));
    int &place = holder[word * bitsPerHalf + offset];
    if (place != none)
      return createStringError("expects one code bit at word " + Twine(word) + " offset " +
                               Twine(offset) + ", but got bit " + Twine(place % bits) +
                               " of pair " + Twine(place / bits) + " and bit " + Twine(i % bits) +
                               " of pair " + Twine(i / bits));
    place = i;
  }
  return Error::success();
}

} // namespace tilewright::layout
