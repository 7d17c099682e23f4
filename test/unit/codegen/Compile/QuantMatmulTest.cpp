//===- QuantMatmulTest.cpp - Compiled products on the emulated device ---------===//
//
// From a problem to numbers: compile, load, launch, compare. Inputs are small
// integers and scales powers of two, so every partial sum is exact and results
// must agree bit for bit with integer arithmetic, whatever the schedule.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/Compile.h"
#include "dialects/Support/Format/Format.h"
#include "runtime/Emulator/EmulatedDevice.h"
#include "runtime/Launch/QuantMatmul.h"
#include "runtime/Launch/Staging.h"
#include "llvm/ADT/APFloat.h"
#include "gtest/gtest.h"
#include <random>

using namespace tilewright;

namespace {
/// Bits of a small integer (or a power of two) in a 16-bit float format.
uint16_t toHalf(double value, llvm::StringRef dtype) {
  llvm::APFloat number(value);
  bool inexact;
  number.convert(dtype == "f16" ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat(),
                 llvm::APFloat::rmNearestTiesToEven, &inexact);
  EXPECT_FALSE(inexact) << value << " in " << dtype.str();
  return number.bitcastToAPInt().getZExtValue();
}

struct Case {
  int64_t m, n, k;
  const char *format = "u4", *activation = "f16", *group = "128", *scale = "f16";
  bool zeros = false, bias = false;
  const char *schedule = nullptr;
  const char *device = "a100";
};

void PrintTo(const Case &c, std::ostream *os) {
  *os << c.m << "x" << c.n << "x" << c.k << " " << c.format << " " << c.activation << " group "
      << c.group << (c.zeros ? " zeros" : "") << (c.bias ? " bias" : "") << " on " << c.device
      << (c.schedule ? c.schedule : "");
}

class QuantMatmulTest : public testing::TestWithParam<Case> {
protected:
  static constexpr uint64_t seed = 20;
  std::mt19937_64 random{seed};
  int64_t draw(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }
};

TEST_P(QuantMatmulTest, EqualsIntegerArithmetic) {
  const Case &c = GetParam();
  RecordProperty("seed", int(seed));
  format::Format format = format::get(c.format);
  int64_t rows = llvm::StringRef(c.group) == "channel" ? c.k : std::atoi(c.group);
  int64_t groups = (c.k + rows - 1) / rows;

  // Numbers: x, codes as numbers, zero points, scales as powers of two.
  std::vector<int64_t> x(c.m * c.k), q(c.k * c.n), z(groups * c.n), bias(c.n);
  std::vector<double> s(groups * c.n);
  for (auto &value : x)
    value = draw(-3, 3);
  for (auto &value : q)
    value = draw(format.minCode(), format.maxCode());
  for (auto &value : z)
    value = c.zeros ? draw(format.minCode(), format.maxCode()) : 0;
  for (auto &value : s)
    value = std::ldexp(1.0, draw(-2, 0));
  for (auto &value : bias)
    value = draw(-8, 8);

  // Their stored forms.
  std::vector<uint16_t> xBits(x.size()), sBits(s.size()), biasBits(c.n);
  std::vector<uint8_t> codes(q.size()), zeroCodes(z.size());
  for (size_t i = 0; i < x.size(); ++i)
    xBits[i] = toHalf(x[i], c.activation);
  for (size_t i = 0; i < q.size(); ++i)
    codes[i] = q[i] + format.storageBias();
  for (size_t i = 0; i < z.size(); ++i) {
    zeroCodes[i] = z[i] + format.storageBias();
    sBits[i] = toHalf(s[i], c.scale);
  }
  for (int64_t i = 0; i < c.n; ++i)
    biasBits[i] = toHalf(bias[i], c.activation);
  pack::PackedShape shape{c.k, c.n, format.bits};
  std::vector<uint32_t> words(shape.getWordCount());
  std::vector<uint16_t> scales(groups * pack::getPackedColumns(c.n));
  std::vector<uint8_t> zeros(scales.size());
  llvm::cantFail(pack::packCodes(shape, {codes.data(), c.n, 1}, words));
  llvm::cantFail(pack::packScales<uint16_t>(groups, c.n, {sBits.data(), c.n, 1}, scales));
  llvm::cantFail(pack::packScales<uint8_t>(groups, c.n, {zeroCodes.data(), c.n, 1}, zeros));

  // The call.
  auto address = [](auto &data) { return reinterpret_cast<uint64_t>(data.data()); };
  std::vector<float> y(c.m * c.n, -1);
  launch::QuantMatmulCall call;
  call.x = launch::makeDense(nullptr, address(xBits), c.activation, {c.m, c.k});
  call.y = launch::makeDense(nullptr, address(y), "f32", {c.m, c.n});
  call.weights = {shape, c.format, c.group,
                  launch::makePacked(nullptr, address(words), "u32", words.size() * 4),
                  launch::makePacked(nullptr, address(scales), c.scale, scales.size() * 2),
                  std::nullopt};
  if (c.zeros)
    call.weights.zeros = launch::makePacked(nullptr, address(zeros), "u8", zeros.size());
  if (c.bias)
    call.bias = launch::makeDense(nullptr, address(biasBits), c.activation, {c.n});
  auto problem = launch::makeProblem(call);
  ASSERT_TRUE(bool(problem)) << llvm::toString(problem.takeError());
  std::shared_ptr<emulator::EmulatedDevice> device =
      llvm::cantFail(emulator::EmulatedDevice::create(c.device));
  compile::Options options;
  options.expectedM = c.m;
  if (c.schedule)
    options.schedule = llvm::cantFail(schedule::Schedule::parse(c.schedule));
  auto artifact = compile::compile(*problem, device->getModel(), options);
  ASSERT_TRUE(bool(artifact)) << llvm::toString(artifact.takeError());
  auto workspaces = std::make_shared<launch::Workspaces>(device);
  auto executable = launch::Executable::load(device, workspaces, *artifact);
  ASSERT_TRUE(bool(executable)) << llvm::toString(executable.takeError());
  // Twice: workspaces must be ready for the next launch.
  for (int round = 0; round < 2; ++round) {
    auto error = launch::launchStaged(**executable, launch::getOperands(call));
    ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
    for (int64_t row = 0; row < c.m; ++row)
      for (int64_t column = 0; column < c.n; ++column) {
        double sum = c.bias ? bias[column] : 0;
        for (int64_t i = 0; i < c.k; ++i) {
          int64_t g = i / rows * c.n + column;
          sum += x[row * c.k + i] * (q[i * c.n + column] - z[g]) * s[g];
        }
        ASSERT_EQ(y[row * c.n + column], sum) << "at " << row << ", " << column;
      }
  }
}

constexpr const char *decode =
    "quant_matmul{split_k=1, stages=2, tile_k=128, tile_m=16, tile_n=32, warps_m=1, warps_n=1}";
constexpr const char *deep =
    "quant_matmul{split_k=3, stages=4, tile_k=256, tile_m=32, tile_n=64, warps_m=2, warps_n=2}";
constexpr const char *wide =
    "quant_matmul{split_k=1, stages=3, tile_k=128, tile_m=64, tile_n=128, warps_m=1, warps_n=4}";

INSTANTIATE_TEST_SUITE_P(
    Cases, QuantMatmulTest,
    testing::Values(Case{16, 64, 256, "u4", "f16", "128", "f16", false, false, decode},
                    Case{16, 256, 1024}, Case{1, 96, 512},
                    Case{5, 65, 200, "i4", "f16", "64"},
                    Case{17, 40, 63, "u3", "bf16", "32", "bf16", true},
                    Case{64, 128, 384, "i8", "bf16", "128", "f16", true, true, wide},
                    Case{33, 100, 1000, "u8", "f16", "channel", "f16", true, true},
                    Case{40, 96, 768, "u6", "f16", "32", "bf16", true, true, deep},
                    Case{7, 33, 129, "i5", "bf16", "channel", "bf16", false, true},
                    Case{3, 64, 128, "u7", "f16", "64", "f16", true},
                    Case{9, 32, 300, "i2", "bf16", "32", "f16", true},
                    Case{2, 32, 256, "u1", "f16", "128"}));
} // namespace
