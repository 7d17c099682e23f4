//===- CudaKernelsTest.cpp - Ordinary CUDA kernels against the host ---------===//
//
// Runs test/cuda/kernels.ptx, which nvcc made of kernels.cu, with every landing
// policy and several orders of warps.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/EmulatedDevice.h"
#include "runtime/Emulator/Numerics/Float.h"
#include "test/unit/runtime/Emulator/Executed.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <random>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

struct Variant {
  LandingPolicy landing;
  uint64_t seed;
};

class CudaKernels : public testing::TestWithParam<Variant> {
protected:
  void SetUp() override {
    Options options;
    options.landing = GetParam().landing;
    options.landingSeed = options.warpOrderSeed = GetParam().seed;
    device = llvm::cantFail(EmulatedDevice::create("a100", options));
    auto text = llvm::MemoryBuffer::getFile(TILEWRIGHT_CUDA_DIR "/kernels.ptx");
    ASSERT_TRUE(bool(text));
    device::Image image;
    image.ptx = (*text)->getBuffer().str();
    auto loaded = device->load(image);
    ASSERT_TRUE(bool(loaded)) << llvm::toString(loaded.takeError());
    module = std::move(*loaded);
  }

  template <typename T> uint64_t upload(const std::vector<T> &values) {
    uint64_t pointer = llvm::cantFail(device->allocate(values.size() * sizeof(T)));
    llvm::cantFail(device->copyToDevice(pointer, values.data(), values.size() * sizeof(T)));
    return pointer;
  }
  template <typename T> std::vector<T> download(uint64_t pointer, size_t count) {
    std::vector<T> values(count);
    llvm::cantFail(device->copyToHost(values.data(), pointer, count * sizeof(T)));
    return values;
  }

  template <typename... Args>
  void launch(llvm::StringRef name, device::LaunchConfig config, Args... args) {
    std::vector<uint8_t> bytes;
    auto push = [&](auto value) {
      bytes.resize((bytes.size() + sizeof value - 1) / sizeof value * sizeof value);
      bytes.resize(bytes.size() + sizeof value);
      std::memcpy(&bytes[bytes.size() - sizeof value], &value, sizeof value);
    };
    (push(args), ...);
    auto kernel = module->getKernel(name);
    ASSERT_TRUE(bool(kernel)) << llvm::toString(kernel.takeError());
    llvm::Error error = device->launch(**kernel, config, bytes);
    Executed::add(device->getLastReport());
    ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  }

  static device::LaunchConfig shape(device::Dim3 grid, device::Dim3 block, uint32_t shared = 0) {
    device::LaunchConfig config;
    config.grid = grid;
    config.block = block;
    config.dynamicSharedBytes = shared;
    return config;
  }
  std::vector<float> randomFloats(size_t count) {
    std::vector<float> values(count);
    for (float &value : values)
      value = static_cast<int>(random() % 2001 - 1000) / 256.0f;
    return values;
  }

  std::mt19937 random{11};
  std::unique_ptr<EmulatedDevice> device;
  std::unique_ptr<device::Module> module;
};

TEST_P(CudaKernels, VectorAdd) {
  auto a = randomFloats(1000), b = randomFloats(1000);
  uint64_t c = upload(std::vector<float>(1000));
  launch("vectorAdd", shape({8}, {128}), upload(a), upload(b), c, 1000);
  auto out = download<float>(c, 1000);
  for (size_t i = 0; i < 1000; ++i)
    ASSERT_EQ(out[i], a[i] + b[i]);
  // Coalesced: no sector moved that was not needed, but for the ragged end.
  const Counters &total = device->getLastReport().total;
  EXPECT_EQ(total.globalSectors, total.globalSectorsNeeded);
  EXPECT_EQ(total.globalLoadBytes, 8000u);
  EXPECT_EQ(total.globalStoreBytes, 4000u);
}

TEST_P(CudaKernels, ReduceSum) {
  std::vector<float> in(5000);
  for (float &value : in)
    value = static_cast<float>(random() % 100);
  uint64_t out = upload(std::vector<float>(4));
  launch("reduceSum", shape({4}, {256}), upload(in), out, 5000);
  double expected = 0, actual = 0;
  for (float value : in)
    expected += value;
  for (float value : download<float>(out, 4))
    actual += value;
  EXPECT_EQ(actual, expected);
}

TEST_P(CudaKernels, MatmulTiled) {
  const int m = 37, n = 45, k = 50;
  std::vector<float> a(m * k), b(k * n);
  for (auto *matrix : {&a, &b})
    for (float &value : *matrix)
      value = static_cast<int>(random() % 17) - 8;
  uint64_t c = upload(std::vector<float>(m * n));
  launch("matmulTiled", shape({3, 3}, {16, 16}), upload(a), upload(b), c, m, n, k);
  auto out = download<float>(c, m * n);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      float sum = 0;
      for (int l = 0; l < k; ++l)
        sum += a[i * k + l] * b[l * n + j];
      ASSERT_EQ(out[i * n + j], sum) << i << "," << j;
    }
}

TEST_P(CudaKernels, Histogram) {
  std::vector<uint8_t> in(10000);
  std::vector<uint32_t> expected(256);
  for (uint8_t &value : in)
    ++expected[value = static_cast<uint8_t>(random() % 256 & random() % 256)];
  uint64_t bins = upload(std::vector<uint32_t>(256));
  launch("histogram", shape({5}, {192}), upload(in), bins, 10000);
  EXPECT_EQ(download<uint32_t>(bins, 256), expected);
}

TEST_P(CudaKernels, Softmax) {
  const int rows = 3, columns = 333;
  auto in = randomFloats(rows * columns);
  uint64_t out = upload(std::vector<float>(rows * columns));
  launch("softmax", shape({rows}, {128}, 512), upload(in), out, columns);
  auto result = download<float>(out, rows * columns);
  for (int row = 0; row < rows; ++row) {
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < columns; ++i)
      most = std::max<double>(most, in[row * columns + i]);
    for (int i = 0; i < columns; ++i)
      sum += std::exp(in[row * columns + i] - most);
    for (int i = 0; i < columns; ++i) {
      double expected = std::exp(in[row * columns + i] - most) / sum;
      ASSERT_NEAR(result[row * columns + i], expected, 4e-6 * expected);
    }
  }
}

TEST_P(CudaKernels, LastBlockSum) {
  std::vector<int> in(4000);
  int expected = 0;
  for (int &value : in)
    expected += value = static_cast<int>(random() % 1000) - 500;
  uint64_t out = upload(std::vector<int>(1)), partial = upload(std::vector<int>(6));
  for (int round = 0; round < 2; ++round) {
    llvm::cantFail(device->fill(partial, 0, 24));
    launch("lastBlockSum", shape({6}, {128}), upload(in), partial, out, 4000);
    EXPECT_EQ(download<int>(out, 1)[0], expected);
  }
}

TEST_P(CudaKernels, Mixed) {
  const int n = 70;
  uint64_t steps = upload(std::vector<int64_t>(n)), roots = upload(std::vector<double>(n)),
           sorted = upload(std::vector<int>(9 * n));
  launch("mixed", shape({3}, {32}), steps, roots, sorted, n);
  auto gotSteps = download<int64_t>(steps, n);
  auto gotRoots = download<double>(roots, n);
  auto gotSorted = download<int>(sorted, 9 * n);
  for (int i = 0; i < n; ++i) {
    int64_t count = 0;
    for (int64_t value = i + 1; value != 1; ++count)
      value = value % 2 ? 3 * value + 1 : value / 2;
    EXPECT_EQ(gotSteps[i], count);
    double root = std::sqrt(double(i)) / (i + 0.5) + std::pow(1.5, i % 7);
    EXPECT_NEAR(gotRoots[i], root, 1e-14 * root);
    std::vector<int> values(9);
    for (int k = 0; k < 9; ++k)
      values[k] = (i * 7919 + k * 104729) % 1000;
    std::sort(values.begin(), values.end());
    EXPECT_TRUE(std::equal(values.begin(), values.end(), gotSorted.begin() + 9 * i));
  }
}

uint16_t toHalf(double value) { return numerics::fromDouble(value, numerics::FloatType::F16); }
double fromHalf(uint16_t bits) { return numerics::toDouble(bits, numerics::FloatType::F16); }

TEST_P(CudaKernels, Halves) {
  const int n = 50;
  std::vector<uint16_t> a(2 * n), b(2 * n);
  for (auto *list : {&a, &b})
    for (uint16_t &value : *list)
      value = toHalf(static_cast<int>(random() % 401 - 200) / 16.0);
  uint64_t c = upload(std::vector<uint16_t>(2 * n)), d = upload(std::vector<uint16_t>(n));
  launch("halves", shape({2}, {32}), upload(a), upload(b), c, d, n);
  auto gotC = download<uint16_t>(c, 2 * n);
  auto gotD = download<uint16_t>(d, n);
  for (int i = 0; i < 2 * n; ++i) {
    double product = fromHalf(toHalf(fromHalf(a[i]) * 0.5));
    ASSERT_EQ(gotC[i], toHalf(fromHalf(a[i]) * fromHalf(b[i]) + product)) << i;
  }
  for (int i = 0; i < n; ++i) {
    float sum = float(fromHalf(gotC[2 * i])) + float(fromHalf(b[2 * i + 1]));
    ASSERT_EQ(gotD[i], numerics::fromDouble(sum, numerics::FloatType::BF16));
  }
}

TEST_P(CudaKernels, Printing) {
  launch("printing", shape({1}, {32}), 2);
  EXPECT_EQ(device->getLastReport().output, "thread 0 of block:  0.00\nthread 1 of block:  0.25\n");
}

TEST_P(CudaKernels, MatmulTensor) {
  const int m = 128, n = 64, k = 160;
  std::vector<uint16_t> a(m * k), b(n * k);
  std::vector<int> wholeA(m * k), wholeB(n * k);
  for (int i = 0; i < m * k; ++i)
    a[i] = toHalf(wholeA[i] = static_cast<int>(random() % 9) - 4);
  for (int i = 0; i < n * k; ++i)
    b[i] = toHalf(wholeB[i] = static_cast<int>(random() % 9) - 4);
  uint64_t c = upload(std::vector<float>(m * n));
  launch("matmulTensor", shape({1, 2}, {128}), upload(a), upload(b), c, n, k);
  auto out = download<float>(c, m * n);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      int sum = 0;
      for (int l = 0; l < k; ++l)
        sum += wholeA[i * k + l] * wholeB[j * k + l];
      ASSERT_EQ(out[i * n + j], sum) << i << "," << j;
    }
  const Counters &total = device->getLastReport().total;
  EXPECT_EQ(total.matrixOperations, 2u * 4 * (k / 16) * 8);
  EXPECT_EQ(total.asyncBytes, 2u * 2 * (m / 2 + n) / 2 * k * 2);
  // The pitch of 40 halves keeps ldmatrix free of conflicts, but not the copies:
  // of 8 lanes, 4 write banks 0-15 and 4 write banks 20-31 and 0-3.
  for (const CounterLine &line : device->getLastReport().lines) {
    const Counters &counters = line.counters;
    if (llvm::StringRef(line.text).starts_with("ldmatrix"))
      EXPECT_EQ(counters.sharedWavefronts, counters.sharedIdealWavefronts);
    if (line.text == "cp.async.cg.shared.global")
      EXPECT_EQ(counters.sharedWavefronts, 2 * counters.sharedIdealWavefronts);
  }
  if (GetParam().landing == LandingPolicy::Late)
    EXPECT_GT(total.asyncInFlightMax, 0u);
}

INSTANTIATE_TEST_SUITE_P(Variants, CudaKernels,
                         testing::Values(Variant{LandingPolicy::Late, 0},
                                         Variant{LandingPolicy::Late, 5},
                                         Variant{LandingPolicy::Eager, 1},
                                         Variant{LandingPolicy::Random, 2},
                                         Variant{LandingPolicy::Random, 3}));

} // namespace
