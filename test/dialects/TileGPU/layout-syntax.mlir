// Layouts print as the named constructor that makes them, else as their bases.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// Each constructor is found again in its bases.
// CHECK-LABEL: func.func private @constructors(
// CHECK-SAME: tensor<16x64xf32, #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 2]>>
// CHECK-SAME: tensor<32x128xf16, #tilegpu.layout<mma_operand 0, shape = [32, 128], warps = [2, 2]>>
// CHECK-SAME: tensor<64x64xf16, #tilegpu.layout<mma_operand 1, shape = [64, 64], warps = [1, 2]>>
// CHECK-SAME: tensor<16x64xf32, #tilegpu.layout<blocked 4, shape = [16, 64], warps = [2]>>
func.func private @constructors(
  tensor<16x64xf32, #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 2]>>,
  tensor<32x128xf16, #tilegpu.layout<mma_operand 0, shape = [32, 128], warps = [2, 2]>>,
  tensor<64x64xf16, #tilegpu.layout<mma_operand 1, shape = [64, 64], warps = [1, 2]>>,
  tensor<16x64xf32, #tilegpu.layout<blocked 4, shape = [16, 64], warps = [2]>>)

// Head sizes that are no powers of two repeat a base tile.
// CHECK-LABEL: func.func private @repeated(
// CHECK-SAME: #tilegpu.layout<mma_accumulator, shape = [16, 96], warps = [1, 2]>
// CHECK-SAME: #tilegpu.layout<blocked 1, shape = [5], warps = [1]>
func.func private @repeated(
  tensor<16x96xf32, #tilegpu.layout<mma_accumulator, shape = [16, 96], warps = [1, 2]>>,
  tensor<5xf32, #tilegpu.layout<blocked 1, shape = [5], warps = [1]>>)

// Two spellings of one layout are one attribute: the bases of the fragment of
// m16n8k16 are recognised.
// CHECK-LABEL: func.func private @recognised(
// CHECK-SAME: #tilegpu.layout<mma_accumulator, shape = [16, 8], warps = [1, 1]>
func.func private @recognised(
  tensor<16x8xf32, #tilegpu.layout<register = [[0, 1], [8, 0]], lane = [[0, 2], [0, 4], [1, 0], [2, 0], [4, 0]],
                                   warp = [], repeat = [1, 1]>>)

// What no constructor makes is spelled out; a zero basis replicates.
// CHECK-LABEL: func.func private @bases(
// CHECK-SAME: #tilegpu.layout<register = {{\[\[}}0, 1], [0, 8]], lane = {{\[\[}}0, 2], [0, 4], [0, 0], [0, 0], [0, 0]], warp = {{\[\[}}0, 16]], repeat = [1, 3]>
func.func private @bases(
  tensor<1x96xf16, #tilegpu.layout<register = [[0, 1], [0, 8]], lane = [[0, 2], [0, 4], [0, 0], [0, 0], [0, 0]],
                                   warp = [[0, 16]], repeat = [1, 3]>>)
