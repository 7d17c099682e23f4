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

    From `test/passes/Expand/expand-nn.mlir`:

    ```mlir
    %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul",
        {split_k = 1, stages = 3, tile_k = 128, tile_m = 16, tile_n = 64, ...}>}
    ```

    becomes

    ```mlir
    %sum = scf.for %tile = %c0 to %c3 step %c1 iter_args(%acc = %zero) {
      %rows = tile.load %x_view[...] -> tensor<16x128xf16>
      %words = tile.load %w_view[...] -> tensor<2x1x512xi32>
      %stored = tile.load %scales_view[...] -> tensor<1x2x32xf16>
      ...                                        // columns in order: tensor<1x64xf16>
      %codes = tile.unpack %words -> tensor<128x64xi4>
      %codes_0 = tile.slice %codes [0, 0] -> tensor<64x64xi4>
      %values_0 = tile.dequant %codes_0 bias 0 -> tensor<64x64xf16>
      %rows_0 = tile.slice %rows [0, 0] -> tensor<16x64xf16>
      %dot_0 = tile.dot %rows_0, %values_0, %zero -> tensor<16x64xf32>
      ...                                        // and rows 64 .. 127: %dot_1
      %next = math.fma %dot_1, %scale, %acc : tensor<16x64xf32>
      scf.yield %next
    } {tile.stages = 3}
    %rounded = arith.truncf %sum : tensor<16x64xf32> to tensor<16x64xf16>
    tile.store %rounded, %y_view[...]
    ```
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
    every workspace argument names a workspace of the kernel; stores go to
    parameters marked written; views of advanced pointers claim no alignment
    that does not follow. Changes nothing.
  }];
}

#endif
