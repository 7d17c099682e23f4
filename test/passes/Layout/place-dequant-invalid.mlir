// What tw-place-dequant refuses.
// RUN: %tw-opt %s -tw-place-dequant -split-input-file -verify-diagnostics

#operand = #tilegpu.layout<mma_operand 1, shape = [64, 64], warps = [1, 2]>

// Codes come from packed words: b-bit integers have no registers of their own.
func.func @codes_from_elsewhere(%codes: tensor<64x64xi4, #operand>) -> tensor<64x64xf16, #operand> {
  // expected-error @+1 {{expects codes that come from tile.unpack}}
  %values = tile.dequant %codes bias 0 : tensor<64x64xi4, #operand> -> tensor<64x64xf16, #operand>
  return %values : tensor<64x64xf16, #operand>
}

// -----

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256], [1, 0, 0]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#codes = #tilegpu.layout<mma_operand 1, shape = [128, 64], warps = [1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [128, 32], warps = [1, 1]>

// Slices take rows; columns are chosen by which words are loaded.
func.func @slice_of_columns(%words: tensor<2x1x512xi32, #words>) -> tensor<128x32xf16, #operand> {
  %codes = tile.unpack %words : tensor<2x1x512xi32, #words> -> tensor<128x64xi4, #codes>
  %part = tile.slice %codes [0, 32] : tensor<128x64xi4, #codes> -> tensor<128x32xi4, #operand>
  // expected-error @+1 {{expects codes that come from tile.unpack}}
  %values = tile.dequant %part bias 0 : tensor<128x32xi4, #operand> -> tensor<128x32xf16, #operand>
  return %values : tensor<128x32xf16, #operand>
}

// -----

#words = #tilegpu.layout<blocked 4, shape = [2, 1, 512], warps = [2]>
#codes = #tilegpu.layout<mma_operand 1, shape = [128, 64], warps = [1, 2]>

// The proof: words that were loaded in another layout would have to cross to
// other threads.
func.func @words_elsewhere(%words: tensor<2x1x512xi32, #words>) -> tensor<128x64xf16, #codes> {
  %codes = tile.unpack %words : tensor<2x1x512xi32, #words> -> tensor<128x64xi4, #codes>
  // expected-error @+1 {{'tilegpu.dequant' op expects lane 0 of warp 1 to hold word 0 of block (1, 0) for its register 0}}
  %values = tile.dequant %codes bias 0 : tensor<128x64xi4, #codes> -> tensor<128x64xf16, #codes>
  return %values : tensor<128x64xf16, #codes>
}
