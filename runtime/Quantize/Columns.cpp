//===- Columns.cpp - Columns of weights as float32 ---------------------------===//
//
// See Columns.h. Loops over weights are written for the vectoriser: eight ranges
// side by side, no calls, rounding by the addition of a large number.
//
//===----------------------------------------------------------------------===//
#include "runtime/Quantize/Columns.h"

#include "llvm/ADT/bit.h"
#include <algorithm>
#include <cmath>
#include <cstring>

namespace tilewright::quantize {

//===- Reading --------------------------------------------------------------===//

static float fromHalf(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16, rest = half & 0x7fff;
  // The exponent is moved up by a multiplication, which is exact and right for
  // subnormal numbers too; infinity and NaN are all ones again.
  float size = llvm::bit_cast<float>(rest << 13) * 0x1p112f;
  if (rest >= 0x7c00)
    size = llvm::bit_cast<float>(0x7f800000u | rest << 13);
  return llvm::bit_cast<float>(llvm::bit_cast<uint32_t>(size) | sign);
}

static float fromBfloat(uint16_t bits) { return llvm::bit_cast<float>(uint32_t(bits) << 16); }

template <typename T, typename Convert> void Columns::readAs(Convert convert) {
  const T *data = static_cast<const T *>(weights.data) + first * weights.columnStride;
  int64_t k = weights.k, columns = last - first;
  if (weights.rowStride == 1) {
    for (int64_t n = 0; n < columns; ++n) {
      const T *from = data + n * weights.columnStride;
      float *to = values.data() + n * k;
      for (int64_t i = 0; i < k; ++i)
        to[i] = convert(from[i]);
    }
    return;
  }
  for (int64_t i = 0; i < k; ++i)
    for (int64_t n = 0; n < columns; ++n)
      values[n * k + i] = convert(data[i * weights.rowStride + n * weights.columnStride]);
}

std::optional<Refusal> Columns::findNotFinite() const {
  constexpr uint32_t infinity = 0x7f800000;
  int64_t count = (last - first) * weights.k;
  uint32_t found = 0;
  for (int64_t i = 0; i < count; ++i)
    found |= (llvm::bit_cast<uint32_t>(values[i]) & infinity) == infinity;
  if (!found)
    return std::nullopt;
  for (int64_t i = 0;; ++i)
    if (!std::isfinite(values[i]))
      return Refusal{Refusal::Kind::NotFinite, first + i / weights.k, i % weights.k, values[i]};
}

std::optional<Refusal> Columns::read(int64_t first, int64_t last) {
  this->first = first;
  this->last = last;
  if (weights.dtype.name == "f32")
    readAs<float>([](float value) { return value; });
  else if (weights.dtype.name == "f64")
    readAs<double>([](double value) { return float(value); });
  else if (weights.dtype.name == "bf16")
    readAs<uint16_t>(fromBfloat);
  else
    readAs<uint16_t>(fromHalf);
  if (std::optional<Refusal> refusal = findNotFinite())
    return refusal;
  if (tensorScale != 1)
    for (int64_t i = 0, e = (last - first) * weights.k; i < e; ++i)
      values[i] /= tensorScale;
  return std::nullopt;
}

//===- Groups ---------------------------------------------------------------===//

Range getRange(llvm::ArrayRef<float> weights) {
  constexpr size_t width = 8;
  float low[width], high[width];
  std::fill(low, low + width, weights[0]);
  std::fill(high, high + width, weights[0]);
  size_t whole = weights.size() / width * width;
  for (size_t i = 0; i < whole; i += width)
    for (size_t j = 0; j < width; ++j) {
      float value = weights[i + j];
      low[j] = value < low[j] ? value : low[j];
      high[j] = value > high[j] ? value : high[j];
    }
  for (float value : weights.drop_front(whole)) {
    low[0] = value < low[0] ? value : low[0];
    high[0] = value > high[0] ? value : high[0];
  }
  return {*std::min_element(low, low + width), *std::max_element(high, high + width)};
}

/// The nearest integer, to even, of a number below 2^22: the sum with 1.5 * 2^23 has
/// no room for a fraction.
static float roundSmall(float value) {
  constexpr float large = 0x1.8p23f;
  return (value + large) - large;
}

/// `step(weight)` held within [low, high] and rounded, plus `offset`, as bytes.
template <typename GetStep>
static void roundAll(llvm::ArrayRef<float> weights, float low, float high, float offset,
                     uint8_t *codes, GetStep step) {
  for (size_t i = 0; i < weights.size(); ++i) {
    float value = step(weights[i]);
    value = value > low ? value : low;
    value = value < high ? value : high;
    codes[i] = uint8_t(int32_t(roundSmall(value) + offset));
  }
}

static void chooseIntegers(const Rule &rule, Step step, llvm::ArrayRef<float> weights,
                           uint8_t *codes) {
  auto least = float(rule.target.getLeast()), most = float(rule.target.getMost());
  auto bias = float(rule.target.getStorageBias());
  float divisor = step.scale == 0 ? 1 : step.scale, zero = step.zero;
  switch (rule.zero) {
  case format::Zero::None:
    return roundAll(weights, least, most, bias, codes, [=](float w) { return w / divisor; });
  case format::Zero::Integer: // a step is rounded before the zero point is added
    return roundAll(weights, least - zero, most - zero, zero + bias, codes,
                    [=](float w) { return w / divisor; });
  case format::Zero::Float:
    return roundAll(weights, least, most, bias, codes, [=](float w) { return w / divisor + zero; });
  case format::Zero::Offset:
    return roundAll(weights, least, most, bias, codes,
                    [=](float w) { return (w - zero) / divisor; });
  }
}

/// Codes of floats of few numbers: how many of the bounds between them each weight is
/// beyond, for many weights at a time. A weight on a bound has an even code, so it is
/// beyond every second bound.
static void countBounds(const Target &target, float divisor, llvm::ArrayRef<float> weights,
                        uint8_t *codes) {
  constexpr size_t atOnce = 64;
  llvm::ArrayRef<float> bounds = target.getBetweenSizes();
  for (size_t first = 0; first < weights.size(); first += atOnce) {
    size_t count = std::min(atOnce, weights.size() - first);
    float values[atOnce] = {}, sizes[atOnce];
    int32_t places[atOnce] = {};
    for (size_t i = 0; i < count; ++i)
      values[i] = weights[first + i] / divisor;
    for (size_t i = 0; i < atOnce; ++i)
      sizes[i] = std::fabs(values[i]);
    for (size_t j = 0; j < bounds.size(); ++j) {
      float bound = bounds[j];
      if (j % 2)
        for (size_t i = 0; i < atOnce; ++i)
          places[i] += sizes[i] >= bound;
      else
        for (size_t i = 0; i < atOnce; ++i)
          places[i] += sizes[i] > bound;
    }
    for (size_t i = 0; i < count; ++i)
      codes[first + i] = target.getStored(places[i], std::signbit(values[i]));
  }
}

void chooseCodes(const Rule &rule, Step step, llvm::ArrayRef<float> weights, uint8_t *codes) {
  if (rule.target.isInteger())
    return chooseIntegers(rule, step, weights, codes);
  // Of these only nested codes have a zero point, an offset.
  float divisor = step.scale == 0 ? 1 : step.scale;
  constexpr size_t fewBounds = 31;
  size_t bounds = rule.target.getBetweenSizes().size();
  if (bounds > 0 && bounds <= fewBounds)
    return countBounds(rule.target, divisor, weights, codes);
  for (size_t i = 0; i < weights.size(); ++i)
    codes[i] = rule.target.getNearest((weights[i] - step.zero) / divisor);
}

//===- Errors ---------------------------------------------------------------===//

static float sumPairwise(const float *numbers, int64_t count, int64_t stride) {
  if (count < 8) {
    float sum = 0;
    for (int64_t i = 0; i < count; ++i)
      sum += numbers[i * stride];
    return sum;
  }
  if (count > 128) {
    int64_t half = count / 2 / 8 * 8;
    return sumPairwise(numbers, half, stride) +
           sumPairwise(numbers + half * stride, count - half, stride);
  }
  float sums[8];
  for (int64_t j = 0; j < 8; ++j)
    sums[j] = numbers[j * stride];
  int64_t i = 8;
  for (; i + 8 <= count; i += 8)
    for (int64_t j = 0; j < 8; ++j)
      sums[j] += numbers[(i + j) * stride];
  float sum =
      ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  for (; i < count; ++i)
    sum += numbers[i * stride];
  return sum;
}

float sumInOrder(const float *numbers, int64_t count, int64_t stride) {
  return count == 1 ? *numbers : *numbers + sumPairwise(numbers + stride, count - 1, stride);
}

float sumErrors(const Rule &rule, Step step, llvm::ArrayRef<float> weights, const uint8_t *codes,
                std::vector<float> &scratch) {
  scratch.resize(weights.size());
  bool isOffset = rule.zero == format::Zero::Offset;
  for (size_t i = 0; i < weights.size(); ++i) {
    float number = rule.target.getNumber(codes[i]);
    float value = isOffset ? number * step.scale + step.zero : (number - step.zero) * step.scale;
    float error = value - weights[i];
    scratch[i] = error * error;
  }
  return sumInOrder(scratch.data(), scratch.size());
}

} // namespace tilewright::quantize
