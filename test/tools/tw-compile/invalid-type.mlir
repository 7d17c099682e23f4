// A type error in the file is reported where it stands.
// RUN: not %tw-compile %s 2>&1 | FileCheck %s

// CHECK: invalid-type.mlir:[[@LINE+2]]:8: {{.*}}expects x to have K = 1024 columns like w, but got 'tensor<16x512xf16>'
func.func @linear(%x: tensor<16x512xf16>, %w: !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x256xf16> {
  %y = nn.quant_matmul %x, %w : tensor<16x512xf16>, !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x256xf16>
  return %y : tensor<16x256xf16>
}
