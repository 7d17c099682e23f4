//===- Passes.h - Lowering to the nvvm dialect ---------------------------------===//
//
// The pass and the pattern sets it is made of, one file a family of ops.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_CODEGEN_NVVM_PASSES_H
#define TILEWRIGHT_CODEGEN_NVVM_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Transforms/DialectConversion.h"

namespace tilewright::nvvm {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "codegen/NVVM/Passes.h.inc"

/// Address spaces of NVPTX.
enum AddressSpace : unsigned { Global = 1, Shared = 3 };

/// Symbol of the block's dynamic shared memory.
constexpr llvm::StringLiteral sharedSymbol = "tilewright_shared";

/// The type of a register that holds one element: floats of 8 bits, which LLVM
/// does not know, are the i8 of their bits.
mlir::Type getRegisterType(mlir::Type element);

/// Attribute of a module: the name of the target it is lowered for. Without it code runs
/// on every target.
constexpr llvm::StringLiteral targetAttrName = "tile.target";

/// How values become registers: see the pass description.
void populateTypeConversion(mlir::TypeConverter &converter);

void populateElementwisePatterns(const mlir::TypeConverter &converter,
                                 mlir::RewritePatternSet &patterns);
void populateFieldPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
/// Conversions to 8-bit floats, by `cvt` where the target has it.
void populateSaturatePatterns(const mlir::TypeConverter &converter,
                              mlir::RewritePatternSet &patterns, bool hasConvert);
/// 8-bit floats as f16, by `cvt` where the target has it; integers of 4 and 8 bits as f16.
void populateWidenPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns,
                           bool hasConvert);
void populateMemoryPatterns(const mlir::TypeConverter &converter,
                            mlir::RewritePatternSet &patterns);
void populateAsyncPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateCopyPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateGatherPatterns(const mlir::TypeConverter &converter,
                            mlir::RewritePatternSet &patterns);
void populateLdmatrixPatterns(const mlir::TypeConverter &converter,
                              mlir::RewritePatternSet &patterns);
void populateMmaPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateMathPatterns(mlir::RewritePatternSet &patterns);
void populateReducePatterns(const mlir::TypeConverter &converter,
                            mlir::RewritePatternSet &patterns);
void populateShufflePatterns(const mlir::TypeConverter &converter,
                             mlir::RewritePatternSet &patterns);
void populatePackPatterns(const mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateDequantPatterns(const mlir::TypeConverter &converter,
                             mlir::RewritePatternSet &patterns);

} // namespace tilewright::nvvm

#endif
