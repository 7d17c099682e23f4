// Scales and zero points of every group size, in the expansion of quant_matmul.
// RUN: %tw-opt %s -tw-expand-nn -split-input-file | FileCheck %s

// One scale a column ("channel"): the loop only sums; the scale multiplies once,
// at the end. The static M gives a constant grid.
// CHECK-LABEL: func.func @channel(
// CHECK-SAME: grid = ["1", "2", "1"]
// CHECK-DAG: %[[SCALES:.+]] = tile.view %{{.+}} : <1x2x32xf16, strides = [64, 32, 1], align = 16>
// CHECK: %[[SUM:.+]] = scf.for {{.*}} iter_args(%[[ACC:.+]] = %{{.+}})
// CHECK: %[[DOT_0:.+]] = tile.dot %{{.+}}, %{{.+}}, %[[ACC]]
// CHECK: %[[DOT_1:.+]] = tile.dot %{{.+}}, %{{.+}}, %[[DOT_0]]
// CHECK-NOT: math.fma
// CHECK: scf.yield %[[DOT_1]]
// CHECK: tile.load %[[SCALES]]
// CHECK: %[[SCALE:.+]] = tile.broadcast
// CHECK: arith.mulf %[[SUM]], %[[SCALE]]
func.func @channel(%x: tensor<32x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<u8, group = channel, scale = f16>>) -> tensor<32x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<32x256xf16>, !nn.quantized<256x64, #nn.qformat<u8, group = channel, scale = f16>> -> tensor<32x64xf16>
  return %y : tensor<32x64xf16>
}

// -----

// Four groups of 32 rows within a tile of K: four products, each with its own
// row of scales.
// CHECK-LABEL: func.func @group_32(
// CHECK: scf.for {{.*}} iter_args(%[[ACC:.+]] = %{{.+}})
// CHECK: tile.load %{{.+}} -> tensor<4x2x32xf16>
// CHECK: %[[SCALES:.+]] = tile.reshape %{{.+}} : tensor<4x2x4x8xf16> -> tensor<4x64xf16>
// CHECK: %[[SCALE_0:.+]] = tile.slice %[[SCALES]] [0, 0] : tensor<4x64xf16> -> tensor<1x64xf16>
// CHECK: %[[SCALE_1:.+]] = tile.slice %[[SCALES]] [1, 0] : tensor<4x64xf16> -> tensor<1x64xf16>
// CHECK: %[[SCALE_2:.+]] = tile.slice %[[SCALES]] [2, 0] : tensor<4x64xf16> -> tensor<1x64xf16>
// CHECK: %[[SCALE_3:.+]] = tile.slice %[[SCALES]] [3, 0] : tensor<4x64xf16> -> tensor<1x64xf16>
// CHECK: tile.slice %{{.+}} [0, 0] : tensor<128x64xi4> -> tensor<32x64xi4>
// CHECK: %[[DOT_0:.+]] = tile.dot
// CHECK: arith.extf %[[SCALE_0]]
// CHECK: %[[SUM_0:.+]] = math.fma %[[DOT_0]], %{{.+}}, %[[ACC]]
// CHECK: tile.slice %{{.+}} [32, 0] : tensor<128x64xi4> -> tensor<32x64xi4>
// CHECK: arith.extf %[[SCALE_1]]
// CHECK: %[[SUM_1:.+]] = math.fma %{{.+}}, %{{.+}}, %[[SUM_0]]
// CHECK: arith.extf %[[SCALE_2]]
// CHECK: %[[SUM_2:.+]] = math.fma %{{.+}}, %{{.+}}, %[[SUM_1]]
// CHECK: arith.extf %[[SCALE_3]]
// CHECK: %[[SUM_3:.+]] = math.fma %{{.+}}, %{{.+}}, %[[SUM_2]]
// CHECK: scf.yield %[[SUM_3]]
func.func @group_32(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<u4, group = 32, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<u4, group = 32, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// A group of two tiles of K: tile k reads the scales of group k / 2.
// CHECK-LABEL: func.func @group_256(
// CHECK: %[[SCALES:.+]] = tile.view %{{.+}} : <2x2x32xf16, strides = [64, 32, 1], align = 16>
// CHECK: scf.for %[[TILE:.+]] = %{{.+}} to
// CHECK: %[[GROUP:.+]] = arith.divui %[[TILE]], %[[TILES_A_GROUP:.+]] : i32
// CHECK: tile.load %[[SCALES]][%[[GROUP]],
func.func @group_256(%x: tensor<16x512xf16>, %w: !nn.quantized<512x64, #nn.qformat<u4, group = 256, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x512xf16>, !nn.quantized<512x64, #nn.qformat<u4, group = 256, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// K = 160 in groups of 64: the last group is short (3 groups), the last tile of K
// too (2 tiles, 2 blocks of words); loads beyond K are zero.
// CHECK-LABEL: func.func @short_last_group(
// CHECK-DAG: tile.view %{{.+}} : <16x160xf16, strides = [160, 1], align = 16>
// CHECK-DAG: tile.view %{{.+}} : <2x2x512xi32, strides = [1024, 512, 1], align = 16>
// CHECK-DAG: tile.view %{{.+}} : <3x2x32xf16, strides = [64, 32, 1], align = 16>
// CHECK-DAG: %[[TILES:.+]] = arith.constant 2 : i32
// CHECK: scf.for %{{.+}} = %{{.+}} to %[[TILES]]
func.func @short_last_group(%x: tensor<16x160xf16>, %w: !nn.quantized<160x64, #nn.qformat<u4, group = 64, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x160xf16>, !nn.quantized<160x64, #nn.qformat<u4, group = 64, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Integer zero points come in groups like scales and are taken off the codes of
// their group. Up to 4 bits the four columns of a lane share a word.
// CHECK-LABEL: func.func @zero_points(
// CHECK-SAME: #tile.parameter<pointer "zeros", dtype = "u8", align = 16>
// CHECK: %[[VIEW:.+]] = tile.view %{{.+}} : <4x2x8xi16, strides = [16, 8, 1], align = 16>
// CHECK: %[[WORDS:.+]] = tile.load %[[VIEW]]{{.*}} -> tensor<2x2x8xi16>
// CHECK: tile.fields %[[WORDS]] : tensor<2x2x8xi16> -> tensor<2x2x8x4xi8>
// CHECK: %[[ZEROS:.+]] = tile.reshape %{{.+}} : tensor<2x1x2x4x8xi8> -> tensor<2x64xi8>
// CHECK: %[[ZERO_0:.+]] = tile.slice %[[ZEROS]] [0, 0] : tensor<2x64xi8> -> tensor<1x64xi8>
// CHECK: %[[ZERO_1:.+]] = tile.slice %[[ZEROS]] [1, 0]
// CHECK: tile.dequant %{{.+}} zero %[[ZERO_0]] bias 0 : tensor<64x64xi4>, tensor<1x64xi8> -> tensor<64x64xf16>
// CHECK: tile.dequant %{{.+}} zero %[[ZERO_1]] bias 0
func.func @zero_points(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<u4, group = 64, scale = f16, zero = integer>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<u4, group = 64, scale = f16, zero = integer>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Signed codes are stored with half their range added: dequant takes it off.
// CHECK-LABEL: func.func @signed_codes(
// CHECK: tile.unpack %{{.+}} : tensor<2x1x768xi32> -> tensor<128x64xi6>
// CHECK: tile.dequant %{{.+}} bias 32 : tensor<64x64xi6> -> tensor<64x64xbf16>
func.func @signed_codes(%x: tensor<16x256xbf16>, %w: !nn.quantized<256x64, #nn.qformat<i6, group = 128, scale = bf16>>) -> tensor<16x64xbf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xbf16>, !nn.quantized<256x64, #nn.qformat<i6, group = 128, scale = bf16>> -> tensor<16x64xbf16>
  return %y : tensor<16x64xbf16>
}

// -----

// Zero points of one bit share four bits with those of three groups more; the four
// groups of 32 are one row, in a tile of K of their own.
// CHECK-LABEL: func.func @zero_points_of_groups(
// CHECK: %[[VIEW:.+]] = tile.view %{{.+}} : <2x2x8xi16, strides = [16, 8, 1], align = 16>
// CHECK: %[[WORDS:.+]] = tile.load %[[VIEW]]{{.*}} -> tensor<1x2x8xi16>
// CHECK: %[[FIELDS:.+]] = tile.fields %[[WORDS]] : tensor<1x2x8xi16> -> tensor<1x2x8x16xi8>
// CHECK: %[[SPLIT:.+]] = tile.reshape %[[FIELDS]] : tensor<1x2x8x16xi8> -> tensor<1x2x8x4x4xi8>
// CHECK: %[[TURNED:.+]] = tile.transpose %[[SPLIT]] order = [0, 4, 1, 3, 2]
// CHECK: tile.reshape %[[TURNED]] : tensor<1x4x2x4x8xi8> -> tensor<4x64xi8>
func.func @zero_points_of_groups(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<u1, group = 32, scale = f16, zero = integer>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<u1, group = 32, scale = f16, zero = integer>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Zero points of more than 4 bits are bytes.
// CHECK-LABEL: func.func @wide_zero_points(
// CHECK-SAME: #tile.parameter<pointer "zeros", dtype = "u8", align = 16>
// CHECK: tile.view %{{.+}} : <2x2x32xi8, strides = [64, 32, 1], align = 16>
// CHECK-NOT: tile.fields
func.func @wide_zero_points(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<u5, group = 128, scale = f16, zero = integer>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<u5, group = 128, scale = f16, zero = integer>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Zero points of signed codes are stored with the same bias: the two cancel.
// CHECK-LABEL: func.func @signed_zero_points(
// CHECK: tile.dequant %{{.+}} zero %{{.+}} bias 0 : tensor<64x64xi4>, tensor<1x64xi8> -> tensor<64x64xf16>
func.func @signed_zero_points(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<i4, group = 128, scale = f16, zero = integer>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<i4, group = 128, scale = f16, zero = integer>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Floats as f16: what the exponents' biases differ by, 2^14, multiplies the sum
// once, at the end.
// CHECK-LABEL: func.func @floats_f16(
// CHECK: tile.dequant %{{.+}} as "f4e2m1" bias 0 : tensor<64x64xi4> -> tensor<64x64xf16>
// CHECK: scf.yield
// CHECK: %[[FACTOR:.+]] = arith.constant dense<1.638400e+04> : tensor<16x64xf32>
// CHECK: %[[SUM:.+]] = arith.mulf %{{.+}}, %[[FACTOR]]
// CHECK: arith.truncf %[[SUM]]
func.func @floats_f16(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<f4e2m1, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<f4e2m1, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// As bf16 the operands have the numbers themselves.
// CHECK-LABEL: func.func @floats_bf16(
// CHECK: tile.dequant %{{.+}} as "f4e2m1" bias 0
// CHECK: scf.yield
// CHECK-NOT: arith.mulf
// CHECK: arith.truncf
func.func @floats_bf16(%x: tensor<16x256xbf16>, %w: !nn.quantized<256x64, #nn.qformat<f4e2m1, group = 128, scale = bf16>>) -> tensor<16x64xbf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xbf16>, !nn.quantized<256x64, #nn.qformat<f4e2m1, group = 128, scale = bf16>> -> tensor<16x64xbf16>
  return %y : tensor<16x64xbf16>
}

// -----

// Fixed-point floats are integers in units of 2^(1 - m): halves here.
// CHECK-LABEL: func.func @fixed_point(
// CHECK: tile.dequant %{{.+}} bias 8 : tensor<64x64xi4>
// CHECK: arith.constant dense<5.000000e-01> : tensor<16x64xf32>
func.func @fixed_point(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<f4e1m2, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<f4e1m2, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Indices: the codebook is an operand, loaded once.
// CHECK-LABEL: func.func @codebook(
// CHECK: %[[VIEW:.+]] = tile.view %{{.+}} : <8xi32, strides = [1], align = 16>
// CHECK: %[[TABLE:.+]] = tile.load %[[VIEW]][%{{.+}}] {{.*}} -> tensor<8xi32>
// CHECK: scf.for
// CHECK: tile.dequant %{{.+}} as "lut4" table %[[TABLE]] bias 0 : tensor<64x64xi4> table tensor<8xi32> -> tensor<64x64xf16>
func.func @codebook(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<lut4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<lut4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}
