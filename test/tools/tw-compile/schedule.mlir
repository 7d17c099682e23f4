// The schedule is the option's, else the op's, else the family's default for the
// GPU; each is checked against the target.
// RUN: %tw-compile %s --emit phases --schedule 'quant_matmul{split_k=1, stages=2, tile_k=128, tile_m=16, tile_n=32, warps_m=1, warps_n=1}' | FileCheck %s --check-prefix=OPTION
// RUN: %tw-compile %s --emit phases | FileCheck %s --check-prefix=DEFAULT
// RUN: not %tw-compile %s --target sm_86 --schedule 'quant_matmul{split_k=1, stages=8, tile_k=256, tile_m=16, tile_n=256, warps_m=1, warps_n=4}' 2>&1 | FileCheck %s --check-prefix=SHARED
// RUN: not %tw-compile %s --schedule 'quant_matmul{split_k=1, stages=2, tile_k=100, tile_m=16, tile_n=32, warps_m=1, warps_n=1}' 2>&1 | FileCheck %s --check-prefix=TILE
// RUN: not %tw-compile %s --schedule 'quant_matmul{tile_k=128' 2>&1 | FileCheck %s --check-prefix=SYNTAX
// RUN: not %tw-compile %s --schedule 'attention{}' 2>&1 | FileCheck %s --check-prefix=FAMILY

// OPTION: tile.schedule = #tile.schedule<"quant_matmul", {split_k = 1 : i64, stages = 2 : i64, tile_k = 128 : i64, tile_m = 16 : i64, tile_n = 32 : i64, warps_m = 1 : i64, warps_n = 1 : i64}>
// DEFAULT: tile.schedule = #tile.schedule<"quant_matmul", {split_k

// A schedule that does not fit says what it needs, what there is, and the nearest
// that fits.
// SHARED: error: {{.*}}expects at most 101376 bytes of shared memory a block on sm_86, but stages = 8 of tiles 16x256x256 need {{[0-9]+}}; the nearest is stages = 2

// TILE: error: {{.*}}expects tile_k to be a multiple of 128 up to 1024, but got 100; the nearest is 128
// SYNTAX: error:
// FAMILY: error: {{.*}}attention
func.func @linear(%x: tensor<16x1024xf16>, %w: !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x256xf16> {
  %y = nn.quant_matmul %x, %w : tensor<16x1024xf16>, !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x256xf16>
  return %y : tensor<16x256xf16>
}
