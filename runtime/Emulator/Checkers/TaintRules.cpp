//===- TaintRules.cpp - From undefined sources to undefined results -----------===//
//
// One function a rule of TaintFacts.h. They run before the instruction, so the
// registers still hold its sources; a destination may be one of them.
//
// Example: lop3 computes d = a & b, bit 3 of a is undefined and bit 3 of b is a
// defined 0. Flipping a's bit 3 leaves d as it was: d is defined.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Checkers/TaintRules.h"
#include "runtime/Emulator/Machine/Lanes.h"
#include <algorithm>

using namespace tilewright::emulator;

namespace {

constexpr uint64_t onesOf(unsigned bits) {
  return bits >= 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
}

uint32_t undefinedLanes(const TaintView &view) {
  return view.lanesOf(Role::Source) | view.lanesOf(Role::Required) | view.lanesOf(Role::Address);
}

void applyAll(const TaintView &view, uint32_t active) {
  uint32_t lanes = undefinedLanes(view);
  view.fillDestinations(active & ~lanes, false);
  view.fillDestinations(active & lanes, true);
}

/// The one destination is f(lane), from the taint of the sources.
template <typename F> void assign(const TaintView &view, uint32_t active, F f) {
  const TaintOperand *d = view.withRole(Role::Destination).front();
  uint64_t result[kLanes];
  forEachLane(active, [&](unsigned lane) { result[lane] = f(lane); });
  forEachLane(active, [&](unsigned lane) { view.write(*d, lane, result[lane]); });
}

uint64_t uniteSources(const TaintView &view, unsigned lane) {
  uint64_t undefined = 0;
  for (const TaintOperand &operand : view.operands)
    if (operand.role == Role::Source)
      undefined |= view.read(operand, lane);
  return undefined;
}

void applyUpward(const TaintView &view, uint32_t active) {
  assign(view, active, [&](unsigned lane) {
    uint64_t undefined = uniteSources(view, lane);
    return undefined ? ~uint64_t(0) << std::countr_zero(undefined) : 0;
  });
}

/// Spreads each element's undefined bits over all of it.
uint64_t widen(uint64_t undefined, unsigned from, unsigned to) {
  uint64_t result = 0;
  for (unsigned k = 0; k * std::max(from, to) < 64; ++k)
    if (undefined >> (k * from) & onesOf(from))
      result |= onesOf(to) << (k * to);
  return result;
}

void applyElements(const TaintView &view, uint32_t active) {
  unsigned bits = view.facts.parameter;
  assign(view, active, [&](unsigned lane) { return widen(uniteSources(view, lane), bits, bits); });
}

void applyWidenElements(const TaintView &view, uint32_t active) {
  unsigned from = view.facts.parameter & 255, to = view.facts.parameter >> 8;
  assign(view, active, [&](unsigned lane) { return widen(uniteSources(view, lane), from, to); });
}

void applyPackTwo(const TaintView &view, uint32_t active) {
  unsigned bits = view.facts.parameter;
  auto sources = view.withRole(Role::Source);
  assign(view, active, [&](unsigned lane) {
    return (view.read(*sources[0], lane) ? onesOf(bits) << bits : 0) |
           (view.read(*sources[1], lane) ? onesOf(bits) : 0);
  });
}

// mov packs or unpacks: the sources' bytes in a row are the destinations'.
void applyBytes(const TaintView &view, uint32_t active) {
  auto sources = view.withRole(Role::Source), destinations = view.withRole(Role::Destination);
  forEachLane(active, [&](unsigned lane) {
    uint8_t row[64] = {}, *to = row;
    for (const TaintOperand *source : sources) {
      if (view.taintedBy(source->slot))
        std::memcpy(to, view.bytesOf(source->slot) + lane * source->bytes, source->bytes);
      to += source->bytes;
    }
    const uint8_t *from = row;
    for (const TaintOperand *destination : destinations) {
      if (TaintView::isRegister(destination->slot))
        std::memcpy(view.bytesOf(destination->slot) + lane * destination->bytes, from,
                    destination->bytes);
      from += destination->bytes;
    }
  });
}

// The handler, with the taint of what it moves in place of the values.
void runOnTaint(const TaintView &view, uint32_t active, unsigned moved) {
  Inst shadow = view.inst;
  shadow.d = view.taintOf(shadow.d);
  if (moved & 1)
    shadow.a = view.taintOf(shadow.a);
  if (moved & 2)
    shadow.b = view.taintOf(shadow.b);
  if (moved & 4)
    shadow.c = view.taintOf(shadow.c);
  shadow.handler(view.warp, shadow, active);
}

void applyMove(const TaintView &view, uint32_t active) {
  const Inst &inst = view.inst;
  uint32_t controls = view.facts.parameter >> 4, unknown = 0;
  Slot slots[] = {inst.a, inst.b, inst.c, inst.extra};
  for (unsigned k = 0; k < 4; ++k)
    if (controls >> k & 1)
      if (const TaintOperand *operand = view.find(slots[k]))
        unknown |= view.lanesOf(*operand);
  runOnTaint(view, active, view.facts.parameter & 7);
  view.fillDestinations(active & unknown, true);
}

//===----------------------------------------------------------------------===//
// Logic
//===----------------------------------------------------------------------===//

/// Bit by bit the entry of lop3's table.
uint64_t lookUp(uint32_t table, uint64_t a, uint64_t b, uint64_t c) {
  uint64_t result = 0;
  for (unsigned k = 0; k < 8; ++k)
    if (table >> k & 1)
      result |= (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c);
  return result;
}

/// Bits of the result that depend on undefined ones: those that some choice of
/// sources to flip changes. Sources in one register flip together.
uint64_t dependOn(uint32_t table, const uint64_t (&value)[3], const uint64_t (&taint)[3],
                  const unsigned (&group)[3]) {
  uint64_t base = lookUp(table, value[0], value[1], value[2]), result = 0;
  for (unsigned flips = 1; flips < 8; ++flips) {
    uint64_t x[3];
    for (unsigned k = 0; k < 3; ++k)
      x[k] = value[k] ^ (flips >> group[k] & 1 ? taint[k] : 0);
    result |= base ^ lookUp(table, x[0], x[1], x[2]);
  }
  return result;
}

void applyLogic(const TaintView &view, uint32_t active) {
  const Inst &inst = view.inst;
  const Slot slots[3] = {inst.a, inst.b, inst.c};
  unsigned bytes = 0, group[3] = {0, 1, 2};
  for (const TaintOperand &operand : view.operands)
    bytes = std::max<unsigned>(bytes, operand.bytes);
  if (slots[1] == slots[0])
    group[1] = 0;
  if (slots[2] == slots[0] || slots[2] == slots[1])
    group[2] = slots[2] == slots[0] ? 0 : group[1];
  uint64_t undefined[kLanes] = {};
  forEachLane(active, [&](unsigned lane) {
    uint64_t value[3] = {}, taint[3] = {};
    for (unsigned k = 0; k < 3; ++k) {
      if (slots[k] == kNoSlot)
        continue;
      std::memcpy(&value[k], view.warp.at<uint8_t>(slots[k]) + lane * bytes, bytes);
      taint[k] = view.read(slots[k], bytes, lane);
    }
    undefined[lane] = dependOn(view.facts.parameter, value, taint, group) & onesOf(8 * bytes);
  });
  // lop3 with a predicate: whether the result is zero, combined with another.
  uint32_t unknown = 0;
  for (const TaintOperand *source : view.withRole(Role::Source))
    if (source->bytes == 0)
      unknown |= view.lanesOf(*source);
  for (const TaintOperand *destination : view.withRole(Role::Destination))
    forEachLane(active, [&](unsigned lane) {
      bool isUnknown = undefined[lane] || unknown >> lane & 1;
      view.write(*destination, lane, destination->bytes ? undefined[lane] : isUnknown);
    });
}

void applyPredicateLogic(const TaintView &view, uint32_t active) {
  const Inst &inst = view.inst;
  uint64_t value[3] = {}, taint[3] = {};
  const Slot slots[2] = {inst.a, inst.b};
  for (unsigned k = 0; k < 2; ++k)
    if (slots[k] != kNoSlot) {
      value[k] = view.warp.predicate(slots[k]);
      taint[k] = view.predicateTaint(slots[k]);
    }
  const unsigned group[3] = {0, slots[1] == slots[0] ? 0u : 1u, 2};
  uint64_t undefined = dependOn(view.facts.parameter, value, taint, group);
  view.warp.setPredicate(view.taintOf(inst.d), active, static_cast<uint32_t>(undefined));
}

//===----------------------------------------------------------------------===//
// Comparison
//===----------------------------------------------------------------------===//

constexpr uint8_t kNegateC = 2; ///< in Inst::flags of setp

/// Lanes whose comparison is not known.
uint32_t findUnknown(const TaintView &view, uint32_t active) {
  const Inst &inst = view.inst;
  const TaintOperand *a = view.find(inst.a), *b = view.find(inst.b);
  uint32_t unknown = (a ? view.lanesOf(*a) : 0) | (b ? view.lanesOf(*b) : 0);
  if (!view.facts.parameter)
    return unknown & active;
  // Integers that differ in a defined bit differ.
  unsigned bytes = a ? a->bytes : b ? b->bytes : 0;
  forEachLane(unknown & active, [&](unsigned lane) {
    uint64_t x = 0, y = 0;
    std::memcpy(&x, view.warp.at<uint8_t>(inst.a) + lane * bytes, bytes);
    std::memcpy(&y, view.warp.at<uint8_t>(inst.b) + lane * bytes, bytes);
    uint64_t undefined = view.read(inst.a, bytes, lane) | view.read(inst.b, bytes, lane);
    if ((x ^ y) & ~undefined)
      unknown &= ~(1u << lane);
  });
  return unknown & active;
}

void applyCompare(const TaintView &view, uint32_t active) {
  const Inst &inst = view.inst;
  Warp &warp = view.warp;
  uint32_t r = findUnknown(view, active), c = 0, value = 0;
  if (inst.c != kNoSlot) {
    c = view.predicateTaint(inst.c);
    value = warp.predicate(inst.c) ^ (inst.flags & kNegateC ? kFullMask : 0);
  }
  // The comparison itself, uncombined, in the place of the result's taint.
  Inst plain = inst;
  plain.aux = 0;
  plain.c = plain.extra = kNoSlot;
  plain.d = view.taintOf(inst.d);
  plain.handler(warp, plain, active);
  auto combine = [&](uint32_t result) {
    switch (inst.aux) {
    case 0:
      return r;
    case 1: // and: a defined false decides
      return (r & (c | value)) | (c & (r | result));
    case 2: // or: a defined true decides
      return (r & (c | ~value)) | (c & (r | ~result));
    default:
      return r | c;
    }
  };
  uint32_t result = warp.predicate(plain.d);
  if (inst.extra != kNoSlot)
    warp.setPredicate(view.taintOf(inst.extra), active, combine(~result));
  warp.setPredicate(plain.d, active, combine(result));
}

//===----------------------------------------------------------------------===//
// Between lanes
//===----------------------------------------------------------------------===//

void applyShuffle(const TaintView &view, uint32_t active) {
  // Sources in order: the value, the lane, the segment.
  auto sources = view.withRole(Role::Source);
  uint32_t unknown = view.lanesOf(*sources[1]) | view.lanesOf(*sources[2]);
  runOnTaint(view, active, 1);
  for (const TaintOperand *destination : view.withRole(Role::Destination)) {
    if (destination->bytes == 0)
      view.fill(*destination, active, false);
    view.fill(*destination, active & unknown, true);
  }
}

// `members`: an instruction with a member mask runs for those who name the same one.
void applyVote(const TaintView &view, uint32_t members) {
  const TaintOperand *d = view.withRole(Role::Destination).front();
  uint32_t unknown = view.predicateTaint(view.inst.a);
  uint32_t value = view.warp.predicate(view.inst.a) ^ (view.facts.parameter & 4 ? kFullMask : 0);
  uint32_t defined = members & ~unknown;
  bool isUnknown = (members & unknown) != 0;
  bool hasTrue = defined & value, hasFalse = defined & ~value;
  switch (view.facts.parameter & 3) {
  case 0:
    isUnknown &= !hasFalse;
    break;
  case 1:
    isUnknown &= !hasTrue;
    break;
  case 2:
    isUnknown &= !(hasTrue && hasFalse);
    break;
  default: // ballot: a bit a lane
    forEachLane(members, [&](unsigned lane) { view.write(*d, lane, unknown & members); });
    return;
  }
  view.fill(*d, members, isUnknown);
}

void applyCollective(const TaintView &view, uint32_t members) {
  view.fillDestinations(members, (undefinedLanes(view) & members) != 0);
}

// An element of d depends on its row of a, its column of b and its own c. A
// factor that is zero clears nothing: the other may be a NaN.
void applyMultiply(const TaintView &view, uint32_t) {
  MmaFacts facts = MmaFacts::decode(view.facts.parameter);
  auto sources = view.withRole(Role::Source), results = view.withRole(Role::Destination);
  uint32_t rows = 0, columns = 0;
  for (unsigned r = 0; r < facts.a; ++r)
    forEachLane(view.lanesOf(*sources[r]),
                [&](unsigned lane) { rows |= 1u << (lane / 4 + 8 * (r % facts.rowBlocks)); });
  for (unsigned r = 0; r < facts.b; ++r)
    forEachLane(view.lanesOf(*sources[facts.a + r]), [&](unsigned lane) {
      columns |= 1u << (lane / 4 + 8 * (r / facts.steps % facts.columnBlocks));
    });
  // Metadata of rows g and g + 8, in the lanes that the selector names.
  if (facts.metadataThreads)
    forEachLane(view.lanesOf(*sources.back()), [&](unsigned lane) {
      if (facts.metadataThreads >> lane % 4 & 1)
        rows |= 0x101u << lane / 4;
    });
  unsigned perC = 1 + facts.packsC, perD = 1 + facts.packsD;
  unsigned elements = results.size() * perD;
  llvm::SmallVector<uint32_t, 16> undefined(elements); // lanes, by element
  for (unsigned i = 0; i < elements; ++i)
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      unsigned row = lane / 4 + 8 * (i / 2 % facts.rowBlocks),
               column = 2 * (lane % 4) + i % 2 + 8 * (i / (2 * facts.rowBlocks));
      uint64_t c = view.read(*sources[facts.a + facts.b + i / perC], lane);
      if (facts.packsC)
        c = c >> (16 * (i % 2)) & 0xffff;
      undefined[i] |= uint32_t(c || rows >> row & 1 || columns >> column & 1) << lane;
    }
  for (auto [r, result] : llvm::enumerate(results))
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      if (!facts.packsD) {
        view.write(*result, lane, undefined[r] >> lane & 1 ? ~uint64_t(0) : 0);
        continue;
      }
      uint64_t low = undefined[2 * r] >> lane & 1, high = undefined[2 * r + 1] >> lane & 1;
      view.write(*result, lane, low * 0xffff | high * 0xffff0000);
    }
}

} // namespace

//===----------------------------------------------------------------------===//
// ldmatrix and stmatrix (the fragments: Instructions/Fragments.cpp)
//===----------------------------------------------------------------------===//

/// Calls f(register, lane, byte of its word, lane with the row, byte of the
/// row) for all that moves.
template <typename F> static void forMatrixBytes(uint32_t parameter, F f) {
  bool isTransposed = parameter & 1;
  for (unsigned j = 0; j < parameter >> 1; ++j)
    for (unsigned lane = 0; lane < kLanes; ++lane)
      for (unsigned byte = 0; byte < 4; ++byte) {
        unsigned g = lane / 4, t = lane % 4;
        if (isTransposed)
          f(j, lane, byte, 8 * j + 2 * t + byte / 2, 2 * g + byte % 2);
        else
          f(j, lane, byte, 8 * j + g, 4 * t + byte);
      }
}

void tilewright::emulator::spreadMatrixStore(const TaintView &view) {
  auto sources = view.withRole(Role::Source);
  forMatrixBytes(view.facts.parameter,
                 [&](unsigned j, unsigned lane, unsigned byte, unsigned row, unsigned at) {
                   if (view.read(*sources[j], lane) >> 8 * byte & 255)
                     view.warp.taint.stored[row] |= 1u << at;
                 });
}

void tilewright::emulator::gatherMatrixLoad(const TaintView &view) {
  auto destinations = view.withRole(Role::Destination);
  forMatrixBytes(view.facts.parameter, [&](unsigned j, unsigned lane, unsigned byte, unsigned row,
                                           unsigned at) {
    if (TaintView::isRegister(destinations[j]->slot) && view.warp.taint.loaded[row] >> at & 1)
      view.bytesOf(destinations[j]->slot)[4 * lane + byte] = 0xff;
  });
}

void tilewright::emulator::applyTaintRule(const TaintView &view, uint32_t active) {
  switch (view.facts.rule) {
  case TaintRule::Upward:
    return applyUpward(view, active);
  case TaintRule::Elements:
    return applyElements(view, active);
  case TaintRule::PackTwo:
    return applyPackTwo(view, active);
  case TaintRule::WidenElements:
    return applyWidenElements(view, active);
  case TaintRule::Bytes:
    return applyBytes(view, active);
  case TaintRule::Move:
    return applyMove(view, active);
  case TaintRule::Logic:
    return applyLogic(view, active);
  case TaintRule::PredicateLogic:
    return applyPredicateLogic(view, active);
  case TaintRule::Compare:
    return applyCompare(view, active);
  case TaintRule::Shuffle:
    return applyShuffle(view, active);
  case TaintRule::Vote:
    return applyVote(view, active);
  case TaintRule::Collective:
    return applyCollective(view, active);
  case TaintRule::Multiply:
    return applyMultiply(view, active);
  case TaintRule::Ignore:
  case TaintRule::Require:
    return view.fillDestinations(active, false);
  default:
    return applyAll(view, active);
  }
}
