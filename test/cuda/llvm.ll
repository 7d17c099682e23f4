; What LLVM 22 makes of calls, byval arguments, switches, local, shared and
; constant memory. The PTX beside it is what the tests run; make it again with
;   llc -mcpu=sm_80 -mattr=+ptx80 llvm.ll -o llvm.ptx
target triple = "nvptx64-nvidia-cuda"
target datalayout = "e-p6:32:32-i64:64-i128:128-i256:256-v16:16-v32:32-n16:32:64"
@smem = external addrspace(3) global [0 x i8], align 16
@table = internal addrspace(4) constant [4 x float] [float 1.0, float 2.0, float 3.0, float 4.0]
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
define internal float @helper(ptr byval([4 x float]) %p, i32 %i) noinline { %a = getelementptr float, ptr %p, i32 %i
 %v = load volatile float, ptr %a
 ret float %v }
define ptx_kernel void @k(ptr addrspace(1) align 16 %out, i32 %n) {
 %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
 %buf = alloca [4 x float]
 %i = and i32 %t, 3
 %g = getelementptr [4 x float], ptr addrspace(4) @table, i32 0, i32 %i
 %x = load float, ptr addrspace(4) %g
 %b = getelementptr [4 x float], ptr %buf, i32 0, i32 %i
 store volatile float %x, ptr %b
 %h = call float @helper(ptr byval([4 x float]) %buf, i32 %i)
 %s = getelementptr float, ptr addrspace(3) @smem, i32 %t
 store float %h, ptr addrspace(3) %s
 call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
 %t2 = xor i32 %t, 4
 %s2 = getelementptr float, ptr addrspace(3) @smem, i32 %t2
 %y = load float, ptr addrspace(3) %s2
 %vec = insertelement <2 x bfloat> zeroinitializer, bfloat 0xR3F80, i32 0
 switch i32 %i, label %d [ i32 0, label %a
 i32 1, label %bb
 i32 2, label %c
 i32 3, label %e]
a: br label %end
bb: br label %end
c: br label %end
e: br label %end
d: br label %end
end: %ph = phi float [10.0,%a],[20.0,%bb],[30.0,%c],[40.0,%e],[0.0,%d]
 %z = fadd float %y, %ph
 %o = getelementptr float, ptr addrspace(1) %out, i32 %t
 store float %z, ptr addrspace(1) %o
 ret void }
