//===- IntegerTest.cpp - Integer and bit instructions -------------------------===//
//
// Every case is an instruction and its model; see Scalars.h.
//
//===----------------------------------------------------------------------===//
#include "Scalars.h"
#include <bit>
#include <cmath>

using namespace tilewright::emulator;

namespace {

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

} // namespace
