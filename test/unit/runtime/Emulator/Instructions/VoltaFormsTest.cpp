//===- VoltaFormsTest.cpp - mma.m8n8k4 of f16 ------------------------------------===//
//
// Whole numbers for the fragments of all layouts, as the PTX ISA's section
// "Matrix Fragments for mma.m8n8k4 with .f16" places them; random numbers for the
// rounding of GPUs after Turing, in the host's float arithmetic.
//
//===----------------------------------------------------------------------===//
#include "MatrixForms.h"
#include "test/unit/runtime/Emulator/Numerics/Precise.h"

using namespace tilewright::emulator;

namespace {

/// Four products of 8 x 4 by 4 x 8 halves; elements are bits.
struct Products {
  u64 a[4][8][4], b[4][4][8], c[4][8][8], d[4][8][8];
};

/// Calls f(product, row or column, k, lane, i) for each element of A or B.
template <typename F> void forFactors(bool isMajor, F f) {
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < 4; ++i) {
      unsigned product = lane % 16 / 4, upper = lane < 16 ? 0 : 4;
      if (isMajor) // a row of A, a column of B
        f(product, lane % 4 + upper, i, lane, i);
      else
        f(product, i + upper, lane % 4, lane, i);
    }
}
template <typename F> void forSums(const std::string &type, F f) {
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < 8; ++i) {
      unsigned product = lane % 16 / 4, upper = lane < 16 ? 0 : 4;
      if (type == "f16")
        f(product, lane % 4 + upper, i, lane, i);
      else
        f(product, (lane & 1) + (i & 2) + upper, (i & 4) + (lane & 2) + (i & 1), lane, i);
    }
}

/// Runs the statement on `p` and compares d.
void check(Snippet &snippet, const Statement &s, const Products &p) {
  SCOPED_TRACE(s.text);
  std::string dType = s.type(0), cType = s.type(3);
  std::vector<std::string> layouts;
  for (const std::string &modifier : s.modifiers)
    if (modifier == "row" || modifier == "col")
      layouts.push_back(modifier);
  ASSERT_EQ(layouts.size(), 2u);
  Fragment a{128, 16}, b{128, 16}, c{256, bitsOf(cType)}, d{256, bitsOf(dType)};
  forFactors(layouts[0] == "row", [&](auto product, auto row, auto k, auto lane, auto i) {
    a.put(lane, i, p.a[product][row][k]);
  });
  forFactors(layouts[1] == "col", [&](auto product, auto column, auto k, auto lane, auto i) {
    b.put(lane, i, p.b[product][k][column]);
  });
  forSums(cType, [&](auto product, auto row, auto column, auto lane, auto i) {
    c.put(lane, i, p.c[product][row][column]);
  });
  forSums(dType, [&](auto product, auto row, auto column, auto lane, auto i) {
    d.put(lane, i, p.d[product][row][column]);
  });
  auto out = multiply(snippet, s, d, {&a, &b, &c});
  ASSERT_EQ(snippet.error, "");
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < d.count; ++i)
      ASSERT_EQ(out[lane * d.count + i], d.words[lane][i]) << "lane " << lane << " register " << i;
}

std::vector<Statement> voltaForms() {
  std::vector<Statement> forms;
  for (Statement &s : readForms("matrix", "Matrices"))
    if (s.opcode == "mma" && s.has("m8n8k4") && !s.has("f64"))
      forms.push_back(std::move(s));
  return forms;
}

TEST(VoltaForms, MultiplyWholeNumbersOnEveryGeneration) {
  std::mt19937 random(11);
  for (const char *model : {"t4", "a100", "l4", "h200"}) {
    SCOPED_TRACE(model);
    Snippet snippet(model);
    snippet.isRecorded = false;
    auto forms = voltaForms();
    EXPECT_EQ(forms.size(), 12u);
    for (const Statement &s : forms) {
      Products p;
      for (unsigned product = 0; product < 4; ++product) {
        std::vector<int> a = makeNumbers(32, "f16", random), b = makeNumbers(32, "f16", random),
                         c = makeNumbers(64, "f16", random);
        for (unsigned row = 0; row < 8; ++row)
          for (unsigned column = 0; column < 8; ++column) {
            int sum = c[8 * row + column];
            p.c[product][row][column] = encode(sum, s.type(3));
            for (unsigned k = 0; k < 4; ++k) {
              sum += a[4 * row + k] * b[8 * k + column];
              p.a[product][row][k] = encode(a[4 * row + k], "f16");
              p.b[product][k][column] = encode(b[8 * k + column], "f16");
            }
            p.d[product][row][column] = encode(sum, s.type(0));
          }
      }
      check(snippet, s, p);
      if (testing::Test::HasFatalFailure())
        return;
    }
  }
}

float toFloat(u64 bits, const std::string &type) {
  if (type == "f32")
    return std::bit_cast<float>(uint32_t(bits));
  precise::Number number;
  precise::decode(number, bits, precise::formatOf("f16"));
  return mpfr_get_flt(number, MPFR_RNDN);
}
u64 fromFloat(float value, const std::string &type) {
  if (type == "f32")
    return std::bit_cast<uint32_t>(value);
  return precise::round(precise::formatOf("f16"), MPFR_RNDN, [&](mpfr_ptr r, mpfr_rnd_t rounding) {
    return mpfr_set_flt(r, value, rounding);
  });
}

/// What the function that ptxas calls computes: MatrixVolta.cpp.
float sumOf(const float *a, const float *b, float c, bool isHalf) {
  if (isHalf)
    return c + std::fmaf(a[1], b[1], a[0] * b[0]) + std::fmaf(a[3], b[3], a[2] * b[2]);
  float sum = 0;
  for (unsigned k = 0; k < 4; ++k)
    sum = std::fmaf(a[k], b[k], sum);
  return c + sum;
}

TEST(VoltaForms, RoundAsTheFunctionOfPtxas) {
  std::mt19937 random(12);
  Snippet snippet("a100");
  snippet.isRecorded = false;
  for (const Statement &s : voltaForms()) {
    std::string dType = s.type(0), cType = s.type(3);
    Products p;
    for (unsigned product = 0; product < 4; ++product) {
      auto half = [&] { return (random() & 0x83ff) | (8 + random() % 14) << 10; };
      for (auto &row : p.a[product])
        for (u64 &element : row)
          element = half();
      for (auto &row : p.b[product])
        for (u64 &element : row)
          element = half();
      for (unsigned row = 0; row < 8; ++row)
        for (unsigned column = 0; column < 8; ++column) {
          float a[4], b[4];
          for (unsigned k = 0; k < 4; ++k) {
            a[k] = toFloat(p.a[product][row][k], "f16");
            b[k] = toFloat(p.b[product][k][column], "f16");
          }
          u64 &c = p.c[product][row][column];
          c = cType == "f16" ? half() : (random() & 0x807fffff) | (120 + random() % 14) << 23;
          p.d[product][row][column] =
              fromFloat(sumOf(a, b, toFloat(c, cType), dType == "f16"), dType);
        }
    }
    check(snippet, s, p);
    if (testing::Test::HasFatalFailure())
      return;
  }
}

} // namespace
