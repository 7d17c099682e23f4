//===- ParallelTest.cpp - Blocks over several host threads --------------------===//
//
// What a launch leaves behind, memory and report, does not depend on threads.
// Each kernel runs on one thread and on three; the first is the reference.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/EmulatedDevice.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"
#include <numeric>
#include <thread>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

constexpr unsigned kBlocks = 48, kThreads = 64, kWords = kBlocks * kThreads;

struct Outcome {
  unsigned threads = 0;
  std::vector<uint32_t> words;
  std::string report;
  size_t findings = 0;
};

/// A kernel of kBlocks x kThreads; %p is the address of its thread's word, %i
/// its index in the grid, %b its block, %t its thread in the block.
std::string wrap(llvm::StringRef body) {
  return llvm::formatv(R"(
.version 8.0
.target sm_80
.address_size 64
.extern .func (.param .b32 result) vprintf(.param .b64 format, .param .b64 values);
.global .align 1 .b8 text[4] = {{104, 105, 10, 0};
.visible .entry kernel(.param .u64 buffer) {{
  .reg .b32 %r<9>, %i, %b, %t;
  .reg .b64 %p, %base, %o, %d<4>;
  .reg .pred %q;
  .shared .align 4 .b32 tile[64];
  ld.param.u64 %base, [buffer];
  mov.u32 %b, %ctaid.x;
  mov.u32 %t, %tid.x;
  mad.lo.u32 %i, %b, 64, %t;
  mul.wide.u32 %o, %i, 4;
  add.s64 %p, %base, %o;
  {0}
  ret;
})",
                       body)
      .str();
}

Outcome run(llvm::StringRef body, Options options, unsigned threads) {
  options.threads = threads;
  options.keepWorstAccess = true;
  auto device = llvm::cantFail(EmulatedDevice::create("a100", options));
  uint64_t buffer = llvm::cantFail(device->allocate(kWords * 4));
  std::vector<uint32_t> words(kWords);
  std::iota(words.begin(), words.end(), 100u);
  llvm::cantFail(device->copyToDevice(buffer, words.data(), kWords * 4));
  auto module = llvm::cantFail(device->load({wrap(body), {}}));
  device::Kernel *kernel = llvm::cantFail(module->getKernel("kernel"));
  device::LaunchConfig config;
  config.grid.x = kBlocks;
  config.block.x = kThreads;
  llvm::consumeError(
      device->launch(*kernel, config, {reinterpret_cast<const uint8_t *>(&buffer), 8}));
  Outcome outcome;
  outcome.threads = device->getLastThreads();
  llvm::cantFail(device->copyToHost(words.data(), buffer, kWords * 4));
  outcome.words = words;
  outcome.findings = device->getLastReport().findings.size();
  llvm::raw_string_ostream(outcome.report) << llvm::json::Value(device->getLastReport().toJSON());
  return outcome;
}

/// Runs `body` both ways; the answer is that of three threads.
Outcome compare(llvm::StringRef body, Options options = {}) {
  Outcome one = run(body, options, 1), three = run(body, options, 3);
  EXPECT_EQ(one.threads, 1u);
  EXPECT_EQ(one.words, three.words);
  EXPECT_EQ(one.report, three.report);
  return three;
}

/// Each thread adds one to its word.
constexpr llvm::StringLiteral kIncrement =
    "ld.global.u32 %r0, [%p]; add.u32 %r0, %r0, 1; st.global.u32 [%p], %r0;";

TEST(Parallel, IndependentBlocks) {
  Outcome outcome = compare(kIncrement);
  EXPECT_EQ(outcome.threads, 3u);
  EXPECT_EQ(outcome.findings, 0u);
  for (unsigned i = 0; i < kWords; ++i)
    ASSERT_EQ(outcome.words[i], 101 + i);
}

// Shared memory and barriers, and loads of what every block reads.
TEST(Parallel, SharedMemoryAndCommonInputs) {
  Outcome outcome = compare(R"(
    mov.u32 %r1, tile; mad.lo.u32 %r2, %t, 4, %r1;
    st.shared.u32 [%r2], %i; bar.sync 0;
    xor.b32 %r3, %t, 33; mad.lo.u32 %r3, %r3, 4, %r1;
    ld.shared.u32 %r4, [%r3]; st.global.u32 [%p], %r4;)");
  EXPECT_EQ(outcome.threads, 3u);
  for (unsigned i = 0; i < kWords; ++i)
    ASSERT_EQ(outcome.words[i], i / 64 * 64 + ((i % 64) ^ 33));
}

// The race is found, the same on any number of threads, and whatever is read.
TEST(Parallel, BlocksThatMeet) {
  // Every block writes the first word of the next but one.
  constexpr llvm::StringLiteral body = R"(
    add.u32 %r1, %b, 2; rem.u32 %r1, %r1, 48; mul.wide.u32 %o, %r1, 256;
    add.s64 %d0, %base, %o; ld.global.u32 %r2, [%p];
    setp.eq.u32 %q, %t, 0; @%q st.global.u32 [%d0], %r2;)";
  Outcome outcome = compare(body);
  EXPECT_EQ(outcome.threads, 1u);
  EXPECT_GT(outcome.findings, 0u);
  Options unchecked;
  unchecked.checkRaces = false;
  EXPECT_EQ(compare(body, unchecked).findings, 0u);
}

// The last block leaves the buffer after all have written in place: the second
// run must find the old values.
TEST(Parallel, AFindingUndoesWhatWasWritten) {
  Outcome outcome = compare((kIncrement + R"(
    setp.eq.u32 %q, %i, 3071; @%q ld.global.u32 %r0, [%p + 4];)")
                                .str());
  EXPECT_EQ(outcome.threads, 1u);
  EXPECT_EQ(outcome.findings, 1u);
  EXPECT_EQ(outcome.words[5], 106u);
}

TEST(Parallel, AtomicsAndClocksRunInOrder) {
  EXPECT_EQ(compare("atom.global.add.u32 %r0, [%base], 1; st.global.u32 [%p + 0], %r0;").threads,
            1u);
  EXPECT_EQ(compare("mov.u32 %r0, %clock; st.global.u32 [%p], %r0;").threads, 1u);
}

TEST(Parallel, VolatileStoresRunInOrder) {
  EXPECT_EQ(compare("st.volatile.global.u32 [%p], %i;").threads, 1u);
}

TEST(Parallel, OutputIsInTheOrderOfBlocks) {
  Outcome outcome = compare(R"(
    setp.eq.u32 %q, %t, 0; @!%q ret;
    { .param .b64 f; .param .b64 v; .param .b32 result;
       mov.u64 %d0, text; cvta.global.u64 %d0, %d0; mov.u64 %d1, 0;
       st.param.b64 [f], %d0; st.param.b64 [v], %d1;
       call (result), vprintf, (f, v); })");
  EXPECT_NE(outcome.report.find("hi"), std::string::npos);
}

// A loop longer than a turn, with nothing stored in it.
TEST(Parallel, LongLoops) {
  Outcome outcome = compare(R"(
    mov.u32 %r0, 0;
  again: add.u32 %r0, %r0, 1; setp.lt.u32 %q, %r0, 20000; @%q bra again;
    st.global.u32 [%p], %r0;)");
  EXPECT_EQ(outcome.threads, 3u);
  EXPECT_EQ(outcome.words[kWords - 1], 20000u);
}

// A block that never ends: the budget is that of all blocks together.
TEST(Parallel, BudgetsAreOfTheLaunch) {
  Options options;
  options.instructionBudget = 20000;
  Outcome outcome = compare("again: add.u32 %r0, %r0, 1; bra again;", options);
  EXPECT_EQ(outcome.findings, 1u);
  options.instructionBudget = 48 * 2 * 40;
  compare(kIncrement, options);
}

TEST(Parallel, SeedsRunInOrder) {
  Options options;
  options.warpOrderSeed = 7;
  EXPECT_EQ(compare(kIncrement, options).threads, 1u);
}

// Two host threads share a device.
TEST(Parallel, LaunchesFromTwoThreads) {
  auto device = llvm::cantFail(EmulatedDevice::create("a100"));
  auto module = llvm::cantFail(device->load({wrap(kIncrement), {}}));
  device::Kernel *kernel = llvm::cantFail(module->getKernel("kernel"));
  std::vector<uint32_t> results[2];
  auto work = [&](unsigned which) {
    std::vector<uint32_t> words(kWords, which);
    uint64_t buffer = llvm::cantFail(device->allocate(kWords * 4));
    llvm::cantFail(device->copyToDevice(buffer, words.data(), kWords * 4));
    device::LaunchConfig config;
    config.grid.x = kBlocks;
    config.block.x = kThreads;
    for (unsigned i = 0; i < 10; ++i)
      llvm::cantFail(
          device->launch(*kernel, config, {reinterpret_cast<const uint8_t *>(&buffer), 8}));
    llvm::cantFail(device->copyToHost(words.data(), buffer, kWords * 4));
    llvm::cantFail(device->release(buffer));
    results[which] = std::move(words);
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  EXPECT_EQ(results[0], std::vector<uint32_t>(kWords, 10));
  EXPECT_EQ(results[1], std::vector<uint32_t>(kWords, 11));
}

} // namespace
