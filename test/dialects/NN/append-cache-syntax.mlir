// nn.append_cache survives printing and parsing.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// Keys, values and queries into pages, rotated in pairs from a column on.
// CHECK-LABEL: func.func @all(
// CHECK: nn.append_cache lengths %{{.+}} : tensor<?xi32> keys %{{.+}} into %{{.+}} : tensor<?x?x8x128xf16>, tensor<?x?x8x128xf16> values %{{.+}} into %{{.+}} : tensor<?x?x8x64xf16>, tensor<?x?x8x64xf16> queries %{{.+}} : tensor<?x?x32x128xf16> pages %{{.+}} : tensor<?x?xi32> rotary %{{.+}}, %{{.+}} : tensor<?x32xf32>, tensor<?x32xf32> interleaved from 64 -> tensor<?x?x8x128xf16>, tensor<?x?x8x64xf16>, tensor<?x?x32x128xf16>
func.func @all(%n: tensor<?xi32>, %k: tensor<?x?x8x128xf16>, %kc: tensor<?x?x8x128xf16>, %v: tensor<?x?x8x64xf16>, %vc: tensor<?x?x8x64xf16>, %q: tensor<?x?x32x128xf16>, %t: tensor<?x?xi32>, %cos: tensor<?x32xf32>, %sin: tensor<?x32xf32>) -> tensor<?x?x32x128xf16> {
  %a, %b, %c = nn.append_cache lengths %n : tensor<?xi32> keys %k into %kc : tensor<?x?x8x128xf16>, tensor<?x?x8x128xf16> values %v into %vc : tensor<?x?x8x64xf16>, tensor<?x?x8x64xf16> queries %q : tensor<?x?x32x128xf16> pages %t : tensor<?x?xi32> rotary %cos, %sin : tensor<?x32xf32>, tensor<?x32xf32> interleaved from 64 -> tensor<?x?x8x128xf16>, tensor<?x?x8x64xf16>, tensor<?x?x32x128xf16>
  return %c : tensor<?x?x32x128xf16>
}

// Keys as they are, behind those of a cache of their own.
// CHECK-LABEL: func.func @keys(
// CHECK: nn.append_cache lengths %{{.+}} : tensor<?xi32> keys %{{.+}} into %{{.+}} : tensor<?x?x1x576xbf16>, tensor<?x?x1x576xbf16> {schedule = #tile.schedule<"append_cache", {}>} -> tensor<?x?x1x576xbf16>
func.func @keys(%n: tensor<?xi32>, %k: tensor<?x?x1x576xbf16>, %kc: tensor<?x?x1x576xbf16>) -> tensor<?x?x1x576xbf16> {
  %a = nn.append_cache lengths %n : tensor<?xi32> keys %k into %kc : tensor<?x?x1x576xbf16>, tensor<?x?x1x576xbf16> {schedule = #tile.schedule<"append_cache", {}>} -> tensor<?x?x1x576xbf16>
  return %a : tensor<?x?x1x576xbf16>
}

// Codes with their scales: integers of 4 bits, two in a byte, and 8-bit floats.
// CHECK-LABEL: func.func @codes(
// CHECK: nn.append_cache lengths %{{.+}} : tensor<?xi32> keys %{{.+}} into %{{.+}} : tensor<?x?x8x128xf16>, tensor<?x?x8x64xui8> values %{{.+}} into %{{.+}} : tensor<?x?x8x64xf16>, tensor<?x?x8x64xf8E4M3FN> key_scales %{{.+}} : tensor<?x?x8xf32> value_scales %{{.+}} : tensor<?x?x8xf16> -> tensor<?x?x8x64xui8>, tensor<?x?x8x64xf8E4M3FN>, tensor<?x?x8xf32>, tensor<?x?x8xf16>
func.func @codes(%n: tensor<?xi32>, %k: tensor<?x?x8x128xf16>, %kc: tensor<?x?x8x64xui8>, %v: tensor<?x?x8x64xf16>, %vc: tensor<?x?x8x64xf8E4M3FN>, %ks: tensor<?x?x8xf32>, %vs: tensor<?x?x8xf16>) -> tensor<?x?x8x64xui8> {
  %a:4 = nn.append_cache lengths %n : tensor<?xi32> keys %k into %kc : tensor<?x?x8x128xf16>, tensor<?x?x8x64xui8> values %v into %vc : tensor<?x?x8x64xf16>, tensor<?x?x8x64xf8E4M3FN> key_scales %ks : tensor<?x?x8xf32> value_scales %vs : tensor<?x?x8xf16> -> tensor<?x?x8x64xui8>, tensor<?x?x8x64xf8E4M3FN>, tensor<?x?x8xf32>, tensor<?x?x8xf16>
  return %a#0 : tensor<?x?x8x64xui8>
}
