// A tile is the registers of its layout; ops on tiles are ops on each register.
// RUN: %tw-opt %s -tw-lower-to-nvvm -split-input-file | FileCheck %s

#two = #tilegpu.layout<register = [[32]], lane = [[1], [2], [4], [8], [16]], warp = [], repeat = [1]>

// Two registers a thread: arguments, results and ops come twice.
// CHECK-LABEL: llvm.func @elementwise(
// CHECK-SAME: %[[A0:[^:]+]]: f32, %[[A1:[^:]+]]: f32, %[[B0:[^:]+]]: f32, %[[B1:[^:]+]]: f32,
// CHECK: llvm.fadd %[[A0]], %[[B0]] : f32
// CHECK: llvm.fadd %[[A1]], %[[B1]] : f32
// CHECK-NOT: llvm.fadd
func.func @elementwise(%a: tensor<64xf32, #two>, %b: tensor<64xf32, #two>, %y: !tile.view<64xf32, strides = [1], align = 16>, %o: i32) {
  %sum = arith.addf %a, %b : tensor<64xf32, #two>
  tile.store %sum, %y[%o] : tensor<64xf32, #two>, !tile.view<64xf32, strides = [1], align = 16>
  return
}

// -----

#row = #tilegpu.layout<register = [[0, 1]], lane = [[0, 2], [0, 4], [0, 0], [0, 0], [0, 0]], warp = [], repeat = [1, 1]>
#tile = #tilegpu.layout<mma_accumulator, shape = [16, 8], warps = [1, 1]>

// A broadcast only says which register is which: register 2 (8 rows below) is
// register 0 of the row again.
// CHECK-LABEL: llvm.func @broadcast(
// CHECK-SAME: %[[R0:[^:]+]]: f32, %[[R1:[^:]+]]: f32,
// CHECK: llvm.fneg %[[R0]]
// CHECK: llvm.fneg %[[R1]]
// CHECK: llvm.fneg %[[R0]]
// CHECK: llvm.fneg %[[R1]]
func.func @broadcast(%row: tensor<1x8xf32, #row>, %y: !tile.view<16x8xf32, strides = [8, 1], align = 16>, %o: i32) {
  %tile = tile.broadcast %row : tensor<1x8xf32, #row> -> tensor<16x8xf32, #tile>
  %minus = arith.negf %tile : tensor<16x8xf32, #tile>
  tile.store %minus, %y[%o, %o] : tensor<16x8xf32, #tile>, !tile.view<16x8xf32, strides = [8, 1], align = 16>
  return
}

// -----

#whole = #tilegpu.layout<register = [[0, 8]], lane = [[0, 1], [0, 2], [0, 4], [1, 0], [2, 0]], warp = [], repeat = [1, 1]>
#part = #tilegpu.layout<register = [], lane = [[0, 1], [0, 2], [0, 4], [1, 0], [2, 0]], warp = [], repeat = [1, 1]>
#turned = #tilegpu.layout<register = [], lane = [[1, 0], [2, 0], [4, 0], [0, 1], [0, 2]], warp = [], repeat = [1, 1]>
#flat = #tilegpu.layout<register = [], lane = [[4], [8], [16], [1], [2]], warp = [], repeat = [1]>

// Slices, transposes and reshapes are free: the part's register is the second of
// the whole.
// CHECK-LABEL: llvm.func @shapes(
// CHECK-SAME: %{{[^:]+}}: f32, %[[SECOND:[^:]+]]: f32,
// CHECK: %[[RESULT:.+]] = llvm.fneg %[[SECOND]]
// CHECK: llvm.store %[[RESULT]]
func.func @shapes(%t: tensor<4x16xf32, #whole>, %y: !tile.view<32xf32, strides = [1], align = 16>, %o: i32) {
  %part = tile.slice %t [0, 8] : tensor<4x16xf32, #whole> -> tensor<4x8xf32, #part>
  %turned = tile.transpose %part order = [1, 0] : tensor<4x8xf32, #part> -> tensor<8x4xf32, #turned>
  %flat = tile.reshape %turned : tensor<8x4xf32, #turned> -> tensor<32xf32, #flat>
  %minus = arith.negf %flat : tensor<32xf32, #flat>
  tile.store %minus, %y[%o] : tensor<32xf32, #flat>, !tile.view<32xf32, strides = [1], align = 16>
  return
}

// -----

#from = #tilegpu.layout<register = [[1], [2]], lane = [[4], [8], [16], [32], [64]], warp = [], repeat = [1]>
#to = #tilegpu.layout<register = [[2], [1]], lane = [[4], [8], [16], [32], [64]], warp = [], repeat = [1]>

// A conversion between layouts that differ in the order of registers moves
// nothing.
// CHECK-LABEL: llvm.func @renaming(
// CHECK-NOT: shfl
// CHECK: llvm.return
func.func @renaming(%t: tensor<128xf32, #from>, %y: !tile.view<128xf32, strides = [1], align = 16>, %o: i32) {
  %0 = tilegpu.convert_layout %t : tensor<128xf32, #from> -> tensor<128xf32, #to>
  tile.store %0, %y[%o] : tensor<128xf32, #to>, !tile.view<128xf32, strides = [1], align = 16>
  return
}

// -----

#from = #tilegpu.layout<register = [[32]], lane = [[1], [2], [4], [8], [16]], warp = [], repeat = [1]>
#to = #tilegpu.layout<register = [[1]], lane = [[2], [4], [8], [16], [32]], warp = [], repeat = [1]>

// A conversion within the warp: a round of shuffles for each register.
// CHECK-LABEL: llvm.func @shuffles(
// CHECK-COUNT-2: nvvm.shfl.sync
// CHECK-NOT: nvvm.shfl.sync
func.func @shuffles(%t: tensor<64xf32, #from>, %y: !tile.view<64xf32, strides = [1], align = 16>, %o: i32) {
  %0 = tilegpu.convert_layout %t : tensor<64xf32, #from> -> tensor<64xf32, #to>
  tile.store %0, %y[%o] : tensor<64xf32, #to>, !tile.view<64xf32, strides = [1], align = 16>
  return
}

// -----

#two = #tilegpu.layout<register = [[32]], lane = [[1], [2], [4], [8], [16]], warp = [], repeat = [1]>

// Tiles travel through loops as their registers.
// CHECK-LABEL: llvm.func @loop(
// CHECK: ^[[HEAD:bb[0-9]+]](%{{.+}}: i32, %{{.+}}: f32, %{{.+}}: f32):
// CHECK: llvm.br ^[[HEAD]](%{{.+}}, %{{.+}}, %{{.+}} : i32, f32, f32)
func.func @loop(%t: tensor<64xf32, #two>, %n: i32, %y: !tile.view<64xf32, strides = [1], align = 16>, %o: i32) {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %t) -> (tensor<64xf32, #two>) : i32 {
    %next = arith.addf %acc, %t : tensor<64xf32, #two>
    scf.yield %next : tensor<64xf32, #two>
  }
  tile.store %r, %y[%o] : tensor<64xf32, #two>, !tile.view<64xf32, strides = [1], align = 16>
  return
}

// -----

#two = #tilegpu.layout<register = [[32]], lane = [[1], [2], [4], [8], [16]], warp = [], repeat = [1]>

// A scalar condition chooses for every register.
// CHECK-LABEL: llvm.func @scalar_condition(
// CHECK-SAME: %[[IF:[^:]+]]: i1, %[[A0:[^:]+]]: f32, %[[A1:[^:]+]]: f32, %[[B0:[^:]+]]: f32, %[[B1:[^:]+]]: f32,
// CHECK: llvm.select %[[IF]], %[[A0]], %[[B0]]
// CHECK: llvm.select %[[IF]], %[[A1]], %[[B1]]
func.func @scalar_condition(%if: i1, %a: tensor<64xf32, #two>, %b: tensor<64xf32, #two>, %y: !tile.view<64xf32, strides = [1], align = 16>, %o: i32) {
  %0 = arith.select %if, %a, %b : tensor<64xf32, #two>
  tile.store %0, %y[%o] : tensor<64xf32, #two>, !tile.view<64xf32, strides = [1], align = 16>
  return
}
