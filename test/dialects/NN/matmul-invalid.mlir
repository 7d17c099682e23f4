// Each constraint of nn.matmul that quant_matmul does not have.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// C1: activations have a type of the tensor cores.
func.func @c1(%x: tensor<16x64xf64>, %w: tensor<64x32xf64>) -> tensor<16x32xf32> {
  // expected-error @+1 {{expects x to be a rank-2 tensor of f16, bf16, f32, i8, f8E4M3FN or f8E5M2, but got 'tensor<16x64xf64>'}}
  %y = nn.matmul %x, %w : tensor<16x64xf64>, tensor<64x32xf64> -> tensor<16x32xf32>
  return %y : tensor<16x32xf32>
}

// -----

// C2: bytes lie along K.
func.func @c2_bytes(%x: tensor<16x64xi8>, %w: tensor<64x32xi8>) -> tensor<16x32xf32> {
  // expected-error @+1 {{expects transpose_w (w as N x K) for 'i8'}}
  %y = nn.matmul %x, %w : tensor<16x64xi8>, tensor<64x32xi8> -> tensor<16x32xf32>
  return %y : tensor<16x32xf32>
}

// -----

// C2: weights are of the activations' dtype.
func.func @c2_dtype(%x: tensor<16x64xf16>, %w: tensor<64x32xbf16>) -> tensor<16x32xf16> {
  // expected-error @+1 {{expects w to be a static rank-2 tensor, or a batch of them, of 'f16', but got 'tensor<64x32xbf16>'}}
  %y = nn.matmul %x, %w : tensor<16x64xf16>, tensor<64x32xbf16> -> tensor<16x32xf16>
  return %y : tensor<16x32xf16>
}

// -----

// C2: K is one number.
func.func @c2_rows(%x: tensor<16x64xf16>, %w: tensor<64x32xf16>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects x to have K = 32 columns like w, but got 'tensor<16x64xf16>'}}
  %y = nn.matmul %x, %w {transpose_w} : tensor<16x64xf16>, tensor<64x32xf16> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// C3: y has the columns of the product.
func.func @c3(%x: tensor<16x64xf16>, %w: tensor<64x32xf16>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects y to have the rows of x and N = 32 columns, but got 'tensor<16x64xf16>'}}
  %y = nn.matmul %x, %w : tensor<16x64xf16>, tensor<64x32xf16> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// C5: schedules belong to a family.
func.func @c5(%x: tensor<16x64xf16>, %w: tensor<64x32xf16>) -> tensor<16x32xf16> {
  // expected-error @+1 {{expects a schedule of family "matmul", but got "quant_matmul"}}
  %y = nn.matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {}>} : tensor<16x64xf16>, tensor<64x32xf16> -> tensor<16x32xf16>
  return %y : tensor<16x32xf16>
}

// -----

// C6: rows of w are contiguous.
func.func @c6(%x: tensor<16x64xf16>, %w: tensor<64x32xf16>) -> tensor<16x32xf16> {
  // expected-error @+1 {{expects two strides of w with contiguous columns (1) in the problem}}
  %y = nn.matmul %x, %w {problem = #nn.problem<dims = [<"M" = 16>], operands = [<"w", strides = [1, 64], align = 16>]>} : tensor<16x64xf16>, tensor<64x32xf16> -> tensor<16x32xf16>
  return %y : tensor<16x32xf16>
}
