//===- ApproximateTest.cpp - Correct rounding of the approximations --------===//
#include "Precise.h"
#include "runtime/Emulator/Numerics/Float.h"
#include "runtime/Emulator/Numerics/Warp.h"
#include <bit>
#include <gtest/gtest.h>
#include <random>

using namespace tilewright::numerics;

namespace {

uint32_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }

/// The function rounded once, by MPFR.
uint64_t nearest(uint64_t argument, Approximate function, const std::string &type) {
  precise::Format format = precise::formatOf(type);
  precise::Number x;
  precise::decode(x, argument, format);
  return precise::round(format, MPFR_RNDN, [&](mpfr_ptr r, mpfr_rnd_t rounding) {
    switch (function) {
    case Approximate::Exp2:
      return mpfr_exp2(r, x, rounding);
    case Approximate::Log2:
      return mpfr_log2(r, x, rounding);
    case Approximate::Reciprocal:
      return mpfr_ui_div(r, 1, x, rounding);
    case Approximate::ReciprocalSqrt: // of -0: -infinity
      return mpfr_zero_p(static_cast<mpfr_ptr>(x)) ? mpfr_ui_div(r, 1, x, rounding)
                                                   : mpfr_rec_sqrt(r, x, rounding);
    case Approximate::Sqrt:
      return mpfr_sqrt(r, x, rounding);
    case Approximate::Sin:
      return mpfr_sin(r, x, rounding);
    case Approximate::Cos:
      return mpfr_cos(r, x, rounding);
    case Approximate::Tanh:
      return mpfr_tanh(r, x, rounding);
    }
    return 0;
  });
}

TEST(Approximate, IsNearest) {
  uint64_t seed = std::random_device{}();
  std::printf("Approximate.IsNearest: seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 generator(seed);
  for (Approximate function :
       {Approximate::Exp2, Approximate::Log2, Approximate::Reciprocal, Approximate::ReciprocalSqrt,
        Approximate::Sqrt, Approximate::Sin, Approximate::Cos, Approximate::Tanh}) {
    for (int i = 0; i < 20000; ++i) {
      uint32_t bits = static_cast<uint32_t>(generator());
      // Half of the arguments in [2^-16, 2^8), where the functions are curved.
      if (i & 1)
        bits = (bits & 0x807fffff) | (111 + generator() % 24) << 23;
      ASSERT_EQ(approximateF32(bits, function, false), nearest(bits, function, "f32"))
          << "function " << int(function) << " of " << std::bit_cast<float>(bits);
    }
  }
}

/// Arguments whose value lies within 2^-28 of a unit from the middle of two f32,
/// found by search; the nearest is 2^-35 away, beyond what f64 can tell.
TEST(Approximate, HardToRound) {
  for (uint32_t bits :
       {0xb52d1f9au, 0xbcf3a937u, 0x3b429d37u, 0xb8d3d026u, 0xbaec2b40u, 0x3a07857cu}) {
    uint32_t result = nearest(bits, Approximate::Exp2, "f32");
    EXPECT_EQ(approximateF32(bits, Approximate::Exp2, false), result) << std::hex << bits;
    alignas(64) uint32_t lanes[32];
    for (const WarpOperations *operations : {&getWarpOperations(), &getBaselineWarpOperations()}) {
      std::fill_n(lanes, 32, bits);
      operations->exp2F32.plain(lanes, lanes, ~0u);
      EXPECT_EQ(lanes[7], result) << std::hex << bits;
    }
  }
  EXPECT_EQ(approximateF32(0x403a18e3, Approximate::ReciprocalSqrt, false),
            nearest(0x403a18e3, Approximate::ReciprocalSqrt, "f32"));
}

/// The special values of the PTX ISA's tables.
TEST(Approximate, SpecialValues) {
  const uint32_t zero = 0, negativeZero = 0x80000000, infinity = 0x7f800000,
                 negativeInfinity = 0xff800000, nan = 0x7fffffff, one = bitsOf(1),
                 subnormal = 0x00000001, negativeSubnormal = 0x80000001;
  struct Row {
    Approximate function;
    uint32_t argument;
    bool flush;
    uint32_t result;
  };
  const Row rows[] = {
      {Approximate::Exp2, negativeInfinity, false, zero},
      {Approximate::Exp2, negativeSubnormal, true, one},
      {Approximate::Exp2, negativeZero, false, one},
      {Approximate::Exp2, infinity, false, infinity},
      {Approximate::Exp2, nan, false, nan},
      {Approximate::Exp2, bitsOf(128), false, infinity},
      {Approximate::Exp2, bitsOf(-149), false, 0x00000001},
      {Approximate::Exp2, bitsOf(-149), true, zero},
      {Approximate::Exp2, bitsOf(-150), false, zero},
      {Approximate::Exp2, bitsOf(-2000), false, zero},
      {Approximate::Log2, negativeInfinity, false, nan},
      {Approximate::Log2, bitsOf(-1), false, nan},
      {Approximate::Log2, negativeSubnormal, true, negativeInfinity},
      {Approximate::Log2, zero, false, negativeInfinity},
      {Approximate::Log2, negativeZero, false, negativeInfinity},
      {Approximate::Log2, subnormal, true, negativeInfinity},
      {Approximate::Log2, subnormal, false, bitsOf(-149)},
      {Approximate::Log2, infinity, false, infinity},
      {Approximate::Log2, one, false, zero},
      {Approximate::Reciprocal, negativeInfinity, false, negativeZero},
      {Approximate::Reciprocal, negativeSubnormal, true, negativeInfinity},
      {Approximate::Reciprocal, negativeZero, false, negativeInfinity},
      {Approximate::Reciprocal, zero, false, infinity},
      {Approximate::Reciprocal, infinity, false, zero},
      {Approximate::Reciprocal, bitsOf(0x1p127f), true, zero},
      {Approximate::Reciprocal, bitsOf(0x1p127f), false, 0x00400000},
      {Approximate::ReciprocalSqrt, negativeInfinity, false, nan},
      {Approximate::ReciprocalSqrt, bitsOf(-4), false, nan},
      {Approximate::ReciprocalSqrt, negativeSubnormal, true, negativeInfinity},
      {Approximate::ReciprocalSqrt, negativeZero, false, negativeInfinity},
      {Approximate::ReciprocalSqrt, zero, false, infinity},
      {Approximate::ReciprocalSqrt, infinity, false, zero},
      {Approximate::Sqrt, bitsOf(-4), false, nan},
      {Approximate::Sqrt, negativeZero, false, negativeZero},
      {Approximate::Sqrt, infinity, false, infinity},
      {Approximate::Sqrt, bitsOf(9), false, bitsOf(3)},
      {Approximate::Sin, infinity, false, nan},
      {Approximate::Sin, negativeZero, false, negativeZero},
      {Approximate::Sin, negativeSubnormal, true, negativeZero},
      {Approximate::Cos, negativeInfinity, false, nan},
      {Approximate::Cos, zero, false, one},
      {Approximate::Tanh, negativeInfinity, false, bitsOf(-1)},
      {Approximate::Tanh, negativeZero, false, negativeZero},
      {Approximate::Tanh, bitsOf(20), false, one},
  };
  for (const Row &row : rows)
    EXPECT_EQ(approximateF32(row.argument, row.function, row.flush), row.result)
        << "function " << int(row.function) << " of " << std::hex << row.argument;
}

TEST(Approximate, HalfExhaustive) {
  for (FloatType type : {FloatType::F16, FloatType::BF16})
    for (Approximate function : {Approximate::Exp2, Approximate::Tanh})
      for (uint32_t bits = 0; bits < 65536; ++bits)
        ASSERT_EQ(approximateHalf(bits, type, function, false),
                  nearest(bits, function, type == FloatType::F16 ? "f16" : "bf16"))
            << "function " << int(function) << " type " << int(type) << " of " << std::hex << bits;
}

TEST(Approximate, DoubleUpperWord) {
  auto reciprocal = [](double x) {
    return approximateF64(std::bit_cast<uint64_t>(x), Approximate::Reciprocal);
  };
  EXPECT_EQ(reciprocal(4.0), std::bit_cast<uint64_t>(0.25));
  EXPECT_EQ(reciprocal(3.0), std::bit_cast<uint64_t>(1.0 / 3) & 0xffffffff00000000);
  EXPECT_EQ(reciprocal(-0.0), 0xfff0000000000000u);
  EXPECT_EQ(reciprocal(NAN), 0x7fffffff00000000u);
  EXPECT_EQ(approximateF64(std::bit_cast<uint64_t>(-1.0), Approximate::ReciprocalSqrt),
            0x7fffffff00000000u);
  EXPECT_EQ(approximateF64(std::bit_cast<uint64_t>(0.25), Approximate::ReciprocalSqrt),
            std::bit_cast<uint64_t>(2.0));
}

/// div.approx.f32 gives zero for divisors in (2^126, 2^128).
TEST(Approximate, Divide) {
  EXPECT_EQ(divideApproximate(bitsOf(6), bitsOf(3), false), bitsOf(2));
  EXPECT_EQ(divideApproximate(bitsOf(0x1p127f), bitsOf(-0x1.000002p126f), false), 0x80000000u);
  EXPECT_EQ(divideApproximate(bitsOf(0x1p127f), bitsOf(-0x1p126f), false), bitsOf(-2));
  EXPECT_EQ(divideApproximate(0x7f800000, bitsOf(0x1p127f), false), 0x7fffffffu);
  EXPECT_EQ(divideApproximate(bitsOf(1), 0x7f800000, false), 0u);
  EXPECT_EQ(divideApproximate(bitsOf(0x1p125f), bitsOf(0x1p125f), false), bitsOf(1));
}

} // namespace
