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

// -----

// Tiles of 64 keys that the view's extent counts lie whole inside of it: their copies have
// no sizes. In the turns after those a tile may reach beyond the last key.
// CHECK-LABEL: llvm.func @counted(
// CHECK: nvvm.cp.async.wait.group 7
// CHECK-COUNT-4: nvvm.cp.async.shared.global {{.*}}, 16, cache = cg : !llvm.ptr<3>, !llvm.ptr<1>
// CHECK: nvvm.cp.async.wait.group 6
// CHECK-COUNT-4: nvvm.cp.async.shared.global {{.*}}, 16, cache = cg, %{{.+}} : !llvm.ptr<3>, !llvm.ptr<1>, i32
// CHECK-NOT: nvvm.cp.async.shared.global
func.func @counted(%p: !tile.ptr, %keys: i32, %rows: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 4>} {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c63 = arith.constant 63 : i32
  %c64 = arith.constant 64 : i32
  %memory = tilegpu.alloc at 0 : !tilegpu.memdesc<64x64xf16, #tilegpu.shared<swizzle = 128>>
  %view = tile.view %p sizes(%keys) : !tile.view<?x64xf16, strides = [64, 1], align = 16>
  %least = arith.minsi %rows, %keys : i32
  %end = arith.maxsi %least, %c0 : i32
  %whole = arith.divui %end, %c64 : i32
  %last = arith.subi %whole, %c1 : i32
  %some = arith.minsi %last, %rows : i32
  %full = arith.addi %some, %c1 : i32
  %stop = arith.maxsi %full, %c0 : i32
  scf.for %i = %c0 to %stop step %c1 : i32 {
    tilegpu.async_wait 7
    %next = arith.addi %i, %c1 : i32
    %exists = arith.cmpi slt, %next, %stop : i32
    %key = arith.muli %next, %c64 : i32
    tilegpu.async_copy %view[%key, %c0] to %memory if %exists : !tile.view<?x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<64x64xf16, #tilegpu.shared<swizzle = 128>>
  }
  %more = arith.addi %end, %c63 : i32
  %all = arith.divui %more, %c64 : i32
  scf.for %i = %stop to %all step %c1 : i32 {
    tilegpu.async_wait 6
    %key = arith.muli %i, %c64 : i32
    tilegpu.async_copy %view[%key, %c0] to %memory : !tile.view<?x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<64x64xf16, #tilegpu.shared<swizzle = 128>>
  }
  return
}

// -----

// What counts tiles must be the view's own extent, not negative, and count tiles that are
// no larger than the step.
// CHECK-LABEL: llvm.func @not_counted(
// CHECK-COUNT-4: nvvm.cp.async.shared.global {{.*}}, 16, cache = cg, %{{.+}} : !llvm.ptr<3>, !llvm.ptr<1>, i32
// CHECK-NOT: nvvm.cp.async.shared.global
func.func @not_counted(%p: !tile.ptr, %keys: i32, %other: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c8 = arith.constant 8 : i32
  %c16 = arith.constant 16 : i32
  %memory = tilegpu.alloc at 0 : !tilegpu.memdesc<16x16xf16, #tilegpu.shared<swizzle = 0>>
  %view = tile.view %p sizes(%keys) : !tile.view<?x16xf16, strides = [16, 1], align = 16>
  %wrong = arith.maxsi %other, %c0 : i32
  %right = arith.maxsi %keys, %c0 : i32
  %others = arith.divui %wrong, %c16 : i32
  %signed = arith.divui %keys, %c16 : i32
  %halves = arith.divui %right, %c8 : i32
  %one = arith.addi %halves, %c1 : i32
  scf.for %i = %c0 to %others step %c1 : i32 {
    %key = arith.muli %i, %c16 : i32
    tilegpu.async_copy %view[%key, %c0] to %memory : !tile.view<?x16xf16, strides = [16, 1], align = 16> -> !tilegpu.memdesc<16x16xf16, #tilegpu.shared<swizzle = 0>>
  }
  scf.for %i = %c0 to %signed step %c1 : i32 {
    %key = arith.muli %i, %c16 : i32
    tilegpu.async_copy %view[%key, %c0] to %memory : !tile.view<?x16xf16, strides = [16, 1], align = 16> -> !tilegpu.memdesc<16x16xf16, #tilegpu.shared<swizzle = 0>>
  }
  scf.for %i = %c0 to %halves step %c1 : i32 {
    %key = arith.muli %i, %c8 : i32
    tilegpu.async_copy %view[%key, %c0] to %memory : !tile.view<?x16xf16, strides = [16, 1], align = 16> -> !tilegpu.memdesc<16x16xf16, #tilegpu.shared<swizzle = 0>>
  }
  scf.for %i = %c0 to %one step %c1 : i32 {
    %key = arith.muli %i, %c16 : i32
    tilegpu.async_copy %view[%key, %c0] to %memory : !tile.view<?x16xf16, strides = [16, 1], align = 16> -> !tilegpu.memdesc<16x16xf16, #tilegpu.shared<swizzle = 0>>
  }
  return
}

// -----

// A thread's four rows, 512 bytes apart, lie next to each other: their distances fit the address
// field of a copy. In shared memory each has a turn of its own.
// CHECK-LABEL: llvm.func @neighbours(
// CHECK: %[[START:.+]] = llvm.getelementptr %{{.+}}[%{{.+}}] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, i8
// CHECK: nvvm.cp.async.shared.global %{{.+}}, %[[START]], 16
// CHECK: llvm.getelementptr %{{.+}}[512] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i8
// CHECK: llvm.getelementptr %{{.+}}[1024] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i8
// CHECK: llvm.getelementptr %{{.+}}[1536] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i8
// CHECK: nvvm.cp.async.shared.global
// CHECK-NOT: nvvm.cp.async.shared.global
func.func @neighbours(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %view = tile.view %p : !tile.view<16x64xf16, strides = [256, 1], align = 16>
  %memory = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 128>>
  tilegpu.async_copy %view[%c0, %c0] to %memory : !tile.view<16x64xf16, strides = [256, 1], align = 16> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 128>>
  return
}

// -----

// Rows of 3 KiB are too far apart: a thread takes every fourth, and of each both panels.
// CHECK-LABEL: llvm.func @panels(
// CHECK: nvvm.cp.async.shared.global
// CHECK: llvm.getelementptr %{{.+}}[128] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i8
// CHECK: llvm.getelementptr %{{.+}}[1024] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8
// CHECK: nvvm.cp.async.shared.global
// CHECK: llvm.getelementptr %{{.+}}[12288] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i8
// CHECK: nvvm.cp.async.shared.global
// CHECK: llvm.getelementptr %{{.+}}[12416] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i8
// CHECK: nvvm.cp.async.shared.global
// CHECK-NOT: nvvm.cp.async.shared.global
func.func @panels(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %view = tile.view %p : !tile.view<8x128xf16, strides = [1536, 1], align = 16>
  %memory = tilegpu.alloc at 0 : !tilegpu.memdesc<8x128xf16, #tilegpu.shared<swizzle = 128>>
  tilegpu.async_copy %view[%c0, %c0] to %memory : !tile.view<8x128xf16, strides = [1536, 1], align = 16> -> !tilegpu.memdesc<8x128xf16, #tilegpu.shared<swizzle = 128>>
  return
}
