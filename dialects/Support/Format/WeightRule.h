//===- WeightRule.h - From codes to weights ---------------------*- C++ -*-===//
//
// What a code q of a quantised matrix is worth, and which weights share the
// numbers that say so:
//
//   zero      weight                 zero points
//   none      q * s
//   integer   (q - z) * s            codes of the weights' format
//   float     (q - z) * s            floating-point numbers
//   offset    q * s + z              floating-point numbers
//
// "float" and "offset" describe the same weights in exact arithmetic, but a
// stored z is rounded, and so they are two rules; both are in use.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_FORMAT_WEIGHTRULE_H
#define TILEWRIGHT_DIALECTS_SUPPORT_FORMAT_WEIGHTRULE_H

#include "dialects/Support/Format/Format.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>

namespace tilewright::format {

/// How zero points enter a weight; see above.
enum class Zero { None, Integer, Float, Offset };

/// Whether weights of `code` can have such zero points: integers have any, nested
/// codes an offset, which is the same whatever their width, others none.
bool canHave(const Format &code, Zero zero);

/// Whether zero points are floating-point numbers.
inline bool isFloat(Zero zero) { return zero == Zero::Float || zero == Zero::Offset; }

/// "none", "integer", "float", "offset".
llvm::Expected<Zero> parseZero(llvm::StringRef name);
llvm::StringRef getName(Zero zero);

/// Names of the formats that scales can have, and zero points of the kinds
/// Float and Offset.
llvm::ArrayRef<llvm::StringRef> getScaleNames();
llvm::ArrayRef<llvm::StringRef> getFloatZeroNames();

/// The weights that share a scale and a zero point: `rows` consecutive ones
/// along K in each of `columns` neighbouring columns. 0 is all of them. The
/// last of either may be short.
struct Granularity {
  int64_t rows = 0;
  int64_t columns = 1;
  bool operator==(const Granularity &) const = default;

  /// "128": rows of one column; "channel": one column; "128x64": rows x
  /// columns; "tensor": all weights. The error names what is supported.
  static llvm::Expected<Granularity> parse(llvm::StringRef text);
  /// Rows are a multiple of 16 (the depth of an mma), columns 1 or a multiple
  /// of 8 (its width); all columns only together with all rows.
  llvm::Error verify() const;
  std::string str() const;

  bool isPerColumn() const { return columns == 1; }
  /// Groups that follow each other along K = `k` rows.
  int64_t getGroups(int64_t k) const;
  /// Groups side by side in N = `n` columns.
  int64_t getColumnGroups(int64_t n) const;
};

/// So that attributes of the compiler can hold one.
inline llvm::hash_code hash_value(const Granularity &granularity) {
  return llvm::hash_combine(granularity.rows, granularity.columns);
}

} // namespace tilewright::format

#endif
