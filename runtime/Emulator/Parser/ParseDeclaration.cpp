//===- ParseDeclaration.cpp - Variables, registers, initialisers -----------===//
//
// `.space .align n .v4 .type name[d0][d1] = {...}, ...;` wherever it may stand
// (PTX ISA, "Variables").
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Parser/ParserState.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace tilewright::parser;

/// Larger objects do not exist on any device; the cap keeps sizes in 64 bits
/// and a hostile text from making the host allocate.
static constexpr uint64_t kMaxVariableBytes = uint64_t(1) << 36;
static constexpr uint64_t kMaxInitialBytes = uint64_t(1) << 28;
static constexpr uint64_t kMaxRegisters = uint64_t(1) << 24;

static bool isDeclarable(ScalarType type) {
  unsigned bits = getBits(type);
  return type == ScalarType::Pred || (bits >= 8 && getClass(type) != TypeClass::Packed) ||
         type == ScalarType::F16x2 || type == ScalarType::BF16x2;
}

bool ParserState::parseVariableHead(VariableHead &head) {
  bool hasType = false;
  while (token.kind == TokenKind::Directive) {
    Location location = token.location;
    uint64_t value = 0;
    if (acceptDirective("align")) {
      if (parseUnsigned(value, 1 << 20, "an alignment"))
        return true;
      if (!llvm::isPowerOf2_64(value))
        return fail(location, "expects a power of two as alignment, but got " + llvm::Twine(value));
      head.alignment = value;
    } else if (acceptDirective("v2")) {
      head.vectorWidth = 2;
    } else if (acceptDirective("v4")) {
      head.vectorWidth = 4;
    } else if (acceptDirective("ptr")) {
      // `.ptr .space .align n`: what a pointer parameter points to.
      if (token.isDirective("global") || token.isDirective("const") || token.isDirective("local") ||
          token.isDirective("shared"))
        advance();
      if (acceptDirective("align") && parseUnsigned(value, 1 << 20, "an alignment"))
        return true;
    } else if (acceptDirective("attribute")) {
      if (expect('('))
        return true;
      if (!acceptDirective("managed"))
        return failHere("the attribute '.managed'");
      if (expect(')'))
        return true;
    } else {
      std::optional<ScalarType> type = parseScalarType(token.text);
      if (!type || !isDeclarable(*type))
        return failHere("a type");
      head.type = *type;
      hasType = true;
      advance();
    }
  }
  return hasType ? false : failHere("a type");
}

bool ParserState::parseVariable(const VariableHead &head, Space space, Variable &variable) {
  variable.location = token.location;
  variable.space = space;
  variable.type = head.type;
  if (parseName(variable.name, "a variable name"))
    return true;
  uint64_t element = llvm::divideCeil(getBits(head.type), 8) * head.vectorWidth;
  variable.alignment = head.alignment ? head.alignment : element;
  variable.bytes = element;
  llvm::SmallVector<uint64_t, 4> dimensions;
  uint64_t extent = element;
  while (accept('[')) {
    uint64_t count = 0;
    if (token.is(']')) {
      variable.isUnsized = true;
    } else if (parseUnsigned(count, kMaxVariableBytes, "an array size")) {
      return true;
    }
    if (expect(']'))
      return true;
    if (dimensions.size() == 8)
      return fail(variable.location, "an array of more than 8 dimensions");
    dimensions.push_back(count);
    // As if no dimension were zero: strides must not overflow either.
    if (count && extent > kMaxVariableBytes / count)
      return fail(variable.location, "'" + variable.name + "' is larger than " +
                                         llvm::Twine(kMaxVariableBytes) + " bytes");
    variable.bytes *= count;
    extent *= std::max<uint64_t>(count, 1);
  }
  if (!accept('='))
    return false;
  // The innermost unit is an element of the declared type.
  if (variable.isUnsized)
    return fail(variable.location, "an initialised array needs its size");
  if (head.vectorWidth > 1)
    dimensions.push_back(head.vectorWidth);
  return parseInitialiser(variable, dimensions);
}

bool ParserState::parseInitialiser(Variable &variable, llvm::ArrayRef<uint64_t> dimensions) {
  unsigned unit = getBits(variable.type) / 8;
  if (unit == 0)
    return fail(variable.location, "a predicate cannot be initialised");
  // extent[d]: bytes of one element at brace depth d.
  llvm::SmallVector<uint64_t, 9> extent(dimensions.size() + 1, unit);
  for (size_t d = dimensions.size(); d-- > 0;)
    extent[d] = extent[d + 1] * dimensions[d];
  llvm::SmallVector<uint64_t, 9> starts;
  uint64_t offset = 0;
  for (;;) {
    if (token.is('{')) {
      if (starts.size() == dimensions.size())
        return fail(token.location, "initialiser nested deeper than the array");
      starts.push_back(offset);
      advance();
      continue;
    }
    if (!token.is('}')) {
      if (offset + unit > variable.bytes)
        return fail(token.location,
                    "more initial values than '" + variable.name + "' has room for");
      if (parseInitialValue(variable, offset, unit))
        return true;
      offset += unit;
    }
    while (!starts.empty() && token.is('}')) {
      advance();
      offset = starts.back() + extent[starts.size() - 1];
      starts.pop_back();
    }
    if (starts.empty())
      return false;
    if (!token.is('}') && expect(','))
      return true;
  }
}

bool ParserState::parseInitialValue(Variable &variable, uint64_t offset, unsigned bytes) {
  Operand constant;
  Location location = token.location;
  if (token.kind == TokenKind::Identifier && token.text != "WARP_SZ") {
    Relocation relocation{offset, bytes, token.text.str(), 0, location};
    bool isGeneric = relocation.symbol == "generic";
    advance();
    if (isGeneric && (expect('(') || parseName(relocation.symbol, "a symbol") || expect(')')))
      return true;
    if (token.is('+') || token.is('-')) {
      bool negate = token.is('-');
      advance();
      if (parseConstant(constant) || constant.kind != Operand::Kind::Integer)
        return fail(location, "expects an integer offset from a symbol");
      relocation.addend = static_cast<int64_t>(negate ? -constant.value : constant.value);
    }
    if (bytes != 8)
      return fail(location, "the address of a symbol needs 8 bytes, but the element has " +
                                llvm::Twine(bytes));
    variable.relocations.push_back(std::move(relocation));
    return false;
  }
  if (parseConstant(constant))
    return true;
  uint64_t value = constant.value;
  if (constant.kind == Operand::Kind::Float64 && variable.type == ScalarType::F32) {
    double wide;
    std::memcpy(&wide, &value, sizeof wide);
    float narrow = static_cast<float>(wide);
    uint32_t bits;
    std::memcpy(&bits, &narrow, sizeof bits);
    value = bits;
  }
  if (offset + bytes > kMaxInitialBytes)
    return fail(location,
                "more than " + llvm::Twine(kMaxInitialBytes) + " bytes of initial values");
  if (variable.initial.size() < offset + bytes)
    variable.initial.resize(offset + bytes);
  std::memcpy(&variable.initial[offset], &value, std::min<size_t>(bytes, sizeof value));
  return false;
}

bool ParserState::parseVariables(Space space, bool isExtern, std::vector<Variable> &list,
                                 std::vector<Variable> &parsed) {
  VariableHead head;
  if (parseVariableHead(head))
    return true;
  do {
    Variable variable;
    if (parseVariable(head, space, variable))
      return true;
    variable.isExtern = isExtern;
    bool hasValue = !variable.initial.empty() || !variable.relocations.empty();
    if (hasValue && (isExtern || (space != Space::Global && space != Space::Const)))
      return fail(variable.location, "'" + variable.name + "' cannot have a value here");
    if (variable.isUnsized && space != Space::Shared && !isExtern)
      return fail(variable.location, "'" + variable.name + "' needs a size");
    parsed.push_back(std::move(variable));
  } while (accept(','));
  return expect(';');
}

bool ParserState::parseRegisters() {
  VariableHead head;
  if (parseVariableHead(head))
    return true;
  do {
    Location location = token.location;
    std::string name;
    if (parseName(name, "a register name"))
      return true;
    if (accept('<')) {
      uint64_t count = 0;
      if (parseUnsigned(count, kMaxRegisters, "a number of registers") || expect('>'))
        return true;
      if (head.vectorWidth != 1)
        return fail(location, "a family of vector registers");
      if (!scopes.back().families.try_emplace(name, RegisterFamily(head.type, count)).second)
        return fail(location, "'" + name + "' is already declared");
      continue;
    }
    Operand operand;
    operand.name = name;
    if (head.vectorWidth == 1) {
      operand.kind = Operand::Kind::Register;
      operand.index = addRegister(name, head.type);
    } else {
      operand.kind = Operand::Kind::Vector;
      for (unsigned i = 0; i < head.vectorWidth; ++i) {
        Operand part;
        part.kind = Operand::Kind::Register;
        part.name = name + "." + "xyzw"[i];
        part.index = addRegister(part.name, head.type);
        if (declare(part.name, location, part))
          return true;
        operand.parts.push_back(std::move(part));
      }
    }
    if (declare(name, location, std::move(operand)))
      return true;
  } while (accept(','));
  return expect(';');
}
