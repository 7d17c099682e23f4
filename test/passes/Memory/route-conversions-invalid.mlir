// What tw-route-conversions refuses.
// RUN: %tw-opt %s -tw-route-conversions -split-input-file -verify-diagnostics

#rows = #tilegpu.layout<blocked 4, shape = [16, 64], warps = [2]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 2]>

// Bits have no address.
func.func @bits(%t: tensor<16x64xi1, #acc>) -> tensor<16x64xi1, #rows> {
  // expected-error @+1 {{expects elements of whole bytes to go through shared memory, but got 'i1'}}
  %0 = tilegpu.convert_layout %t : tensor<16x64xi1, #acc> -> tensor<16x64xi1, #rows>
  return %0 : tensor<16x64xi1, #rows>
}

// -----

#two = #tilegpu.layout<blocked 4, shape = [16, 64], warps = [2]>
#four = #tilegpu.layout<blocked 4, shape = [16, 64], warps = [4]>

// A kernel has one number of warps.
func.func @other_warps(%t: tensor<16x64xf32, #two>) -> tensor<16x64xf32, #four> {
  // expected-error @+1 {{expects layouts of one tile over the same threads}}
  %0 = tilegpu.convert_layout %t : tensor<16x64xf32, #two> -> tensor<16x64xf32, #four>
  return %0 : tensor<16x64xf32, #four>
}
