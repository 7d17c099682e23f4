// The expansion of nn.matmul: steps of 16 along K, in either layout of w.
// RUN: %tw-opt %s -tw-expand-nn -split-input-file | FileCheck %s

// w as K x N: a step takes rows of its tile.
// CHECK-LABEL: func.func @kn(
// CHECK-SAME: #tile.parameter<pointer "x", dtype = "f16", align = 16>
// CHECK-SAME: #tile.parameter<pointer "w", dtype = "f16", align = 16>
// CHECK-SAME: #tile.parameter<pointer "y", dtype = "f32", align = 16
// CHECK: scf.for %[[K:.+]] = {{.*}} iter_args(%[[ACC:.+]] =
// CHECK: %[[X:.+]] = tile.load {{.*}} -> tensor<32x32xf16>
// CHECK: %[[W:.+]] = tile.load {{.*}} -> tensor<32x64xf16>
// CHECK: %[[X0:.+]] = tile.slice %[[X]] [0, 0] {{.*}} -> tensor<32x16xf16>
// CHECK: %[[W0:.+]] = tile.slice %[[W]] [0, 0] {{.*}} -> tensor<16x64xf16>
// CHECK: %[[SUM:.+]] = tile.dot %[[X0]], %[[W0]], %[[ACC]]
// CHECK: tile.slice %[[X]] [0, 16]
// CHECK: tile.slice %[[W]] [16, 0]
// CHECK: tile.dot %{{.+}}, %{{.+}}, %[[SUM]]
// CHECK: } {tile.stages = 3 : i32}
func.func @kn(%x: tensor<64x128xf16>, %w: tensor<128x64xf16>) -> tensor<64x64xf32> {
  %y = nn.matmul %x, %w {schedule = #tile.schedule<"matmul", {split_k = 1, stages = 3, tile_k = 32, tile_m = 32, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<64x128xf16>, tensor<128x64xf16> -> tensor<64x64xf32>
  return %y : tensor<64x64xf32>
}

// -----

// w as N x K: columns of its tile, transposed in registers' names only.
// CHECK-LABEL: func.func @nk(
// CHECK: %[[W:.+]] = tile.load {{.*}} -> tensor<64x32xbf16>
// CHECK: %[[PART:.+]] = tile.slice %[[W]] [0, 0] {{.*}} -> tensor<64x16xbf16>
// CHECK: %[[W0:.+]] = tile.transpose %[[PART]] order = [1, 0] : tensor<64x16xbf16> -> tensor<16x64xbf16>
// CHECK: tile.dot %{{.+}}, %[[W0]]
func.func @nk(%x: tensor<64x128xbf16>, %w: tensor<64x128xbf16>) -> tensor<64x64xbf16> {
  %y = nn.matmul %x, %w {transpose_w, schedule = #tile.schedule<"matmul", {split_k = 1, stages = 3, tile_k = 32, tile_m = 32, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<64x128xbf16>, tensor<64x128xbf16> -> tensor<64x64xbf16>
  return %y : tensor<64x64xbf16>
}

// -----

// 8-bit floats are widened a step at a time, last of all, and that is said.
// CHECK-LABEL: func.func @widened(
// CHECK: %[[X:.+]] = tile.load {{.*}} -> tensor<32x64xf8E5M2>
// CHECK: %[[X0:.+]] = tile.slice %[[X]] [0, 0] {{.*}} -> tensor<32x32xf8E5M2>
// CHECK: %[[A:.+]] = arith.extf %[[X0]] : tensor<32x32xf8E5M2> to tensor<32x32xf16>
// CHECK: %[[W0:.+]] = tile.transpose {{.*}} -> tensor<32x64xf8E5M2>
// CHECK: %[[B:.+]] = arith.extf %[[W0]]
// CHECK: tile.dot %[[A]], %[[B]]
func.func @widened(%x: tensor<64x128xf8E5M2>, %w: tensor<64x128xf8E5M2>) -> tensor<64x64xf16> {
  %y = nn.matmul %x, %w {transpose_w, schedule = #tile.schedule<"matmul", {operand_bits = 16, split_k = 1, stages = 3, tile_k = 64, tile_m = 32, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<64x128xf8E5M2>, tensor<64x128xf8E5M2> -> tensor<64x64xf16>
  return %y : tensor<64x64xf16>
}
