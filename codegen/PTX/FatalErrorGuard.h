//===- FatalErrorGuard.h - Survive LLVM's fatal errors -----------------------===//
//
// LLVM's backends end the process on what they cannot select. Capabilities are
// checked before; this is the net below.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_CODEGEN_PTX_FATALERRORGUARD_H
#define TILEWRIGHT_CODEGEN_PTX_FATALERRORGUARD_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"

namespace tilewright::ptx {

/// Runs `action`; a fatal error of LLVM within it becomes an error. What
/// `action` was building is lost then and must not be used. Thread-safe: only
/// errors of guarded threads are caught.
llvm::Error runGuarded(llvm::function_ref<void()> action);

} // namespace tilewright::ptx

#endif
