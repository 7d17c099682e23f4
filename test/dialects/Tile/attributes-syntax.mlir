// Attributes and types of the tile dialect survive printing and parsing.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// A schedule: a family and named integers.
// CHECK-LABEL: func.func private @schedule
// CHECK-SAME: #tile.schedule<"quant_matmul", {stages = 4 : i64, tile_m = 16 : i64}>
func.func private @schedule() attributes {tile.schedule = #tile.schedule<"quant_matmul", {tile_m = 16, stages = 4}>}

// Every kind of kernel parameter; what is a default is not printed.
// CHECK-LABEL: func.func private @parameters(
// CHECK-SAME: !tile.ptr {tile.parameter = #tile.parameter<pointer "x", dtype = "f16", align = 16>}
// CHECK-SAME: !tile.ptr {tile.parameter = #tile.parameter<pointer "y", dtype = "f32", written>}
// CHECK-SAME: i32 {tile.parameter = #tile.parameter<dimension "M">}
// CHECK-SAME: i64 {tile.parameter = #tile.parameter<stride "x", axis = 0>}
// CHECK-SAME: !tile.ptr {tile.parameter = #tile.parameter<workspace "partials", dtype = "f32", align = 4>}
func.func private @parameters(
  !tile.ptr {tile.parameter = #tile.parameter<pointer "x", dtype = "f16", align = 16>},
  !tile.ptr {tile.parameter = #tile.parameter<pointer "y", align = 1, written, dtype = "f32">},
  i32 {tile.parameter = #tile.parameter<dimension "M">},
  i64 {tile.parameter = #tile.parameter<stride "x", axis = 0>},
  !tile.ptr {tile.parameter = #tile.parameter<workspace "partials", dtype = "f32", align = 4>})

// A kernel: its grid, the warps of a block, its workspaces if any.
// CHECK-LABEL: func.func private @kernel
// CHECK-SAME: #tile.kernel<grid = ["24", "ceildiv(M, 16)", "1"], warps = 2>
func.func private @kernel() attributes {tile.kernel = #tile.kernel<grid = ["24", "ceildiv(M, 16)", "1"], warps = 2>}

// Workspaces say whether they come zeroed and are left so.
// CHECK-LABEL: func.func private @workspaces
// CHECK-SAME: workspaces = [<"partials", bytes = "4 * M">, <"counters", bytes = "8", zeroed = true, reset = true>]
func.func private @workspaces() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 4,
  workspaces = [<"partials", bytes = "4 * M">, <"counters", bytes = "8", zeroed = true, reset = true>]>}

// Views: extents and strides static or not, of any rank.
// CHECK-LABEL: func.func private @views(
// CHECK-SAME: !tile.view<?x4096xf16, strides = [4096, 1], align = 16>
// CHECK-SAME: !tile.view<8x?xi32, strides = [?, 1], align = 4>
// CHECK-SAME: !tile.view<7xi8, strides = [-1], align = 1>
func.func private @views(
  !tile.view<?x4096xf16, strides = [4096, 1], align = 16>,
  !tile.view<8x?xi32, strides = [?, 1], align = 4>,
  !tile.view<7xi8, strides = [-1], align = 1>)
