// Conversions to 8-bit floats: two registers at once where the target has it, else by
// integer arithmetic, and that is said.
// RUN: %tw-opt %s -tw-lower-to-nvvm -split-input-file -verify-diagnostics | FileCheck %s

#three = #tilegpu.layout<register = [], lane = [[1], [2], [4], [8], [16]], warp = [], repeat = [3]>

// The first of two is the lower byte; the last register has nobody beside it.
// CHECK-LABEL: llvm.func @convert(
// CHECK-SAME: %[[A:[^:]+]]: f32, %[[B:[^:]+]]: f32, %[[C:[^:]+]]: f32,
// CHECK: %[[PAIR:.+]] = nvvm.convert.f32x2.to.f8x2 %[[B]], %[[A]] {rnd = #nvvm.fp_rnd_mode<rn>, sat = #nvvm.sat_mode<satfinite>} : i16(f8E4M3FN)
// CHECK: llvm.trunc %[[PAIR]] : i16 to i8
// CHECK: llvm.lshr %[[PAIR]]
// CHECK: nvvm.convert.f32x2.to.f8x2 %[[C]], %[[C]]
// CHECK-NOT: tile.target
module attributes {tile.target = "sm_89"} {
  func.func @convert(%a: tensor<96xf32, #three>, %y: !tile.view<96xf8E4M3FN, strides = [1], align = 16>, %o: i32) {
    %codes = tile.saturate %a : tensor<96xf32, #three> -> tensor<96xf8E4M3FN, #three>
    tile.store %codes, %y[%o] : tensor<96xf8E4M3FN, #three>, !tile.view<96xf8E4M3FN, strides = [1], align = 16>
    return
  }
}

// -----

#one = #tilegpu.layout<register = [], lane = [[1], [2], [4], [8], [16]], warp = [], repeat = [1]>

// e5m2 keeps 2 bits of the mantissa and has 0x7b as its largest number.
// CHECK-LABEL: llvm.func @arithmetic(
// CHECK-SAME: %[[A:[^:]+]]: f32,
// CHECK-NOT: nvvm.convert
// CHECK: %[[BITS:.+]] = llvm.bitcast %[[A]] : f32 to i32
// CHECK: llvm.mlir.constant(123 : i32)
// CHECK: llvm.intr.umin
module attributes {tile.target = "sm_80"} {
  func.func @arithmetic(%a: tensor<32xf32, #one>, %y: !tile.view<32xf8E5M2, strides = [1], align = 16>, %o: i32) {
    // expected-remark @+1 {{rounds to 'f8E5M2' by integer arithmetic: the target has no cvt}}
    %codes = tile.saturate %a : tensor<32xf32, #one> -> tensor<32xf8E5M2, #one>
    tile.store %codes, %y[%o] : tensor<32xf8E5M2, #one>, !tile.view<32xf8E5M2, strides = [1], align = 16>
    return
  }
}

// -----

// expected-error @+1 {{sm_98}}
module attributes {tile.target = "sm_98"} {
}
