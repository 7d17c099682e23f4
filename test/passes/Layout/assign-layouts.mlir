// Every tensor of a kernel gets a layout; products decide first.
// RUN: %tw-opt %s -tw-assign-layouts -split-input-file | FileCheck %s

// A product fixes its operands and its sum; the demand spreads backwards to the
// loads, through the loop that carries the sum, and forwards to the store.
// CHECK-LABEL: func.func @product(
// CHECK: %[[ZERO:.+]] = arith.constant {{.*}} : tensor<16x64xf32, #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 2]>>
// CHECK: %[[SUM:.+]] = scf.for {{.*}} iter_args(%[[ACC:.+]] = %[[ZERO]]) -> (tensor<16x64xf32, #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 2]>>)
// CHECK: %[[A:.+]] = tile.load {{.*}} -> tensor<16x32xf16, #tilegpu.layout<mma_operand 0, shape = [16, 32], warps = [1, 2]>>
// CHECK: %[[B:.+]] = tile.load {{.*}} -> tensor<32x64xf16, #tilegpu.layout<mma_operand 1, shape = [32, 64], warps = [1, 2]>>
// CHECK: %[[NEXT:.+]] = tilegpu.mma %[[A]], %[[B]], %[[ACC]]
// CHECK: scf.yield %[[NEXT]]
// CHECK-NOT: tilegpu.convert_layout
// CHECK: %[[ROUNDED:.+]] = arith.truncf %[[SUM]] : {{.*}} to tensor<16x64xf16, #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 2]>>
// CHECK: tile.store %[[ROUNDED]]
func.func @product(%pa: !tile.ptr, %pb: !tile.ptr, %py: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 2>} {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c4 = arith.constant 4 : i32
  %c32 = arith.constant 32 : i32
  %zero = arith.constant dense<0.0> : tensor<16x64xf32>
  %va = tile.view %pa : !tile.view<16x128xf16, strides = [128, 1], align = 16>
  %vb = tile.view %pb : !tile.view<128x64xf16, strides = [64, 1], align = 16>
  %vy = tile.view %py : !tile.view<16x64xf16, strides = [64, 1], align = 16>
  %sum = scf.for %i = %c0 to %c4 step %c1 iter_args(%acc = %zero) -> (tensor<16x64xf32>) : i32 {
    %k = arith.muli %i, %c32 : i32
    %a = tile.load %va[%c0, %k] : !tile.view<16x128xf16, strides = [128, 1], align = 16> -> tensor<16x32xf16>
    %b = tile.load %vb[%k, %c0] : !tile.view<128x64xf16, strides = [64, 1], align = 16> -> tensor<32x64xf16>
    %next = tile.dot %a, %b, %acc : tensor<16x32xf16>, tensor<32x64xf16> -> tensor<16x64xf32>
    scf.yield %next : tensor<16x64xf32>
  }
  %y = arith.truncf %sum : tensor<16x64xf32> to tensor<16x64xf16>
  tile.store %y, %vy[%c0, %c0] : tensor<16x64xf16>, !tile.view<16x64xf16, strides = [64, 1], align = 16>
  return
}

// -----

// Warps are arranged as the schedule says.
// CHECK-LABEL: func.func @warps_of_schedule(
// CHECK: tilegpu.mma {{.*}} -> tensor<32x64xf32, #tilegpu.layout<mma_accumulator, shape = [32, 64], warps = [2, 2]>>
func.func @warps_of_schedule(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 4>, tile.schedule = #tile.schedule<"quant_matmul", {warps_m = 2, warps_n = 2}>} {
  %c0 = arith.constant 0 : i32
  %a = arith.constant dense<1.0> : tensor<32x16xf16>
  %b = arith.constant dense<1.0> : tensor<16x64xf16>
  %c = arith.constant dense<0.0> : tensor<32x64xf32>
  %v = tile.view %p : !tile.view<32x64xf32, strides = [64, 1], align = 16>
  %y = tile.dot %a, %b, %c : tensor<32x16xf16>, tensor<16x64xf16> -> tensor<32x64xf32>
  tile.store %y, %v[%c0, %c0] : tensor<32x64xf32>, !tile.view<32x64xf32, strides = [64, 1], align = 16>
  return
}

// -----

// A row that is repeated over a sum holds, in each thread, the columns that the
// thread's part of the sum has; rows of lanes replicate. Each step back to the
// load keeps every element where it is.
// CHECK-LABEL: func.func @broadcast_row(
// CHECK: %[[ROW:.+]] = tile.load {{.*}} -> tensor<2x8xf16, #tilegpu.layout<register = {{\[\[}}0, 1]], lane = {{\[\[}}0, 2], [0, 4], [0, 0], [0, 0], [0, 0]], warp = {{\[\[}}1, 0]], repeat = [1, 1]>>
// CHECK: %[[FLAT:.+]] = tile.reshape %[[ROW]] : {{.*}} -> tensor<1x16xf16, #tilegpu.layout<register = {{\[\[}}0, 1]], lane = {{\[\[}}0, 2], [0, 4], [0, 0], [0, 0], [0, 0]], warp = {{\[\[}}0, 8]], repeat = [1, 1]>>
// CHECK: %[[WIDE:.+]] = arith.extf %[[FLAT]]
// CHECK: %[[ROWS:.+]] = tile.broadcast %[[WIDE]] : {{.*}} -> tensor<16x16xf32, #tilegpu.layout<mma_accumulator, shape = [16, 16], warps = [1, 2]>>
// CHECK: arith.mulf %{{.+}}, %[[ROWS]]
func.func @broadcast_row(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 2>} {
  %c0 = arith.constant 0 : i32
  %a = arith.constant dense<1.0> : tensor<16x16xf16>
  %b = arith.constant dense<1.0> : tensor<16x16xf16>
  %c = arith.constant dense<0.0> : tensor<16x16xf32>
  %v = tile.view %p : !tile.view<2x8xf16, strides = [8, 1], align = 16>
  %vy = tile.view %p : !tile.view<16x16xf32, strides = [16, 1], align = 16>
  %sum = tile.dot %a, %b, %c : tensor<16x16xf16>, tensor<16x16xf16> -> tensor<16x16xf32>
  %row = tile.load %v[%c0, %c0] : !tile.view<2x8xf16, strides = [8, 1], align = 16> -> tensor<2x8xf16>
  %flat = tile.reshape %row : tensor<2x8xf16> -> tensor<1x16xf16>
  %wide = arith.extf %flat : tensor<1x16xf16> to tensor<1x16xf32>
  %rows = tile.broadcast %wide : tensor<1x16xf32> -> tensor<16x16xf32>
  %y = arith.mulf %sum, %rows : tensor<16x16xf32>
  tile.store %y, %vy[%c0, %c0] : tensor<16x16xf32>, !tile.view<16x16xf32, strides = [16, 1], align = 16>
  return
}

// -----

// Bytes that are widened beside a tile that is loaded: both take the order of bytes, so
// that a thread reads four neighbours of a row.
// CHECK-LABEL: func.func @widened_beside_loaded(
// CHECK: tile.load {{.*}} -> tensor<16x32xf16, #tilegpu.layout<register = {{\[\[}}0, 1], [0, 2], [8, 0], [0, 16]], lane = {{\[\[}}0, 4], [0, 8], [1, 0], [2, 0], [4, 0]]
// CHECK: tile.load {{.*}} -> tensor<8x32xi8, #tilegpu.layout<register = {{\[\[}}0, 1], [0, 2], [0, 16]], lane = {{\[\[}}0, 4], [0, 8], [1, 0], [2, 0], [4, 0]]
// CHECK: arith.sitofp
// CHECK-NOT: tilegpu.convert_layout
func.func @widened_beside_loaded(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %c = arith.constant dense<0.0> : tensor<16x8xf32>
  %vq = tile.view %p : !tile.view<16x32xf16, strides = [32, 1], align = 16>
  %vk = tile.view %p : !tile.view<8x32xi8, strides = [32, 1], align = 16>
  %vy = tile.view %p : !tile.view<16x8xf32, strides = [8, 1], align = 16>
  %q = tile.load %vq[%c0, %c0] : !tile.view<16x32xf16, strides = [32, 1], align = 16> -> tensor<16x32xf16>
  %codes = tile.load %vk[%c0, %c0] : !tile.view<8x32xi8, strides = [32, 1], align = 16> -> tensor<8x32xi8>
  %k = arith.sitofp %codes : tensor<8x32xi8> to tensor<8x32xf16>
  %t = tile.transpose %k order = [1, 0] : tensor<8x32xf16> -> tensor<32x8xf16>
  %s = tile.dot %q, %t, %c : tensor<16x32xf16>, tensor<32x8xf16> -> tensor<16x8xf32>
  tile.store %s, %vy[%c0, %c0] : tensor<16x8xf32>, !tile.view<16x8xf32, strides = [8, 1], align = 16>
  return
}

// -----

// Packed words lie so that each thread holds those its operand unpacks from.
// CHECK-LABEL: func.func @packed_words(
// CHECK: tile.load {{.*}} -> tensor<2x1x512xi32, #tilegpu.layout<register = {{\[\[}}0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]], lane = {{\[\[}}0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = {{\[\[}}1, 0, 0]], repeat = [1, 1, 1]>>
// CHECK: tile.slice {{.*}} -> tensor<64x64xi4, #tilegpu.layout<mma_operand 1, shape = [64, 64], warps = [1, 2]>>
// CHECK: tile.dequant {{.*}} -> tensor<64x64xf16, #tilegpu.layout<mma_operand 1, shape = [64, 64], warps = [1, 2]>>
func.func @packed_words(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 2>} {
  %c0 = arith.constant 0 : i32
  %a = arith.constant dense<1.0> : tensor<16x64xf16>
  %c = arith.constant dense<0.0> : tensor<16x64xf32>
  %v = tile.view %p : !tile.view<2x1x512xi32, strides = [512, 512, 1], align = 16>
  %vy = tile.view %p : !tile.view<16x64xf32, strides = [64, 1], align = 16>
  %words = tile.load %v[%c0, %c0, %c0] : !tile.view<2x1x512xi32, strides = [512, 512, 1], align = 16> -> tensor<2x1x512xi32>
  %codes = tile.unpack %words : tensor<2x1x512xi32> -> tensor<128x64xi4>
  %part = tile.slice %codes [64, 0] : tensor<128x64xi4> -> tensor<64x64xi4>
  %b = tile.dequant %part bias 0 : tensor<64x64xi4> -> tensor<64x64xf16>
  %y = tile.dot %a, %b, %c : tensor<16x64xf16>, tensor<64x64xf16> -> tensor<16x64xf32>
  tile.store %y, %vy[%c0, %c0] : tensor<16x64xf32>, !tile.view<16x64xf32, strides = [64, 1], align = 16>
  return
}

// -----

// The fields of a word are where the word is: forwards from a load that is blocked,
// the fields of each word are registers of its thread; backwards from zero points,
// a thread has the word of its columns.
// CHECK-LABEL: func.func @fields(
// CHECK: %[[WORDS:.+]] = tile.load {{.*}} -> tensor<1x1x8xi16, #tilegpu.layout<register = {{\[\]}}, lane = {{\[\[}}0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 0, 4]], warp = {{\[\]}}, repeat = [1, 1, 1]>>
// CHECK: tile.fields %[[WORDS]] : {{.*}} -> tensor<1x1x8x4xi8, #tilegpu.layout<register = {{\[\[}}0, 0, 0, 1], [0, 0, 0, 2]], lane = {{\[\[}}0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 2, 0], [0, 0, 4, 0]], warp = {{\[\]}}, repeat = [1, 1, 1, 1]>>
// CHECK-NOT: tilegpu.convert_layout
// CHECK: %[[LOADED:.+]] = tile.load {{.*}} -> tensor<64xi32, #tilegpu.layout<blocked 2, shape = [64], warps = [1]>>
// CHECK: tile.fields %[[LOADED]] : {{.*}} -> tensor<64x2xi16, #tilegpu.layout<register = {{\[\[}}0, 1], [1, 0]], lane = {{\[\[}}2, 0], [4, 0], [8, 0], [16, 0], [32, 0]], warp = {{\[\]}}, repeat = [1, 1]>>
func.func @fields(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %a = arith.constant dense<1.0> : tensor<16x128xf16>
  %c = arith.constant dense<0.0> : tensor<16x32xf32>
  %v = tile.view %p : !tile.view<1x1x512xi32, strides = [512, 512, 1], align = 16>
  %vz = tile.view %p : !tile.view<1x1x8xi16, strides = [8, 8, 1], align = 16>
  %vy = tile.view %p : !tile.view<16x32xf32, strides = [32, 1], align = 16>
  %vl = tile.view %p : !tile.view<64xi32, strides = [1], align = 8>
  %vf = tile.view %p : !tile.view<64x2xi16, strides = [2, 1], align = 4>
  %words = tile.load %v[%c0, %c0, %c0] : !tile.view<1x1x512xi32, strides = [512, 512, 1], align = 16> -> tensor<1x1x512xi32>
  %codes = tile.unpack %words : tensor<1x1x512xi32> -> tensor<128x32xi4>
  %packed = tile.load %vz[%c0, %c0, %c0] : !tile.view<1x1x8xi16, strides = [8, 8, 1], align = 16> -> tensor<1x1x8xi16>
  %zeros = tile.fields %packed : tensor<1x1x8xi16> -> tensor<1x1x8x4xi8>
  %turned = tile.transpose %zeros order = [0, 1, 3, 2] : tensor<1x1x8x4xi8> -> tensor<1x1x4x8xi8>
  %row = tile.reshape %turned : tensor<1x1x4x8xi8> -> tensor<1x32xi8>
  %b = tile.dequant %codes zero %row bias 0 : tensor<128x32xi4>, tensor<1x32xi8> -> tensor<128x32xf16>
  %y = tile.dot %a, %b, %c : tensor<16x128xf16>, tensor<128x32xf16> -> tensor<16x32xf32>
  tile.store %y, %vy[%c0, %c0] : tensor<16x32xf32>, !tile.view<16x32xf32, strides = [32, 1], align = 16>
  %loaded = tile.load %vl[%c0] : !tile.view<64xi32, strides = [1], align = 8> -> tensor<64xi32>
  %halves = tile.fields %loaded : tensor<64xi32> -> tensor<64x2xi16>
  tile.store %halves, %vf[%c0, %c0] : tensor<64x2xi16>, !tile.view<64x2xi16, strides = [2, 1], align = 4>
  return
}

// -----

// What no product reaches is blocked, in accesses as wide as is surely aligned:
// 16 bytes; 4 bytes because of the view's base; 4 because of the offset.
// CHECK-LABEL: func.func @blocked(
// CHECK: tile.load {{.*}} -> tensor<16x64xf32, #tilegpu.layout<blocked 4, shape = [16, 64], warps = [2]>>
// CHECK: tile.load {{.*}} -> tensor<16x64xf32, #tilegpu.layout<blocked 1, shape = [16, 64], warps = [2]>>
// CHECK: tile.load {{.*}} -> tensor<16x64xf32, #tilegpu.layout<blocked 1, shape = [16, 64], warps = [2]>>
func.func @blocked(%p: !tile.ptr, %i: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 2>} {
  %c0 = arith.constant 0 : i32
  %wide = tile.view %p : !tile.view<16x128xf32, strides = [128, 1], align = 16>
  %narrow = tile.view %p : !tile.view<16x128xf32, strides = [128, 1], align = 4>
  %0 = tile.load %wide[%c0, %c0] : !tile.view<16x128xf32, strides = [128, 1], align = 16> -> tensor<16x64xf32>
  %1 = tile.load %narrow[%c0, %c0] : !tile.view<16x128xf32, strides = [128, 1], align = 4> -> tensor<16x64xf32>
  %2 = tile.load %wide[%c0, %i] : !tile.view<16x128xf32, strides = [128, 1], align = 16> -> tensor<16x64xf32>
  tile.store %0, %wide[%c0, %c0] : tensor<16x64xf32>, !tile.view<16x128xf32, strides = [128, 1], align = 16>
  tile.store %1, %wide[%c0, %c0] : tensor<16x64xf32>, !tile.view<16x128xf32, strides = [128, 1], align = 16>
  tile.store %2, %wide[%c0, %c0] : tensor<16x64xf32>, !tile.view<16x128xf32, strides = [128, 1], align = 16>
  return
}

// -----

// Two uses of one tile want different layouts: what is added to the sum of a
// product has the sum's layout, in which each element is held once; a conversion
// serves the product's operand.
// CHECK-LABEL: func.func @conflict(
// CHECK: %[[TILE:.+]] = tile.load {{.*}} -> tensor<16x32xf16, #tilegpu.layout<mma_accumulator, shape = [16, 32], warps = [1, 2]>>
// CHECK: %[[A:.+]] = tilegpu.convert_layout %[[TILE]] : {{.*}} -> tensor<16x32xf16, #tilegpu.layout<mma_operand 0, shape = [16, 32], warps = [1, 2]>>
// CHECK: %[[SUM:.+]] = tilegpu.mma %[[A]]
// CHECK: %[[WIDE:.+]] = arith.extf %[[TILE]]
// CHECK: arith.addf %[[SUM]], %[[WIDE]]
func.func @conflict(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 2>} {
  %c0 = arith.constant 0 : i32
  %b = arith.constant dense<1.0> : tensor<32x32xf16>
  %c = arith.constant dense<0.0> : tensor<16x32xf32>
  %v = tile.view %p : !tile.view<16x32xf16, strides = [32, 1], align = 16>
  %vy = tile.view %p : !tile.view<16x32xf32, strides = [32, 1], align = 16>
  %a = tile.load %v[%c0, %c0] : !tile.view<16x32xf16, strides = [32, 1], align = 16> -> tensor<16x32xf16>
  %sum = tile.dot %a, %b, %c : tensor<16x32xf16>, tensor<32x32xf16> -> tensor<16x32xf32>
  %wide = arith.extf %a : tensor<16x32xf16> to tensor<16x32xf32>
  %y = arith.addf %sum, %wide : tensor<16x32xf32>
  tile.store %y, %vy[%c0, %c0] : tensor<16x32xf32>, !tile.view<16x32xf32, strides = [32, 1], align = 16>
  return
}

// -----

// An operand that 16-byte copies cannot serve is loaded so that it coalesces and
// converted.
// CHECK-LABEL: func.func @unaligned_operand(
// CHECK: %[[ROWS:.+]] = tile.load {{.*}} -> tensor<16x32xf16, #tilegpu.layout<blocked 1, shape = [16, 32], warps = [2]>>
// CHECK: %[[A:.+]] = tilegpu.convert_layout %[[ROWS]] : {{.*}} -> tensor<16x32xf16, #tilegpu.layout<mma_operand 0, shape = [16, 32], warps = [1, 2]>>
// CHECK: tilegpu.mma %[[A]]
func.func @unaligned_operand(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 2>} {
  %c0 = arith.constant 0 : i32
  %b = arith.constant dense<1.0> : tensor<32x16xf16>
  %c = arith.constant dense<0.0> : tensor<16x16xf32>
  %v = tile.view %p : !tile.view<16x33xf16, strides = [33, 1], align = 2>
  %vy = tile.view %p : !tile.view<16x16xf32, strides = [16, 1], align = 16>
  %a = tile.load %v[%c0, %c0] : !tile.view<16x33xf16, strides = [33, 1], align = 2> -> tensor<16x32xf16>
  %y = tile.dot %a, %b, %c : tensor<16x32xf16>, tensor<32x16xf16> -> tensor<16x16xf32>
  tile.store %y, %vy[%c0, %c0] : tensor<16x16xf32>, !tile.view<16x16xf32, strides = [16, 1], align = 16>
  return
}

// -----

// A constant costs nothing to repeat: each use gets its own, in its layout.
// CHECK-LABEL: func.func @constant(
// CHECK-DAG: %[[C:.+]] = arith.constant {{.*}} : tensor<16x16xf32, #tilegpu.layout<mma_accumulator, shape = [16, 16], warps = [1, 1]>>
// CHECK-DAG: %[[STORED:.+]] = arith.constant {{.*}} : tensor<16x16xf32, #tilegpu.layout<blocked
// CHECK-NOT: tilegpu.convert_layout
// CHECK: tile.store %[[STORED]]
func.func @constant(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %a = arith.constant dense<1.0> : tensor<16x16xf16>
  %c = arith.constant dense<0.0> : tensor<16x16xf32>
  %v = tile.view %p : !tile.view<16x16xf32, strides = [16, 1], align = 16>
  %y = tile.dot %a, %a, %c : tensor<16x16xf16>, tensor<16x16xf16> -> tensor<16x16xf32>
  tile.store %y, %v[%c0, %c0] : tensor<16x16xf32>, !tile.view<16x16xf32, strides = [16, 1], align = 16>
  tile.store %c, %v[%c0, %c0] : tensor<16x16xf32>, !tile.view<16x16xf32, strides = [16, 1], align = 16>
  return
}

// -----

// Functions that are not kernels are left alone.
// CHECK-LABEL: func.func @not_a_kernel(
// CHECK: arith.addf %{{.+}}, %{{.+}} : tensor<16x16xf32>
func.func @not_a_kernel(%t: tensor<16x16xf32>) -> tensor<16x16xf32> {
  %0 = arith.addf %t, %t : tensor<16x16xf32>
  return %0 : tensor<16x16xf32>
}

// -----

#rows = #tilegpu.layout<blocked 2, shape = [64], warps = [1]>

// Layouts that somebody has assigned are left alone.
// CHECK-LABEL: func.func @assigned(
// CHECK: tile.load {{.*}} -> tensor<64xf32, #tilegpu.layout<blocked 2, shape = [64], warps = [1]>>
func.func @assigned(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %v = tile.view %p : !tile.view<64xf32, strides = [1], align = 4>
  %t = tile.load %v[%c0] : !tile.view<64xf32, strides = [1], align = 4> -> tensor<64xf32, #rows>
  tile.store %t, %v[%c0] : tensor<64xf32, #rows>, !tile.view<64xf32, strides = [1], align = 4>
  return
}

// -----

// A reduction leaves its result where its source was, and repeats over it at no
// cost; a head of another width has the same rows. Positions are made anew in the
// layout of each use.
// CHECK-LABEL: func.func @online_softmax(
// CHECK-NOT: tilegpu.convert_layout
// CHECK: tile.iota %{{.+}} along 1 : tensor<32x16xi32, #tilegpu.layout<mma_accumulator, shape = [32, 16], warps = [2, 1]>>
// CHECK: tile.reduce max {{.*}} -> tensor<32x1xf32, #tilegpu.layout<register = {{\[\[}}8, 0]], lane = {{\[\[}}0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = {{\[\[}}16, 0]], repeat = [1, 1]>>
// CHECK: tile.iota %{{.+}} along 0 : tensor<32x1xi32, #tilegpu.layout<register = {{\[\[}}8, 0]],
// CHECK: tile.broadcast {{.*}} -> tensor<32x24xf32, #tilegpu.layout<mma_accumulator, shape = [32, 24], warps = [2, 1]>>
// CHECK-NOT: tilegpu.convert_layout
// CHECK: return
func.func @online_softmax(%p: !tile.ptr, %n: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 2>, tile.warps = array<i64: 2, 1>} {
  %c0 = arith.constant 0 : i32
  %q = arith.constant dense<1.0> : tensor<32x16xf16>
  %k = arith.constant dense<1.0> : tensor<16x16xf16>
  %v = arith.constant dense<1.0> : tensor<16x24xf16>
  %s0 = arith.constant dense<0.0> : tensor<32x16xf32>
  %o0 = arith.constant dense<0.0> : tensor<32x24xf32>
  %low = arith.constant dense<-1.0> : tensor<32x16xf32>
  %s = tile.dot %q, %k, %s0 : tensor<32x16xf16>, tensor<16x16xf16> -> tensor<32x16xf32>
  %keys = tile.iota %c0 along 1 : tensor<32x16xi32>
  %ends = tile.splat %n : i32 -> tensor<32x16xi32>
  %isKey = arith.cmpi slt, %keys, %ends : tensor<32x16xi32>
  %visible = arith.select %isKey, %s, %low : tensor<32x16xi1>, tensor<32x16xf32>
  %max = tile.reduce max %visible along 1 : tensor<32x16xf32> -> tensor<32x1xf32>
  %rows = tile.iota %c0 along 0 : tensor<32x1xi32>
  %bias = arith.sitofp %rows : tensor<32x1xi32> to tensor<32x1xf32>
  %shifted = arith.addf %max, %bias : tensor<32x1xf32>
  %scales = tile.broadcast %shifted : tensor<32x1xf32> -> tensor<32x24xf32>
  %o = tile.dot %q, %v, %o0 : tensor<32x16xf16>, tensor<16x24xf16> -> tensor<32x24xf32>
  %y = arith.mulf %o, %scales : tensor<32x24xf32>
  %vy = tile.view %p : !tile.view<32x24xf32, strides = [24, 1], align = 16>
  tile.store %y, %vy[%c0, %c0] : tensor<32x24xf32>, !tile.view<32x24xf32, strides = [24, 1], align = 16>
  return
}

// -----

// Where the users of a reduction agree on other rows, the result is converted, not
// the source.
// CHECK-LABEL: func.func @converted_reduction(
// CHECK: %[[MAX:.+]] = tile.reduce max %{{.+}} along 0
// CHECK: tilegpu.convert_layout %[[MAX]] : tensor<1x16xf32,
func.func @converted_reduction(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %a = arith.constant dense<1.0> : tensor<16x16xf16>
  %c = arith.constant dense<0.0> : tensor<16x16xf32>
  %v = tile.view %p : !tile.view<32x16xf32, strides = [16, 1], align = 16>
  %t = tile.load %v[%c0, %c0] : !tile.view<32x16xf32, strides = [16, 1], align = 16> -> tensor<32x16xf32>
  %max = tile.reduce max %t along 0 : tensor<32x16xf32> -> tensor<1x16xf32>
  %maxes = tile.broadcast %max : tensor<1x16xf32> -> tensor<16x16xf32>
  %s = tile.dot %a, %a, %c : tensor<16x16xf16>, tensor<16x16xf16> -> tensor<16x16xf32>
  %y = arith.mulf %s, %maxes : tensor<16x16xf32>
  tile.store %y, %v[%c0, %c0] : tensor<16x16xf32>, !tile.view<32x16xf32, strides = [16, 1], align = 16>
  return
}

// -----

// The indices of gathered rows are where the rows are read: those of operand B,
// repeated over lanes that hold other columns. A gather of an operand that 16-byte
// accesses cannot serve keeps the layout that coalesces it.
// CHECK-LABEL: func.func @gather(
// CHECK: %[[ROWS:.+]] = tile.load {{.*}} -> tensor<16x1xi32, #tilegpu.layout<register = {{\[\[}}1, 0], [8, 0]], lane = {{\[\[}}2, 0], [4, 0], [0, 0], [0, 0], [0, 0]], warp = [], repeat = [1, 1]>>
// CHECK: tile.gather %{{.+}}[%[[ROWS]], {{.*}} -> tensor<16x8xf16, #tilegpu.layout<mma_operand 1, shape = [16, 8], warps = [1, 1]>>
// CHECK: tile.gather {{.*}} -> tensor<16x8xf16, #tilegpu.layout<blocked 1,
func.func @gather(%p: !tile.ptr, %n: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %a = arith.constant dense<1.0> : tensor<16x16xf16>
  %c = arith.constant dense<0.0> : tensor<16x8xf32>
  %t = tile.view %p : !tile.view<16x1xi32, strides = [1, 1], align = 4>
  %fine = tile.view %p sizes(%n) : !tile.view<?x8xf16, strides = [8, 1], align = 16>
  %odd = tile.view %p sizes(%n) : !tile.view<?x8xf16, strides = [9, 1], align = 2>
  %vy = tile.view %p : !tile.view<16x8xf32, strides = [8, 1], align = 16>
  %rows = tile.load %t[%c0, %c0] : !tile.view<16x1xi32, strides = [1, 1], align = 4> -> tensor<16x1xi32>
  %b = tile.gather %fine[%rows, %c0] : !tile.view<?x8xf16, strides = [8, 1], align = 16>, tensor<16x1xi32> -> tensor<16x8xf16>
  %d = tile.gather %odd[%rows, %c0] : !tile.view<?x8xf16, strides = [9, 1], align = 2>, tensor<16x1xi32> -> tensor<16x8xf16>
  %s = tile.dot %a, %b, %c : tensor<16x16xf16>, tensor<16x8xf16> -> tensor<16x8xf32>
  %y = tile.dot %a, %d, %s : tensor<16x16xf16>, tensor<16x8xf16> -> tensor<16x8xf32>
  tile.store %y, %vy[%c0, %c0] : tensor<16x8xf32>, !tile.view<16x8xf32, strides = [8, 1], align = 16>
  return
}

// -----

// Operands that are bytes until they are widened stay where bytes lie, four in a register
// along K; beside an operand of halves they go where those are (which are those of an
// accumulator's, too).
// CHECK-LABEL: func.func @widened(
// CHECK: %[[A:.+]] = arith.extf {{.*}} to tensor<16x32xf16, #tilegpu.layout<register = {{\[\[}}0, 1], [0, 2], [8, 0], [0, 16]], lane = {{\[\[}}0, 4], [0, 8], [1, 0], [2, 0], [4, 0]], warp = {{\[\]}}, repeat = [1, 1]>>
// CHECK: %[[B:.+]] = arith.extf {{.*}} to tensor<32x16xf16, #tilegpu.layout<register = {{\[\[}}1, 0], [2, 0], [16, 0], [0, 8]], lane = {{\[\[}}4, 0], [8, 0], [0, 1], [0, 2], [0, 4]], warp = {{\[\]}}, repeat = [1, 1]>>
// CHECK: tilegpu.mma %[[A]], %[[B]],
// CHECK: %[[HALVES:.+]] = arith.extf {{.*}} to tensor<16x32xf16, #tilegpu.layout<mma_accumulator, shape = [16, 32], warps = [1, 1]>>
// CHECK: tilegpu.mma %[[HALVES]],
func.func @widened(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %c = arith.constant dense<0.0> : tensor<16x16xf32>
  %halves = arith.constant dense<1.0> : tensor<32x16xf16>
  %v = tile.view %p : !tile.view<16x32xf8E4M3FN, strides = [32, 1], align = 16>
  %vy = tile.view %p : !tile.view<16x16xf32, strides = [16, 1], align = 16>
  %x = tile.load %v[%c0, %c0] : !tile.view<16x32xf8E4M3FN, strides = [32, 1], align = 16> -> tensor<16x32xf8E4M3FN>
  %w = tile.load %v[%c0, %c0] : !tile.view<16x32xf8E4M3FN, strides = [32, 1], align = 16> -> tensor<16x32xf8E4M3FN>
  %turned = tile.transpose %w order = [1, 0] : tensor<16x32xf8E4M3FN> -> tensor<32x16xf8E4M3FN>
  %a = arith.extf %x : tensor<16x32xf8E4M3FN> to tensor<16x32xf16>
  %b = arith.extf %turned : tensor<32x16xf8E4M3FN> to tensor<32x16xf16>
  %y = tile.dot %a, %b, %c : tensor<16x32xf16>, tensor<32x16xf16> -> tensor<16x16xf32>
  %z = tile.load %v[%c0, %c0] : !tile.view<16x32xf8E4M3FN, strides = [32, 1], align = 16> -> tensor<16x32xf8E4M3FN>
  %d = arith.extf %z : tensor<16x32xf8E4M3FN> to tensor<16x32xf16>
  %more = tile.dot %d, %halves, %y : tensor<16x32xf16>, tensor<32x16xf16> -> tensor<16x16xf32>
  tile.store %more, %vy[%c0, %c0] : tensor<16x16xf32>, !tile.view<16x16xf32, strides = [16, 1], align = 16>
  return
}

// -----

// Words are where they are loaded for products, codes where operands are; bytes come from
// memory as wide as they can and are converted.
// CHECK-LABEL: func.func @pack(
// CHECK: %[[CODES:.+]] = tile.load {{.*}} -> tensor<128x64xi8, #tilegpu.layout<blocked 16, shape = [128, 64], warps = [2]>>
// CHECK: %[[MOVED:.+]] = tilegpu.convert_layout %[[CODES]] : {{.*}} -> tensor<128x64xi8, #tilegpu.layout<mma_operand 1, shape = [128, 64], warps = [1, 2]>>
// CHECK: tile.pack %[[MOVED]] bits 1 : {{.*}} -> tensor<2x1x128xi32, #tilegpu.layout<blocked 4, shape = [2, 1, 128], warps = [2]>>
func.func @pack(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 2>, tile.warps = array<i64: 1, 2>} {
  %c0 = arith.constant 0 : i32
  %v = tile.view %p : !tile.view<128x64xi8, strides = [64, 1], align = 16>
  %vy = tile.view %p : !tile.view<2x1x128xi32, strides = [128, 128, 1], align = 16>
  %codes = tile.load %v[%c0, %c0] : !tile.view<128x64xi8, strides = [64, 1], align = 16> -> tensor<128x64xi8>
  %w = tile.pack %codes bits 1 : tensor<128x64xi8> -> tensor<2x1x128xi32>
  tile.store %w, %vy[%c0, %c0, %c0] : tensor<2x1x128xi32>, !tile.view<2x1x128xi32, strides = [128, 128, 1], align = 16>
  return
}

// -----

// Rows along K are converted as they lie, then transposed by name.
// CHECK-LABEL: func.func @pack_rows_along_k(
// CHECK: %[[CODES:.+]] = tile.load {{.*}} -> tensor<32x128xi8, #tilegpu.layout<blocked 16, shape = [32, 128], warps = [1]>>
// CHECK: %[[MOVED:.+]] = tilegpu.convert_layout %[[CODES]]
// CHECK: %[[TURNED:.+]] = tile.transpose %[[MOVED]] order = [1, 0] : {{.*}} -> tensor<128x32xi8, #tilegpu.layout<mma_operand 1, shape = [128, 32], warps = [1, 1]>>
// CHECK: tile.pack %[[TURNED]]
func.func @pack_rows_along_k(%p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %c0 = arith.constant 0 : i32
  %v = tile.view %p : !tile.view<32x128xi8, strides = [128, 1], align = 16>
  %vy = tile.view %p : !tile.view<1x1x128xi32, strides = [128, 128, 1], align = 16>
  %rows = tile.load %v[%c0, %c0] : !tile.view<32x128xi8, strides = [128, 1], align = 16> -> tensor<32x128xi8>
  %codes = tile.transpose %rows order = [1, 0] : tensor<32x128xi8> -> tensor<128x32xi8>
  %w = tile.pack %codes bits 1 : tensor<128x32xi8> -> tensor<1x1x128xi32>
  tile.store %w, %vy[%c0, %c0, %c0] : tensor<1x1x128xi32>, !tile.view<1x1x128xi32, strides = [128, 128, 1], align = 16>
  return
}
