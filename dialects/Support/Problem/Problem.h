//===- Problem.h - What is to be computed, as a specialisation key ---------===//
//
// A problem says everything that code may be specialised on and nothing else:
// the op, the dtypes, for each dimension whether it is static, dynamic or a
// multiple of n, each operand's strides and base alignment, and the width of
// index arithmetic. It is an attribute on the `nn` op (#nn.problem), its
// canonical text is what the kernel caches hash, and the launcher builds it
// from the arguments of a call.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_PROBLEM_PROBLEM_H
#define TILEWRIGHT_DIALECTS_SUPPORT_PROBLEM_PROBLEM_H

#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tilewright::problem {

/// A named extent: static (`extent` set), or dynamic and known to be a
/// multiple of `divisor`.
struct Dimension {
  std::string name;
  std::optional<int64_t> extent;
  int64_t divisor = 1;
  bool operator==(const Dimension &) const = default;
};

/// A tensor argument. Strides are in elements; an unset stride is dynamic. An
/// operand in a storage layout of its own (packed weights) has no strides.
struct Operand {
  std::string name;
  std::string dtype;                   ///< a format name, "f16"
  std::vector<std::string> dimensions; ///< names of its extents, outermost first
  std::vector<std::optional<int64_t>> strides;
  unsigned alignment = 16; ///< of the base address, 1..16 bytes
  bool operator==(const Operand &) const = default;
};

struct Problem {
  std::string op; ///< "quant_matmul"; empty for a program written by hand
  std::vector<Dimension> dimensions;
  std::vector<Operand> operands; ///< inputs, then outputs
  /// Everything else the op's semantics depend on, by name: "format" = "u4",
  /// "group" = "128", "scale" = "f16", "zero" = "none", "activation" = "gelu".
  std::map<std::string, std::string> attributes;
  unsigned indexWidth = 32; ///< 32 or 64

  bool operator==(const Problem &) const = default;

  const Dimension *findDimension(llvm::StringRef name) const;
  const Operand *findOperand(llvm::StringRef name) const;
  llvm::StringRef getAttribute(llvm::StringRef name, llvm::StringRef fallback = "") const;

  /// Canonical text on one line, the same for equal problems and different for
  /// different ones, e.g.
  ///   quant_matmul(M=?%8, N=1024, K=1024; x:f16[M,K]{?,1}@16, ...;
  ///                format=u4, group=128; i32)
  /// `?` is dynamic, `%8` a divisor other than 1, `@16` the alignment; names
  /// and values with other characters than [A-Za-z0-9_.-] are quoted.
  std::string str() const;
  /// BLAKE3 of the canonical text, 64 lower-case hexadecimal digits.
  std::string getHash() const;

  /// Text that is not UTF-8 cannot be JSON: its bad bytes become U+FFFD.
  llvm::json::Value toJSON() const;
  /// The error names the field, the value and what was expected. Fields are
  /// those of toJSON(); only `divisor` (1) and `strides` (none) may be left out.
  static llvm::Expected<Problem> fromJSON(const llvm::json::Value &value,
                                          const llvm::Twine &path = "problem");
};

} // namespace tilewright::problem

#endif
