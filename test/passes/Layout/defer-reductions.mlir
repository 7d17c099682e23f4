// Lanes add up a running sum once, after its loop.
// RUN: %tw-opt %s -tw-defer-reductions -split-input-file | FileCheck %s

#acc = #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 1]>
#rows = #tilegpu.layout<register = [[8, 0]], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [], repeat = [1, 1]>

// A lane has two of every eight columns: it adds those eight apart, in registers, and
// carries two sums a row.
// CHECK-LABEL: func.func @decaying(
// CHECK-SAME: %[[P:[^:]+]]: tensor<16x64xf32, {{[^>]+}}>>, %[[A:[^:]+]]: tensor<16x1xf32,
// CHECK: %[[ZEROS:.+]] = arith.constant dense<0.000000e+00> : tensor<16x8xf32, #[[PARTS:.+]]>
// CHECK: %[[U:.+]] = scf.for {{.*}} iter_args(%[[SUM:.+]] = %[[ZEROS]])
// CHECK:   %[[STEPS:.+]] = tile.reshape %[[P]] : {{.*}} -> tensor<16x8x8xf32,
// CHECK:   %[[OWN:.+]] = tile.reduce add %[[STEPS]] along 1 : {{.*}} -> tensor<16x1x8xf32,
// CHECK:   %[[ROW:.+]] = tile.reshape %[[OWN]] : {{.*}} -> tensor<16x8xf32,
// CHECK:   %[[FACTORS:.+]] = tile.broadcast %[[A]] : {{.*}} -> tensor<16x8xf32,
// CHECK:   %[[NEXT:.+]] = math.fma %[[SUM]], %[[FACTORS]], %[[ROW]] : tensor<16x8xf32,
// CHECK-NOT: tile.reduce
// CHECK:   scf.yield %[[NEXT]]
// CHECK: %[[L:.+]] = tile.reduce add %[[U]] along 1 : {{.*}} -> tensor<16x1xf32,
// CHECK: return %[[L]]
func.func @decaying(%p: tensor<16x64xf32, #acc>, %a: tensor<16x1xf32, #rows>, %n: i32) -> tensor<16x1xf32, #rows> {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %zero = arith.constant dense<0.0> : tensor<16x1xf32, #rows>
  %l = scf.for %i = %c0 to %n step %c1 iter_args(%sum = %zero) -> (tensor<16x1xf32, #rows>) : i32 {
    %row = tile.reduce add %p along 1 : tensor<16x64xf32, #acc> -> tensor<16x1xf32, #rows>
    %next = math.fma %sum, %a, %row fastmath<reassoc> : tensor<16x1xf32, #rows>
    scf.yield %next : tensor<16x1xf32, #rows>
  }
  return %l : tensor<16x1xf32, #rows>
}

// -----

#acc = #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 1]>
#rows = #tilegpu.layout<register = [[8, 0]], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [], repeat = [1, 1]>

// A second loop goes on with the parts that the first one left; a sum without a factor.
// CHECK-LABEL: func.func @two_loops(
// CHECK: %[[FIRST:.+]] = scf.for
// CHECK:   arith.addf %{{.+}}, %{{.+}} : tensor<16x8xf32,
// CHECK: %[[SECOND:.+]] = scf.for {{.*}} iter_args(%{{.+}} = %[[FIRST]])
// CHECK:   arith.addf %{{.+}}, %{{.+}} : tensor<16x8xf32,
// CHECK: %[[L:.+]] = tile.reduce add %[[SECOND]] along 1
// CHECK: return %[[L]]
func.func @two_loops(%p: tensor<16x64xf32, #acc>, %n: i32) -> tensor<16x1xf32, #rows> {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %zero = arith.constant dense<0.0> : tensor<16x1xf32, #rows>
  %l = scf.for %i = %c0 to %n step %c1 iter_args(%sum = %zero) -> (tensor<16x1xf32, #rows>) : i32 {
    %row = tile.reduce add %p along 1 : tensor<16x64xf32, #acc> -> tensor<16x1xf32, #rows>
    %next = arith.addf %sum, %row fastmath<reassoc> : tensor<16x1xf32, #rows>
    scf.yield %next : tensor<16x1xf32, #rows>
  }
  %m = scf.for %i = %c0 to %n step %c1 iter_args(%sum = %l) -> (tensor<16x1xf32, #rows>) : i32 {
    %row = tile.reduce add %p along 1 : tensor<16x64xf32, #acc> -> tensor<16x1xf32, #rows>
    %next = arith.addf %row, %sum fastmath<reassoc> : tensor<16x1xf32, #rows>
    scf.yield %next : tensor<16x1xf32, #rows>
  }
  return %m : tensor<16x1xf32, #rows>
}

// -----

#acc = #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 1]>
#rows = #tilegpu.layout<register = [[8, 0]], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [], repeat = [1, 1]>

// The order of additions is not ours to change; a sum that starts from a number is whole.
// CHECK-LABEL: func.func @kept(
// CHECK: scf.for
// CHECK-COUNT-4: tile.reduce {{.*}} -> tensor<16x1xf32,
// CHECK-NOT: tile.reduce
func.func @kept(%p: tensor<16x64xf32, #acc>, %l0: tensor<16x1xf32, #rows>, %n: i32) -> tensor<16x1xf32, #rows> {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %zero = arith.constant dense<0.0> : tensor<16x1xf32, #rows>
  %r:4 = scf.for %i = %c0 to %n step %c1 iter_args(%exact = %zero, %started = %l0, %most = %zero, %seen = %zero) -> (tensor<16x1xf32, #rows>, tensor<16x1xf32, #rows>, tensor<16x1xf32, #rows>, tensor<16x1xf32, #rows>) : i32 {
    %a = tile.reduce add %p along 1 : tensor<16x64xf32, #acc> -> tensor<16x1xf32, #rows>
    %exactNext = arith.addf %exact, %a : tensor<16x1xf32, #rows>
    %b = tile.reduce add %p along 1 : tensor<16x64xf32, #acc> -> tensor<16x1xf32, #rows>
    %startedNext = arith.addf %started, %b fastmath<reassoc> : tensor<16x1xf32, #rows>
    // An extremum is compared with in every turn.
    %c = tile.reduce max %p along 1 : tensor<16x64xf32, #acc> -> tensor<16x1xf32, #rows>
    %mostNext = arith.addf %most, %c fastmath<reassoc> : tensor<16x1xf32, #rows>
    // The sum so far is used in the loop.
    %d = tile.reduce add %p along 1 : tensor<16x64xf32, #acc> -> tensor<16x1xf32, #rows>
    %seenNext = math.fma %seen, %seen, %d fastmath<reassoc> : tensor<16x1xf32, #rows>
    scf.yield %exactNext, %startedNext, %mostNext, %seenNext : tensor<16x1xf32, #rows>, tensor<16x1xf32, #rows>, tensor<16x1xf32, #rows>, tensor<16x1xf32, #rows>
  }
  return %r#0 : tensor<16x1xf32, #rows>
}

// -----

#acc = #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 2]>
#rows = #tilegpu.layout<register = [[8, 0]], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [[0, 0]], repeat = [1, 1]>

// Warps that share a row meet in every turn.
// CHECK-LABEL: func.func @warps(
// CHECK: scf.for
// CHECK: tile.reduce add %{{.+}} along 1 : {{.*}} -> tensor<16x1xf32,
// CHECK-NOT: tile.reduce
func.func @warps(%p: tensor<16x64xf32, #acc>, %n: i32) -> tensor<16x1xf32, #rows> {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %zero = arith.constant dense<0.0> : tensor<16x1xf32, #rows>
  %l = scf.for %i = %c0 to %n step %c1 iter_args(%sum = %zero) -> (tensor<16x1xf32, #rows>) : i32 {
    %row = tile.reduce add %p along 1 : tensor<16x64xf32, #acc> -> tensor<16x1xf32, #rows>
    %next = arith.addf %sum, %row fastmath<reassoc> : tensor<16x1xf32, #rows>
    scf.yield %next : tensor<16x1xf32, #rows>
  }
  return %l : tensor<16x1xf32, #rows>
}
