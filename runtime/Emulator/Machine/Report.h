//===- Report.h - What a launch leaves behind: counters, findings, output ---===//
//
// Deterministic for a given program, arguments and options, so that tests can
// bound the counters and the cost model can read them.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_REPORT_H
#define TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_REPORT_H

#include "runtime/Emulator/Machine/Program.h"
#include "llvm/Support/JSON.h"
#include <array>
#include <optional>

namespace tilewright::emulator {

/// Counted at one instruction (or summed over several).
struct Counters {
  uint64_t issues = 0;      ///< warp instructions, also those with no lane active
  uint64_t activeLanes = 0; ///< lanes that executed them
  // Shared memory: a wavefront serves 32 banks of 4 bytes, one word a bank.
  uint64_t sharedAccesses = 0, sharedWavefronts = 0, sharedIdealWavefronts = 0;
  // Global memory: sectors of 32 bytes; needed = bytes asked for, rounded up.
  uint64_t globalRequests = 0, globalSectors = 0, globalSectorsNeeded = 0;
  // Bytes that lanes asked for.
  uint64_t globalLoadBytes = 0, globalStoreBytes = 0, sharedLoadBytes = 0, sharedStoreBytes = 0,
           localBytes = 0, asyncBytes = 0;
  uint64_t matrixOperations = 0; ///< mma instructions
  uint64_t barrierWaits = 0;     ///< warps that had to wait
  // cp.async.wait_group: bytes of the warp still in flight after the wait.
  uint64_t asyncWaits = 0, asyncInFlightMin = UINT64_MAX, asyncInFlightMax = 0;

  void add(const Counters &other);
  llvm::json::Object toJSON() const;
};

/// The access of an instruction that cost most above the least possible.
struct WorstAccess {
  Space space = Space::Generic;
  std::array<uint32_t, 3> block{};
  uint32_t warp = 0, mask = 0, bytes = 0; ///< bytes of a lane
  uint32_t cost = 0, ideal = 0;           ///< wavefronts of shared, sectors of global memory
  std::array<uint64_t, kLanes> address{};

  uint32_t getExcess() const { return cost - ideal; }
  llvm::json::Object toJSON() const;
};

struct CounterLine {
  parser::Location location; ///< of the PTX; line 0 in sums over source lines
  parser::SourceLine source;
  std::string sourceFile;
  std::string text; ///< of the instruction; empty in sums
  OpClass opClass = OpClass::Other;
  Counters counters;
  std::optional<WorstAccess> worst; ///< with Options::keepWorstAccess
};

enum class FindingKind : uint8_t {
  OutOfBounds,
  Misaligned,
  ReadOnlyWrite,
  WrongSpace,
  AsyncDestinationRead,
  AsyncDestinationWrite,
  AsyncSourceOverwritten,
  Race,
  Uninitialised,
  BarrierMisuse,
  Deadlock,
  WarpSyncMisuse,
  Trap,
  AssertFailed,
  CallDepth,
  InstructionBudget,
  TimeBudget,
  MemoryBudget,
  InvalidOperand,
};
llvm::StringRef getName(FindingKind kind);

/// A place that a function was inlined at.
struct CallerLine {
  std::string file;
  parser::SourcePlace place;
  bool isOneOfSeveral = false; ///< it or one of its neighbours that are this, too
};
/// Where the function of a line was inlined, from the inside out, as far as PTX
/// tells: the last may be one of several.
std::vector<CallerLine> getCallers(const Program &program, const parser::SourceLine &source);

/// The other party of a finding: an earlier access to the same bytes.
struct Party {
  std::string what; ///< "written by", "read by"
  std::string instruction;
  parser::Location location;
  parser::SourceLine source;
  std::string sourceFile;
  std::vector<CallerLine> inlinedAt; ///< from the inside out
  std::array<uint32_t, 3> block{};
  uint32_t warp = 0;
  int lane = -1; ///< -1: the whole warp

  llvm::json::Object toJSON() const;
};

struct Finding {
  FindingKind kind;
  std::string message; ///< what happened, without the place
  std::string kernel;
  std::string instruction;
  parser::Location location;
  parser::SourceLine source;
  std::string sourceFile;
  std::vector<CallerLine> inlinedAt; ///< from the inside out
  std::array<uint32_t, 3> block{};
  uint32_t warp = 0;
  int lane = -1; ///< -1: the whole warp
  bool hasAddress = false;
  Space space = Space::Generic;
  uint64_t address = 0;
  std::string symbol; ///< the variable or allocation nearest to the address
  void setAddress(Space where, uint64_t value, std::string name) {
    hasAddress = true;
    space = where;
    address = value;
    symbol = std::move(name);
  }
  std::optional<Party> other;
  std::string remedy; ///< what would make it right; empty where nothing can be said

  /// One line of text.
  std::string toString() const;
  llvm::json::Object toJSON() const;
};

struct Report {
  std::string kernel;
  Counters total;
  std::array<uint64_t, kNumOpClasses> issuesByClass{};
  std::vector<CounterLine> lines;       ///< one an instruction that was executed, in text order
  std::vector<CounterLine> sourceLines; ///< summed over .loc lines
  std::vector<Finding> findings;
  std::string output;             ///< of printf
  std::vector<std::string> notes; ///< what was not checked to the end, and why
  uint64_t blocks = 0, warps = 0;

  llvm::json::Object toJSON() const;
};

} // namespace tilewright::emulator

#endif
