//===- Passes.td - From tiles to instructions --------------------------------===//
#ifndef TILEWRIGHT_CODEGEN_NVVM_PASSES
#define TILEWRIGHT_CODEGEN_NVVM_PASSES

include "mlir/Pass/PassBase.td"

def LowerToNVVM : Pass<"tw-lower-to-nvvm", "::mlir::ModuleOp"> {
  let summary = "lower programs with layouts to the llvm and nvvm dialects";
  let description = [{
    Precondition: every tensor has a layout, every `tilegpu.alloc` an offset.

    A tensor becomes the scalars its layout puts in a thread's registers (one
    value of the type conversion becomes many), a view its pointer and dynamic
    extents and strides, a tile in shared memory its address. Then each op is a
    fixed sequence of instructions; control flow becomes branches, functions
    become `llvm.func`s with NVVM's kernel attributes.

    Postcondition: only `llvm` and `nvvm` ops are left.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect",
                           "::mlir::cf::ControlFlowDialect", "::mlir::scf::SCFDialect",
                           "::mlir::arith::ArithDialect"];
}

#endif
