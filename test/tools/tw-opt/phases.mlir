// Each phase is a pipeline by name; all of them in a row are the whole one.
// RUN: %tw-opt %s --tw-phase-expand --tw-phase-simplify --tw-phase-layout --tw-phase-memory --tw-phase-lower > %t.phases
// RUN: %tw-opt %s --tw-pipeline > %t.pipeline
// RUN: diff %t.phases %t.pipeline
// RUN: FileCheck %s --input-file %t.pipeline

// CHECK: llvm.func @linear(
module attributes {tile.target = "sm_80"} {
  func.func @linear(%x: tensor<?x1024xf16>, %w: !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x256xf16> {
    %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 2, stages = 3, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<?x1024xf16>, !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x256xf16>
    return %y : tensor<?x256xf16>
  }
}
