// Each constraint of nn.quant_matmul (C1..C12 in its description) is enforced.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// C1: x has rank 2.
func.func @c1_rank_of_x(%x: tensor<1x16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects x to be a rank-2 tensor of f16, bf16, i8, f8E4M3FN or f8E5M2, but got 'tensor<1x16x384xf16>'}}
  %y = nn.quant_matmul %x, %w : tensor<1x16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// C1: x is f16, bf16 or i8.
func.func @c1_type_of_x(%x: tensor<16x384xf32>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects x to be a rank-2 tensor of f16, bf16, i8, f8E4M3FN or f8E5M2, but got 'tensor<16x384xf32>'}}
  %y = nn.quant_matmul %x, %w : tensor<16x384xf32>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// C2: x and w agree on K.
func.func @c2_columns_of_x(%x: tensor<16x256xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects x to have K = 384 columns like w, but got 'tensor<16x256xf16>'}}
  %y = nn.quant_matmul %x, %w : tensor<16x256xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// C2: K is static.
func.func @c2_dynamic_columns_of_x(%x: tensor<16x?xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects x to have K = 384 columns like w, but got 'tensor<16x?xf16>'}}
  %y = nn.quant_matmul %x, %w : tensor<16x?xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// C3: y is a float tensor.
func.func @c3_type_of_y(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xi32> {
  // expected-error @+1 {{expects y to be a rank-2 tensor of f16, bf16, f32, f8E4M3FN or f8E5M2, but got 'tensor<16x64xi32>'}}
  %y = nn.quant_matmul %x, %w : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xi32>
  return %y : tensor<16x64xi32>
}

// -----

// C3: y has the rows of x.
func.func @c3_rows_of_y(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x64xf16> {
  // expected-error @+1 {{expects y to have the rows of x and N = 64 columns, but got 'tensor<?x64xf16>'}}
  %y = nn.quant_matmul %x, %w : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

// C3: y has the columns of w.
func.func @c3_columns_of_y(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x32xf16> {
  // expected-error @+1 {{expects y to have the rows of x and N = 64 columns, but got 'tensor<16x32xf16>'}}
  %y = nn.quant_matmul %x, %w : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x32xf16>
  return %y : tensor<16x32xf16>
}

// -----

// C4: bias has one element a column.
func.func @c4_extent_of_bias(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>, %b: tensor<63xf16>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects bias to be a tensor of 64 f16, bf16 or f32 elements, but got 'tensor<63xf16>'}}
  %y = nn.quant_matmul %x, %w bias %b : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>, tensor<63xf16> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// C4: bias has rank 1.
func.func @c4_rank_of_bias(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>, %b: tensor<1x64xf16>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects bias to be a tensor of 64 f16, bf16 or f32 elements, but got 'tensor<1x64xf16>'}}
  %y = nn.quant_matmul %x, %w bias %b : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>, tensor<1x64xf16> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// C4: bias is floating point.
func.func @c4_type_of_bias(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>, %b: tensor<64xi8>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects bias to be a tensor of 64 f16, bf16 or f32 elements, but got 'tensor<64xi8>'}}
  %y = nn.quant_matmul %x, %w bias %b : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>, tensor<64xi8> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// C5: the schedule is of this op's family.
func.func @c5_family_of_schedule(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects a schedule of family "quant_matmul", but got "attention"}}
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"attention", {}>} : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// C6: columns are contiguous.
func.func @c6_columns_of_x(%x: tensor<?x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x64xf16> {
  // expected-error @+1 {{expects two strides of x with contiguous columns (1) in the problem, but got #nn.operand<"x", strides = [1, 16], align = 16>}}
  %y = nn.quant_matmul %x, %w {problem = #nn.problem<dims = [<"M" = ?>], operands = [<"x", strides = [1, 16], align = 16>]>} : tensor<?x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

// C6: a stride a dimension.
func.func @c6_strides_of_x(%x: tensor<?x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x64xf16> {
  // expected-error @+1 {{expects two strides of x with contiguous columns (1) in the problem}}
  %y = nn.quant_matmul %x, %w {problem = #nn.problem<dims = [<"M" = ?>], operands = [<"x", strides = [1], align = 16>]>} : tensor<?x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

// C6: rows of the result do not overlap.
func.func @c6_rows_of_y(%x: tensor<?x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x64xf16> {
  // expected-error @+1 {{expects a row stride of y of at least 64 in the problem, but got 63}}
  %y = nn.quant_matmul %x, %w {problem = #nn.problem<dims = [<"M" = ?>], operands = [<"y", strides = [63, 1], align = 16>]>} : tensor<?x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

// C7: the problem and the types agree on M.
func.func @c7_rows(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects M of the problem to be the rows of x, but got #nn.dim<"M" = 32>}}
  %y = nn.quant_matmul %x, %w {problem = #nn.problem<dims = [<"M" = 32>], operands = [<"x", strides = [384, 1], align = 16>]>} : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// C3: pairs of columns become one.
func.func @c3_pairs(%x: tensor<?x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x64xf16> {
  // expected-error @+1 {{expects y to have the rows of x and N / 2 = 32 columns, but got 'tensor<?x64xf16>'}}
  %y = nn.quant_matmul %x, %w {activation = #nn.activation<swiglu>} : tensor<?x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

// C8: a scale a row.
func.func @c8_row_scale(%x: tensor<?x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>, %s: tensor<64xf32>) -> tensor<?x64xf16> {
  // expected-error @+1 {{expects row_scale of type 'tensor<?xf32>', but got 'tensor<64xf32>'}}
  %y = nn.quant_matmul %x, %w row_scale %s : tensor<64xf32> : tensor<?x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

// C8: scales are f32.
func.func @c8_column_scale(%x: tensor<?x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>, %s: tensor<64xf16>) -> tensor<?x64xf16> {
  // expected-error @+1 {{expects column_scale of type 'tensor<64xf32>', but got 'tensor<64xf16>'}}
  %y = nn.quant_matmul %x, %w column_scale %s : tensor<64xf16> : tensor<?x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

// C9: the residual is added to y.
func.func @c9_residual(%x: tensor<?x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>, %r: tensor<?x32xf16>) -> tensor<?x64xf16> {
  // expected-error @+1 {{expects residual to have the shape of 'tensor<?x64xf16>' and f16, bf16 or f32 elements, but got 'tensor<?x32xf16>'}}
  %y = nn.quant_matmul %x, %w residual %r : tensor<?x32xf16> : tensor<?x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

// C10: one number scales the result.
func.func @c10_out_scale(%x: tensor<?x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>, %s: tensor<64xf32>) -> tensor<?x64xf8E4M3FN> {
  // expected-error @+1 {{expects out_scale of type 'tensor<1xf32>', but got 'tensor<64xf32>'}}
  %y = nn.quant_matmul %x, %w out_scale %s : tensor<64xf32> : tensor<?x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x64xf8E4M3FN>
  return %y : tensor<?x64xf8E4M3FN>
}

// -----

// C11: rows for each matrix.
func.func @c11_x(%x: tensor<?x384xf16>, %w: !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<8x?x64xf16> {
  // expected-error @+1 {{expects x to be a batch of 8 matrices of f16, bf16, i8, f8E4M3FN or f8E5M2, but got 'tensor<?x384xf16>'}}
  %y = nn.quant_matmul %x, %w : tensor<?x384xf16>, !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<8x?x64xf16>
  return %y : tensor<8x?x64xf16>
}

// -----

// C11: as many of them.
func.func @c11_y(%x: tensor<8x?x384xf16>, %w: !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<7x?x64xf16> {
  // expected-error @+1 {{expects y to be a batch of 8 matrices of f16, bf16, f32, f8E4M3FN or f8E5M2, but got 'tensor<7x?x64xf16>'}}
  %y = nn.quant_matmul %x, %w : tensor<8x?x384xf16>, !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<7x?x64xf16>
  return %y : tensor<7x?x64xf16>
}

// -----

// C11: a bias for each matrix.
func.func @c11_bias(%x: tensor<8x?x384xf16>, %w: !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>>, %b: tensor<64xf16>) -> tensor<8x?x64xf16> {
  // expected-error @+1 {{expects bias to be a tensor of 8x64 f16, bf16 or f32 elements, but got 'tensor<64xf16>'}}
  %y = nn.quant_matmul %x, %w bias %b : tensor<8x?x384xf16>, !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>>, tensor<64xf16> -> tensor<8x?x64xf16>
  return %y : tensor<8x?x64xf16>
}

// -----

// C11: scales of rows for each matrix.
func.func @c11_row_scale(%x: tensor<8x?x384xf16>, %w: !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>>, %s: tensor<?xf32>) -> tensor<8x?x64xf16> {
  // expected-error @+1 {{expects row_scale of type 'tensor<8x?xf32>', but got 'tensor<?xf32>'}}
  %y = nn.quant_matmul %x, %w row_scale %s : tensor<?xf32> : tensor<8x?x384xf16>, !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<8x?x64xf16>
  return %y : tensor<8x?x64xf16>
}

// -----

// C11: a problem's strides begin with that of the batch.
func.func @c11_strides(%x: tensor<8x?x384xf16>, %w: !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<8x?x64xf16> {
  // expected-error @+1 {{expects three strides of x with contiguous columns (1) in the problem}}
  %y = nn.quant_matmul %x, %w {problem = #nn.problem<dims = [<"M" = ?>], operands = [<"x", strides = [384, 1], align = 16>]>} : tensor<8x?x384xf16>, !nn.quantized<8x384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<8x?x64xf16>
  return %y : tensor<8x?x64xf16>
}

// -----

// A batch has matrices.
// expected-error @+1 {{expects a batch of at least one matrix, but got 0}}
func.func private @no_matrices(!nn.quantized<0x384x64, #nn.qformat<u4, group = 128, scale = f16>>)

// -----

// Nothing has four extents.
// expected-error @+1 {{expects a KxN or BxKxN shape, but got 4 dimensions}}
func.func private @four(!nn.quantized<2x2x384x64, #nn.qformat<u4, group = 128, scale = f16>>)

// -----

// Planes of nested codes have the place of a batch.
// expected-error @+1 {{expects a batch of codes that are not nested, but got nested8}}
func.func private @nested_batch(!nn.quantized<2x384x64, #nn.qformat<nested8, group = 128, scale = f16>>)

// -----

// C12: bytes are multiplied by integers.
func.func @c12_codes(%x: tensor<?x384xi8>, %w: !nn.quantized<384x64, #nn.qformat<f4e2m1, group = 128, scale = f16>>) -> tensor<?x64xf16> {
  // expected-error @+1 {{expects integer codes with x of i8, but got f4e2m1}}
  %y = nn.quant_matmul %x, %w : tensor<?x384xi8>, !nn.quantized<384x64, #nn.qformat<f4e2m1, group = 128, scale = f16>> -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}

// -----

// C12: a group has as many rows as an mma on bytes, or several times as many.
func.func @c12_groups(%x: tensor<?x384xi8>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 48, scale = f16>>) -> tensor<?x64xf16> {
  // expected-error @+1 {{expects groups of a multiple of 32 rows with x of i8, but got 48}}
  %y = nn.quant_matmul %x, %w : tensor<?x384xi8>, !nn.quantized<384x64, #nn.qformat<u4, group = 48, scale = f16>> -> tensor<?x64xf16>
  return %y : tensor<?x64xf16>
}
