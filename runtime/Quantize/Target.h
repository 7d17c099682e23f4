//===- Target.h - What weights are rounded to --------------------*- C++ -*-===//
//
// The numbers of a weight format (or a part of them), and the code of the one that
// is nearest to a given number.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_QUANTIZE_TARGET_H
#define TILEWRIGHT_RUNTIME_QUANTIZE_TARGET_H

#include "dialects/Support/Format/Format.h"
#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace tilewright::quantize {

class Target {
public:
  /// `codebook`: the numbers that codes of an index format stand for. `isTernary`:
  /// only -1, 0 and 1 of i2.
  Target(const format::Format &format, llvm::ArrayRef<float> codebook, bool isTernary = false);

  bool isInteger() const { return format.isInteger(); }
  /// Of an integer format: the first and the last code that is used; of nested codes
  /// their numbers.
  int getLeast() const { return least; }
  int getMost() const { return most; }
  int64_t getStorageBias() const { return format.storageBias(); }
  /// The finite numbers that lie furthest from 0.
  double getMinNumber() const { return minNumber; }
  double getMaxNumber() const { return maxNumber; }

  /// The number of a stored code.
  float getNumber(uint8_t stored) const { return numbers[stored]; }
  /// The stored code (pack::packCodes) of the finite number that is nearest to
  /// `value`, of two the one with the even code; of two entries of a codebook the
  /// lower. For integers `round` does many.
  uint8_t getNearest(float value) const;
  /// The same of a float format, from the place of the value's size among the numbers
  /// and its sign: what getNearest() does, for callers that find places together.
  uint8_t getStored(uint32_t place, bool isNegative) const {
    uint32_t sign = 1u << (format.bits - 1);
    if (format.isFixedPoint())
      return uint8_t(isNegative ? sign - place : sign + place);
    return uint8_t(isNegative && place > 0 ? sign | place : place);
  }
  /// What lies between neighbouring non-negative floats; empty for other formats.
  llvm::ArrayRef<float> getBetweenSizes() const { return betweenSizes; }

private:
  void addIntegers(bool isTernary);
  void addOdd();
  void addFloats();
  void addEntries(llvm::ArrayRef<float> codebook);

  format::Format format;
  int least = 0, most = 0;
  double minNumber = 0, maxNumber = 0;
  std::vector<float> numbers;         ///< of stored codes
  std::vector<float> betweenSizes;    ///< of neighbouring non-negative floats
  std::vector<double> betweenEntries; ///< of a codebook in ascending order
  std::vector<uint8_t> order;         ///< its indices in that order
};

} // namespace tilewright::quantize

#endif
