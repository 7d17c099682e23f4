// What tw-lower-to-nvvm refuses: programs that an earlier pass has not finished.
// RUN: %tw-opt %s -tw-lower-to-nvvm -split-input-file -verify-diagnostics

// A tile without an offset.
func.func @no_offset() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  // expected-error @+1 {{failed to legalize operation 'tilegpu.alloc'}}
  %m = tilegpu.alloc : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

// A tensor without a layout.
func.func @no_layout(%v: !tile.view<64xf32, strides = [1], align = 16>, %i: i32) {
  // expected-error @+1 {{expects a #tilegpu.layout on every tensor, but got 'tensor<64xf32>'}}
  %t = tile.load %v[%i] : !tile.view<64xf32, strides = [1], align = 16> -> tensor<64xf32>
  return
}

// -----

// A copy in a function that is no kernel: nothing says how many threads share it.
func.func @no_threads(%v: !tile.view<64x64xf16, strides = [64, 1], align = 16>, %i: i32) {
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  // expected-error @+1 {{failed to legalize operation 'tilegpu.async_copy'}}
  tilegpu.async_copy %v[%i, %i] to %m : !tile.view<64x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

#rows = #tilegpu.layout<blocked 4, shape = [16, 64], warps = [2]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 2]>

// A conversion across warps that was not routed.
func.func @not_routed(%t: tensor<16x64xf32, #acc>, %v: !tile.view<16x64xf32, strides = [64, 1], align = 16>, %i: i32) {
  // expected-error @+1 {{failed to legalize operation 'tilegpu.convert_layout'}}
  %0 = tilegpu.convert_layout %t : tensor<16x64xf32, #acc> -> tensor<16x64xf32, #rows>
  tile.store %0, %v[%i, %i] : tensor<16x64xf32, #rows>, !tile.view<16x64xf32, strides = [64, 1], align = 16>
  return
}

// -----

// Codes that were not placed.
func.func @not_placed(%w: tensor<1x1x512xi32, #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>>) {
  // expected-error @+1 {{failed to legalize operation 'tile.unpack'}}
  %0 = tile.unpack %w : tensor<1x1x512xi32, #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>> -> tensor<128x32xi4, #tilegpu.layout<mma_operand 1, shape = [128, 32], warps = [1, 1]>>
  return
}
