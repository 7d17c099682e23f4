// Weights unpack at the instruction counts of docs/quantisation.md. Each case is
// two fragments of 64 x 16 a warp: 32 weights a lane each, 32 pairs together.
// RUN: %tw-opt %s -tw-lower-to-nvvm -split-input-file > %t
// RUN: FileCheck %s --input-file %t --check-prefix=LOP3
// RUN: FileCheck %s --input-file %t --check-prefix=PRMT
// RUN: FileCheck %s --input-file %t --check-prefix=FMA
// RUN: FileCheck %s --input-file %t --check-prefix=ADD

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>

// 4 bits: a pair is one lop3, (word & mask) | magic, and one fma that removes the
// magic number's base and shift; where the field is at bit 0 an addition does.
// LOP3-LABEL: llvm.func @u4_f16(
// LOP3-COUNT-32: lop3.b32 $0, $1, $2, $3, 234;
// LOP3-NOT: lop3
// PRMT-LABEL: llvm.func @u4_f16(
// PRMT-NOT: prmt
// FMA-LABEL: llvm.func @u4_f16(
// FMA-COUNT-16: llvm.intr.fma
// FMA-NOT: llvm.intr.fma
// ADD-LABEL: llvm.func @u4_f16(
// ADD-COUNT-16: llvm.fadd
// ADD-NOT: llvm.fadd
func.func @u4_f16(%words: tensor<1x1x512xi32, #words>, %y: !tile.view<64x32xf16, strides = [32, 1], align = 16>, %o: i32) {
  %values = tilegpu.dequant %words row 0 <bits = 4, bias = 0> : tensor<1x1x512xi32, #words> -> tensor<64x32xf16, #operand>
  tile.store %values, %y[%o, %o] : tensor<64x32xf16, #operand>, !tile.view<64x32xf16, strides = [32, 1], align = 16>
  return
}

// -----

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256], [0, 0, 512]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>

// 8 bits as f16: a byte permute puts the magic byte above each code, an addition
// takes it off.
// LOP3-LABEL: llvm.func @u8_f16(
// LOP3-NOT: lop3
// PRMT-LABEL: llvm.func @u8_f16(
// PRMT-COUNT-32: llvm.nvvm.prmt
// PRMT-NOT: prmt
// FMA-LABEL: llvm.func @u8_f16(
// FMA-NOT: llvm.intr.fma
// ADD-LABEL: llvm.func @u8_f16(
// ADD-COUNT-32: llvm.fadd
// ADD-NOT: llvm.fadd
func.func @u8_f16(%words: tensor<1x1x1024xi32, #words>, %y: !tile.view<64x32xf16, strides = [32, 1], align = 16>, %o: i32) {
  %values = tilegpu.dequant %words row 0 <bits = 8, bias = 0> : tensor<1x1x1024xi32, #words> -> tensor<64x32xf16, #operand>
  tile.store %values, %y[%o, %o] : tensor<64x32xf16, #operand>, !tile.view<64x32xf16, strides = [32, 1], align = 16>
  return
}

// -----

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256], [0, 0, 512]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>

// 8 bits as bf16, whose mantissa is too short: low bits and top bit make two
// numbers. Their sum is code - 128, which for signed codes is the value.
// LOP3-LABEL: llvm.func @i8_bf16(
// LOP3-COUNT-64: lop3
// LOP3-NOT: lop3
// PRMT-LABEL: llvm.func @i8_bf16(
// FMA-LABEL: llvm.func @i8_bf16(
// FMA-NOT: llvm.intr.fma
// ADD-LABEL: llvm.func @i8_bf16(
// ADD-COUNT-32: llvm.fadd
// ADD-NOT: llvm.fadd
func.func @i8_bf16(%words: tensor<1x1x1024xi32, #words>, %y: !tile.view<64x32xbf16, strides = [32, 1], align = 16>, %o: i32) {
  %values = tilegpu.dequant %words row 0 <bits = 8, bias = 128> : tensor<1x1x1024xi32, #words> -> tensor<64x32xbf16, #operand>
  tile.store %values, %y[%o, %o] : tensor<64x32xbf16, #operand>, !tile.view<64x32xbf16, strides = [32, 1], align = 16>
  return
}

// -----

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
#zeros = #tilegpu.layout<register = [[0, 8], [0, 16]], lane = [[0, 0], [0, 0], [0, 1], [0, 2], [0, 4]], warp = [], repeat = [1, 1]>

// Zero points cost no instruction a pair: they go into the constant that the fma
// or the addition takes off anyway.
// LOP3-LABEL: llvm.func @zeros(
// LOP3-COUNT-32: lop3
// LOP3-NOT: lop3
// FMA-LABEL: llvm.func @zeros(
// FMA-COUNT-16: llvm.intr.fma
// FMA-NOT: llvm.intr.fma
// ADD-LABEL: llvm.func @zeros(
// ADD-COUNT-16: llvm.fadd
// ADD-NOT: llvm.fadd
func.func @zeros(%words: tensor<1x1x512xi32, #words>, %zeros: tensor<1x32xi8, #zeros>, %y: !tile.view<64x32xf16, strides = [32, 1], align = 16>, %o: i32) {
  %values = tilegpu.dequant %words zero %zeros row 0 <bits = 4, bias = 0> : tensor<1x1x512xi32, #words>, tensor<1x32xi8, #zeros> -> tensor<64x32xf16, #operand>
  tile.store %values, %y[%o, %o] : tensor<64x32xf16, #operand>, !tile.view<64x32xf16, strides = [32, 1], align = 16>
  return
}

// -----

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
#packed = #tilegpu.layout<register = [], lane = [[0], [0], [1], [2], [4]], warp = [], repeat = [1]>
#fields = #tilegpu.layout<register = [[0, 1], [0, 2]], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [], repeat = [1, 1]>
#turned = #tilegpu.layout<register = [[1, 0], [2, 0]], lane = [[0, 0], [0, 0], [0, 1], [0, 2], [0, 4]], warp = [], repeat = [1, 1]>
#zeros = #tilegpu.layout<register = [[0, 8], [0, 16]], lane = [[0, 0], [0, 0], [0, 1], [0, 2], [0, 4]], warp = [], repeat = [1, 1]>

// Zero points that share a word become numbers as codes do: a permutation puts the
// field's byte in both halves, a lop3 the magic number above the field, and where
// that is not at bit 0 an fma takes it off the constant.
// PRMT-LABEL: llvm.func @zeros_of_a_word(
// PRMT-COUNT-32: llvm.nvvm.prmt
// PRMT-NOT: prmt
// LOP3-LABEL: llvm.func @zeros_of_a_word(
// LOP3-COUNT-64: lop3.b32 $0, $1, $2, $3, 234;
// LOP3-NOT: lop3
// FMA-LABEL: llvm.func @zeros_of_a_word(
// FMA-COUNT-32: llvm.intr.fma
// FMA-NOT: llvm.intr.fma
// ADD-LABEL: llvm.func @zeros_of_a_word(
// ADD-COUNT-16: llvm.fadd
// ADD-NOT: llvm.fadd
func.func @zeros_of_a_word(%words: tensor<1x1x512xi32, #words>, %packed: tensor<8xi16, #packed>, %y: !tile.view<64x32xf16, strides = [32, 1], align = 16>, %o: i32) {
  %fields = tile.fields %packed : tensor<8xi16, #packed> -> tensor<8x4xi8, #fields>
  %turned = tile.transpose %fields order = [1, 0] : tensor<8x4xi8, #fields> -> tensor<4x8xi8, #turned>
  %zeros = tile.reshape %turned : tensor<4x8xi8, #turned> -> tensor<1x32xi8, #zeros>
  %values = tilegpu.dequant %words zero %zeros row 0 <bits = 4, bias = 0> : tensor<1x1x512xi32, #words>, tensor<1x32xi8, #zeros> -> tensor<64x32xf16, #operand>
  tile.store %values, %y[%o, %o] : tensor<64x32xf16, #operand>, !tile.view<64x32xf16, strides = [32, 1], align = 16>
  return
}

// -----

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
#packed = #tilegpu.layout<register = [], lane = [[0], [0], [1], [2], [4]], warp = [], repeat = [1]>
#fields = #tilegpu.layout<register = [[0, 1], [0, 2]], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [], repeat = [1, 1]>
#turned = #tilegpu.layout<register = [[1, 0], [2, 0]], lane = [[0, 0], [0, 0], [0, 1], [0, 2], [0, 4]], warp = [], repeat = [1, 1]>
#zeros = #tilegpu.layout<register = [[0, 8], [0, 16]], lane = [[0, 0], [0, 0], [0, 1], [0, 2], [0, 4]], warp = [], repeat = [1, 1]>

// With bf16 too, which has no room for a byte: nothing is converted, which would
// run at a quarter of the rate.
// LOP3-LABEL: llvm.func @zeros_of_a_word_bf16(
// LOP3-COUNT-64: lop3.b32 $0, $1, $2, $3, 234;
// LOP3-NOT: lop3
// PRMT-LABEL: llvm.func @zeros_of_a_word_bf16(
// PRMT-NOT: llvm.uitofp
// PRMT: llvm.return
// FMA-LABEL: llvm.func @zeros_of_a_word_bf16(
// ADD-LABEL: llvm.func @zeros_of_a_word_bf16(
func.func @zeros_of_a_word_bf16(%words: tensor<1x1x256xi32, #words>, %packed: tensor<8xi16, #packed>, %y: !tile.view<64x32xbf16, strides = [32, 1], align = 16>, %o: i32) {
  %fields = tile.fields %packed : tensor<8xi16, #packed> -> tensor<8x4xi8, #fields>
  %turned = tile.transpose %fields order = [1, 0] : tensor<8x4xi8, #fields> -> tensor<4x8xi8, #turned>
  %zeros = tile.reshape %turned : tensor<4x8xi8, #turned> -> tensor<1x32xi8, #zeros>
  %values = tilegpu.dequant %words zero %zeros row 0 <bits = 2, bias = 0> : tensor<1x1x256xi32, #words>, tensor<1x32xi8, #zeros> -> tensor<64x32xbf16, #operand>
  tile.store %values, %y[%o, %o] : tensor<64x32xbf16, #operand>, !tile.view<64x32xbf16, strides = [32, 1], align = 16>
  return
}

// -----

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>

// Floats of 4 bits as bf16: eight selects a fragment open the gap between sign
// and exponent, a mask and a factor make each pair the number.
// LOP3-LABEL: llvm.func @f4e2m1_bf16(
// LOP3-COUNT-16: lop3.b32 $0, $1, $2, $3, 228;
// LOP3-NOT: lop3
// PRMT-LABEL: llvm.func @f4e2m1_bf16(
// PRMT-NOT: prmt
// FMA-LABEL: llvm.func @f4e2m1_bf16(
// FMA-NOT: llvm.intr.fma
// FMA-COUNT-32: llvm.fmul
// FMA-NOT: llvm.fmul
func.func @f4e2m1_bf16(%words: tensor<1x1x512xi32, #words>, %y: !tile.view<64x32xbf16, strides = [32, 1], align = 16>, %o: i32) {
  %values = tilegpu.dequant %words row 0 <bits = 4 as "f4e2m1", bias = 0> : tensor<1x1x512xi32, #words> -> tensor<64x32xbf16, #operand>
  tile.store %values, %y[%o, %o] : tensor<64x32xbf16, #operand>, !tile.view<64x32xbf16, strides = [32, 1], align = 16>
  return
}

// -----

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256], [0, 0, 512]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>

// e5m2 is the upper byte of f16: a byte permute a pair.
// PRMT-LABEL: llvm.func @e5m2_f16(
// PRMT-COUNT-32: llvm.nvvm.prmt
// PRMT-NOT: prmt
// LOP3-LABEL: llvm.func @e5m2_f16(
// LOP3-NOT: lop3
// FMA-LABEL: llvm.func @e5m2_f16(
// FMA-NOT: llvm.fmul
func.func @e5m2_f16(%words: tensor<1x1x1024xi32, #words>, %y: !tile.view<64x32xf16, strides = [32, 1], align = 16>, %o: i32) {
  %values = tilegpu.dequant %words row 0 <bits = 8 as "e5m2", bias = 0> : tensor<1x1x1024xi32, #words> -> tensor<64x32xf16, #operand>
  tile.store %values, %y[%o, %o] : tensor<64x32xf16, #operand>, !tile.view<64x32xf16, strides = [32, 1], align = 16>
  return
}

// -----

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#operand = #tilegpu.layout<mma_operand 1, shape = [64, 32], warps = [1, 1]>
#table = #tilegpu.layout<blocked 8, shape = [8], warps = [1]>

// A table of 16: of each two pairs four lookups, one permute for the selector and
// one for the codes' top bits; one permute for each pair. Selects of low and high
// bytes.
// PRMT-LABEL: llvm.func @lut4(
// PRMT-COUNT-128: llvm.nvvm.prmt
// PRMT-NOT: prmt
// LOP3-LABEL: llvm.func @lut4(
// LOP3-COUNT-32: lop3.b32 $0, $1, $2, $3, 228;
// LOP3-NOT: lop3
func.func @lut4(%words: tensor<1x1x512xi32, #words>, %table: tensor<8xi32, #table>, %y: !tile.view<64x32xf16, strides = [32, 1], align = 16>, %o: i32) {
  %values = tilegpu.dequant %words table %table row 0 <bits = 4 as "lut4", bias = 0> : tensor<1x1x512xi32, #words> table tensor<8xi32, #table> -> tensor<64x32xf16, #operand>
  tile.store %values, %y[%o, %o] : tensor<64x32xf16, #operand>, !tile.view<64x32xf16, strides = [32, 1], align = 16>
  return
}

// -----

#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256]],
  lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>
#bytes = #tilegpu.layout<register = [[1, 0], [2, 0], [16, 0], [32, 0], [0, 8], [0, 16]],
  lane = [[4, 0], [8, 0], [0, 1], [0, 2], [0, 4]], warp = [], repeat = [1, 1]>

// 4 bits as bytes: four codes are a mask, half of them after a shift; nothing is
// added, and every register is a word of bytes.
// LOP3-LABEL: llvm.func @u4_bytes(
// LOP3-NOT: lop3
// LOP3-COUNT-16: llvm.bitcast {{.*}} : i32 to vector<4xi8>
// LOP3-NOT: to vector<4xi8>
// PRMT-LABEL: llvm.func @u4_bytes(
// PRMT-NOT: prmt
// FMA-LABEL: llvm.func @u4_bytes(
// FMA-NOT: llvm.intr.fma
// ADD-LABEL: llvm.func @u4_bytes(
// ADD-NOT: llvm.fadd
func.func @u4_bytes(%words: tensor<1x1x512xi32, #words>, %y: !tile.view<64x32xui8, strides = [32, 1], align = 16>, %o: i32) {
  %values = tilegpu.dequant %words row 0 <bits = 4, bias = 0> : tensor<1x1x512xi32, #words> -> tensor<64x32xui8, #bytes>
  tile.store %values, %y[%o, %o] : tensor<64x32xui8, #bytes>, !tile.view<64x32xui8, strides = [32, 1], align = 16>
  return
}
