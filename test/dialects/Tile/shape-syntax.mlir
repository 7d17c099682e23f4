// Ops that only reshape tiles survive printing and parsing.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// CHECK-LABEL: func.func @shapes(
// CHECK-SAME: %[[ROW:.+]]: tensor<1x32xf32>
func.func @shapes(%row: tensor<1x32xf32>) -> tensor<4x4xf32> {
  // Dimensions of extent 1 repeat.
  // CHECK: %[[TILE:.+]] = tile.broadcast %[[ROW]] : tensor<1x32xf32> -> tensor<16x32xf32>
  %tile = tile.broadcast %row : tensor<1x32xf32> -> tensor<16x32xf32>
  // The rank may change while the elements stay.
  // CHECK: %[[CUBE:.+]] = tile.reshape %[[TILE]] : tensor<16x32xf32> -> tensor<16x4x8xf32>
  %cube = tile.reshape %tile : tensor<16x32xf32> -> tensor<16x4x8xf32>
  // CHECK: %[[TURNED:.+]] = tile.transpose %[[CUBE]] order = [2, 0, 1] : tensor<16x4x8xf32> -> tensor<8x16x4xf32>
  %turned = tile.transpose %cube order = [2, 0, 1] : tensor<16x4x8xf32> -> tensor<8x16x4xf32>
  // CHECK: %[[PART:.+]] = tile.slice %[[TURNED]] [7, 12, 0] : tensor<8x16x4xf32> -> tensor<1x4x4xf32>
  %part = tile.slice %turned [7, 12, 0] : tensor<8x16x4xf32> -> tensor<1x4x4xf32>
  // CHECK: tile.reshape %[[PART]] : tensor<1x4x4xf32> -> tensor<4x4xf32>
  %flat = tile.reshape %part : tensor<1x4x4xf32> -> tensor<4x4xf32>
  return %flat : tensor<4x4xf32>
}

// CHECK-LABEL: func.func @saturate(
// CHECK: tile.saturate %{{.+}} : tensor<16x32xf32> -> tensor<16x32xf8E4M3FN>
func.func @saturate(%t: tensor<16x32xf32>) -> tensor<16x32xf8E4M3FN> {
  %0 = tile.saturate %t : tensor<16x32xf32> -> tensor<16x32xf8E4M3FN>
  return %0 : tensor<16x32xf8E4M3FN>
}
