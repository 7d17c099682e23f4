// What iota, splat and reduce refuse.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// Positions are i32.
func.func @type_of_iota(%i: i32) {
  // expected-error @+1 {{expects elements of i32, but got 'f32'}}
  %0 = tile.iota %i along 0 : tensor<8xf32>
  return
}

// -----

// Positions run along a dimension of the tile.
func.func @dim_of_iota(%i: i32) {
  // expected-error @+1 {{expects a dimension below 2, but got 2}}
  %0 = tile.iota %i along 2 : tensor<8x8xi32>
  return
}

// -----

// A splat does not convert.
func.func @type_of_splat(%a: f32) {
  // expected-error @+1 {{expects elements of the scalar's type 'f32', but got 'f16'}}
  %0 = tile.splat %a : f32 -> tensor<8xf16>
  return
}

// -----

// Sums of halves would lose what f32 keeps.
func.func @type_of_reduce(%t: tensor<16x64xf16>) {
  // expected-error @+1 {{expects elements of f32 or i32, but got 'f16'}}
  %0 = tile.reduce add %t along 1 : tensor<16x64xf16> -> tensor<16x1xf16>
  return
}

// -----

// A reduction runs along a dimension of its source.
func.func @dim_of_reduce(%t: tensor<16x64xf32>) {
  // expected-error @+1 {{expects a dimension below 2, but got 2}}
  %0 = tile.reduce add %t along 2 : tensor<16x64xf32> -> tensor<16x64xf32>
  return
}

// -----

// Nothing has no maximum.
func.func @empty_reduce(%t: tensor<16x0xf32>) {
  // expected-error @+1 {{expects at least one element along dimension 1}}
  %0 = tile.reduce max %t along 1 : tensor<16x0xf32> -> tensor<16x1xf32>
  return
}

// -----

// The dimension stays, with extent 1.
func.func @shape_of_reduce(%t: tensor<16x64xf32>) {
  // expected-error @+1 {{expects a result of 'tensor<16x1xf32>', but got 'tensor<1x64xf32>'}}
  %0 = tile.reduce max %t along 1 : tensor<16x64xf32> -> tensor<1x64xf32>
  return
}

// -----

// Reductions do not convert.
func.func @result_of_reduce(%t: tensor<16x64xf32>) {
  // expected-error @+1 {{expects a result of 'tensor<16x1xf32>', but got 'tensor<16x1xi32>'}}
  %0 = tile.reduce max %t along 1 : tensor<16x64xf32> -> tensor<16x1xi32>
  return
}
