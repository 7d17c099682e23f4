//===- Initialisation.cpp - Memory that nobody has written --------------------===//
//
// The memory's side of Taint.h: which bytes have a value, what loads bring and
// stores take. Registers are the business of TaintTracker.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Checkers/Taint.h"
#include "runtime/Emulator/Machine/Access.h"
#include "runtime/Emulator/Machine/Lanes.h"
#include "llvm/ADT/StringExtras.h"

using namespace tilewright::emulator;

namespace {

const TaintFacts &factsOf(const Warp &warp) {
  const Program &program = warp.launch.program;
  return program.taintFacts[program.code[warp.pc].origin];
}

/// The state of the bytes that one lane touches.
struct LaneBytes {
  DefinedBytes *bytes;   ///< null: all are defined
  uint64_t offset;       ///< in `bytes`
  uint64_t address;      ///< of global memory
  WrittenBytes *written; ///< of a part of a grid, to which global `bytes` are constant

  uint32_t findUndefined(uint32_t count) const {
    uint32_t undefined = bytes ? bytes->findUndefined(offset, count) : 0;
    return written && undefined ? written->exclude(address, undefined) : undefined;
  }
  void assign(uint32_t count, uint32_t undefined) const {
    if (bytes && written)
      written->add(address, count); // what stays undefined has been reported
    else if (bytes)
      bytes->assign(offset, count, undefined);
  }
};

/// Where the bytes that an access names are noted. Parameters of a kernel are
/// always defined.
class States {
public:
  States(Warp &warp, const Access &access) : launch(warp.launch), access(access) {
    isGlobal = access.space == Space::Global || access.space == Space::Const;
    written = isGlobal && launch.footprint ? &launch.written : nullptr;
    if (access.space == Space::Shared) {
      bytes = &warp.block.defined;
      first = -uint64_t(kSharedBase);
    } else if (access.space == Space::Local ||
               (access.space == Space::Param && access.info && !access.info->entryParameters)) {
      bytes = &warp.taint.local;
      stride = warp.localStride;
    }
    allocation = launch.recent;
  }

  /// Calls f(LaneBytes, lane) for each lane.
  template <typename F> void forLanes(F f) {
    if (isGlobal) {
      forEachLane(access.mask, [&](unsigned lane) {
        uint64_t address = access.address[lane];
        if (!allocation || !allocation->contains(address, access.bytes))
          allocation = launch.global.find(address, access.bytes);
        f(LaneBytes{allocation->defined.get(), address - allocation->base, address, written}, lane);
      });
    } else if (bytes) {
      forEachLane(access.mask, [&](unsigned lane) {
        f(LaneBytes{bytes, access.address[lane] + first + lane * stride, 0, nullptr}, lane);
      });
    }
  }
  /// For an access whose lanes are in a row; false if they are not.
  bool defineWhole() {
    if (!access.isContiguous)
      return false;
    uint64_t address = access.address[0], all = uint64_t(access.bytes) * kLanes;
    if (!isGlobal) {
      bytes->define(address + first, all);
      return true;
    }
    if (!allocation || !allocation->contains(address, access.bytes))
      allocation = launch.global.find(address, access.bytes);
    if (allocation->defined && written)
      written->add(address, all);
    else if (allocation->defined)
      allocation->defined->define(address - allocation->base, all);
    return true;
  }
  /// Gives up the bits of an allocation that has become defined.
  void finish() {
    if (!written && allocation)
      allocation->settleDefined();
  }

  bool isGlobal;

private:
  Launch &launch;
  const Access &access;
  DefinedBytes *bytes = nullptr;
  WrittenBytes *written;
  const Allocation *allocation;
  uint64_t first = 0, stride = 0;
};

/// The common case, in few instructions: a whole warp meets bytes that all have
/// a value already. False: look closer.
inline bool areDefined(const Warp &warp, const Access &access) {
  if (access.mask != kFullMask)
    return false;
  uint64_t all = uint64_t(access.bytes) * kLanes, address = access.address[0];
  if (access.space == Space::Shared) {
    const DefinedBytes &bytes = warp.block.defined;
    if (access.isContiguous)
      return bytes.areDefined(address - kSharedBase, all);
    bool isSimple = access.alignment == access.bytes && access.bytes <= 16;
    return isSimple && bytes.areDefinedAt(access.address, kSharedBase, access.bytes);
  }
  const Allocation *recent = warp.launch.recent;
  return access.space == Space::Global && access.isContiguous && recent &&
         recent->contains(address, all) &&
         (!recent->defined || recent->defined->areDefined(address - recent->base, all));
}

void noteLoad(Warp &warp, const Access &access) {
  States states(warp, access);
  Taint &taint = warp.taint;
  states.forLanes([&](const LaneBytes &state, unsigned lane) {
    uint32_t undefined = state.findUndefined(access.bytes);
    if (undefined && !taint.hasLoaded) {
      uint64_t address = access.address[lane] + std::countr_zero(undefined);
      taint.sources[warp.pc] = {access.space, address, static_cast<int>(lane)};
      taint.hasLoaded = true;
    }
    taint.loaded[lane] |= undefined;
  });
}

void noteStore(Warp &warp, const Access &access) {
  Taint &taint = warp.taint;
  States states(warp, access);
  if (!taint.hasStored && states.defineWhole())
    return states.finish();
  states.forLanes([&](const LaneBytes &state, unsigned lane) {
    uint32_t undefined = taint.hasStored ? taint.stored[lane] : 0;
    if (undefined && states.isGlobal) {
      reportUndefined(warp, lane,
                      "writes " + llvm::Twine(std::popcount(undefined)) + " undefined of " +
                          llvm::Twine(access.bytes) + " bytes",
                      taint.storedFrom,
                      Place{access.space, access.address[lane] + std::countr_zero(undefined)});
      undefined = 0; // say it once
    }
    state.assign(access.bytes, undefined);
  });
  states.finish();
}

// The new value depends on the old one and the operands, element by element.
void noteAtomic(Warp &warp, const Access &access) {
  const TaintFacts &facts = factsOf(warp);
  noteLoad(warp, access);
  Taint &taint = warp.taint;
  bool ignoresOld = facts.parameter != 0;
  if (facts.rule == TaintRule::Atomic && taint.hasLoaded && !ignoresOld) {
    uint32_t element = access.info ? access.info->elementBytes : access.bytes;
    uint32_t all = static_cast<uint32_t>((uint64_t(1) << element) - 1);
    forEachLane(access.mask, [&](unsigned lane) {
      if (!taint.hasStored)
        taint.stored[lane] = 0;
      for (uint32_t at = 0; at < access.bytes; at += element)
        if (taint.loaded[lane] & all << at)
          taint.stored[lane] |= all << at;
    });
    bool storesMore = taint.hasStored;
    taint.hasStored = true;
    taint.storedFrom = storesMore ? taint.storedFrom : warp.pc + 1;
    noteStore(warp, access);
    taint.hasStored = storesMore;
    return;
  }
  noteStore(warp, access);
}

} // namespace

void tilewright::emulator::noteAccess(Warp &warp, const Access &access) {
  bool isPlain = access.kind == AccessKind::Load || access.kind == AccessKind::Store;
  if (isPlain && !warp.taint.hasStored && areDefined(warp, access))
    return;
  switch (access.kind) {
  case AccessKind::Load:
  case AccessKind::AsyncRead:
    return noteLoad(warp, access);
  // A copy in flight owns its destination; noteCopied() says what it brings.
  case AccessKind::Store:
  case AccessKind::AsyncWrite:
    return noteStore(warp, access);
  case AccessKind::Atomic:
    return noteAtomic(warp, access);
  }
}

void tilewright::emulator::noteCopied(Warp &warp, const Copy &copy) {
  Taint &taint = warp.taint;
  forEachLane(copy.mask, [&](unsigned lane) {
    warp.block.defined.assign(copy.destination[lane] - kSharedBase, copy.bytes, taint.loaded[lane]);
    taint.loaded[lane] = 0;
  });
  taint.hasLoaded = false;
}

//===----------------------------------------------------------------------===//
// Local memory
//===----------------------------------------------------------------------===//

void tilewright::emulator::growLocalTaint(Warp &warp, uint32_t oldStride, uint32_t newStride) {
  DefinedBytes grown(uint64_t(newStride) * kLanes);
  for (unsigned lane = 0; lane < kLanes; ++lane)
    for (uint32_t at = 0; at < oldStride; at += 16)
      grown.assign(uint64_t(lane) * newStride + at, 16,
                   warp.taint.local.findUndefined(uint64_t(lane) * oldStride + at, 16));
  warp.taint.local = std::move(grown);
}

void tilewright::emulator::enterFrame(Warp &warp, const Frame &frame, uint32_t lanes) {
  forEachLane(lanes, [&](unsigned lane) {
    warp.taint.local.undefine(uint64_t(lane) * warp.localStride + frame.localBase,
                              frame.function->localBytes);
  });
}

void tilewright::emulator::noteAllocated(Warp &warp, unsigned lane, uint64_t address,
                                         uint64_t bytes) {
  if (warp.launch.options.checkInitialisation)
    warp.taint.local.undefine(uint64_t(lane) * warp.localStride + address, bytes);
}

//===----------------------------------------------------------------------===//
// Findings
//===----------------------------------------------------------------------===//

void tilewright::emulator::reportUndefined(Warp &warp, unsigned lane, const llvm::Twine &message,
                                           uint32_t from, std::optional<Place> place) {
  Finding finding = warp.makeFinding(FindingKind::Uninitialised, lane, warp.pc);
  finding.message = message.str();
  if (place) {
    finding.hasAddress = true;
    finding.space = place->space;
    finding.address = place->address;
    finding.symbol = warp.launch.describe(place->space, place->address);
  }
  if (from & kUnassigned) {
    const std::string &name = warp.launch.program.unassigned[from & ~kUnassigned].name;
    finding.message += ": register '" + name + "' has never been assigned";
    finding.remedy = "assign '" + name + "' on every path to this use";
  } else if (auto it = warp.taint.sources.find(from - 1); from && it != warp.taint.sources.end()) {
    const Taint::Source &source = it->second;
    Finding read = warp.makeFinding(FindingKind::Uninitialised, source.lane, from - 1);
    std::string what = "the undefined bytes were read at ";
    what += parser::getName(source.space);
    what += " address 0x" + llvm::utohexstr(source.address, /*LowerCase=*/true);
    if (std::string symbol = warp.launch.describe(source.space, source.address); !symbol.empty())
      what += " (" + symbol + ")";
    what += ", which nobody has written, by";
    Party &party = finding.other.emplace();
    party.what = std::move(what);
    party.instruction = read.instruction;
    party.location = read.location;
    party.source = read.source;
    party.sourceFile = read.sourceFile;
    party.inlinedAt = read.inlinedAt;
    party.block = read.block;
    party.warp = read.warp;
    party.lane = read.lane;
    finding.remedy = "write these bytes before they are read, or do not use the value";
  }
  warp.record(std::move(finding), /*stops=*/false);
}

void tilewright::emulator::reportPrinted(Warp &warp, unsigned lane) {
  if (warp.taint.loaded[lane])
    reportUndefined(warp, lane, "prints undefined bytes", warp.pc + 1);
  warp.taint.loaded[lane] = 0;
  warp.taint.hasLoaded = false;
}
