//===- Async.cpp - Copies in flight ------------------------------------------===//
//
// See Async.h.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/Async.h"
#include "runtime/Emulator/Machine/Limits.h"
#include "runtime/Emulator/Machine/Machine.h"
#include "runtime/Emulator/Machine/Mbarrier.h"
#include <algorithm>
#include <bit>
#include <cstring>

using namespace tilewright::emulator;

void CopyQueue::land(Warp &warp, Copy &copy, uint32_t lanes, bool isAwaited) {
  Block &block = warp.block;
  for (uint32_t rest = lanes & copy.mask; rest; rest &= rest - 1) {
    unsigned lane = std::countr_zero(rest);
    uint8_t *to = block.at(copy.destination[lane]);
    unsigned read = copy.sourceBytes[lane];
    if (read == 16) {
      std::memcpy(to, copy.source[lane], 16);
    } else {
      if (read)
        std::memcpy(to, copy.source[lane], read);
      std::memset(to + read, 0, copy.bytes - read);
    }
    block.pending.clear(copy.destination[lane] - kSharedBase, copy.bytes);
  }
  if (warp.launch.races && (lanes & copy.mask)) {
    // What an arrival hands on are copies alone, nothing else that their thread did
    // before it waited.
    bool isOwn = isAwaited && arrivals.empty();
    warp.launch.races->land(warp, copy, lanes & copy.mask, isOwn);
    unawaited |= isOwn ? 0 : lanes & copy.mask;
  }
  copy.mask &= ~lanes;
  ++warp.launch.progress;
}

void CopyQueue::issue(Warp &warp, Copy copy) {
  for (uint32_t rest = copy.mask; rest; rest &= rest - 1)
    warp.block.pending.set(copy.destination[std::countr_zero(rest)] - kSharedBase, copy.bytes);
  Launch &launch = warp.launch;
  if (launch.races) {
    copy.epoch = launch.races->order.now();
    launch.races->order.tick();
  }
  copy.number = issued++;
  copies.push_back(copy);
  // Landing early is legal; a program that never waits must not fill the host.
  if (copies.size() > kMaxCopiesInFlight)
    land(warp, copies.front(), kFullMask, /*isAwaited=*/false);
  if (launch.options.landing == LandingPolicy::Eager)
    land(warp, copies.back(), kFullMask, /*isAwaited=*/false);
  else if (launch.options.landing == LandingPolicy::Random)
    // Any copy may land at any time: a quarter of the lanes of a random one.
    land(warp, copies[launch.landing() % copies.size()],
         static_cast<uint32_t>(launch.landing() & launch.landing()), /*isAwaited=*/false);
  finish(warp);
}

std::optional<std::pair<uint32_t, unsigned>> CopyQueue::findWriter(uint64_t address,
                                                                   uint32_t bytes) const {
  for (const Copy &copy : copies)
    for (uint32_t rest = copy.mask; rest; rest &= rest - 1) {
      unsigned lane = std::countr_zero(rest);
      uint64_t begin = copy.destination[lane];
      if (begin < address + bytes && address < begin + copy.bytes)
        return std::pair(copy.pc, lane);
    }
  return std::nullopt;
}

void CopyQueue::commit(Warp &warp, uint32_t mask) {
  for (size_t i = 0; i < copies.size(); ++i) {
    if (copies[i].isCommitted || !(copies[i].mask & mask))
      continue;
    // Lanes that have committed equally often stay one object.
    uint32_t all = copies[i].mask & mask;
    uint32_t number = commits[std::countr_zero(all)], same = 0;
    for (uint32_t rest = all; rest; rest &= rest - 1)
      if (unsigned lane = std::countr_zero(rest); commits[lane] == number)
        same |= 1u << lane;
    if (copies[i].mask != same) {
      Copy remainder = copies[i];
      remainder.mask &= ~same;
      copies.push_back(remainder);
    }
    copies[i].mask = same;
    copies[i].isCommitted = true;
    copies[i].group = number;
  }
  for (uint32_t rest = mask; rest; rest &= rest - 1)
    ++commits[std::countr_zero(rest)];
}

void CopyQueue::waitGroups(Warp &warp, uint32_t mask, uint32_t allowed) {
  for (Copy &copy : copies) {
    if (!copy.isCommitted || !(copy.mask & mask))
      continue;
    uint32_t due = 0;
    for (uint32_t rest = copy.mask & mask; rest; rest &= rest - 1)
      if (unsigned lane = std::countr_zero(rest); commits[lane] - copy.group > allowed)
        due |= 1u << lane;
    if (due)
      land(warp, copy, due, /*isAwaited=*/true);
  }
  finishWait(warp, mask);
}

void CopyQueue::waitAll(Warp &warp, uint32_t mask) {
  for (Copy &copy : copies)
    if (copy.mask & mask)
      land(warp, copy, mask, /*isAwaited=*/true);
  finishWait(warp, mask);
}

// Copies that landed earlier are waited for as well.
void CopyQueue::finishWait(Warp &warp, uint32_t mask) {
  finish(warp);
  if (warp.launch.races && (unawaited & mask))
    warp.launch.races->order.waitForCopies(warp.clocks, unawaited & mask);
  unawaited &= ~mask;
}

void CopyQueue::finish(Warp &warp) {
  std::erase_if(copies, [](const Copy &copy) { return copy.mask == 0; });
  for (size_t i = 0; i < arrivals.size();) {
    if (hasCopies(arrivals[i])) {
      ++i;
      continue;
    }
    CopyArrival arrival = std::move(arrivals[i]);
    arrivals.erase(arrivals.begin() + i);
    if (warp.launch.races) {
      races::Order &order = warp.launch.races->order;
      arrival.released.copies = order.now();
      order.arrive(warp.clocks, arrival.lanes, arrival.released,
                   warp.block.clocks.phases[arrival.address]);
      order.tick();
    }
    uint64_t word;
    uint8_t *host = warp.block.at(arrival.address);
    std::memcpy(&word, host, sizeof word);
    Mbarrier object = Mbarrier::decode(word);
    for (uint32_t rest = arrival.lanes; rest; rest &= rest - 1)
      object.arrive(warp, std::countr_zero(rest), arrival.address, 1);
    word = object.encode();
    std::memcpy(host, &word, sizeof word);
  }
}

//===----------------------------------------------------------------------===//
// Arrivals at mbarriers
//===----------------------------------------------------------------------===//

bool CopyQueue::hasCopies(const CopyArrival &arrival) const {
  return std::any_of(copies.begin(), copies.end(), [&](const Copy &copy) {
    return (copy.mask & arrival.lanes) && copy.number < arrival.before;
  });
}

void CopyQueue::arriveOnceLanded(Warp &warp, uint32_t lanes, uint64_t address) {
  Launch &launch = warp.launch;
  while (lanes) {
    CopyArrival arrival;
    arrival.address = address;
    arrival.lanes = lanes;
    arrival.before = issued;
    if (launch.races) {
      const races::LaneState &state = warp.clocks.stateOf(std::countr_zero(lanes));
      arrival.lanes &= state.mask;
      arrival.released = {state.clock, launch.races->order.now()};
    }
    lanes &= ~arrival.lanes;
    arrivals.push_back(std::move(arrival));
  }
  if (launch.races)
    launch.races->order.tick();
  // Any moment from now on is legal.
  if (launch.options.landing == LandingPolicy::Random && launch.landing() % 2)
    return landArrivals(warp, address);
  finish(warp);
}

// Lands what the first `end` arrivals of `lanes` wait for: in order, each at an epoch
// of its own, so that who waits for one knows nothing of what the next will bring.
void CopyQueue::landArrivals(Warp &warp, uint32_t lanes, size_t end) {
  for (size_t i = 0; i < std::min(end, arrivals.size());) {
    const CopyArrival &arrival = arrivals[i];
    if (!(arrival.lanes & lanes)) {
      ++i;
      continue;
    }
    for (Copy &copy : copies)
      if ((copy.mask & arrival.lanes & lanes) && copy.number < arrival.before)
        land(warp, copy, arrival.lanes & lanes, /*isAwaited=*/false);
    size_t before = arrivals.size();
    finish(warp);
    size_t gone = before - arrivals.size();
    end -= std::min(end, gone);
    i += gone == 0; // other lanes of it have copies left
  }
}

void CopyQueue::landArrivals(Warp &warp, uint64_t address) {
  size_t end = 0;
  uint32_t lanes = 0;
  for (size_t i = 0; i < arrivals.size(); ++i)
    if (arrivals[i].address == address) {
      lanes |= arrivals[i].lanes;
      end = i + 1;
    }
  landArrivals(warp, lanes, end);
}

void CopyQueue::landAtExit(Warp &warp, uint32_t mask) {
  landArrivals(warp, mask, arrivals.size());
  for (Copy &copy : copies)
    if (copy.mask & mask)
      land(warp, copy, mask, /*isAwaited=*/false);
  finish(warp);
}

uint64_t CopyQueue::bytesInFlight() const {
  uint64_t bytes = 0;
  for (const Copy &copy : copies)
    bytes += uint64_t(std::popcount(copy.mask)) * copy.bytes;
  return bytes;
}
