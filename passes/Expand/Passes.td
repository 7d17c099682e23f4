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

#endif
