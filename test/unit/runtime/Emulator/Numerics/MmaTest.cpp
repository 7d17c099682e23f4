//===- MmaTest.cpp - mma against a slow model in wide fixed point ----------===//
//
// The model below states the rule of Mma.h again, from values (frexp) and
// fixed-point integers, with its own table of cores.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Numerics/Mma.h"
#include "Reference.h"
#include <bit>
#include <gtest/gtest.h>
#include <random>

using namespace tilewright::numerics;
using reference::Fixed;
using tilewright::target::TensorCore;

namespace {

struct Matrices {
  std::vector<uint32_t> a, b, c;
};

/// What the test expects of one instruction on one core.
struct Case {
  const char *name;
  TensorCore core;
  MmaInstruction instruction;
  MmaShape shape;
  FloatType aType, bType;
  int fractionBits, group, mantissaBits;
  bool throughHalf = false;
};

constexpr FloatType F16 = FloatType::F16, BF16 = FloatType::BF16, TF32 = FloatType::TF32,
                    E4M3 = FloatType::E4M3, E5M2 = FloatType::E5M2, E3M2 = FloatType::E3M2,
                    E2M1 = FloatType::E2M1, E2M3 = FloatType::E2M3;
constexpr MmaInstruction Mma = MmaInstruction::Mma, Wgmma = MmaInstruction::Wgmma,
                         ThroughHalf = MmaInstruction::MmaThroughHalf,
                         Tcgen05 = MmaInstruction::Tcgen05;

const Case kCases[] = {
    {"turing f16 k8", TensorCore::Turing, Mma, {16, 8, 8}, F16, F16, 24, 8, 23},
    {"ampere f16 k16", TensorCore::Ampere, Mma, {16, 8, 16}, F16, F16, 24, 8, 23},
    {"ampere f16 k8", TensorCore::Ampere, Mma, {16, 8, 8}, F16, F16, 24, 8, 23},
    {"ampere bf16 k16", TensorCore::Ampere, Mma, {16, 8, 16}, BF16, BF16, 24, 8, 23},
    {"ampere tf32 k8", TensorCore::Ampere, Mma, {16, 8, 8}, TF32, TF32, 24, 4, 23},
    {"ampere tf32 k4", TensorCore::Ampere, Mma, {16, 8, 4}, TF32, TF32, 24, 4, 23},
    {"ada f16 k16", TensorCore::Ada, Mma, {16, 8, 16}, F16, F16, 24, 8, 23},
    {"ada bf16 k16", TensorCore::Ada, Mma, {16, 8, 16}, BF16, BF16, 24, 8, 23},
    {"ada e4m3 k32", TensorCore::Ada, Mma, {16, 8, 32}, E4M3, E4M3, 13, 16, 13},
    {"ada e5m2 e4m3 k32", TensorCore::Ada, Mma, {16, 8, 32}, E5M2, E4M3, 13, 16, 13},
    {"hopper f16 k16", TensorCore::Hopper, Mma, {16, 8, 16}, F16, F16, 25, 16, 23},
    {"hopper bf16 k16", TensorCore::Hopper, Mma, {16, 8, 16}, BF16, BF16, 25, 16, 23},
    {"hopper bf16 k8", TensorCore::Hopper, Mma, {16, 8, 8}, BF16, BF16, 25, 8, 23},
    {"hopper tf32 k8", TensorCore::Hopper, Mma, {16, 8, 8}, TF32, TF32, 25, 8, 23},
    {"hopper tf32 k4", TensorCore::Hopper, Mma, {16, 8, 4}, TF32, TF32, 25, 4, 23},
    {"hopper e4m3 k32", TensorCore::Hopper, Mma, {16, 8, 32}, E4M3, E4M3, 25, 16, 23, true},
    {"hopper e5m2 k16", TensorCore::Hopper, Mma, {16, 8, 16}, E5M2, E5M2, 25, 8, 23, true},
    {"wgmma f16", TensorCore::Hopper, Wgmma, {64, 24, 16}, F16, F16, 25, 16, 23},
    {"wgmma bf16", TensorCore::Hopper, Wgmma, {64, 16, 16}, BF16, BF16, 25, 16, 23},
    {"wgmma tf32", TensorCore::Hopper, Wgmma, {64, 8, 8}, TF32, TF32, 25, 8, 23},
    {"wgmma e4m3", TensorCore::Hopper, Wgmma, {64, 16, 32}, E4M3, E4M3, 13, 32, 13},
    {"wgmma e5m2", TensorCore::Hopper, Wgmma, {64, 8, 32}, E5M2, E5M2, 13, 32, 13},
    {"blackwell f16 k16", TensorCore::Blackwell, Mma, {16, 8, 16}, F16, F16, 25, 16, 23},
    {"blackwell e4m3 k32", TensorCore::Blackwell, Mma, {16, 8, 32}, E4M3, E4M3, 25, 32, 23},
    {"sm_100 e4m3 k32",
     TensorCore::Blackwell,
     ThroughHalf,
     {16, 8, 32},
     E4M3,
     E5M2,
     25,
     16,
     23,
     true},
    {"blackwell e3m2 e2m1", TensorCore::Blackwell, Mma, {16, 8, 32}, E3M2, E2M1, 25, 32, 23},
    {"blackwell e2m3", TensorCore::Blackwell, Mma, {16, 8, 32}, E2M3, E2M3, 25, 32, 23},
    {"tcgen05 f16", TensorCore::Blackwell, Tcgen05, {128, 8, 16}, F16, F16, 25, 16, 23},
    {"tcgen05 e5m2", TensorCore::Blackwell, Tcgen05, {128, 8, 32}, E5M2, E5M2, 25, 32, 23},
};

//===----------------------------------------------------------------------===//
// The model
//===----------------------------------------------------------------------===//

int exponentOf(double value, FloatType type) {
  int minimum = 1 - reference::getEncoding(type).bias;
  return std::max(std::ilogb(value), minimum);
}

uint32_t modelSum(const double *a, const double *b, int count, FloatType aType, FloatType bType,
                  uint32_t cBits, FloatType accumulator, int fractionBits, int mantissaBits) {
  bool isHalf = accumulator == F16;
  double c = reference::decode(cBits, accumulator);
  double special = c;
  bool isSpecial = !std::isfinite(c);
  int largest = c == 0 || isSpecial ? -126 : exponentOf(c, accumulator);
  for (int k = 0; k < count; ++k) {
    if (!std::isfinite(a[k]) || !std::isfinite(b[k])) {
      isSpecial = true;
      special += a[k] * b[k];
    } else if (a[k] != 0 && b[k] != 0) {
      largest = std::max(largest, exponentOf(a[k], aType) + exponentOf(b[k], bType));
    }
  }
  if (isSpecial) {
    if (std::isnan(special))
      return isHalf ? 0x7fff : 0x7fffffff;
    uint32_t infinity = isHalf ? 0x7c00 : 0x7f800000;
    return infinity | (special < 0 ? (isHalf ? 0x8000u : 0x80000000u) : 0u);
  }
  Fixed sum = Fixed(c).truncated(largest - fractionBits);
  for (int k = 0; k < count; ++k)
    sum = sum + Fixed(a[k] * b[k]).truncated(largest - fractionBits); // exact in double
  if (sum.isZero())
    return 0;
  if (isHalf)
    return reference::round(sum, F16, Rounding::NearestEven);
  if (sum.leading() > 127)
    return sum.isNegative() ? 0xff800000 : 0x7f800000;
  return reference::round(sum, FloatType::F32, Rounding::Zero) & (~0u << (23 - mantissaBits));
}

uint32_t model(const Case &test, const Matrices &matrices, FloatType accumulator, unsigned m,
               unsigned n) {
  unsigned k = test.shape.k;
  std::vector<double> a, b;
  uint32_t c = matrices.c[m * test.shape.n + n];
  auto append = [&](unsigned i) {
    a.push_back(reference::decode(matrices.a[m * k + i], test.aType));
    b.push_back(reference::decode(matrices.b[n * k + i], test.bType));
  };
  if (!test.throughHalf) {
    for (unsigned i = 0; i < k; ++i)
      append(i);
    for (unsigned i = 0; i < k; i += test.group)
      c = modelSum(&a[i], &b[i], test.group, test.aType, test.bType, c, accumulator,
                   test.fractionBits, test.mantissaBits);
    return c;
  }
  uint32_t sum = 0;
  for (unsigned upper : {0u, 2u}) {
    a.clear();
    b.clear();
    for (unsigned i = 0; i < k; ++i)
      if ((i & 2) == upper)
        append(i);
    sum =
        modelSum(a.data(), b.data(), test.group, F16, F16, sum, accumulator, test.fractionBits, 23);
  }
  if (accumulator == F16) {
    double total = reference::decode(c, F16) + reference::decode(sum, F16); // exact
    if (std::isnan(total))
      return 0x7fff;
    if (std::isinf(total))
      return total < 0 ? 0xfc00 : 0x7c00;
    return reference::round(Fixed(total), F16, Rounding::NearestEven, std::signbit(total));
  }
  float total = std::bit_cast<float>(c) + std::bit_cast<float>(sum);
  return std::isnan(total) ? 0x7fffffff : std::bit_cast<uint32_t>(total);
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

enum class Inputs {
  Normal,
  AnyFinite,
  Cancellation,
  SmallIntegers,
  Subnormals,
  Extreme,      ///< exponents far apart
  Tiny,         ///< around the lower end of the fast path
  Significands, ///< the largest significands, all of one sign: the widest sums
  Anything      ///< infinities and NaNs among finite values
};
constexpr Inputs kInputs[] = {Inputs::Normal,        Inputs::AnyFinite,    Inputs::Cancellation,
                              Inputs::SmallIntegers, Inputs::Subnormals,   Inputs::Extreme,
                              Inputs::Tiny,          Inputs::Significands, Inputs::Anything};

/// `tiny` is the exponent of Inputs::Tiny.
uint32_t randomElement(std::mt19937_64 &generator, FloatType type, Inputs inputs, int tiny) {
  const reference::Encoding encoding = reference::getEncoding(type);
  const unsigned shift = type == TF32 ? 13 : 0;
  const unsigned width = 1 + encoding.exponentBits + encoding.mantissaBits;
  auto encode = [&](double value) {
    return reference::round(Fixed(value), type, Rounding::NearestEven, std::signbit(value), true);
  };
  std::normal_distribution<double> normal;
  for (;;) {
    uint32_t bits = static_cast<uint32_t>(generator()) & uint32_t((uint64_t(1) << width) - 1);
    uint32_t signBit = uint32_t(1) << (width - 1);
    switch (inputs) {
    case Inputs::Normal:
      return encode(normal(generator));
    case Inputs::Cancellation:
      return encode((generator() & 1 ? 1.0 : -1.0) * (1 + std::ldexp(int(generator() % 8), -3)));
    case Inputs::SmallIntegers:
      return encode(double(int(generator() % 9)) - 4);
    case Inputs::Tiny:
      return encode(std::ldexp(normal(generator) < 0 ? -1.25 : 1.75, tiny));
    case Inputs::Significands:
      return encode(2 - std::ldexp(1.0, -encoding.mantissaBits));
    case Inputs::Subnormals:
      if (generator() % 4)
        bits &= signBit | ((1u << encoding.mantissaBits) - 1);
      break;
    case Inputs::Extreme:
      if (generator() % 3)
        bits |= (generator() & 1) ? (signBit >> 1) : 0;
      else
        bits &= ~(signBit >> 1);
      break;
    case Inputs::Anything:
      if (generator() % 16 == 0)
        return bits << shift;
      break;
    case Inputs::AnyFinite:
      break;
    }
    if (std::isfinite(reference::decodeMagnitude(bits & (signBit - 1), type)))
      return bits << shift;
  }
}

Matrices makeMatrices(const Case &test, FloatType accumulator, Inputs inputs,
                      std::mt19937_64 &generator) {
  Matrices result;
  auto fill = [&](std::vector<uint32_t> &matrix, size_t size, FloatType type) {
    int tiny = -45 - int(generator() % 20);
    for (size_t i = 0; i < size; ++i)
      matrix.push_back(randomElement(generator, type, inputs, tiny));
  };
  fill(result.a, test.shape.m * test.shape.k, test.aType);
  fill(result.b, test.shape.n * test.shape.k, test.bType);
  fill(result.c, test.shape.m * test.shape.n, accumulator);
  if (test.aType == TF32) // bits that the hardware drops
    for (uint32_t &bits : result.a)
      bits |= generator() & 0x1fff;
  if (inputs == Inputs::Tiny && accumulator == FloatType::F32)
    for (uint32_t &bits : result.c)
      bits = (bits & 0x807fffff) | (generator() % 40) << 23;
  if (generator() % 4 == 0)
    std::fill(result.c.begin(), result.c.end(), 0);
  return result;
}

/// Decoding for the model: a tf32 register without its low bits.
Matrices clean(Matrices matrices, const Case &test) {
  if (test.aType == TF32)
    for (uint32_t &bits : matrices.a)
      bits &= ~0x1fffu;
  return matrices;
}

//===----------------------------------------------------------------------===//
// Tests
//===----------------------------------------------------------------------===//

std::mt19937_64 makeGenerator(const char *name) {
  uint64_t seed = std::random_device{}();
  std::printf("%s: seed %llu\n", name, static_cast<unsigned long long>(seed));
  return std::mt19937_64(seed);
}

bool hasHalfAccumulator(const Case &test) { return test.aType != BF16 && test.aType != TF32; }

TEST(Mma, MatchesTheModel) {
  std::mt19937_64 generator = makeGenerator("Mma.MatchesTheModel");
  for (const Case &test : kCases)
    for (FloatType accumulator : {FloatType::F32, F16}) {
      if (accumulator == F16 && !hasHalfAccumulator(test))
        continue;
      for (Inputs inputs : kInputs)
        for (int repeat = 0; repeat < 3; ++repeat) {
          Matrices matrices = makeMatrices(test, accumulator, inputs, generator);
          std::vector<uint32_t> d(matrices.c.size(), 0xdeadbeef);
          mmaFloat(test.core, test.shape, test.aType, test.bType, accumulator, matrices.a.data(),
                   matrices.b.data(), matrices.c.data(), d.data(), test.instruction);
          Matrices decoded = clean(matrices, test);
          // A sample of the elements; the model is slow.
          for (int sample = 0; sample < 40; ++sample) {
            unsigned m = generator() % test.shape.m, n = generator() % test.shape.n;
            ASSERT_EQ(d[m * test.shape.n + n], model(test, decoded, accumulator, m, n))
                << test.name << " accumulator " << int(accumulator) << " inputs " << int(inputs)
                << " element " << m << ", " << n;
          }
        }
    }
}

TEST(Mma, PackedOperandsAreEqual) {
  std::mt19937_64 generator = makeGenerator("Mma.PackedOperandsAreEqual");
  for (const Case &test : kCases) {
    if (test.aType != F16 && test.aType != BF16)
      continue;
    for (Inputs inputs : kInputs) {
      Matrices matrices = makeMatrices(test, FloatType::F32, inputs, generator);
      std::vector<uint16_t> a(matrices.a.begin(), matrices.a.end());
      std::vector<uint16_t> b(matrices.b.begin(), matrices.b.end());
      std::vector<uint32_t> expected(matrices.c.size());
      mmaFloat(test.core, test.shape, test.aType, test.bType, FloatType::F32, matrices.a.data(),
               matrices.b.data(), matrices.c.data(), expected.data(), test.instruction);
      // In place, as an accumulator register is.
      mmaHalf(test.core, test.shape, test.aType, FloatType::F32, a.data(), b.data(),
              matrices.c.data(), matrices.c.data(), test.instruction);
      ASSERT_EQ(matrices.c, expected) << test.name;
    }
  }
}

/// Small integers sum exactly on every core, in any order.
TEST(Mma, SmallIntegersAreExact) {
  std::mt19937_64 generator = makeGenerator("Mma.SmallIntegersAreExact");
  for (const Case &test : kCases) {
    if (test.bType == E2M1 || test.bType == E2M3 || test.mantissaBits == 13)
      continue; // E2M1 has no 5, narrow sums keep 14 bits
    Matrices matrices = makeMatrices(test, FloatType::F32, Inputs::SmallIntegers, generator);
    std::vector<uint32_t> d(matrices.c.size());
    mmaFloat(test.core, test.shape, test.aType, test.bType, FloatType::F32, matrices.a.data(),
             matrices.b.data(), matrices.c.data(), d.data(), test.instruction);
    for (unsigned m = 0; m < test.shape.m; ++m)
      for (unsigned n = 0; n < test.shape.n; ++n) {
        double sum = reference::decode(matrices.c[m * test.shape.n + n], FloatType::F32);
        for (unsigned k = 0; k < test.shape.k; ++k)
          sum += reference::decode(matrices.a[m * test.shape.k + k] &
                                       (test.aType == TF32 ? ~0x1fffu : ~0u),
                                   test.aType) *
                 reference::decode(matrices.b[n * test.shape.k + k], test.bType);
        ASSERT_EQ(std::bit_cast<float>(d[m * test.shape.n + n]), float(sum)) << test.name;
      }
  }
}

uint32_t dot(TensorCore core, const std::vector<float> &a, const std::vector<float> &b, float c) {
  std::vector<uint32_t> aBits(16 * 16, 0), bBits(8 * 16, 0), cBits(128, 0);
  for (size_t k = 0; k < a.size(); ++k) {
    aBits[k] = convert(std::bit_cast<uint32_t>(a[k]), FloatType::F32, F16);
    bBits[k] = convert(std::bit_cast<uint32_t>(b[k]), FloatType::F32, F16);
  }
  cBits[0] = std::bit_cast<uint32_t>(c);
  mmaFloat(core, {16, 8, 16}, F16, F16, FloatType::F32, aBits.data(), bBits.data(), cBits.data(),
           cBits.data());
  return cBits[0];
}

/// Hand-computed sums that tell the generations apart.
TEST(Mma, KnownSums) {
  auto bits = [](float value) { return std::bit_cast<uint32_t>(value); };
  // 2^-24 survives next to 1 with F = 24 but not in 24 significant bits; two
  // of them do reach the last place.
  EXPECT_EQ(dot(TensorCore::Ampere, {0x1p-12f}, {0x1p-12f}, 1.0f), bits(1.0f));
  EXPECT_EQ(dot(TensorCore::Ampere, {0x1p-12f, 0x1p-12f}, {0x1p-12f, 0x1p-12f}, 1.0f),
            bits(1.0f + 0x1p-23f));
  // Four of 2^-25 are lost with F = 24 and kept with F = 25.
  std::vector<float> small(4, 0x1p-13f), partner(4, 0x1p-12f);
  EXPECT_EQ(dot(TensorCore::Ampere, small, partner, 1.0f), bits(1.0f));
  EXPECT_EQ(dot(TensorCore::Hopper, small, partner, 1.0f), bits(1.0f + 0x1p-23f));
  // Eight and eight: the second half of k starts from the rounded first half.
  std::vector<float> halves(16, 0), ones(16, 1);
  halves[0] = 1;
  halves[7] = 0x1p-24f;
  halves[8] = 0x1p-24f;
  EXPECT_EQ(dot(TensorCore::Ampere, halves, ones, 0), bits(1.0f));
  EXPECT_EQ(dot(TensorCore::Hopper, halves, ones, 0), bits(1.0f + 0x1p-23f));
  // Truncation is toward zero, before the sum.
  EXPECT_EQ(dot(TensorCore::Ampere, {0x1p-13f, -1}, {0x1p-12f, 1}, 1.0f), bits(0.0f));
  EXPECT_EQ(dot(TensorCore::Ampere, {-0.0f}, {1.0f}, -0.0f), 0u);
}

TEST(Mma, SpecialValues) {
  const float inf = INFINITY;
  EXPECT_EQ(dot(TensorCore::Ampere, {inf}, {1}, 0), 0x7f800000u);
  EXPECT_EQ(dot(TensorCore::Ampere, {inf}, {-1}, 0), 0xff800000u);
  EXPECT_EQ(dot(TensorCore::Ampere, {inf}, {0}, 0), 0x7fffffffu);
  EXPECT_EQ(dot(TensorCore::Ampere, {inf, -inf}, {1, 1}, 0), 0x7fffffffu);
  EXPECT_EQ(dot(TensorCore::Ampere, {1}, {1}, -inf), 0xff800000u);
  EXPECT_EQ(dot(TensorCore::Ampere, {inf}, {1}, -inf), 0x7fffffffu);
  EXPECT_EQ(dot(TensorCore::Ampere, {NAN}, {1}, 0), 0x7fffffffu);
  EXPECT_EQ(dot(TensorCore::Ampere, {1}, {1}, std::bit_cast<float>(0xffc12345u)), 0x7fffffffu);
  EXPECT_EQ(dot(TensorCore::Ampere, {65504, 65504}, {65504, 65504}, 0x1.fffffep127f), 0x7f7fffffu);
}

/// An accumulator is not lost next to products that are zero or tiny, however
/// small it is.
TEST(Mma, TinyAccumulators) {
  for (float c : {0x1p-99f, 0x1p-101f, 0x1.234566p-120f, 0x1p-126f, 0x1p-149f, -0x1.8p-130f}) {
    EXPECT_EQ(dot(TensorCore::Ampere, {0, 0}, {1, 0}, c), std::bit_cast<uint32_t>(c));
    EXPECT_EQ(dot(TensorCore::Hopper, {0, 0}, {1, 0}, c), std::bit_cast<uint32_t>(c));
  }
  // 2^-100 from bf16 operands, beside accumulators of every size around it.
  std::vector<uint32_t> a(256, 0), b(128, 0), c(128, 0), d(128, 0);
  a[0] = b[0] = uint32_t(127 - 50) << 7;
  for (int exponent = -126; exponent < 100; ++exponent) {
    c[0] = std::bit_cast<uint32_t>(std::ldexp(1.0f, exponent));
    mmaFloat(TensorCore::Ampere, {16, 8, 16}, BF16, BF16, FloatType::F32, a.data(), b.data(),
             c.data(), d.data());
    double x = 0x1p-50, y = 0x1p-50;
    ASSERT_EQ(d[0], modelSum(&x, &y, 1, BF16, BF16, c[0], FloatType::F32, 24, 23)) << exponent;
  }
}

/// Products of bf16 keep all their bits, however small they are.
TEST(Mma, TinyProducts) {
  std::vector<uint32_t> a(256, 0), b(128, 0), c(128, 0), d(128, 0);
  for (int exponent = -72; exponent < -40; ++exponent) {
    double x = std::ldexp(1.9921875, exponent), y = std::ldexp(1.9765625, exponent);
    a[0] = reference::round(Fixed(x), BF16, Rounding::NearestEven);
    b[0] = reference::round(Fixed(y), BF16, Rounding::NearestEven);
    mmaFloat(TensorCore::Ampere, {16, 8, 16}, BF16, BF16, FloatType::F32, a.data(), b.data(),
             c.data(), d.data());
    ASSERT_EQ(d[0], modelSum(&x, &y, 1, BF16, BF16, 0, FloatType::F32, 24, 23)) << exponent;
  }
}

/// bf16 products overflow f32 to infinity only in the sum.
TEST(Mma, OverflowIsInfinite) {
  std::vector<uint32_t> a(256, 0), b(128, 0), c(128, 0);
  a[0] = a[1] = 0x7f00; // 2^127
  b[0] = 0x7f00;
  mmaFloat(TensorCore::Ampere, {16, 8, 16}, BF16, BF16, FloatType::F32, a.data(), b.data(),
           c.data(), c.data());
  EXPECT_EQ(c[0], 0x7f800000u);
  b[1] = 0xff00; // and cancels when the sum does
  std::fill(c.begin(), c.end(), 0);
  mmaFloat(TensorCore::Ampere, {16, 8, 16}, BF16, BF16, FloatType::F32, a.data(), b.data(),
           c.data(), c.data());
  EXPECT_EQ(c[0], 0u);
}

/// mxf8f6f4: scales move every product's exponent.
TEST(Mma, BlockScaledEights) {
  MmaShape shape{16, 8, 32};
  std::vector<uint32_t> a(16 * 32, 0x38), b(8 * 32, 0x38), c(128, 0), d(128); // e4m3 1.0
  std::vector<uint32_t> scaleA(16, 127 + 3), scaleB(8, 127 - 1);
  scaleA[2] = 0xff;
  mmaBlockScaled(shape, E4M3, E4M3, FloatType::UE8M0, 32, a.data(), b.data(), scaleA.data(),
                 scaleB.data(), c.data(), d.data());
  EXPECT_EQ(std::bit_cast<float>(d[0]), 32 * 4.0f);
  EXPECT_EQ(d[2 * 8], 0x7fffffffu);
}

/// mxf4: every block of 16 sums exactly, and the blocks are added with F = 35.
TEST(Mma, BlockScaledFours) {
  std::mt19937_64 generator = makeGenerator("Mma.BlockScaledFours");
  MmaShape shape{16, 8, 64};
  for (FloatType scaleType : {FloatType::UE8M0, E4M3})
    for (unsigned blockSize : {16u, 32u})
      for (int repeat = 0; repeat < 20; ++repeat) {
        unsigned blocks = 64 / blockSize;
        std::vector<uint32_t> a(16 * 64), b(8 * 64), c(128), d(128);
        std::vector<uint32_t> scaleA(16 * blocks), scaleB(8 * blocks);
        for (auto *matrix : {&a, &b})
          for (uint32_t &bits : *matrix)
            bits = generator() & 15;
        for (auto *scales : {&scaleA, &scaleB})
          for (uint32_t &bits : *scales)
            bits = scaleType == E4M3 ? generator() % 127 : 100 + generator() % 50;
        for (uint32_t &bits : c)
          bits = std::bit_cast<uint32_t>(float(int(generator() % 4096)) / 64 - 32);
        mmaBlockScaled(shape, E2M1, E2M1, scaleType, blockSize, a.data(), b.data(), scaleA.data(),
                       scaleB.data(), c.data(), d.data());
        auto scaleExponent = [&](uint32_t bits) {
          return scaleType == E4M3
                     ? (bits == 0 ? -1000 : exponentOf(reference::decode(bits, E4M3), E4M3))
                     : int(bits) - 127;
        };
        auto scaleValue = [&](uint32_t bits) {
          return scaleType == E4M3 ? reference::decode(bits, E4M3)
                                   : std::ldexp(1.0, int(bits) - 127);
        };
        for (unsigned m = 0; m < 16; ++m)
          for (unsigned n = 0; n < 8; ++n) {
            float start = std::bit_cast<float>(c[m * 8 + n]);
            int largest = start == 0 ? -126 : exponentOf(start, FloatType::F32);
            std::vector<double> terms;
            for (unsigned k = 0; k < 64; k += 16) {
              uint32_t left = scaleA[m * blocks + k / blockSize];
              uint32_t right = scaleB[n * blocks + k / blockSize];
              double sum = 0;
              for (unsigned i = k; i < k + 16; ++i)
                sum +=
                    reference::decode(a[m * 64 + i], E2M1) * reference::decode(b[n * 64 + i], E2M1);
              if (sum != 0)
                largest = std::max(largest, scaleExponent(left) + scaleExponent(right));
              terms.push_back(sum * scaleValue(left) * scaleValue(right));
            }
            Fixed total = Fixed(start).truncated(largest - 35);
            for (double term : terms)
              total = total + Fixed(term).truncated(largest - 35);
            uint32_t expected =
                total.isZero() ? 0 : reference::round(total, FloatType::F32, Rounding::Zero);
            ASSERT_EQ(d[m * 8 + n], expected)
                << "scale " << int(scaleType) << " element " << m << ", " << n;
          }
      }
}

TEST(Mma, IntegersWrapOrSaturate) {
  std::vector<int32_t> a(16 * 32, 127), b(8 * 32, 127), c(128, INT32_MAX - 10), d(128);
  mmaInteger({16, 8, 32}, a.data(), b.data(), c.data(), true, d.data());
  EXPECT_EQ(d[5], INT32_MAX);
  mmaInteger({16, 8, 32}, a.data(), b.data(), c.data(), false, d.data());
  EXPECT_EQ(d[5], int32_t(uint32_t(INT32_MAX - 10) + 32u * 127 * 127));
  std::fill(b.begin(), b.end(), -128);
  std::fill(c.begin(), c.end(), INT32_MIN + 1);
  mmaInteger({16, 8, 32}, a.data(), b.data(), c.data(), true, d.data());
  EXPECT_EQ(d[127], INT32_MIN);
}

TEST(Mma, DoubleIsAChainOfFma) {
  std::mt19937_64 generator = makeGenerator("Mma.DoubleIsAChainOfFma");
  std::normal_distribution<double> normal;
  std::vector<double> a(8 * 4), b(8 * 4), c(64), d(64);
  for (auto *matrix : {&a, &b, &c})
    for (double &value : *matrix)
      value = normal(generator);
  mmaDouble({8, 8, 4}, a.data(), b.data(), c.data(), d.data());
  for (unsigned m = 0; m < 8; ++m)
    for (unsigned n = 0; n < 8; ++n) {
      double sum = c[m * 8 + n];
      for (unsigned k = 0; k < 4; ++k)
        sum = std::fma(a[m * 4 + k], b[n * 4 + k], sum);
      ASSERT_EQ(d[m * 8 + n], sum);
    }
}

} // namespace
