//===- Access.cpp - Bounds, alignment, windows ---------------------------------===//
//
// See Access.h; the counting is in AccessCounters.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/Access.h"
#include "runtime/Emulator/Machine/Lanes.h"
#include <algorithm>

using namespace tilewright::emulator;

void tilewright::emulator::computeAddresses(const Warp &warp, const Inst &inst,
                                            const MemoryInfo &info, Access &access) {
  uint64_t offset = inst.imm + (info.frameRelative ? warp.localBase : 0);
  if (info.addressIs32) {
    const uint32_t *base = warp.at<uint32_t>(inst.a);
    TILEWRIGHT_LANE_LOOP
    for (unsigned lane = 0; lane < kLanes; ++lane)
      access.address[lane] = static_cast<uint32_t>(base[lane] + static_cast<uint32_t>(offset));
    return;
  }
  const uint64_t *base = warp.at<uint64_t>(inst.a);
  TILEWRIGHT_LANE_LOOP
  for (unsigned lane = 0; lane < kLanes; ++lane)
    access.address[lane] = base[lane] + offset;
}

static const char *verb(AccessKind kind) {
  switch (kind) {
  case AccessKind::Load:
  case AccessKind::AsyncRead:
    return "reads";
  case AccessKind::Store:
  case AccessKind::AsyncWrite:
    return "writes";
  case AccessKind::Atomic:
    return "updates";
  }
  return "";
}

static bool writes(AccessKind kind) {
  return kind != AccessKind::Load && kind != AccessKind::AsyncRead;
}

static bool failBounds(Warp &warp, const Access &access, unsigned lane, Space space,
                       const llvm::Twine &where) {
  warp.reportAt(FindingKind::OutOfBounds, lane,
                llvm::Twine(verb(access.kind)) + " " + llvm::Twine(access.bytes) + " bytes " +
                    where,
                space, access.address[lane]);
  return false;
}

//===----------------------------------------------------------------------===//
// One lane in one space
//===----------------------------------------------------------------------===//

static bool resolveGlobal(Warp &warp, Access &access, unsigned lane) {
  Launch &launch = warp.launch;
  uint64_t address = access.address[lane];
  if (!launch.recent || !launch.recent->contains(address, access.bytes)) {
    const Allocation *found = launch.global.find(address, access.bytes);
    if (!found)
      return failBounds(warp, access, lane, Space::Global, "outside every allocation");
    launch.recent = found;
  }
  if (launch.recent->isReadOnly && writes(access.kind)) {
    warp.reportAt(FindingKind::ReadOnlyWrite, lane, "writes constant memory", Space::Const,
                  address);
    return false;
  }
  if (access.space == Space::Const && !launch.recent->isReadOnly) {
    warp.reportAt(FindingKind::WrongSpace, lane, "reads global memory as constant", Space::Const,
                  address);
    return false;
  }
  access.host[lane] = launch.recent->at(address);
  access.mayBeUndefined |= launch.recent->defined != nullptr;
  return true;
}

static bool resolveShared(Warp &warp, Access &access, unsigned lane) {
  if (!warp.block.contains(access.address[lane], access.bytes))
    return failBounds(warp, access, lane, Space::Shared,
                      "outside the block's " + llvm::Twine(warp.block.shared.size()) +
                          " bytes of shared memory, which start at 0x400");
  access.host[lane] = warp.block.at(access.address[lane]);
  return true;
}

static bool resolveLocal(Warp &warp, Access &access, unsigned lane) {
  uint64_t address = access.address[lane];
  if (access.bytes > warp.localStride || address > warp.localStride - access.bytes)
    return failBounds(warp, access, lane, Space::Local, "outside the thread's stack");
  access.host[lane] = warp.localAt(lane, address);
  return true;
}

static bool resolveParameter(Warp &warp, Access &access, unsigned lane) {
  std::vector<uint8_t> &parameters = warp.launch.parameters;
  uint64_t address = access.address[lane];
  if (access.bytes > parameters.size() || address > parameters.size() - access.bytes)
    return failBounds(warp, access, lane, Space::Param,
                      "outside the " + llvm::Twine(parameters.size()) + " bytes of parameters");
  if (writes(access.kind)) {
    warp.reportAt(FindingKind::ReadOnlyWrite, lane, "writes a kernel parameter", Space::Param,
                  address);
    return false;
  }
  access.host[lane] = parameters.data() + address;
  return true;
}

static Space spaceOf(uint64_t address) {
  if (address - kSharedWindow < kWindowBytes)
    return Space::Shared;
  if (address - kLocalWindow < kWindowBytes)
    return Space::Local;
  if (address - kParamWindow < kWindowBytes)
    return Space::Param;
  return Space::Global;
}

static bool resolveLane(Warp &warp, Access &access, Space space, unsigned lane) {
  switch (space) {
  case Space::Shared:
    return resolveShared(warp, access, lane);
  case Space::Local:
    return resolveLocal(warp, access, lane);
  case Space::Param:
    return access.info && !access.info->entryParameters && access.space == Space::Param
               ? resolveLocal(warp, access, lane)
               : resolveParameter(warp, access, lane);
  default:
    return resolveGlobal(warp, access, lane);
  }
}

//===----------------------------------------------------------------------===//
// Checks over all lanes
//===----------------------------------------------------------------------===//

static bool checkAlignment(Warp &warp, const Access &access) {
  uint64_t low = 0;
  if (access.mask == kFullMask) {
    for (unsigned lane = 0; lane < kLanes; ++lane)
      low |= access.address[lane];
  } else {
    forEachLane(access.mask, [&](unsigned lane) { low |= access.address[lane]; });
  }
  if ((low & (access.alignment - 1)) == 0)
    return true;
  for (uint32_t rest = access.mask; rest; rest &= rest - 1) {
    unsigned lane = std::countr_zero(rest);
    if (access.address[lane] & (access.alignment - 1)) {
      warp.reportAt(FindingKind::Misaligned, lane,
                    llvm::Twine(verb(access.kind)) + " " + llvm::Twine(access.bytes) +
                        " bytes that must be aligned to " + llvm::Twine(access.alignment),
                    access.space, access.address[lane]);
      return false;
    }
  }
  return true;
}

// The copy in flight to some bytes of shared memory, as the other party of a finding.
static std::optional<Party> findCopy(const Block &block, uint64_t address, uint32_t bytes) {
  for (const auto &owner : block.warps)
    if (auto writer = owner->copies.findWriter(address, bytes)) {
      Finding at =
          owner->makeFinding(FindingKind::AsyncDestinationRead, writer->second, writer->first);
      return Party{"being written by", at.instruction, at.location, at.source, at.sourceFile,
                   at.inlinedAt,       at.block,       at.warp,     at.lane};
    }
  return std::nullopt;
}

// Copies in flight own their destination (PTX ISA, cp.async: "there is no
// ordering guarantee ... unless the completion is waited for").
static void checkPending(Warp &warp, const Access &access) {
  const PendingBytes &pending = warp.block.pending;
  for (uint32_t rest = access.mask; rest; rest &= rest - 1) {
    unsigned lane = std::countr_zero(rest);
    uint32_t offset = access.address[lane] - kSharedBase;
    bool isPending = false;
    for (uint32_t done = 0; done < access.bytes && !isPending; done += 16)
      isPending = pending.test(offset + done, std::min(access.bytes - done, 16u));
    if (!isPending)
      continue;
    bool isWrite = writes(access.kind);
    FindingKind kind =
        isWrite ? FindingKind::AsyncDestinationWrite : FindingKind::AsyncDestinationRead;
    Finding finding = warp.makeFindingAt(kind, lane, Space::Shared, access.address[lane]);
    finding.message = std::string(verb(access.kind)) +
                      " the destination of an asynchronous copy that has not been waited for";
    finding.other = findCopy(warp.block, access.address[lane], access.bytes);
    finding.remedy = "wait for the copy first (cp.async.wait_all, or cp.async.wait_group that lets "
                     "no group of it be in flight), and where another thread issued it, then "
                     "for that thread by a barrier";
    warp.record(std::move(finding), /*stops=*/false);
    return;
  }
}

static void keepWorst(Warp &warp, const Access &access, uint32_t cost, uint32_t ideal) {
  if (warp.launch.worst.empty())
    return;
  std::unique_ptr<WorstAccess> &kept = warp.launch.worst[warp.pc];
  if (kept && kept->getExcess() >= cost - ideal)
    return;
  const auto &block = warp.block.index;
  kept = std::make_unique<WorstAccess>(WorstAccess{access.space,
                                                   {block.x, block.y, block.z},
                                                   warp.index,
                                                   access.mask,
                                                   access.bytes,
                                                   cost,
                                                   ideal});
  std::copy_n(access.address, kLanes, kept->address.begin());
}

static void count(Warp &warp, const Access &access) {
  Counters &counters = warp.counters();
  uint64_t bytes = uint64_t(std::popcount(access.mask)) * access.bytes;
  bool isWrite = writes(access.kind);
  if (access.space == Space::Shared) {
    (isWrite ? counters.sharedStoreBytes : counters.sharedLoadBytes) += bytes;
    uint32_t wavefronts = 0, ideal = 0;
    ++counters.sharedAccesses;
    if (access.isContiguous && access.bytes >= 4) {
      // Lanes in a row use every bank equally often.
      wavefronts = ideal = access.bytes / 4;
    } else if (warp.launch.options.countAccesses)
      wavefronts = countWavefronts(access.address, access.mask, access.bytes, ideal);
    counters.sharedWavefronts += wavefronts;
    counters.sharedIdealWavefronts += ideal;
    keepWorst(warp, access, wavefronts, ideal);
  } else if (access.space == Space::Global) {
    (isWrite ? counters.globalStoreBytes : counters.globalLoadBytes) += bytes;
    ++counters.globalRequests;
    if (!warp.launch.options.countAccesses)
      return;
    uint32_t needed = (bytes + 31) / 32;
    uint32_t sectors = access.isContiguous
                           ? (access.address[0] + bytes - 1) / 32 - access.address[0] / 32 + 1
                           : countSectors(access.address, access.mask, access.bytes);
    counters.globalSectorsNeeded += needed;
    counters.globalSectors += sectors;
    // Lanes that share sectors need fewer than their bytes would.
    keepWorst(warp, access, sectors, std::min(needed, sectors));
  } else if (access.space == Space::Local) {
    counters.localBytes += bytes;
  }
}

// Lanes that follow each other need one bounds check and one copy.
static bool isContiguous(const Access &access) {
  uint64_t expected = access.address[0], bytes = access.bytes, difference = 0;
  if (access.mask != kFullMask || access.address[kLanes - 1] != expected + (kLanes - 1) * bytes)
    return false;
  for (unsigned lane = 0; lane < kLanes; ++lane, expected += bytes)
    difference |= access.address[lane] ^ expected;
  return difference == 0;
}

// All lanes of a row by its ends; false where lanes must be looked at one by one.
static bool resolveRow(Warp &warp, Access &access) {
  uint64_t address = access.address[0], bytes = uint64_t(access.bytes) * kLanes;
  if (access.space == Space::Shared) {
    if (!warp.block.contains(address, bytes))
      return false;
    access.host[0] = warp.block.at(address);
    return true;
  }
  Launch &launch = warp.launch;
  if (!launch.recent || !launch.recent->contains(address, bytes)) {
    const Allocation *found = launch.global.find(address, bytes);
    if (!found)
      return false;
    launch.recent = found;
  }
  if (launch.recent->isReadOnly && writes(access.kind))
    return false;
  access.host[0] = launch.recent->at(address);
  access.mayBeUndefined |= launch.recent->defined != nullptr;
  return true;
}

// Generic addresses of one warp may name several spaces; usually one.
static bool resolveGeneric(Warp &warp, Access &access) {
  unsigned first = std::countr_zero(access.mask);
  Space space = spaceOf(access.address[first]);
  bool isUniform = true;
  forEachLane(access.mask,
              [&](unsigned lane) { isUniform &= spaceOf(access.address[lane]) == space; });
  if (isUniform) {
    uint64_t window = getWindow(space);
    forEachLane(access.mask, [&](unsigned lane) { access.address[lane] -= window; });
    access.space = space;
    return resolve(warp, access);
  }
  // A mixture: one part a space.
  uint8_t *host[kLanes];
  uint64_t address[kLanes];
  uint32_t all = access.mask;
  std::copy_n(access.address, kLanes, address);
  for (uint32_t rest = all; rest;) {
    space = spaceOf(address[std::countr_zero(rest)]);
    uint32_t part = 0;
    forEachLane(rest, [&](unsigned lane) {
      if (spaceOf(address[lane]) != space)
        return;
      part |= 1u << lane;
      access.address[lane] = address[lane] - getWindow(space);
    });
    access.mask = part;
    access.space = space;
    if (!resolve(warp, access))
      return false;
    forEachLane(part, [&](unsigned lane) { host[lane] = access.host[lane]; });
    rest &= ~part;
  }
  access.mask = all;
  access.isContiguous = false;
  std::copy_n(host, kLanes, access.host);
  return true;
}

bool tilewright::emulator::resolve(Warp &warp, Access &access) {
  access.isContiguous =
      (access.space == Space::Global || access.space == Space::Shared) && isContiguous(access);
  // Of a row of aligned pieces the first answers for all.
  bool isAligned =
      access.isContiguous && ((access.address[0] | access.bytes) & (access.alignment - 1)) == 0;
  if (!isAligned && warp.launch.options.checkAlignment && !checkAlignment(warp, access))
    return false;
  if (access.space == Space::Generic)
    return resolveGeneric(warp, access);
  access.isContiguous = access.isContiguous && resolveRow(warp, access);
  if (!access.isContiguous)
    for (uint32_t rest = access.mask; rest; rest &= rest - 1)
      if (!resolveLane(warp, access, access.space, std::countr_zero(rest)))
        return false;
  if (access.space == Space::Shared && warp.launch.options.checkAsync &&
      !warp.block.pending.isEmpty())
    checkPending(warp, access);
  if (warp.launch.footprint && access.space == Space::Global &&
      !warp.launch.footprint->note(access)) {
    warp.launch.needsOrder();
    return false;
  }
  if (warp.launch.races)
    warp.launch.races->access(warp, access);
  if (warp.launch.options.checkInitialisation &&
      (access.mayBeUndefined || access.space == Space::Local || access.space == Space::Param ||
       (access.space == Space::Shared && !warp.block.defined.isAll()) || warp.taint.hasStored))
    noteAccess(warp, access);
  // Polling by atomics that change nothing is none.
  warp.launch.progress += writes(access.kind) && access.kind != AccessKind::Atomic;
  count(warp, access);
  return true;
}
