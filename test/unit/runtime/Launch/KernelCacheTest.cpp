//===- KernelCacheTest.cpp - One compilation a key, whoever asks ------------===//
#include "runtime/Launch/KernelCache.h"

#include "FakeCompiler.h"
#include "FakeDevice.h"
#include "gtest/gtest.h"
#include <chrono>
#include <set>
#include <thread>

using namespace tilewright;
using namespace tilewright::launch;

namespace {

problem::Problem makeProblem(int64_t n = 4096) {
  problem::Problem problem;
  problem.op = "quant_matmul";
  problem.dimensions = {{"M"}, {"N", n}, {"K", 4096}, {"groups", 32}};
  problem.operands = {{"x", "f16", {"M", "K"}, {4096, 1}, 16},
                      {"w", "u32", {"N", "K"}, {}, 16},
                      {"scales", "f16", {"groups", "N"}, {}, 16},
                      {"y", "f16", {"M", "N"}, {n, 1}, 16}};
  problem.attributes = {{"format", "u4"},
                        {"group", "128"},
                        {"scale", "f16"},
                        {"zero", "none"},
                        {"activation", "none"}};
  return problem;
}

class KernelCacheTest : public testing::Test {
protected:
  std::shared_ptr<FakeDevice> a100 = std::make_shared<FakeDevice>("fake:0", "a100");
  std::mutex mutex;
  std::vector<std::string> compiled; ///< "<target> <schedule>"
  std::atomic<bool> fails = false;
  std::chrono::milliseconds delay{0};
  KernelCache cache{[this](const problem::Problem &problem, const target::GpuModel &model,
                           const std::optional<schedule::Schedule> &schedule,
                           int64_t) -> llvm::Expected<artifact::Artifact> {
    std::this_thread::sleep_for(delay);
    std::lock_guard<std::mutex> lock(mutex);
    compiled.push_back(model.target.str() + " " + (schedule ? schedule->str() : "none"));
    if (fails)
      return llvm::createStringError("the compiler is out of order");
    return makeFakeArtifact(problem, model, schedule);
  }};

  std::shared_ptr<Executable> get(const std::shared_ptr<FakeDevice> &device, int64_t m,
                                  const problem::Problem &problem = makeProblem(),
                                  const std::optional<schedule::Schedule> &pinned = {}) {
    auto executable = cache.get(problem, device, m, pinned);
    if (!executable) {
      ADD_FAILURE() << llvm::toString(executable.takeError());
      return nullptr;
    }
    return *executable;
  }
};

TEST(Buckets, AreExactToEightThenPowersOfTwo) {
  int64_t expected[][2] = {{0, 1},   {1, 1},   {7, 7},     {8, 8},       {9, 16},
                           {16, 16}, {17, 32}, {100, 128}, {4096, 4096}, {4097, 8192}};
  for (auto [m, bucket] : expected)
    EXPECT_EQ(getBucket(m), bucket) << m;
}

TEST_F(KernelCacheTest, SharesAKernelAmongBucketsOfOneSchedule) {
  std::set<std::string> schedules;
  std::set<std::shared_ptr<Executable>> kernels;
  problem::Problem problem = makeProblem();
  for (int64_t m : {1, 2, 3, 8, 9, 16, 30, 200, 5000}) {
    auto chosen = schedule::chooseDefault(problem, a100->getModel(), getBucket(m));
    ASSERT_TRUE(bool(chosen));
    schedules.insert(chosen->str());
    auto executable = get(a100, m);
    EXPECT_EQ(executable->getMetadata().schedule.str(), chosen->str()) << "M=" << m;
    kernels.insert(executable);
  }
  // The rows that decode sees have one schedule; so there are fewer than buckets.
  EXPECT_LT(schedules.size(), 8u);
  EXPECT_GT(schedules.size(), 1u);
  EXPECT_EQ(kernels.size(), schedules.size());
  EXPECT_EQ(compiled.size(), schedules.size());
  EXPECT_EQ(cache.getCounters().compiles, schedules.size());
  EXPECT_EQ(cache.getCounters().hits, 1u); // 9 and 16 are one bucket
}

TEST_F(KernelCacheTest, KeepsProblemsApart) {
  EXPECT_NE(get(a100, 1, makeProblem(4096)), get(a100, 1, makeProblem(8192)));
  problem::Problem unaligned = makeProblem(), bias = makeProblem();
  unaligned.operands[0].alignment = 2;
  EXPECT_NE(get(a100, 1), get(a100, 1, unaligned));
  EXPECT_EQ(get(a100, 1), get(a100, 1));
  EXPECT_EQ(cache.getCounters().compiles, 3u);
}

TEST_F(KernelCacheTest, CompilesOnceForTwoDevicesOfOneTarget) {
  auto second = std::make_shared<FakeDevice>("fake:1", "a100");
  auto hopper = std::make_shared<FakeDevice>("fake:2", "h200");
  auto one = get(a100, 16), two = get(second, 16);
  EXPECT_NE(one, two);
  EXPECT_EQ(two->getDevice(), second);
  EXPECT_EQ(compiled.size(), 1u);
  EXPECT_EQ(cache.getCounters().loads, 2u);
  get(hopper, 16);
  EXPECT_EQ(compiled.size(), 2u);
}

TEST_F(KernelCacheTest, UsesAPinnedScheduleForEveryM) {
  auto pinned = llvm::cantFail(schedule::chooseDefault(makeProblem(), a100->getModel(), 1));
  pinned.parameters["stages"] = 2;
  auto executable = get(a100, 1, makeProblem(), pinned);
  EXPECT_EQ(executable->getMetadata().schedule.str(), pinned.str());
  EXPECT_EQ(get(a100, 5000, makeProblem(), pinned), executable);
  EXPECT_NE(get(a100, 1), executable);
}

TEST_F(KernelCacheTest, CompilesOnceAKeyForManyThreads) {
  delay = std::chrono::milliseconds(20);
  constexpr int threadCount = 16;
  std::vector<std::thread> threads;
  std::vector<std::shared_ptr<Executable>> seen(threadCount);
  for (int i = 0; i < threadCount; ++i)
    threads.emplace_back([&, i] {
      seen[i] = get(a100, 16, makeProblem(i % 2 ? 4096 : 8192));
      for (int again = 0; again < 50; ++again)
        EXPECT_EQ(get(a100, 16, makeProblem(i % 2 ? 4096 : 8192)), seen[i]);
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(compiled.size(), 2u);
  EXPECT_EQ(cache.getCounters().loads, 2u);
  for (int i = 2; i < threadCount; ++i)
    EXPECT_EQ(seen[i], seen[i % 2]);
  EXPECT_NE(seen[0], seen[1]);
}

TEST_F(KernelCacheTest, GivesAFailureToAllWhoWaitAndTriesAgainLater) {
  fails = true;
  delay = std::chrono::milliseconds(50);
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      auto executable = cache.get(makeProblem(), a100, 1);
      failures += !executable;
      EXPECT_EQ(llvm::toString(executable.takeError()), "the compiler is out of order");
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(failures, 4);
  EXPECT_LT(compiled.size(), 4u);
  fails = false;
  EXPECT_NE(get(a100, 1), nullptr);
}

TEST_F(KernelCacheTest, PassesOnWhyThereIsNoSchedule) {
  problem::Problem unknown = makeProblem();
  unknown.op = "no_such_op";
  auto executable = cache.get(unknown, a100, 1);
  ASSERT_FALSE(bool(executable));
  EXPECT_NE(llvm::toString(executable.takeError()).find("no_such_op"), std::string::npos);
  EXPECT_TRUE(compiled.empty());
}

} // namespace
