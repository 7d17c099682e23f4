// nn.quant_matmul survives printing and parsing, with and without its options.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// The least one can say: activations and packed weights.
// CHECK-LABEL: func.func @least(
// CHECK-SAME: %[[X:.+]]: tensor<16x384xf16>, %[[W:.+]]: !nn.quantized<384x1536, #nn.qformat<u4, group = 128, scale = f16>>
// CHECK: nn.quant_matmul %[[X]], %[[W]] : tensor<16x384xf16>, <384x1536, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x1536xf16>
func.func @least(%x: tensor<16x384xf16>, %w: !nn.quantized<384x1536, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x1536xf16> {
  %y = nn.quant_matmul %x, %w : tensor<16x384xf16>, !nn.quantized<384x1536, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x1536xf16>
  return %y : tensor<16x1536xf16>
}

// Rows may be dynamic; bias, activation, problem and schedule are options; the
// result may be wider than the activations.
// CHECK-LABEL: func.func @every_option(
// CHECK-SAME: %[[X:.+]]: tensor<?x384xbf16>, %[[W:.+]]: !nn.quantized<{{.*}}>, %[[BIAS:.+]]: tensor<1536xf32>
// CHECK: nn.quant_matmul %[[X]], %[[W]] bias %[[BIAS]]
// CHECK-SAME: activation = #nn.activation<gelu>
// CHECK-SAME: problem = #nn.problem<dims = [<"M" = ?, divisor = 16>], operands = [<"x", strides = [?, 1], align = 8>], index = 64>
// CHECK-SAME: schedule = #tile.schedule<"quant_matmul", {split_k = 2 : i64, tile_k = 128 : i64}>
// CHECK-SAME: tensor<?x384xbf16>, <384x1536, #nn.qformat<i8, group = channel, scale = bf16, zero = integer>>, tensor<1536xf32> -> tensor<?x1536xf32>
func.func @every_option(%x: tensor<?x384xbf16>, %w: !nn.quantized<384x1536, #nn.qformat<i8, group = channel, scale = bf16, zero = integer>>, %bias: tensor<1536xf32>) -> tensor<?x1536xf32> {
  %y = nn.quant_matmul %x, %w bias %bias {
    activation = #nn.activation<gelu>,
    problem = #nn.problem<dims = [<"M" = ?, divisor = 16>], operands = [<"x", strides = [?, 1], align = 8>], index = 64>,
    schedule = #tile.schedule<"quant_matmul", {split_k = 2, tile_k = 128}>
  } : tensor<?x384xbf16>, !nn.quantized<384x1536, #nn.qformat<i8, group = channel, scale = bf16, zero = integer>>, tensor<1536xf32> -> tensor<?x1536xf32>
  return %y : tensor<?x1536xf32>
}

// What follows the sum: scales of rows and columns, a residual; pairs of columns
// leave half of them.
// CHECK-LABEL: func.func @epilogue(
// CHECK: nn.quant_matmul %{{.+}}, %{{.+}} bias %{{.+}} row_scale %{{.+}} : tensor<?xf32> column_scale %{{.+}} : tensor<64xf32> residual %{{.+}} : tensor<?x32xf16> {activation = #nn.activation<swiglu>}
// CHECK-SAME: tensor<?x384xf16>, <384x64, #nn.qformat<u4, group = 128, scale = f16>>, tensor<64xf16> -> tensor<?x32xf16>
func.func @epilogue(%x: tensor<?x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>, %b: tensor<64xf16>, %rows: tensor<?xf32>, %columns: tensor<64xf32>, %r: tensor<?x32xf16>) -> tensor<?x32xf16> {
  %y = nn.quant_matmul %x, %w bias %b row_scale %rows : tensor<?xf32> column_scale %columns : tensor<64xf32> residual %r : tensor<?x32xf16> {activation = #nn.activation<swiglu>} : tensor<?x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>, tensor<64xf16> -> tensor<?x32xf16>
  return %y : tensor<?x32xf16>
}

// A result of 8 bits, scaled before it is rounded.
// CHECK-LABEL: func.func @float8(
// CHECK: nn.quant_matmul %{{.+}}, %{{.+}} out_scale %{{.+}} : tensor<1xf32> : tensor<?x384xf16>
// CHECK-SAME: -> tensor<?x64xf8E5M2>
func.func @float8(%x: tensor<?x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>, %s: tensor<1xf32>) -> tensor<?x64xf8E5M2> {
  %y = nn.quant_matmul %x, %w out_scale %s : tensor<1xf32> : tensor<?x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x64xf8E5M2>
  return %y : tensor<?x64xf8E5M2>
}

// A batch: three extents, and a bias for each matrix.
// CHECK-LABEL: func.func @batch(
// CHECK: nn.quant_matmul %{{.+}}, %{{.+}} bias %{{.+}} : tensor<8x?x384xf16>, <8x384x64, #nn.qformat<u4, group = 128, scale = f16>>, tensor<8x64xf16> -> tensor<8x?x64xf16>
func.func @batch(%x: tensor<8x?x384xf16>, %w: !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>>, %b: tensor<8x64xf16>) -> tensor<8x?x64xf16> {
  %y = nn.quant_matmul %x, %w bias %b : tensor<8x?x384xf16>, !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>>, tensor<8x64xf16> -> tensor<8x?x64xf16>
  return %y : tensor<8x?x64xf16>
}
