// What tilegpu.dequant refuses. The packing proof: unpacking is thread-local, so
// words and values whose layouts do not fit together are an error, never silently
// permuted weights.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// Lanes 0 and 1 hold each other's words: every lane would unpack the codes of
// another.
#permuted = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 8], [0, 0, 4], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @lanes_permuted(%words: tensor<1x1x512xi32, #permuted>) {
  // expected-error @+1 {{expects lane 1 of warp 0 to hold word 4 of block (0, 0) for its register 0}}
  %0 = tilegpu.dequant %words row 0 <bits = 4, bias = 0> : tensor<1x1x512xi32, #permuted> -> tensor<64x32xf16, #operand>
  return
}

// -----

// The words of a blocked load are not those that the operand needs.
#blocked = #tilegpu.layout<blocked 4, shape = [2, 1, 512], warps = [2]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 64], warps = [1, 2]>
func.func @words_blocked(%words: tensor<2x1x512xi32, #blocked>) {
  // expected-error @+1 {{to hold word}}
  %0 = tilegpu.dequant %words row 0 <bits = 4, bias = 0> : tensor<2x1x512xi32, #blocked> -> tensor<64x64xf16, #operand>
  return
}

// -----

// Warps hold each other's strips.
#swapped = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256], [1, 0, 0]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [[2, 0, 0]], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 128], warps = [1, 4]>
func.func @strips_of_warps(%words: tensor<4x1x512xi32, #swapped>) {
  // expected-error @+1 {{to hold word}}
  %0 = tilegpu.dequant %words row 0 <bits = 4, bias = 0> : tensor<4x1x512xi32, #swapped> -> tensor<64x128xf16, #operand>
  return
}

// -----

// Values are not in the registers of the operand.
#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#rows = #tilegpu.layout<blocked 2, shape = [64, 32], warps = [1]>
func.func @values_blocked(%words: tensor<1x1x512xi32, #words>) {
  // expected-error @+1 {{expects values in the registers of mma operand 1, but register 0 of lane 1 holds a code that lane 8 stores}}
  %0 = tilegpu.dequant %words row 0 <bits = 4, bias = 0> : tensor<1x1x512xi32, #words> -> tensor<64x32xf16, #rows>
  return
}

// -----

// Words have a layout.
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @words_without_layout(%words: tensor<1x1x512xi32>) {
  // expected-error @+1 {{expects words to have a #tilegpu.layout, but got 'tensor<1x1x512xi32>'}}
  %0 = tilegpu.dequant %words row 0 <bits = 4, bias = 0> : tensor<1x1x512xi32> -> tensor<64x32xf16, #operand>
  return
}

// -----

// A block of 3-bit codes is 384 words.
#words = #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @shape_of_words(%words: tensor<1x1x512xi32, #words>) {
  // expected-error @+1 {{expects words to be a strips x blocks x 384 tensor of i32}}
  %0 = tilegpu.dequant %words row 0 <bits = 3, bias = 0> : tensor<1x1x512xi32, #words> -> tensor<64x32xf16, #operand>
  return
}

// -----

// Values are 16-bit floats.
#words = #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @type_of_values(%words: tensor<1x1x512xi32, #words>) {
  // expected-error @+1 {{expects values to be a rank-2 tensor of f16, bf16, i8 or ui8}}
  %0 = tilegpu.dequant %words row 0 <bits = 4, bias = 0> : tensor<1x1x512xi32, #words> -> tensor<64x32xf32, #operand>
  return
}

// -----

// Rows lie within the words.
#words = #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @rows_beyond_words(%words: tensor<1x1x512xi32, #words>) {
  // expected-error @+1 {{expects rows within the 128 of words, from a multiple of 16, but got 80 .. 144}}
  %0 = tilegpu.dequant %words row 80 <bits = 4, bias = 0> : tensor<1x1x512xi32, #words> -> tensor<64x32xf16, #operand>
  return
}

// -----

// Rows start at an mma step.
#words = #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @unaligned_rows(%words: tensor<1x1x512xi32, #words>) {
  // expected-error @+1 {{expects rows within the 128 of words, from a multiple of 16, but got 8 .. 72}}
  %0 = tilegpu.dequant %words row 8 <bits = 4, bias = 0> : tensor<1x1x512xi32, #words> -> tensor<64x32xf16, #operand>
  return
}

// -----

// Rows do not start before the words.
#words = #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @negative_row(%words: tensor<1x1x512xi32, #words>) {
  // expected-error @+1 {{expects rows within the 128 of words, from a multiple of 16, but got -64 .. 0}}
  %0 = tilegpu.dequant %words row -64 <bits = 4, bias = 0> : tensor<1x1x512xi32, #words> -> tensor<64x32xf16, #operand>
  return
}

// -----

// A strip has 32 columns.
#words = #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 64], warps = [1, 1]>
func.func @columns_of_values(%words: tensor<1x1x512xi32, #words>) {
  // expected-error @+1 {{expects 32 columns}}
  %0 = tilegpu.dequant %words row 0 <bits = 4, bias = 0> : tensor<1x1x512xi32, #words> -> tensor<64x64xf16, #operand>
  return
}

// -----

// Weights packed by another version of the layout are refused.
#words = #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @version(%words: tensor<1x1x512xi32, #words>) {
  // expected-error @+1 {{expects storage layout version 1, but got 2}}
  %0 = tilegpu.dequant %words row 0 <bits = 4, bias = 0, version = 2> : tensor<1x1x512xi32, #words> -> tensor<64x32xf16, #operand>
  return
}

// -----

// Zero points are bytes, a row a group.
#words = #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
#zeros = #tilegpu.layout<blocked 1, shape = [1, 16], warps = [1]>
func.func @zeros(%words: tensor<1x1x512xi32, #words>, %zeros: tensor<1x16xi8, #zeros>) {
  // expected-error @+1 {{expects zero points to be a GxN tensor of i8 with G dividing 64}}
  %0 = tilegpu.dequant %words zero %zeros row 0 <bits = 4, bias = 0> : tensor<1x1x512xi32, #words>, tensor<1x16xi8, #zeros> -> tensor<64x32xf16, #operand>
  return
}

// -----

// Zero points have a layout.
#words = #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @zeros_without_layout(%words: tensor<1x1x512xi32, #words>, %zeros: tensor<1x32xi8>) {
  // expected-error @+1 {{expects zero to have a #tilegpu.layout, but got 'tensor<1x32xi8>'}}
  %0 = tilegpu.dequant %words zero %zeros row 0 <bits = 4, bias = 0> : tensor<1x1x512xi32, #words>, tensor<1x32xi8> -> tensor<64x32xf16, #operand>
  return
}

// -----

// Indices need a table.
#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @no_table(%words: tensor<1x1x512xi32, #words>) {
  // expected-error @+1 {{expects a table exactly where codes are indices}}
  %0 = tilegpu.dequant %words row 0 <bits = 4 as "lut4", bias = 0> : tensor<1x1x512xi32, #words> -> tensor<64x32xf16, #operand>
  return
}

// -----

// Every thread holds the whole table.
#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
#table = #tilegpu.layout<blocked 4, shape = [8], warps = [1]>
func.func @table_in_lanes(%words: tensor<1x1x512xi32, #words>, %table: tensor<8xi32, #table>) {
  // expected-error @+1 {{expects every thread to hold word 0 of the table in its register of that number}}
  %0 = tilegpu.dequant %words table %table row 0 <bits = 4 as "lut4", bias = 0> : tensor<1x1x512xi32, #words> table tensor<8xi32, #table> -> tensor<64x32xf16, #operand>
  return
}

// -----

// A table has two bytes for each entry.
#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
#table = #tilegpu.layout<blocked 4, shape = [4], warps = [1]>
func.func @size_of_table(%words: tensor<1x1x512xi32, #words>, %table: tensor<4xi32, #table>) {
  // expected-error @+1 {{expects a table of 8 i32 words}}
  %0 = tilegpu.dequant %words table %table row 0 <bits = 4 as "lut4", bias = 0> : tensor<1x1x512xi32, #words> table tensor<4xi32, #table> -> tensor<64x32xf16, #operand>
  return
}

// -----

// Zero points are subtracted from integers only.
#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
#zeros = #tilegpu.layout<blocked 1, shape = [1, 32], warps = [1]>
func.func @zeros_of_floats(%words: tensor<1x1x512xi32, #words>, %zeros: tensor<1x32xi8, #zeros>) {
  // expected-error @+1 {{expects no zero points of f4e2m1 codes}}
  %0 = tilegpu.dequant %words zero %zeros row 0 <bits = 4 as "f4e2m1", bias = 0> : tensor<1x1x512xi32, #words>, tensor<1x32xi8, #zeros> -> tensor<64x32xf16, #operand>
  return
}

// -----

// Nested codes are in planes.
#words = #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @nested_in_words(%words: tensor<1x1x512xi32, #words>) {
  // expected-error @+1 {{expects words to be a strips x blocks x 4 x 128 tensor of i32, but got 'tensor<1x1x512xi32}}
  %0 = tilegpu.dequant %words row 0 <bits = 4 as "nested8.4", bias = 0> : tensor<1x1x512xi32, #words> -> tensor<64x32xf16, #operand>
  return
}

// -----

// Other codes are not.
#planes = #tilegpu.layout<blocked 4, shape = [1, 1, 4, 128], warps = [1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @integers_in_planes(%words: tensor<1x1x4x128xi32, #planes>) {
  // expected-error @+1 {{expects words to be a strips x blocks x 512 tensor of i32, but got 'tensor<1x1x4x128xi32}}
  %0 = tilegpu.dequant %words row 0 <bits = 4, bias = 0> : tensor<1x1x4x128xi32, #planes> -> tensor<64x32xf16, #operand>
  return
}

// -----

// A lane has four neighbouring words of each plane, one a fragment.
#planes = #tilegpu.layout<blocked 1, shape = [1, 1, 4, 128], warps = [1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @planes_elsewhere(%words: tensor<1x1x4x128xi32, #planes>) {
  // expected-error @+1 {{expects lane 1 of warp 0 to hold word 4 of block (0, 0) for its register 0}}
  %0 = tilegpu.dequant %words row 0 <bits = 4 as "nested4", bias = 0> : tensor<1x1x4x128xi32, #planes> -> tensor<64x32xf16, #operand>
  return
}

// -----

// Codes beside bytes are as they are.
#words = #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>
#operand = #tilegpu.layout<register = [[1, 0], [2, 0], [16, 0], [32, 0], [0, 8], [0, 16]],
  lane = [[4, 0], [8, 0], [0, 1], [0, 2], [0, 4]], warp = [], repeat = [1, 1]>
func.func @bias_of_bytes(%words: tensor<1x1x512xi32, #words>) {
  // expected-error @+1 {{expects neither bias, format, zero points nor a table with values of 'i8'}}
  %0 = tilegpu.dequant %words row 0 <bits = 4, bias = 8> : tensor<1x1x512xi32, #words> -> tensor<64x32xi8, #operand>
  return
}

// -----

// Words packed beside bytes hold other weights than those packed beside halves: a
// lane's registers are four in a row along K, not two.
#words = #tilegpu.layout<blocked 4, shape = [1, 1, 512], warps = [1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
func.func @operand_of_halves(%words: tensor<1x1x512xi32, #words>) {
  // expected-error @+1 {{expects values in the registers of mma operand 1, but register 0 of lane 1 holds a code that lane 0 stores}}
  %0 = tilegpu.dequant %words row 0 <bits = 4, bias = 0> : tensor<1x1x512xi32, #words> -> tensor<64x32xui8, #operand>
  return
}
