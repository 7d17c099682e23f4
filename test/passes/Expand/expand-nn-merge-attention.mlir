// nn.merge_attention as a tile program.
// RUN: %tw-opt %s -tw-expand-nn -canonicalize -cse -split-input-file | FileCheck %s

// Two parts of any length: weights relative to the larger logarithm, 0 taken for one of
// -inf; a part of weight zero is left out; one division a row.
// CHECK-LABEL: func.func @rows(
// CHECK-SAME: #tile.parameter<pointer "o0", dtype = "f16", align = 16>
// CHECK-SAME: #tile.parameter<pointer "o1"
// CHECK-SAME: #tile.parameter<pointer "lse0"
// CHECK-SAME: #tile.parameter<pointer "lse1"
// CHECK-SAME: #tile.parameter<pointer "lse", dtype = "f32", align = 16, written>
// CHECK-SAME: #tile.parameter<pointer "o", dtype = "f16", align = 16, written>
// CHECK-SAME: #tile.parameter<dimension "S">
// CHECK-SAME: grid = ["ceildiv(S, 8)", "8", "B"], warps = 4
// CHECK: %[[L0:.+]] = tile.load %{{.+}} : <?x8x1xf32, strides = [1, ?, 1], align = 4> -> tensor<8x1x1xf32>
// CHECK: %[[L1:.+]] = tile.load %{{.+}} -> tensor<8x1x1xf32>
// CHECK: %[[TOP:.+]] = arith.maximumf %[[L0]], %[[L1]]
// CHECK: %[[NONE:.+]] = arith.cmpf oeq, %[[TOP]], %{{.+}}
// CHECK: %[[SHIFT:.+]] = arith.select %[[NONE]], %{{.+}}, %[[TOP]]
// CHECK: %[[D0:.+]] = arith.subf %[[L0]], %[[SHIFT]]
// CHECK: %[[W0:.+]] = math.exp2
// CHECK: %[[W1:.+]] = math.exp2
// CHECK: %[[TOTAL:.+]] = arith.addf %[[W0]], %[[W1]]
// CHECK: %[[P0:.+]] = tile.load %{{.+}} : <?x8x128xf16, strides = [1024, 128, 1], align = 16> -> tensor<8x1x128xf16>
// CHECK: arith.select %{{.+}}, %{{.+}}, %{{.+}} : tensor<8x1x128xi1>
// CHECK: %[[SUM:.+]] = math.fma
// CHECK: arith.divf %{{.+}}, %[[TOTAL]] : tensor<8x1x1xf32>
// CHECK-NOT: arith.divf
// CHECK: tile.store %{{.+}} : tensor<8x1x128xf16>
// CHECK: math.log2 %[[TOTAL]]
// CHECK-NOT: scf.if
// CHECK: tile.store %{{.+}} : tensor<8x1x1xf32>
func.func @rows(%a: tensor<?x?x8x128xf16>, %b: tensor<?x?x8x128xf16>, %x: tensor<?x8x?xf32>, %y: tensor<?x8x?xf32>) -> (tensor<?x?x8x128xf16>, tensor<?x8x?xf32>) {
  %o, %lse = nn.merge_attention %a, %b : tensor<?x?x8x128xf16>, tensor<?x?x8x128xf16> lse %x, %y : tensor<?x8x?xf32>, tensor<?x8x?xf32> {schedule = #tile.schedule<"merge_attention", {tile_d = 128, tile_h = 1, tile_s = 8, warps = 4}>} -> tensor<?x?x8x128xf16>, tensor<?x8x?xf32>
  return %o, %lse : tensor<?x?x8x128xf16>, tensor<?x8x?xf32>
}

// -----

// Heads of several tiles: blocks share their weights, the first stores the logarithms.
// CHECK-LABEL: func.func @wide(
// CHECK-SAME: grid = ["3", "10", "2"]
// CHECK: %[[TILE:.+]] = tile.program_id 1
// CHECK: %[[COLUMN:.+]] = arith.remui %[[TILE]]
// CHECK: tile.store %{{.+}} : tensor<2x4x128xf32>
// CHECK: %[[FIRST:.+]] = arith.cmpi eq, %[[COLUMN]]
// CHECK: scf.if %[[FIRST]] {
// CHECK: tile.store %{{.+}} : tensor<2x4x1xf32>
func.func @wide(%a: tensor<2x5x8x576xf32>, %x: tensor<2x8x5xf32>) -> (tensor<2x5x8x576xf32>, tensor<2x8x5xf32>) {
  %o, %lse = nn.merge_attention %a : tensor<2x5x8x576xf32> lse %x : tensor<2x8x5xf32> {schedule = #tile.schedule<"merge_attention", {tile_d = 128, tile_h = 4, tile_s = 2, warps = 4}>} -> tensor<2x5x8x576xf32>, tensor<2x8x5xf32>
  return %o, %lse : tensor<2x5x8x576xf32>, tensor<2x8x5xf32>
}
