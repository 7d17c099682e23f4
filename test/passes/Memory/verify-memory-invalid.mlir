// What tw-verify-memory refuses.
// RUN: %tw-opt %s -tw-verify-memory -split-input-file -verify-diagnostics

// Without a plan there is nothing to launch with.
// expected-error @below {{expects tilegpu.shared_bytes on a kernel after tw-allocate-shared}}
func.func @unplanned() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  return
}

// -----

// A tile beyond the bytes the launch asks for.
func.func @beyond() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>, tilegpu.shared_bytes = 64 : i64} {
  // expected-error @below {{expects 128 bytes at a multiple of 16 within the 64 of the kernel, but got offset 0}}
  %t = tilegpu.alloc at 0 : !tilegpu.memdesc<32xf32, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

// A tile without a place.
func.func @nowhere() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>, tilegpu.shared_bytes = 128 : i64} {
  // expected-error @below {{expects an offset after tw-allocate-shared}}
  %t = tilegpu.alloc : !tilegpu.memdesc<32xf32, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

// A conversion between warps that was not routed through shared memory.
func.func @across(%v: tensor<32x8xf32, #tilegpu.layout<mma_accumulator, shape = [32, 8], warps = [2, 1]>>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 2>, tilegpu.shared_bytes = 0 : i64} {
  // expected-error @below {{expects a conversion within warps after tw-route-conversions}}
  %c = tilegpu.convert_layout %v : tensor<32x8xf32, #tilegpu.layout<mma_accumulator, shape = [32, 8], warps = [2, 1]>> -> tensor<32x8xf32, #tilegpu.layout<blocked 1, shape = [32, 8], warps = [2]>>
  return
}

// -----

// A loop that was not pipelined.
func.func @stages(%n: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>, tilegpu.shared_bytes = 0 : i64} {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  // expected-error @below {{expects no tile.stages after tw-pipeline-loops}}
  scf.for %i = %c0 to %n step %c1 : i32 {
  } {tile.stages = 3 : i32}
  return
}
