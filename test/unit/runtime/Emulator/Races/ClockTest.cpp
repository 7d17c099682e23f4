//===- ClockTest.cpp - Clocks against plain maps ------------------------------===//
#include "runtime/Emulator/Races/Clock.h"
#include "gtest/gtest.h"
#include <iostream>
#include <map>
#include <random>

using namespace tilewright::emulator::races;

namespace {

constexpr unsigned kWarps = 4, kLanes = 32;
/// The last of them stands for copies.
constexpr uint32_t kNumbers[kWarps] = {0, 1, 31, 1 | kCopies};

/// What a BlockClock stands for: an epoch a thread.
struct Plain {
  std::map<std::pair<unsigned, unsigned>, Epoch> epochs;
  Epoch floor = 0;
  Epoch get(unsigned warp, unsigned lane) const {
    auto it = epochs.find({warp, lane});
    Epoch least = warp == kWarps - 1 ? 0 : floor;
    return it == epochs.end() ? least : std::max(least, it->second);
  }
  void add(unsigned warp, uint32_t mask, Epoch epoch) {
    for (unsigned lane = 0; lane < kLanes; ++lane)
      if (mask >> lane & 1)
        epochs[{warp, lane}] = std::max(epochs[{warp, lane}], epoch);
  }
  void join(const Plain &other) {
    floor = std::max(floor, other.floor);
    for (auto &[thread, epoch] : other.epochs)
      epochs[thread] = std::max(epochs[thread], epoch);
  }
};

void expectEqual(const BlockClock &clock, const Plain &plain) {
  for (unsigned warp = 0; warp < kWarps; ++warp)
    for (unsigned lane = 0; lane < kLanes; ++lane)
      ASSERT_EQ(clock.get(kNumbers[warp], lane), plain.get(warp, lane)) << warp << "." << lane;
  uint32_t last = UINT32_MAX, seen = 0;
  Epoch epoch = 0;
  for (const BlockClock::Entry &entry : clock.entries) {
    bool isSame = entry.warp == last;
    ASSERT_TRUE(isSame ? entry.epoch < epoch : last == UINT32_MAX || entry.warp > last);
    ASSERT_EQ(entry.mask & (isSame ? seen : 0), 0u);
    ASSERT_NE(entry.mask, 0u);
    seen = (isSame ? seen : 0) | entry.mask;
    last = entry.warp;
    epoch = entry.epoch;
  }
}

class Random {
public:
  explicit Random(const char *name) {
    unsigned seed = std::random_device()();
    std::cerr << name << ": seed " << seed << "\n";
    engine.seed(seed);
  }
  unsigned below(unsigned limit) { return engine() % limit; }
  uint32_t mask() { return below(3) ? static_cast<uint32_t>(engine() & engine()) : ~0u; }

private:
  std::mt19937 engine;
};

TEST(BlockClock, AddsAndJoinsLikeAMap) {
  Random random("BlockClock");
  for (unsigned round = 0; round < 2000; ++round) {
    BlockClockRef clocks[2];
    Plain plains[2];
    for (unsigned side = 0; side < 2; ++side) {
      plains[side].floor = random.below(4);
      auto clock = llvm::makeIntrusiveRefCnt<BlockClock>(plains[side].floor);
      for (unsigned i = random.below(6); i > 0; --i) {
        unsigned warp = random.below(kWarps), epoch = random.below(9);
        uint32_t mask = random.mask();
        clock->add(kNumbers[warp], mask, epoch);
        plains[side].add(warp, mask, epoch);
      }
      clocks[side] = clock;
      expectEqual(*clocks[side], plains[side]);
    }
    BlockClockRef joined = join(clocks[0], clocks[1]);
    Plain plain = plains[0];
    plain.join(plains[1]);
    expectEqual(*joined, plain);
    EXPECT_TRUE(joined->covers(*clocks[0]) && joined->covers(*clocks[1]));
    bool isFirst = true;
    for (unsigned warp = 0; warp < kWarps; ++warp)
      for (unsigned lane = 0; lane < kLanes; ++lane)
        isFirst &= plains[0].get(warp, lane) >= plain.get(warp, lane);
    if (isFirst && plains[0].floor >= plains[1].floor)
      EXPECT_EQ(joined, clocks[0]) << "a clock that covers the other is shared";
  }
}

TEST(GridClock, JoinsLikeAMapAndShares) {
  Random random("GridClock");
  auto block = [&] {
    unsigned index = random.below(40);
    return random.below(2) ? index : index << 24; // near and far apart
  };
  for (unsigned round = 0; round < 200; ++round) {
    GridClock clocks[2];
    std::map<uint32_t, Epoch> plains[2];
    for (unsigned side = 0; side < 2; ++side)
      for (unsigned i = random.below(30); i > 0; --i) {
        uint32_t index = block();
        Epoch epoch = 1 + random.below(50);
        clocks[side] = clocks[side].with(index, llvm::makeIntrusiveRefCnt<BlockClock>(epoch));
        plains[side][index] = std::max(plains[side][index], epoch);
      }
    GridClock joined = clocks[0].join(clocks[1]);
    std::map<uint32_t, Epoch> plain = plains[0];
    for (auto &[index, epoch] : plains[1])
      plain[index] = std::max(plain[index], epoch);
    for (auto &[index, epoch] : plain)
      ASSERT_EQ(joined.find(index)->get(0, 0), epoch);
    EXPECT_EQ(joined.find(41), nullptr);
    EXPECT_EQ(joined, joined.join(clocks[1]));
    EXPECT_EQ(joined, joined.join(clocks[0]));
  }
}

} // namespace
