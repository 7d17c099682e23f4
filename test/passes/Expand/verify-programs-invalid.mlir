// What tw-verify-programs refuses of programs that people write.
// RUN: %tw-opt %s -tw-verify-programs -split-input-file -verify-diagnostics

// An nn op outside of what tw-expand-nn took.
func.func @left(%x: tensor<?x128xf16>, %w: !nn.quantized<128x32, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x32xf16> {
  // expected-error @below {{is left after tw-expand-nn}}
  %y = nn.quant_matmul %x, %w : tensor<?x128xf16>, !nn.quantized<128x32, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x32xf16>
  return %y : tensor<?x32xf16>
}

// -----

// The launcher must know what to pass.
// expected-error @below {{expects tile.parameter on argument 0 of a kernel}}
func.func @silent(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  return
}

// -----

// A dimension is an integer.
// expected-error @below {{expects argument 0, a dimension, to be an i32 or i64, but got '!tile.ptr'}}
func.func @kind(%m: !tile.ptr {tile.parameter = #tile.parameter<dimension "M">}) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  return
}

// -----

// A workspace has a size only if the kernel lists it.
// expected-error @below {{expects workspace 'sums' among the workspaces of the kernel}}
func.func @workspace(%p: !tile.ptr {tile.parameter = #tile.parameter<workspace "sums">}) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  return
}

// -----

// A grid has three axes.
// expected-error @below {{expects three grid expressions, but got 2}}
func.func @grid() attributes {tile.kernel = #tile.kernel<grid = ["1", "1"], warps = 1>} {
  return
}

// -----

// Layouts need a power of two of warps.
// expected-error @below {{expects 1, 2, 4, 8, 16 or 32 warps, but got 3}}
func.func @warps() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 3>} {
  return
}

// -----

// A complete program passes; a function that is no kernel is left alone.
func.func @complete(%p: !tile.ptr {tile.parameter = #tile.parameter<pointer "x", dtype = "f16", align = 16>}, %m: i32 {tile.parameter = #tile.parameter<dimension "M">}) attributes {tile.kernel = #tile.kernel<grid = ["M", "1", "1"], warps = 1>} {
  return
}
func.func @helper(%a: i32) -> i32 {
  return %a : i32
}

// -----

// A store to a parameter that is not marked written: a launch takes it for
// read-only, and the backend would drop the store.
func.func @not_written(%p: !tile.ptr {tile.parameter = #tile.parameter<pointer "x", dtype = "f32", align = 4>}) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %v = tile.view %p : !tile.view<64xf32, strides = [1], align = 4>
  %t = tile.load %v[%c0] : !tile.view<64xf32, strides = [1], align = 4> -> tensor<64xf32>
  // expected-error @+1 {{expects parameter 'x' to be marked written}}
  tile.store %t, %v[%c0] : tensor<64xf32>, !tile.view<64xf32, strides = [1], align = 4>
  return
}

// -----

// The same through a pointer that was moved.
func.func @not_written_ahead(%p: !tile.ptr {tile.parameter = #tile.parameter<pointer "x", dtype = "f32", align = 4>}, %n: i64 {tile.parameter = #tile.parameter<stride "x", axis = 0>}) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %next = tile.advance %p by %n of f32
  %v = tile.view %next : !tile.view<64xf32, strides = [1], align = 4>
  %t = tile.load %v[%c0] : !tile.view<64xf32, strides = [1], align = 4> -> tensor<64xf32>
  // expected-error @+1 {{expects parameter 'x' to be marked written}}
  tile.store %t, %v[%c0] : tensor<64xf32>, !tile.view<64xf32, strides = [1], align = 4>
  return
}

// -----

// A pointer moved by any number of f16 is aligned to 2 bytes.
func.func @align_of_advance(%p: !tile.ptr {tile.parameter = #tile.parameter<pointer "x", dtype = "f16", align = 16>}, %n: i64 {tile.parameter = #tile.parameter<stride "x", axis = 0>}) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %next = tile.advance %p by %n of f16
  // expected-error @+1 {{expects align of at most 2, which is what is known of the advanced pointer, but got 16}}
  %v = tile.view %next : !tile.view<64xf16, strides = [1], align = 16>
  return
}

// -----

// No distance makes a pointer more aligned than its parameter.
func.func @align_of_parameter(%p: !tile.ptr {tile.parameter = #tile.parameter<pointer "x", dtype = "f16", align = 4>}) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c64 = arith.constant 64 : i64
  %next = tile.advance %p by %c64 of f16
  // expected-error @+1 {{expects align of at most 4, which is what is known of the advanced pointer, but got 8}}
  %v = tile.view %next : !tile.view<64xf16, strides = [1], align = 8>
  return
}

// -----

// What divides the distance decides: constants, the unit of a product, what the
// launcher has checked. The least of several steps counts.
func.func @aligned_steps(%p: !tile.ptr {tile.parameter = #tile.parameter<pointer "x", dtype = "f16", align = 16>}, %n: i64 {tile.parameter = #tile.parameter<stride "x", axis = 0>}) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %block = tile.program_id 0
  %wide = arith.extsi %block : i32 to i64
  %c24 = arith.constant 24 : i64
  %distance = arith.muli %wide, %c24 : i64
  %head = tile.advance %p by %distance of f16
  %stride = tile.assume %n divisible by 8 : i64
  %row = tile.advance %head by %stride of f16
  %fine = tile.view %row : !tile.view<64xf16, strides = [1], align = 16>
  %odd = tile.advance %row by %n of f32
  // expected-error @+1 {{expects align of at most 4, which is what is known of the advanced pointer, but got 16}}
  %v = tile.view %odd : !tile.view<64xf16, strides = [1], align = 16>
  return
}
