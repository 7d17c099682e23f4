// Rows named by a tile: each is an address of its own.
// RUN: %tw-opt %s -tw-lower-to-nvvm -split-input-file | FileCheck %s

#tile = #tilegpu.layout<register = [[0, 1], [0, 2], [0, 4]], lane = [[0, 8], [1, 0], [2, 0], [4, 0], [8, 0]], warp = [], repeat = [1, 1]>
#rows = #tilegpu.layout<register = [], lane = [[0, 0], [1, 0], [2, 0], [4, 0], [8, 0]], warp = [], repeat = [1, 1]>

// A row that the view has not (an index below zero is a large one) is not read and
// zero; eight halves are one access.
// CHECK-LABEL: llvm.func @gather(
// CHECK-SAME: %[[P:[^:]+]]: !llvm.ptr<1>, %[[N:[^:]+]]: i32, %[[ROW:[^:]+]]: i32
// CHECK: %[[EXISTS:.+]] = llvm.icmp "ult" %[[ROW]], %[[N]] : i32
// CHECK: llvm.cond_br %[[EXISTS]], ^[[READ:.+]], ^[[SKIP:bb[0-9]+]]
// CHECK: ^[[READ]]:
// CHECK: %[[WIDE:.+]] = llvm.sext %[[ROW]] : i32 to i64
// CHECK: llvm.mul %[[WIDE]],
// CHECK: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<8xf16>
// CHECK-NOT: llvm.load
// CHECK: ^[[SKIP]]:
func.func @gather(%p: !tile.ptr, %n: i32, %rows: tensor<16x1xi32, #rows>, %y: !tile.view<16x16xf16, strides = [16, 1], align = 16>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %v = tile.view %p sizes(%n) : !tile.view<?x16xf16, strides = [64, 1], align = 16>
  %t = tile.gather %v[%rows, %c0] : !tile.view<?x16xf16, strides = [64, 1], align = 16>, tensor<16x1xi32, #rows> -> tensor<16x16xf16, #tile>
  tile.store %t, %y[%c0, %c0] : tensor<16x16xf16, #tile>, !tile.view<16x16xf16, strides = [16, 1], align = 16>
  return
}

// -----

#indices = #tilegpu.layout<register = [], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [[8, 0], [0, 0]], repeat = [1, 1]>

// As copies: four lanes move a row of twelve chunks in three steps. The third and
// fourth warp hold the same rows and copy nothing. The source size of a
// row that does not exist is 0.
// CHECK-LABEL: llvm.func @async_gather(
// CHECK-SAME: %[[P:[^:]+]]: !llvm.ptr<1>, %[[N:[^:]+]]: i32, %[[R0:[^:]+]]: i32)
// CHECK-DAG: %[[BITS:.+]] = llvm.mlir.constant(64 : i32) : i32
// CHECK-DAG: %[[NUMBER:.+]] = llvm.and %{{.+}}, %[[BITS]] : i32
// CHECK: llvm.icmp "eq" %[[NUMBER]],
// CHECK: llvm.cond_br
// CHECK: %[[EXISTS:.+]] = llvm.icmp "ult" %[[R0]], %[[N]] : i32
// CHECK: %[[SIZE:.+]] = llvm.select %[[EXISTS]], %{{.+}}, %{{.+}} : i1, i32
// CHECK: nvvm.cp.async.shared.global {{.*}}, 16, cache = cg, %[[SIZE]]
// CHECK-COUNT-2: nvvm.cp.async.shared.global
// CHECK-NOT: nvvm.cp.async.shared.global
// CHECK: llvm.return
func.func @async_gather(%p: !tile.ptr, %n: i32, %rows: tensor<16x1xi32, #indices>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 4>} {
  %c0 = arith.constant 0 : i32
  %v = tile.view %p sizes(%n) : !tile.view<?x96xf16, strides = [96, 1], align = 16>
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x96xf16, #tilegpu.shared<swizzle = 64>>
  tilegpu.async_gather %v[%rows, %c0] to %m : !tile.view<?x96xf16, strides = [96, 1], align = 16>, tensor<16x1xi32, #indices> -> !tilegpu.memdesc<16x96xf16, #tilegpu.shared<swizzle = 64>>
  return
}

// -----

#tile = #tilegpu.layout<register = [[0, 1], [0, 2], [0, 4]], lane = [[0, 8], [1, 0], [2, 0], [4, 0], [8, 0]], warp = [], repeat = [1, 1]>
#rows = #tilegpu.layout<register = [], lane = [[0, 0], [1, 0], [2, 0], [4, 0], [8, 0]], warp = [], repeat = [1, 1]>

// The other way: a row that the view has not is not written.
// CHECK-LABEL: llvm.func @scatter(
// CHECK-SAME: %[[P:[^:]+]]: !llvm.ptr<1>, %[[N:[^:]+]]: i32, %[[ROW:[^:]+]]: i32
// CHECK: %[[EXISTS:.+]] = llvm.icmp "ult" %[[ROW]], %[[N]] : i32
// CHECK: llvm.cond_br %[[EXISTS]], ^[[WRITE:.+]], ^[[SKIP:bb[0-9]+]]
// CHECK: ^[[WRITE]]:
// CHECK: %[[WIDE:.+]] = llvm.sext %[[ROW]] : i32 to i64
// CHECK: llvm.mul %[[WIDE]],
// CHECK: llvm.store {{.*}} {alignment = 16 : i64} : vector<8xf16>, !llvm.ptr<1>
// CHECK-NOT: llvm.store
// CHECK: ^[[SKIP]]:
func.func @scatter(%p: !tile.ptr, %n: i32, %rows: tensor<16x1xi32, #rows>, %x: !tile.view<16x16xf16, strides = [16, 1], align = 16>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %t = tile.load %x[%c0, %c0] : !tile.view<16x16xf16, strides = [16, 1], align = 16> -> tensor<16x16xf16, #tile>
  %v = tile.view %p sizes(%n) : !tile.view<?x16xf16, strides = [64, 1], align = 16>
  tile.scatter %t, %v[%rows, %c0] : tensor<16x16xf16, #tile>, !tile.view<?x16xf16, strides = [64, 1], align = 16>, tensor<16x1xi32, #rows>
  return
}
