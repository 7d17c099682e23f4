//===- Parser.cpp - The module level of PTX ---------------------------------===//
//
// Directives outside function bodies (PTX ISA, "Directives") and the helpers
// on tokens that all files of the parser use.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Parser/Parser.h"
#include "runtime/Emulator/Parser/ParserState.h"

using namespace tilewright::parser;

llvm::Error tilewright::parser::makeError(Location location, const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 "ptx line " + llvm::Twine(location.line) + ", column " +
                                     llvm::Twine(location.column) + ": " + message);
}

llvm::Expected<Module> tilewright::parser::parse(llvm::StringRef text) {
  if (text.size() > kMaxTextBytes)
    return llvm::createStringError("the PTX text has " + llvm::Twine(text.size()) +
                                   " bytes, above the limit of " + llvm::Twine(kMaxTextBytes));
  return ParserState(text).run();
}

llvm::Expected<Module> ParserState::run() {
  if (parseModule())
    return makeError(errorLocation, errorMessage);
  return std::move(module);
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

bool ParserState::fail(Location location, const llvm::Twine &message) {
  if (!failed) {
    failed = true;
    errorLocation = location;
    errorMessage = message.str();
  }
  return true;
}

bool ParserState::failHere(const llvm::Twine &expected) {
  if (token.kind == TokenKind::Invalid)
    return fail(token.location, token.text);
  llvm::StringRef dot = token.kind == TokenKind::Directive ? "." : "";
  return fail(token.location, "expects " + expected + ", but got '" + dot + token.text + "'");
}

bool ParserState::accept(char c) {
  if (!token.is(c))
    return false;
  advance();
  return true;
}

bool ParserState::expect(char c) {
  return accept(c) ? false : failHere("'" + llvm::Twine(c) + "'");
}

bool ParserState::countOperands(size_t more, Location location) {
  numOperands += more;
  return numOperands <= kMaxOperands
             ? false
             : fail(location, "more than " + llvm::Twine(kMaxOperands) + " operands in the module");
}

bool ParserState::acceptDirective(llvm::StringRef name) {
  if (!token.isDirective(name))
    return false;
  advance();
  return true;
}

bool ParserState::parseName(std::string &name, const llvm::Twine &what) {
  if (token.kind != TokenKind::Identifier)
    return failHere(what);
  name = token.text.str();
  advance();
  return false;
}

bool ParserState::parseUnsigned(uint64_t &value, uint64_t limit, const llvm::Twine &what) {
  if (token.kind != TokenKind::Integer)
    return failHere(what);
  if (token.value > limit)
    return fail(token.location, what + " is " + llvm::Twine(token.value) + ", above the limit of " +
                                    llvm::Twine(limit));
  value = token.value;
  advance();
  return false;
}

bool ParserState::parseConstant(Operand &operand) {
  operand.location = token.location;
  bool negate = false, invert = false;
  while (token.is('-') || token.is('+') || token.is('~')) {
    if (token.is('-')) {
      negate = !negate;
      if (invert)
        return failHere("a number");
    }
    invert |= token.is('~');
    advance();
  }
  operand.value = token.value;
  if (token.kind == TokenKind::Integer || token.isIdentifier("WARP_SZ")) {
    operand.kind = Operand::Kind::Integer;
    if (token.kind == TokenKind::Identifier)
      operand.value = 32;
    operand.value = invert ? ~operand.value : operand.value;
    operand.value = negate ? -operand.value : operand.value;
  } else if (token.kind == TokenKind::Float32 && !invert) {
    operand.kind = Operand::Kind::Float32;
    operand.value ^= negate ? uint64_t(1) << 31 : 0;
  } else if (token.kind == TokenKind::Float64 && !invert) {
    operand.kind = Operand::Kind::Float64;
    operand.value ^= negate ? uint64_t(1) << 63 : 0;
  } else {
    return failHere("a number");
  }
  operand.name = token.text.str();
  advance();
  return false;
}

//===----------------------------------------------------------------------===//
// Module
//===----------------------------------------------------------------------===//

bool ParserState::parseModule() {
  if (parseHeader())
    return true;
  while (token.kind != TokenKind::End)
    if (parseModuleItem())
      return true;
  return failed;
}

bool ParserState::parseHeader() {
  if (!acceptDirective("version"))
    return failHere("'.version'");
  // The lexer reads "8.7" as one number.
  if (token.kind != TokenKind::Float64)
    return failHere("a version such as 8.0");
  auto [major, minor] = token.text.split('.');
  if (major.getAsInteger(10, module.versionMajor) || minor.getAsInteger(10, module.versionMinor))
    return failHere("a version such as 8.0");
  advance();
  if (!acceptDirective("target"))
    return failHere("'.target'");
  if (parseName(module.target, "a target such as sm_80"))
    return true;
  while (accept(',')) {
    std::string option;
    Location location = token.location;
    if (parseName(option, "a target option"))
      return true;
    if (option != "debug" && option != "texmode_independent" && option != "texmode_unified")
      return fail(location, "unknown target option '" + option + "'");
  }
  if (!acceptDirective("address_size"))
    return false;
  Location location = token.location;
  uint64_t size = 0;
  if (parseUnsigned(size, 64, "an address size"))
    return true;
  if (size != 64)
    return fail(location, "expects an address size of 64, but got " + llvm::Twine(size));
  return false;
}

bool ParserState::parseFile() {
  uint64_t index = 0, ignored = 0;
  if (parseUnsigned(index, 1 << 16, "a file number"))
    return true;
  if (token.kind != TokenKind::String)
    return failHere("a file name");
  if (module.files.size() <= index)
    module.files.resize(index + 1);
  module.files[index] = token.text.str();
  advance();
  while (accept(','))
    if (parseUnsigned(ignored, UINT64_MAX, "a file's time or size"))
      return true;
  return false;
}

// Debug sections carry no code; their braces hold data lists only.
bool ParserState::skipSection() {
  if (token.kind != TokenKind::Directive && token.kind != TokenKind::Identifier)
    return failHere("a section name");
  advance();
  if (expect('{'))
    return true;
  while (!token.is('}')) {
    if (token.kind == TokenKind::End || token.kind == TokenKind::Invalid || token.is('{'))
      return failHere("'}' at the end of the section");
    advance();
  }
  advance();
  return false;
}

bool ParserState::parseModuleItem() {
  bool isExtern = false;
  if (accept(';'))
    return false;
  while (token.isDirective("visible") || token.isDirective("extern") || token.isDirective("weak") ||
         token.isDirective("common")) {
    isExtern |= token.isDirective("extern");
    advance();
  }
  if (acceptDirective("entry"))
    return parseFunction(true);
  if (acceptDirective("func"))
    return parseFunction(false);
  if (acceptDirective("file"))
    return parseFile();
  if (acceptDirective("section"))
    return skipSection();
  if (acceptDirective("pragma")) {
    if (token.kind != TokenKind::String)
      return failHere("a pragma string");
    advance();
    return expect(';');
  }
  Space space = Space::Global;
  if (acceptDirective("shared"))
    space = Space::Shared;
  else if (acceptDirective("const"))
    space = Space::Const;
  else if (!acceptDirective("global"))
    return failHere("a module-level directive");
  std::vector<Variable> parsed;
  if (parseVariables(space, isExtern, module.variables, parsed))
    return true;
  for (Variable &variable : parsed) {
    auto [it, isNew] = globals.try_emplace(variable.name, module.variables.size());
    if (isNew)
      module.variables.push_back(std::move(variable));
    else if (module.variables[it->second].isExtern)
      module.variables[it->second] = std::move(variable);
    else if (!variable.isExtern)
      return fail(variable.location, "'" + variable.name + "' is already defined");
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

bool ParserState::parseParameters(std::vector<Variable> &list) {
  if (!accept('('))
    return false;
  while (!accept(')')) {
    if (!list.empty() && expect(','))
      return true;
    if (list.size() == kMaxElements)
      return failHere("at most " + llvm::Twine(kMaxElements) + " parameters");
    bool isRegister = token.isDirective("reg");
    if (!isRegister && !token.isDirective("param"))
      return failHere("'.param'");
    advance();
    VariableHead head;
    Variable parameter;
    if (parseVariableHead(head) ||
        parseVariable(head, isRegister ? Space::Register : Space::Param, parameter))
      return true;
    if (parameter.isUnsized)
      return fail(parameter.location, "a parameter needs a size");
    list.push_back(std::move(parameter));
  }
  return false;
}

bool ParserState::parseTriple(std::array<uint32_t, 3> &values) {
  values = {1, 1, 1};
  for (unsigned i = 0; i < 3; ++i) {
    uint64_t value = 0;
    if (parseUnsigned(value, UINT32_MAX, "a dimension"))
      return true;
    values[i] = value;
    if (!accept(','))
      break;
  }
  return false;
}

bool ParserState::parseDirectives(Function &owner) {
  PerformanceDirectives &directives = owner.directives;
  for (;;) {
    uint64_t value = 0;
    if (acceptDirective("maxntid")) {
      if (parseTriple(directives.maxThreads))
        return true;
    } else if (acceptDirective("reqntid")) {
      if (parseTriple(directives.requiredThreads))
        return true;
    } else if (acceptDirective("reqnctapercluster")) {
      if (parseTriple(directives.requiredCluster))
        return true;
    } else if (acceptDirective("minnctapersm")) {
      if (parseUnsigned(value, UINT32_MAX, "a number of blocks"))
        return true;
      directives.minBlocksPerSM = value;
    } else if (acceptDirective("maxnreg")) {
      if (parseUnsigned(value, UINT32_MAX, "a number of registers"))
        return true;
      directives.maxRegisters = value;
    } else if (acceptDirective("maxnctapersm") || acceptDirective("maxclusterrank") ||
               acceptDirective("abi_preserve") || acceptDirective("abi_preserve_control")) {
      if (parseUnsigned(value, UINT32_MAX, "a number"))
        return true;
    } else if (acceptDirective("pragma")) {
      if (token.kind != TokenKind::String)
        return failHere("a pragma string");
      advance();
      if (expect(';'))
        return true;
    } else if (!acceptDirective("noreturn") && !acceptDirective("explicitcluster") &&
               !acceptDirective("blocksareclusters")) {
      return false;
    }
  }
}

bool ParserState::parseFunction(bool isEntry) {
  Function parsed;
  parsed.isEntry = isEntry;
  if (!isEntry && parseParameters(parsed.results))
    return true;
  parsed.location = token.location;
  if (parseName(parsed.name, "a function name") || parseParameters(parsed.parameters) ||
      parseDirectives(parsed))
    return true;
  bool &isDefined = functionNames[parsed.name];
  if (accept(';')) {
    module.functions.push_back(std::move(parsed));
    return false;
  }
  if (isDefined)
    return fail(parsed.location, "'" + parsed.name + "' is already defined");
  isDefined = true;
  parsed.hasBody = true;
  function = &parsed;
  if (parseBody())
    return true;
  function = nullptr;
  module.functions.push_back(std::move(parsed));
  return false;
}
