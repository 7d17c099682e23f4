// What products and packed weights refuse.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// Operands are matrices.
func.func @rank_of_dot(%a: tensor<1x16x16xf16>, %b: tensor<16x8xf16>, %c: tensor<16x8xf32>) {
  // expected-error @+1 {{expects rank-2 operands, but got 'tensor<1x16x16xf16>', 'tensor<16x8xf16>', 'tensor<16x8xf32>'}}
  %0 = tile.dot %a, %b, %c : tensor<1x16x16xf16>, tensor<16x8xf16> -> tensor<16x8xf32>
  return
}

// -----

// Both operands have one type.
func.func @types_of_dot(%a: tensor<16x16xf16>, %b: tensor<16x8xbf16>, %c: tensor<16x8xf32>) {
  // expected-error @+1 {{expects a and b of one type f16, bf16, f32, f8E4M3FN or f8E5M2, or each of i8 or ui8, but got 'f16' and 'bf16'}}
  %0 = tile.dot %a, %b, %c : tensor<16x16xf16>, tensor<16x8xbf16> -> tensor<16x8xf32>
  return
}

// -----

// Operands have a type of the tensor cores.
func.func @wide_operands_of_dot(%a: tensor<16x16xf64>, %b: tensor<16x8xf64>, %c: tensor<16x8xf32>) {
  // expected-error @+1 {{expects a and b of one type f16, bf16, f32, f8E4M3FN or f8E5M2, or each of i8 or ui8, but got 'f64' and 'f64'}}
  %0 = tile.dot %a, %b, %c : tensor<16x16xf64>, tensor<16x8xf64> -> tensor<16x8xf32>
  return
}

// -----

// Sums of integers are i32.
func.func @accumulator_of_bytes(%a: tensor<16x32xi8>, %b: tensor<32x8xi8>, %c: tensor<16x8xf32>) {
  // expected-error @+1 {{expects an accumulator of i32, but got 'f32'}}
  %0 = tile.dot %a, %b, %c : tensor<16x32xi8>, tensor<32x8xi8> -> tensor<16x8xf32>
  return
}

// -----

// Sums are f32.
func.func @accumulator_of_dot(%a: tensor<16x16xf16>, %b: tensor<16x8xf16>, %c: tensor<16x8xf16>) {
  // expected-error @+1 {{expects an accumulator of f32, but got 'f16'}}
  %0 = tile.dot %a, %b, %c : tensor<16x16xf16>, tensor<16x8xf16> -> tensor<16x8xf16>
  return
}

// -----

// Operands agree on M, N and K.
func.func @shapes_of_dot(%a: tensor<16x16xf16>, %b: tensor<32x8xf16>, %c: tensor<16x8xf32>) {
  // expected-error @+1 {{expects MxK, KxN and MxN operands, but got 'tensor<16x16xf16>', 'tensor<32x8xf16>', 'tensor<16x8xf32>'}}
  %0 = tile.dot %a, %b, %c : tensor<16x16xf16>, tensor<32x8xf16> -> tensor<16x8xf32>
  return
}

// -----

// Packed codes have at most 8 bits.
func.func @width_of_unpack(%w: tensor<1x1x512xi32>) {
  // expected-error @+1 {{expects codes of 1 to 8 bits, but got 'i16'}}
  %0 = tile.unpack %w : tensor<1x1x512xi32> -> tensor<128x32xi16>
  return
}

// -----

// Words are strips x blocks x words of 32 bits.
func.func @words_of_unpack(%w: tensor<1x512xi32>) {
  // expected-error @+1 {{expects words to be a strips x blocks x words tensor of i32, or one of strips x blocks x planes x words, but got 'tensor<1x512xi32>'}}
  %0 = tile.unpack %w : tensor<1x512xi32> -> tensor<128x32xi4>
  return
}

// -----

// A block of b-bit codes is 128 * b words.
func.func @block_of_unpack(%w: tensor<1x1x512xi32>) {
  // expected-error @+1 {{expects 384 words in a block of 3-bit codes, but got 512}}
  %0 = tile.unpack %w : tensor<1x1x512xi32> -> tensor<128x32xi3>
  return
}

// -----

// A strip has 32 columns, a block 128 rows.
func.func @codes_of_unpack(%w: tensor<2x3x512xi32>) {
  // expected-error @+1 {{expects 384x64 codes, but got 'tensor<128x64xi4>'}}
  %0 = tile.unpack %w : tensor<2x3x512xi32> -> tensor<128x64xi4>
  return
}

// -----

// Codes have at most 8 bits.
func.func @width_of_dequant(%q: tensor<16x8xi32>) {
  // expected-error @+1 {{expects codes of 1 to 8 bits, but got 'i32'}}
  %0 = tile.dequant %q bias 0 : tensor<16x8xi32> -> tensor<16x8xf16>
  return
}

// -----

// Values are 16-bit floats, in which codes are exact.
func.func @values_of_dequant(%q: tensor<16x8xi4>) {
  // expected-error @+1 {{expects values of f16, bf16, i8 or ui8, but got 'f32'}}
  %0 = tile.dequant %q bias 0 : tensor<16x8xi4> -> tensor<16x8xf32>
  return
}

// -----

// A value for each code.
func.func @shape_of_dequant(%q: tensor<16x8xi4>) {
  // expected-error @+1 {{expects values of the codes' shape, but got 'tensor<16x8xi4>' and 'tensor<8x16xf16>'}}
  %0 = tile.dequant %q bias 0 : tensor<16x8xi4> -> tensor<8x16xf16>
  return
}

// -----

// A bias is a code.
func.func @bias_of_dequant(%q: tensor<16x8xi4>) {
  // expected-error @+1 {{expects bias between 0 and 15, but got 16}}
  %0 = tile.dequant %q bias 16 : tensor<16x8xi4> -> tensor<16x8xf16>
  return
}

// -----

// A bias is not negative.
func.func @negative_bias_of_dequant(%q: tensor<16x8xi4>) {
  // expected-error @+1 {{expects bias between 0 and 15, but got -1}}
  %0 = tile.dequant %q bias -1 : tensor<16x8xi4> -> tensor<16x8xf16>
  return
}

// -----

// Zero points are bytes.
func.func @type_of_zeros(%q: tensor<16x8xi4>, %z: tensor<1x8xi4>) {
  // expected-error @+1 {{expects zero points to be a GxN tensor of i8 with G dividing 16, but got 'tensor<1x8xi4>'}}
  %0 = tile.dequant %q zero %z bias 0 : tensor<16x8xi4>, tensor<1x8xi4> -> tensor<16x8xf16>
  return
}

// -----

// Groups are equal parts of the rows.
func.func @groups_of_zeros(%q: tensor<16x8xi4>, %z: tensor<3x8xi8>) {
  // expected-error @+1 {{expects zero points to be a GxN tensor of i8 with G dividing 16, but got 'tensor<3x8xi8>'}}
  %0 = tile.dequant %q zero %z bias 0 : tensor<16x8xi4>, tensor<3x8xi8> -> tensor<16x8xf16>
  return
}

// -----

// There is at least one group.
func.func @no_groups_of_zeros(%q: tensor<16x8xi4>, %z: tensor<0x8xi8>) {
  // expected-error @+1 {{expects zero points to be a GxN tensor of i8 with G dividing 16, but got 'tensor<0x8xi8>'}}
  %0 = tile.dequant %q zero %z bias 0 : tensor<16x8xi4>, tensor<0x8xi8> -> tensor<16x8xf16>
  return
}

// -----

// A format of codes is one of the table.
func.func @unknown_format(%q: tensor<16x8xi4>) {
  // expected-error @+1 {{f4e2m2}}
  %0 = tile.dequant %q as "f4e2m2" bias 0 : tensor<16x8xi4> -> tensor<16x8xf16>
  return
}

// -----

// Codes have the width of their format.
func.func @width_of_format(%q: tensor<16x8xi5>) {
  // expected-error @+1 {{expects a format of 5 bits, nested, of indices or of floats with a sign and exponents, but got f4e2m1}}
  %0 = tile.dequant %q as "f4e2m1" bias 0 : tensor<16x8xi5> -> tensor<16x8xf16>
  return
}

// -----

// Fixed-point floats are stored as integers, and unpacked as such.
func.func @fixed_point(%q: tensor<16x8xi4>) {
  // expected-error @+1 {{expects a format of 4 bits, nested, of indices or of floats with a sign and exponents, but got f4e1m2}}
  %0 = tile.dequant %q as "f4e1m2" bias 0 : tensor<16x8xi4> -> tensor<16x8xf16>
  return
}

// -----

// Weights have a sign.
func.func @no_sign(%q: tensor<16x8xi8>) {
  // expected-error @+1 {{expects a format of 8 bits, nested, of indices or of floats with a sign and exponents, but got e8m0}}
  %0 = tile.dequant %q as "e8m0" bias 0 : tensor<16x8xi8> -> tensor<16x8xf16>
  return
}

// -----

// Floats are stored without a bias.
func.func @bias_of_floats(%q: tensor<16x8xi4>) {
  // expected-error @+1 {{expects neither bias nor zero points of f4e2m1 codes}}
  %0 = tile.dequant %q as "f4e2m1" bias 8 : tensor<16x8xi4> -> tensor<16x8xf16>
  return
}

// -----

// Floats have no zero points.
func.func @zeros_of_floats(%q: tensor<16x8xi4>, %z: tensor<1x8xi8>) {
  // expected-error @+1 {{expects neither bias nor zero points of f4e2m1 codes}}
  %0 = tile.dequant %q as "f4e2m1" zero %z bias 0 : tensor<16x8xi4>, tensor<1x8xi8> -> tensor<16x8xf16>
  return
}

// -----

// Indices need a table.
func.func @no_table(%q: tensor<16x8xi4>) {
  // expected-error @+1 {{expects a table exactly where codes are indices}}
  %0 = tile.dequant %q as "lut4" bias 0 : tensor<16x8xi4> -> tensor<16x8xf16>
  return
}

// -----

// Numbers need none.
func.func @table_of_numbers(%q: tensor<16x8xi4>, %t: tensor<8xi32>) {
  // expected-error @+1 {{expects a table exactly where codes are indices}}
  %0 = tile.dequant %q table %t bias 0 : tensor<16x8xi4> table tensor<8xi32> -> tensor<16x8xf16>
  return
}

// -----

// Sixteen entries of two bytes are eight words.
func.func @size_of_table(%q: tensor<16x8xi4>, %t: tensor<4xi32>) {
  // expected-error @+1 {{expects a table of 8 i32 words, but got 'tensor<4xi32>'}}
  %0 = tile.dequant %q as "lut4" table %t bias 0 : tensor<16x8xi4> table tensor<4xi32> -> tensor<16x8xf16>
  return
}

// -----

// Words are integers of a register's parts.
func.func @word_of_fields(%w: tensor<8xi24>) {
  // expected-error @+1 {{expects words of i8, i16 or i32, but got 'i24'}}
  %0 = tile.fields %w : tensor<8xi24> -> tensor<8x4xi8>
  return
}

// -----

// Fields are integers.
func.func @type_of_fields(%w: tensor<8xi16>) {
  // expected-error @+1 {{expects integers, but got 'f16'}}
  %0 = tile.fields %w : tensor<8xi16> -> tensor<8x1xf16>
  return
}

// -----

// Fields are one dimension more.
func.func @rank_of_fields(%w: tensor<8xi16>) {
  // expected-error @+1 {{expects one dimension more than the 1 of the words, but got 'tensor<8xi16>' and 'tensor<32xi8>'}}
  %0 = tile.fields %w : tensor<8xi16> -> tensor<32xi8>
  return
}

// -----

// Fields fill a word.
func.func @count_of_fields(%w: tensor<8xi16>) {
  // expected-error @+1 {{expects the fields to divide the 16 bits of a word, but got 3}}
  %0 = tile.fields %w : tensor<8xi16> -> tensor<8x3xi8>
  return
}

// -----

// A number has room for a field.
func.func @width_of_fields(%w: tensor<8xi16>) {
  // expected-error @+1 {{expects numbers of at least 8 bits, but got 'i4'}}
  %0 = tile.fields %w : tensor<8xi16> -> tensor<8x2xi4>
  return
}

// -----

// Codes of b bits have b planes of 128 words.
func.func @planes_of_unpack(%w: tensor<1x1x3x128xi32>) {
  // expected-error @+1 {{expects 4 planes of 128 words in a block of 4-bit codes, but got 3 of 128}}
  %0 = tile.unpack %w : tensor<1x1x3x128xi32> -> tensor<128x32xi4>
  return
}

// -----

// The width of nested codes is that of the format's top bits.
func.func @nested_width(%q: tensor<128x32xi8>) {
  // expected-error @+1 {{expects a format of 8 bits, nested, of indices or of floats with a sign and exponents, but got nested8.4}}
  %0 = tile.dequant %q as "nested8.4" bias 0 : tensor<128x32xi8> -> tensor<128x32xf16>
  return
}

// -----

// Nested codes stand for odd numbers: there is nothing to subtract.
func.func @nested_bias(%q: tensor<128x32xi4>) {
  // expected-error @+1 {{expects neither bias nor zero points of nested8.4 codes}}
  %0 = tile.dequant %q as "nested8.4" bias 8 : tensor<128x32xi4> -> tensor<128x32xf16>
  return
}

// -----

// Bytes of a product are signed or unsigned, each as it likes; other types are alike.
func.func @bytes_of_dot(%a: tensor<16x32xi8>, %b: tensor<32x8xui8>, %f: tensor<32x8xf16>, %c: tensor<16x8xi32>) {
  %0 = tile.dot %a, %b, %c : tensor<16x32xi8>, tensor<32x8xui8> -> tensor<16x8xi32>
  // expected-error @+1 {{expects a and b of one type f16, bf16, f32, f8E4M3FN or f8E5M2, or each of i8 or ui8, but got 'i8' and 'f16'}}
  %1 = tile.dot %a, %f, %c : tensor<16x32xi8>, tensor<32x8xf16> -> tensor<16x8xi32>
  return
}

// -----

// Codes beside bytes are as they are.
func.func @bias_of_bytes(%q: tensor<32x8xi4>) {
  // expected-error @+1 {{expects neither bias, format, zero points nor a table with values of 'i8'}}
  %0 = tile.dequant %q bias 8 : tensor<32x8xi4> -> tensor<32x8xi8>
  return
}

// -----

// Zero points of bytes meet the sum of x.
func.func @zero_points_of_bytes(%q: tensor<32x8xi4>, %z: tensor<1x8xi8>) {
  // expected-error @+1 {{expects neither bias, format, zero points nor a table with values of 'ui8'}}
  %0 = tile.dequant %q zero %z bias 0 : tensor<32x8xi4>, tensor<1x8xi8> -> tensor<32x8xui8>
  return
}

// -----

// Codes to pack are whole blocks of bytes.
func.func @codes_of_pack(%c: tensor<64x32xi8>) {
  // expected-error @+1 {{expects codes to be a tensor of i8, a multiple of 128 rows and of 32 columns, but got 'tensor<64x32xi8>'}}
  %0 = tile.pack %c bits 4 : tensor<64x32xi8> -> tensor<1x1x512xi32>
  return
}

// -----

// Words follow from the codes, and from their form.
func.func @words_of_pack(%c: tensor<128x64xi8>) {
  // expected-error @+1 {{expects words of type 'tensor<2x1x3x128xi32>', but got 'tensor<2x1x384xi32>'}}
  %0 = tile.pack %c bits 3 as "nested" : tensor<128x64xi8> -> tensor<2x1x384xi32>
  return
}

// -----

func.func @form_of_pack(%c: tensor<128x64xi8>) {
  // expected-error @+1 {{expects codes of 1 to 8 bits, but got 0; the nearest is 1}}
  %0 = tile.pack %c bits 0 : tensor<128x64xi8> -> tensor<2x1x384xi32>
  return
}
