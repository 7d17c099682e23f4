//===- ReductionTest.cpp - Who adds what along a dimension ------------------===//
//
// Plans are carried out on lists of element numbers: every place of the result
// must have collected each element of its row once, and no other.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Reduction.h"
#include "RandomLayout.h"

#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>

using namespace tilewright::layout;

namespace {
using Elements = std::multiset<std::vector<int64_t>>;

Elements unite(Elements a, const Elements &b) {
  a.insert(b.begin(), b.end());
  return a;
}

/// What each lane of `warp` has in result register `reg` after the butterfly.
std::vector<Elements> reduceWarp(const LinearLayout &layout, const Reduction &plan, unsigned reg,
                                 unsigned warp) {
  std::vector<Elements> lanes(layout.getNumLanes());
  for (unsigned lane = 0; lane < lanes.size(); ++lane)
    for (unsigned member : plan.registers[reg]) {
      Coordinates at = layout.apply(member, lane, warp);
      lanes[lane].insert({at.begin(), at.end()});
    }
  for (unsigned mask : plan.laneMasks) {
    std::vector<Elements> before = lanes;
    for (unsigned lane = 0; lane < lanes.size(); ++lane)
      lanes[lane] = unite(before[lane], before[lane ^ mask]);
  }
  return lanes;
}

void expectReduction(const LinearLayout &layout, unsigned dim) {
  auto plan = planReduction(layout, dim);
  ASSERT_TRUE(plan) << layout.str();
  int64_t extent = layout.getShape()[dim];
  ASSERT_EQ(plan->perWarp.getShape()[dim], plan->warps);
  ASSERT_EQ(plan->registers.size(), plan->perWarp.getNumRegisters());
  ASSERT_TRUE(plan->gathered.isOnto());
  // What the last step leaves is what reductions are documented to leave.
  ASSERT_EQ(plan->gathered.squeeze(dim), layout.squeeze(dim)) << layout.str();
  for (unsigned reg = 0; reg < plan->registers.size(); ++reg) {
    std::map<Coordinates, Elements> rows; // by the row: what its warps have together
    std::map<std::pair<Coordinates, int64_t>, Elements> parts;
    for (unsigned warp = 0; warp < layout.getNumWarps(); ++warp) {
      std::vector<Elements> lanes = reduceWarp(layout, *plan, reg, warp);
      for (unsigned lane = 0; lane < lanes.size(); ++lane) {
        Coordinates at = plan->perWarp.apply(reg, lane, warp);
        int64_t part = std::exchange(at[dim], 0);
        auto [it, isNew] = parts.try_emplace({at, part}, lanes[lane]);
        // Replicas hold the same.
        ASSERT_EQ(it->second, lanes[lane]) << layout.str();
        if (isNew)
          rows[at] = unite(rows[at], lanes[lane]);
      }
    }
    for (auto &[row, elements] : rows) {
      Elements expected;
      for (int64_t i = 0; i < extent; ++i) {
        std::vector<int64_t> at(row.begin(), row.end());
        at[dim] = i;
        expected.insert(at);
      }
      ASSERT_EQ(elements, expected) << layout.str();
    }
  }
}

TEST(Reduction, AccumulatorsOfEveryShapeAndWarpGrid) {
  for (int64_t rows : {16, 32, 48, 64})
    for (int64_t columns : {8, 24, 64, 72, 96})
      for (int64_t warpsM : {1, 2, 4})
        for (int64_t warpsN : {1, 2, 4}) {
          if (rows % (16 * warpsM) || columns % (8 * warpsN))
            continue;
          for (unsigned dim : {0u, 1u})
            expectReduction(mmaAccumulator({rows, columns}, {warpsM, warpsN}), dim);
        }
}

TEST(Reduction, BlockedLayoutsWithReplication) {
  std::mt19937 random(31337);
  for (int i = 0; i < 40; ++i) {
    llvm::SmallVector<int64_t, 3> shape(1 + random() % 3);
    for (int64_t &extent : shape)
      extent = (int64_t(1) << random() % 6) * (random() % 3 ? 1 : 3);
    LinearLayout layout = blocked(shape, 1u << random() % 3, 1u << random() % 3);
    for (unsigned dim = 0; dim < shape.size(); ++dim)
      expectReduction(layout, dim);
  }
}

TEST(Reduction, RandomLayoutsWhereThereIsAPlan) {
  std::mt19937 random(2718);
  unsigned planned = 0, refused = 0;
  for (int i = 0; i < 400; ++i) {
    LinearLayout layout = makeRandomLayout(random, 1 + random() % 3, {.mixes = i % 4 == 0});
    for (unsigned dim = 0; dim < layout.getRank(); ++dim) {
      bool hasPlan = planReduction(layout, dim).has_value();
      ++(hasPlan ? planned : refused);
      if (hasPlan)
        expectReduction(layout, dim);
    }
  }
  EXPECT_GT(planned, 300u);
  EXPECT_GT(refused, 20u);
}

TEST(Reduction, ExampleOfTheHeader) {
  auto plan = planReduction(mmaAccumulator({16, 16}, {1, 1}), 1);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->registers.size(), 2u);
  EXPECT_EQ(plan->registers[0].size(), 4u);
  EXPECT_EQ(plan->laneMasks, (llvm::SmallVector<unsigned, 5>{1, 2}));
  EXPECT_EQ(plan->warps, 1u);
}

TEST(Reduction, RowsOfAccumulatorsHaveOneLayoutWhateverTheColumns) {
  // Online softmax: scores of 64 keys scale an output of any head size.
  LinearLayout rows = mmaAccumulator({64, 64}, {4, 1}).squeeze(1);
  for (int64_t columns : {32, 64, 72, 80, 96, 128, 192, 256, 512})
    EXPECT_EQ(mmaAccumulator({64, columns}, {4, 1}).squeeze(1), rows) << columns;
}

TEST(Reduction, RefusesLanesThatMoveBothWays) {
  LinearLayout diagonal(2, {}, {{1, 1}, {2, 0}}, {});
  EXPECT_FALSE(planReduction(diagonal, 0));
  EXPECT_FALSE(planReduction(diagonal, 1));
  // A lane and a register with the same column would count it twice.
  LinearLayout twice(2, {{0, 1}}, {{0, 1}, {1, 0}}, {});
  EXPECT_FALSE(planReduction(twice, 1));
  EXPECT_TRUE(planReduction(twice, 0));
}
} // namespace
