// Granularities, scale formats and rules of zero points in the expansion of
// quant_matmul.
// RUN: %tw-opt %s -tw-expand-nn -split-input-file | FileCheck %s

// Groups of 48 rows and tiles of 128 meet every 16 rows. Each such segment loads
// the row of its group, (128 * tile + 16 * segment) / 48, and is scaled by itself.
// CHECK-LABEL: func.func @group_48(
// CHECK: scf.for %[[TILE:.+]] = %{{.+}} to
// CHECK: %[[GROUP_0:.+]] = arith.divui %{{.+}}, %{{.+}} : i32
// CHECK: tile.load %{{.+}}[%[[GROUP_0]], {{.*}} -> tensor<1x2x32xf16>
// CHECK: %[[ROW:.+]] = arith.addi %{{.+}}, %{{.+}} : i32
// CHECK: %[[GROUP_1:.+]] = arith.divui %[[ROW]],
// CHECK: tile.load %{{.+}}[%[[GROUP_1]], {{.*}} -> tensor<1x2x32xf16>
// CHECK-COUNT-6: tile.load %{{.+}} -> tensor<1x2x32xf16>
// CHECK: tile.slice %{{.+}} [0, 0] : tensor<128x64xi4> -> tensor<16x64xi4>
// CHECK: math.fma
// CHECK: tile.slice %{{.+}} [16, 0]
// CHECK-COUNT-7: math.fma
// CHECK-NOT: math.fma
func.func @group_48(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<u4, group = 48, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<u4, group = 48, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Tiles of 384 rows are 8 whole groups: one load, 48 rows at a time.
// CHECK-LABEL: func.func @group_48_deep(
// CHECK: tile.load %{{.+}} -> tensor<8x2x32xf16>
// CHECK: tile.slice %{{.+}} [0, 0] : tensor<384x64xi4> -> tensor<16x64xi4>
// CHECK: tile.slice %{{.+}} [16, 0]
// CHECK: tile.slice %{{.+}} [32, 0]
// CHECK: math.fma
// CHECK: tile.slice %{{.+}} [48, 0]
// CHECK-COUNT-7: math.fma
// CHECK-NOT: math.fma
func.func @group_48_deep(%x: tensor<16x768xf16>, %w: !nn.quantized<768x64, #nn.qformat<u4, group = 48, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 384, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x768xf16>, !nn.quantized<768x64, #nn.qformat<u4, group = 48, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// One group is all of K, however its size is said: the sum is scaled once.
// CHECK-LABEL: func.func @one_group(
// CHECK-NOT: math.fma
// CHECK: } {tile.stages
// CHECK: arith.mulf
func.func @one_group(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<u4, group = 256, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<u4, group = 256, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Blocks of 128 x 64: a strip of 32 columns has four f32 scales, the same ones.
// CHECK-LABEL: func.func @blocks(
// CHECK: %[[VIEW:.+]] = tile.view %{{.+}} : <2x2x4xf32, strides = [8, 4, 1], align = 16>
// CHECK: %[[STORED:.+]] = tile.load %[[VIEW]]{{.*}} -> tensor<1x2x4xf32>
// CHECK: %[[OPEN:.+]] = tile.reshape %[[STORED]] : tensor<1x2x4xf32> -> tensor<1x2x4x1xf32>
// CHECK: %[[WIDE:.+]] = tile.broadcast %[[OPEN]] : tensor<1x2x4x1xf32> -> tensor<1x2x4x8xf32>
// CHECK: tile.reshape %[[WIDE]] : tensor<1x2x4x8xf32> -> tensor<1x64xf32>
// CHECK: math.fma
func.func @blocks(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<i8, group = 128x64, scale = f32>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<i8, group = 128x64, scale = f32>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// One scale of the tensor, 16 bytes a strip: sixteen of e8m0, two columns each.
// CHECK-LABEL: func.func @tensor(
// CHECK-NOT: math.fma
// CHECK: } {tile.stages
// CHECK: tile.load %{{.+}} -> tensor<1x2x16xi8>
// CHECK: tile.broadcast %{{.+}} : tensor<1x2x16x1xi8> -> tensor<1x2x16x2xi8>
func.func @tensor(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<i8, group = tensor, scale = e8m0>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<i8, group = tensor, scale = e8m0>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// A power of two: its code is the exponent of an f32. 0 and 255, next to each other
// modulo 256, have the top mantissa bit besides: subnormal and NaN.
// CHECK-LABEL: func.func @e8m0(
// CHECK: %[[CODE:.+]] = arith.extui %{{.+}} : tensor<1x64xi8> to tensor<1x64xi32>
// CHECK: %[[NEXT:.+]] = arith.addi %[[CODE]],
// CHECK: %[[BITS:.+]] = arith.constant dense<254>
// CHECK: arith.andi %[[NEXT]], %[[BITS]]
// CHECK: arith.cmpi eq
// CHECK: %[[TOP:.+]] = arith.constant dense<4194304>
// CHECK: %[[MANTISSA:.+]] = arith.select %{{.+}}, %[[TOP]],
// CHECK: arith.constant dense<23>
// CHECK: %[[EXPONENT:.+]] = arith.shli %[[CODE]],
// CHECK: %[[IMAGE:.+]] = arith.ori %[[EXPONENT]], %[[MANTISSA]]
// CHECK: arith.bitcast %[[IMAGE]] : tensor<1x64xi32> to tensor<1x64xf32>
func.func @e8m0(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<u4, group = 128, scale = e8m0>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<u4, group = 128, scale = e8m0>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Sign apart, the bits move to the top of an f32 and 2^120 makes up for the bias.
// CHECK-LABEL: func.func @e4m3(
// CHECK: %[[CODE:.+]] = arith.extui
// CHECK: %[[MAGNITUDE:.+]] = arith.andi %[[CODE]],
// CHECK: arith.constant dense<128>
// CHECK: arith.constant dense<24>
// CHECK: %[[SIGN:.+]] = arith.shli
// CHECK: arith.constant dense<20>
// CHECK: %[[SHIFTED:.+]] = arith.shli %[[MAGNITUDE]],
// CHECK: arith.ori %[[SHIFTED]], %[[SIGN]]
// CHECK: arith.constant dense<127>
// CHECK: arith.cmpi eq, %[[MAGNITUDE]]
// CHECK: arith.constant dense<2143289344>
// CHECK: arith.select
// CHECK: arith.bitcast
// CHECK: arith.constant dense<1.329228E+36>
// CHECK: arith.mulf
func.func @e4m3(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<u4, group = 128, scale = e4m3>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<u4, group = 128, scale = e4m3>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Without a sign; 2^112.
// CHECK-LABEL: func.func @ue5m3(
// CHECK: arith.constant dense<255>
// CHECK: arith.constant dense<20>
// CHECK: arith.select
// CHECK: arith.bitcast
// CHECK: arith.constant dense<5.19229686E+33>
// CHECK: arith.mulf
func.func @ue5m3(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<u4, group = 128, scale = ue5m3>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<u4, group = 128, scale = ue5m3>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// A floating-point zero point meets the sum of x, a product with ones:
// (part - z * sum) * s.
// CHECK-LABEL: func.func @float_zero(
// CHECK-SAME: #tile.parameter<pointer "zeros", dtype = "bf16", align = 16>
// CHECK: %[[ONES:.+]] = arith.constant dense<1.000000e+00> : tensor<64x64xf16>
// CHECK: tile.dequant %{{.+}} bias 0 : tensor<64x64xi4> -> tensor<64x64xf16>
// CHECK: %[[X:.+]] = tile.slice %{{.+}} [0, 0] : tensor<16x128xf16> -> tensor<16x64xf16>
// CHECK: tile.dot %[[X]],
// CHECK: tile.dot %[[X]], %[[ONES]],
// CHECK: %[[PART:.+]] = tile.dot
// CHECK: %[[SUM:.+]] = tile.dot %{{.+}}, %[[ONES]],
// CHECK: arith.extf %{{.+}} : tensor<1x64xbf16> to tensor<1x64xf32>
// CHECK: %[[MINUS:.+]] = arith.negf
// CHECK: %[[REST:.+]] = math.fma %[[MINUS]], %[[SUM]], %[[PART]]
// CHECK: math.fma %[[REST]],
// CHECK-NOT: math.fma
func.func @float_zero(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<u4, group = 128, scale = f16, zero = float : bf16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<u4, group = 128, scale = f16, zero = float : bf16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Added to the scaled code instead: part * s + z * sum.
// CHECK-LABEL: func.func @offset(
// CHECK: %[[PART:.+]] = tile.dot %{{.+}} : tensor<16x64xf16>, tensor<64x64xf16>
// CHECK: %[[SCALED:.+]] = math.fma
// CHECK: math.fma %{{.+}}, %{{.+}}, %[[SCALED]]
// CHECK-NOT: math.fma
func.func @offset(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<u4, group = 128, scale = f16, zero = offset : f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<u4, group = 128, scale = f16, zero = offset : f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Even where one group is all of K, sums are scaled in the loop: the zero point is
// not to be scaled with them.
// CHECK-LABEL: func.func @offset_channel(
// CHECK: scf.for
// CHECK-COUNT-2: math.fma
// CHECK: } {tile.stages
// CHECK-NOT: arith.mulf
func.func @offset_channel(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<u4, group = channel, scale = f16, zero = offset : f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<u4, group = channel, scale = f16, zero = offset : f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// One number more for all weights, after everything else.
// CHECK-LABEL: func.func @tensor_scale(
// CHECK-SAME: #tile.parameter<pointer "tensor_scale", dtype = "f32", align = 16>
// CHECK: %[[VIEW:.+]] = tile.view %{{.+}} : <1x1xf32, strides = [1, 1], align = 16>
// CHECK: %[[SUM:.+]] = scf.for
// CHECK: } {tile.stages
// CHECK: %[[ONE:.+]] = tile.load %[[VIEW]]
// CHECK: %[[SCALE:.+]] = tile.broadcast %[[ONE]] : tensor<1x1xf32> -> tensor<16x64xf32>
// CHECK: arith.mulf %[[SUM]], %[[SCALE]]
func.func @tensor_scale(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<i4, group = 16, scale = e4m3, tensor_scale>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<i4, group = 16, scale = e4m3, tensor_scale>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// The top four planes of eight: each a matrix of its own, 128 words a block. Sums of
// x are divided by what the total is multiplied by.
// CHECK-LABEL: func.func @nested(
// CHECK: tile.view %{{.+}} : <2x2x4x128xi32, strides = [256, 128, 512, 1], align = 16>
// CHECK: scf.for
// CHECK: %[[PLANES:.+]] = tile.load %{{.+}} -> tensor<2x1x4x128xi32>
// CHECK: tile.unpack %[[PLANES]] : tensor<2x1x4x128xi32> -> tensor<128x64xi4>
// CHECK: arith.constant dense<6.250000e-02> : tensor<64x64xf16>
// CHECK: tile.dequant %{{.+}} as "nested8.4" bias 0 : tensor<64x64xi4> -> tensor<64x64xf16>
// CHECK: } {tile.stages
// CHECK: arith.constant dense<1.600000e+01> : tensor<16x64xf32>
// CHECK: arith.mulf
func.func @nested(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<nested8.4, group = 128, scale = f16, zero = offset : f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<nested8.4, group = 128, scale = f16, zero = offset : f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// A stack's loop runs over the tiles of K of as many planes as the launch has; its
// tables of scales follow each other.
// CHECK-LABEL: func.func @stack(
// CHECK-SAME: %[[PLANES:[^:]+]]: i32 {tile.parameter = #tile.parameter<dimension "planes"
// CHECK: tile.view %{{.+}} sizes(%[[PLANES]]) : <2x2x?x128xi32, strides = [256, 128, 512, 1], align = 16>
// CHECK: %[[ROWS:.+]] = arith.muli %[[PLANES]], %{{.+}} : i32
// CHECK: tile.view %{{.+}} sizes(%[[ROWS]]) : <?x2x32xf16, strides = [64, 32, 1], align = 16>
// CHECK: %[[STEPS:.+]] = arith.muli %[[PLANES]], %{{.+}} : i32
// CHECK: scf.for %[[STEP:.+]] = %{{.+}} to %[[STEPS]]
// CHECK: %[[PLANE:.+]] = arith.divui %[[STEP]], %[[TILES:.+]] : i32
// CHECK: %[[TILE:.+]] = arith.remui %[[STEP]], %[[TILES]] : i32
// CHECK: tile.load %{{.+}}, %[[PLANE]], %{{.+}}] : {{.+}} -> tensor<2x1x1x128xi32>
// CHECK: tile.dequant %{{.+}} as "stack" bias 0 : tensor<64x64xi1> -> tensor<64x64xf16>
func.func @stack(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<stack, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<stack, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}
