// nn.append_cache as a tile program.
// RUN: %tw-opt %s -tw-expand-nn -canonicalize -cse -split-input-file | FileCheck %s

// Keys and values behind those of a cache: the position is compared without sign, and
// nothing is stored where there is no row. Caches keep what is not written.
// CHECK-LABEL: func.func @contiguous(
// CHECK-SAME: #tile.parameter<pointer "lengths", dtype = "i32", align = 16>
// CHECK-SAME: #tile.parameter<pointer "k_cache", dtype = "f16", align = 16, updated>
// CHECK-SAME: #tile.parameter<pointer "v_cache", dtype = "f16", align = 16, updated>
// CHECK-SAME: %[[CAPACITY:[^:]+]]: i32 {tile.parameter = #tile.parameter<dimension "C">}
// CHECK-SAME: grid = ["S", "2", "B"], warps = 4
// CHECK: %[[LENGTH:.+]] = tile.read
// CHECK: %[[POSITION:.+]] = arith.addi %[[LENGTH]], %{{.+}} : i32
// CHECK: %[[ROW:.+]] = arith.cmpi ult, %[[POSITION]], %[[CAPACITY]]
// CHECK: scf.if %{{.+}} {
// CHECK: %[[K:.+]] = tile.load %{{.+}} -> tensor<8x128xf16>
// CHECK: scf.if %[[ROW]] {
// CHECK: tile.store %[[K]], %{{.+}} : tensor<8x128xf16>
// CHECK: } else {
// CHECK: %[[V:.+]] = tile.load %{{.+}} -> tensor<8x64xf16>
// CHECK: scf.if %[[ROW]] {
// CHECK: tile.store %[[V]], %{{.+}} : tensor<8x64xf16>
func.func @contiguous(%n: tensor<?xi32>, %k: tensor<?x?x8x128xf16>, %kc: tensor<?x?x8x128xf16>, %v: tensor<?x?x8x64xf16>, %vc: tensor<?x?x8x64xf16>) -> (tensor<?x?x8x128xf16>, tensor<?x?x8x64xf16>) {
  %a, %b = nn.append_cache lengths %n : tensor<?xi32> keys %k into %kc : tensor<?x?x8x128xf16>, tensor<?x?x8x128xf16> values %v into %vc : tensor<?x?x8x64xf16>, tensor<?x?x8x64xf16> {schedule = #tile.schedule<"append_cache", {tile_h = 8, warps = 4}>} -> tensor<?x?x8x128xf16>, tensor<?x?x8x64xf16>
  return %a, %b : tensor<?x?x8x128xf16>, tensor<?x?x8x64xf16>
}

// -----

// Pages: position, entry and page must all exist. Halves are read again with their
// places exchanged; products and their sum are rounded one by one.
// CHECK-LABEL: func.func @pages(
// CHECK-SAME: %[[ENTRIES:[^:]+]]: i32 {tile.parameter = #tile.parameter<dimension "T">}
// CHECK-SAME: %[[POSITIONS:[^:]+]]: i32 {tile.parameter = #tile.parameter<dimension "L">}
// CHECK-SAME: %[[PAGES:[^:]+]]: i32 {tile.parameter = #tile.parameter<dimension "P">}
// CHECK-SAME: %[[SIZE:[^:]+]]: i32 {tile.parameter = #tile.parameter<dimension "Z">}
// CHECK: %[[POSITION:.+]] = arith.addi
// CHECK: %[[ENTRY:.+]] = arith.divui %[[POSITION]], %[[SIZE]]
// CHECK: arith.remui %[[POSITION]], %[[SIZE]]
// CHECK: %[[PAGE:.+]] = tile.read %{{.+}}[%[[ENTRY]]]
// CHECK: arith.cmpi sge, %[[POSITION]]
// CHECK: arith.cmpi ult, %[[ENTRY]], %[[ENTRIES]]
// CHECK: arith.cmpi ult, %[[PAGE]], %[[PAGES]]
// CHECK: tile.load %{{.+}} : <8x2x32xf16, strides = [96, 32, 1], align = 16> -> tensor<4x2x32xf16>
// CHECK: %[[OTHER:.+]] = tile.load %{{.+}} : <8x2x32xf16, strides = [96, -32, 1], align = 16>
// CHECK: %[[SIN:.+]] = arith.select %{{.+}}, %{{.+}}, %{{.+}} : tensor<4x2x32xi1>
// CHECK: tile.load %{{.+}}[%[[POSITION]], %{{.+}}] : <?x32xf32, strides = [32, 1], align = 16> -> tensor<1x32xf32>
// CHECK: %[[A:.+]] = arith.mulf
// CHECK: %[[B:.+]] = arith.mulf %[[SIN]], %{{.+}}
// CHECK: arith.addf %[[A]], %[[B]] : tensor<4x2x32xf32>
// CHECK: tile.load %{{.+}} : <8x32xf16, strides = [96, 1], align = 16> -> tensor<4x32xf16>
// CHECK: scf.if
// CHECK: tile.store %{{.+}} : tensor<4x2x32xf16>
// CHECK: tile.store %{{.+}} : tensor<4x32xf16>
func.func @pages(%n: tensor<?xi32>, %k: tensor<?x?x8x96xf16>, %kc: tensor<?x?x8x96xf16>, %t: tensor<?x?xi32>, %c: tensor<?x32xf32>, %s: tensor<?x32xf32>) -> tensor<?x?x8x96xf16> {
  %a = nn.append_cache lengths %n : tensor<?xi32> keys %k into %kc : tensor<?x?x8x96xf16>, tensor<?x?x8x96xf16> pages %t : tensor<?x?xi32> rotary %c, %s : tensor<?x32xf32>, tensor<?x32xf32> {schedule = #tile.schedule<"append_cache", {tile_h = 4, warps = 2}>} -> tensor<?x?x8x96xf16>
  return %a : tensor<?x?x8x96xf16>
}

// -----

// Queries alone, in pairs: both of a pair are in the thread that reads it.
// CHECK-LABEL: func.func @pairs(
// CHECK-SAME: #tile.parameter<pointer "rotated", dtype = "bf16", align = 16, written>
// CHECK-SAME: grid = ["3", "3", "2"], warps = 1
// CHECK: %[[X:.+]] = tile.load %{{.+}} : <6x48xbf16, strides = [64, 1], align = 16> -> tensor<2x64xbf16>
// CHECK: %[[PAIRS:.+]] = tile.reshape %{{.+}} : tensor<2x64xf32> -> tensor<2x32x2xf32>
// CHECK: tile.slice %[[PAIRS]] [0, 0, 1]
// CHECK: tile.slice %[[PAIRS]] [0, 0, 0]
// CHECK-NOT: scf.if
// CHECK: tile.store %{{.+}} : tensor<2x64xbf16>, <6x48xbf16, strides = [64, 1], align = 16>
func.func @pairs(%n: tensor<2xi32>, %q: tensor<2x3x6x64xbf16>, %c: tensor<?x24xbf16>, %s: tensor<?x24xbf16>) -> tensor<2x3x6x64xbf16> {
  %a = nn.append_cache lengths %n : tensor<2xi32> queries %q : tensor<2x3x6x64xbf16> rotary %c, %s : tensor<?x24xbf16>, tensor<?x24xbf16> interleaved from 16 {schedule = #tile.schedule<"append_cache", {tile_h = 2, warps = 1}>} -> tensor<2x3x6x64xbf16>
  return %a : tensor<2x3x6x64xbf16>
}

// -----

// Integers of 4 bits: the largest number of all segments decides the scale; codes are
// divided by the scale as it is stored, and nothing is divided by zero.
// CHECK-LABEL: func.func @codes(
// CHECK-SAME: #tile.parameter<pointer "k_cache", dtype = "u8", align = 16, updated>
// CHECK-SAME: #tile.parameter<pointer "k_scales", dtype = "f16", align = 16, updated>
// CHECK: tile.reduce max %{{.+}} along 2 : tensor<4x2x16xf32> -> tensor<4x2x1xf32>
// CHECK: tile.reduce max %{{.+}} along 1 : tensor<4x2x1xf32> -> tensor<4x1x1xf32>
// CHECK: tile.reduce max %{{.+}} along 1 : tensor<4x32xf32> -> tensor<4x1xf32>
// CHECK: %[[LARGEST:.+]] = arith.maximumf %{{.+}}, %{{.+}} : tensor<4x1xf32>
// CHECK: %[[WIDE:.+]] = arith.divf %[[LARGEST]], %{{.+}} : tensor<4x1xf32>
// CHECK: %[[SCALES:.+]] = arith.truncf %[[WIDE]] : tensor<4x1xf32> to tensor<4x1xf16>
// CHECK: arith.divf
// CHECK: arith.cmpf oeq
// CHECK: arith.select
// CHECK: math.roundeven
// CHECK: arith.maxnumf
// CHECK: arith.minnumf
// CHECK: arith.fptosi %{{.+}} : tensor<4x2x16xf32> to tensor<4x2x16xi32>
// CHECK: arith.trunci %{{.+}} : tensor<4x2x8xi32> to tensor<4x2x8xi8>
// CHECK: scf.if
// CHECK: tile.store %{{.+}} : tensor<4x2x8xi8>, <4x2x8xi8, strides = [32, 8, 1], align = 16>
// CHECK: tile.store %{{.+}} : tensor<4x16xi8>, <4x16xi8, strides = [32, 1], align = 16>
// CHECK: tile.store %[[SCALES]], %{{.+}} : tensor<4x1xf16>, <4x1xf16, strides = [1, 1], align = 2>
func.func @codes(%n: tensor<?xi32>, %k: tensor<?x?x4x64xf16>, %kc: tensor<?x?x4x32xui8>, %ks: tensor<?x?x4xf16>, %c: tensor<?x16xf32>, %s: tensor<?x16xf32>) -> tensor<?x?x4x32xui8> {
  %a:2 = nn.append_cache lengths %n : tensor<?xi32> keys %k into %kc : tensor<?x?x4x64xf16>, tensor<?x?x4x32xui8> key_scales %ks : tensor<?x?x4xf16> rotary %c, %s : tensor<?x16xf32>, tensor<?x16xf32> {schedule = #tile.schedule<"append_cache", {tile_h = 4, warps = 1}>} -> tensor<?x?x4x32xui8>, tensor<?x?x4xf16>
  return %a#0 : tensor<?x?x4x32xui8>
}
