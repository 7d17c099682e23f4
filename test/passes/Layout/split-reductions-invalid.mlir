// RUN: %tw-opt %s -tw-split-reductions -verify-diagnostics

#skew = #tilegpu.layout<register = [], lane = [[1, 1], [2, 0], [4, 0], [0, 2], [0, 4]], warp = [], repeat = [1, 1]>
#none = #tilegpu.layout<register = [], lane = [[1, 0], [2, 0], [4, 0], [0, 0], [0, 0]], warp = [], repeat = [1, 1]>

// Lanes 0 and 1 are in different rows and different columns: no butterfly adds rows.
func.func @skew(%t: tensor<8x8xf32, #skew>) {
  // expected-error @+1 {{expects lanes and warps that move along dimension 1 or others, not both, but got}}
  %0 = tile.reduce add %t along 1 : tensor<8x8xf32, #skew> -> tensor<8x1xf32, #none>
  return
}
