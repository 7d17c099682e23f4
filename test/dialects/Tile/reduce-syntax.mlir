// Ops that make tiles of numbers, and numbers of tiles, survive printing and parsing.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// Positions along either dimension, from any start.
// CHECK-LABEL: func.func @iota(
// CHECK-SAME: %[[START:.+]]: i32
// CHECK: tile.iota %[[START]] along 0 : tensor<64x1xi32>
// CHECK: tile.iota %[[START]] along 1 : tensor<16x64xi32>
func.func @iota(%start: i32) {
  %0 = tile.iota %start along 0 : tensor<64x1xi32>
  %1 = tile.iota %start along 1 : tensor<16x64xi32>
  return
}

// One number everywhere, of any type.
// CHECK-LABEL: func.func @splat(
// CHECK-SAME: %[[A:.+]]: f32, %[[B:.+]]: i1
// CHECK: tile.splat %[[A]] : f32 -> tensor<16x64xf32>
// CHECK: tile.splat %[[B]] : i1 -> tensor<8xi1>
func.func @splat(%a: f32, %b: i1) {
  %0 = tile.splat %a : f32 -> tensor<16x64xf32>
  %1 = tile.splat %b : i1 -> tensor<8xi1>
  return
}

// Every kind, along every dimension.
// CHECK-LABEL: func.func @reduce(
// CHECK-SAME: %[[T:.+]]: tensor<16x64xf32>, %[[U:.+]]: tensor<4x8x2xi32>
// CHECK: tile.reduce add %[[T]] along 1 : tensor<16x64xf32> -> tensor<16x1xf32>
// CHECK: tile.reduce max %[[T]] along 0 : tensor<16x64xf32> -> tensor<1x64xf32>
// CHECK: tile.reduce min %[[U]] along 2 : tensor<4x8x2xi32> -> tensor<4x8x1xi32>
func.func @reduce(%t: tensor<16x64xf32>, %u: tensor<4x8x2xi32>) {
  %0 = tile.reduce add %t along 1 : tensor<16x64xf32> -> tensor<16x1xf32>
  %1 = tile.reduce max %t along 0 : tensor<16x64xf32> -> tensor<1x64xf32>
  %2 = tile.reduce min %u along 2 : tensor<4x8x2xi32> -> tensor<4x8x1xi32>
  return
}
