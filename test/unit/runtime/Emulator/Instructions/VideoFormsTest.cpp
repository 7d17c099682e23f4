//===- VideoFormsTest.cpp - All forms of video instructions ------------------===//
//
// Models in integers of 128 bits, written from the pseudo-code of the PTX ISA,
// "Scalar Video Instructions" and "SIMD Video Instructions".
//
//===----------------------------------------------------------------------===//
#include "Forms.h"
#include <algorithm>

using namespace tilewright::emulator;

namespace {

using u64 = uint64_t;
using s128 = __int128;

const u64 edges[] = {0,          1,          2,          0x7f,       0x80,       0xff,
                     0x8000,     0x7fff,     0xffff,     0x7fffffff, 0x80000000, 0xffffffff,
                     0x00ff00ff, 0x80808080, 0x7f7f7f7f, 31,         32,         33};

/// Bits of a word as a number.
s128 numberOf(u64 word, unsigned shift, unsigned bits, bool isSigned) {
  s128 value = word >> shift & ((u64(1) << bits) - 1);
  return isSigned && value >> (bits - 1) ? value - (s128(1) << bits) : value;
}
s128 clampTo(s128 value, unsigned bits, bool isSigned) {
  s128 count = s128(1) << bits;
  return isSigned ? std::clamp<s128>(value, -count / 2, count / 2 - 1)
                  : std::clamp<s128>(value, 0, count - 1);
}
bool holds(const Statement &s, s128 a, s128 b) {
  return s.has("eq")   ? a == b
         : s.has("ne") ? a != b
         : s.has("lt") ? a < b
         : s.has("le") ? a <= b
         : s.has("gt") ? a > b
                       : a >= b;
}
/// "b3" of "%r1.b3"; empty without.
std::string selectorOf(const std::string &operand) {
  size_t dot = operand.find('.');
  return dot == std::string::npos ? "" : operand.substr(dot + 1);
}

//===--- Scalar ---===//

struct Selected {
  unsigned shift = 0, bits = 32;
  explicit Selected(const std::string &operand) {
    std::string selector = selectorOf(operand);
    if (selector.empty())
      return;
    bits = selector[0] == 'b' ? 8 : 16;
    shift = bits * (selector[1] - '0');
  }
};

s128 operate(const Statement &s, s128 a, s128 b) {
  const std::string &op = s.opcode;
  if (op == "vadd")
    return a + b;
  if (op == "vsub")
    return a - b;
  if (op == "vabsdiff")
    return a > b ? a - b : b - a;
  if (op == "vmin")
    return std::min(a, b);
  if (op == "vmax")
    return std::max(a, b);
  if (op == "vset")
    return holds(s, a, b);
  unsigned amount = unsigned(s.has("wrap") ? b % 32 : std::min<s128>(b, 32));
  s128 power = s128(1) << amount;
  if (op == "vshl")
    return a * power;
  return a >= 0 ? a / power : -((-a + power - 1) / power); // rounds down
}

/// The number that operand k holds: a register's, in the order of `in`, or its own.
u64 valueOf(const Statement &s, const Values &v, unsigned k) {
  unsigned place = 0;
  for (unsigned i = 1; i < k; ++i)
    place += s.operands[i].find('%') != std::string::npos;
  return s.operands[k].find('%') == std::string::npos ? std::stoull(s.operands[k]) : v.in[place];
}

bool vmadModel(const Statement &s, Values &v) {
  bool aSigned = s.type(1) == "s32", bSigned = s.type(2) == "s32";
  Selected aPart(s.operands[1]), bPart(s.operands[2]);
  bool aMinus = s.operands[1][0] == '-', bMinus = s.operands[2][0] == '-',
       cMinus = s.operands[3][0] == '-', minus = aMinus != bMinus;
  s128 product = numberOf(v.in[0], aPart.shift, aPart.bits, aSigned) *
                 numberOf(v.in[1], bPart.shift, bPart.bits, bSigned);
  bool isSigned = aSigned || bSigned || minus || cMinus;
  // ~c is a word before it is extended, so -c of 0x80000000 is 0x7fffffff + 1.
  s128 c = numberOf(cMinus ? ~v.in[2] : v.in[2], 0, 32, isSigned) + cMinus;
  s128 sum = (minus ? -product : product) + c + s.has("po");
  unsigned shift = s.has("shr7") ? 7 : s.has("shr15") ? 15 : 0;
  s128 scaled = sum >> shift;
  v.out[0] = u64(s.has("sat") ? clampTo(scaled, 32, isSigned) : scaled);
  return true;
}

bool scalarModel(const Statement &s, Values &v) {
  if (s.opcode == "vmad")
    return vmadModel(s, v);
  bool isSet = s.opcode == "vset", isSigned = !isSet && s.type(0) == "s32";
  bool aSigned = s.type(isSet ? 0 : 1) == "s32", bSigned = s.type(isSet ? 1 : 2) == "s32";
  Selected aPart(s.operands[1]), bPart(s.operands[2]), dPart(s.operands[0]);
  s128 value = operate(s, numberOf(valueOf(s, v, 1), aPart.shift, aPart.bits, aSigned),
                       numberOf(valueOf(s, v, 2), bPart.shift, bPart.bits, bSigned));
  if (s.has("sat"))
    value = clampTo(value, dPart.bits, isSigned);
  u64 word = s.operands.size() > 3 ? valueOf(s, v, 3) : 0;
  s128 c = numberOf(word, 0, 32, isSigned);
  if (s.has("add"))
    value += c;
  else if (s.has("min"))
    value = std::min(value, c);
  else if (s.has("max"))
    value = std::max(value, c);
  u64 mask = ((u64(1) << dPart.bits) - 1) << dPart.shift;
  v.out[0] = dPart.bits == 32 ? u64(value) : (u64(value) << dPart.shift & mask) | (word & ~mask);
  return true;
}

TEST(VideoForms, Scalar) {
  EXPECT_EQ(checkForms("integer", "Scalar video", scalarModel, edges),
            readForms("integer", "Scalar video").size());
}

//===--- SIMD ---===//

s128 operateOnParts(const Statement &s, const std::string &op, s128 a, s128 b) {
  if (op == "add")
    return a + b;
  if (op == "sub")
    return a - b;
  if (op == "avrg") // the half rounds away from zero
    return a + b >= 0 ? (a + b + 1) / 2 : -((1 - a - b) / 2);
  if (op == "absdiff")
    return a > b ? a - b : b - a;
  if (op == "min")
    return std::min(a, b);
  if (op == "max")
    return std::max(a, b);
  return holds(s, a, b);
}

bool simdModel(const Statement &s, Values &v) {
  unsigned parts = s.opcode.back() - '0', bits = 32 / parts;
  bool isSet = s.opcode.starts_with("vset"), dSigned = !isSet && s.type(0) == "s32";
  bool aSigned = s.type(isSet ? 0 : 1) == "s32", bSigned = s.type(isSet ? 1 : 2) == "s32";
  auto selector = [&](unsigned operand, const char *fallback) {
    std::string text = selectorOf(s.operands[operand]);
    return text.empty() ? std::string(fallback) : text.substr(1);
  };
  std::string mask = selector(0, parts == 2 ? "10" : "3210"),
              a = selector(1, parts == 2 ? "10" : "3210"),
              b = selector(2, parts == 2 ? "32" : "7654");
  u64 both = v.in[0] | v.in[1] << 32, sum = v.in[2], packed = 0;
  for (unsigned k = 0; k < parts; ++k) {
    u64 partMask = ((u64(1) << bits) - 1) << (k * bits);
    if (mask.find(char('0' + k)) == std::string::npos) {
      packed |= v.in[2] & partMask;
      continue;
    }
    s128 x = numberOf(both, (a[parts - 1 - k] - '0') * bits, bits, aSigned);
    s128 y = numberOf(both, (b[parts - 1 - k] - '0') * bits, bits, bSigned);
    s128 value = operateOnParts(s, s.opcode.substr(1, s.opcode.size() - 2), x, y);
    if (s.has("sat"))
      value = clampTo(value, bits, dSigned);
    packed |= u64(value) << (k * bits) & partMask;
    sum += u64(value);
  }
  v.out[0] = s.has("add") ? sum : packed;
  return true;
}

TEST(VideoForms, Simd) {
  EXPECT_EQ(checkForms("integer", "SIMD video", simdModel, edges),
            readForms("integer", "SIMD video").size());
}

TEST(VideoForms, Worked) {
  // d.b1 = clamp(3 - 0x90) into c, as in ScalarVideo.cpp's example.
  Snippet snippet;
  std::vector<u64> in(32, 0);
  in[0] = 0x90 | u64(3) << 32;
  auto out = snippet.run("ld.global.v2.u32 {%r1, %r2}, [%in]; mov.u32 %r3, 0x11223344;\n"
                         "vsub.s32.u32.u32.sat %r4.b1, %r2.b0, %r1.b0, %r3;\n"
                         "st.global.u32 [%out], %r4;",
                         in);
  EXPECT_EQ(snippet.error, "");
  EXPECT_EQ(out[0], 0x11228044u);
}

} // namespace
