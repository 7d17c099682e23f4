// The expansion of nn.attention.
// RUN: %tw-opt %s -tw-expand-nn -canonicalize -cse -split-input-file | FileCheck %s

// Dense: one head a block; only a last, short tile of keys is masked. The scale is part of
// the exponent.
// CHECK-LABEL: func.func @dense(
// CHECK-SAME: #tile.parameter<pointer "q", dtype = "f16", align = 16>
// CHECK-SAME: #tile.parameter<pointer "k"
// CHECK-SAME: #tile.parameter<pointer "v"
// CHECK-SAME: #tile.parameter<pointer "lse", dtype = "f32", align = 16, written>
// CHECK-SAME: #tile.parameter<pointer "o", dtype = "f16", align = 16, written>
// CHECK-SAME: %[[SQ:[a-z0-9]+]]: i32 {tile.parameter = #tile.parameter<dimension "Sq">}
// CHECK-SAME: %[[SK:[a-z0-9]+]]: i32 {tile.parameter = #tile.parameter<dimension "Sk">}
// CHECK-SAME: #tile.parameter<stride "q", axis = 0>
// CHECK-SAME: grid = ["ceildiv(Sq, 32)", "4", "B"], warps = 2
// CHECK: %[[HEAD:.+]] = tile.program_id 1
// CHECK: %[[KEYHEAD:.+]] = arith.divui %[[HEAD]], %{{.+}} : i32
// CHECK: %[[FULL:.+]] = arith.divui %{{.+}}, %{{.+}} : i32
// CHECK: scf.for %[[TILE:.+]] = %{{.+}} to %{{.+}} step %{{.+}} iter_args(%[[MAX:.+]] = %{{.+}}, %[[SUM:.+]] = %{{.+}}, %[[ACC:.+]] = %{{.+}})
// CHECK-COUNT-2: tile.dot {{.*}} -> tensor<32x64xf32>
// CHECK: scf.if
// CHECK: } else {
// CHECK: %[[KEYS:.+]] = tile.iota {{.*}} along 1 : tensor<1x64xi32>
// CHECK: arith.cmpi slt, %{{.+}}, %{{.+}} : tensor<32x64xi32>
// CHECK-NOT: arith.cmpi
// CHECK: arith.select
// CHECK: }
// CHECK: tile.reduce max
// CHECK: %[[DECAY:.+]] = math.exp2 %{{.+}} fastmath<afn> : tensor<32x1xf32>
// CHECK: %[[P:.+]] = math.exp2 %{{.+}} fastmath<afn> : tensor<32x64xf32>
// CHECK: tile.reduce add %[[P]]
// CHECK: arith.truncf %[[P]] : tensor<32x64xf32> to tensor<32x64xf16>
// CHECK: arith.mulf %[[ACC]], %{{.+}} : tensor<32x32xf32>
// CHECK-COUNT-4: tile.dot {{.*}} -> tensor<32x32xf32>
// CHECK: } {tile.split_masks, tile.stages = 2 : i32}
// One division a row, then logarithms.
// CHECK: arith.divf %{{.+}}, %{{.+}} : tensor<32x1xf32>
// CHECK-NOT: arith.divf
// CHECK: tile.store {{.*}} : tensor<32x32xf16>
// CHECK: math.log2
// CHECK: tile.store {{.*}} : tensor<32x1xf32>
func.func @dense(%q: tensor<?x?x4x32xf16>, %k: tensor<?x?x2x32xf16>, %v: tensor<?x?x2x32xf16>) -> (tensor<?x?x4x32xf16>, tensor<?x4x?xf32>) {
  %o, %lse = nn.attention %q, %k, %v scale 0.125 {schedule = #tile.schedule<"attention", {tile_q = 32, tile_k = 64, warps = 2, stages = 2}>} : tensor<?x?x4x32xf16>, tensor<?x?x2x32xf16>, tensor<?x?x2x32xf16> -> tensor<?x?x4x32xf16>, tensor<?x4x?xf32>
  return %o, %lse : tensor<?x?x4x32xf16>, tensor<?x4x?xf32>
}

// -----

// Causal: the loop ends with the last visible key, blocks go from the last rows to the first.
// A head of 72 is read in parts of 64 and 16.
// CHECK-LABEL: func.func @causal(
// CHECK: %[[LAST:.+]] = arith.subi %{{.+}}, %{{.+}} : i32
// CHECK: %[[END:.+]] = arith.minsi %[[SK:.+]], %{{.+}} : i32
// CHECK: tile.load {{.*}} -> tensor<16x64xbf16>
// CHECK: tile.load {{.*}} -> tensor<16x16xbf16>
// CHECK: scf.for
// CHECK: tile.load {{.*}} -> tensor<32x64xbf16>
// CHECK-COUNT-4: tile.dot {{.*}} -> tensor<16x32xf32>
// CHECK: tile.load {{.*}} -> tensor<32x16xbf16>
// CHECK: tile.dot {{.*}} -> tensor<16x32xf32>
// CHECK: } else {
// CHECK: arith.cmpi slt
// CHECK: arith.cmpi sle
// CHECK: arith.select
func.func @causal(%q: tensor<1x?x2x72xbf16>, %k: tensor<1x?x2x72xbf16>) -> tensor<1x?x2x72xbf16> {
  %o = nn.attention %q, %k, %k scale 0.125 causal {schedule = #tile.schedule<"attention", {tile_q = 16, tile_k = 32, warps = 1, stages = 2}>} : tensor<1x?x2x72xbf16>, tensor<1x?x2x72xbf16>, tensor<1x?x2x72xbf16> -> tensor<1x?x2x72xbf16>
  return %o : tensor<1x?x2x72xbf16>
}

// -----

// Sequences: a block looks for its own, and its views begin and end there.
// CHECK-LABEL: func.func @sequences(
// CHECK-SAME: #tile.parameter<pointer "q_starts", dtype = "i32"
// CHECK-SAME: %[[STARTS:[a-z0-9]+]]: i32 {tile.parameter = #tile.parameter<dimension "starts">}
// CHECK-SAME: grid = ["ceildiv(Sq, 16) + starts - 1", "2", "1"]
// CHECK: %[[BLOCK:.+]] = tile.program_id 0
// CHECK: %[[FOUND:.+]]:3 = scf.for %[[INDEX:.+]] = {{.*}} iter_args(%[[BEFORE:.+]] = %{{.+}}, %[[SEQUENCE:.+]] = %{{.+}}, %[[TILE:.+]] = %{{.+}})
// CHECK: %[[OWN:.+]] = arith.subi %[[BLOCK]], %[[BEFORE]]
// CHECK: %[[HERE:.+]] = arith.cmpi ult, %[[OWN]], %[[TILES:.+]] : i32
// CHECK-DAG: arith.addi %[[BEFORE]], %[[TILES]]
// CHECK-DAG: arith.select %[[HERE]], %[[INDEX]], %[[SEQUENCE]]
// CHECK-DAG: arith.select %[[HERE]], %[[OWN]], %[[TILE]]
// CHECK: %[[EXISTS:.+]] = arith.cmpi sge, %[[FOUND]]#2, %{{.+}} : i32
// CHECK: %[[FIRST:.+]] = tile.read %{{.+}}[%[[FOUND]]#1]
// CHECK: %[[COUNT:.+]] = arith.select %[[EXISTS]], %{{.+}}, %{{.+}} : i32
// CHECK: tile.view %{{.+}} sizes(%{{.+}}) : <?x16xf16, strides = [32, 1], align = 16>
func.func @sequences(%q: tensor<1x?x2x16xf16>, %starts: tensor<?xi32>) -> tensor<1x?x2x16xf16> {
  %o = nn.attention %q, %q, %q sequences %starts, %starts : tensor<?xi32>, tensor<?xi32> scale 0.25 {schedule = #tile.schedule<"attention", {tile_q = 16, tile_k = 32, warps = 1, stages = 2}>} : tensor<1x?x2x16xf16>, tensor<1x?x2x16xf16>, tensor<1x?x2x16xf16> -> tensor<1x?x2x16xf16>
  return %o : tensor<1x?x2x16xf16>
}

// -----

// A region is inlined on tiles: what depends on the head alone stays a scalar, on the key
// alone a row.
// CHECK-LABEL: func.func @regions(
// CHECK: scf.for
// CHECK: %[[SCALED:.+]] = arith.mulf %{{.+}}, %{{.+}} : tensor<16x32xf32>
// CHECK: %[[SLOPE:.+]] = tile.read {{.*}} -> f16
// CHECK: %[[WIDE:.+]] = arith.extf %[[SLOPE]] : f16 to f32
// CHECK: %[[KEY:.+]] = arith.sitofp %{{.+}} : tensor<1x32xi32> to tensor<1x32xf32>
// CHECK: %[[SPREAD:.+]] = tile.splat %[[WIDE]] : f32 -> tensor<1x32xf32>
// CHECK: %[[BIAS:.+]] = arith.mulf %[[SPREAD]], %[[KEY]] : tensor<1x32xf32>
// CHECK: %[[WHOLE:.+]] = tile.broadcast %[[BIAS]] : tensor<1x32xf32> -> tensor<16x32xf32>
// CHECK: arith.addf %[[SCALED]], %[[WHOLE]] : tensor<16x32xf32>
// The mask is tested in every tile.
// CHECK-NOT: scf.if
// CHECK: tile.load {{.*}} -> tensor<1x16xi32>
// CHECK: tile.load {{.*}} -> tensor<1x32xi32>
// CHECK: arith.cmpi eq, %{{.+}}, %{{.+}} : tensor<16x32xi32>
// CHECK: arith.select
// CHECK: } {tile.stages = 2 : i32}
func.func @regions(%q: tensor<2x64x4x16xf16>, %slopes: tensor<4xf16>, %documents: tensor<2x64xi32>) -> tensor<2x64x4x16xf16> {
  %o = nn.attention %q, %q, %q reads %slopes, %documents : tensor<4xf16>, tensor<2x64xi32> scale 0.5 {schedule = #tile.schedule<"attention", {tile_q = 16, tile_k = 32, warps = 1, stages = 2}>} : tensor<2x64x4x16xf16>, tensor<2x64x4x16xf16>, tensor<2x64x4x16xf16> -> tensor<2x64x4x16xf16> score {
  ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
    %slope = nn.element 0[%h] : f32
    %key = arith.sitofp %j : i32 to f32
    %bias = arith.mulf %slope, %key : f32
    %r = arith.addf %s, %bias : f32
    nn.yield %r : f32
  } mask {
  ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
    %a = nn.element 1[%b, %i] : i32
    %c = nn.element 1[%b, %j] : i32
    %same = arith.cmpi eq, %a, %c : i32
    nn.yield %same : i1
  }
  return %o : tensor<2x64x4x16xf16>
}

// -----

// Values that are columns of k: one pointer, one load of a tile, of which both products take
// slices, those of the values 64 columns wide.
// CHECK-LABEL: func.func @columns(
// CHECK-SAME: pointer "k"
// CHECK-NOT: pointer "v"
// CHECK: tile.load {{.*}} -> tensor<16x192xf16>
// CHECK: scf.for
// CHECK: %[[KEYS:.+]] = tile.load {{.*}} -> tensor<16x192xf16>
// CHECK-NOT: tile.load
// CHECK-COUNT-12: tile.dot {{.*}} -> tensor<16x16xf32>
// CHECK: tile.slice %[[KEYS]] [0, 0] : tensor<16x192xf16> -> tensor<16x64xf16>
// CHECK: tile.dot {{.*}} -> tensor<16x64xf32>
// CHECK: tile.slice %[[KEYS]] [0, 64] : tensor<16x192xf16> -> tensor<16x64xf16>
// CHECK: tile.dot {{.*}} -> tensor<16x64xf32>
func.func @columns(%q: tensor<1x?x2x192xf16>, %k: tensor<1x?x1x192xf16>) -> tensor<1x?x2x128xf16> {
  %o = nn.attention %q, %k, %k scale 0.25 {schedule = #tile.schedule<"attention", {tile_q = 16, tile_k = 16, warps = 1, stages = 2}>} : tensor<1x?x2x192xf16>, tensor<1x?x1x192xf16>, tensor<1x?x1x192xf16> -> tensor<1x?x2x128xf16>
  return %o : tensor<1x?x2x128xf16>
}
