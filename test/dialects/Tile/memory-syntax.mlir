// Ops of the tile dialect that reach global memory survive printing and parsing.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// The index of the block along each axis of the grid.
// CHECK-LABEL: func.func @program_ids
// CHECK: tile.program_id 0
// CHECK: tile.program_id 1
// CHECK: tile.program_id 2
func.func @program_ids() -> (i32, i32, i32) {
  %x = tile.program_id 0
  %y = tile.program_id 1
  %z = tile.program_id 2
  return %x, %y, %z : i32, i32, i32
}

// A view takes what its type leaves open, sizes and strides apart.
// CHECK-LABEL: func.func @views(
// CHECK-SAME: %[[P:.+]]: !tile.ptr, %[[M:.+]]: i32, %[[STRIDE:.+]]: i64
// CHECK: tile.view %[[P]] : <8xf16, strides = [1], align = 2>
// CHECK: tile.view %[[P]] sizes(%[[M]]) : <?x64xf16, strides = [64, 1], align = 16>
// CHECK: tile.view %[[P]] strides(%[[STRIDE]]) : <8x64xf16, strides = [?, 1], align = 16>
// CHECK: tile.view %[[P]] sizes(%[[M]], %[[M]]) strides(%[[STRIDE]]) : <?x?xf16, strides = [?, 1], align = 16>
func.func @views(%p: !tile.ptr, %m: i32, %stride: i64) {
  %0 = tile.view %p : !tile.view<8xf16, strides = [1], align = 2>
  %1 = tile.view %p sizes(%m) : !tile.view<?x64xf16, strides = [64, 1], align = 16>
  %2 = tile.view %p strides(%stride) : !tile.view<8x64xf16, strides = [?, 1], align = 16>
  %3 = tile.view %p sizes(%m, %m) strides(%stride) : !tile.view<?x?xf16, strides = [?, 1], align = 16>
  return
}

// A tile is read from and written to an offset.
// CHECK-LABEL: func.func @load_store(
// CHECK-SAME: %[[VIEW:.+]]: !tile.view<{{.*}}>, %[[I:.+]]: i32, %[[J:.+]]: i32
// CHECK: %[[TILE:.+]] = tile.load %[[VIEW]][%[[I]], %[[J]]] : <?x64xf16, strides = [64, 1], align = 16> -> tensor<16x32xf16>
// CHECK: tile.store %[[TILE]], %[[VIEW]][%[[J]], %[[I]]] : tensor<16x32xf16>, <?x64xf16, strides = [64, 1], align = 16>
func.func @load_store(%view: !tile.view<?x64xf16, strides = [64, 1], align = 16>, %i: i32, %j: i32) {
  %tile = tile.load %view[%i, %j] : !tile.view<?x64xf16, strides = [64, 1], align = 16> -> tensor<16x32xf16>
  tile.store %tile, %view[%j, %i] : tensor<16x32xf16>, !tile.view<?x64xf16, strides = [64, 1], align = 16>
  return
}

// Blocks count in at a counter.
// CHECK-LABEL: func.func @arrive(
// CHECK-SAME: %[[COUNTERS:.+]]: !tile.ptr, %[[INDEX:.+]]: i32, %[[BLOCKS:.+]]: i32
// CHECK: tile.arrive %[[COUNTERS]][%[[INDEX]]] of %[[BLOCKS]]
func.func @arrive(%counters: !tile.ptr, %index: i32, %blocks: i32) -> i1 {
  %last = tile.arrive %counters[%index] of %blocks
  return %last : i1
}

// A pointer moves on by elements of a type, of any width.
// CHECK-LABEL: func.func @advance(
// CHECK-SAME: %[[P:.+]]: !tile.ptr, %[[N:.+]]: i64
// CHECK: %[[NEXT:.+]] = tile.advance %[[P]] by %[[N]] of f16
// CHECK: tile.advance %[[NEXT]] by %[[N]] of i32
func.func @advance(%p: !tile.ptr, %n: i64) -> !tile.ptr {
  %0 = tile.advance %p by %n of f16
  %1 = tile.advance %0 by %n of i32
  return %1 : !tile.ptr
}

// What a launcher has checked of an integer.
// CHECK-LABEL: func.func @assume(
// CHECK-SAME: %[[I:.+]]: i32, %[[J:.+]]: i64
// CHECK: tile.assume %[[I]] divisible by 16 : i32
// CHECK: tile.assume %[[J]] divisible by 1 : i64
func.func @assume(%i: i32, %j: i64) -> (i32, i64) {
  %0 = tile.assume %i divisible by 16 : i32
  %1 = tile.assume %j divisible by 1 : i64
  return %0, %1 : i32, i64
}

// One element for the whole block, from a view of any rank.
// CHECK-LABEL: func.func @read(
// CHECK: tile.read %{{.+}}[%{{.+}}] : <?xi32, strides = [1], align = 4> -> i32
// CHECK: tile.read %{{.+}}[%{{.+}}, %{{.+}}] : <8x64xf16, strides = [64, 1], align = 16> -> f16
func.func @read(%v: !tile.view<?xi32, strides = [1], align = 4>, %w: !tile.view<8x64xf16, strides = [64, 1], align = 16>, %i: i32) {
  %0 = tile.read %v[%i] : !tile.view<?xi32, strides = [1], align = 4> -> i32
  %1 = tile.read %w[%i, %i] : !tile.view<8x64xf16, strides = [64, 1], align = 16> -> f16
  return
}

// Rows by index, from a column on.
// CHECK-LABEL: func.func @gather(
// CHECK-SAME: %[[VIEW:.+]]: !tile.view<{{.*}}>, %[[ROWS:.+]]: tensor<64x1xi32>, %[[J:.+]]: i32
// CHECK: tile.gather %[[VIEW]][%[[ROWS]], %[[J]]] : <?x128xf16, strides = [1024, 1], align = 16>, tensor<64x1xi32> -> tensor<64x32xf16>
func.func @gather(%view: !tile.view<?x128xf16, strides = [1024, 1], align = 16>, %rows: tensor<64x1xi32>, %j: i32) {
  %0 = tile.gather %view[%rows, %j] : !tile.view<?x128xf16, strides = [1024, 1], align = 16>, tensor<64x1xi32> -> tensor<64x32xf16>
  return
}

// As a gather, the other way.
// CHECK-LABEL: func.func @scatter(
// CHECK-SAME: %[[VIEW:.+]]: !tile.view<{{.*}}>, %[[T:.+]]: tensor<64x32xf16>, %[[ROWS:.+]]: tensor<64x1xi32>, %[[J:.+]]: i32
// CHECK: tile.scatter %[[T]], %[[VIEW]][%[[ROWS]], %[[J]]] : tensor<64x32xf16>, <?x128xf16, strides = [1024, 1], align = 16>, tensor<64x1xi32>
func.func @scatter(%view: !tile.view<?x128xf16, strides = [1024, 1], align = 16>, %t: tensor<64x32xf16>, %rows: tensor<64x1xi32>, %j: i32) {
  tile.scatter %t, %view[%rows, %j] : tensor<64x32xf16>, !tile.view<?x128xf16, strides = [1024, 1], align = 16>, tensor<64x1xi32>
  return
}
