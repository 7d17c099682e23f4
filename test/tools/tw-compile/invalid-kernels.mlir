// A module is one kernel, and a kernel says what a launch passes.
// RUN: split-file %s %t
// RUN: not %tw-compile %t/two.mlir 2>&1 | FileCheck %s --check-prefix=TWO
// RUN: not %tw-compile %t/parameter.mlir 2>&1 | FileCheck %s --check-prefix=PARAMETER
// RUN: not %tw-compile %t/grid.mlir 2>&1 | FileCheck %s --check-prefix=GRID
// RUN: not %tw-compile %t/grid-numbers.mlir 2>&1 | FileCheck %s --check-prefix=NUMBERS
// RUN: not %tw-compile %t/warps.mlir 2>&1 | FileCheck %s --check-prefix=WARPS
// RUN: not %tw-compile %t/tensor.mlir 2>&1 | FileCheck %s --check-prefix=TENSOR

//--- two.mlir
// TWO: error: {{.*}}expects one kernel a module, but got 2
func.func @one() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} { return }
func.func @two() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} { return }

//--- parameter.mlir
// PARAMETER: error: {{.*}}expects tile.parameter on argument 0 of a kernel
func.func @kernel(%n: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} { return }

//--- grid.mlir
// GRID: error: {{.*}}ceildiv
func.func @kernel() attributes {tile.kernel = #tile.kernel<grid = ["ceildiv(M", "1", "1"], warps = 1>} { return }

//--- grid-numbers.mlir
// NUMBERS: error: {{.*}}expects grid expressions to be strings
func.func @kernel() attributes {tile.kernel = #tile.kernel<grid = [1, 2, 3], warps = 1>} { return }

//--- warps.mlir
// WARPS: error: {{.*}}expects 1, 2, 4, 8, 16 or 32 warps, but got 64
func.func @kernel() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 64>} { return }

//--- tensor.mlir
// TENSOR: error: {{.*}}expects argument 0, a pointer, to be a !tile.ptr, but got 'tensor<16xf32>'
func.func @kernel(%t: tensor<16xf32> {tile.parameter = #tile.parameter<pointer "t">}) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} { return }
