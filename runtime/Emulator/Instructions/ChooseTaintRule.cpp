//===- ChooseTaintRule.cpp - How an instruction's results depend on its sources --===//
//
// The initialisation checker's view of each instruction (Checkers/TaintFacts.h),
// chosen by opcode and modifiers once an instruction is decoded. What is not
// named here has the cautious rule, so a new instruction is safe, if blunt.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Builder.h"
#include "runtime/Emulator/Instructions/MatrixForm.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace tilewright;
using namespace tilewright::emulator;
using Rule = TaintRule;
using Role = TaintOperand::Role;

namespace {

struct Choice {
  Rule rule = Rule::All;
  uint32_t parameter = 0;
};

bool has(const InstructionDecoder &d, llvm::StringRef name) { return d.has(name); }

llvm::SmallVector<ScalarType, 4> typesOf(const InstructionDecoder &d) {
  llvm::SmallVector<ScalarType, 4> types;
  for (const parser::Modifier &modifier : d.source.modifiers)
    if (auto type = parser::parseScalarType(modifier.name))
      types.push_back(*type);
  return types;
}

bool isPacked(ScalarType type) { return parser::getClass(type) == parser::TypeClass::Packed; }
bool isInteger(ScalarType type) {
  auto typeClass = parser::getClass(type);
  return !isFloat(type) &&
         (typeClass == parser::TypeClass::Bits || typeClass == parser::TypeClass::Unsigned ||
          typeClass == parser::TypeClass::Signed);
}

// Bits of Choice::parameter for Rule::Move.
enum : uint32_t { kMoveA = 1, kMoveB = 2, kByB = 32, kByC = 64, kByExtra = 128 };

Choice chooseConvert(const InstructionDecoder &d, llvm::ArrayRef<ScalarType> types) {
  if (types.size() < 2 || has(d, "pack"))
    return {};
  ScalarType to = types[0], from = types[1];
  if (isPacked(to) && d.noted.size() == 3)
    return {Rule::PackTwo, parser::getBits(to) / 2};
  if (isPacked(to) && isPacked(from))
    return {Rule::WidenElements, parser::getBits(from) / 2 | (parser::getBits(to) / 2) << 8};
  if (isInteger(to) && isInteger(from) && !has(d, "sat"))
    return {Rule::Move, kMoveA};
  return {};
}

// mma.sync and wmma.mma share one map of fragments (Matrix.cpp, Wmma.cpp).
Choice chooseMma(const InstructionDecoder &d, llvm::ArrayRef<ScalarType> types) {
  bool isPlain = has(d, "row") || has(d, "col");
  bool isSparse = has(d, "sp") || has(d, "sp::ordered_metadata");
  bool isOther = has(d, "block_scale") || d.numOperands() != (isSparse ? 6u : 4u) ||
                 (d.source.opcode == "mma" && has(d, "m8n8k4") && !has(d, "f64"));
  unsigned m = 0, n = 0, k = 0;
  for (const parser::Modifier &modifier : d.source.modifiers) {
    llvm::StringRef rest = modifier.name;
    if (rest.consume_front("m") && !rest.consumeInteger(10, m) && rest.consume_front("n") &&
        !rest.consumeInteger(10, n) && rest.consume_front("k"))
      if (rest.consumeInteger(10, k))
        k = 0;
  }
  if (!isPlain || isOther || !k || types.size() < 2 || m % 8 || n % 8)
    return {Rule::Collective};
  auto count = [&](unsigned index) {
    return static_cast<uint32_t>(d.elements(d.source.operands[index]).size());
  };
  // The types of d and c come first and last; wmma of f16 names no others.
  ScalarType operand = types.size() == 2 ? ScalarType::F16 : types[2];
  unsigned bits = operand == ScalarType::TF32 ? 32 : parser::getBits(operand);
  unsigned word = operand == ScalarType::F64 ? 64 : 32;
  MmaFacts facts{count(1),
                 count(2),
                 m / 8,
                 n / 8,
                 std::max(1u, k * bits / (4 * word)),
                 types.back() == ScalarType::F16,
                 types.front() == ScalarType::F16};
  if (isSparse)
    facts.metadataThreads = metadataThreads(MatrixForm::decode(d.inst.imm));
  return {Rule::Multiply, facts.encode()};
}

Choice chooseMatrixMove(const InstructionDecoder &d, Rule rule) {
  if (!has(d, "m8n8") || !has(d, "b16"))
    return {Rule::Collective};
  uint32_t matrices = has(d, "x4") ? 4 : has(d, "x2") ? 2 : 1;
  return {rule, uint32_t(has(d, "trans")) | matrices << 1};
}

// Integer arithmetic carries upward; .sat, high halves, minima and floats mix.
Choice chooseArithmetic(const InstructionDecoder &d, ScalarType type) {
  bool carriesUp = isInteger(type) && !has(d, "sat") && !has(d, "hi") && !has(d, "cc");
  return carriesUp ? Choice{Rule::Upward} : Choice{};
}

Choice chooseLogic(const InstructionDecoder &d, ScalarType type) {
  llvm::StringRef opcode = d.source.opcode;
  // Entries of the table count from a, b, c = 0 up; c is not used.
  uint32_t table = llvm::StringSwitch<uint32_t>(opcode)
                       .Case("and", 0xc0)
                       .Case("or", 0xfc)
                       .Case("xor", 0x3c)
                       .Default(0x0f);
  if (type != ScalarType::Pred)
    return {Rule::Logic, table};
  auto flip = [&](uint32_t from, unsigned bit) {
    uint32_t result = 0;
    for (unsigned k = 0; k < 8; ++k)
      result |= (from >> (k ^ bit) & 1) << k;
    return result;
  };
  if (d.inst.flags & 1)
    table = flip(table, 4);
  if (d.inst.flags & 2)
    table = flip(table, 2);
  return {Rule::PredicateLogic, table};
}

Choice chooseByOpcode(const InstructionDecoder &d, llvm::ArrayRef<ScalarType> types) {
  llvm::StringRef opcode = d.source.opcode;
  ScalarType type = types.empty() ? ScalarType::B32 : types.back();
  if (opcode == "mov") {
    if (type == ScalarType::Pred)
      return {Rule::PredicateLogic, d.inst.flags ? 0x0fu : 0xf0u};
    // Clocks and addresses of the frame's variables have no source.
    if (d.noted.size() < 2)
      return {};
    return d.noted.size() > 2 ? Choice{Rule::Bytes} : Choice{Rule::Move, kMoveA};
  }
  if (opcode == "and" || opcode == "or" || opcode == "xor" || opcode == "not")
    return chooseLogic(d, type);
  if (opcode == "lop3")
    return {Rule::Logic, static_cast<uint32_t>(d.inst.imm)};
  if (opcode == "shl" || opcode == "shr" || opcode == "szext")
    return {Rule::Move, kMoveA | kByB};
  if (opcode == "shf" || opcode == "prmt" || opcode == "selp" || opcode == "slct")
    return {Rule::Move, kMoveA | kMoveB | kByC};
  if (opcode == "bfe")
    return {Rule::Move, kMoveA | kByB | kByC};
  if (opcode == "bfi")
    return {Rule::Move, kMoveA | kMoveB | kByC | kByExtra};
  if (opcode == "brev" || opcode == "movmatrix")
    return {Rule::Move, kMoveA};
  if (opcode == "cvt")
    return chooseConvert(d, types);
  if (opcode == "cvta")
    return {Rule::Upward};
  if (opcode == "setp" && !isPacked(type))
    return {Rule::Compare, isInteger(type) && (has(d, "eq") || has(d, "ne"))};
  if (opcode == "shfl")
    return {Rule::Shuffle};
  if (opcode == "vote")
    return {Rule::Vote, uint32_t(d.inst.flags) | (d.inst.imm ? 4u : 0u)};
  if (opcode == "mma" || (opcode == "wmma" && has(d, "mma")))
    return chooseMma(d, types);
  if (opcode == "wmma")
    return {has(d, "load") ? Rule::LoadFragment : Rule::StoreFragment};
  if (opcode == "ldmatrix")
    return chooseMatrixMove(d, Rule::LoadMatrix);
  if (opcode == "stmatrix")
    return chooseMatrixMove(d, Rule::StoreMatrix);
  if (opcode == "ld" || opcode == "ldu")
    return {Rule::Load};
  if (opcode == "st")
    return {Rule::Store};
  if (opcode == "atom" || opcode == "red")
    return {Rule::Atomic, has(d, "exch")};
  if (opcode == "cp")
    return {has(d, "mbarrier") ? Rule::Object : Rule::Copy};
  if (opcode == "mbarrier")
    return has(d, "pending_count") ? Choice{} : Choice{Rule::Object, has(d, "init")};
  if (opcode == "bar" || opcode == "barrier" || opcode == "nanosleep" || opcode == "brx" ||
      opcode == "call" || opcode == "alloca" || opcode == "stackrestore")
    return {Rule::Require};
  if (opcode == "createpolicy")
    return {Rule::Ignore};
  bool sums =
      opcode == "add" || opcode == "sub" || opcode == "mul" || opcode == "mad" || opcode == "neg";
  if (sums && !isPacked(type) && types.size() == 1)
    return chooseArithmetic(d, type);
  bool isElementwise = d.inst.opClass == OpClass::Half || d.inst.opClass == OpClass::Float ||
                       d.inst.opClass == OpClass::Integer || d.inst.opClass == OpClass::Special;
  if (isElementwise && types.size() == 1 && isPacked(type))
    return {Rule::Elements, parser::getBits(type) / 2};
  if (d.inst.opClass == OpClass::Shuffle || d.inst.opClass == OpClass::Matrix)
    return {Rule::Collective};
  return {};
}

// The condition code is no operand in the text.
void noteCarry(InstructionDecoder &d) {
  llvm::StringRef opcode = d.source.opcode;
  bool sets = has(d, "cc"), uses = opcode == "addc" || opcode == "subc" || opcode == "madc";
  if (uses)
    d.note(d.inst.extra, 0, Role::Source);
  if (sets && d.inst.opClass == OpClass::Integer)
    d.note(d.inst.extra, 0, Role::Destination);
}

} // namespace

void tilewright::emulator::addTaintFacts(InstructionDecoder &d) {
  Choice choice = chooseByOpcode(d, typesOf(d));
  noteCarry(d);
  bool mustBe =
      choice.rule == Rule::Require || choice.rule == Rule::Copy || choice.rule == Rule::Object;
  for (TaintOperand &operand : d.noted) {
    if (mustBe && operand.role == Role::Source)
      operand.role = Role::Required;
    if (choice.rule == Rule::Ignore && operand.role == Role::Address)
      operand.role = Role::Source;
  }
  // The member mask is read last.
  if (d.inst.flow == Flow::WarpSync && d.inst.c != kNoSlot)
    for (TaintOperand &operand : llvm::reverse(d.noted))
      if (operand.slot == d.inst.c && operand.role == Role::Source) {
        operand.role = Role::Required;
        break;
      }
  TaintFacts facts;
  facts.rule = choice.rule;
  facts.parameter = choice.parameter;
  facts.first = d.program.taintOperands.size();
  facts.count = d.noted.size();
  bool isPlain = d.inst.flow == Flow::Next || choice.rule == Rule::Load;
  // All lanes must name one matrix.
  if (choice.rule == Rule::LoadFragment || choice.rule == Rule::StoreFragment)
    if (d.noted.size() > 1 && d.numOperands() == 3)
      d.noted[d.noted.size() - 2].role = Role::Required;
  facts.hasEffect =
      !isPlain || d.inst.opClass == OpClass::Async || d.inst.opClass == OpClass::Barrier;
  d.program.taintOperands.insert(d.program.taintOperands.end(), d.noted.begin(), d.noted.end());
  d.program.taintFacts.resize(d.inst.origin + 1);
  d.program.taintFacts.back() = facts;
}
