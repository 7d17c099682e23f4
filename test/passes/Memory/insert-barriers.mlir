// A barrier stands in front of each access that conflicts with what another
// thread may have done since the last one, and nowhere else.
// RUN: %tw-opt %s -tw-insert-barriers -split-input-file | FileCheck %s

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// Read after write.
// CHECK-LABEL: func.func @read_after_write(
// CHECK: tilegpu.local_store
// CHECK-NEXT: tilegpu.barrier
// CHECK-NEXT: tilegpu.local_load
// CHECK-NOT: tilegpu.barrier
func.func @read_after_write(%t: tensor<16x64xf16, #t>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.local_store %t, %m : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  %1 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// Write after read, of another tile that shares a byte.
// CHECK-LABEL: func.func @write_after_read(
// CHECK: tilegpu.local_load
// CHECK-NEXT: tilegpu.barrier
// CHECK-NEXT: tilegpu.local_store
func.func @write_after_read(%t: tensor<16x64xf16, #t>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  %other = tilegpu.alloc at 2047 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  tilegpu.local_store %t, %other : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// Write after write: which one lasts must be decided.
// CHECK-LABEL: func.func @write_after_write(
// CHECK: tilegpu.local_store
// CHECK-NEXT: tilegpu.barrier
// CHECK-NEXT: tilegpu.local_store
func.func @write_after_write(%t: tensor<16x64xf16, #t>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.local_store %t, %m : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.local_store %t, %m : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// Tiles that share no byte need no barrier, nor do two reads.
// CHECK-LABEL: func.func @no_conflict(
// CHECK-NOT: tilegpu.barrier
// CHECK: return
func.func @no_conflict(%t: tensor<16x64xf16, #t>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  %other = tilegpu.alloc at 2048 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  %1 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  tilegpu.local_store %t, %other : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A barrier that is there is enough.
// CHECK-LABEL: func.func @already_ordered(
// CHECK-COUNT-1: tilegpu.barrier
// CHECK-NOT: tilegpu.barrier
// CHECK: return
func.func @already_ordered(%t: tensor<16x64xf16, #t>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.local_store %t, %m : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.barrier
  %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A wait shows a copy to the thread that waits only; the others need a barrier.
// CHECK-LABEL: func.func @copied(
// CHECK: tilegpu.async_copy
// CHECK-NEXT: tilegpu.async_commit
// CHECK-NEXT: tilegpu.async_wait 0
// CHECK-NEXT: tilegpu.barrier
// CHECK-NEXT: tilegpu.local_load
func.func @copied(%v: !tile.view<64x64xf16, strides = [64, 1], align = 16>, %i: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.async_copy %v[%i, %i] to %m : !tile.view<64x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.async_commit
  tilegpu.async_wait 0
  %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A copy into a tile that was read: the readers must be done.
// CHECK-LABEL: func.func @copy_after_read(
// CHECK: tilegpu.local_load
// CHECK-NEXT: tilegpu.barrier
// CHECK-NEXT: tilegpu.async_copy
func.func @copy_after_read(%v: !tile.view<64x64xf16, strides = [64, 1], align = 16>, %i: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  tilegpu.async_copy %v[%i, %i] to %m : !tile.view<64x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A conflict with the iteration before: the end of the body flows into its
// beginning. One barrier an iteration orders both.
// CHECK-LABEL: func.func @loop_carried(
// CHECK: scf.for
// CHECK-NEXT: tilegpu.barrier
// CHECK-NEXT: tilegpu.local_store
// CHECK-NEXT: tilegpu.barrier
// CHECK-NEXT: tilegpu.local_load
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @loop_carried(%t: tensor<16x64xf16, #t>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c3 = arith.constant 3 : i32
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  scf.for %i = %c0 to %c3 step %c1 : i32 {
    tilegpu.local_store %t, %m : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
    %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  }
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// The pipelined loop: one barrier an iteration, after the wait, publishes the
// copies that landed and frees the slot that is filled next.
// CHECK-LABEL: func.func @pipelined(
// CHECK: scf.for
// CHECK-NEXT: tilegpu.async_wait 0
// CHECK-NEXT: tilegpu.slot
// CHECK-NEXT: tilegpu.barrier
// CHECK-NEXT: tilegpu.async_copy
// CHECK-NEXT: tilegpu.async_commit
// CHECK-NEXT: tilegpu.slot
// CHECK-NEXT: tilegpu.local_load
// CHECK-NEXT: }
func.func @pipelined(%v: !tile.view<64x64xf16, strides = [64, 1], align = 16>, %c0: i32, %c1: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 0>>
  %first = tilegpu.slot %m[%c0] : !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 0>> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.async_copy %v[%c0, %c0] to %first : !tile.view<64x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.async_commit
  scf.for %i = %c0 to %c1 step %c1 : i32 {
    tilegpu.async_wait 0
    %fill = tilegpu.slot %m[%c1] : !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 0>> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
    tilegpu.async_copy %v[%i, %c0] to %fill : !tile.view<64x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
    tilegpu.async_commit
    %ready = tilegpu.slot %m[%c0] : !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 0>> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
    %0 = tilegpu.local_load %ready [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  }
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A write that may have happened is one: the branch counts after it.
// CHECK-LABEL: func.func @in_a_branch(
// CHECK: scf.if
// CHECK-NEXT: tilegpu.local_store
// CHECK: }
// CHECK-NEXT: tilegpu.barrier
// CHECK-NEXT: tilegpu.local_load
func.func @in_a_branch(%t: tensor<16x64xf16, #t>, %condition: i1) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  scf.if %condition {
    tilegpu.local_store %t, %m : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  }
  %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A barrier in one branch does not order what follows the other.
// CHECK-LABEL: func.func @barrier_in_one_branch(
// CHECK: scf.if
// CHECK-NEXT: tilegpu.barrier
// CHECK: }
// CHECK-NEXT: tilegpu.barrier
// CHECK-NEXT: tilegpu.local_load
func.func @barrier_in_one_branch(%t: tensor<16x64xf16, #t>, %condition: i1) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.local_store %t, %m : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  scf.if %condition {
    tilegpu.barrier
  }
  %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// Blocks that arrive at a counter meet: an arrival orders like a barrier.
// CHECK-LABEL: func.func @arrival(
// CHECK: tilegpu.local_store
// CHECK-NEXT: tile.arrive
// CHECK-NEXT: tilegpu.local_load
func.func @arrival(%t: tensor<16x64xf16, #t>, %counters: !tile.ptr, %i: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.local_store %t, %m : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  %last = tile.arrive %counters[%i] of %i
  %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  return
}
