//===- WorkspacesTest.cpp - Sharing, zeroing and growth of scratch memory ---===//
#include "runtime/Launch/Workspaces.h"

#include "FakeDevice.h"
#include "gtest/gtest.h"
#include <atomic>
#include <set>
#include <thread>

using namespace tilewright;
using namespace tilewright::launch;

namespace {

constexpr Workspaces::Request scratch(uint64_t bytes) { return {bytes, false, false}; }
constexpr Workspaces::Request zeroed(uint64_t bytes) { return {bytes, true, false}; }
constexpr Workspaces::Request clean(uint64_t bytes) { return {bytes, true, true}; }

class WorkspacesTest : public testing::Test {
protected:
  std::shared_ptr<FakeDevice> device = std::make_shared<FakeDevice>();
  std::unique_ptr<Workspaces> workspaces = std::make_unique<Workspaces>(device);

  std::vector<uint64_t> use(std::vector<Workspaces::Request> requests, device::Stream stream = 0,
                            bool commits = true) {
    auto lease = workspaces->acquire(stream, requests);
    if (!lease) {
      ADD_FAILURE() << llvm::toString(lease.takeError());
      return {};
    }
    if (commits)
      lease->commit();
    return lease->getAddresses().vec();
  }
};

TEST_F(WorkspacesTest, LendsTheSameMemoryToEveryKernelOfAStream) {
  auto first = use({scratch(1000), scratch(10)});
  EXPECT_NE(first[0], first[1]);
  EXPECT_EQ(use({scratch(500)})[0], first[0]);
  EXPECT_NE(use({scratch(500)}, /*stream=*/7)[0], first[0]);
  EXPECT_EQ(device->log, "allocate 1024; allocate 256; allocate 512");
}

TEST_F(WorkspacesTest, ZeroesBeforeEachUseUnlessTheKernelDoes) {
  use({zeroed(100)});
  use({zeroed(60)});
  EXPECT_EQ(device->log, "allocate 256; fill 100; fill 60");
  device->log.clear();
  auto address = use({clean(100)});
  EXPECT_EQ(*reinterpret_cast<uint8_t *>(address[0] + 99), 0);
  EXPECT_EQ(use({clean(200)}), address);
  EXPECT_EQ(device->log, "allocate 256; fill 256");
}

TEST_F(WorkspacesTest, NeverMixesCleanMemoryWithScratch) {
  auto addresses = use({clean(10), scratch(10), clean(10), zeroed(10)});
  EXPECT_EQ(std::set<uint64_t>(addresses.begin(), addresses.end()).size(), 4u);
  // The same ones again, in their own rows.
  auto again = use({scratch(10), clean(10)});
  EXPECT_EQ(again[0], addresses[1]);
  EXPECT_EQ(again[1], addresses[0]);
}

TEST_F(WorkspacesTest, CleansAgainAfterALaunchThatFailed) {
  use({clean(10)});
  use({clean(10)}, 0, /*commits=*/false);
  device->log.clear();
  use({clean(10)});
  EXPECT_EQ(device->log, "fill 256");
}

TEST_F(WorkspacesTest, KeepsOutgrownMemoryUntilTheEnd) {
  auto small = use({clean(1000)});
  auto large = use({clean(1500)});
  EXPECT_NE(small, large);
  EXPECT_EQ(device->log, "allocate 1024; fill 1024; allocate 2048; fill 2048");
  EXPECT_EQ(device->live.size(), 2u);
  workspaces.reset();
  EXPECT_TRUE(device->live.empty());
}

TEST_F(WorkspacesTest, PassesErrorsOnAndRecovers) {
  device->failing = "allocate 256";
  auto lease = workspaces->acquire(0, {clean(1)});
  ASSERT_FALSE(bool(lease));
  EXPECT_EQ(llvm::toString(lease.takeError()), "the fake device fails to allocate 256");
  device->failing = "fill 256";
  auto unfilled = workspaces->acquire(0, {clean(1)});
  ASSERT_FALSE(bool(unfilled));
  llvm::consumeError(unfilled.takeError());
  device->failing.clear();
  auto address = use({clean(1)});
  EXPECT_EQ(*reinterpret_cast<uint8_t *>(address[0]), 0);
}

TEST_F(WorkspacesTest, LendsAStreamToOneThreadAtATime) {
  std::atomic<int> holders = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 200; ++j) {
        auto lease = llvm::cantFail(workspaces->acquire(3, {clean(8)}));
        EXPECT_EQ(++holders, 1);
        --holders;
        lease.commit();
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

} // namespace
