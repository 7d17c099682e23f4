//===- ParallelTest.cpp - Blocks over several host threads --------------------===//
//
// What a launch leaves behind, memory and report, does not depend on threads.
// Each kernel runs on one thread and on several; the first is the reference.
//
// In the suite ParallelConflicts blocks race for device memory, and so do the host's
// threads until that is noticed: the thread sanitizer is not asked about those.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/EmulatedDevice.h"
#include "runtime/Emulator/Machine/Access.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"
#include <numeric>
#include <random>
#include <thread>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

constexpr unsigned kBlocks = 48, kThreads = 64, kWords = kBlocks * kThreads;

struct Outcome {
  unsigned threads = 0; ///< of the last launch
  std::vector<uint32_t> words;
  std::string report;
  size_t findings = 0;
  uint64_t issues = 0; ///< of all launches
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

/// Launches one body after the other on the same buffer.
Outcome run(llvm::ArrayRef<std::string> bodies, bool isFresh, Options options, unsigned threads) {
  options.threads = threads;
  options.keepWorstAccess = true;
  auto device = llvm::cantFail(EmulatedDevice::create("a100", options));
  uint64_t buffer = llvm::cantFail(device->allocate(kWords * 4));
  std::vector<uint32_t> words(kWords);
  std::iota(words.begin(), words.end(), 100u);
  if (!isFresh)
    llvm::cantFail(device->copyToDevice(buffer, words.data(), kWords * 4));
  device::LaunchConfig config;
  config.grid.x = kBlocks;
  config.block.x = kThreads;
  Outcome outcome;
  for (const std::string &body : bodies) {
    auto module = llvm::cantFail(device->load({wrap(body), {}}));
    device::Kernel *kernel = llvm::cantFail(module->getKernel("kernel"));
    llvm::consumeError(
        device->launch(*kernel, config, {reinterpret_cast<const uint8_t *>(&buffer), 8}));
    outcome.threads = device->getLastThreads();
    const Report &report = device->getLastReport();
    outcome.findings += report.findings.size();
    outcome.issues += report.total.issues;
    llvm::raw_string_ostream(outcome.report) << llvm::json::Value(report.toJSON());
  }
  llvm::cantFail(device->copyToHost(words.data(), buffer, kWords * 4));
  outcome.words = words;
  return outcome;
}

/// Runs `bodies` on one thread and on several; the answer is that of three.
Outcome compare(llvm::ArrayRef<std::string> bodies, bool isFresh, Options options = {}) {
  Outcome one = run(bodies, isFresh, options, 1), answer;
  EXPECT_EQ(one.threads, 1u);
  for (unsigned threads : {2, 7, 3}) {
    SCOPED_TRACE(std::to_string(threads) + " threads");
    answer = run(bodies, isFresh, options, threads);
    EXPECT_EQ(one.words, answer.words);
    EXPECT_EQ(one.report, answer.report);
  }
  return answer;
}

/// On a buffer whose words count from 100.
Outcome compare(llvm::StringRef body, Options options = {}) {
  return compare({body.str()}, /*isFresh=*/false, options);
}

/// On a buffer that nobody has written.
Outcome compareFresh(llvm::ArrayRef<std::string> bodies, Options options = {}) {
  return compare(bodies, /*isFresh=*/true, options);
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
TEST(ParallelConflicts, BlocksThatMeet) {
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

//===----------------------------------------------------------------------===//
// Memory that nobody has written
//===----------------------------------------------------------------------===//

TEST(Parallel, AFreshOutputIsWritten) {
  Outcome outcome = compareFresh({"st.global.u32 [%p], %i;", kIncrement.str()});
  EXPECT_EQ(outcome.threads, 3u);
  EXPECT_EQ(outcome.findings, 0u);
  for (unsigned i = 0; i < kWords; ++i)
    ASSERT_EQ(outcome.words[i], i + 1);
}

// Lanes in a row and lanes apart, whole words and bytes.
TEST(Parallel, ABlockReadsWhatItHasWritten) {
  Outcome outcome = compareFresh({("st.global.u32 [%p], %i;" + kIncrement).str()});
  EXPECT_EQ(outcome.threads, 3u);
  EXPECT_EQ(outcome.findings, 0u);
  outcome = compareFresh({R"(
    st.global.u8 [%p + 1], %t; ld.global.u8 %r0, [%p + 1]; st.global.u8 [%p], %r0;
    st.global.u16 [%p + 2], 0;)"});
  EXPECT_EQ(outcome.threads, 3u);
  EXPECT_EQ(outcome.findings, 0u);
  for (unsigned i = 0; i < kWords; ++i)
    ASSERT_EQ(outcome.words[i], i % 64 * 0x101);
}

// One byte of four: a later launch may use this one and no other.
TEST(Parallel, BytesThatNobodyWroteStayUndefined) {
  const std::string writeOne = "st.global.u8 [%p + 1], %t;";
  Outcome outcome = compareFresh({writeOne, "ld.global.u8 %r0, [%p + 1]; st.global.u8 [%p], %r0;"});
  EXPECT_EQ(outcome.threads, 3u);
  EXPECT_EQ(outcome.findings, 0u);
  for (const char *offset : {"0", "2", "3"}) {
    std::string read = "ld.global.u8 %r0, [%p + " + std::string(offset) + "];";
    EXPECT_EQ(compareFresh({writeOne, read + "st.global.u8 [%p], %r0;"}).findings, 1u) << offset;
  }
}

// Every thread uses its undefined word before it writes it. The second run must
// find the words undefined again, or there is no finding, or one of another block.
TEST(Parallel, AFindingUndoesWhatWasDefined) {
  Outcome outcome = compareFresh({kIncrement.str()});
  EXPECT_EQ(outcome.threads, 1u);
  EXPECT_EQ(outcome.findings, 1u);
  outcome = compareFresh({R"(
    ld.global.u32 %r1, [%p]; st.global.u32 [%p], 1;
    setp.ge.u32 %q, %b, 40; @%q st.global.u32 [%p], %r1;)"});
  EXPECT_EQ(outcome.threads, 1u);
  EXPECT_EQ(outcome.findings, 1u);
}

// In order, block b reads what block b - 1 has written.
TEST(ParallelConflicts, BlocksThatReadEachOthersOutput) {
  Options unchecked;
  unchecked.checkRaces = false;
  Outcome outcome = compareFresh({R"(
    setp.eq.u32 %q, %b, 0; mov.u32 %r0, 0;
    @!%q ld.global.u32 %r0, [%p + -256];
    add.u32 %r0, %r0, 1; st.global.u32 [%p], %r0;)"},
                                 unchecked);
  EXPECT_EQ(outcome.findings, 0u);
  EXPECT_EQ(outcome.words[kWords - 1], kBlocks);
  // Every block's word is the last block's in the end.
  outcome = compareFresh({"st.global.u32 [%base], %b;"}, unchecked);
  EXPECT_EQ(outcome.threads, 1u);
  EXPECT_EQ(outcome.words[0], kBlocks - 1);
}

/// Loads and stores of random widths and places, most of them of the thread's own
/// word, some of a neighbour's or of another block's.
std::string drawBody(std::mt19937 &random) {
  std::string body = "mov.u32 %r0, %i;";
  for (unsigned steps = 1 + random() % 6; steps; --steps) {
    unsigned bytes = 1 << random() % 3, offset = random() % (4 / bytes) * bytes;
    // The next word of the block; the same word of the next block but five.
    int distance = random() % 8 ? 0 : random() % 2 ? 4 : 5 * 256;
    std::string guard;
    if (distance || random() % 4 == 0) {
      body += llvm::formatv("setp.lt.u32 %q, %{0}, {1};", random() % 2 ? "i" : "t",
                            random() % (distance ? 43 : 64));
      guard = "@%q ";
    }
    const char *form =
        random() % 2 ? "ld.global.u{0} %r0, [%p + {1}];" : "st.global.u{0} [%p + {1}], %r0;";
    body += guard + llvm::formatv(form, bytes * 8, distance + int(offset)).str();
  }
  return body;
}

TEST(ParallelConflicts, RandomAccessesToAFreshBuffer) {
  constexpr unsigned seed = 3;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  unsigned parallel = 0, withFindings = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> bodies = {drawBody(random), drawBody(random)};
    SCOPED_TRACE(bodies[0] + "\n" + bodies[1]);
    Options options;
    options.checkRaces = round % 2;
    Outcome outcome = compareFresh(bodies, options);
    parallel += outcome.threads > 1;
    withFindings += outcome.findings > 0;
    if (HasFailure())
      return;
  }
  // Both ways are taken.
  EXPECT_GT(parallel, 5u);
  EXPECT_GT(withFindings, 5u);
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

// The time that the parts have used up is not there for a second run, which would
// end before its first instruction and blame that.
TEST(Parallel, WhenTimeIsOverThePartsSayWhere) {
  Options options;
  options.timeBudgetSeconds = 0.2;
  Outcome outcome = run({"again: add.u32 %r0, %r0, 1; bra again;"}, false, options, 3);
  EXPECT_EQ(outcome.threads, 3u);
  EXPECT_EQ(outcome.findings, 1u);
  EXPECT_NE(outcome.report.find("time-budget"), std::string::npos);
  EXPECT_GT(outcome.issues, 1000u);
}

// A block needs more than its share: on one thread it has enough.
TEST(Parallel, PartsShareTheLimitOfMemory) {
  constexpr llvm::StringLiteral body = R"(
    .local .align 4 .b8 x[100000]; mov.u64 %d0, x; st.local.u32 [%d0], %i;
    ld.local.u32 %r0, [%d0]; st.global.u32 [%p], %r0;)";
  Options options;
  options.launchMemoryLimit = 8 << 20; // a block has two warps of 3.2 MB
  EXPECT_EQ(compare(body, options).threads, 1u);
  options.launchMemoryLimit *= 7;
  Outcome outcome = compare(body, options);
  EXPECT_EQ(outcome.threads, 3u);
  EXPECT_EQ(outcome.findings, 0u);
}

// Each part notes what it touches; all of them together are bounded.
TEST(Parallel, PagesThatPartsNoteAreCounted) {
  UndoLog undo(/*maxNoted=*/3);
  Footprint first(undo), second(undo);
  alignas(16) uint8_t bytes[4] = {};
  auto read = [&](Footprint &part, uint64_t page) {
    Access access;
    access.space = Space::Global;
    access.mask = 1;
    access.address[0] = page * UndoLog::kPageBytes;
    access.host[0] = bytes;
    return part.note(access);
  };
  EXPECT_TRUE(read(first, 8));
  EXPECT_TRUE(read(first, 9));
  EXPECT_TRUE(read(first, 8)); // is counted already
  EXPECT_TRUE(read(second, 8));
  EXPECT_FALSE(read(second, 9));
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
