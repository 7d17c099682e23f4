// Views, loads and stores of global memory become addresses and vector accesses.
// RUN: %tw-opt %s -tw-lower-to-nvvm -split-input-file | FileCheck %s

#vector = #tilegpu.layout<blocked 4, shape = [256], warps = [2]>

// A kernel: its threads and its parameters as a launch passes them; pointers that
// nothing stores to are read-only. A thread moves four floats at a time.
// CHECK: llvm.mlir.global external @tilewright_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>
// CHECK-LABEL: llvm.func @copy(
// CHECK-SAME: %{{.+}}: !llvm.ptr<1> {llvm.align = 16 : i64, llvm.noalias, llvm.readonly}
// CHECK-SAME: %{{.+}}: !llvm.ptr<1> {llvm.align = 16 : i64})
// CHECK-SAME: nvvm.kernel, nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 64, 1, 1>
// CHECK-DAG: nvvm.read.ptx.sreg.ctaid.x
// CHECK-DAG: nvvm.read.ptx.sreg.tid.x
// CHECK-COUNT-1: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK-NOT: llvm.load
// CHECK-COUNT-1: llvm.store {{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<1>
// CHECK-NOT: llvm.store
// CHECK: llvm.return
func.func @copy(%px: !tile.ptr {tile.parameter = #tile.parameter<pointer "x", dtype = "f32", align = 16>},
                %py: !tile.ptr {tile.parameter = #tile.parameter<pointer "y", dtype = "f32", align = 16, written>})
    attributes {tile.kernel = #tile.kernel<grid = ["16", "1", "1"], warps = 2>} {
  %c256 = arith.constant 256 : i32
  %block = tile.program_id 0
  %first = arith.muli %block, %c256 : i32
  %x = tile.view %px : !tile.view<4096xf32, strides = [1], align = 16>
  %y = tile.view %py : !tile.view<4096xf32, strides = [1], align = 16>
  %t = tile.load %x[%first] : !tile.view<4096xf32, strides = [1], align = 16> -> tensor<256xf32, #vector>
  tile.store %t, %y[%first] : tensor<256xf32, #vector>, !tile.view<4096xf32, strides = [1], align = 16>
  return
}

// -----

#vector = #tilegpu.layout<blocked 1, shape = [64], warps = [1]>

// Elements beyond a dynamic extent, or before the first, are not read, and zero: one
// unsigned comparison. The test is a branch around the load: the address need not be
// valid.
// CHECK-LABEL: llvm.func @edge(
// CHECK-SAME: %[[N:[^:]+]]: i32
// CHECK: %[[INSIDE:.+]] = llvm.icmp "ult" %{{.+}}, %[[N]] : i32
// CHECK: llvm.cond_br %[[INSIDE]], ^[[READ:.+]], ^[[SKIP:bb[0-9]+]]
// CHECK: ^[[READ]]:
// CHECK: llvm.load {{.*}} {alignment = 4 : i64} : !llvm.ptr<1> -> f32
// CHECK: ^[[SKIP]]:
func.func @edge(%p: !tile.ptr, %n: i32, %i: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %v = tile.view %p sizes(%n) : !tile.view<?xf32, strides = [1], align = 16>
  %t = tile.load %v[%i] : !tile.view<?xf32, strides = [1], align = 16> -> tensor<64xf32, #vector>
  tile.store %t, %v[%i] : tensor<64xf32, #vector>, !tile.view<?xf32, strides = [1], align = 16>
  return
}

// -----

#vector = #tilegpu.layout<blocked 4, shape = [128], warps = [1]>

// Where the tile surely lies inside the view there is no test.
// CHECK-LABEL: llvm.func @inside(
// CHECK-NOT: llvm.cond_br
// CHECK: llvm.load
// CHECK-NOT: llvm.cond_br
// CHECK: llvm.return
func.func @inside(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %v = tile.view %p : !tile.view<128xf32, strides = [1], align = 16>
  %t = tile.load %v[%c0] : !tile.view<128xf32, strides = [1], align = 16> -> tensor<128xf32, #vector>
  tile.store %t, %v[%c0] : tensor<128xf32, #vector>, !tile.view<128xf32, strides = [1], align = 16>
  return
}

// -----

#rows = #tilegpu.layout<blocked 4, shape = [4, 128], warps = [1]>

// A tile's origin is computed in 64 bits: a dynamic stride is an i64 and offsets
// are widened before they are multiplied.
// CHECK-LABEL: llvm.func @addresses(
// CHECK-SAME: %[[P:[^:]+]]: !llvm.ptr<1>, %[[STRIDE:[^:]+]]: i64, %[[I:[^:]+]]: i32
// CHECK: %[[ROW:.+]] = llvm.sext %[[I]] : i32 to i64
// CHECK: llvm.mul %[[ROW]], %[[STRIDE]] : i64
func.func @addresses(%p: !tile.ptr, %stride: i64, %i: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %v = tile.view %p strides(%stride) : !tile.view<4096x128xf32, strides = [?, 1], align = 16>
  %t = tile.load %v[%i, %c0] : !tile.view<4096x128xf32, strides = [?, 1], align = 16> -> tensor<4x128xf32, #rows>
  tile.store %t, %v[%i, %c0] : tensor<4x128xf32, #rows>, !tile.view<4096x128xf32, strides = [?, 1], align = 16>
  return
}

// -----

// Warps and lanes that replicate an element: nothing says which store wins, all
// write the same value.
#all = #tilegpu.layout<register = [], lane = [[0], [0], [0], [0], [0]], warp = [], repeat = [1]>

// CHECK-LABEL: llvm.func @one_element(
// CHECK-COUNT-1: llvm.store
// CHECK-NOT: llvm.store
func.func @one_element(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %t = arith.constant dense<1.0> : tensor<1xf32, #all>
  %v = tile.view %p : !tile.view<1xf32, strides = [1], align = 4>
  tile.store %t, %v[%c0] : tensor<1xf32, #all>, !tile.view<1xf32, strides = [1], align = 4>
  return
}

// -----

#one = #tilegpu.layout<blocked 1, shape = [32], warps = [1]>

// A pointer moves by bytes, in 64 bits; what was assumed leaves no instruction.
// CHECK-LABEL: llvm.func @advance(
// CHECK-SAME: %[[P:[^:]+]]: !llvm.ptr<1>, %[[N:[^:]+]]: i64
// CHECK-DAG: %[[TWO:.+]] = llvm.mlir.constant(2 : i64) : i64
// CHECK-DAG: %[[BYTES:.+]] = llvm.mul %[[N]], %[[TWO]] : i64
// CHECK: llvm.getelementptr %[[P]][%[[BYTES]]] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, i8
func.func @advance(%p: !tile.ptr, %n: i64) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %even = tile.assume %n divisible by 8 : i64
  %next = tile.advance %p by %even of f16
  %v = tile.view %next : !tile.view<32xf16, strides = [1], align = 16>
  %t = tile.load %v[%c0] : !tile.view<32xf16, strides = [1], align = 16> -> tensor<32xf16, #one>
  tile.store %t, %v[%c0] : tensor<32xf16, #one>, !tile.view<32xf16, strides = [1], align = 16>
  return
}
