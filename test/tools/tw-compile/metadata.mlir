// --emit=metadata prints what a launch needs, as JSON.
// RUN: %tw-compile %s --target sm_86 --emit metadata | FileCheck %s

// CHECK: "block": [
// CHECK-NEXT: 64,
// CHECK: "dynamic_shared_bytes": 24960
// CHECK: "grid": [
// CHECK-NEXT: "4",
// CHECK-NEXT: "ceildiv(M, 16)",
// CHECK-NEXT: "2"
// CHECK: "kernel": "linear"
// CHECK: "target": "sm_86"
func.func @linear(%x: tensor<?x1024xf16>, %w: !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x256xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 2, stages = 3, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<?x1024xf16>, !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x256xf16>
  return %y : tensor<?x256xf16>
}
