// Turns of a loop in which a mask holds everywhere lose the mask.
// RUN: %tw-opt %s -tw-split-loops -canonicalize -cse -split-input-file -verify-diagnostics | FileCheck %s

// A causal mask: all keys of a tile are visible up to turn (m - 63 + 64) / 64. The
// first loop needs no mask, the second starts where it ends.
// CHECK-LABEL: func.func @causal(
// CHECK-SAME: %[[S:.+]]: tensor<64x64xf32>, %[[M:.+]]: i32, %[[N:.+]]: i32
// CHECK-DAG: %[[C0:.+]] = arith.constant 0 : i32
// CHECK-DAG: %[[C1:.+]] = arith.constant 1 : i32
// CHECK-DAG: %[[C63:.+]] = arith.constant {{-?}}63 : i32
// CHECK-DAG: %[[C64:.+]] = arith.constant 64 : i32
// CHECK-DAG: %[[BOUND:.+]] = arith.{{.*}} %[[M]], %[[C63]]
// CHECK-DAG: %[[LAST:.+]] = arith.subi %[[N]], %[[C1]]
// CHECK: %[[MOST:.+]] = arith.minsi %[[BOUND]], %[[LAST]]
// CHECK: %[[REACHED:.+]] = arith.addi %[[MOST]], %[[C64]]
// CHECK: %[[POSITIVE:.+]] = arith.maxsi %[[REACHED]], %[[C0]]
// CHECK: %[[TURNS:.+]] = arith.divui %[[POSITIVE]], %[[C64]]
// CHECK: %[[END:.+]] = arith.muli %[[TURNS]], %[[C64]]
// CHECK: %[[SPLIT:.+]] = arith.maxsi %[[END]], %[[C0]]
// CHECK: %[[FULL:.+]] = scf.for %{{.+}} = %[[C0]] to %[[SPLIT]] step %[[C64]]
// CHECK-NOT: arith.select
// CHECK: arith.addf %{{.+}}, %[[S]]
// CHECK: %[[ALL:.+]] = scf.for %[[J:.+]] = %[[SPLIT]] to %[[N]] step %[[C64]] iter_args(%{{.+}} = %[[FULL]])
// CHECK: tile.iota %[[J]] along 1
// CHECK: arith.cmpi sle
// CHECK: arith.select
// CHECK-NOT: tile.split_masks
// CHECK: return %[[ALL]]
func.func @causal(%s: tensor<64x64xf32>, %m: i32, %n: i32) -> tensor<64x64xf32> {
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %hidden = arith.constant dense<-1.0> : tensor<64x64xf32>
  %first = tile.iota %m along 0 : tensor<64x1xi32>
  %queries = tile.broadcast %first : tensor<64x1xi32> -> tensor<64x64xi32>
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %hidden) -> (tensor<64x64xf32>) : i32 {
    %keys = tile.iota %j along 1 : tensor<64x64xi32>
    %visible = arith.cmpi sle, %keys, %queries : tensor<64x64xi32>
    %t = arith.select %visible, %s, %hidden : tensor<64x64xi1>, tensor<64x64xf32>
    %next = arith.addf %acc, %t : tensor<64x64xf32>
    scf.yield %next : tensor<64x64xf32>
  } {tile.split_masks}
  return %r : tensor<64x64xf32>
}

// -----

// A window: keys within 100 to the left of the query, none past it. Three loops;
// turns that see nothing are idle and left out.
// CHECK-LABEL: func.func @window(
// CHECK: scf.for
// CHECK: arith.select
// CHECK: scf.for
// CHECK-NOT: arith.select
// CHECK: scf.for
// CHECK: arith.select
// CHECK: return
func.func @window(%s: tensor<64x64xf32>, %m: i32, %n: i32) -> tensor<64x64xf32> {
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %c100 = arith.constant 100 : i32
  %hidden = arith.constant dense<0.0> : tensor<64x64xf32>
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %hidden) -> (tensor<64x64xf32>) : i32 {
    %queries = tile.iota %m along 0 : tensor<64x64xi32>
    %left = tile.splat %c100 : i32 -> tensor<64x64xi32>
    %from = arith.subi %queries, %left : tensor<64x64xi32>
    %keys = tile.iota %j along 1 : tensor<64x64xi32>
    %past = arith.cmpi sle, %keys, %queries : tensor<64x64xi32>
    %near = arith.cmpi sge, %keys, %from : tensor<64x64xi32>
    %visible = arith.andi %past, %near : tensor<64x64xi1>
    %t = arith.select %visible, %s, %hidden : tensor<64x64xi1>, tensor<64x64xf32>
    %next = arith.addf %acc, %t : tensor<64x64xf32>
    scf.yield %next : tensor<64x64xf32>
  } {tile.split_masks, tile.hidden_turns_are_idle}
  return %r : tensor<64x64xf32>
}

// -----

// An if that masks where the last key of the turn is past the first query: it is
// taken in none of the turns of the first loop, and in all of the second.
// CHECK-LABEL: func.func @branch(
// CHECK: scf.for
// CHECK-NOT: arith.mulf
// CHECK: scf.yield
// CHECK: scf.for
// CHECK: arith.mulf
// CHECK-NOT: scf.if
// CHECK: return
func.func @branch(%s: tensor<64x64xf32>, %masked: tensor<64x64xf32>, %m: i32, %n: i32) -> tensor<64x64xf32> {
  %c0 = arith.constant 0 : i32
  %c63 = arith.constant 63 : i32
  %c64 = arith.constant 64 : i32
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %s) -> (tensor<64x64xf32>) : i32 {
    %last = arith.addi %j, %c63 : i32
    %isPast = arith.cmpi sgt, %last, %m : i32
    %t = scf.if %isPast -> (tensor<64x64xf32>) {
      %product = arith.mulf %s, %masked : tensor<64x64xf32>
      scf.yield %product : tensor<64x64xf32>
    } else {
      scf.yield %s : tensor<64x64xf32>
    }
    %next = arith.addf %acc, %t : tensor<64x64xf32>
    scf.yield %next : tensor<64x64xf32>
  } {tile.split_masks}
  return %r : tensor<64x64xf32>
}

// -----

// A range of full tiles, by number: the if is decided in each of three loops.
// CHECK-LABEL: func.func @range(
// CHECK-COUNT-2: arith.mulf
// CHECK-NOT: arith.mulf
// CHECK-NOT: scf.if
// CHECK: return
func.func @range(%s: tensor<64x64xf32>, %masked: tensor<64x64xf32>, %from: i32, %to: i32, %n: i32) -> tensor<64x64xf32> {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %r = scf.for %tile = %c0 to %n step %c1 iter_args(%acc = %s) -> (tensor<64x64xf32>) : i32 {
    %after = arith.cmpi sge, %tile, %from : i32
    %before = arith.cmpi slt, %tile, %to : i32
    %isFull = arith.andi %after, %before : i1
    %t = scf.if %isFull -> (tensor<64x64xf32>) {
      scf.yield %s : tensor<64x64xf32>
    } else {
      %product = arith.mulf %s, %masked : tensor<64x64xf32>
      scf.yield %product : tensor<64x64xf32>
    }
    %next = arith.addf %acc, %t : tensor<64x64xf32>
    scf.yield %next : tensor<64x64xf32>
  } {tile.split_masks}
  return %r : tensor<64x64xf32>
}

// -----

// A mask that is more than positions stays, in every turn; what is known of it
// still cuts idle turns.
// CHECK-LABEL: func.func @documents(
// CHECK: arith.minsi
// CHECK: scf.for
// CHECK: arith.select
// CHECK-NOT: scf.for
func.func @documents(%s: tensor<64x64xf32>, %same: tensor<64x64xi1>, %m: i32, %n: i32) -> tensor<64x64xf32> {
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %hidden = arith.constant dense<0.0> : tensor<64x64xf32>
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %hidden) -> (tensor<64x64xf32>) : i32 {
    %queries = tile.iota %m along 0 : tensor<64x64xi32>
    %keys = tile.iota %j along 1 : tensor<64x64xi32>
    %past = arith.cmpi sle, %keys, %queries : tensor<64x64xi32>
    %visible = arith.andi %past, %same : tensor<64x64xi1>
    // expected-remark @+1 {{mask is kept in every turn: a part of it is no comparison of positions}}
    %t = arith.select %visible, %s, %hidden : tensor<64x64xi1>, tensor<64x64xf32>
    %next = arith.addf %acc, %t : tensor<64x64xf32>
    scf.yield %next : tensor<64x64xf32>
  } {tile.split_masks, tile.hidden_turns_are_idle}
  return %r : tensor<64x64xf32>
}

// -----

// A loop that does not ask is left alone.
// CHECK-LABEL: func.func @unasked(
// CHECK-COUNT-1: scf.for
// CHECK-NOT: scf.for
func.func @unasked(%s: tensor<64x64xf32>, %n: i32) -> tensor<64x64xf32> {
  %c0 = arith.constant 0 : i32
  %c64 = arith.constant 64 : i32
  %hidden = arith.constant dense<0.0> : tensor<64x64xf32>
  %ends = tile.splat %n : i32 -> tensor<64x64xi32>
  %r = scf.for %j = %c0 to %n step %c64 iter_args(%acc = %hidden) -> (tensor<64x64xf32>) : i32 {
    %keys = tile.iota %j along 1 : tensor<64x64xi32>
    %exists = arith.cmpi slt, %keys, %ends : tensor<64x64xi32>
    %t = arith.select %exists, %s, %hidden : tensor<64x64xi1>, tensor<64x64xf32>
    %next = arith.addf %acc, %t : tensor<64x64xf32>
    scf.yield %next : tensor<64x64xf32>
  }
  return %r : tensor<64x64xf32>
}
