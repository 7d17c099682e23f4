// Ops on shared memory survive printing and parsing.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

#a = #tilegpu.layout<mma_operand 0, shape = [16, 64], warps = [1, 1]>
#rows = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A buffer of two slots: fill one by copies, read a part of the other.
// CHECK-LABEL: func.func @buffer(
// CHECK-SAME: %[[VIEW:.+]]: !tile.view<{{.*}}>, %[[I:.+]]: i32, %[[EXISTS:.+]]: i1
func.func @buffer(%view: !tile.view<?x512xf16, strides = [512, 1], align = 16>, %i: i32, %exists: i1) -> tensor<16x64xf16, #a> {
  // CHECK: %[[BUFFER:.+]] = tilegpu.alloc : <slots = 2, 16x128xf16, #tilegpu.shared<swizzle = 128>>
  %buffer = tilegpu.alloc : !tilegpu.memdesc<slots = 2, 16x128xf16, #tilegpu.shared<swizzle = 128>>
  // CHECK: %[[SLOT:.+]] = tilegpu.slot %[[BUFFER]][%[[I]]] : <slots = 2, 16x128xf16, #tilegpu.shared<swizzle = 128>> -> <16x128xf16, #tilegpu.shared<swizzle = 128>>
  %slot = tilegpu.slot %buffer[%i] : !tilegpu.memdesc<slots = 2, 16x128xf16, #tilegpu.shared<swizzle = 128>> -> !tilegpu.memdesc<16x128xf16, #tilegpu.shared<swizzle = 128>>
  // CHECK: tilegpu.async_copy %[[VIEW]][%[[I]], %[[I]]] to %[[SLOT]] : <?x512xf16, strides = [512, 1], align = 16> -> <16x128xf16, #tilegpu.shared<swizzle = 128>>
  tilegpu.async_copy %view[%i, %i] to %slot : !tile.view<?x512xf16, strides = [512, 1], align = 16> -> !tilegpu.memdesc<16x128xf16, #tilegpu.shared<swizzle = 128>>
  // CHECK: tilegpu.async_copy %[[VIEW]][%[[I]], %[[I]]] to %[[SLOT]] if %[[EXISTS]]
  tilegpu.async_copy %view[%i, %i] to %slot if %exists : !tile.view<?x512xf16, strides = [512, 1], align = 16> -> !tilegpu.memdesc<16x128xf16, #tilegpu.shared<swizzle = 128>>
  // CHECK: tilegpu.async_commit
  tilegpu.async_commit
  // CHECK: tilegpu.async_wait 1
  tilegpu.async_wait 1
  // CHECK: tilegpu.barrier
  tilegpu.barrier
  // CHECK: tilegpu.local_load %[[SLOT]] [0, 64] : <16x128xf16, #tilegpu.shared<swizzle = 128>> -> tensor<16x64xf16
  %part = tilegpu.local_load %slot [0, 64] : !tilegpu.memdesc<16x128xf16, #tilegpu.shared<swizzle = 128>> -> tensor<16x64xf16, #a>
  return %part : tensor<16x64xf16, #a>
}

// A tile at a known offset, written from registers.
// CHECK-LABEL: func.func @store(
// CHECK-SAME: %[[TILE:.+]]: tensor<16x64xf16
func.func @store(%tile: tensor<16x64xf16, #rows>) {
  // CHECK: %[[MEMORY:.+]] = tilegpu.alloc at 256 : <16x64xf16, #tilegpu.shared<swizzle = 0>>
  %memory = tilegpu.alloc at 256 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  // CHECK: tilegpu.local_store %[[TILE]], %[[MEMORY]] : tensor<16x64xf16, {{.+}}>, <16x64xf16, #tilegpu.shared<swizzle = 0>>
  tilegpu.local_store %tile, %memory : tensor<16x64xf16, #rows>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

#indices = #tilegpu.layout<register = [[8, 0]], lane = [[0, 0], [0, 0], [0, 0], [1, 0], [2, 0]], warp = [[4, 0]], repeat = [1, 1]>

// Rows named by indices: eight lanes copy a row of eight chunks.
// CHECK-LABEL: func.func @gather(
// CHECK-SAME: %[[VIEW:.+]]: !tile.view<{{.*}}>, %[[ROWS:.+]]: tensor<16x1xi32, {{.*}}>, %[[J:.+]]: i32, %[[SLOT:.+]]: !tilegpu.memdesc<{{.*}}>, %[[EXISTS:.+]]: i1
// CHECK: tilegpu.async_gather %[[VIEW]][%[[ROWS]], %[[J]]] to %[[SLOT]] : <?x64xf16,
// CHECK: tilegpu.async_gather %[[VIEW]][%[[ROWS]], %[[J]]] to %[[SLOT]] if %[[EXISTS]] : <?x64xf16,
func.func @gather(%view: !tile.view<?x64xf16, strides = [512, 1], align = 16>, %rows: tensor<16x1xi32, #indices>, %j: i32, %slot: !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 128>>, %exists: i1) {
  tilegpu.async_gather %view[%rows, %j] to %slot : !tile.view<?x64xf16, strides = [512, 1], align = 16>, tensor<16x1xi32, #indices> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 128>>
  tilegpu.async_gather %view[%rows, %j] to %slot if %exists : !tile.view<?x64xf16, strides = [512, 1], align = 16>, tensor<16x1xi32, #indices> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 128>>
  return
}
