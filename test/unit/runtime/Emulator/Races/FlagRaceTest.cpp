//===- FlagRaceTest.cpp - Order through words in memory ----------------------===//
//
// As RaceTest.cpp: flags, fences, atomics, and the guesses that compare-and-swap checks.
//
//===----------------------------------------------------------------------===//
#include "test/unit/runtime/Emulator/Races/RaceCases.h"

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

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
      {"a swap that releases",
       pass("atom.release.gpu.global.cas.b32 %r7, [%rd1], 0, 1;",
            "ld.acquire.gpu.global.u32 %r8, [%rd1];", ""),
       ""},
      {"a swap that fails releases nothing",
       pass("atom.release.gpu.global.cas.b32 %r7, [%rd1], 9, 1; "
            "atom.relaxed.gpu.global.add.u32 %r7, [%rd1], 1;",
            "ld.acquire.gpu.global.u32 %r8, [%rd1];", ""),
       "race"},
      {"a wide swap that fails",
       pass("mov.u64 %rd4, 9; atom.release.gpu.global.cas.b64 %rd3, [%rd1], %rd4, %rd4; "
            "atom.relaxed.gpu.global.add.u32 %r7, [%rd1], 1;",
            "ld.acquire.gpu.global.u32 %r8, [%rd1];", ""),
       "race"},
      {"a swap that fails acquires",
       pass("st.release.gpu.global.u32 [%rd1], 1;",
            "atom.acq_rel.gpu.global.cas.b32 %r8, [%rd1], 9, 1;", ""),
       ""},
      {"a plain flag", pass("membar.gl; st.global.u32 [%rd1], 1;", load, "membar.gl; "), "race"},
  };
  for (auto &test : cases)
    expect({{test.name, test.body.c_str(), test.finding, 1, 2}});
}

// Block 0 raises a flag, block 1 sees it and writes it again, block 2 reads what block 1
// has written, which is not what block 0 released.
TEST(Race, AWeakStoreEndsWhatAFlagHandsOn) {
  const char *body =
      "@!%p1 exit; setp.eq.u32 %p3, %b, 0; setp.eq.u32 %p5, %b, 1; @%p3 bra A; @%p5 bra B; "
      "C: ld.acquire.gpu.global.u32 %r8, [%rd1 + 4]; setp.eq.u32 %p4, %r8, 0; @%p4 bra C; "
      "ld.relaxed.gpu.global.u32 %r8, [%rd1]; membar.gl; ld.global.u32 %r9, [%in]; exit; "
      "A: st.global.u32 [%in], 5; membar.gl; st.relaxed.gpu.global.u32 [%rd1], 1; exit; "
      "B: ld.relaxed.gpu.global.u32 %r8, [%rd1]; setp.eq.u32 %p4, %r8, 0; @%p4 bra B; {0} "
      "st.release.gpu.global.u32 [%rd1 + 4], 1;";
  auto with = [&](auto... parts) { return fill(body, {parts...}); };
  expect({
      {"left alone", with(""), "", 2, 3},
      {"an atomic goes on with it", with("atom.relaxed.gpu.global.add.u32 %r8, [%rd1], 1;"), "", 2,
       3},
      {"a strong store", with("st.relaxed.gpu.global.u32 [%rd1], 2;"), "race", 2, 3},
      {"a weak store", with("st.global.u32 [%rd1], 2;"), "race", 2, 3},
      {"a weak store to a byte of it", with("mov.u16 %h1, 2; st.global.u8 [%rd1], %h1;"), "race", 2,
       3},
      {"a weak store beside it", with("st.global.u32 [%rd1 + 8], 2;"), "", 2, 3},
  });
}

// Of three threads A writes and passes a flag to B, which passes it on to C by an atomic
// without an order of its own. C reads it once, when B has told it to.
TEST(Race, AtomicsBetweenPassAReleaseOnWhateverItsScope) {
  const char *body =
      "mov.u32 %r4, %ntid.x; mad.lo.u32 %r4, %r4, %b, %t; "
      "setp.eq.u32 %p3, %r4, 0; @%p3 bra A; setp.eq.u32 %p3, %r4, {0}; @%p3 bra B; "
      "setp.eq.u32 %p3, %r4, {1}; @%p3 bra C; exit; "
      "A: st.global.u32 [%rd1 + 16], 7; {2} atom.relaxed.{3}.global.exch.b32 %r5, [%rd1], 1; exit; "
      "B: ld.relaxed.{4}.global.u32 %r5, [%rd1]; setp.ne.u32 %p3, %r5, 1; @%p3 bra B; "
      "atom.relaxed.{5}.global.exch.b32 %r5, [%rd1], 2; {6}.gpu.global.u32 [%rd1 + 8], 1; exit; "
      "C: {7}.gpu.global.u32 %r5, [%rd1 + 8]; setp.ne.u32 %p3, %r5, 1; @%p3 bra C; "
      "ld.relaxed.{8}.global.u32 %r5, [%rd1]; {9} ld.global.u32 %r9, [%rd1 + 16];";
  auto with = [&](auto... parts) { return std::string(fill(body, {parts...})); };
  const char *narrow = "fence.acq_rel.cta;", *wide = "fence.acq_rel.gpu;", *store = "st.relaxed",
             *load = "ld.relaxed";
  // A and C of block 0, B of block 1; then C of block 1.
  const std::string around =
                        with("64", "32", narrow, "gpu", "gpu", "gpu", store, load, "gpu", narrow),
                    noFence = with("64", "32", "", "gpu", "gpu", "gpu", store, load, "gpu", narrow),
                    broken =
                        with("64", "32", narrow, "gpu", "gpu", "cta", store, load, "gpu", narrow),
                    through = with("32", "64", wide, "cta", "cta", "gpu", "st.release",
                                   "ld.acquire", "gpu", wide),
                    tooNarrow = with("32", "64", narrow, "cta", "cta", "gpu", "st.release",
                                     "ld.acquire", "gpu", wide);
  expect({
      {"fences of one block, an atomic of another", around.c_str(), "", 64, 2},
      {"no fence before the flag", noFence.c_str(), "race", 64, 2},
      {"an atomic of another block whose scope is its block", broken.c_str(), "race", 64, 2},
      {"fences of two blocks, an atomic of block scope", through.c_str(), "", 64, 2},
      {"a fence of block scope, a reader of another", tooNarrow.c_str(), "race", 64, 2},
  });
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
      {"words that lanes share",
       "and.b32 %r4, %t, 7; mul.wide.u32 %rd2, %r4, 4; add.s64 %rd1, %rd1, %rd2; "
       "L: ld.global.u32 %r4, [%rd1]; add.u32 %r5, %r4, 1; atom.global.cas.b32 %r6, [%rd1], %r4, "
       "%r5; setp.ne.u32 %p3, %r4, %r6; @%p3 bra L;",
       "", 64, 3},
      {"others add without looking",
       (std::string("setp.eq.u32 %p4, %b, 1; @%p4 red.global.add.u32 [%rd1], 1; @%p4 exit; ") +
        guess)
           .c_str(),
       "", 64, 3},
      {"a guess and a plain store", (guess + " st.global.u32 [%rd1], %b;").c_str(), "race", 64, 2},
  });
}

// One block updates two words, the two lanes of the other read one each.
TEST(Race, AGuessIsJudgedLaneByLane) {
  const char *body =
      "mul.wide.u32 %rd2, %t, 4; add.s64 %rd2, %rd1, %rd2; setp.eq.u32 %p3, %b, {0}; "
      "@%p3 bra U; ld.global.u32 %r4, [%rd2]; {1} "
      "atom.global.cas.b32 %r6, [%rd2], %r4, 7; exit; "
      "U: atom.global.add.u32 %r6, [%rd2], 1;";
  auto with = [&](auto... parts) { return fill(body, {parts...}); };
  expect({
      {"both swap", with("0", ""), "", 2, 2},
      {"both swap, updated later", with("1", ""), "", 2, 2},
      {"one swaps", with("0", "@%p1"), "lane 1", 2, 2},
      {"one swaps, updated later", with("1", "@%p1"), "lane 1", 2, 2},
      {"none swaps", with("0", "setp.lt.u32 %p4, %t, 0; @%p4"), "race", 2, 2},
  });
}

} // namespace
