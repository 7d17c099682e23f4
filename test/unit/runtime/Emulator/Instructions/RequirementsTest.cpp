//===- RequirementsTest.cpp - Instructions newer than the module's header ------===//
//
// The messages, and features of one architecture. That all forms agree with ptxas
// for each target and version is tested by test/python/tools/test_requirements.py.
//
//===----------------------------------------------------------------------===//
#include "Snippet.h"

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

/// What loading a kernel with this header and body says; empty if it loads.
std::string load(const char *version, const char *target, const char *body) {
  auto device = must(EmulatedDevice::create("h200", {}));
  device::Image image;
  image.ptx = std::string(".version ") + version + "\n.target " + target +
              "\n.address_size 64\n.visible .entry k() {\n"
              ".reg .pred %p<4>; .reg .b16 %h<9>; .reg .b32 %r<9>; .reg .b64 %d<9>;\n" +
              body + "\nret;\n}\n";
  auto module = device->load(image);
  return module ? "" : llvm::toString(module.takeError());
}

struct Case {
  const char *version, *target, *body, *message;
};

TEST(Requirements, NameTheInstructionAndBothSides) {
  const Case cases[] = {
      {"8.0", "sm_80", "stmatrix.sync.aligned.m8n8.x1.shared.b16 [%d1], {%r2};",
       "'stmatrix.sync.aligned.m8n8.x1.shared.b16' needs .target sm_90 or newer, but the module "
       "has "
       "sm_80"},
      {"6.5", "sm_75", "bmsk.clamp.b32 %r1, %r2, %r3;",
       "'bmsk.clamp.b32' needs .version 7.6 or newer, but the module has 6.5"},
      {"8.0", "sm_90", "wgmma.fence.sync.aligned;",
       "'wgmma.fence.sync.aligned' needs .target sm_90a, but the module has sm_90"},
      {"8.7", "sm_100a", "wgmma.fence.sync.aligned;",
       "'wgmma.fence.sync.aligned' needs .target sm_90a, but the module has sm_100a"},
      {"8.0", "sm_86", "mov.u32 %r1, %clusterid.x;",
       "'%clusterid.x' needs .target sm_90 or newer, but the module has sm_86"},
      {"7.8", "sm_90", "fma.rn.oob.f16 %h1, %h2, %h3, %h4;",
       "'fma.rn.oob.f16' needs .version 8.1 or newer, but the module has 7.8"},
      {"9.0", "sm_80", "mbarrier.arrive.b64 %d1, [%d2], %r3;",
       "'mbarrier.arrive.b64' needs .target sm_90 or newer, but the module has sm_80"},
      {"7.1", "sm_80", "cp.async.ca.shared.global [%r1], [%d2], 4, %p1;",
       "'cp.async.ca.shared.global' needs .version 7.5 or newer, but the module has 7.1"},
  };
  for (const Case &test : cases) {
    std::string message = load(test.version, test.target, test.body);
    EXPECT_NE(message.find(test.message), std::string::npos) << message;
    EXPECT_EQ(message.find("ptx line 6, column "), 0u) << message;
  }
}

TEST(Requirements, WhatTheHeaderHasLoads) {
  EXPECT_EQ(load("7.8", "sm_90", "stmatrix.sync.aligned.m8n8.x1.shared.b16 [%d1], {%r2};"), "");
  EXPECT_EQ(load("7.6", "sm_75", "bmsk.clamp.b32 %r1, %r2, %r3;"), "");
  EXPECT_EQ(load("7.0", "sm_80", "mbarrier.arrive.noComplete.b64 %d1, [%d2], %r3;"), "");
  EXPECT_EQ(load("8.7", "sm_120a", "cvt.rn.bf16x2.f32 %r1, %r2, %r3;"), "");
  // The driver compiles old PTX for new GPUs.
  EXPECT_EQ(load("6.0", "sm_50", "add.s32 %r1, %r2, %r3;"), "");
}

} // namespace
