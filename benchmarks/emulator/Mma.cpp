//===- Mma.cpp - How fast the exact mma runs on one core -------------------===//
//
// Prints operations a second for the shapes that kernels use. The design asks
// for two million m16n8k16 a second.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Numerics/Mma.h"
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <random>
#include <vector>

using namespace tilewright::numerics;
using tilewright::target::TensorCore;

namespace {

struct Case {
  const char *name;
  TensorCore core;
  MmaShape shape;
  FloatType type, accumulator;
  MmaInstruction instruction = MmaInstruction::Mma;
};

double measure(const Case &test, bool packed) {
  const MmaShape &shape = test.shape;
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<uint32_t> a(shape.m * shape.k), b(shape.n * shape.k), c(shape.m * shape.n, 0);
  for (std::vector<uint32_t> *matrix : {&a, &b})
    for (uint32_t &bits : *matrix)
      bits = static_cast<uint32_t>(fromDouble(normal(generator), test.type));
  std::vector<uint16_t> aHalf(a.begin(), a.end()), bHalf(b.begin(), b.end());
  // Processor time: other work on the machine counts less.
  std::clock_t start = std::clock();
  size_t count = 0;
  for (double elapsed = 0;;) {
    std::fill(c.begin(), c.end(), 0); // an f16 accumulator must stay finite
    for (int i = 0; i < 1000; ++i, ++count) {
      if (packed)
        mmaHalf(test.core, shape, test.type, test.accumulator, aHalf.data(), bHalf.data(), c.data(),
                c.data(), test.instruction);
      else
        mmaFloat(test.core, shape, test.type, test.type, test.accumulator, a.data(), b.data(),
                 c.data(), c.data(), test.instruction);
    }
    elapsed = double(std::clock() - start) / CLOCKS_PER_SEC;
    if (elapsed > 0.3)
      return count / elapsed;
  }
}

} // namespace

int main() {
  constexpr FloatType F16 = FloatType::F16, BF16 = FloatType::BF16, F32 = FloatType::F32;
  const Case cases[] = {
      {"ampere m16n8k16 f16 f32", TensorCore::Ampere, {16, 8, 16}, F16, F32},
      {"ampere m16n8k16 bf16 f32", TensorCore::Ampere, {16, 8, 16}, BF16, F32},
      {"ampere m16n8k16 f16 f16", TensorCore::Ampere, {16, 8, 16}, F16, F16},
      {"ampere m16n8k8 f16 f32", TensorCore::Ampere, {16, 8, 8}, F16, F32},
      {"ampere m16n8k8 tf32 f32", TensorCore::Ampere, {16, 8, 8}, FloatType::TF32, F32},
      {"hopper m16n8k16 f16 f32", TensorCore::Hopper, {16, 8, 16}, F16, F32},
      {"hopper m64n128k16 f16 f32",
       TensorCore::Hopper,
       {64, 128, 16},
       F16,
       F32,
       MmaInstruction::Wgmma},
      {"ada m16n8k32 e4m3 f32", TensorCore::Ada, {16, 8, 32}, FloatType::E4M3, F32},
  };
  for (const Case &test : cases) {
    double products = double(test.shape.m) * test.shape.n * test.shape.k;
    double rate = measure(test, false);
    std::printf("%-28s %8.3f M/s  %6.2f G products/s", test.name, rate / 1e6,
                rate * products / 1e9);
    if (test.type == F16 || test.type == BF16)
      std::printf("  packed %8.3f M/s", measure(test, true) / 1e6);
    std::printf("\n");
  }
}
