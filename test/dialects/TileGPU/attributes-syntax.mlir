// Attributes and types of the tilegpu dialect survive printing and parsing;
// layouts have a file of their own.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// A tile in shared memory, with and without slots; swizzles of each width.
// CHECK-LABEL: func.func private @memory(
// CHECK-SAME: !tilegpu.memdesc<16x128xf16, #tilegpu.shared<swizzle = 128>>
// CHECK-SAME: !tilegpu.memdesc<slots = 4, 16x64xf16, #tilegpu.shared<swizzle = 64>>
// CHECK-SAME: !tilegpu.memdesc<16x16xf16, #tilegpu.shared<swizzle = 32>>
// CHECK-SAME: !tilegpu.memdesc<2x1x512xi32, #tilegpu.shared<swizzle = 0>>
func.func private @memory(
  !tilegpu.memdesc<slots = 1, 16x128xf16, #tilegpu.shared<swizzle = 128>>,
  !tilegpu.memdesc<slots = 4, 16x64xf16, #tilegpu.shared<swizzle = 64>>,
  !tilegpu.memdesc<16x16xf16, #tilegpu.shared<swizzle = 32>>,
  !tilegpu.memdesc<2x1x512xi32, #tilegpu.shared<swizzle = 0>>)

// A packing; version 1 of the storage layout is the default.
// CHECK-LABEL: func.func private @packing
// CHECK-SAME: a = #tilegpu.packed<bits = 4, bias = 0>
// CHECK-SAME: b = #tilegpu.packed<bits = 3, bias = 4>
// CHECK-SAME: c = #tilegpu.packed<bits = 4 as "f4e2m1", bias = 0>
func.func private @packing() attributes {
  a = #tilegpu.packed<bits = 4, bias = 0>,
  b = #tilegpu.packed<bits = 3, bias = 4, version = 1>,
  c = #tilegpu.packed<bits = 4 as "f4e2m1", bias = 0>
}
