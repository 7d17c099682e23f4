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

/// An integer expression over named values (dimensions, integer scalars, "sm_count"):
///   sum     := product (('+' | '-') product)*
///   product := unary (('*' | '/' | '%') unary)*
///   unary   := '-' unary | primary
///   primary := decimal | name | '(' sum ')' | function '(' sum ',' sum ')'
/// with the functions ceildiv, min and max. Division rounds towards minus
/// infinity and a - a/b*b == a%b. Evaluation is in 64 bits; overflow and
/// division by zero are errors. Parsed once, evaluated at each launch.
class Expression {
public:
  Expression() : Expression(1) {}
  Expression(int64_t constant);
  /// The error names the column (from 1) and what was expected there.
  static llvm::Expected<Expression> parse(llvm::StringRef text);
  llvm::Expected<int64_t> evaluate(const llvm::StringMap<int64_t> &values) const;
  /// The text it was parsed from.
  const std::string &str() const { return text; }
  bool operator==(const Expression &other) const { return text == other.text; }

private:
  friend class ExpressionParser;
  enum class Op {
    Constant,
    Name,
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    CeilDiv,
    Min,
    Max
  };
  /// One step of the postfix program: push a value, or combine the top ones.
  struct Step {
    Op op;
    unsigned column; ///< of the literal, name or operator in the text
    int64_t constant = 0;
    std::string name;
  };
  llvm::Error makeError(unsigned column, const llvm::Twine &message) const;
  llvm::Expected<int64_t> combine(const Step &step, int64_t a, int64_t b) const;

  std::string text;
  std::vector<Step> steps;
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
  std::string dtype;      ///< of the elements pointed to, or of the scalar; else may be empty
  unsigned axis = 0;      ///< Stride only
  unsigned bytes = 8;     ///< size in the argument block
  unsigned alignment = 1; ///< Pointer: required base alignment in bytes
  bool written = false;   ///< Pointer: the kernel stores to it
  bool updated = false;   ///< Pointer: written, but what it leaves keeps its values
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
  static llvm::Expected<Metadata> fromJSON(const llvm::json::Value &value,
                                           const llvm::Twine &path = "metadata");
};

struct Artifact {
  std::string ptx;
  std::vector<uint8_t> cubin; ///< may be empty
  Metadata metadata;
};

} // namespace tilewright::artifact

#endif
