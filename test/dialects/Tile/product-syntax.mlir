// Products and packed weights survive printing and parsing.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// CHECK-LABEL: func.func @product(
// CHECK-SAME: %[[A:.+]]: tensor<16x128xf16>, %[[WORDS:.+]]: tensor<2x1x512xi32>, %[[ZERO:.+]]: tensor<2x64xi8>, %[[C:.+]]: tensor<16x64xf32>
func.func @product(%a: tensor<16x128xf16>, %words: tensor<2x1x512xi32>, %zero: tensor<2x64xi8>, %c: tensor<16x64xf32>) -> tensor<16x64xf32> {
  // Two strips of one block each: 128 x 64 codes.
  // CHECK: %[[CODES:.+]] = tile.unpack %[[WORDS]] : tensor<2x1x512xi32> -> tensor<128x64xi4>
  %codes = tile.unpack %words : tensor<2x1x512xi32> -> tensor<128x64xi4>
  // CHECK: %[[B:.+]] = tile.dequant %[[CODES]] zero %[[ZERO]] bias 0 : tensor<128x64xi4>, tensor<2x64xi8> -> tensor<128x64xf16>
  %b = tile.dequant %codes zero %zero bias 0 : tensor<128x64xi4>, tensor<2x64xi8> -> tensor<128x64xf16>
  // CHECK: tile.dot %[[A]], %[[B]], %[[C]] : tensor<16x128xf16>, tensor<128x64xf16> -> tensor<16x64xf32>
  %d = tile.dot %a, %b, %c : tensor<16x128xf16>, tensor<128x64xf16> -> tensor<16x64xf32>
  return %d : tensor<16x64xf32>
}

// Signed codes are stored with half their range added.
// CHECK-LABEL: func.func @signed_codes(
// CHECK: tile.dequant %{{.+}} bias 4 : tensor<128x32xi3> -> tensor<128x32xbf16>
func.func @signed_codes(%codes: tensor<128x32xi3>) -> tensor<128x32xbf16> {
  %values = tile.dequant %codes bias 4 : tensor<128x32xi3> -> tensor<128x32xbf16>
  return %values : tensor<128x32xbf16>
}

// Codes of floats.
// CHECK-LABEL: func.func @float_codes(
// CHECK: tile.dequant %{{.+}} as "f6e3m2" bias 0 : tensor<128x32xi6> -> tensor<128x32xbf16>
func.func @float_codes(%codes: tensor<128x32xi6>) -> tensor<128x32xbf16> {
  %values = tile.dequant %codes as "f6e3m2" bias 0 : tensor<128x32xi6> -> tensor<128x32xbf16>
  return %values : tensor<128x32xbf16>
}

// Indices of a table.
// CHECK-LABEL: func.func @indices(
// CHECK: tile.dequant %{{.+}} as "lut3" table %{{.+}} bias 0 : tensor<128x32xi3> table tensor<4xi32> -> tensor<128x32xf16>
func.func @indices(%codes: tensor<128x32xi3>, %table: tensor<4xi32>) -> tensor<128x32xf16> {
  %values = tile.dequant %codes as "lut3" table %table bias 0 : tensor<128x32xi3> table tensor<4xi32> -> tensor<128x32xf16>
  return %values : tensor<128x32xf16>
}

// Numbers that share a word become a dimension.
// CHECK-LABEL: func.func @fields(
// CHECK: tile.fields %{{.+}} : tensor<2x8xi16> -> tensor<2x8x4xi8>
func.func @fields(%words: tensor<2x8xi16>) -> tensor<2x8x4xi8> {
  %numbers = tile.fields %words : tensor<2x8xi16> -> tensor<2x8x4xi8>
  return %numbers : tensor<2x8x4xi8>
}

// Nested codes come in planes, and stand for odd numbers.
// CHECK-LABEL: func.func @nested(
// CHECK: tile.unpack %{{.+}} : tensor<2x1x3x128xi32> -> tensor<128x64xi3>
// CHECK: tile.dequant %{{.+}} as "nested8.3" bias 0 : tensor<128x64xi3> -> tensor<128x64xbf16>
func.func @nested(%planes: tensor<2x1x3x128xi32>) -> tensor<128x64xbf16> {
  %codes = tile.unpack %planes : tensor<2x1x3x128xi32> -> tensor<128x64xi3>
  %values = tile.dequant %codes as "nested8.3" bias 0 : tensor<128x64xi3> -> tensor<128x64xbf16>
  return %values : tensor<128x64xbf16>
}

// Codes back into words, of every form.
// CHECK-LABEL: func.func @pack(
// CHECK: tile.pack %{{.+}} bits 4 : tensor<128x64xi8> -> tensor<2x1x512xi32>
// CHECK: tile.pack %{{.+}} bits 3 as "nested" : tensor<128x64xi8> -> tensor<2x1x3x128xi32>
// CHECK: tile.pack %{{.+}} bits 5 for "8-bit" : tensor<128x64xi8> -> tensor<2x1x640xi32>
func.func @pack(%c: tensor<128x64xi8>) {
  %0 = tile.pack %c bits 4 : tensor<128x64xi8> -> tensor<2x1x512xi32>
  %1 = tile.pack %c bits 3 as "nested" for "16-bit" : tensor<128x64xi8> -> tensor<2x1x3x128xi32>
  %2 = tile.pack %c bits 5 as "words" for "8-bit" : tensor<128x64xi8> -> tensor<2x1x640xi32>
  return
}
