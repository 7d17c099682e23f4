// nn.matmul survives printing and parsing, in both layouts of w.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// w is K x N.
// CHECK-LABEL: func.func @kn(
// CHECK: nn.matmul %{{.+}}, %{{.+}} : tensor<?x384xf16>, tensor<384x64xf16> -> tensor<?x64xf32>
func.func @kn(%x: tensor<?x384xf16>, %w: tensor<384x64xf16>) -> tensor<?x64xf32> {
  %y = nn.matmul %x, %w : tensor<?x384xf16>, tensor<384x64xf16> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// w is N x K; what ends a product is as for quantised weights.
// CHECK-LABEL: func.func @nk(
// CHECK: nn.matmul %{{.+}}, %{{.+}} bias %{{.+}} residual %{{.+}} : tensor<16x64xf32> {transpose_w} : tensor<16x384xbf16>, tensor<64x384xbf16>, tensor<64xf32> -> tensor<16x64xbf16>
func.func @nk(%x: tensor<16x384xbf16>, %w: tensor<64x384xbf16>, %b: tensor<64xf32>, %r: tensor<16x64xf32>) -> tensor<16x64xbf16> {
  %y = nn.matmul %x, %w bias %b residual %r : tensor<16x64xf32> {transpose_w} : tensor<16x384xbf16>, tensor<64x384xbf16>, tensor<64xf32> -> tensor<16x64xbf16>
  return %y : tensor<16x64xbf16>
}
