//===- Program.h - A kernel in the form that is executed --------------------===//
//
// The decoder turns one entry function and all it calls into a Program: a flat
// array of instructions whose operands are byte offsets ("slots") into a
// register bank, each slot holding the 32 lanes of one register side by side.
// Code is laid out so that a lower pc is to be run first when a warp has split
// (see Execution/ControlFlow.h).
//
// Slots: a predicate is one uint32_t, a bit a lane. Any other register is an
// array of 32 elements of its width (1, 2, 4, 8 or 16 bytes), bits without
// type. Immediates and symbols' addresses are slots too, in the bank of
// constants, so that no handler asks what an operand is.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_PROGRAM_H
#define TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_PROGRAM_H

#include "runtime/Emulator/Checkers/TaintFacts.h"
#include "runtime/Emulator/Parser/AST.h"
#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <string>
#include <vector>

namespace tilewright::emulator {

using parser::ScalarType;
using parser::Space;

constexpr unsigned kLanes = 32;
constexpr uint32_t kFullMask = ~0u;

using Slot = uint32_t;
constexpr Slot kConstantBank = 1u << 31; ///< set: offset into Program::constants
constexpr Slot kNoSlot = ~0u;

class Warp;
struct Inst;
/// Executes one instruction for the lanes in `mask`, which is not empty.
using Handler = void (*)(Warp &warp, const Inst &inst, uint32_t mask);

/// How the interpreter goes on after, or instead of, an instruction's handler.
enum class Flow : uint8_t {
  Next,          ///< handler, then pc + 1
  Checked,       ///< as Next, but the handler may stop the launch
  Branch,        ///< to `target`
  BranchIndexed, ///< to slots[extra + value of a]
  Call,          ///< calls[aux]
  CallIndirect,  ///< the function of indirectCalls[aux] whose address is in a
  Return,
  Exit,
  Barrier,  ///< handler says whether the lanes wait (Warp::blockAtBarrier)
  WarpSync, ///< handler once all lanes named by the mask in c (or all) are here
  Wait,     ///< as Checked; a failed wait (Warp::waitFailed) gives up the turn
};

/// What counters call an instruction.
enum class OpClass : uint8_t {
  Integer,
  Float,
  Half,
  Double,
  Convert,
  Move,
  Predicate,
  Special,
  Control,
  Load,
  Store,
  Atomic,
  Async,
  Barrier,
  Shuffle,
  Matrix,
  Other,
};
constexpr unsigned kNumOpClasses = static_cast<unsigned>(OpClass::Other) + 1;
llvm::StringRef getName(OpClass opClass);

struct Inst {
  Handler handler = nullptr;
  Slot d = kNoSlot, a = kNoSlot, b = kNoSlot, c = kNoSlot;
  Slot guard = kNoSlot;
  Flow flow = Flow::Next;
  bool guardNegated = false;
  OpClass opClass = OpClass::Other;
  uint8_t flags = 0;  ///< of the family
  uint32_t extra = 0; ///< of the family; often the first of many slots in Program::slots
  uint32_t aux = 0;   ///< of the family; often an index into a table of Program
  uint64_t imm = 0;   ///< of the family; an address offset
  uint32_t target = 0;
  uint32_t origin = 0; ///< index into Program::origins
};

/// In Inst::flags of a branch that layout added: not counted.
constexpr uint8_t kLayoutJump = 1;

/// In Inst::imm of a barrier that all lanes of a warp must execute together.
constexpr uint64_t kAlignedBarrier = 4;

/// Where an instruction stands in the text.
struct Origin {
  parser::Location location;
  parser::SourceLine source;
  std::string text; ///< "ld.shared.v4.f32"
};

enum class Scope : uint8_t { Block, Cluster, Device, System };
/// Weak orders nothing; Volatile and MMIO count as relaxed.
enum class Ordering : uint8_t { Weak, Relaxed, Acquire, Release, AcquireRelease };

/// A memory instruction's facts, for its handler and for checkers.
struct MemoryInfo {
  Space space = Space::Generic;
  uint8_t elementBytes = 4; ///< in memory
  uint8_t vectorWidth = 1;
  uint8_t registerBytes = 4;
  bool isSigned = false;
  bool addressIs32 = false;   ///< the address register has 32 bits
  bool frameRelative = false; ///< a variable of the running frame
  bool isVolatile = false;
  bool entryParameters = false; ///< .param of the kernel
  Ordering ordering = Ordering::Weak;
  Scope scope = Scope::System;
  uint32_t bytes() const { return elementBytes * vectorWidth; }
};

enum class SpecialRegister : uint8_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  LaneId,
  WarpId,
  NWarpId,
  SmId,
  NSmId,
  GridId,
  LaneMaskEq,
  LaneMaskLe,
  LaneMaskLt,
  LaneMaskGe,
  LaneMaskGt,
  DynamicSharedSize,
  TotalSharedSize,
  ReservedSharedSize,
  ReservedShared,
  GridWorkspaceHigh,
  GridWorkspaceLow,
  AggregateSharedSize,
  Zero,
  One,
};

/// A special register that a function reads, filled when its frame is made.
struct SpecialSlot {
  SpecialRegister which;
  Slot slot;
  bool is64 = false;
};

struct FunctionCode {
  std::string name;
  uint32_t firstPc = 0, endPc = 0;
  uint32_t registerBytes = 0; ///< of a frame's bank
  uint32_t taintOffset = 0;   ///< from a register to its taint, in the same bank
  uint32_t localBytes = 0;    ///< .local and .param variables of a frame, a lane
  std::vector<SpecialSlot> specials;
  std::vector<uint32_t> formals;                   ///< local offset, or slot of a .reg formal
  uint32_t firstUnassigned = 0, endUnassigned = 0; ///< in Program::unassigned
};

/// One value that a call carries over; each end is a register or bytes of
/// frame-local memory. The caller's may be a constant.
struct Passed {
  bool isRegister = false, isCalleeRegister = false;
  uint32_t caller = 0, callee = 0, bytes = 0;
};

enum class Builtin : uint8_t { None, Printf, AssertFail };

struct CallSite {
  Builtin builtin = Builtin::None;
  uint32_t function = 0;
  std::vector<Passed> arguments, results;
};

/// A function that an indirect call may name.
struct CallTarget {
  uint64_t address = 0;
  std::string name;
  uint32_t call = ~0u; ///< index into Program::calls; none: of another form
};

/// Enough for cooperative groups: a word and 8 bytes a warp.
constexpr uint32_t kReservedSharedBytes = 512;

struct Program {
  std::string kernelName;
  std::vector<Inst> code;
  std::vector<Origin> origins;
  std::vector<uint8_t> constants;
  std::vector<Slot> slots;
  std::vector<MemoryInfo> memory;
  std::vector<CallSite> calls;
  std::vector<std::vector<CallTarget>> indirectCalls;
  std::vector<FunctionCode> functions; ///< the entry is the first
  std::vector<std::string> files;      ///< by .loc file number
  parser::SourceCallers callers;       ///< of all its functions
  std::vector<TaintFacts> taintFacts;  ///< by Inst::origin
  std::vector<TaintOperand> taintOperands;
  std::vector<UnassignedRegister> unassigned; ///< by function
  Slot zeros = kNoSlot;                       ///< 16 bytes a lane
  /// The name of a file; empty where the text names none.
  std::string getFile(uint32_t number) const {
    return number < files.size() ? files[number] : std::string();
  }

  uint32_t parameterBytes = 0;
  uint32_t staticSharedEnd = 0; ///< address after static shared variables
  uint32_t reservedShared = 0;  ///< address of kReservedSharedBytes zeros; 0: not used
  bool usesGridWorkspace = false;
  uint32_t dynamicSharedAlignment = 16;
  parser::PerformanceDirectives directives;

  /// Shared variables by address, for messages.
  struct SharedSymbol {
    std::string name;
    uint32_t address, bytes;
  };
  std::vector<SharedSymbol> sharedSymbols;

  const FunctionCode &getEntry() const { return functions.front(); }
};

} // namespace tilewright::emulator

#endif
