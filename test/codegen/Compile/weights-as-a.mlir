// Up to eight rows: weights unpack in operand A, x is read by ldmatrix as operand
// B, and nothing is converted on the way.
// RUN: %tw-compile %s --target sm_80 --emit phases | FileCheck %s

// CHECK-LABEL: // after layout
// CHECK: %[[VALUES:.+]] = tilegpu.dequant {{.*}} -> tensor<64x64xf16,
// CHECK: %[[A:.+]] = tile.transpose %[[VALUES]] order = [1, 0] :
// CHECK: %[[B:.+]] = tile.transpose {{.*}} -> tensor<64x8xf16, #tilegpu.layout<mma_operand 1,
// CHECK: tilegpu.mma %[[A]], %[[B]], {{.*}} -> tensor<64x8xf32, #tilegpu.layout<mma_accumulator,
// CHECK-NOT: convert_layout
// CHECK-LABEL: // after memory
// CHECK: tilegpu.alloc at 0 : <slots = 3, 8x128xf16, #tilegpu.shared<swizzle = 128>>
// CHECK-LABEL: // after lower
// CHECK: nvvm.ldmatrix {{.*}}num = 4
func.func @linear(%x: tensor<?x1024xf16>, %w: !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x256xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 3, tile_k = 128, tile_m = 8, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<?x1024xf16>, !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x256xf16>
  return %y : tensor<?x256xf16>
}
