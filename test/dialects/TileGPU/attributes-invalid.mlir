// Every rule of the tilegpu dialect's attributes and types is enforced; layouts
// have a file of their own.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// Swizzles are those of the hardware.
// expected-error @+1 {{expects swizzle of 0, 32, 64 or 128 bytes, but got 48}}
func.func private @swizzle(!tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 48>>)

// -----

// A buffer has a slot.
// expected-error @+1 {{expects at least one slot, but got 0}}
func.func private @slots(!tilegpu.memdesc<slots = 0, 16x64xf16, #tilegpu.shared<swizzle = 0>>)

// -----

// A tile in memory is not empty.
// expected-error @+1 {{expects a static shape of positive extents}}
func.func private @extents(!tilegpu.memdesc<16x0xf16, #tilegpu.shared<swizzle = 0>>)

// -----

// Elements are whole bytes.
// expected-error @+1 {{expects elements of whole bytes, but got 'i4'}}
func.func private @elements(!tilegpu.memdesc<16x64xi4, #tilegpu.shared<swizzle = 0>>)

// -----

// Only matrices are swizzled.
// expected-error @+1 {{expects rank 2 with a swizzle, but got rank 3}}
func.func private @swizzled_rank(!tilegpu.memdesc<1x16x64xf16, #tilegpu.shared<swizzle = 64>>)

// -----

// Codes have 1 to 8 bits.
// expected-error @+1 {{expects packed width between 1 and 8 bits, but got 9}}
func.func private @bits() attributes {a = #tilegpu.packed<bits = 9, bias = 0>}

// -----

// A bias is a code.
// expected-error @+1 {{expects bias to be a code of 4 bits, but got 16}}
func.func private @bias() attributes {a = #tilegpu.packed<bits = 4, bias = 16>}

// -----

// Floats have the codes' width.
// expected-error @+1 {{expects a format of 5 bits, nested, of indices or of floats with a sign and exponents, and no bias, but got f4e2m1 and 0}}
func.func private @floats() attributes {a = #tilegpu.packed<bits = 5 as "f4e2m1", bias = 0>}

// -----

// Floats are stored without a bias.
// expected-error @+1 {{expects a format of 4 bits, nested, of indices or of floats with a sign and exponents, and no bias, but got f4e2m1 and 8}}
func.func private @bias_of_floats() attributes {a = #tilegpu.packed<bits = 4 as "f4e2m1", bias = 8>}
