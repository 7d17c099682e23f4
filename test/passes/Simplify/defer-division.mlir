// The division of a running mean leaves its loop.
// RUN: %tw-opt %s -tw-defer-division -split-input-file | FileCheck %s

// The mean times its weight is the sum, which the loop carries instead; a sum that
// starts from zero needs no product before the loop. A loop without a turn returns
// the mean it was given.
// CHECK-LABEL: func.func @online_softmax(
// CHECK-SAME: %[[P:.+]]: tensor<64x16xf16>, %[[V:.+]]: tensor<16x32xf16>, %[[COUNT:.+]]: tensor<64x1xf32>, %[[N:.+]]: i32
// CHECK: %[[ZERO:.+]] = arith.constant dense<0.000000e+00> : tensor<64x32xf32>
// CHECK: %[[R:.+]]:2 = scf.for {{.*}} iter_args(%[[L:.+]] = %{{.+}}, %[[U:.+]] = %[[ZERO]])
// CHECK-NOT: arith.divf
// CHECK: %[[ALPHAS:.+]] = tile.broadcast %[[COUNT]]
// CHECK: %[[SCALED:.+]] = arith.mulf %[[U]], %[[ALPHAS]]
// CHECK: %[[NEXT:.+]] = tile.dot %[[P]], %[[V]], %[[SCALED]]
// CHECK: scf.yield %{{.+}}, %[[NEXT]]
// CHECK: %[[WEIGHTS:.+]] = tile.broadcast %[[R]]#0
// CHECK: %[[MEAN:.+]] = arith.divf %[[R]]#1, %[[WEIGHTS]] fastmath<reassoc>
// CHECK: %[[TURNS:.+]] = arith.cmpi slt, %{{.+}}, %[[N]]
// CHECK: %[[O:.+]] = arith.select %[[TURNS]], %[[MEAN]], %[[ZERO]]
// CHECK: return %[[O]]
func.func @online_softmax(%p: tensor<64x16xf16>, %v: tensor<16x32xf16>, %count: tensor<64x1xf32>, %n: i32) -> tensor<64x32xf32> {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %l0 = arith.constant dense<0.0> : tensor<64x1xf32>
  %o0 = arith.constant dense<0.0> : tensor<64x32xf32>
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%l = %l0, %o = %o0) -> (tensor<64x1xf32>, tensor<64x32xf32>) : i32 {
    %weights = tile.broadcast %l : tensor<64x1xf32> -> tensor<64x32xf32>
    %old = arith.mulf %o, %weights : tensor<64x32xf32>
    %alphas = tile.broadcast %count : tensor<64x1xf32> -> tensor<64x32xf32>
    %sum = arith.mulf %old, %alphas : tensor<64x32xf32>
    %next = tile.dot %p, %v, %sum : tensor<64x16xf16>, tensor<16x32xf16> -> tensor<64x32xf32>
    %scaled = arith.mulf %l, %count : tensor<64x1xf32>
    %lNext = arith.addf %scaled, %count : tensor<64x1xf32>
    %lNexts = tile.broadcast %lNext : tensor<64x1xf32> -> tensor<64x32xf32>
    %oNext = arith.divf %next, %lNexts fastmath<reassoc> : tensor<64x32xf32>
    scf.yield %lNext, %oNext : tensor<64x1xf32>, tensor<64x32xf32>
  }
  return %r#1 : tensor<64x32xf32>
}

// -----

// A mean that is known before the loop starts as a sum; weights need no broadcast.
// CHECK-LABEL: func.func @mean(
// CHECK-SAME: %[[X:.+]]: tensor<64xf32>, %[[O0:.+]]: tensor<64xf32>, %[[L0:.+]]: tensor<64xf32>,
// CHECK: %[[U0:.+]] = arith.mulf %[[O0]], %[[L0]] fastmath<reassoc>
// CHECK: %[[R:.+]]:2 = scf.for {{.*}} iter_args(%{{.+}} = %[[L0]], %[[U:.+]] = %[[U0]])
// CHECK: arith.addf %[[U]], %[[X]]
// CHECK-NOT: arith.divf
// CHECK: scf.yield
// CHECK: arith.divf %[[R]]#1, %[[R]]#0 fastmath<reassoc>
// CHECK: arith.select %{{.+}}, %{{.+}}, %[[O0]]
func.func @mean(%x: tensor<64xf32>, %o0: tensor<64xf32>, %l0: tensor<64xf32>, %n: i32) -> tensor<64xf32> {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %one = arith.constant dense<1.0> : tensor<64xf32>
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%l = %l0, %o = %o0) -> (tensor<64xf32>, tensor<64xf32>) : i32 {
    %old = arith.mulf %l, %o : tensor<64xf32>
    %sum = arith.addf %old, %x : tensor<64xf32>
    %lNext = arith.addf %l, %one : tensor<64xf32>
    %oNext = arith.divf %sum, %lNext fastmath<reassoc> : tensor<64xf32>
    scf.yield %lNext, %oNext : tensor<64xf32>, tensor<64xf32>
  }
  return %r#1 : tensor<64xf32>
}

// -----

// Without leave to round elsewhere the division stays.
// CHECK-LABEL: func.func @exact(
// CHECK: scf.for
// CHECK: arith.divf
// CHECK: scf.yield
// CHECK-NOT: arith.divf
func.func @exact(%x: tensor<64xf32>, %o0: tensor<64xf32>, %l0: tensor<64xf32>, %n: i32) -> tensor<64xf32> {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%l = %l0, %o = %o0) -> (tensor<64xf32>, tensor<64xf32>) : i32 {
    %old = arith.mulf %l, %o : tensor<64xf32>
    %sum = arith.addf %old, %x : tensor<64xf32>
    %lNext = arith.addf %l, %x : tensor<64xf32>
    %oNext = arith.divf %sum, %lNext : tensor<64xf32>
    scf.yield %lNext, %oNext : tensor<64xf32>, tensor<64xf32>
  }
  return %r#1 : tensor<64xf32>
}

// -----

// A loop that looks at the mean itself keeps it.
// CHECK-LABEL: func.func @observed(
// CHECK: scf.for
// CHECK: arith.divf
// CHECK: scf.yield
// CHECK-NOT: arith.divf
func.func @observed(%x: tensor<64xf32>, %o0: tensor<64xf32>, %l0: tensor<64xf32>, %n: i32) -> tensor<64xf32> {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%l = %l0, %o = %o0) -> (tensor<64xf32>, tensor<64xf32>) : i32 {
    %old = arith.mulf %l, %o : tensor<64xf32>
    %far = arith.subf %x, %o : tensor<64xf32>
    %sum = arith.addf %old, %far : tensor<64xf32>
    %lNext = arith.addf %l, %x : tensor<64xf32>
    %oNext = arith.divf %sum, %lNext fastmath<reassoc> : tensor<64xf32>
    scf.yield %lNext, %oNext : tensor<64xf32>, tensor<64xf32>
  }
  return %r#1 : tensor<64xf32>
}

// -----

// A mean of other weights than it is multiplied by is none.
// CHECK-LABEL: func.func @other_weights(
// CHECK: scf.for
// CHECK: arith.divf
// CHECK: scf.yield
// CHECK-NOT: arith.divf
func.func @other_weights(%x: tensor<64xf32>, %o0: tensor<64xf32>, %l0: tensor<64xf32>, %n: i32) -> tensor<64xf32> {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %r:2 = scf.for %i = %c0 to %n step %c1 iter_args(%l = %l0, %o = %o0) -> (tensor<64xf32>, tensor<64xf32>) : i32 {
    %old = arith.mulf %x, %o : tensor<64xf32>
    %sum = arith.addf %old, %x : tensor<64xf32>
    %lNext = arith.addf %l, %x : tensor<64xf32>
    %oNext = arith.divf %sum, %lNext fastmath<reassoc> : tensor<64xf32>
    scf.yield %lNext, %oNext : tensor<64xf32>, tensor<64xf32>
  }
  return %r#1 : tensor<64xf32>
}
