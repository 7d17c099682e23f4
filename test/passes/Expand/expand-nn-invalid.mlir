// What tw-expand-nn refuses.
// RUN: %tw-opt %s -tw-expand-nn -split-input-file -verify-diagnostics

// Nothing here invents sizes: the driver attaches a schedule.
func.func @no_schedule(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects a schedule; the driver attaches one before tw-expand-nn}}
  %y = nn.quant_matmul %x, %w : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// A schedule has every parameter.
func.func @missing_parameter(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects the schedule parameter warps_n, but it is missing}}
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1}>} : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// A schedule has no other parameter.
func.func @unknown_parameter(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-error @+1 {{tile_q}}
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, tile_q = 1, warps_m = 1, warps_n = 2}>} : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Tiles of K are whole blocks of packed words.
func.func @tile_k(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects tile_k to be a multiple of 128 up to 1024, but got 64; the nearest is 128}}
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 64, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// A tile of K is not empty.
func.func @empty_tile_k(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects tile_k to be a multiple of 128 up to 1024, but got 0; the nearest is 128}}
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 0, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Warps come in powers of two.
func.func @warps(%x: tensor<16x384xf16>, %w: !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects warps_n to be a power of two up to 8, but got 3}}
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 96, warps_m = 1, warps_n = 3}>} : tensor<16x384xf16>, !nn.quantized<384x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// A function is one kernel: one nn op.
func.func @two_ops(%x: tensor<16x64xf16>, %w: !nn.quantized<64x64, #nn.qformat<u4, group = 64, scale = f16>>) -> tensor<16x64xf16> {
  %0 = nn.quant_matmul %x, %w : tensor<16x64xf16>, !nn.quantized<64x64, #nn.qformat<u4, group = 64, scale = f16>> -> tensor<16x64xf16>
  // expected-error @+1 {{expects one nn op between the arguments and the return of a function}}
  %1 = nn.quant_matmul %0, %w : tensor<16x64xf16>, !nn.quantized<64x64, #nn.qformat<u4, group = 64, scale = f16>> -> tensor<16x64xf16>
  return %1 : tensor<16x64xf16>
}

// -----

// A function around an nn op has no branches.
// expected-error @+1 {{expects a function of one block around an nn op}}
func.func @two_blocks(%x: tensor<16x64xf16>, %w: !nn.quantized<64x64, #nn.qformat<u4, group = 64, scale = f16>>) -> tensor<16x64xf16> {
  %0 = nn.quant_matmul %x, %w : tensor<16x64xf16>, !nn.quantized<64x64, #nn.qformat<u4, group = 64, scale = f16>> -> tensor<16x64xf16>
  cf.br ^end
^end:
  return %0 : tensor<16x64xf16>
}

// -----

// Attention, too, has its sizes from a schedule.
func.func @attention_no_schedule(%q: tensor<1x64x4x64xf16>) -> tensor<1x64x4x64xf16> {
  // expected-error @+1 {{expects a schedule; the driver attaches one before tw-expand-nn}}
  %o = nn.attention %q, %q, %q scale 0.125 : tensor<1x64x4x64xf16>, tensor<1x64x4x64xf16>, tensor<1x64x4x64xf16> -> tensor<1x64x4x64xf16>
  return %o : tensor<1x64x4x64xf16>
}

// -----

// Each warp owns whole products.
func.func @attention_tile(%q: tensor<1x64x4x64xf16>) -> tensor<1x64x4x64xf16> {
  // expected-error @+1 {{expects tile_q to be a multiple of 16 * warps (64) up to 256, but got 32; the nearest is 64}}
  %o = nn.attention %q, %q, %q scale 0.125 {schedule = #tile.schedule<"attention", {tile_q = 32, tile_k = 64, warps = 4, stages = 2}>} : tensor<1x64x4x64xf16>, tensor<1x64x4x64xf16>, tensor<1x64x4x64xf16> -> tensor<1x64x4x64xf16>
  return %o : tensor<1x64x4x64xf16>
}

// -----

// Chunks of K are not those of a stack's steps, whose number is the launch's.
func.func @chunks_of_a_stack(%x: tensor<16x256xf16>, %w: !nn.quantized<256x64, #nn.qformat<stack, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-error @+1 {{expects chunk_k to be left out with stacks, but got 128}}
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {chunk_k = 128, split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x256xf16>, !nn.quantized<256x64, #nn.qformat<stack, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}

// -----

// Only 8-bit floats are widened.
func.func @operand_bits(%x: tensor<64x128xbf16>, %w: tensor<64x128xbf16>) -> tensor<64x64xf16> {
  // expected-error @+1 {{expects operand_bits to be 16 with f8E4M3FN or f8E5M2, or left out, but got 16 with 'bf16'}}
  %y = nn.matmul %x, %w {transpose_w, schedule = #tile.schedule<"matmul", {operand_bits = 16, split_k = 1, stages = 3, tile_k = 64, tile_m = 32, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<64x128xbf16>, tensor<64x128xbf16> -> tensor<64x64xf16>
  return %y : tensor<64x64xf16>
}

// -----

func.func @remark(%x: tensor<16x128xf8E5M2>, %w: !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x64xf16> {
  // expected-remark @+1 {{multiplies 'f8E5M2' as f16, which packed weights are unpacked to}}
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 1, stages = 2, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<16x128xf8E5M2>, !nn.quantized<128x64, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x64xf16>
  return %y : tensor<16x64xf16>
}
