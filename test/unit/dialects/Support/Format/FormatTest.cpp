//===- FormatTest.cpp - The table of number formats ------------------------===//
#include "dialects/Support/Format/Format.h"

#include "gtest/gtest.h"
#include <cfloat>
#include <cmath>
#include <set>

using namespace tilewright;
using format::Format;
using format::Kind;

TEST(Format, NamesAreUniqueAndParseToThemselves) {
  std::set<std::string> names;
  for (const Format &format : format::all()) {
    EXPECT_TRUE(names.insert(format.name).second) << format.name;
    llvm::Expected<Format> parsed = format::parse(format.name);
    ASSERT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
    EXPECT_EQ(*parsed, format);
    EXPECT_EQ(format::get(format.name), format);
  }
}

TEST(Format, IntegerWidthsAndCodes) {
  for (unsigned bits = 1; bits <= 8; ++bits) {
    Format plain = format::get("u" + std::to_string(bits));
    EXPECT_EQ(plain.kind, Kind::Unsigned);
    EXPECT_EQ(plain.bits, bits);
    EXPECT_EQ(plain.minCode(), 0);
    EXPECT_EQ(plain.maxCode(), int64_t(std::pow(2, bits)) - 1);
    EXPECT_EQ(plain.storageBias(), 0);

    Format twos = format::get("i" + std::to_string(bits));
    EXPECT_EQ(twos.kind, Kind::Signed);
    EXPECT_EQ(twos.minCode(), -int64_t(std::pow(2, bits - 1)));
    EXPECT_EQ(twos.maxCode(), int64_t(std::pow(2, bits - 1)) - 1);
    // Biased codes are exactly the unsigned codes of the width.
    EXPECT_EQ(twos.minCode() + twos.storageBias(), plain.minCode());
    EXPECT_EQ(twos.maxCode() + twos.storageBias(), plain.maxCode());
  }
  EXPECT_EQ(format::get("i32").minCode(), INT32_MIN);
  EXPECT_EQ(format::get("i32").maxCode(), INT32_MAX);
  EXPECT_EQ(format::get("i64").minCode(), INT64_MIN);
  EXPECT_EQ(format::get("i64").maxCode(), INT64_MAX);
  EXPECT_EQ(format::get("u32").maxCode(), UINT32_MAX);
}

TEST(Format, FloatsOfTheHostAgree) {
  auto expectFloat = [](const char *name, unsigned bits, int mantissaDigits, int maxExponent) {
    Format format = format::get(name);
    EXPECT_EQ(format.bits, bits) << name;
    EXPECT_EQ(int(format.mantissaBits) + 1, mantissaDigits) << name;
    EXPECT_EQ(format.exponentBias + 1, maxExponent) << name;
  };
  expectFloat("f32", 32, FLT_MANT_DIG, FLT_MAX_EXP);
  expectFloat("f64", 64, DBL_MANT_DIG, DBL_MAX_EXP);
#if defined(__FLT16_MANT_DIG__)
  expectFloat("f16", 16, __FLT16_MANT_DIG__, __FLT16_MAX_EXP__);
#endif
  expectFloat("bf16", 16, 8, 128);
  expectFloat("tf32", 32, 11, 128);
}

TEST(Format, WeightsAreIntegersIndicesPlanesAndFloatsWithASign) {
  std::set<std::string> weights;
  for (const Format &format : format::all())
    if (format.isWeight())
      weights.insert(format.name);
  EXPECT_EQ(weights.size(), 8u + 8u + 15u + 3u + 36u + 1u);
  for (const char *name : {"u1", "i8", "f3e1m1", "f7e5m1", "e4m3", "e5m2", "lut2", "lut4"})
    EXPECT_EQ(weights.count(name), 1u) << name;
  for (const char *name : {"e8m0", "ue5m3", "f16", "u32", "i64"})
    EXPECT_EQ(weights.count(name), 0u) << name;

  // One exponent bit: stored as signed integers are, and not float bits.
  Format fixed = format::get("f4e1m2");
  EXPECT_TRUE(fixed.isFixedPoint() && fixed.isSigned() && !fixed.hasExponent());
  EXPECT_EQ(fixed.storageBias(), 8);
  EXPECT_TRUE(format::get("f4e2m1").hasExponent());
  EXPECT_EQ(format::get("f4e2m1").storageBias(), 0);
  EXPECT_TRUE(format::get("lut3").isIndex() && !format::get("lut3").isInteger());
}

/// Largest finite magnitude of a format without infinity and NaN.
static double largest(const Format &format) {
  double mantissa = 2 - std::ldexp(1.0, -int(format.mantissaBits));
  int exponent = (1 << format.exponentBits) - 1 - format.exponentBias;
  return std::ldexp(mantissa, exponent);
}

TEST(Format, SubByteFloatsHaveThePublishedRange) {
  // OCP Microscaling Formats (MX) 1.0, section 5.3.
  EXPECT_EQ(largest(format::get("f6e3m2")), 28.0);
  EXPECT_EQ(largest(format::get("f6e2m3")), 7.5);
  EXPECT_EQ(largest(format::get("f4e2m1")), 6.0);
  EXPECT_EQ(format::get("e4m3").exponentBias, 7);
  EXPECT_EQ(format::get("e5m2").exponentBias, 15);
  EXPECT_EQ(format::get("e8m0").exponentBias, 127);
}

TEST(Format, FieldsFillTheBits) {
  for (const Format &format : format::all()) {
    if (!format.isFloat()) {
      EXPECT_EQ(format.exponentBits + format.mantissaBits, 0u) << format.name;
      continue;
    }
    unsigned fields = format.exponentBits + format.mantissaBits;
    bool isUnsigned = format.name == "e8m0" || format.name == "ue5m3";
    bool isPadded = format.name == "tf32";
    EXPECT_EQ(fields + (isUnsigned ? 0 : 1), isPadded ? 19 : format.bits) << format.name;
    if (format.bits < 8) {
      EXPECT_EQ(format.name, "f" + std::to_string(format.bits) + "e" +
                                 std::to_string(format.exponentBits) + "m" +
                                 std::to_string(format.mantissaBits));
    }
  }
}

TEST(Format, NestedCodesAreTopBitsOfWholeOnes) {
  for (unsigned stored = 1; stored <= 8; ++stored)
    for (unsigned bits = 1; bits <= stored; ++bits) {
      Format format = format::get(format::getNestedName(stored, bits));
      EXPECT_EQ(format.bits, bits);
      EXPECT_EQ(format.storedBits, stored);
      EXPECT_TRUE(format.isNested() && !format.isStack() && !format.isInteger());
    }
  EXPECT_EQ(format::getNestedName(8, 8), "nested8");
  EXPECT_EQ(format::getNestedName(8, 3), "nested8.3");
  EXPECT_TRUE(format::get("stack").isStack());
  EXPECT_FALSE(format::get("u1").isNested());
  for (const char *name : {"nested9", "nested4.5", "nested8.8", "nested8.0", "nested0"})
    EXPECT_NE(llvm::toString(format::parse(name).takeError()), "") << name;
}

TEST(Format, EverySubByteSplitInUseIsThere) {
  for (const char *name : {"f7e5m1", "f7e4m2", "f7e3m3", "f7e2m4", "f6e3m2", "f6e2m3", "f6e4m1",
                           "f5e3m1", "f5e2m2", "f5e1m3", "f4e2m1", "f4e1m2", "f3e1m1"})
    EXPECT_EQ(format::get(name).name, name);
}

TEST(Format, OtherSpellingsGiveTheCanonicalName) {
  EXPECT_EQ(format::get("f8e4m3").name, "e4m3");
  EXPECT_EQ(format::get("e4m3fn").name, "e4m3");
  EXPECT_EQ(format::get("f8e5m2").name, "e5m2");
  EXPECT_EQ(format::get("ue8m0").name, "e8m0");
}

TEST(Format, UnknownNamesListTheNearest) {
  llvm::Expected<Format> format = format::parse("u9");
  ASSERT_FALSE(bool(format));
  EXPECT_EQ(llvm::toString(format.takeError()),
            "unknown number format 'u9'; the nearest are 'u1', 'u2', 'u3'");
  format = format::parse("f6e3m3");
  ASSERT_FALSE(bool(format));
  EXPECT_EQ(llvm::toString(format.takeError()),
            "unknown number format 'f6e3m3'; the nearest are 'f7e3m3', 'f6e3m2', 'f6e2m3'");
  for (const char *name : {"", "U4", "u", "f", "u04", "i-1", "f16 "}) {
    llvm::Expected<Format> other = format::parse(name);
    EXPECT_FALSE(bool(other)) << name;
    llvm::consumeError(other.takeError());
  }
}
