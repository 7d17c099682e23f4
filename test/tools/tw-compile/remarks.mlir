// A fallback that was taken is a remark: an x of unaligned rows is loaded without
// asynchronous copies.
// RUN: %tw-compile %s 2>&1 >/dev/null | FileCheck %s --check-prefix=STDERR
// RUN: %tw-compile %s --emit metadata 2>/dev/null | FileCheck %s --check-prefix=METADATA

// STDERR: remark: {{.*}}load is not pipelined: 16-byte copies need aligned rows, but only 2-byte accesses are known to be aligned and whole
// METADATA: "remarks": [
// METADATA-NEXT: load is not pipelined
func.func @linear(%x: tensor<?x1024xf16>, %w: !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x256xf16> {
  %y = nn.quant_matmul %x, %w {problem = #nn.problem<dims = [<"M" = ?>], operands = [<"x", strides = [1025, 1], align = 2>]>} : tensor<?x1024xf16>, !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x256xf16>
  return %y : tensor<?x256xf16>
}
