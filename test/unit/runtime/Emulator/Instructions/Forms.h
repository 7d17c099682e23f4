//===- Forms.h - Every form of an instruction against a model ----------------===//
//
// The forms are those of tools/docs/instructions/*.forms, from which the table in
// docs/emulator/instructions.md is made. A test names sections and a model; each
// form that the model knows is executed by 256 threads on edge values and
// random ones, and compared.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_INSTRUCTIONS_FORMS_H
#define TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_INSTRUCTIONS_FORMS_H

#include "Snippet.h"
#include <functional>
#include <random>

namespace tilewright::emulator {

/// One statement, taken apart. Operands are written %r3, immediates as numbers.
struct Statement {
  std::string text, opcode;
  std::vector<std::string> modifiers, operands;

  bool has(llvm::StringRef modifier) const { return llvm::is_contained(modifiers, modifier); }
  /// The n-th modifier that names a type; empty if there are fewer.
  std::string type(unsigned n = 0) const;
};

/// What an instruction computes. `in` has a value for each register that it
/// reads, in order, and `carry` is the carry flag; the model fills `out` with a
/// value for each register that it writes (one or two). False: no such model.
struct Values {
  std::vector<uint64_t> in;
  uint64_t out[2] = {0, 0};
  bool carry = false;
};
using FormModel = std::function<bool(const Statement &, Values &)>;
/// Whether `got` is a correct answer where the model says `expected`.
using FormJudge = std::function<bool(const Statement &, uint64_t got, uint64_t expected)>;

/// The statements of a section of a .forms file.
std::vector<Statement> readForms(llvm::StringRef file, llvm::StringRef section);

/// Runs all forms of a section that `model` knows; returns how many. The inputs
/// are `edges` and random bits.
unsigned checkForms(llvm::StringRef file, llvm::StringRef section, const FormModel &model,
                    llvm::ArrayRef<uint64_t> edges, const FormJudge &judge = {});

} // namespace tilewright::emulator

#endif
