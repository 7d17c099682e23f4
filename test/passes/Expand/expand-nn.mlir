// nn.quant_matmul becomes a tile program whose sizes are those of the schedule.
// RUN: %tw-opt %s -tw-expand-nn -split-input-file | FileCheck %s

// Decode: a block owns 16 x 64 of y and walks K in steps of 128. The scale meets
// the f32 sum of its group, not the weights.
// CHECK-LABEL: func.func @decode(
// CHECK-SAME: %[[X:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<pointer "x", dtype = "f16", align = 16>}
// CHECK-SAME: %[[W:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<pointer "w", dtype = "u32", align = 16>}
// CHECK-SAME: %[[SCALES:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<pointer "scales", dtype = "f16", align = 16>}
// CHECK-SAME: %[[Y:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<pointer "y", dtype = "f16", align = 16, written>}
// CHECK-SAME: %[[M:[^:]+]]: i32 {tile.parameter = #tile.parameter<dimension "M">})
// CHECK-SAME: tile.kernel = #tile.kernel<grid = ["4", "ceildiv(M, 16)", "1"], warps = 2>
// CHECK-SAME: tile.schedule = #tile.schedule<"quant_matmul",
// CHECK-DAG: %[[X_VIEW:.+]] = tile.view %[[X]] sizes(%[[M]]) : <?x384xf16, strides = [384, 1], align = 16>
// CHECK-DAG: %[[Y_VIEW:.+]] = tile.view %[[Y]] sizes(%[[M]]) : <?x256xf16, strides = [256, 1], align = 16>
// CHECK-DAG: %[[W_VIEW:.+]] = tile.view %[[W]] : <8x3x512xi32, strides = [1536, 512, 1], align = 16>
// CHECK-DAG: %[[SCALES_VIEW:.+]] = tile.view %[[SCALES]] : <3x8x32xf16, strides = [256, 32, 1], align = 16>
// CHECK: %[[INIT:.+]] = arith.constant dense<0.000000e+00> : tensor<16x64xf32>
// CHECK: %[[SUM:.+]] = scf.for %[[TILE:.+]] = %{{.+}} to %{{.+}} step %{{.+}} iter_args(%[[ACC:.+]] = %[[INIT]])
// CHECK-DAG: %[[ROWS:.+]] = tile.load %[[X_VIEW]]{{.*}} -> tensor<16x128xf16>
// CHECK-DAG: %[[WORDS:.+]] = tile.load %[[W_VIEW]]{{.*}} -> tensor<2x1x512xi32>
// CHECK-DAG: %[[STORED:.+]] = tile.load %[[SCALES_VIEW]]{{.*}} -> tensor<1x2x32xf16>
//            Scales lie in the order lanes want them; columns are back in order.
// CHECK: %[[SPLIT:.+]] = tile.reshape %[[STORED]] : tensor<1x2x32xf16> -> tensor<1x2x8x4xf16>
// CHECK: %[[TURNED:.+]] = tile.transpose %[[SPLIT]] order = [0, 1, 3, 2] : tensor<1x2x8x4xf16> -> tensor<1x2x4x8xf16>
// CHECK: %[[COLUMNS:.+]] = tile.reshape %[[TURNED]] : tensor<1x2x4x8xf16> -> tensor<1x64xf16>
// CHECK: %[[CODES:.+]] = tile.unpack %[[WORDS]] : tensor<2x1x512xi32> -> tensor<128x64xi4>
//            Two products of a packed fragment's 64 rows each.
// CHECK: %[[PART:.+]] = arith.constant dense<0.000000e+00> : tensor<16x64xf32>
// CHECK: %[[CODES_0:.+]] = tile.slice %[[CODES]] [0, 0] : tensor<128x64xi4> -> tensor<64x64xi4>
// CHECK: %[[VALUES_0:.+]] = tile.dequant %[[CODES_0]] bias 0 : tensor<64x64xi4> -> tensor<64x64xf16>
// CHECK: %[[ROWS_0:.+]] = tile.slice %[[ROWS]] [0, 0] : tensor<16x128xf16> -> tensor<16x64xf16>
// CHECK: %[[DOT_0:.+]] = tile.dot %[[ROWS_0]], %[[VALUES_0]], %[[PART]]
// CHECK: %[[CODES_1:.+]] = tile.slice %[[CODES]] [64, 0]
// CHECK: %[[VALUES_1:.+]] = tile.dequant %[[CODES_1]] bias 0
// CHECK: %[[ROWS_1:.+]] = tile.slice %[[ROWS]] [0, 64]
// CHECK: %[[DOT_1:.+]] = tile.dot %[[ROWS_1]], %[[VALUES_1]], %[[DOT_0]]
// CHECK: %[[WIDE:.+]] = arith.extf %[[COLUMNS]] : tensor<1x64xf16> to tensor<1x64xf32>
// CHECK: %[[SCALE:.+]] = tile.broadcast %[[WIDE]] : tensor<1x64xf32> -> tensor<16x64xf32>
// CHECK: %[[NEXT:.+]] = math.fma %[[DOT_1]], %[[SCALE]], %[[ACC]] : tensor<16x64xf32>
// CHECK: scf.yield %[[NEXT]]
// CHECK: tile.stages = 3
// CHECK: %[[ROUNDED:.+]] = arith.truncf %[[SUM]] : tensor<16x64xf32> to tensor<16x64xf16>
// CHECK: tile.store %[[ROUNDED]], %[[Y_VIEW]]
// CHECK-NOT: nn.
func.func @decode(%x: tensor<?x384xf16>, %w: !nn.quantized<384x256, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x256xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 3, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<?x384xf16>, !nn.quantized<384x256, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x256xf16>
  return %y : tensor<?x256xf16>
}

// -----

// Split K: each of two blocks sums a part of K into the workspace; the block that
// arrives last adds the parts in order, so that the sum does not depend on who
// was last, and rounds once.
// CHECK-LABEL: func.func @split_k(
// CHECK-SAME: %[[PARTIALS:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<workspace "partials", dtype = "f32", align = 16>}
// CHECK-SAME: %[[COUNTERS:[^:]+]]: !tile.ptr {tile.parameter = #tile.parameter<workspace "counters", dtype = "u32", align = 4>}
// CHECK-SAME: grid = ["4", "ceildiv(M, 16)", "2"]
// CHECK-SAME: workspaces = [<"partials", bytes = "2048 * M">, <"counters", bytes = "4 * 4 * ceildiv(M, 16)", zeroed = true, reset = true>]
// CHECK: %[[SPLIT:.+]] = tile.program_id 2
//            Of 8 tiles of K, split s takes s * 8 / 2 .. (s + 1) * 8 / 2.
// CHECK-DAG: %[[TILES:.+]] = arith.constant 8 : i32
// CHECK: %[[LOWER:.+]] = arith.divui
// CHECK: %[[UPPER:.+]] = arith.divui
// CHECK: %[[MINE:.+]] = scf.for %{{.+}} = %[[LOWER]] to %[[UPPER]]
// CHECK: %[[VIEW:.+]] = tile.view %[[PARTIALS]] {{.*}} : <2x?x256xf32, strides = [?, 256, 1], align = 16>
// CHECK: %[[FLAT:.+]] = tile.reshape %[[MINE]] : tensor<16x64xf32> -> tensor<1x16x64xf32>
// CHECK: tile.store %[[FLAT]], %[[VIEW]][%[[SPLIT]],
// CHECK: %[[LAST:.+]] = tile.arrive %[[COUNTERS]][%{{.+}}] of %
// CHECK: scf.if %[[LAST]] {
// CHECK:   %[[TOTAL:.+]] = scf.for %[[PART:.+]] = %{{.+}} to %{{.+}} step %{{.+}} iter_args(%[[SO_FAR:.+]] = %{{.+}})
// CHECK:     tile.load %[[VIEW]][%[[PART]],
// CHECK:     arith.addf %[[SO_FAR]],
// CHECK:   arith.truncf %[[TOTAL]]
// CHECK:   tile.store
func.func @split_k(%x: tensor<?x1024xf16>, %w: !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x256xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 2, stages = 3, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<?x1024xf16>, !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x256xf16>
  return %y : tensor<?x256xf16>
}

// -----

// Up to eight rows: w is operand A, so that its columns fill the 16 of the
// instruction; warps lie along the columns of w, which are the product's rows.
// CHECK-LABEL: func.func @weights_as_a(
// CHECK-SAME: tile.warps = array<i64: 2, 1>
// CHECK-DAG: %[[W:.+]] = tile.transpose %{{.+}} order = [1, 0] : tensor<64x64xf16> -> tensor<64x64xf16>
// CHECK-DAG: %[[X:.+]] = tile.transpose %{{.+}} order = [1, 0] : tensor<8x64xf16> -> tensor<64x8xf16>
// CHECK-DAG: %[[C:.+]] = tile.transpose %{{.+}} order = [1, 0] : tensor<8x64xf32> -> tensor<64x8xf32>
// CHECK: %[[DOT:.+]] = tile.dot %[[W]], %[[X]], %[[C]]
// CHECK: tile.transpose %[[DOT]] order = [1, 0] : tensor<64x8xf32> -> tensor<8x64xf32>
func.func @weights_as_a(%x: tensor<?x384xf16>, %w: !nn.quantized<384x256, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x256xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 3, tile_k = 128, tile_m = 8, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<?x384xf16>, !nn.quantized<384x256, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x256xf16>
  return %y : tensor<?x256xf16>
}

// -----

// A stream: 5 blocks share the K tiles of all tiles of y; a tile that is not all
// a block's own is added up by the last that arrives there.
// CHECK-LABEL: func.func @stream(
// CHECK-SAME: grid = ["5", "1", "1"]
// CHECK-SAME: workspaces = [<"partials", bytes = "40960">, <"counters", bytes = "4 * 4 * ceildiv(M, 16)", zeroed = true, reset = true>]
// CHECK: scf.for %[[TILE:.+]] =
// CHECK:   %[[LOWER:.+]] = arith.select
// CHECK:   %[[UPPER:.+]] = arith.minui
// CHECK:   scf.for %{{.+}} = %[[LOWER]] to %[[UPPER]]
// CHECK:   %[[IS_WHOLE:.+]] = arith.cmpi eq
// CHECK:   %[[SUM:.+]]:2 = scf.if %[[IS_WHOLE]]
// CHECK:   } else {
// CHECK:     tile.store %{{.+}} : tensor<1x16x64xf32>, <10x?x64xf32, strides = [1024, 64, 1], align = 16>
// CHECK:     %[[LAST:.+]] = tile.arrive
// CHECK:     scf.if %[[LAST]]
// CHECK:   scf.if %[[SUM]]#1 {
// CHECK:     arith.truncf %[[SUM]]#0
func.func @stream(%x: tensor<?x384xf16>, %w: !nn.quantized<384x256, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x256xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 3, stream_k = 5, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<?x384xf16>, !nn.quantized<384x256, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x256xf16>
  return %y : tensor<?x256xf16>
}

// -----

// Chunks of two tiles of K: each sum starts from zero and is added to the total
// where the chunk, or K, ends.
// CHECK-LABEL: func.func @chunks(
// CHECK: scf.for %[[TILE:.+]] = %{{.+}} to %[[UPPER:.+]] step %{{.+}} iter_args(%{{.+}} = %{{.+}}, %[[TOTAL:.+]] = %{{.+}})
// CHECK:   %[[NEXT:.+]] = arith.addi %[[TILE]],
// CHECK:   %[[PLACE:.+]] = arith.remui %[[NEXT]],
// CHECK-DAG: %[[ENDS:.+]] = arith.cmpi eq, %[[PLACE]],
// CHECK-DAG: %[[IS_LAST:.+]] = arith.cmpi eq, %[[NEXT]], %[[UPPER]]
// CHECK:   %[[ADDS:.+]] = arith.ori %[[ENDS]], %[[IS_LAST]]
// CHECK:   scf.if %[[ADDS]]
// CHECK:     arith.addf %[[TOTAL]],
func.func @chunks(%x: tensor<?x384xf16>, %w: !nn.quantized<384x256, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x256xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {chunk_k = 256, split_k = 1, stages = 3, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<?x384xf16>, !nn.quantized<384x256, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x256xf16>
  return %y : tensor<?x256xf16>
}

// -----

// A function without an nn op is left alone.
// CHECK-LABEL: func.func @other(
// CHECK-SAME: %[[A:.+]]: tensor<4xf32>) -> tensor<4xf32> {
// CHECK-NEXT: %[[SUM:.+]] = arith.addf %[[A]], %[[A]]
// CHECK-NEXT: return %[[SUM]]
func.func @other(%a: tensor<4xf32>) -> tensor<4xf32> {
  %sum = arith.addf %a, %a : tensor<4xf32>
  return %sum : tensor<4xf32>
}
