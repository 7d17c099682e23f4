//===- Warp.cpp - How fast whole-warp arithmetic runs on one core ----------===//
//
// Prints warp instructions a second, for the host's vectors and for the baseline.
// The design asks for fifty million arithmetic warp instructions a second,
// interpretation included.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Numerics/Warp.h"
#include "runtime/Emulator/Numerics/Float.h"
#include <bit>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <random>

using namespace tilewright::numerics;

namespace {

struct Operands {
  alignas(64) uint32_t a[32], b[32], c[32], d[32];
};

template <typename Run> double measure(Run run) {
  // Processor time: other work on the machine counts less.
  std::clock_t start = std::clock();
  for (size_t count = 0;;) {
    for (int i = 0; i < 10000; ++i, ++count)
      run();
    double elapsed = double(std::clock() - start) / CLOCKS_PER_SEC;
    if (elapsed > 0.1)
      return count / elapsed / 1e6;
  }
}

void report(const WarpOperations &operations, Operands &single, Operands &half) {
  auto unary = [](const char *name, WarpUnary function, Operands &x) {
    std::printf("  %-12s %8.1f M/s\n", name, measure([&] { function(x.d, x.a, ~0u); }));
  };
  auto binary = [](const char *name, WarpBinary function, Operands &x) {
    std::printf("  %-12s %8.1f M/s\n", name, measure([&] { function(x.d, x.a, x.b, ~0u); }));
  };
  auto ternary = [](const char *name, WarpTernary function, Operands &x) {
    std::printf("  %-12s %8.1f M/s\n", name, measure([&] { function(x.d, x.a, x.b, x.c, ~0u); }));
  };
  binary("add.f32", operations.addF32.plain, single);
  binary("add.ftz.f32", operations.addF32.flush, single);
  ternary("fma.f32", operations.fmaF32.plain, single);
  binary("max.f32", operations.maximumF32.plain, single);
  unary("ex2.f32", operations.exp2F32.plain, single);
  unary("rcp.f32", operations.reciprocalF32.plain, single);
  unary("rsqrt.f32", operations.reciprocalSqrtF32.plain, single);
  binary("add.f16x2", operations.addF16x2, half);
  ternary("fma.f16x2", operations.fmaF16x2, half);
  ternary("fma.bf16x2", operations.fmaBF16x2, half);
  binary("cvt.f16x2", operations.packF16x2, single);
  unary("cvt.f32.f16", operations.widenF16, half);
}

} // namespace

int main() {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  Operands single, half;
  auto f16 = [&] { return static_cast<uint32_t>(fromDouble(normal(generator), FloatType::F16)); };
  for (int i = 0; i < 32; ++i)
    for (auto lanes : {&Operands::a, &Operands::b, &Operands::c}) {
      (single.*lanes)[i] = std::bit_cast<uint32_t>(std::fabs(normal(generator)));
      (half.*lanes)[i] = f16() | f16() << 16;
    }
  std::printf("host vectors\n");
  report(getWarpOperations(), single, half);
  std::printf("baseline\n");
  report(getBaselineWarpOperations(), single, half);
}
