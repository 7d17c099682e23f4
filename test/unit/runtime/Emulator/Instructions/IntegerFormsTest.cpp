//===- IntegerFormsTest.cpp - All forms of integer instructions ---------------===//
//
// Models in integers of 128 bits, written from the PTX ISA's descriptions.
//
//===----------------------------------------------------------------------===//
#include "Forms.h"
#include <algorithm>
#include <bit>

using namespace tilewright::emulator;

namespace {

using u32 = uint32_t;
using u64 = uint64_t;
using u128 = unsigned __int128;
using s128 = __int128;

const u64 edges[] = {0,      1,          2,          3,          0x7f,    0x80,       0xff,
                     0x8000, 0x7fff,     0xffff,     0x7fffffff, 31,      32,         33,
                     63,     0x80000000, 0xffffffff, 64,         1 << 24, 0x00ff00ff, 1ull << 63,
                     ~0ull,  ~0ull >> 1, 5,          17};

/// An integer type of the statement.
struct Type {
  unsigned bits;
  bool isSigned;
  explicit Type(const std::string &name)
      : bits(name.empty() ? 0 : std::stoi(name.substr(1))), isSigned(name[0] == 's') {}
  s128 extend(u64 value) const {
    u64 cut = bits == 64 ? value : value & ((u64(1) << bits) - 1);
    return isSigned && cut >> (bits - 1) & 1 ? s128(cut) - (s128(1) << bits) : s128(cut);
  }
  s128 least() const { return isSigned ? -(s128(1) << (bits - 1)) : 0; }
  s128 most() const { return (s128(1) << (isSigned ? bits - 1 : bits)) - 1; }
  u64 saturate(s128 value) const { return u64(std::clamp(value, least(), most())); }
};

/// The part of a product that .lo, .hi or .wide keeps; 24-bit ones by .lo and .hi
/// of 48 bits.
s128 product(const Statement &s, const Type &type, u64 a, u64 b) {
  if (s.opcode == "mul24" || s.opcode == "mad24") {
    Type narrow(type.isSigned ? "s24" : "u24");
    s128 full = narrow.extend(a) * narrow.extend(b);
    return s.has("hi") ? full >> 16 : full;
  }
  u128 full = u128(type.extend(a)) * u128(type.extend(b));
  if (!s.has("hi"))
    return s128(full);
  return type.bits == 64 ? type.extend(u64(full >> 64)) : s128(full) >> type.bits;
}

bool addModel(const Statement &s, const Type &type, Values &v) {
  bool isSubtract = s.opcode.starts_with("sub"), isMad = s.opcode.starts_with("mad");
  bool usesCarry = s.opcode.back() == 'c' && s.opcode.size() == 4;
  s128 a = type.extend(v.in[0]), b = type.extend(v.in[1]);
  if (isMad) {
    a = product(s, type, v.in[0], v.in[1]);
    Type wide(s.has("wide") ? (type.isSigned ? "s" : "u") + std::to_string(2 * type.bits)
                            : s.type());
    b = wide.extend(v.in[2]);
  }
  s128 carry = usesCarry && v.carry;
  s128 sum = isSubtract ? a - b - carry : a + b + carry;
  v.out[0] = s.has("sat") ? type.saturate(sum) : u64(sum);
  // The carry out of the addition of the words, whatever their sign.
  Type word("u" + std::to_string(type.bits));
  s128 x = word.extend(u64(a)), y = word.extend(u64(b));
  v.out[1] = isSubtract ? x < y + carry : (x + y + carry) >> type.bits & 1;
  return true;
}

bool halvesModel(const Statement &s, Values &v) {
  Type half(s.type().substr(0, 3));
  for (unsigned shift : {0, 16}) {
    s128 a = half.extend(v.in[0] >> shift), b = half.extend(v.in[1] >> shift), result = 0;
    if (s.opcode == "add")
      result = a + b;
    else if (s.opcode == "min" || s.opcode == "max")
      result = s.opcode == "min" ? std::min(a, b) : std::max(a, b);
    else
      return false;
    if (s.has("relu"))
      result = std::max<s128>(result, 0);
    v.out[0] |= (u64(result) & 0xffff) << shift;
  }
  return true;
}

u64 dotProduct(const Statement &s, const Values &v) {
  bool isBytes = s.opcode == "dp4a";
  Type a(s.type(0)), b(s.type(1));
  Type aPart((a.isSigned ? "s" : "u") + std::string(isBytes ? "8" : "16"));
  Type bPart(b.isSigned ? "s8" : "u8");
  s128 sum = v.in[2];
  for (unsigned k = 0; k < (isBytes ? 4 : 2); ++k)
    sum += aPart.extend(v.in[0] >> (k * aPart.bits)) *
           bPart.extend(v.in[1] >> (8 * (k + (s.has("hi") ? 2 : 0))));
  return u64(sum);
}

/// bfe, bfi, bfind, szext, bmsk, fns, bit by bit.
bool fieldModel(const Statement &s, Values &v) {
  Type type(s.type());
  auto bit = [&](u64 value, unsigned i) { return value >> i & 1; };
  unsigned width = type.bits;
  if (s.opcode == "bfe") {
    unsigned position = v.in[1] & 255, length = v.in[2] & 255;
    bool sign = type.isSigned && length && bit(v.in[0], std::min(position + length, width) - 1);
    for (unsigned i = 0; i < width; ++i)
      v.out[0] |= u64(i < length && position + i < width ? bit(v.in[0], position + i) : sign) << i;
    return true;
  }
  if (s.opcode == "bfi") {
    unsigned position = v.in[2] & 255, length = v.in[3] & 255;
    v.out[0] = v.in[1];
    for (unsigned i = 0; i < length && position + i < width; ++i)
      v.out[0] = (v.out[0] & ~(u64(1) << (position + i))) | bit(v.in[0], i) << (position + i);
    return true;
  }
  if (s.opcode == "bfind") {
    bool sign = type.isSigned && bit(v.in[0], width - 1);
    v.out[0] = ~u64(0);
    for (unsigned i = 0; i < width; ++i)
      if (bit(v.in[0], i) != sign)
        v.out[0] = s.has("shiftamt") ? width - 1 - i : i;
    return true;
  }
  if (s.opcode == "szext") {
    unsigned n = s.has("clamp") ? std::min<u64>(v.in[1], 32) : v.in[1] & 31;
    for (unsigned i = 0; i < 32 && n; ++i)
      v.out[0] |= u64(i < n ? bit(v.in[0], i) : type.isSigned && bit(v.in[0], n - 1)) << i;
    return true;
  }
  if (s.opcode == "bmsk") {
    u64 position = s.has("clamp") ? std::min<u64>(v.in[0], 32) : v.in[0] & 31;
    u64 length = s.has("clamp") ? std::min<u64>(v.in[1], 32) : v.in[1] & 31;
    for (u64 i = position; i < std::min<u64>(position + length, 32); ++i)
      v.out[0] |= u64(1) << i;
    return true;
  }
  if (s.opcode != "fns")
    return false;
  // The n-th set bit from the base, upwards or downwards; 0: the base itself.
  int n = int(u32(v.in[2])), base = int(v.in[1] & 31), found = -1;
  if (n == 0)
    found = bit(v.in[0], base) ? base : -1;
  int seen = 0;
  for (int i = base; n && i >= 0 && i < 32 && found < 0; i += n > 0 ? 1 : -1)
    if (bit(v.in[0], i) && ++seen == std::abs(s128(n) > 0 ? n : n + (n == INT32_MIN)))
      found = i;
  v.out[0] = u64(s128(found));
  return true;
}

bool arithmeticModel(const Statement &s, Values &v) {
  if (s.type().ends_with("x2"))
    return halvesModel(s, v);
  Type type(s.type());
  const std::string &op = s.opcode;
  s128 a = type.extend(v.in[0]), b = type.extend(v.in[1]), c = type.extend(v.in[2]);
  if (op == "add" || op == "sub" || op == "addc" || op == "subc" || op.starts_with("mad"))
    return addModel(s, type, v);
  if (op == "mul" || op == "mul24")
    v.out[0] = u64(product(s, type, v.in[0], v.in[1]));
  else if (op == "sad")
    v.out[0] = u64(c + (a < b ? b - a : a - b));
  else if (op == "div") // by zero: all ones, as the device gives
    v.out[0] = b == 0 ? ~u64(0) : u64(a / b);
  else if (op == "rem")
    v.out[0] = b == 0 ? u64(a) : u64(a % b);
  else if (op == "abs" || op == "neg")
    v.out[0] = u64(op == "neg" || a < 0 ? -a : a);
  else if (op == "min" || op == "max")
    v.out[0] = u64(std::max<s128>(op == "min" ? std::min(a, b) : std::max(a, b),
                                  s.has("relu") ? 0 : type.least()));
  else if (op == "popc")
    v.out[0] = std::popcount(v.in[0]);
  else if (op == "clz")
    v.out[0] = std::countl_zero(v.in[0]) - (64 - type.bits);
  else if (op == "brev")
    for (unsigned i = 0; i < type.bits; ++i)
      v.out[0] |= (v.in[0] >> i & 1) << (type.bits - 1 - i);
  else if (op == "dp4a" || op == "dp2a")
    v.out[0] = dotProduct(s, v);
  else
    return fieldModel(s, v);
  return true;
}

TEST(IntegerForms, Arithmetic) {
  EXPECT_EQ(checkForms("integer", "Integer arithmetic", arithmeticModel, edges),
            readForms("integer", "Integer arithmetic").size());
}

/// The byte that a selector nibble of prmt picks.
u64 permute(u64 a, u64 b, const unsigned (&selectors)[4]) {
  u64 both = b << 32 | a, result = 0;
  for (unsigned k = 0; k < 4; ++k) {
    u64 byte = both >> (8 * (selectors[k] & 7)) & 255;
    if (selectors[k] & 8)
      byte = byte & 128 ? 255 : 0;
    result |= byte << (8 * k);
  }
  return result;
}

bool permuteModel(const Statement &s, Values &v) {
  unsigned n = v.in[2] & 3, selectors[4];
  for (unsigned k = 0; k < 4; ++k) {
    selectors[k] = v.in[2] >> (4 * k) & 15;
    if (s.has("f4e"))
      selectors[k] = n + k;
    if (s.has("b4e"))
      selectors[k] = (n + 8 - k) & 7;
    if (s.has("rc8"))
      selectors[k] = n;
    if (s.has("ecl"))
      selectors[k] = std::max(n, k);
    if (s.has("ecr"))
      selectors[k] = std::min(n, k);
    if (s.has("rc16"))
      selectors[k] = (n & 1) * 2 + (k & 1);
  }
  v.out[0] = permute(v.in[0], v.in[1], selectors);
  return true;
}

bool logicModel(const Statement &s, Values &v) {
  const std::string &op = s.opcode;
  u64 a = v.in[0], b = v.in[1], c = v.in[2];
  unsigned bits = s.type() == "pred" ? 1 : Type(s.type()).bits;
  if (op == "lop3") { // 0x96: the exclusive or of three
    v.out[0] = a ^ b ^ c;
    if (s.operands[0].find('|') != std::string::npos)
      v.out[1] = s.has("and") ? v.out[0] != 0 && v.in[3] : v.out[0] != 0 || v.in[3];
    if (s.operands[0][0] == '_')
      v.out[0] = v.out[1];
  } else if (op == "and") {
    v.out[0] = a & b;
  } else if (op == "or") {
    v.out[0] = a | b;
  } else if (op == "xor") {
    v.out[0] = a ^ b;
  } else if (op == "not") {
    v.out[0] = bits == 1 ? !a : ~a;
  } else if (op == "cnot") {
    v.out[0] = a == 0;
  } else if (op == "shf") {
    u64 n = s.has("clamp") ? std::min<u64>(c, 32) : c & 31;
    u128 both = u128(b) << 32 | a;
    v.out[0] = s.has("l") ? u64((both << n) >> 32) : u64(both >> n);
  } else if (op == "shl") {
    v.out[0] = b >= bits ? 0 : a << b;
  } else if (op == "shr") {
    v.out[0] = u64(Type(s.type()).extend(a) >> std::min<u64>(b, 100));
  } else {
    return op == "prmt" && permuteModel(s, v);
  }
  return true;
}

TEST(IntegerForms, Logic) {
  EXPECT_EQ(checkForms("integer", "Logic and shifts", logicModel, edges),
            readForms("integer", "Logic and shifts").size());
}

bool isLess(const std::string &name, s128 a, s128 b, bool &result) {
  if (name == "eq" || name == "ne")
    result = (a == b) == (name == "eq");
  else if (name == "lt" || name == "lo")
    result = a < b;
  else if (name == "le" || name == "ls")
    result = a <= b;
  else if (name == "gt" || name == "hi")
    result = a > b;
  else if (name == "ge" || name == "hs")
    result = a >= b;
  else
    return false;
  return true;
}

/// setp, set, selp and slct of integers.
bool compareModel(const Statement &s, Values &v) {
  const std::string &op = s.opcode;
  if (op == "selp") {
    v.out[0] = v.in[2] ? v.in[0] : v.in[1];
    return true;
  }
  if (op == "slct") {
    if (s.type(1) != "s32")
      return false;
    v.out[0] = v.in[2] >> 31 & 1 ? v.in[1] : v.in[0];
    return true;
  }
  std::string source = s.type(op == "set");
  if (source.find('f') != std::string::npos || source.empty())
    return false;
  if (op == "set" && (s.type() == "f16" || s.type() == "bf16"))
    v.out[1] = s.type() == "f16" ? 0x3c00 : 0x3f80;
  Type type(source);
  bool result = false;
  if (!isLess(s.modifiers[0], type.extend(v.in[0]), type.extend(v.in[1]), result))
    return false;
  bool c = v.in[2] & 1;
  if (s.has("and"))
    result = result && c;
  if (s.has("or"))
    result = result || c;
  if (s.has("xor"))
    result = result != c;
  u64 yes = op == "setp" ? 1 : v.out[1] ? v.out[1] : s.type() == "f32" ? 0x3f800000 : ~u64(0);
  v.out[0] = result ? yes : 0;
  return true;
}

TEST(IntegerForms, Comparison) {
  EXPECT_GE(checkForms("float", "Comparison and selection", compareModel, edges), 150u);
}

} // namespace
