// Every rule of the nn dialect's attributes and types is enforced, with a
// message that names what was given.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// A code must be one of the table of formats.
// expected-error @+1 {{x4}}
func.func private @unknown_code(!nn.quantized<64x64, #nn.qformat<x4, group = 32, scale = f16>>)

// -----

// Codes have at most 8 bits.
// expected-error @+1 {{expects codes of u1..u8, i1..i8, lut2..lut4, nested1..nested8, stack or a float with sign of 3 to 8 bits (f4e2m1, e4m3, ...), but got bf16}}
func.func private @float_code(!nn.quantized<64x64, #nn.qformat<bf16, group = 32, scale = f16>>)

// -----

// Integer codes too.
// expected-error @+1 {{expects codes of u1..u8, i1..i8, lut2..lut4, nested1..nested8, stack or a float with sign of 3 to 8 bits (f4e2m1, e4m3, ...), but got u32}}
func.func private @wide_code(!nn.quantized<64x64, #nn.qformat<u32, group = 32, scale = f16>>)

// -----

// Weights have a sign, or are integers.
// expected-error @+1 {{expects codes of u1..u8, i1..i8, lut2..lut4, nested1..nested8, stack or a float with sign of 3 to 8 bits (f4e2m1, e4m3, ...), but got e8m0}}
func.func private @unsigned_float(!nn.quantized<64x64, #nn.qformat<e8m0, group = 32, scale = f16>>)

// -----

// Zero points are codes, which of floats are no numbers to subtract.
// expected-error @+1 {{expects zero points of integer codes only, or offsets of nested ones, but got f4e2m1 with zero = integer}}
func.func private @zeros_of_floats(!nn.quantized<64x64, #nn.qformat<f4e2m1, group = 32, scale = f16, zero = integer>>)

// -----

// Zero rows is no group; all of K has its own word.
// expected-error @+1 {{expects group to be a positive number of rows, rows x columns ('128x128'), 'channel' or 'tensor', but got '0'}}
func.func private @zero_group(!nn.quantized<64x64, #nn.qformat<u4, group = 0, scale = f16>>)

// -----

// A group is whole mma steps of 16 rows.
// expected-error @+1 {{expects group to have a multiple of 16 rows of K, but got 24; the nearest is 32}}
func.func private @odd_group(!nn.quantized<64x64, #nn.qformat<u4, group = 24, scale = f16>>)

// -----

// A group is not negative.
// expected-error @+1 {{expects group to have a multiple of 16 rows of K, but got -16; the nearest is 16}}
func.func private @negative_group(!nn.quantized<64x64, #nn.qformat<u4, group = -16, scale = f16>>)

// -----

// A group is whole columns of an mma.
// expected-error @+1 {{expects group to have 1 column or a multiple of 8 beside its rows, but got 12; the nearest is 16}}
func.func private @odd_columns(!nn.quantized<64x64, #nn.qformat<u4, group = 32x12, scale = f16>>)

// -----

// A group is counted in rows and columns.
// expected-error @+1 {{expects group to be a positive number of rows, rows x columns ('128x128'), 'channel' or 'tensor', but got '16y8'}}
func.func private @word_for_group(!nn.quantized<64x64, #nn.qformat<u4, group = 16y8, scale = f16>>)

// -----

// Scales are numbers that kernels decode.
// expected-error @+1 {{expects scale to be one of f16, bf16, f32, e8m0, e4m3, ue5m3, but got e5m2}}
func.func private @other_scale(!nn.quantized<64x64, #nn.qformat<u4, group = 32, scale = e5m2>>)

// -----

// Zero points are of a known kind.
// expected-error @+1 {{expects zero point kind none, integer, float or offset, but got double}}
func.func private @unknown_zero(!nn.quantized<64x64, #nn.qformat<u4, group = 32, scale = f16, zero = double>>)

// -----

// Floating-point zero points are numbers of 16 or 32 bits.
// expected-error @+1 {{expects zero points of kind offset to be one of f16, bf16, f32, but got e4m3}}
func.func private @zero_type(!nn.quantized<64x64, #nn.qformat<u4, group = 32, scale = f16, zero = offset : e4m3>>)

// -----

// Weights are a matrix.
// expected-error @+1 {{expects a KxN or BxKxN shape, but got 1 dimensions}}
func.func private @rank_of_weights(!nn.quantized<64, #nn.qformat<u4, group = 32, scale = f16>>)

// -----

// Weights are not empty.
// expected-error @+1 {{expects positive K and N, but got 64x0}}
func.func private @empty_weights(!nn.quantized<64x0, #nn.qformat<u4, group = 32, scale = f16>>)

// -----

// An alignment is a power of two.
// expected-error @+1 {{expects alignment of operand 'x' to be 1, 2, 4, 8 or 16 bytes, but got 6}}
func.func private @odd_alignment() attributes {operand = #nn.operand<"x", strides = [1], align = 6>}

// -----

// An alignment is at most 16 bytes.
// expected-error @+1 {{expects alignment of operand 'x' to be 1, 2, 4, 8 or 16 bytes, but got 32}}
func.func private @wide_alignment() attributes {operand = #nn.operand<"x", strides = [1], align = 32>}

// -----

// Indices have a width that GPUs have.
// expected-error @+1 {{expects index arithmetic of 32 or 64 bits, but got 17}}
func.func private @index_width() attributes {problem = #nn.problem<dims = [<"M" = ?>], operands = [<"x", strides = [1], align = 2>], index = 17>}

// -----

// Zero points of nested codes are offsets, which do not depend on the width.
// expected-error @+1 {{expects zero points of integer codes only, or offsets of nested ones, but got nested8.4 with zero = float}}
func.func private @nested_zeros(!nn.quantized<64x64, #nn.qformat<nested8.4, group = 64, scale = f16, zero = float : f16>>)

// -----

// A stack has no zero points.
// expected-error @+1 {{expects zero points of integer codes only, or offsets of nested ones, but got stack with zero = offset}}
func.func private @stack_zeros(!nn.quantized<64x64, #nn.qformat<stack, group = 64, scale = f16, zero = offset : f16>>)

// -----

// Nested codes have no more bits than are stored.
// expected-error @+1 {{unknown number format 'nested4.5'}}
func.func private @nested_bits(!nn.quantized<64x64, #nn.qformat<nested4.5, group = 64, scale = f16>>)
