//===- NvrtcTest.cpp - Calls of NVRTC against a library that records --------===//
#include "runtime/Nvrtc/Nvrtc.h"

#include "gtest/gtest.h"
#include <dlfcn.h>

using namespace tilewright::nvrtc;

namespace {

std::shared_ptr<const Library> open() { return llvm::cantFail(Library::open({STUB_NVRTC})); }

std::string openError(std::vector<std::string> paths) {
  auto library = Library::open(paths);
  return library ? "" : llvm::toString(library.takeError());
}

int countAlive() {
  void *handle = dlopen(STUB_NVRTC, RTLD_NOW);
  return reinterpret_cast<int (*)()>(dlsym(handle, "stubAlive"))();
}

TEST(Nvrtc, HandsOverSourceNameAndOptions) {
  auto compilation =
      llvm::cantFail(open()->compile("int x;", "a.cu", {"--gpu-architecture=compute_80", "-I."}));
  EXPECT_TRUE(compilation.succeeded);
  EXPECT_EQ(compilation.ptx, "// a.cu: int x; --gpu-architecture=compute_80 -I.");
  EXPECT_EQ(compilation.log, "");
  EXPECT_EQ(countAlive(), 0);
}

TEST(Nvrtc, AProgramWithErrorsComesBackWithTheLog) {
  auto compilation = llvm::cantFail(open()->compile("error", "a.cu", {}));
  EXPECT_FALSE(compilation.succeeded);
  EXPECT_EQ(compilation.ptx, "");
  EXPECT_EQ(compilation.log, "a.cu(1): error: expected a \";\"\n");
  EXPECT_EQ(countAlive(), 0);
}

TEST(Nvrtc, RefusalsAreErrors) {
  EXPECT_EQ(llvm::toString(open()->compile("int x;", "a.cu", {"--bogus"}).takeError()),
            "nvrtcCompileProgram failed: NVRTC_ERROR_INVALID_OPTION (5): "
            "unrecognized option --bogus");
  EXPECT_EQ(llvm::toString(open()->compile("", "a.cu", {}).takeError()),
            "nvrtcCreateProgram failed: NVRTC_ERROR_INVALID_INPUT (3)");
  EXPECT_EQ(countAlive(), 0);
}

TEST(Nvrtc, OpensTheFirstThatCanBe) {
  auto library =
      llvm::cantFail(Library::open({"/nowhere/libnvrtc.so", STUB_NVRTC_OLD, STUB_NVRTC}));
  EXPECT_EQ(library->getPath(), STUB_NVRTC);
  EXPECT_EQ(library->getVersion(), "12.7");
}

TEST(Nvrtc, SaysWhatWasTriedAndHowToGetIt) {
  std::string message = openError({"/nowhere/libnvrtc.so", STUB_NVRTC_OLD});
  for (const char *part : {"'/nowhere/libnvrtc.so': cannot open shared object file", STUB_NVRTC_OLD,
                           "no function nvrtcGetPTXSize", "pip install nvidia-cuda-nvrtc"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_NE(openError({}).find("nowhere to look"), std::string::npos);
}

} // namespace
