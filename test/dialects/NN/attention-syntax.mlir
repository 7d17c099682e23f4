// nn.attention survives printing and parsing, with each of its parts.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// Nothing but the operands: heads of q share those of k and v.
// CHECK-LABEL: func.func @plain(
// CHECK: nn.attention %{{.+}}, %{{.+}}, %{{.+}} scale 1.250000e-01 : tensor<?x?x8x64xf16>, tensor<?x?x2x64xf16>, tensor<?x?x2x128xf16> -> tensor<?x?x8x128xf16>
func.func @plain(%q: tensor<?x?x8x64xf16>, %k: tensor<?x?x2x64xf16>, %v: tensor<?x?x2x128xf16>) -> tensor<?x?x8x128xf16> {
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<?x?x8x64xf16>, tensor<?x?x2x64xf16>, tensor<?x?x2x128xf16> -> tensor<?x?x8x128xf16>
  return %o : tensor<?x?x8x128xf16>
}

// Values that are the first columns of k.
// CHECK-LABEL: func.func @columns(
// CHECK: nn.attention %[[Q:.+]], %[[K:.+]], %[[K]] scale {{.*}} : tensor<?x?x8x576xf16>, tensor<?x?x1x576xf16>, tensor<?x?x1x576xf16> -> tensor<?x?x8x512xf16>
func.func @columns(%q: tensor<?x?x8x576xf16>, %k: tensor<?x?x1x576xf16>) -> tensor<?x?x8x512xf16> {
  %o = nn.attention %q, %k, %k scale 0.125 : tensor<?x?x8x576xf16>, tensor<?x?x1x576xf16>, tensor<?x?x1x576xf16> -> tensor<?x?x8x512xf16>
  return %o : tensor<?x?x8x512xf16>
}

// Every attribute, optional operand and result.
// CHECK-LABEL: func.func @all(
// CHECK: nn.attention %{{.+}}, %{{.+}}, %{{.+}} offset %{{.+}} : tensor<2xi32> alibi %{{.+}} : tensor<2x4xf32> sinks %{{.+}} : tensor<4xf32> scale 1.250000e-01 softcap 3.000000e+01 causal window [16, 0] {schedule = #tile.schedule<"attention", {}>} : {{.*}} -> tensor<2x5x4x8xbf16>, tensor<2x4x5xf32>
func.func @all(%q: tensor<2x5x4x8xbf16>, %k: tensor<2x7x4x8xbf16>, %off: tensor<2xi32>, %slopes: tensor<2x4xf32>, %sinks: tensor<4xf32>) -> (tensor<2x5x4x8xbf16>, tensor<2x4x5xf32>) {
  %o, %lse = nn.attention %q, %k, %k offset %off : tensor<2xi32> alibi %slopes : tensor<2x4xf32> sinks %sinks : tensor<4xf32> scale 0.125 softcap 30.0 causal window [16, 0] {schedule = #tile.schedule<"attention", {}>} : tensor<2x5x4x8xbf16>, tensor<2x7x4x8xbf16>, tensor<2x7x4x8xbf16> -> tensor<2x5x4x8xbf16>, tensor<2x4x5xf32>
  return %o, %lse : tensor<2x5x4x8xbf16>, tensor<2x4x5xf32>
}

// Regions read tensors by their numbers, at the indices they are given.
// CHECK-LABEL: func.func @regions(
// CHECK: nn.attention %{{.+}}, %{{.+}}, %{{.+}} reads %{{.+}}, %{{.+}} : tensor<4xf16>, tensor<2x7xi32> scale
// CHECK-SAME: score {
// CHECK: ^bb0(%[[S:.+]]: f32, %{{.+}}: i32, %[[H:.+]]: i32, %[[I:.+]]: i32, %[[J:.+]]: i32):
// CHECK: nn.element 0[%[[H]]] : f32
// CHECK: nn.yield %{{.+}} : f32
// CHECK: mask {
// CHECK: ^bb0(%[[B:.+]]: i32, %{{.+}}: i32, %[[I1:.+]]: i32, %[[J1:.+]]: i32):
// CHECK: nn.element 1[%[[B]], %[[I1]]] : i32
// CHECK: nn.yield %{{.+}} : i1
func.func @regions(%q: tensor<2x7x4x8xf16>, %slopes: tensor<4xf16>, %documents: tensor<2x7xi32>) -> tensor<2x7x4x8xf16> {
  %o = nn.attention %q, %q, %q reads %slopes, %documents : tensor<4xf16>, tensor<2x7xi32> scale 0.5 : tensor<2x7x4x8xf16>, tensor<2x7x4x8xf16>, tensor<2x7x4x8xf16> -> tensor<2x7x4x8xf16> score {
  ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
    %slope = nn.element 0[%h] : f32
    %distance = arith.subi %i, %j : i32
    %d = arith.sitofp %distance : i32 to f32
    %bias = arith.mulf %slope, %d : f32
    %r = arith.subf %s, %bias : f32
    nn.yield %r : f32
  } mask {
  ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
    %a = nn.element 1[%b, %i] : i32
    %c = nn.element 1[%b, %j] : i32
    %same = arith.cmpi eq, %a, %c : i32
    nn.yield %same : i1
  }
  return %o : tensor<2x7x4x8xf16>
}

// Sequences behind each other.
// CHECK-LABEL: func.func @sequences(
// CHECK: nn.attention %{{.+}}, %{{.+}}, %{{.+}} sequences %{{.+}}, %{{.+}} : tensor<?xi32>, tensor<?xi32> scale 1.250000e-01 causal : {{.*}} -> tensor<1x?x8x64xf16>, tensor<1x8x?xf32>
func.func @sequences(%q: tensor<1x?x8x64xf16>, %starts: tensor<?xi32>) -> tensor<1x?x8x64xf16> {
  %o, %lse = nn.attention %q, %q, %q sequences %starts, %starts : tensor<?xi32>, tensor<?xi32> scale 0.125 causal : tensor<1x?x8x64xf16>, tensor<1x?x8x64xf16>, tensor<1x?x8x64xf16> -> tensor<1x?x8x64xf16>, tensor<1x8x?xf32>
  return %o : tensor<1x?x8x64xf16>
}

// Caches: how many keys there are, and the pages that hold them.
// CHECK-LABEL: func.func @pages(
// CHECK: nn.attention %{{.+}}, %{{.+}}, %{{.+}} lengths %{{.+}} : tensor<?xi32> pages %{{.+}} : tensor<?x?xi32> scale 1.250000e-01 causal : {{.*}} -> tensor<?x?x8x64xf16>
func.func @pages(%q: tensor<?x?x8x64xf16>, %k: tensor<?x16x2x64xf16>, %n: tensor<?xi32>, %t: tensor<?x?xi32>) -> tensor<?x?x8x64xf16> {
  %o = nn.attention %q, %k, %k lengths %n : tensor<?xi32> pages %t : tensor<?x?xi32> scale 0.125 causal : tensor<?x?x8x64xf16>, tensor<?x16x2x64xf16>, tensor<?x16x2x64xf16> -> tensor<?x?x8x64xf16>
  return %o : tensor<?x?x8x64xf16>
}

// Sequences of queries, each with a cache of its own.
// CHECK-LABEL: func.func @sequences_of_caches(
// CHECK: nn.attention %{{.+}}, %{{.+}}, %{{.+}} sequences %{{.+}} : tensor<4xi32> lengths %{{.+}} : tensor<3xi32> scale
func.func @sequences_of_caches(%q: tensor<1x?x8x64xf16>, %k: tensor<3x?x2x64xf16>, %s: tensor<4xi32>, %n: tensor<3xi32>) -> tensor<1x?x8x64xf16> {
  %o = nn.attention %q, %k, %k sequences %s : tensor<4xi32> lengths %n : tensor<3xi32> scale 0.125 : tensor<1x?x8x64xf16>, tensor<3x?x2x64xf16>, tensor<3x?x2x64xf16> -> tensor<1x?x8x64xf16>
  return %o : tensor<1x?x8x64xf16>
}

// Lists of blocks of keys.
// CHECK-LABEL: func.func @blocks(
// CHECK: nn.attention %{{.+}}, %{{.+}}, %{{.+}} blocks %{{.+}}, %{{.+}} of [128, 64] : tensor<?x2x?x2xi32>, tensor<?x2x?x?xi32> scale
func.func @blocks(%q: tensor<?x?x8x64xf16>, %k: tensor<?x?x2x64xf16>, %n: tensor<?x2x?x2xi32>, %b: tensor<?x2x?x?xi32>) -> tensor<?x?x8x64xf16> {
  %o = nn.attention %q, %k, %k blocks %n, %b of [128, 64] : tensor<?x2x?x2xi32>, tensor<?x2x?x?xi32> scale 0.125 : tensor<?x?x8x64xf16>, tensor<?x?x2x64xf16>, tensor<?x?x2x64xf16> -> tensor<?x?x8x64xf16>
  return %o : tensor<?x?x8x64xf16>
}

// Keys and values as products.
// CHECK-LABEL: func.func @factors(
// CHECK: nn.attention %{{.+}}, %{{.+}}, %{{.+}} factors %{{.+}}, %{{.+}} : tensor<?x?x8x2xf16>, tensor<?x?x8x3xf16> scale
func.func @factors(%q: tensor<?x?x8x64xf16>, %k: tensor<?x?x2x64xf16>, %v: tensor<?x?x3x64xf16>, %a: tensor<?x?x8x2xf16>, %b: tensor<?x?x8x3xf16>) -> tensor<?x?x8x64xf16> {
  %o = nn.attention %q, %k, %v factors %a, %b : tensor<?x?x8x2xf16>, tensor<?x?x8x3xf16> scale 0.125 : tensor<?x?x8x64xf16>, tensor<?x?x2x64xf16>, tensor<?x?x3x64xf16> -> tensor<?x?x8x64xf16>
  return %o : tensor<?x?x8x64xf16>
}

// Codes with their scales, two integers in a byte and 8-bit floats.
// CHECK-LABEL: func.func @codes(
// CHECK: nn.attention %{{.+}}, %{{.+}}, %{{.+}} lengths %{{.+}} : tensor<?xi32> key_scales %{{.+}} : tensor<?x?x2xf32> value_scales %{{.+}} : tensor<?x?x2xf16> scale
func.func @codes(%q: tensor<?x?x8x64xf16>, %k: tensor<?x?x2x32xui8>, %v: tensor<?x?x2x64xf8E4M3FN>, %n: tensor<?xi32>, %ks: tensor<?x?x2xf32>, %vs: tensor<?x?x2xf16>) -> tensor<?x?x8x64xf16> {
  %o = nn.attention %q, %k, %v lengths %n : tensor<?xi32> key_scales %ks : tensor<?x?x2xf32> value_scales %vs : tensor<?x?x2xf16> scale 0.125 : tensor<?x?x8x64xf16>, tensor<?x?x2x32xui8>, tensor<?x?x2x64xf8E4M3FN> -> tensor<?x?x8x64xf16>
  return %o : tensor<?x?x8x64xf16>
}
