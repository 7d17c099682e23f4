//===- Builder.h - What decoding an instruction needs and leaves -------------===//
//
// ProgramBuilder holds what a whole Program shares while it is made: constants,
// addresses of variables. FunctionBuilder lays out one function's frame.
// InstructionDecoder, made anew for each instruction, consumes modifiers and
// operands and fills an Inst. Whatever is not consumed is an error, so nothing
// is ignored silently; the first error wins and later calls do no harm.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_BUILDER_H
#define TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_BUILDER_H

#include "runtime/Emulator/Machine/Machine.h"
#include "runtime/Emulator/Numerics/Float.h"
#include "runtime/Emulator/Parser/AST.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include <map>
#include <optional>

namespace tilewright::emulator {

class ProgramBuilder {
public:
  ProgramBuilder(const parser::Module &module, const llvm::StringMap<uint64_t> &symbols,
                 Program &program)
      : module(module), symbols(symbols), program(program) {}

  /// A slot with `value` in every lane, of 1, 2, 4, 8 or 16 bytes.
  Slot constant(unsigned bytes, uint64_t value);
  Slot constantPredicate(bool value);
  /// The address of a static shared variable; notes the alignment of `name[]`.
  uint32_t placeShared(const parser::Variable &variable);
  /// The address of the shared memory that the driver reserves for cooperative
  /// groups; a block has it only where the kernel asks for it.
  uint32_t placeReservedShared();

  /// The address of dynamic shared memory plus `offset`, known after finishShared().
  Slot dynamicShared(unsigned bytes, uint64_t offset = 0);
  /// Call once every variable has been placed.
  void finishShared();

  const parser::Module &module;
  const llvm::StringMap<uint64_t>
      &symbols; ///< addresses of .global and .const variables, and of functions
  Program &program;
  uint64_t sharedEnd = kSharedBase;

private:
  Slot addConstant(unsigned bytes, uint64_t value);
  std::map<std::pair<unsigned, uint64_t>, Slot> constants;
  std::map<std::pair<unsigned, uint64_t>, Slot> dynamics; ///< as constants, by offset
  llvm::DenseMap<const parser::Variable *, uint32_t> sharedAddresses;
};

class FunctionBuilder {
public:
  FunctionBuilder(ProgramBuilder &owner, const parser::Function &source, FunctionCode &code);

  Slot allocate(unsigned bytes);
  Slot registerSlot(uint32_t index);
  Slot specialSlot(SpecialRegister which, bool is64);
  /// Receives what `_` discards.
  Slot sinkSlot();
  /// The condition code of add.cc and kin, a predicate.
  Slot carrySlot();
  /// Fails where the frame, the parameters, the constants or shared memory have
  /// outgrown a limit. Places given out after that all coincide.
  llvm::Error checkSizes() const;
  /// Offset of a .local or .param variable, or of a formal, in the frame.
  uint32_t localOffset(uint32_t variable) const { return localOffsets[variable]; }
  uint32_t formalOffset(uint32_t parameter) const { return formalOffsets[parameter]; }
  /// The registers that the code names, parameters aside.
  std::vector<UnassignedRegister> namedRegisters() const;

  ProgramBuilder &owner;
  const parser::Function &source;
  FunctionCode &code;

private:
  std::vector<Slot> registers;
  std::vector<uint32_t> localOffsets, formalOffsets;
  uint64_t registerBytes = 0, localBytes = 0, parameterBytes = 0;
  llvm::DenseMap<unsigned, Slot> specials;
  Slot sink = kNoSlot, carry = kNoSlot;
};

class InstructionDecoder {
public:
  InstructionDecoder(FunctionBuilder &function, const parser::Instruction &source, Inst &inst);

  //===--- Errors ---===//
  void fail(parser::Location location, const llvm::Twine &message);
  void fail(const llvm::Twine &message) { fail(source.location, message); }
  bool hasFailed() const { return failed; }
  /// Also fails if a modifier is left over.
  llvm::Error finish();

  //===--- Modifiers, in any order ---===//
  bool take(llvm::StringRef name);
  /// Whether the text has it, taken or not.
  bool has(llvm::StringRef name) const;
  /// The first of `names` that is present, as its index.
  std::optional<unsigned> takeOneOf(llvm::ArrayRef<llvm::StringLiteral> names);
  /// The next type in order.
  std::optional<ScalarType> takeType();
  std::optional<ScalarType> peekType() const;
  ScalarType requireType();
  /// .rn .rz .rm .rp .rna
  std::optional<numerics::Rounding> takeRounding();
  /// A modifier that starts with `prefix`, such as ".L2::".
  std::optional<std::string> takePrefixed(llvm::StringRef prefix);
  void refuseType(ScalarType type);
  /// The parts that a video instruction takes of operand `index`, such as "h10";
  /// empty without.
  llvm::StringRef takeSelector(unsigned index);
  /// Whether operand `index` has a minus sign, as vmad's may.
  bool takeSign(unsigned index);

  //===--- Operands ---===//
  unsigned numOperands() const { return source.operands.size(); }
  bool expectOperands(unsigned least, unsigned most);
  bool expectOperands(unsigned count) { return expectOperands(count, count); }
  const parser::Operand &operand(unsigned index);
  bool isImmediate(unsigned index) { return operand(index).kind == parser::Operand::Kind::Integer; }
  /// Bits of a register operand; 0 for anything else.
  unsigned registerBits(const parser::Operand &operand) const;
  /// A slot to read `type` from: register of that width, special register,
  /// immediate or address of a variable.
  Slot read(const parser::Operand &operand, ScalarType type);
  Slot read(unsigned index, ScalarType type) { return read(operand(index), type); }
  Slot write(const parser::Operand &operand, ScalarType type);
  Slot write(unsigned index, ScalarType type) { return write(operand(index), type); }
  Slot readPredicate(const parser::Operand &operand, bool &isNegated);
  Slot writePredicate(const parser::Operand &operand);
  /// A register of any width, for ld, st and cvt; immediates take `type`'s.
  Slot readAny(const parser::Operand &operand, ScalarType type, unsigned &bits);
  Slot writeAny(const parser::Operand &operand, unsigned &bits);
  /// The elements of {a, b, ...}, or the operand itself.
  llvm::ArrayRef<parser::Operand> elements(const parser::Operand &operand) const;
  /// The elements of {a, b, ...}, also where there is one.
  llvm::ArrayRef<parser::Operand> requireVector(const parser::Operand &operand);
  /// Appends slots to the program's table; the index of the first.
  uint32_t addSlots(llvm::ArrayRef<Slot> slots);
  /// An operand that must be an integer constant in [least, most].
  uint64_t immediate(unsigned index, uint64_t least, uint64_t most);
  /// [base + offset]: sets a, imm and what `info` says of the address. A
  /// variable's space must agree with info.space, or sets it when generic.
  void address(const parser::Operand &operand, MemoryInfo &info);
  uint32_t addMemory(const MemoryInfo &info);
  /// Notes an operand for the initialisation checker; read(), write() and kin do.
  Slot note(Slot slot, unsigned bits, TaintOperand::Role role);

  void set(Handler handler, OpClass opClass) {
    inst.handler = handler;
    inst.opClass = opClass;
  }

  FunctionBuilder &function;
  ProgramBuilder &owner;
  Program &program;
  const parser::Instruction &source;
  Inst &inst;
  llvm::SmallVector<TaintOperand, 8> noted;

private:
  void resolveAddress(const parser::Operand &operand, MemoryInfo &info);
  Slot readOperand(const parser::Operand &operand, ScalarType type);
  Slot readRegister(const parser::Operand &operand, unsigned bits);
  uint64_t convertImmediate(const parser::Operand &operand, ScalarType type);

  std::vector<bool> consumed;
  uint64_t selectorsTaken = 0, signsTaken = 0; ///< by operand
  bool failed = false;
  parser::Location errorLocation;
  std::string errorMessage;
};

using DecodeFunction = void (*)(InstructionDecoder &);
struct InstructionEntry {
  llvm::StringLiteral opcode;
  DecodeFunction decode;
};

/// The families, each in a file of its own.
llvm::ArrayRef<InstructionEntry> getArithmeticInstructions();
llvm::ArrayRef<InstructionEntry> getIntegerInstructions();
llvm::ArrayRef<InstructionEntry> getBitInstructions();
llvm::ArrayRef<InstructionEntry> getFloatInstructions();
llvm::ArrayRef<InstructionEntry> getCompareInstructions();
llvm::ArrayRef<InstructionEntry> getConvertInstructions();
llvm::ArrayRef<InstructionEntry> getMoveInstructions();
llvm::ArrayRef<InstructionEntry> getMbarrierInstructions();
llvm::ArrayRef<InstructionEntry> getMemoryInstructions();
llvm::ArrayRef<InstructionEntry> getAtomicInstructions();
llvm::ArrayRef<InstructionEntry> getAsyncInstructions();
llvm::ArrayRef<InstructionEntry> getBarrierInstructions();
llvm::ArrayRef<InstructionEntry> getShuffleInstructions();
llvm::ArrayRef<InstructionEntry> getMatrixInstructions();
llvm::ArrayRef<InstructionEntry> getVideoInstructions();
llvm::ArrayRef<InstructionEntry> getScalarVideoInstructions();

/// What the initialisation checker is to know of a decoded instruction: how its
/// results depend on its sources.
void addTaintFacts(InstructionDecoder &decoder);

/// Decodes any instruction but those of control flow.
llvm::Error decodeInstruction(FunctionBuilder &function, const parser::Instruction &source,
                              Inst &inst);

/// The numerics of a scalar floating-point type.
numerics::FloatType toFloatType(ScalarType type);
inline bool isFloat(ScalarType type) {
  return parser::getClass(type) == parser::TypeClass::Float || type == ScalarType::F16x2 ||
         type == ScalarType::BF16x2 || type == ScalarType::F32x2;
}

/// Reads 32-byte-and-less registers of any width as numbers: the slow path of
/// instructions that mix widths.
uint64_t readLane(const Warp &warp, Slot slot, unsigned bytes, unsigned lane);
void writeLane(const Warp &warp, Slot slot, unsigned bytes, unsigned lane, uint64_t value);

} // namespace tilewright::emulator

#endif
