//===- AssignmentTest.cpp - Registers read before they are written -----------===//
#include "Undefined.h"
#include "runtime/Emulator/Execution/Decoder.h"
#include "runtime/Emulator/Parser/Parser.h"
#include "llvm/Support/MemoryBuffer.h"
#include <filesystem>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

std::vector<std::string> findUnassignedIn(const std::string &ptx) {
  auto module = must(parser::parse(ptx));
  llvm::StringMap<uint64_t> symbols;
  uint64_t address = 0x100000;
  for (const parser::Variable &variable : module.variables)
    symbols[variable.name] = address += 0x1000;
  for (const parser::Function &function : module.functions) {
    symbols[function.name] = address += 0x1000;
    for (const parser::Variable &variable : function.variables)
      symbols[variable.name] = address += 0x1000;
  }
  ModuleIndex index(module);
  std::vector<std::string> names;
  for (const parser::Function &function : module.functions) {
    if (!function.isEntry || !function.hasBody)
      continue;
    auto program = must(decode(index, function, symbols));
    for (const UnassignedRegister &one : program->unassigned)
      names.push_back(one.name);
  }
  return names;
}

std::vector<std::string> findIn(const char *body) { return findUnassignedIn(Snippet::wrap(body)); }
using Names = std::vector<std::string>;

TEST(Assignment, FollowsEveryPath) {
  EXPECT_EQ(findIn("mov.u32 %r1, 1; add.u32 %r2, %r1, %r1;"), Names());
  EXPECT_EQ(findIn("add.u32 %r2, %r1, 1;"), Names{"%r1"});
  EXPECT_EQ(findIn("mov.u32 %r1, 1;"), Names());
  // One side of a branch assigns.
  EXPECT_EQ(findIn("setp.eq.u32 %p1, %t, 0; @%p1 bra L; mov.u32 %r1, 1; L: add.u32 %r2, %r1, 1;"),
            Names{"%r1"});
  // Both sides do.
  EXPECT_EQ(findIn("setp.eq.u32 %p1, %t, 0; @%p1 bra A; mov.u32 %r1, 1; bra L;\n"
                   "A: mov.u32 %r1, 2; L: add.u32 %r2, %r1, 1;"),
            Names());
  // A guarded write may not happen.
  EXPECT_EQ(findIn("setp.eq.u32 %p1, %t, 0; @%p1 mov.u32 %r1, 1; add.u32 %r2, %r1, 1;"),
            Names{"%r1"});
  EXPECT_EQ(findIn("mov.u32 %r1, 0; setp.eq.u32 %p1, %t, 0; @%p1 mov.u32 %r1, 1;\n"
                   "add.u32 %r2, %r1, 1;"),
            Names());
  // Carried round a loop: read in the first turn, written at its end.
  EXPECT_EQ(findIn("mov.u32 %r2, 0; L: add.u32 %r2, %r2, %r1; mov.u32 %r1, 1;\n"
                   "setp.lt.u32 %p1, %r2, 9; @%p1 bra L;"),
            Names{"%r1"});
  // What `_` discards is no register.
  EXPECT_EQ(findIn("ld.global.v2.u32 {%r1, _}, [%in]; add.u32 %r2, %r1, 1;"), Names());
  // Read only in code that nothing reaches.
  EXPECT_EQ(findIn("ret; add.u32 %r2, %r1, 1;"), Names());
  EXPECT_EQ(findIn("@%p1 bra L; L:"), Names{"%p1"});
}

TEST(Assignment, CallsAssignResults) {
  EXPECT_EQ(findUnassignedIn(Snippet::wrap("call (%r1), f, (%t); add.u32 %r2, %r1, 1;",
                                           ".func (.reg .b32 y) f(.reg .b32 x) {\n"
                                           "add.u32 y, x, 1; ret; }")),
            Names());
  EXPECT_EQ(findUnassignedIn(Snippet::wrap("call (%r1), f, (%r3); add.u32 %r2, %r1, 1;",
                                           ".func (.reg .b32 y) f(.reg .b32 x) {\n"
                                           "add.u32 y, x, 1; ret; }")),
            Names{"%r3"});
}

/// nvcc's and LLVM's code, so that tracking stays off for it.
TEST(Assignment, CompiledCodeReadsNothingUnassigned) {
  namespace fs = std::filesystem;
  unsigned files = 0;
  for (const char *folder : {"", "/ptx", "/../triton/ptx"})
    for (const auto &entry : fs::directory_iterator(std::string(TILEWRIGHT_CUDA_DIR) + folder)) {
      // CUB leaves the items beyond the end of a tile unassigned.
      if (entry.path().extension() != ".ptx" ||
          entry.path().filename().string().find("cub_device") == 0)
        continue;
      auto text = llvm::MemoryBuffer::getFile(entry.path().string());
      ASSERT_TRUE(bool(text));
      EXPECT_EQ(findUnassignedIn((*text)->getBuffer().str()), Names()) << entry.path();
      ++files;
    }
  EXPECT_GT(files, 2u);
}

TEST(Assignment, OnlyUseIsAFinding) {
  auto run = [](const char *body) {
    Snippet snippet;
    snippet.run(body);
    return snippet.error;
  };
  EXPECT_EQ(run("add.u32 %r2, %r1, 1;"), "");
  std::string error = run("add.u32 %r2, %r1, 1; st.global.u32 [%out], %r2;");
  EXPECT_NE(error.find("writes 4 undefined of 4 bytes: register '%r1' has never been assigned"),
            std::string::npos)
      << error;
  EXPECT_NE(error.find("assign '%r1' on every path to this use"), std::string::npos) << error;
  EXPECT_NE(run("@%p1 bra L; L:").find("branches on undefined bits: register '%p1'"),
            std::string::npos);
  // Lanes that took the path that assigns are clean.
  EXPECT_EQ(run("setp.lt.u32 %p1, %t, 7; @!%p1 bra L; mov.u32 %r1, 1;\n"
                "L: @%p1 st.global.u32 [%out], %r1;"),
            "");
  EXPECT_NE(
      run("setp.lt.u32 %p1, %t, 7; @!%p1 bra L; mov.u32 %r1, 1; L: st.global.u32 [%out], %r1;")
          .find("lane 7"),
      std::string::npos);
}

} // namespace
