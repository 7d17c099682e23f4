//===- RaceTest.cpp - Kernels that race, and their repaired sisters ----------===//
//
// Rules of docs/emulator/memory-model.md as a few lines of PTX: clean where an order
// exists, a finding where it is taken away. Here: barriers, warps, blocks, stores that
// agree, and what a finding says.
//
//===----------------------------------------------------------------------===//
#include "test/unit/runtime/Emulator/Races/RaceCases.h"
#include <set>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

TEST(Race, BlockBarriersOrderAllThreads) {
  expect({
      {"write, barrier, read", "st.shared.u32 [%r1], %t; bar.sync 0; ld.shared.u32 %r9, [%r3];"},
      {"write, read", "st.shared.u32 [%r1], %t; ld.shared.u32 %r9, [%r3];", "race"},
      {"read, barrier, write", "st.shared.u32 [%r1], %t; bar.sync 0; ld.shared.u32 %r9, [%r3]; "
                               "bar.sync 0; st.shared.u32 [%r1], %r9;"},
      {"read, write",
       "st.shared.u32 [%r1], %t; bar.sync 0; ld.shared.u32 %r9, [%r3]; "
       "st.shared.u32 [%r1], %r9;",
       "race"},
      {"write, write", "st.shared.u32 [%r1], 1; st.shared.u32 [%r3], 2;",
       "race: writes 4 bytes that another thread has written"},
      {"bytes side by side", "add.u32 %r4, %r0, %t; st.shared.u8 [%r4], %t;"},
      {"bytes of a word", "add.u32 %r4, %r0, %t; st.shared.u8 [%r4], %t; ld.shared.u32 %r9, [%r1];",
       "race"},
      {"barrier.red", "st.shared.u32 [%r1], %t; barrier.red.popc.u32 %r8, 0, %p1; "
                      "ld.shared.u32 %r9, [%r3];"},
      {"exited threads are not missed",
       "@%p1 exit; st.shared.u32 [%r1], %t; bar.sync 0; ld.shared.u32 %r9, [%r0 + 8];"},
  });
}

TEST(Race, NamedBarriersOrderWhoTakesPart) {
  const char *halves = "shr.u32 %r5, %t, 6; add.u32 %r5, %r5, 1; st.shared.u32 [%r1], %t; "
                       "bar.sync %r5, 64; ";
  expect({
      {"within the halves", (std::string(halves) + "ld.shared.u32 %r9, [%r3];").c_str(), "", 128},
      {"across the halves",
       (std::string(halves) + "xor.b32 %r6, %t, 64; shl.b32 %r6, %r6, 2; add.u32 %r6, %r0, %r6; "
                              "ld.shared.u32 %r9, [%r6];")
           .c_str(),
       "race", 128},
      {"arrive after the write, sync before the read",
       "@%p2 bra P; bar.sync 1, 64; ld.shared.u32 %r9, [%r3]; bra E; "
       "P: st.shared.u32 [%r1], %t; bar.arrive 1, 64; E:"},
      {"arrive before the write",
       "@%p2 bra P; bar.sync 1, 64; ld.shared.u32 %r9, [%r3]; bra E; "
       "P: bar.arrive 1, 64; st.shared.u32 [%r1], %t; E:",
       "race"},
      {"who only arrives knows nothing",
       "@%p2 bra P; st.shared.u32 [%r1], %t; bar.sync 1, 64; bra E; "
       "P: bar.arrive 1, 64; bar.arrive 2, 64; ld.shared.u32 %r9, [%r3]; E: @!%p2 bar.sync 2, 64;",
       "race"},
  });
}

TEST(Race, OnlyWarpBarriersOrderLanes) {
  const char *neighbour = "ld.shared.u32 %r9, [%r2];";
  auto with = [&](const char *between) {
    static std::deque<std::string> kept;
    return kept.emplace_back(std::string("st.shared.u32 [%r1], %t; ") + between + neighbour)
        .c_str();
  };
  expect({
      {"nothing", with(""), "bar.warp.sync (__syncwarp()) with lanes", 32},
      {"all lanes", with("bar.warp.sync -1; "), "", 32},
      {"pairs", with("and.b32 %r4, %t, 30; shl.b32 %r5, 3, %r4; bar.warp.sync %r5; "), "", 32},
      {"even and odd lanes apart",
       with("and.b32 %r4, %t, 1; shl.b32 %r5, 0x55555555, %r4; bar.warp.sync %r5; "), "race", 32},
      {"shuffles do not", with("shfl.sync.bfly.b32 %r8, %t, 1, 31, -1; "), "race", 32},
      {"votes do not", with("vote.sync.ballot.b32 %r8, %p1, -1; "), "race", 32},
      {"branches that meet at a warp barrier",
       "and.b32 %r4, %t, 1; setp.eq.u32 %p3, %r4, 0; @%p3 bra A; st.shared.u32 [%r1], 1; "
       "bar.warp.sync -1; bra B; A: st.shared.u32 [%r1], 2; bar.warp.sync -1; B: "
       "ld.shared.u32 %r9, [%r2];",
       "", 32},
      {"a matrix is read by all lanes",
       "st.shared.u32 [%r1], %t; shl.b32 %r4, %t, 4; and.b32 %r4, %r4, 112; add.u32 %r4, %r4, "
       "%r0; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r5}, [%r4];",
       "race", 32},
      {"a matrix after a warp barrier",
       "st.shared.u32 [%r1], %t; bar.warp.sync -1; shl.b32 %r4, %t, 4; and.b32 %r4, %r4, 112; "
       "add.u32 %r4, %r4, %r0; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r5}, [%r4];",
       "", 32},
  });
}

TEST(Race, StoresOfOneInstructionMayAgree) {
  expect({
      {"the same value", "st.shared.u32 [%r0], 7;"},
      {"different values", "st.shared.u32 [%r0], %t;", "must store the same value", 32},
      {"scattered, the same value", "and.b32 %r4, %t, 3; shl.b32 %r5, %r4, 3; add.u32 %r5, %r0, "
                                    "%r5; st.shared.u32 [%r5], %r4;"},
      {"scattered, different values",
       "and.b32 %r4, %t, 3; shl.b32 %r5, %r4, 3; add.u32 %r5, %r0, "
       "%r5; st.shared.u32 [%r5], %t;",
       "race", 32},
      {"scattered, two lanes a word, different values",
       "and.b32 %r4, %t, 3; shl.b32 %r5, %r4, 3; add.u32 %r5, %r0, %r5; st.shared.u32 [%r5], %t;",
       "race", 8},
      {"warps, different values", "shr.u32 %r4, %t, 5; st.shared.u32 [%r0], %r4;", "race"},
      {"blocks, the same value", "@%p1 st.global.u32 [%rd1], 1;", "", 32, 3},
      {"blocks, different values", "@%p1 st.global.u32 [%rd1], %b;", "race", 32, 3},
      {"two instructions, the same value",
       "@%p2 st.shared.u32 [%r0], 7; @!%p2 st.shared.u32 [%r0], 7;", "race"},
  });
}

// That two stores agree says nothing of what comes before one of them.
TEST(Race, StoresThatAgreeHideNothing) {
  const char *body = "and.b32 %r4, %t, 31; setp.ne.u32 %p3, %r4, 0; {0} @%p3 exit; {1} "
                     "st.shared.u32 [%r0], 1;";
  auto with = [&](auto... parts) { return fill(body, {parts...}); };
  const char *read = "@%p1 ld.shared.u32 %r9, [%r0];";
  expect({
      {"a read by one of the threads", with("", read), "race"},
      {"before a barrier", with("@%p1 ld.shared.u32 %r9, [%r0]; bar.sync 0;", "")},
      {"a read by a lane that a warp barrier orders before one of the stores",
       with("setp.eq.u32 %p4, %t, 5; @%p4 ld.shared.u32 %r9, [%r0]; bar.warp.sync -1;", ""),
       "race"},
      {"a store of another instruction", with("", "@%p1 st.shared.u32 [%r0], 2;"), "race"},
      {"a store of another instruction after a read",
       with("", "@%p1 ld.shared.u32 %r9, [%r0]; @%p1 st.shared.u32 [%r0], 2;"), "race"},
      {"a strong store that one has seen, which tells the other",
       "@%p1 st.shared.v2.u32 [%r0], {0, 0}; bar.sync 0; @%p1 bra A; setp.eq.u32 %p3, %t, 32; @%p3 "
       "bra B; setp.eq.u32 %p3, %t, 64; @%p3 bra C; exit; A: st.relaxed.cta.shared.u32 [%r0], 5; "
       "exit; B: ld.relaxed.cta.shared.u32 %r9, [%r0]; setp.ne.u32 %p3, %r9, 5; @%p3 bra B; "
       "st.release.cta.shared.u32 [%r0 + 4], 1; bra D; C: ld.acquire.cta.shared.u32 %r9, [%r0 + "
       "4]; "
       "setp.ne.u32 %p3, %r9, 1; @%p3 bra C; D: st.shared.u32 [%r0], 1;",
       "", 96},
  });
}

TEST(Race, FindingsNameLanesThatDisagree) {
  struct {
    const char *name, *body;
    unsigned threads;
    int lane;
    const char *symbol;
  } cases[] = {
      {"of two warps",
       "and.b32 %r4, %t, 31; shr.u32 %r5, %t, 5; setp.eq.u32 %p3, %r4, 5; selp.u32 %r6, %r5, 7, "
       "%p3; shl.b32 %r7, %r4, 2; add.u32 %r7, %r0, %r7; st.shared.u32 [%r7], %r6;",
       64, 5, "s + 20"},
      {"where another store came between",
       "and.b32 %r7, %t, 31; shr.u32 %r4, %t, 5; shl.b32 %r5, %r7, 3; add.u32 %r5, %r5, %r0; "
       "cvt.u16.u32 %h1, 66; setp.eq.u32 %p3, %t, 1; @%p3 st.shared.u8 [%r0 + 8], %h1; "
       "setp.lt.u32 %p4, %r7, 2; setp.ne.and.u32 %p4, %r4, 1, %p4; @%p4 st.shared.u32 [%r5], "
       "0x43434343;",
       96, 1, "s + 8"},
      {"of one warp", "setp.eq.u32 %p3, %t, 1; selp.u32 %r4, 7, 9, %p3; st.shared.u32 [%r0], %r4;",
       4, 1, "s + 0"},
  };
  for (const auto &test : cases)
    for (uint64_t seed = 0; seed < 64; ++seed) {
      Options options;
      options.warpOrderSeed = options.preemptionSeed = seed;
      options.checkInitialisation = false;
      Snippet snippet("h200", options);
      snippet.run(std::string(kPlaces) + test.body, {}, test.threads);
      const auto &findings = snippet.device->getLastReport().findings;
      ASSERT_FALSE(findings.empty()) << test.name << ", seed " << seed;
      for (const Finding &finding : findings) {
        EXPECT_TRUE(finding.lane == test.lane || finding.other->lane == test.lane)
            << test.name << ", seed " << seed << ": " << finding.toString();
        EXPECT_EQ(finding.symbol, test.symbol) << test.name << ", seed " << seed;
      }
    }
}

TEST(Race, BlocksHaveNoOrder) {
  expect({
      {"places of their own",
       "mad.lo.u32 %r4, %b, 32, %t; mul.wide.u32 %rd2, %r4, 4; add.s64 "
       "%rd2, %rd1, %rd2; st.global.u32 [%rd2], %r4;",
       "", 32, 2},
      {"one writes, another reads",
       "setp.eq.u32 %p3, %b, 0; @%p3 st.global.u32 [%rd1], 1; "
       "@!%p3 ld.global.u32 %r9, [%rd1];",
       "blocks of one launch have no order", 1, 2},
      {"one reads, another writes",
       "setp.eq.u32 %p3, %b, 0; @!%p3 st.global.u32 [%rd1], 1; "
       "@%p3 ld.global.u32 %r9, [%rd1];",
       "race: writes 4 bytes that another thread has read", 1, 2},
      {"atomics", "red.global.add.u32 [%rd1], 1;", "", 32, 3},
      {"atomics and vectors of them",
       "red.relaxed.gpu.global.add.f32 [%rd1], 0f3f800000; "
       "atom.global.exch.b64 %rd2, [%rd1 + 8], %rd1;",
       "", 32, 3},
      {"atomics of block scope", "red.relaxed.cta.global.add.u32 [%rd1], 1;",
       ".cta scope does not reach another block", 32, 2},
      {"atomics of block scope in one block", "red.relaxed.cta.global.add.u32 [%rd1], 1;"},
      {"an atomic and a plain read", "red.global.add.u32 [%rd1], 1; ld.global.u32 %r9, [%rd1];",
       "race"},
      {"who saw an atomic may overwrite its word",
       "@!%p1 exit; atom.global.inc.u32 %r4, [%rd1], 9; setp.eq.u32 %p3, %r4, 2; @%p3 "
       "st.global.u32 [%rd1], 0;",
       "", 32, 3},
      {"who did not see it may not",
       "@!%p1 exit; red.global.inc.u32 [%rd1], 9; setp.eq.u32 %p3, %b, 2; @%p3 "
       "st.global.u32 [%rd1], 0;",
       "race", 32, 3},
      {"an atomic and a volatile read",
       "red.global.add.u32 [%rd1], 1; ld.volatile.global.u32 %r9, [%rd1];", "", 64, 2},
  });
}

// What an independent review found.
TEST(Race, StoresAreExcusedLaneByLane) {
  const char *scaled = "and.b32 %r4, %t, 31; shr.u32 %r5, %t, 5; mul.lo.u32 %r6, %r4, %r5; "
                       "shl.b32 %r7, %r4, 2; add.u32 %r7, %r0, %r7; st.shared.u32 [%r7], %r6;";
  expect({
      {"lane 0 agrees, the others do not", scaled, "race"},
      {"one lane in the middle",
       "setp.eq.u32 %p3, %t, 5; selp.u32 %r4, 1, 0, %p3; "
       "st.shared.u32 [%r0], %r4;",
       "race", 32},
      {"wide copies by some lanes are their own",
       "and.b32 %r4, %t, 1; setp.eq.u32 %p3, %r4, 0; cvta.to.global.u64 %rd3, %rd1; "
       "@%p3 cp.async.ca.shared.global [%r1], [%rd3], 8; cp.async.wait_all;",
       "", 32},
  });
}

TEST(Race, WarpBarriersOfDifferentLanesStayApart) {
  expect({{"halves that meet in parts",
           "st.shared.u32 [%r1], %t; and.b32 %r4, %t, 1; setp.eq.u32 %p3, %r4, 0; "
           "setp.lt.u32 %p4, %t, 16; @%p4 bra L; @%p3 bra A; bar.warp.sync 0xffff0000; bra B; "
           "A: bar.warp.sync 0xffff0000; bra B; L: @%p3 bra C; bar.warp.sync 0xffff; bra B; "
           "C: bar.warp.sync 0xffff; B: xor.b32 %r6, %t, 16; shl.b32 %r6, %r6, 2; "
           "add.u32 %r6, %r0, %r6; ld.shared.u32 %r9, [%r6];",
           "race", 32}});
}

TEST(Race, LanesThatExchangeByVolatileNeedAWarpBarrier) {
  const char *exchange = "st.volatile.shared.u32 [%r1], %t; {0} ld.volatile.shared.u32 %r9, [%r2];";
  auto with = [&](auto... parts) { return fill(exchange, {parts...}); };
  Options strict;
  strict.strictWarps = true;
  expect({
      {"no race to the letter", with(""), "", 32},
      {"in step", with(""), "volatile does not", 32, 1, strict},
      {"with a warp barrier", with("bar.warp.sync -1;"), "", 32, 1, strict},
      {"other warps", "st.volatile.shared.u32 [%r1], %t; ld.volatile.shared.u32 %r9, [%r3];", "",
       64, 1, strict},
      {"a flag that all lanes look at",
       "@%p1 st.volatile.shared.u32 [%r0], 1; W: ld.volatile.shared.u32 %r8, [%r0]; setp.eq.u32 "
       "%p3, %r8, 0; @%p3 bra W;",
       "", 32, 1, strict},
  });
}

TEST(Race, RowsOfAMatrixAreWrittenByAllLanes) {
  const char *rows = "shl.b32 %r4, %t, 4; and.b32 %r4, %r4, 112; add.u32 %r4, %r4, %r0; "
                     "stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r4], {%t}; ";
  expect({
      {"read one's own row", (std::string(rows) + "ld.shared.u32 %r9, [%r4];").c_str(), "race", 32},
      {"read after a warp barrier",
       (std::string(rows) + "bar.warp.sync -1; ld.shared.u32 %r9, [%r4];").c_str(), "", 32},
  });
}

TEST(Race, FindingsNameBothParties) {
  Snippet snippet;
  snippet.run(std::string(kPlaces) + "st.shared.u32 [%r1], %t;\nld.shared.u32 %r9, [%r3];", {}, 64);
  const Report &report = snippet.device->getLastReport();
  // Warp 0 reads what warp 1 has yet to write, and the other way round.
  ASSERT_EQ(report.findings.size(), 2u);
  EXPECT_NE(report.findings[0].message.find("writes 4 bytes that another thread has read"),
            std::string::npos);
  const Finding &finding = report.findings[1];
  EXPECT_NE(finding.message.find("reads 4 bytes that another thread has written"),
            std::string::npos);
  ASSERT_TRUE(finding.other);
  EXPECT_EQ(finding.instruction, "ld.shared.u32");
  EXPECT_EQ(finding.other->instruction, "st.shared.u32");
  EXPECT_EQ(finding.other->location.line + 1, finding.location.line);
  EXPECT_EQ(finding.other->warp, 1 - finding.warp);
  EXPECT_EQ(finding.other->lane, finding.lane);
  EXPECT_EQ(finding.symbol.substr(0, 4), "s + ");
  llvm::json::Object object = finding.toJSON();
  EXPECT_EQ(object.getString("kind"), "race");
  ASSERT_TRUE(object.getObject("other"));
  EXPECT_EQ(object.getObject("other")->getString("what"), "written by");
  EXPECT_NE(object.getString("remedy")->find("__syncthreads"), std::string::npos);
}

TEST(Race, PreemptionShowsOtherOrders) {
  // Each thread adds to its block's word without an atomic: what is left depends
  // on who comes between the load and the store.
  std::string body = std::string(kPlaces) +
                     "ld.global.u32 %r4, [%rd1]; add.u32 %r4, %r4, 1; st.global.u32 [%rd1], %r4;";
  std::set<uint64_t> results;
  for (uint64_t seed = 0; seed < 24; ++seed) {
    Options options;
    options.checkRaces = false;
    options.preemptionSeed = seed;
    Snippet snippet("a100", options);
    results.insert(snippet.run(body, {}, 32, {}, {3})[0]);
    EXPECT_EQ(snippet.error, "");
  }
  EXPECT_TRUE(results.contains(3)) << "seed 0 runs block after block";
  EXPECT_GT(results.size(), 1u);
}

TEST(Barrier, AlignedOnesMustBeReachedTogether) {
  expect({
      {"two instructions", "@%p1 bra A; bar.sync 0; bra B; A: bar.sync 0; B:",
       "lanes of one warp wait at different instructions for barrier 0"},
      {"two instructions that need not be",
       "@%p1 bra A; barrier.sync 0; bra B; A: barrier.sync 0; B:"},
      {"one instruction, reached at different times",
       "@%p1 bra A; mov.u32 %r9, 1; bra B; A: mov.u32 %r9, 2; B: bar.sync 0;"},
      {"whole warps may differ", "@%p2 bra A; bar.sync 0; bra B; A: bar.sync 0; B:"},
      {"exited lanes are not waited for", "@%p1 exit; bar.sync 0;"},
  });
}

TEST(Race, CanBeTurnedOff) {
  Options off;
  off.checkRaces = false;
  expect({{"off", "st.shared.u32 [%r1], %t; ld.shared.u32 %r9, [%r3];", "", 64, 1, off}});
}

} // namespace
