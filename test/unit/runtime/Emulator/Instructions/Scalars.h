//===- Scalars.h - A scalar instruction against a model in C++ ---------------===//
//
// Harness of IntegerTest and FloatTest. A case is one instruction and a function
// that computes what it should give, written from the PTX ISA without the
// emulator's code. Inputs are edge values and random ones, three operands a
// lane, in registers of all widths.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_INSTRUCTIONS_SCALARS_H
#define TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_INSTRUCTIONS_SCALARS_H

#include "Snippet.h"
#include <functional>
#include <random>

namespace tilewright::emulator {

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

} // namespace tilewright::emulator

#endif
