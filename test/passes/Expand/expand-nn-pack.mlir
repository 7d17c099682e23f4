// The expansion of nn.pack.
// RUN: %tw-opt %s -tw-expand-nn -split-input-file | FileCheck %s

// A block takes whole blocks of the storage layout: here 2 strips by 1 block of 3 by 2.
// CHECK-LABEL: func.func @rows_along_k(
// CHECK-SAME: #tile.parameter<pointer "codes", dtype = "u8", align = 16>
// CHECK-SAME: #tile.parameter<pointer "words", dtype = "u32", align = 16, written>
// CHECK-SAME: #tile.kernel<grid = ["2", "2", "1"], warps = 2>
// CHECK: %[[X:.+]] = tile.program_id 0
// CHECK: %[[Y:.+]] = tile.program_id 1
// CHECK: %[[CODES:.+]] = tile.load %{{.+}} -> tensor<64x128xi8>
// CHECK: %[[TURNED:.+]] = tile.transpose %[[CODES]] order = [1, 0]
// CHECK: %[[WORDS:.+]] = tile.pack %[[TURNED]] bits 4 : tensor<128x64xi8> -> tensor<2x1x512xi32>
// CHECK: tile.store %[[WORDS]], %{{.+}} : tensor<2x1x512xi32>, <3x2x512xi32, strides = [1024, 512, 1], align = 16>
func.func @rows_along_k(%c: tensor<70x256xi8>) -> tensor<3x2x512xi32> {
  %w = nn.pack %c bits 4 {schedule = #tile.schedule<"pack", {tile_k = 128, tile_n = 64, warps = 2}>} : tensor<70x256xi8> -> tensor<3x2x512xi32>
  return %w : tensor<3x2x512xi32>
}

// -----

// Rows along N need no transpose; planes are a matrix each.
// CHECK-LABEL: func.func @planes(
// CHECK: %[[CODES:.+]] = tile.load %{{.+}} -> tensor<128x32xi8>
// CHECK: %[[WORDS:.+]] = tile.pack %[[CODES]] bits 2 as "stack" : tensor<128x32xi8> -> tensor<1x1x2x128xi32>
// CHECK: tile.store %[[WORDS]], %{{.+}} : tensor<1x1x2x128xi32>, <3x2x2x128xi32, strides = [256, 128, 768, 1], align = 16>
func.func @planes(%c: tensor<256x70xi8>) -> tensor<2x3x2x128xi32> {
  %w = nn.pack %c bits 2 as "stack" {along_n, schedule = #tile.schedule<"pack", {tile_k = 128, tile_n = 32, warps = 1}>} : tensor<256x70xi8> -> tensor<2x3x2x128xi32>
  return %w : tensor<2x3x2x128xi32>
}
