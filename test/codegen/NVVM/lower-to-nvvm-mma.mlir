// Products become mma.sync m16n8k16, one a fragment and step of K.
// RUN: %tw-opt %s -tw-lower-to-nvvm -split-input-file | FileCheck %s

#a = #tilegpu.layout<mma_operand 0, shape = [32, 64], warps = [1, 2]>
#b = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 2]>
#acc = #tilegpu.layout<mma_accumulator, shape = [32, 32], warps = [1, 2]>

// A warp owns 32 x 16 of the sum: 2 x 2 fragments, 4 steps of K.
// CHECK-LABEL: llvm.func @f16(
// CHECK-COUNT-16: nvvm.mma.sync {{.*}} shape = #nvvm.shape<m = 16, n = 8, k = 16>} : (vector<2xf16>, vector<2xf16>, f32) -> !llvm.struct<(f32, f32, f32, f32)>
// CHECK-NOT: nvvm.mma.sync
func.func @f16(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 2>} {
  %c0 = arith.constant 0 : i32
  %a = arith.constant dense<1.0> : tensor<32x64xf16, #a>
  %b = arith.constant dense<1.0> : tensor<64x32xf16, #b>
  %c = arith.constant dense<0.0> : tensor<32x32xf32, #acc>
  %d = tilegpu.mma %a, %b, %c : tensor<32x64xf16, #a>, tensor<64x32xf16, #b> -> tensor<32x32xf32, #acc>
  %v = tile.view %p : !tile.view<32x32xf32, strides = [32, 1], align = 16>
  tile.store %d, %v[%c0, %c0] : tensor<32x32xf32, #acc>, !tile.view<32x32xf32, strides = [32, 1], align = 16>
  return
}

// -----

#a = #tilegpu.layout<mma_operand 0, shape = [16, 16], warps = [1, 1]>
#b = #tilegpu.layout<mma_operand 1, shape = [16, 8], warps = [1, 1]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 8], warps = [1, 1]>

// bf16 operands travel as 32-bit integers.
// CHECK-LABEL: llvm.func @bf16(
// CHECK-COUNT-1: nvvm.mma.sync {{.*}} multiplicandAPtxType = #nvvm.mma_type<bf16>, multiplicandBPtxType = #nvvm.mma_type<bf16>, {{.*}} : (i32, i32, f32)
// CHECK-NOT: nvvm.mma.sync
func.func @bf16(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %a = arith.constant dense<1.0> : tensor<16x16xbf16, #a>
  %b = arith.constant dense<1.0> : tensor<16x8xbf16, #b>
  %c = arith.constant dense<0.0> : tensor<16x8xf32, #acc>
  %d = tilegpu.mma %a, %b, %c : tensor<16x16xbf16, #a>, tensor<16x8xbf16, #b> -> tensor<16x8xf32, #acc>
  %v = tile.view %p : !tile.view<16x8xf32, strides = [8, 1], align = 16>
  tile.store %d, %v[%c0, %c0] : tensor<16x8xf32, #acc>, !tile.view<16x8xf32, strides = [8, 1], align = 16>
  return
}

// -----

#a = #tilegpu.layout<register = [[0, 1], [0, 2], [8, 0], [0, 16]],
  lane = [[0, 4], [0, 8], [1, 0], [2, 0], [4, 0]], warp = [], repeat = [1, 1]>
#b = #tilegpu.layout<register = [[1, 0], [2, 0], [16, 0]],
  lane = [[4, 0], [8, 0], [0, 1], [0, 2], [0, 4]], warp = [], repeat = [1, 1]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 8], warps = [1, 1]>

// Bytes are signed or unsigned, each operand for itself.
// CHECK-LABEL: llvm.func @bytes(
// CHECK-COUNT-1: nvvm.mma.sync {{.*}} multiplicandAPtxType = #nvvm.mma_type<u8>, multiplicandBPtxType = #nvvm.mma_type<s8>, {{.*}}k = 32
// CHECK-NOT: nvvm.mma.sync
func.func @bytes(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %v8 = tile.view %p : !tile.view<16x32xui8, strides = [32, 1], align = 16>
  %a = tile.load %v8[%c0, %c0] : !tile.view<16x32xui8, strides = [32, 1], align = 16> -> tensor<16x32xui8, #a>
  %b = arith.constant dense<1> : tensor<32x8xi8, #b>
  %c = arith.constant dense<0> : tensor<16x8xi32, #acc>
  %d = tilegpu.mma %a, %b, %c : tensor<16x32xui8, #a>, tensor<32x8xi8, #b> -> tensor<16x8xi32, #acc>
  %v = tile.view %p : !tile.view<16x8xi32, strides = [8, 1], align = 16>
  tile.store %d, %v[%c0, %c0] : tensor<16x8xi32, #acc>, !tile.view<16x8xi32, strides = [8, 1], align = 16>
  return
}
