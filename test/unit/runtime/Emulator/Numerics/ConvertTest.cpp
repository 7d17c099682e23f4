//===- ConvertTest.cpp - cvt against a search among all values -------------===//
#include "Reference.h"
#include "runtime/Emulator/Numerics/FastFloat.h"
#include <bit>
#include <gtest/gtest.h>
#include <random>

using namespace tilewright::numerics;
using reference::Fixed;

namespace {

constexpr FloatType kNarrow[] = {FloatType::F16,  FloatType::BF16, FloatType::TF32,
                                 FloatType::E4M3, FloatType::E5M2, FloatType::E3M2,
                                 FloatType::E2M3, FloatType::E2M1};
constexpr Rounding kRoundings[] = {Rounding::NearestEven, Rounding::Zero, Rounding::Down,
                                   Rounding::Up, Rounding::NearestAway};

std::mt19937_64 makeGenerator(const char *name) {
  uint64_t seed = std::random_device{}();
  std::printf("%s: seed %llu\n", name, static_cast<unsigned long long>(seed));
  return std::mt19937_64(seed);
}

uint32_t expectedF32(double value) {
  return value != value ? 0x7fffffff : std::bit_cast<uint32_t>(static_cast<float>(value));
}

/// Every encoding of every narrow format widens to its value.
TEST(Convert, WidensExhaustively) {
  for (FloatType type : kNarrow) {
    unsigned shift = type == FloatType::TF32 ? 13 : 0;
    uint32_t count = type == FloatType::TF32 ? 1u << 19 : 1u << getBits(type);
    for (uint32_t bits = 0; bits < count; ++bits) {
      double value = reference::decode(bits << shift, type);
      ASSERT_EQ(convert(bits << shift, type, FloatType::F32), expectedF32(value))
          << "type " << int(type) << " bits " << bits;
      if (value == value) {
        ASSERT_EQ(std::bit_cast<uint64_t>(toDouble(bits << shift, type)),
                  std::bit_cast<uint64_t>(value));
      }
    }
  }
}

TEST(Convert, InlineWideningIsEqual) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    ASSERT_EQ(fast::canonical(fast::widenF16(bits)), convert(bits, FloatType::F16, FloatType::F32));
    ASSERT_EQ(std::bit_cast<uint32_t>(fast::widenF16(bits)),
              convert(bits, FloatType::F16, FloatType::F32));
    ASSERT_EQ(std::bit_cast<uint32_t>(fast::widenBF16(bits)),
              convert(bits, FloatType::BF16, FloatType::F32));
  }
}

/// Values at, just beside and halfway between the values of `type`.
std::vector<uint32_t> boundaryValues(FloatType type, std::mt19937_64 &generator) {
  std::vector<uint32_t> values;
  auto addNeighbours = [&](double value) {
    if (!(std::fabs(value) < 0x1p128))
      return;
    uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(value));
    for (uint32_t delta : {0u, 1u, ~0u})
      for (uint32_t sign : {0u, 0x80000000u})
        values.push_back((bits + delta) ^ sign);
  };
  unsigned shift = type == FloatType::TF32 ? 13 : 0;
  uint32_t count = type == FloatType::TF32 ? 1u << 18 : 1u << (getBits(type) - 1);
  uint32_t step = count > 4096 ? 29 : 1;
  for (uint32_t bits = 0; bits + 1 < count; bits += step) {
    double value = reference::decode(bits << shift, type);
    double next = reference::decode((bits + 1) << shift, type);
    addNeighbours(value);
    addNeighbours((value + next) / 2);
    if (!std::isfinite(next) && std::isfinite(value)) // the overflow boundary
      addNeighbours(value + (value - reference::decode((bits - 1) << shift, type)) / 2);
  }
  for (int i = 0; i < 4000; ++i)
    values.push_back(static_cast<uint32_t>(generator()));
  return values;
}

TEST(Convert, NarrowsInEveryRounding) {
  std::mt19937_64 generator = makeGenerator("NarrowsInEveryRounding");
  for (FloatType type : kNarrow) {
    for (uint32_t bits : boundaryValues(type, generator)) {
      double value = std::bit_cast<float>(bits);
      if (!std::isfinite(value))
        continue;
      for (Rounding rounding : kRoundings)
        for (bool saturate : {false, true}) {
          ConvertOptions options;
          options.rounding = rounding;
          options.saturateFinite = saturate;
          ASSERT_EQ(convert(bits, FloatType::F32, type, options),
                    reference::round(Fixed(value), type, rounding, bits >> 31, saturate))
              << "type " << int(type) << " bits " << std::hex << bits << " rounding "
              << int(rounding) << " satfinite " << saturate;
        }
    }
  }
}

/// cvt of every f16 and bf16 to the 8-, 6- and 4-bit formats.
TEST(Convert, NarrowsHalvesExhaustively) {
  for (FloatType from : {FloatType::F16, FloatType::BF16})
    for (FloatType to :
         {FloatType::E4M3, FloatType::E5M2, FloatType::E3M2, FloatType::E2M3, FloatType::E2M1})
      for (uint32_t bits = 0; bits < 65536; ++bits) {
        double value = reference::decode(bits, from);
        if (!std::isfinite(value))
          continue;
        ConvertOptions options;
        options.saturateFinite = true;
        ASSERT_EQ(convert(bits, from, to, options),
                  reference::round(Fixed(value), to, Rounding::NearestEven, bits >> 15, true))
            << "from " << int(from) << " to " << int(to) << " bits " << std::hex << bits;
      }
}

TEST(Convert, InlineNarrowingIsEqual) {
  std::mt19937_64 generator = makeGenerator("InlineNarrowingIsEqual");
  auto check = [](uint32_t bits) {
    float value = std::bit_cast<float>(bits);
    ASSERT_EQ(fast::narrowF16(value), convert(bits, FloatType::F32, FloatType::F16)) << bits;
    ASSERT_EQ(fast::narrowBF16(value), convert(bits, FloatType::F32, FloatType::BF16)) << bits;
  };
  for (FloatType type : {FloatType::F16, FloatType::BF16})
    for (uint32_t bits : boundaryValues(type, generator))
      check(bits);
  for (int i = 0; i < 1000000; ++i)
    check(static_cast<uint32_t>(generator()));
}

/// f64 to f32 in each direction, the neighbours found with nextafter.
TEST(Convert, NarrowsDouble) {
  std::mt19937_64 generator = makeGenerator("NarrowsDouble");
  for (int i = 0; i < 100000; ++i) {
    uint64_t random = generator();
    uint64_t exponent = 1023 - 155 + random % 290;
    uint64_t mantissa = generator() >> 12;
    if (i % 3 == 0)
      mantissa &= ~uint64_t(0) << 28; // halfway cases
    double value =
        std::bit_cast<double>((random & (uint64_t(1) << 63)) | exponent << 52 | mantissa);
    float nearest = static_cast<float>(value);
    float below = nearest > value ? std::nextafterf(nearest, -INFINITY) : nearest;
    float above = nearest < value ? std::nextafterf(nearest, INFINITY) : nearest;
    auto narrow = [&](Rounding rounding) {
      ConvertOptions options;
      options.rounding = rounding;
      return std::bit_cast<float>(static_cast<uint32_t>(
          convert(std::bit_cast<uint64_t>(value), FloatType::F64, FloatType::F32, options)));
    };
    ASSERT_EQ(narrow(Rounding::NearestEven), nearest) << value;
    ASSERT_EQ(narrow(Rounding::Down), below) << value;
    ASSERT_EQ(narrow(Rounding::Up), above) << value;
    ASSERT_EQ(narrow(Rounding::Zero), value > 0 ? below : above) << value;
  }
}

TEST(Convert, SpecialValues) {
  constexpr uint32_t kInfinity = 0x7f800000, kNaN = 0x7fc01234;
  auto to = [](uint32_t bits, FloatType type, bool saturate = false) {
    ConvertOptions options;
    options.saturateFinite = saturate;
    return convert(bits, FloatType::F32, type, options);
  };
  EXPECT_EQ(to(kInfinity, FloatType::F16), 0x7c00u);
  EXPECT_EQ(to(kInfinity | 0x80000000, FloatType::F16), 0xfc00u);
  EXPECT_EQ(to(kInfinity, FloatType::F16, true), 0x7bffu);
  EXPECT_EQ(to(kInfinity, FloatType::BF16), 0x7f80u);
  EXPECT_EQ(to(kInfinity, FloatType::E5M2), 0x7cu);
  EXPECT_EQ(to(kInfinity | 0x80000000, FloatType::E5M2, true), 0xfbu);
  EXPECT_EQ(to(kInfinity, FloatType::E4M3), 0x7fu);
  EXPECT_EQ(to(kInfinity, FloatType::E4M3, true), 0x7eu);
  EXPECT_EQ(to(kInfinity, FloatType::E2M1, true), 0x7u);
  EXPECT_EQ(to(kInfinity | 0x80000000, FloatType::E3M2, true), 0x3fu);
  EXPECT_EQ(to(kNaN, FloatType::F16), 0x7fffu);
  EXPECT_EQ(to(kNaN | 0x80000000, FloatType::F16, true), 0x7fffu);
  EXPECT_EQ(to(kNaN, FloatType::BF16), 0x7fffu);
  EXPECT_EQ(to(kNaN, FloatType::TF32), 0x7fffffffu);
  EXPECT_EQ(to(kNaN, FloatType::E4M3, true), 0x7fu);
  EXPECT_EQ(to(kNaN, FloatType::E5M2, true), 0x7fu);
  EXPECT_EQ(to(kNaN | 0x80000000, FloatType::E2M3, true), 0x1fu);
  EXPECT_EQ(to(kNaN, FloatType::E2M1, true), 0x7u);
  EXPECT_EQ(to(kNaN, FloatType::UE8M0), 0xffu);
  EXPECT_EQ(convert(kNaN, FloatType::F32, FloatType::F64), 0x7ff8024680000000u);
  EXPECT_EQ(convert(0xfff0000000000001, FloatType::F64, FloatType::F64), 0xfff8000000000001u);
  EXPECT_EQ(convert(0xfff0000000000001, FloatType::F64, FloatType::F32), 0x7fffffffu);
}

/// .ftz, .sat and .relu (PTX ISA, cvt).
TEST(Convert, Modifiers) {
  ConvertOptions flush;
  flush.flushInput = flush.flushOutput = true;
  EXPECT_EQ(convert(0x807fffff, FloatType::F32, FloatType::F32, flush), 0x80000000u);
  EXPECT_EQ(convert(0x00800000, FloatType::F32, FloatType::F32, flush), 0x00800000u);
  // A subnormal f16 is a normal f32; .ftz leaves it alone.
  EXPECT_EQ(convert(0x0001, FloatType::F16, FloatType::F32, flush), 0x33800000u);
  EXPECT_EQ(convert(std::bit_cast<uint64_t>(-0x1p-130), FloatType::F64, FloatType::F32, flush),
            0x80000000u);
  ConvertOptions saturate;
  saturate.saturateUnit = true;
  auto clamp = [&](float value) {
    return std::bit_cast<float>(uint32_t(
        convert(std::bit_cast<uint32_t>(value), FloatType::F32, FloatType::F32, saturate)));
  };
  EXPECT_EQ(clamp(1.5f), 1.0f);
  EXPECT_EQ(clamp(INFINITY), 1.0f);
  EXPECT_EQ(clamp(0.25f), 0.25f);
  EXPECT_EQ(std::bit_cast<uint32_t>(clamp(-3.0f)), 0u);
  EXPECT_EQ(std::bit_cast<uint32_t>(clamp(-0.0f)), 0u);
  EXPECT_EQ(std::bit_cast<uint32_t>(clamp(NAN)), 0u);
  ConvertOptions relu;
  relu.relu = true;
  EXPECT_EQ(convert(0xc0000000, FloatType::F32, FloatType::F16, relu), 0u);
  EXPECT_EQ(convert(0xff800000, FloatType::F32, FloatType::BF16, relu), 0u);
  EXPECT_EQ(convert(0xffc00000, FloatType::F32, FloatType::F16, relu), 0x7fffu);
  EXPECT_EQ(convert(0x40000000, FloatType::F32, FloatType::F16, relu), 0x4000u);
}

/// ue8m0 holds 2^(x - 127) and keeps the magnitude (PTX ISA, cvt .ue8m0x2).
TEST(Convert, ScaleFormat) {
  for (uint32_t bits = 0; bits < 255; ++bits)
    EXPECT_EQ(toDouble(bits, FloatType::UE8M0), std::ldexp(1.0, int(bits) - 127));
  EXPECT_EQ(convert(0xff, FloatType::UE8M0, FloatType::BF16), 0x7fffu);
  EXPECT_EQ(convert(0x00, FloatType::UE8M0, FloatType::BF16), 0x0040u);
  auto to = [](float value, Rounding rounding, bool saturate) {
    ConvertOptions options;
    options.rounding = rounding;
    options.saturateFinite = saturate;
    return convert(std::bit_cast<uint32_t>(value), FloatType::F32, FloatType::UE8M0, options);
  };
  EXPECT_EQ(to(1.0f, Rounding::Up, true), 127u);
  EXPECT_EQ(to(1.0001f, Rounding::Up, true), 128u);
  EXPECT_EQ(to(1.9999f, Rounding::Zero, true), 127u);
  EXPECT_EQ(to(-1.5f, Rounding::Up, true), 128u);
  EXPECT_EQ(to(0.0f, Rounding::Up, true), 0u);
  EXPECT_EQ(to(0x1p-127f, Rounding::Up, true), 0u);
  EXPECT_EQ(to(0x1.8p-127f, Rounding::Up, true), 1u);
  EXPECT_EQ(to(0x1p-140f, Rounding::Up, true), 0u);
  EXPECT_EQ(to(0x1.8p127f, Rounding::Up, true), 0xfeu);
  EXPECT_EQ(to(0x1.8p127f, Rounding::Up, false), 0xffu);
  EXPECT_EQ(to(0x1.8p127f, Rounding::Zero, false), 0xfeu);
  EXPECT_EQ(to(INFINITY, Rounding::Zero, true), 0xfeu);
  EXPECT_EQ(to(INFINITY, Rounding::Zero, false), 0xffu);
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

/// The host rounds to an integral value; the clamp is done in long double.
long double integral(double value, Rounding rounding) {
  switch (rounding) {
  case Rounding::NearestEven:
    return std::nearbyint(value);
  case Rounding::Zero:
    return std::trunc(value);
  case Rounding::Down:
    return std::floor(value);
  case Rounding::Up:
    return std::ceil(value);
  case Rounding::NearestAway:
    return std::round(value);
  }
  return value;
}

uint64_t expectedInteger(double value, unsigned bits, bool isSigned, Rounding rounding) {
  long double low = isSigned ? -std::ldexp(1.0L, bits - 1) : 0;
  long double high = std::ldexp(1.0L, isSigned ? bits - 1 : bits) - 1;
  long double clamped = std::min(std::max(integral(value, rounding), low), high);
  uint64_t result = clamped < 0 ? uint64_t(int64_t(clamped)) : uint64_t(clamped);
  return bits == 64 ? result : result & ((uint64_t(1) << bits) - 1);
}

TEST(Convert, ToInteger) {
  std::mt19937_64 generator = makeGenerator("ToInteger");
  for (int i = 0; i < 60000; ++i) {
    double value = std::ldexp(double(int64_t(generator())), -int(generator() % 68));
    if (i % 4 == 0)
      value = std::ldexp(std::round(std::ldexp(value, -40)), -1); // ties
    float narrow = static_cast<float>(value);
    for (Rounding rounding : kRoundings)
      for (unsigned bits : {8u, 16u, 32u, 64u})
        for (bool isSigned : {false, true}) {
          ASSERT_EQ(convertToInteger(std::bit_cast<uint64_t>(value), FloatType::F64, bits, isSigned,
                                     rounding, false),
                    expectedInteger(value, bits, isSigned, rounding))
              << value;
          ASSERT_EQ(convertToInteger(std::bit_cast<uint32_t>(narrow), FloatType::F32, bits,
                                     isSigned, rounding, false),
                    expectedInteger(narrow, bits, isSigned, rounding))
              << narrow;
        }
  }
}

TEST(Convert, NaNToInteger) {
  auto from32 = [](unsigned bits) {
    return convertToInteger(0x7fc00000, FloatType::F32, bits, true, Rounding::Zero, false);
  };
  auto from64 = [](unsigned bits) {
    return convertToInteger(0x7ff8000000000000, FloatType::F64, bits, true, Rounding::Zero, false);
  };
  EXPECT_EQ(from32(32), 0u);
  EXPECT_EQ(from32(64), 0x8000000000000000u);
  EXPECT_EQ(from64(32), 0x80000000u);
  EXPECT_EQ(from64(64), 0x8000000000000000u);
  EXPECT_EQ(convertToInteger(0x00000001, FloatType::F32, 32, true, Rounding::Up, false), 1u);
  EXPECT_EQ(convertToInteger(0x00000001, FloatType::F32, 32, true, Rounding::Up, true), 0u);
}

TEST(Convert, FromInteger) {
  std::mt19937_64 generator = makeGenerator("FromInteger");
  for (int i = 0; i < 10000; ++i) {
    uint64_t value = generator() >> (generator() % 64);
    for (FloatType type : {FloatType::F32, FloatType::F16, FloatType::BF16})
      for (Rounding rounding : kRoundings) {
        Fixed asUnsigned = Fixed(int64_t(value >> 1), 1) + Fixed(int64_t(value & 1), 0);
        ASSERT_EQ(convertFromInteger(value, 64, false, type, rounding),
                  reference::round(asUnsigned, type, rounding));
        ASSERT_EQ(convertFromInteger(value, 64, true, type, rounding),
                  reference::round(Fixed(int64_t(value), 0), type, rounding));
        ASSERT_EQ(convertFromInteger(value, 32, true, type, rounding),
                  reference::round(Fixed(int32_t(value), 0), type, rounding));
      }
    ASSERT_EQ(convertFromInteger(value, 64, true, FloatType::F64, Rounding::NearestEven),
              std::bit_cast<uint64_t>(double(int64_t(value))));
  }
}

TEST(Convert, RoundsToIntegral) {
  std::mt19937_64 generator = makeGenerator("RoundsToIntegral");
  for (int i = 0; i < 100000; ++i) {
    float value = std::ldexp(float(int32_t(generator())), -int(generator() % 40));
    for (Rounding rounding : kRoundings)
      ASSERT_EQ(roundToIntegral(std::bit_cast<uint32_t>(value), FloatType::F32, rounding, false),
                std::bit_cast<uint32_t>(float(integral(value, rounding))))
          << value << " rounding " << int(rounding);
  }
  EXPECT_EQ(roundToIntegral(0x80000001, FloatType::F32, Rounding::Down, false), 0xbf800000u);
  EXPECT_EQ(roundToIntegral(0x80000001, FloatType::F32, Rounding::Down, true), 0x80000000u);
  EXPECT_EQ(roundToIntegral(0xff800000, FloatType::F32, Rounding::Up, false), 0xff800000u);
}

} // namespace
