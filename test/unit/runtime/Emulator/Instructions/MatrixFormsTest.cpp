//===- MatrixFormsTest.cpp - All forms of mma --------------------------------------===//
//
// Each form multiplies small whole numbers, whose sums are exact in every
// arithmetic. Elements are placed in registers as the figures of the PTX ISA
// ("Matrix Fragments for mma") place them.
//
//===----------------------------------------------------------------------===//
#include "MatrixForms.h"

using namespace tilewright::emulator;

std::vector<u64> tilewright::emulator::multiply(Snippet &snippet, const Statement &statement,
                                                const Fragment &d,
                                                llvm::ArrayRef<const Fragment *> sources) {
  std::vector<u64> in;
  unsigned words = 0;
  for (const Fragment *fragment : sources)
    words += fragment->count;
  for (unsigned lane = 0; lane < 32; ++lane)
    for (const Fragment *fragment : sources)
      in.insert(in.end(), fragment->words[lane].begin(), fragment->words[lane].end());
  std::string body = ".reg .b64 %d<60>, %from, %to; .reg .b32 %n;\n"
                     "ld.param.u64 %from, [in]; ld.param.u64 %to, [out];\n"
                     "mad.wide.u32 %from, %t, " +
                     std::to_string(8 * words) + ", %from;\nmad.wide.u32 %to, %t, " +
                     std::to_string(8 * d.count) + ", %to;\n";
  auto name = [](unsigned number, unsigned bits) {
    return (bits == 64 ? "%d" : "%r") + std::to_string(number);
  };
  unsigned number = d.count + 1, place = 0;
  for (const Fragment *fragment : sources)
    for (unsigned i = 0; i < fragment->count; ++i)
      body += "ld.global.b" + std::to_string(fragment->registerBits) + " " +
              name(number++, fragment->registerBits) + ", [%from+" + std::to_string(8 * place++) +
              "];\n";
  body += statement.text + "\n";
  for (unsigned i = 0; i < d.count; ++i)
    body += "st.global.b" + std::to_string(d.registerBits) + " [%to+" + std::to_string(8 * i) +
            "], " + name(i + 1, d.registerBits) + ";\n";
  Executed::add(llvm::StringRef(statement.text).split(' ').first);
  return snippet.run(body, in, 32, {}, {}, 32 * d.count);
}

namespace {

struct Fragments {
  Fragment a, b, c, d;
};

Fragments makeFragments(const Product &p, std::mt19937 &random) {
  auto matrix = [&](unsigned elements, const std::string &type) {
    return makeNumbers(elements, type, random);
  };
  std::vector<int> a = matrix(p.m * p.k, p.a), b = matrix(p.k * p.n, p.b),
                   c = matrix(p.m * p.n, p.c);
  Fragments f{{p.m * p.k, bitsOf(p.a)},
              {p.k * p.n, bitsOf(p.b)},
              {p.m * p.n, bitsOf(p.c)},
              {p.m * p.n, bitsOf(p.d)}};
  unsigned per = f.a.perRegister(), rowBlocks = p.m / 8;
  for (unsigned lane = 0; lane < 32; ++lane) {
    unsigned group = lane / 4, thread = lane % 4;
    for (unsigned i = 0; i < f.a.count * per; ++i) {
      unsigned reg = i / per, row = group + 8 * (reg % rowBlocks);
      unsigned column = thread * per + i % per + 4 * per * (reg / rowBlocks);
      f.a.put(lane, i, encode(a[row * p.k + column], p.a));
    }
    for (unsigned i = 0; i < f.b.count * per; ++i) {
      unsigned row = thread * per + i % per + 4 * per * (i / per);
      f.b.put(lane, i, encode(b[row * p.n + group], p.b));
    }
    for (unsigned i = 0; i < p.m * p.n / 32; ++i) {
      unsigned row = group + 8 * (i / 2), column = 2 * thread + i % 2;
      int sum = c[row * p.n + column];
      f.c.put(lane, i, encode(sum, p.c));
      for (unsigned k = 0; k < p.k; ++k) {
        int x = a[row * p.k + k], y = b[k * p.n + column];
        sum += p.isXor ? x ^ y : x * y;
      }
      f.d.put(lane, i, encode(sum, p.d));
    }
  }
  return f;
}

void check(Snippet &snippet, const Statement &statement, std::mt19937 &random) {
  SCOPED_TRACE(statement.text);
  Fragments f = makeFragments(Product(statement), random);
  auto out = multiply(snippet, statement, f.d, {&f.a, &f.b, &f.c});
  ASSERT_EQ(snippet.error, "");
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < f.d.count; ++i)
      ASSERT_EQ(out[lane * f.d.count + i], f.d.words[lane][i])
          << "lane " << lane << " register " << i;
}

TEST(MatrixForms, MultiplyWholeNumbersOnEveryGeneration) {
  std::mt19937 random(4);
  for (const char *model : {"t4", "a100", "l4", "h200"}) {
    SCOPED_TRACE(model);
    Snippet snippet(model);
    snippet.isRecorded = false;
    unsigned count = 0;
    for (const Statement &statement : readForms("matrix", "Matrices")) {
      bool isSparse = statement.has("sp") || statement.has("sp::ordered_metadata");
      bool isVolta = statement.has("m8n8k4") && !statement.has("f64");
      if (statement.opcode != "mma" || isSparse || isVolta)
        continue;
      check(snippet, statement, random);
      if (testing::Test::HasFatalFailure())
        return;
      ++count;
    }
    EXPECT_EQ(count, 82u);
  }
}

} // namespace
