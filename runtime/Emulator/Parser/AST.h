//===- AST.h - A PTX module as parsed ---------------------------------------===//
//
// What Parser.h returns and the decoder (Execution/Decoder.h) reads. Names are
// resolved: an operand holds the index of its register, variable or label, so
// scopes are gone. Opcodes and modifiers are still words; what they mean, and
// whether they exist, is the decoder's business.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_PARSER_AST_H
#define TILEWRIGHT_RUNTIME_EMULATOR_PARSER_AST_H

#include "runtime/Emulator/Parser/Lexer.h"
#include "runtime/Emulator/Parser/Types.h"
#include <array>
#include <compare>
#include <map>
#include <string>
#include <vector>

namespace tilewright::parser {

/// A place in the source that the PTX was compiled from.
struct SourcePlace {
  uint32_t file = 0, line = 0, column = 0;
  auto operator<=>(const SourcePlace &) const = default;
};

/// What a .loc says of the instructions after it.
struct SourceLine : SourcePlace {
  SourcePlace inlinedAt; ///< the function of that line; line 0: it was not
};

/// The places that the function of a place was inlined at. Where there are several,
/// PTX does not tell which of them an instruction is from.
using SourceCallers = std::map<SourcePlace, std::vector<SourcePlace>>;

/// The address of a symbol stored in a variable's initial bytes.
struct Relocation {
  uint64_t offset = 0;
  unsigned bytes = 8;
  std::string symbol;
  int64_t addend = 0;
  Location location;
};

struct Variable {
  std::string name;
  Location location;
  Space space = Space::Global;
  ScalarType type = ScalarType::B8;
  uint64_t bytes = 0; ///< 0 for `name[]`
  uint32_t alignment = 1;
  bool isExtern = false;
  bool isUnsized = false;       ///< `name[]`
  uint32_t registerIndex = 0;   ///< of a .reg parameter
  std::vector<uint8_t> initial; ///< shorter than `bytes`: the rest is zero
  std::vector<Relocation> relocations;
};

struct Register {
  std::string name;
  ScalarType type;
};

struct Operand {
  enum class Kind : uint8_t {
    Register,  ///< index into Function::registers
    Special,   ///< name: "%tid.x"
    Integer,   ///< value
    Float32,   ///< value: bits
    Float64,   ///< value: bits
    Parameter, ///< index into Function::parameters; of a result, after them
    Local,     ///< index into Function::variables (any space)
    Global,    ///< index into Module::variables
    Function,  ///< name
    Label,     ///< index into Function::labels
    Targets,   ///< index into Function::branchTargets
    Prototype, ///< index into Function::prototypes
    Vector,    ///< {parts}
    Address,   ///< [parts[0] + value, parts[1], ...]
    List,      ///< (parts) of a call
    Pair,      ///< parts[0] | parts[1]
    Sink,      ///< _
  };
  Kind kind = Kind::Sink;
  bool isNegated = false; ///< !p
  bool isMinus = false;   ///< -r, of vmad
  uint32_t index = 0;
  uint64_t value = 0;   ///< of a variable: bytes after its start
  std::string name;     ///< as written, for messages
  std::string selector; ///< "b0", "h10": parts of a video instruction's operand
  Location location;
  std::vector<Operand> parts;
};

struct Modifier {
  std::string name; ///< without the dot
  Location location;
};

struct Instruction {
  Location location;
  std::string opcode;
  std::vector<Modifier> modifiers;
  std::vector<Operand> operands;
  bool hasGuard = false, guardNegated = false;
  uint32_t guard = 0; ///< register index
  SourceLine source;
};

struct Label {
  std::string name;
  uint32_t instruction = 0; ///< may be the size of the body
};

/// .maxntid and kin (PTX ISA, "Performance-Tuning Directives"); 0 = not given.
struct PerformanceDirectives {
  std::array<uint32_t, 3> maxThreads{}, requiredThreads{}, requiredCluster{};
  uint32_t minBlocksPerSM = 0, maxRegisters = 0;
};

/// What an indirect call may reach: functions of one form (.callprototype), or
/// those of a list (.calltargets).
struct Prototype {
  std::vector<Variable> parameters, results;
  bool isList = false;
  std::vector<std::string> targets;
};

struct Function {
  std::string name;
  Location location;
  bool isEntry = false, hasBody = false;
  std::vector<Variable> parameters, results;
  PerformanceDirectives directives;
  std::vector<Register> registers;
  std::vector<Variable> variables;
  std::vector<Label> labels;
  std::vector<std::vector<uint32_t>> branchTargets; ///< label indices
  std::vector<Prototype> prototypes;
  std::vector<Instruction> body;
  SourceCallers callers;
};

struct Module {
  unsigned versionMajor = 0, versionMinor = 0;
  std::string target;
  unsigned addressSize = 64;
  std::vector<std::string> files; ///< by .file number; empty where none
  std::vector<Variable> variables;
  std::vector<Function> functions;

  const Function *findFunction(llvm::StringRef name) const {
    const Function *declaration = nullptr;
    for (const Function &function : functions)
      if (function.name == name) {
        if (function.hasBody)
          return &function;
        declaration = &function;
      }
    return declaration;
  }
};

} // namespace tilewright::parser

#endif
