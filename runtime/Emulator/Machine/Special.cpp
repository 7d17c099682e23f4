//===- Special.cpp - Special registers -----------------------------------------===//
//
// See Special.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/Special.h"
#include "runtime/Emulator/Machine/Machine.h"
#include "llvm/ADT/StringSwitch.h"

using namespace tilewright::emulator;

std::optional<SpecialRegister> tilewright::emulator::parseSpecialRegister(llvm::StringRef name) {
  using S = SpecialRegister;
  unsigned index = 0;
  llvm::StringRef rest = name;
  // Where cooperative groups find the word of a grid's barrier.
  if (name == "%envreg1")
    return S::GridWorkspaceHigh;
  if (name == "%envreg2")
    return S::GridWorkspaceLow;
  if ((rest.consume_front("%envreg") && !rest.getAsInteger(10, index) && index < 32) ||
      (rest.consume_front("%pm") && (rest.consume_back("_64") || true) &&
       !rest.getAsInteger(10, index) && index < 8))
    return S::Zero;
  return llvm::StringSwitch<std::optional<S>>(name)
      .Case("%tid.x", S::TidX)
      .Case("%tid.y", S::TidY)
      .Case("%tid.z", S::TidZ)
      .Case("%ntid.x", S::NtidX)
      .Case("%ntid.y", S::NtidY)
      .Case("%ntid.z", S::NtidZ)
      .Case("%ctaid.x", S::CtaidX)
      .Case("%ctaid.y", S::CtaidY)
      .Case("%ctaid.z", S::CtaidZ)
      .Case("%nctaid.x", S::NctaidX)
      .Case("%nctaid.y", S::NctaidY)
      .Case("%nctaid.z", S::NctaidZ)
      .Case("%laneid", S::LaneId)
      .Case("%warpid", S::WarpId)
      .Case("%nwarpid", S::NWarpId)
      .Case("%smid", S::SmId)
      .Case("%nsmid", S::NSmId)
      .Case("%gridid", S::GridId)
      .Case("%lanemask_eq", S::LaneMaskEq)
      .Case("%lanemask_le", S::LaneMaskLe)
      .Case("%lanemask_lt", S::LaneMaskLt)
      .Case("%lanemask_ge", S::LaneMaskGe)
      .Case("%lanemask_gt", S::LaneMaskGt)
      .Case("%dynamic_smem_size", S::DynamicSharedSize)
      .Case("%total_smem_size", S::TotalSharedSize)
      // Without clusters every block is a cluster of one.
      .Cases({"%cluster_ctaid.x", "%cluster_ctaid.y", "%cluster_ctaid.z", "%cluster_ctarank"},
             S::Zero)
      .Cases({"%cluster_nctaid.x", "%cluster_nctaid.y", "%cluster_nctaid.z", "%cluster_nctarank"},
             S::One)
      // What nothing writes: the driver's registers, performance counters, a graph.
      .Cases({"%current_graph_exec", "%reserved_smem_offset_begin", "%reserved_smem_offset_0"},
             S::Zero)
      .Case("%reserved_smem_offset_1", S::ReservedShared)
      .Cases({"%reserved_smem_offset_end", "%reserved_smem_offset_cap"}, S::ReservedSharedSize)
      .Case("%aggr_smem_size", S::AggregateSharedSize)
      .Case("%clusterid.x", S::CtaidX)
      .Case("%clusterid.y", S::CtaidY)
      .Case("%clusterid.z", S::CtaidZ)
      .Case("%nclusterid.x", S::NctaidX)
      .Case("%nclusterid.y", S::NctaidY)
      .Case("%nclusterid.z", S::NctaidZ)
      .Default(std::nullopt);
}

static uint64_t valueOf(const Warp &warp, SpecialRegister which, unsigned lane) {
  using S = SpecialRegister;
  const Launch &launch = warp.launch;
  const tilewright::device::Dim3 &size = launch.blockSize;
  uint32_t thread = warp.index * kLanes + lane, bit = 1u << lane;
  switch (which) {
  case S::TidX:
    return thread % size.x;
  case S::TidY:
    return thread / size.x % size.y;
  case S::TidZ:
    return thread / size.x / size.y;
  case S::NtidX:
    return size.x;
  case S::NtidY:
    return size.y;
  case S::NtidZ:
    return size.z;
  case S::CtaidX:
    return warp.block.index.x;
  case S::CtaidY:
    return warp.block.index.y;
  case S::CtaidZ:
    return warp.block.index.z;
  case S::NctaidX:
    return launch.grid.x;
  case S::NctaidY:
    return launch.grid.y;
  case S::NctaidZ:
    return launch.grid.z;
  case S::LaneId:
    return lane;
  case S::WarpId:
    return warp.index;
  case S::NWarpId:
    return (size.count() + kLanes - 1) / kLanes;
  case S::SmId:
    return warp.block.linearIndex % launch.model.smCount;
  case S::NSmId:
    return launch.model.smCount;
  case S::GridId:
    return 0;
  case S::LaneMaskEq:
    return bit;
  case S::LaneMaskLe:
    return bit | (bit - 1);
  case S::LaneMaskLt:
    return bit - 1;
  case S::LaneMaskGe:
    return ~(bit - 1);
  case S::LaneMaskGt:
    return ~(bit | (bit - 1));
  case S::DynamicSharedSize:
    return launch.dynamicSharedBytes;
  case S::TotalSharedSize:
    return warp.block.shared.size();
  case S::ReservedSharedSize:
    return kSharedBase;
  case S::ReservedShared:
    return launch.program.reservedShared;
  case S::GridWorkspaceHigh:
    return launch.gridWorkspace >> 32;
  case S::GridWorkspaceLow:
    return static_cast<uint32_t>(launch.gridWorkspace);
  case S::AggregateSharedSize:
    return warp.block.shared.size() + kSharedBase;
  case S::Zero:
    return 0;
  case S::One:
    return 1;
  }
  return 0;
}

void tilewright::emulator::fillSpecial(Warp &warp, const SpecialSlot &special, uint8_t *bank) {
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    uint64_t value = valueOf(warp, special.which, lane);
    if (special.is64)
      reinterpret_cast<uint64_t *>(bank + special.slot)[lane] = value;
    else
      reinterpret_cast<uint32_t *>(bank + special.slot)[lane] = static_cast<uint32_t>(value);
  }
}
