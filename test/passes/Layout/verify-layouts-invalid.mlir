// What tw-verify-layouts refuses.
// RUN: %tw-opt %s -tw-verify-layouts -split-input-file -verify-diagnostics

// A tensor that no pass gave a layout.
func.func @bare() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  // expected-error @below {{expects a #tilegpu.layout on every tensor, but got 'tensor<8xf32>'}}
  %c = arith.constant dense<0.0> : tensor<8xf32>
  return
}

// -----

// A layout for other warps than the kernel has.
func.func @warps() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 4>} {
  // expected-error @below {{expects a layout over 32 lanes and 4 warps, but got 32 lanes and 2 warps}}
  %c = arith.constant dense<0.0> : tensor<16x16xf32, #tilegpu.layout<mma_accumulator, shape = [16, 16], warps = [1, 2]>>
  return
}

// -----

// A layout in which nobody holds the odd columns.
func.func @hole() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  // expected-error @below {{expects a layout that holds every element}}
  %c = arith.constant dense<0.0> : tensor<64xf32, #tilegpu.layout<register = [[0]], lane = [[2], [4], [8], [16], [32]], warp = [], repeat = [1]>>
  return
}

// -----

// A product that did not become mma.
func.func @dot(%a: tensor<16x16xf16>, %b: tensor<16x8xf16>, %c: tensor<16x8xf32>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  // expected-error @below {{is left after the layout phase}}
  %d = tile.dot %a, %b, %c : tensor<16x16xf16>, tensor<16x8xf16> -> tensor<16x8xf32>
  return
}
