//===- UnpackPlanes.cpp - How planes of one bit become codes ---------------===//
//
// The unpack programs of nested codes (Format.h): the top b planes are b words a
// fragment, and the bits of a code lie one in each. Word p has the bit of pair i at
// bit (i - p) mod 16, one further down than word p - 1. So a select of two words
// shows two bits of every second pair side by side, one of two such selects four
// bits of every fourth, and no bit is ever shifted to another:
//
//   4 planes, pairs 1, 5, 9, 13 (digits are planes, the half from bit 0):
//     a = select(w0, w1)    1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0    pairs 1, 3, ..., 15
//     c = select(w2, w3)    3 2 3 2 3 2 3 2 3 2 3 2 3 2 3 2    the same ones
//     m = select(a, c)      1 0 3 2 1 0 3 2 1 0 3 2 1 0 3 2    codes from bits 14, 2, 6, 10
//
// The code that starts at bit 14 ends at bit 1: m with the bytes of each half
// swapped, one permute, has it at 6, and that from 10 at 2, within the magic
// number's window. b words take b * log2 b selects, b rounded up to a power of two,
// and where the window shows too few codes swaps and shifts, as few as there can be.
// All of it is proven on named bits like every other program.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/UnpackBuilder.h"

#include "llvm/Support/MathExtras.h"
#include <cassert>

using namespace llvm;

namespace tilewright::layout {

namespace {
class PlaneBuilder : public UnpackBuilder {
public:
  PlaneBuilder(unsigned bits, Activation activation) : UnpackBuilder(WordLayout::getPlanes(bits)) {
    bool isF16 = activation == Activation::F16;
    program.isOdd = true;
    program.magic = isF16 ? 0x64006400 : 0x43004300;
    program.base = isF16 ? 1024 : 128;
    window = isF16 ? 10 : 7;
    if (bits > window)
      program.scheme = UnpackScheme::MagicSplit;
    // A field at offset 0 takes an instruction more; see UnpackProgram::isOdd.
    first = bits < window ? 1 : 0;
    last = bits < window ? window - bits : 0;
  }

  UnpackProgram finish() {
    SmallVector<Value> merged = merge(0, program.bits);
    for (unsigned rest = 0; rest < merged.size(); ++rest) {
      SmallVector<unsigned> pairs;
      for (unsigned pair = rest; pair < pairsPerFragment; pair += merged.size())
        pairs.push_back(pair);
      showAll(merged[rest], pairs);
    }
    return std::move(program);
  }

private:
  /// A value to look for fields in: what was merged, bytes swapped or not, moved
  /// down by so many bits (up where negative).
  struct View {
    bool isSwapped = false;
    int shift = 0;
  };

  /// Planes `plane` .. `plane + count` side by side: value c of the result, of P =
  /// `count` rounded up to a power of two, has those of the pairs c modulo P.
  SmallVector<Value> merge(unsigned plane, unsigned count) {
    if (count == 1)
      return {plane};
    unsigned period = PowerOf2Ceil(count), upper = period / 2;
    SmallVector<Value> left = merge(plane, upper), right = merge(plane + upper, count - upper);
    SmallVector<Value> merged;
    for (unsigned rest = 0; rest < period; ++rest) {
      uint16_t mask = 0;
      for (unsigned pair = rest; pair < pairsPerFragment; pair += period)
        for (unsigned p = plane; p < plane + upper; ++p)
          mask |= 1u << (pair - p) % 16;
      merged.push_back(select(left[rest % left.size()], right[rest % right.size()], mask));
    }
    return merged;
  }

  /// Where the code of `pair` begins in a merged value, or in a view of it; the
  /// latter is no place to read it from where it is out of range or wraps around.
  unsigned getStart(unsigned pair) const { return (pair + 1 - program.bits) % 16; }
  bool isShown(unsigned pair, View view) const {
    int start = view.isSwapped ? (getStart(pair) + 8) % 16 : getStart(pair);
    if (start + program.bits > 16)
      return false;
    start -= view.shift;
    return start >= int(first) && start <= int(last);
  }

  /// Of all sets of views that show all pairs between them, the one that takes the
  /// fewest steps; of equals the first in the order of getViews().
  void search(ArrayRef<unsigned> hidden, SmallVector<View> &taken, SmallVector<View> &best) const {
    if (!best.empty() && countSteps(taken) >= countSteps(best))
      return;
    if (hidden.empty()) {
      best = taken;
      return;
    }
    for (View view : getViews()) {
      if (!isShown(hidden.front(), view))
        continue;
      SmallVector<unsigned> rest(
          make_filter_range(hidden, [&](unsigned pair) { return !isShown(pair, view); }));
      taken.push_back(view);
      search(rest, taken, best);
      taken.pop_back();
    }
  }

  /// Without shifts first, then by their length.
  static ArrayRef<View> getViews() {
    static const std::vector<View> views = [] {
      std::vector<View> all = {{false, 0}, {true, 0}};
      for (int shift = 1; shift < 16; ++shift)
        for (int signedShift : {shift, -shift})
          for (bool isSwapped : {false, true})
            all.push_back({isSwapped, signedShift});
      return all;
    }();
    return views;
  }

  static unsigned countSteps(ArrayRef<View> views) {
    bool swaps = any_of(views, [](View view) { return view.isSwapped; });
    return swaps + count_if(views, [](View view) { return view.shift != 0; });
  }

  void showAll(Value merged, ArrayRef<unsigned> pairs) {
    SmallVector<View> views, taken;
    search(pairs, taken, views);
    assert(!views.empty() && "a field that no swap and shift shows");
    Value swapped = merged;
    if (any_of(views, [](View view) { return view.isSwapped; }))
      swapped = swapBytes(merged);
    SmallVector<unsigned> hidden(pairs);
    for (View view : views) {
      Value value = view.isSwapped ? swapped : merged;
      if (view.shift != 0)
        value = view.shift > 0 ? shiftRight(value, view.shift) : shiftLeft(value, -view.shift);
      for (unsigned offset = first; offset <= last; ++offset)
        for (unsigned pair : hidden)
          if (holdsPair(values[value], offset, pair))
            program.fields.push_back({value, offset, pair});
      erase_if(hidden, [&](unsigned pair) { return isShown(pair, view); });
    }
  }

  unsigned window, first, last; ///< bits of the magic number; offsets that fields may have
};
} // namespace

const UnpackProgram &getPlaneProgram(unsigned bits, Activation activation) {
  assert(bits >= 1 && bits <= 8 && "there are 1 to 8 planes");
  static const std::vector<UnpackProgram> programs = [] {
    std::vector<UnpackProgram> all;
    for (Activation type : {Activation::F16, Activation::BF16})
      for (unsigned width = 1; width <= 8; ++width)
        all.push_back(PlaneBuilder(width, type).finish());
    return all;
  }();
  return programs[(activation == Activation::F16 ? 0 : 8) + bits - 1];
}

} // namespace tilewright::layout
