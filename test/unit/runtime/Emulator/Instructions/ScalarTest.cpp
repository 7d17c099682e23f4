//===- ScalarTest.cpp - Each scalar instruction against a model in C++ -------===//
//
// A case is one instruction and a function that computes what it should give,
// written from the PTX ISA without the emulator's code. Inputs are edge values
// and random ones, three operands a lane, in registers of all widths.
//
//===----------------------------------------------------------------------===//
#include "Snippet.h"
#include <bit>
#include <cmath>
#include <functional>
#include <random>

using namespace tilewright::emulator;

namespace {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using s16 = int16_t;
using s32 = int32_t;
using s64 = int64_t;
using u128 = unsigned __int128;
using s128 = __int128;

using Model = std::function<u64(u64, u64, u64)>;

struct Case {
  const char *text; ///< d and a, b, c stand for registers of the type's width
  Model model;
};

/// Loads three operands and gives them to the instruction as registers of
/// `bits`; the result is compared in its own width.
class Scalars {
public:
  Scalars() {
    std::mt19937_64 random(20240611);
    const u64 edges[] = {0,      1,          2,          0x7f,       0x80,       0xffff,
                         0x8000, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 63, ~0ull >> 1,
                         ~0ull,  31,         32,         33,         63,         64};
    for (unsigned i = 0; i < kOperands * 32; ++i)
      inputs.push_back(i % 3 == 0 ? edges[random() % std::size(edges)]
                                  : random() >> (random() % 60));
  }

  void check(const char *resultRegister, const char *declarations, const Case &test, u64 inputMask,
             u64 resultMask) {
    SCOPED_TRACE(test.text);
    std::string body = "ld.global.u64 %rd1, [%in]; ld.global.u64 %rd2, [%in+256]; "
                       "ld.global.u64 %rd3, [%in+512];\n";
    body += declarations;
    body += test.text;
    body += "\n";
    body += resultRegister;
    body += "\nst.global.u64 [%out], %rd10;";
    for (unsigned round = 0; round + 3 <= kOperands; ++round) {
      std::vector<u64> in(inputs.begin() + 32 * round, inputs.begin() + 32 * (round + 3));
      auto out = snippet.run(body, in);
      ASSERT_EQ(snippet.error, "");
      for (unsigned t = 0; t < 32; ++t) {
        u64 a = in[t] & inputMask, b = in[32 + t] & inputMask, c = in[64 + t] & inputMask;
        ASSERT_EQ(out[t] & resultMask, test.model(a, b, c) & resultMask)
            << std::hex << "a=" << a << " b=" << b << " c=" << c;
      }
    }
  }

  static constexpr unsigned kOperands = 12;
  std::vector<u64> inputs;
  Snippet snippet;
};

constexpr const char *kTake16 = "cvt.u16.u64 %h1, %rd1; cvt.u16.u64 %h2, %rd2; "
                                "cvt.u16.u64 %h3, %rd3; cvt.u32.u64 %r1, %rd1; "
                                "cvt.u32.u64 %r2, %rd2; cvt.u32.u64 %r3, %rd3;\n";
constexpr const char *kTake32 = "cvt.u32.u64 %r1, %rd1; cvt.u32.u64 %r2, %rd2; "
                                "cvt.u32.u64 %r3, %rd3;\n";
constexpr const char *kGive16 = "cvt.u64.u16 %rd10, %h10;";
constexpr const char *kGive32 = "cvt.u64.u32 %rd10, %r10;";
constexpr const char *kGivePredicate = "selp.u64 %rd10, 1, 0, %p1;";

u32 divide(u32 a, u32 b) { return b ? a / b : ~0u; }

TEST(Scalar, Integer16) {
  Scalars scalars;
  const Case cases[] = {
      {"add.s16 %h10, %h1, %h2;", [](u64 a, u64 b, u64) { return a + b; }},
      {"sub.u16 %h10, %h1, %h2;", [](u64 a, u64 b, u64) { return a - b; }},
      {"mul.lo.s16 %h10, %h1, %h2;", [](u64 a, u64 b, u64) { return a * b; }},
      {"mul.hi.s16 %h10, %h1, %h2;", [](u64 a, u64 b, u64) { return u64(s16(a) * s16(b)) >> 16; }},
      {"mul.hi.u16 %h10, %h1, %h2;", [](u64 a, u64 b, u64) { return (a * b) >> 16; }},
      {"mad.lo.u16 %h10, %h1, %h2, %h3;", [](u64 a, u64 b, u64 c) { return a * b + c; }},
      {"min.s16 %h10, %h1, %h2;", [](u64 a, u64 b, u64) { return std::min(s16(a), s16(b)); }},
      {"max.u16 %h10, %h1, %h2;", [](u64 a, u64 b, u64) { return std::max(u16(a), u16(b)); }},
      {"neg.s16 %h10, %h1;", [](u64 a, u64, u64) { return -a; }},
      {"abs.s16 %h10, %h1;", [](u64 a, u64, u64) { return std::abs(s32(s16(a))); }},
      {"and.b16 %h10, %h1, %h2;", [](u64 a, u64 b, u64) { return a & b; }},
      {"not.b16 %h10, %h1;", [](u64 a, u64, u64) { return ~a; }},
      {"shl.b16 %h10, %h1, 3;", [](u64 a, u64, u64) { return a << 3; }},
      {"shr.s16 %h10, %h1, 20;", [](u64 a, u64, u64) { return s16(a) < 0 ? ~0ull : 0; }},
      {"shr.u16 %h10, %h1, 5;", [](u64 a, u64, u64) { return u16(a) >> 5; }},
      {"rem.u16 %h10, %h1, 7;", [](u64 a, u64, u64) { return u16(a) % 7; }},
      {"setp.lt.s16 %p1, %h1, %h2; selp.b16 %h10, %h1, %h3, %p1;",
       [](u64 a, u64 b, u64 c) { return s16(a) < s16(b) ? a : c; }},
  };
  for (const Case &test : cases)
    scalars.check(kGive16, kTake16, test, 0xffff, 0xffff);
}

u64 extractField(u64 a, u32 position, u32 length, unsigned width, bool isSigned) {
  // Bit by bit, as the PTX ISA's semantics say.
  position &= 255;
  length &= 255;
  unsigned msb = width - 1;
  bool sign = isSigned && length && (a >> std::min(position + length - 1, msb) & 1);
  u64 result = 0;
  for (unsigned i = 0; i < width; ++i) {
    bool bit = i < length && position + i <= msb ? a >> (position + i) & 1 : sign;
    result |= u64(bit) << i;
  }
  return result;
}
u64 insertField(u64 a, u64 b, u32 position, u32 length, unsigned width) {
  position &= 255;
  length &= 255;
  for (unsigned i = 0; i < length && position + i < width; ++i) {
    u64 bit = u64(1) << (position + i);
    b = (b & ~bit) | (a >> i & 1 ? bit : 0);
  }
  return b;
}
u32 permute(u32 a, u32 b, u32 selectors) {
  u8 bytes[8];
  for (int i = 0; i < 4; ++i) {
    bytes[i] = a >> 8 * i;
    bytes[4 + i] = b >> 8 * i;
  }
  u32 result = 0;
  for (int i = 0; i < 4; ++i) {
    u32 selector = selectors >> 4 * i & 15;
    u8 byte = bytes[selector & 7];
    if (selector & 8)
      byte = s32(s16(byte << 8)) < 0 ? 255 : 0;
    result |= u32(byte) << 8 * i;
  }
  return result;
}
s32 dot4(u32 a, u32 b, u32 c) {
  u32 sum = c;
  for (int i = 0; i < 4; ++i)
    sum += s32(int8_t(a >> 8 * i)) * s32(u8(b >> 8 * i));
  return sum;
}
u64 pair(u32 low, u32 high) { return (low & 0xffff) | high << 16; }

TEST(Scalar, Integer32) {
  Scalars scalars;
  const Case cases[] = {
      {"add.s32 %r10, %r1, %r2;", [](u64 a, u64 b, u64) { return a + b; }},
      {"add.sat.s32 %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) {
         return u64(std::clamp<s64>(s64(s32(a)) + s32(b), INT32_MIN, INT32_MAX));
       }},
      {"sub.sat.s32 %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) {
         return u64(std::clamp<s64>(s64(s32(a)) - s32(b), INT32_MIN, INT32_MAX));
       }},
      {"sub.u32 %r10, %r1, %r2;", [](u64 a, u64 b, u64) { return a - b; }},
      {"mul.lo.u32 %r10, %r1, %r2;", [](u64 a, u64 b, u64) { return a * b; }},
      {"mul.hi.u32 %r10, %r1, %r2;", [](u64 a, u64 b, u64) { return (a * b) >> 32; }},
      {"mul.hi.s32 %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) { return u64(s64(s32(a)) * s32(b)) >> 32; }},
      {"mul24.lo.u32 %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) { return (a & 0xffffff) * (b & 0xffffff); }},
      {"mul24.hi.s32 %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) {
         s64 x = s32(u32(a) << 8) >> 8, y = s32(u32(b) << 8) >> 8;
         return u64(x * y) >> 16;
       }},
      {"mad24.lo.s32 %r10, %r1, %r2, %r3;",
       [](u64 a, u64 b, u64 c) {
         s64 x = s32(u32(a) << 8) >> 8, y = s32(u32(b) << 8) >> 8;
         return u64(x * y) + c;
       }},
      {"mad.lo.s32 %r10, %r1, %r2, %r3;", [](u64 a, u64 b, u64 c) { return a * b + c; }},
      {"mad.hi.u32 %r10, %r1, %r2, %r3;", [](u64 a, u64 b, u64 c) { return ((a * b) >> 32) + c; }},
      {"mad.hi.sat.s32 %r10, %r1, %r2, %r3;",
       [](u64 a, u64 b, u64 c) {
         return u64(std::clamp<s64>(((s64(s32(a)) * s32(b)) >> 32) + s32(c), INT32_MIN, INT32_MAX));
       }},
      {"div.u32 %r10, %r1, %r2;", [](u64 a, u64 b, u64) { return divide(a, b); }},
      {"div.s32 %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) { return b ? u64(s64(s32(a)) / s32(b)) : ~0ull; }},
      {"rem.s32 %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) { return b ? u64(s64(s32(a)) % s32(b)) : a; }},
      {"abs.s32 %r10, %r1;", [](u64 a, u64, u64) { return std::abs(s64(s32(a))); }},
      {"neg.s32 %r10, %r1;", [](u64 a, u64, u64) { return -a; }},
      {"min.u32 %r10, %r1, %r2;", [](u64 a, u64 b, u64) { return std::min(a, b); }},
      {"max.s32 %r10, %r1, %r2;", [](u64 a, u64 b, u64) { return std::max(s32(a), s32(b)); }},
      {"max.s32.relu %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) { return std::max({s32(a), s32(b), 0}); }},
      {"min.relu.s32 %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) { return std::max(std::min(s32(a), s32(b)), 0); }},
      {"add.u16x2 %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) { return pair(a + b, (a >> 16) + (b >> 16)); }},
      {"min.s16x2 %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) {
         return pair(std::min(s16(a), s16(b)), std::min(s16(a >> 16), s16(b >> 16)));
       }},
      {"sad.s32 %r10, %r1, %r2, %r3;",
       [](u64 a, u64 b, u64 c) { return c + std::abs(s64(s32(a)) - s32(b)); }},
      {"sad.u32 %r10, %r1, %r2, %r3;",
       [](u64 a, u64 b, u64 c) { return c + (a < b ? b - a : a - b); }},
      {"dp4a.s32.u32 %r10, %r1, %r2, %r3;", [](u64 a, u64 b, u64 c) { return dot4(a, b, c); }},
      {"dp2a.hi.u32.s32 %r10, %r1, %r2, %r3;",
       [](u64 a, u64 b, u64 c) {
         return c + u16(a) * s64(int8_t(b >> 16)) + u16(a >> 16) * s64(int8_t(b >> 24));
       }},
      {"and.b32 %r10, %r1, %r2;", [](u64 a, u64 b, u64) { return a & b; }},
      {"or.b32 %r10, %r1, %r2;", [](u64 a, u64 b, u64) { return a | b; }},
      {"xor.b32 %r10, %r1, %r2;", [](u64 a, u64 b, u64) { return a ^ b; }},
      {"not.b32 %r10, %r1;", [](u64 a, u64, u64) { return ~a; }},
      {"cnot.b32 %r10, %r1;", [](u64 a, u64, u64) { return a == 0; }},
      {"lop3.b32 %r10, %r1, %r2, %r3, 0x1e;", [](u64 a, u64 b, u64 c) { return a ^ (b | c); }},
      {"lop3.b32 %r10, %r1, %r2, %r3, 0xe8;",
       [](u64 a, u64 b, u64 c) { return (a & b) | (a & c) | (b & c); }},
      {"lop3.b32 %r10, %r1, %r2, %r3, 0xca;",
       [](u64 a, u64 b, u64 c) { return (a & b) | (~a & c); }},
      {"setp.ne.u32 %p2, %r3, 0; lop3.and.b32 %r11|%p1, %r1, %r2, %r3, 0xc0, %p2; "
       "selp.u32 %r10, 1, 0, %p1;",
       [](u64 a, u64 b, u64 c) { return (a & b) != 0 && c != 0; }},
      {"shl.b32 %r10, %r1, %r2;", [](u64 a, u64 b, u64) { return b > 31 ? 0 : a << b; }},
      {"shr.u32 %r10, %r1, %r2;", [](u64 a, u64 b, u64) { return b > 31 ? 0 : a >> b; }},
      {"shr.s32 %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) { return s32(a) >> std::min<u64>(b, 31); }},
      {"shf.l.wrap.b32 %r10, %r1, %r2, %r3;",
       [](u64 a, u64 b, u64 c) { return ((b << 32 | a) << (c & 31)) >> 32; }},
      {"shf.r.clamp.b32 %r10, %r1, %r2, %r3;",
       [](u64 a, u64 b, u64 c) { return (b << 32 | a) >> std::min<u64>(c, 32); }},
      {"shf.l.clamp.b32 %r10, %r1, %r2, %r3;",
       [](u64 a, u64 b, u64 c) { return c >= 32 ? a : ((b << 32 | a) << c) >> 32; }},
      {"popc.b32 %r10, %r1;", [](u64 a, u64, u64) { return __builtin_popcountll(a); }},
      {"clz.b32 %r10, %r1;", [](u64 a, u64, u64) { return a ? __builtin_clz(u32(a)) : 32; }},
      {"bfind.u32 %r10, %r1;", [](u64 a, u64, u64) { return a ? 31 - __builtin_clz(u32(a)) : -1; }},
      {"bfind.shiftamt.s32 %r10, %r1;",
       [](u64 a, u64, u64) {
         u32 bits = s32(a) < 0 ? ~u32(a) : u32(a);
         return bits ? __builtin_clz(bits) : -1;
       }},
      {"brev.b32 %r10, %r1;",
       [](u64 a, u64, u64) {
         u64 result = 0;
         for (int i = 0; i < 32; ++i)
           result = result << 1 | (a >> i & 1);
         return result;
       }},
      {"bfe.u32 %r10, %r1, %r2, %r3;",
       [](u64 a, u64 b, u64 c) { return extractField(a, b, c, 32, false); }},
      {"bfe.s32 %r10, %r1, %r2, %r3;",
       [](u64 a, u64 b, u64 c) { return extractField(a, b, c, 32, true); }},
      {"bfe.s32 %r10, %r1, 28, 9;", [](u64 a, u64, u64) { return extractField(a, 28, 9, 32, true); }},
      {"bfi.b32 %r10, %r1, %r2, %r3, 7;",
       [](u64 a, u64 b, u64 c) { return insertField(a, b, c, 7, 32); }},
      {"bfi.b32 %r10, %r1, %r2, 3, %r3;",
       [](u64 a, u64 b, u64 c) { return insertField(a, b, 3, c, 32); }},
      {"bmsk.clamp.b32 %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) {
         u64 result = 0;
         for (u64 i = a; i < 32 && i < a + b; ++i)
           result |= u64(1) << i;
         return result;
       }},
      {"prmt.b32 %r10, %r1, %r2, %r3;", [](u64 a, u64 b, u64 c) { return permute(a, b, c); }},
      {"prmt.b32.f4e %r10, %r1, %r2, %r3;",
       [](u64 a, u64 b, u64 c) { return (b << 32 | a) >> (8 * (c & 3)); }},
      {"prmt.b32.rc16 %r10, %r1, %r2, %r3;",
       [](u64 a, u64, u64 c) {
         u32 half = c & 1 ? a >> 16 : a & 0xffff;
         return half | half << 16;
       }},
      {"set.lt.u32.s32 %r10, %r1, %r2;",
       [](u64 a, u64 b, u64) { return s32(a) < s32(b) ? ~0ull : 0; }},
      {"slct.s32.s32 %r10, %r1, %r2, %r3;",
       [](u64 a, u64 b, u64 c) { return s32(c) >= 0 ? a : b; }},
      {"cvt.s32.s8 %r10, %r1;", [](u64 a, u64, u64) { return s32(int8_t(a)); }},
      {"cvt.sat.u8.s32 %r10, %r1;", [](u64 a, u64, u64) { return std::clamp(s32(a), 0, 255); }},
      {"cvt.sat.s16.u32 %r10, %r1;", [](u64 a, u64, u64) { return std::min<u64>(a, 0x7fff); }},
      {"cvt.s32.s16 %r10, %r1;", [](u64 a, u64, u64) { return s32(s16(a)); }},
      {"cvt.pack.sat.u8.s32.b32 %r10, %r1, %r2, %r3;",
       [](u64 a, u64 b, u64 c) {
         return c << 16 | u64(std::clamp(s32(a), 0, 255)) << 8 | u64(std::clamp(s32(b), 0, 255));
       }},
      {"mov.b32 {%h1, %h2}, %r1; mov.b32 %r10, {%h2, %h1};",
       [](u64 a, u64, u64) { return a >> 16 | a << 16; }},
  };
  for (const Case &test : cases)
    scalars.check(kGive32, kTake32, test, 0xffffffff, 0xffffffff);
}

TEST(Scalar, Integer64) {
  Scalars scalars;
  const Case cases[] = {
      {"add.s64 %rd10, %rd1, %rd2;", [](u64 a, u64 b, u64) { return a + b; }},
      {"mul.lo.u64 %rd10, %rd1, %rd2;", [](u64 a, u64 b, u64) { return a * b; }},
      {"mul.hi.u64 %rd10, %rd1, %rd2;", [](u64 a, u64 b, u64) { return u64((u128(a) * b) >> 64); }},
      {"mul.hi.s64 %rd10, %rd1, %rd2;",
       [](u64 a, u64 b, u64) { return u64((s128(s64(a)) * s64(b)) >> 64); }},
      {"mad.lo.s64 %rd10, %rd1, %rd2, %rd3;", [](u64 a, u64 b, u64 c) { return a * b + c; }},
      {"div.u64 %rd10, %rd1, %rd2;", [](u64 a, u64 b, u64) { return b ? a / b : ~0ull; }},
      {"div.s64 %rd10, %rd1, %rd2;",
       [](u64 a, u64 b, u64) { return b ? u64(s128(s64(a)) / s64(b)) : ~0ull; }},
      {"rem.s64 %rd10, %rd1, %rd2;",
       [](u64 a, u64 b, u64) { return b ? u64(s128(s64(a)) % s64(b)) : a; }},
      {"min.s64 %rd10, %rd1, %rd2;", [](u64 a, u64 b, u64) { return std::min(s64(a), s64(b)); }},
      {"shl.b64 %rd10, %rd1, 40;", [](u64 a, u64, u64) { return a << 40; }},
      {"shr.s64 %rd10, %rd1, 70;", [](u64 a, u64, u64) { return s64(a) < 0 ? ~0ull : 0; }},
      {"brev.b64 %rd10, %rd1; brev.b64 %rd10, %rd10;", [](u64 a, u64, u64) { return a; }},
      {"clz.b64 %r10, %rd1; cvt.u64.u32 %rd10, %r10;",
       [](u64 a, u64, u64) { return a ? __builtin_clzll(a) : 64; }},
      {"popc.b64 %r10, %rd1; cvt.u64.u32 %rd10, %r10;",
       [](u64 a, u64, u64) { return __builtin_popcountll(a); }},
      {"bfind.s64 %r10, %rd1; cvt.s64.s32 %rd10, %r10;",
       [](u64 a, u64, u64) {
         u64 bits = s64(a) < 0 ? ~a : a;
         return bits ? s64(63 - __builtin_clzll(bits)) : -1;
       }},
      {"bfe.s64 %rd10, %rd1, 50, 30;",
       [](u64 a, u64, u64) { return extractField(a, 50, 30, 64, true); }},
      {"bfe.u64 %rd10, %rd1, 7, 64;",
       [](u64 a, u64, u64) { return extractField(a, 7, 64, 64, false); }},
      {"bfi.b64 %rd10, %rd1, %rd2, 60, 9;",
       [](u64 a, u64 b, u64) { return insertField(a, b, 60, 9, 64); }},
      {"cvt.u32.u64 %r1, %rd1; cvt.u32.u64 %r2, %rd2; mul.wide.u32 %rd10, %r1, %r2;",
       [](u64 a, u64 b, u64) { return u64(u32(a)) * u32(b); }},
      {"cvt.u32.u64 %r1, %rd1; cvt.u32.u64 %r2, %rd2; mad.wide.s32 %rd10, %r1, %r2, %rd3;",
       [](u64 a, u64 b, u64 c) { return u64(s64(s32(a)) * s32(b)) + c; }},
      {"cvt.sat.s64.u64 %rd10, %rd1;",
       [](u64 a, u64, u64) { return std::min<u64>(a, ~0ull >> 1); }},
      {"cvt.sat.u32.s64 %rd10, %rd1;",
       [](u64 a, u64, u64) { return std::clamp<s64>(s64(a), 0, UINT32_MAX); }},
      // 128-bit sums, differences and products by carry chains.
      {"add.cc.u64 %rd4, %rd1, %rd2; addc.u64 %rd10, %rd3, %rd1;",
       [](u64 a, u64 b, u64 c) { return u64(((u128(a) + b) >> 64) + c + a); }},
      {"sub.cc.u64 %rd4, %rd1, %rd2; subc.u64 %rd10, %rd3, %rd1;",
       [](u64 a, u64 b, u64 c) { return c - a - (a < b); }},
      {"mov.b64 {%r1, %r2}, %rd1; mov.b64 {%r3, %r4}, %rd2; add.cc.u32 %r5, %r1, %r3; "
       "addc.cc.u32 %r6, %r2, %r4; addc.u32 %r7, 0, 0; mov.b64 %rd10, {%r6, %r7};",
       [](u64 a, u64 b, u64) { return u64((u128(a) + b) >> 32); }},
      {"mad.lo.cc.u64 %rd4, %rd1, %rd2, %rd3; madc.hi.u64 %rd10, %rd1, %rd2, 0;",
       [](u64 a, u64 b, u64 c) { return u64((u128(a) * b + c) >> 64); }},
      {"mov.b64 {%h1, %h2, %h3, %h4}, %rd1; mov.b64 %rd10, {%h4, %h3, %h2, %h1};",
       [](u64 a, u64, u64) {
         return a >> 48 | (a >> 16 & 0xffff0000) | (a & 0xffff0000) << 16 | a << 48;
       }},
  };
  for (const Case &test : cases)
    scalars.check("", "", test, ~0ull, ~0ull);
}

TEST(Scalar, Comparisons) {
  Scalars scalars;
  const Case cases[] = {
      {"setp.eq.s32 %p1, %r1, %r2;", [](u64 a, u64 b, u64) { return a == b; }},
      {"setp.ne.b32 %p1, %r1, %r2;", [](u64 a, u64 b, u64) { return a != b; }},
      {"setp.lt.s32 %p1, %r1, %r2;", [](u64 a, u64 b, u64) { return s32(a) < s32(b); }},
      {"setp.ge.s32 %p1, %r1, %r2;", [](u64 a, u64 b, u64) { return s32(a) >= s32(b); }},
      {"setp.hi.u32 %p1, %r1, %r2;", [](u64 a, u64 b, u64) { return a > b; }},
      {"setp.ls.u32 %p1, %r1, %r2;", [](u64 a, u64 b, u64) { return a <= b; }},
      {"setp.gt.and.s32 %p1, %r1, %r2, !%p2;",
       [](u64 a, u64 b, u64 c) { return s32(a) > s32(b) && !(c & 1); }},
      {"setp.le.or.u32 %p1, %r1, %r2, %p2;", [](u64 a, u64 b, u64 c) { return a <= b || (c & 1); }},
      {"setp.lt.xor.u32 %p3|%p1, %r1, %r2, %p2;",
       [](u64 a, u64 b, u64 c) { return !(a < b) != bool(c & 1); }},
      {"setp.lt.s32 %p3, %r1, 0; and.pred %p1, %p2, !%p3;",
       [](u64 a, u64, u64 c) { return (c & 1) && s32(a) >= 0; }},
      {"not.pred %p1, %p2;", [](u64, u64, u64 c) { return !(c & 1); }},
  };
  std::string take = std::string(kTake32) + "and.b32 %r9, %r3, 1; setp.ne.u32 %p2, %r9, 0;\n";
  for (const Case &test : cases)
    scalars.check(kGivePredicate, take.c_str(), test, 0xffffffff, ~0ull);
}

//===----------------------------------------------------------------------===//
// Floating point
//===----------------------------------------------------------------------===//

float f(u64 bits) { return std::bit_cast<float>(u32(bits)); }
u64 bits(float value) { return std::isnan(value) ? 0x7fffffffu : std::bit_cast<u32>(value); }
double d(u64 bits) { return std::bit_cast<double>(bits); }
u64 bits(double value) { return std::bit_cast<u64>(value); }
float ftz(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }

TEST(Scalar, Float32) {
  Scalars scalars;
  // Numbers of similar size, besides the edges.
  std::mt19937 random(5);
  const u32 edges[] = {0,          0x80000000, 1,          0x007fffff, 0x00800000, 0x7f7fffff,
                       0x7f800000, 0xff800000, 0x7fc00001, 0x3f800000, 0xbf800000, 0x80000001};
  for (size_t i = 0; i < scalars.inputs.size(); ++i)
    scalars.inputs[i] = i % 2 ? 0x3d000000 + random() % 0x05000000 + (random() & 1u) * 0x80000000
                              : edges[random() % std::size(edges)];
  const Case cases[] = {
      {"add.f32 %f10, %f1, %f2;", [](u64 a, u64 b, u64) { return bits(f(a) + f(b)); }},
      {"sub.rn.f32 %f10, %f1, %f2;", [](u64 a, u64 b, u64) { return bits(f(a) - f(b)); }},
      {"mul.f32 %f10, %f1, %f2;", [](u64 a, u64 b, u64) { return bits(f(a) * f(b)); }},
      {"mul.ftz.f32 %f10, %f1, %f2;",
       [](u64 a, u64 b, u64) { return bits(ftz(ftz(f(a)) * ftz(f(b)))); }},
      {"add.ftz.f32 %f10, %f1, %f2;",
       [](u64 a, u64 b, u64) { return bits(ftz(ftz(f(a)) + ftz(f(b)))); }},
      {"fma.rn.f32 %f10, %f1, %f2, %f3;",
       [](u64 a, u64 b, u64 c) { return bits(std::fma(f(a), f(b), f(c))); }},
      {"fma.rn.ftz.f32 %f10, %f1, %f2, %f3;",
       [](u64 a, u64 b, u64 c) { return bits(ftz(std::fma(ftz(f(a)), ftz(f(b)), ftz(f(c))))); }},
      {"fma.rn.sat.f32 %f10, %f1, %f2, %f3;",
       [](u64 a, u64 b, u64 c) {
         float r = std::fma(f(a), f(b), f(c));
         return bits(r > 0 ? std::min(r, 1.0f) : 0.0f);
       }},
      {"div.rn.f32 %f10, %f1, %f2;", [](u64 a, u64 b, u64) { return bits(f(a) / f(b)); }},
      {"sqrt.rn.f32 %f10, %f1;", [](u64 a, u64, u64) { return bits(std::sqrt(f(a))); }},
      {"rcp.rn.f32 %f10, %f1;", [](u64 a, u64, u64) { return bits(1.0f / f(a)); }},
      {"neg.f32 %f10, %f1; abs.f32 %f10, %f10;", [](u64 a, u64, u64) { return a & 0x7fffffff; }},
      {"copysign.f32 %f10, %f1, %f2;",
       [](u64 a, u64 b, u64) { return (a & 0x80000000) | (b & 0x7fffffff); }},
      {"min.f32 %f10, %f1, %f2;",
       [](u64 a, u64 b, u64) {
         if (f(a) == 0 && f(b) == 0)
           return (a | b) & 0x80000000;
         return bits(std::fmin(f(a), f(b)));
       }},
      {"max.NaN.f32 %f10, %f1, %f2;",
       [](u64 a, u64 b, u64) {
         if (std::isnan(f(a)) || std::isnan(f(b)))
           return u64(0x7fffffff);
         if (f(a) == 0 && f(b) == 0)
           return a & b & 0x80000000;
         return bits(std::fmax(f(a), f(b)));
       }},
      {"cvt.rzi.s32.f32 %r11, %f1; mov.b32 %f10, %r11;",
       [](u64 a, u64, u64) {
         if (std::isnan(f(a)))
           return u64(0);
         return u64(u32(s32(std::clamp<double>(f(a), INT32_MIN, INT32_MAX))));
       }},
      {"cvt.rni.f32.f32 %f10, %f1;", [](u64 a, u64, u64) { return bits(std::nearbyint(f(a))); }},
      {"cvt.rn.f32.s32 %f10, %r1;", [](u64 a, u64, u64) { return bits(float(s32(a))); }},
      {"cvt.rn.f32.u32 %f10, %r1;", [](u64 a, u64, u64) { return bits(float(u32(a))); }},
      {"cvt.sat.f32.f32 %f10, %f1;",
       [](u64 a, u64, u64) { return bits(f(a) > 0 ? std::min(f(a), 1.0f) : 0.0f); }},
      {"selp.f32 %f10, %f1, 0f40490FDB, %p2;",
       [](u64 a, u64, u64 c) { return c & 1 ? a : 0x40490fdb; }},
      {"slct.f32.f32 %f10, %f1, %f2, %f3;", [](u64 a, u64 b, u64 c) { return f(c) >= 0 ? a : b; }},
      {"testp.finite.f32 %p1, %f1; selp.f32 %f10, 0f3F800000, 0f00000000, %p1;",
       [](u64 a, u64, u64) { return bits(std::isfinite(f(a)) ? 1.0f : 0.0f); }},
      {"set.gtu.f32.f32 %f10, %f1, %f2;",
       [](u64 a, u64 b, u64) { return bits(!(f(a) <= f(b)) ? 1.0f : 0.0f); }},
      {"setp.ltu.f32 %p1, %f1, %f2; selp.f32 %f10, 1.0, 2.0, %p1;",
       [](u64 a, u64 b, u64) { return bits(!(f(a) >= f(b)) ? 1.0f : 2.0f); }},
      {"setp.ne.f32 %p1, %f1, %f2; selp.f32 %f10, 1.0, 2.0, %p1;",
       [](u64 a, u64 b, u64) { return bits(f(a) < f(b) || f(a) > f(b) ? 1.0f : 2.0f); }},
      {"setp.num.f32 %p1, %f1, %f2; selp.f32 %f10, 1.0, 2.0, %p1;",
       [](u64 a, u64 b, u64) { return bits(std::isnan(f(a)) || std::isnan(f(b)) ? 2.0f : 1.0f); }},
  };
  std::string take = std::string(kTake32) +
                     "mov.b32 %f1, %r1; mov.b32 %f2, %r2; mov.b32 %f3, %r3;\n"
                     "and.b32 %r9, %r3, 1; setp.ne.u32 %p2, %r9, 0;\n";
  for (const Case &test : cases)
    scalars.check("mov.b32 %r10, %f10; cvt.u64.u32 %rd10, %r10;", take.c_str(), test, 0xffffffff,
                  0xffffffff);
}

TEST(Scalar, DirectedRoundingStaysWithinOneUnit) {
  Scalars scalars;
  std::mt19937 random(6);
  for (u64 &value : scalars.inputs)
    value = 0x3f000000 + random() % 0x01000000;
  auto down = [](double x) {
    float r = float(x);
    return bits(double(r) > x ? std::nextafter(r, -INFINITY) : r);
  };
  auto up = [](double x) {
    float r = float(x);
    return bits(double(r) < x ? std::nextafter(r, INFINITY) : r);
  };
  const Case cases[] = {
      {"add.rm.f32 %f10, %f1, %f2;", [=](u64 a, u64 b, u64) { return down(double(f(a)) + f(b)); }},
      {"add.rp.f32 %f10, %f1, %f2;", [=](u64 a, u64 b, u64) { return up(double(f(a)) + f(b)); }},
      {"mul.rz.f32 %f10, %f1, %f2;", [=](u64 a, u64 b, u64) { return down(double(f(a)) * f(b)); }},
      {"mul.rp.f32 %f10, %f1, %f2;", [=](u64 a, u64 b, u64) { return up(double(f(a)) * f(b)); }},
  };
  std::string take = std::string(kTake32) + "mov.b32 %f1, %r1; mov.b32 %f2, %r2;\n";
  for (const Case &test : cases)
    scalars.check("mov.b32 %r10, %f10; cvt.u64.u32 %rd10, %r10;", take.c_str(), test, 0xffffffff,
                  0xffffffff);
}

TEST(Scalar, Float64) {
  Scalars scalars;
  std::mt19937_64 random(7);
  for (u64 &value : scalars.inputs)
    value = 0x3fd0000000000000 + (random() >> 9) % 0x0060000000000000 + (random() << 63);
  const Case cases[] = {
      {"add.f64 %fd4, %fd1, %fd2;", [](u64 a, u64 b, u64) { return bits(d(a) + d(b)); }},
      {"mul.rn.f64 %fd4, %fd1, %fd2;", [](u64 a, u64 b, u64) { return bits(d(a) * d(b)); }},
      {"fma.rn.f64 %fd4, %fd1, %fd2, %fd3;",
       [](u64 a, u64 b, u64 c) { return bits(std::fma(d(a), d(b), d(c))); }},
      {"div.rn.f64 %fd4, %fd1, %fd2;", [](u64 a, u64 b, u64) { return bits(d(a) / d(b)); }},
      {"abs.f64 %fd4, %fd1; sqrt.rn.f64 %fd4, %fd4;",
       [](u64 a, u64, u64) { return bits(std::sqrt(std::fabs(d(a)))); }},
      {"max.f64 %fd4, %fd1, %fd2;", [](u64 a, u64 b, u64) { return bits(std::fmax(d(a), d(b))); }},
      {"cvt.rn.f32.f64 %f1, %fd1; cvt.f64.f32 %fd4, %f1;",
       [](u64 a, u64, u64) { return bits(double(float(d(a)))); }},
      {"cvt.rzi.s64.f64 %rd4, %fd1; cvt.rn.f64.s64 %fd4, %rd4;",
       [](u64 a, u64, u64) { return bits(std::trunc(d(a)) + 0.0); }},
  };
  for (const Case &test : cases)
    scalars.check("mov.b64 %rd10, %fd4;",
                  "mov.b64 %fd1, %rd1; mov.b64 %fd2, %rd2; mov.b64 %fd3, %rd3;\n", test, ~0ull,
                  ~0ull);
}

double half(u64 h) {
  u32 exponent = h >> 10 & 31, mantissa = h & 1023;
  double value = exponent == 31 ? (mantissa ? NAN : INFINITY)
                 : exponent     ? std::ldexp(1024 + mantissa, int(exponent) - 25)
                                : std::ldexp(mantissa, -24);
  return h & 0x8000 ? -value : value;
}
double brain(u64 h) { return std::bit_cast<float>(u32(h << 16)); }
/// Rounds a value that is exact in double to f16, nearest even.
u64 toHalf(double value) {
  if (std::isnan(value))
    return 0x7fff;
  u64 sign = std::signbit(value) ? 0x8000 : 0;
  double magnitude = std::fabs(value);
  if (magnitude >= 65520)
    return sign | 0x7c00;
  int exponent = magnitude == 0 ? -14 : std::max(std::ilogb(magnitude), -14);
  u64 scaled = u64(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  return sign | (scaled + (u64(exponent + 14) << 10));
}
u64 toBrain(double value) {
  if (std::isnan(value))
    return 0x7fff;
  u32 word = std::bit_cast<u32>(float(value));
  return (word + 0x7fff + (word >> 16 & 1)) >> 16;
}

TEST(Scalar, HalfPrecision) {
  Scalars scalars;
  std::mt19937 random(8);
  for (u64 &value : scalars.inputs)
    value = (0x3000 + random() % 0x1800 + (random() & 1u) * 0x8000) | (0x3000 + random() % 0x1800)
                                                                          << 16;
  auto two = [](auto one) {
    return Model([one](u64 a, u64 b, u64 c) {
      return one(a & 0xffff, b & 0xffff, c & 0xffff) | one(a >> 16, b >> 16, c >> 16) << 16;
    });
  };
  // bf16 products and sums of these inputs are exact in f32 or round once.
  const Case cases[] = {
      {"add.f16x2 %r10, %r1, %r2;",
       two([](u64 a, u64 b, u64) { return toHalf(half(a) + half(b)); })},
      {"mul.rn.f16x2 %r10, %r1, %r2;",
       two([](u64 a, u64 b, u64) { return toHalf(half(a) * half(b)); })},
      {"fma.rn.f16x2 %r10, %r1, %r2, %r3;",
       two([](u64 a, u64 b, u64 c) { return toHalf(half(a) * half(b) + half(c)); })},
      {"fma.rn.relu.f16x2 %r10, %r1, %r2, %r3;", two([](u64 a, u64 b, u64 c) {
         double r = half(a) * half(b) + half(c);
         return r > 0 ? toHalf(r) : 0;
       })},
      {"sub.bf16x2 %r10, %r1, %r2;",
       two([](u64 a, u64 b, u64) { return toBrain(brain(a) - brain(b)); })},
      {"mul.bf16x2 %r10, %r1, %r2;",
       two([](u64 a, u64 b, u64) { return toBrain(brain(a) * brain(b)); })},
      {"max.f16x2 %r10, %r1, %r2;",
       two([](u64 a, u64 b, u64) { return half(a) > half(b) ? a : b; })},
      {"neg.bf16x2 %r10, %r1;", two([](u64 a, u64, u64) { return a ^ 0x8000; })},
      {"mov.b32 {%h1, %h2}, %r1; mov.b32 {%h3, %h4}, %r2; add.rn.f16 %h5, %h1, %h3; "
       "setp.lt.f16 %p1, %h1, %h4; selp.b16 %h6, %h5, %h2, %p1; mov.b32 %r10, {%h5, %h6};",
       [](u64 a, u64 b, u64) {
         u64 sum = toHalf(half(a & 0xffff) + half(b & 0xffff));
         return sum | (half(a & 0xffff) < half(b >> 16) ? sum : a >> 16) << 16;
       }},
      {"mov.b32 {%h1, %h2}, %r1; cvt.f32.f16 %f1, %h1; cvt.rn.f16.f32 %h3, %f1; "
       "cvt.f32.bf16 %f2, %h2; cvt.rn.bf16.f32 %h4, %f2; mov.b32 %r10, {%h3, %h4};",
       [](u64 a, u64, u64) { return a; }},
      {"mov.b32 %f1, %r1; mov.b32 %f2, %r2; cvt.rn.bf16x2.f32 %r10, %f1, %f2;",
       [](u64 a, u64 b, u64) { return toBrain(f(a)) << 16 | toBrain(f(b)); }},
      {"mov.b32 {%h1, %h2}, %r1; cvt.f32.f16 %f1, %h1; cvt.f32.f16 %f2, %h2; "
       "cvt.rn.f16x2.f32 %r10, %f1, %f2;",
       [](u64 a, u64, u64) { return a >> 16 | a << 16; }},
      {"mov.b32 %f1, %r1; cvt.rna.tf32.f32 %r10, %f1;",
       [](u64 a, u64, u64) { return (a + 0x1000) & 0xffffe000; }},
  };
  for (const Case &test : cases)
    scalars.check(kGive32, kTake32, test, 0xffffffff, 0xffffffff);
}

TEST(Scalar, EightBitFloats) {
  Snippet snippet("h200");
  // e4m3: 0x38 is 1, 0x7e is 448 (the largest), 0x3c is 1.5; e5m2: 0x3c is 1.
  auto out = snippet.run(R"(
    mov.f32 %f1, 0f44000000; mov.f32 %f2, 0f3FC00000;
    cvt.rn.satfinite.e4m3x2.f32 %h1, %f1, %f2;
    cvt.rn.f16x2.e4m3x2 %r1, %h1;
    cvt.rn.satfinite.e5m2x2.f16x2 %h2, %r1;
    mov.b32 %r2, {%h1, %h2}; mov.b64 %rd1, {%r1, %r2}; st.global.u64 [%out], %rd1;)");
  ASSERT_EQ(snippet.error, "");
  EXPECT_EQ(out[0] & 0xffffffff, 0x5f003e00u); // 448, 1.5 in f16
  EXPECT_EQ(out[0] >> 32 & 0xffff, 0x7e3cu);   // e4m3
  EXPECT_EQ(out[0] >> 48, 0x5f3eu);            // e5m2: 448, 1.5
}

TEST(Scalar, ApproximateFunctionsStayWithinTheirBounds) {
  Snippet snippet;
  std::vector<u64> in;
  for (unsigned t = 0; t < 32; ++t)
    in.push_back(std::bit_cast<u32>(0.07f + 0.19f * t));
  struct {
    const char *text;
    double (*model)(double);
    double bound; ///< relative, from the PTX ISA
  } cases[] = {
      {"ex2.approx.f32", [](double x) { return std::exp2(x); }, std::ldexp(1, -22)},
      {"ex2.approx.ftz.f32", [](double x) { return std::exp2(x); }, std::ldexp(1, -22)},
      {"lg2.approx.f32", [](double x) { return std::log2(x); }, std::ldexp(1, -21)},
      {"rcp.approx.ftz.f32", [](double x) { return 1 / x; }, std::ldexp(1, -22)},
      {"rsqrt.approx.f32", [](double x) { return 1 / std::sqrt(x); }, std::ldexp(1, -22)},
      {"sqrt.approx.f32", [](double x) { return std::sqrt(x); }, std::ldexp(1, -22)},
      {"sin.approx.f32", [](double x) { return std::sin(x); }, std::ldexp(1, -18)},
      {"cos.approx.f32", [](double x) { return std::cos(x); }, std::ldexp(1, -18)},
      {"tanh.approx.f32", [](double x) { return std::tanh(x); }, std::ldexp(1, -11)},
  };
  for (const auto &test : cases) {
    SCOPED_TRACE(test.text);
    auto out = snippet.run(std::string("ld.global.f32 %f1, [%in]; ") + test.text +
                               " %f2, %f1; st.global.f32 [%out], %f2;",
                           in);
    ASSERT_EQ(snippet.error, "");
    for (unsigned t = 0; t < 32; ++t) {
      double expected = test.model(f(in[t]));
      EXPECT_NEAR(f(out[t]), expected, std::max(std::fabs(expected), 0.1) * test.bound);
    }
  }
}

TEST(Scalar, RefusesWhatDoesNotExist) {
  Snippet snippet;
  const std::pair<const char *, const char *> cases[] = {
      {"frobnicate.s32 %r1, %r2;", "ptx line 11, column 1: unknown instruction 'frobnicate'"},
      {"add.foo.s32 %r1, %r2, %r3;", "ptx line 11, column 4: unknown modifier '.foo' on 'add'"},
      {"add.s32 %r1, %r2;", "ptx line 11, column 1: 'add' expects 3 operands, but got 2"},
      {"add.s32 %r1, %r2, %rd3;",
       "ptx line 11, column 19: expects a register of 32 bits, but '%rd3' has 64"},
      {"add.s32 5, %r2, %r3;", "ptx line 11, column 9: expects a register as destination"},
      {"mul.s32 %r1, %r2, %r3;", "ptx line 11, column 1: 'mul' needs .lo, .hi or .wide"},
      {"and.s32 %r1, %r2, %r3;", "ptx line 11, column 4: 'and' does not take the type '.s32'"},
      {"cvt.s32.f32 %r1, %f1;",
       "ptx line 11, column 1: a conversion from float to integer needs .rni, .rzi, .rmi or .rpi"},
      {"lop3.b32 %r1, %r2, %r3, %r4, 256;",
       "ptx line 11, column 30: expects a constant from 0 to 255, but got 256"},
      {"ld.shared.v3.u32 {%r1,%r2,%r3}, [%r4];",
       "ptx line 11, column 18: expects 1 elements, but got 3"},
      {"ld.global.u32 %h1, [%rd1];",
       "ptx line 11, column 15: '%h1' has 16 bits, fewer than '.u32'"},
      {"mma.sync.aligned.m16n8k16.row.col.f32.f16.bf16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, "
       "{%r5,%r6}, {%f1,%f2,%f3,%f4};",
       "ptx line 11, column 1: no mma of shape .m16n8k16 with types .f32.f16.bf16.f32"},
      {"mov.u32 %r1, %nosuch;", "ptx line 11, column 14: unknown name '%nosuch'"},
      {"bra k;", "ptx line 11, column 5: expects a label"},
  };
  for (const auto &[text, message] : cases) {
    snippet.run(text);
    EXPECT_EQ(snippet.error, message) << text;
  }
}

} // namespace
