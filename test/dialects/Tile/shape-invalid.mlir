// What the tile ops on shapes refuse.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// Broadcasting keeps the rank.
func.func @rank_of_broadcast(%t: tensor<32xf32>) {
  // expected-error @+1 {{expects source and result of one rank and element type, but got 'tensor<32xf32>' and 'tensor<16x32xf32>'}}
  %0 = tile.broadcast %t : tensor<32xf32> -> tensor<16x32xf32>
  return
}

// -----

// Broadcasting keeps the element type.
func.func @type_of_broadcast(%t: tensor<1x32xf16>) {
  // expected-error @+1 {{expects source and result of one rank and element type, but got 'tensor<1x32xf16>' and 'tensor<16x32xf32>'}}
  %0 = tile.broadcast %t : tensor<1x32xf16> -> tensor<16x32xf32>
  return
}

// -----

// Only extents of 1 repeat.
func.func @extent_of_broadcast(%t: tensor<2x32xf32>) {
  // expected-error @+1 {{expects source extents equal to the result's or 1, but got 'tensor<2x32xf32>' and 'tensor<16x32xf32>'}}
  %0 = tile.broadcast %t : tensor<2x32xf32> -> tensor<16x32xf32>
  return
}

// -----

// Reshaping keeps the number of elements.
func.func @elements_of_reshape(%t: tensor<8x8xf32>) {
  // expected-error @+1 {{expects as many elements of the same type, but got 'tensor<8x8xf32>' and 'tensor<8x4xf32>'}}
  %0 = tile.reshape %t : tensor<8x8xf32> -> tensor<8x4xf32>
  return
}

// -----

// Reshaping does not reinterpret bits.
func.func @type_of_reshape(%t: tensor<8x8xf32>) {
  // expected-error @+1 {{expects as many elements of the same type, but got 'tensor<8x8xf32>' and 'tensor<64xi32>'}}
  %0 = tile.reshape %t : tensor<8x8xf32> -> tensor<64xi32>
  return
}

// -----

// An order names each dimension once.
func.func @order_of_transpose(%t: tensor<8x4xf32>) {
  // expected-error @+1 {{expects order to be a permutation of the 2 dimensions}}
  %0 = tile.transpose %t order = [0, 0] : tensor<8x4xf32> -> tensor<8x8xf32>
  return
}

// -----

// An order has an entry a dimension.
func.func @length_of_transpose(%t: tensor<8x4xf32>) {
  // expected-error @+1 {{expects order to be a permutation of the 2 dimensions}}
  %0 = tile.transpose %t order = [0, 1, 2] : tensor<8x4xf32> -> tensor<8x4xf32>
  return
}

// -----

// Transposing keeps the element type.
func.func @type_of_transpose(%t: tensor<8x4xf32>) {
  // expected-error @+1 {{expects source and result of one rank and element type, but got 'tensor<8x4xf32>' and 'tensor<4x8xf16>'}}
  %0 = tile.transpose %t order = [1, 0] : tensor<8x4xf32> -> tensor<4x8xf16>
  return
}

// -----

// The result's extents are the source's, reordered.
func.func @extent_of_transpose(%t: tensor<8x4xf32>) {
  // expected-error @+1 {{expects result dimension 0 to have extent 4, but got 8}}
  %0 = tile.transpose %t order = [1, 0] : tensor<8x4xf32> -> tensor<8x4xf32>
  return
}

// -----

// A slice keeps the rank.
func.func @rank_of_slice(%t: tensor<8x4xf32>) {
  // expected-error @+1 {{expects source and result of one rank and element type, but got 'tensor<8x4xf32>' and 'tensor<4xf32>'}}
  %0 = tile.slice %t [0, 0] : tensor<8x4xf32> -> tensor<4xf32>
  return
}

// -----

// A slice has an offset a dimension.
func.func @offsets_of_slice(%t: tensor<8x4xf32>) {
  // expected-error @+1 {{expects 2 offsets, but got 1}}
  %0 = tile.slice %t [0] : tensor<8x4xf32> -> tensor<4x4xf32>
  return
}

// -----

// A slice lies within its source.
func.func @extent_of_slice(%t: tensor<8x4xf32>) {
  // expected-error @+1 {{expects the slice to lie within extent 8, but got 5 .. 9}}
  %0 = tile.slice %t [5, 0] : tensor<8x4xf32> -> tensor<4x4xf32>
  return
}

// -----

// A slice does not begin before its source.
func.func @negative_offset_of_slice(%t: tensor<8x4xf32>) {
  // expected-error @+1 {{expects the slice to lie within extent 4, but got -1 .. 3}}
  %0 = tile.slice %t [0, -1] : tensor<8x4xf32> -> tensor<4x4xf32>
  return
}

// -----

// Tiles have static shapes.
func.func @dynamic_tile(%t: tensor<?xf32>) {
  // expected-error @+1 {{must be static-shape tile of any type values, but got 'tensor<?xf32>'}}
  %0 = tile.reshape %t : tensor<?xf32> -> tensor<4xf32>
  return
}

// -----

// f32 is saturated, nothing else.
func.func @saturate_f16(%t: tensor<16x32xf16>) {
  // expected-error @+1 {{expects f32 elements as f8E4M3FN or f8E5M2, but got 'tensor<16x32xf16>' as 'tensor<16x32xf8E5M2>'}}
  %0 = tile.saturate %t : tensor<16x32xf16> -> tensor<16x32xf8E5M2>
  return
}

// -----

// 16-bit results are truncated.
func.func @saturate_to_f16(%t: tensor<16x32xf32>) {
  // expected-error @+1 {{expects f32 elements as f8E4M3FN or f8E5M2, but got 'tensor<16x32xf32>' as 'tensor<16x32xf16>'}}
  %0 = tile.saturate %t : tensor<16x32xf32> -> tensor<16x32xf16>
  return
}

// -----

// Elements stay where they are.
func.func @saturate_shape(%t: tensor<16x32xf32>) {
  // expected-error @+1 {{all non-scalar operands/results must have the same shape and base type}}
  %0 = tile.saturate %t : tensor<16x32xf32> -> tensor<32x16xf8E5M2>
  return
}
