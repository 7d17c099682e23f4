// Every width of weights and every option of the product assembles without
// spills: formats, groups, zero points, epilogues, strides, and a large M.
// REQUIRES: ptxas
// RUN: split-file %s %t
// RUN: %tw-compile %t/u3.mlir > %t/u3.ptx
// RUN: ptxas -arch=sm_80 -v %t/u3.ptx -o %t/u3.cubin 2>&1 | FileCheck %s
// RUN: %tw-compile %t/i6.mlir > %t/i6.ptx
// RUN: ptxas -arch=sm_80 -v %t/i6.ptx -o %t/i6.cubin 2>&1 | FileCheck %s
// RUN: %tw-compile %t/u8.mlir > %t/u8.ptx
// RUN: ptxas -arch=sm_80 -v %t/u8.ptx -o %t/u8.cubin 2>&1 | FileCheck %s
// RUN: %tw-compile %t/rows.mlir > %t/rows.ptx
// RUN: ptxas -arch=sm_80 -v %t/rows.ptx -o %t/rows.cubin 2>&1 | FileCheck %s
// RUN: %tw-compile %t/strides.mlir > %t/strides.ptx
// RUN: ptxas -arch=sm_80 -v %t/strides.ptx -o %t/strides.cubin 2>&1 | FileCheck %s

// CHECK: 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads

//--- u3.mlir
// Codes that straddle words, zero points, small groups, bf16.
func.func @u3(%x: tensor<?x512xbf16>, %w: !nn.quantized<512x192, #nn.qformat<u3, group = 32, scale = bf16, zero = integer>>) -> tensor<?x192xbf16> {
  %y = nn.quant_matmul %x, %w : tensor<?x512xbf16>, !nn.quantized<512x192, #nn.qformat<u3, group = 32, scale = bf16, zero = integer>> -> tensor<?x192xbf16>
  return %y : tensor<?x192xbf16>
}

//--- i6.mlir
// Signed codes, one scale a column, bias and gelu, N that no tile divides.
func.func @i6(%x: tensor<?x384xf16>, %w: !nn.quantized<384x200, #nn.qformat<i6, group = channel, scale = f16>>, %b: tensor<200xf16>) -> tensor<?x200xf32> {
  %y = nn.quant_matmul %x, %w bias %b {activation = #nn.activation<gelu>} : tensor<?x384xf16>, !nn.quantized<384x200, #nn.qformat<i6, group = channel, scale = f16>>, tensor<200xf16> -> tensor<?x200xf32>
  return %y : tensor<?x200xf32>
}

//--- u8.mlir
// 8 bits as bf16, a short last group.
func.func @u8(%x: tensor<?x400xbf16>, %w: !nn.quantized<400x256, #nn.qformat<u8, group = 128, scale = bf16>>) -> tensor<?x256xbf16> {
  %y = nn.quant_matmul %x, %w {activation = #nn.activation<silu>} : tensor<?x400xbf16>, !nn.quantized<400x256, #nn.qformat<u8, group = 128, scale = bf16>> -> tensor<?x256xbf16>
  return %y : tensor<?x256xbf16>
}

//--- rows.mlir
// Many rows: the largest tiles.
func.func @rows(%x: tensor<2048x1024xf16>, %w: !nn.quantized<1024x4096, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<2048x4096xf16> {
  %y = nn.quant_matmul %x, %w : tensor<2048x1024xf16>, !nn.quantized<1024x4096, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<2048x4096xf16>
  return %y : tensor<2048x4096xf16>
}

//--- strides.mlir
// Rows of x that 16-byte copies cannot serve, strides known at launch.
func.func @strides(%x: tensor<?x512xf16>, %w: !nn.quantized<512x192, #nn.qformat<u4, group = 64, scale = f16>>) -> tensor<?x192xf16> {
  %y = nn.quant_matmul %x, %w {problem = #nn.problem<dims = [<"M" = ?>], operands = [<"x", strides = [?, 1], align = 2>, <"y", strides = [?, 1], align = 2>]>} : tensor<?x512xf16>, !nn.quantized<512x192, #nn.qformat<u4, group = 64, scale = f16>> -> tensor<?x192xf16>
  return %y : tensor<?x192xf16>
}
