//===- FloatTest.cpp - Floating-point instructions, and refusals ---------------===//
//
// Every case is an instruction and its model; see Scalars.h.
//
//===----------------------------------------------------------------------===//
#include "Scalars.h"
#include <bit>
#include <cmath>

using namespace tilewright::emulator;

namespace {

float f(u64 bits) { return std::bit_cast<float>(u32(bits)); }
u64 bits(float value) { return std::isnan(value) ? 0x7fffffffu : std::bit_cast<u32>(value); }
double d(u64 bits) { return std::bit_cast<double>(bits); }
u64 bits(double value) { return std::bit_cast<u64>(value); }
float ftz(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }

TEST(Scalar, Float32) {
  Scalars scalars;
  // Numbers of similar size, besides the edges.
  std::mt19937 random(5);
  const u32 edges[] = {0,          0x80000000, 1,          0x007fffff, 0x00800000, 0x7f7fffff,
                       0x7f800000, 0xff800000, 0x7fc00001, 0x3f800000, 0xbf800000, 0x80000001};
  for (size_t i = 0; i < scalars.inputs.size(); ++i)
    scalars.inputs[i] = i % 2 ? 0x3d000000 + random() % 0x05000000 + (random() & 1u) * 0x80000000
                              : edges[random() % std::size(edges)];
  const Case cases[] = {
      {"add.f32 %f10, %f1, %f2;", [](u64 a, u64 b, u64) { return bits(f(a) + f(b)); }},
      {"sub.rn.f32 %f10, %f1, %f2;", [](u64 a, u64 b, u64) { return bits(f(a) - f(b)); }},
      {"mul.f32 %f10, %f1, %f2;", [](u64 a, u64 b, u64) { return bits(f(a) * f(b)); }},
      {"mul.ftz.f32 %f10, %f1, %f2;",
       [](u64 a, u64 b, u64) { return bits(ftz(ftz(f(a)) * ftz(f(b)))); }},
      {"add.ftz.f32 %f10, %f1, %f2;",
       [](u64 a, u64 b, u64) { return bits(ftz(ftz(f(a)) + ftz(f(b)))); }},
      {"fma.rn.f32 %f10, %f1, %f2, %f3;",
       [](u64 a, u64 b, u64 c) { return bits(std::fma(f(a), f(b), f(c))); }},
      {"fma.rn.ftz.f32 %f10, %f1, %f2, %f3;",
       [](u64 a, u64 b, u64 c) { return bits(ftz(std::fma(ftz(f(a)), ftz(f(b)), ftz(f(c))))); }},
      {"fma.rn.sat.f32 %f10, %f1, %f2, %f3;",
       [](u64 a, u64 b, u64 c) {
         float r = std::fma(f(a), f(b), f(c));
         return bits(r > 0 ? std::min(r, 1.0f) : 0.0f);
       }},
      {"div.rn.f32 %f10, %f1, %f2;", [](u64 a, u64 b, u64) { return bits(f(a) / f(b)); }},
      {"sqrt.rn.f32 %f10, %f1;", [](u64 a, u64, u64) { return bits(std::sqrt(f(a))); }},
      {"rcp.rn.f32 %f10, %f1;", [](u64 a, u64, u64) { return bits(1.0f / f(a)); }},
      {"neg.f32 %f10, %f1; abs.f32 %f10, %f10;", [](u64 a, u64, u64) { return a & 0x7fffffff; }},
      {"copysign.f32 %f10, %f1, %f2;",
       [](u64 a, u64 b, u64) { return (a & 0x80000000) | (b & 0x7fffffff); }},
      {"min.f32 %f10, %f1, %f2;",
       [](u64 a, u64 b, u64) {
         if (f(a) == 0 && f(b) == 0)
           return (a | b) & 0x80000000;
         return bits(std::fmin(f(a), f(b)));
       }},
      {"max.NaN.f32 %f10, %f1, %f2;",
       [](u64 a, u64 b, u64) {
         if (std::isnan(f(a)) || std::isnan(f(b)))
           return u64(0x7fffffff);
         if (f(a) == 0 && f(b) == 0)
           return a & b & 0x80000000;
         return bits(std::fmax(f(a), f(b)));
       }},
      {"cvt.rzi.s32.f32 %r11, %f1; mov.b32 %f10, %r11;",
       [](u64 a, u64, u64) {
         if (std::isnan(f(a)))
           return u64(0);
         return u64(u32(s32(std::clamp<double>(f(a), INT32_MIN, INT32_MAX))));
       }},
      {"cvt.rni.f32.f32 %f10, %f1;", [](u64 a, u64, u64) { return bits(std::nearbyint(f(a))); }},
      {"cvt.rn.f32.s32 %f10, %r1;", [](u64 a, u64, u64) { return bits(float(s32(a))); }},
      {"cvt.rn.f32.u32 %f10, %r1;", [](u64 a, u64, u64) { return bits(float(u32(a))); }},
      {"cvt.sat.f32.f32 %f10, %f1;",
       [](u64 a, u64, u64) { return bits(f(a) > 0 ? std::min(f(a), 1.0f) : 0.0f); }},
      {"selp.f32 %f10, %f1, 0f40490FDB, %p2;",
       [](u64 a, u64, u64 c) { return c & 1 ? a : 0x40490fdb; }},
      {"slct.f32.f32 %f10, %f1, %f2, %f3;", [](u64 a, u64 b, u64 c) { return f(c) >= 0 ? a : b; }},
      {"testp.finite.f32 %p1, %f1; selp.f32 %f10, 0f3F800000, 0f00000000, %p1;",
       [](u64 a, u64, u64) { return bits(std::isfinite(f(a)) ? 1.0f : 0.0f); }},
      {"set.gtu.f32.f32 %f10, %f1, %f2;",
       [](u64 a, u64 b, u64) { return bits(!(f(a) <= f(b)) ? 1.0f : 0.0f); }},
      {"setp.ltu.f32 %p1, %f1, %f2; selp.f32 %f10, 1.0, 2.0, %p1;",
       [](u64 a, u64 b, u64) { return bits(!(f(a) >= f(b)) ? 1.0f : 2.0f); }},
      {"setp.ne.f32 %p1, %f1, %f2; selp.f32 %f10, 1.0, 2.0, %p1;",
       [](u64 a, u64 b, u64) { return bits(f(a) < f(b) || f(a) > f(b) ? 1.0f : 2.0f); }},
      {"setp.num.f32 %p1, %f1, %f2; selp.f32 %f10, 1.0, 2.0, %p1;",
       [](u64 a, u64 b, u64) { return bits(std::isnan(f(a)) || std::isnan(f(b)) ? 2.0f : 1.0f); }},
  };
  std::string take = std::string(kTake32) +
                     "mov.b32 %f1, %r1; mov.b32 %f2, %r2; mov.b32 %f3, %r3;\n"
                     "and.b32 %r9, %r3, 1; setp.ne.u32 %p2, %r9, 0;\n";
  for (const Case &test : cases)
    scalars.check("mov.b32 %r10, %f10; cvt.u64.u32 %rd10, %r10;", take.c_str(), test, 0xffffffff,
                  0xffffffff);
}

TEST(Scalar, DirectedRoundingStaysWithinOneUnit) {
  Scalars scalars;
  std::mt19937 random(6);
  for (u64 &value : scalars.inputs)
    value = 0x3f000000 + random() % 0x01000000;
  auto down = [](double x) {
    float r = float(x);
    return bits(double(r) > x ? std::nextafter(r, -INFINITY) : r);
  };
  auto up = [](double x) {
    float r = float(x);
    return bits(double(r) < x ? std::nextafter(r, INFINITY) : r);
  };
  const Case cases[] = {
      {"add.rm.f32 %f10, %f1, %f2;", [=](u64 a, u64 b, u64) { return down(double(f(a)) + f(b)); }},
      {"add.rp.f32 %f10, %f1, %f2;", [=](u64 a, u64 b, u64) { return up(double(f(a)) + f(b)); }},
      {"mul.rz.f32 %f10, %f1, %f2;", [=](u64 a, u64 b, u64) { return down(double(f(a)) * f(b)); }},
      {"mul.rp.f32 %f10, %f1, %f2;", [=](u64 a, u64 b, u64) { return up(double(f(a)) * f(b)); }},
  };
  std::string take = std::string(kTake32) + "mov.b32 %f1, %r1; mov.b32 %f2, %r2;\n";
  for (const Case &test : cases)
    scalars.check("mov.b32 %r10, %f10; cvt.u64.u32 %rd10, %r10;", take.c_str(), test, 0xffffffff,
                  0xffffffff);
}

TEST(Scalar, Float64) {
  Scalars scalars;
  std::mt19937_64 random(7);
  for (u64 &value : scalars.inputs)
    value = 0x3fd0000000000000 + (random() >> 9) % 0x0060000000000000 + (random() << 63);
  const Case cases[] = {
      {"add.f64 %fd4, %fd1, %fd2;", [](u64 a, u64 b, u64) { return bits(d(a) + d(b)); }},
      {"mul.rn.f64 %fd4, %fd1, %fd2;", [](u64 a, u64 b, u64) { return bits(d(a) * d(b)); }},
      {"fma.rn.f64 %fd4, %fd1, %fd2, %fd3;",
       [](u64 a, u64 b, u64 c) { return bits(std::fma(d(a), d(b), d(c))); }},
      {"div.rn.f64 %fd4, %fd1, %fd2;", [](u64 a, u64 b, u64) { return bits(d(a) / d(b)); }},
      {"abs.f64 %fd4, %fd1; sqrt.rn.f64 %fd4, %fd4;",
       [](u64 a, u64, u64) { return bits(std::sqrt(std::fabs(d(a)))); }},
      {"max.f64 %fd4, %fd1, %fd2;", [](u64 a, u64 b, u64) { return bits(std::fmax(d(a), d(b))); }},
      {"cvt.rn.f32.f64 %f1, %fd1; cvt.f64.f32 %fd4, %f1;",
       [](u64 a, u64, u64) { return bits(double(float(d(a)))); }},
      {"cvt.rzi.s64.f64 %rd4, %fd1; cvt.rn.f64.s64 %fd4, %rd4;",
       [](u64 a, u64, u64) { return bits(std::trunc(d(a)) + 0.0); }},
  };
  for (const Case &test : cases)
    scalars.check("mov.b64 %rd10, %fd4;",
                  "mov.b64 %fd1, %rd1; mov.b64 %fd2, %rd2; mov.b64 %fd3, %rd3;\n", test, ~0ull,
                  ~0ull);
}

double half(u64 h) {
  u32 exponent = h >> 10 & 31, mantissa = h & 1023;
  double value = exponent == 31 ? (mantissa ? NAN : INFINITY)
                 : exponent     ? std::ldexp(1024 + mantissa, int(exponent) - 25)
                                : std::ldexp(mantissa, -24);
  return h & 0x8000 ? -value : value;
}
double brain(u64 h) { return std::bit_cast<float>(u32(h << 16)); }
/// Rounds a value that is exact in double to f16, nearest even.
u64 toHalf(double value) {
  if (std::isnan(value))
    return 0x7fff;
  u64 sign = std::signbit(value) ? 0x8000 : 0;
  double magnitude = std::fabs(value);
  if (magnitude >= 65520)
    return sign | 0x7c00;
  int exponent = magnitude == 0 ? -14 : std::max(std::ilogb(magnitude), -14);
  u64 scaled = u64(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  return sign | (scaled + (u64(exponent + 14) << 10));
}
u64 toBrain(double value) {
  if (std::isnan(value))
    return 0x7fff;
  u32 word = std::bit_cast<u32>(float(value));
  return (word + 0x7fff + (word >> 16 & 1)) >> 16;
}

TEST(Scalar, HalfPrecision) {
  Scalars scalars;
  std::mt19937 random(8);
  for (u64 &value : scalars.inputs)
    value = (0x3000 + random() % 0x1800 + (random() & 1u) * 0x8000) | (0x3000 + random() % 0x1800)
                                                                          << 16;
  auto two = [](auto one) {
    return Model([one](u64 a, u64 b, u64 c) {
      return one(a & 0xffff, b & 0xffff, c & 0xffff) | one(a >> 16, b >> 16, c >> 16) << 16;
    });
  };
  // bf16 products and sums of these inputs are exact in f32 or round once.
  const Case cases[] = {
      {"add.f16x2 %r10, %r1, %r2;",
       two([](u64 a, u64 b, u64) { return toHalf(half(a) + half(b)); })},
      {"mul.rn.f16x2 %r10, %r1, %r2;",
       two([](u64 a, u64 b, u64) { return toHalf(half(a) * half(b)); })},
      {"fma.rn.f16x2 %r10, %r1, %r2, %r3;",
       two([](u64 a, u64 b, u64 c) { return toHalf(half(a) * half(b) + half(c)); })},
      {"fma.rn.relu.f16x2 %r10, %r1, %r2, %r3;", two([](u64 a, u64 b, u64 c) {
         double r = half(a) * half(b) + half(c);
         return r > 0 ? toHalf(r) : 0;
       })},
      {"sub.bf16x2 %r10, %r1, %r2;",
       two([](u64 a, u64 b, u64) { return toBrain(brain(a) - brain(b)); })},
      {"mul.bf16x2 %r10, %r1, %r2;",
       two([](u64 a, u64 b, u64) { return toBrain(brain(a) * brain(b)); })},
      {"max.f16x2 %r10, %r1, %r2;",
       two([](u64 a, u64 b, u64) { return half(a) > half(b) ? a : b; })},
      {"neg.bf16x2 %r10, %r1;", two([](u64 a, u64, u64) { return a ^ 0x8000; })},
      {"mov.b32 {%h1, %h2}, %r1; mov.b32 {%h3, %h4}, %r2; add.rn.f16 %h5, %h1, %h3; "
       "setp.lt.f16 %p1, %h1, %h4; selp.b16 %h6, %h5, %h2, %p1; mov.b32 %r10, {%h5, %h6};",
       [](u64 a, u64 b, u64) {
         u64 sum = toHalf(half(a & 0xffff) + half(b & 0xffff));
         return sum | (half(a & 0xffff) < half(b >> 16) ? sum : a >> 16) << 16;
       }},
      {"mov.b32 {%h1, %h2}, %r1; cvt.f32.f16 %f1, %h1; cvt.rn.f16.f32 %h3, %f1; "
       "cvt.f32.bf16 %f2, %h2; cvt.rn.bf16.f32 %h4, %f2; mov.b32 %r10, {%h3, %h4};",
       [](u64 a, u64, u64) { return a; }},
      {"mov.b32 %f1, %r1; mov.b32 %f2, %r2; cvt.rn.bf16x2.f32 %r10, %f1, %f2;",
       [](u64 a, u64 b, u64) { return toBrain(f(a)) << 16 | toBrain(f(b)); }},
      {"mov.b32 {%h1, %h2}, %r1; cvt.f32.f16 %f1, %h1; cvt.f32.f16 %f2, %h2; "
       "cvt.rn.f16x2.f32 %r10, %f1, %f2;",
       [](u64 a, u64, u64) { return a >> 16 | a << 16; }},
      {"mov.b32 %f1, %r1; cvt.rna.tf32.f32 %r10, %f1;",
       [](u64 a, u64, u64) { return (a + 0x1000) & 0xffffe000; }},
  };
  for (const Case &test : cases)
    scalars.check(kGive32, kTake32, test, 0xffffffff, 0xffffffff);
}

TEST(Scalar, EightBitFloats) {
  Snippet snippet("h200");
  // e4m3: 0x38 is 1, 0x7e is 448 (the largest), 0x3c is 1.5; e5m2: 0x3c is 1.
  auto out = snippet.run(R"(
    mov.f32 %f1, 0f44000000; mov.f32 %f2, 0f3FC00000;
    cvt.rn.satfinite.e4m3x2.f32 %h1, %f1, %f2;
    cvt.rn.f16x2.e4m3x2 %r1, %h1;
    cvt.rn.satfinite.e5m2x2.f16x2 %h2, %r1;
    mov.b32 %r2, {%h1, %h2}; mov.b64 %rd1, {%r1, %r2}; st.global.u64 [%out], %rd1;)");
  ASSERT_EQ(snippet.error, "");
  EXPECT_EQ(out[0] & 0xffffffff, 0x5f003e00u); // 448, 1.5 in f16
  EXPECT_EQ(out[0] >> 32 & 0xffff, 0x7e3cu);   // e4m3
  EXPECT_EQ(out[0] >> 48, 0x5f3eu);            // e5m2: 448, 1.5
}

TEST(Scalar, ApproximateFunctionsStayWithinTheirBounds) {
  Snippet snippet;
  std::vector<u64> in;
  for (unsigned t = 0; t < 32; ++t)
    in.push_back(std::bit_cast<u32>(0.07f + 0.19f * t));
  struct {
    const char *text;
    double (*model)(double);
    double bound; ///< relative, from the PTX ISA
  } cases[] = {
      {"ex2.approx.f32", [](double x) { return std::exp2(x); }, std::ldexp(1, -22)},
      {"ex2.approx.ftz.f32", [](double x) { return std::exp2(x); }, std::ldexp(1, -22)},
      {"lg2.approx.f32", [](double x) { return std::log2(x); }, std::ldexp(1, -21)},
      {"rcp.approx.ftz.f32", [](double x) { return 1 / x; }, std::ldexp(1, -22)},
      {"rsqrt.approx.f32", [](double x) { return 1 / std::sqrt(x); }, std::ldexp(1, -22)},
      {"sqrt.approx.f32", [](double x) { return std::sqrt(x); }, std::ldexp(1, -22)},
      {"sin.approx.f32", [](double x) { return std::sin(x); }, std::ldexp(1, -18)},
      {"cos.approx.f32", [](double x) { return std::cos(x); }, std::ldexp(1, -18)},
      {"tanh.approx.f32", [](double x) { return std::tanh(x); }, std::ldexp(1, -11)},
  };
  for (const auto &test : cases) {
    SCOPED_TRACE(test.text);
    auto out = snippet.run(std::string("ld.global.f32 %f1, [%in]; ") + test.text +
                               " %f2, %f1; st.global.f32 [%out], %f2;",
                           in);
    ASSERT_EQ(snippet.error, "");
    for (unsigned t = 0; t < 32; ++t) {
      double expected = test.model(f(in[t]));
      EXPECT_NEAR(f(out[t]), expected, std::max(std::fabs(expected), 0.1) * test.bound);
    }
  }
}

TEST(Scalar, RefusesWhatDoesNotExist) {
  Snippet snippet;
  const std::pair<const char *, const char *> cases[] = {
      {"frobnicate.s32 %r1, %r2;", "ptx line 11, column 1: unknown instruction 'frobnicate'"},
      {"add.foo.s32 %r1, %r2, %r3;", "ptx line 11, column 4: unknown modifier '.foo' on 'add'"},
      {"add.s32 %r1, %r2;", "ptx line 11, column 1: 'add' expects 3 operands, but got 2"},
      {"add.s32 %r1, %r2, %rd3;",
       "ptx line 11, column 19: expects a register of 32 bits, but '%rd3' has 64"},
      {"add.s32 5, %r2, %r3;", "ptx line 11, column 9: expects a register as destination"},
      {"mul.s32 %r1, %r2, %r3;", "ptx line 11, column 1: 'mul' needs .lo, .hi or .wide"},
      {"and.s32 %r1, %r2, %r3;", "ptx line 11, column 4: 'and' does not take the type '.s32'"},
      {"cvt.s32.f32 %r1, %f1;",
       "ptx line 11, column 1: a conversion from float to integer needs .rni, .rzi, .rmi or .rpi"},
      {"lop3.b32 %r1, %r2, %r3, %r4, 256;",
       "ptx line 11, column 30: expects a constant from 0 to 255, but got 256"},
      {"ld.shared.v3.u32 {%r1,%r2,%r3}, [%r4];",
       "ptx line 11, column 18: expects 1 elements, but got 3"},
      {"ld.global.u32 %h1, [%rd1];",
       "ptx line 11, column 15: '%h1' has 16 bits, fewer than '.u32'"},
      {"mma.sync.aligned.m16n8k16.row.col.f32.f16.bf16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, "
       "{%r5,%r6}, {%f1,%f2,%f3,%f4};",
       "ptx line 11, column 1: no mma of shape .m16n8k16 with types .f32.f16.bf16.f32"},
      {"mov.u32 %r1, %nosuch;", "ptx line 11, column 14: unknown name '%nosuch'"},
      {"bra k;", "ptx line 11, column 5: expects a label"},
  };
  for (const auto &[text, message] : cases) {
    snippet.run(text);
    EXPECT_EQ(snippet.error, message) << text;
  }
}

} // namespace
