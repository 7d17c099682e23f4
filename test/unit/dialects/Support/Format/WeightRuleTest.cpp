//===- WeightRuleTest.cpp - Which weights share a scale ---------------------===//
#include "dialects/Support/Format/WeightRule.h"

#include "dialects/Support/Format/Format.h"
#include "gtest/gtest.h"

using namespace tilewright;
using format::Granularity;

static std::string refuse(llvm::StringRef text) {
  auto granularity = Granularity::parse(text);
  return granularity ? "no error" : llvm::toString(granularity.takeError());
}

TEST(Granularity, TextRoundTrip) {
  for (llvm::StringRef text :
       {"16", "48", "128", "4096", "channel", "tensor", "128x128", "16x8", "32x1024"})
    EXPECT_EQ(llvm::cantFail(Granularity::parse(text)).str(), text);
  EXPECT_EQ(llvm::cantFail(Granularity::parse("64x1")).str(), "64");
}

TEST(Granularity, CountsShortGroups) {
  auto count = [](llvm::StringRef text, int64_t k, int64_t n) {
    Granularity granularity = llvm::cantFail(Granularity::parse(text));
    return std::pair(granularity.getGroups(k), granularity.getColumnGroups(n));
  };
  EXPECT_EQ(count("128", 300, 17), std::pair(int64_t(3), int64_t(17)));
  EXPECT_EQ(count("128x64", 256, 65), std::pair(int64_t(2), int64_t(2)));
  EXPECT_EQ(count("channel", 300, 17), std::pair(int64_t(1), int64_t(17)));
  EXPECT_EQ(count("tensor", 300, 17), std::pair(int64_t(1), int64_t(1)));
  EXPECT_EQ(count("tensor", 0, 0), std::pair(int64_t(0), int64_t(0)));
  EXPECT_EQ(count("channel", 0, 3), std::pair(int64_t(0), int64_t(3)));
}

TEST(Granularity, RefusesWithTheNearest) {
  EXPECT_EQ(refuse("40"),
            "expects group to have a multiple of 16 rows of K, but got 40; the nearest is 48");
  EXPECT_EQ(refuse("1"),
            "expects group to have a multiple of 16 rows of K, but got 1; the nearest is 16");
  EXPECT_EQ(refuse("128x12"), "expects group to have 1 column or a multiple of 8 beside its rows, "
                              "but got 12; the nearest is 16");
  EXPECT_EQ(refuse("-16"),
            "expects group to have a multiple of 16 rows of K, but got -16; the nearest is 16");
  for (llvm::StringRef text : {"", "x", "128x", "x128", "128x128x128", "0", "128x0", "Channel",
                               "16 ", "99999999999999999999"})
    EXPECT_EQ(refuse(text), "expects group to be a positive number of rows, rows x columns "
                            "('128x128'), 'channel' or 'tensor', but got '" +
                                text.str() + "'");
}

TEST(Zero, NamesRoundTrip) {
  for (auto zero :
       {format::Zero::None, format::Zero::Integer, format::Zero::Float, format::Zero::Offset})
    EXPECT_EQ(llvm::cantFail(format::parseZero(format::getName(zero))), zero);
  EXPECT_EQ(llvm::toString(format::parseZero("integral").takeError())
                .find("unknown kind of zero points 'integral'; the nearest are 'integer'"),
            0u);
}

TEST(Zero, IntegersHaveAnyNestedCodesOffsets) {
  using format::Zero;
  for (Zero zero : {Zero::None, Zero::Integer, Zero::Float, Zero::Offset}) {
    bool isOffset = zero == Zero::None || zero == Zero::Offset;
    for (const char *name : {"u4", "i8"})
      EXPECT_TRUE(format::canHave(format::get(name), zero)) << name;
    for (const char *name : {"nested8", "nested8.4"})
      EXPECT_EQ(format::canHave(format::get(name), zero), isOffset) << name;
    for (const char *name : {"f4e2m1", "lut4", "stack"})
      EXPECT_EQ(format::canHave(format::get(name), zero), zero == Zero::None) << name;
  }
}

TEST(Zero, FormatsOfNumbersAreInTheTable) {
  for (llvm::StringRef name : format::getScaleNames())
    EXPECT_TRUE(format::get(name).isFloat()) << name.str();
  EXPECT_EQ(format::getFloatZeroNames().size(), 3u);
}
