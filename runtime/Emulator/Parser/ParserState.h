//===- ParserState.h - The parser's state, shared by its source files ------===//
//
// Internal to this folder. Methods return true on failure, after recording the
// first error; the caller unwinds. Loops, not recursion, follow the input.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_PARSER_PARSERSTATE_H
#define TILEWRIGHT_RUNTIME_EMULATOR_PARSER_PARSERSTATE_H

#include "runtime/Emulator/Parser/Parser.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"

namespace tilewright::parser {

/// What no text may exceed, so that reading it takes bounded memory and time.
constexpr size_t kMaxTextBytes = size_t(1) << 25;
constexpr size_t kMaxScopes = 64;
constexpr size_t kMaxModifiers = 64;  ///< of one instruction
constexpr size_t kMaxElements = 1024; ///< of one vector or list
constexpr size_t kMaxInstructions = size_t(1) << 22;
constexpr size_t kMaxOperands = size_t(1) << 23; ///< elements of vectors and lists included

/// `.reg .b32 %r<100>`: registers made when first named.
struct RegisterFamily {
  RegisterFamily(ScalarType type, uint64_t count) : type(type), count(count) {}
  ScalarType type;
  uint64_t count;
  llvm::DenseMap<uint64_t, uint32_t> indices;
};

/// What one pair of braces declares.
struct Scope {
  llvm::StringMap<Operand> symbols; ///< operand to use for the name
  llvm::StringMap<RegisterFamily> families;
  llvm::StringMap<uint32_t> labels; ///< defined here or still unknown
};

class ParserState {
public:
  explicit ParserState(llvm::StringRef text) : lexer(text) { advance(); }
  llvm::Expected<Module> run();

private:
  // Tokens.
  void advance() { token = lexer.next(); }
  bool fail(Location location, const llvm::Twine &message);
  bool failHere(const llvm::Twine &expected);
  bool expect(char c);
  /// Counts operands of the module.
  bool countOperands(size_t more, Location location);
  bool accept(char c);
  bool acceptDirective(llvm::StringRef name);
  bool parseName(std::string &name, const llvm::Twine &what);
  bool parseUnsigned(uint64_t &value, uint64_t limit, const llvm::Twine &what);
  /// A constant with its signs: sets kind and value of an operand.
  bool parseConstant(Operand &operand);
  bool skipSection();

  // Module level (Parser.cpp).
  bool parseModule();
  bool parseModuleItem();
  bool parseHeader();
  bool parseFile();
  bool parseFunction(bool isEntry);
  bool parseDirectives(Function &function);
  bool parseTriple(std::array<uint32_t, 3> &values);
  bool parseParameters(std::vector<Variable> &list);

  // Declarations (ParseDeclaration.cpp). The token is after the space's word.
  struct VariableHead {
    uint32_t alignment = 0, vectorWidth = 1;
    ScalarType type = ScalarType::B8;
  };
  bool parseVariableHead(VariableHead &head);
  bool parseVariable(const VariableHead &head, Space space, Variable &variable);
  bool parseVariables(Space space, bool isExtern, std::vector<Variable> &list,
                      std::vector<Variable> &parsed);
  bool parseInitialiser(Variable &variable, llvm::ArrayRef<uint64_t> dimensions);
  bool parseInitialValue(Variable &variable, uint64_t offset, unsigned bytes);
  bool parseRegisters();

  // Bodies (ParseFunction.cpp).
  bool parseBody();
  bool parseStatement();
  bool parsePlace(SourcePlace &place);
  bool parseLoc();
  bool parseLabelled(const Token &name);
  bool parseBranchTargets(const Token &name);
  bool parsePrototype(const Token &name);
  bool parseCallTargets(const Token &name);
  bool parseInstruction();
  bool parseOperand(Operand &operand);
  bool parseAddress(Operand &operand);
  bool parseNamed(Operand &operand);
  bool parseGroup(Operand &operand, char close);
  bool resolve(llvm::StringRef name, Location location, Operand &operand);
  bool findRegister(Scope &scope, llvm::StringRef name, Operand &operand);
  uint32_t addRegister(std::string name, ScalarType type);
  uint32_t referLabel(llvm::StringRef name, Location location);
  bool defineLabel(llvm::StringRef name, Location location);
  bool declare(llvm::StringRef name, Location location, Operand operand);
  bool closeScope();
  bool finishLabels();

  Lexer lexer;
  Token token;
  Module module;
  bool failed = false;
  Location errorLocation;
  std::string errorMessage;

  // Of the function being parsed.
  Function *function = nullptr;
  std::vector<Scope> scopes;
  SourceLine source;
  std::vector<uint32_t> labelAliases;
  std::vector<Location> labelLocations;
  llvm::StringMap<uint32_t> globals;   ///< name to index in module.variables
  llvm::StringMap<bool> functionNames; ///< true: has a body
  size_t numOperands = 0, numInstructions = 0;
};

} // namespace tilewright::parser

#endif
