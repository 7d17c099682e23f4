//===- RaceTest.cpp - Kernels that race, and their repaired sisters -----------===//
//
// Each rule of docs/emulator/memory-model.md as a few lines of PTX: clean where
// an order exists, a finding where it is taken away.
//
//===----------------------------------------------------------------------===//
#include "test/unit/runtime/Emulator/Instructions/Snippet.h"
#include <deque>
#include <set>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

/// Thread t of the grid's block b owns word t of `s`; %r1 is its address there,
/// %r2 that of thread t ^ 1, %r3 that of thread t ^ 32. %b is the block; %rd1
/// names bytes that all blocks share.
constexpr const char *kPlaces = R"(
    .shared .align 16 .b8 s[1024];
    .reg .b32 %b;
    mov.u32 %b, %ctaid.x;
    shl.b32 %r1, %t, 2; mov.u32 %r0, s; add.u32 %r1, %r0, %r1;
    xor.b32 %r2, %t, 1; shl.b32 %r2, %r2, 2; add.u32 %r2, %r0, %r2;
    xor.b32 %r3, %t, 32; shl.b32 %r3, %r3, 2; add.u32 %r3, %r0, %r3;
    ld.param.u64 %rd1, [out];
    setp.eq.u32 %p1, %t, 0; setp.lt.u32 %p2, %t, 32;
)";

struct Case {
  const char *name, *body;
  const char *finding = ""; ///< words of it; none: clean
  unsigned threads = 64;
  unsigned blocks = 1;
  Options options = {};
};

std::string runCase(const Case &test, uint64_t seed = 0) {
  Options options = test.options;
  options.warpOrderSeed = options.landingSeed = seed;
  options.checkInitialisation = false; // what has a race is often read too early as well
  Snippet snippet("h200", options);
  snippet.run(std::string(kPlaces) + test.body, {}, test.threads, {}, {test.blocks});
  return snippet.error;
}

/// `body` with `parts` in the places of {0}, {1}, ...; kept until the tests end.
const char *fill(const char *body, std::initializer_list<const char *> parts) {
  static std::deque<std::string> kept;
  std::string &text = kept.emplace_back(body);
  unsigned number = 0;
  for (const char *part : parts)
    text.replace(text.find("{" + std::to_string(number++) + "}"), 3, part);
  return text.c_str();
}

void expect(std::initializer_list<Case> cases) {
  for (const Case &test : cases)
    for (uint64_t seed = 0; seed < 4; ++seed) {
      std::string error = runCase(test, seed);
      if (!*test.finding)
        EXPECT_EQ(error, "") << test.name << ", seed " << seed;
      else
        EXPECT_NE(error.find(test.finding), std::string::npos)
            << test.name << ", seed " << seed << ": " << error;
    }
}

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
      {"warps, different values", "shr.u32 %r4, %t, 5; st.shared.u32 [%r0], %r4;", "race"},
      {"blocks, the same value", "@%p1 st.global.u32 [%rd1], 1;", "", 32, 3},
      {"blocks, different values", "@%p1 st.global.u32 [%rd1], %b;", "race", 32, 3},
      {"two instructions, the same value",
       "@%p2 st.shared.u32 [%r0], 7; @!%p2 st.shared.u32 [%r0], 7;", "race"},
  });
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

// Block 0 writes data and passes a flag; block 1 waits for it.
std::string pass(const char *release, const char *acquire) {
  return std::string("setp.ne.u32 %p3, %b, 0; @%p3 bra C; st.global.u32 [%in], 5; ") + release +
         " bra E; C: " + acquire +
         " setp.eq.u32 %p4, %r8, 0; @%p4 bra C; %s ld.global.u32 %r9, [%in]; E:";
}

std::string pass(const char *release, const char *acquire, const char *after) {
  std::string text = pass(release, acquire);
  return text.replace(text.find("%s "), 3, after);
}

TEST(Race, FlagsPassOrderWithFences) {
  const char *store = "st.volatile.global.u32 [%rd1], 1;",
             *load = "ld.volatile.global.u32 %r8, [%rd1];";
  std::string fenced = std::string("membar.gl; ") + store;
  std::string narrow = std::string("fence.acq_rel.cta; ") + store;
  std::string late = std::string(store) + " membar.gl;";
  struct {
    const char *name;
    std::string body;
    const char *finding;
  } cases[] = {
      {"membar and volatile", pass(fenced.c_str(), load, "membar.gl; "), ""},
      {"no fence before the flag", pass(store, load, "membar.gl; "), "race"},
      {"no fence after it", pass(fenced.c_str(), load, ""), "race"},
      {"a fence on the wrong side", pass(late.c_str(), load, "membar.gl; "), "race"},
      {"a fence of the wrong scope", pass(narrow.c_str(), load, "membar.gl; "), "race"},
      {"release and acquire",
       pass("st.release.gpu.global.u32 [%rd1], 1;", "ld.acquire.gpu.global.u32 %r8, [%rd1];", ""),
       ""},
      {"release, relaxed read",
       pass("st.release.gpu.global.u32 [%rd1], 1;", "ld.relaxed.gpu.global.u32 %r8, [%rd1];", ""),
       "race"},
      {"release of block scope",
       pass("st.release.cta.global.u32 [%rd1], 1;", "ld.acquire.gpu.global.u32 %r8, [%rd1];", ""),
       "race"},
      {"fences around an atomic",
       pass("membar.gl; atom.global.exch.b32 %r7, [%rd1], 1;", "atom.global.or.b32 %r8, [%rd1], 0;",
            "membar.gl; "),
       ""},
      {"an atomic of both",
       pass("atom.release.gpu.global.exch.b32 %r7, [%rd1], 1;",
            "atom.acquire.gpu.global.or.b32 %r8, [%rd1], 0;", ""),
       ""},
      {"a plain flag", pass("membar.gl; st.global.u32 [%rd1], 1;", load, "membar.gl; "), "race"},
  };
  for (auto &test : cases)
    expect({{test.name, test.body.c_str(), test.finding, 1, 2}});
}

TEST(Race, BarriersCarryReleasesAndAcquires) {
  // Every thread of block 0 writes, thread 0 fences and raises the flag.
  const char *body = "setp.ne.u32 %p3, %b, 0; @%p3 bra C; st.global.u32 [%in], 5; {0} "
                     "@%p1 st.volatile.global.u32 [%rd1], 1; bra E; "
                     "C: @!%p1 bra D; W: ld.volatile.global.u32 %r8, [%rd1]; setp.eq.u32 %p4, "
                     "%r8, 0; @%p4 bra W; membar.gl; D: {1} ld.global.u32 %r9, [%in]; E:";
  auto with = [&](auto... parts) { return fill(body, {parts...}); };
  expect({
      {"barrier, then the fence", with("bar.sync 0; membar.gl;", "bar.sync 0;"), "", 64, 2},
      {"fences, then the barrier", with("membar.gl; bar.sync 0;", "bar.sync 0;"), "", 64, 2},
      {"no barrier before the flag", with("membar.gl;", "bar.sync 0;"), "race", 64, 2},
      {"no barrier after it", with("bar.sync 0; membar.gl;", ""), "race", 64, 2},
  });
}

// The reduction by the last block, as in the CUDA programming guide.
TEST(Race, TheLastBlockMayReadAfterABarrier) {
  const char *body =
      "mul.wide.u32 %rd2, %b, 8; add.s64 %rd2, %rd1, %rd2; @%p1 st.global.u32 [%rd2 + 64], 1; "
      "{0} @%p1 atom.global.inc.u32 %r4, [%rd1], 10; @%p1 st.shared.u32 [%r0], %r4; "
      "bar.sync 0; ld.shared.u32 %r4, [%r0]; setp.ne.u32 %p3, %r4, 2; @%p3 exit; "
      "ld.global.u32 %r9, [%rd1 + 64]; ld.global.u32 %r9, [%rd1 + 72];";
  auto with = [&](auto... parts) { return fill(body, {parts...}); };
  Options strict;
  strict.strictAcquire = true;
  expect({
      {"as usual", with("membar.gl;"), "", 64, 3},
      {"without the writer's fence", with(""), "race", 64, 3},
      {"to the letter, the reader needs one too", with("membar.gl;"), "race", 64, 3, strict},
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

TEST(Race, NarrowFlagsAreFlagsOfTheirOwn) {
  expect({
      {"two bytes of a word",
       ".shared .b32 f; @%p1 st.shared.u32 [f], 0; bar.sync 0; setp.eq.u32 %p3, %t, 32; "
       "setp.eq.u32 %p4, %t, 64; cvt.u16.u32 %h1, 1; @%p1 bra A; @%p3 bra B; @%p4 bra C; exit; "
       "A: st.shared.u32 [%r0 + 512], 1; st.release.cta.shared.u8 [f], %h1; exit; "
       "B: st.shared.u32 [%r0 + 516], 1; st.release.cta.shared.u8 [f + 1], %h1; exit; "
       "C: ld.acquire.cta.shared.u8 %h2, [f]; setp.eq.u16 %p5, %h2, 0; @%p5 bra C; "
       "D: ld.acquire.cta.shared.u8 %h2, [f + 1]; setp.eq.u16 %p5, %h2, 0; @%p5 bra D; "
       "ld.shared.u32 %r9, [%r0 + 512]; ld.shared.u32 %r9, [%r0 + 516];",
       "", 96},
  });
}

TEST(Race, ABlockThatPollsByAtomicsLetsOthersCome) {
  Options options;
  options.timeBudgetSeconds = 20;
  expect({{"a counter of two blocks",
           "@!%p1 exit; membar.gl; atom.global.add.u32 %r4, [%rd1], 1; S: atom.global.add.u32 %r4, "
           "[%rd1], 0; setp.lt.u32 %p3, %r4, 2; @%p3 bra S;",
           "", 32, 2, options}});
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

TEST(Race, OnlyWhatIsCopiedIsTheSource) {
  expect({{"words between those that are written",
           "cvta.to.global.u64 %rd3, %rd1; shl.b32 %r4, %t, 5; cvt.u64.u32 %rd4, %r4; "
           "add.s64 %rd4, %rd3, %rd4; setp.lt.u32 %p3, %t, 8; @!%p3 exit; "
           "cp.async.ca.shared.global [%r1], [%rd4 + 16], 4; st.global.u32 [%rd4], 1; "
           "cp.async.wait_all;",
           "", 32}});
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

// As in the reductions of cooperative groups over tiles of several warps.
TEST(Race, ShufflesShareWhatALaneHasAcquired) {
  const char *body =
      ".shared .b32 word; @%p1 st.shared.u32 [word], 0; bar.sync 0; st.shared.u32 [%r1], %t; "
      "and.b32 %r4, %t, 31; setp.eq.u32 %p3, %r4, 0; bar.warp.sync -1; "
      "@%p3 atom.shared.add.acq_rel.cta.u32 %r5, [word], 1; {0} "
      "shfl.sync.idx.b32 %r5, %r5, 0, 31, -1; setp.eq.u32 %p4, %r5, 1; "
      "@%p4 ld.shared.u32 %r9, [%r3]; {1}";
  auto with = [&](auto... parts) { return fill(body, {parts...}); };
  Options strict;
  strict.strictAcquire = true;
  expect({
      {"what another warp released", with("", "")},
      {"not the lanes' own stores",
       with("st.shared.u32 [%r1 + 512], %t;", "ld.shared.u32 %r9, [%r2 + 512];"), "race"},
      {"to the letter, nothing", with("", ""), "race", 64, 1, strict},
  });
}

TEST(Race, MbarriersOrderArrivalsBeforeWaits) {
  const char *body =
      ".shared .align 8 .b64 bar; @%p1 mbarrier.init.shared.b64 [bar], 32; {0} "
      "@!%p2 bra C; {1} bra E; C: mbarrier.try_wait.parity.shared.b64 %p4, [bar], 0; "
      "@!%p4 bra C; ld.shared.u32 %r9, [%r3]; E:";
  auto with = [&](auto... parts) { return fill(body, {parts...}); };
  const char *arrive = "st.shared.u32 [%r1], %t; mbarrier.arrive.shared.b64 _, [bar];";
  expect({
      {"write, arrive, wait, read", with("bar.sync 0;", arrive)},
      {"arrive, write",
       with("bar.sync 0;", "mbarrier.arrive.shared.b64 _, [bar]; "
                           "st.shared.u32 [%r1], %t;"),
       "race"},
      {"no barrier after init", with("", arrive), "mbarrier.init"},
  });
}

TEST(Race, CopiesAreTheirIssuersWritesFromTheWaitOn) {
  const char *issue = "shl.b32 %r4, %t, 4; add.u32 %r4, %r0, %r4; cvta.to.global.u64 %rd3, %rd1; "
                      "cp.async.ca.shared.global [%r4], [%rd3], 16; ";
  const char *wait = "cp.async.wait_all; ";
  const char *other = "xor.b32 %r5, %t, 1; shl.b32 %r5, %r5, 4; add.u32 %r5, %r0, %r5; "
                      "ld.shared.u32 %r9, [%r5];";
  auto with = [](std::initializer_list<const char *> parts) {
    static std::deque<std::string> kept;
    std::string text;
    for (const char *part : parts)
      text += part;
    return kept.emplace_back(text).c_str();
  };
  const char *own = "ld.shared.u32 %r9, [%r4];";
  expect({
      {"wait, read one's own", with({issue, wait, own}), "", 32},
      {"read one's own too early", with({issue, own, wait}), "async-read-early", 32},
      {"wait, barrier, read another's", with({issue, wait, "bar.sync 0; ", other}), "", 32},
      {"wait, read another's", with({issue, wait, other}), "makes the copy visible", 32},
      {"barrier, wait, read another's", with({issue, "bar.sync 0; ", wait, other}), "race", 32},
      {"read, then copy over it",
       with({"st.shared.u32 [%r1], 0; bar.sync 0; ld.shared.u32 %r9, [%r2]; ", issue, wait}),
       "race: writes 16 bytes that another thread has read", 32},
      {"read, barrier, copy over it",
       with({"st.shared.u32 [%r1], 0; bar.sync 0; ld.shared.u32 %r9, [%r2]; bar.sync 0; ", issue,
             wait}),
       "", 32},
      {"the source is written before the wait",
       with({"cvta.to.global.u64 %rd3, %rd1; @!%p1 exit; cp.async.ca.shared.global [%r0], [%rd3], "
             "16; st.global.u32 [%rd3], 1; ",
             wait}),
       "async-source-overwritten", 32},
      {"the source is written after the wait",
       with({"cvta.to.global.u64 %rd3, %rd1; @!%p1 exit; cp.async.ca.shared.global [%r0], [%rd3], "
             "16; ",
             wait, "st.global.u32 [%rd3], 1; "}),
       "", 32},
  });
}

TEST(Race, CopiesReachWhoWaitsAtTheirMbarrier) {
  // Warp 0 copies, warp 1 waits at the mbarrier and reads.
  const char *body =
      ".shared .align 8 .b64 bar; @%p1 mbarrier.init.shared.b64 [bar], 32; bar.sync 0; "
      "cvta.to.global.u64 %rd3, %rd1; @!%p2 bra C; cp.async.ca.shared.global [%r1], [%rd3], 4; "
      "{0} bra E; C: {1} ld.shared.u32 %r9, [%r3]; {2} E:";
  auto with = [&](auto... parts) { return fill(body, {parts...}); };
  const char *arrive = "cp.async.mbarrier.arrive.noinc.shared.b64 [bar];",
             *wait = "W: mbarrier.try_wait.parity.shared.b64 %p4, [bar], 0; @!%p4 bra W;";
  Options eager, random;
  eager.landing = LandingPolicy::Eager;
  random.landing = LandingPolicy::Random;
  expect({
      {"arrive, wait", with(arrive, wait, "")},
      {"arrive, wait, landing early", with(arrive, wait, ""), "", 64, 1, eager},
      {"arrive, wait, landing any time", with(arrive, wait, ""), "", 64, 1, random},
      {"the issuer waits as well",
       with("cp.async.mbarrier.arrive.noinc.shared.b64 [bar]; cp.async.wait_all;", wait, "")},
      {"an ordinary arrival does not wait for copies",
       with("mbarrier.arrive.shared.b64 _, [bar];", wait, ""), "at shared address"},
      {"an ordinary arrival after the wait",
       with("cp.async.wait_all; mbarrier.arrive.shared.b64 _, [bar];", wait, "")},
      {"read before the wait", with(arrive, "", wait), "at shared address"},
      {"what the issuer stores later is not covered",
       with("cp.async.mbarrier.arrive.noinc.shared.b64 [bar]; st.shared.u32 [%r1 + 512], 1;", wait,
            "ld.shared.u32 %r9, [%r3 + 512];"),
       "race"},
  });
}

// "old = *p; do old = atomicCAS(p, seen = old, ...)": the CUDA programming guide.
TEST(Race, AGuessThatACompareAndSwapChecksMayRace) {
  const char *loop = "L: add.u32 %r5, %r4, 1; atom.global.cas.b32 %r6, [%rd1], %r4, %r5; "
                     "setp.ne.u32 %p3, %r4, %r6; mov.u32 %r4, %r6; @%p3 bra L;";
  std::string guess = std::string("ld.global.u32 %r4, [%rd1]; ") + loop;
  std::string atomics = std::string("ld.volatile.global.u32 %r4, [%rd1]; ") + loop;
  expect({
      {"a plain guess", guess.c_str(), "", 64, 3},
      {"read again each turn",
       "L: ld.global.u32 %r4, [%rd1]; add.u32 %r5, %r4, 1; atom.global.cas.b32 %r6, [%rd1], %r4, "
       "%r5; setp.ne.u32 %p3, %r4, %r6; @%p3 bra L;",
       "", 64, 3},
      {"a plain read of what others swap", (atomics + " ld.global.u32 %r9, [%rd1];").c_str(),
       "race", 64, 3},
      {"a plain read before, then nothing",
       (std::string("setp.eq.u32 %p4, %b, 0; @%p4 ld.global.u32 %r9, [%rd1]; @%p4 exit; ") +
        atomics)
           .c_str(),
       "race", 64, 2},
      {"a plain read, checked by another width",
       "ld.global.u32 %r9, [%rd1]; atom.global.cas.b64 %rd2, [%rd1], %rd3, %rd4;", "race", 1, 2},
      {"a guess and a plain store", (guess + " st.global.u32 [%rd1], %b;").c_str(), "race", 64, 2},
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
