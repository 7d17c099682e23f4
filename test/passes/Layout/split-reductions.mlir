// Reductions of rows that several warps share go through a tile of the warps' parts.
// RUN: %tw-opt %s -tw-split-reductions -split-input-file | FileCheck %s

#acc = #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 2]>
#rows = #tilegpu.layout<register = [[8, 0]], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [[0, 0]], repeat = [1, 1]>

// Each warp reduces its 32 columns; every thread gets both parts.
// CHECK-LABEL: func.func @across_warps(
// CHECK-SAME: %[[T:[^:]+]]: tensor<16x64xf32,
// CHECK: %[[PARTS:.+]] = tilegpu.warp_reduce max %[[T]] along 1 : {{.*}} -> tensor<16x2xf32, #tilegpu.layout<register = {{\[\[}}8, 0]], lane = {{.*}}, warp = {{\[\[}}0, 1]], repeat = [1, 1]>>
// CHECK: %[[ALL:.+]] = tilegpu.convert_layout %[[PARTS]] : {{.*}} -> tensor<16x2xf32, #tilegpu.layout<register = {{\[\[}}8, 0], [0, 1]], lane = {{.*}}, warp = {{\[\[}}0, 0]], repeat = [1, 1]>>
// CHECK: tile.reduce max %[[ALL]] along 1
func.func @across_warps(%t: tensor<16x64xf32, #acc>) -> tensor<16x1xf32, #rows> {
  %m = tile.reduce max %t along 1 : tensor<16x64xf32, #acc> -> tensor<16x1xf32, #rows>
  return %m : tensor<16x1xf32, #rows>
}

// -----

#acc = #tilegpu.layout<mma_accumulator, shape = [32, 64], warps = [2, 1]>
#rows = #tilegpu.layout<register = [[8, 0]], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [[16, 0]], repeat = [1, 1]>

// Warps with rows of their own have nothing to tell each other.
// CHECK-LABEL: func.func @within_warps(
// CHECK-NOT: tilegpu.warp_reduce
// CHECK: tile.reduce add
// CHECK-NOT: tilegpu.convert_layout
func.func @within_warps(%t: tensor<32x64xf32, #acc>) -> tensor<32x1xf32, #rows> {
  %m = tile.reduce add %t along 1 : tensor<32x64xf32, #acc> -> tensor<32x1xf32, #rows>
  return %m : tensor<32x1xf32, #rows>
}
