//===- MoveTest.cpp - Moves, addresses, special registers, the stack ----------===//
#include "Snippet.h"

using namespace tilewright::emulator;

namespace {

std::vector<uint64_t> run(const std::string &body, const std::string &module = {},
                          unsigned threads = 32, unsigned blocks = 1) {
  Snippet snippet;
  auto out = snippet.run(body, {}, threads, module, {blocks, 1, 1});
  EXPECT_EQ(snippet.error, "");
  return out;
}

TEST(Move, VectorsMoveAtOnce) {
  // The elements change places, so each source is read before any is written.
  auto out = run("mov.u32 %r1, 1; mov.u32 %r2, 2; mov.u32 %r3, 3; mov.u32 %r4, 4;\n"
                 "mov.v4.b32 {%r1, %r2, %r3, %r4}, {%r4, %r3, %r2, %r1};\n"
                 "mov.b64 %rd1, {%r1, %r2}; mov.b64 %rd2, {%r3, %r4};\n"
                 "mov.v2.b64 {%rd1, %rd2}, {%rd2, %rd1}; shl.b64 %rd2, %rd2, 8;\n"
                 "add.u64 %rd1, %rd1, %rd2; st.global.u64 [%out], %rd1;");
  EXPECT_EQ(out[5], (uint64_t(1) << 32 | 2) + ((uint64_t(3) << 32 | 4) << 8));
}

TEST(Move, ThreadIndexAsVector) {
  auto out = run("mov.v4.u32 {%r1, %r2, %r3, %r4}, %tid;\n"
                 "mov.v4.u32 {%r5, %r6, %r7, %r8}, %ntid;\n"
                 "add.u32 %r2, %r2, %r3; add.u32 %r2, %r2, %r4; mad.lo.u32 %r1, %r5, 1000, %r1;\n"
                 "mad.lo.u32 %r1, %r6, 10000000, %r1; mov.b64 %rd1, {%r1, %r2};\n"
                 "st.global.u64 [%out], %rd1;",
                 {}, 64);
  EXPECT_EQ(out[40], 10000000u + 64000 + 40);
}

TEST(Move, SmallPartsAndSpaces) {
  auto out =
      run("mov.u32 %r1, 0x12345678; mov.b32 {%h1, %h2}, %r1; .reg .b8 %b<5>;\n"
          "mov.b16 {%b1, %b2}, %h1; mov.b16 %h3, {%b2, %b1}; mov.u16 %h4, %h3;\n"
          "mov.s16 %h4, %h4; mov.b16 %h4, %h4; mov.b32 %r2, {%h4, %h2};\n"
          "mov.v2.b32 {%r3, %r4}, {%r2, %r1}; mov.v2.u32 {%r3, %r4}, {%r4, %r3};\n"
          ".shared .b32 x; .reg .f32 %g<4>; mov.v2.f32 {%g1, %g2}, {0f3F800000, 0f40000000};\n"
          "mov.u64 %rd1, x; cvta.shared.u64 %rd1, %rd1; isspacep.shared::cluster %p1, %rd1;\n"
          "isspacep.shared::cluster %p2, %in; selp.u32 %r5, 1, 0, %p1;\n"
          "selp.u32 %r6, 2, 0, %p2; add.u32 %r3, %r3, %r5; add.u32 %r3, %r3, %r6;\n"
          "mov.b64 %rd2, {%r3, %r4}; st.global.u64 [%out], %rd2;");
  EXPECT_EQ(out[0], 0x12345678u + 1 + (uint64_t(0x12347856) << 32));
}

TEST(Move, AddressesWithOffsets) {
  auto out = run(R"(
    .shared .align 16 .b8 fixed[64]; .local .align 8 .b64 mine[4];
    mov.u64 %rd1, table+8; ld.global.u64 %rd2, [%rd1];
    mov.u32 %r1, fixed+24; st.shared.u64 [%r1], 5; ld.shared.u64 %rd3, [fixed+24];
    mov.u32 %r2, dynamic+4; mov.u32 %r3, dynamic; sub.u32 %r2, %r2, %r3; cvt.u64.u32 %rd4, %r2;
    mov.u64 %rd5, mine+16; st.local.u64 [mine+16], 7; ld.local.u64 %rd6, [%rd5];
    cvta.local.u64 %rd7, mine; ld.u64 %rd8, [%rd7+16];
    add.u64 %rd2, %rd2, %rd3; add.u64 %rd2, %rd2, %rd4; add.u64 %rd6, %rd6, %rd8;
    add.u64 %rd2, %rd2, %rd6; st.global.u64 [%out], %rd2;)",
                 ".global .align 8 .u64 table[3] = {100, 200, 300};\n"
                 ".extern .shared .align 16 .b8 dynamic[];",
                 1);
  EXPECT_EQ(out[0], 200u + 5 + 4 + 7 + 7);
}

TEST(Move, SpecialRegisters) {
  struct Row {
    const char *name;
    uint64_t value;
  };
  // Thread 37 of block 2 of 3 blocks of 64 threads.
  const Row rows[] = {
      {"u32 %r1, %tid.x", 37},
      {"u32 %r1, %ntid.x", 64},
      {"u32 %r1, %ctaid.x", 2},
      {"u32 %r1, %nctaid.x", 3},
      {"u32 %r1, %tid.y", 0},
      {"u32 %r1, %ntid.z", 1},
      {"u32 %r1, %laneid", 5},
      {"u32 %r1, %warpid", 1},
      {"u32 %r1, %nwarpid", 2},
      {"u32 %r1, %nsmid", 108},
      {"u32 %r1, %lanemask_eq", 1u << 5},
      {"u32 %r1, %lanemask_lt", (1u << 5) - 1},
      {"u32 %r1, %lanemask_le", (1u << 6) - 1},
      {"u32 %r1, %lanemask_gt", ~0u << 6},
      {"u32 %r1, %lanemask_ge", ~0u << 5},
      {"u32 %r1, %gridid", 0},
      {"b32 %r1, %envreg0", 0},
      {"b32 %r1, %envreg31", 0},
      {"u32 %r1, %pm7", 0},
      {"u32 %r1, %total_smem_size", 0},
      {"u32 %r1, %dynamic_smem_size", 0},
      {"u32 %r1, %aggr_smem_size", 1024},
      {"u32 %r1, %reserved_smem_offset_begin", 0},
      {"u32 %r1, %reserved_smem_offset_end", 1024},
      {"u32 %r1, %reserved_smem_offset_cap", 1024},
      {"u32 %r1, %cluster_ctaid.x", 0},
      {"u32 %r1, %cluster_nctaid.x", 1},
      {"u32 %r1, %clusterid.x", 2},
      {"u32 %r1, %nclusterid.x", 3},
      {"u32 %r1, %cluster_ctarank", 0},
      {"u32 %r1, %cluster_nctarank", 1},
  };
  for (const Row &row : rows) {
    auto out = run("mov." + std::string(row.name) +
                       "; mov.u32 %r2, %ctaid.x; setp.ne.u32 %p1, %r2, 2; @%p1 ret;\n"
                       "cvt.u64.u32 %rd1, %r1; st.global.u64 [%out], %rd1;",
                   {}, 64, 3);
    EXPECT_EQ(out[37], row.value) << row.name;
  }
  auto out =
      run("mov.u64 %rd1, %gridid; mov.u64 %rd2, %current_graph_exec; mov.u64 %rd3, %pm0_64;\n"
          "mov.pred %p1, %is_explicit_cluster; selp.u64 %rd4, 1, 7, %p1;\n"
          "add.u64 %rd4, %rd4, %rd1; add.u64 %rd4, %rd4, %rd2; add.u64 %rd4, %rd4, %rd3;\n"
          "st.global.u64 [%out], %rd4;");
  EXPECT_EQ(out[0], 7u);
}

// What cooperative groups rely on: a word of shared memory and one of global memory
// that are zero when the launch starts, each launch anew.
TEST(Move, CooperativeGroupsHaveTheirOwnMemory) {
  Snippet snippet;
  for (int launch = 0; launch < 2; ++launch) {
    auto out =
        snippet.run("mov.u32 %r1, %reserved_smem_offset_1;\n"
                    "atom.shared.add.u32 %r2, [%r1], 1; atom.shared.add.u32 %r3, [%r1+288], 1;\n"
                    "mov.b32 %r4, %envreg1; mov.b32 %r5, %envreg2; mov.b64 %rd1, {%r5, %r4};\n"
                    "atom.add.u32 %r6, [%rd1+4], 16; add.u32 %r6, %r6, %r2;\n"
                    "add.u32 %r6, %r6, %r3; cvt.u64.u32 %rd2, %r6; setp.eq.u32 %p1, %r6, 0; @!%p1 "
                    "st.global.u64 [%out], %rd2;",
                    {}, 1, "", {2, 1, 1}, 1);
    EXPECT_EQ(snippet.error, "");
    EXPECT_EQ(out[0], 16u) << "the second block's, after the first block's barrier word";
  }
}

TEST(Move, ParametersOfTheEntry) {
  auto out = run("ld.param::entry.u32 %r1, [in]; ld.param.u64 %rd1, [in]; cvt.u32.u64 %r2, %rd1;\n"
                 "xor.b32 %r1, %r1, %r2; cvt.u64.u32 %rd2, %r1; st.global.u64 [%out], %rd2;");
  EXPECT_EQ(out[0], 0u);
}

TEST(Move, UnknownNamesAreRefused) {
  Snippet snippet;
  for (const char *name : {"%envreg32", "%pm8", "%tid.w", "%nothing", "%tid"}) {
    snippet.run("mov.u32 %r1, " + std::string(name) + ";");
    EXPECT_NE(snippet.error.find("unknown name '" + std::string(name)), std::string::npos)
        << snippet.error;
  }
}

TEST(Stack, GrowsByLaneAndIsRestored) {
  // Lane t takes 8 (t + 1) bytes, and 16 after restoring, which start where the
  // first did; a function's frame lies above both.
  auto out = run(R"(
    stacksave.u64 %rd1; mad.lo.u32 %r1, %t, 8, 8; cvt.u64.u32 %rd2, %r1;
    alloca.u64 %rd3, %rd2, 16; cvta.local.u64 %rd4, %rd3;
    add.u64 %rd5, %rd4, %rd2; cvt.u64.u32 %rd6, %t; st.u64 [%rd5-8], %rd6;
    call spoil;
    ld.u64 %rd7, [%rd5-8];
    stackrestore.u64 %rd1; alloca.u64 %rd8, 16;
    sub.u64 %rd8, %rd8, %rd3; mad.lo.u64 %rd7, %rd8, 1000, %rd7; st.global.u64 [%out], %rd7;)",
                 ".func spoil() { .local .align 8 .b64 x[40]; .reg .b64 %d; .reg .b32 %i;\n"
                 ".reg .pred %p; mov.u32 %i, 0; mov.u64 %d, x;\n"
                 "L: st.local.u64 [%d], -1; add.u64 %d, %d, 8; add.u32 %i, %i, 1;\n"
                 "setp.lt.u32 %p, %i, 40; @%p bra L; ret; }");
  for (unsigned t = 0; t < 32; ++t)
    EXPECT_EQ(out[t], t);
}

TEST(Stack, MisuseIsFound) {
  Snippet snippet;
  snippet.run("mov.u64 %rd1, 0x7fffffff; alloca.u64 %rd2, %rd1;");
  EXPECT_NE(snippet.error.find("alloca of 2147483647 bytes, above the limit of"), std::string::npos)
      << snippet.error;
  snippet.run("mov.u64 %rd1, 1024; stackrestore.u64 %rd1;");
  EXPECT_NE(snippet.error.find("stackrestore to 1024, which no stacksave of the function gave"),
            std::string::npos)
      << snippet.error;
  snippet.run("mov.u64 %rd1, 8; alloca.u64 %rd2, %rd1, 24;");
  EXPECT_NE(snippet.error.find("expects a power of two as alignment, but got 24"),
            std::string::npos)
      << snippet.error;
}

TEST(Move, PerformanceEventsDoNothing) {
  auto out = run("pmevent 7; pmevent.mask 0xff; st.global.u64 [%out], 3;");
  EXPECT_EQ(out[0], 3u);
}

} // namespace
