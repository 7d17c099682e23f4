// What tw-assign-layouts refuses.
// RUN: %tw-opt %s -tw-assign-layouts -split-input-file -verify-diagnostics

// Each warp needs whole fragments of the product.
func.func @too_few_rows() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 2>, tile.schedule = #tile.schedule<"quant_matmul", {warps_m = 2}>} {
  %a = arith.constant dense<1.0> : tensor<16x16xf16>
  %b = arith.constant dense<1.0> : tensor<16x8xf16>
  %c = arith.constant dense<0.0> : tensor<16x8xf32>
  // expected-error @+1 {{expects tiles of a multiple of 32x8x16 for 2x1 warps, but got 16x8x16}}
  %y = tile.dot %a, %b, %c : tensor<16x16xf16>, tensor<16x8xf16> -> tensor<16x8xf32>
  return
}

// -----

// K is whole steps of the instruction.
func.func @short_k() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %a = arith.constant dense<1.0> : tensor<16x8xf16>
  %b = arith.constant dense<1.0> : tensor<8x8xf16>
  %c = arith.constant dense<0.0> : tensor<16x8xf32>
  // expected-error @+1 {{expects tiles of a multiple of 16x8x16 for 1x1 warps, but got 16x8x8}}
  %y = tile.dot %a, %b, %c : tensor<16x8xf16>, tensor<8x8xf16> -> tensor<16x8xf32>
  return
}

// -----

// Threads share out a tile by the bits of their numbers.
// expected-error @+1 {{expects a power of two of warps, but got 3}}
func.func @warps() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 3>} {
  return
}

// -----

// The schedule's arrangement is of the kernel's warps.
// expected-error @+1 {{expects warps_m to divide the 2 warps of the kernel, but got 0}}
func.func @arrangement_of_warps() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 2>, tile.schedule = #tile.schedule<"quant_matmul", {warps_m = 0}>} {
  return
}

// -----

// Constants have no memory to differ by element.
func.func @constant() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  // expected-error @+1 {{expects a constant tile to repeat one value}}
  %c = arith.constant dense<[0.0, 1.0]> : tensor<2xf32>
  return
}

// -----

// An arrangement that the program names is of the kernel's warps, too.
// expected-error @+1 {{expects tile.warps to arrange the 2 warps of the kernel, but got array<i64: 2, 2>}}
func.func @named_arrangement() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 2>, tile.warps = array<i64: 2, 2>} {
  return
}
