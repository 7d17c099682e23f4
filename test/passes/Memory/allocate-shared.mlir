// Tiles in shared memory get offsets; those that do not live together share
// bytes.
// RUN: %tw-opt %s -tw-allocate-shared -split-input-file | FileCheck %s

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// Tiles that live together lie beside each other, from multiples of 128 bytes:
// the first takes 1 x 36 bytes.
// CHECK-LABEL: func.func @together(
// CHECK-SAME: tilegpu.shared_bytes = 2176
// CHECK: tilegpu.alloc at 0 : <9xi32
// CHECK: tilegpu.alloc at 128 : <16x64xf16
func.func @together(%t: tensor<16x64xf16, #t>, %s: tensor<9xi32, #tilegpu.layout<blocked 1, shape = [9], warps = [1]>>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %small = tilegpu.alloc : !tilegpu.memdesc<9xi32, #tilegpu.shared<swizzle = 0>>
  %large = tilegpu.alloc : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.local_store %t, %large : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.local_store %s, %small : tensor<9xi32, #tilegpu.layout<blocked 1, shape = [9], warps = [1]>>, !tilegpu.memdesc<9xi32, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A tile that is dead leaves its bytes to the next one.
// CHECK-LABEL: func.func @one_after_the_other(
// CHECK-SAME: tilegpu.shared_bytes = 2048
// CHECK: tilegpu.alloc at 0
// CHECK: tilegpu.alloc at 0
func.func @one_after_the_other(%t: tensor<16x64xf16, #t>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %first = tilegpu.alloc : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.local_store %t, %first : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  %second = tilegpu.alloc : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.local_store %t, %second : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A use within a loop lasts to the loop's end: the next iteration uses it again.
// Slots are names of their buffer, and all count.
// CHECK-LABEL: func.func @used_in_a_loop(
// CHECK-SAME: tilegpu.shared_bytes = 8192
// CHECK: tilegpu.alloc at 0 : <slots = 3
// CHECK: scf.for
// CHECK: tilegpu.slot
// CHECK: tilegpu.alloc at 6144
func.func @used_in_a_loop(%t: tensor<16x64xf16, #t>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c3 = arith.constant 3 : i32
  %buffer = tilegpu.alloc : !tilegpu.memdesc<slots = 3, 16x64xf16, #tilegpu.shared<swizzle = 0>>
  scf.for %i = %c0 to %c3 step %c1 : i32 {
    %slot = tilegpu.slot %buffer[%i] : !tilegpu.memdesc<slots = 3, 16x64xf16, #tilegpu.shared<swizzle = 0>> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
    tilegpu.local_store %t, %slot : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
    %other = tilegpu.alloc : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
    tilegpu.local_store %t, %other : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  }
  return
}

// -----

// A kernel without tiles in shared memory takes none.
// CHECK-LABEL: func.func @none(
// CHECK-SAME: tilegpu.shared_bytes = 0
func.func @none() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  return
}

// -----

// Functions that are not kernels are left alone.
// CHECK-LABEL: func.func @not_a_kernel(
// CHECK-NOT: shared_bytes
// CHECK: tilegpu.alloc :
func.func @not_a_kernel() {
  %0 = tilegpu.alloc : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}
