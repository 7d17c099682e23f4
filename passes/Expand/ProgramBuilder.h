//===- ProgramBuilder.h - The parts that tile programs are built from --------===//
//
// Base of the builders of kernel families: the kernel's parameters in order,
// and short names for the tile ops that every family uses. A family declares
// its parameters first, then creates the program, then builds its body.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_EXPAND_PROGRAMBUILDER_H
#define TILEWRIGHT_PASSES_EXPAND_PROGRAMBUILDER_H

#include "dialects/NN/NNDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

namespace tilewright::expand {

class ProgramBuilder {
protected:
  /// Programs are built in front of `source`, the function of the nn op;
  /// `problem` may be null.
  ProgramBuilder(mlir::Operation *op, mlir::func::FuncOp source, nn::ProblemAttr problem)
      : op(op), source(source), problem(problem), loc(op->getLoc()), builder(source) {}

  //===- The function -------------------------------------------------------===//

  /// Adds a parameter to the kernel; the result is its index for argument().
  unsigned addParameter(tile::ParameterKind kind, llvm::StringRef name, mlir::Type type,
                        llvm::StringRef dtype, unsigned axis = 0, unsigned align = 1,
                        bool written = false, bool updated = false);
  /// A pointer to the operand `name`, aligned as the problem says. Integers are
  /// unsigned ("u8") but for `dtype`.
  unsigned addPointer(llvm::StringRef name, mlir::Type element, bool written = false,
                      llvm::StringRef dtype = "");
  /// The same to an operand of which the kernel writes a part and leaves the rest.
  unsigned addUpdatedPointer(llvm::StringRef name, mlir::Type element, llvm::StringRef dtype = "");

  /// Creates the function from the parameters so far and moves into its body.
  void createProgram(tile::KernelAttr kernel, tile::ScheduleAttr schedule);
  mlir::Value argument(unsigned index) { return program.getArgument(index); }
  mlir::Value programId(unsigned axis);

  //===- Values -------------------------------------------------------------===//

  mlir::Value constant(int64_t value);
  mlir::Value scaled(mlir::Value value, int64_t factor);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value compare(mlir::arith::CmpIPredicate predicate, mlir::Value a, mlir::Value b);
  mlir::RankedTensorType tensor(llvm::ArrayRef<int64_t> shape, mlir::Type element) {
    return mlir::RankedTensorType::get(shape, element);
  }
  mlir::Type f32() { return builder.getF32Type(); }
  /// A tile of zeros, of f32 where nothing is said.
  mlir::Value zeros(llvm::ArrayRef<int64_t> shape, mlir::Type element = {});
  mlir::Value load(mlir::Value view, mlir::ValueRange offsets, llvm::ArrayRef<int64_t> shape);
  /// The tile itself where the part is all of it.
  mlir::Value slice(mlir::Value value, llvm::ArrayRef<int64_t> offsets,
                    llvm::ArrayRef<int64_t> shape);
  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<int64_t> shape);
  /// Rows for columns.
  mlir::Value transpose(mlir::Value value);
  /// The tile in f32.
  mlir::Value extend(mlir::Value value);
  /// A tile with dimensions of extent 1 as an f32 tile of `shape`.
  mlir::Value spread(mlir::Value value, llvm::ArrayRef<int64_t> shape);
  mlir::Value view(mlir::Value base, llvm::ArrayRef<int64_t> shape, mlir::Type element,
                   llvm::ArrayRef<int64_t> strides, unsigned align, mlir::ValueRange sizes = {},
                   mlir::ValueRange dynamicStrides = {});

  //===- Facts of the problem -----------------------------------------------===//

  /// Bytes the operand's address is a multiple of; 16 where nothing is said.
  unsigned getAlign(llvm::StringRef name) const;
  /// Elements between neighbours along axis `axis` of the operand, `contiguous` where
  /// nothing is said; kDynamic where only a launch knows.
  int64_t getStride(llvm::StringRef name, unsigned axis, int64_t contiguous) const;

  mlir::Operation *op;
  mlir::func::FuncOp source;
  nn::ProblemAttr problem;
  mlir::Location loc;
  mlir::OpBuilder builder;
  mlir::func::FuncOp program;

private:
  llvm::SmallVector<mlir::Type> argumentTypes;
  llvm::SmallVector<tile::ParameterAttr> parameters;
};

} // namespace tilewright::expand

#endif
