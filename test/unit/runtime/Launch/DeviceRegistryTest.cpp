//===- DeviceRegistryTest.cpp - Devices by name -----------------------------===//
//
// Against the recording driver of the device tests (two GPUs: an A100 and an
// H200) and against a machine without a driver.
//
//===----------------------------------------------------------------------===//
#include "runtime/Launch/DeviceRegistry.h"

#include "FakeDevice.h"
#include "gtest/gtest.h"

using namespace tilewright;
using namespace tilewright::launch;

namespace {

class Registry : public testing::Test {
protected:
  unsigned made = 0;
  EmulatedFactory factory =
      [this](const target::GpuModel &model) -> llvm::Expected<std::unique_ptr<device::Device>> {
    ++made;
    return std::make_unique<FakeDevice>("emulated:" + model.name.str(), model.name);
  };
  DeviceRegistry withGpus{factory, STUB_DRIVER};
  DeviceRegistry withoutGpus{factory, "libtilewright-no-such-driver.so"};

  static std::string name(llvm::Expected<std::shared_ptr<device::Device>> device) {
    return device ? (*device)->getName().str() : llvm::toString(device.takeError());
  }
};

TEST_F(Registry, FindsGpusByOrdinal) {
  EXPECT_EQ(name(withGpus.get("cuda:1")), "cuda:1");
  EXPECT_EQ(name(withGpus.get("cuda")), "cuda:0");
  EXPECT_EQ(llvm::cantFail(withGpus.get("cuda:0")), llvm::cantFail(withGpus.get("cuda:0")));
  EXPECT_EQ(name(withGpus.get("cuda:2")), "there is no device 'cuda:2'; there are cuda:0, cuda:1");
  EXPECT_EQ(made, 0u);
}

TEST_F(Registry, MakesEmulatedDevicesOnceWhenAskedFor) {
  auto first = llvm::cantFail(withGpus.get("emulated:h200"));
  EXPECT_EQ(first->getName(), "emulated:h200");
  EXPECT_EQ(llvm::cantFail(withGpus.get("emulated:h200")), first);
  EXPECT_EQ(made, 1u);
}

TEST_F(Registry, PrefersAGpuAndElseEmulates) {
  EXPECT_EQ(name(withGpus.getDefault()), "cuda:0");
  EXPECT_EQ(made, 0u);
  EXPECT_EQ(name(withoutGpus.getDefault()), "emulated:a100");
}

TEST_F(Registry, SaysWhyThereIsNoGpu) {
  std::string message = name(withoutGpus.get("cuda:0"));
  EXPECT_EQ(message.find("there is no device 'cuda:0'; no CUDA driver: "), 0u) << message;
  ASSERT_EQ(withoutGpus.getProblems().size(), 1u);
  EXPECT_TRUE(withGpus.getProblems().empty());
}

TEST_F(Registry, ListsGpusThenModels) {
  std::vector<std::string> names = withGpus.list();
  ASSERT_EQ(names.size(), 2 + target::allGpuModels().size());
  EXPECT_EQ(names[0], "cuda:0");
  EXPECT_EQ(names[2], "emulated:" + target::allGpuModels()[0].name.str());
  EXPECT_EQ(withoutGpus.list().size(), target::allGpuModels().size());
  EXPECT_EQ(made, 0u);
}

TEST_F(Registry, RefusesOtherNames) {
  EXPECT_EQ(name(withGpus.get("a100")),
            "a device is called 'cuda:<ordinal>' or 'emulated:<model>', but got 'a100'");
  std::string message = name(withGpus.get("emulated:a1000"));
  EXPECT_EQ(message.find("there is no device 'emulated:a1000': "), 0u) << message;
  EXPECT_NE(message.find("a100"), std::string::npos);
}

} // namespace
