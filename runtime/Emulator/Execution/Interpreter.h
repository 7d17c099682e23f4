//===- Interpreter.h - Runs warps, blocks and grids ---------------------------===//
//
// The scheduler (Scheduler.cpp) gives warps their turns; a turn (Interpreter.cpp)
// runs one warp until it waits, has looped for long, or has exited.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_EXECUTION_INTERPRETER_H
#define TILEWRIGHT_RUNTIME_EMULATOR_EXECUTION_INTERPRETER_H

#include "runtime/Emulator/Machine/Machine.h"

namespace tilewright::emulator {

enum class Turn : uint8_t {
  Exited,  ///< no lane is left
  Blocked, ///< every group waits for others of its block
  Waited,  ///< a wait failed; it may succeed later
  Yielded, ///< has looped for long
  Stopped, ///< the launch is to end
};

/// Stops the launch with a finding once it has used up its instructions or time.
/// Cheap to call often: looks at the clock every kAlarmSteps steps only.
bool isOverBudget(Warp &warp);

/// Gives one warp its turn.
Turn runTurn(Warp &warp);

/// Runs every block of a launch; findings say what went wrong. Answers on how
/// many host threads.
unsigned runLaunch(Launch &launch);

/// Where a lane's value lies on the caller's side of a call.
uint8_t *locateValue(Warp &warp, const Frame &caller, const Passed &value, unsigned lane);

/// Those of a part of the grid, in order.
void runBlocks(Launch &launch, uint64_t begin, uint64_t end);

/// On how many host threads a launch may run, as far as can be told before.
unsigned countThreads(const Launch &launch);
/// Runs all blocks on several threads. False: the launch needs the order of
/// blocks, and memory is as it was.
bool runInParallel(Launch &launch, unsigned threads);

/// Executes vprintf or __assertfail for the lanes in `mask`.
void callBuiltin(Warp &warp, const CallSite &site, const Frame &frame, uint32_t mask);

/// Sums the counters of a launch and hands over its findings.
Report makeReport(Launch &launch);

} // namespace tilewright::emulator

#endif
