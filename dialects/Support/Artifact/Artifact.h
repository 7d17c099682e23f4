//===- Artifact.h - What compilation yields ---------------------------------===//
//
// PTX, an optional cubin, and metadata that says how to launch it, readable
// without MLIR. The compiler writes it; the launcher, the caches and bundles
// read it. JSON is its only external form.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_ARTIFACT_ARTIFACT_H
#define TILEWRIGHT_DIALECTS_SUPPORT_ARTIFACT_ARTIFACT_H

#include "dialects/Support/Problem/Problem.h"
#include "dialects/Support/Schedule/Schedule.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tilewright::artifact {

/// An integer expression over named values (dimensions, "sm_count"):
///   expr := sum; + - * / (floor) %; parentheses; decimal literals; names;
///   ceildiv(a, b), min(a, b), max(a, b)
/// Evaluation is in 64 bits; overflow and division by zero are errors.
class Expression {
public:
  Expression() : Expression(1) {}
  Expression(int64_t constant);
  static llvm::Expected<Expression> parse(llvm::StringRef text);
  llvm::Expected<int64_t> evaluate(const llvm::StringMap<int64_t> &values) const;
  /// The text it was parsed from.
  const std::string &str() const { return text; }
  bool operator==(const Expression &other) const { return text == other.text; }

private:
  std::string text;
};

/// One kernel parameter, in order. The launcher packs each at its natural
/// alignment.
struct Parameter {
  enum class Kind {
    Pointer,   ///< 8 bytes, address of operand `name`
    Dimension, ///< i32 or i64, extent called `name`
    Stride,    ///< i32 or i64, stride `axis` of operand `name`, in elements
    Scalar,    ///< `dtype`, passed by the caller under `name`
    Workspace, ///< 8 bytes, address of workspace `name`
    TensorMap, ///< 128 bytes, encoded by the device from `recipe` (Hopper on)
  };
  Kind kind = Kind::Pointer;
  std::string name;
  std::string dtype;       ///< of the elements pointed to, or of the scalar
  unsigned axis = 0;       ///< Stride only
  unsigned bytes = 8;      ///< size in the argument block
  unsigned alignment = 1;  ///< Pointer: required base alignment in bytes
  bool written = false;    ///< Pointer: the kernel stores to it
  std::optional<llvm::json::Value> recipe; ///< TensorMap only
};

/// Scratch memory the launcher provides.
struct Workspace {
  std::string name;
  Expression bytes;           ///< over the dimensions
  bool zeroed = false;        ///< must hold zeros before the first launch
  bool resetByKernel = false; ///< the kernel leaves it zeroed again
};

struct Metadata {
  static constexpr int schema = 1;

  std::string kernel; ///< entry name in the PTX
  std::string target; ///< "sm_80"
  problem::Problem problem;
  schedule::Schedule schedule;
  std::vector<Parameter> parameters;
  std::array<Expression, 3> grid;
  std::array<Expression, 3> cluster;
  std::array<uint32_t, 3> block = {1, 1, 1};
  uint32_t staticSharedBytes = 0;
  uint32_t dynamicSharedBytes = 0;
  std::vector<Workspace> workspaces;
  /// From ptxas, where it ran.
  std::optional<uint32_t> registers, spillBytes;
  /// "tilewright", "llvm", "ptxas", "packing": what made it.
  std::map<std::string, std::string> versions;
  /// Remarks: fallbacks taken, one sentence each.
  std::vector<std::string> remarks;

  llvm::json::Value toJSON() const;
  /// The error names the field, the value and what was expected; an unknown
  /// schema is refused.
  static llvm::Expected<Metadata> fromJSON(const llvm::json::Value &value);
};

struct Artifact {
  std::string ptx;
  std::vector<uint8_t> cubin; ///< may be empty
  Metadata metadata;
};

} // namespace tilewright::artifact

#endif
