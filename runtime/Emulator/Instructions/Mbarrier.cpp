//===- Mbarrier.cpp - mbarrier objects in shared memory ---------------------------===//
//
// PTX ISA, "Parallel Synchronization and Communication Instructions: mbarrier".
// The object itself: Machine/Mbarrier.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/Mbarrier.h"
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Instructions/MemoryModifiers.h"
#include "runtime/Emulator/Machine/Access.h"
#include <algorithm>
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

enum class Action : uint8_t { Init, Invalidate, Expect, Complete, Arrive, ArriveDrop, CopyArrive };
constexpr uint8_t kExpectsFirst = 16, kNoIncrement = 32;

bool locate(Warp &w, const Inst &i, uint32_t m, AccessKind kind, Access &access) {
  const MemoryInfo &info = w.launch.program.memory[i.aux];
  access.kind = kind;
  access.space = info.space;
  access.bytes = access.alignment = 8;
  access.mask = m;
  access.info = &info;
  access.isStrong = kind != AccessKind::Store;
  computeAddresses(w, i, info, access);
  return resolve(w, access);
}

uint64_t readObject(const Access &access, unsigned lane) {
  uint64_t word;
  std::memcpy(&word, access.isContiguous ? access.host[0] + 8 * lane : access.host[lane], 8);
  return word;
}

/// Calls f(lane, object) on each lane's object, lane by lane, and stores it.
template <typename F> void forObjects(uint32_t m, const Access &access, F f) {
  forEachLane(m, [&](unsigned l) {
    Mbarrier object = Mbarrier::decode(readObject(access, l));
    f(l, object);
    uint64_t word = object.encode();
    std::memcpy(access.isContiguous ? access.host[0] + 8 * l : access.host[l], &word, 8);
  });
}

/// Calls f(address, lanes) for the lanes of each object.
template <typename F> void forAddresses(uint32_t m, const uint64_t *address, F f) {
  for (uint32_t rest = m; rest;) {
    uint64_t object = address[std::countr_zero(rest)];
    uint32_t same = 0;
    forEachLane(rest, [&](unsigned l) { same |= uint32_t(address[l] == object) << l; });
    f(object, same);
    rest &= ~same;
  }
}

// b: count; d: the state before the arrival.
void handleUpdate(Warp &w, const Inst &i, uint32_t m) {
  Action action = static_cast<Action>(i.flags & 15);
  bool arrives = action == Action::Arrive || action == Action::ArriveDrop;
  uint64_t addresses[kLanes];
  Access access;
  if (!locate(w, i, m, action == Action::Init ? AccessKind::Store : AccessKind::Atomic, access))
    return;
  std::copy_n(access.address, kLanes, addresses);
  if (arrives && w.launch.races)
    forAddresses(m, addresses, [&](uint64_t object, uint32_t lanes) {
      w.launch.races->order.arrive(w.clocks, lanes, w.block.clocks.phases[object],
                                   access.info->ordering != Ordering::Relaxed);
    });
  forObjects(m, access, [&](unsigned lane, Mbarrier &object) {
    uint32_t count = i.b == kNoSlot ? 1 : w.at<uint32_t>(i.b)[lane];
    uint64_t before = object.encode(), address = addresses[lane];
    switch (action) {
    case Action::Init:
      if (count == 0 || count > Mbarrier::kMaxCount)
        return w.report(FindingKind::BarrierMisuse, lane,
                        "an mbarrier for " + llvm::Twine(count) + " arrivals");
      object = {count, count, 0, false};
      w.block.clocks.phases.erase(address);
      break;
    case Action::Invalidate:
      object = {0, 0, 0, false};
      w.block.clocks.phases.erase(address);
      break;
    case Action::Expect:
      object.transactions += static_cast<int32_t>(count);
      break;
    case Action::Complete:
      object.transactions -= static_cast<int32_t>(count);
      object.completeIfDone(w, address);
      break;
    case Action::Arrive:
    case Action::ArriveDrop:
      if (i.flags & kExpectsFirst) { // the count is of bytes, and one arrival follows
        object.transactions += static_cast<int32_t>(count);
        count = 1;
      }
      if (action == Action::ArriveDrop)
        object.expected -= std::min(count, object.expected);
      object.arrive(w, lane, address, count);
      break;
    case Action::CopyArrive:
      // Without .noinc the arrival was not counted at init.
      if (!(i.flags & kNoIncrement))
        ++object.pending;
      break;
    }
    if (i.d != kNoSlot)
      w.at<uint64_t>(i.d)[lane] = before;
  });
  // Each that initialises an object undoes what others have arrived at.
  if (!w.unsettled.empty())
    settleStores(w, m);
  if (action == Action::CopyArrive)
    forAddresses(m, addresses, [&](uint64_t object, uint32_t lanes) {
      w.copies.arriveOnceLanded(w, lanes, object);
    });
}

// d: predicate; b: a state or a parity (flags).
void handleTest(Warp &w, const Inst &i, uint32_t m) {
  uint32_t done = 0;
  bool acquires = w.launch.program.memory[i.aux].ordering != Ordering::Relaxed;
  Access access;
  if (!locate(w, i, m, AccessKind::Load, access))
    return;
  forEachLane(m, [&](unsigned lane) {
    uint64_t address = access.address[lane];
    bool awaited =
        i.flags ? w.at<uint32_t>(i.b)[lane] & 1 : Mbarrier::decode(w.at<uint64_t>(i.b)[lane]).phase;
    auto isDone = [&] { return Mbarrier::decode(readObject(access, lane)).phase != awaited; };
    // Copies that the phase waits for must land some time: now, at the latest.
    if (!isDone())
      for (auto &warp : w.block.warps)
        warp->copies.landArrivals(*warp, address);
    if (!isDone())
      return;
    done |= 1u << lane;
    if (w.launch.races)
      w.launch.races->order.wait(w.clocks, 1u << lane, w.block.clocks.phases[address], acquires);
  });
  w.setPredicate(i.d, m, done);
  w.waitFailed = w.hasSpun = (done & m) != m;
}

void handlePendingCount(Warp &w, const Inst &i, uint32_t m) {
  forEachLane(m, [&](unsigned l) {
    w.at<uint32_t>(i.d)[l] = Mbarrier::decode(w.at<uint64_t>(i.a)[l]).pending;
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
