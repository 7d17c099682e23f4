//===- Passes.td - Phase Layout: which thread holds what ---------------------===//
#ifndef TILEWRIGHT_PASSES_LAYOUT_PASSES
#define TILEWRIGHT_PASSES_LAYOUT_PASSES

include "mlir/Pass/PassBase.td"

def AssignLayouts : Pass<"tw-assign-layouts", "::mlir::func::FuncOp"> {
  let summary = "give every tensor a layout and turn tile.dot into tilegpu.mma";
  let description = [{
    Precondition: a tile program whose tensors have no encoding.

    Products fix the layouts of their operands and accumulators (the fragments
    of mma.sync m16n8k16, over warps_m x warps_n warps of the schedule). From
    there layouts spread over elementwise ops, loops, transposes, reshapes,
    broadcasts, reductions and slices, backwards to the loads. What no product reaches is
    blocked, with accesses as wide as divisibility allows. Constants,
    splats and iotas are cloned for each use. Where a use wants another layout than its operand
    has, a `tilegpu.convert_layout` is inserted.

    Postcondition: every tensor has a `#tilegpu.layout`; no `tile.dot` is left.
    Functions that are not kernels, and programs written with layouts, are left
    alone.

    From `test/passes/Layout/assign-layouts.mlir`:

    ```mlir
    %sum = scf.for %i = ... iter_args(%acc = %zero) -> (tensor<16x64xf32>) {
      %a = tile.load %va[...] -> tensor<16x32xf16>
      %b = tile.load %vb[...] -> tensor<32x64xf16>
      %next = tile.dot %a, %b, %acc
      scf.yield %next
    }
    ```

    becomes, for two warps,

    ```mlir
    #acc = #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 2]>
    #a = #tilegpu.layout<mma_operand 0, shape = [16, 32], warps = [1, 2]>
    #b = #tilegpu.layout<mma_operand 1, shape = [32, 64], warps = [1, 2]>
    %sum = scf.for %i = ... iter_args(%acc = %zero) -> (tensor<16x64xf32, #acc>) {
      %a = tile.load %va[...] -> tensor<16x32xf16, #a>
      %b = tile.load %vb[...] -> tensor<32x64xf16, #b>
      %next = tilegpu.mma %a, %b, %acc
      scf.yield %next
    }
    ```
  }];
  let dependentDialects = ["::tilewright::tilegpu::TileGPUDialect"];
}

def PlaceDequant : Pass<"tw-place-dequant", "::mlir::func::FuncOp"> {
  let summary = "unpack weights in the registers of the mma operand";
  let description = [{
    Precondition: layouts are assigned.

    Fuses `tile.unpack`, `tile.slice` and `tile.dequant` into
    `tilegpu.dequant`, which reads the words where they were loaded and leaves
    numbers in operand registers; its verifier proves that no value has to
    cross to another thread.

    Postcondition: no `tile.unpack` and no `tile.dequant` is left.

    From `test/passes/Layout/place-dequant.mlir`:

    ```mlir
    %codes = tile.unpack %words : tensor<2x1x512xi32, #words> -> tensor<128x64xi4, #codes>
    %part = tile.slice %codes [64, 0] : ... -> tensor<64x64xi4, #operand>
    %values = tile.dequant %part bias 8 : ... -> tensor<64x64xf16, #operand>
    ```

    becomes

    ```mlir
    %values = tilegpu.dequant %words row 64 <bits = 4, bias = 8>
        : tensor<2x1x512xi32, #words> -> tensor<64x64xf16, #operand>
    ```
  }];
  let dependentDialects = ["::tilewright::tilegpu::TileGPUDialect"];
}

def DeferReductions : Pass<"tw-defer-reductions", "::mlir::func::FuncOp"> {
  let summary = "add up the lanes of a running sum once, after its loop";
  let description = [{
    Precondition: layouts are assigned; the update of the sum carries
    `fastmath<reassoc>`, since the rewrite adds in another order.

    Where a loop carries the sum of rows that several lanes share, `l * a + reduce(p)` or
    `l + reduce(p)` with a factor that is the same along a row, each thread carries the
    sum of what it holds itself, and lanes exchange theirs after the loop: a turn has no
    shuffle for the sum. The order of the additions is fixed as before. A sum starts from
    zero, or goes on where an earlier loop's ended.

    Postcondition: such loops have no `tile.reduce add` across lanes. Sums that are used
    otherwise in the loop, sums that warps share, and extrema are left alone.

    From `test/passes/Layout/defer-reductions.mlir`:

    ```mlir
    %l = scf.for ... iter_args(%sum = %zero) -> (tensor<16x1xf32, #rows>) {
      %row = tile.reduce add %p along 1 : tensor<16x64xf32, #acc> -> tensor<16x1xf32, #rows>
      %next = math.fma %sum, %a, %row fastmath<reassoc> : tensor<16x1xf32, #rows>
      scf.yield %next
    }
    ```

    becomes

    ```mlir
    %u = scf.for ... iter_args(%sum = %zeros) -> (tensor<16x8xf32, #parts>) {
      %steps = tile.reshape %p : tensor<16x64xf32, #acc> -> tensor<16x8x8xf32, #steps>
      %own = tile.reduce add %steps along 1 : ... -> tensor<16x1x8xf32, #own>
      %row = tile.reshape %own : tensor<16x1x8xf32, #own> -> tensor<16x8xf32, #parts>
      %factors = tile.broadcast %a : tensor<16x1xf32, #rows> -> tensor<16x8xf32, #parts>
      %next = math.fma %sum, %factors, %row : tensor<16x8xf32, #parts>
      scf.yield %next
    }
    %l = tile.reduce add %u along 1 : tensor<16x8xf32, #parts> -> tensor<16x1xf32, #rows>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::tilewright::tilegpu::TileGPUDialect"];
}

def SplitReductions : Pass<"tw-split-reductions", "::mlir::func::FuncOp"> {
  let summary = "take reductions that cross warps apart";
  let description = [{
    Precondition: layouts are assigned.

    Where several warps hold parts of a row, `tile.reduce` becomes a reduction
    of what each warp holds, a conversion that brings all parts to every
    thread, and a reduction of those in registers. `tw-route-conversions` takes the
    conversion through shared memory like any other. Reductions within warps
    are left alone.

    Postcondition: no `tile.reduce` needs values of another warp.

    From `test/passes/Layout/split-reductions.mlir`:

    ```mlir
    %m = tile.reduce max %t along 1 : tensor<16x64xf32, #acc> -> tensor<16x1xf32, #rows>
    ```

    becomes, where two warps share the columns,

    ```mlir
    %parts = tilegpu.warp_reduce max %t along 1
        : tensor<16x64xf32, #acc> -> tensor<16x2xf32, #parts>
    %all = tilegpu.convert_layout %parts : tensor<16x2xf32, #parts> -> tensor<16x2xf32, #all>
    %m = tile.reduce max %all along 1 : tensor<16x2xf32, #all> -> tensor<16x1xf32, #rows>
    ```
  }];
  let dependentDialects = ["::tilewright::tilegpu::TileGPUDialect"];
}

def VerifyLayouts : Pass<"tw-verify-layouts", "::mlir::func::FuncOp"> {
  let summary = "check that every tensor of a kernel has a layout that fits it";
  let description = [{
    States what holds after Layout: every tensor value has a `#tilegpu.layout`
    for its shape, over 32 lanes and the kernel's warps, that holds every
    element somewhere; no `tile.dot`, `tile.unpack` or `tile.dequant` is left.
    Changes nothing.
  }];
}

#endif
