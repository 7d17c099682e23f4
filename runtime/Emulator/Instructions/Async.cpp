//===- Async.cpp - cp.async ----------------------------------------------------------------===//
//
// PTX ISA, "Data Movement and Conversion Instructions: Asynchronous copy",
// non-bulk. What a copy in flight is: Machine/Async.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Instructions/MemoryModifiers.h"
#include "runtime/Emulator/Machine/Access.h"
#include <algorithm>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

// a, imm, aux: the global source; target: index of the shared destination's
// facts; extra: slots {destination base, source size, ignore-source}.
enum : unsigned { kDestination, kSourceBytes, kIgnore };
constexpr uint8_t kIgnoreNegated = 1;

void handleCopy(Warp &w, const Inst &i, uint32_t m) {
  const Program &program = w.launch.program;
  const MemoryInfo &to = program.memory[i.target], &from = program.memory[i.aux];
  const Slot *slots = &program.slots[i.extra];
  Copy copy;
  copy.pc = w.pc;
  copy.mask = m;
  copy.bytes = to.elementBytes;
  // The destination: checked now, written when the copy lands.
  Inst destination = i;
  destination.a = slots[kDestination];
  destination.imm = uint64_t(slots[3]) | uint64_t(slots[4]) << 32;
  Access access;
  access.kind = AccessKind::AsyncWrite;
  access.space = to.space;
  access.bytes = access.alignment = copy.bytes;
  access.mask = m;
  access.info = &to;
  computeAddresses(w, destination, to, access);
  if (!resolve(w, access))
    return;
  forEachLane(m,
              [&](unsigned l) { copy.destination[l] = static_cast<uint32_t>(access.address[l]); });
  // The source: only the bytes that are really read must exist.
  uint32_t ignored = slots[kIgnore] == kNoSlot
                         ? 0
                         : w.predicate(slots[kIgnore]) ^ (i.flags & kIgnoreNegated ? kFullMask : 0);
  uint32_t bySize[17] = {};
  forEachLane(m, [&](unsigned l) {
    uint32_t bytes =
        slots[kSourceBytes] == kNoSlot ? copy.bytes : w.at<uint32_t>(slots[kSourceBytes])[l];
    if (bytes > copy.bytes && !w.launch.isStopped)
      w.report(FindingKind::InvalidOperand, l,
               "source size " + llvm::Twine(bytes) + " is larger than the copy's " +
                   llvm::Twine(copy.bytes) + " bytes");
    copy.sourceBytes[l] = std::min(bytes, copy.bytes);
    if (ignored >> l & 1)
      copy.sourceBytes[l] = 0;
    bySize[copy.sourceBytes[l]] |= 1u << l;
  });
  if (w.launch.isStopped)
    return;
  Access source;
  source.kind = AccessKind::AsyncRead;
  source.info = &from;
  for (uint32_t bytes = 1; bytes <= copy.bytes; ++bytes) {
    if (!bySize[bytes])
      continue;
    source.space = from.space;
    source.bytes = bytes;
    source.alignment = copy.bytes;
    source.mask = bySize[bytes];
    computeAddresses(w, i, from, source);
    if (!resolve(w, source))
      return;
    forEachLane(bySize[bytes], [&](unsigned l) {
      copy.source[l] = source.isContiguous ? source.host[0] + l * bytes : source.host[l];
      copy.sourceAddress[l] = source.address[l];
    });
  }
  w.counters().asyncBytes += uint64_t(std::popcount(m)) * copy.bytes;
  if (w.taint.hasLoaded)
    noteCopied(w, copy);
  w.copies.issue(w, copy);
}

void handleCommit(Warp &w, const Inst &, uint32_t m) { w.copies.commit(w, m); }

void handleWait(Warp &w, const Inst &i, uint32_t m) {
  i.flags ? w.copies.waitAll(w, m) : w.copies.waitGroups(w, m, static_cast<uint32_t>(i.imm));
  Counters &counters = w.counters();
  uint64_t left = w.copies.bytesInFlight();
  ++counters.asyncWaits;
  counters.asyncInFlightMin = std::min(counters.asyncInFlightMin, left);
  counters.asyncInFlightMax = std::max(counters.asyncInFlightMax, left);
}

void decodeGroup(InstructionDecoder &d) {
  d.take("async");
  if (d.take("commit_group")) {
    d.expectOperands(0);
    return d.set(handleCommit, OpClass::Async);
  }
  if (d.take("wait_all")) {
    d.expectOperands(0);
    d.inst.flags = 1;
  } else if (d.take("wait_group")) {
    if (d.expectOperands(1))
      d.inst.imm = d.immediate(0, 0, UINT32_MAX);
  }
  d.set(handleWait, OpClass::Async);
}

bool isNamed(const InstructionDecoder &d, llvm::StringRef name) {
  return llvm::any_of(d.source.modifiers,
                      [&](const parser::Modifier &modifier) { return modifier.name == name; });
}

void decodeCopy(InstructionDecoder &d) {
  if (isNamed(d, "commit_group") || isNamed(d, "wait_group") || isNamed(d, "wait_all"))
    return decodeGroup(d);
  if (isNamed(d, "mbarrier"))
    return decodeCopyArrive(d);
  if (!d.take("async"))
    return d.fail("'cp' needs .async");
  bool bypassesL1 = d.take("cg");
  if (!bypassesL1 && !d.take("ca"))
    return d.fail("'cp.async' needs .ca or .cg");
  MemoryInfo to, from;
  to.space = d.take("shared") || d.take("shared::cta") ? Space::Shared : Space::Generic;
  from.space = d.take("global") ? Space::Global : Space::Generic;
  if (to.space == Space::Generic || from.space == Space::Generic)
    return d.fail("'cp.async' copies from .global to .shared");
  bool hasPolicy = takeCacheHints(d);
  if (!d.expectOperands(3, 5))
    return;
  uint64_t bytes = d.immediate(2, 4, 16);
  if ((bytes != 4 && bytes != 8 && bytes != 16) || (bypassesL1 && bytes != 16))
    return d.fail(d.operand(2).location, "'cp.async." + std::string(bypassesL1 ? "cg" : "ca") +
                                             "' copies " + (bypassesL1 ? "16" : "4, 8 or 16") +
                                             " bytes, but got " + llvm::Twine(bytes));
  to.elementBytes = from.elementBytes = bytes;
  Slot slots[5] = {kNoSlot, kNoSlot, kNoSlot, 0, 0};
  d.address(d.operand(0), to);
  slots[kDestination] = d.inst.a;
  slots[3] = static_cast<Slot>(d.inst.imm);
  slots[4] = static_cast<Slot>(d.inst.imm >> 32);
  d.address(d.operand(1), from);
  unsigned next = 3, end = d.numOperands() - hasPolicy;
  if (hasPolicy)
    d.read(d.numOperands() - 1, ScalarType::B64);
  if (next < end) {
    const parser::Operand &extra = d.operand(next++);
    bool isNegated = false;
    if (d.registerBits(extra) == 1) {
      slots[kIgnore] = d.readPredicate(extra, isNegated);
      d.inst.flags = isNegated ? kIgnoreNegated : 0;
    } else {
      slots[kSourceBytes] = d.read(extra, ScalarType::U32);
    }
  }
  if (next < end)
    d.fail(d.operand(next).location, "'cp.async' has one operand too many");
  d.inst.extra = d.addSlots(slots);
  d.inst.aux = d.addMemory(from);
  d.inst.target = d.addMemory(to);
  d.inst.flow = Flow::Checked;
  d.set(handleCopy, OpClass::Async);
}

} // namespace

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getAsyncInstructions() {
  static constexpr InstructionEntry entries[] = {{"cp", decodeCopy}};
  return entries;
}
