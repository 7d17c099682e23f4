//===- Passes.td - Phase Expand: from what to how, per block ----------------===//
#ifndef TILEWRIGHT_PASSES_EXPAND_PASSES
#define TILEWRIGHT_PASSES_EXPAND_PASSES

include "mlir/Pass/PassBase.td"

def ExpandNN : Pass<"tw-expand-nn", "::mlir::ModuleOp"> {
  let summary = "turn nn ops into tile programs";
  let description = [{
    Precondition: a function holds one `nn` op, between its arguments and its
    return, with a schedule attached.

    Replaces the function by a tile program of the same name: pointers for the
    tensors, integers for the dynamic extents and strides, workspaces; the body
    computes one block's tile of the result. Sizes come from the schedule,
    nothing here invents any.

    Postcondition: no `nn` op is left. Functions without `nn` ops are left
    alone.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
                           "::tilewright::tile::TileDialect"];
}

def VerifyPrograms : Pass<"tw-verify-programs", "::mlir::ModuleOp"> {
  let summary = "check that kernels are complete tile programs";
  let description = [{
    States what holds after Expand, for programs it made and for those that
    people wrote: no `nn` op is left; a kernel has one block and no results,
    three grid expressions and a power of two of at most 32 warps; every
    argument says what it is (`tile.parameter`) and has the type of its kind;
    every workspace argument names a workspace of the kernel. Changes nothing.
  }];
}

#endif
