//===- WmmaTest.cpp - wmma through memory, every shape, type and layout -------===//
//
// Each case loads a, b and c from global memory, multiplies and stores d. The
// elements are small whole numbers, whose sums are exact in every arithmetic,
// so the expectation is a product of integer matrices; which lane holds what
// is never asked.
//
//===----------------------------------------------------------------------===//
#include "Snippet.h"
#include <bit>
#include <cmath>
#include <random>

using namespace tilewright::emulator;

namespace {

uint64_t encode(int v, const std::string &type) {
  if (type == "f64")
    return std::bit_cast<uint64_t>(double(v));
  if (type == "f32" || type == "tf32")
    return std::bit_cast<uint32_t>(float(v));
  if (type == "bf16")
    return std::bit_cast<uint32_t>(float(v)) >> 16;
  if (type == "f16") {
    if (v == 0)
      return 0;
    int e = std::ilogb(std::abs(v));
    return (v < 0 ? 0x8000u : 0) | (e + 15) << 10 | ((std::abs(v) << 10 >> e) & 1023);
  }
  return uint32_t(v);
}
unsigned bitsOf(const std::string &type) {
  return type == "bf16" ? 16 : type == "tf32" ? 32 : std::stoi(type.substr(1));
}

struct WmmaCase {
  const char *shape;
  unsigned m, n, k;
  const char *d, *a, *c;
  bool hasOneLayout; ///< row.col only
};

/// A matrix in memory: `major` lines of `stride` elements.
struct Stored {
  std::string type;
  bool isRow;
  unsigned rows, columns, stride;
  Stored(std::string type, bool isRow, unsigned rows, unsigned columns, unsigned padding)
      : type(std::move(type)), isRow(isRow), rows(rows), columns(columns),
        stride((isRow ? columns : rows) + padding) {}
  unsigned words() const { // whole 64-bit words
    return ((isRow ? rows : columns) * stride * bitsOf(type) + 63) / 64;
  }
  size_t bitAt(unsigned row, unsigned column) const {
    return size_t(isRow ? row * stride + column : column * stride + row) * bitsOf(type);
  }
  uint64_t get(const std::vector<uint64_t> &from, unsigned row, unsigned column) const {
    unsigned bits = bitsOf(type);
    uint64_t word = from[bitAt(row, column) / 64] >> bitAt(row, column) % 64;
    return bits == 64 ? word : word & ((uint64_t(1) << bits) - 1);
  }
  void put(std::vector<uint64_t> &to, unsigned row, unsigned column, int value) const {
    unsigned bits = bitsOf(type);
    uint64_t code = encode(value, type);
    if (bits < 64)
      code &= (uint64_t(1) << bits) - 1;
    to[bitAt(row, column) / 64] |= code << bitAt(row, column) % 64;
  }
};

/// "{%x0, %x1, ...}"
std::string registers(const char *prefix, unsigned first, unsigned count) {
  std::string text = "{";
  for (unsigned i = 0; i < count; ++i)
    text += (i ? ", %" : "%") + std::string(prefix) + std::to_string(first + i);
  return text + "}";
}

/// Registers of a fragment (PTX ISA, "Matrix Fragments for WMMA").
unsigned fragmentRegisters(const std::string &type, unsigned elements, bool isOperand) {
  if (isOperand && type == "f16")
    return 8;
  return std::max(1u, elements * bitsOf(type) / 32 / (type == "f64" ? 64 : 32));
}

class Wmma : public testing::TestWithParam<WmmaCase> {
protected:
  /// Runs one combination of layouts and spaces.
  void run(bool aIsRow, bool bIsRow, bool cIsRow, bool dIsRow, unsigned spaceIndex,
           unsigned padding) {
    const char *const spaces[] = {".shared", ".global", ""};
    std::string space = spaces[spaceIndex];
    bool isShared = spaceIndex == 0;
    const WmmaCase &test = GetParam();
    std::string a = test.a, d = test.d, c = test.c;
    unsigned pad = padding * 128 / bitsOf(a);
    Stored sa(a, aIsRow, test.m, test.k, pad), sb(a, bIsRow, test.k, test.n, pad);
    Stored sc(c, cIsRow, test.m, test.n, 8 * padding), sd(d, dIsRow, test.m, test.n, 8 * padding);
    bool isBinary = a == "b1", isSigned = a[0] == 's' || a.find('f') != std::string::npos;
    int least = isSigned ? -3 : 0, most = isBinary ? 1 : 3;
    std::vector<int> va(test.m * test.k), vb(test.k * test.n), vc(test.m * test.n);
    for (auto *matrix : {&va, &vb, &vc})
      for (int &value : *matrix)
        value = least + int(random() % (most - least + 1));
    // All matrices in one array, each at a multiple of 32 bytes.
    auto aligned = [](unsigned words) { return (words + 3) / 4 * 4; };
    std::vector<uint64_t> wa(aligned(sa.words())), wb(aligned(sb.words())), wc(aligned(sc.words()));
    for (unsigned i = 0; i < test.m * test.k; ++i)
      sa.put(wa, i / test.k, i % test.k, va[i]);
    for (unsigned i = 0; i < test.k * test.n; ++i)
      sb.put(wb, i / test.n, i % test.n, vb[i]);
    for (unsigned i = 0; i < test.m * test.n; ++i)
      sc.put(wc, i / test.n, i % test.n, vc[i]);
    std::vector<uint64_t> in(wa);
    in.insert(in.end(), wb.begin(), wb.end());
    in.insert(in.end(), wc.begin(), wc.end());
    unsigned bAt = 8 * wa.size(), cAt = bAt + 8 * wb.size(), dWords = aligned(sd.words());
    auto name = [](bool isRow) { return std::string(isRow ? ".row" : ".col"); };
    auto regs = [&](const std::string &type, unsigned first, unsigned elements, bool isOperand) {
      return registers(type == "f64"   ? "wd"
                       : type == "f32" ? "wf"
                                       : "wr",
                       first, fragmentRegisters(type, elements, isOperand));
    };
    std::string ra = regs(a, 0, test.m * test.k, true), rb = regs(a, 10, test.k * test.n, true);
    std::string rc = regs(c, 20, test.m * test.n, false), rd = regs(d, 30, test.m * test.n, false);
    std::string shape = std::string(".sync.aligned");
    std::string text =
        ".reg .b32 %wr<50>; .reg .f32 %wf<50>; .reg .f64 %wd<50>; .reg .b64 %base, %to;\n"
        "ld.param.u64 %base, [in]; ld.param.u64 %to, [out];\n";
    if (isShared) {
      // Lane t copies words t, t + 32, ...; the result goes back the same way.
      text += ".shared .align 32 .b8 buffer[" + std::to_string(8 * (in.size() + dWords)) + "];\n";
      text += "mov.u64 %rd20, buffer; add.s64 %rd21, %rd20, %o;\n";
      for (unsigned word = 0; word < in.size(); word += 32) {
        std::string guard = in.size() - word < 32 ? "@%p9 " : "";
        if (!guard.empty())
          text += "setp.lt.u32 %p9, %t, " + std::to_string(in.size() - word) + ";\n";
        std::string at = std::to_string(8 * word);
        text += guard + "ld.global.u64 %rd22, [%in+" + at + "];\n" + guard +
                "st.shared.u64 [%rd21+" + at + "], %rd22;\n";
      }
      // The columns between the rows of the result come back too.
      for (unsigned word = 0; word < dWords; word += 32)
        text += "setp.lt.u32 %p9, %t, " + std::to_string(dWords - word) +
                ";\n@%p9 st.shared.u64 [%rd21+" + std::to_string(8 * (in.size() + word)) +
                "], 0;\n";
      text += "bar.sync 0; mov.u64 %base, %rd20; add.s64 %to, %rd20, " +
              std::to_string(8 * in.size()) + ";\n";
    }
    auto access = [&](const std::string &what, bool isRow, const std::string &type) {
      return "wmma." + what + shape + name(isRow) + "." + test.shape + space + "." + type + " ";
    };
    std::string types = a == "f16" ? "." + d + "." + c : "." + d + "." + a + "." + a + "." + c;
    text += access("load.a", aIsRow, a) + ra + ", [%base], " + std::to_string(sa.stride) + ";\n";
    text += access("load.b", bIsRow, a) + rb + ", [%base+" + std::to_string(bAt) + "], " +
            std::to_string(sb.stride) + ";\n";
    text += access("load.c", cIsRow, c) + rc + ", [%base+" + std::to_string(cAt) + "], " +
            std::to_string(sc.stride) + ";\n";
    text += "wmma.mma" + std::string(isBinary ? ".xor.popc" : "") + shape + name(aIsRow) +
            name(bIsRow) + "." + test.shape + types + " " + rd + ", " + ra + ", " + rb + ", " + rc +
            ";\n";
    text +=
        access("store.d", dIsRow, d) + "[%to], " + rd + ", " + std::to_string(sd.stride) + ";\n";
    if (isShared) {
      text += "bar.sync 0; add.s64 %rd21, %rd21, " + std::to_string(8 * in.size()) + ";\n";
      for (unsigned word = 0; word < dWords; word += 32) {
        std::string at = std::to_string(8 * word);
        text += "setp.lt.u32 %p9, %t, " + std::to_string(dWords - word) + ";\n@%p9 ld.shared.u64 " +
                "%rd22, [%rd21+" + at + "];\n@%p9 st.global.u64 [%out+" + at + "], %rd22;\n";
      }
    }
    SCOPED_TRACE(text);
    auto out = snippet.run(text, in, 32, {}, {}, dWords);
    ASSERT_EQ(snippet.error, "");
    for (unsigned row = 0; row < test.m; ++row)
      for (unsigned column = 0; column < test.n; ++column) {
        int sum = vc[row * test.n + column];
        for (unsigned k = 0; k < test.k; ++k) {
          int x = va[row * test.k + k], y = vb[k * test.n + column];
          sum += isBinary ? x ^ y : x * y;
        }
        uint64_t expected = encode(sum, d);
        ASSERT_EQ(sd.get(out, row, column), expected) << "row " << row << " column " << column;
      }
  }

  std::mt19937 random{5};
  Snippet snippet;
};

TEST_P(Wmma, MultipliesWholeNumbersInEveryLayout) {
  for (unsigned layouts = 0; layouts < 16; ++layouts) {
    bool aIsRow = layouts & 1, bIsRow = layouts & 2;
    if (GetParam().hasOneLayout && (!aIsRow || bIsRow))
      continue;
    for (unsigned space : {0, 1, 2}) {
      run(aIsRow, bIsRow, layouts & 4, layouts & 8, space, layouts % 5 == 0 ? 1 : 0);
      if (HasFatalFailure())
        return;
    }
  }
}

const WmmaCase cases[] = {
    {"m16n16k16", 16, 16, 16, "f16", "f16", "f16", false},
    {"m16n16k16", 16, 16, 16, "f32", "f16", "f16", false},
    {"m16n16k16", 16, 16, 16, "f16", "f16", "f32", false},
    {"m16n16k16", 16, 16, 16, "f32", "f16", "f32", false},
    {"m8n32k16", 8, 32, 16, "f32", "f16", "f32", false},
    {"m8n32k16", 8, 32, 16, "f16", "f16", "f16", false},
    {"m32n8k16", 32, 8, 16, "f32", "f16", "f32", false},
    {"m32n8k16", 32, 8, 16, "f16", "f16", "f16", false},
    {"m16n16k16", 16, 16, 16, "f32", "bf16", "f32", false},
    {"m8n32k16", 8, 32, 16, "f32", "bf16", "f32", false},
    {"m32n8k16", 32, 8, 16, "f32", "bf16", "f32", false},
    {"m16n16k8", 16, 16, 8, "f32", "tf32", "f32", false},
    {"m8n8k4", 8, 8, 4, "f64", "f64", "f64", false},
    {"m16n16k16", 16, 16, 16, "s32", "s8", "s32", false},
    {"m16n16k16", 16, 16, 16, "s32", "u8", "s32", false},
    {"m8n32k16", 8, 32, 16, "s32", "s8", "s32", false},
    {"m8n32k16", 8, 32, 16, "s32", "u8", "s32", false},
    {"m32n8k16", 32, 8, 16, "s32", "s8", "s32", false},
    {"m32n8k16", 32, 8, 16, "s32", "u8", "s32", false},
    {"m8n8k32", 8, 8, 32, "s32", "s4", "s32", true},
    {"m8n8k32", 8, 8, 32, "s32", "u4", "s32", true},
    {"m8n8k128", 8, 8, 128, "s32", "b1", "s32", true},
};
INSTANTIATE_TEST_SUITE_P(Forms, Wmma, testing::ValuesIn(cases), [](const auto &info) {
  return std::string(info.param.shape) + "_" + info.param.d + "_" + info.param.a + "_" +
         info.param.c;
});

/// Where c and d differ in type, the sum is one of f32: c = 1 + 2^-10 as f16 and
/// 16 products of 2^-15 give 1 + 3 * 2^-11, which f16 does not have; as d it is
/// then rounded to even.
TEST(WmmaArithmetic, MixedAccumulatorsSumInF32) {
  Snippet snippet;
  std::string a = "{%r1, %r1, %r1, %r1, %r1, %r1, %r1, %r1}, ";
  std::string b = "{%r2, %r2, %r2, %r2, %r2, %r2, %r2, %r2}, ";
  std::string zero = "{%r5, %r5, %r5, %r5, %r5, %r5, %r5, %r5}, ";
  std::string sum = "{%f1, %f2, %f3, %f4, %f5, %f6, %f7, %f8}";
  auto out = snippet.run(
      "mov.b32 %r1, 0x28002800; mov.b32 %r2, 0x14001400; mov.b32 %r3, 0x3c013c01;\n"
      "mov.b32 %r5, 0;\n"
      "wmma.mma.sync.aligned.row.col.m16n16k16.f32.f16 " +
      sum + ", " + a + b + "{%r3, %r3, %r3, %r3};\n" +
      "wmma.mma.sync.aligned.row.col.m16n16k16.f16.f32 {%r10, %r11, %r12, %r13}, " + a + zero +
      sum + ";\nmov.b32 %r4, %f8; mov.b64 %rd1, {%r4, %r13}; st.global.u64 [%out], %rd1;");
  ASSERT_EQ(snippet.error, "");
  for (unsigned t = 0; t < 32; ++t)
    EXPECT_EQ(out[t], std::bit_cast<uint32_t>(1 + 0x3p-11f) | uint64_t(0x3c023c02) << 32);
}

TEST(WmmaArithmetic, SaturatesOrWraps) {
  Snippet snippet;
  auto run = [&](const std::string &suffix) {
    auto out = snippet.run("mov.b32 %r1, 0x7f7f7f7f; mov.b32 %r2, 0x7fffffff;\n"
                           "wmma.mma.sync.aligned.row.col.m16n16k16.s32.s8.s8.s32" +
                           suffix +
                           " {%r10,%r11,%r12,%r13,%r14,%r15,%r16,%r17}, {%r1,%r1}, {%r1,%r1},"
                           " {%r2,%r2,%r2,%r2,%r2,%r2,%r2,%r2};\n"
                           "cvt.u64.u32 %rd1, %r17; st.global.u64 [%out], %rd1;");
    EXPECT_EQ(snippet.error, "");
    return out[7];
  };
  EXPECT_EQ(run(".satfinite"), 0x7fffffffu);
  EXPECT_EQ(run(""), 0x7fffffffu + 16 * 127 * 127);
}

TEST(WmmaArithmetic, BinaryAnd) {
  Snippet snippet;
  auto out = snippet.run("mov.b32 %r1, 0xff00ff00; mov.b32 %r2, 0x0ff00ff0; mov.b32 %r3, 5;\n"
                         "wmma.mma.and.popc.sync.aligned.row.col.m8n8k128.s32.b1.b1.s32"
                         " {%r10, %r11}, {%r1}, {%r2}, {%r3, %r3};\n"
                         "cvt.u64.u32 %rd1, %r11; st.global.u64 [%out], %rd1;");
  ASSERT_EQ(snippet.error, "");
  EXPECT_EQ(out[31], 5u + 4 * 8);
}

TEST(WmmaArithmetic, DoubleRounds) {
  Snippet snippet;
  for (auto [rounding, expected] : {std::pair(".rm", 1.0), std::pair(".rp", 1.0 + 0x1p-52)}) {
    auto out = snippet.run("mov.f64 %fd1, 0d3C00000000000000; mov.f64 %fd2, 0d3FF0000000000000;\n"
                           "wmma.mma.sync.aligned.row.col.m8n8k4" +
                           std::string(rounding) +
                           ".f64.f64.f64.f64 {%fd3, %fd4}, {%fd1}, {%fd1}, {%fd2, %fd2};\n"
                           "mov.b64 %rd1, %fd4; st.global.u64 [%out], %rd1;");
    ASSERT_EQ(snippet.error, "");
    // Four tiny products, each rounded up by itself.
    double up = expected;
    for (int k = 1; k < 4 && expected > 1; ++k)
      up = std::nextafter(up, 2.0);
    EXPECT_EQ(out[3], std::bit_cast<uint64_t>(up)) << rounding;
  }
}

TEST(WmmaMisuse, IsReported) {
  Snippet snippet;
  auto failureOf = [&](const std::string &text) {
    snippet.run(text, std::vector<uint64_t>(256));
    return snippet.error;
  };
  std::string load = "wmma.load.a.sync.aligned.row.m16n16k16.global.f16 "
                     "{%r1, %r2, %r3, %r4, %r5, %r6, %r7, %r8}, ";
  EXPECT_EQ(failureOf("ld.param.u64 %rd1, [in]; " + load + "[%rd1], 16;"), "");
  EXPECT_NE(failureOf("ld.param.u64 %rd1, [in]; " + load + "[%rd1+8], 16;")
                .find("a matrix with a stride of 32 bytes, whose address and stride must be "
                      "multiples of 16"),
            std::string::npos)
      << snippet.error;
  EXPECT_NE(failureOf("ld.param.u64 %rd1, [in]; " + load + "[%rd1], 17;").find("misaligned"),
            std::string::npos)
      << snippet.error;
  EXPECT_NE(failureOf(load + "[%in], 16;").find("lanes of one warp name different matrices"),
            std::string::npos)
      << snippet.error;
  EXPECT_NE(
      failureOf("ld.param.u64 %rd1, [in]; " + load + "[%rd1+2048], 16;").find("out-of-bounds"),
      std::string::npos)
      << snippet.error;
  // Decoding.
  auto refusal = [&](const std::string &text, const std::string &message) {
    EXPECT_NE(failureOf(text).find(message), std::string::npos) << snippet.error;
  };
  refusal("wmma.load.a.sync.aligned.row.m16n16k16.global.f16 {%r1, %r2}, [%in], 16;",
          "expects 8 registers of '.f16' in shape .m16n16k16, but got 2");
  refusal("wmma.load.a.sync.aligned.row.m16n16k16.global.f64 {%fd1}, [%in], 16;",
          "no matrix of '.f64' in shape .m16n16k16");
  refusal("wmma.load.b.sync.aligned.row.m8n8k32.global.s4 {%r1}, [%in], 32;",
          "a matrix of '.s4' is .row for a, .col for b");
  refusal("wmma.mma.sync.aligned.row.m16n16k16.f32.f32 {%r1}, {%r1}, {%r1}, {%r1};",
          "'wmma' needs the layout of each matrix, .row or .col");
  refusal("wmma.mma.sync.aligned.row.col.m8n32k16.f32.tf32.tf32.f32 {%r1}, {%r1}, {%r1}, {%r1};",
          "no wmma of shape .m8n32k16 with types .f32.tf32.tf32.f32");
}

} // namespace
