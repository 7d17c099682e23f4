// Attributes and types of the nn dialect survive printing and parsing.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// Codes of 1 to 8 bits, signed or not; a group is a number of rows or all of K.
// CHECK-LABEL: func.func private @formats
// CHECK-SAME: u1_bit = #nn.qformat<u1, group = 16, scale = f16>
// CHECK-SAME: u2_channel = #nn.qformat<u8, group = channel, scale = bf16>
// CHECK-SAME: u3_zeros = #nn.qformat<i6, group = 64, scale = bf16, zero = integer>
// CHECK-SAME: u4_blocks = #nn.qformat<i8, group = 128x64, scale = f32>
// CHECK-SAME: u5_tensor = #nn.qformat<u4, group = tensor, scale = e8m0, zero = float : bf16>
// CHECK-SAME: u6_two_levels = #nn.qformat<u4, group = 16, scale = e4m3, zero = offset : f16, tensor_scale>
func.func private @formats() attributes {
  u1_bit = #nn.qformat<u1, group = 16, scale = f16>,
  u2_channel = #nn.qformat<u8, group = channel, scale = bf16>,
  u3_zeros = #nn.qformat<i6, group = 64, scale = bf16, zero = integer>,
  u4_blocks = #nn.qformat<i8, group = 128x64, scale = f32>,
  u5_tensor = #nn.qformat<u4, group = tensor, scale = e8m0, zero = float : bf16>,
  u6_two_levels = #nn.qformat<u4, group = 16, scale = e4m3, tensor_scale, zero = offset : f16>
}

// Codes are named by their format; other spellings become its name.
// CHECK-LABEL: func.func private @float_formats
// CHECK-SAME: a = #nn.qformat<f4e2m1, group = 32, scale = f16>
// CHECK-SAME: b = #nn.qformat<e4m3, group = channel, scale = bf16>
func.func private @float_formats() attributes {
  a = #nn.qformat<f4e2m1, group = 32, scale = f16>,
  b = #nn.qformat<e4m3fn, group = channel, scale = bf16>
}

// No zero points is the default: it is not printed.
// CHECK-LABEL: func.func private @no_zeros
// CHECK-SAME: #nn.qformat<u4, group = 128, scale = f16>
func.func private @no_zeros() attributes {format = #nn.qformat<u4, group = 128, scale = f16, zero = none>}

// The enumerations.
// CHECK-LABEL: func.func private @enumerations
// CHECK-SAME: a = [#nn.activation<none>, #nn.activation<relu>, #nn.activation<gelu>, #nn.activation<silu>]
// CHECK-SAME: z = [#nn.zero_point<none>, #nn.zero_point<integer>]
func.func private @enumerations() attributes {
  a = [#nn.activation<none>, #nn.activation<relu>, #nn.activation<gelu>, #nn.activation<silu>],
  z = [#nn.zero_point<none>, #nn.zero_point<integer>]
}

// A problem: dimensions static, dynamic or divisible; strides static or not.
// A divisor of 1 and 32-bit indices are the defaults: they are not printed.
// CHECK-LABEL: func.func private @problem
// CHECK-SAME: #nn.problem<dims = [<"M" = ?, divisor = 8>, <"N" = 64>], operands = [<"x", strides = [?, 1], align = 2>, <"w", strides = [], align = 16>]>
func.func private @problem() attributes {
  problem = #nn.problem<
    dims = [#nn.dim<"M" = ?, divisor = 8>, #nn.dim<"N" = 64, divisor = 1>],
    operands = [#nn.operand<"x", strides = [?, 1], align = 2>, #nn.operand<"w", strides = [], align = 16>],
    index = 32>
}

// Packed weights say K, N and the format.
// CHECK-LABEL: func.func private @weights(
// CHECK-SAME: !nn.quantized<384x1536, #nn.qformat<i3, group = 32, scale = f16>>
func.func private @weights(!nn.quantized<384x1536, #nn.qformat<i3, group = 32, scale = f16>>)

// CHECK: func.func private @planes(!nn.quantized<64x64, #nn.qformat<nested8.4, group = 64, scale = f16, zero = offset : f16>>, !nn.quantized<64x64, #nn.qformat<stack, group = channel, scale = bf16>>)
func.func private @planes(!nn.quantized<64x64, #nn.qformat<nested8.4, group = 64, scale = f16, zero = offset : f16>>, !nn.quantized<64x64, #nn.qformat<stack, group = channel, scale = bf16>>)
