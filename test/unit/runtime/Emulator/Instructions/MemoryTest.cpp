//===- MemoryTest.cpp - Loads, stores, atomics, copies and their findings ----===//
#include "Snippet.h"
#include "llvm/ADT/STLExtras.h"
#include <bit>

using namespace tilewright::emulator;

namespace {

bool contains(const std::string &text, llvm::StringRef part) {
  return llvm::StringRef(text).contains(part);
}

TEST(Memory, WidthsAndExtension) {
  Snippet snippet;
  std::vector<uint64_t> in(32, 0xfedcba9876543280);
  auto out = snippet.run(R"(
    .shared .align 16 .b8 s[1024];
    ld.global.s8 %r1, [%in]; ld.global.u8 %r2, [%in]; ld.global.s16 %rd1, [%in+6];
    shl.b32 %r3, %t, 4; mov.u32 %r4, s; add.u32 %r3, %r3, %r4;
    st.shared.v4.u16 [%r3], {%h1, %h1, %h1, %h1};
    st.shared.u8 [%r3], %r1; st.shared.u16 [%r3+2], %r2; cvt.u32.u64 %r5, %rd1;
    st.shared.u32 [%r3+4], %r5;
    ld.shared.v2.b32 {%r6, %r7}, [%r3]; and.b32 %r6, %r6, 0xffff00ff; mov.b64 %rd2, {%r6, %r7};
    st.global.b64 [%out], %rd2;)",
                         in);
  EXPECT_EQ(snippet.error, "");
  EXPECT_EQ(out[5], 0xfffffedc00800080u);
}

TEST(Memory, GenericAddressesReachEverySpace) {
  Snippet snippet;
  // Lanes of one instruction use local, shared, global and constant memory.
  auto out = snippet.run(R"(
    .shared .align 8 .b8 s[256]; .local .align 8 .b8 l[16];
    shl.b32 %r1, %t, 3; mov.u32 %r2, s; add.u32 %r2, %r2, %r1;
    cvt.u64.u32 %rd1, %t; mul.lo.u64 %rd1, %rd1, 3;
    st.shared.u64 [%r2], %rd1; st.local.u64 [l+8], %rd1; st.global.u64 [%out], %rd1;
    cvt.u64.u32 %rd2, %r2; cvta.shared.u64 %rd2, %rd2;
    mov.u64 %rd3, l; cvta.local.u64 %rd3, %rd3; add.u64 %rd3, %rd3, 8;
    mov.u64 %rd4, c; cvta.const.u64 %rd4, %rd4;
    isspacep.shared %p4, %rd2; isspacep.const %p5, %rd4; isspacep.global %p6, %rd3;
    and.b32 %r3, %t, 3;
    setp.eq.u32 %p1, %r3, 0; setp.eq.u32 %p2, %r3, 1; setp.eq.u32 %p3, %r3, 2;
    selp.u64 %rd5, %rd2, %out, %p1; selp.u64 %rd5, %rd3, %rd5, %p2; selp.u64 %rd5, %rd4, %rd5, %p3;
    ld.u64 %rd6, [%rd5];
    selp.u64 %rd7, 1000, 0, %p4; add.u64 %rd6, %rd6, %rd7; selp.u64 %rd7, 2000, 0, %p5;
    add.u64 %rd6, %rd6, %rd7; selp.u64 %rd7, 9999, 0, %p6; add.u64 %rd6, %rd6, %rd7;
    st.global.u64 [%out], %rd6;)",
                         {}, 32, ".const .u64 c = 77;");
  EXPECT_EQ(snippet.error, "");
  for (unsigned t = 0; t < 32; ++t)
    EXPECT_EQ(out[t], 3000 + (t % 4 == 2 ? 77 : 3 * t));
}

TEST(Memory, FindsBadAddresses) {
  Snippet snippet;
  auto out = snippet.run("st.global.u32 [%out+300], 1;");
  EXPECT_TRUE(contains(snippet.error, "out-of-bounds: writes 4 bytes outside every allocation at "
                                      "global address 0x"))
      << snippet.error;
  EXPECT_TRUE(contains(snippet.error, "of 256 bytes, offset 300) in kernel 'k', ptx line 11 "
                                      "'st.global.u32', block (0,0,0), warp 0, lane 0"))
      << snippet.error;
  const Finding &finding = snippet.device->getLastReport().findings.at(0);
  EXPECT_EQ(finding.kind, FindingKind::OutOfBounds);
  EXPECT_EQ(finding.lane, 0);
  // One lane of a contiguous access is beyond the end.
  snippet.run("ld.global.u64 %rd1, [%in+8];");
  EXPECT_TRUE(contains(snippet.error, "lane 31")) << snippet.error;
  snippet.run("ld.global.u32 %r1, [%in+2];");
  EXPECT_TRUE(contains(snippet.error, "misaligned: reads 4 bytes that must be aligned to 4"))
      << snippet.error;
  snippet.run("mov.u64 %rd1, 0; ld.u32 %r1, [%rd1];");
  EXPECT_TRUE(contains(snippet.error, "(no allocation near)")) << snippet.error;
  snippet.run(".shared .b8 s[64]; ld.shared.u32 %r1, [s+64];");
  EXPECT_TRUE(contains(snippet.error, "outside the block's 64 bytes of shared memory"))
      << snippet.error;
  snippet.run("mov.u32 %r1, 0; st.shared.u32 [%r1], 5;");
  EXPECT_TRUE(contains(snippet.error, "out-of-bounds")) << snippet.error;
  snippet.run(".local .b8 l[16]; ld.local.u32 %r1, [l+16];");
  EXPECT_TRUE(contains(snippet.error, "outside the thread's stack")) << snippet.error;
  snippet.run("ld.param.u64 %rd1, [out+8];");
  EXPECT_TRUE(contains(snippet.error, "outside the 16 bytes of parameters")) << snippet.error;
  snippet.run("mov.u64 %rd1, c; st.global.u32 [%rd1], 5;", {}, 32, ".const .u32 c = 1;");
  EXPECT_TRUE(contains(snippet.error, "read-only-write")) << snippet.error;
  snippet.run("ld.const.u32 %r1, [%out];");
  EXPECT_TRUE(contains(snippet.error, "wrong-space")) << snippet.error;
}

TEST(Memory, ReleasedMemoryIsNamed) {
  Snippet snippet;
  uint64_t pointer = must(snippet.device->allocate(64));
  llvm::cantFail(snippet.device->release(pointer));
  snippet.run("mov.u64 %rd1, " + std::to_string(pointer) + "; ld.global.u32 %r1, [%rd1];");
  EXPECT_TRUE(contains(snippet.error, "freed allocation 0 of 64 bytes, offset 0")) << snippet.error;
  EXPECT_TRUE(contains(llvm::toString(snippet.device->release(pointer)), "already released"));
}

TEST(Memory, Atomics) {
  Snippet snippet;
  struct {
    const char *text;
    uint64_t initial, expected;
  } cases[] = {
      {"red.global.add.u32 [%rd1], %t;", 5, 5 + 496},
      {"atom.global.add.u64 %rd2, [%rd1], 3;", 1, 97},
      {"atom.global.max.s32 %r1, [%rd1], %t;", 7, 31},
      {"red.global.min.u32 [%rd1], %t;", 7, 0},
      {"red.global.or.b32 [%rd1], %r9;", 0, 0xffffffff},
      {"red.global.xor.b32 [%rd1], %r9;", 1, 0xfffffffe},
      {"red.global.and.b32 [%rd1], %t;", 0xff, 0},
      {"atom.global.inc.u32 %r1, [%rd1], 9;", 0, 2}, // wraps after 9
      {"atom.global.dec.u32 %r1, [%rd1], 9;", 0, 8},
      {"atom.global.exch.b32 %r1, [%rd1], %t;", 0, 31},
      {"atom.global.cas.b32 %r1, [%rd1], %t, %r8;", 0, 32},
      {"red.global.add.f32 [%rd1], 0f3F000000;", 0x3f800000, 0x41880000}, // 1 + 16
      {"atom.global.add.f64 %fd1, [%rd1], 0d3FF0000000000000;", 0, 0x4040000000000000},
      {"red.global.add.noftz.f16x2 [%rd1], %r7;", 0, 0x50004c00}, // 16, 32
      {"red.relaxed.gpu.global.add.noftz.bf16x2 [%rd1], %r6;", 0, 0x42004180},
  };
  for (const auto &test : cases) {
    SCOPED_TRACE(test.text);
    auto out = snippet.run(
        "mov.u64 %rd1, cell; mov.b64 %rd3, " + std::to_string(test.initial) +
            "; st.global.u64 [%rd1], %rd3; bar.warp.sync -1;\n"
            "mov.u32 %r9, %lanemask_eq; add.u32 %r8, %t, 1; mov.b32 %r7, 0x3c003800;\n"
            "mov.b32 %r6, 0x3f803f00;\n" +
            test.text +
            "\nbar.warp.sync -1; ld.global.u64 %rd4, [%rd1]; st.global.u64 [%out], %rd4;",
        {}, 32, ".global .align 8 .u64 cell;");
    EXPECT_EQ(snippet.error, "");
    EXPECT_EQ(out[0], test.expected) << std::hex << out[0];
  }
}

TEST(Memory, AtomicsReturnEachOldValueOnce) {
  Snippet snippet;
  auto out = snippet.run(R"(
    mov.u64 %rd1, cell; atom.global.add.u32 %r1, [%rd1], 1; cvt.u64.u32 %rd2, %r1;
    st.global.u64 [%out], %rd2;)",
                         {}, 96, ".global .u32 cell = 10;");
  std::sort(out.begin(), out.end());
  for (unsigned t = 0; t < 96; ++t)
    EXPECT_EQ(out[t], 10 + t);
}

constexpr const char *kCopy = R"(
    .shared .align 16 .b8 s[1024];
    shl.b32 %r1, %t, 4; mov.u32 %r2, s; add.u32 %r2, %r2, %r1;
    mul.wide.u32 %rd1, %t, 8; add.u64 %rd2, %in, %rd1;
    st.shared.u64 [%r2+8], -1;
)";

TEST(Async, CopiesLandWithTheirGroup) {
  for (LandingPolicy policy : {LandingPolicy::Late, LandingPolicy::Eager, LandingPolicy::Random}) {
    Options options;
    options.landing = policy;
    Snippet snippet("a100", options);
    std::vector<uint64_t> in(64);
    for (unsigned i = 0; i < 64; ++i)
      in[i] = 1000 + i;
    auto out = snippet.run(std::string(kCopy) + R"(
      cp.async.cg.shared.global [%r2], [%rd2], 16; cp.async.commit_group;
      cp.async.ca.shared.global.L2::128B [%r2+512], [%in], 8, 4; cp.async.commit_group;
      cp.async.wait_group 1;
      ld.shared.v2.u64 {%rd3, %rd4}, [%r2]; add.u64 %rd3, %rd3, %rd4;
      cp.async.wait_all;
      ld.shared.u64 %rd5, [%r2+512]; shl.b64 %rd5, %rd5, 32; add.u64 %rd3, %rd3, %rd5;
      st.global.u64 [%out], %rd3;)",
                           in);
    EXPECT_EQ(snippet.error, "");
    for (unsigned t = 0; t < 32; ++t)
      EXPECT_EQ(out[t], 2 * (1000 + 2 * t) + 1 + (uint64_t(1000 + t) << 32));
    const Report &report = snippet.device->getLastReport();
    for (const CounterLine &line : report.lines)
      if (line.text == "cp.async.wait_group" && policy == LandingPolicy::Late) {
        EXPECT_EQ(line.counters.asyncInFlightMin, 256u);
        EXPECT_EQ(line.counters.asyncInFlightMax, 256u);
      }
    EXPECT_EQ(report.total.asyncBytes, 32u * 24);
  }
}

TEST(Async, FindsReadsBeforeTheWait) {
  Snippet snippet;
  snippet.run(std::string(kCopy) + R"(
      cp.async.cg.shared.global [%r2], [%rd2], 16; cp.async.commit_group;
      cp.async.wait_group 1; ld.shared.u32 %r3, [%r2+12];)",
              std::vector<uint64_t>(64));
  EXPECT_TRUE(contains(snippet.error,
                       "async-read-early: reads the destination of an asynchronous copy that has "
                       "not been waited for at shared address"))
      << snippet.error;
  EXPECT_TRUE(contains(snippet.error, "(s + 12)")) << snippet.error;
  // A wait covers committed groups only.
  snippet.run(std::string(kCopy) + R"(
      cp.async.cg.shared.global [%r2], [%rd2], 16;
      cp.async.wait_group 0; ld.shared.u32 %r3, [%r2];)",
              std::vector<uint64_t>(64));
  EXPECT_TRUE(contains(snippet.error, "async-read-early")) << snippet.error;
  // Other lanes' copies are not covered by this lane's wait.
  snippet.run(std::string(kCopy) + R"(
      cp.async.cg.shared.global [%r2], [%rd2], 16; cp.async.commit_group;
      setp.ne.u32 %p1, %t, 0; @%p1 cp.async.wait_group 0; @!%p1 ld.shared.u32 %r3, [%r2];)",
              std::vector<uint64_t>(64));
  EXPECT_TRUE(contains(snippet.error, "lane 0")) << snippet.error;
  snippet.run(std::string(kCopy) + R"(
      cp.async.cg.shared.global [%r2], [%rd2], 16; cp.async.commit_group;
      st.shared.u32 [%r2+4], 0; cp.async.wait_group 0;)",
              std::vector<uint64_t>(64));
  EXPECT_TRUE(contains(snippet.error, "async-write-race")) << snippet.error;
}

TEST(Async, IgnoredSourceNeedsNoMemory) {
  Snippet snippet;
  auto out = snippet.run(std::string(kCopy) + R"(
      mov.u64 %rd6, 0; mov.u32 %r4, 0;
      cp.async.cg.shared.global [%r2], [%rd6], 16, %r4; cp.async.wait_all;
      ld.shared.v2.u64 {%rd3, %rd4}, [%r2]; or.b64 %rd3, %rd3, %rd4; st.global.u64 [%out], %rd3;)");
  EXPECT_EQ(snippet.error, "");
  EXPECT_EQ(out[9], 0u);
  snippet.run(std::string(kCopy) + "cp.async.cg.shared.global [%r2], [%rd2], 8;");
  EXPECT_TRUE(contains(snippet.error, "'cp.async.cg' copies 16 bytes, but got 8")) << snippet.error;
}

TEST(Mbarrier, PhasesCompleteAndWaitersGoOn) {
  Snippet snippet;
  // Warp 1 copies and arrives; warp 0 waits for two phases in turn.
  std::vector<uint64_t> in(128);
  for (unsigned i = 0; i < 128; ++i)
    in[i] = 7 * i;
  auto out = snippet.run(R"(
    .shared .align 8 .b64 bar; .shared .align 16 .b8 s[512];
    setp.eq.u32 %p1, %t, 0; @%p1 mbarrier.init.shared.b64 [bar], 32;
    bar.sync 0;
    and.b32 %r1, %t, 31; shl.b32 %r1, %r1, 3; mov.u32 %r2, s; add.u32 %r2, %r2, %r1;
    mov.u32 %r5, 0; setp.lt.u32 %p2, %t, 32;
  AGAIN: @%p2 bra WAIT;
    cp.async.ca.shared.global [%r2], [%in], 8;
    cp.async.mbarrier.arrive.noinc.shared.b64 [bar]; bra NEXT;
  WAIT: mbarrier.try_wait.parity.shared::cta.b64 %p3, [bar], %r5; @!%p3 bra WAIT;
    ld.shared.u64 %rd1, [%r2]; add.u64 %rd1, %rd1, 1; st.global.u64 [%out], %rd1;
  NEXT: bar.sync 0; add.u32 %r5, %r5, 1; setp.lt.u32 %p4, %r5, 2; @%p4 bra AGAIN;)",
                         in, 64);
  EXPECT_EQ(snippet.error, "");
  for (unsigned t = 0; t < 32; ++t)
    EXPECT_EQ(out[t], 7u * (32 + t) + 1);
  out = snippet.run(R"(
    .shared .align 8 .b64 bar;
    setp.ne.u32 %p1, %t, 0; @%p1 ret;
    mbarrier.init.shared.b64 [bar], 3;
    mbarrier.arrive.shared.b64 %rd1, [bar]; mbarrier.pending_count.b64 %r1, %rd1;
    mbarrier.arrive.noComplete.shared.b64 %rd2, [bar], 1; mbarrier.pending_count.b64 %r2, %rd2;
    mbarrier.test_wait.shared.b64 %p2, [bar], %rd1;
    mbarrier.arrive.shared.b64 %rd2, [bar];
    mbarrier.test_wait.shared.b64 %p3, [bar], %rd1;
    selp.u32 %r3, 1, 0, %p2; selp.u32 %r4, 2, 0, %p3; add.u32 %r3, %r3, %r4;
    shl.b32 %r1, %r1, 8; add.u32 %r1, %r1, %r2; mov.b64 %rd3, {%r1, %r3};
    st.global.u64 [%out], %rd3;)");
  EXPECT_EQ(snippet.error, "");
  EXPECT_EQ(out[0], uint64_t(2) << 32 | 0x302);
  snippet.run(R"(
    .shared .align 8 .b64 bar; mov.u32 %r1, 0;
    setp.eq.u32 %p1, %t, 0; @%p1 mbarrier.init.shared.b64 [bar], 1; bar.warp.sync -1;
  WAIT: mbarrier.try_wait.parity.shared.b64 %p3, [bar], %r1; @!%p3 bra WAIT;)");
  EXPECT_TRUE(contains(snippet.error, "deadlock: no warp of the block can go on, and no block will "
                                      "end their waits; warp 0 polls"))
      << snippet.error;
  snippet.run(R"(
    .shared .align 8 .b64 bar; setp.ne.u32 %p1, %t, 0; @%p1 ret;
    mbarrier.init.shared.b64 [bar], 1; mbarrier.arrive.shared.b64 _, [bar], 2;)");
  EXPECT_TRUE(contains(snippet.error, "2 arrivals at an mbarrier that waits for 1"))
      << snippet.error;
}

TEST(Counters, CountBankConflictsAndSectors) {
  Snippet snippet;
  snippet.run(R"(
    .shared .align 16 .b8 s[4096];
    mov.u32 %r1, s; shl.b32 %r2, %t, 2; add.u32 %r2, %r1, %r2;
    shl.b32 %r3, %t, 7; add.u32 %r3, %r1, %r3;
    shl.b32 %r4, %t, 4; add.u32 %r4, %r1, %r4;
    st.shared.u32 [%r2], %t;
    bar.warp.sync -1;
    st.shared.v4.u32 [%r4], {%t, %t, %t, %t};
    bar.warp.sync -1;
    ld.shared.f32 %f1, [%r1];
    bar.warp.sync -1;
    atom.shared.add.u32 %r5, [%r3], 1;
    ld.global.u32 %r6, [%in];)");
  ASSERT_EQ(snippet.error, "");
  auto find = [&](llvm::StringRef text) {
    for (const CounterLine &line : snippet.device->getLastReport().lines)
      if (line.text == text)
        return line.counters;
    ADD_FAILURE() << text.str();
    return Counters();
  };
  EXPECT_EQ(find("st.shared.u32").sharedWavefronts, 1u);
  EXPECT_EQ(find("st.shared.v4.u32").sharedWavefronts, 4u);
  EXPECT_EQ(find("ld.shared.f32").sharedWavefronts, 1u); // broadcast
  EXPECT_EQ(find("atom.shared.add.u32").sharedWavefronts, 32u);
  EXPECT_EQ(find("atom.shared.add.u32").sharedIdealWavefronts, 1u);
  Counters strided = find("ld.global.u32"); // every second word
  EXPECT_EQ(strided.globalSectors, 8u);
  EXPECT_EQ(strided.globalSectorsNeeded, 4u);
  EXPECT_EQ(strided.activeLanes, 32u);
  EXPECT_TRUE(snippet.device->getLastReport().toJSON().getObject("total"));
}

TEST(Memory, CopiesWithACachePolicy) {
  Snippet snippet;
  auto out = snippet.run(R"(
    .shared .align 16 .b8 buffer[64]; mov.u64 %rd1, buffer; mov.u32 %r1, 8;
    createpolicy.fractional.L2::evict_first.b64 %rd2;
    cp.async.cg.shared.global.L2::cache_hint [%rd1], [%in], 16, %rd2;
    cp.async.cg.shared.global.L2::cache_hint [%rd1+16], [%in], 16, %r1, %rd2;
    cp.async.cg.shared.global.L2::cache_hint.L2::128B [%rd1+32], [%in], 16, %r1, %rd2;
    cp.async.wait_all;
    ld.shared.v2.u64 {%rd3, %rd4}, [%rd1]; ld.shared.v2.u64 {%rd5, %rd6}, [%rd1+16];
    ld.shared.v2.u64 {%rd7, %rd8}, [%rd1+32];
    mad.lo.u64 %rd3, %rd4, 100, %rd3; mad.lo.u64 %rd3, %rd5, 10000, %rd3;
    mad.lo.u64 %rd3, %rd7, 1000000, %rd3; add.u64 %rd6, %rd6, %rd8;
    mad.lo.u64 %rd3, %rd6, 100000000, %rd3; st.global.u64 [%out], %rd3;)",
                         {11, 22}, 1);
  EXPECT_EQ(snippet.error, "");
  EXPECT_EQ(out[0], 11112211u); // the rest of a short source is zero
}

TEST(Memory, AtomicsOf128Bits) {
  Snippet snippet;
  // Lanes count in both words, one after another; the last exchange is lane 31's.
  auto out = snippet.run(R"(
    .shared .align 16 .b8 counter[16]; .reg .b128 %q<5>; .reg .b64 %x, %y, %c, %e;
    mov.u64 %x, 0; mov.b128 %q1, {%x, %x}; mov.u64 %rd1, counter; st.shared.b128 [%rd1], %q1;
    bar.sync 0;
  AGAIN: ld.relaxed.cta.shared.b128 %q1, [%rd1]; mov.b128 {%x, %y}, %q1;
    add.u64 %x, %x, 1; add.u64 %y, %y, 2; mov.b128 %q2, {%x, %y};
    atom.relaxed.cta.shared.cas.b128 %q3, [%rd1], %q1, %q2;
    mov.b128 {%c, %e}, %q3; sub.u64 %x, %x, 1; setp.ne.u64 %p1, %x, %c; @%p1 bra AGAIN;
    bar.sync 0;
    ld.shared.v2.u64 {%x, %y}, [%rd1]; bar.sync 0;
    cvt.u64.u32 %c, %t; mov.b128 %q4, {%c, %c};
    atom.relaxed.cta.shared.exch.b128 %q1, [%rd1], %q4; bar.sync 0;
    ld.shared.v2.u64 {%c, %e}, [%rd1];
    mad.lo.u64 %x, %y, 1000, %x; mad.lo.u64 %x, %e, 1000000, %x; st.global.u64 [%out], %x;)");
  EXPECT_EQ(snippet.error, "");
  EXPECT_EQ(out[3], 32u + 64 * 1000 + 31 * 1000000u);
}

TEST(Memory, TransactionsComplete) {
  Snippet snippet;
  auto out = snippet.run(R"(
    .shared .align 8 .b64 bar; setp.ne.u32 %p1, %t, 0; mov.u64 %rd4, 0; @%p1 bra OUT;
    mov.u32 %r1, 1; mov.u32 %r2, 64;
    mbarrier.init.shared.b64 [bar], %r1; mbarrier.expect_tx.relaxed.cta.shared.b64 [bar], %r2;
    mbarrier.arrive.shared.b64 %rd1, [bar]; mbarrier.test_wait.shared.b64 %p2, [bar], %rd1;
    mbarrier.complete_tx.relaxed.cta.shared.b64 [bar], %r2;
    mbarrier.test_wait.shared.b64 %p3, [bar], %rd1;
    selp.u64 %rd2, 1, 0, %p2; selp.u64 %rd3, 2, 0, %p3; add.u64 %rd4, %rd2, %rd3;
  OUT: st.global.u64 [%out], %rd4;)");
  EXPECT_EQ(snippet.error, "");
  EXPECT_EQ(out[0], 2u);
}

} // namespace
