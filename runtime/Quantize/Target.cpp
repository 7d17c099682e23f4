//===- Target.cpp - What weights are rounded to ------------------------------===//
//
// See Target.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Quantize/Target.h"

#include "runtime/Quantize/Numbers.h"
#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace tilewright::quantize {

Target::Target(const format::Format &format, llvm::ArrayRef<float> codebook, bool isTernary)
    : format(format), numbers(size_t(1) << format.bits) {
  if (format.isIndex())
    addEntries(codebook);
  else if (format.isFloat())
    addFloats();
  else if (format.isNested())
    addOdd();
  else
    addIntegers(isTernary);
}

void Target::addIntegers(bool isTernary) {
  least = isTernary ? -1 : int(format.minCode());
  most = isTernary ? 1 : int(format.maxCode());
  minNumber = least;
  maxNumber = most;
  for (size_t stored = 0; stored < numbers.size(); ++stored)
    numbers[stored] = float(int64_t(stored) - format.storageBias());
}

/// 2q + 1 - 2^b, times what the bits that were cut off make of it.
void Target::addOdd() {
  int scale = 1 << (format.isStack() ? 0 : format.storedBits - format.bits);
  most = scale * ((1 << format.bits) - 1);
  least = -most;
  minNumber = least;
  maxNumber = most;
  for (size_t stored = 0; stored < numbers.size(); ++stored)
    numbers[stored] = float(scale * (2 * int(stored) + 1) + least - scale);
}

/// Fixed-point floats are stored as integers, their bits are a sign and a size.
void Target::addFloats() {
  uint32_t sign = 1u << (format.bits - 1);
  std::vector<float> sizes;
  for (uint32_t bits = 0; bits < 2 * sign; ++bits) {
    auto number = float(decode(format, bits));
    uint32_t size = bits & (sign - 1);
    uint32_t stored = !format.isFixedPoint() ? bits : bits & sign ? sign - size : sign + size;
    // A negative zero shares the code of zero.
    if (!format.isFixedPoint() || bits != sign)
      numbers[stored] = number;
    if (!std::isfinite(number))
      continue;
    minNumber = std::min<double>(minNumber, number);
    maxNumber = std::max<double>(maxNumber, number);
    if (bits < sign)
      sizes.push_back(number);
  }
  for (size_t i = 0; i + 1 < sizes.size(); ++i)
    betweenSizes.push_back((sizes[i + 1] + sizes[i]) / 2); // exact: one bit more
}

void Target::addEntries(llvm::ArrayRef<float> codebook) {
  assert(codebook.size() == numbers.size() && "an entry for each code");
  std::copy(codebook.begin(), codebook.end(), numbers.begin());
  order.resize(numbers.size());
  std::iota(order.begin(), order.end(), uint8_t(0));
  std::sort(order.begin(), order.end(), [&](uint8_t a, uint8_t b) {
    return std::pair(numbers[a], a) < std::pair(numbers[b], b);
  });
  for (size_t i = 0; i + 1 < order.size(); ++i)
    betweenEntries.push_back((double(numbers[order[i + 1]]) + double(numbers[order[i]])) / 2);
  minNumber = numbers[order.front()];
  maxNumber = numbers[order.back()];
}

uint8_t Target::getNearest(float value) const {
  if (format.isIndex()) {
    auto above = std::lower_bound(betweenEntries.begin(), betweenEntries.end(), double(value));
    return order[above - betweenEntries.begin()];
  }
  if (format.isInteger()) {
    float held = value > float(least) ? value : float(least);
    return uint8_t(std::nearbyint(std::min(held, float(most))) + double(format.storageBias()));
  }
  if (format.isNested()) {
    double step = double(numbers[1]) - double(numbers[0]);
    double code = std::nearbyint((double(value) - minNumber) / step);
    return uint8_t(std::clamp(code, 0.0, double(numbers.size() - 1)));
  }
  float size = std::fabs(value);
  auto above = std::lower_bound(betweenSizes.begin(), betweenSizes.end(), size);
  auto code = uint32_t(above - betweenSizes.begin());
  if (above != betweenSizes.end() && *above == size)
    code += code % 2; // between two: the even one
  return getStored(code, std::signbit(value));
}

} // namespace tilewright::quantize
