//===- OrderTest.cpp - Races against full vector clocks -----------------------===//
//
// Random histories of a few threads, judged twice: by Order and PageCheck, and
// by a model that keeps a vector clock for every thread and every access ever
// made, without any of their short cuts.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Races/Shadow.h"
#include "gtest/gtest.h"
#include <iostream>
#include <map>
#include <random>
#include <set>

using namespace tilewright::emulator::races;

namespace {

constexpr unsigned kBlocks = 2, kWarps = 2, kLanes = 4, kThreads = kBlocks * kWarps * kLanes;
constexpr uint32_t kAll = (1u << kLanes) - 1;

/// A thread's view in the model: how far each thread is known, and the same of
/// its fences and of what it has read but not acquired.
using Vector = std::array<unsigned, kThreads>;
void joinInto(Vector &a, const Vector &b) {
  for (unsigned i = 0; i < kThreads; ++i)
    a[i] = std::max(a[i], b[i]);
}

struct Model {
  struct Flag {
    unsigned block = 0; ///< of the last write
    bool isGrid = false;
    Vector narrow[kBlocks]{}, wide{};
  };
  struct Past {
    unsigned thread, time, begin, end;
    bool writes, strong, narrow, observes;
  };

  struct Phase {
    Vector arrived{}, completed{};
  };

  Phase phase;
  Vector clock[kThreads]{}, released[2][kThreads]{}, pending[2][kThreads]{};
  bool hasReleased[2][kThreads]{};
  std::map<unsigned, Flag> flags;
  std::vector<Past> past;

  Model() {
    for (unsigned i = 0; i < kThreads; ++i)
      clock[i][i] = 1;
  }
  static unsigned blockOf(unsigned thread) { return thread / (kWarps * kLanes); }

  /// What others learn: everything up to now; what the thread does next is new.
  Vector release(unsigned thread) {
    Vector given = clock[thread];
    ++clock[thread][thread];
    return given;
  }

  void meet(const std::vector<unsigned> &threads) {
    Vector all{}, rel[2]{}, pend[2]{};
    bool has[2] = {};
    for (unsigned thread : threads) {
      joinInto(all, clock[thread]);
      for (unsigned s = 0; s < 2; ++s) {
        joinInto(rel[s], released[s][thread]);
        joinInto(pend[s], pending[s][thread]);
        has[s] |= hasReleased[s][thread];
      }
    }
    for (unsigned thread : threads) {
      clock[thread] = all;
      ++clock[thread][thread];
      for (unsigned s = 0; s < 2; ++s) {
        released[s][thread] = rel[s];
        pending[s][thread] = pend[s];
        hasReleased[s][thread] = has[s];
      }
    }
  }

  void fence(unsigned thread, bool acquires, bool releases, bool isGrid) {
    if (acquires) {
      joinInto(clock[thread], pending[0][thread]);
      if (isGrid)
        joinInto(clock[thread], pending[1][thread]);
    }
    if (!releases)
      return;
    Vector given = release(thread);
    for (unsigned s = 0; s <= unsigned(isGrid); ++s) {
      released[s][thread] = given;
      hasReleased[s][thread] = true;
    }
  }

  void strong(unsigned thread, unsigned address, const StrongAccess &access) {
    auto found = flags.find(address);
    // The scopes of the last write and this access include each other.
    bool isMutual = found != flags.end() && (found->second.block == blockOf(thread) ||
                                             (found->second.isGrid && access.isGrid));
    if (access.observes && isMutual) {
      const Vector &narrow = found->second.narrow[blockOf(thread)], &wide = found->second.wide;
      if (access.acquires)
        joinInto(clock[thread], narrow);
      if (access.acquires && access.isGrid)
        joinInto(clock[thread], wide);
      // A fence may still acquire it further than the access did.
      joinInto(pending[0][thread], narrow);
      joinInto(pending[1][thread], wide);
    }
    if (!access.writes)
      return;
    bool has[2] = {access.releases || hasReleased[0][thread],
                   (access.isGrid && access.releases) || hasReleased[1][thread]};
    Vector given[2] = {released[0][thread], released[1][thread]};
    if (access.releases)
      given[0] = release(thread);
    if (access.releases && access.isGrid)
      given[1] = given[0];
    if (!(access.reads && isMutual))
      flags.erase(address);
    if (!has[0] && !flags.count(address))
      return;
    Flag &flag = flags[address];
    flag.block = blockOf(thread);
    flag.isGrid = access.isGrid;
    if (has[0])
      joinInto(flag.narrow[blockOf(thread)], given[0]);
    if (has[1])
      joinInto(flag.wide, given[1]);
  }

  void arrive(unsigned thread, bool releases) {
    Vector given = releases ? clock[thread] : released[0][thread];
    ++clock[thread][thread];
    if (releases || hasReleased[0][thread])
      joinInto(phase.arrived, given);
  }

  void wait(unsigned thread, bool acquires) {
    joinInto(acquires ? clock[thread] : pending[0][thread], phase.completed);
  }

  /// A weak store: the flag's value is no longer what was released.
  void overwrite(unsigned begin, unsigned end) {
    for (unsigned flag : {0u, 1u})
      if (begin <= 4 * flag && 4 * flag < end)
        flags.erase(flag);
  }

  bool isKnown(unsigned thread, const Past &other) const {
    return thread == other.thread || clock[thread][other.thread] >= other.time;
  }

  /// Some strong read saw those bytes of past[i] that `access` touches, and the
  /// thread of `access` knows of that read.
  bool isObserved(const Past &access, size_t i) const {
    unsigned begin = std::max(access.begin, past[i].begin), end = std::min(access.end, past[i].end);
    if (!past[i].strong || !past[i].writes)
      return false;
    for (size_t j = i + 1; j < past.size(); ++j)
      if (past[j].observes && past[j].begin <= begin && end <= past[j].end &&
          isKnown(access.thread, past[j]))
        return true;
    return false;
  }

  /// `access` races with one of the past.
  bool races(const Past &access) const {
    for (size_t i = 0; i < past.size(); ++i) {
      const Past &other = past[i];
      if (other.begin >= access.end || access.begin >= other.end)
        continue;
      if (!access.writes && !other.writes)
        continue;
      bool isOneBlock = blockOf(access.thread) == blockOf(other.thread);
      if (access.strong && other.strong && (isOneBlock || (!access.narrow && !other.narrow)))
        continue;
      if (!isKnown(access.thread, other) && !isObserved(access, i))
        return true;
    }
    return false;
  }
};

class History {
public:
  explicit History(unsigned seed) : random(seed), order(/*strictAcquire=*/true) {
    for (unsigned w = 0; w < kBlocks * kWarps; ++w)
      warps.push_back(order.makeWarp(w / kWarps, w % kWarps, kAll));
    for (unsigned b = 0; b < kBlocks; ++b)
      blocks[b].block = b;
  }

  void run(unsigned steps) {
    for (unsigned i = 0; i < steps && !testing::Test::HasFailure(); ++i)
      step();
  }

private:
  unsigned below(unsigned limit) { return random() % limit; }
  uint32_t lanes() { return below(2) ? kAll : 1 + below(kAll); }
  static unsigned threadOf(unsigned warp, unsigned lane) { return warp * kLanes + lane; }
  template <typename F> static void forLanes(uint32_t mask, F f) {
    for (; mask; mask &= mask - 1)
      f(unsigned(std::countr_zero(mask)));
  }

  void step() {
    ++number;
    switch (below(11)) {
    case 10:
      return phase();
    case 0:
      return syncWarp();
    case 1:
      return barrier();
    case 2:
    case 3:
      return fence();
    case 4:
    case 5:
      return flag();
    default:
      return access();
    }
  }

  void syncWarp() {
    unsigned w = below(warps.size());
    uint32_t mask = lanes();
    order.syncWarp(warps[w], mask);
    std::vector<unsigned> threads;
    forLanes(mask, [&](unsigned lane) { threads.push_back(threadOf(w, lane)); });
    model.meet(threads);
  }

  // All warps of a block, or one alone, as a barrier with a count allows.
  void barrier() {
    unsigned block = below(kBlocks), alone = below(4);
    BarrierOrder barrier;
    std::vector<unsigned> members, threads;
    for (unsigned i = 0; i < kWarps; ++i)
      if (alone >= kWarps || alone == i)
        members.push_back(block * kWarps + i);
    for (unsigned w : members) {
      order.arrive(warps[w], kAll, barrier);
      forLanes(kAll, [&](unsigned lane) { threads.push_back(threadOf(w, lane)); });
    }
    order.complete(barrier, blocks[block], members.size() == kWarps);
    for (unsigned w : members)
      order.wake(warps[w], kAll, barrier);
    model.meet(threads);
  }

  void fence() {
    unsigned w = below(warps.size()), kind = below(3);
    uint32_t mask = lanes();
    bool isGrid = below(2), acquires = kind != 0, releases = kind != 1;
    order.fence(warps[w], mask, acquires, releases, isGrid);
    forLanes(mask,
             [&](unsigned lane) { model.fence(threadOf(w, lane), acquires, releases, isGrid); });
  }

  // An mbarrier of block 0.
  void phase() {
    unsigned w = below(kWarps);
    uint32_t mask = lanes();
    PhaseOrder &phase = blocks[0].phases[0];
    bool isStrong = below(2);
    switch (below(3)) {
    case 0:
      order.arrive(warps[w], mask, phase, isStrong);
      return forLanes(mask, [&](unsigned lane) { model.arrive(threadOf(w, lane), isStrong); });
    case 1:
      phase.completed = phase.arrived;
      model.phase.completed = model.phase.arrived;
      return;
    default:
      order.wait(warps[w], mask, phase, isStrong);
      forLanes(mask, [&](unsigned lane) { model.wait(threadOf(w, lane), isStrong); });
    }
  }

  void flag() {
    unsigned w = below(warps.size()), lane = below(kLanes), address = below(2);
    StrongAccess access;
    unsigned kind = below(3);
    access.reads = kind != 0;
    access.writes = kind != 1;
    access.observes = access.reads && (!access.writes || below(2));
    access.acquires = access.observes && below(3) == 0;
    access.releases = access.writes && below(3) == 0;
    access.isGrid = below(2);
    bool hasFailed = access.reads && access.writes && below(3) == 0;
    access.failed = hasFailed ? 1u << lane : 0;
    uint64_t addresses[32] = {};
    addresses[lane] = 4 * address;
    order.access(warps[w], 1u << lane, access, addresses, 4, nullptr);
    access.writes &= !hasFailed;
    access.releases &= !hasFailed;
    model.strong(threadOf(w, lane), address, access);
  }

  void access() {
    unsigned w = below(warps.size());
    Record record;
    record.run.mask = lanes();
    record.run.bytes = static_cast<uint8_t>(1u << below(3));
    record.run.stride = static_cast<int16_t>(below(3) * record.run.bytes);
    record.run.offset = static_cast<int32_t>(below(12) * record.run.bytes);
    bool writes = below(2), strong = below(4) == 0, narrow = strong && below(2);
    // Lanes of one store that meet are judged by value, elsewhere.
    if (writes && record.run.stride == 0)
      record.run.stride = record.run.bytes;
    record.epoch = order.now();
    record.block = w / kWarps;
    record.warp = static_cast<uint16_t>(w % kWarps);
    bool observes = strong && (!writes || below(2));
    record.flags = (writes ? kWrite : 0) | (strong ? kStrong : 0) | (narrow ? kBlockScope : 0) |
                   (observes ? kObserves : 0);
    record.step = number;
    PageCheck check(page, warps[w], 0);
    bool found = !check.find(record).empty(), expected = false;
    check.remember(record);
    // All lanes look before any of them is remembered.
    std::vector<Model::Past> added;
    forLanes(record.run.mask, [&](unsigned lane) {
      unsigned thread = threadOf(w, lane), begin = record.run.begin(lane);
      added.push_back({thread, model.clock[thread][thread], begin, begin + record.run.bytes, writes,
                       strong, narrow, observes});
      expected |= model.races(added.back());
    });
    model.past.insert(model.past.end(), added.begin(), added.end());
    if (writes && !strong) {
      uint64_t addresses[32] = {};
      forLanes(record.run.mask, [&](unsigned lane) {
        addresses[lane] = static_cast<uint64_t>(record.run.begin(lane));
        model.overwrite(addresses[lane], addresses[lane] + record.run.bytes);
      });
      order.overwrite(record.run.mask, addresses, record.run.bytes, nullptr);
    }
    EXPECT_EQ(found, expected) << "step " << number;
  }

  std::mt19937 random;
  Order order;
  std::vector<WarpOrder> warps;
  BlockOrder blocks[kBlocks];
  Page page;
  Model model;
  unsigned number = 0;
};

// What one location hands on after every thread of a block of 1024 has acquired and
// released it, twice: an entry a warp.
TEST(Order, ClocksOfManyReleasesStayShort) {
  Order order(/*strictAcquire=*/true);
  std::vector<WarpOrder> warps;
  for (unsigned w = 0; w < 32; ++w)
    warps.push_back(order.makeWarp(0, w, ~0u));
  StrongAccess access;
  access.reads = access.writes = access.observes = true;
  access.acquires = access.releases = access.isGrid = true;
  uint64_t addresses[32] = {};
  for (unsigned round = 0; round < 2; ++round)
    for (WarpOrder &warp : warps)
      order.access(warp, ~0u, access, addresses, 4, nullptr);
  // The last of all lanes knows what the others did before; of itself it has been told
  // in the first round.
  const BlockClock &last = *warps.back().stateOf(31).clock.own;
  EXPECT_EQ(last.entries.size(), 32u + 1u);
  for (unsigned w = 0; w < 32; ++w)
    for (unsigned lane = 0; lane < 31; ++lane)
      EXPECT_EQ(last.get(w, lane), 33 + w);
}

TEST(Order, FindsTheRacesThatFullVectorClocksFind) {
  unsigned seed = std::random_device()();
  std::cerr << "Order: first seed " << seed << "\n";
  for (unsigned i = 0; i < 3000 && !testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE("seed " + std::to_string(seed + i));
    History(seed + i).run(60);
  }
}

} // namespace
