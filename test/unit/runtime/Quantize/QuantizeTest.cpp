//===- QuantizeTest.cpp - Rounding weights -----------------------------------===//
//
// Numbers worked out by hand, and what Python cannot ask for: the number of threads.
// test/python/test_rounding.py compares every format with NumPy, bit for bit.
//
//===----------------------------------------------------------------------===//
#include "runtime/Quantize/Columns.h"
#include "runtime/Quantize/Numbers.h"
#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"
#include <cmath>
#include <limits>

using namespace tilewright;
using namespace tilewright::quantize;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(Numbers, DecodesSpecialCodes) {
  EXPECT_EQ(decode(format::get("f16"), 0x3c00), 1.0);
  EXPECT_EQ(decode(format::get("f16"), 0x8001), -0x1p-24);
  EXPECT_EQ(decode(format::get("f16"), 0xfc00), -infinity);
  EXPECT_EQ(decode(format::get("e8m0"), 0), 0x1p-127);
  EXPECT_TRUE(std::isnan(decode(format::get("e8m0"), 0xff)));
  EXPECT_EQ(decode(format::get("e4m3"), 0x7e), 448.0);
  EXPECT_TRUE(std::isnan(decode(format::get("e4m3"), 0xff)));
  EXPECT_EQ(decode(format::get("ue5m3"), 0xfe), 114688.0);
  EXPECT_EQ(decode(format::get("f6e3m2"), 0x3f), -28.0);
  EXPECT_EQ(decode(format::get("f4e1m2"), 0x7), 3.5);
}

TEST(Numbers, RoundsScalesUp) {
  ScaleNumbers half(format::get("f16"));
  EXPECT_EQ(half.roundUp(1.0).bits, 0x3c00u);
  EXPECT_EQ(half.roundUp(1.0 + 0x1p-30).bits, 0x3c01u);
  EXPECT_EQ(half.roundUp(0x1p-40).bits, 1u);
  EXPECT_EQ(half.roundUp(0x1.ffdp-15).bits, 0x400u); // to the smallest normal number
  EXPECT_EQ(half.roundUp(0).bits, 0u);
  EXPECT_EQ(half.roundUp(65504).value, 65504.0);
  EXPECT_EQ(half.roundUp(65504.001).value, infinity);
  EXPECT_EQ(ScaleNumbers(format::get("f32")).roundUp(0.1).value, 0x1.99999ap-4);
  EXPECT_EQ(ScaleNumbers(format::get("e8m0")).roundUp(3).value, 4.0);
  EXPECT_EQ(ScaleNumbers(format::get("e8m0")).roundUp(0).value, 0x1p-127);
  EXPECT_TRUE(std::isnan(ScaleNumbers(format::get("e4m3")).roundUp(449).value));
}

TEST(Numbers, RoundsZeroPointsToNearest) {
  EXPECT_EQ(roundToNearest(format::get("f16"), 1 + 0x1p-11).bits, 0x3c00u); // a tie
  EXPECT_EQ(roundToNearest(format::get("f16"), -(1 + 0x3p-11)).bits, 0xbc02u);
  EXPECT_EQ(roundToNearest(format::get("f16"), 65520).value, infinity);
  // A hair above a tie: float32 makes it one.
  EXPECT_EQ(roundToNearest(format::get("bf16"), 1 + 0x1p-8 + 0x1p-40).value, 1.0);
}

TEST(Target, TakesTheEvenCodeOfTwo) {
  Target integers(format::get("i4"), {});
  EXPECT_EQ(integers.getNearest(2.5f), 8 + 2);
  EXPECT_EQ(integers.getNearest(-100), 0);
  Target floats(format::get("f4e2m1"), {}); // 0 .5 1 1.5 2 3 4 6
  EXPECT_EQ(floats.getNearest(2.5f), 4);
  EXPECT_EQ(floats.getNearest(-5), 8 + 6);
  EXPECT_EQ(floats.getNearest(-0.1f), 0);
  Target fixed(format::get("f4e1m2"), {}); // stored as 8 + twice the number
  EXPECT_EQ(fixed.getNearest(-1.5f), 5);
  EXPECT_EQ(fixed.getNumber(5), -1.5f);
  Target ternary(format::get("i2"), {}, /*isTernary=*/true);
  EXPECT_EQ(ternary.getNearest(-7), 1);
  float entries[] = {1, -1, 0.5, 0};
  Target codebook(format::get("lut2"), entries);
  EXPECT_EQ(codebook.getNearest(0.25f), 3); // the lower entry
  EXPECT_EQ(codebook.getNearest(0.75001f), 0);
}

TEST(Columns, CountsBoundsAsTheSearchDoes) {
  // Numbers, what lies between them and the neighbours of both, of either sign.
  for (const format::Format &format : format::all()) {
    if (!format.isWeight() || !format.isFloat())
      continue;
    Rule rule{Target(format, {}), {16, 1}, format::get("f32")};
    std::vector<float> values = {0, 1e30f, std::numeric_limits<float>::infinity()};
    for (uint32_t bits = 0; bits < 1u << (format.bits - 1); ++bits)
      values.push_back(float(decode(format, bits)));
    for (float bound : rule.target.getBetweenSizes())
      values.push_back(bound);
    for (size_t i = 0, e = values.size(); i < e; ++i) {
      values.push_back(std::nextafter(values[i], 1e38f));
      values.push_back(std::nextafter(values[i], 0.0f));
    }
    llvm::erase_if(values, [](float value) { return std::isnan(value); });
    for (size_t i = 0, e = values.size(); i < e; ++i)
      values.push_back(-values[i]);
    std::vector<uint8_t> codes(values.size());
    chooseCodes(rule, {2.0f, 0}, values, codes.data());
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(codes[i], rule.target.getNearest(values[i] / 2)) << format.name << " " << values[i];
  }
}

TEST(Columns, SumsInTheOrderOfNumPy) {
  // One after the other, each of the 300 would vanish beside 2^24.
  std::vector<float> numbers(301, 1);
  numbers[0] = 0x1p24f;
  EXPECT_EQ(sumInOrder(numbers.data(), 301), 0x1p24f + 300);
  EXPECT_EQ(sumInOrder(numbers.data(), 1), 0x1p24f);
  EXPECT_EQ(sumInOrder(numbers.data(), 3, 100), 0x1p24f + 2);
}

struct Result {
  std::vector<uint8_t> codes;
  std::vector<uint32_t> scales, zeros;
  std::optional<Refusal> refusal;
};

Result run(const std::vector<float> &data, int64_t n, int64_t k, format::Granularity granularity,
           unsigned threads) {
  Rule rule{Target(format::get("u3"), {}), granularity, format::get("f16"), format::Zero::Integer};
  rule.searchesScale = true;
  Weights weights{data.data(), format::get("f32"), k, n, 1, k};
  Result result;
  size_t groups = granularity.getGroups(k) * granularity.getColumnGroups(n);
  result.codes.resize(n * k);
  result.scales.resize(groups);
  result.zeros.resize(groups);
  result.refusal =
      quantize::quantize(rule, weights, {result.codes, result.scales, result.zeros}, threads);
  return result;
}

TEST(Quantize, DoesNotDependOnThreads) {
  constexpr int64_t n = 300, k = 80;
  std::vector<float> data(n * k);
  for (size_t i = 0; i < data.size(); ++i)
    data[i] = std::sin(float(i * i % 1009));
  for (format::Granularity granularity : {format::Granularity{32, 1}, {16, 24}, {0, 0}}) {
    Result one = run(data, n, k, granularity, 1), many = run(data, n, k, granularity, 8);
    EXPECT_FALSE(one.refusal || many.refusal);
    EXPECT_EQ(one.codes, many.codes);
    EXPECT_EQ(one.scales, many.scales);
    EXPECT_EQ(one.zeros, many.zeros);
  }
  for (int64_t column : {60, 61, 290})
    data[column * k + 7] = NAN;
  for (int i = 0; i < 20; ++i) {
    Result many = run(data, n, k, {32, 1}, 8);
    ASSERT_TRUE(many.refusal);
    EXPECT_EQ(many.refusal->column, 60);
    EXPECT_EQ(many.refusal->row, 7);
  }
}

TEST(Quantize, FindsTheLargestScale) {
  std::vector<float> data(64, 0.5f);
  data[40] = 6;
  Rule rule{Target(format::get("u2"), {}), {16, 1}, format::get("f16"), format::Zero::None};
  double largest = -1;
  Weights weights{data.data(), format::get("f32"), 32, 2, 1, 32};
  EXPECT_FALSE(findLargestScale(rule, weights, largest));
  EXPECT_EQ(largest, 2.0);
}

} // namespace
