// One quantised product from nn down to PTX, as each phase leaves it.
// RUN: %tw-compile %s --target sm_80 --emit phases | FileCheck %s --check-prefix=PHASES
// RUN: %tw-compile %s --target sm_80 | FileCheck %s --check-prefix=PTX

// What to compute.
// PHASES-LABEL: // after nn
// PHASES: module attributes {tile.target = "sm_80"}
// PHASES: nn.quant_matmul

// How, per block: tiles without layouts, a loop that asks for stages.
// PHASES-LABEL: // after expand
// PHASES-NOT: nn.quant_matmul
// PHASES: tile.kernel = #tile.kernel<grid = ["4", "ceildiv(M, 16)", "2"], warps = 2
// PHASES: scf.for
// PHASES: tile.unpack {{.*}} -> tensor<128x64xi4>
// PHASES: tile.dot {{.*}} -> tensor<16x64xf32>
// PHASES: tile.stages = 3
// PHASES: tile.arrive

// The same, with what does not change out of the loop.
// PHASES-LABEL: // after simplify
// PHASES: scf.for
// PHASES-NOT: arith.constant
// PHASES-NOT: tile.view
// PHASES: scf.yield

// How, per thread: every tensor has a layout, weights unpack in mma operands.
// PHASES-LABEL: // after layout
// PHASES: tilegpu.dequant {{.*}} -> tensor<64x64xf16, #tilegpu.layout<mma_operand 1,
// PHASES-NOT: tile.unpack
// PHASES: tilegpu.mma {{.*}} -> tensor<16x64xf32, #tilegpu.layout<mma_accumulator,
// PHASES-NOT: tile.dot

// Copies run ahead in shared memory that is laid out; one barrier an iteration.
// PHASES-LABEL: // after memory
// PHASES: tilegpu.shared_bytes = 24960
// PHASES: tilegpu.alloc at 0 : <slots = 3, 16x128xf16, #tilegpu.shared<swizzle = 128>>
// PHASES: scf.for
// PHASES: tilegpu.async_wait 1
// PHASES: tilegpu.barrier
// PHASES: tilegpu.async_copy
// PHASES: tilegpu.async_commit
// PHASES-NOT: tilegpu.barrier
// PHASES: tilegpu.local_load
// PHASES-NOT: tilegpu.barrier
// PHASES: tilegpu.mma
// PHASES-NOT: tilegpu.barrier
// PHASES: scf.yield

// Instructions.
// PHASES-LABEL: // after lower
// PHASES-NOT: {{ (tile|tilegpu)[.]}}
// PHASES: nvvm.cp.async
// PHASES: nvvm.ldmatrix
// PHASES: nvvm.mma.sync

// The backend rotates the loop, so that its parts come in any order.
// PTX: .target sm_80
// PTX: .address_size 64
// PTX: .visible .entry linear(
// PTX: .reqntid 64
// PTX-DAG: cp.async.cg.shared.global
// PTX-DAG: cp.async.commit_group
// PTX-DAG: cp.async.wait_group 1
// PTX-DAG: bar.sync 0
// PTX-DAG: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// PTX-DAG: lop3.b32
// PTX-DAG: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// PTX: atom.global.add.u32
// PTX: bar.red.or
func.func @linear(%x: tensor<?x1024xf16>, %w: !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<?x256xf16> {
  %y = nn.quant_matmul %x, %w {schedule = #tile.schedule<"quant_matmul", {split_k = 2, stages = 3, tile_k = 128, tile_m = 16, tile_n = 64, warps_m = 1, warps_n = 2}>} : tensor<?x1024xf16>, !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<?x256xf16>
  return %y : tensor<?x256xf16>
}
