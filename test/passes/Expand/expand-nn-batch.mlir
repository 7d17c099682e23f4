// Batches: the z axis of the grid counts matrices, and pointers move by whole ones.
// RUN: %tw-opt %s -tw-expand-nn -tw-verify-programs -split-input-file | FileCheck %s

// Packed words and scales lie one matrix behind the other: 12 blocks of 512 words, 3 x 2
// strips of 32 scales. The stride of x follows M, so it is a parameter, of which the
// launcher checks that it keeps the alignment.
// CHECK-LABEL: func.func @batch(
// CHECK-SAME: %[[X:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<pointer "x", dtype = "f16", align = 16>}
// CHECK-SAME: %[[W:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<pointer "w", dtype = "u32", align = 16>}
// CHECK-SAME: %[[SCALES:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<pointer "scales"
// CHECK-SAME: %[[STRIDE:[^:]+]]: i64 {tile.parameter = #tile.parameter<stride "x"
// CHECK-SAME: i64 {tile.parameter = #tile.parameter<stride "y"
// CHECK-SAME: tile.kernel = #tile.kernel<grid = ["1", "ceildiv(M, 16)", "8"]
// CHECK: %[[Z:.+]] = tile.program_id 2
// CHECK: %[[MATRIX:.+]] = arith.extui %[[Z]] : i32 to i64
// CHECK: %[[KNOWN:.+]] = tile.assume %[[STRIDE]] divisible by 8 : i64
// CHECK: %[[DISTANCE:.+]] = arith.muli %[[MATRIX]], %[[KNOWN]]
// CHECK: %[[MINE:.+]] = tile.advance %[[X]] by %[[DISTANCE]] of f16
// CHECK: tile.view %[[MINE]]{{.*}}align = 16>
// CHECK: %[[WORDS:.+]] = arith.constant 3072 : i64
// CHECK: %[[DISTANCE:.+]] = arith.muli %[[MATRIX]], %[[WORDS]]
// CHECK: tile.advance %[[W]] by %[[DISTANCE]] of i32
// CHECK: %[[NUMBERS:.+]] = arith.constant 192 : i64
// CHECK: %[[DISTANCE:.+]] = arith.muli %[[MATRIX]], %[[NUMBERS]]
// CHECK: tile.advance %[[SCALES]] by %[[DISTANCE]] of f16
func.func @batch(%x: tensor<8x?x384xf16>, %w: !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<8x?x64xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<8x?x384xf16>, !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<8x?x64xf16>
  return %y : tensor<8x?x64xf16>
}

// -----

// Splits of all matrices are on one axis; each matrix has counters and parts of its own.
// Rows of 33 bf16 leave matrices 2-byte aligned.
// CHECK-LABEL: func.func @splits(
// CHECK-SAME: grid = ["2", "1", "6"]
// CHECK-SAME: bytes = "1536 * 5">{{.*}}bytes = "12 * 2 * 1"
// CHECK: %[[Z:.+]] = tile.program_id 2
// CHECK: %[[TWO:.+]] = arith.constant 2 : i32
// CHECK: arith.divui %[[Z]], %[[TWO]] : i32
// CHECK: tile.view %{{.+}} : <5x33xbf16, strides = [33, 1], align = 2>
// CHECK: arith.remui %[[Z]], %[[TWO]] : i32
func.func @splits(%x: tensor<3x5x256xbf16>, %w: tensor<3x33x256xbf16>) -> tensor<3x5x33xbf16> {
  %y = nn.matmul %x, %w {transpose_w, schedule = #tile.schedule<"matmul", {split_k = 2, stages = 2, tile_k = 64, tile_m = 16, tile_n = 32, warps_m = 1, warps_n = 1}>} : tensor<3x5x256xbf16>, tensor<3x33x256xbf16> -> tensor<3x5x33xbf16>
  return %y : tensor<3x5x33xbf16>
}
