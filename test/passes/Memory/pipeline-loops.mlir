// Loads of a loop that asks for stages are copied ahead through shared memory.
// RUN: %tw-opt %s -tw-pipeline-loops -split-input-file -verify-diagnostics | FileCheck %s

#a = #tilegpu.layout<mma_operand 0, shape = [16, 64], warps = [1, 1]>
#b = #tilegpu.layout<mma_operand 1, shape = [64, 8], warps = [1, 1]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 8], warps = [1, 1]>

// Three stages: the copies of two iterations start before the loop; iteration i
// waits for its own (one group stays in flight), starts those of iteration i + 2
// into the slot it does not read, and reads its tile.
// CHECK-LABEL: func.func @three_stages(
// CHECK-SAME: %[[VIEW:[^:]+]]: !tile.view<{{.*}}>, %[[B:[^:]+]]: tensor<64x8xf16, {{.*}}>, %[[ZERO:[^:]+]]: tensor<16x8xf32, {{.*}}>, %[[COUNT:[^:]+]]: i32)
// CHECK: %[[BUFFER:.+]] = tilegpu.alloc : <slots = 3, 16x64xf16, #tilegpu.shared<swizzle = 128>>
// CHECK: %[[EXISTS_0:.+]] = arith.cmpi slt, %[[FIRST:.+]], %[[COUNT]] : i32
// CHECK: %[[SLOT_0:.+]] = tilegpu.slot %[[BUFFER]]
// CHECK: tilegpu.async_copy %[[VIEW]]{{.*}} to %[[SLOT_0]] if %[[EXISTS_0]]
// CHECK: tilegpu.async_commit
// CHECK: %[[EXISTS_1:.+]] = arith.cmpi slt, %{{.+}}, %[[COUNT]] : i32
// CHECK: %[[SLOT_1:.+]] = tilegpu.slot %[[BUFFER]]
// CHECK: tilegpu.async_copy %[[VIEW]]{{.*}} to %[[SLOT_1]] if %[[EXISTS_1]]
// CHECK: tilegpu.async_commit
// CHECK-DAG: %[[READ_FIRST:.+]] = arith.constant 0 : i32
// CHECK-DAG: %[[FILL_FIRST:.+]] = arith.constant 2 : i32
// CHECK: %[[SUM:.+]]:3 = scf.for %[[I:.+]] = %{{.+}} to %[[COUNT]] step %{{.+}} iter_args(%[[ACC:.+]] = %[[ZERO]], %[[READ:.+]] = %[[READ_FIRST]], %[[FILL:.+]] = %[[FILL_FIRST]])
// CHECK:   tilegpu.async_wait 1
// CHECK:   %[[AHEAD:.+]] = arith.addi %[[I]],
// CHECK:   %[[EXISTS:.+]] = arith.cmpi slt, %[[AHEAD]], %[[COUNT]] : i32
// CHECK:   %[[COLUMN:.+]] = arith.muli %[[AHEAD]],
// CHECK:   %[[FILLED:.+]] = tilegpu.slot %[[BUFFER]][%[[FILL]]]
// CHECK:   tilegpu.async_copy %[[VIEW]][%{{.+}}, %[[COLUMN]]] to %[[FILLED]] if %[[EXISTS]]
// CHECK:   tilegpu.async_commit
// CHECK:   %[[READY:.+]] = tilegpu.slot %[[BUFFER]][%[[READ]]]
// CHECK:   %[[A:.+]] = tilegpu.local_load %[[READY]] [0, 0] : {{.*}} -> tensor<16x64xf16,
// CHECK:   %[[NEXT:.+]] = tilegpu.mma %[[A]], %[[B]], %[[ACC]]
//          Slots follow each other round the buffer.
// CHECK:   %[[READ_NEXT:.+]] = arith.addi %[[READ]],
// CHECK:   %[[READ_WRAPS:.+]] = arith.cmpi eq, %[[READ_NEXT]], %[[SLOTS:.+]] : i32
// CHECK:   %[[READ_THEN:.+]] = arith.select %[[READ_WRAPS]], %{{.+}}, %[[READ_NEXT]]
// CHECK:   %[[FILL_NEXT:.+]] = arith.addi %[[FILL]],
// CHECK:   %[[FILL_THEN:.+]] = arith.select %{{.+}}, %{{.+}}, %[[FILL_NEXT]]
// CHECK:   scf.yield %[[NEXT]], %[[READ_THEN]], %[[FILL_THEN]]
// CHECK-NOT: tile.stages
// CHECK: return %[[SUM]]#0
func.func @three_stages(%view: !tile.view<16x512xf16, strides = [512, 1], align = 16>, %b: tensor<64x8xf16, #b>, %zero: tensor<16x8xf32, #acc>, %count: i32) -> tensor<16x8xf32, #acc> {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c64 = arith.constant 64 : i32
  %sum = scf.for %i = %c0 to %count step %c1 iter_args(%acc = %zero) -> (tensor<16x8xf32, #acc>) : i32 {
    %column = arith.muli %i, %c64 : i32
    %a = tile.load %view[%c0, %column] : !tile.view<16x512xf16, strides = [512, 1], align = 16> -> tensor<16x64xf16, #a>
    %next = tilegpu.mma %a, %b, %acc : tensor<16x64xf16, #a>, tensor<64x8xf16, #b> -> tensor<16x8xf32, #acc>
    scf.yield %next : tensor<16x8xf32, #acc>
  } {tile.stages = 3 : i32}
  return %sum : tensor<16x8xf32, #acc>
}

// -----

#words = #tilegpu.layout<blocked 4, shape = [2, 1, 512], warps = [1]>
#part = #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>

// Slices read their part from the slot where they take it; the whole tile is not
// read. What is not operand A is not swizzled. Two stages leave nothing in
// flight at the wait.
// CHECK-LABEL: func.func @slices(
// CHECK: tilegpu.alloc : <slots = 2, 2x1x512xi32, #tilegpu.shared<swizzle = 0>>
// CHECK: scf.for {{.*}} iter_args(%[[READ:[^ ]+]] =
// CHECK: tilegpu.async_wait 0
// CHECK: %[[READY:.+]] = tilegpu.slot %{{.+}}[%[[READ]]]
// CHECK: %[[PART:.+]] = tilegpu.local_load %[[READY]] [1, 0, 0] : {{.*}} -> tensor<1x1x512xi32
// CHECK-NOT: local_load
// CHECK: tile.store %[[PART]]
func.func @slices(%view: !tile.view<8x4x512xi32, strides = [2048, 512, 1], align = 16>, %y: !tile.view<8x4x512xi32, strides = [2048, 512, 1], align = 16>) {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c4 = arith.constant 4 : i32
  scf.for %i = %c0 to %c4 step %c1 : i32 {
    %words = tile.load %view[%c0, %i, %c0] : !tile.view<8x4x512xi32, strides = [2048, 512, 1], align = 16> -> tensor<2x1x512xi32, #words>
    %part = tile.slice %words [1, 0, 0] : tensor<2x1x512xi32, #words> -> tensor<1x1x512xi32, #part>
    tile.store %part, %y[%c0, %i, %c0] : tensor<1x1x512xi32, #part>, !tile.view<8x4x512xi32, strides = [2048, 512, 1], align = 16>
  } {tile.stages = 2 : i32}
  return
}

// -----

#row = #tilegpu.layout<blocked 1, shape = [64], warps = [1]>

// A load whose rows 16-byte copies cannot serve stays; a remark says why. A loop
// without any other load stays as it was.
// CHECK-LABEL: func.func @unaligned(
// CHECK-NOT: tilegpu.
// CHECK: scf.for
// CHECK: %[[TILE:.+]] = tile.load
// CHECK: tile.store %[[TILE]]
// CHECK-NOT: tile.stages
func.func @unaligned(%view: !tile.view<512xf16, strides = [1], align = 2>) {
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %c512 = arith.constant 512 : i32
  scf.for %i = %c0 to %c512 step %c64 : i32 {
    // expected-remark @+1 {{load is not pipelined: 16-byte copies need aligned rows, but only 2-byte accesses are known to be aligned and whole}}
    %tile = tile.load %view[%i] : !tile.view<512xf16, strides = [1], align = 2> -> tensor<64xf16, #row>
    tile.store %tile, %view[%i] : tensor<64xf16, #row>, !tile.view<512xf16, strides = [1], align = 2>
  } {tile.stages = 3 : i32}
  return
}

// -----

#row = #tilegpu.layout<blocked 8, shape = [64], warps = [1]>

// A load at an offset the loop computes as it goes cannot be started ahead; the
// other load is.
// CHECK-LABEL: func.func @carried_offset(
// CHECK-SAME: %[[AHEAD:[^:]+]]: !tile.view<{{.*}}>, %[[LATER:[^:]+]]: !tile.view
// CHECK: tilegpu.async_copy %[[AHEAD]]
// CHECK: scf.for
// CHECK: tilegpu.async_copy %[[AHEAD]]
// CHECK: tilegpu.local_load
// CHECK: tile.load %[[LATER]]
func.func @carried_offset(%ahead: !tile.view<512xf16, strides = [1], align = 16>, %later: !tile.view<512xf16, strides = [1], align = 16>) -> i32 {
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %c512 = arith.constant 512 : i32
  %last = scf.for %i = %c0 to %c512 step %c64 iter_args(%at = %c0) -> i32 : i32 {
    %0 = tile.load %ahead[%i] : !tile.view<512xf16, strides = [1], align = 16> -> tensor<64xf16, #row>
    %aligned = arith.muli %at, %c64 : i32
    // expected-remark @+1 {{load is not pipelined: its address depends on a value the loop carries}}
    %1 = tile.load %later[%aligned] : !tile.view<512xf16, strides = [1], align = 16> -> tensor<64xf16, #row>
    %2 = arith.addf %0, %1 : tensor<64xf16, #row>
    tile.store %2, %later[%aligned] : tensor<64xf16, #row>, !tile.view<512xf16, strides = [1], align = 16>
    %next = arith.addi %at, %i : i32
    scf.yield %next : i32
  } {tile.stages = 2 : i32}
  return %last : i32
}

// -----

#row = #tilegpu.layout<blocked 8, shape = [64], warps = [1]>

// A loop that writes where it reads: a copy started ahead could miss what an
// earlier iteration writes.
// CHECK-LABEL: func.func @in_place(
// CHECK-NOT: tilegpu.
// CHECK: tile.load
func.func @in_place(%p: !tile.ptr) {
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %c448 = arith.constant 448 : i32
  %from = tile.view %p : !tile.view<512xf16, strides = [1], align = 16>
  %to = tile.view %p : !tile.view<512xf16, strides = [1], align = 16>
  scf.for %i = %c0 to %c448 step %c64 : i32 {
    // expected-remark @+1 {{load is not pipelined: the loop writes to the memory it reads}}
    %tile = tile.load %from[%i] : !tile.view<512xf16, strides = [1], align = 16> -> tensor<64xf16, #row>
    %next = arith.addi %i, %c64 : i32
    tile.store %tile, %to[%next] : tensor<64xf16, #row>, !tile.view<512xf16, strides = [1], align = 16>
  } {tile.stages = 3 : i32}
  return
}

// -----

#row = #tilegpu.layout<blocked 8, shape = [64], warps = [1]>

// One stage is no pipeline: the loop stays, without its attribute.
// CHECK-LABEL: func.func @one_stage(
// CHECK-NOT: tilegpu.
// CHECK: tile.load
// CHECK-NOT: tile.stages
func.func @one_stage(%view: !tile.view<512xf16, strides = [1], align = 16>) {
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %c512 = arith.constant 512 : i32
  scf.for %i = %c0 to %c512 step %c64 : i32 {
    %tile = tile.load %view[%i] : !tile.view<512xf16, strides = [1], align = 16> -> tensor<64xf16, #row>
    tile.store %tile, %view[%i] : tensor<64xf16, #row>, !tile.view<512xf16, strides = [1], align = 16>
  } {tile.stages = 1 : i32}
  return
}

// -----

#a = #tilegpu.layout<mma_operand 0, shape = [16, 64], warps = [1, 1]>
#k = #tilegpu.layout<mma_operand 1, shape = [64, 16], warps = [1, 1]>
#v = #tilegpu.layout<mma_operand 1, shape = [16, 64], warps = [1, 1]>
#s = #tilegpu.layout<mma_accumulator, shape = [16, 16], warps = [1, 1]>
#p = #tilegpu.layout<mma_operand 0, shape = [16, 16], warps = [1, 1]>
#o = #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 1]>

// Staggered loads, one slot each: a group for each load. The load that stands first
// but is used last waits where it is used; the copy of the next turn starts when
// the product that reads its slot is done. At each wait one group stays in flight:
// the other load's.
// CHECK-LABEL: func.func @staggered(
// CHECK-SAME: %[[K:[^:]+]]: !tile.view<{{.*}}>, %[[V:[^:]+]]: !tile.view<
// CHECK-DAG: %[[V_SLOT:.+]] = tilegpu.alloc : <16x64xf16, #tilegpu.shared<swizzle = 128>>
// CHECK-DAG: %[[K_SLOT:.+]] = tilegpu.alloc : <64x16xf16, #tilegpu.shared<swizzle = 32>>
// CHECK: tilegpu.async_copy %[[K]]{{.*}} to %[[K_SLOT]]
// CHECK-NEXT: tilegpu.async_commit
// CHECK: tilegpu.async_copy %[[V]]{{.*}} to %[[V_SLOT]]
// CHECK-NEXT: tilegpu.async_commit
// CHECK: scf.for
// CHECK:   tilegpu.async_wait 1
// CHECK-NEXT: %[[K_TILE:.+]] = tilegpu.local_load %[[K_SLOT]]
// CHECK-NEXT: tilegpu.mma %{{.+}}, %[[K_TILE]],
// CHECK:   tilegpu.async_copy %[[K]]{{.*}} to %[[K_SLOT]]
// CHECK-NEXT: tilegpu.async_commit
// CHECK:   arith.truncf
// CHECK:   tilegpu.async_wait 1
// CHECK-NEXT: %[[V_TILE:.+]] = tilegpu.local_load %[[V_SLOT]]
// CHECK-NEXT: tilegpu.mma %{{.+}}, %[[V_TILE]],
// CHECK:   tilegpu.async_copy %[[V]]{{.*}} to %[[V_SLOT]]
// CHECK-NEXT: tilegpu.async_commit
// CHECK-NEXT: scf.yield
// CHECK-NOT: tile.staggered
func.func @staggered(%kv: !tile.view<512x16xf16, strides = [16, 1], align = 16>, %vv: !tile.view<16x512xf16, strides = [512, 1], align = 16>, %q: tensor<16x64xf16, #a>, %s0: tensor<16x16xf32, #s>, %o0: tensor<16x64xf32, #o>) -> tensor<16x64xf32, #o> {
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %c512 = arith.constant 512 : i32
  %r = scf.for %j = %c0 to %c512 step %c64 iter_args(%acc = %o0) -> (tensor<16x64xf32, #o>) : i32 {
    %v = tile.load %vv[%c0, %j] : !tile.view<16x512xf16, strides = [512, 1], align = 16> -> tensor<16x64xf16, #v>
    %k = tile.load %kv[%j, %c0] : !tile.view<512x16xf16, strides = [16, 1], align = 16> -> tensor<64x16xf16, #k>
    %s = tilegpu.mma %q, %k, %s0 : tensor<16x64xf16, #a>, tensor<64x16xf16, #k> -> tensor<16x16xf32, #s>
    %p = arith.truncf %s : tensor<16x16xf32, #s> to tensor<16x16xf16, #p>
    %next = tilegpu.mma %p, %v, %acc : tensor<16x16xf16, #p>, tensor<16x64xf16, #v> -> tensor<16x64xf32, #o>
    scf.yield %next : tensor<16x64xf32, #o>
  } {tile.stages = 1 : i32, tile.staggered}
  return %r : tensor<16x64xf32, #o>
}

// -----

#a = #tilegpu.layout<mma_operand 0, shape = [16, 64], warps = [1, 1]>
#v = #tilegpu.layout<mma_operand 1, shape = [64, 64], warps = [1, 1]>
#o = #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 1]>
#rows = #tilegpu.layout<register = [[1, 0], [8, 0], [16, 0], [32, 0]], lane = [[2, 0], [4, 0], [0, 0], [0, 0], [0, 0]], warp = [], repeat = [1, 1]>

// Rows by a page table. The indices of another turn are computed where its copies
// need them: eight lanes share a row of eight chunks. Two slots, staggered: the copy
// starts right after the wait.
// CHECK-LABEL: func.func @gather(
// CHECK-SAME: %[[CACHE:[^:]+]]: !tile.view<{{.*}}>, %[[TABLE:[^:]+]]: !tile.view<
// CHECK: tilegpu.alloc : <slots = 2, 64x64xf16, #tilegpu.shared<swizzle = 128>>
// CHECK: scf.for %[[J:[^ ]+]] =
// CHECK:   tilegpu.async_wait 0
// CHECK:   %[[AHEAD:.+]] = arith.addi %[[J]],
// CHECK:   %[[POSITIONS:.+]] = tile.iota %[[AHEAD]] along 0 : tensor<64x1xi32, #tilegpu.layout<register = {{\[\[}}4, 0], [8, 0], [16, 0], [32, 0]], lane = {{\[\[}}0, 0], [0, 0], [0, 0], [1, 0], [2, 0]], warp = [], repeat = [1, 1]>>
// CHECK:   %[[ENTRIES:.+]] = tile.gather %[[TABLE]][%[[POSITIONS]],
// CHECK:   %[[ROWS:.+]] = arith.addi %[[ENTRIES]], %{{.+}} : tensor<64x1xi32, #tilegpu.layout<register = {{\[\[}}4, 0],
// CHECK:   tilegpu.async_gather %[[CACHE]][%[[ROWS]], %{{.+}}] to %{{.+}} if
// CHECK-NEXT: tilegpu.async_commit
// CHECK:   tilegpu.local_load
func.func @gather(%cache: !tile.view<?x64xf16, strides = [64, 1], align = 16>, %table: !tile.view<?x1xi32, strides = [1, 1], align = 4>, %p: tensor<16x64xf16, #a>, %o0: tensor<16x64xf32, #o>, %n: i32) -> tensor<16x64xf32, #o> {
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %seven = arith.constant dense<7> : tensor<64x1xi32, #rows>
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %o0) -> (tensor<16x64xf32, #o>) : i32 {
    %positions = tile.iota %j along 0 : tensor<64x1xi32, #rows>
    %entries = tile.gather %table[%positions, %c0] : !tile.view<?x1xi32, strides = [1, 1], align = 4>, tensor<64x1xi32, #rows> -> tensor<64x1xi32, #rows>
    %rows = arith.addi %entries, %seven : tensor<64x1xi32, #rows>
    %v = tile.gather %cache[%rows, %c0] : !tile.view<?x64xf16, strides = [64, 1], align = 16>, tensor<64x1xi32, #rows> -> tensor<64x64xf16, #v>
    %next = tilegpu.mma %p, %v, %acc : tensor<16x64xf16, #a>, tensor<64x64xf16, #v> -> tensor<16x64xf32, #o>
    scf.yield %next : tensor<16x64xf32, #o>
  } {tile.stages = 2 : i32, tile.staggered}
  return %r : tensor<16x64xf32, #o>
}
