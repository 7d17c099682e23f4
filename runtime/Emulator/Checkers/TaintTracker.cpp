//===- TaintTracker.cpp - Which registers hold undefined bits ------------------===//
//
// See Taint.h. This file keeps the books: which registers are tainted, when a
// use is a finding, frames and calls. How an instruction passes taint on is in
// TaintRules.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Checkers/TaintRules.h"
#include "runtime/Emulator/Machine/Lanes.h"

using namespace tilewright::emulator;

//===----------------------------------------------------------------------===//
// TaintView
//===----------------------------------------------------------------------===//

void TaintView::write(const TaintOperand &operand, unsigned lane, uint64_t value) const {
  if (!isRegister(operand.slot))
    return;
  if (operand.bytes == 0) {
    warp.setPredicate(taintOf(operand.slot), 1u << lane, value ? kFullMask : 0);
    return;
  }
  uint8_t *to = bytesOf(operand.slot) + lane * operand.bytes;
  std::memcpy(to, &value, std::min<unsigned>(operand.bytes, 8));
  if (operand.bytes > 8)
    std::memset(to + 8, value ? 0xff : 0, operand.bytes - 8);
}

uint32_t TaintView::lanesOf(const TaintOperand &operand) const {
  if (!taintedBy(operand.slot))
    return 0;
  if (operand.bytes == 0)
    return predicateTaint(operand.slot);
  uint32_t lanes = 0;
  const uint8_t *bytes = bytesOf(operand.slot);
  for (unsigned lane = 0; lane < kLanes; ++lane)
    for (unsigned k = 0; k < operand.bytes; ++k)
      lanes |= uint32_t(bytes[lane * operand.bytes + k] != 0) << lane;
  return lanes;
}

uint32_t TaintView::lanesOf(Role role) const {
  uint32_t lanes = 0;
  for (const TaintOperand &operand : operands)
    if (operand.role == role)
      lanes |= lanesOf(operand);
  return lanes;
}

void TaintView::fill(const TaintOperand &operand, uint32_t lanes, bool isUndefined) const {
  if (!isRegister(operand.slot))
    return;
  if (operand.bytes == 0)
    return warp.setPredicate(taintOf(operand.slot), lanes, isUndefined ? kFullMask : 0);
  uint8_t *bytes = bytesOf(operand.slot);
  forEachLane(lanes, [&](unsigned lane) {
    std::memset(bytes + lane * operand.bytes, isUndefined ? 0xff : 0, operand.bytes);
  });
}

void TaintView::fillDestinations(uint32_t lanes, bool isUndefined) const {
  for (const TaintOperand &operand : operands)
    if (operand.role == Role::Destination)
      fill(operand, lanes, isUndefined);
}

const TaintOperand *TaintView::find(Slot slot) const {
  for (const TaintOperand &operand : operands)
    if (operand.slot == slot && isRegister(slot))
      return &operand;
  return nullptr;
}

llvm::SmallVector<const TaintOperand *, 8> TaintView::withRole(Role role) const {
  llvm::SmallVector<const TaintOperand *, 8> found;
  for (const TaintOperand &operand : operands)
    if (operand.role == role)
      found.push_back(&operand);
  return found;
}

//===----------------------------------------------------------------------===//
// Books
//===----------------------------------------------------------------------===//

// Before the first register of a frame is tainted its taint is not set up.
static void prepare(Frame &frame) {
  if (!frame.taintedBy.empty())
    return;
  const FunctionCode &function = *frame.function;
  frame.taintedBy.assign(function.taintOffset / 4, 0);
  std::memset(frame.registers.get() + function.taintOffset, 0, function.taintOffset);
}

/// Notes whether a register is tainted, after its taint has changed.
static void settle(Warp &warp, Frame &frame, Slot slot, unsigned bytes, uint32_t from) {
  if (!TaintView::isRegister(slot))
    return;
  // A predicate is one word of 32 bits and aligned to that.
  const uint8_t *taint = frame.registers.get() + slot + frame.function->taintOffset;
  uint64_t any = 0;
  if (bytes == 0) {
    std::memcpy(&any, taint, sizeof(uint32_t));
  } else {
    for (unsigned k = 0; k < bytes * kLanes; k += sizeof any) {
      uint64_t word;
      std::memcpy(&word, taint + k, sizeof word);
      any |= word;
    }
  }
  uint32_t &known = frame.taintedBy[slot / 4];
  int change = int(any != 0) - int(known != 0);
  frame.taintedSlots += change;
  warp.taint.slots += change;
  known = !any ? 0 : from ? from : known ? known : warp.pc + 1;
}

static void settle(const TaintView &view, Role role, uint32_t from) {
  for (const TaintOperand &operand : view.operands)
    if (operand.role == role)
      settle(view.warp, *view.warp.running, operand.slot, operand.bytes, from);
}

void tilewright::emulator::taintUnassigned(Warp &warp, Frame &frame) {
  prepare(frame);
  const FunctionCode &function = *frame.function;
  for (uint32_t i = function.firstUnassigned; i < function.endUnassigned; ++i) {
    const UnassignedRegister &unassigned = warp.launch.program.unassigned[i];
    std::memset(frame.registers.get() + function.taintOffset + unassigned.slot, 0xff,
                unassigned.bytes ? unassigned.bytes * kLanes : sizeof(uint32_t));
    settle(warp, frame, unassigned.slot, unassigned.bytes, kUnassigned | i);
  }
}

void tilewright::emulator::noteLoadedPiece(Warp &warp, uint32_t place, unsigned lane,
                                           uint32_t offset, uint32_t bytes) {
  Frame &frame = *warp.running;
  prepare(frame);
  for (uint32_t k = 0; k < bytes; ++k)
    if (warp.taint.loaded[lane] >> (offset + k) & 1)
      frame.registers.get()[frame.function->taintOffset + place + k] = 0xff;
}

void tilewright::emulator::endLoadedPiece(Warp &warp) { std::fill_n(warp.taint.loaded, kLanes, 0); }

void tilewright::emulator::beginStoredPiece(Warp &warp) {
  std::fill_n(warp.taint.stored, kLanes, 0);
}

void tilewright::emulator::noteStoredPiece(Warp &warp, uint32_t place, unsigned lane,
                                           uint32_t offset, uint32_t bytes) {
  const Frame &frame = *warp.running;
  for (uint32_t k = 0; k < bytes; ++k)
    if (frame.registers.get()[frame.function->taintOffset + place + k]) {
      warp.taint.stored[lane] |= 1u << (offset + k);
      warp.taint.hasStored = true;
    }
}

void tilewright::emulator::leaveFrame(Warp &warp, const Frame &frame) {
  warp.taint.slots -= frame.taintedSlots;
}

namespace {
/// One end of a value that a call carries over.
struct End {
  Frame &frame;
  bool isRegister;
  uint32_t place;

  uint64_t localOffset(const Warp &warp, unsigned lane) const {
    return uint64_t(lane) * warp.localStride + frame.localBase + place;
  }
  uint8_t *taint(unsigned lane, uint32_t bytes) const {
    return frame.registers.get() + frame.function->taintOffset + place + lane * bytes;
  }
  /// Which of a part's bytes have undefined bits; a register's end has one part.
  uint32_t read(const Warp &warp, unsigned lane, uint32_t at, uint32_t bytes) const {
    if (!isRegister)
      return warp.taint.local.findUndefined(localOffset(warp, lane) + at, bytes);
    uint32_t undefined = 0;
    if (TaintView::isRegister(place) && frame.taintedSlots && frame.taintedBy[place / 4])
      for (uint32_t k = 0; k < bytes; ++k)
        undefined |= uint32_t(taint(lane, bytes)[k] != 0) << k;
    return undefined;
  }
  void write(Warp &warp, unsigned lane, uint32_t at, uint32_t bytes, uint32_t undefined) const {
    if (!isRegister)
      return warp.taint.local.assign(localOffset(warp, lane) + at, bytes, undefined);
    for (uint32_t k = 0; k < bytes; ++k)
      taint(lane, bytes)[k] = undefined >> k & 1 ? 0xff : 0;
  }
};
} // namespace

void tilewright::emulator::passTaint(Warp &warp, const std::vector<Passed> &values, Frame &caller,
                                     Frame &callee, uint32_t lanes, bool isReturn) {
  for (const Passed &value : values) {
    End outer{caller, value.isRegister, value.caller},
        inner{callee, value.isCalleeRegister, value.callee};
    const End &from = isReturn ? inner : outer, &to = isReturn ? outer : inner;
    uint32_t origin = 0;
    if (from.isRegister && TaintView::isRegister(from.place) && from.frame.taintedSlots)
      origin = from.frame.taintedBy[from.place / 4];
    bool mayTaint = !from.isRegister || origin || to.frame.taintedSlots;
    if (to.isRegister && mayTaint)
      prepare(to.frame);
    if (to.isRegister && !mayTaint)
      continue;
    forEachLane(lanes, [&](unsigned lane) {
      for (uint32_t at = 0; at < value.bytes; at += 16) {
        uint32_t bytes = std::min(value.bytes - at, 16u);
        to.write(warp, lane, at, bytes, from.read(warp, lane, at, bytes));
      }
    });
    if (to.isRegister)
      settle(warp, to.frame, to.place, value.bytes, origin);
  }
}

void tilewright::emulator::noteResult(Warp &warp, const Passed &result, unsigned lane) {
  Frame &frame = *warp.running;
  if (!result.isRegister)
    return warp.taint.local.define(
        uint64_t(lane) * warp.localStride + frame.localBase + result.caller, result.bytes);
  if (!frame.taintedSlots)
    return;
  std::memset(frame.registers.get() + frame.function->taintOffset + result.caller +
                  lane * result.bytes,
              0, result.bytes);
  settle(warp, frame, result.caller, result.bytes, 0);
}

//===----------------------------------------------------------------------===//
// Uses
//===----------------------------------------------------------------------===//

static void checkGuard(const TaintView &view, uint32_t mask) {
  Warp &warp = view.warp;
  const Inst &inst = view.inst;
  uint32_t from = view.taintedBy(inst.guard), lanes = view.predicateTaint(inst.guard) & mask;
  if (!from || !lanes || !view.facts.hasEffect)
    return;
  bool isBranch = inst.flow == Flow::Branch;
  reportUndefined(warp, std::countr_zero(lanes),
                  isBranch ? "branches on undefined bits"
                           : "undefined bits decide whether this instruction runs",
                  from);
  warp.setPredicate(view.taintOf(inst.guard), lanes, 0);
  settle(warp, *warp.running, inst.guard, 0, from);
}

static const char *describeUse(const TaintView &view, const TaintOperand &operand) {
  if (operand.role == Role::Address)
    return "its address depends on undefined bits";
  if (view.inst.flow == Flow::BranchIndexed)
    return "branches by an index with undefined bits";
  if (view.inst.flow == Flow::CallIndirect)
    return "calls an address with undefined bits";
  if (view.inst.flow == Flow::WarpSync)
    return "its member mask has undefined bits";
  return "takes an operand with undefined bits that must be defined";
}

void tilewright::emulator::checkUses(Warp &warp, const Inst &inst, uint32_t mask, uint32_t active) {
  warp.taint.hasStored = false;
  // Layout's jumps share the facts of the instruction before them.
  bool isJump = inst.flow == Flow::Branch && inst.guard == kNoSlot;
  if (!warp.running->taintedSlots || isJump)
    return;
  TaintView view(warp, inst);
  if (inst.guard != kNoSlot)
    checkGuard(view, mask);
  // Of ldmatrix and stmatrix only the lanes that name rows have addresses.
  if (view.facts.rule == TaintRule::LoadMatrix || view.facts.rule == TaintRule::StoreMatrix)
    if (unsigned matrices = view.facts.parameter >> 1; matrices < 4)
      active &= (1u << 8 * matrices) - 1;
  for (const TaintOperand &operand : view.operands) {
    if (operand.role != Role::Address && operand.role != Role::Required)
      continue;
    uint32_t from = view.taintedBy(operand.slot);
    uint32_t lanes = from ? view.lanesOf(operand) & active : 0;
    if (!lanes)
      continue;
    reportUndefined(warp, std::countr_zero(lanes), describeUse(view, operand), from);
    view.fill(operand, lanes, false);
    settle(warp, *warp.running, operand.slot, operand.bytes, from);
  }
}

//===----------------------------------------------------------------------===//
// Propagation
//===----------------------------------------------------------------------===//

// The bytes that a store or an atomic takes from tainted registers.
static void prepareStore(const TaintView &view, uint32_t active) {
  Taint &taint = view.warp.taint;
  std::fill_n(taint.stored, kLanes, 0);
  taint.hasStored = true;
  if (view.facts.rule == TaintRule::StoreMatrix)
    return spreadMatrixStore(view);
  const MemoryInfo &info = view.warp.launch.program.memory[view.inst.aux];
  auto sources = view.withRole(Role::Source);
  bool isAtomic = view.facts.rule == TaintRule::Atomic;
  // A store's values come last; an atomic's first, then those of cas.
  size_t first = isAtomic ? 0 : sources.size() - info.vectorWidth;
  for (size_t i = first; i < sources.size(); ++i) {
    if (!view.taintedBy(sources[i]->slot))
      continue;
    unsigned at = (i - first) % info.vectorWidth * info.elementBytes;
    uint32_t all = static_cast<uint32_t>((uint64_t(1) << info.elementBytes) - 1);
    const uint8_t *bytes = view.bytesOf(sources[i]->slot);
    forEachLane(active, [&](unsigned lane) {
      uint32_t undefined = 0;
      for (unsigned k = 0; k < info.elementBytes; ++k)
        undefined |= uint32_t(bytes[lane * sources[i]->bytes + k] != 0) << k;
      if (isAtomic && undefined)
        undefined = all;
      taint.stored[lane] |= undefined << at;
    });
  }
}

void tilewright::emulator::propagate(Warp &warp, const Inst &inst, uint32_t mask, uint32_t active) {
  Frame &frame = *warp.running;
  bool isJump = inst.flow == Flow::Branch && inst.guard == kNoSlot;
  if (!frame.taintedSlots || isJump)
    return;
  TaintView view(warp, inst);
  uint32_t source = 0, destination = 0;
  for (const TaintOperand &operand : view.operands) {
    uint32_t from = view.taintedBy(operand.slot);
    (operand.role == Role::Destination ? destination : source) |= from;
    if (operand.role != Role::Destination && from)
      source = from;
  }
  uint32_t maybe = 0;
  if (inst.guard != kNoSlot && view.taintedBy(inst.guard)) {
    maybe = view.predicateTaint(inst.guard) & mask;
    source = source || !maybe ? source : view.taintedBy(inst.guard);
  }
  if (!source && !destination && !maybe)
    return;
  TaintRule rule = view.facts.rule;
  bool stores =
      rule == TaintRule::Store || rule == TaintRule::StoreMatrix || rule == TaintRule::Atomic;
  if (stores && source && active) {
    prepareStore(view, active);
    warp.taint.storedFrom = source;
  }
  if (rule == TaintRule::StoreFragment)
    warp.taint.storedFrom = source;
  // What a load brings is known afterwards.
  bool isMemory = stores || rule == TaintRule::LoadFragment || rule == TaintRule::StoreFragment ||
                  rule == TaintRule::Load || rule == TaintRule::LoadMatrix ||
                  rule == TaintRule::Copy || rule == TaintRule::Object;
  if (!source || isMemory)
    view.fillDestinations(active, false);
  else if (active)
    applyTaintRule(view, active);
  if (maybe)
    view.fillDestinations(maybe, true);
  settle(view, Role::Destination, source);
}

static void noteLoadedElements(const TaintView &view, uint32_t active) {
  const MemoryInfo &info = view.warp.launch.program.memory[view.inst.aux];
  auto destinations = view.withRole(Role::Destination);
  for (auto [k, operand] : llvm::enumerate(destinations)) {
    unsigned at = k * info.elementBytes;
    if (!TaintView::isRegister(operand->slot))
      continue;
    uint8_t *bytes = view.bytesOf(operand->slot);
    forEachLane(active, [&](unsigned lane) {
      uint32_t undefined = view.warp.taint.loaded[lane] >> at;
      bool last = false;
      for (unsigned byte = 0; byte < operand->bytes; ++byte) {
        // What extends a signed element is as defined as its sign.
        last = byte < info.elementBytes ? undefined >> byte & 1 : info.isSigned && last;
        if (last)
          bytes[lane * operand->bytes + byte] = 0xff;
      }
    });
  }
}

void tilewright::emulator::noteLoaded(Warp &warp, const Inst &inst, uint32_t active) {
  Taint &taint = warp.taint;
  prepare(*warp.running);
  TaintView view(warp, inst);
  switch (view.facts.rule) {
  case TaintRule::Load:
  case TaintRule::Atomic:
    noteLoadedElements(view, active);
    break;
  case TaintRule::LoadMatrix:
    gatherMatrixLoad(view);
    break;
  case TaintRule::LoadFragment:
    break; // noteLoadedPiece() has
  case TaintRule::Object: {
    if (view.facts.parameter)
      break;
    unsigned lane = 0;
    while (!taint.loaded[lane])
      ++lane;
    const Taint::Source &source = taint.sources[warp.pc];
    reportUndefined(warp, lane, "uses an mbarrier that nobody has initialised", 0,
                    Place{source.space, source.address});
    break;
  }
  default:
    // No rule says which bytes go where.
    view.fillDestinations(active, true);
    break;
  }
  std::fill_n(taint.loaded, kLanes, 0);
  taint.hasLoaded = false;
  settle(view, Role::Destination, warp.pc + 1);
}
