// --emit=artifact prints PTX and metadata as one JSON object; --expected-m says
// for how many rows to choose the schedule of a dynamic M.
// RUN: %tw-compile %s --emit artifact | FileCheck %s --check-prefix=ARTIFACT
// RUN: %tw-compile %s --emit phases --expected-m 1 | FileCheck %s --check-prefix=FEW
// RUN: %tw-compile %s --emit phases --expected-m 4096 | FileCheck %s --check-prefix=MANY

// ARTIFACT: {"metadata":{{.*}}"kernel":"linear"{{.*}}"ptx":"{{.*}}.entry linear
// FEW: tile.schedule = {{.*}} tile_m = 8 : i64
// MANY: tile.schedule = {{.*}} tile_m = 128 : i64
func.func @linear(%x: tensor<?x1024xf16>, %w: !nn.quantized<1024x4096, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x4096xf16> {
  %y = nn.quant_matmul %x, %w : tensor<?x1024xf16>, !nn.quantized<1024x4096, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x4096xf16>
  return %y : tensor<?x4096xf16>
}
