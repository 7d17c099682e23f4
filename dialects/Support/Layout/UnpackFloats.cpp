//===- UnpackFloats.cpp - How packed words become floats -------------------===//
//
// The unpack programs of float codes: sign, e exponent bits, m mantissa bits,
// from the top, in the word layout of their width. In the activation type, with
// E exponent bits, the same number has its sign at bit 15 and the others
// E - e bits further down; what is between is zero, and exponents are off by a
// constant, which a multiplication by a power of two puts right, subnormal
// numbers included. So a program has to open a gap of E - e bits in each code:
//
//   t = value rotated by the gap     where t shows the exponents and mantissas
//   u = select(value, t)             the value shows the signs
//   u rotated                        the sign at bit 15
//   ... & mask                       nothing else: the number
//
// One select serves all fields of a value for which no sign falls on another
// field's exponent or mantissa; the fields left over need a select of their own.
// (Either side may be the one that is rotated; the program takes the one that
// leaves more fields in place.) Which bits must move follows from the widths, so
// a program is worked out, not written down; only residue pairs have recipes.
//
// Worked example, f4e2m1 as f16. A half holds pairs 0-3, each mantissa,
// exponent, exponent, sign from bit 0; the gap is 3.
//   w   M0 e0 E0 S0 M1 e1 E1 S1 M2 e2 E2 S2 M3 e3 E3 S3
//   t = w rotated right by 3:
//       S0 M1 e1 E1 S1 M2 e2 E2 S2 M3 e3 E3 S3 ...
//   u = select(w, t, signs 1 and 3):
//       .  M1 e1 E1 .  .  .  S1 .  M3 e3 E3 .  .  .  S3
// so u & 0x8e00 is pair 3 and (u << 8) & 0x8e00 is pair 1. Pairs 0 and 2 take
// another select of w and t, and a rotation each: 6 steps a word.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/UnpackBuilder.h"

#include "llvm/Support/MathExtras.h"
#include <cassert>
#include <cmath>
#include <map>

using namespace llvm;

namespace tilewright::layout {

/// Exponent and mantissa bits of the activation types.
static unsigned getExponentBits(Activation activation) {
  return activation == Activation::F16 ? 5 : 8;
}

namespace {

/// Where a pair's code lies, both halves alike.
struct Source {
  unsigned pair;
  unsigned offset;
};
using Sources = SmallVector<Source, 4>;

/// A pair in the merged value that a select makes.
struct Field {
  unsigned pair;
  uint16_t sign; ///< the sign's bit, from one operand
  uint16_t rest; ///< exponent and mantissa, from the other
  int turn;      ///< left rotation that brings the sign to bit 15
};

/// How the fields of a value are separated from their neighbours.
struct Plan {
  bool turnsSigns; ///< the operand that is rotated shows the signs, not the rest
  SmallVector<SmallVector<Field, 4>, 4> groups = {}; ///< fields that share a select
  unsigned turned = 0;                               ///< fields that are not in place yet

  unsigned getSteps() const { return groups.size() + turned; }
};

class FloatBuilder : public UnpackBuilder {
public:
  FloatBuilder(const format::Format &format, Activation activation)
      : UnpackBuilder(format.bits), rest(format.bits - 1),
        gap(getExponentBits(activation) - format.exponentBits),
        place(15 - getExponentBits(activation) - format.mantissaBits) {
    program.scheme = UnpackScheme::PlaceFloat;
    program.exponentBits = format.exponentBits;
    program.fields.resize(pairsPerFragment);
    if (program.bits == 8 && gap == 0)
      program.scheme = UnpackScheme::PlaceByte;
    program.mask = getMask();
  }

  UnpackProgram finish() {
    switch (program.bits) {
    case 5:
      gatherResidue5();
      break;
    case 6:
      gatherResidue6(0, 12);
      gatherResidue6(3, 14);
      break;
    case 7:
      gatherResidue7();
      break;
    default: // whole fields only
      break;
    }
    for (Value word = 0; word < program.bits; ++word)
      placeFields(word, findFields(word));
    return std::move(program);
  }

private:
  /// `count` bits of a half from `first`. What falls off one half is in the
  /// other, and both halves have the same fields.
  static uint16_t bitsFrom(int first, unsigned count) {
    uint32_t ones = ((1u << count) - 1) << (first & 15);
    return ones | ones >> 16;
  }

  uint32_t getMask() const { return (1u << 15 | bitsFrom(place, rest)) * 0x10001u; }

  /// `value` rotated left by `amount`, or a shift where it has the same bits in
  /// `needed` of both halves.
  Value turn(Value value, int amount, uint16_t needed) {
    unsigned left = amount & 31;
    uint32_t both = needed * 0x10001u;
    if (left == 0)
      return value;
    if ((both & ((1u << left) - 1)) == 0)
      return shiftLeft(value, left);
    if (both >> left == 0)
      return shiftRight(value, 32 - left);
    return rotateLeft(value, left);
  }

  void setField(unsigned pair, Value value) { program.fields[pair] = {value, place, pair}; }

  /// The pairs stored whole in a word.
  Sources findFields(Value word) const {
    Sources found;
    for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
      for (unsigned offset = 0; offset + program.bits <= 16; ++offset)
        if (holdsPair(values[word], offset, pair))
          found.push_back({pair, offset});
    return found;
  }

  /// Groups fields whose signs do not meet each other's exponents or mantissas.
  Plan makePlan(ArrayRef<Source> sources, bool turnsSigns) const {
    Plan plan{turnsSigns};
    for (Source source : sources) {
      int sign = source.offset + rest + (turnsSigns ? gap : 0);
      Field field{source.pair, bitsFrom(sign, 1), bitsFrom(sign - gap - rest, rest), 15 - sign};
      plan.turned += field.turn != 0;
      auto *group = find_if(plan.groups, [&](ArrayRef<Field> fields) {
        return all_of(fields, [&](const Field &other) {
          return !(field.sign & other.rest) && !(field.rest & other.sign);
        });
      });
      if (group == plan.groups.end())
        group = &plan.groups.emplace_back();
      group->push_back(field);
    }
    return plan;
  }

  /// Makes numbers of whole codes in `value`.
  void placeFields(Value value, ArrayRef<Source> sources) {
    if (program.scheme == UnpackScheme::PlaceByte) {
      for (Source source : sources)
        program.fields[source.pair] = {value, source.offset, source.pair};
      return;
    }
    if (gap == 0) {
      for (Source source : sources)
        setField(source.pair, turn(value, 15 - int(source.offset + rest), program.mask));
      return;
    }
    Plan plan = makePlan(sources, false), other = makePlan(sources, true);
    if (other.getSteps() < plan.getSteps())
      plan = std::move(other);
    uint16_t needed = 0;
    for (ArrayRef<Field> group : plan.groups)
      for (const Field &field : group)
        needed |= plan.turnsSigns ? field.sign : field.rest;
    Value turned = turn(value, plan.turnsSigns ? int(gap) : -int(gap), needed);
    for (ArrayRef<Field> group : plan.groups) {
      uint16_t signs = 0;
      for (const Field &field : group)
        signs |= field.sign;
      Value merged = plan.turnsSigns ? select(turned, value, signs) : select(value, turned, signs);
      for (const Field &field : group)
        setField(field.pair, turn(merged, field.turn, program.mask));
    }
  }

  //===--------------------------------------------------------------------===//
  // Residue pairs. Their bits come from several words, so each is moved to its
  // place in the number at once: bits 0, 1, ... to `place` upwards, the sign to
  // bit 15. WordLayout.cpp says where they are.
  //===--------------------------------------------------------------------===//

  /// `value` with its bit `from` at bit `to`; `count` bits from there matter.
  Value move(Value value, unsigned from, unsigned to, unsigned count) {
    return turn(value, int(to) - int(from), bitsFrom(to, count));
  }

  void gatherResidue5() {
    Value low = move(2, 15, place, 1), next = move(3, 15, place + 1, 1); // A0, A1
    Value high = move(gather(0, 1), 7, place + 2, 2);                    // A2, A3
    Value all = select(low, next, bitsFrom(place, 1));
    all = select(all, high, bitsFrom(place, 2));
    setField(15, select(4, all, 1 << 15)); // A4 at 15
  }

  /// The two residue pairs of three words.
  void gatherResidue6(Value first, unsigned pair) {
    placeFields(gather(first, first + 1, 0), Source{pair, 4});
    placeFields(gather(first + 2, first + 1, 1), Source{pair + 1, 4});
  }

  void gatherResidue7() {
    Value high = gather(0, 1);                                      // A4,5,6 at 7
    Value a = move(gather(2, 3), 6, place, 4);                      // A0-3
    a = select(a, move(high, 7, place + 4, 3), bitsFrom(place, 4)); // A4,5
    if (gap != 0)
      a = select(move(high, 9, 15, 1), a, 1 << 15); // A6
    setField(14, a);
    Value b = move(gather(5, 6), 6, place, 4);                    // B0-3
    b = select(b, move(0, 7, place + 4, 1), bitsFrom(place, 4));  // B4
    b = select(b, move(4, 14, place + 5, 2), bitsFrom(place, 5)); // B5
    if (gap != 0)
      b = select(4, b, 1 << 15); // B6
    setField(15, b);
  }

  unsigned rest;  ///< exponent and mantissa bits of the code
  unsigned gap;   ///< exponent bits that the activation has more
  unsigned place; ///< where the lowest mantissa bit goes
};
} // namespace

static int getBias(Activation activation) { return (1 << (getExponentBits(activation) - 1)) - 1; }

/// As f16 the exponents' difference is left to the sum: at most 2^15, and the
/// numbers are exact, subnormal ones too. As bf16 it is up to 2^126, and
/// products of such numbers would leave the range of f32.
static UnpackProgram buildFloatProgram(const format::Format &format, Activation activation) {
  UnpackProgram program = FloatBuilder(format, activation).finish();
  int difference = getBias(activation) - format.exponentBias;
  if (activation == Activation::F16)
    program.sumExponent = difference;
  else
    program.factor = std::ldexp(1.0, difference);
  return program;
}

const UnpackProgram &getUnpackProgram(const format::Format &format, Activation activation) {
  assert(format.isWeight() && "not a format of weights");
  assert((activation != Activation::I8 || format.isInteger()) && "no program for these codes");
  if (format.isIndex())
    return getTableProgram(format.bits);
  if (format.isNested())
    return getPlaneProgram(format.bits, activation);
  if (!format.hasExponent())
    return getUnpackProgram(format.bits, activation);
  static const auto programs = [] {
    std::map<std::pair<std::string, Activation>, UnpackProgram> all;
    for (const format::Format &format : format::all())
      if (format.isWeight() && format.hasExponent())
        for (Activation type : {Activation::F16, Activation::BF16})
          all.emplace(std::pair(format.name, type), buildFloatProgram(format, type));
    return all;
  }();
  return programs.find({format.name, activation})->second;
}

int getSumExponent(const format::Format &format, Activation activation) {
  if (format.isNested() && !format.isStack())
    return int(format.storedBits - format.bits);
  if (format.isFixedPoint())
    return 1 - int(format.mantissaBits);
  bool hasFactor = format.hasExponent() || activation == Activation::I8;
  return hasFactor ? getUnpackProgram(format, activation).sumExponent : 0;
}

} // namespace tilewright::layout
