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
// For activations of 8 bits the same is said of bytes: strings start at bit 0 of
// the byte, and residue quads come last. Unpacking moves codes to the top of
// their byte (UnpackBytes.cpp), so whole fields are at the top and residue below;
// residue bits that are neighbours in a quad are neighbours in a word where they
// can be, since one shift moves them.
//
// Residue bits of halves sit where unpacking is cheap: a byte permute moves the upper
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

constexpr unsigned maxBits = 8;

/// `count` words of whole fields only.
static std::vector<std::string> describeWholeFields(unsigned bits, unsigned partBits) {
  std::string word;
  for (unsigned i = 0; i < partBits / bits; ++i)
    word += "F ";
  return std::vector<std::string>(bits, word);
}

/// The words of a width, in the notation above.
static std::vector<std::string> describeHalves(unsigned bits) {
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
  default:
    return describeWholeFields(bits, 16);
  }
}

/// The same for the bytes of activations of 8 bits.
static std::vector<std::string> describeBytes(unsigned bits) {
  switch (bits) {
  case 3:
    return {"A1 A2 F F", "A0 B0 F F", "B1 B2 F F"};
  case 5:
    return {"A2 A3 A4 F", "A0 A1 B0 F", "B2 B3 B4 F", "C0 C1 B1 F", "C2 C3 C4 F"};
  case 6:
    return {"A4 A5 F", "A2 A3 F", "A0 A1 F", "B4 B5 F", "B2 B3 F", "B0 B1 F"};
  case 7:
    return {"A6 F", "A5 F", "A4 F", "A3 F", "A2 F", "A1 F", "A0 F"};
  default:
    return describeWholeFields(bits, 8);
  }
}

static WordLayout buildWordLayout(unsigned bits, ActivationClass activations) {
  SmallVector<BitPosition, 128> positions(getRegistersPerFragment(activations) * bits);
  unsigned nextPair = 0;
  unsigned firstResiduePair = bits * (getPartBits(activations) / bits);
  bool isHalves = activations == ActivationClass::Bits16;
  std::vector<std::string> words = isHalves ? describeHalves(bits) : describeBytes(bits);
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
  return WordLayout(bits, std::move(positions), activations);
}

const WordLayout &WordLayout::get(unsigned bits, ActivationClass activations) {
  assert(bits >= 1 && bits <= maxBits && "packed widths are 1 to 8 bits");
  static const std::vector<WordLayout> layouts = [] {
    std::vector<WordLayout> all;
    for (ActivationClass each : {ActivationClass::Bits16, ActivationClass::Bits8})
      for (unsigned width = 1; width <= maxBits; ++width)
        all.push_back(buildWordLayout(width, each));
    return all;
  }();
  return layouts[unsigned(activations) * maxBits + bits - 1];
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
            positions.push_back({uint8_t(plane), uint8_t((pair - skew) % 16)});
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
  unsigned partBits = getPartBits(activations), count = getRegistersPerFragment(activations) * bits;
  StringRef name = activations == ActivationClass::Bits16 ? "pair" : "quad";
  if (positions.size() != count)
    return createStringError("expects " + Twine(count) + " bit positions for width " + Twine(bits) +
                             ", but got " + Twine(positions.size()));
  // As many positions as places: distinct means bijective.
  constexpr int none = -1;
  std::array<int, maxBits * 16> holder;
  holder.fill(none);
  for (unsigned i = 0; i < positions.size(); ++i) {
    unsigned word = positions[i].word, offset = positions[i].offset;
    if (word >= bits || offset >= partBits)
      return createStringError("expects bit " + Twine(i % bits) + " of " + name + " " +
                               Twine(i / bits) + " in words 0 to " + Twine(bits - 1) +
                               " at offsets 0 to " + Twine(partBits - 1) + ", but got word " +
                               Twine(word) + " offset " + Twine(offset));
    int &place = holder[word * partBits + offset];
    if (place != none)
      return createStringError("expects one code bit at word " + Twine(word) + " offset " +
                               Twine(offset) + ", but got bit " + Twine(place % bits) + " of " +
                               name + " " + Twine(place / bits) + " and bit " + Twine(i % bits) +
                               " of " + name + " " + Twine(i / bits));
    place = i;
  }
  return Error::success();
}

} // namespace tilewright::layout
