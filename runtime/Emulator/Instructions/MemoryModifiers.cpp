//===- MemoryModifiers.cpp - Modifiers that memory instructions share ---------===//
//
// See MemoryModifiers.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/MemoryModifiers.h"

using namespace tilewright;
using namespace tilewright::emulator;

Space tilewright::emulator::takeMemorySpace(InstructionDecoder &d) {
  if (d.take("global"))
    return Space::Global;
  if (d.take("shared") || d.take("shared::cta"))
    return Space::Shared;
  if (d.take("local"))
    return Space::Local;
  if (d.take("const"))
    return Space::Const;
  if (d.take("param") || d.take("param::entry") || d.take("param::func"))
    return Space::Param;
  return Space::Generic;
}

void tilewright::emulator::takeOrdering(InstructionDecoder &d, MemoryInfo &info) {
  if (d.take("volatile") || d.take("mmio"))
    info.isVolatile = true;
  if (d.take("relaxed"))
    info.ordering = Ordering::Relaxed;
  else if (d.take("acquire"))
    info.ordering = Ordering::Acquire;
  else if (d.take("release"))
    info.ordering = Ordering::Release;
  else if (d.take("acq_rel"))
    info.ordering = Ordering::AcquireRelease;
  else
    d.take("weak");
  if (d.take("cta"))
    info.scope = Scope::Block;
  else if (d.take("cluster"))
    info.scope = Scope::Cluster;
  else if (d.take("gpu"))
    info.scope = Scope::Device;
  else
    d.take("sys");
}

bool tilewright::emulator::takeCacheHints(InstructionDecoder &d) {
  d.takeOneOf({"ca", "cg", "cs", "lu", "cv", "wb", "wt"});
  d.takeOneOf({"L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last",
               "L1::no_allocate"});
  d.takeOneOf({"L2::evict_normal", "L2::evict_first", "L2::evict_last"});
  d.takeOneOf({"L2::64B", "L2::128B", "L2::256B"});
  return d.take("L2::cache_hint");
}
