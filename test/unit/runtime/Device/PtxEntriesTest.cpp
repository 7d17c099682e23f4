//===- PtxEntriesTest.cpp - Kernels and parameter bytes read from PTX -------===//
#include "runtime/Device/PtxEntries.h"

#include "gtest/gtest.h"

using namespace tilewright::device;

namespace {

std::vector<PtxEntry> read(llvm::StringRef ptx) {
  auto entries = readPtxEntries(ptx);
  if (!entries) {
    ADD_FAILURE() << llvm::toString(entries.takeError());
    return {};
  }
  return *entries;
}

std::string readError(llvm::StringRef ptx) {
  auto entries = readPtxEntries(ptx);
  return entries ? "" : llvm::toString(entries.takeError());
}

TEST(PtxEntries, PlacesEachParameterAtItsNaturalAlignment) {
  // Offsets 0 (u8), 4 (u32), 8 (u64), 16 (f16), then 24 (f64): 32 bytes.
  auto entries = read(".version 8.0\n.target sm_80\n.visible .entry k(\n"
                      "  .param .u8 k_param_0,\n  .param .u32 k_param_1,\n"
                      "  .param .u64 k_param_2,\n  .param .f16 k_param_3,\n"
                      "  .param .f64 k_param_4\n)\n{ ret; }\n");
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].name, "k");
  EXPECT_EQ(entries[0].argumentBytes, 32u);
}

TEST(PtxEntries, DescribesEachParameter) {
  auto entries = read(".entry k(.param .u8 small, .param .u64 .ptr .global .align 16 p,\n"
                      " .param .align 8 .b8 pair[24], .param .f32 $x)");
  ASSERT_EQ(entries.size(), 1u);
  auto describe = [](const PtxParameter &p) {
    return p.name + " " + p.type + " " + std::to_string(p.offset) + " " + std::to_string(p.bytes) +
           " " + std::to_string(p.alignment) + (p.isArray ? " array" : "");
  };
  ASSERT_EQ(entries[0].parameters.size(), 4u);
  EXPECT_EQ(describe(entries[0].parameters[0]), "small u8 0 1 1");
  EXPECT_EQ(describe(entries[0].parameters[1]), "p u64 8 8 8");
  EXPECT_EQ(describe(entries[0].parameters[2]), "pair b8 16 24 8 array");
  EXPECT_EQ(describe(entries[0].parameters[3]), "$x f32 40 4 4");
  EXPECT_EQ(entries[0].argumentBytes, 44u);
}

TEST(PtxEntries, TellsAlignmentOfTheParameterFromThatOfItsTarget) {
  // The pointee's alignment must not move the pointer (4, pad to 8, 16); the
  // array's must move the array (4, pad to 64, 64 + 128).
  auto entries = read(".entry a(.param .u32 n, .param .u64 .ptr .global .align 16 p) { }\n"
                      ".entry b(.param .u32 n, .param .align 64 .b8 map[128]) { }");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].argumentBytes, 16u);
  EXPECT_EQ(entries[1].argumentBytes, 192u);
}

TEST(PtxEntries, ListsEveryEntryAndNothingElse) {
  auto entries = read("// .entry commented(.param .u64 x)\n/* .entry gone( */\n"
                      ".func (.param .b32 r) helper(.param .b64 x) { ret; }\n"
                      ".entry none() { }\n.visible .entry bare { }\n"
                      ".weak .entry $odd_name(.param .b32 x) .maxntid 128, 1, 1 { }");
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].name, "none");
  EXPECT_EQ(entries[0].argumentBytes, 0u);
  EXPECT_EQ(entries[1].name, "bare");
  EXPECT_EQ(entries[2].name, "$odd_name");
  EXPECT_EQ(entries[2].argumentBytes, 4u);
}

TEST(PtxEntries, RefusesWhatItCannotSize) {
  EXPECT_EQ(readError(".entry k(.param .texref t) { }"),
            "kernel 'k': expects a fundamental type in the parameter '.param .texref t'");
  EXPECT_EQ(readError(".entry k(.param .u64 x"), "kernel 'k': the parameter list has no end");
  EXPECT_NE(readError(".entry k(.param .align 3 .b8 x[4]) {}").find("power of two"),
            std::string::npos);
  EXPECT_NE(readError(".entry k(.param .b8 x[99999999999999]) {}").find("at most 32764"),
            std::string::npos);
}

TEST(PtxEntries, EndsOnEveryPrefixOfATextWithoutFault) {
  llvm::StringRef ptx = ".visible .entry k(.param .align 16 .b8 x[64], .param .u32 n) { ret; }";
  for (size_t length = 0; length <= ptx.size(); ++length)
    llvm::consumeError(readPtxEntries(ptx.take_front(length)).takeError());
}

} // namespace
