//===- Mbarrier.cpp - mbarrier objects in shared memory ---------------------------===//
//
// PTX ISA, "Parallel Synchronization and Communication Instructions: mbarrier".
// The object's 64 bits are opaque to programs; here they hold, from bit 0:
// arrivals still pending (20), arrivals a phase expects (20), transactions
// still pending (21, signed), and at the top the phase's parity. A phase ends
// when nothing is pending.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Instructions/MemoryModifiers.h"
#include "runtime/Emulator/Machine/Access.h"
#include <algorithm>
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

constexpr uint64_t kMaxCount = (1 << 20) - 1;

struct State {
  uint32_t pending, expected;
  int32_t transactions;
  bool phase;

  static State decode(uint64_t word) {
    int32_t transactions = static_cast<int32_t>(word >> 40 & 0x1fffff);
    return {uint32_t(word & kMaxCount), uint32_t(word >> 20 & kMaxCount),
            transactions >= 1 << 20 ? transactions - (1 << 21) : transactions, bool(word >> 63)};
  }
  uint64_t encode() const {
    return uint64_t(pending) | uint64_t(expected) << 20 |
           (uint64_t(uint32_t(transactions)) & 0x1fffff) << 40 | uint64_t(phase) << 63;
  }
  /// True: the phase has ended.
  bool completeIfDone() {
    if (pending != 0 || transactions != 0)
      return false;
    phase = !phase;
    pending = expected;
    return true;
  }
};

enum class Action : uint8_t { Init, Invalidate, Expect, Complete, Arrive, ArriveDrop, CopyArrive };
constexpr uint8_t kExpectsFirst = 16, kNoIncrement = 32;

/// Calls f(lane, state) on each lane's object, lane by lane, and stores it.
template <typename F> void forObjects(Warp &w, const Inst &i, uint32_t m, AccessKind kind, F f) {
  const MemoryInfo &info = w.launch.program.memory[i.aux];
  Access access;
  access.kind = kind;
  access.space = info.space;
  access.bytes = access.alignment = 8;
  access.mask = m;
  access.info = &info;
  access.isStrong = kind != AccessKind::Store;
  computeAddresses(w, i, info, access);
  if (!resolve(w, access))
    return;
  forEachLane(m, [&](unsigned l) {
    uint8_t *host = access.isContiguous ? access.host[0] + 8 * l : access.host[l];
    uint64_t word;
    std::memcpy(&word, host, 8);
    State state = State::decode(word);
    f(l, state, access.address[l]);
    word = state.encode();
    if (kind != AccessKind::Load)
      std::memcpy(host, &word, 8);
  });
}

// What has arrived is known to those who wait for the phase.
void endPhase(Warp &w, State &state, uint64_t address) {
  if (!state.completeIfDone() || !w.launch.races)
    return;
  races::PhaseOrder &phase = w.block.clocks.phases[address];
  phase.completed = phase.arrived;
}

// b: count; d: the state before the arrival.
void handleUpdate(Warp &w, const Inst &i, uint32_t m) {
  Action action = static_cast<Action>(i.flags & 15);
  if (action == Action::CopyArrive)
    w.copies.waitAll(w, m);
  bool isNew = action == Action::Init || action == Action::Invalidate;
  bool orders = w.launch.program.memory[i.aux].ordering != Ordering::Relaxed;
  AccessKind kind = isNew ? AccessKind::Store : AccessKind::Atomic;
  forObjects(w, i, m, kind, [&](unsigned lane, State &state, uint64_t address) {
    uint32_t count = i.b == kNoSlot ? 1 : w.at<uint32_t>(i.b)[lane];
    uint64_t before = state.encode();
    auto arrive = [&](uint32_t arrivals) {
      if (arrivals > state.pending)
        return w.report(FindingKind::BarrierMisuse, lane,
                        llvm::Twine(arrivals) + " arrivals at an mbarrier that waits for " +
                            llvm::Twine(state.pending));
      state.pending -= arrivals;
      endPhase(w, state, address);
    };
    if (w.launch.races && !isNew && orders && action != Action::Expect)
      w.launch.races->order.arrive(w.clocks, 1u << lane, w.block.clocks.phases[address]);
    switch (action) {
    case Action::Init:
      if (count == 0 || count > kMaxCount)
        return w.report(FindingKind::BarrierMisuse, lane,
                        "an mbarrier for " + llvm::Twine(count) + " arrivals");
      state = {count, count, 0, false};
      break;
    case Action::Invalidate:
      state = {0, 0, 0, false};
      break;
    case Action::Expect:
      state.transactions += static_cast<int32_t>(count);
      break;
    case Action::Complete:
      state.transactions -= static_cast<int32_t>(count);
      state.completeIfDone();
      break;
    case Action::Arrive:
      if (i.flags & kExpectsFirst) {
        state.transactions += static_cast<int32_t>(count);
        count = 1;
      }
      arrive(count);
      break;
    case Action::ArriveDrop:
      state.expected -= std::min(count, state.expected);
      arrive(count);
      break;
    case Action::CopyArrive:
      // Without .noinc the arrival was not counted at init.
      if (!(i.flags & kNoIncrement))
        ++state.pending;
      arrive(1);
      break;
    }
    if (i.d != kNoSlot)
      w.at<uint64_t>(i.d)[lane] = before;
  });
}

// d: predicate; b: a state or a parity (flags).
void handleTest(Warp &w, const Inst &i, uint32_t m) {
  uint32_t done = 0;
  bool orders = w.launch.races && w.launch.program.memory[i.aux].ordering != Ordering::Relaxed;
  forObjects(w, i, m, AccessKind::Load, [&](unsigned lane, State &state, uint64_t address) {
    bool awaited =
        i.flags ? w.at<uint32_t>(i.b)[lane] & 1 : State::decode(w.at<uint64_t>(i.b)[lane]).phase;
    if (state.phase == awaited)
      return;
    done |= 1u << lane;
    if (orders)
      w.launch.races->order.wait(w.clocks, 1u << lane, w.block.clocks.phases[address]);
  });
  w.setPredicate(i.d, m, done);
  w.waitFailed = w.hasSpun = (done & m) != m;
}

void handlePendingCount(Warp &w, const Inst &i, uint32_t m) {
  forEachLane(m, [&](unsigned l) {
    w.at<uint32_t>(i.d)[l] = State::decode(w.at<uint64_t>(i.a)[l]).pending;
  });
}

void takeObject(InstructionDecoder &d, unsigned operand) {
  MemoryInfo info;
  takeOrdering(d, info);
  info.space = takeMemorySpace(d);
  info.elementBytes = info.registerBytes = 8;
  ScalarType type = d.requireType();
  if (type != ScalarType::B64)
    return d.refuseType(type);
  d.address(d.operand(operand), info);
  if (info.space != Space::Shared && info.space != Space::Generic)
    d.fail(d.operand(operand).location, "an mbarrier lies in shared memory");
  d.inst.aux = d.addMemory(info);
  d.inst.flow = Flow::Checked;
}

void decodeArrive(InstructionDecoder &d, Action action) {
  bool expects = d.take("expect_tx");
  d.take("noComplete");
  // `_` or no register discards the state.
  bool hasState = d.operand(0).kind != parser::Operand::Kind::Address;
  takeObject(d, hasState);
  if (!d.expectOperands(hasState + 1, hasState + 2))
    return;
  if (hasState)
    d.inst.d = d.write(0, ScalarType::B64);
  if (d.numOperands() > hasState + 1u)
    d.inst.b = d.read(hasState + 1, ScalarType::U32);
  else if (expects)
    d.fail("'.expect_tx' needs a count of bytes");
  d.inst.flags = static_cast<uint8_t>(action) | (expects ? kExpectsFirst : 0);
  d.set(handleUpdate, OpClass::Barrier);
}

void decodeTest(InstructionDecoder &d, bool isTry) {
  bool isParity = d.take("parity");
  takeObject(d, 1);
  if (!d.expectOperands(3, isTry ? 4 : 3))
    return;
  d.inst.d = d.writePredicate(d.operand(0));
  d.inst.b = d.read(2, isParity ? ScalarType::U32 : ScalarType::B64);
  if (d.numOperands() == 4)
    d.read(3, ScalarType::U32); // how long the hardware may suspend the thread
  d.inst.flags = isParity;
  d.inst.flow = Flow::Wait;
  d.set(handleTest, OpClass::Barrier);
}

void decodeMbarrier(InstructionDecoder &d) {
  bool isInit = d.take("init");
  if (isInit || d.take("inval")) {
    takeObject(d, 0);
    if (!d.expectOperands(isInit ? 2 : 1))
      return;
    if (isInit)
      d.inst.b = d.read(1, ScalarType::U32);
    d.inst.flags = static_cast<uint8_t>(isInit ? Action::Init : Action::Invalidate);
    return d.set(handleUpdate, OpClass::Barrier);
  }
  if (d.take("arrive"))
    return decodeArrive(d, Action::Arrive);
  if (d.take("arrive_drop"))
    return decodeArrive(d, Action::ArriveDrop);
  if (d.take("test_wait"))
    return decodeTest(d, false);
  if (d.take("try_wait"))
    return decodeTest(d, true);
  bool isExpect = d.take("expect_tx");
  if (isExpect || d.take("complete_tx")) {
    takeObject(d, 0);
    if (d.expectOperands(2))
      d.inst.b = d.read(1, ScalarType::U32);
    d.inst.flags = static_cast<uint8_t>(isExpect ? Action::Expect : Action::Complete);
    return d.set(handleUpdate, OpClass::Barrier);
  }
  if (!d.take("pending_count"))
    return d.fail("'mbarrier' needs an operation such as .init");
  if (d.requireType() != ScalarType::B64)
    return d.refuseType(ScalarType::B64);
  if (!d.expectOperands(2))
    return;
  d.inst.d = d.write(0, ScalarType::U32);
  d.inst.a = d.read(1, ScalarType::B64);
  d.set(handlePendingCount, OpClass::Barrier);
}

} // namespace

// The copies of these lanes land here, the earliest legal moment, so that the
// arrival can count at once.
void tilewright::emulator::decodeCopyArrive(InstructionDecoder &d) {
  d.take("async");
  d.take("mbarrier");
  d.take("arrive");
  bool noIncrement = d.take("noinc");
  takeObject(d, 0);
  d.expectOperands(1);
  d.inst.flags = static_cast<uint8_t>(Action::CopyArrive) | (noIncrement ? kNoIncrement : 0);
  d.set(handleUpdate, OpClass::Async);
}

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getMbarrierInstructions() {
  static constexpr InstructionEntry entries[] = {{"mbarrier", decodeMbarrier}};
  return entries;
}
