//===- Assignment.h - Registers that may be read before they are written ------===//
//
// A definite-assignment analysis over one function's code, once it is laid out.
// Registers are undefined until they are assigned (PTX ISA, "Register State
// Space"); the few that some path reads before that start tainted
// (Taint.h), the others need no watching.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_CHECKERS_ASSIGNMENT_H
#define TILEWRIGHT_RUNTIME_EMULATOR_CHECKERS_ASSIGNMENT_H

#include "runtime/Emulator/Machine/Program.h"

namespace tilewright::emulator {

/// Appends to program.unassigned those of `registers` that some path of `code`
/// may read unassigned, and notes their range in `code`. An instruction with a
/// guard may not run, so it reads but does not assign.
void findUnassigned(Program &program, FunctionCode &code,
                    std::vector<UnassignedRegister> registers);

} // namespace tilewright::emulator

#endif
