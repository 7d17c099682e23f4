//===- Requirements.cpp - The target and the PTX version an instruction needs --===//
//
// See Requirements.h. A row says what its pattern needs; an instruction needs the
// most of all rows that match it. A pattern is words, all of which must match:
//
//   bf16|bf16x2   one of the modifiers
//   u16|s16.f16   modifiers in this order, others between them (types: d before a)
//   !m8n8k4       none of the modifiers
//   #3            three operands
//   _             a first operand that is `_`
//   ?3            a predicate as operand 3, counted from 0
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Requirements.h"
#include "runtime/Emulator/Parser/Parser.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSwitch.h"

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

/// "sm_90a" is {90, true}. No target: {0, false}.
struct Target {
  unsigned number = 0;
  bool isSpecific = false; ///< for one architecture (a) or family (f) alone
};

struct Requirement {
  llvm::StringLiteral opcode; ///< "*" is any
  llvm::StringLiteral pattern;
  Target target;
  unsigned version;   ///< 78 is 7.8
  unsigned below = 0; ///< for targets below this one only
};

constexpr Requirement kRequirements[] = {
    // Spaces, scopes and hints, on any instruction.
    {"*", "shared::cta !async.shared::cta.global", {}, 78},
    {"*", "cluster|shared::cluster", {90}, 78},
    {"*", "param::entry", {}, 83},
    {"*", "b128", {}, 83},
    {"*", "f32x2", {100}, 86},
    {"*", "mmio", {}, 82},
    {"*",
     "L1::evict_normal|L1::evict_unchanged|L1::evict_first|L1::evict_last|L1::no_allocate",
     {},
     74},
    {"*", "L2::64B|L2::128B|L2::256B", {}, 74},
    {"*", "L2::256B", {80}, 74},
    {"*", "L2::cache_hint", {80}, 74},
    // Integers.
    {"add", "u16x2|s16x2", {90}, 80},
    {"min", "u16x2|s16x2", {90}, 80},
    {"max", "u16x2|s16x2", {90}, 80},
    {"min", "relu s32", {90}, 80},
    {"max", "relu s32", {90}, 80},
    {"szext", "", {}, 76},
    {"bmsk", "", {}, 76},
    {"lop3", "and|or", {}, 82},
    // Floating point.
    {"add", "bf16|bf16x2", {90}, 78},
    {"sub", "bf16|bf16x2", {90}, 78},
    {"mul", "bf16|bf16x2", {90}, 78},
    {"fma", "relu", {80}, 70},
    {"fma", "bf16|bf16x2", {80}, 70},
    {"fma", "oob", {90}, 81},
    {"add", "f32 f16|bf16", {100}, 86},
    {"sub", "f32 f16|bf16", {100}, 86},
    {"fma", "f32 f16|bf16", {100}, 86},
    {"abs", "f16|f16x2", {}, 65},
    {"neg", "f16|f16x2", {}, 60},
    {"abs", "bf16|bf16x2", {80}, 70},
    {"neg", "bf16|bf16x2", {80}, 70},
    {"min", "NaN", {80}, 70},
    {"max", "NaN", {80}, 70},
    {"min", "xorsign", {86}, 72},
    {"max", "xorsign", {86}, 72},
    {"min", "f16|f16x2|bf16|bf16x2", {80}, 70},
    {"max", "f16|f16x2|bf16|bf16x2", {80}, 70},
    {"min", "f32 #4", {100}, 88},
    {"max", "f32 #4", {100}, 88},
    {"ex2", "f16|f16x2", {75}, 70},
    {"ex2", "bf16|bf16x2", {90}, 78},
    {"tanh", "", {75}, 70},
    {"tanh", "bf16|bf16x2", {90}, 78},
    {"setp", "bf16|bf16x2", {90}, 78},
    {"set", "bf16|bf16x2", {90}, 78},
    {"set", "u16|s16|u32|s32.f16|f16x2", {}, 65},
    // Conversion.
    {"cvt", "pack", {72}, 65},
    {"cvt", "relu", {80}, 70},
    {"cvt", "f16x2|bf16x2.f32", {80}, 70},
    {"cvt", "tf32.f32", {80}, 70},
    {"cvt", "tf32.f32 rn|rz", {90}, 78},
    {"cvt", "f16|bf16|f16x2|bf16x2|tf32.f32 satfinite", {}, 81},
    {"cvt", "bf16.f32", {80}, 70},
    {"cvt", "f32.bf16", {80}, 71},
    {"cvt", "f32.bf16 ftz|sat", {90}, 78},
    {"cvt", "bf16.u8|s8|u16|s16|u32|s32|u64|s64|f16|bf16|f64", {90}, 78},
    {"cvt", "u8|s8|u16|s16|u32|s32|u64|s64|f16|f64.bf16", {90}, 78},
    {"cvt", "e4m3x2|e5m2x2", {89}, 78},
    {"cvt", "e4m3x2|e5m2x2", {89}, 81, 90},
    {"cvt", "e3m2x2|e2m3x2|e2m1x2|ue8m0x2", {100, true}, 86},
    // Moves and addresses.
    {"cvta", "param", {}, 77},
    {"isspacep", "param", {}, 77},
    {"redux", "", {80}, 70},
    {"redux", "f32", {100, true}, 86},
    {"elect", "", {90}, 80},
    {"alloca", "", {52}, 73},
    {"stacksave", "", {52}, 73},
    {"stackrestore", "", {52}, 73},
    {"mapa", "", {90}, 78},
    {"getctarank", "", {90}, 78},
    {"griddepcontrol", "", {90}, 78},
    {"setmaxnreg", "", {90, true}, 80},
    {"clusterlaunchcontrol", "", {100}, 86},
    // Memory.
    {"ld", "v8", {100}, 88},
    {"st", "v8", {100}, 88},
    {"st", "async", {90}, 81},
    {"st", "bulk", {100}, 86},
    {"prefetch", "L2::evict_last|L2::evict_normal", {80}, 74},
    {"applypriority", "", {80}, 74},
    {"discard", "", {80}, 74},
    {"createpolicy", "", {80}, 74},
    {"atom", "bf16|bf16x2", {90}, 78},
    {"atom", "v2|v4|v8", {90}, 81},
    {"atom", "b128", {90}, 83},
    {"red", "bf16|bf16x2", {90}, 78},
    {"red", "v2|v4|v8", {90}, 81},
    {"red", "async", {90}, 81},
    {"multimem", "", {90}, 81},
    {"cp", "async", {80}, 70},
    {"cp", "async ?3", {80}, 75},
    {"cp", "bulk", {90}, 80},
    {"cp", "reduce", {90}, 80},
    {"tensormap", "", {90, true}, 83},
    // Barriers and fences.
    {"bar", "cta", {}, 78},
    {"barrier", "cta", {}, 78},
    {"barrier", "cluster", {90}, 78},
    {"barrier", "cluster release|relaxed|acquire", {90}, 80},
    {"membar", "proxy", {70}, 75},
    {"fence", "proxy", {70}, 75},
    {"fence", "proxy async", {90}, 80},
    {"fence", "mbarrier_init", {90}, 80},
    {"fence", "tensormap::generic", {90}, 83},
    {"mbarrier", "", {80}, 70},
    {"mbarrier", "arrive _", {80}, 71},
    {"mbarrier", "arrive|arrive_drop #3 !noComplete", {90}, 78},
    {"mbarrier", "parity", {80}, 71},
    {"mbarrier", "try_wait", {90}, 78},
    {"mbarrier", "expect_tx|complete_tx", {90}, 80},
    {"mbarrier", "acquire|release", {80}, 80},
    {"mbarrier", "arrive|arrive_drop|test_wait|try_wait relaxed", {90}, 86},
    {"mbarrier", "cluster|shared::cluster", {90}, 80},
    // Matrices.
    {"ldmatrix", "", {75}, 65},
    {"ldmatrix", "b8", {100, true}, 86},
    {"stmatrix", "", {90}, 78},
    {"stmatrix", "b8", {100, true}, 86},
    {"movmatrix", "", {75}, 78},
    {"mma", "m8n8k4", {70}, 64},
    {"mma", "!m8n8k4", {75}, 65},
    {"mma", "b1", {75}, 70},
    {"mma", "b1 and", {80}, 71},
    {"mma", "bf16|tf32|f64", {80}, 70},
    {"mma", "m16n8k16|m16n8k32|m16n8k64|m16n8k128|m16n8k256", {80}, 70},
    {"mma", "f64 !m8n8k4", {90}, 78},
    {"mma", "e4m3|e5m2", {89}, 84},
    {"mma", "e4m3|e5m2 m16n8k16|f16", {89}, 87},
    {"mma", "sp", {80}, 71},
    {"mma", "sp::ordered_metadata", {80}, 85},
    {"mma", "block_scale", {120, true}, 87},
    {"wmma", "", {70}, 60},
    {"wmma", "s8|u8", {72}, 63},
    {"wmma", "s4|u4|b1", {75}, 63},
    {"wmma", "bf16|tf32|f64", {80}, 70},
    {"wmma", "m16n16k8|m8n8k4", {80}, 70},
    {"wmma", "and", {80}, 71},
    {"wgmma", "", {90, true}, 80},
    {"tcgen05", "", {100, true}, 86},
};

/// Special registers, by the start of the name.
constexpr Requirement kRegisters[] = {
    {"%clusterid.", "", {90}, 78},          {"%nclusterid.", "", {90}, 78},
    {"%cluster_ctaid.", "", {90}, 78},      {"%cluster_nctaid.", "", {90}, 78},
    {"%cluster_ctarank", "", {90}, 78},     {"%cluster_nctarank", "", {90}, 78},
    {"%is_explicit_cluster", "", {90}, 78}, {"%aggr_smem_size", "", {90}, 81},
    {"%current_graph_exec", "", {50}, 80},  {"%reserved_smem_offset_", "", {80}, 76},
};

llvm::SmallVector<llvm::StringRef, 8> split(llvm::StringRef text, char separator) {
  llvm::SmallVector<llvm::StringRef, 8> parts;
  text.split(parts, separator, -1, false);
  return parts;
}

bool matchesSequence(const parser::Instruction &instruction, llvm::StringRef word) {
  size_t next = 0;
  for (llvm::StringRef step : split(word, '.')) {
    auto choices = split(step, '|');
    while (next < instruction.modifiers.size() &&
           !llvm::is_contained(choices, llvm::StringRef(instruction.modifiers[next].name)))
      ++next;
    if (next++ == instruction.modifiers.size())
      return false;
  }
  return true;
}

bool matchesWord(const parser::Function &function, const parser::Instruction &instruction,
                 llvm::StringRef word) {
  using Kind = parser::Operand::Kind;
  unsigned number = 0;
  const auto &operands = instruction.operands;
  if (word.consume_front("#"))
    return !word.getAsInteger(10, number) && operands.size() == number;
  if (word.consume_front("?"))
    return !word.getAsInteger(10, number) && number < operands.size() &&
           operands[number].kind == Kind::Register &&
           function.registers[operands[number].index].type == parser::ScalarType::Pred;
  if (word == "_")
    return !operands.empty() && operands[0].kind == Kind::Sink;
  if (word.consume_front("!"))
    return !matchesSequence(instruction, word);
  return matchesSequence(instruction, word);
}

/// The rows by opcode.
const llvm::StringMap<llvm::SmallVector<const Requirement *, 4>> &getRows() {
  static const auto rows = [] {
    llvm::StringMap<llvm::SmallVector<const Requirement *, 4>> map;
    for (const Requirement &row : kRequirements)
      map[row.opcode].push_back(&row);
    return map;
  }();
  return rows;
}

/// Whether a row of any opcode may match: most instructions have none of its words.
bool hasGeneralModifier(const parser::Instruction &instruction) {
  static const auto words = [] {
    llvm::StringMap<bool> set;
    for (const Requirement &row : kRequirements)
      if (row.opcode == "*")
        for (llvm::StringRef word : split(row.pattern, ' '))
          for (llvm::StringRef name : split(word, '|'))
            set[name] = true;
    return set;
  }();
  return llvm::any_of(instruction.modifiers, [](const parser::Modifier &modifier) {
    return words.contains(modifier.name);
  });
}

Target parseTarget(llvm::StringRef text) {
  Target target;
  if (text.consume_front("sm_") && !text.consumeInteger(10, target.number))
    target.isSpecific = text == "a" || text == "f";
  return target;
}

bool hasTarget(Target has, Target needed) {
  if (has.number < needed.number)
    return false;
  // sm_90a is no part of what came after it; of sm_100a and its like the
  // architectures that have a feature differ, and any is taken for one.
  return !needed.isSpecific ||
         (has.isSpecific && (needed.number >= 100 || has.number == needed.number));
}

std::string nameTarget(Target target) {
  return "sm_" + std::to_string(target.number) + (target.isSpecific ? "a" : "");
}
std::string nameVersion(unsigned version) {
  return std::to_string(version / 10) + "." + std::to_string(version % 10);
}

llvm::Error checkRow(const parser::Module &module, const Requirement &row, llvm::StringRef what,
                     parser::Location location) {
  Target target = parseTarget(module.target);
  if (row.below && target.number >= row.below)
    return llvm::Error::success();
  if (!hasTarget(target, row.target))
    return parser::makeError(location, "'" + what + "' needs .target " + nameTarget(row.target) +
                                           (row.target.isSpecific ? "" : " or newer") +
                                           ", but the module has " + module.target);
  unsigned version = 10 * module.versionMajor + module.versionMinor;
  if (version < row.version)
    return parser::makeError(location, "'" + what + "' needs .version " + nameVersion(row.version) +
                                           " or newer, but the module has " + nameVersion(version));
  return llvm::Error::success();
}

} // namespace

llvm::Error tilewright::emulator::checkRequirements(const parser::Module &module,
                                                    const parser::Function &function,
                                                    const parser::Instruction &instruction) {
  for (llvm::StringRef opcode : {llvm::StringRef(instruction.opcode), llvm::StringRef("*")}) {
    auto rows = getRows().find(opcode);
    if (rows == getRows().end() || (opcode == "*" && !hasGeneralModifier(instruction)))
      continue;
    for (const Requirement *row : rows->second) {
      auto matches = [&](llvm::StringRef word) { return matchesWord(function, instruction, word); };
      if (!llvm::all_of(split(row->pattern, ' '), matches))
        continue;
      std::string text = instruction.opcode;
      for (const parser::Modifier &modifier : instruction.modifiers)
        text += "." + modifier.name;
      if (llvm::Error error = checkRow(module, *row, text, instruction.location))
        return error;
    }
  }
  for (const parser::Operand &operand : instruction.operands)
    if (operand.kind == parser::Operand::Kind::Special)
      for (const Requirement &row : kRegisters)
        if (llvm::StringRef(operand.name).starts_with(row.opcode))
          if (llvm::Error error = checkRow(module, row, operand.name, operand.location))
            return error;
  return llvm::Error::success();
}
