//===- WeightRule.cpp - From codes to weights -------------------------------===//
//
// See WeightRule.h.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Format/WeightRule.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tilewright::format {

static constexpr StringRef zeroNames[] = {"none", "integer", "float", "offset"};
static constexpr StringRef scaleNames[] = {"f16", "bf16", "f32", "e8m0", "e4m3", "ue5m3"};

ArrayRef<StringRef> getScaleNames() { return scaleNames; }
ArrayRef<StringRef> getFloatZeroNames() { return getScaleNames().take_front(3); }

StringRef getName(Zero zero) { return zeroNames[unsigned(zero)]; }

bool canHave(const Format &code, Zero zero) {
  if (code.isNested() && !code.isStack())
    return zero == Zero::None || zero == Zero::Offset;
  return zero == Zero::None || code.isInteger();
}

Expected<Zero> parseZero(StringRef name) {
  for (auto [i, known] : enumerate(zeroNames))
    if (name == known)
      return Zero(i);
  return text::makeUnknownNameError("kind of zero points", name, zeroNames);
}

Error Granularity::verify() const {
  constexpr int64_t rowUnit = 16, columnUnit = 8;
  bool isTensor = rows == 0 && columns == 0;
  if (rows < 0 || rows % rowUnit != 0)
    return text::makeError("expects group to have a multiple of 16 rows of K, but got " +
                           Twine(rows) + "; the nearest is " +
                           Twine(std::max<int64_t>(rowUnit, (rows + 8) / rowUnit * rowUnit)));
  if (!isTensor && columns != 1 && (columns < 1 || columns % columnUnit != 0 || rows == 0))
    return text::makeError(
        "expects group to have 1 column or a multiple of 8 beside its rows, but got " +
        Twine(columns) + "; the nearest is " +
        Twine(std::max<int64_t>(columnUnit, (columns + 4) / columnUnit * columnUnit)));
  return Error::success();
}

Expected<Granularity> Granularity::parse(StringRef text) {
  if (text == "channel")
    return Granularity{0, 1};
  if (text == "tensor")
    return Granularity{0, 0};
  Granularity granularity;
  auto [rows, columns] = text.split('x');
  bool isOneNumber = !text.contains('x');
  if (rows.getAsInteger(10, granularity.rows) || granularity.rows == 0 ||
      (!isOneNumber && (columns.getAsInteger(10, granularity.columns) || granularity.columns == 0)))
    return text::makeError("expects group to be a positive number of rows, rows x columns "
                           "('128x128'), 'channel' or 'tensor', but got '" +
                           text + "'");
  if (Error error = granularity.verify())
    return std::move(error);
  return granularity;
}

std::string Granularity::str() const {
  if (rows == 0)
    return columns == 0 ? "tensor" : "channel";
  std::string text = std::to_string(rows);
  return isPerColumn() ? text : text + "x" + std::to_string(columns);
}

int64_t Granularity::getGroups(int64_t k) const {
  return rows == 0 ? std::min<int64_t>(k, 1) : divideCeil(uint64_t(k), uint64_t(rows));
}

int64_t Granularity::getColumnGroups(int64_t n) const {
  return columns == 0 ? std::min<int64_t>(n, 1) : divideCeil(uint64_t(n), uint64_t(columns));
}

} // namespace tilewright::format
