//===- Barrier.cpp - Barriers, fences, traps ----------------------------------------------===//
//
// PTX ISA, "Parallel Synchronization and Communication Instructions: bar,
// barrier, membar, fence" and "Miscellaneous Instructions". Memory is
// sequentially consistent here; fences matter to checkers alone.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

// a: barrier number; b: thread count or none; c: predicate of .red; d: its
// result; flags: 0 popc, 1 and, 2 or; imm bit 0: arrive only, bit 1: c negated,
// bit 2: .aligned (kAlignedBarrier).
constexpr uint64_t kArrivesOnly = 1, kNegated = 2;

void handleBarrier(Warp &w, const Inst &i, uint32_t m) {
  unsigned first = std::countr_zero(m);
  uint32_t id = w.at<uint32_t>(i.a)[first];
  uint32_t threads = i.b == kNoSlot ? 0 : w.at<uint32_t>(i.b)[first];
  bool isUniform = true;
  forEachLane(m, [&](unsigned l) {
    isUniform &= w.at<uint32_t>(i.a)[l] == id;
    isUniform &= i.b == kNoSlot || w.at<uint32_t>(i.b)[l] == threads;
  });
  if (!isUniform)
    return w.report(FindingKind::BarrierMisuse, first,
                    "lanes of one warp name different barriers or thread counts");
  if (id >= 16)
    return w.report(FindingKind::BarrierMisuse, first,
                    "barrier " + llvm::Twine(id) + " does not exist; there are 0 to 15");
  if (i.b != kNoSlot && (threads == 0 || threads % kLanes))
    return w.report(FindingKind::BarrierMisuse, first,
                    "a thread count of " + llvm::Twine(threads) + " is no multiple of 32");
  w.block.arrive(w, id, m, i.b != kNoSlot, threads);
  if (i.c != kNoSlot) {
    NamedBarrier &barrier = w.block.barriers[id];
    uint32_t value = w.predicate(i.c) ^ (i.imm & kNegated ? kFullMask : 0);
    barrier.population += std::popcount(value & m);
    barrier.all &= (value & m) == m;
    barrier.any |= (value & m) != 0;
  }
  w.barrier = static_cast<uint8_t>(id);
  w.blockAtBarrier = !(i.imm & kArrivesOnly);
}

void handleNothing(Warp &, const Inst &, uint32_t) {}

// The members know each other's accesses from here on.
void handleWarpSync(Warp &w, const Inst &i, uint32_t m) {
  if (w.launch.races)
    w.launch.races->order.syncWarp(w.clocks, m);
}

void decodeWarpSync(InstructionDecoder &d) {
  if (!d.take("sync"))
    d.fail("'bar.warp' needs .sync");
  if (!d.expectOperands(1))
    return;
  d.inst.c = d.read(0, ScalarType::B32);
  d.inst.flow = Flow::WarpSync;
  d.set(handleWarpSync, OpClass::Barrier);
}

void decodeBarrier(InstructionDecoder &d) {
  if (d.take("warp"))
    return decodeWarpSync(d);
  if (d.take("cluster"))
    return d.fail("cluster barriers are not emulated yet");
  d.take("cta");
  bool isAligned = d.take("aligned") || d.source.opcode == "bar";
  bool isReduce = d.take("red"), arrivesOnly = !isReduce && d.take("arrive");
  if (!isReduce && !arrivesOnly && !d.take("sync"))
    return d.fail("'" + d.source.opcode + "' needs .sync, .arrive or .red");
  d.inst.imm = (arrivesOnly ? kArrivesOnly : 0) | (isAligned ? kAlignedBarrier : 0);
  unsigned next = 0, last = d.numOperands();
  if (isReduce) {
    auto op = d.takeOneOf({"popc", "and", "or"});
    ScalarType type = d.requireType();
    if (!op || type != (*op == 0 ? ScalarType::U32 : ScalarType::Pred))
      return d.fail("'" + d.source.opcode + ".red' is one of .popc.u32, .and.pred, .or.pred");
    if (!d.expectOperands(3, 4))
      return;
    d.inst.flags = *op;
    d.inst.d = *op == 0 ? d.write(0, type) : d.writePredicate(d.operand(0));
    bool isNegated = false;
    d.inst.c = d.readPredicate(d.operand(--last), isNegated);
    d.inst.imm |= isNegated ? kNegated : 0;
    next = 1;
  } else if (!d.expectOperands(arrivesOnly ? 2 : 1, 2)) {
    return;
  }
  if (d.isImmediate(next))
    d.immediate(next, 0, 15);
  d.inst.a = d.read(next++, ScalarType::U32);
  if (next < last)
    d.inst.b = d.read(next, ScalarType::U32);
  d.inst.flow = Flow::Barrier;
  d.set(handleBarrier, OpClass::Barrier);
}

constexpr uint8_t kAcquires = 1, kReleases = 2, kReachesGrid = 4;

void handleFence(Warp &w, const Inst &i, uint32_t m) {
  if (w.launch.races)
    w.launch.races->order.fence(w.clocks, m, i.flags & kAcquires, i.flags & kReleases,
                                i.flags & kReachesGrid);
}

void decodeFence(InstructionDecoder &d) {
  bool isProxy = d.take("proxy");
  if (isProxy && !d.takeOneOf({"alias", "async", "async::global", "async::shared::cta"}))
    d.fail("'fence.proxy' needs .alias or .async");
  if (isProxy)
    d.takeOneOf({"global", "shared::cta"});
  d.take("mbarrier_init");
  bool acquires = d.take("acquire"), releases = d.take("release");
  d.take("sync_restrict::shared::cta");
  d.takeOneOf({"sc", "acq_rel"});
  // membar.cta and membar.gl name scopes too.
  bool isGrid = d.takeOneOf({"gl", "gpu", "sys"}).has_value();
  if (!isGrid && !d.takeOneOf({"cta", "cluster"}) && !isProxy)
    d.fail("'" + d.source.opcode + "' needs a scope such as .gpu");
  d.expectOperands(0);
  if (isProxy)
    return d.set(handleNothing, OpClass::Barrier);
  d.inst.flags = (acquires || !releases ? kAcquires : 0) | (releases || !acquires ? kReleases : 0) |
                 (isGrid ? kReachesGrid : 0);
  d.set(handleFence, OpClass::Barrier);
}

void handleTrap(Warp &w, const Inst &, uint32_t m) {
  w.report(FindingKind::Trap, std::countr_zero(m), "the program trapped");
}

void decodeTrap(InstructionDecoder &d) {
  d.expectOperands(0);
  d.inst.flow = Flow::Checked;
  d.set(handleTrap, OpClass::Control);
}

// A breakpoint without a debugger does nothing.
void decodeBreakpoint(InstructionDecoder &d) {
  d.expectOperands(0);
  d.set(handleNothing, OpClass::Control);
}

// Nobody counts performance events.
void decodeEvent(InstructionDecoder &d) {
  bool isMask = d.take("mask");
  if (d.expectOperands(1))
    d.immediate(0, 0, isMask ? 0xffff : 15);
  d.set(handleNothing, OpClass::Control);
}

void handleSleep(Warp &w, const Inst &, uint32_t) { w.hasSpun = w.waitFailed = true; }

void decodeSleep(InstructionDecoder &d) {
  ScalarType type = d.requireType();
  if (type != ScalarType::U32)
    return d.refuseType(type);
  if (d.expectOperands(1))
    d.inst.a = d.read(0, type);
  d.inst.flow = Flow::Wait;
  d.set(handleSleep, OpClass::Control);
}

// Launches are in order: what a dependent launch waits for is always done.
void decodeDependency(InstructionDecoder &d) {
  if (!d.takeOneOf({"wait", "launch_dependents"}))
    d.fail("'griddepcontrol' needs .wait or .launch_dependents");
  d.expectOperands(0);
  d.set(handleNothing, OpClass::Control);
}

} // namespace

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getBarrierInstructions() {
  static constexpr InstructionEntry entries[] = {
      {"bar", decodeBarrier},     {"barrier", decodeBarrier},
      {"membar", decodeFence},    {"fence", decodeFence},
      {"trap", decodeTrap},       {"brkpt", decodeBreakpoint},
      {"nanosleep", decodeSleep}, {"griddepcontrol", decodeDependency},
      {"pmevent", decodeEvent},
  };
  return entries;
}
