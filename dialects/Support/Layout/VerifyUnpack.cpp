//===- VerifyUnpack.cpp - The proof that a program unpacks a layout --------===//
//
// Every word bit is given the name of the code bit stored there, the program's
// steps move the names, and every field must then show its pair's names in
// order, in both halves. What lop3 and fma make of a field follows from the
// magic number and the field's place in its window, or from where a float's sign
// and exponent are, so those are checked too.
// The proof covers all codes; it takes some microseconds.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/SymbolicWord.h"

#include "llvm/ADT/StringExtras.h"
#include <bitset>
#include <cmath>

using namespace llvm;

namespace tilewright::layout {

/// The magic numbers: `base` has its last mantissa bit worth 1 and `window`
/// mantissa bits.
struct Magic {
  uint32_t bits;
  double base;
  unsigned window;
};
constexpr Magic f16Magic{0x64006400, 1024, 10}, bf16Magic{0x43004300, 128, 7};

static Error expectMagic(const UnpackProgram &program, std::initializer_list<Magic> accepted) {
  std::string names;
  for (const Magic &magic : accepted) {
    if (program.magic == magic.bits && program.base == magic.base)
      return Error::success();
    names += (names.empty() ? "0x" : " or 0x") + utohexstr(magic.bits) + " with base " +
             std::to_string(int(magic.base));
  }
  return createStringError("expects magic " + names + ", but got 0x" + utohexstr(program.magic) +
                           " with base " + Twine(int64_t(program.base)));
}

/// The bits of a placed number, both halves: the sign at bit 15, exponent and
/// mantissa from `first`.
static uint32_t getFloatMask(const UnpackProgram &program, unsigned first) {
  return (1u << 15 | ((1u << (program.bits - 1)) - 1) << first) * 0x10001u;
}

/// An exponent's bias with `bits` exponent bits.
static int getBias(unsigned bits) { return (1 << (bits - 1)) - 1; }

/// The mantissa begins where the exponent's lowest bit comes to be the
/// activation's: bit 10 of f16, bit 7 of bf16. What the exponents' biases differ
/// by is made up for.
static Error verifyPlacement(const UnpackProgram &program) {
  unsigned mantissaBits = program.bits - 1 - program.exponentBits;
  if (program.bits < 3 || program.bits > 8 || program.exponentBits < 1 ||
      program.exponentBits > std::min(5u, program.bits - 2))
    return createStringError("expects floats of 3 to 8 bits with 1 to 5 exponent bits and a "
                             "mantissa, but got " +
                             Twine(program.bits) + " and " + Twine(program.exponentBits));
  for (unsigned exponentAt : {10u, 7u}) {
    if (program.mask != getFloatMask(program, exponentAt - mantissaBits))
      continue;
    int expected = getBias(15 - exponentAt) - getBias(program.exponentBits);
    if (std::ldexp(program.factor, program.sumExponent) == std::ldexp(1.0, expected))
      return Error::success();
    return createStringError("expects factor and exponent of the sum to be 2^" + Twine(expected) +
                             " together, but got " + std::to_string(program.factor) + " and 2^" +
                             Twine(program.sumExponent));
  }
  return createStringError("expects a mask of the number as f16 or bf16, but got 0x" +
                           utohexstr(program.mask));
}

/// Checks magic number and width against what the scheme can do.
static Error verifyScheme(const UnpackProgram &program) {
  if (program.isOdd && program.scheme != UnpackScheme::MagicFma &&
      program.scheme != UnpackScheme::MagicSplit)
    return createStringError("expects odd numbers of magic numbers or split codes, but got another "
                             "scheme");
  bool isBytes = program.activations == ActivationClass::Bits8;
  if (isBytes != (program.scheme == UnpackScheme::TopOfByte))
    return createStringError("expects codes at the top of bytes exactly beside 8-bit activations, "
                             "but got " +
                             getName(program.activations));
  switch (program.scheme) {
  case UnpackScheme::MagicFma:
    return expectMagic(program, {f16Magic, bf16Magic});
  case UnpackScheme::MagicByte:
    if (program.bits != 8)
      return createStringError("expects magic bytes with 8 bits, but got " + Twine(program.bits));
    return expectMagic(program, {f16Magic});
  case UnpackScheme::MagicSplit:
    if (program.bits != 8)
      return createStringError("expects a split code with 8 bits, but got " + Twine(program.bits));
    return expectMagic(program, {bf16Magic});
  case UnpackScheme::PlaceFloat:
    return verifyPlacement(program);
  case UnpackScheme::PlaceByte:
    // As many exponent bits as f16, so that only zeros are missing below.
    if (program.bits != 8 || program.exponentBits != 5 || program.sumExponent != 0 ||
        program.factor != 1)
      return createStringError("expects placed bytes with 8 bits, 5 of them exponent, but got " +
                               Twine(program.bits) + " and " + Twine(program.exponentBits));
    return Error::success();
  case UnpackScheme::TableLookup:
    if (program.bits < 2 || program.bits > 4)
      return createStringError("expects codes of 2 to 4 bits for a table, but got " +
                               Twine(program.bits));
    return Error::success();
  case UnpackScheme::TopOfByte:
    if (program.bits < 1 || program.bits > 8 || program.sumExponent != int(program.bits) - 8)
      return createStringError("expects codes at the top of bytes to leave 2^" +
                               Twine(int(program.bits) - 8) + " to the sum, but got 2^" +
                               Twine(program.sumExponent));
    return Error::success();
  }
  return createStringError("unknown unpack scheme");
}

/// Whether the scheme's instructions can read a field at this offset.
static bool isReadable(const UnpackProgram &program, unsigned offset) {
  switch (program.scheme) {
  case UnpackScheme::MagicFma: {
    unsigned window = (program.magic == f16Magic.bits ? f16Magic : bf16Magic).window;
    return program.bits <= window && offset <= window - program.bits;
  }
  case UnpackScheme::MagicByte:
  case UnpackScheme::PlaceByte:
    return offset == 0 || offset == 8;
  case UnpackScheme::MagicSplit:
    return offset == 0;
  case UnpackScheme::PlaceFloat:
    return offset < 15 && program.mask == getFloatMask(program, offset);
  case UnpackScheme::TableLookup:
    return offset == 0 || offset == 4;
  case UnpackScheme::TopOfByte:
    return offset == 8 - program.bits;
  }
  return false;
}

/// Where in its half a field shows a bit of the code.
static unsigned getBitPlace(const UnpackProgram &program, const UnpackField &field, unsigned bit) {
  bool isSign = program.scheme == UnpackScheme::PlaceFloat && bit == program.bits - 1;
  return isSign ? 15 : field.offset + bit;
}

static StringRef getRegisterName(const UnpackProgram &program) {
  return program.activations == ActivationClass::Bits16 ? "pair" : "quad";
}

/// Where fields must be, in words.
static StringRef getPlaceName(const UnpackProgram &program) {
  if (program.scheme == UnpackScheme::TopOfByte)
    return " at the top of its bytes";
  return program.exponentBits ? " where its exponent is the activation's"
                              : " within the magic number's window";
}

static Error verifyField(const UnpackProgram &program, const UnpackField &field,
                         const SymbolicWord &value) {
  if (!isReadable(program, field.offset))
    return createStringError("expects the field of " + getRegisterName(program) + " " +
                             Twine(field.pair) + getPlaceName(program) + ", but got offset " +
                             Twine(field.offset) + " for " + Twine(program.bits) + " bits");
  for (unsigned part = 0; part < getParts(program.activations); ++part)
    for (unsigned bit = 0; bit < program.bits; ++bit) {
      unsigned place = getPartBits(program.activations) * part + getBitPlace(program, field, bit);
      CodeBit expected(program.activations, field.pair, part, bit), actual = value[place];
      if (actual != expected)
        return createStringError("expects " + expected.str() + " at bit " + Twine(place) +
                                 " of value " + Twine(field.value) + ", but got " + actual.str());
    }
  return Error::success();
}

/// A digit of a selector: up to three bits of the code, zero above. Bit 3 of the
/// code fills the byte that the digit's lookup yields.
static Error verifyDigit(const UnpackProgram &program, const UnpackField &field,
                         ArrayRef<SymbolicWord> values) {
  if (!isReadable(program, field.offset))
    return createStringError("expects the digit of pair " + Twine(field.pair) +
                             " at bit 0 or 4 of a byte, but got " + Twine(field.offset));
  if (program.bits == 4 && field.top >= values.size())
    return createStringError("expects the top bits of pair " + Twine(field.pair) + " in " +
                             Twine(values.size()) + " values, but got value " + Twine(field.top));
  auto expectBit = [&](unsigned value, unsigned place, CodeBit expected) -> Error {
    if (values[value][place] == expected)
      return Error::success();
    return createStringError("expects " + expected.str() + " at bit " + Twine(place) +
                             " of value " + Twine(value) + ", but got " +
                             values[value][place].str());
  };
  for (unsigned half = 0; half < 2; ++half) {
    for (unsigned bit = 0; bit < 4; ++bit) {
      CodeBit expected = bit < std::min(program.bits, 3u)
                             ? CodeBit(program.activations, field.pair, half, bit)
                             : CodeBit();
      if (Error error = expectBit(field.value, 8 * half + field.offset + bit, expected))
        return error;
    }
    for (unsigned bit = 0; program.bits == 4 && bit < 8; ++bit)
      if (Error error = expectBit(field.top, 16 * half + 2 * field.offset + bit,
                                  CodeBit(program.activations, field.pair, half, 3)))
        return error;
  }
  return Error::success();
}

Error verifyUnpack(const WordLayout &layout, const UnpackProgram &program) {
  if (Error error = layout.verify())
    return error;
  if (program.bits != layout.getBits())
    return createStringError("expects a program for width " + Twine(layout.getBits()) +
                             ", but got one for width " + Twine(program.bits));
  if (program.activations != layout.getActivations())
    return createStringError("expects a program for " + getName(layout.getActivations()) +
                             " activations, but got one for " + getName(program.activations));
  if (Error error = verifyScheme(program))
    return error;

  std::vector<SymbolicWord> values = makeSymbolicWords(layout);
  for (const UnpackStep &step : program.steps)
    if (Error error = runStep(step, values))
      return error;

  unsigned count = getRegistersPerFragment(program.activations);
  StringRef name = getRegisterName(program);
  std::bitset<pairsPerFragment> read;
  for (const UnpackField &field : program.fields) {
    if (field.value >= values.size() || field.pair >= count)
      return createStringError("expects fields of " + Twine(count) + " " + name + "s in " +
                               Twine(values.size()) + " values, but got " + name + " " +
                               Twine(field.pair) + " in value " + Twine(field.value));
    if (read[field.pair])
      return createStringError("expects one field a " + name + ", but got two for " + name + " " +
                               Twine(field.pair));
    read.set(field.pair);
    bool isDigit = program.scheme == UnpackScheme::TableLookup;
    if (Error error = isDigit ? verifyDigit(program, field, values)
                              : verifyField(program, field, values[field.value]))
      return error;
  }
  for (unsigned pair = 0; pair < count; ++pair)
    if (!read[pair])
      return createStringError("expects one field a " + name + ", but got none for " + name + " " +
                               Twine(pair));
  return Error::success();
}

} // namespace tilewright::layout
