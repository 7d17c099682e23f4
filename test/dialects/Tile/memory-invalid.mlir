// What the tile ops on global memory refuse.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// A grid has three axes.
func.func @axis_of_program_id() -> i32 {
  // expected-error @+1 {{maximum value is 2}}
  %x = tile.program_id 3
  return %x : i32
}

// -----

// A size for each dynamic extent.
func.func @sizes_of_view(%p: !tile.ptr) {
  // expected-error @+1 {{expects 1 sizes for the type, but got 0}}
  %0 = tile.view %p : !tile.view<?x64xf16, strides = [64, 1], align = 16>
  return
}

// -----

// A stride for each dynamic stride, no more.
func.func @strides_of_view(%p: !tile.ptr, %s: i64) {
  // expected-error @+1 {{expects 0 strides for the type, but got 1}}
  %0 = tile.view %p strides(%s) : !tile.view<8x64xf16, strides = [64, 1], align = 16>
  return
}

// -----

// A loaded tile has the view's rank.
func.func @rank_of_load(%v: !tile.view<8x64xf16, strides = [64, 1], align = 16>, %i: i32) {
  // expected-error @+1 {{expects a tile of the view's rank 2, but got 'tensor<64xf16>'}}
  %0 = tile.load %v[%i, %i] : !tile.view<8x64xf16, strides = [64, 1], align = 16> -> tensor<64xf16>
  return
}

// -----

// A loaded tile has the view's element type.
func.func @type_of_load(%v: !tile.view<8x64xf16, strides = [64, 1], align = 16>, %i: i32) {
  // expected-error @+1 {{expects tile elements of type 'f16', but got 'f32'}}
  %0 = tile.load %v[%i, %i] : !tile.view<8x64xf16, strides = [64, 1], align = 16> -> tensor<8x64xf32>
  return
}

// -----

// A load has an offset a dimension.
func.func @offsets_of_load(%v: !tile.view<8x64xf16, strides = [64, 1], align = 16>, %i: i32) {
  // expected-error @+1 {{expects 2 offsets, but got 1}}
  %0 = tile.load %v[%i] : !tile.view<8x64xf16, strides = [64, 1], align = 16> -> tensor<8x64xf16>
  return
}

// -----

// A tile's shape is static.
func.func @shape_of_load(%v: !tile.view<8x64xf16, strides = [64, 1], align = 16>, %i: i32) {
  // expected-error @+1 {{must be static-shape tile of any type values, but got 'tensor<?x64xf16>'}}
  %0 = tile.load %v[%i, %i] : !tile.view<8x64xf16, strides = [64, 1], align = 16> -> tensor<?x64xf16>
  return
}

// -----

// Stores keep the rules of loads.
func.func @type_of_store(%v: !tile.view<8x64xf16, strides = [64, 1], align = 16>, %i: i32, %t: tensor<8x64xbf16>) {
  // expected-error @+1 {{expects tile elements of type 'f16', but got 'bf16'}}
  tile.store %t, %v[%i, %i] : tensor<8x64xbf16>, !tile.view<8x64xf16, strides = [64, 1], align = 16>
  return
}

// -----

// At least one block arrives.
func.func @expected_of_arrive(%p: !tile.ptr, %i: i32) -> i1 {
  %none = arith.constant 0 : i32
  // expected-error @+1 {{expects at least 1 block to arrive, but got 0}}
  %last = tile.arrive %p[%i] of %none
  return %last : i1
}

// -----

// A pointer moves by whole bytes.
func.func @elements_of_advance(%p: !tile.ptr, %n: i64) -> !tile.ptr {
  // expected-error @+1 {{expects elements of whole bytes, but got 'i4'}}
  %0 = tile.advance %p by %n of i4
  return %0 : !tile.ptr
}

// -----

// Divisors are powers of two.
func.func @divisor_of_assume(%n: i64) -> i64 {
  // expected-error @+1 {{expects a divisor that is a power of two, but got 24}}
  %0 = tile.assume %n divisible by 24 : i64
  return %0 : i64
}

// -----

// Nothing is divisible by zero.
func.func @zero_of_assume(%n: i64) -> i64 {
  // expected-error @+1 {{expects a divisor that is a power of two, but got 0}}
  %0 = tile.assume %n divisible by 0 : i64
  return %0 : i64
}

// -----

// An element has the view's element type.
func.func @type_of_read(%v: !tile.view<8xi32, strides = [1], align = 4>, %i: i32) {
  // expected-error @+1 {{expects an element of type 'i32', but got 'f32'}}
  %0 = tile.read %v[%i] : !tile.view<8xi32, strides = [1], align = 4> -> f32
  return
}

// -----

// An element has an offset a dimension.
func.func @offsets_of_read(%v: !tile.view<8xi32, strides = [1], align = 4>, %i: i32) {
  // expected-error @+1 {{expects 1 offsets, but got 2}}
  %0 = tile.read %v[%i, %i] : !tile.view<8xi32, strides = [1], align = 4> -> i32
  return
}

// -----

// Rows are those of a matrix.
func.func @rank_of_gather(%v: !tile.view<8x8x64xf16, strides = [512, 64, 1], align = 16>, %r: tensor<16x1xi32>, %i: i32) {
  // expected-error @+1 {{expects a view of rank 2, but got '!tile.view<8x8x64xf16, strides = [512, 64, 1], align = 16>'}}
  %0 = tile.gather %v[%r, %i] : !tile.view<8x8x64xf16, strides = [512, 64, 1], align = 16>, tensor<16x1xi32> -> tensor<16x64xf16>
  return
}

// -----

// A gathered tile has the view's element type.
func.func @type_of_gather(%v: !tile.view<8x64xf16, strides = [64, 1], align = 16>, %r: tensor<16x1xi32>, %i: i32) {
  // expected-error @+1 {{expects tile elements of type 'f16', but got 'f32'}}
  %0 = tile.gather %v[%r, %i] : !tile.view<8x64xf16, strides = [64, 1], align = 16>, tensor<16x1xi32> -> tensor<16x64xf32>
  return
}

// -----

// A row has one index.
func.func @rows_of_gather(%v: !tile.view<8x64xf16, strides = [64, 1], align = 16>, %r: tensor<8x1xi32>, %i: i32) {
  // expected-error @+1 {{expects rows to be a 16x1 tensor of i32, but got 'tensor<8x1xi32>'}}
  %0 = tile.gather %v[%r, %i] : !tile.view<8x64xf16, strides = [64, 1], align = 16>, tensor<8x1xi32> -> tensor<16x64xf16>
  return
}

// -----

// An index is i32.
func.func @index_of_gather(%v: !tile.view<8x64xf16, strides = [64, 1], align = 16>, %r: tensor<16x1xi64>, %i: i32) {
  // expected-error @+1 {{expects rows to be a 16x1 tensor of i32, but got 'tensor<16x1xi64>'}}
  %0 = tile.gather %v[%r, %i] : !tile.view<8x64xf16, strides = [64, 1], align = 16>, tensor<16x1xi64> -> tensor<16x64xf16>
  return
}

// -----

// Rows are those of a matrix.
func.func @rank_of_scatter(%v: !tile.view<8x8x64xf16, strides = [512, 64, 1], align = 16>, %t: tensor<16x64xf16>, %r: tensor<16x1xi32>, %i: i32) {
  // expected-error @+1 {{expects a view of rank 2, but got '!tile.view<8x8x64xf16, strides = [512, 64, 1], align = 16>'}}
  tile.scatter %t, %v[%r, %i] : tensor<16x64xf16>, !tile.view<8x8x64xf16, strides = [512, 64, 1], align = 16>, tensor<16x1xi32>
  return
}

// -----

// A row has one index.
func.func @rows_of_scatter(%v: !tile.view<8x64xf16, strides = [64, 1], align = 16>, %t: tensor<16x64xf16>, %r: tensor<8x1xi32>, %i: i32) {
  // expected-error @+1 {{expects rows to be a 16x1 tensor of i32, but got 'tensor<8x1xi32>'}}
  tile.scatter %t, %v[%r, %i] : tensor<16x64xf16>, !tile.view<8x64xf16, strides = [64, 1], align = 16>, tensor<8x1xi32>
  return
}

// -----

// A scattered tile has the view's element type.
func.func @type_of_scatter(%v: !tile.view<8x64xf16, strides = [64, 1], align = 16>, %t: tensor<16x64xf32>, %r: tensor<16x1xi32>, %i: i32) {
  // expected-error @+1 {{expects tile elements of type 'f16', but got 'f32'}}
  tile.scatter %t, %v[%r, %i] : tensor<16x64xf32>, !tile.view<8x64xf16, strides = [64, 1], align = 16>, tensor<16x1xi32>
  return
}
