//===- StagingTest.cpp - Operands in host memory ----------------------------===//
//
// The kernel copies x [M,K] f16 to y [M,K] f16, both with dynamic row strides,
// in the fake device's memory.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/Staging.h"

#include "FakeDevice.h"
#include "runtime/Launch/ResidentBuffer.h"
#include "gtest/gtest.h"

using namespace tilewright;
using namespace tilewright::launch;

namespace {

class Staging : public testing::Test {
protected:
  std::shared_ptr<FakeDevice> device = std::make_shared<FakeDevice>();
  std::shared_ptr<Executable> executable;

  void SetUp() override { load(/*isUpdated=*/false); }

  void load(bool isUpdated) {
    artifact::Artifact artifact;
    artifact.ptx = ".entry copy(.param .u64 x, .param .u64 y) {}";
    artifact::Metadata &metadata = artifact.metadata;
    metadata.kernel = "copy";
    metadata.problem.dimensions = {{"M"}, {"K"}};
    metadata.problem.operands = {{"x", "f16", {"M", "K"}, {std::nullopt, 1}, 2},
                                 {"y", "f16", {"M", "K"}, {std::nullopt, 1}, 2}};
    metadata.parameters.resize(2);
    metadata.parameters[0].name = "x";
    metadata.parameters[1].name = "y";
    metadata.parameters[1].written = true;
    metadata.parameters[1].updated = isUpdated;
    executable =
        llvm::cantFail(Executable::load(device, std::make_shared<Workspaces>(device), artifact));
    device->log.clear();
  }

  Tensor makeHost(std::vector<uint16_t> &memory, int64_t first, llvm::ArrayRef<int64_t> shape,
                  int64_t rowStride) {
    Tensor tensor = makeDense(nullptr, uint64_t(&memory[first]), "f16", shape);
    tensor.strides[0] = rowStride;
    return tensor;
  }

  /// Makes the kernel copy with the given row strides, in elements.
  void copyRows(int64_t rows, int64_t columns, int64_t strideX, int64_t strideY) {
    device->run = [=](llvm::ArrayRef<uint8_t> block) {
      const uint16_t *x;
      uint16_t *y;
      std::memcpy(&x, block.data(), 8);
      std::memcpy(&y, block.data() + 8, 8);
      for (int64_t row = 0; row < rows; ++row)
        std::memcpy(y + row * strideY, x + row * strideX, columns * 2);
    };
  }
  std::string launch(llvm::ArrayRef<Tensor> operands) {
    return llvm::toString(launchStaged(*executable, operands));
  }
};

TEST_F(Staging, CopiesInAndOutAndFreesWhatItTook) {
  std::vector<uint16_t> x(12), y(12, 7);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = uint16_t(100 + i);
  copyRows(3, 4, 4, 4);
  ASSERT_EQ(launch({makeHost(x, 0, {3, 4}, 4), makeHost(y, 0, {3, 4}, 4)}), "");
  EXPECT_EQ(y, x);
  EXPECT_EQ(device->log, "allocate 24; upload 24; allocate 24; launch; download 24; release; "
                         "release");
}

TEST_F(Staging, LeavesTheBytesBetweenRowsAlone) {
  std::vector<uint16_t> x(30), y(30, 7);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = uint16_t(100 + i);
  copyRows(3, 4, 10, 8);
  ASSERT_EQ(launch({makeHost(x, 2, {3, 4}, 10), makeHost(y, 1, {3, 4}, 8)}), "");
  for (size_t i = 0; i < y.size(); ++i) {
    int64_t row = (int64_t(i) - 1) / 8, column = (int64_t(i) - 1) % 8;
    bool isElement = i >= 1 && row < 3 && column < 4;
    EXPECT_EQ(y[i], isElement ? x[2 + row * 10 + column] : 7) << i;
  }
}

TEST_F(Staging, CopiesInWhatIsUpdated) {
  load(/*isUpdated=*/true);
  std::vector<uint16_t> x = {1, 2, 3, 4}, y = {5, 6, 7, 8};
  copyRows(1, 2, 0, 0); // two elements of four
  ASSERT_EQ(launch({makeHost(x, 0, {1, 4}, 4), makeHost(y, 0, {1, 4}, 4)}), "");
  EXPECT_EQ(y, (std::vector<uint16_t>{1, 2, 7, 8}));
  EXPECT_EQ(device->log, "allocate 8; upload 8; allocate 8; upload 8; launch; download 8; "
                         "release; release");
}

TEST_F(Staging, FollowsNegativeStrides) {
  std::vector<uint16_t> x = {1, 2, 3, 4, 5, 6}, y(6);
  copyRows(3, 2, -2, 2);
  ASSERT_EQ(launch({makeHost(x, 4, {3, 2}, -2), makeHost(y, 0, {3, 2}, 2)}), "");
  EXPECT_EQ(y, (std::vector<uint16_t>{5, 6, 3, 4, 1, 2}));
}

TEST_F(Staging, SeesOverlapsBeforeCopying) {
  std::vector<uint16_t> x(12);
  EXPECT_EQ(launch({makeHost(x, 0, {2, 4}, 4), makeHost(x, 4, {2, 4}, 4)}),
            "output 'y' overlaps input 'x'; kernels do not work in place");
  EXPECT_EQ(device->log, "");
}

TEST_F(Staging, MixesHostAndDeviceOperands) {
  std::vector<uint16_t> x = {1, 2, 3, 4};
  uint64_t y = llvm::cantFail(device->allocate(8));
  copyRows(1, 4, 4, 4);
  ASSERT_EQ(launch({makeHost(x, 0, {1, 4}, 4), makeDense(device, y, "f16", {1, 4})}), "");
  EXPECT_EQ(std::memcmp(reinterpret_cast<void *>(y), x.data(), 8), 0);
  EXPECT_EQ(device->live.size(), 1u);
}

TEST_F(Staging, FreesEverythingWhateverFails) {
  for (const char *call : {"allocate 8", "upload 8", "launch", "download 8"}) {
    std::vector<uint16_t> x(4), y(4);
    device->failing = call;
    EXPECT_EQ(launch({makeHost(x, 0, {1, 4}, 4), makeHost(y, 0, {1, 4}, 4)}),
              std::string("the fake device fails to ") + call);
    EXPECT_TRUE(device->live.empty()) << call;
  }
}

TEST_F(Staging, TakesEmptyArrays) {
  std::vector<uint16_t> x(1), y(1);
  EXPECT_EQ(launch({makeHost(x, 0, {0, 4}, 4), makeHost(y, 0, {0, 4}, 4)}), "");
  EXPECT_EQ(device->launches, 0u);
  EXPECT_TRUE(device->live.empty());
}

//===- Resident copies ------------------------------------------------------===//

TEST(ResidentBuffer, CopiesOnceADeviceAndAgainAfterAChange) {
  auto first = std::make_shared<FakeDevice>("fake:0"), second = std::make_shared<FakeDevice>();
  std::vector<uint8_t> data = {1, 2, 3};
  ResidentBuffer buffer;
  auto read = [&](const std::shared_ptr<FakeDevice> &device) {
    return *reinterpret_cast<uint8_t *>(llvm::cantFail(buffer.get(device, data.data(), 3)));
  };
  EXPECT_EQ(read(first), 1);
  EXPECT_EQ(read(first), 1);
  EXPECT_EQ(read(second), 1);
  EXPECT_EQ(first->log, "allocate 3; upload 3");
  EXPECT_EQ(buffer.getCopyCount(), 2u);
  data[0] = 9;
  EXPECT_EQ(read(first), 1); // nobody said that it changed
  buffer.invalidate();
  EXPECT_EQ(read(first), 9);
  EXPECT_EQ(buffer.getCopyCount(), 1u);
  EXPECT_TRUE(second->live.empty());
}

TEST(ResidentBuffer, ServesABeginningAndGrowsWithWhatIsRead) {
  auto device = std::make_shared<FakeDevice>();
  std::vector<uint8_t> data = {1, 2, 3, 4};
  ResidentBuffer buffer;
  auto get = [&](uint64_t bytes) { return llvm::cantFail(buffer.get(device, data.data(), bytes)); };
  device::DevicePointer two = get(2);
  EXPECT_EQ(get(1), two);
  EXPECT_EQ(device->log, "allocate 2; upload 2");
  device::DevicePointer four = get(4);
  EXPECT_EQ(reinterpret_cast<uint8_t *>(four)[3], 4);
  EXPECT_EQ(get(2), four);
  EXPECT_EQ(buffer.getCopyCount(), 1u);
  EXPECT_EQ(device->live.size(), 1u);
}

TEST(ResidentBuffer, DiesWithItsOwnerAndOutlivesDevices) {
  auto device = std::make_shared<FakeDevice>(), gone = std::make_shared<FakeDevice>();
  uint8_t byte = 1;
  {
    ResidentBuffer buffer;
    llvm::cantFail(buffer.get(device, &byte, 1));
    llvm::cantFail(buffer.get(gone, &byte, 1));
    gone.reset();
    EXPECT_EQ(buffer.getCopyCount(), 1u);
    EXPECT_EQ(device->live.size(), 1u);
  }
  EXPECT_TRUE(device->live.empty());
}

TEST(ResidentBuffer, KeepsNothingOfAFailedCopy) {
  auto device = std::make_shared<FakeDevice>();
  ResidentBuffer buffer;
  uint8_t byte = 1;
  device->failing = "upload 1";
  EXPECT_EQ(llvm::toString(buffer.get(device, &byte, 1).takeError()),
            "the fake device fails to upload 1");
  EXPECT_TRUE(device->live.empty());
  EXPECT_EQ(buffer.getCopyCount(), 0u);
}

} // namespace
