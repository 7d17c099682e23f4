// What the ops on registers refuse.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

#rows = #tilegpu.layout<blocked 4, shape = [16, 64], warps = [2]>

// A conversion keeps the values.
func.func @type_of_conversion(%t: tensor<16x64xf32, #rows>) {
  // expected-error @+1 {{expects source and result of one shape and element type}}
  %0 = tilegpu.convert_layout %t : tensor<16x64xf32, #rows> -> tensor<16x64xf16, #rows>
  return
}

// -----

#rows = #tilegpu.layout<blocked 4, shape = [16, 64], warps = [2]>

// A conversion starts from a layout.
func.func @source_of_conversion(%t: tensor<16x64xf32>) {
  // expected-error @+1 {{expects source to have a #tilegpu.layout, but got 'tensor<16x64xf32>'}}
  %0 = tilegpu.convert_layout %t : tensor<16x64xf32> -> tensor<16x64xf32, #rows>
  return
}

// -----

#rows = #tilegpu.layout<blocked 4, shape = [16, 64], warps = [2]>
#fewer = #tilegpu.layout<blocked 4, shape = [8, 64], warps = [2]>

// A layout is for the shape it encodes.
func.func @result_of_conversion(%t: tensor<16x64xf32, #rows>) {
  // expected-error @+1 {{expects the layout of result to cover its shape}}
  %0 = tilegpu.convert_layout %t : tensor<16x64xf32, #rows> -> tensor<16x64xf32, #fewer>
  return
}

// -----

#b = #tilegpu.layout<mma_operand 1, shape = [16, 8], warps = [1, 1]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 8], warps = [1, 1]>

// Operands have layouts.
func.func @mma_without_layout(%a: tensor<16x16xf16>, %b: tensor<16x8xf16, #b>, %c: tensor<16x8xf32, #acc>) {
  // expected-error @+1 {{expects a to have a #tilegpu.layout, but got 'tensor<16x16xf16>'}}
  %0 = tilegpu.mma %a, %b, %c : tensor<16x16xf16>, tensor<16x8xf16, #b> -> tensor<16x8xf32, #acc>
  return
}

// -----

#a = #tilegpu.layout<mma_operand 0, shape = [16, 32], warps = [1, 1]>
#b = #tilegpu.layout<mma_operand 1, shape = [16, 8], warps = [1, 1]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 8], warps = [1, 1]>

// Operands agree on M, N and K.
func.func @shapes_of_mma(%a: tensor<16x32xf16, #a>, %b: tensor<16x8xf16, #b>, %c: tensor<16x8xf32, #acc>) {
  // expected-error @+1 {{expects MxK, KxN and MxN operands}}
  %0 = tilegpu.mma %a, %b, %c : tensor<16x32xf16, #a>, tensor<16x8xf16, #b> -> tensor<16x8xf32, #acc>
  return
}

// -----

#a = #tilegpu.layout<mma_operand 0, shape = [16, 16], warps = [1, 1]>
#b = #tilegpu.layout<mma_operand 1, shape = [16, 8], warps = [1, 1]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 8], warps = [1, 1]>

// Operands are of one 16-bit float type.
func.func @types_of_mma(%a: tensor<16x16xf16, #a>, %b: tensor<16x8xbf16, #b>, %c: tensor<16x8xf32, #acc>) {
  // expected-error @+1 {{expects f16, bf16, f32, f8E4M3FN or f8E5M2 operands and an f32 accumulator, or i8 or ui8 operands and an i32 one, but got 'f16', 'bf16', 'f32'}}
  %0 = tilegpu.mma %a, %b, %c : tensor<16x16xf16, #a>, tensor<16x8xbf16, #b> -> tensor<16x8xf32, #acc>
  return
}

// -----

#a = #tilegpu.layout<blocked 8, shape = [16, 16], warps = [1]>
#b = #tilegpu.layout<mma_operand 1, shape = [16, 8], warps = [1, 1]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 8], warps = [1, 1]>

// Operand a lies in fragments.
func.func @layout_of_a(%a: tensor<16x16xf16, #a>, %b: tensor<16x8xf16, #b>, %c: tensor<16x8xf32, #acc>) {
  // expected-error @+1 {{expects a in the layout of mma operand 0 for 1x1 warps}}
  %0 = tilegpu.mma %a, %b, %c : tensor<16x16xf16, #a>, tensor<16x8xf16, #b> -> tensor<16x8xf32, #acc>
  return
}

// -----

#a = #tilegpu.layout<mma_operand 0, shape = [16, 16], warps = [1, 2]>
#b = #tilegpu.layout<mma_operand 1, shape = [16, 16], warps = [2, 1]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 16], warps = [1, 2]>

// Operand b is spread over the same warps as the sum.
func.func @layout_of_b(%a: tensor<16x16xf16, #a>, %b: tensor<16x16xf16, #b>, %c: tensor<16x16xf32, #acc>) {
  // expected-error @+1 {{expects b in the layout of mma operand 1 for 1x2 warps}}
  %0 = tilegpu.mma %a, %b, %c : tensor<16x16xf16, #a>, tensor<16x16xf16, #b> -> tensor<16x16xf32, #acc>
  return
}

// -----

#a = #tilegpu.layout<mma_operand 0, shape = [16, 16], warps = [1, 1]>
#b = #tilegpu.layout<mma_operand 1, shape = [16, 8], warps = [1, 1]>
#rows = #tilegpu.layout<blocked 4, shape = [16, 8], warps = [1]>

// The sum lies in fragments.
func.func @layout_of_c(%a: tensor<16x16xf16, #a>, %b: tensor<16x8xf16, #b>, %c: tensor<16x8xf32, #rows>) {
  // expected-error @+1 {{expects c in the layout of an mma accumulator}}
  %0 = tilegpu.mma %a, %b, %c : tensor<16x16xf16, #a>, tensor<16x8xf16, #b> -> tensor<16x8xf32, #rows>
  return
}

// -----

#acc = #tilegpu.layout<mma_accumulator, shape = [16, 16], warps = [1, 2]>
#rows = #tilegpu.layout<register = [[8, 0]], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [[0, 0]], repeat = [1, 1]>

// Two warps have two parts.
func.func @parts_of_warp_reduce(%t: tensor<16x16xf32, #acc>) {
  // expected-error @+1 {{expects a result of 'tensor<16x2xf32, #tilegpu.layout<register = }}
  %0 = tilegpu.warp_reduce add %t along 1 : tensor<16x16xf32, #acc> -> tensor<16x1xf32, #rows>
  return
}

// -----

#acc = #tilegpu.layout<mma_accumulator, shape = [16, 16], warps = [1, 2]>

// A reduction runs along a dimension of its source.
func.func @dim_of_warp_reduce(%t: tensor<16x16xf32, #acc>) {
  // expected-error @+1 {{expects a dimension below 2, but got -1}}
  %0 = tilegpu.warp_reduce add %t along -1 : tensor<16x16xf32, #acc> -> tensor<16x16xf32, #acc>
  return
}

// -----

#skew = #tilegpu.layout<register = [], lane = [[1, 1], [2, 0], [4, 0], [0, 2], [0, 4]], warp = [], repeat = [1, 1]>

// Lanes that move both ways add no rows.
func.func @skew_of_warp_reduce(%t: tensor<8x8xf32, #skew>) {
  // expected-error @+1 {{expects lanes and warps that move along dimension 1 or others, not both, but got}}
  %0 = tilegpu.warp_reduce add %t along 1 : tensor<8x8xf32, #skew> -> tensor<8x8xf32, #skew>
  return
}
