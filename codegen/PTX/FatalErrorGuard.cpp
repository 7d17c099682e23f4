//===- FatalErrorGuard.cpp - Survive LLVM's fatal errors ---------------------===//
//
// The one file built with exceptions: the handler throws through LLVM's frames
// (which have unwind tables) back to runGuarded.
//
//===----------------------------------------------------------------------===//
#include "codegen/PTX/FatalErrorGuard.h"
#include "llvm/Support/ErrorHandling.h"
#include <mutex>
#include <string>

namespace {
struct FatalError {
  std::string reason;
};

/// Throws only on the thread that is guarded; elsewhere LLVM goes on to abort.
thread_local bool isGuarded = false;

void throwReason(void *, const char *reason, bool) {
  if (isGuarded)
    throw FatalError{reason};
}
} // namespace

llvm::Error tilewright::ptx::runGuarded(llvm::function_ref<void()> action) {
  static std::once_flag installed;
  std::call_once(installed, [] { llvm::install_fatal_error_handler(throwReason); });
  isGuarded = true;
  try {
    action();
  } catch (const FatalError &error) {
    isGuarded = false;
    return llvm::createStringError("the NVPTX backend refused the program: " + error.reason);
  }
  isGuarded = false;
  return llvm::Error::success();
}
