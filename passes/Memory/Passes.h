//===- Passes.h - Phase Memory --------------------------------------------------===//
//
// Shared memory, asynchronous copies and the barriers they need.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_MEMORY_PASSES_H
#define TILEWRIGHT_PASSES_MEMORY_PASSES_H

#include "dialects/TileGPU/TileGPUDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"
#include "passes/Memory/Attributes.h"

namespace tilewright::memory {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Memory/Passes.h.inc"

/// On a kernel: bytes of shared memory its tiles take (i64).
constexpr llvm::StringLiteral sharedBytesAttrName = "tilegpu.shared_bytes";

} // namespace tilewright::memory

#endif
