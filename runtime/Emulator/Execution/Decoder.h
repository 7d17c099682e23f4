//===- Decoder.h - From a parsed kernel to a Program -------------------------===//
//
// Decodes an entry function and everything it calls. All errors of the text
// that the parser leaves come out here: unknown instructions and modifiers,
// operands that do not fit, calls of nothing.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_EXECUTION_DECODER_H
#define TILEWRIGHT_RUNTIME_EMULATOR_EXECUTION_DECODER_H

#include "runtime/Emulator/Machine/Program.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <vector>

namespace tilewright::emulator {

/// What decoding any kernel of a module looks up; made once.
struct ModuleIndex {
  explicit ModuleIndex(const parser::Module &module);

  const parser::Module &module;
  /// By name; a function with a body wins over its declarations.
  llvm::StringMap<const parser::Function *> functions;
  /// Functions whose address the module takes: what a register may hold.
  std::vector<const parser::Function *> addressed;
  // What has been decoded so far, see Machine/Limits.h.
  size_t numInstructions = 0, numCallTargets = 0, numBranchTargets = 0;
};

/// `symbols`: addresses of the module's functions and of its .global and .const
/// variables, those declared in function bodies included.
llvm::Expected<std::unique_ptr<Program>> decode(ModuleIndex &index, const parser::Function &entry,
                                                const llvm::StringMap<uint64_t> &symbols);

} // namespace tilewright::emulator

#endif
