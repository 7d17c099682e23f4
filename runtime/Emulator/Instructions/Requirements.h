//===- Requirements.h - The target and the PTX version an instruction needs ----===//
//
// ptxas refuses an instruction that the module's .target or .version does not
// have yet; so does the decoder. The table is from the "Target ISA Notes" and
// "PTX ISA Notes" of the PTX ISA, held against ptxas by
// test/python/tools/test_requirements.py.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_REQUIREMENTS_H
#define TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_REQUIREMENTS_H

#include "runtime/Emulator/Parser/AST.h"
#include "llvm/Support/Error.h"

namespace tilewright::emulator {

/// Fails where `instruction` of `function` needs a newer target, a target of one
/// architecture (sm_90a) or a newer version than the module has; the message names
/// both.
llvm::Error checkRequirements(const parser::Module &module, const parser::Function &function,
                              const parser::Instruction &instruction);

} // namespace tilewright::emulator

#endif
