//===- WarpTest.cpp - Whole-warp functions against one lane at a time ------===//
//
// Float.h is the reference: its functions are checked against independent models
// in the other files. Both implementations, the host's and the baseline, must
// agree with it on every lane.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Numerics/Warp.h"
#include "runtime/Emulator/Numerics/Float.h"
#include <bit>
#include <functional>
#include <gtest/gtest.h>
#include <random>
#include <type_traits>

using namespace tilewright::numerics;

namespace {

using Lanes = uint32_t[32];
using Reference = std::function<uint32_t(uint32_t, uint32_t, uint32_t)>;

/// f32 or two 16-bit elements, special values and close exponents among them.
uint32_t randomWord(std::mt19937_64 &generator) {
  auto bits = static_cast<uint32_t>(generator());
  switch (generator() % 10) {
  case 0:
    return bits & 0x807f83ff; // subnormal
  case 1:
    return bits | 0x7f807c00; // infinite or NaN
  case 2:
    return bits & 0xff80fc00; // powers of two
  case 3:
    return 0x7f807c00 & -(bits & 1); // exactly infinity or zero
  case 4:
  case 5:
    return (bits & 0x807f87ff) | 0x3f803800; // near one
  default:
    return bits;
  }
}

/// Runs `call` on random lanes and masks and compares with `reference`.
void compare(const char *name,
             const std::function<void(Lanes &, Lanes &, Lanes &, Lanes &, uint32_t)> &call,
             const Reference &reference, std::mt19937_64 &generator) {
  for (int repeat = 0; repeat < 2000; ++repeat) {
    alignas(64) Lanes a, b, c, d;
    for (int i = 0; i < 32; ++i) {
      a[i] = randomWord(generator);
      b[i] = randomWord(generator);
      c[i] = randomWord(generator);
      d[i] = 0xdeadbeef;
    }
    uint32_t mask = repeat % 2 ? ~0u : static_cast<uint32_t>(generator());
    call(d, a, b, c, mask);
    for (int i = 0; i < 32; ++i) {
      uint32_t expected = (mask >> i) & 1 ? reference(a[i], b[i], c[i]) : 0xdeadbeef;
      ASSERT_EQ(d[i], expected) << name << std::hex << " of " << a[i] << ", " << b[i] << ", "
                                << c[i];
    }
  }
}

class Warp : public ::testing::TestWithParam<bool> {
protected:
  const WarpOperations &operations = GetParam() ? getBaselineWarpOperations() : getWarpOperations();
  std::mt19937_64 generator = [] {
    uint64_t seed = std::random_device{}();
    std::printf("Warp: seed %llu\n", static_cast<unsigned long long>(seed));
    return std::mt19937_64(seed);
  }();

  void unary(const char *name, WarpUnary function, const std::function<uint32_t(uint32_t)> &one) {
    compare(
        name, [&](Lanes &d, Lanes &a, Lanes &, Lanes &, uint32_t m) { function(d, a, m); },
        [&](uint32_t a, uint32_t, uint32_t) { return one(a); }, generator);
  }
  void binary(const char *name, WarpBinary function,
              const std::function<uint32_t(uint32_t, uint32_t)> &one) {
    compare(
        name, [&](Lanes &d, Lanes &a, Lanes &b, Lanes &, uint32_t m) { function(d, a, b, m); },
        [&](uint32_t a, uint32_t b, uint32_t) { return one(a, b); }, generator);
  }
  void ternary(const char *name, WarpTernary function, const Reference &one) {
    compare(
        name, [&](Lanes &d, Lanes &a, Lanes &b, Lanes &c, uint32_t m) { function(d, a, b, c, m); },
        one, generator);
  }
};

TEST_P(Warp, Single) {
  for (bool flush : {false, true}) {
    ArithmeticOptions options;
    options.flush = flush;
    constexpr FloatType F32 = FloatType::F32;
    binary("add", operations.addF32.get(flush),
           [&](uint32_t a, uint32_t b) { return add(a, b, F32, options); });
    binary("sub", operations.subtractF32.get(flush),
           [&](uint32_t a, uint32_t b) { return add(a, b ^ 0x80000000, F32, options); });
    binary("mul", operations.multiplyF32.get(flush),
           [&](uint32_t a, uint32_t b) { return multiply(a, b, F32, options); });
    ternary("fma", operations.fmaF32.get(flush),
            [&](uint32_t a, uint32_t b, uint32_t c) { return fma(a, b, c, F32, options); });
    binary("min", operations.minimumF32.get(flush),
           [&](uint32_t a, uint32_t b) { return minimum(a, b, F32, flush, false); });
    binary("max", operations.maximumF32.get(flush),
           [&](uint32_t a, uint32_t b) { return maximum(a, b, F32, flush, false); });
    binary("min.NaN", operations.minimumNaNF32.get(flush),
           [&](uint32_t a, uint32_t b) { return minimum(a, b, F32, flush, true); });
    binary("max.NaN", operations.maximumNaNF32.get(flush),
           [&](uint32_t a, uint32_t b) { return maximum(a, b, F32, flush, true); });
    unary("ex2", operations.exp2F32.get(flush),
          [&](uint32_t a) { return approximateF32(a, Approximate::Exp2, flush); });
    unary("rcp", operations.reciprocalF32.get(flush),
          [&](uint32_t a) { return approximateF32(a, Approximate::Reciprocal, flush); });
    unary("rsqrt", operations.reciprocalSqrtF32.get(flush),
          [&](uint32_t a) { return approximateF32(a, Approximate::ReciprocalSqrt, flush); });
  }
}

/// ex2 on arguments of every size, where the polynomial works.
TEST_P(Warp, Exp2OverItsRange) {
  std::uniform_real_distribution<float> uniform(-152, 130);
  for (int repeat = 0; repeat < 20000; ++repeat) {
    alignas(64) Lanes a, d;
    for (uint32_t &bits : a) {
      float x = uniform(generator);
      bits = std::bit_cast<uint32_t>(repeat % 4 ? x : std::round(x * 2) / 2);
    }
    operations.exp2F32.plain(d, a, ~0u);
    for (int i = 0; i < 32; ++i)
      ASSERT_EQ(d[i], approximateF32(a[i], Approximate::Exp2, false)) << std::bit_cast<float>(a[i]);
  }
}

uint32_t eachHalf(uint32_t a, uint32_t b, uint32_t c,
                  const std::function<uint64_t(uint64_t, uint64_t, uint64_t)> &operation) {
  uint64_t low = operation(a & 0xffff, b & 0xffff, c & 0xffff);
  uint64_t high = operation(a >> 16, b >> 16, c >> 16);
  return static_cast<uint32_t>(low | high << 16);
}

TEST_P(Warp, Halves) {
  struct Row {
    FloatType type;
    WarpBinary add, subtract, multiply;
    WarpTernary fma;
  };
  for (const Row &row : {Row{FloatType::F16, operations.addF16x2, operations.subtractF16x2,
                             operations.multiplyF16x2, operations.fmaF16x2},
                         Row{FloatType::BF16, operations.addBF16x2, operations.subtractBF16x2,
                             operations.multiplyBF16x2, operations.fmaBF16x2}}) {
    auto sum = [&](uint64_t a, uint64_t b, uint64_t) { return add(a, b, row.type); };
    auto product = [&](uint64_t a, uint64_t b, uint64_t) { return multiply(a, b, row.type); };
    auto fused = [&](uint64_t a, uint64_t b, uint64_t c) { return fma(a, b, c, row.type); };
    binary("add", row.add, [&](uint32_t a, uint32_t b) { return eachHalf(a, b, 0, sum); });
    binary("sub", row.subtract,
           [&](uint32_t a, uint32_t b) { return eachHalf(a, b ^ 0x80008000, 0, sum); });
    binary("mul", row.multiply, [&](uint32_t a, uint32_t b) { return eachHalf(a, b, 0, product); });
    ternary("fma", row.fma,
            [&](uint32_t a, uint32_t b, uint32_t c) { return eachHalf(a, b, c, fused); });
  }
}

TEST_P(Warp, Conversions) {
  auto narrow = [](uint32_t bits, FloatType type) {
    return static_cast<uint32_t>(convert(bits, FloatType::F32, type));
  };
  binary("cvt.f16x2", operations.packF16x2, [&](uint32_t a, uint32_t b) {
    return narrow(a, FloatType::F16) << 16 | narrow(b, FloatType::F16);
  });
  binary("cvt.bf16x2", operations.packBF16x2, [&](uint32_t a, uint32_t b) {
    return narrow(a, FloatType::BF16) << 16 | narrow(b, FloatType::BF16);
  });
  unary("cvt.f32.f16", operations.widenF16,
        [](uint32_t a) { return convert(a & 0xffff, FloatType::F16, FloatType::F32); });
  unary("cvt.f32.bf16", operations.widenBF16,
        [](uint32_t a) { return convert(a & 0xffff, FloatType::BF16, FloatType::F32); });
}

/// Operations on 16-bit registers, with the lower halves of the words of `compare`.
TEST_P(Warp, HalfRegisters) {
  using Halves = uint16_t[32];
  auto cut = [](const Lanes &words, Halves &halves) {
    for (int i = 0; i < 32; ++i)
      halves[i] = static_cast<uint16_t>(words[i]);
  };
  // The upper halves of the results stay those of 0xdeadbeef.
  auto check = [&](const char *name, auto function, const Reference &one) {
    compare(
        name,
        [&](Lanes &d, Lanes &a, Lanes &b, Lanes &c, uint32_t m) {
          Halves w, x, y, z;
          cut(d, w);
          cut(a, x);
          cut(b, y);
          cut(c, z);
          if constexpr (std::is_same_v<decltype(function), HalfBinary>)
            function(w, x, y, m);
          else if constexpr (std::is_same_v<decltype(function), HalfTernary>)
            function(w, x, y, z, m);
          else
            function(w, a, m);
          for (int i = 0; i < 32; ++i)
            d[i] = (d[i] & 0xffff0000) | w[i];
        },
        [&](uint32_t a, uint32_t b, uint32_t c) { return 0xdead0000 | one(a, b, c); }, generator);
  };
  struct Row {
    FloatType type;
    HalfBinary add, subtract, multiply;
    HalfTernary fma;
    HalfNarrow narrow;
  };
  for (const Row &row : {Row{FloatType::F16, operations.addF16, operations.subtractF16,
                             operations.multiplyF16, operations.fmaF16, operations.narrowF16},
                         Row{FloatType::BF16, operations.addBF16, operations.subtractBF16,
                             operations.multiplyBF16, operations.fmaBF16, operations.narrowBF16}}) {
    check("add", row.add,
          [&](uint32_t a, uint32_t b, uint32_t) { return add(a & 0xffff, b & 0xffff, row.type); });
    check("sub", row.subtract, [&](uint32_t a, uint32_t b, uint32_t) {
      return add(a & 0xffff, (b & 0xffff) ^ 0x8000, row.type);
    });
    check("mul", row.multiply, [&](uint32_t a, uint32_t b, uint32_t) {
      return multiply(a & 0xffff, b & 0xffff, row.type);
    });
    check("fma", row.fma, [&](uint32_t a, uint32_t b, uint32_t c) {
      return fma(a & 0xffff, b & 0xffff, c & 0xffff, row.type);
    });
    check("cvt", row.narrow,
          [&](uint32_t a, uint32_t, uint32_t) { return convert(a, FloatType::F32, row.type); });
  }
}

/// Every f16 as both operands of an addition and a product with each of a few.
TEST_P(Warp, HalvesExhaustively) {
  const uint16_t others[] = {0x0000, 0x8001, 0x03ff, 0x0400, 0x1401, 0x3c00,
                             0xbbff, 0x57ff, 0x7bff, 0xfc00, 0x7e01};
  uint16_t a[32], b[32], sum[32], product[32];
  for (uint16_t other : others)
    for (uint32_t first = 0; first < 0x10000; first += 32) {
      for (uint32_t i = 0; i < 32; ++i) {
        a[i] = static_cast<uint16_t>(first + i);
        b[i] = other;
      }
      operations.addF16(sum, a, b, ~0u);
      operations.multiplyF16(product, a, b, ~0u);
      for (uint32_t i = 0; i < 32; ++i) {
        ASSERT_EQ(sum[i], add(a[i], other, FloatType::F16)) << std::hex << a[i] << " " << other;
        ASSERT_EQ(product[i], multiply(a[i], other, FloatType::F16))
            << std::hex << a[i] << " " << other;
      }
    }
}

/// prmt byte by byte, as the PTX ISA words it.
TEST_P(Warp, Permute) {
  ternary("prmt", operations.permute, [](uint32_t a, uint32_t b, uint32_t c) {
    uint32_t result = 0;
    for (int k = 0; k < 4; ++k) {
      uint32_t selector = c >> (4 * k) & 15, source = (selector & 7) < 4 ? a : b;
      uint32_t byte = source >> (8 * (selector & 3)) & 255;
      if (selector & 8)
        byte = byte >= 128 ? 255 : 0;
      result += byte << (8 * k);
    }
    return result;
  });
}

/// An operand may be the destination.
TEST_P(Warp, InPlace) {
  alignas(64) Lanes a, expected;
  for (uint32_t i = 0; i < 32; ++i) {
    a[i] = std::bit_cast<uint32_t>(float(i));
    expected[i] = std::bit_cast<uint32_t>(float(i * i + i));
  }
  operations.fmaF32.plain(a, a, a, a, ~0u);
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(a[i], expected[i]);
}

INSTANTIATE_TEST_SUITE_P(Implementations, Warp, ::testing::Bool(), [](const auto &info) {
  return info.param ? std::string("Baseline") : std::string("Host");
});

} // namespace
