//===- ParseFunction.cpp - Bodies: statements, operands, scopes -------------===//
//
// Names are resolved while reading. Registers and variables must be declared
// before use; a label may follow its use, so a use makes a label without a
// place, which closeScope() hands outward until a definition is found.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Parser/ParserState.h"
#include "llvm/ADT/StringExtras.h"

using namespace tilewright::parser;

static constexpr uint32_t kNoPlace = UINT32_MAX;
/// Digits of the largest number of a register family.
static constexpr size_t kMaxFamilyDigits = 8;

//===----------------------------------------------------------------------===//
// Scopes and names
//===----------------------------------------------------------------------===//

uint32_t ParserState::addRegister(std::string name, ScalarType type) {
  function->registers.push_back({std::move(name), type});
  return function->registers.size() - 1;
}

bool ParserState::declare(llvm::StringRef name, Location location, Operand operand) {
  operand.name = name.str();
  if (!scopes.back().symbols.try_emplace(name, std::move(operand)).second)
    return fail(location, "'" + name + "' is already declared");
  return false;
}

bool ParserState::findRegister(Scope &scope, llvm::StringRef name, Operand &operand) {
  llvm::StringRef stem = name.rtrim("0123456789");
  // "%r<10>" declares %r0 ... %r9; a stem may itself end in digits ("%r1<4>").
  size_t shortest = name.size() - std::min(name.size(), kMaxFamilyDigits);
  for (size_t length = std::max(stem.size(), shortest); length < name.size(); ++length) {
    auto family = scope.families.find(name.take_front(length));
    if (family == scope.families.end())
      continue;
    llvm::StringRef digits = name.drop_front(length);
    uint64_t number = 0;
    if ((digits.size() > 1 && digits[0] == '0') || digits.getAsInteger(10, number) ||
        number >= family->second.count)
      continue;
    auto [it, isNew] = family->second.indices.try_emplace(number, 0);
    if (isNew)
      it->second = addRegister(name.str(), family->second.type);
    operand.kind = Operand::Kind::Register;
    operand.index = it->second;
    operand.name = name.str();
    return true;
  }
  return false;
}

bool ParserState::resolve(llvm::StringRef name, Location location, Operand &operand) {
  bool isNegated = operand.isNegated;
  for (size_t i = scopes.size(); i-- > 0;) {
    auto symbol = scopes[i].symbols.find(name);
    if (symbol != scopes[i].symbols.end())
      operand = symbol->second;
    else if (!findRegister(scopes[i], name, operand))
      continue;
    operand.location = location;
    operand.isNegated = isNegated;
    return false;
  }
  operand.name = name.str();
  operand.location = location;
  if (name[0] == '%') {
    operand.kind = Operand::Kind::Special;
    return false;
  }
  if (auto it = globals.find(name); it != globals.end()) {
    operand.kind = Operand::Kind::Global;
    operand.index = it->second;
    return false;
  }
  if (functionNames.contains(name)) {
    operand.kind = Operand::Kind::Function;
    return false;
  }
  operand.kind = Operand::Kind::Label;
  operand.index = referLabel(name, location);
  return false;
}

uint32_t ParserState::referLabel(llvm::StringRef name, Location location) {
  auto [it, isNew] = scopes.back().labels.try_emplace(name, function->labels.size());
  if (isNew) {
    labelAliases.push_back(function->labels.size());
    labelLocations.push_back(location);
    function->labels.push_back({name.str(), kNoPlace});
  }
  return it->second;
}

bool ParserState::defineLabel(llvm::StringRef name, Location location) {
  Label &label = function->labels[referLabel(name, location)];
  if (label.instruction != kNoPlace)
    return fail(location, "label '" + name + "' is already defined");
  label.instruction = function->body.size();
  return false;
}

bool ParserState::closeScope() {
  Scope closed = std::move(scopes.back());
  scopes.pop_back();
  if (scopes.empty())
    return false;
  for (auto &entry : closed.labels) {
    if (function->labels[entry.second].instruction != kNoPlace)
      continue;
    auto [outer, isNew] = scopes.back().labels.try_emplace(entry.first(), entry.second);
    if (!isNew)
      labelAliases[entry.second] = outer->second;
  }
  return false;
}

bool ParserState::finishLabels() {
  for (uint32_t i = 0; i < labelAliases.size(); ++i) {
    uint32_t target = i;
    while (labelAliases[target] != target)
      target = labelAliases[target];
    labelAliases[i] = target;
    if (function->labels[target].instruction == kNoPlace)
      return fail(labelLocations[i], "unknown name '" + function->labels[i].name + "'");
    function->labels[i].instruction = function->labels[target].instruction;
  }
  labelAliases.clear();
  labelLocations.clear();
  return false;
}

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

bool ParserState::parseBody() {
  scopes.clear();
  scopes.emplace_back();
  source = {};
  auto declareParameters = [&](std::vector<Variable> &list, uint32_t base) {
    for (uint32_t i = 0; i < list.size(); ++i) {
      Operand operand;
      operand.kind = Operand::Kind::Parameter;
      operand.index = base + i;
      if (list[i].space == Space::Register) {
        operand.kind = Operand::Kind::Register;
        operand.index = list[i].registerIndex = addRegister(list[i].name, list[i].type);
      }
      if (declare(list[i].name, list[i].location, std::move(operand)))
        return true;
    }
    return false;
  };
  if (declareParameters(function->parameters, 0) ||
      declareParameters(function->results, function->parameters.size()) || expect('{'))
    return true;
  while (!scopes.empty()) {
    if (token.kind == TokenKind::End)
      return failHere("'}' at the end of '" + function->name + "'");
    if (accept('{')) {
      if (scopes.size() == kMaxScopes)
        return failHere("at most " + llvm::Twine(kMaxScopes) + " nested scopes");
      scopes.emplace_back();
    } else if (accept('}')) {
      if (closeScope())
        return true;
    } else if (parseStatement()) {
      return true;
    }
  }
  return finishLabels();
}

bool ParserState::parseStatement() {
  if (accept(';'))
    return false;
  if (token.kind == TokenKind::Identifier) {
    Token name = token;
    // An instruction starts with an opcode; only a label is followed by ':'.
    Lexer ahead = lexer;
    if (ahead.next().is(':')) {
      advance();
      advance();
      return parseLabelled(name);
    }
    return parseInstruction();
  }
  if (token.is('@'))
    return parseInstruction();
  if (acceptDirective("reg"))
    return parseRegisters();
  if (acceptDirective("loc"))
    return parseLoc();
  if (acceptDirective("file"))
    return parseFile();
  if (acceptDirective("pragma")) {
    if (token.kind != TokenKind::String)
      return failHere("a pragma string");
    advance();
    return expect(';');
  }
  Space space;
  if (acceptDirective("local"))
    space = Space::Local;
  else if (acceptDirective("shared"))
    space = Space::Shared;
  else if (acceptDirective("param"))
    space = Space::Param;
  else if (acceptDirective("global"))
    space = Space::Global;
  else if (acceptDirective("const"))
    space = Space::Const;
  else
    return failHere("a statement");
  std::vector<Variable> parsed;
  if (parseVariables(space, false, function->variables, parsed))
    return true;
  for (Variable &variable : parsed) {
    Operand operand;
    operand.kind = Operand::Kind::Local;
    operand.index = function->variables.size();
    if (declare(variable.name, variable.location, std::move(operand)))
      return true;
    function->variables.push_back(std::move(variable));
  }
  return false;
}

// .loc file line column [, function_name label [+ n], inlined_at file line column]
/// Three numbers: file, line, column.
bool ParserState::parsePlace(SourcePlace &place) {
  uint64_t file = 0, line = 0, column = 0;
  if (parseUnsigned(file, UINT32_MAX, "a file number") ||
      parseUnsigned(line, UINT32_MAX, "a line number") ||
      parseUnsigned(column, UINT32_MAX, "a column number"))
    return true;
  place = {static_cast<uint32_t>(file), static_cast<uint32_t>(line), static_cast<uint32_t>(column)};
  return false;
}

// PTX ISA, "Debugging Directives: .loc".
bool ParserState::parseLoc() {
  SourceLine place;
  if (parsePlace(place))
    return true;
  while (accept(',')) {
    std::string label;
    uint64_t ignored = 0;
    if (token.isIdentifier("function_name")) {
      advance();
      if (parseName(label, "a label") ||
          (accept('+') && parseUnsigned(ignored, UINT64_MAX, "an offset")))
        return true;
    } else if (token.isIdentifier("inlined_at")) {
      advance();
      if (parsePlace(place.inlinedAt))
        return true;
    } else {
      return failHere("'function_name' or 'inlined_at'");
    }
  }
  if (place.inlinedAt.line) {
    std::vector<SourcePlace> &callers = function->callers[place];
    if (!llvm::is_contained(callers, place.inlinedAt))
      callers.push_back(place.inlinedAt);
  }
  source = place;
  return false;
}

bool ParserState::parseLabelled(const Token &name) {
  if (acceptDirective("branchtargets"))
    return parseBranchTargets(name);
  if (acceptDirective("callprototype"))
    return parsePrototype(name);
  if (acceptDirective("calltargets"))
    return parseCallTargets(name);
  return defineLabel(name.text, name.location);
}

bool ParserState::parseBranchTargets(const Token &name) {
  std::vector<uint32_t> targets;
  do {
    Location location = token.location;
    std::string label;
    if (parseName(label, "a label"))
      return true;
    targets.push_back(referLabel(label, location));
  } while (accept(','));
  Operand operand;
  operand.kind = Operand::Kind::Targets;
  operand.index = function->branchTargets.size();
  function->branchTargets.push_back(std::move(targets));
  return declare(name.text, name.location, std::move(operand)) || expect(';');
}

// name: .callprototype (results) _ (parameters) .noreturn .abi_preserve n;
bool ParserState::parsePrototype(const Token &name) {
  Prototype prototype;
  Function directives;
  if (parseParameters(prototype.results))
    return true;
  if (!token.isIdentifier("_"))
    return failHere("'_' in place of the function's name");
  advance();
  if (parseParameters(prototype.parameters) || parseDirectives(directives))
    return true;
  Operand operand;
  operand.kind = Operand::Kind::Prototype;
  operand.index = function->prototypes.size();
  function->prototypes.push_back(std::move(prototype));
  return declare(name.text, name.location, std::move(operand)) || expect(';');
}

bool ParserState::parseCallTargets(const Token &name) {
  Prototype prototype;
  prototype.isList = true;
  do {
    Location location = token.location;
    if (parseName(prototype.targets.emplace_back(), "a function name"))
      return true;
    if (!functionNames.contains(prototype.targets.back()))
      return fail(location, "'" + prototype.targets.back() + "' is no function");
  } while (accept(','));
  Operand operand;
  operand.kind = Operand::Kind::Prototype;
  operand.index = function->prototypes.size();
  function->prototypes.push_back(std::move(prototype));
  return declare(name.text, name.location, std::move(operand)) || expect(';');
}

bool ParserState::parseInstruction() {
  Instruction instruction;
  instruction.source = source;
  if (accept('@')) {
    instruction.hasGuard = true;
    instruction.guardNegated = accept('!');
    Operand guard;
    Location location = token.location;
    std::string name;
    if (parseName(name, "a predicate") || resolve(name, location, guard))
      return true;
    if (guard.kind != Operand::Kind::Register ||
        function->registers[guard.index].type != ScalarType::Pred)
      return fail(location, "expects a predicate, but got '" + name + "'");
    instruction.guard = guard.index;
  }
  instruction.location = token.location;
  if (parseName(instruction.opcode, "an instruction"))
    return true;
  while (token.kind == TokenKind::Directive) {
    if (instruction.modifiers.size() == kMaxModifiers)
      return failHere("at most " + llvm::Twine(kMaxModifiers) + " modifiers");
    instruction.modifiers.push_back({token.text.str(), token.location});
    advance();
  }
  while (!token.is(';')) {
    if (!instruction.operands.empty() && expect(','))
      return true;
    Operand &operand = instruction.operands.emplace_back();
    if (parseOperand(operand) || countOperands(1 + operand.parts.size(), operand.location))
      return true;
  }
  advance();
  if (++numInstructions > kMaxInstructions)
    return fail(instruction.location,
                "more than " + llvm::Twine(kMaxInstructions) + " instructions in the module");
  function->body.push_back(std::move(instruction));
  return false;
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

/// Bytes or halves of a register that a video instruction takes: "b0", "h10".
static bool isSelector(llvm::StringRef text) {
  return text.size() > 1 && text.size() <= 5 && (text[0] == 'b' || text[0] == 'h') &&
         llvm::all_of(text.drop_front(), llvm::isDigit);
}

bool ParserState::parseOperand(Operand &operand) {
  operand.location = token.location;
  if (accept('['))
    return parseAddress(operand);
  if (accept('{')) {
    operand.kind = Operand::Kind::Vector;
    return parseGroup(operand, '}');
  }
  if (accept('(')) {
    operand.kind = Operand::Kind::List;
    return parseGroup(operand, ')');
  }
  bool isMinus = token.is('-') && Lexer(lexer).next().kind == TokenKind::Identifier &&
                 !Lexer(lexer).next().isIdentifier("WARP_SZ");
  if (isMinus)
    advance();
  bool isNumber = token.kind == TokenKind::Integer || token.kind == TokenKind::Float32 ||
                  token.kind == TokenKind::Float64 || token.is('-') || token.is('+') ||
                  token.is('~');
  if (isNumber)
    return parseConstant(operand);
  if (token.kind != TokenKind::Identifier && !token.is('!'))
    return failHere("an operand");
  if (parseNamed(operand))
    return true;
  operand.isMinus = isMinus;
  if (token.kind == TokenKind::Directive && isSelector(token.text)) {
    operand.selector = token.text.str();
    advance();
  }
  bool isVariable = operand.kind == Operand::Kind::Global || operand.kind == Operand::Kind::Local ||
                    operand.kind == Operand::Kind::Parameter;
  if (isVariable && (token.is('+') || token.is('-'))) {
    Operand offset;
    if (parseConstant(offset))
      return true;
    if (offset.kind != Operand::Kind::Integer)
      return fail(offset.location, "expects an integer offset");
    operand.value = offset.value;
    return false;
  }
  if (!accept('|'))
    return false;
  Operand second, pair;
  if (parseNamed(second))
    return true;
  pair.kind = Operand::Kind::Pair;
  pair.location = operand.location;
  pair.parts.push_back(std::move(operand));
  pair.parts.push_back(std::move(second));
  operand = std::move(pair);
  return false;
}

bool ParserState::parseNamed(Operand &operand) {
  operand.location = token.location;
  operand.isNegated = accept('!');
  if (token.kind != TokenKind::Identifier)
    return failHere("an operand");
  std::string name = token.text.str();
  Location location = token.location;
  if (name == "WARP_SZ")
    return parseConstant(operand);
  advance();
  if (name == "_") {
    operand.kind = Operand::Kind::Sink;
    operand.name = name;
    return false;
  }
  // "%tid.x", "v.x": the component is part of the name.
  if (token.kind == TokenKind::Directive && token.text.size() == 1) {
    size_t component = llvm::StringRef("xyzwrgba").find(token.text[0]);
    if (component == llvm::StringRef::npos)
      return failHere("a component");
    name += '.';
    name += "xyzw"[component % 4];
    advance();
  }
  return resolve(name, location, operand);
}

// Elements of a vector or of a call's list: no nesting, so no recursion.
bool ParserState::parseGroup(Operand &operand, char close) {
  while (!accept(close)) {
    if (!operand.parts.empty() && expect(','))
      return true;
    if (operand.parts.size() == kMaxElements)
      return failHere("at most " + llvm::Twine(kMaxElements) + " elements");
    Operand part;
    part.location = token.location;
    bool isName = token.kind == TokenKind::Identifier || token.is('!');
    if (isName ? parseNamed(part) : parseConstant(part))
      return true;
    if (part.kind == Operand::Kind::Vector)
      return fail(part.location, "a vector inside a list");
    operand.parts.push_back(std::move(part));
  }
  return false;
}

// [base], [base + n], [base - n], [base, {coordinates}], [base, scalar]
bool ParserState::parseAddress(Operand &operand) {
  operand.kind = Operand::Kind::Address;
  Operand base;
  if (token.kind == TokenKind::Identifier ? parseNamed(base) : parseConstant(base))
    return true;
  if (base.kind == Operand::Kind::Vector)
    return fail(base.location, "a vector as address");
  if (token.is('+') || token.is('-')) {
    Operand offset;
    // parseConstant takes the sign, in "[%r1+-8]" both.
    if (parseConstant(offset))
      return true;
    if (offset.kind != Operand::Kind::Integer)
      return fail(offset.location, "expects an integer offset");
    operand.value = offset.value;
  }
  operand.parts.push_back(std::move(base));
  while (accept(',')) {
    if (operand.parts.size() == kMaxElements)
      return failHere("at most " + llvm::Twine(kMaxElements) + " elements");
    Operand extra;
    extra.location = token.location;
    if (accept('{')) {
      extra.kind = Operand::Kind::Vector;
      if (parseGroup(extra, '}'))
        return true;
    } else if (token.kind == TokenKind::Identifier ? parseNamed(extra) : parseConstant(extra)) {
      return true;
    }
    operand.parts.push_back(std::move(extra));
  }
  return expect(']');
}
