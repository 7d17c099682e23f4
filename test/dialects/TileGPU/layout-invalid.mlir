// Layouts that no thread could hold are refused where they are spelled.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// A layout is a known constructor or bases.
// expected-error @+1 {{expects mma_accumulator, mma_operand, blocked or register, but got slice}}
func.func private @unknown_constructor(tensor<16xf32, #tilegpu.layout<slice 0, shape = [16], warps = [1]>>)

// -----

// An accumulator covers whole 16x8 fragments.
// expected-error @+1 {{expects a shape that mma_accumulator can cover with these warps}}
func.func private @accumulator_shape(tensor<8x8xf32, #tilegpu.layout<mma_accumulator, shape = [8, 8], warps = [1, 1]>>)

// -----

// Each warp holds a whole fragment.
// expected-error @+1 {{expects a shape that mma_accumulator can cover with these warps}}
func.func private @accumulator_warps(tensor<16x8xf32, #tilegpu.layout<mma_accumulator, shape = [16, 8], warps = [1, 2]>>)

// -----

// Warps come in powers of two.
// expected-error @+1 {{expects a shape that mma_accumulator can cover with these warps}}
func.func private @odd_warps(tensor<48x8xf32, #tilegpu.layout<mma_accumulator, shape = [48, 8], warps = [3, 1]>>)

// -----

// An mma has operands 0 and 1.
// expected-error @+1 {{expects a shape that mma_operand can cover with these warps}}
func.func private @third_operand(tensor<16x16xf16, #tilegpu.layout<mma_operand 2, shape = [16, 16], warps = [1, 1]>>)

// -----

// Operand 1 covers K in steps of 16.
// expected-error @+1 {{expects a shape that mma_operand can cover with these warps}}
func.func private @operand_shape(tensor<8x8xf16, #tilegpu.layout<mma_operand 1, shape = [8, 8], warps = [1, 1]>>)

// -----

// A vector is a power of two of elements.
// expected-error @+1 {{expects a shape that blocked can cover with these warps}}
func.func private @odd_vector(tensor<9xf32, #tilegpu.layout<blocked 3, shape = [9], warps = [1]>>)

// -----

// Vectors divide the last extent.
// expected-error @+1 {{expects a shape that blocked can cover with these warps}}
func.func private @wide_vector(tensor<6xf32, #tilegpu.layout<blocked 4, shape = [6], warps = [1]>>)

// -----

// A blocked tile counts its warps in one number.
// expected-error @+1 {{expects a shape that blocked can cover with these warps}}
func.func private @grid_of_blocked(tensor<8x8xf32, #tilegpu.layout<blocked 1, shape = [8, 8], warps = [1, 2]>>)

// -----

// Bases have an entry a dimension.
// expected-error @+1 {{expects bases of one rank, the length of repeat}}
func.func private @rank_of_bases(tensor<8xf32, #tilegpu.layout<register = [[1, 0]], lane = [], warp = [], repeat = [1]>>)

// -----

// Every basis has an entry a dimension, not all of them together.
// expected-error @+1 {{expects bases of one rank, the length of repeat}}
func.func private @mixed_ranks(tensor<4x4xf32, #tilegpu.layout<register = [[0, 1, 2], [3]],
  lane = [[0, 0], [0, 0], [0, 0], [0, 0], [0, 0]], warp = [], repeat = [1, 1]>>)

// -----

// Powers of two are in the bases; the repetition is what is left.
// expected-error @+1 {{expects odd repeat counts}}
func.func private @even_repeat(tensor<8xf32, #tilegpu.layout<register = [[1]],
  lane = [[0], [0], [0], [0], [0]], warp = [], repeat = [2]>>)

// -----

// A warp has 32 lanes.
// expected-error @+1 {{expects 5 bases of lanes, but got 1}}
func.func private @lanes(tensor<4xf32, #tilegpu.layout<register = [[1]], lane = [[2]], warp = [], repeat = [1]>>)

// -----

// Coordinates are not negative.
// expected-error @+1 {{expects entries of bases that are not negative, but got -1}}
func.func private @negative_entry(tensor<2xf32, #tilegpu.layout<register = [[-1]],
  lane = [[0], [0], [0], [0], [0]], warp = [], repeat = [1]>>)

// -----

// Registers and warps are what a block can have.
// expected-error @+1 {{expects at most 12 bases of registers and 5 of warps, but got 0 and 6}}
func.func private @warps(tensor<64xf32, #tilegpu.layout<register = [], lane = [[0], [0], [0], [0], [0]],
  warp = [[1], [2], [4], [8], [16], [32]], repeat = [1]>>)
