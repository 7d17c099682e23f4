// Functions of f32 become what the hardware approximates; those of other types stay.
// RUN: %tw-opt %s -tw-lower-to-nvvm | FileCheck %s

// CHECK-LABEL: llvm.func @functions(
// CHECK-SAME: %[[X:[^:]+]]: f32,
func.func @functions(%x: f32, %p: !tile.ptr) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  // Without a flag 2^x is LLVM's, subnormal numbers included.
  // CHECK: %[[A:.+]] = llvm.intr.exp2(%[[X]])
  %a = math.exp2 %x : f32
  // CHECK: %[[B:.+]] = llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f32"(%[[A]])
  %b = math.exp2 %a fastmath<afn> : f32
  // CHECK: %[[SCALED:.+]] = llvm.fmul %[[B]], %{{.+}} : f32
  // CHECK: %[[C:.+]] = llvm.intr.exp2(%[[SCALED]])
  %c = math.exp %b : f32
  // CHECK: %[[D:.+]] = llvm.call_intrinsic "llvm.nvvm.lg2.approx.f"(%[[C]])
  %d = math.log2 %c : f32
  // CHECK: %[[LOG:.+]] = llvm.call_intrinsic "llvm.nvvm.lg2.approx.f"(%[[D]])
  // CHECK: %[[E:.+]] = llvm.fmul %[[LOG]], %{{.+}} : f32
  %e = math.log %d : f32
  // CHECK: llvm.inline_asm "tanh.approx.f32 $0, $1;", "=f,f" %[[E]]
  %f = math.tanh %e fastmath<afn> : f32
  // A series for small numbers, a quotient of powers for others.
  // CHECK: llvm.call_intrinsic "llvm.nvvm.rcp.approx.ftz.f"
  // CHECK: llvm.intr.copysign
  // CHECK: llvm.select
  %g = math.tanh %f : f32
  %t = tile.splat %g : f32 -> tensor<32xf32, #tilegpu.layout<blocked 1, shape = [32], warps = [1]>>
  %c0 = arith.constant 0 : i32
  %v = tile.view %p : !tile.view<32xf32, strides = [1], align = 4>
  tile.store %t, %v[%c0] : tensor<32xf32, #tilegpu.layout<blocked 1, shape = [32], warps = [1]>>, !tile.view<32xf32, strides = [1], align = 4>
  return
}
