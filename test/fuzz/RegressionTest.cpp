//===- RegressionTest.cpp - Inputs that once broke the emulated device -------===//
//
// Each file of regressions/ goes through all stages of Harness.h. A line
// "// EXPECT: <text>" says what the error or the finding must contain; a file
// without one must merely end.
//
//===----------------------------------------------------------------------===//
#include "test/fuzz/Harness.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"
#include <filesystem>

using namespace tilewright;

namespace {

struct Regression : testing::TestWithParam<std::string> {};

std::vector<std::string> listFiles() {
  std::vector<std::string> paths;
  for (const auto &entry : std::filesystem::directory_iterator(TILEWRIGHT_REGRESSIONS_DIR))
    if (entry.path().extension() == ".ptx")
      paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST_P(Regression, EndsAsExpected) {
  auto file = llvm::MemoryBuffer::getFile(GetParam());
  ASSERT_TRUE(file) << GetParam();
  llvm::StringRef text = (*file)->getBuffer();
  fuzz::parse(text);
  fuzz::load(text);
  std::string error = fuzz::run(text);
  llvm::StringRef rest = text.split("// EXPECT: ").second;
  EXPECT_NE(error.find(rest.split('\n').first.str()), std::string::npos) << error;
}

INSTANTIATE_TEST_SUITE_P(Files, Regression, testing::ValuesIn(listFiles()),
                         [](const testing::TestParamInfo<std::string> &info) {
                           std::string name = std::filesystem::path(info.param).stem().string();
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

} // namespace
