// Distances beyond what constant indices of the LLVM dialect hold: rows of y lie
// 2^26 bytes apart, and a thread's accumulators are eight rows from each other.
// RUN: %tw-compile %s | FileCheck %s

// CHECK-LABEL: .entry wide(
// CHECK: st.global{{.*}}+536870912]
func.func @wide(%x: tensor<?x128xf16>, %w: !nn.quantized<128x33554432, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x33554432xf16> {
  %y = nn.quant_matmul %x, %w : tensor<?x128xf16>, <128x33554432, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x33554432xf16>
  return %y : tensor<?x33554432xf16>
}
