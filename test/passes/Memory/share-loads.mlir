// Tiles that many products read stay in shared memory.
// RUN: %tw-opt %s -tw-share-loads -split-input-file | FileCheck %s

#q = #tilegpu.layout<mma_operand 0, shape = [16, 128], warps = [1, 2]>
#a = #tilegpu.layout<mma_operand 0, shape = [16, 64], warps = [1, 2]>
#b = #tilegpu.layout<mma_operand 1, shape = [64, 16], warps = [1, 2]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 16], warps = [1, 2]>

// One copy before the loop; each use reads its part inside of it. The copies that
// another stream has started in between are not waited for.
// CHECK-LABEL: func.func @loop(
// CHECK-SAME: %[[VIEW:[^:]+]]: !tile.view<
// CHECK: %[[MEMORY:.+]] = tilegpu.alloc : <16x128xf16, #tilegpu.shared<swizzle = 128>>
// CHECK: tilegpu.async_copy %[[VIEW]]{{.*}} to %[[MEMORY]]
// CHECK: tilegpu.async_commit
// CHECK-NOT: tile.load
// CHECK: tilegpu.async_commit
// CHECK: tilegpu.async_wait 1
// CHECK: scf.for
// CHECK:   %[[PART:.+]] = tilegpu.local_load %[[MEMORY]] [0, 64] : {{.*}} -> tensor<16x64xf16
// CHECK:   tilegpu.mma %[[PART]]
// CHECK:   %[[AGAIN:.+]] = tilegpu.local_load %[[MEMORY]] [0, 64] : {{.*}} -> tensor<16x64xf16
// CHECK:   tilegpu.mma %[[AGAIN]]
func.func @loop(%view: !tile.view<?x128xf16, strides = [128, 1], align = 16>, %b: tensor<64x16xf16, #b>, %zero: tensor<16x16xf32, #acc>) -> tensor<16x16xf32, #acc> {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c4 = arith.constant 4 : i32
  %q = tile.load %view[%c0, %c0] {tile.shared} : !tile.view<?x128xf16, strides = [128, 1], align = 16> -> tensor<16x128xf16, #q>
  %part = tile.slice %q [0, 64] : tensor<16x128xf16, #q> -> tensor<16x64xf16, #a>
  tilegpu.async_commit
  %sum = scf.for %i = %c0 to %c4 step %c1 iter_args(%acc = %zero) -> (tensor<16x16xf32, #acc>) : i32 {
    %first = tilegpu.mma %part, %b, %acc : tensor<16x64xf16, #a>, tensor<64x16xf16, #b> -> tensor<16x16xf32, #acc>
    %next = tilegpu.mma %part, %b, %first : tensor<16x64xf16, #a>, tensor<64x16xf16, #b> -> tensor<16x16xf32, #acc>
    scf.yield %next : tensor<16x16xf32, #acc>
  }
  return %sum : tensor<16x16xf32, #acc>
}

// -----

#rows = #tilegpu.layout<blocked 4, shape = [16, 64], warps = [2]>
#a = #tilegpu.layout<mma_operand 0, shape = [16, 64], warps = [1, 2]>
#b = #tilegpu.layout<mma_operand 1, shape = [64, 16], warps = [1, 2]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 16], warps = [1, 2]>

// Rows that 16-byte copies cannot serve are loaded and stored; the conversion to the
// operand is what the read does.
// CHECK-LABEL: func.func @narrow(
// CHECK: %[[TILE:.+]] = tile.load
// CHECK: %[[MEMORY:.+]] = tilegpu.alloc : <16x64xf16, #tilegpu.shared<swizzle = 128>>
// CHECK: tilegpu.local_store %[[TILE]], %[[MEMORY]]
// CHECK-NOT: async
// CHECK-NOT: tilegpu.convert_layout
// CHECK: %[[A:.+]] = tilegpu.local_load %[[MEMORY]] [0, 0] : {{.*}} -> tensor<16x64xf16, #tilegpu.layout<mma_operand 0,
// CHECK: tilegpu.mma %[[A]]
func.func @narrow(%view: !tile.view<?x64xf16, strides = [66, 1], align = 4>, %b: tensor<64x16xf16, #b>, %zero: tensor<16x16xf32, #acc>) -> tensor<16x16xf32, #acc> {
  %c0 = arith.constant 0 : i32
  %q = tile.load %view[%c0, %c0] {tile.shared} : !tile.view<?x64xf16, strides = [66, 1], align = 4> -> tensor<16x64xf16, #rows>
  %a = tilegpu.convert_layout %q : tensor<16x64xf16, #rows> -> tensor<16x64xf16, #a>
  %sum = tilegpu.mma %a, %b, %zero : tensor<16x64xf16, #a>, tensor<64x16xf16, #b> -> tensor<16x16xf32, #acc>
  return %sum : tensor<16x16xf32, #acc>
}

// -----

#acc = #tilegpu.layout<mma_accumulator, shape = [16, 16], warps = [1, 2]>

// Loads without the attribute are left alone.
// CHECK-LABEL: func.func @plain(
// CHECK-NOT: tilegpu.alloc
func.func @plain(%view: !tile.view<?x16xf32, strides = [16, 1], align = 16>) -> tensor<16x16xf32, #acc> {
  %c0 = arith.constant 0 : i32
  %q = tile.load %view[%c0, %c0] : !tile.view<?x16xf32, strides = [16, 1], align = 16> -> tensor<16x16xf32, #acc>
  return %q : tensor<16x16xf32, #acc>
}
