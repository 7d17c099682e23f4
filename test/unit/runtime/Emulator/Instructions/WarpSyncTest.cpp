//===- WarpSyncTest.cpp - Member masks of lanes that do not agree ----------------===//
//
// Lanes that name different members take part in different exchanges, also at
// one instruction; lanes that wait for each other in vain are a finding, also
// while others of the warp go on.
//
//===----------------------------------------------------------------------===//
#include "Snippet.h"
#include <bit>
#include <random>

using namespace tilewright::emulator;

namespace {

std::string runBody(const std::string &body, uint64_t seed = 0) {
  Options options;
  options.instructionBudget = 1 << 20; // what hangs ends soon
  options.warpOrderSeed = options.preemptionSeed = seed;
  Snippet snippet("h200", options);
  snippet.run(".shared .align 4 .u32 flag; setp.eq.u32 %p1, %t, 0; @%p1 st.shared.u32 [flag], 0; "
              "bar.sync 0;\n" +
              body);
  return snippet.error;
}

/// Lanes whose %p2 is set wait until lane 0 has passed `wait`.
std::string spinUntilPassed(const std::string &wait) {
  return "@!%p2 bra P; S: ld.volatile.shared.u32 %r9, [flag]; setp.eq.u32 %p9, %r9, 0; "
         "@%p9 bra S; P: " +
         wait + " @%p1 st.volatile.shared.u32 [flag], 1;";
}

/// Lanes 0 to 15 name themselves, and so do the others, by %r2.
constexpr const char *kHalves =
    "setp.lt.u32 %p3, %t, 16; selp.b32 %r2, 0xffff, 0xffff0000, %p3; setp.ge.u32 %p2, %t, 24;\n";

TEST(WarpSync, MasksAtOneInstructionAreDifferentExchanges) {
  for (const char *wait :
       {"bar.warp.sync %r2;", "shfl.sync.bfly.b32 %r3, %t, 1, 31, %r2;",
        "vote.sync.any.pred %p4, %p1, %r2;", "vote.sync.ballot.b32 %r3, %p1, %r2;",
        "match.any.sync.b32 %r3, %t, %r2;", "match.all.sync.b32 %r3, %t, %r2;",
        "redux.sync.add.u32 %r3, %t, %r2;", "elect.sync %r3|%p4, %r2;"})
    for (uint64_t seed : {0, 1, 2})
      EXPECT_EQ(runBody(kHalves + spinUntilPassed(wait), seed), "") << wait << ", seed " << seed;
}

TEST(WarpSync, BarriersAtTwoPlacesCompleteWhileOthersSpin) {
  const char *apart = "setp.lt.u32 %p5, %t, 8; @%p5 bra A; bar.warp.sync %r2; bra B; "
                      "A: bar.warp.sync %r2; B:";
  EXPECT_EQ(runBody(std::string("setp.lt.u32 %p3, %t, 16; selp.b32 %r2, 0xffff, 0xffff0000, %p3; "
                                "setp.ge.u32 %p2, %t, 16;\n") +
                    spinUntilPassed(apart)),
            "");
}

TEST(WarpSync, OneInstructionMayBeTwoBarriersOfALane) {
  // Lanes 16 to 31 meet among themselves first, then with the others.
  EXPECT_EQ(runBody("setp.ge.u32 %p2, %t, 16; mov.u32 %r1, 0; "
                    "L: setp.eq.and.u32 %p3, %r1, 0, %p2; selp.b32 %r2, 0xffff0000, -1, %p3; "
                    "bar.warp.sync %r2; add.u32 %r1, %r1, 1; @%p3 bra L;"),
            "");
}

TEST(WarpSync, MasksOfLanesThatDoNotExistMayDiffer) {
  Snippet snippet;
  snippet.run("setp.lt.u32 %p3, %t, 8; selp.b32 %r2, 0xffff, -1, %p3; bar.warp.sync %r2;", {}, 16);
  EXPECT_EQ(snippet.error, "");
}

TEST(WarpSync, ExitedLanesAreNotWaitedFor) {
  // Lane 0 names 0 and 1; lane 1 meets 2 and 3 instead, and exits.
  const std::string chain = "setp.eq.u32 %p3, %t, 0; selp.b32 %r2, 3, 14, %p3; "
                            "setp.gt.u32 %p2, %t, 3; @!%p2 bra Q; mov.b32 %r2, 0xfffffff0; Q: ";
  EXPECT_EQ(runBody(chain + spinUntilPassed("bar.warp.sync %r2;")), "");
}

TEST(WarpSync, LanesThatWaitInVainAreAFinding) {
  const std::string mutual = "setp.eq.u32 %p3, %t, 0; selp.b32 %r2, 3, 7, %p3; "
                             "setp.gt.u32 %p2, %t, 2; @!%p2 bra Q; mov.b32 %r2, 0xfffffff8; Q: ";
  for (const char *wait :
       {"bar.warp.sync %r2;", "shfl.sync.idx.b32 %r3, %t, 1, 31, %r2;",
        "vote.sync.all.pred %p4, %p1, %r2;", "redux.sync.add.u32 %r3, %t, %r2;"}) {
    std::string error = runBody(mutual + spinUntilPassed(wait));
    EXPECT_EQ(error.find("warp-sync: lanes 0x1 with member mask 0x3 wait for lanes 0x2, which wait "
                         "with member mask 0x7"),
              0u)
        << wait << ": " << error;
  }
  std::string error =
      runBody("setp.lt.u32 %p3, %t, 8; setp.ge.u32 %p2, %t, 16;\n" +
              spinUntilPassed("mov.b32 %r2, 0xffff; @%p3 bra A; @%p2 bra B; bar.warp.sync %r2; "
                              "bra B; A: shfl.sync.idx.b32 %r3, %t, 1, 31, %r2; B:"));
  EXPECT_EQ(error.find("warp-sync: lanes 0x"), 0u) << error;
  EXPECT_NE(error.find("'bar.warp.sync'"), std::string::npos) << error;
  EXPECT_NE(error.find("'shfl.sync.idx.b32'"), std::string::npos) << error;
}

TEST(WarpSync, ALaneMustBeInItsOwnMask) {
  for (const char *wait : {"bar.warp.sync %r2;", "shfl.sync.idx.b32 %r3, %t, 1, 31, %r2;",
                           "vote.sync.all.pred %p4, %p1, %r2;", "match.any.sync.b32 %r3, %t, %r2;",
                           "redux.sync.add.u32 %r3, %t, %r2;", "elect.sync %r3|%p4, %r2;"}) {
    std::string error = runBody(std::string("mov.b32 %r2, 0x7fffffff; ") + wait);
    EXPECT_EQ(error.find("warp-sync: a lane is not in its own member mask"), 0u) << error;
    EXPECT_NE(error.find("lane 31"), std::string::npos) << error;
  }
}

TEST(WarpSync, AShuffleTakesFromLanesOfItsMaskOnly) {
  std::string error = runBody(std::string(kHalves) + "shfl.sync.bfly.b32 %r3, %t, 16, 31, %r2;");
  EXPECT_EQ(error.find("warp-sync: shuffles from lane 16, which does not take part"), 0u) << error;
}

TEST(WarpSync, EachSetOfLanesExchangesByItself) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    uint32_t sets[4] = {}, value[32];
    std::vector<uint64_t> in;
    for (unsigned lane = 0; lane < 32; ++lane)
      sets[random() % 4] |= 1u << lane;
    for (unsigned lane = 0; lane < 32; ++lane) {
      value[lane] = random() % 3;
      for (uint32_t set : sets)
        if (set >> lane & 1)
          in.push_back(uint64_t(value[lane]) << 32 | set);
    }
    Snippet snippet("h200");
    auto out = snippet.run(
        "ld.global.u64 %rd1, [%in]; mov.b64 {%r1, %r2}, %rd1; setp.eq.u32 %p1, %r2, 1;\n"
        "vote.sync.ballot.b32 %r3, %p1, %r1; vote.sync.all.pred %p2, %p1, %r1;\n"
        "match.any.sync.b32 %r4, %r2, %r1; redux.sync.add.u32 %r5, %r2, %r1;\n"
        "elect.sync %r6|%p3, %r1; shfl.sync.idx.b32 %r7, %r2, %r6, 31, %r1;\n"
        "selp.u32 %r8, 1, 0, %p2; selp.u32 %r9, 2, 0, %p3; add.u32 %r8, %r8, %r9;\n"
        "ld.param.u64 %rd9, [out]; mul.wide.u32 %rd2, %t, 32; add.u64 %rd2, %rd9, %rd2;\n"
        "mov.b64 %rd3, {%r3, %r4}; mov.b64 %rd4, {%r5, %r6}; mov.b64 %rd5, {%r7, %r8};\n"
        "st.global.u64 [%rd2], %rd3; st.global.u64 [%rd2+8], %rd4; st.global.u64 [%rd2+16], %rd5;",
        in, 32, {}, {}, 4 * 32);
    ASSERT_EQ(snippet.error, "") << "seed " << seed;
    for (unsigned lane = 0; lane < 32; ++lane) {
      const auto set = uint32_t(in[lane]);
      uint32_t ballot = 0, match = 0, sum = 0, leader = std::countr_zero(set);
      for (unsigned other = 0; other < 32; ++other)
        if (set >> other & 1) {
          ballot |= uint32_t(value[other] == 1) << other;
          match |= uint32_t(value[other] == value[lane]) << other;
          sum += value[other];
        }
      const uint32_t bits = (ballot == set ? 1 : 0) | (lane == leader ? 2 : 0);
      EXPECT_EQ(out[4 * lane], ballot | uint64_t(match) << 32) << "seed " << seed;
      EXPECT_EQ(out[4 * lane + 1], sum | uint64_t(leader) << 32) << "seed " << seed;
      EXPECT_EQ(out[4 * lane + 2], value[leader] | uint64_t(bits) << 32) << "seed " << seed;
    }
  }
}

} // namespace
