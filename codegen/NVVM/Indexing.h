//===- Indexing.h - Coordinates of this thread as instructions ---------------===//
//
// What layouts mean at run time: lane and warp numbers, the coordinates they
// contribute, and the registers that hold given elements.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_CODEGEN_NVVM_INDEXING_H
#define TILEWRIGHT_CODEGEN_NVVM_INDEXING_H

#include "dialects/Support/Layout/LinearLayout.h"
#include "dialects/TileGPU/TileGPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include <map>

namespace tilewright::nvvm {

/// Builds LLVM-dialect integer arithmetic, folding what is constant.
class Emitter {
public:
  Emitter(mlir::OpBuilder &builder, mlir::Location loc) : builder(builder), loc(loc) {}

  mlir::Value i32(int64_t value);
  mlir::Value i64(int64_t value);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value bitAnd(mlir::Value a, mlir::Value b);
  mlir::Value bitXor(mlir::Value a, mlir::Value b);
  mlir::Value shiftLeft(mlir::Value a, unsigned amount);
  mlir::Value shiftRight(mlir::Value a, unsigned amount);
  /// Unsigned quotient and remainder by a constant.
  mlir::Value divide(mlir::Value a, int64_t divisor);
  mlir::Value remainder(mlir::Value a, int64_t divisor);
  /// Whether 0 <= a < b, for a `b` that is not negative.
  mlir::Value isBelow(mlir::Value a, mlir::Value b);
  /// Sign-extends an i32 to i64; an i64 stays.
  mlir::Value extend(mlir::Value a);
  /// `base` displaced by `offset` bytes (i32 or i64).
  mlir::Value displace(mlir::Value base, mlir::Value offset);
  mlir::Value displace(mlir::Value base, int64_t offset);

  mlir::Value threadId();
  mlir::Value laneId();
  mlir::Value warpId();

  mlir::OpBuilder &builder;
  mlir::Location loc;
};

/// Coordinate `dim` of register 0 of this thread: what lane and warp
/// contribute. The coordinate of another register is this plus its own
/// constant (bases of places do not share bits).
mlir::Value emitThreadCoordinate(Emitter &emit, const layout::LinearLayout &layout, unsigned dim);
/// What the warp alone contributes.
mlir::Value emitWarpCoordinate(Emitter &emit, const layout::LinearLayout &layout, unsigned dim);

/// What a row's offsets are XORed with, in a swizzled tile whose panels are rows or
/// of 128 bytes with a multiple of 8 rows.
mlir::Value emitSwizzle(Emitter &emit, tilegpu::MemDescType type, mlir::Value row);

/// SharedLayout::getOffset(row, byte) of a tile as instructions.
mlir::Value emitSharedOffset(Emitter &emit, tilegpu::MemDescType type, mlir::Value row,
                             mlir::Value byte);

/// Registers of thread 0 by the coordinates they hold.
class RegisterMap {
public:
  explicit RegisterMap(const layout::LinearLayout &layout);
  /// The register that holds the element in thread 0; asserts that one does.
  unsigned at(llvm::ArrayRef<int64_t> coordinates) const;
  bool contains(llvm::ArrayRef<int64_t> coordinates) const;

private:
  uint64_t linearize(llvm::ArrayRef<int64_t> coordinates) const;
  llvm::SmallVector<int64_t, 4> shape;
  std::map<uint64_t, unsigned> registers;
};

} // namespace tilewright::nvvm

#endif
