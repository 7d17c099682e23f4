//===- SparseFormsTest.cpp - All forms of mma.sp --------------------------------===//
//
// A dense A with zeros where elements are left out, multiplied as whole numbers.
// Metadata bits are placed as the figures of the PTX ISA ("Matrix fragments for
// sparse mma") place them, element by element.
//
//===----------------------------------------------------------------------===//
#include "MatrixForms.h"
#include <numeric>

using namespace tilewright::emulator;

namespace {

/// A row of A: the kept elements' columns, ascending by chunk.
struct Layout {
  unsigned chunk, kept, unit, placeBits;
  explicit Layout(const std::string &type) {
    unit = type == "s4" || type == "u4" ? 2 : 1;
    chunk = type == "tf32" ? 2 : 4;
    kept = type == "tf32" ? 1 : 2;
    placeBits = type == "tf32" ? 4 : 2;
  }
  unsigned encodePlace(unsigned place) const {
    return placeBits == 2 ? place : place ? 0b1110 : 0b0100;
  }
};

/// The lane and the lowest bit of place i of a row.
struct BitPlace {
  unsigned lane, bit;
};
BitPlace findBits(const Product &p, const Layout &layout, unsigned selector, unsigned row,
                  unsigned i) {
  unsigned quad = row % 8 * 4, isUpper = row / 8,
           rowBits = p.k / layout.chunk / layout.unit * layout.kept * layout.placeBits;
  unsigned bit = i * layout.placeBits;
  bool isHalf = p.a == "f16" || p.a == "bf16" || p.a == "tf32";
  if (rowBits == 16) // one thread: row g below row g + 8
    return {quad + selector, bit + 16 * isUpper};
  if (rowBits == 32 && isHalf) // a pair: 16 bits of either row in each
    return {quad + 2 * selector + bit / 16, bit % 16 + 16 * isUpper};
  if (rowBits == 32) // a pair: a row in each
    return {quad + 2 * selector + isUpper, bit};
  return {quad + 2 * (bit / 32) + isUpper, bit % 32}; // all four
}

struct Sparse {
  Fragment a, b, c, d, metadata{32, 32};
};

Sparse makeSparse(const Statement &s, unsigned selector, std::mt19937 &random) {
  Product p(s);
  Layout layout(p.a);
  unsigned keptK = p.k / 2;
  std::vector<int> kept = makeNumbers(p.m * keptK, p.a, random), dense(p.m * p.k, 0),
                   b = makeNumbers(p.k * p.n, p.b, random), c = makeNumbers(p.m * p.n, p.c, random);
  Sparse f{{p.m * keptK, bitsOf(p.a)},
           {p.k * p.n, bitsOf(p.b)},
           {p.m * p.n, bitsOf(p.c)},
           {p.m * p.n, bitsOf(p.d)}};
  for (auto &words : f.metadata.words)
    words[0] = uint32_t(random()); // nobody looks at the other lanes'
  for (unsigned row = 0; row < p.m; ++row)
    for (unsigned group = 0; group < p.k / layout.chunk / layout.unit; ++group) {
      std::vector<unsigned> places(layout.chunk);
      std::iota(places.begin(), places.end(), 0);
      std::shuffle(places.begin(), places.end(), random);
      places.resize(layout.kept);
      if (s.has("sp::ordered_metadata"))
        std::sort(places.begin(), places.end());
      for (unsigned j = 0; j < layout.kept; ++j) {
        unsigned i = group * layout.kept + j;
        auto [lane, bit] = findBits(p, layout, selector, row, i);
        u64 mask = ((u64(1) << layout.placeBits) - 1) << bit;
        u64 &word = f.metadata.words[lane][0];
        word = (word & ~mask) | u64(layout.encodePlace(places[j])) << bit;
        for (unsigned e = 0; e < layout.unit; ++e)
          dense[row * p.k + (group * layout.chunk + places[j]) * layout.unit + e] =
              kept[row * keptK + i * layout.unit + e];
      }
    }
  unsigned per = f.a.perRegister();
  for (unsigned lane = 0; lane < 32; ++lane) {
    unsigned group = lane / 4, thread = lane % 4;
    for (unsigned i = 0; i < f.a.count * per; ++i) {
      unsigned reg = i / per, row = group + 8 * (reg % 2);
      unsigned column = thread * per + i % per + 4 * per * (reg / 2);
      f.a.put(lane, i, encode(kept[row * keptK + column], p.a));
    }
    for (unsigned i = 0; i < f.b.count * per; ++i)
      f.b.put(lane, i,
              encode(b[(thread * per + i % per + 4 * per * (i / per)) * p.n + group], p.b));
    for (unsigned i = 0; i < p.m * p.n / 32; ++i) {
      unsigned row = group + 8 * (i / 2), column = 2 * thread + i % 2;
      int sum = c[row * p.n + column];
      f.c.put(lane, i, encode(sum, p.c));
      for (unsigned k = 0; k < p.k; ++k)
        sum += dense[row * p.k + k] * b[k * p.n + column];
      f.d.put(lane, i, encode(sum, p.d));
    }
  }
  return f;
}

bool isSparse(const Statement &s) { return s.has("sp") || s.has("sp::ordered_metadata"); }

TEST(SparseForms, MultiplyWholeNumbersOnEveryGeneration) {
  std::mt19937 random(7);
  for (const char *model : {"a100", "l4", "h200"}) {
    SCOPED_TRACE(model);
    Snippet snippet(model);
    snippet.isRecorded = false;
    unsigned count = 0;
    for (const Statement &statement : readForms("matrix", "Matrices")) {
      if (!isSparse(statement))
        continue;
      SCOPED_TRACE(statement.text);
      // The table's text splits at commas, so the selector is the last operand.
      unsigned selector = std::stoi(statement.operands.back());
      Sparse f = makeSparse(statement, selector, random);
      auto out = multiply(snippet, statement, f.d, {&f.a, &f.b, &f.c, &f.metadata});
      ASSERT_EQ(snippet.error, "");
      for (unsigned lane = 0; lane < 32; ++lane)
        for (unsigned i = 0; i < f.d.count; ++i)
          ASSERT_EQ(out[lane * f.d.count + i], f.d.words[lane][i])
              << "lane " << lane << " register " << i;
      ++count;
    }
    EXPECT_EQ(count, 152u);
  }
}

/// One mma.sp with the same metadata in all lanes; the finding.
std::string runWith(const char *text, const char *metadata) {
  Snippet snippet;
  std::string zeros;
  for (unsigned i = 1; i < 20; ++i)
    zeros += "mov.b32 %r" + std::to_string(i) + ", 0; ";
  snippet.run(zeros + "mov.b32 %r20, " + metadata + ";\n" + text);
  return snippet.error;
}
bool contains(const std::string &text, const char *part) {
  return text.find(part) != std::string::npos;
}

TEST(SparseForms, MetadataThatMeansNothingIsFound) {
  constexpr const char *half =
      "mma.sp::ordered_metadata.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%r1, %r2, %r3, %r4},"
      "{%r5, %r6}, {%r7, %r8}, {%r1, %r2, %r3, %r4}, %r20, 2;";
  EXPECT_EQ(runWith(half, "0x44444444"), "");
  std::string error = runWith(half, "0x44444414");
  EXPECT_TRUE(contains(error, "invalid-operand")) << error;
  EXPECT_TRUE(contains(error, "row 0 has the places 1 and 0 for chunk 1")) << error;
  EXPECT_TRUE(contains(error, "lane 2")) << error;
  std::string plain = half;
  plain.replace(plain.find("::ordered_metadata"), 18, "");
  EXPECT_EQ(runWith(plain.c_str(), "0x44444414"), "");
  constexpr const char *single =
      "mma.sp.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%r1, %r2, %r3, %r4},"
      "{%r5, %r6}, {%r7, %r8}, {%r1, %r2, %r3, %r4}, %r20, 0;";
  EXPECT_EQ(runWith(single, "0x44ee4e44"), "");
  error = runWith(single, "0x4e444e94");
  EXPECT_TRUE(contains(error, "row 0 has 9 for chunk 1, where tf32 has 4 or 14")) << error;
}

} // namespace
