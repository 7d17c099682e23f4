//===- WarpTest.cpp - Shuffles, votes and matrices against models ------------===//
#include "Snippet.h"
#include <bit>
#include <cmath>
#include <random>

using namespace tilewright::emulator;

namespace {

TEST(Warp, Shuffles) {
  Snippet snippet;
  auto run = [&](const std::string &text) {
    auto out = snippet.run("add.u32 %r1, %t, 100; " + text +
                           " selp.u32 %r3, 1, 0, %p1; mov.b64 %rd1, {%r2, %r3}; "
                           "st.global.u64 [%out], %rd1;");
    EXPECT_EQ(snippet.error, "");
    return out;
  };
  auto value = [](unsigned lane, bool valid) { return uint64_t(valid) << 32 | (100 + lane); };
  auto up = run("shfl.sync.up.b32 %r2|%p1, %r1, 3, 0, -1;");
  auto down = run("shfl.sync.down.b32 %r2|%p1, %r1, 5, 31, -1;");
  auto butterfly = run("shfl.sync.bfly.b32 %r2|%p1, %r1, 9, 31, -1;");
  auto index = run("shfl.sync.idx.b32 %r2|%p1, %r1, 6, 0x181f, 0xffffffff;"); // segments of 8
  for (unsigned t = 0; t < 32; ++t) {
    EXPECT_EQ(up[t], t >= 3 ? value(t - 3, true) : value(t, false));
    EXPECT_EQ(down[t], t + 5 < 32 ? value(t + 5, true) : value(t, false));
    EXPECT_EQ(butterfly[t], value(t ^ 9, true));
    EXPECT_EQ(index[t], value((t & 24) + 6, true));
  }
}

TEST(Warp, VotesMatchesAndReductions) {
  Snippet snippet;
  auto out = snippet.run(R"(
    and.b32 %r1, %t, 3; setp.eq.u32 %p1, %r1, 2;
    vote.sync.ballot.b32 %r2, %p1, -1; match.any.sync.b32 %r3, %r1, -1;
    mov.b64 %rd1, {%r2, %r3};
    redux.sync.add.u32 %r4, %t, -1; redux.sync.max.s32 %r5, %r1, -1;
    match.all.sync.b32 %r6|%p2, %r5, -1;
    vote.sync.any.pred %p3, %p1, -1; vote.sync.all.pred %p4, !%p1, -1;
    elect.sync %r7|%p5, -1;
    selp.u32 %r8, 1, 0, %p2; selp.u32 %r9, 2, 0, %p3; add.u32 %r8, %r8, %r9;
    selp.u32 %r9, 4, 0, %p4; add.u32 %r8, %r8, %r9; selp.u32 %r9, 8, 0, %p5; add.u32 %r8, %r8, %r9;
    mov.b64 %rd2, {%r4, %r8}; xor.b64 %rd1, %rd1, %rd2; st.global.u64 [%out], %rd1;)");
  EXPECT_EQ(snippet.error, "");
  for (unsigned t = 0; t < 32; ++t) {
    uint64_t ballot = 0x44444444, match = uint64_t(0x11111111u << t % 4) << 32;
    EXPECT_EQ(out[t], (ballot | match) ^ (496 | uint64_t(t == 0 ? 11 : 3) << 32));
  }
}

TEST(Warp, MatchesOf64BitsAndLogicalReductions) {
  Snippet snippet;
  auto out = snippet.run(R"(
    and.b32 %r1, %t, 1; mov.b64 %rd1, {%r1, %t}; and.b64 %rd1, %rd1, 0x300000001;
    match.any.sync.b64 %r2, %rd1, -1; mov.u64 %rd2, 77; match.all.sync.b64 %r3|%p1, %rd2, -1;
    match.all.sync.b64 %r4|%p2, %rd1, -1; shl.b32 %r5, 1, %t;
    redux.sync.or.b32 %r6, %r5, 0xffffffff; redux.sync.and.b32 %r7, %r3, -1;
    redux.sync.xor.b32 %r8, %t, -1;
    selp.u32 %r9, 1, 0, %p1; selp.u32 %r10, 2, 0, %p2; add.u32 %r9, %r9, %r10;
    xor.b32 %r6, %r6, %r7; add.u32 %r6, %r6, %r8; add.u32 %r6, %r6, %r9; add.u32 %r6, %r6, %r4;
    mov.b64 %rd3, {%r2, %r6}; st.global.u64 [%out], %rd3;)");
  EXPECT_EQ(snippet.error, "");
  for (unsigned t = 0; t < 32; ++t)
    EXPECT_EQ(out[t], uint64_t(0x11111111u << t % 4) | uint64_t(1) << 32);
}

TEST(Warp, MatricesAreStoredByRows) {
  for (unsigned count : {1, 2, 4})
    for (bool transposes : {false, true})
      for (const char *space : {"", ".shared", ".shared::cta"}) {
        Snippet snippet;
        std::string registers = "{%r1";
        for (unsigned k = 2; k <= count; ++k)
          registers += ", %r" + std::to_string(k);
        registers += "}";
        // Register k of lane t holds the elements 100k + 2t and 100k + 2t + 1.
        auto out = snippet.run(
            ".shared .align 16 .b8 rows[512]; mov.u64 %rd2, rows; shl.b32 %r9, %t, 4;\n"
            "cvt.u64.u32 %rd3, %r9; add.u64 %rd2, %rd2, %rd3; mul.lo.u32 %r1, %t, 0x20002;\n"
            "add.u32 %r1, %r1, 0x10000; add.u32 %r2, %r1, 0x640064;\n"
            "add.u32 %r3, %r2, 0x640064; add.u32 %r4, %r3, 0x640064; mov.u64 %rd5, %rd2;\n" +
            std::string(*space ? "" : "cvta.shared.u64 %rd5, %rd2;\n") +
            "stmatrix.sync.aligned.m8n8.x" + std::to_string(count) + (transposes ? ".trans" : "") +
            space + ".b16 [%rd5], " + registers + ";\nbar.sync 0; setp.lt.u32 %p1, %t, " +
            std::to_string(8 * count) +
            ";\nmov.u64 %rd1, 0; @%p1 ld.shared.u64 %rd1, [%rd2+8]; st.global.u64 [%out], %rd1;");
        ASSERT_EQ(snippet.error, "");
        for (unsigned t = 0; t < 8 * count; ++t)
          for (unsigned e = 4; e < 8; ++e) { // the upper half of each row
            unsigned row = transposes ? e : t % 8, column = transposes ? t % 8 : e;
            EXPECT_EQ(out[t] >> (16 * (e - 4)) & 0xffff, 100 * (t / 8) + 8 * row + column)
                << "x" << count << space << " row " << t;
          }
      }
}

TEST(Warp, SynchronisingLanesMayArriveApart) {
  Snippet snippet;
  auto out = snippet.run(R"(
    setp.lt.u32 %p1, %t, 16; @%p1 bra LOW;
    bar.warp.sync -1; mov.u32 %r1, 1; bra JOIN;
  LOW: bar.warp.sync -1; mov.u32 %r1, 2;
  JOIN: shfl.sync.bfly.b32 %r2, %r1, 16, 31, -1; cvt.u64.u32 %rd1, %r2;
    st.global.u64 [%out], %rd1;)");
  EXPECT_EQ(snippet.error, "");
  EXPECT_EQ(out[0], 1u);
  EXPECT_EQ(out[31], 2u);
}

//===----------------------------------------------------------------------===//
// Matrices: small whole numbers, whose sums are exact in every arithmetic
//===----------------------------------------------------------------------===//

struct MmaCase {
  const char *name, *model, *suffix; ///< suffix: ".m16n8k16.row.col.f32.f16.f16.f32"
  unsigned m, n, k, bits;
  bool isSigned;
  unsigned (*encode)(int value); ///< element bits
  unsigned accumulatorBits;      ///< 16: f16 pairs; 32: f32; 1: s32
};

unsigned asHalf(int v) {
  if (v == 0)
    return 0;
  int e = std::ilogb(std::abs(v));
  return (v < 0 ? 0x8000u : 0) | (e + 15) << 10 | ((std::abs(v) << 10 >> e) & 1023);
}
unsigned asBrain(int v) { return std::bit_cast<uint32_t>(float(v)) >> 16; }
unsigned asSingle(int v) { return std::bit_cast<uint32_t>(float(v)); }
unsigned asInteger(int v) { return unsigned(v); }
unsigned asE4M3(int v) { // -3..3
  const unsigned codes[] = {0, 0x38, 0x40, 0x44};
  return (v < 0 ? 0x80 : 0) | codes[std::abs(v)];
}
unsigned asE5M2(int v) {
  const unsigned codes[] = {0, 0x3c, 0x40, 0x42};
  return (v < 0 ? 0x80 : 0) | codes[std::abs(v)];
}

class Mma : public testing::TestWithParam<MmaCase> {};

TEST_P(Mma, MultipliesWholeNumbers) {
  const MmaCase &test = GetParam();
  std::mt19937 random(3);
  std::vector<int> a(test.m * test.k), b(test.n * test.k), c(test.m * test.n);
  int least = test.isSigned ? -3 : 0;
  for (auto *matrix : {&a, &b, &c})
    for (int &value : *matrix)
      value = least + int(random() % (4 - least));
  unsigned per = 32 / test.bits, rowBlocks = test.m / 8;
  unsigned aCount = test.m * test.k / per / 32, bCount = test.n * test.k / per / 32;
  unsigned cCount = test.m * test.n / 32 / (test.accumulatorBits == 16 ? 2 : 1);
  auto accumulator = [&](int v) {
    return test.accumulatorBits == 1    ? unsigned(v)
           : test.accumulatorBits == 16 ? asHalf(v)
                                        : asSingle(v);
  };
  // Registers of each lane as the PTX ISA's figures place the elements.
  std::vector<uint64_t> in;
  unsigned words = aCount + bCount + cCount;
  std::vector<uint32_t> registers(32 * words);
  uint32_t elementMask = test.bits == 32 ? ~0u : (1u << test.bits) - 1;
  for (unsigned lane = 0; lane < 32; ++lane) {
    unsigned group = lane >> 2, thread = lane & 3;
    uint32_t *r = &registers[lane * words];
    for (unsigned i = 0; i < aCount * per; ++i) {
      unsigned reg = i / per, e = i % per;
      unsigned row = rowBlocks == 2 && reg % 2 ? group + 8 : group;
      unsigned column = thread * per + e + (reg / rowBlocks) * 4 * per;
      r[reg] |= (test.encode(a[row * test.k + column]) & elementMask) << (e * test.bits);
    }
    for (unsigned i = 0; i < bCount * per; ++i) {
      unsigned reg = i / per, e = i % per, k = thread * per + e + reg * 4 * per;
      r[aCount + reg] |= (test.encode(b[group * test.k + k]) & elementMask) << (e * test.bits);
    }
    for (unsigned i = 0; i < test.m * test.n / 32; ++i) {
      unsigned row = i < 2 ? group : group + 8, column = thread * 2 + (i & 1);
      unsigned bits = accumulator(c[row * test.n + column]);
      if (test.accumulatorBits == 16)
        r[aCount + bCount + i / 2] |= bits << 16 * (i % 2);
      else
        r[aCount + bCount + i] = bits;
    }
  }
  for (size_t i = 0; i < registers.size(); i += 2)
    in.push_back(registers[i] | uint64_t(i + 1 < registers.size() ? registers[i + 1] : 0) << 32);
  std::string body = "mov.u32 %r50, %t; ld.param.u64 %rd1, [in]; mul.wide.u32 %rd2, %r50, " +
                     std::to_string(words * 4) + "; add.u64 %rd1, %rd1, %rd2;\n";
  auto list = [](unsigned first, unsigned count) {
    std::string text = "{";
    for (unsigned i = 0; i < count; ++i)
      text += (i ? ", %r" : "%r") + std::to_string(first + i);
    return text + "}";
  };
  for (unsigned i = 0; i < words; ++i)
    body +=
        "ld.global.b32 %r" + std::to_string(1 + i) + ", [%rd1+" + std::to_string(4 * i) + "];\n";
  body += std::string("mma.sync.aligned") + test.suffix + " " + list(30, cCount) + ", " +
          list(1, aCount) + ", " + list(1 + aCount, bCount) + ", " +
          list(1 + aCount + bCount, cCount) + ";\n";
  Snippet snippet(test.model);
  for (unsigned i = 0; i < cCount; ++i) {
    auto out = snippet.run(body + "cvt.u64.u32 %rd9, %r" + std::to_string(30 + i) +
                               "; st.global.u64 [%out], %rd9;",
                           in);
    ASSERT_EQ(snippet.error, "");
    for (unsigned lane = 0; lane < 32; ++lane) {
      unsigned halves = test.accumulatorBits == 16 ? 2 : 1;
      for (unsigned h = 0; h < halves; ++h) {
        unsigned element = i * halves + h;
        unsigned row = lane / 4 + (element >= 2 ? 8 : 0), column = lane % 4 * 2 + element % 2;
        int sum = c[row * test.n + column];
        for (unsigned k = 0; k < test.k; ++k)
          sum += a[row * test.k + k] * b[column * test.k + k];
        unsigned got = halves == 2 ? out[lane] >> 16 * h & 0xffff : unsigned(out[lane]);
        ASSERT_EQ(got, accumulator(sum)) << "row " << row << " column " << column;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Mma,
    testing::Values(
        MmaCase{"F16", "a100", ".m16n8k16.row.col.f32.f16.f16.f32", 16, 8, 16, 16, true, asHalf,
                32},
        MmaCase{"F16H", "h200", ".m16n8k16.row.col.f32.f16.f16.f32", 16, 8, 16, 16, true, asHalf,
                32},
        MmaCase{"F16F16", "a100", ".m16n8k16.row.col.f16.f16.f16.f16", 16, 8, 16, 16, true, asHalf,
                16},
        MmaCase{"F16K8", "a100", ".m16n8k8.row.col.f32.f16.f16.f32", 16, 8, 8, 16, true, asHalf,
                32},
        MmaCase{"BF16", "a100", ".m16n8k16.row.col.f32.bf16.bf16.f32", 16, 8, 16, 16, true, asBrain,
                32},
        MmaCase{"BF16K8", "a100", ".m16n8k8.row.col.f32.bf16.bf16.f32", 16, 8, 8, 16, true, asBrain,
                32},
        MmaCase{"TF32", "a100", ".m16n8k8.row.col.f32.tf32.tf32.f32", 16, 8, 8, 32, true, asSingle,
                32},
        MmaCase{"TF32K4", "a100", ".m16n8k4.row.col.f32.tf32.tf32.f32", 16, 8, 4, 32, true,
                asSingle, 32},
        MmaCase{"S8", "a100", ".m16n8k32.row.col.s32.s8.s8.s32", 16, 8, 32, 8, true, asInteger, 1},
        MmaCase{"S8K16", "a100", ".m16n8k16.row.col.satfinite.s32.s8.s8.s32", 16, 8, 16, 8, true,
                asInteger, 1},
        MmaCase{"U8", "a100", ".m16n8k32.row.col.s32.u8.u8.s32", 16, 8, 32, 8, false, asInteger, 1},
        MmaCase{"S8M8", "a100", ".m8n8k16.row.col.s32.s8.s8.s32", 8, 8, 16, 8, true, asInteger, 1},
        MmaCase{"S4", "a100", ".m16n8k64.row.col.s32.s4.s4.s32", 16, 8, 64, 4, true, asInteger, 1},
        MmaCase{"U4K32", "a100", ".m16n8k32.row.col.s32.u4.u4.s32", 16, 8, 32, 4, false, asInteger,
                1},
        MmaCase{"E4M3", "l4", ".m16n8k32.row.col.f32.e4m3.e4m3.f32", 16, 8, 32, 8, true, asE4M3,
                32},
        MmaCase{"E5M2", "h200", ".m16n8k32.row.col.f32.e5m2.e5m2.f32", 16, 8, 32, 8, true, asE5M2,
                32}),
    [](const testing::TestParamInfo<MmaCase> &info) { return info.param.name; });

TEST(Matrix, Double) {
  Snippet snippet;
  std::vector<uint64_t> in;
  for (unsigned lane = 0; lane < 32; ++lane)
    in.push_back(std::bit_cast<uint64_t>(double(lane)));
  auto out = snippet.run(R"(
    ld.global.f64 %fd1, [%in]; mov.f64 %fd2, 0d3FF0000000000000;
    mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%fd3, %fd4}, {%fd1}, {%fd2}, {%fd2, %fd1};
    add.f64 %fd3, %fd3, %fd4; st.global.f64 [%out], %fd3;)",
                         in);
  EXPECT_EQ(snippet.error, "");
  for (unsigned lane = 0; lane < 32; ++lane) {
    double row = 4.0 * (4 * (lane / 4)) + 6; // sum of A's row
    EXPECT_EQ(std::bit_cast<double>(out[lane]), row + 1 + row + lane);
  }
}

TEST(Matrix, LoadsStoresAndTransposes) {
  Snippet snippet("h200");
  // Shared memory holds element number e at byte 2 * e: matrix j has rows
  // 64 * j + 8 * i.
  constexpr const char *fill = R"(
    .shared .align 16 .b8 s[1024];
    mov.u32 %r1, s; shl.b32 %r2, %t, 4; add.u32 %r3, %r1, %r2;
    shl.b32 %r4, %t, 3; add.u32 %r5, %r4, 1; shl.b32 %r6, %r5, 16; or.b32 %r6, %r6, %r4;
    add.u32 %r7, %r6, 0x20002; add.u32 %r8, %r6, 0x40004; add.u32 %r9, %r6, 0x60006;
    st.shared.v4.u32 [%r3], {%r6, %r7, %r8, %r9}; bar.warp.sync -1;
)";
  for (bool transposes : {false, true}) {
    std::string trans = transposes ? ".trans" : "";
    auto out = snippet.run(fill + ("ldmatrix.sync.aligned.m8n8.x4" + trans) +
                           ".shared.b16 {%r10, %r11, %r12, %r13}, [%r3];"
                           "mov.b64 %rd1, {%r10, %r13}; st.global.u64 [%out], %rd1;");
    ASSERT_EQ(snippet.error, "");
    // Stored again, the same way, it is what it was.
    auto again =
        snippet.run(fill + ("ldmatrix.sync.aligned.m8n8.x2" + trans) +
                    ".shared.b16 {%r10, %r11}, [%r3]; add.u32 %r20, %r3, 512;"
                    "stmatrix.sync.aligned.m8n8.x2" +
                    trans +
                    ".shared.b16 [%r20], {%r10, %r11}; bar.warp.sync -1; and.b32 %r21, %t, 15;"
                    "shl.b32 %r21, %r21, 4; add.u32 %r21, %r21, %r1;"
                    "ld.shared.u64 %rd1, [%r21]; ld.shared.u64 %rd2, [%r21+512];"
                    "xor.b64 %rd1, %rd1, %rd2; st.global.u64 [%out], %rd1;");
    ASSERT_EQ(snippet.error, "");
    for (unsigned lane = 0; lane < 32; ++lane) {
      uint64_t g = lane / 4, t = lane % 4;
      auto element = [&](uint64_t j, uint64_t e) {
        return 64 * j + (transposes ? 8 * (2 * t + e) + g : 8 * g + 2 * t + e);
      };
      EXPECT_EQ(out[lane],
                element(0, 0) | element(0, 1) << 16 | element(3, 0) << 32 | element(3, 1) << 48);
      EXPECT_EQ(again[lane], 0u);
    }
  }
  auto moved = snippet.run("shl.b32 %r1, %t, 1; add.u32 %r2, %r1, 1; shl.b32 %r2, %r2, 16; "
                           "or.b32 %r1, %r1, %r2; movmatrix.sync.aligned.m8n8.trans.b16 %r3, %r1; "
                           "cvt.u64.u32 %rd1, %r3; st.global.u64 [%out], %rd1;");
  for (uint64_t lane = 0; lane < 32; ++lane)
    EXPECT_EQ(moved[lane], (16 * (lane % 4) + lane / 4) | (16 * (lane % 4) + 8 + lane / 4) << 16);
}

TEST(Matrix, NeedsAWholeWarp) {
  Snippet snippet;
  snippet.run("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2}, "
              "{%r3}, {%f1,%f2,%f3,%f4};",
              {}, 16);
  EXPECT_NE(snippet.error.find("warp-sync: needs all 32 lanes"), std::string::npos)
      << snippet.error;
}

} // namespace
