//===- Limits.h - What no PTX text and no launch may exceed -------------------===//
//
// A text can ask for anything; the host must not give it. Each limit is far
// beyond what real kernels need, and an error or finding names it together with
// the value. Limits that a user may want to change are Options. The parser's own
// are in Parser/ParserState.h; docs/emulator/robustness.md has a table of all.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_LIMITS_H
#define TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_LIMITS_H

#include <cstddef>
#include <cstdint>

namespace tilewright::emulator {

// Of one kernel.
constexpr uint64_t kMaxParameterBytes = 32764; ///< PTX ISA, "Parameter State Space"
constexpr uint64_t kMaxStaticSharedBytes = uint64_t(1) << 24;
constexpr uint64_t kMaxConstantBytes = uint64_t(1) << 28; ///< immediates, 32 lanes each
// Of one function.
constexpr uint64_t kMaxRegisterBytes = uint64_t(1) << 26; ///< a warp
constexpr uint64_t kMaxLocalBytes = uint64_t(1) << 24;    ///< a thread
constexpr size_t kMaxLoopDepth = 1024;
// Of one module, summed over its kernels: each holds what it calls.
constexpr size_t kMaxDecodedInstructions = size_t(1) << 22;
constexpr size_t kMaxCallTargets = size_t(1) << 20; ///< of indirect calls
constexpr size_t kMaxBranchTargets = size_t(1) << 22;

/// Copies in flight of one warp; beyond it the oldest land. As many fill all
/// shared memory, four bytes a lane.
constexpr size_t kMaxCopiesInFlight = 2048;

/// Warp instructions between two looks at the budgets of a launch.
constexpr uint64_t kAlarmSteps = uint64_t(1) << 14;

// Beyond these the race checker gives up and says so (Options::raceRecordLimit too).
constexpr size_t kMaxSyncLocations = size_t(1) << 19;
constexpr size_t kMaxGuesses = size_t(1) << 14; ///< reads whose use is not known yet

} // namespace tilewright::emulator

#endif
