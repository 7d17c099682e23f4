//===- Order.cpp - Which accesses happen before which ------------------------===//
//
// See Order.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Races/Order.h"
#include "llvm/ADT/STLExtras.h"

using namespace tilewright::emulator::races;

/// Blocks that release to one location before those that are done are forgotten.
constexpr size_t kManySharers = 16;

//===----------------------------------------------------------------------===//
// Lane states
//===----------------------------------------------------------------------===//

const LaneState &WarpOrder::stateOf(unsigned lane) const {
  for (const LaneState &state : states)
    if (state.mask >> lane & 1)
      return state;
  return states.front();
}

WarpOrder Order::makeWarp(uint32_t block, uint32_t warp, uint32_t lanes) const {
  WarpOrder order{block, warp, {}};
  order.states.emplace_back().mask = lanes;
  return order;
}

/// Calls f(state) for each state of lanes in `mask`, after splitting those that
/// have others as well.
template <typename F> static void forStates(WarpOrder &warp, uint32_t mask, F f) {
  for (size_t i = 0, end = warp.states.size(); i < end; ++i) {
    uint32_t inside = warp.states[i].mask & mask;
    if (!inside)
      continue;
    if (uint32_t outside = warp.states[i].mask & ~mask) {
      LaneState rest = warp.states[i];
      rest.mask = outside;
      warp.states.push_back(std::move(rest));
    }
    warp.states[i].mask = inside;
    f(warp.states[i]);
  }
}

static llvm::IntrusiveRefCntPtr<BlockClock> copy(const BlockClockRef &clock) {
  return clock ? llvm::makeIntrusiveRefCnt<BlockClock>(*clock)
               : llvm::makeIntrusiveRefCnt<BlockClock>();
}

static Clock withThreads(Clock clock, uint32_t warp, uint32_t mask, Epoch epoch) {
  auto own = copy(clock.own);
  own->add(warp, mask, epoch);
  clock.own = std::move(own);
  return clock;
}

// A release made good for any thread: nobody's own accesses are left implicit.
static Clock publish(const Release &release, uint32_t warp, uint32_t mask) {
  Clock clock = release.self ? withThreads(release.clock, warp, mask, release.self) : release.clock;
  return release.copies ? withThreads(std::move(clock), warp | kCopies, mask, release.copies)
                        : clock;
}

static void joinRelease(Release &into, const Release &from, uint32_t warp, uint32_t mask) {
  if (!from.isEmpty())
    into.clock.join(publish(from, warp, mask));
}

// Everything but the lanes' own accesses.
static void joinState(LaneState &into, const LaneState &from, uint32_t warp) {
  into.clock.join(from.clock);
  if (from.copies)
    into.clock = withThreads(std::move(into.clock), warp | kCopies, from.mask, from.copies);
  joinRelease(into.blockRelease, from.blockRelease, warp, from.mask);
  joinRelease(into.gridRelease, from.gridRelease, warp, from.mask);
  into.blockPending.join(from.blockPending);
  into.gridPending = into.gridPending.join(from.gridPending);
  into.atomicPending.join(from.atomicPending);
}

// What other blocks know of this one comes back in `others`.
static void joinGrid(Clock &clock, const GridClock &grid, uint32_t block) {
  clock.others = clock.others.join(grid);
  if (const BlockClock *own = grid.find(block))
    clock.own = join(clock.own, BlockClockRef(own));
}

// The lanes in `mask` all get `state`.
static void replace(WarpOrder &warp, uint32_t mask, LaneState state) {
  forStates(warp, mask, [](LaneState &old) { old.mask = 0; });
  llvm::erase_if(warp.states, [](const LaneState &old) { return old.mask == 0; });
  state.mask = mask;
  warp.states.push_back(std::move(state));
}

Epoch Order::known(const LaneState &state, uint32_t block, uint32_t otherBlock, uint32_t otherWarp,
                   unsigned otherLane) {
  const BlockClock *clock =
      block == otherBlock ? state.clock.own.get() : state.clock.others.find(otherBlock);
  return clock ? clock->get(otherWarp, otherLane) : 0;
}

//===----------------------------------------------------------------------===//
// Warps, fences, block barriers
//===----------------------------------------------------------------------===//

void Order::syncWarp(WarpOrder &warp, uint32_t mask) {
  LaneState joined;
  forStates(warp, mask, [&](LaneState &state) { joinState(joined, state, warp.warp); });
  joined.clock = withThreads(std::move(joined.clock), warp.warp, mask, epoch);
  replace(warp, mask, std::move(joined));
  tick();
}

void Order::shareAcquired(WarpOrder &warp, uint32_t mask) {
  Clock joined;
  forStates(warp, mask, [&](LaneState &state) { joined.join(state.clock); });
  if (joined.own) {
    auto own = copy(joined.own);
    llvm::erase_if(own->entries, [&](const BlockClock::Entry &entry) {
      return (entry.warp & ~kCopies) == warp.warp;
    });
    joined.own = std::move(own);
  }
  forStates(warp, mask, [&](LaneState &state) { state.clock.join(joined); });
}

void Order::fence(WarpOrder &warp, uint32_t mask, bool acquires, bool releases, bool isGrid) {
  forStates(warp, mask, [&](LaneState &state) {
    if (acquires) {
      state.clock.join(state.blockPending);
      if (isGrid)
        joinGrid(state.clock, state.gridPending, warp.block);
    }
    if (!releases)
      return;
    state.blockRelease = {state.clock, epoch, state.copies};
    if (isGrid)
      state.gridRelease = state.blockRelease;
  });
  tick();
}

void Order::arrive(WarpOrder &warp, uint32_t mask, BarrierOrder &barrier) {
  forStates(warp, mask, [&](LaneState &state) {
    joinState(barrier.joined, state, warp.warp);
    barrier.arrivals.push_back({warp.warp, state.mask, epoch});
  });
  tick();
}

void Order::complete(BarrierOrder &barrier, BlockOrder &block, bool everyone) {
  LaneState &joined = barrier.joined;
  if (everyone) {
    auto own = llvm::makeIntrusiveRefCnt<BlockClock>(epoch);
    if (joined.clock.own)
      llvm::copy_if(joined.clock.own->entries, std::back_inserter(own->entries),
                    [](const BlockClock::Entry &entry) { return entry.warp & kCopies; });
    joined.clock.own = std::move(own);
    block.common = epoch;
  } else {
    auto own = copy(joined.clock.own);
    for (const Arrival &arrival : barrier.arrivals)
      own->add(arrival.warp, arrival.mask, arrival.epoch);
    joined.clock.own = std::move(own);
  }
  if (!strictAcquire && !joined.atomicPending.isEmpty()) {
    joined.clock.join(joined.atomicPending);
    joinGrid(joined.clock, joined.atomicPending.others, block.block);
    joined.atomicPending = Clock();
  }
  tick();
}

void Order::wake(WarpOrder &warp, uint32_t mask, const BarrierOrder &barrier) {
  replace(warp, mask, barrier.joined);
}

//===----------------------------------------------------------------------===//
// mbarriers
//===----------------------------------------------------------------------===//

void Order::arrive(WarpOrder &warp, uint32_t mask, PhaseOrder &phase, bool releases) {
  forStates(warp, mask, [&](LaneState &state) {
    Release now{state.clock, epoch, state.copies};
    const Release &released = releases ? now : state.blockRelease;
    if (!released.isEmpty())
      phase.arrived.join(publish(released, warp.warp, state.mask));
  });
  tick();
}

void Order::arrive(const WarpOrder &warp, uint32_t mask, const Release &released,
                   PhaseOrder &phase) {
  phase.arrived.join(publish(released, warp.warp, mask));
}

void Order::wait(WarpOrder &warp, uint32_t mask, const PhaseOrder &phase, bool acquires) {
  forStates(warp, mask, [&](LaneState &state) {
    (acquires ? state.clock : state.blockPending).join(phase.completed);
  });
}

void Order::waitForCopies(WarpOrder &warp, uint32_t mask) {
  forStates(warp, mask, [&](LaneState &state) { state.copies = epoch; });
}

//===----------------------------------------------------------------------===//
// Strong accesses
//===----------------------------------------------------------------------===//

bool Order::isIdle(const WarpOrder &warp, const BlockOrder *block) const {
  return (block ? block->shared : global).empty() &&
         llvm::all_of(warp.states, [](const LaneState &state) {
           return state.blockRelease.isEmpty() && state.gridRelease.isEmpty();
         });
}

void Order::access(WarpOrder &warp, uint32_t mask, const StrongAccess &access,
                   const uint64_t *address, unsigned bytes, BlockOrder *block) {
  Locations &locations = block ? block->shared : global;
  for (; mask; mask &= mask - 1) {
    unsigned lane = std::countr_zero(mask);
    bool writes = access.writes && !(access.failed >> lane & 1);
    // A wide flag is all its words; a narrow one does not stand for its neighbours.
    for (uint64_t word = address[lane]; word < address[lane] + bytes; word += 4) {
      if (access.observes && !locations.empty())
        if (auto found = locations.find(word); found != locations.end())
          read(warp, lane, access, found->second);
      if (writes)
        write(warp, lane, access, word, locations);
    }
  }
  // Once for all lanes: what any of them does next is new, and clocks whose lanes
  // have one epoch are short.
  if (access.releases)
    tick();
}

void Order::overwrite(uint32_t mask, const uint64_t *address, unsigned bytes, BlockOrder *block) {
  Locations &locations = block ? block->shared : global;
  if (locations.empty())
    return;
  for (; mask; mask &= mask - 1) {
    uint64_t first = address[std::countr_zero(mask)];
    for (uint64_t byte = first; byte < first + bytes; ++byte)
      erase(locations, byte);
  }
}

void Order::read(WarpOrder &warp, unsigned lane, const StrongAccess &access, const Location &from) {
  if (!from.isObservedBy(warp.block, access.isGrid))
    return;
  const Clock block = from.blockClocks.lookup(warp.block);
  const GridClock &grid = from.gridClock;
  if (block.isEmpty() && grid.isEmpty())
    return;
  forStates(warp, 1u << lane, [&](LaneState &state) {
    if (access.acquires) {
      state.clock.join(block);
      if (access.isGrid)
        return joinGrid(state.clock, grid, warp.block);
    }
    state.blockPending.join(block);
    state.gridPending = state.gridPending.join(grid);
    if (access.writes) {
      state.atomicPending.join(block);
      state.atomicPending.others = state.atomicPending.others.join(grid);
    }
  });
}

void Order::dropFinished(Location &location) {
  auto &clocks = location.blockClocks;
  numSharers -= clocks.size() - 1;
  llvm::SmallVector<uint32_t> gone;
  for (const auto &entry : clocks)
    if (finished.contains(entry.first))
      gone.push_back(entry.first);
  for (uint32_t block : gone)
    clocks.erase(block);
  numSharers += clocks.size() - 1;
}

void Order::clear(Location &location) {
  numSharers -= std::max<size_t>(location.blockClocks.size(), 1) - 1;
  location.blockClocks.clear();
  location.gridClock = GridClock();
}

void Order::erase(Locations &locations, uint64_t address) {
  if (auto found = locations.find(address); found != locations.end()) {
    clear(found->second);
    locations.erase(found);
  }
}

void Order::write(WarpOrder &warp, unsigned lane, const StrongAccess &access, uint64_t address,
                  Locations &locations) {
  const LaneState &state = warp.stateOf(lane);
  const Release current{state.clock, epoch, state.copies};
  const Release &block = access.releases ? current : state.blockRelease;
  // A fence before a release of .cta scope releases as far as the fence does.
  const Release &grid = access.releases && access.isGrid ? current : state.gridRelease;
  auto found = locations.find(address);
  bool isHeld = found != locations.end();
  // What observes nothing of what the location handed on hides it.
  if (isHeld && !(access.reads && found->second.isObservedBy(warp.block, access.isGrid))) {
    clear(found->second);
    if (block.isEmpty()) {
      locations.erase(found);
      return;
    }
  }
  if (!isHeld && block.isEmpty())
    return;
  Location &location = isHeld ? found->second : locations[address];
  location.block = warp.block;
  location.isGrid = access.isGrid;
  if (!block.isEmpty())
    release(location, warp, lane, block, grid);
}

void Order::release(Location &location, const WarpOrder &warp, unsigned lane, const Release &block,
                    const Release &grid) {
  Clock clock = publish(block, warp.warp, 1u << lane);
  auto [own, isNew] = location.blockClocks.try_emplace(warp.block);
  own->second.join(clock);
  const size_t size = location.blockClocks.size();
  numSharers += isNew && size > 1;
  if (isNew && size >= kManySharers && std::has_single_bit(size))
    dropFinished(location);
  if (grid.isEmpty())
    return;
  if (&grid != &block)
    clock = publish(grid, warp.warp, 1u << lane);
  location.gridClock = location.gridClock.join(clock.others.with(warp.block, clock.own));
}
