// unpack, slice and dequant become one op on the words where they were loaded.
// RUN: %tw-opt %s -tw-place-dequant -split-input-file | FileCheck %s

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [[1, 0, 0]], repeat = [1, 1, 1]>
#codes = #tilegpu.layout<mma_operand 1, shape = [128, 64], warps = [1, 2]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 64], warps = [1, 2]>

// The rows of a slice become the first row of the fused op.
// CHECK-LABEL: func.func @slice(
// CHECK-SAME: %[[WORDS:.+]]: tensor<2x1x512xi32
// CHECK-NOT: tile.unpack
// CHECK: %[[VALUES:.+]] = tilegpu.dequant %[[WORDS]] row 64 <bits = 4, bias = 8> : {{.*}} -> tensor<64x64xf16, #tilegpu.layout<mma_operand 1, shape = [64, 64], warps = [1, 2]>>
// CHECK: return %[[VALUES]]
func.func @slice(%words: tensor<2x1x512xi32, #words>) -> tensor<64x64xf16, #operand> {
  %codes = tile.unpack %words : tensor<2x1x512xi32, #words> -> tensor<128x64xi4, #codes>
  %part = tile.slice %codes [64, 0] : tensor<128x64xi4, #codes> -> tensor<64x64xi4, #operand>
  %values = tile.dequant %part bias 8 : tensor<64x64xi4, #operand> -> tensor<64x64xf16, #operand>
  return %values : tensor<64x64xf16, #operand>
}

// -----

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [128, 32], warps = [1, 1]>
#zeros = #tilegpu.layout<register = [[0, 8], [0, 16]],
  lane = [[0, 0], [0, 0], [0, 1], [0, 2], [0, 4]], warp = [], repeat = [1, 1]>

// Whole blocks need no slice; zero points go along.
// CHECK-LABEL: func.func @whole(
// CHECK-SAME: %[[WORDS:.+]]: tensor<1x1x512xi32, {{.*}}>, %[[ZEROS:.+]]: tensor<1x32xi8
// CHECK: tilegpu.dequant %[[WORDS]] zero %[[ZEROS]] row 0 <bits = 4, bias = 0>
// CHECK-NOT: tile.dequant
func.func @whole(%words: tensor<1x1x512xi32, #words>, %zeros: tensor<1x32xi8, #zeros>) -> tensor<128x32xbf16, #operand> {
  %codes = tile.unpack %words : tensor<1x1x512xi32, #words> -> tensor<128x32xi4, #operand>
  %values = tile.dequant %codes zero %zeros bias 0 : tensor<128x32xi4, #operand>, tensor<1x32xi8, #zeros> -> tensor<128x32xbf16, #operand>
  return %values : tensor<128x32xbf16, #operand>
}

// -----

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [128, 32], warps = [1, 1]>

// The format of floats goes along.
// CHECK-LABEL: func.func @floats(
// CHECK: tilegpu.dequant %{{.+}} row 0 <bits = 4 as "f4e2m1", bias = 0>
func.func @floats(%words: tensor<1x1x512xi32, #words>) -> tensor<128x32xf16, #operand> {
  %codes = tile.unpack %words : tensor<1x1x512xi32, #words> -> tensor<128x32xi4, #operand>
  %values = tile.dequant %codes as "f4e2m1" bias 0 : tensor<128x32xi4, #operand> -> tensor<128x32xf16, #operand>
  return %values : tensor<128x32xf16, #operand>
}
