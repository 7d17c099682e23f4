//===- EmitPTX.h - From the llvm dialect to PTX text --------------------------===//
//
// Last step of codegen: LLVM IR, O3, the NVPTX backend, all in process.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_CODEGEN_PTX_EMITPTX_H
#define TILEWRIGHT_CODEGEN_PTX_EMITPTX_H

#include "dialects/Support/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "llvm/Support/Error.h"
#include <string>

namespace tilewright::ptx {

/// Adds what translation to LLVM IR needs of the dialects.
void registerTranslations(mlir::DialectRegistry &registry);

/// PTX of a module of llvm and nvvm ops for `target`.
llvm::Expected<std::string> emitPTX(mlir::ModuleOp module, const target::Target &target);

} // namespace tilewright::ptx

#endif
