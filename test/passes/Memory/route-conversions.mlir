// A conversion stays where no value crosses to another thread, or where a few
// shuffles carry it; any other goes through shared memory.
// RUN: %tw-opt %s -tw-route-conversions -split-input-file | FileCheck %s

#pairs = #tilegpu.layout<register = [[0, 1], [8, 0]], lane = [[0, 2], [0, 4], [1, 0], [2, 0], [4, 0]], warp = [], repeat = [1, 1]>
#turned = #tilegpu.layout<register = [[8, 0], [0, 1]], lane = [[0, 2], [0, 4], [1, 0], [2, 0], [4, 0]], warp = [], repeat = [1, 1]>

// Only registers have other names: nothing to do.
// CHECK-LABEL: func.func @renaming(
// CHECK-NOT: tilegpu.alloc
// CHECK: tilegpu.convert_layout
func.func @renaming(%t: tensor<16x8xf32, #pairs>) -> tensor<16x8xf32, #turned> {
  %0 = tilegpu.convert_layout %t : tensor<16x8xf32, #pairs> -> tensor<16x8xf32, #turned>
  return %0 : tensor<16x8xf32, #turned>
}

// -----

#from = #tilegpu.layout<register = [[32]], lane = [[1], [2], [4], [8], [16]], warp = [], repeat = [1]>
#to = #tilegpu.layout<register = [[1]], lane = [[2], [4], [8], [16], [32]], warp = [], repeat = [1]>

// Two values a lane, within the warp: shuffles.
// CHECK-LABEL: func.func @within_a_warp(
// CHECK-NOT: tilegpu.alloc
// CHECK: tilegpu.convert_layout
func.func @within_a_warp(%t: tensor<64xf32, #from>) -> tensor<64xf32, #to> {
  %0 = tilegpu.convert_layout %t : tensor<64xf32, #from> -> tensor<64xf32, #to>
  return %0 : tensor<64xf32, #to>
}

// -----

#rows = #tilegpu.layout<blocked 4, shape = [16, 64], warps = [2]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 2]>

// Values cross warps: a store in the old layout, a load in the new one.
// CHECK-LABEL: func.func @across_warps(
// CHECK-SAME: %[[T:.+]]: tensor<16x64xf32
// CHECK-NOT: tilegpu.convert_layout
// CHECK: %[[MEMORY:.+]] = tilegpu.alloc : <16x64xf32,
// CHECK: tilegpu.local_store %[[T]], %[[MEMORY]]
// CHECK: %[[MOVED:.+]] = tilegpu.local_load %[[MEMORY]] [0, 0] : {{.*}} -> tensor<16x64xf32, #tilegpu.layout<blocked 4,
// CHECK: return %[[MOVED]]
func.func @across_warps(%t: tensor<16x64xf32, #acc>) -> tensor<16x64xf32, #rows> {
  %0 = tilegpu.convert_layout %t : tensor<16x64xf32, #acc> -> tensor<16x64xf32, #rows>
  return %0 : tensor<16x64xf32, #rows>
}

// -----

#rows = #tilegpu.layout<blocked 8, shape = [16, 128], warps = [2]>
#a = #tilegpu.layout<mma_operand 0, shape = [16, 128], warps = [1, 2]>
#part = #tilegpu.layout<mma_operand 0, shape = [16, 64], warps = [1, 2]>
#b = #tilegpu.layout<mma_operand 1, shape = [64, 16], warps = [1, 2]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 16], warps = [1, 2]>

// A tile that feeds operand A is swizzled for ldmatrix; its slices load their
// part and no more.
// CHECK-LABEL: func.func @operand(
// CHECK: %[[MEMORY:.+]] = tilegpu.alloc : <16x128xf16, #tilegpu.shared<swizzle = 128>>
// CHECK: tilegpu.local_store %{{.+}}, %[[MEMORY]]
// CHECK: %[[A:.+]] = tilegpu.local_load %[[MEMORY]] [0, 64] : {{.*}} -> tensor<16x64xf16
// CHECK-NOT: tile.slice
// CHECK: tilegpu.mma %[[A]]
func.func @operand(%t: tensor<16x128xf16, #rows>, %b: tensor<64x16xf16, #b>, %c: tensor<16x16xf32, #acc>) -> tensor<16x16xf32, #acc> {
  %0 = tilegpu.convert_layout %t : tensor<16x128xf16, #rows> -> tensor<16x128xf16, #a>
  %1 = tile.slice %0 [0, 64] : tensor<16x128xf16, #a> -> tensor<16x64xf16, #part>
  %2 = tilegpu.mma %1, %b, %c : tensor<16x64xf16, #part>, tensor<64x16xf16, #b> -> tensor<16x16xf32, #acc>
  return %2 : tensor<16x16xf32, #acc>
}
