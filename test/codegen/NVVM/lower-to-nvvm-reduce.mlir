// Reductions within a warp: a tree of registers, then a butterfly of lanes.
// RUN: %tw-opt %s -tw-lower-to-nvvm -split-input-file | FileCheck %s

#acc = #tilegpu.layout<mma_accumulator, shape = [16, 8], warps = [1, 1]>
#rows = #tilegpu.layout<register = [[8, 0]], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [], repeat = [1, 1]>

// Rows: two registers each, then the two lane bits that move along columns.
// CHECK-LABEL: llvm.func @rows(
// CHECK-SAME: %[[A0:[^:]+]]: f32, %[[A1:[^:]+]]: f32, %[[A2:[^:]+]]: f32, %[[A3:[^:]+]]: f32,
// CHECK-DAG: %[[ONE:.+]] = llvm.mlir.constant(1 : i32) : i32
// CHECK-DAG: %[[TOP:.+]] = llvm.fadd %[[A0]], %[[A1]] : f32
// CHECK-DAG: llvm.fadd %[[A2]], %[[A3]] : f32
// CHECK-DAG: %[[WORD:.+]] = llvm.bitcast %[[TOP]] : f32 to i32
// CHECK-DAG: nvvm.shfl.sync bfly %{{.+}}, %[[WORD]], %[[ONE]], %{{.+}}
// CHECK-COUNT-3: nvvm.shfl.sync bfly
// CHECK-NOT: nvvm.shfl.sync
func.func @rows(%t: tensor<16x8xf32, #acc>, %y: !tile.view<16x1xf32, strides = [1, 1], align = 16>, %o: i32) {
  %sum = tile.reduce add %t along 1 : tensor<16x8xf32, #acc> -> tensor<16x1xf32, #rows>
  tile.store %sum, %y[%o, %o] : tensor<16x1xf32, #rows>, !tile.view<16x1xf32, strides = [1, 1], align = 16>
  return
}

// -----

#all = #tilegpu.layout<register = [[0, 1], [0, 2]], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [], repeat = [1, 1]>
#rows = #tilegpu.layout<register = [], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [], repeat = [1, 1]>

// What every thread holds needs no other thread; the order is that of pairs.
// Floats are compared so that NaN wins.
// CHECK-LABEL: llvm.func @registers(
// CHECK-SAME: %[[A0:[^:]+]]: f32, %[[A1:[^:]+]]: f32, %[[A2:[^:]+]]: f32, %[[A3:[^:]+]]: f32,
// CHECK-DAG: %[[LOW:.+]] = llvm.intr.maximum(%[[A0]], %[[A1]])
// CHECK-DAG: %[[HIGH:.+]] = llvm.intr.maximum(%[[A2]], %[[A3]])
// CHECK: llvm.intr.maximum(%[[LOW]], %[[HIGH]])
// CHECK-NOT: nvvm.shfl.sync
func.func @registers(%t: tensor<8x4xf32, #all>, %y: !tile.view<8x1xf32, strides = [1, 1], align = 16>, %o: i32) {
  %max = tile.reduce max %t along 1 : tensor<8x4xf32, #all> -> tensor<8x1xf32, #rows>
  tile.store %max, %y[%o, %o] : tensor<8x1xf32, #rows>, !tile.view<8x1xf32, strides = [1, 1], align = 16>
  return
}

// -----

#two = #tilegpu.layout<register = [[0, 32]], lane = [[0, 1], [0, 2], [0, 4], [0, 8], [0, 16]], warp = [], repeat = [1, 1]>

// Positions: the lane's own, and a constant a register; a splat is one register.
// CHECK-LABEL: llvm.func @iota(
// CHECK-SAME: %[[START:[^:]+]]: i32, %[[LIMIT:[^:]+]]: i32,
// CHECK-DAG: %[[FIRST:.+]] = llvm.add %[[START]], %{{.+}} : i32
// CHECK-DAG: %[[C32:.+]] = llvm.mlir.constant(32 : i32) : i32
// CHECK-DAG: %[[SECOND:.+]] = llvm.add %[[FIRST]], %[[C32]] : i32
// CHECK-DAG: llvm.intr.smin(%[[FIRST]], %[[LIMIT]])
// CHECK-DAG: llvm.intr.smin(%[[SECOND]], %[[LIMIT]])
func.func @iota(%start: i32, %limit: i32, %y: !tile.view<1x64xi32, strides = [64, 1], align = 16>, %o: i32) {
  %i = tile.iota %start along 1 : tensor<1x64xi32, #two>
  %l = tile.splat %limit : i32 -> tensor<1x64xi32, #two>
  %m = arith.minsi %i, %l : tensor<1x64xi32, #two>
  tile.store %m, %y[%o, %o] : tensor<1x64xi32, #two>, !tile.view<1x64xi32, strides = [64, 1], align = 16>
  return
}
