// 8-bit floats as f16: two registers at once where the target has it, else by integer
// arithmetic, and that is said. Fragments of bytes are two products of halves.
// RUN: %tw-opt %s -tw-lower-to-nvvm -split-input-file -verify-diagnostics | FileCheck %s

#three = #tilegpu.layout<register = [], lane = [[1], [2], [4], [8], [16]], warp = [], repeat = [3]>

// The first of two is the lower byte; the last register has nobody beside it.
// CHECK-LABEL: llvm.func @convert(
// CHECK-SAME: %[[A:[^:]+]]: i8, %[[B:[^:]+]]: i8, %[[C:[^:]+]]: i8,
// CHECK: %[[LOW:.+]] = llvm.insertelement %[[A]], %{{.+}}[{{.+}}] : vector<2xi8>
// CHECK: %[[PAIR:.+]] = llvm.insertelement %[[B]], %[[LOW]]
// CHECK: nvvm.convert.f8x2.to.f16x2 %[[PAIR]] : vector<2xi8>(f8E4M3FN) -> vector<2xf16>
// CHECK: llvm.insertelement %[[C]],
// CHECK: llvm.insertelement %[[C]],
// CHECK: nvvm.convert.f8x2.to.f16x2
module attributes {tile.target = "sm_90a"} {
  func.func @convert(%a: tensor<96xf8E4M3FN, #three>, %y: !tile.view<96xf16, strides = [1], align = 16>, %o: i32) {
    %wide = arith.extf %a : tensor<96xf8E4M3FN, #three> to tensor<96xf16, #three>
    tile.store %wide, %y[%o] : tensor<96xf16, #three>, !tile.view<96xf16, strides = [1], align = 16>
    return
  }
}

// -----

#two = #tilegpu.layout<register = [[32]], lane = [[1], [2], [4], [8], [16]], warp = [], repeat = [1]>

// e5m2 is the upper byte of an f16; nothing is left to do.
// CHECK-LABEL: llvm.func @upper_bytes(
// CHECK-NOT: nvvm.convert
// CHECK: %[[PLACED:.+]] = llvm.call_intrinsic "llvm.nvvm.prmt"
// CHECK: %[[PAIR:.+]] = llvm.bitcast %[[PLACED]] : i32 to vector<2xf16>
// CHECK-NOT: llvm.fmul
// CHECK: llvm.extractelement %[[PAIR]]
module attributes {tile.target = "sm_80"} {
  func.func @upper_bytes(%a: tensor<64xf8E5M2, #two>, %y: !tile.view<64xf16, strides = [1], align = 16>, %o: i32) {
    // expected-remark @+1 {{widens 'f8E5M2' by integer arithmetic: the target has no cvt}}
    %wide = arith.extf %a : tensor<64xf8E5M2, #two> to tensor<64xf16, #two>
    tile.store %wide, %y[%o] : tensor<64xf16, #two>, !tile.view<64xf16, strides = [1], align = 16>
    return
  }
}

// -----

#two = #tilegpu.layout<register = [[32]], lane = [[1], [2], [4], [8], [16]], warp = [], repeat = [1]>

// e4m3 is multiplied by 2^8; 0x2000 is the bit that NaN lacks.
// CHECK-LABEL: llvm.func @smaller_bias(
// CHECK: llvm.call_intrinsic "llvm.nvvm.prmt"
// CHECK: llvm.mlir.constant(dense<2.560000e+02> : vector<2xf16>)
// CHECK: %[[PRODUCT:.+]] = llvm.fmul
// CHECK: llvm.or
module attributes {tile.target = "sm_86"} {
  func.func @smaller_bias(%a: tensor<64xf8E4M3FN, #two>, %y: !tile.view<64xf16, strides = [1], align = 16>, %o: i32) {
    // expected-remark @+1 {{widens 'f8E4M3FN' by integer arithmetic: the target has no cvt}}
    %wide = arith.extf %a : tensor<64xf8E4M3FN, #two> to tensor<64xf16, #two>
    tile.store %wide, %y[%o] : tensor<64xf16, #two>, !tile.view<64xf16, strides = [1], align = 16>
    return
  }
}

// -----

#a = #tilegpu.layout<register = [[0, 1], [0, 2], [8, 0], [0, 16]], lane = [[0, 4], [0, 8], [1, 0], [2, 0], [4, 0]], warp = [], repeat = [1, 1]>
#b = #tilegpu.layout<register = [[1, 0], [2, 0], [16, 0]], lane = [[4, 0], [8, 0], [0, 1], [0, 2], [0, 4]], warp = [], repeat = [1, 1]>
#c = #tilegpu.layout<mma_accumulator, shape = [16, 8], warps = [1, 1]>

// The lower two of each four halves, then the upper two.
// CHECK-LABEL: llvm.func @halves_as_bytes(
// CHECK: %[[FIRST:.+]] = nvvm.mma.sync A[{{.+}}] B[{{.+}}] C[{{.+}}] {{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 16>
// CHECK: %[[SUM:.+]] = llvm.extractvalue %[[FIRST]][0]
// CHECK: nvvm.mma.sync A[{{.+}}] B[{{.+}}] C[%[[SUM]], {{.+}}] {{.*}}shape = #nvvm.shape<m = 16, n = 8, k = 16>
// CHECK-NOT: nvvm.mma.sync
func.func @halves_as_bytes(%a: tensor<16x32xf16, #a>, %b: tensor<32x8xf16, #b>, %c: tensor<16x8xf32, #c>, %y: !tile.view<16x8xf32, strides = [8, 1], align = 16>, %o: i32) {
  %next = tilegpu.mma %a, %b, %c : tensor<16x32xf16, #a>, tensor<32x8xf16, #b> -> tensor<16x8xf32, #c>
  tile.store %next, %y[%o, %o] : tensor<16x8xf32, #c>, !tile.view<16x8xf32, strides = [8, 1], align = 16>
  return
}

// -----

#two = #tilegpu.layout<register = [[32]], lane = [[1], [2], [4], [8], [16]], warp = [], repeat = [1]>

// Two integers with their signs inverted below 1024: 0x6400 and the sign's bit, less 1152
// and 1032.
// CHECK-LABEL: llvm.func @integers(
// CHECK: llvm.or
// CHECK: %[[BITS:.+]] = llvm.mlir.constant(1686135936 : i32) : i32
// CHECK: %[[WORD:.+]] = llvm.xor %{{.+}}, %[[BITS]]
// CHECK: llvm.mlir.constant(dense<1.152000e+03> : vector<2xf16>)
// CHECK: %[[PAIR:.+]] = llvm.bitcast %[[WORD]] : i32 to vector<2xf16>
// CHECK: llvm.fsub %[[PAIR]], %{{.+}} : vector<2xf16>
// CHECK: llvm.mlir.constant(dense<1.032000e+03> : vector<2xf16>)
func.func @integers(%a: tensor<64xi8, #two>, %b: tensor<64xi4, #two>, %y: !tile.view<64xf16, strides = [1], align = 16>, %o: i32) {
  %wide = arith.sitofp %a : tensor<64xi8, #two> to tensor<64xf16, #two>
  %wider = arith.sitofp %b : tensor<64xi4, #two> to tensor<64xf16, #two>
  tile.store %wide, %y[%o] : tensor<64xf16, #two>, !tile.view<64xf16, strides = [1], align = 16>
  tile.store %wider, %y[%o] : tensor<64xf16, #two>, !tile.view<64xf16, strides = [1], align = 16>
  return
}
