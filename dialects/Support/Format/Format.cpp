//===- Format.cpp - The table of number formats ----------------------------===//
//
// Below every room: dialects name formats in types, the packer reads their
// widths, the launcher compares them with the arrays of a call.
//
// Floats are given by their exponent and mantissa bits; the exponent bias is
// 2^(exponentBits-1) - 1 throughout, which for one exponent bit is 0 (such a
// format is fixed-point: its two binades have the same spacing). A float whose
// fields fill its bits (e8m0, e5m3) has no sign.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Format/Format.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSwitch.h"
#include <cassert>
#include <vector>

using namespace llvm;

namespace tilewright::format {

int64_t Format::minCode() const {
  assert(isInteger() && "codes of floats are not numbers");
  return kind == Kind::Signed ? INT64_MIN >> (64 - bits) : 0;
}

int64_t Format::maxCode() const {
  assert(isInteger() && "codes of floats are not numbers");
  return kind == Kind::Signed ? ~minCode() : (int64_t(1) << bits) - 1;
}

static Format makeInteger(Kind kind, unsigned bits) {
  std::string prefix = kind == Kind::Signed ? "i" : "u";
  return {prefix + std::to_string(bits), kind, bits};
}

static Format makeFloat(StringRef name, unsigned bits, unsigned exponentBits,
                        unsigned mantissaBits) {
  int bias = (1 << (exponentBits - 1)) - 1;
  return {name.str(), Kind::Float, bits, exponentBits, mantissaBits, bias};
}

std::string getNestedName(unsigned stored, unsigned bits) {
  assert(bits >= 1 && bits <= stored && stored <= 8 && "not a part of a nested code");
  std::string name = "nested" + std::to_string(stored);
  return bits == stored ? name : name + "." + std::to_string(bits);
}

static std::vector<Format> makeTable() {
  std::vector<Format> table;
  for (unsigned bits = 1; bits <= 8; ++bits)
    table.push_back(makeInteger(Kind::Unsigned, bits));
  for (unsigned bits = 1; bits <= 8; ++bits)
    table.push_back(makeInteger(Kind::Signed, bits));
  table.push_back(makeInteger(Kind::Unsigned, 32));
  table.push_back(makeInteger(Kind::Signed, 32));
  table.push_back(makeInteger(Kind::Signed, 64));

  table.push_back(makeFloat("f16", 16, 5, 10));
  table.push_back(makeFloat("bf16", 16, 8, 7));
  table.push_back(makeFloat("tf32", 32, 8, 10));
  table.push_back(makeFloat("f32", 32, 8, 23));
  table.push_back(makeFloat("f64", 64, 11, 52));

  table.push_back(makeFloat("e4m3", 8, 4, 3));
  table.push_back(makeFloat("e5m2", 8, 5, 2));
  table.push_back(makeFloat("e8m0", 8, 8, 0));
  table.push_back(makeFloat("ue5m3", 8, 5, 3));

  // The sub-byte splits of docs/quantisation.md: no infinity, no NaN, but for
  // f7e5m1, the upper bits of f16.
  static constexpr struct {
    unsigned bits, exponentBits;
  } splits[] = {{7, 5}, {7, 4}, {7, 3}, {7, 2}, {6, 3}, {6, 2}, {6, 4},
                {5, 3}, {5, 2}, {5, 1}, {4, 2}, {4, 1}, {3, 1}};
  for (auto [bits, exponentBits] : splits) {
    unsigned mantissaBits = bits - 1 - exponentBits;
    std::string name = "f" + std::to_string(bits) + "e" + std::to_string(exponentBits) + "m" +
                       std::to_string(mantissaBits);
    table.push_back(makeFloat(name, bits, exponentBits, mantissaBits));
  }
  for (unsigned bits = 2; bits <= 4; ++bits)
    table.push_back({"lut" + std::to_string(bits), Kind::Index, bits});
  for (unsigned stored = 1; stored <= 8; ++stored)
    for (unsigned bits = stored; bits >= 1; --bits) {
      Format format{getNestedName(stored, bits), Kind::Nested, bits};
      format.storedBits = stored;
      table.push_back(format);
    }
  table.push_back({"stack", Kind::Nested, 1});
  return table;
}

ArrayRef<Format> all() {
  static const std::vector<Format> table = makeTable();
  return table;
}

/// Other spellings in use for a canonical name.
static StringRef resolveAlias(StringRef name) {
  return StringSwitch<StringRef>(name)
      .Cases({"f8e4m3", "e4m3fn", "f8e4m3fn"}, "e4m3")
      .Case("f8e5m2", "e5m2")
      .Case("ue8m0", "e8m0")
      .Default(name);
}

static const Format *find(StringRef name) {
  StringRef canonical = resolveAlias(name);
  for (const Format &format : all())
    if (format.name == canonical)
      return &format;
  return nullptr;
}

Expected<Format> parse(StringRef name) {
  if (const Format *format = find(name))
    return *format;
  SmallVector<StringRef> known;
  for (const Format &format : all())
    known.push_back(format.name);
  return text::makeUnknownNameError("number format", name, known);
}

const Format &get(StringRef name) {
  const Format *format = find(name);
  assert(format && "not a known number format");
  return *format;
}

} // namespace tilewright::format
