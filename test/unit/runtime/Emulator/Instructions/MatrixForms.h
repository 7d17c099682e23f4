//===- MatrixForms.h - Registers of mma, for the tests of its forms ---------===//
//
// Whole numbers as elements, and the registers that hold a matrix.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_INSTRUCTIONS_MATRIXFORMS_H
#define TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_INSTRUCTIONS_MATRIXFORMS_H

#include "Forms.h"
#include <bit>
#include <cmath>

namespace tilewright::emulator {

using u64 = uint64_t;

/// A whole number as an element.
inline u64 encode(int value, const std::string &type) {
  if (type == "f64")
    return std::bit_cast<u64>(double(value));
  u64 single = std::bit_cast<uint32_t>(float(value));
  if (type == "f32" || type == "tf32")
    return single;
  if (type == "bf16")
    return single >> 16;
  if (type[0] != 'f' && type[0] != 'e')
    return uint32_t(value);
  if (value == 0)
    return 0;
  // Sign, exponent and mantissa of f16, e4m3 or e5m2.
  int exponent = std::ilogb(std::abs(value));
  unsigned mantissaBits = type == "f16" ? 10 : type == "e4m3" ? 3 : 2;
  unsigned bias = type == "e4m3" ? 7 : 15, bits = type == "f16" ? 16 : 8;
  u64 mantissa = (u64(std::abs(value)) << mantissaBits >> exponent) & ((1u << mantissaBits) - 1);
  return (value < 0 ? u64(1) << (bits - 1) : 0) | u64(exponent + bias) << mantissaBits | mantissa;
}
inline unsigned bitsOf(const std::string &type) {
  return type == "bf16" ? 16 : type == "tf32" ? 32 : type[0] == 'e' ? 8 : std::stoi(type.substr(1));
}

struct Product {
  unsigned m = 0, n = 0, k = 0;
  std::string d, a, b, c;
  bool isXor, isBinary;
  explicit Product(const Statement &s)
      : d(s.type(0)), a(s.type(1)), b(s.type(2)), c(s.type(3)), isXor(s.has("xor")),
        isBinary(a == "b1") {
    for (const std::string &modifier : s.modifiers)
      if (std::sscanf(modifier.c_str(), "m%un%uk%u", &m, &n, &k) == 3)
        break;
  }
};

/// Registers of all lanes for one matrix.
struct Fragment {
  unsigned bits, registerBits, count;
  std::vector<std::vector<u64>> words; ///< by lane and register
  Fragment(unsigned elements, unsigned bits)
      : bits(bits), registerBits(bits == 64 ? 64 : 32), count(elements * bits / registerBits / 32),
        words(32, std::vector<u64>(count, 0)) {}
  unsigned perRegister() const { return registerBits / bits; }
  void put(unsigned lane, unsigned index, u64 value) {
    u64 mask = bits == 64 ? ~u64(0) : (u64(1) << bits) - 1;
    words[lane][index / perRegister()] |= (value & mask) << (index % perRegister() * bits);
  }
};

/// Numbers that every type of element holds and whose sums are exact.
inline std::vector<int> makeNumbers(unsigned count, const std::string &type, std::mt19937 &random) {
  int least = type[0] == 'u' || type == "b1" ? 0 : -3, most = type == "b1" ? 1 : 3;
  std::vector<int> values(count);
  for (int &value : values)
    value = least + int(random() % (most - least + 1));
  return values;
}

/// Loads the sources' registers, which are numbered in order after d's, executes
/// the statement and returns what the lanes hold in d. `error` gets a finding.
std::vector<u64> multiply(Snippet &snippet, const Statement &statement, const Fragment &d,
                          llvm::ArrayRef<const Fragment *> sources);

} // namespace tilewright::emulator

#endif
