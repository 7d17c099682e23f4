// x of i8 in the expansion of quant_matmul: integer sums of groups.
// RUN: %tw-opt %s -tw-expand-nn -split-input-file | FileCheck %s

// The sum of a group starts from the bits of 1.5 * 2^23 and is a float at its end;
// two's complement codes of 4 bits are 16 times as large, which the end makes up for.
// CHECK-LABEL: func.func @signed(
// CHECK: scf.for {{.*}} iter_args(%[[ACC:.+]] = %{{.+}}) -> (tensor<16x64xf32>)
// CHECK: %[[BASE:.+]] = arith.constant dense<1262485504> : tensor<16x64xi32>
// CHECK: %[[W:.+]] = tile.dequant %{{.+}} bias 0 : tensor<64x64xi4> -> tensor<64x64xi8>
// CHECK: %[[HALF:.+]] = tile.dot %{{.+}}, %[[W]], %[[BASE]] : tensor<16x64xi8>, tensor<64x64xi8> -> tensor<16x64xi32>
// CHECK: %[[PART:.+]] = tile.dot %{{.+}}, %{{.+}}, %[[HALF]]
// CHECK: %[[FLOAT:.+]] = arith.bitcast %[[PART]] : tensor<16x64xi32> to tensor<16x64xf32>
// CHECK: %[[ORIGIN:.+]] = arith.constant dense<0x4B400000> : tensor<16x64xf32>
// CHECK: %[[SUM:.+]] = arith.subf %[[FLOAT]], %[[ORIGIN]]
// CHECK: math.fma %[[SUM]], %{{.+}}, %[[ACC]]
// CHECK: %[[FACTOR:.+]] = arith.constant dense<6.250000e-02> : tensor<16x64xf32>
// CHECK: arith.mulf %{{.+}}, %[[FACTOR]]
func.func @signed(%x: tensor<16x256xi8>, %w: !nn.quantized<256x64, #nn.qformat<i4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xi8>, !nn.quantized<256x64, #nn.qformat<i4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Unsigned codes are unsigned bytes. Their zero points, as large as they, meet the sum
// of x, which is a product with ones.
// CHECK-LABEL: func.func @zero_points(
// CHECK: tile.dequant %{{.+}} bias 0 : tensor<64x64xi4> -> tensor<64x64xui8>
// CHECK: tile.dot %[[X:[0-9]+]], %{{.+}}, %{{.+}} : tensor<16x64xi8>, tensor<64x64xui8> -> tensor<16x64xi32>
// CHECK: %[[FIRST:.+]] = tile.dot %[[X]], %[[ONES:[a-z_0-9]+]], %{{.+}} : tensor<16x64xi8>, tensor<64x64xi8> -> tensor<16x64xi32>
// CHECK: %[[PART:.+]] = tile.dot %{{.+}} : tensor<16x64xi8>, tensor<64x64xui8> -> tensor<16x64xi32>
// CHECK: %[[SUMS:.+]] = tile.dot %{{.+}}, %[[ONES]], %[[FIRST]] : tensor<16x64xi8>, tensor<64x64xi8>
// CHECK: %[[SIZED:.+]] = arith.shli %[[SUMS]]
// CHECK: %[[CODE:.+]] = arith.extui %{{.+}} : tensor<1x64xi8> to tensor<1x64xi32>
// CHECK: %[[MINUS:.+]] = arith.subi %{{.+}}, %[[CODE]]
// CHECK: %[[ZERO:.+]] = tile.broadcast %[[MINUS]]
// CHECK: %[[SHIFT:.+]] = arith.muli %[[ZERO]], %[[SIZED]]
// CHECK: arith.addi %[[PART]], %[[SHIFT]]
func.func @zero_points(%x: tensor<16x256xi8>, %w: !nn.quantized<256x64, #nn.qformat<u4, group = 128, scale = f16, zero = integer>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xi8>, !nn.quantized<256x64, #nn.qformat<u4, group = 128, scale = f16, zero = integer>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// One group: the integer sum goes through the loop, and becomes a float after it.
// CHECK-LABEL: func.func @channel(
// CHECK: %[[SUM:.+]] = scf.for {{.*}} -> (tensor<16x64xi32>)
// CHECK-NOT: arith.bitcast
// CHECK: arith.sitofp %[[SUM]] : tensor<16x64xi32> to tensor<16x64xf32>
func.func @channel(%x: tensor<16x256xi8>, %w: !nn.quantized<256x64, #nn.qformat<i8, group = channel, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xi8>, !nn.quantized<256x64, #nn.qformat<i8, group = channel, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// 256 products of bytes may be too large to start from a float: they are converted.
// CHECK-LABEL: func.func @long_segments(
// CHECK: scf.for {{.*}} -> (tensor<16x64xf32>)
// CHECK: arith.sitofp
// CHECK-NOT: arith.bitcast
func.func @long_segments(%x: tensor<16x512xi8>, %w: !nn.quantized<512x64, #nn.qformat<i8, group = 256, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 256, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x512xi8>, !nn.quantized<512x64, #nn.qformat<i8, group = 256, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}
