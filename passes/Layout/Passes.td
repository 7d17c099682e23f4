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
    broadcasts and slices, backwards to the loads. What no product reaches is
    blocked, with accesses as wide as divisibility allows. Constants are
    cloned for each use. Where a use wants another layout than its operand
    has, a `tilegpu.convert_layout` is inserted.

    Postcondition: every tensor has a `#tilegpu.layout`; no `tile.dot` is left.
    Functions that are not kernels, and programs written with layouts, are left
    alone.
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
