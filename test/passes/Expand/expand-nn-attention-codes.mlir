// nn.attention that reads low-bit caches as a tile program.
// RUN: %tw-opt %s -tw-expand-nn -canonicalize -cse -split-input-file | FileCheck %s

// Keys of 4 bits and values of 8-bit floats: bytes are loaded and made numbers of; a scale
// multiplies its column of scores, or of weights before they are rounded, times 256 that
// one division takes off.
// CHECK-LABEL: func.func @codes(
// CHECK-SAME: #tile.parameter<pointer "k", dtype = "u8", align = 16>
// CHECK-SAME: #tile.parameter<pointer "v", dtype = "e4m3", align = 16>
// CHECK-SAME: #tile.parameter<pointer "k_scales", dtype = "f32", align = 16>
// CHECK-SAME: #tile.parameter<pointer "v_scales", dtype = "f16", align = 16>
// CHECK-DAG: %[[OFF:.+]] = arith.constant dense<3.906250e-03> : tensor<16x1xf32>
// CHECK-DAG: %[[FACTOR:.+]] = arith.constant dense<2.560000e+02> : tensor<16x64xf32>
// CHECK: scf.for
// CHECK: %[[BYTES:.+]] = tile.load %{{.+}} -> tensor<64x32xi8>
// CHECK: %[[PAIRS:.+]] = tile.fields %[[BYTES]] : tensor<64x32xi8> -> tensor<64x32x2xi4>
// CHECK: %[[KEYS:.+]] = tile.reshape %[[PAIRS]] : tensor<64x32x2xi4> -> tensor<64x64xi4>
// CHECK: arith.sitofp %[[KEYS]] : tensor<64x64xi4> to tensor<64x64xf16>
// CHECK: tile.slice %{{.+}} [0, 0] : tensor<64x64xf16> -> tensor<64x32xf16>
// CHECK: %[[SUM:.+]] = tile.dot %{{.+}} : tensor<16x32xf16>, tensor<32x64xf16> -> tensor<16x64xf32>
// CHECK: %[[SCALES:.+]] = tile.load %{{.+}} : <?x1xf32, strides = [2, 1], align = 4> -> tensor<64x1xf32>
// CHECK: %[[ROW:.+]] = tile.transpose %[[SCALES]]
// CHECK: tile.broadcast %[[ROW]] : tensor<1x64xf32> -> tensor<16x64xf32>
// CHECK: arith.mulf
// CHECK: %[[WEIGHTS:.+]] = math.exp2 %{{.+}} : tensor<16x64xf32>
// CHECK: tile.reduce add %[[WEIGHTS]]
// CHECK: tile.load %{{.+}} -> tensor<64x1xf16>
// CHECK: %[[FACTORS:.+]] = arith.mulf %{{.+}}, %[[FACTOR]]
// CHECK: %[[SCALED:.+]] = arith.mulf %[[WEIGHTS]], %[[FACTORS]]
// CHECK: arith.truncf %[[SCALED]] : tensor<16x64xf32> to tensor<16x64xf16>
// CHECK: %[[CODES:.+]] = tile.load %{{.+}} -> tensor<64x64xf8E4M3FN>
// CHECK: arith.extf %[[CODES]] : tensor<64x64xf8E4M3FN> to tensor<64x64xf16>
// CHECK: arith.divf %[[OFF]], %{{.+}} : tensor<16x1xf32>
func.func @codes(%q: tensor<?x?x8x64xf16>, %k: tensor<?x?x2x32xui8>, %v: tensor<?x?x2x64xf8E4M3FN>, %n: tensor<?xi32>, %ks: tensor<?x?x2xf32>, %vs: tensor<?x?x2xf16>) -> tensor<?x?x8x64xf16> {
  %o = nn.attention %q, %k, %v lengths %n : tensor<?xi32> key_scales %ks : tensor<?x?x2xf32> value_scales %vs : tensor<?x?x2xf16> scale 0.125 {schedule = #tile.schedule<"attention", {tile_q = 16, tile_k = 64, warps = 1, stages = 2}>} : tensor<?x?x8x64xf16>, tensor<?x?x2x32xui8>, tensor<?x?x2x64xf8E4M3FN> -> tensor<?x?x8x64xf16>
  return %o : tensor<?x?x8x64xf16>
}
