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

    Where the module has the attribute `tile.target`, the name of a target, its
    conversions to 8-bit floats are used; else arithmetic does the same.

    Postcondition: only `llvm` and `nvvm` ops are left.

    From `test/codegen/NVVM/lower-to-nvvm-elementwise.mlir`, a tile of two
    registers a thread:

    ```mlir
    func.func @elementwise(%a: tensor<64xf32, #two>, %b: tensor<64xf32, #two>, ...) {
      %sum = arith.addf %a, %b : tensor<64xf32, #two>
    ```

    becomes

    ```mlir
    llvm.func @elementwise(%a0: f32, %a1: f32, %b0: f32, %b1: f32, ...) {
      %sum0 = llvm.fadd %a0, %b0 : f32
      %sum1 = llvm.fadd %a1, %b1 : f32
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect",
                           "::mlir::cf::ControlFlowDialect", "::mlir::scf::SCFDialect",
                           "::mlir::arith::ArithDialect"];
}

#endif
