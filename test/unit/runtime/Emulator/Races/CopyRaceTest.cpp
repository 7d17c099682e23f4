//===- CopyRaceTest.cpp - Order through mbarriers, and of copies in flight ---===//
//
// As RaceTest.cpp: mbarrier and cp.async.
//
//===----------------------------------------------------------------------===//
#include "test/unit/runtime/Emulator/Races/RaceCases.h"

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

TEST(Race, OnlyWhatIsCopiedIsTheSource) {
  expect({{"words between those that are written",
           "cvta.to.global.u64 %rd3, %rd1; shl.b32 %r4, %t, 5; cvt.u64.u32 %rd4, %r4; "
           "add.s64 %rd4, %rd3, %rd4; setp.lt.u32 %p3, %t, 8; @!%p3 exit; "
           "cp.async.ca.shared.global [%r1], [%rd4 + 16], 4; st.global.u32 [%rd4], 1; "
           "cp.async.wait_all;",
           "", 32}});
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

// What .relaxed leaves out, fences around it put back.
TEST(Race, RelaxedMbarriersOrderByFences) {
  const char *body =
      ".shared .align 8 .b64 bar; @%p1 mbarrier.init.shared.b64 [bar], 32; bar.sync 0; "
      "@!%p2 bra C; st.shared.u32 [%r1], %t; {0} "
      "mbarrier.arrive.{1}.cta.shared::cta.b64 _, [bar]; bra E; "
      "C: mbarrier.try_wait.parity.{2}.cta.shared::cta.b64 %p4, [bar], 0; @!%p4 bra C; {3} "
      "ld.shared.u32 %r9, [%r3]; E:";
  auto with = [&](auto... parts) { return fill(body, {parts...}); };
  const char *fence = "fence.acq_rel.cta;";
  expect({
      {"fences on both sides", with(fence, "relaxed", "relaxed", fence)},
      {"wider fences", with("membar.gl;", "relaxed", "relaxed", "fence.sc.sys;")},
      {"no fence before the arrival", with("", "relaxed", "relaxed", fence), "race"},
      {"no fence after the wait", with(fence, "relaxed", "relaxed", ""), "race"},
      {"a fence that only acquires",
       with("fence.acquire.sync_restrict::shared::cta.cta;", "relaxed", "relaxed", fence), "race"},
      {"a relaxed arrival, a wait that acquires", with(fence, "relaxed", "acquire", "")},
      {"an arrival that releases, a relaxed wait", with("", "release", "relaxed", fence)},
      {"an arrival that releases, no fence", with("", "release", "relaxed", ""), "race"},
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
  Options eager, random;
  eager.landing = LandingPolicy::Eager;
  random.landing = LandingPolicy::Random;
  expect({
      {"wait, read one's own", with({issue, wait, own}), "", 32},
      {"wait, read one's own, landing early", with({issue, wait, own}), "", 32, 1, eager},
      {"read one's own too early, though it has landed", with({issue, own, wait}),
       "must wait for it as well", 32, 1, eager},
      {"landing early, wait, barrier", with({issue, wait, "bar.sync 0; ", other}), "", 32, 1,
       eager},
      {"landing any time, wait, barrier", with({issue, wait, "bar.sync 0; ", other}), "", 32, 1,
       random},
      {"landing early, wait, warp barrier", with({issue, wait, "bar.warp.sync -1; ", other}), "",
       32, 1, eager},
      {"landing early, wait, no barrier", with({issue, wait, other}), "makes the copy visible", 32,
       1, eager},
      {"landing early, barrier before the wait", with({issue, "bar.sync 0; ", wait, other}),
       "makes the copy visible", 32, 1, eager},
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

// A copy that lands because of a wait at its mbarrier is known to who waited, and to
// nobody that has only met its thread.
TEST(Race, CopiesThatLandUnawaitedAreKnownToWhoWaitsForThem) {
  // Warp 0 copies to s and s + 512; warp 1 waits and raises a flag that orders nothing;
  // warp 2 sees the flag and reads.
  const char *body =
      ".shared .align 8 .b64 first; .shared .align 8 .b64 second; .shared .b32 flag; "
      "@%p1 mbarrier.init.shared.b64 [first], 32; @%p1 mbarrier.init.shared.b64 [second], 32; "
      "@%p1 st.shared.u32 [flag], 0; bar.sync 0; shl.b32 %r4, %t, 2; and.b32 %r4, %r4, 127; "
      "add.u32 %r4, %r0, %r4; setp.lt.u32 %p3, %t, 64; @!%p3 bra R; @!%p2 bra W; "
      "cvta.to.global.u64 %rd3, %rd1; cp.async.ca.shared.global [%r4], [%rd3], 4; "
      "cp.async.mbarrier.arrive.noinc.shared.b64 [first]; {0} bra E; "
      "W: mbarrier.try_wait.parity.shared.b64 %p4, [{1}], 0; @!%p4 bra W; "
      "st.volatile.shared.u32 [flag], 1; {2} bra E; "
      "R: ld.volatile.shared.u32 %r5, [flag]; setp.eq.u32 %p4, %r5, 0; @%p4 bra R; {3} E:";
  auto with = [&](auto... parts) { return fill(body, {parts...}); };
  const char *sees = "F: ld.volatile.shared.u32 %r5, [flag]; setp.eq.u32 %p4, %r5, 0; @%p4 bra F; ",
             *read = "ld.shared.u32 %r9, [%r4];",
             *again = "cp.async.ca.shared.global [%r4 + 512], [%rd3], 4; "
                      "cp.async.mbarrier.arrive.noinc.shared.b64 [second];",
             *waitFirst = "V: mbarrier.try_wait.parity.shared.b64 %p4, [first], 0; @!%p4 bra V; ";
  auto text = [](std::initializer_list<const char *> parts) {
    std::string whole;
    for (const char *part : parts)
      whole += part;
    return fill(whole.c_str(), {});
  };
  expect({
      {"a reader that met the issuer after its arrival",
       with("bar.sync 1, 64;", "first", "", text({"bar.sync 1, 64; ", read})), "race", 96},
      {"a reader that waits, too",
       with("bar.sync 1, 64;", "first", "", text({"bar.sync 1, 64; ", waitFirst, read})), "", 96},
      {"a reader that met who waited",
       with("", "first", "bar.sync 1, 64;", text({"bar.sync 1, 64; ", read})), "", 96},
      {"the issuer waits and meets the reader",
       with(text({sees, "cp.async.wait_all; bar.sync 1, 64;"}), "first", "",
            text({"bar.sync 1, 64; ", read})),
       "", 96},
      {"the issuer meets the reader, then waits",
       with(text({sees, "bar.sync 1, 64; cp.async.wait_all;"}), "first", "",
            text({"bar.sync 1, 64; ", read})),
       "race", 96},
      {"the issuer itself reads", with(text({sees, read}), "first", "", ""),
       "must wait for it as well", 96},
      {"the issuer waits and reads",
       with(text({sees, "cp.async.wait_all; ", read}), "first", "", ""), "", 96},
      {"the second of two copies", with(again, "second", "ld.shared.u32 %r9, [%r4 + 512];", ""), "",
       96},
      {"the first, by who waits for the second", with(again, "second", read, ""), "", 96},
      {"the second, by who waits for the first",
       with(again, "second", "", text({waitFirst, "ld.shared.u32 %r9, [%r4 + 512];"})), "race", 96},
      {"what the issuer stores between arrival and wait",
       with("st.shared.u32 [%r4 + 640], 1; cp.async.wait_all;", "first",
            "ld.shared.u32 %r9, [%r4 + 640];", ""),
       "race", 96},
      {"nobody waits before the thread exits",
       "@!%p2 bra B; cvta.to.global.u64 %rd3, %rd1; cp.async.ca.shared.global [%r1], [%rd3], 4; "
       "exit; B: bar.sync 0; ld.shared.u32 %r9, [%r3];",
       "race"},
  });
}

} // namespace
