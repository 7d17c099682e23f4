// The product assembles for every target, without spills; its main loop is made
// of the same instructions on each.
// REQUIRES: ptxas
//
// RUN: %tw-compile %s --target sm_80 > %t.80.ptx
// RUN: FileCheck %s --input-file %t.80.ptx -DTARGET=sm_80
// RUN: ptxas -arch=sm_80 -v %t.80.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS
//
// RUN: %tw-compile %s --target sm_86 > %t.86.ptx
// RUN: FileCheck %s --input-file %t.86.ptx -DTARGET=sm_86
// RUN: ptxas -arch=sm_86 -v %t.86.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS
//
// RUN: %tw-compile %s --target sm_89 > %t.89.ptx
// RUN: FileCheck %s --input-file %t.89.ptx -DTARGET=sm_89
// RUN: ptxas -arch=sm_89 -v %t.89.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS
//
// RUN: %tw-compile %s --target sm_90a > %t.90a.ptx
// RUN: FileCheck %s --input-file %t.90a.ptx -DTARGET=sm_90a
// RUN: ptxas -arch=sm_90a -v %t.90a.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS
//
// RUN: %tw-compile %s --target sm_100a > %t.100a.ptx
// RUN: FileCheck %s --input-file %t.100a.ptx -DTARGET=sm_100a
// RUN: ptxas -arch=sm_100a -v %t.100a.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS
//
// RUN: %tw-compile %s --target sm_120a > %t.120a.ptx
// RUN: FileCheck %s --input-file %t.120a.ptx -DTARGET=sm_120a
// RUN: ptxas -arch=sm_120a -v %t.120a.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS

// CHECK: .target [[TARGET]]
// CHECK: .visible .entry linear(
// CHECK-NOT: .local
// CHECK-DAG: cp.async.cg.shared.global
// CHECK-DAG: cp.async.wait_group
// CHECK-DAG: ldmatrix.sync.aligned.m8n8.x4
// CHECK-DAG: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK-NOT: .local
// CHECK: ret;

// PTXAS: 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
func.func @linear(%x: tensor<?x1024xf16>, %w: !nn.quantized<1024x1024, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x1024xf16> {
  %y = nn.quant_matmul %x, %w : tensor<?x1024xf16>, !nn.quantized<1024x1024, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x1024xf16>
  return %y : tensor<?x1024xf16>
}
