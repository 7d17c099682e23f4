// Asynchronous copies, waits, barriers and arrivals.
// RUN: %tw-opt %s -tw-lower-to-nvvm -split-input-file | FileCheck %s

// 16 x 64 halves are 128 chunks of 16 bytes: four a thread. A chunk beyond the
// view reads nothing (size 0) and arrives as zeros.
// CHECK-LABEL: llvm.func @copy(
// CHECK-COUNT-4: nvvm.cp.async.shared.global {{.*}}, 16, cache = cg, %{{.+}} : !llvm.ptr<3>, !llvm.ptr<1>, i32
// CHECK-NOT: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.cp.async.wait.group 2
func.func @copy(%p: !tile.ptr, %m: i32, %i: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %view = tile.view %p sizes(%m) : !tile.view<?x64xf16, strides = [64, 1], align = 16>
  %memory = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 128>>
  tilegpu.async_copy %view[%i, %c0] to %memory : !tile.view<?x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 128>>
  tilegpu.async_commit
  tilegpu.async_wait 2
  return
}

// -----

// 24 chunks for 32 threads: the last threads copy nothing.
// CHECK-LABEL: llvm.func @few_chunks(
// CHECK: %[[CHUNKS:.+]] = llvm.mlir.constant(24 : i32)
// CHECK: %[[ACTIVE:.+]] = llvm.icmp "ult" %{{.+}}, %[[CHUNKS]] : i32
// CHECK: llvm.cond_br %[[ACTIVE]]
// CHECK-COUNT-1: nvvm.cp.async.shared.global
// CHECK-NOT: nvvm.cp.async.shared.global
func.func @few_chunks(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %view = tile.view %p : !tile.view<3x64xf16, strides = [64, 1], align = 16>
  %memory = tilegpu.alloc at 0 : !tilegpu.memdesc<3x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.async_copy %view[%c0, %c0] to %memory : !tile.view<3x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<3x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

// A predicate guards the whole copy.
// CHECK-LABEL: llvm.func @predicate(
// CHECK-SAME: %[[IF:[^:]+]]: i1
// CHECK: llvm.cond_br %[[IF]], ^[[COPY:bb[0-9]+]],
// CHECK: ^[[COPY]]:
// CHECK: nvvm.cp.async.shared.global
func.func @predicate(%if: i1, %p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %view = tile.view %p : !tile.view<16x64xf16, strides = [64, 1], align = 16>
  %memory = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.async_copy %view[%c0, %c0] to %memory if %if : !tile.view<16x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

// One thread counts for the block, once all have written; the last block resets
// the counter, and every thread of it learns that it is the last.
// CHECK-LABEL: llvm.func @arrive(
// CHECK-SAME: %[[COUNTERS:[^:]+]]: !llvm.ptr<1>, %{{[^:]+}}: i32, %[[EXPECTED:[^:]+]]: i32
// CHECK: nvvm.barrier
// CHECK: %[[FIRST:.+]] = llvm.icmp "eq"
// CHECK: llvm.cond_br %[[FIRST]]
// CHECK: %[[BEFORE:.+]] = llvm.atomicrmw add %{{.+}}, %{{.+}} syncscope("device")
// CHECK: %[[OTHERS:.+]] = llvm.add %[[EXPECTED]],
// CHECK: llvm.icmp "eq" %[[BEFORE]], %[[OTHERS]]
// CHECK: llvm.store
// CHECK: nvvm.barrier #nvvm.reduction<or>
func.func @arrive(%counters: !tile.ptr, %i: i32, %expected: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "4"], warps = 1>} {
  %last = tile.arrive %counters[%i] of %expected
  scf.if %last {
    tilegpu.barrier
  }
  return
}
