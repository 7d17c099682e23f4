//===- InstructionDecoder.cpp - Modifiers and operands to slots ---------------===//
//
// See Builder.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Builder.h"
#include "runtime/Emulator/Instructions/Requirements.h"
#include "runtime/Emulator/Machine/Special.h"
#include "runtime/Emulator/Parser/Parser.h"
#include "llvm/ADT/STLExtras.h"
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;
using parser::Operand;
using Kind = Operand::Kind;

InstructionDecoder::InstructionDecoder(FunctionBuilder &function, const parser::Instruction &source,
                                       Inst &inst)
    : function(function), owner(function.owner), program(function.owner.program), source(source),
      inst(inst), consumed(source.modifiers.size(), false) {
  if (source.hasGuard) {
    inst.guard = function.registerSlot(source.guard);
    inst.guardNegated = source.guardNegated;
  }
}

void InstructionDecoder::fail(parser::Location location, const llvm::Twine &message) {
  if (failed)
    return;
  failed = true;
  errorLocation = location;
  errorMessage = message.str();
}

llvm::Error InstructionDecoder::finish() {
  for (size_t i = 0; i < consumed.size(); ++i)
    if (!consumed[i])
      fail(source.modifiers[i].location,
           "unknown modifier '." + source.modifiers[i].name + "' on '" + source.opcode + "'");
  for (auto [i, operand] : llvm::enumerate(source.operands)) {
    auto isTaken = [i = i](uint64_t taken) { return i < 64 && (taken >> i & 1); };
    if (!operand.selector.empty() && !isTaken(selectorsTaken))
      fail(operand.location, "unexpected selector '." + operand.selector + "' on operand " +
                                 llvm::Twine(i + 1) + " of '" + source.opcode + "'");
    if (operand.isMinus && !isTaken(signsTaken))
      fail(operand.location,
           "unexpected '-' before operand " + llvm::Twine(i + 1) + " of '" + source.opcode + "'");
  }
  return failed ? parser::makeError(errorLocation, errorMessage) : llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Modifiers
//===----------------------------------------------------------------------===//

bool InstructionDecoder::take(llvm::StringRef name) {
  for (size_t i = 0; i < consumed.size(); ++i)
    if (!consumed[i] && source.modifiers[i].name == name)
      return consumed[i] = true;
  return false;
}

bool InstructionDecoder::has(llvm::StringRef name) const {
  return llvm::any_of(source.modifiers,
                      [&](const parser::Modifier &modifier) { return modifier.name == name; });
}

std::optional<unsigned> InstructionDecoder::takeOneOf(llvm::ArrayRef<llvm::StringLiteral> names) {
  for (auto [index, name] : llvm::enumerate(names))
    if (take(name))
      return index;
  return std::nullopt;
}

std::optional<ScalarType> InstructionDecoder::takeType() {
  for (size_t i = 0; i < consumed.size(); ++i)
    if (!consumed[i])
      if (auto type = parser::parseScalarType(source.modifiers[i].name)) {
        consumed[i] = true;
        return type;
      }
  return std::nullopt;
}

std::optional<ScalarType> InstructionDecoder::peekType() const {
  for (size_t i = 0; i < consumed.size(); ++i)
    if (!consumed[i])
      if (auto type = parser::parseScalarType(source.modifiers[i].name))
        return type;
  return std::nullopt;
}

ScalarType InstructionDecoder::requireType() {
  if (auto type = takeType())
    return *type;
  fail("'" + source.opcode + "' needs a type");
  return ScalarType::B32;
}

std::optional<numerics::Rounding> InstructionDecoder::takeRounding() {
  using numerics::Rounding;
  constexpr std::pair<llvm::StringLiteral, Rounding> table[] = {
      {"rn", Rounding::NearestEven}, {"rz", Rounding::Zero},         {"rm", Rounding::Down},
      {"rp", Rounding::Up},          {"rna", Rounding::NearestAway},
  };
  for (const auto &[name, rounding] : table)
    if (take(name))
      return rounding;
  return std::nullopt;
}

std::optional<std::string> InstructionDecoder::takePrefixed(llvm::StringRef prefix) {
  for (size_t i = 0; i < consumed.size(); ++i)
    if (!consumed[i] && llvm::StringRef(source.modifiers[i].name).starts_with(prefix)) {
      consumed[i] = true;
      return source.modifiers[i].name;
    }
  return std::nullopt;
}

llvm::StringRef InstructionDecoder::takeSelector(unsigned index) {
  selectorsTaken |= uint64_t(1) << index;
  return operand(index).selector;
}

bool InstructionDecoder::takeSign(unsigned index) {
  signsTaken |= uint64_t(1) << index;
  return operand(index).isMinus;
}

void InstructionDecoder::refuseType(ScalarType type) {
  for (const parser::Modifier &modifier : source.modifiers)
    if (modifier.name == parser::getName(type))
      return fail(modifier.location,
                  "'" + source.opcode + "' does not take the type '." + modifier.name + "'");
  fail("'" + source.opcode + "' does not take the type '." + parser::getName(type) + "'");
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

bool InstructionDecoder::expectOperands(unsigned least, unsigned most) {
  if (numOperands() >= least && numOperands() <= most)
    return true;
  fail("'" + source.opcode + "' expects " + llvm::Twine(least) +
       (most > least ? " to " + llvm::Twine(most) : llvm::Twine()) + " operands, but got " +
       llvm::Twine(numOperands()));
  return false;
}

const Operand &InstructionDecoder::operand(unsigned index) {
  static const Operand missing;
  if (index < numOperands())
    return source.operands[index];
  fail("'" + source.opcode + "' misses operand " + llvm::Twine(index + 1));
  return missing;
}

unsigned InstructionDecoder::registerBits(const Operand &operand) const {
  return operand.kind == Kind::Register
             ? parser::getBits(function.source.registers[operand.index].type)
             : 0;
}

Slot InstructionDecoder::readRegister(const Operand &operand, unsigned bits) {
  unsigned actual = registerBits(operand);
  if (actual != bits)
    fail(operand.location, "expects a register of " + llvm::Twine(bits) + " bits, but '" +
                               operand.name + "' has " + llvm::Twine(actual));
  if (operand.isNegated)
    fail(operand.location, "only a predicate can be negated");
  return function.registerSlot(operand.index);
}

uint64_t InstructionDecoder::convertImmediate(const Operand &operand, ScalarType type) {
  if (operand.kind == Kind::Float64 && parser::getBits(type) == 32) {
    double wide;
    std::memcpy(&wide, &operand.value, sizeof wide);
    float narrow = static_cast<float>(wide);
    uint32_t bits;
    std::memcpy(&bits, &narrow, sizeof bits);
    return bits;
  }
  if (operand.kind == Kind::Float32 && parser::getBits(type) == 64) {
    float narrow;
    uint32_t bits = static_cast<uint32_t>(operand.value);
    std::memcpy(&narrow, &bits, sizeof bits);
    double wide = narrow;
    uint64_t result;
    std::memcpy(&result, &wide, sizeof wide);
    return result;
  }
  return operand.value;
}

/// Integers go into integers and bits; 0f... and 0d... into their own width of
/// bits, and into each other.
static bool fitsConstant(Kind kind, ScalarType type) {
  unsigned bits = parser::getBits(type);
  if (kind == Kind::Integer)
    return !isFloat(type);
  if (isFloat(type))
    return type == ScalarType::F32 || type == ScalarType::F64;
  return parser::getClass(type) == parser::TypeClass::Bits &&
         bits == (kind == Kind::Float32 ? 32 : 64);
}

Slot InstructionDecoder::note(Slot slot, unsigned bits, TaintOperand::Role role) {
  noted.push_back({slot, static_cast<uint8_t>(bits / 8), role});
  return slot;
}

Slot InstructionDecoder::read(const Operand &operand, ScalarType type) {
  Slot slot = readOperand(operand, type);
  return note(slot, std::max(parser::getBits(type), 8u), TaintOperand::Role::Source);
}

Slot InstructionDecoder::readOperand(const Operand &operand, ScalarType type) {
  unsigned bits = parser::getBits(type), bytes = (bits + 7) / 8;
  switch (operand.kind) {
  case Kind::Register:
    return readRegister(operand, bits);
  case Kind::Integer:
  case Kind::Float32:
  case Kind::Float64:
    if (!fitsConstant(operand.kind, type))
      fail(operand.location,
           "a constant of this kind does not fit '." + parser::getName(type) + "'; '" +
               source.opcode + "' needs " +
               (isFloat(type) ? "a floating-point one or a register" : "an integer or a register"));
    return owner.constant(bytes, convertImmediate(operand, type));
  case Kind::Special:
    if (source.opcode != "mov" && source.opcode != "cvt")
      fail(operand.location, "'" + operand.name + "' can only be read by mov or cvt");
    if (auto which = parseSpecialRegister(operand.name)) {
      if (bits != 32 && bits != 64)
        fail(operand.location,
             "'" + operand.name + "' cannot be read as " + llvm::Twine(bits) + " bits");
      if (*which == SpecialRegister::ReservedShared)
        owner.placeReservedShared();
      owner.program.usesGridWorkspace |= *which == SpecialRegister::GridWorkspaceLow;
      return function.specialSlot(*which, bits == 64);
    }
    fail(operand.location, "unknown name '" + operand.name + "'");
    return 0;
  case Kind::Function: {
    auto it = owner.symbols.find(operand.name);
    if (it == owner.symbols.end())
      fail(operand.location, "'" + operand.name + "' has no body, so no address");
    else if (bits != 64)
      fail(operand.location, "the address of '" + operand.name + "' has 64 bits");
    return it == owner.symbols.end() ? 0 : owner.constant(8, it->second);
  }
  case Kind::Global:
  case Kind::Local:
  case Kind::Parameter: {
    if (source.opcode != "mov" && source.opcode != "cvta")
      fail(operand.location, "the address of '" + operand.name + "' can only be taken by mov");
    const parser::Variable *variable =
        operand.kind == Kind::Global  ? &owner.module.variables[operand.index]
        : operand.kind == Kind::Local ? &function.source.variables[operand.index]
                                      : nullptr;
    if (variable && variable->space == Space::Shared && variable->isUnsized) {
      owner.placeShared(*variable);
      return owner.dynamicShared(bytes, operand.value);
    }
    MemoryInfo info;
    Inst scratch;
    std::swap(scratch, inst);
    Operand wrapped;
    wrapped.kind = Kind::Address;
    wrapped.location = operand.location;
    wrapped.parts.push_back(operand);
    address(wrapped, info);
    noted.pop_back();
    Slot slot = inst.a;
    std::swap(scratch, inst);
    if (info.frameRelative)
      fail(operand.location, "the address of '" + operand.name + "' can only be taken by mov");
    if (failed)
      return slot;
    uint64_t value;
    std::memcpy(&value, &program.constants[slot & ~kConstantBank], sizeof value);
    return owner.constant(bytes, value + operand.value);
  }
  default:
    fail(operand.location, "expects a register or a constant");
    return 0;
  }
  return 0;
}

Slot InstructionDecoder::write(const Operand &operand, ScalarType type) {
  if (operand.kind == Kind::Sink) {
    note(kNoSlot, parser::getBits(type), TaintOperand::Role::Destination);
    return function.sinkSlot();
  }
  if (operand.kind != Kind::Register) {
    fail(operand.location, "expects a register as destination");
    return 0;
  }
  return note(readRegister(operand, parser::getBits(type)), parser::getBits(type),
              TaintOperand::Role::Destination);
}

Slot InstructionDecoder::readPredicate(const Operand &operand, bool &isNegated) {
  isNegated = operand.isNegated;
  if (operand.kind == Kind::Integer)
    return note(owner.constantPredicate(operand.value != 0), 0, TaintOperand::Role::Source);
  // Without clusters no launch is one of explicit clusters.
  if (operand.kind == Kind::Special && operand.name == "%is_explicit_cluster")
    return note(owner.constantPredicate(false), 0, TaintOperand::Role::Source);
  if (registerBits(operand) != 1) {
    fail(operand.location, "expects a predicate, but got '" + operand.name + "'");
    return 0;
  }
  return note(function.registerSlot(operand.index), 0, TaintOperand::Role::Source);
}

Slot InstructionDecoder::writePredicate(const Operand &operand) {
  if (operand.kind == Kind::Sink)
    return note(kNoSlot, 0, TaintOperand::Role::Destination), function.sinkSlot();
  bool isNegated = false;
  Slot slot = readPredicate(operand, isNegated);
  if (!noted.empty())
    noted.back().role = TaintOperand::Role::Destination;
  if (isNegated || operand.kind != Kind::Register)
    fail(operand.location, "expects a predicate as destination");
  return slot;
}

Slot InstructionDecoder::readAny(const Operand &operand, ScalarType type, unsigned &bits) {
  bits = registerBits(operand);
  if (bits > 1)
    return note(readRegister(operand, bits), bits, TaintOperand::Role::Source);
  bits = parser::getBits(type);
  return read(operand, type);
}

Slot InstructionDecoder::writeAny(const Operand &operand, unsigned &bits) {
  bits = registerBits(operand);
  if (operand.kind == Kind::Sink) {
    bits = 64;
    note(kNoSlot, bits, TaintOperand::Role::Destination);
    return function.sinkSlot();
  }
  if (bits <= 1) {
    fail(operand.location, "expects a register as destination");
    return 0;
  }
  return note(readRegister(operand, bits), bits, TaintOperand::Role::Destination);
}

llvm::ArrayRef<Operand> InstructionDecoder::requireVector(const Operand &operand) {
  if (operand.kind != Kind::Vector)
    fail(operand.location, "expects registers in braces, but got '" + operand.name + "'");
  return elements(operand);
}

llvm::ArrayRef<Operand> InstructionDecoder::elements(const Operand &operand) const {
  if (operand.kind == Kind::Vector)
    return operand.parts;
  return operand;
}

uint32_t InstructionDecoder::addSlots(llvm::ArrayRef<Slot> slots) {
  uint32_t first = program.slots.size();
  program.slots.insert(program.slots.end(), slots.begin(), slots.end());
  return first;
}

uint64_t InstructionDecoder::immediate(unsigned index, uint64_t least, uint64_t most) {
  const Operand &value = operand(index);
  if (value.kind != Kind::Integer)
    fail(value.location,
         "expects a constant as operand " + llvm::Twine(index + 1) + " of '" + source.opcode + "'");
  else if (value.value < least || value.value > most)
    fail(value.location, "expects a constant from " + llvm::Twine(least) + " to " +
                             llvm::Twine(most) + ", but got " + llvm::Twine(value.value));
  return value.value;
}

uint32_t InstructionDecoder::addMemory(const MemoryInfo &info) {
  program.memory.push_back(info);
  return program.memory.size() - 1;
}

//===----------------------------------------------------------------------===//
// Addresses
//===----------------------------------------------------------------------===//

void InstructionDecoder::address(const Operand &operand, MemoryInfo &info) {
  resolveAddress(operand, info);
  note(inst.a, info.addressIs32 ? 32 : 64, TaintOperand::Role::Address);
}

void InstructionDecoder::resolveAddress(const Operand &operand, MemoryInfo &info) {
  if (operand.kind != Kind::Address)
    return fail(operand.location, "expects an address in brackets");
  const Operand &base = operand.parts.front();
  inst.imm = operand.value;
  auto fixed = [&](Space space, uint64_t value) {
    if (info.space == Space::Generic)
      info.space = space;
    else if (info.space != space)
      fail(base.location, "'" + base.name + "' is in space '" + parser::getName(space).str() +
                              "', but the instruction accesses '" +
                              parser::getName(info.space).str() + "'");
    inst.a = owner.constant(8, value);
  };
  auto variable = [&](const parser::Variable &variable) {
    if (variable.space == Space::Shared) {
      fixed(Space::Shared, owner.placeShared(variable));
      if (variable.isUnsized)
        inst.a = owner.dynamicShared(8);
      return;
    }
    auto it = owner.symbols.find(variable.name);
    if (it == owner.symbols.end())
      return fail(base.location, "'" + variable.name + "' is declared but not defined");
    fixed(variable.space, it->second);
  };
  switch (base.kind) {
  case Kind::Register:
    info.addressIs32 = registerBits(base) == 32;
    if (info.space == Space::Param && function.source.isEntry)
      info.entryParameters = true;
    inst.a = readRegister(base, info.addressIs32 ? 32 : 64);
    return;
  case Kind::Integer:
    inst.a = owner.constant(8, base.value);
    return;
  case Kind::Global:
    return variable(owner.module.variables[base.index]);
  case Kind::Local: {
    const parser::Variable &local = function.source.variables[base.index];
    if (local.space != Space::Local && local.space != Space::Param)
      return variable(local);
    fixed(local.space, function.localOffset(base.index));
    info.space = Space::Local;
    info.frameRelative = true;
    return;
  }
  case Kind::Parameter:
    fixed(Space::Param, function.formalOffset(base.index));
    if (function.source.isEntry) {
      info.entryParameters = true;
    } else {
      info.space = Space::Local;
      info.frameRelative = true;
    }
    return;
  default:
    return fail(base.location, "expects a register or a variable as address");
  }
}

numerics::FloatType tilewright::emulator::toFloatType(ScalarType type) {
  using numerics::FloatType;
  switch (type) {
  case ScalarType::F64:
    return FloatType::F64;
  case ScalarType::F16:
  case ScalarType::F16x2:
    return FloatType::F16;
  case ScalarType::BF16:
  case ScalarType::BF16x2:
    return FloatType::BF16;
  case ScalarType::TF32:
    return FloatType::TF32;
  case ScalarType::E4M3:
  case ScalarType::E4M3x2:
    return FloatType::E4M3;
  case ScalarType::E5M2:
  case ScalarType::E5M2x2:
    return FloatType::E5M2;
  case ScalarType::E3M2x2:
    return FloatType::E3M2;
  case ScalarType::E2M3x2:
    return FloatType::E2M3;
  case ScalarType::E2M1x2:
    return FloatType::E2M1;
  case ScalarType::UE8M0x2:
    return FloatType::UE8M0;
  default:
    return FloatType::F32;
  }
}

//===----------------------------------------------------------------------===//
// Dispatch
//===----------------------------------------------------------------------===//

static DecodeFunction findDecoder(llvm::StringRef opcode) {
  for (llvm::ArrayRef<InstructionEntry> family :
       {getArithmeticInstructions(), getIntegerInstructions(), getBitInstructions(),
        getFloatInstructions(), getCompareInstructions(), getConvertInstructions(),
        getMoveInstructions(), getMemoryInstructions(), getAtomicInstructions(),
        getAsyncInstructions(), getBarrierInstructions(), getMbarrierInstructions(),
        getShuffleInstructions(), getMatrixInstructions(), getVideoInstructions(),
        getScalarVideoInstructions()})
    for (const InstructionEntry &entry : family)
      if (entry.opcode == opcode)
        return entry.decode;
  return nullptr;
}

namespace {
/// What is known and not executed, so that the message can say so.
struct Refusal {
  llvm::StringLiteral opcode, modifier; ///< an empty one: any
  llvm::StringLiteral what;
};
constexpr Refusal refusals[] = {
    {"tex", "", "textures are"},
    {"tld4", "", "textures are"},
    {"txq", "", "textures are"},
    {"istypep", "", "textures are"},
    {"suld", "", "surfaces are"},
    {"sust", "", "surfaces are"},
    {"sured", "", "surfaces are"},
    {"suq", "", "surfaces are"},
    {"mapa", "", "clusters are"},
    {"getctarank", "", "clusters are"},
    {"clusterlaunchcontrol", "", "clusters are"},
    {"barrier", "cluster", "clusters are"},
    {"ld", "shared::cluster", "clusters are"},
    {"st", "shared::cluster", "clusters are"},
    {"atom", "shared::cluster", "clusters are"},
    {"red", "shared::cluster", "clusters are"},
    {"mbarrier", "shared::cluster", "clusters are"},
    {"multimem", "", "multicast memory is"},
    {"cp", "bulk", "bulk copies are"},
    {"cp", "reduce", "bulk copies are"},
    {"st", "bulk", "bulk copies are"},
    {"st", "async", "asynchronous stores are"},
    {"red", "async", "asynchronous reductions are"},
    {"tensormap", "", "tensor maps are"},
    {"fence", "tensormap::generic", "tensor maps are"},
    {"fence", "shared::cluster", "clusters are"},
    {"wgmma", "", "wgmma is"},
    {"setmaxnreg", "", "setmaxnreg is"},
    {"tcgen05", "", "tcgen05 is"},
    {"mma", "block_scale", "block-scaled mma is"},
};

const Refusal *findRefusal(const parser::Instruction &source) {
  for (const Refusal &refusal : refusals)
    if (refusal.opcode == source.opcode &&
        (refusal.modifier.empty() ||
         llvm::any_of(source.modifiers, [&](const parser::Modifier &modifier) {
           return modifier.name == refusal.modifier;
         })))
      return &refusal;
  return nullptr;
}
} // namespace

llvm::Error tilewright::emulator::decodeInstruction(FunctionBuilder &function,
                                                    const parser::Instruction &source, Inst &inst) {
  InstructionDecoder decoder(function, source, inst);
  if (llvm::Error error = checkRequirements(function.owner.module, function.source, source))
    return error;
  if (const Refusal *refusal = findRefusal(source))
    return parser::makeError(source.location, "'" + source.opcode +
                                                  (refusal->modifier.empty() ? "" : ".") +
                                                  refusal->modifier.str() +
                                                  "': " + refusal->what.str() + " not emulated");
  DecodeFunction decode = findDecoder(source.opcode);
  if (!decode)
    return parser::makeError(source.location, "unknown instruction '" + source.opcode + "'");
  decode(decoder);
  if (!decoder.hasFailed())
    addTaintFacts(decoder);
  return decoder.finish();
}
