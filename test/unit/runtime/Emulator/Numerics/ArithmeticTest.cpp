//===- ArithmeticTest.cpp - Arithmetic against exact sums and the host -----===//
#include "Reference.h"
#include "runtime/Emulator/Numerics/FastFloat.h"
#include <bit>
#include <cfenv>
#include <gtest/gtest.h>
#include <random>

using namespace tilewright::numerics;
using reference::Fixed;

namespace {

constexpr FloatType kHalves[] = {FloatType::F16, FloatType::BF16};
constexpr Rounding kDirected[] = {Rounding::NearestEven, Rounding::Zero, Rounding::Down,
                                  Rounding::Up};

std::mt19937_64 makeGenerator(const char *name) {
  uint64_t seed = std::random_device{}();
  std::printf("%s: seed %llu\n", name, static_cast<unsigned long long>(seed));
  return std::mt19937_64(seed);
}

/// a * b + c of values that may be special; decides NaN and infinity by the
/// rules of IEEE 754 on doubles and everything finite by exact sums.
uint32_t expectedFma(uint32_t a, uint32_t b, uint32_t c, FloatType type, Rounding rounding) {
  double x = reference::decode(a, type), y = reference::decode(b, type),
         z = reference::decode(c, type);
  double special = x * y + z; // only its class is used when an operand is special
  uint32_t nan = type == FloatType::F32 ? 0x7fffffff : 0x7fff;
  if (!std::isfinite(x) || !std::isfinite(y) || !std::isfinite(z)) {
    if (std::isnan(special))
      return nan;
    uint32_t infinity = type == FloatType::F32   ? 0x7f800000
                        : type == FloatType::F16 ? 0x7c00
                                                 : 0x7f80;
    uint32_t sign = type == FloatType::F32 ? 0x80000000 : 0x8000;
    return infinity | (special < 0 ? sign : 0);
  }
  bool productNegative = std::signbit(x) != std::signbit(y);
  bool negativeZero =
      productNegative == std::signbit(z) ? productNegative : rounding == Rounding::Down;
  double product = x * y; // exact for every type here, f32 included
  return reference::round(Fixed(product) + Fixed(z), type, rounding, negativeZero);
}

ArithmeticOptions withRounding(Rounding rounding) {
  ArithmeticOptions options;
  options.rounding = rounding;
  return options;
}

uint32_t oneOf(FloatType type) { return type == FloatType::F16 ? 0x3c00 : 0x3f80; }

/// Partners that hit cancellation, ties, overflow and subnormals.
uint32_t interestingHalf(std::mt19937_64 &generator, uint32_t near) {
  switch (generator() % 4) {
  case 0:
    return (near ^ 0x8000u ^ (generator() & 3)) & 0xffff;
  case 1:
    return (generator() & 0x83ff);
  default:
    return generator() & 0xffff;
  }
}

TEST(Arithmetic, HalfAddMultiplyFmaOnEveryOperand) {
  std::mt19937_64 generator = makeGenerator("HalfAddMultiplyFma");
  for (FloatType type : kHalves)
    for (uint32_t a = 0; a < 65536; ++a) {
      uint32_t b = interestingHalf(generator, a), c = interestingHalf(generator, a);
      uint32_t negativeZero = 0x8000;
      for (Rounding rounding : kDirected) {
        ArithmeticOptions options = withRounding(rounding);
        ASSERT_EQ(add(a, b, type, options), expectedFma(a, oneOf(type), b, type, rounding))
            << std::hex << a << " + " << b << " type " << int(type);
        uint32_t signedZero = (a ^ b) & negativeZero;
        ASSERT_EQ(multiply(a, b, type, options), expectedFma(a, b, signedZero, type, rounding))
            << std::hex << a << " * " << b << " type " << int(type);
        ASSERT_EQ(fma(a, b, c, type, options), expectedFma(a, b, c, type, rounding))
            << std::hex << a << " * " << b << " + " << c << " type " << int(type);
      }
    }
}

/// A product that lies within one unit of a half-way point plus a tiny addend:
/// the case where rounding twice goes wrong.
TEST(Arithmetic, HalfFmaDoubleRounding) {
  std::mt19937_64 generator = makeGenerator("HalfFmaDoubleRounding");
  for (FloatType type : kHalves)
    for (int i = 0; i < 200000; ++i) {
      uint32_t a = generator() & 0xffff, b = generator() & 0xffff;
      // An addend some 10 to 60 binades below or above the product.
      uint32_t c = (generator() & 0x83ff) | ((generator() % 32) << 10);
      ASSERT_EQ(fma(a, b, c, type), expectedFma(a, b, c, type, Rounding::NearestEven))
          << std::hex << a << " * " << b << " + " << c << " type " << int(type);
    }
}

uint32_t randomF32(std::mt19937_64 &generator) {
  uint32_t bits = static_cast<uint32_t>(generator());
  switch (generator() % 8) {
  case 0:
    return bits & 0x807fffff; // subnormal
  case 1:
    return bits | 0x7f000000; // huge, infinite or NaN
  case 2:
    return bits & 0xff800000; // power of two
  case 3:
    return (bits & 0x807fffff) | 0x3f800000; // close exponents
  default:
    return bits;
  }
}

TEST(Arithmetic, SingleFma) {
  std::mt19937_64 generator = makeGenerator("SingleFma");
  for (int i = 0; i < 100000; ++i) {
    uint32_t a = randomF32(generator), b = randomF32(generator), c = randomF32(generator);
    if (i % 4 == 0) { // near-total cancellation
      double product = double(std::bit_cast<float>(a)) * double(std::bit_cast<float>(b));
      c = std::bit_cast<uint32_t>(-static_cast<float>(product)) ^ (generator() & 1);
    }
    for (Rounding rounding : kDirected)
      ASSERT_EQ(fma(a, b, c, FloatType::F32, withRounding(rounding)),
                expectedFma(a, b, c, FloatType::F32, rounding))
          << std::hex << a << " * " << b << " + " << c << " rounding " << int(rounding);
  }
}

//===----------------------------------------------------------------------===//
// Against the host's directed roundings
//===----------------------------------------------------------------------===//

int hostRounding(Rounding rounding) {
  switch (rounding) {
  case Rounding::Zero:
    return FE_TOWARDZERO;
  case Rounding::Down:
    return FE_DOWNWARD;
  case Rounding::Up:
    return FE_UPWARD;
  default:
    return FE_TONEAREST;
  }
}

/// Runs one host operation in a rounding mode; volatile keeps it in place.
template <typename Float, typename Operation>
Float onHost(Rounding rounding, Float a, Float b, Operation operation) {
  volatile Float x = a, y = b;
  std::fesetround(hostRounding(rounding));
  volatile Float result = operation(x, y);
  std::fesetround(FE_TONEAREST);
  return result;
}

template <typename Float> auto bitsOf(Float value) {
  using Bits = std::conditional_t<sizeof(Float) == 8, uint64_t, uint32_t>;
  if (value != value)
    return sizeof(Float) == 8 ? Bits(0xfff8000000000000) : Bits(0x7fffffff);
  return std::bit_cast<Bits>(value);
}

template <typename Float> void compareWithHost(Float a, Float b, FloatType type) {
  auto x = std::bit_cast<std::conditional_t<sizeof(Float) == 8, uint64_t, uint32_t>>(a);
  auto y = std::bit_cast<std::conditional_t<sizeof(Float) == 8, uint64_t, uint32_t>>(b);
  for (Rounding rounding : kDirected) {
    ArithmeticOptions options = withRounding(rounding);
    ASSERT_EQ(add(x, y, type, options),
              bitsOf(onHost(rounding, a, b, [](Float p, Float q) { return p + q; })))
        << a << " + " << b << " rounding " << int(rounding);
    ASSERT_EQ(multiply(x, y, type, options),
              bitsOf(onHost(rounding, a, b, [](Float p, Float q) { return p * q; })))
        << a << " * " << b << " rounding " << int(rounding);
    ASSERT_EQ(divide(x, y, type, options),
              bitsOf(onHost(rounding, a, b, [](Float p, Float q) { return p / q; })))
        << a << " / " << b << " rounding " << int(rounding);
    ASSERT_EQ(squareRoot(x, type, options),
              bitsOf(onHost(rounding, a, b, [](Float p, Float) { return std::sqrt(p); })))
        << "sqrt " << a << " rounding " << int(rounding);
  }
}

TEST(Arithmetic, SingleMatchesHost) {
  std::mt19937_64 generator = makeGenerator("SingleMatchesHost");
  for (int i = 0; i < 200000; ++i)
    compareWithHost(std::bit_cast<float>(randomF32(generator)),
                    std::bit_cast<float>(randomF32(generator)), FloatType::F32);
}

TEST(Arithmetic, DoubleMatchesHost) {
  std::mt19937_64 generator = makeGenerator("DoubleMatchesHost");
  auto random = [&]() {
    uint64_t bits = generator();
    if (generator() % 4 == 0)
      bits &= 0x800fffffffffffff;
    if (generator() % 4 == 0)
      bits = (bits & 0x800fffffffffffff) | 0x3ff0000000000000;
    if ((bits & 0x7ff0000000000000) == 0x7ff0000000000000)
      bits &= 0xfff0000000000000; // infinities; NaN payloads have their own test
    return std::bit_cast<double>(bits);
  };
  for (int i = 0; i < 200000; ++i)
    compareWithHost(random(), random(), FloatType::F64);
}

/// 1 / (1 - 2^-52) = 1 + 2^-52 + 2^-104 + ...: the remainder alone decides.
TEST(Arithmetic, DivisionSeesTheRemainder) {
  uint64_t one = std::bit_cast<uint64_t>(1.0), divisor = std::bit_cast<uint64_t>(1 - 0x1p-52);
  EXPECT_EQ(divide(one, divisor, FloatType::F64, withRounding(Rounding::Up)), one + 2);
  EXPECT_EQ(divide(one, divisor, FloatType::F64, withRounding(Rounding::Down)), one + 1);
}

TEST(Arithmetic, DoubleFmaMatchesHost) {
  std::mt19937_64 generator = makeGenerator("DoubleFmaMatchesHost");
  for (int i = 0; i < 100000; ++i) {
    auto random = [&](unsigned spread) {
      uint64_t exponent = 1023 - spread / 2 + generator() % spread;
      return std::bit_cast<double>((generator() & 0x800fffffffffffff) | exponent << 52);
    };
    volatile double a = random(600), b = random(600), c = random(1200);
    if (i % 3 == 0)
      c = -(a * b);
    for (Rounding rounding : kDirected) {
      std::fesetround(hostRounding(rounding));
      volatile double expected = std::fma(a, b, c);
      std::fesetround(FE_TONEAREST);
      ASSERT_EQ(fma(std::bit_cast<uint64_t>(double(a)), std::bit_cast<uint64_t>(double(b)),
                    std::bit_cast<uint64_t>(double(c)), FloatType::F64, withRounding(rounding)),
                std::bit_cast<uint64_t>(double(expected)))
          << a << " * " << b << " + " << c << " rounding " << int(rounding);
    }
  }
}

TEST(Arithmetic, HalfDivideAndSquareRoot) {
  std::mt19937_64 generator = makeGenerator("HalfDivideAndSquareRoot");
  for (FloatType type : kHalves)
    for (uint32_t a = 0; a < 65536; ++a) {
      uint32_t b = generator() & 0xffff;
      double x = reference::decode(a, type), y = reference::decode(b, type);
      // f64 has more than twice the bits, so one more rounding is harmless.
      auto rounded = [&](double value) -> uint32_t {
        if (std::isnan(value))
          return 0x7fff;
        if (std::isinf(value))
          return (type == FloatType::F16 ? 0x7c00 : 0x7f80) | (value < 0 ? 0x8000 : 0);
        return reference::round(Fixed(value), type, Rounding::NearestEven, std::signbit(value));
      };
      ASSERT_EQ(divide(a, b, type), rounded(x / y)) << std::hex << a << " / " << b;
      ASSERT_EQ(squareRoot(a, type), rounded(std::sqrt(x))) << std::hex << a;
    }
}

//===----------------------------------------------------------------------===//
// Modifiers, NaN, min and max
//===----------------------------------------------------------------------===//

TEST(Arithmetic, Modifiers) {
  ArithmeticOptions flush;
  flush.flush = true;
  EXPECT_EQ(add(0x00000001, 0x80000001, FloatType::F32, flush), 0u);
  EXPECT_EQ(add(0x00400000, 0x00400000, FloatType::F32), 0x00800000u);
  EXPECT_EQ(add(0x00400000, 0x00400000, FloatType::F32, flush), 0u);
  EXPECT_EQ(multiply(0x00800000, 0xbf000000, FloatType::F32, flush), 0x80000000u);
  EXPECT_EQ(fma(0x00800000, 0xbf000000, 0x00800000, FloatType::F32, flush), 0u);
  EXPECT_EQ(fma(0x00400000, 0x7f000000, 0x00800000, FloatType::F32, flush), 0x00800000u);
  EXPECT_EQ(add(0x03ff, 0x0000, FloatType::F16, flush), 0u);
  flush.rounding = Rounding::Up;
  EXPECT_EQ(add(0x00000001, 0x00800000, FloatType::F32, flush), 0x00800000u);
  ArithmeticOptions saturate;
  saturate.saturate = true;
  EXPECT_EQ(add(0x3f800000, 0x3f800000, FloatType::F32, saturate), 0x3f800000u);
  EXPECT_EQ(add(0x7fc00000, 0x3f800000, FloatType::F32, saturate), 0u);
  EXPECT_EQ(fma(0xc000, 0x3c00, 0x3c00, FloatType::F16, saturate), 0u);
  ArithmeticOptions relu;
  relu.relu = true;
  EXPECT_EQ(fma(0xc000, 0x3c00, 0x3c00, FloatType::F16, relu), 0u);
  EXPECT_EQ(fma(0x7e00, 0x3c00, 0x3c00, FloatType::F16, relu), 0x7fffu);
}

TEST(Arithmetic, DoubleNaNKeepsPayload) {
  uint64_t signalling = 0x7ff0000000000123, quiet = 0xfff8000000000456;
  uint64_t one = std::bit_cast<uint64_t>(1.0), infinity = 0x7ff0000000000000;
  EXPECT_EQ(add(signalling, quiet, FloatType::F64), 0x7ff8000000000123u);
  EXPECT_EQ(multiply(one, quiet, FloatType::F64), quiet);
  EXPECT_EQ(fma(one, one, quiet, FloatType::F64), quiet);
  EXPECT_EQ(add(infinity, infinity | uint64_t(1) << 63, FloatType::F64), 0xfff8000000000000u);
  EXPECT_EQ(squareRoot(std::bit_cast<uint64_t>(-1.0), FloatType::F64), 0xfff8000000000000u);
}

/// Order by value, -0 below +0; `flush` is for f32.
void checkMinimumMaximum(uint32_t a, uint32_t b, FloatType type, bool flush) {
  uint32_t nan = type == FloatType::F32 ? 0x7fffffff : 0x7fff;
  uint32_t sign = type == FloatType::F32 ? 0x80000000 : 0x8000;
  auto operand = [&](uint32_t bits) {
    return flush && std::fabs(reference::decode(bits, type)) < 0x1p-126 ? bits & sign : bits;
  };
  uint32_t first = operand(a), second = operand(b);
  double x = reference::decode(first, type), y = reference::decode(second, type);
  bool isAnyNaN = std::isnan(x) || std::isnan(y);
  uint32_t low, high;
  if (isAnyNaN) {
    low = high = std::isnan(x) && std::isnan(y) ? nan : std::isnan(x) ? second : first;
  } else {
    bool isLess = x < y || (x == y && std::signbit(x) > std::signbit(y));
    low = isLess ? first : second;
    high = isLess ? second : first;
  }
  ASSERT_EQ(minimum(a, b, type, flush, false), low) << std::hex << a << ", " << b;
  ASSERT_EQ(maximum(a, b, type, flush, false), high) << std::hex << a << ", " << b;
  ASSERT_EQ(minimum(a, b, type, flush, true), isAnyNaN ? nan : low) << std::hex << a << ", " << b;
  ASSERT_EQ(maximum(a, b, type, flush, true), isAnyNaN ? nan : high) << std::hex << a << ", " << b;
}

TEST(Arithmetic, MinimumMaximum) {
  std::mt19937_64 generator = makeGenerator("MinimumMaximum");
  for (int i = 0; i < 200000; ++i) {
    for (FloatType type : kHalves)
      checkMinimumMaximum(generator() & 0xffff, generator() & 0xffff, type, false);
    uint32_t a = randomF32(generator), b = i % 4 ? randomF32(generator) : a ^ 0x80000000;
    checkMinimumMaximum(a, b, FloatType::F32, i % 2);
  }
  EXPECT_EQ(minimum(0, 0x80000000, FloatType::F32, false, false), 0x80000000u);
  EXPECT_EQ(maximum(0x80000000, 0, FloatType::F32, false, false), 0u);
  EXPECT_EQ(maximum(0x00000001, 0x80000000, FloatType::F32, true, false), 0u);
  // -3 and 2: the magnitudes are compared, the signs multiplied.
  EXPECT_EQ(minimum(0xc0400000, 0x40000000, FloatType::F32, false, false, true), 0xc0000000u);
  EXPECT_EQ(maximum(0xc0400000, 0xc0000000, FloatType::F32, false, false, true), 0x40400000u);
}

/// The inline functions equal the general ones on f32.
TEST(Arithmetic, InlineSingleIsEqual) {
  std::mt19937_64 generator = makeGenerator("InlineSingleIsEqual");
  ArithmeticOptions flush;
  flush.flush = true;
  for (int i = 0; i < 300000; ++i) {
    uint32_t a = randomF32(generator), b = randomF32(generator), c = randomF32(generator);
    // An exact path does not flush before the operation.
    ASSERT_EQ(fast::addF32<true>(a, b), fast::flush(fast::addF32(fast::flush(a), fast::flush(b))));
    ASSERT_EQ(fast::fmaF32<true>(a, b, c), fma(a, b, c, FloatType::F32, flush));
    ASSERT_EQ(fast::saturate(a), [&] {
      float value = std::bit_cast<float>(a);
      return std::bit_cast<uint32_t>(std::isnan(value) || value <= 0 ? 0.0f
                                     : value > 1                     ? 1.0f
                                                                     : value);
    }());
  }
}

} // namespace
