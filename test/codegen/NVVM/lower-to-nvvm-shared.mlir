// Shared memory: offsets, slots, wide accesses, ldmatrix.
// RUN: %tw-opt %s -tw-lower-to-nvvm -split-input-file | FileCheck %s

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A tile is its offset in the block's memory, a slot a multiple of its bytes;
// rows are written and read 16 bytes at a time.
// CHECK-LABEL: llvm.func @round_trip(
// CHECK-SAME: %[[I:[^:]+]]: i32
// CHECK-DAG: %[[BASE:.+]] = llvm.mlir.addressof @tilewright_shared : !llvm.ptr<3>
// CHECK-DAG: %[[BUFFER:.+]] = llvm.getelementptr %[[BASE]][4096]
// CHECK-DAG: %[[BYTES:.+]] = llvm.mlir.constant(2048 : i32)
// CHECK: %[[OFFSET:.+]] = llvm.mul %[[I]], %[[BYTES]] : i32
// CHECK: llvm.getelementptr %[[BUFFER]][%[[OFFSET]]]
// CHECK-COUNT-4: llvm.store {{.*}} {alignment = 16 : i64} : vector<8xf16>, !llvm.ptr<3>
// CHECK: nvvm.barrier
// CHECK-COUNT-4: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<8xf16>
// CHECK-NOT: llvm.load
func.func @round_trip(%i: i32, %p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %zero = arith.constant dense<0.0> : tensor<16x64xf16, #t>
  %buffer = tilegpu.alloc at 4096 : !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 0>>
  %slot = tilegpu.slot %buffer[%i] : !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 0>> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.local_store %zero, %slot : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.barrier
  %1 = tilegpu.local_load %slot [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  %v = tile.view %p : !tile.view<16x64xf16, strides = [64, 1], align = 16>
  tile.store %1, %v[%c0, %c0] : tensor<16x64xf16, #t>, !tile.view<16x64xf16, strides = [64, 1], align = 16>
  return
}

// -----

#a = #tilegpu.layout<mma_operand 0, shape = [16, 64], warps = [1, 1]>
#b = #tilegpu.layout<mma_operand 1, shape = [64, 8], warps = [1, 1]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 8], warps = [1, 1]>

// Operand A of 16 x 64 is four fragments: four ldmatrix.x4, whatever the swizzle,
// and no scalar load.
// CHECK-LABEL: llvm.func @ldmatrix(
// CHECK-COUNT-4: nvvm.ldmatrix {{.*}} {eltType = #nvvm.ld_st_matrix_elt_type<b16>, layout = #nvvm.mma_layout<row>, num = 4 : i32
// CHECK-NOT: nvvm.ldmatrix
// CHECK-NOT: llvm.load
// CHECK: llvm.return
func.func @ldmatrix(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %memory = tilegpu.alloc at 0 : !tilegpu.memdesc<16x128xf16, #tilegpu.shared<swizzle = 128>>
  %a = tilegpu.local_load %memory [0, 64] : !tilegpu.memdesc<16x128xf16, #tilegpu.shared<swizzle = 128>> -> tensor<16x64xf16, #a>
  %b = arith.constant dense<1.0> : tensor<64x8xf16, #b>
  %c = arith.constant dense<0.0> : tensor<16x8xf32, #acc>
  %d = tilegpu.mma %a, %b, %c : tensor<16x64xf16, #a>, tensor<64x8xf16, #b> -> tensor<16x8xf32, #acc>
  %v = tile.view %p : !tile.view<16x8xf32, strides = [8, 1], align = 16>
  tile.store %d, %v[%c0, %c0] : tensor<16x8xf32, #acc>, !tile.view<16x8xf32, strides = [8, 1], align = 16>
  return
}
