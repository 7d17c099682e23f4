// nn.pack survives printing and parsing.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// What is not said is left out.
// CHECK-LABEL: func.func @words(
// CHECK: nn.pack %{{.+}} bits 4 : tensor<64x256xi8> -> tensor<2x2x512xi32>
func.func @words(%c: tensor<64x256xi8>) -> tensor<2x2x512xi32> {
  %w = nn.pack %c bits 4 : tensor<64x256xi8> -> tensor<2x2x512xi32>
  return %w : tensor<2x2x512xi32>
}

// Bytes, from codes whose rows run along N; extents are those of whole blocks.
// CHECK-LABEL: func.func @bytes(
// CHECK: nn.pack %{{.+}} bits 3 for "8-bit" {along_n, schedule = #tile.schedule<"pack", {}>} : tensor<130x33xi8> -> tensor<2x2x384xi32>
func.func @bytes(%c: tensor<130x33xi8>) -> tensor<2x2x384xi32> {
  %w = nn.pack %c bits 3 as "words" for "8-bit" {along_n, schedule = #tile.schedule<"pack", {}>} : tensor<130x33xi8> -> tensor<2x2x384xi32>
  return %w : tensor<2x2x384xi32>
}

// Planes come first.
// CHECK-LABEL: func.func @planes(
// CHECK: nn.pack %{{.+}} bits 5 as "nested" : tensor<33x130xi8> -> tensor<5x2x2x128xi32>
func.func @planes(%c: tensor<33x130xi8>) -> tensor<5x2x2x128xi32> {
  %w = nn.pack %c bits 5 as "nested" : tensor<33x130xi8> -> tensor<5x2x2x128xi32>
  return %w : tensor<5x2x2x128xi32>
}
