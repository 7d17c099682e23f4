// Bias, activations, result types and strides in the expansion of quant_matmul.
// RUN: %tw-opt %s -tw-expand-nn -split-input-file | FileCheck %s

// A bias is a row added in f32; gelu is the erf form; an f32 result is not
// rounded.
// CHECK-LABEL: func.func @bias_gelu(
// CHECK-SAME: %[[BIAS:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<pointer "bias", dtype = "f16", align = 16>}
// CHECK: %[[VIEW:.+]] = tile.view %[[BIAS]] : <1x64xf16, strides = [64, 1], align = 16>
// CHECK: scf.for
// CHECK: } {tile.stages
// CHECK: %[[SUM:.+]] = arith.mulf
// CHECK: %[[ROW:.+]] = tile.load %[[VIEW]]{{.*}} -> tensor<1x64xf16>
// CHECK: %[[WIDE:.+]] = arith.extf %[[ROW]]
// CHECK: %[[ROWS:.+]] = tile.broadcast %[[WIDE]] : tensor<1x64xf32> -> tensor<16x64xf32>
// CHECK: %[[BIASED:.+]] = arith.addf %[[SUM]], %[[ROWS]]
// CHECK: %[[HALF:.+]] = arith.constant dense<5.000000e-01>
// CHECK: arith.mulf %[[BIASED]], %[[HALF]]
// CHECK: math.copysign
// CHECK: %[[RESULT:.+]] = arith.mulf
// CHECK-NOT: arith.truncf
// CHECK: tile.store %[[RESULT]], %{{.+}} : tensor<16x64xf32>
func.func @bias_gelu(%x: tensor<16x128xf16>, %w: !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>>, %bias: tensor<64xf16>) -> tensor<16x64xf32> {
  %y = nn.quant_matmul %x, %w bias %bias {activation = #nn.activation<gelu>, schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x128xf16>, !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>>, tensor<64xf16> -> tensor<16x64xf32>
  return %y : tensor<16x64xf32>
}

// -----

// relu is the maximum that propagates NaN; an f32 bias needs no extension.
// CHECK-LABEL: func.func @relu(
// CHECK: } {tile.stages
// CHECK: arith.mulf
// CHECK: %[[ROW:.+]] = tile.load %{{.+}} -> tensor<1x64xf32>
// CHECK-NEXT: %[[ROWS:.+]] = tile.broadcast %[[ROW]]
// CHECK: %[[BIASED:.+]] = arith.addf %{{.+}}, %[[ROWS]]
// CHECK: %[[ZERO:.+]] = arith.constant dense<0.000000e+00>
// CHECK: arith.maximumf %[[BIASED]], %[[ZERO]]
func.func @relu(%x: tensor<16x128xf16>, %w: !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>>, %bias: tensor<64xf32>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w bias %bias {activation = #nn.activation<relu>, schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x128xf16>, !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>>, tensor<64xf32> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// silu is x / (1 + 2^(-x * log2 e)).
// CHECK-LABEL: func.func @silu(
// CHECK: scf.for
// CHECK: %[[SUM:.+]] = arith.mulf
// CHECK: %[[LOG2E:.+]] = arith.constant dense<1.44269502>
// CHECK: %[[SCALED:.+]] = arith.mulf %{{.+}}, %[[LOG2E]]
// CHECK: %[[POWER:.+]] = math.exp2 %[[SCALED]]
// CHECK: %[[BELOW:.+]] = arith.addf %{{.+}}, %[[POWER]]
// CHECK: arith.divf %[[SUM]], %[[BELOW]]
func.func @silu(%x: tensor<16x128xf16>, %w: !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  %y = nn.quant_matmul %x, %w {activation = #nn.activation<silu>, schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x128xf16>, !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Strides that the problem leaves open become parameters of the program; its
// alignments become the launch's requirements.
// CHECK-LABEL: func.func @dynamic_strides(
// CHECK-SAME: %[[X:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<pointer "x", dtype = "f16", align = 8>}
// CHECK-SAME: %[[Y:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<pointer "y", dtype = "f16", align = 16, written>}
// CHECK-SAME: %[[M:[^:]+]]: i32 {tile.parameter = #tile.parameter<dimension "M">}
// CHECK-SAME: %[[X_STRIDE:[^:]+]]: i64 {tile.parameter = #tile.parameter<stride "x", axis = 0>}
// CHECK-SAME: %[[Y_STRIDE:[^:]+]]: i64 {tile.parameter = #tile.parameter<stride "y", axis = 0>}
// CHECK: tile.view %[[X]] sizes(%[[M]]) strides(%[[X_STRIDE]]) : <?x128xf16, strides = [?, 1], align = 8>
// CHECK: tile.view %[[Y]] sizes(%[[M]]) strides(%[[Y_STRIDE]]) : <?x64xf16, strides = [?, 1], align = 16>
func.func @dynamic_strides(%x: tensor<?x128xf16>, %w: !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x64xf16> {
  %y = nn.quant_matmul %x, %w {
    problem = #nn.problem<dims = [<"M" = ?>], operands = [<"x", strides = [?, 1], align = 8>, <"y", strides = [?, 1], align = 16>]>,
    schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>
  } : tensor<?x128xf16>, !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

// Scales meet the sum before the bias; of each pair of columns the first is the
// gate; the residual comes last. The block writes half as many columns.
// CHECK-LABEL: func.func @swiglu(
// CHECK-SAME: %[[ROWS:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<pointer "row_scale", dtype = "f32", align = 16>}
// CHECK-SAME: #tile.parameter<pointer "residual", dtype = "bf16", align = 16>
// CHECK-SAME: #tile.parameter<pointer "y"
// CHECK: } {tile.stages
// CHECK: %[[COLUMN:.+]] = tile.load %{{.+}} -> tensor<16x1xf32>
// CHECK: %[[SCALE:.+]] = tile.broadcast %[[COLUMN]] : tensor<16x1xf32> -> tensor<16x64xf32>
// CHECK: %[[SCALED:.+]] = arith.mulf %{{.+}}, %[[SCALE]]
// CHECK: %[[PAIRS:.+]] = tile.reshape %[[SCALED]] : tensor<16x64xf32> -> tensor<16x32x2xf32>
// CHECK: tile.slice %[[PAIRS]] [0, 0, 0]
// CHECK: math.exp2
// CHECK: tile.slice %[[PAIRS]] [0, 0, 1]
// CHECK: %[[VALUE:.+]] = arith.mulf
// CHECK: %[[START:.+]] = arith.muli %{{.+}}, %{{.+}} : i32
// CHECK: %[[RESIDUAL:.+]] = tile.load %{{.+}}, %[[START]]] {{.*}} -> tensor<16x32xbf16>
// CHECK: %[[WIDE:.+]] = arith.extf %[[RESIDUAL]]
// CHECK: %[[SUM:.+]] = arith.addf %[[VALUE]], %[[WIDE]]
// CHECK: tile.store %{{.+}}, %[[START]]] : tensor<16x32xf16>
func.func @swiglu(%x: tensor<16x128xf16>, %w: !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>>, %rows: tensor<16xf32>, %r: tensor<16x32xbf16>) -> tensor<16x32xf16> {
  %y = nn.quant_matmul %x, %w row_scale %rows : tensor<16xf32> residual %r : tensor<16x32xbf16> {activation = #nn.activation<swiglu>, schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x128xf16>, !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x32xf16>
  return %y : tensor<16x32xf16>
}

// -----

// A result of 8 bits is scaled by its parameter, after the residual, and saturates.
// CHECK-LABEL: func.func @float8(
// CHECK-SAME: %[[SCALE:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<pointer "out_scale", dtype = "f32", align = 16>}
// CHECK-SAME: #tile.parameter<pointer "y", dtype = "e4m3", align = 16, written>
// CHECK: %[[VIEW:.+]] = tile.view %[[SCALE]] : <1x1xf32, strides = [1, 1], align = 16>
// CHECK: %[[SUM:.+]] = arith.addf
// CHECK: %[[ONE:.+]] = tile.load %[[VIEW]]{{.*}} -> tensor<1x1xf32>
// CHECK: %[[TILE:.+]] = tile.broadcast %[[ONE]]
// CHECK: %[[SCALED:.+]] = arith.mulf %[[SUM]], %[[TILE]]
// CHECK: tile.saturate %[[SCALED]] : tensor<16x64xf32> -> tensor<16x64xf8E4M3FN>
func.func @float8(%x: tensor<16x128xf16>, %w: !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>>, %r: tensor<16x64xf16>, %s: tensor<1xf32>) -> tensor<16x64xf8E4M3FN> {
  %y = nn.quant_matmul %x, %w residual %r : tensor<16x64xf16> out_scale %s : tensor<1xf32> {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x128xf16>, !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf8E4M3FN>
  return %y : tensor<16x64xf8E4M3FN>
}
