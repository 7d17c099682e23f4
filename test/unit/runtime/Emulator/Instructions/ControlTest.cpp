//===- ControlTest.cpp - Divergence, barriers, calls, budgets ------------------===//
#include "Forms.h"

using namespace tilewright::emulator;

namespace {

TEST(Control, IfElseReconverges) {
  Snippet snippet;
  // After the join all lanes must be together: vote needs no waiting, and the
  // active mask is full.
  auto out = snippet.run(R"(
    and.b32 %r1, %t, 1; setp.eq.u32 %p1, %r1, 0;
    @%p1 bra EVEN;
    add.u32 %r2, %t, 100; bra JOIN;
  EVEN: add.u32 %r2, %t, 200;
  JOIN: activemask.b32 %r3;
    mov.b64 %rd1, {%r2, %r3}; st.global.u64 [%out], %rd1;)");
  EXPECT_EQ(snippet.error, "");
  for (unsigned t = 0; t < 32; ++t)
    EXPECT_EQ(out[t], (uint64_t(0xffffffff) << 32) | (t + (t % 2 ? 100 : 200)));
}

TEST(Control, LoopWithLaneDependentTrips) {
  Snippet snippet;
  auto out = snippet.run(R"(
    mov.u32 %r1, 0; mov.u32 %r2, 0;
  LOOP: setp.ge.u32 %p1, %r1, %t; @%p1 bra DONE;
    add.u32 %r2, %r2, %r1; add.u32 %r1, %r1, 1; bra LOOP;
  DONE: activemask.b32 %r3; mov.b64 %rd1, {%r2, %r3}; st.global.u64 [%out], %rd1;)");
  EXPECT_EQ(snippet.error, "");
  for (unsigned t = 0; t < 32; ++t)
    EXPECT_EQ(out[t], (uint64_t(0xffffffff) << 32) | (t * (t - 1) / 2));
}

TEST(Control, EarlyExitFreesBarrier) {
  Snippet snippet;
  // Half of warp 0 and all of warp 1 leave; the barrier counts the others.
  auto out = snippet.run(R"(
    .shared .b32 s[96];
    setp.lt.u32 %p1, %t, 16; @%p1 exit;
    setp.lt.u32 %p2, %t, 32; @%p2 bra GO;
    setp.lt.u32 %p1, %t, 64; @%p1 exit;
  GO: mov.u32 %r1, s; shl.b32 %r2, %t, 2; add.u32 %r1, %r1, %r2;
    st.shared.u32 [%r1], %t;
    bar.sync 0;
    xor.b32 %r3, %t, 80; xor.b32 %r4, %t, %r3; sub.u32 %r5, 95, %t; max.u32 %r5, %r5, 16;
    ld.shared.u32 %r6, [s+64]; cvt.u64.u32 %rd1, %r6; st.global.u64 [%out], %rd1;)",
                         {}, 96);
  EXPECT_EQ(snippet.error, "");
  for (unsigned t = 64; t < 96; ++t)
    EXPECT_EQ(out[t], 16u);
  EXPECT_EQ(out[0], 0u);
}

TEST(Control, BarrierOrdersWarps) {
  for (uint64_t seed : {0, 1, 2, 3}) {
    Options options;
    options.warpOrderSeed = seed;
    Snippet snippet("a100", options);
    auto out = snippet.run(R"(
      .shared .b32 s[128];
      mov.u32 %r1, s; shl.b32 %r2, %t, 2; add.u32 %r3, %r1, %r2;
      st.shared.u32 [%r3], %t;
      barrier.sync 3, 128;
      sub.u32 %r4, 127, %t; shl.b32 %r4, %r4, 2; add.u32 %r4, %r1, %r4;
      ld.shared.u32 %r5, [%r4]; cvt.u64.u32 %rd1, %r5; st.global.u64 [%out], %rd1;)",
                           {}, 128);
    EXPECT_EQ(snippet.error, "");
    for (unsigned t = 0; t < 128; ++t)
      EXPECT_EQ(out[t], 127 - t);
  }
}

TEST(Control, BarrierReduction) {
  Snippet snippet;
  auto out = snippet.run(R"(
    setp.lt.u32 %p1, %t, 40;
    bar.red.popc.u32 %r1, 0, %p1;
    bar.red.and.pred %p2, 0, !%p1; bar.red.or.pred %p3, 0, %p1;
    selp.u32 %r2, 1, 0, %p2; selp.u32 %r3, 2, 0, %p3; or.b32 %r2, %r2, %r3;
    mov.b64 %rd1, {%r1, %r2}; st.global.u64 [%out], %rd1;)",
                         {}, 64);
  EXPECT_EQ(snippet.error, "");
  for (unsigned t = 0; t < 64; ++t)
    EXPECT_EQ(out[t], (uint64_t(2) << 32) | 40);
}

/// Lane 0 takes a lock that lane 31 holds until lanes behind it get on: on a
/// machine without independent lanes this never ends.
TEST(Control, ElectedLaneSpins) {
  Snippet snippet;
  auto out = snippet.run(R"(
    .shared .b32 lock;
    setp.eq.u32 %p1, %t, 0; @%p1 st.shared.u32 [lock], 0;
    bar.warp.sync -1;
  TRY: atom.shared.cas.b32 %r1, [lock], 0, 1;
    setp.ne.u32 %p2, %r1, 0; @%p2 bra TRY;
    ld.global.u64 %rd1, [%in]; add.u64 %rd1, %rd1, 5; st.global.u64 [%out], %rd1;
    atom.shared.exch.b32 %r2, [lock], 0;)");
  EXPECT_EQ(snippet.error, "");
  for (unsigned t = 0; t < 32; ++t)
    EXPECT_EQ(out[t], 5u);
}

TEST(Control, WarpsHandOverThroughAFlag) {
  Snippet snippet;
  auto out = snippet.run(R"(
    .shared .b32 flag;
    setp.eq.u32 %p1, %t, 0; @%p1 st.shared.u32 [flag], 0;
    bar.sync 0;
    setp.ge.u32 %p2, %t, 32; @%p2 bra PRODUCE;
  WAIT: ld.volatile.shared.u32 %r1, [flag]; setp.eq.u32 %p3, %r1, 0; @%p3 bra WAIT;
    bra DONE;
  PRODUCE: mov.u32 %r1, 7; setp.eq.u32 %p4, %t, 40; @%p4 st.volatile.shared.u32 [flag], %r1;
  DONE: cvt.u64.u32 %rd1, %r1; st.global.u64 [%out], %rd1;)",
                         {}, 64);
  EXPECT_EQ(snippet.error, "");
  EXPECT_EQ(out[0], 7u);
}

TEST(Control, GridBarrierBringsBlocksIn) {
  Snippet snippet;
  // Every block waits until all four have counted: they must be resident
  // together.
  auto out = snippet.run(R"(
    setp.ne.u32 %p1, %t, 0; @%p1 bra OUT;
    mov.u64 %rd1, count; atom.global.add.u32 %r1, [%rd1], 1;
  WAIT: ld.acquire.gpu.global.u32 %r2, [%rd1]; setp.lt.u32 %p2, %r2, 4; @%p2 bra WAIT;
    cvt.u64.u32 %rd2, %r2; st.global.u64 [%out], %rd2;
  OUT:)",
                         {}, 32, ".global .u32 count;", {4, 1, 1});
  EXPECT_EQ(snippet.error, "");
  EXPECT_EQ(out[0], 4u);
}

TEST(Control, IndexedBranch) {
  Snippet snippet;
  auto out = snippet.run(R"(
    T: .branchtargets A, B, C;
    rem.u32 %r1, %t, 3; brx.idx %r1, T;
    A: mov.u64 %rd1, 10; bra J;
    B: mov.u64 %rd1, 20; bra J;
    C: mov.u64 %rd1, 30;
    J: st.global.u64 [%out], %rd1;)");
  EXPECT_EQ(snippet.error, "");
  for (unsigned t = 0; t < 32; ++t)
    EXPECT_EQ(out[t], 10 * (t % 3 + 1));
}

TEST(Control, CallsNestAndRecur) {
  Snippet snippet;
  // factorial by recursion, with lanes that stop at different depths.
  auto out = snippet.run(R"(
    and.b32 %r1, %t, 7;
    { .param .b32 x; .param .b64 y; st.param.b32 [x], %r1;
      call.uni (y), fact, (x); ld.param.b64 %rd1, [y]; }
    st.global.u64 [%out], %rd1;)",
                         {}, 32, R"(
    .func (.param .b64 y) fact(.param .b32 x) {
      .reg .b32 %r<4>; .reg .b64 %rd<4>; .reg .pred %p;
      .local .align 8 .b64 mine;
      ld.param.u32 %r1, [x]; cvt.u64.u32 %rd1, %r1; st.local.u64 [mine], %rd1;
      setp.gt.u32 %p, %r1, 1; @%p bra MORE;
      st.param.b64 [y], 1; ret;
    MORE: sub.u32 %r2, %r1, 1;
      { .param .b32 a; .param .b64 b; st.param.b32 [a], %r2;
        call (b), fact, (a); ld.param.b64 %rd2, [b]; }
      ld.local.u64 %rd3, [mine]; mul.lo.u64 %rd2, %rd2, %rd3; st.param.b64 [y], %rd2;
      ret; })");
  EXPECT_EQ(snippet.error, "");
  const uint64_t factorial[] = {1, 1, 2, 6, 24, 120, 720, 5040};
  for (unsigned t = 0; t < 32; ++t)
    EXPECT_EQ(out[t], factorial[t % 8]);
}

TEST(Control, FindsWhatCannotEnd) {
  Options options;
  options.instructionBudget = 100000;
  Snippet snippet("a100", options);
  snippet.run("L: bra L;");
  EXPECT_NE(snippet.error.find("instruction-budget"), std::string::npos) << snippet.error;
  // Warp 1 leaves, warp 0 waits for 64 threads.
  snippet.run("setp.ge.u32 %p1, %t, 32; @%p1 exit; barrier.sync 1, 64;", {}, 64);
  EXPECT_NE(snippet.error.find("deadlock: no warp of the block can go on; warp 0 waits at barrier "
                               "1 (1 of 2 warps arrived)"),
            std::string::npos)
      << snippet.error;
  snippet.run("setp.lt.u32 %p1, %t, 9; @%p1 bra A; bra B;\n"
              "A: shfl.sync.idx.b32 %r1, %t, 0, 31, -1; bra C;\n"
              "B: bar.sync 0;\nC: ");
  EXPECT_NE(snippet.error.find("deadlock"), std::string::npos) << snippet.error;
  snippet.run("trap;");
  EXPECT_NE(snippet.error.find("trap"), std::string::npos) << snippet.error;
}

/// What a form of bar or barrier needs in its registers: the barrier's number 1,
/// the count 64, and the predicate t < 40.
std::string fillBarrierOperands(const Statement &statement) {
  bool isReduce = statement.has("red");
  std::string body = "setp.lt.u32 %p9, %t, 40; setp.lt.u32 %p8, %t, 32;\n";
  for (size_t k = isReduce; k < statement.operands.size(); ++k) {
    llvm::StringRef operand = llvm::StringRef(statement.operands[k]).ltrim('!');
    if (operand.starts_with("%r"))
      body += "mov.u32 " + operand.str() + (k == isReduce ? ", 1;\n" : ", 64;\n");
    if (operand.starts_with("%p"))
      body += "mov.pred " + operand.str() + ", %p9;\n";
  }
  return body;
}

TEST(Control, TwoWarpsMeetAtEveryFormOfBarrier) {
  Snippet snippet;
  snippet.isRecorded = false;
  unsigned count = 0;
  for (const Statement &statement : readForms("barrier", "Barriers and fences")) {
    bool isReduce = statement.has("red"), isCount = statement.has("popc");
    bool isBarrier = statement.opcode == "bar" || statement.opcode == "barrier";
    if (!isBarrier || statement.has("cluster") || statement.has("warp"))
      continue;
    std::string body = fillBarrierOperands(statement) + "mov.u32 %r50, 7;\n";
    const std::string &number = statement.operands[isReduce], &result = statement.operands[0];
    if (statement.has("arrive")) // warp 1 does, warp 0 waits for it
      body += "@%p8 barrier.sync " + (number[0] == '%' ? "1" : number) + ", 64;\n@!%p8 ";
    body += statement.text + "\n";
    if (isReduce)
      body +=
          isCount ? "mov.u32 %r50, " + result + ";\n" : "selp.u32 %r50, 1, 0, " + result + ";\n";
    auto out = snippet.run(body + "cvt.u64.u32 %rd1, %r50; st.global.u64 [%out], %rd1;", {}, 64);
    ASSERT_EQ(snippet.error, "") << body;
    unsigned trueThreads = statement.operands.back()[0] == '!' ? 24 : 40;
    unsigned expected = !isReduce ? 7 : isCount ? trueThreads : statement.has("or");
    EXPECT_EQ(out[0], expected) << statement.text;
    EXPECT_EQ(out[63], expected) << statement.text;
    Executed::add(llvm::StringRef(statement.text).split(' ').first);
    ++count;
  }
  EXPECT_GE(count, 40u);
}

TEST(Control, BarrierMisuse) {
  Snippet snippet;
  snippet.run("barrier.sync 1, 40;");
  EXPECT_NE(snippet.error.find("barrier-misuse: a thread count of 40 is no multiple of 32"),
            std::string::npos)
      << snippet.error;
  snippet.run("mov.u32 %r1, 16; barrier.sync %r1;");
  EXPECT_NE(snippet.error.find("barrier 16 does not exist"), std::string::npos) << snippet.error;
  snippet.run("setp.lt.u32 %p1, %t, 32; @%p1 bar.arrive 1, 64; @!%p1 bar.arrive 1, 96;", {}, 64);
  EXPECT_NE(snippet.error.find("barrier-misuse: barrier 1 expects 64 threads"), std::string::npos)
      << snippet.error;
}

TEST(Control, Printf) {
  Snippet snippet;
  snippet.run(R"(
    .local .align 8 .b8 buffer[24];
    setp.ne.u32 %p1, %t, 3; @%p1 ret;
    mov.u64 %rd1, buffer; cvta.local.u64 %rd1, %rd1;
    st.u32 [%rd1], -7; st.f64 [%rd1+8], 0d3FF8000000000000; st.u64 [%rd1+16], 255;
    mov.u64 %rd2, format; cvta.global.u64 %rd2, %rd2;
    { .param .b64 f; .param .b64 v; .param .b32 n;
      st.param.b64 [f], %rd2; st.param.b64 [v], %rd1;
      call.uni (n), vprintf, (f, v); ld.param.b32 %r1, [n]; }
    cvt.u64.u32 %rd3, %r1; st.global.u64 [%out], %rd3;)",
              {}, 32,
              ".extern .func (.param .b32 n) vprintf (.param .b64 f, .param .b64 v);\n"
              ".global .align 1 .b8 format[17] = "
              "{37,100,32,37,46,50,102,32,37,108,108,120,37,37,33,10,0};");
  EXPECT_EQ(snippet.error, "");
  EXPECT_EQ(snippet.device->getLastReport().output, "-7 1.50 ff%!\n");
}

} // namespace
