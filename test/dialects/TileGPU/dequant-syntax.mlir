// tilegpu.dequant survives printing and parsing, and the packing proof holds for
// every width with the layouts that loads give the words.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

#words4 = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [[1, 0, 0]], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 64], warps = [1, 2]>

// Two warps own a strip each; both halves of the block's rows.
// CHECK-LABEL: func.func @u4(
// CHECK-SAME: %[[WORDS:.+]]: tensor<2x1x512xi32
// CHECK: tilegpu.dequant %[[WORDS]] row 0 <bits = 4, bias = 0> : tensor<2x1x512xi32, {{.+}}> -> tensor<64x64xf16, {{.+}}>
// CHECK: tilegpu.dequant %[[WORDS]] row 64 <bits = 4, bias = 0> : tensor<2x1x512xi32, {{.+}}> -> tensor<64x64xf16, {{.+}}>
func.func @u4(%words: tensor<2x1x512xi32, #words4>) {
  %0 = tilegpu.dequant %words row 0 <bits = 4, bias = 0> : tensor<2x1x512xi32, #words4> -> tensor<64x64xf16, #operand>
  %1 = tilegpu.dequant %words row 64 <bits = 4, bias = 0> : tensor<2x1x512xi32, #words4> -> tensor<64x64xf16, #operand>
  return
}

#words3 = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 3]>
#part = #tilegpu.layout<mma_operand 1, shape = [32, 32], warps = [1, 1]>
#zeros = #tilegpu.layout<register = [[0, 8], [0, 16]],
  lane = [[0, 0], [0, 0], [0, 1], [0, 2], [0, 4]], warp = [], repeat = [1, 1]>

// 3-bit signed codes with a zero point a group of 32 rows.
// CHECK-LABEL: func.func @i3(
// CHECK-SAME: %[[WORDS:.+]]: tensor<1x1x384xi32, {{.*}}>, %[[ZEROS:.+]]: tensor<1x32xi8
// CHECK: tilegpu.dequant %[[WORDS]] zero %[[ZEROS]] row 96 <bits = 3, bias = 4> : tensor<1x1x384xi32, {{.+}}>, tensor<1x32xi8, {{.+}}> -> tensor<32x32xbf16, {{.+}}>
func.func @i3(%words: tensor<1x1x384xi32, #words3>, %zeros: tensor<1x32xi8, #zeros>) {
  %0 = tilegpu.dequant %words zero %zeros row 96 <bits = 3, bias = 4> : tensor<1x1x384xi32, #words3>, tensor<1x32xi8, #zeros> -> tensor<32x32xbf16, #part>
  return
}

#planes3 = #tilegpu.layout<register = [[0, 0, 0, 1], [0, 0, 0, 2]],
  lane = [[0, 0, 0, 4], [0, 0, 0, 8], [0, 0, 0, 16], [0, 0, 0, 32], [0, 0, 0, 64]], warp = [], repeat = [1, 1, 3, 1]>

// The top three planes of nested codes: a word a plane and fragment.
// CHECK-LABEL: func.func @nested(
// CHECK: tilegpu.dequant %{{.+}} row 64 <bits = 3 as "nested8.3", bias = 0> : tensor<1x1x3x128xi32, {{.+}}> -> tensor<32x32xbf16, {{.+}}>
func.func @nested(%words: tensor<1x1x3x128xi32, #planes3>) {
  %0 = tilegpu.dequant %words row 64 <bits = 3 as "nested8.3", bias = 0> : tensor<1x1x3x128xi32, #planes3> -> tensor<32x32xbf16, #part>
  return
}
