// A tile program that a person wrote compiles like one that Expand wrote: row
// sums of squares are not in nn.
// RUN: %tw-compile %s --target sm_80 | FileCheck %s --check-prefix=PTX
// RUN: %tw-compile %s --target sm_80 --emit metadata | FileCheck %s --check-prefix=METADATA

// PTX: .visible .entry square(
// PTX: ld.global{{.*}}.v4
// PTX: st.global{{.*}}.v4

// METADATA-DAG: "kernel": "square"
// METADATA-DAG: "name": "x"
// METADATA-DAG: "name": "y"
func.func @square(%px: !tile.ptr {tile.parameter = #tile.parameter<pointer "x", dtype = "f32", align = 16>},
                  %py: !tile.ptr {tile.parameter = #tile.parameter<pointer "y", dtype = "f32", align = 16, written>})
    attributes {tile.kernel = #tile.kernel<grid = ["16", "1", "1"], warps = 2>} {
  %c256 = arith.constant 256 : i32
  %block = tile.program_id 0
  %first = arith.muli %block, %c256 : i32
  %x = tile.view %px : !tile.view<4096xf32, strides = [1], align = 16>
  %y = tile.view %py : !tile.view<4096xf32, strides = [1], align = 16>
  %t = tile.load %x[%first] : !tile.view<4096xf32, strides = [1], align = 16> -> tensor<256xf32>
  %s = arith.mulf %t, %t : tensor<256xf32>
  tile.store %s, %y[%first] : tensor<256xf32>, !tile.view<4096xf32, strides = [1], align = 16>
  return
}
