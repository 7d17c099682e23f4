//===- Format.h - Number formats of tensors and weights ---------*- C++ -*-===//
//
// One table of the number formats that cross a border: activations, outputs,
// scales and weight codes. No MLIR here: the dialects, the packer, the
// launcher and the emulated device all name formats through this header.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_FORMAT_FORMAT_H
#define TILEWRIGHT_DIALECTS_SUPPORT_FORMAT_FORMAT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>

namespace tilewright::format {

enum class Kind {
  Unsigned, ///< plain binary codes
  Signed,   ///< two's complement codes
  Float,    ///< sign, exponent, mantissa
  Index,    ///< codes that index a table of numbers, the codebook
  Nested,   ///< codes in planes of one bit; the top bits of one are a code too
};

/// A number format: `bits` wide in memory; floats also split into exponent and
/// mantissa bits with an exponent bias. Names are the field's own: "u4", "i8",
/// "f16", "bf16", "f32", "e4m3", ...
///
/// Nested codes lie in planes: the first holds the top bit of every code, the
/// next the second, and so on. A code of P bits is the number 2q + 1 - 2^P, an odd
/// one, and its top b bits stand for the mean of the numbers that begin with them,
/// (2q + 1 - 2^b) * 2^(P - b). "nested8" is all eight bits, "nested8.4" the top four
/// of them. The planes of a "stack" are independent, each with scales of its own:
/// a weight is the sum of +-1 times them, over as many planes as a launch says.
struct Format {
  std::string name;
  Kind kind = Kind::Unsigned;
  unsigned bits = 0;
  unsigned exponentBits = 0;
  unsigned mantissaBits = 0;
  int exponentBias = 0;
  unsigned storedBits = 0; ///< of nested codes: those of a whole one, at least `bits`

  bool isFloat() const { return kind == Kind::Float; }
  bool isInteger() const { return kind == Kind::Unsigned || kind == Kind::Signed; }
  bool isIndex() const { return kind == Kind::Index; }
  bool isNested() const { return kind == Kind::Nested; }
  /// Planes that do not belong to one code; `bits` is that of one.
  bool isStack() const { return isNested() && storedBits == 0; }
  /// Whether it has a sign: floats whose fields fill their bits have none.
  bool isSigned() const {
    return isFloat() ? bits > exponentBits + mantissaBits : kind == Kind::Signed;
  }
  /// Floats of one exponent bit: both binades have the same spacing, so a code's
  /// magnitude is an integer, in units of 2^(1 - mantissaBits).
  bool isFixedPoint() const { return isFloat() && exponentBits == 1; }
  /// Floats that are not fixed-point: codes are unpacked bit by bit.
  bool hasExponent() const { return isFloat() && exponentBits > 1; }
  /// Whether codes of weights can be of this format.
  bool isWeight() const {
    return bits <= 8 && (isInteger() || isIndex() || isNested() || isSigned());
  }
  bool operator==(const Format &other) const { return name == other.name; }

  /// Smallest and largest code of an integer format as numbers.
  int64_t minCode() const;
  int64_t maxCode() const;
  /// What is added to a code before it is stored: signed codes are stored
  /// biased by 2^(bits-1) so that unpacking sees unsigned fields. Fixed-point
  /// floats are stored as such integers too, other floats as their bits.
  int64_t storageBias() const {
    return kind == Kind::Signed || isFixedPoint() ? int64_t(1) << (bits - 1) : 0;
  }
};

/// The formats of which isWeight() holds, for messages.
constexpr llvm::StringRef weightNames =
    "u1..u8, i1..i8, lut2..lut4, nested1..nested8, stack or a float with sign of 3 to 8 bits "
    "(f4e2m1, e4m3, ...)";

/// The name of the top `bits` of nested codes of `stored` bits.
std::string getNestedName(unsigned stored, unsigned bits);

/// Looks a format up by name. The error names the nearest known formats.
llvm::Expected<Format> parse(llvm::StringRef name);

/// Like parse() for names known to be valid; asserts otherwise.
const Format &get(llvm::StringRef name);

/// Every format, in the order of the documentation.
llvm::ArrayRef<Format> all();

} // namespace tilewright::format

#endif
