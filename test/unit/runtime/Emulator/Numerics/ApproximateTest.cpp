//===- ApproximateTest.cpp - Correct rounding of the approximations --------===//
#include "Reference.h"
#include "runtime/Emulator/Numerics/Warp.h"
#include <bit>
#include <gtest/gtest.h>
#include <random>

using namespace tilewright::numerics;

namespace {

uint32_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }

/// Whether `result` is the f32 nearest to `exact`, judged in long double: the
/// distance to it is at most the distance to either neighbour.
bool isNearest(uint32_t result, long double exact) {
  float value = std::bit_cast<float>(result);
  if (std::isinf(value))
    return std::fabs(exact) >= 0x1.ffffffp127L && (value < 0) == (exact < 0);
  long double error = std::fabs(exact - static_cast<long double>(value));
  float above = std::nextafterf(value, INFINITY), below = std::nextafterf(value, -INFINITY);
  return error <= std::fabs(static_cast<long double>(above) - exact) &&
         error <= std::fabs(exact - static_cast<long double>(below));
}

long double exactValue(long double x, Approximate function) {
  switch (function) {
  case Approximate::Exp2:
    return std::exp2(x);
  case Approximate::Log2:
    return std::log2(x);
  case Approximate::Reciprocal:
    return 1 / x;
  case Approximate::ReciprocalSqrt:
    return 1 / std::sqrt(x);
  case Approximate::Sqrt:
    return std::sqrt(x);
  case Approximate::Sin:
    return std::sin(x);
  case Approximate::Cos:
    return std::cos(x);
  case Approximate::Tanh:
    return std::tanh(x);
  }
  return x;
}

TEST(Approximate, IsNearest) {
  uint64_t seed = std::random_device{}();
  std::printf("Approximate.IsNearest: seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 generator(seed);
  for (Approximate function :
       {Approximate::Exp2, Approximate::Log2, Approximate::Reciprocal, Approximate::ReciprocalSqrt,
        Approximate::Sqrt, Approximate::Sin, Approximate::Cos, Approximate::Tanh}) {
    bool positive = function == Approximate::Log2 || function == Approximate::Sqrt ||
                    function == Approximate::ReciprocalSqrt;
    for (int i = 0; i < 100000; ++i) {
      uint32_t bits = static_cast<uint32_t>(generator());
      // Half of the arguments in [2^-16, 2^8), where the functions are curved.
      if (i & 1)
        bits = (bits & 0x807fffff) | (111 + generator() % 24) << 23;
      if (positive)
        bits &= 0x7fffffff;
      float x = std::bit_cast<float>(bits);
      if (!std::isfinite(x) || x == 0)
        continue;
      ASSERT_TRUE(isNearest(approximateF32(bits, function, false), exactValue(x, function)))
          << "function " << int(function) << " of " << x;
    }
  }
}

/// Arguments whose value lies within 2^-28 of a unit from the middle of two f32,
/// found by search; the nearest is 2^-35 away, beyond what f64 can tell.
TEST(Approximate, HardToRound) {
  for (uint32_t bits :
       {0xb52d1f9au, 0xbcf3a937u, 0x3b429d37u, 0xb8d3d026u, 0xbaec2b40u, 0x3a07857cu}) {
    long double exact = std::exp2(static_cast<long double>(std::bit_cast<float>(bits)));
    uint32_t result = approximateF32(bits, Approximate::Exp2, false);
    EXPECT_TRUE(isNearest(result, exact)) << std::hex << bits;
    alignas(64) uint32_t lanes[32];
    for (const WarpOperations *operations : {&getWarpOperations(), &getBaselineWarpOperations()}) {
      std::fill_n(lanes, 32, bits);
      operations->exp2F32.plain(lanes, lanes, ~0u);
      EXPECT_EQ(lanes[7], result) << std::hex << bits;
    }
  }
  EXPECT_TRUE(isNearest(approximateF32(0x403a18e3, Approximate::ReciprocalSqrt, false),
                        1 / std::sqrt(static_cast<long double>(std::bit_cast<float>(0x403a18e3)))));
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

/// Every f16 and bf16 through ex2 and tanh against a search for the neighbours
/// of the long double value.
TEST(Approximate, HalfExhaustive) {
  for (FloatType type : {FloatType::F16, FloatType::BF16})
    for (Approximate function : {Approximate::Exp2, Approximate::Tanh})
      for (uint32_t bits = 0; bits < 65536; ++bits) {
        double x = reference::decode(bits, type);
        if (!std::isfinite(x) || x == 0)
          continue;
        long double exact = exactValue(x, function);
        uint32_t expected;
        if (exact > 0x1p200L) {
          expected = type == FloatType::F16 ? 0x7c00 : 0x7f80;
        } else {
          int exponent;
          long double fraction = std::frexp(std::max(std::fabs(exact), 0x1p-300L), &exponent);
          int64_t significand = static_cast<int64_t>(std::ldexp(fraction, 62));
          // A set low bit: none of these values is exact unless it is short.
          significand |= std::ldexp(fraction, 62) != significand;
          reference::Fixed value(exact < 0 ? -significand : significand, exponent - 62);
          expected = reference::round(value, type, Rounding::NearestEven);
        }
        ASSERT_EQ(approximateHalf(bits, type, function, false), expected)
            << "function " << int(function) << " type " << int(type) << " of " << x;
      }
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

/// div.approx.f32 gives zero for divisors in [2^126, 2^128).
TEST(Approximate, Divide) {
  EXPECT_EQ(divideApproximate(bitsOf(6), bitsOf(3), false), bitsOf(2));
  EXPECT_EQ(divideApproximate(bitsOf(0x1p127f), bitsOf(-0x1p126f), false), 0x80000000u);
  EXPECT_EQ(divideApproximate(0x7f800000, bitsOf(0x1p126f), false), 0x7fffffffu);
  EXPECT_EQ(divideApproximate(bitsOf(1), 0x7f800000, false), 0u);
  EXPECT_EQ(divideApproximate(bitsOf(0x1p125f), bitsOf(0x1p125f), false), bitsOf(1));
}

} // namespace
