// Ops on registers survive printing and parsing.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

#a = #tilegpu.layout<mma_operand 0, shape = [16, 64], warps = [1, 2]>
#b = #tilegpu.layout<mma_operand 1, shape = [64, 64], warps = [1, 2]>
#acc = #tilegpu.layout<mma_accumulator, shape = [16, 64], warps = [1, 2]>
#rows = #tilegpu.layout<blocked 4, shape = [16, 64], warps = [2]>

// A product of fragments, then the sum in rows.
// CHECK-LABEL: func.func @product(
// CHECK-SAME: %[[A:.+]]: tensor<16x64xf16, #{{.+}}>, %[[B:.+]]: tensor<64x64xf16, #{{.+}}>, %[[C:.+]]: tensor<16x64xf32, #{{.+}}>) ->
// CHECK: %[[SUM:.+]] = tilegpu.mma %[[A]], %[[B]], %[[C]] : tensor<16x64xf16, {{.+}}mma_operand 0{{.+}}>, tensor<64x64xf16, {{.+}}mma_operand 1{{.+}}> -> tensor<16x64xf32, {{.+}}mma_accumulator
// CHECK: tilegpu.convert_layout %[[SUM]] : tensor<16x64xf32, {{.+}}mma_accumulator{{.+}}> -> tensor<16x64xf32, {{.+}}blocked 4
func.func @product(%a: tensor<16x64xf16, #a>, %b: tensor<64x64xf16, #b>, %c: tensor<16x64xf32, #acc>) -> tensor<16x64xf32, #rows> {
  %sum = tilegpu.mma %a, %b, %c : tensor<16x64xf16, #a>, tensor<64x64xf16, #b> -> tensor<16x64xf32, #acc>
  %rows = tilegpu.convert_layout %sum : tensor<16x64xf32, #acc> -> tensor<16x64xf32, #rows>
  return %rows : tensor<16x64xf32, #rows>
}

#sum = #tilegpu.layout<mma_accumulator, shape = [16, 16], warps = [1, 2]>
#parts = #tilegpu.layout<register = [[8, 0]], lane = [[0, 0], [0, 0], [1, 0], [2, 0], [4, 0]], warp = [[0, 1]], repeat = [1, 1]>

// What each warp holds, reduced.
// CHECK-LABEL: func.func @warp_reduce(
// CHECK: tilegpu.warp_reduce add %{{.+}} along 1 : tensor<16x16xf32, {{.*}}> -> tensor<16x2xf32, {{.*}}>
func.func @warp_reduce(%t: tensor<16x16xf32, #sum>) {
  %0 = tilegpu.warp_reduce add %t along 1 : tensor<16x16xf32, #sum> -> tensor<16x2xf32, #parts>
  return
}
