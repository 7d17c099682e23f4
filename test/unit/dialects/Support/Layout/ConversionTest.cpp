//===- ConversionTest.cpp - How values move between two layouts ------------===//
//
// Synthesised conversions are carried out on element numbers, and their kind
// is compared with what an enumeration of all places says is possible.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Conversion.h"
#include "RandomLayout.h"

#include <gtest/gtest.h>
#include <map>
#include <set>

using namespace tilewright::layout;
using Kind = LayoutConversion::Kind;

namespace {

/// Executes the shuffles of a warp, lane by lane, and checks what arrives.
void expectShuffles(const ShufflePlan &plan, const LinearLayout &source,
                    const LinearLayout &destination) {
  ASSERT_EQ(plan.getNumRounds(), destination.getNumRegisters());
  for (unsigned warp = 0; warp < destination.getNumWarps(); ++warp) {
    std::map<std::pair<unsigned, unsigned>, Coordinates> received; // [lane, register]
    for (unsigned round = 0; round < plan.getNumRounds(); ++round)
      for (unsigned lane = 0; lane < destination.getNumLanes(); ++lane) {
        ShuffleStep mine = plan.getStep(round, lane, warp);
        ASSERT_LT(mine.from, source.getNumLanes());
        ShuffleStep theirs = plan.getStep(round, mine.from, warp);
        ASSERT_LT(theirs.send, source.getNumRegisters());
        ASSERT_TRUE(
            received.insert({{lane, mine.receive}, source.apply(theirs.send, mine.from, warp)})
                .second)
            << "register " << mine.receive << " is written twice";
      }
    for (unsigned lane = 0; lane < destination.getNumLanes(); ++lane)
      for (unsigned reg = 0; reg < destination.getNumRegisters(); ++reg)
        ASSERT_EQ((received[{lane, reg}]), destination.apply(reg, lane, warp));
  }
}

/// Whether one source register, the same in every thread, serves each
/// destination register.
bool movesSuffice(const LinearLayout &source, const LinearLayout &destination) {
  for (unsigned to = 0; to < destination.getNumRegisters(); ++to) {
    bool found = false;
    for (unsigned from = 0; from < source.getNumRegisters() && !found; ++from) {
      found = true;
      for (unsigned warp = 0; warp < source.getNumWarps() && found; ++warp)
        for (unsigned lane = 0; lane < source.getNumLanes() && found; ++lane)
          found = source.apply(from, lane, warp) == destination.apply(to, lane, warp);
    }
    if (!found)
      return false;
  }
  return true;
}

/// Whether every warp holds all that it must hold afterwards.
bool warpsSuffice(const LinearLayout &source, const LinearLayout &destination) {
  for (unsigned warp = 0; warp < source.getNumWarps(); ++warp) {
    std::set<Coordinates> held;
    for (unsigned lane = 0; lane < source.getNumLanes(); ++lane)
      for (unsigned reg = 0; reg < source.getNumRegisters(); ++reg)
        held.insert(source.apply(reg, lane, warp));
    for (unsigned lane = 0; lane < source.getNumLanes(); ++lane)
      for (unsigned reg = 0; reg < destination.getNumRegisters(); ++reg)
        if (!held.count(destination.apply(reg, lane, warp)))
          return false;
  }
  return true;
}

/// Another layout of the same tile over the same threads. `within` says which
/// bits are dealt anew: 0 registers, 1 registers and lanes, 2 all.
LinearLayout remix(std::mt19937 &random, const LinearLayout &layout, unsigned within) {
  std::vector<Basis> all;
  unsigned count[numPlaces], free = 0;
  for (unsigned place = 0; place < numPlaces; ++place) {
    count[place] = layout.getBases(Place(place)).size();
    all.insert(all.end(), layout.getBases(Place(place)).begin(),
               layout.getBases(Place(place)).end());
    free += place <= within ? count[place] : 0;
  }
  std::shuffle(all.begin(), all.begin() + free, random);
  for (unsigned step = 0; free > 1 && step < 4; ++step) {
    unsigned to = random() % free, from = random() % free;
    for (unsigned d = 0; to != from && d < layout.getRank(); ++d)
      all[to][d] ^= all[from][d];
  }
  Bases bases[numPlaces];
  unsigned next = 0;
  for (unsigned place = 0; place < numPlaces; ++place)
    for (unsigned i = 0; i < count[place]; ++i)
      bases[place].push_back(all[next++]);
  return LinearLayout(layout.getRank(), bases[0], bases[1], bases[2], layout.getRepeat());
}

/// Converts between random layouts; returns how often each kind came out.
/// `isComplete`: shuffles must be found wherever they are possible.
std::map<Kind, unsigned> convertRandomly(RandomOptions options, bool isComplete) {
  std::map<Kind, unsigned> kinds;
  unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (unsigned trial = 0; trial < 900 && !testing::Test::HasFatalFailure(); ++trial) {
    LinearLayout source = makeRandomLayout(random, 1 + random() % 2, options);
    LinearLayout destination = remix(random, source, trial % 3);
    SCOPED_TRACE(source.str() + " -> " + destination.str());
    auto conversion = synthesizeConversion(source, destination, 2);
    EXPECT_TRUE(conversion);
    if (!conversion)
      continue;
    ++kinds[conversion->kind];
    EXPECT_EQ(conversion->kind == Kind::Moves, movesSuffice(source, destination));
    switch (conversion->kind) {
    case Kind::Moves:
      EXPECT_EQ(conversion->moves.size(), destination.getNumRegisters());
      forEachPlace(destination, [&](unsigned reg, unsigned lane, unsigned warp) {
        EXPECT_EQ(source.apply(conversion->moves[reg], lane, warp),
                  destination.apply(reg, lane, warp));
      });
      break;
    case Kind::Shuffles:
      expectShuffles(conversion->shuffles, source, destination);
      break;
    case Kind::SharedMemory:
      if (isComplete)
        EXPECT_FALSE(warpsSuffice(source, destination));
      break;
    }
  }
  return kinds;
}

TEST(Conversion, WithoutReplicationEveryPossibleShuffleIsFound) {
  RandomOptions options;
  options.replicates = false;
  std::map<Kind, unsigned> kinds = convertRandomly(options, true);
  EXPECT_GT(kinds[Kind::Moves], 100u);
  EXPECT_GT(kinds[Kind::Shuffles], 100u);
  EXPECT_GT(kinds[Kind::SharedMemory], 30u);
}

TEST(Conversion, WithReplicationWhatIsFoundIsRight) {
  std::map<Kind, unsigned> kinds = convertRandomly({}, false);
  EXPECT_GT(kinds[Kind::Moves], 100u);
  EXPECT_GT(kinds[Kind::Shuffles], 100u);
}

TEST(Conversion, HeaderExample) {
  LinearLayout rows(2, {{0, 1}}, {{1, 0}}, {}), columns(2, {{1, 0}}, {{0, 1}}, {});
  auto conversion = synthesizeConversion(rows, columns, 4);
  ASSERT_TRUE(conversion);
  ASSERT_EQ(conversion->kind, Kind::Shuffles);
  for (unsigned round = 0; round < 2; ++round)
    for (unsigned lane = 0; lane < 2; ++lane) {
      ShuffleStep step = conversion->shuffles.getStep(round, lane, 0);
      EXPECT_EQ(step.send, round ^ lane);
      EXPECT_EQ(step.from, round ^ lane);
      EXPECT_EQ(step.receive, round ^ lane);
    }
}

TEST(Conversion, LanesThatWantOneElementReadOneLane) {
  // Both lane bits of the destination select the element the source keeps in
  // its second register: lanes 1 and 2 want the same, lane 3 what lane 0 wants.
  LinearLayout source(1, {{1}}, {{2}, {4}}, {}), destination(1, {{2}, {4}}, {{1}, {1}}, {});
  auto conversion = synthesizeConversion(source, destination, 4);
  ASSERT_TRUE(conversion);
  ASSERT_EQ(conversion->kind, Kind::Shuffles);
  expectShuffles(conversion->shuffles, source, destination);
}

TEST(Conversion, ReplicatedLanesReadThemselves) {
  LinearLayout source(1, {{1}, {2}}, {{0}, {0}}, {}), destination(1, {}, {{1}, {2}}, {});
  auto conversion = synthesizeConversion(source, destination, 4);
  ASSERT_TRUE(conversion);
  ASSERT_EQ(conversion->kind, Kind::Shuffles);
  expectShuffles(conversion->shuffles, source, destination);
  for (unsigned lane = 0; lane < 4; ++lane)
    EXPECT_EQ(conversion->shuffles.getStep(0, lane, 0).from, lane);
}

TEST(Conversion, AccumulatorsFeedTheNextProductWithoutShuffles) {
  // Attention: the probabilities, an accumulator, are operand A of P*V.
  LinearLayout accumulator = mmaAccumulator({64, 96}, {4, 1});
  LinearLayout operand = mmaOperand(0, {64, 96}, {4, 1});
  auto conversion = synthesizeConversion(accumulator, operand, 2);
  ASSERT_TRUE(conversion);
  EXPECT_EQ(conversion->kind, Kind::Moves);
}

TEST(Conversion, ShuffleRoundsOfRealLayouts) {
  LinearLayout accumulator = mmaAccumulator({16, 96}, {1, 1});
  LinearLayout rows = blocked({16, 96}, 8, 1);
  auto conversion = synthesizeConversion(accumulator, rows, 2);
  ASSERT_TRUE(conversion);
  ASSERT_EQ(conversion->kind, Kind::Shuffles);
  expectShuffles(conversion->shuffles, accumulator, rows);
  EXPECT_EQ(conversion->shuffles.copies, 3u);
}

TEST(Conversion, AcrossWarpsGoesThroughSharedMemoryWithoutConflicts) {
  LinearLayout accumulator = mmaAccumulator({64, 64}, {2, 2});
  LinearLayout rows = blocked({64, 64}, 8, 4);
  auto conversion = synthesizeConversion(accumulator, rows, 2);
  ASSERT_TRUE(conversion);
  ASSERT_EQ(conversion->kind, Kind::SharedMemory);
  const SharedRoundTrip &trip = conversion->roundTrip;
  EXPECT_EQ(trip.shared.swizzleBytes, 128u);
  EXPECT_EQ(trip.store.vector, 2u);
  EXPECT_EQ(trip.load.vector, 8u);
  // 8 KiB in whole lines: 64 wavefronts each way.
  EXPECT_EQ(trip.store.wavefronts, 64u);
  EXPECT_EQ(trip.load.wavefronts, 64u);
  EXPECT_EQ(trip.store.ideal, 64u);
  EXPECT_EQ(trip.load.ideal, 64u);
}

TEST(Conversion, PredictsConflicts) {
  // Rows of 128 bytes: the eight rows of a fragment share their banks.
  LinearLayout accumulator = mmaAccumulator({16, 64}, {1, 1});
  SharedAccess flat = predictAccess(accumulator, {0}, 2);
  EXPECT_EQ(flat.vector, 2u);
  EXPECT_EQ(flat.ideal, 16u);
  EXPECT_EQ(flat.wavefronts, 8u * 16);
  EXPECT_EQ(predictAccess(accumulator, {32}, 2).wavefronts, 4u * 16);
  EXPECT_EQ(predictAccess(accumulator, {64}, 2).wavefronts, 2u * 16);
  EXPECT_EQ(predictAccess(accumulator, {128}, 2).wavefronts, 16u);
  // Each lane a row of 128 bytes: 16-byte vectors that share four banks.
  LinearLayout wide(2, {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}},
                    {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {16, 0}}, {});
  EXPECT_EQ(predictAccess(wide, {0}, 4).wavefronts, 8u * 32);
  EXPECT_EQ(predictAccess(wide, {128}, 4).wavefronts, 8u * 4);
}

TEST(Conversion, TilesOfAnyRankAreFlat) {
  LinearLayout scalar = blocked({}, 1, 2);
  auto conversion = synthesizeConversion(scalar, scalar, 4);
  ASSERT_TRUE(conversion);
  EXPECT_EQ(conversion->kind, Kind::Moves);
  LinearLayout cube = blocked({4, 8, 64}, 4, 2), other = blocked({4, 8, 64}, 2, 2);
  EXPECT_EQ(predictAccess(cube, {0}, 2).vector, 4u);
  EXPECT_EQ(chooseRoundTrip(cube, other, 2).shared.swizzleBytes, 0u);
}

TEST(Conversion, RefusesDifferentTiles) {
  EXPECT_FALSE(synthesizeConversion(blocked({16, 32}, 2, 1), blocked({32, 16}, 2, 1), 2));
  EXPECT_FALSE(synthesizeConversion(blocked({16, 32}, 2, 1), blocked({16, 32}, 2, 2), 2));
  LinearLayout hole(1, {{2}}, {}, {});
  EXPECT_FALSE(synthesizeConversion(hole, LinearLayout(1, {{1}, {2}}, {}, {}), 2));
}

} // namespace
