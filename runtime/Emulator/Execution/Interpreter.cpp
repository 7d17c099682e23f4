//===- Interpreter.cpp - One turn of one warp -----------------------------------===//
//
// A warp is a set of groups of lanes. The group to run is the one with the
// lowest pc in the deepest frame; groups that meet at a pc merge, so a group
// stops where another waits. A group that has spun for long is demoted, so that
// the lanes it waits for get on. See ControlFlow.h for why lowest pc first
// reconverges.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Execution/Interpreter.h"
#include "runtime/Emulator/Execution/WarpSync.h"
#include "runtime/Emulator/Machine/Lanes.h"
#include "runtime/Emulator/Machine/Limits.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

/// Back edges after which a group is demoted even if it does not look like
/// spinning: plain loads can be spun on too.
constexpr uint32_t kLongLoop = 1 << 20;

class TurnRunner {
public:
  explicit TurnRunner(Warp &warp)
      : warp(warp), launch(warp.launch), code(launch.program.code.data()),
        backEdges(launch.options.backEdgeBudget - std::exchange(warp.spentBackEdges, 0u)),
        isPreempting(launch.options.preemptionSeed != 0) {}

  Turn run();

private:
  Group *select();
  uint32_t findStop(const Group &group) const;
  /// Runs a group until it stops, splits, waits or ends; true ends the turn.
  /// `tracks`: some register of the warp has undefined bits.
  template <bool tracks> bool runGroup(Group &group);
  bool runHandler(const Inst &inst, uint32_t active);

  // Parts of runGroup. `group` is dead after any of them adds or removes groups.
  void split(Group &group, uint32_t taken, uint32_t target);
  bool runBranchIndexed(Group &group, const Inst &inst, uint32_t active);
  bool runBarrier(Group &group, const Inst &inst, uint32_t active);
  template <bool tracks> bool runWarpSync(Group &group, const Inst &inst, uint32_t active);
  void runCall(Group &group, const CallSite &site, uint32_t active);
  void runCallIndirect(Group &group, const Inst &inst, uint32_t active);
  void runReturn(Group &group, uint32_t active);
  void runExit(Group &group, uint32_t active);
  void copyValues(const std::vector<Passed> &values, const Frame &caller, const Frame &callee,
                  uint32_t lanes, bool isReturn);
  bool spendBackEdge(Group &group);
  bool preempt(Group &group, uint32_t nextPc);
  void add(Group group) { warp.groups.push_back(group); }

  Warp &warp;
  Launch &launch;
  const Inst *code;
  uint32_t backEdges;
  const bool isPreempting; ///< gives up turns at memory accesses
  Turn outcome = Turn::Blocked;
};

Group *TurnRunner::select() {
  Group *best = nullptr;
  for (Group &group : warp.groups) {
    if (group.state != GroupState::Ready)
      continue;
    auto key = [](const Group &g) {
      return std::tuple(g.demotion, -int64_t(g.frame->depth), g.pc);
    };
    if (!best || key(group) < key(*best))
      best = &group;
  }
  return best;
}

uint32_t TurnRunner::findStop(const Group &group) const {
  // Long code without loops is looked at now and then too.
  uint32_t stop = group.pc + static_cast<uint32_t>(kAlarmSteps);
  for (const Group &other : warp.groups)
    if (&other != &group && other.frame == group.frame && other.state != GroupState::AtBarrier &&
        other.pc > group.pc)
      stop = std::min(stop, other.pc);
  return stop;
}

Turn TurnRunner::run() {
  for (;;) {
    if (launch.isStopped || isOverBudget(warp))
      return Turn::Stopped;
    updateGroups(warp);
    if (launch.isStopped)
      return Turn::Stopped;
    if (warp.groups.empty())
      return Turn::Exited;
    Group *group = select();
    if (!group)
      return Turn::Blocked;
    if (warp.taint.isTracking() ? runGroup<true>(*group) : runGroup<false>(*group))
      return launch.isStopped ? Turn::Stopped : outcome;
  }
}

bool TurnRunner::spendBackEdge(Group &group) {
  if (isOverBudget(warp))
    return true;
  if (--backEdges != 0)
    return false;
  outcome = Turn::Yielded;
  group.loops += launch.options.backEdgeBudget;
  if (warp.hasSpun || group.loops >= kLongLoop)
    ++group.demotion;
  warp.hasSpun = false;
  return true;
}

// Others run before the group goes on; that is progress, not a wait.
bool TurnRunner::preempt(Group &group, uint32_t nextPc) {
  group.pc = nextPc;
  // Lanes that spin on others of their warp count their turns all the same.
  warp.spentBackEdges = launch.options.backEdgeBudget - backEdges;
  ++launch.progress;
  outcome = Turn::Yielded;
  return true;
}

//===----------------------------------------------------------------------===//
// The loop
//===----------------------------------------------------------------------===//

/// Runs a handler that may read memory or stop the launch, which it answers.
inline bool TurnRunner::runHandler(const Inst &inst, uint32_t active) {
  inst.handler(warp, inst, active);
  if (warp.taint.hasLoaded) [[unlikely]]
    noteLoaded(warp, inst, active);
  return launch.isStopped;
}

template <bool tracks> bool TurnRunner::runGroup(Group &group) {
  warp.enter(*group.frame);
  const uint32_t stop = findStop(group), mask = group.mask;
  Counters *counters = launch.counters.data();
  uint32_t pc = group.pc;
  do {
    const Inst &inst = code[pc];
    uint32_t active = mask;
    if (inst.guard != kNoSlot) {
      uint32_t guard = warp.predicate(inst.guard);
      active &= inst.guardNegated ? ~guard : guard;
    }
    warp.pc = pc;
    ++launch.steps;
    ++counters[pc].issues;
    counters[pc].activeLanes += std::popcount(active);
    if constexpr (tracks) {
      checkUses(warp, inst, mask, active);
      if (inst.flow != Flow::WarpSync)
        propagate(warp, inst, mask, active);
    }
    switch (inst.flow) {
    case Flow::Next:
      if (active)
        inst.handler(warp, inst, active);
      ++pc;
      continue;
    case Flow::Checked:
      if (active && runHandler(inst, active))
        return true;
      if (active && isPreempting && launch.preemption() % 4 == 0)
        return preempt(group, pc + 1);
      ++pc;
      if (warp.taint.isTracking() != tracks)
        break;
      continue;
    case Flow::Branch:
      if (!active) {
        ++pc;
        continue;
      }
      if (active != mask) {
        group.pc = pc + 1;
        split(group, active, inst.target);
        return inst.target <= pc && spendBackEdge(warp.groups.back());
      }
      if (inst.target <= pc) {
        group.pc = inst.target;
        if (spendBackEdge(group))
          return true;
      }
      pc = inst.target;
      continue;
    case Flow::WarpSync:
      if (active) {
        group.pc = pc;
        if (runWarpSync<tracks>(group, inst, active))
          return launch.isStopped;
      }
      ++pc;
      if (warp.taint.isTracking() != tracks)
        break;
      continue;
    case Flow::Wait:
      group.pc = ++pc;
      if (!active)
        continue;
      if (runHandler(inst, active))
        return true;
      if (warp.waitFailed) {
        warp.waitFailed = false;
        outcome = Turn::Waited;
        ++group.demotion;
        return true;
      }
      continue;
    case Flow::Barrier:
      group.pc = pc;
      if (!active) {
        ++pc;
        continue;
      }
      return runBarrier(group, inst, active);
    case Flow::BranchIndexed:
      group.pc = pc;
      return runBranchIndexed(group, inst, active);
    case Flow::Call:
      group.pc = pc;
      runCall(group, launch.program.calls[inst.aux], active);
      return launch.isStopped;
    case Flow::CallIndirect:
      group.pc = pc;
      runCallIndirect(group, inst, active);
      return launch.isStopped;
    case Flow::Return:
      group.pc = pc;
      runReturn(group, active);
      return false;
    case Flow::Exit:
      group.pc = pc;
      runExit(group, active);
      return false;
    }
    break; // the other loop goes on
  } while (pc < stop);
  group.pc = pc;
  return false;
}

/// `taken` lanes go to `target`, the others on at group.pc.
void TurnRunner::split(Group &group, uint32_t taken, uint32_t target) {
  Group other = group;
  group.mask &= ~taken;
  other.mask = taken;
  other.pc = target;
  add(other);
}

bool TurnRunner::runBranchIndexed(Group &group, const Inst &inst, uint32_t active) {
  const uint32_t pc = group.pc, *index = warp.at<uint32_t>(inst.a);
  Group base = group;
  group.mask &= ~active;
  ++group.pc;
  for (uint32_t rest = active; rest;) {
    unsigned first = std::countr_zero(rest);
    if (index[first] >= inst.aux) {
      warp.report(FindingKind::InvalidOperand, first,
                  "branch index " + llvm::Twine(index[first]) + " of " + llvm::Twine(inst.aux) +
                      " targets");
      return true;
    }
    uint32_t same = 0;
    forEachLane(rest, [&](unsigned l) { same |= uint32_t(index[l] == index[first]) << l; });
    base.mask = same;
    base.pc = launch.program.slots[inst.extra + index[first]];
    bool isBack = base.pc <= pc;
    add(base);
    rest &= ~same;
    if (isBack && spendBackEdge(warp.groups.back())) {
      for (base.mask = rest, base.pc = pc; rest; rest = 0)
        add(base);
      return true;
    }
  }
  return false;
}

bool TurnRunner::runBarrier(Group &group, const Inst &inst, uint32_t active) {
  warp.blockAtBarrier = false;
  inst.handler(warp, inst, active);
  if (launch.isStopped)
    return true;
  // Lanes whose guard is off go on; the rest stay at the instruction.
  uint32_t others = group.mask & ~active, pc = group.pc;
  Group passing = group;
  passing.mask = others;
  passing.pc = pc + 1;
  group.mask = active;
  if (warp.blockAtBarrier) {
    group.state = GroupState::AtBarrier;
    group.barrier = warp.barrier;
  } else {
    ++group.pc;
  }
  if (others)
    add(passing);
  if (!warp.block.completeIfFull(warp.barrier) && warp.blockAtBarrier)
    ++launch.counters[pc].barrierWaits;
  return false;
}

/// Each set of lanes that name the same members runs by itself, if all are here;
/// the others wait. True: some do, or the launch is to stop.
template <bool tracks>
bool TurnRunner::runWarpSync(Group &group, const Inst &inst, uint32_t active) {
  if (inst.c == kNoSlot && (warp.initialLanes != kFullMask || warp.live != kFullMask)) {
    warp.report(FindingKind::WarpSyncMisuse, -1,
                "needs all 32 lanes of the warp, but some do not exist or have exited");
    return true;
  }
  llvm::SmallVector<Group, 2> waiting;
  uint32_t parked = 0;
  for (uint32_t rest = active; rest;) {
    const Members members = findMembers(warp, inst, rest);
    rest &= ~members.here;
    if (uint32_t strangers = members.here & ~members.named) {
      warp.report(FindingKind::WarpSyncMisuse, std::countr_zero(strangers),
                  "a lane is not in its own member mask");
      return true;
    }
    if (members.named & warp.live & ~members.here) {
      Group &parking = waiting.emplace_back(group);
      parking.mask = members.here;
      parking.state = GroupState::AtWarpSync;
      parking.waitsFor = members.named;
      parked |= members.here;
      continue;
    }
    if constexpr (tracks)
      propagate(warp, inst, members.here, members.here);
    const bool isOver = runHandler(inst, members.here);
    if (launch.races && inst.opClass == OpClass::Shuffle)
      launch.races->order.converge(warp.clocks, members.here);
    if (isOver)
      return true;
  }
  if (!parked)
    return false;
  // Counted again when they run.
  Counters &counters = launch.counters[group.pc];
  counters.activeLanes -= std::popcount(parked);
  if (parked == active) {
    --launch.steps;
    --counters.issues;
  }
  // The rest, and lanes whose guard is off, go on.
  group.mask &= ~parked;
  ++group.pc;
  warp.groups.append(waiting.begin(), waiting.end());
  return true;
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

void TurnRunner::copyValues(const std::vector<Passed> &values, const Frame &caller,
                            const Frame &callee, uint32_t lanes, bool isReturn) {
  for (const Passed &value : values)
    forEachLane(lanes, [&](unsigned lane) {
      uint8_t *outer = locateValue(warp, caller, value, lane);
      uint8_t *inner = value.isCalleeRegister
                           ? callee.registers.get() + value.callee + lane * value.bytes
                           : warp.localAt(lane, callee.localBase + value.callee);
      std::memcpy(isReturn ? outer : inner, isReturn ? inner : outer, value.bytes);
    });
}

void TurnRunner::runCall(Group &group, const CallSite &site, uint32_t active) {
  ++group.pc;
  if (!active)
    return;
  if (site.builtin != Builtin::None)
    return callBuiltin(warp, site, *group.frame, active);
  if (group.frame->depth + 1 >= launch.options.callDepth)
    return warp.report(FindingKind::CallDepth, std::countr_zero(active),
                       "calls nest deeper than " + llvm::Twine(launch.options.callDepth));
  const FunctionCode &function = launch.program.functions[site.function];
  std::unique_ptr<Frame> frame = warp.makeFrame(function, group.frame);
  if (launch.isStopped)
    return;
  frame->returnPc = group.pc;
  frame->site = &site;
  frame->lanes = active;
  if (launch.options.checkInitialisation) {
    enterFrame(warp, *frame, active);
    passTaint(warp, site.arguments, *group.frame, *frame, active, false);
  }
  copyValues(site.arguments, *group.frame, *frame, active, false);
  Group inner = group;
  inner.frame = frame.get();
  inner.mask = active;
  inner.pc = function.firstPc;
  group.mask &= ~active;
  warp.frames.push_back(std::move(frame));
  add(inner);
}

// Lanes that name the same function call it together.
void TurnRunner::runCallIndirect(Group &group, const Inst &inst, uint32_t active) {
  const std::vector<CallTarget> &targets = launch.program.indirectCalls[inst.aux];
  uint64_t address[kLanes];
  std::copy_n(warp.at<uint64_t>(inst.a), kLanes, address);
  Group caller = group;
  group.mask &= ~active;
  ++group.pc;
  while (active) {
    unsigned first = std::countr_zero(active);
    auto target = llvm::find_if(
        targets, [&](const CallTarget &target) { return target.address == address[first]; });
    if (target == targets.end())
      return warp.report(FindingKind::InvalidOperand, first,
                         "calls address 0x" + llvm::Twine::utohexstr(address[first]) +
                             ", which is no function that the call may name");
    if (target->call == ~0u)
      return warp.report(FindingKind::InvalidOperand, first,
                         "calls '" + target->name +
                             "', whose parameters or results differ from the call's");
    caller.mask = 0;
    forEachLane(active,
                [&](unsigned l) { caller.mask |= uint32_t(address[l] == address[first]) << l; });
    active &= ~caller.mask;
    add(caller);
    runCall(warp.groups.back(), launch.program.calls[target->call], caller.mask);
    if (launch.isStopped)
      return;
  }
}

void TurnRunner::runReturn(Group &group, uint32_t active) {
  Frame *frame = group.frame;
  if (!frame->caller)
    return runExit(group, active);
  ++group.pc;
  if (!active)
    return;
  copyValues(frame->site->results, *frame->caller, *frame, active, true);
  if (launch.options.checkInitialisation)
    passTaint(warp, frame->site->results, *frame->caller, *frame, active, true);
  Group outer = group;
  outer.frame = frame->caller;
  outer.pc = frame->returnPc;
  outer.mask = active;
  group.mask &= ~active;
  frame->lanes &= ~active;
  add(outer);
  if (frame->lanes == 0) {
    // `group`, now empty, is the last to name the frame.
    llvm::erase_if(warp.groups, [&](const Group &g) { return g.frame == frame; });
    warp.discharge(frame->hostBytes);
    leaveFrame(warp, *frame);
    std::erase_if(warp.frames, [&](const auto &owned) { return owned.get() == frame; });
  }
}

void TurnRunner::runExit(Group &group, uint32_t active) {
  ++group.pc;
  if (!active)
    return;
  group.mask &= ~active;
  warp.live &= ~active;
  for (auto &frame : warp.frames)
    frame->lanes &= ~active;
  warp.copies.landAtExit(warp, active);
  warp.block.noteExit(warp);
}

} // namespace

uint8_t *tilewright::emulator::locateValue(Warp &warp, const Frame &caller, const Passed &value,
                                           unsigned lane) {
  if (!value.isRegister)
    return warp.localAt(lane, caller.localBase + value.caller);
  if (value.caller & kConstantBank) // the same for all lanes
    return warp.banks[1] + (value.caller & ~kConstantBank);
  return caller.registers.get() + value.caller + lane * value.bytes;
}

bool tilewright::emulator::isOverBudget(Warp &warp) {
  Launch &launch = warp.launch;
  if (launch.steps < launch.alarm)
    return false;
  const Options &options = launch.options;
  bool isOver = launch.steps > options.instructionBudget;
  launch.alarm = launch.steps +
                 (isOver ? 0 : std::min(kAlarmSteps, options.instructionBudget - launch.steps + 1));
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - launch.start;
  if (launch.races && launch.races->isFull()) {
    launch.notes.push_back(launch.races->describeFull());
    launch.races->finish();
    launch.races.reset();
  }
  if (isOver)
    warp.report(FindingKind::InstructionBudget, -1,
                "the launch has used its budget of " + llvm::Twine(options.instructionBudget) +
                    " warp instructions");
  else if (elapsed.count() > options.timeBudgetSeconds)
    warp.report(FindingKind::TimeBudget, -1,
                "the launch has used its budget of " +
                    llvm::formatv("{0}", options.timeBudgetSeconds).str() + " seconds");
  return launch.isStopped;
}

Turn tilewright::emulator::runTurn(Warp &warp) { return TurnRunner(warp).run(); }
