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

void CopyQueue::land(Warp &warp, Copy &copy, uint32_t lanes, races::Epoch epoch) {
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
  if (warp.launch.races && (lanes & copy.mask))
    warp.launch.races->land(warp, copy, lanes & copy.mask, epoch);
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
    land(warp, copies.front(), kFullMask);
  if (launch.options.landing == LandingPolicy::Eager)
    land(warp, copies.back(), kFullMask);
  else if (launch.options.landing == LandingPolicy::Random)
    // Any copy may land at any time: a quarter of the lanes of a random one.
    land(warp, copies[launch.landing() % copies.size()],
         static_cast<uint32_t>(launch.landing() & launch.landing()));
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
      land(warp, copy, due);
  }
  finish(warp);
}

void CopyQueue::waitAll(Warp &warp, uint32_t mask) {
  for (Copy &copy : copies)
    if (copy.mask & mask)
      land(warp, copy, mask);
  finish(warp);
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
      // The lane has waited for the copies itself: they are written as of now.
      if (!arrival.isAwaited)
        arrival.released = {warp.clocks.stateOf(arrival.lane).clock, order.now()};
      order.arrive(warp.clocks, arrival.lane, arrival.released,
                   warp.block.clocks.phases[arrival.address]);
      order.tick();
    }
    uint64_t word;
    uint8_t *host = warp.block.at(arrival.address);
    std::memcpy(&word, host, sizeof word);
    Mbarrier object = Mbarrier::decode(word);
    object.arrive(warp, arrival.lane, arrival.address, 1);
    word = object.encode();
    std::memcpy(host, &word, sizeof word);
  }
}

//===----------------------------------------------------------------------===//
// Arrivals at mbarriers
//===----------------------------------------------------------------------===//

bool CopyQueue::hasCopies(const CopyArrival &arrival) const {
  return std::any_of(copies.begin(), copies.end(), [&](const Copy &copy) {
    return copy.mask >> arrival.lane & 1 && copy.number < arrival.before;
  });
}

void CopyQueue::arriveOnceLanded(Warp &warp, unsigned lane, uint64_t address) {
  CopyArrival arrival;
  arrival.address = address;
  arrival.lane = lane;
  arrival.before = issued;
  Launch &launch = warp.launch;
  if (launch.races) {
    arrival.released = {warp.clocks.stateOf(lane).clock, launch.races->order.now()};
    launch.races->order.tick();
  }
  arrivals.push_back(std::move(arrival));
  // Any moment from now on is legal.
  if (launch.options.landing == LandingPolicy::Random && launch.landing() % 2)
    return landArrivals(warp, address);
  finish(warp);
}

// The copies count as written when their lane asked for the arrival: it did not
// wait for them, so what it has done since is not handed on with them.
template <typename F> void CopyQueue::landArrivalsIf(Warp &warp, F isDue) {
  for (CopyArrival &arrival : arrivals) {
    if (!isDue(arrival))
      continue;
    arrival.isAwaited = true;
    for (Copy &copy : copies)
      if (copy.mask >> arrival.lane & 1 && copy.number < arrival.before)
        land(warp, copy, 1u << arrival.lane, arrival.released.self);
  }
  finish(warp);
}

void CopyQueue::landArrivals(Warp &warp, uint64_t address) {
  if (!arrivals.empty())
    landArrivalsIf(warp, [&](const CopyArrival &arrival) { return arrival.address == address; });
}

void CopyQueue::landAtExit(Warp &warp, uint32_t mask) {
  if (!arrivals.empty())
    landArrivalsIf(warp, [&](const CopyArrival &arrival) { return mask >> arrival.lane & 1; });
  waitAll(warp, mask);
}

uint64_t CopyQueue::bytesInFlight() const {
  uint64_t bytes = 0;
  for (const Copy &copy : copies)
    bytes += uint64_t(std::popcount(copy.mask)) * copy.bytes;
  return bytes;
}
