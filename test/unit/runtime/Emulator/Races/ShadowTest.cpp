//===- ShadowTest.cpp - Runs of units against one byte at a time --------------===//
//
// Accesses of two warps without any order, to one page, as strided runs and as
// runs of units. The model keeps who touched which byte.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Races/Shadow.h"
#include "gtest/gtest.h"
#include <iostream>
#include <random>

using namespace tilewright::emulator::races;

namespace {

struct Touch {
  unsigned warp, lane;
  bool writes;
};

/// The bytes of a run that one lane touches.
std::vector<int32_t> bytesOf(const Run &run, unsigned lane) {
  std::vector<int32_t> bytes;
  if (!(run.mask >> lane & 1))
    return bytes;
  for (uint32_t unit = 0; run.units && unit < 32; ++unit)
    for (uint32_t i = 0; i < kUnitBytes && (run.units >> unit & 1); ++i)
      bytes.push_back(unit * kUnitBytes + i);
  for (int32_t i = 0; !run.units && i < run.bytes; ++i)
    bytes.push_back(run.offset + int32_t(lane) * run.stride + i);
  return bytes;
}

Run randomRun(std::mt19937 &generator, bool isCollective) {
  auto pick = [&](uint32_t count) { return static_cast<uint32_t>(generator() % count); };
  if (isCollective)
    return Run::ofUnits(~0u, (1u << pick(32)) | (1u << pick(32)) | (1u << pick(32)));
  uint32_t mask = pick(2) ? ~0u : uint32_t(generator()) | 1u << pick(32);
  uint8_t bytes = uint8_t(1u << pick(4));
  return {mask, int32_t(pick(8) * 16), int16_t(bytes), bytes, 0};
}

TEST(Shadow, UnitsAgainstBytes) {
  uint32_t seed = std::random_device{}();
  std::cout << "Shadow: seed " << seed << "\n";
  std::mt19937 generator(seed);
  unsigned conflicts = 0;
  for (int history = 0; history < 3000; ++history) {
    Order order(false);
    WarpOrder warps[2] = {order.makeWarp(0, 0, ~0u), order.makeWarp(0, 1, ~0u)};
    Page page;
    std::vector<Touch> touched[kPageBytes];
    for (uint64_t step = 1; step <= 4; ++step) {
      unsigned warp = generator() % 2;
      bool isCollective = generator() % 2, writes = !isCollective && generator() % 2;
      Record record;
      record.run = randomRun(generator, isCollective);
      record.epoch = order.now();
      record.warp = static_cast<uint16_t>(warp);
      record.flags = (writes ? kWrite : 0) | (isCollective ? kCollective : 0);
      record.step = step;
      bool expected = false;
      for (unsigned lane = 0; lane < 32; ++lane)
        for (int32_t byte : bytesOf(record.run, lane))
          for (const Touch &touch : touched[byte])
            expected |= (touch.writes || writes) && (touch.warp != warp || touch.lane != lane);
      PageCheck check(page, warps[warp], 0);
      auto found = check.find(record);
      ASSERT_EQ(!found.empty(), expected) << "seed " << seed << ", history " << history;
      for (const Conflict &conflict : found) {
        // The bytes it names are touched by both lanes.
        auto mine = bytesOf(record.run, conflict.lane);
        EXPECT_NE(std::find(mine.begin(), mine.end(), conflict.begin), mine.end());
        bool shares = false;
        for (int32_t byte : bytesOf(conflict.earlier.run, conflict.earlierLane))
          shares |= byte >= conflict.begin && byte < conflict.begin + record.run.bytes;
        EXPECT_TRUE(shares) << "seed " << seed << ", history " << history;
      }
      if (expected) {
        ++conflicts;
        break;
      }
      check.remember(record);
      for (unsigned lane = 0; lane < 32; ++lane)
        for (int32_t byte : bytesOf(record.run, lane))
          touched[byte].push_back({warp, lane, writes});
    }
  }
  EXPECT_GT(conflicts, 300u);
}

// A thousand warps guess a word and swap it: a guess that its thread has checked is
// compared with no further atomic, and no log grows beyond its limit.
TEST(Shadow, GuessesLeaveTheWayOfAtomics) {
  Order order(false);
  Page page;
  Record record;
  record.run = {~0u, 8, 0, 4, 0};
  for (uint32_t block = 0; block < 8000; ++block) {
    WarpOrder warp = order.makeWarp(block, 0, ~0u);
    PageCheck check(page, warp, 0);
    record.block = block;
    record.epoch = order.now();
    record.flags = 0;
    ++record.step;
    auto found = check.find(record);
    ASSERT_EQ(found.size(), block ? 1u : 0u) << "the newest update says it all";
    for (const Conflict &conflict : found)
      EXPECT_TRUE(conflict.isGuess && conflict.lanes == ~0u);
    check.remember(record);
    check.markGuess(record.run);
    record.flags = kWrite | kStrong | kObserves | kAtomic;
    ++record.step;
    EXPECT_TRUE(check.find(record).empty());
    check.remember(record);
    ASSERT_TRUE(page.reads.empty());
    ASSERT_LT(page.size(), 9000u);
  }
  // A plain store meets them all.
  WarpOrder warp = order.makeWarp(8000, 0, ~0u);
  record.block = 8000;
  record.flags = kWrite;
  EXPECT_GT(PageCheck(page, warp, 0).find(record).size(), 0u);
  record.flags = 0;
  EXPECT_EQ(page.guesses.back().flags, 0);
}

} // namespace
