//===- LimitsTest.cpp - What a text or a launch may ask for ------------------===//
//
// Every limit of docs/emulator/robustness.md that a test can reach: the error or
// finding names it, and what lies just below still works where that is cheap.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Machine/Limits.h"
#include "Instructions/Snippet.h"
#include "runtime/Emulator/Execution/ControlFlow.h"

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

constexpr const char *kHeader = ".version 8.7\n.target sm_90a\n.address_size 64\n";

std::string repeat(llvm::StringRef text, size_t count) {
  std::string result;
  result.reserve(text.size() * count);
  for (size_t i = 0; i < count; ++i)
    result += text;
  return result;
}

/// The error of loading a module; empty if it loads.
std::string loadError(const std::string &text) {
  auto device = must(EmulatedDevice::create("h200"));
  device::Image image;
  image.ptx = kHeader + text;
  auto module = device->load(image);
  return module ? std::string() : llvm::toString(module.takeError());
}

void expectIn(llvm::StringRef text, llvm::StringRef part) {
  EXPECT_TRUE(text.contains(part)) << "expected '" << part.str() << "' in: " << text.str();
}

//===----------------------------------------------------------------------===//
// Texts
//===----------------------------------------------------------------------===//

TEST(Limits, TextBytes) {
  expectIn(loadError(std::string(40 << 20, ' ')), "bytes, above the limit of 33554432");
}

TEST(Limits, InstructionsOfAModule) {
  std::string body = repeat("ret;", kMaxDecodedInstructions + 1);
  expectIn(loadError(".entry k() {" + body + "}"),
           "more than " + std::to_string(kMaxDecodedInstructions) + " instructions");
  // Many kernels that call one function hold it many times.
  std::string kernels = ".func f() {" + repeat("ret;", 1 << 16) + "}";
  for (int i = 0; i < 64; ++i)
    kernels += ".entry k" + std::to_string(i) + "() { call f; }";
  expectIn(loadError(kernels), "the module's kernels and what they call have more than");
}

TEST(Limits, PartsOfAnInstruction) {
  std::string modifiers = repeat(".x", 65), elements = repeat("0,", 1025) + "0";
  expectIn(loadError(".entry k() { add" + modifiers + "; }"), "at most 64 modifiers");
  expectIn(loadError(".entry k() { add {" + elements + "}; }"), "at most 1024 elements");
  expectIn(loadError(".entry k() { ld [0," + elements + "]; }"), "at most 1024 elements");
  expectIn(loadError(".entry k(" + repeat(".param .b8 p,", 1025) + ") {}"),
           "at most 1024 parameters");
  expectIn(loadError(".entry k() {" + repeat("{", 64) + repeat("}", 64) + "}"),
           "at most 64 nested scopes");
  EXPECT_EQ(loadError(".entry k() {" + repeat("{", 63) + repeat("}", 63) + "}"), "");
}

TEST(Limits, LongNamesAreCheapToLookUp) {
  // A family's number has few digits, so a name has few prefixes that matter.
  std::string name = "%r" + repeat("1", 1 << 20);
  expectIn(loadError(".entry k() { .reg .b32 %r<9>; mov.b32 " + name + ", 0; }"),
           "expects a register as destination");
}

TEST(Limits, SizesOfVariables) {
  expectIn(loadError(".global .b8 x[68719476737];"), "above the limit of 68719476736");
  expectIn(loadError(".global .b64 x[68719476736];"), "is larger than 68719476736 bytes");
  // A zero must not hide what the strides would overflow to.
  expectIn(loadError(".global .b8 x[2][0][68719476735][68719476735] = {{}, {1}};"),
           "is larger than");
  expectIn(loadError(".global .b8 x[68719476736];"), "cannot allocate 68719476736 bytes");
  expectIn(loadError(".entry k() { .local .b8 x[4294967296]; }"),
           "'k' needs 4294967296 bytes of local variables a thread, above the limit of 16777216");
  expectIn(loadError(".entry k(.param .b8 x[32765]) {}"),
           "'k' needs 32765 bytes of parameters, above the limit of 32764");
  EXPECT_EQ(loadError(".entry k(.param .b8 x[32764]) {}"), "");
  expectIn(loadError(".shared .b8 x[4294967295]; .shared .b8 y[4294967295];\n"
                     ".entry k() { .reg .b64 %r; mov.b64 %r, x; mov.b64 %r, y; }"),
           "'k' needs 8589935614 bytes of shared variables, above the limit of 16777216");
}

TEST(Limits, RegistersAndImmediates) {
  std::string registers, immediates;
  for (int i = 0; i < (1 << 18); ++i)
    registers += "mov.b64 %r" + std::to_string(i) + ",0;";
  expectIn(loadError(".entry k() { .reg .b64 %r<262144>;" + registers + "mov.b32 %s,0; }"),
           "expects a register as destination");
  expectIn(loadError(".entry k() { .reg .b64 %r<262145>;" + registers + "mov.b64 %r262144,0; }"),
           "bytes of registers a warp, above the limit of 67108864");
  for (int i = 0; i < (1 << 20) + 1; ++i)
    immediates += "mov.b64 %r," + std::to_string(i) + ";";
  expectIn(loadError(".entry k() { .reg .b64 %r;" + immediates + "}"),
           "bytes of immediate operands, above the limit of 268435456");
}

TEST(Limits, TargetsOfBranchesAndCalls) {
  std::string labels = "T: .branchtargets L" + repeat(",L", 4095) + ";";
  std::string branches = repeat("brx.idx %r,T;", 1025);
  expectIn(loadError(".entry k() { .reg .b32 %r; L: " + labels + branches + "}"),
           "more than 4194304 targets");
  std::string functions, names = "f";
  for (int i = 0; i < 1025; ++i)
    functions += ".func f" + std::to_string(i) + "() {}", names += ",f" + std::to_string(i);
  std::string calls = repeat("call %r, T;", 1024);
  expectIn(loadError(".func f() {}" + functions + ".entry k() { .reg .b64 %r; T: .calltargets " +
                     names + ";" + calls + "}"),
           "more than 1048576 targets");
}

TEST(Limits, DepthOfLoops) {
  // Loops with one entry each, one inside the other: L0: L1: ... bra L1; bra L0.
  auto nest = [](uint32_t depth) {
    Successors successors(2 * depth + 1);
    for (uint32_t i = 0; i < 2 * depth; ++i)
      successors[i].push_back(i + 1);
    for (uint32_t i = 0; i < depth; ++i)
      successors[depth + i].push_back(depth - 1 - i);
    return orderBlocks(successors).size();
  };
  EXPECT_EQ(nest(100), 201u);
  EXPECT_EQ(nest(kMaxLoopDepth + 2), 0u);
}

TEST(Limits, FunctionsHaveNoMemory) {
  auto device = must(EmulatedDevice::create("h200"));
  device::Image image;
  image.ptx = std::string(kHeader) + ".global .b8 x[3]; .func f() {}";
  auto module = must(device->load(image));
  EXPECT_EQ(must(module->getSymbol("x")).bytes, 3u);
  EXPECT_EQ(llvm::toString(module->getSymbol("f").takeError()),
            "no variable 'f' in the module; it has x");
}

TEST(Limits, ValuesBelongToStaticVariables) {
  for (const char *variable : {".extern .global .u64 x = f;", ".shared .u64 x = f;"})
    expectIn(loadError(std::string(".func f() {}") + variable), "'x' cannot have a value here");
  expectIn(loadError(".func f() {} .global .u64 f = f;"), "'f' is defined twice");
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

TEST(Limits, InstructionsAreCountedWithoutLoops) {
  Options options;
  options.instructionBudget = 1000;
  Snippet straight("a100", options);
  straight.run(repeat("add.u32 %r1, %r1, 1;", 40000));
  expectIn(straight.error, "instruction-budget: the launch has used its budget of 1000");
  Snippet calls("a100", options);
  calls.run(repeat("call f;", 2000), {}, 32, ".func f() { ret; }");
  expectIn(calls.error, "instruction-budget");
  Snippet blocks("a100", options);
  blocks.run("ret;", {}, 32, {}, {2147483647, 1, 1}, 1);
  expectIn(blocks.error, "instruction-budget");
}

TEST(Limits, TimeIsLookedAtWithoutLoops) {
  Options options;
  options.timeBudgetSeconds = 1e-6; // over when the first block has been made
  Snippet straight("a100", options);
  straight.run(repeat("add.u32 %r1, %r1, 1;", 100));
  expectIn(straight.error, "time-budget: the launch has used its budget of");
}

TEST(Limits, RegistersOfDeepCalls) {
  Options options;
  options.launchMemoryLimit = 1 << 20;
  Snippet snippet("a100", options);
  std::string registers;
  for (int i = 0; i < 100; ++i)
    registers += "mov.b64 %r" + std::to_string(i) + ",0;";
  snippet.run("call f;", {}, 32, ".func f() { .reg .b64 %r<100>;" + registers + "call f; ret; }");
  expectIn(snippet.error, "memory-budget: registers, local and shared memory of the resident "
                          "blocks need");
  expectIn(snippet.error, "above the limit of 1048576");
  // Returned from, a frame is free again.
  snippet.run(repeat("call f;", 1000), {}, 32,
              ".func f() { .reg .b64 %r<100>;" + registers + " ret; }");
  EXPECT_EQ(snippet.error, "");
}

TEST(Limits, LocalMemory) {
  Snippet snippet;
  snippet.run(".local .b8 x[600000]; mov.u64 %rd1, x;");
  expectIn(snippet.error, "call-depth: the stack needs 600000 bytes of local memory a thread, "
                          "above the limit of 524288");
}

TEST(Limits, CopiesInFlight) {
  Options options;
  options.checkRaces = options.checkAsync = false; // each writes what the last one does
  Snippet snippet("a100", options);
  snippet.run(R"(.shared .align 16 .b8 s[512]; mov.u32 %r1, s; mad.lo.u32 %r1, %t, 4, %r1;
    mov.u32 %r2, 0;
    L: cp.async.ca.shared.global [%r1], [%in], 4;
    add.u32 %r2, %r2, 1; setp.lt.u32 %p1, %r2, 5000; @%p1 bra L;)");
  EXPECT_EQ(snippet.error, "");
  EXPECT_EQ(snippet.device->getLastReport().total.asyncBytes, 5000u * 128);
}

TEST(Limits, RaceRecords) {
  auto notes = [](uint64_t limit) {
    Options options;
    options.raceRecordLimit = limit;
    Snippet snippet("a100", options);
    // Each of 20000 turns reads another place: nothing can be forgotten.
    snippet.run(R"(.shared .align 16 .b8 s[16384]; mov.u32 %r1, 0;
      L: and.b32 %r2, %r1, 8191; mov.u32 %r3, s; add.u32 %r2, %r2, %r3; ld.shared.u8 %h1, [%r2];
      add.u32 %r1, %r1, 1; setp.lt.u32 %p1, %r1, 20000; @%p1 bra L;)");
    EXPECT_EQ(snippet.error, "");
    return snippet.device->getLastReport().notes;
  };
  EXPECT_TRUE(notes(1 << 20).empty());
  ASSERT_EQ(notes(1000).size(), 1u);
  expectIn(notes(1000)[0], "only: more than 1000 accesses are to be remembered");
}

// Each page of 512 bytes that is touched counts, too. Looked at every 2^14 steps.
TEST(Limits, RaceRecordsOfPages) {
  auto notes = [](uint64_t limit) {
    Options options;
    options.raceRecordLimit = limit;
    Snippet snippet("a100", options);
    snippet.run(R"(mov.u64 %rd1, big; cvt.u64.u32 %rd2, %t; add.u64 %rd1, %rd1, %rd2;
      mov.u32 %r1, 0;
      L: st.global.u8 [%rd1], %r1; add.u64 %rd1, %rd1, 512;
      add.u32 %r1, %r1, 1; setp.lt.u32 %p1, %r1, 5000; @%p1 bra L;)",
                {}, 32, ".global .align 16 .b8 big[2560000];");
    EXPECT_EQ(snippet.error, "");
    return snippet.device->getLastReport().notes;
  };
  EXPECT_TRUE(notes(2 * 5000).empty());
  ASSERT_EQ(notes(5000).size(), 1u);
}

TEST(Limits, DepthOfCalls) {
  Options options;
  options.callDepth = 50;
  Snippet snippet("a100", options);
  snippet.run("call f;", {}, 32, ".func f() { call f; ret; }");
  expectIn(snippet.error, "call-depth: calls nest deeper than 50");
}

TEST(Limits, Dimensions) {
  Snippet snippet;
  snippet.run("ret;", {}, 32, {}, {1, 65536, 1});
  expectIn(snippet.error, "the grid's y is 65536, above the limit of 65535");
}

//===----------------------------------------------------------------------===//
// printf
//===----------------------------------------------------------------------===//

/// What `format` prints for the 64-bit values 0 to 3, by lanes below `lanes`.
std::string print(llvm::StringRef format, unsigned lanes = 1, Options options = {}) {
  std::string bytes;
  for (char c : format)
    bytes += std::to_string(static_cast<int>(c)) + ",";
  Snippet snippet("a100", options);
  snippet.run("setp.ge.u32 %p1, %t, " + std::to_string(lanes) + "; @%p1 ret;" + R"(
    .local .align 8 .b8 buffer[32]; mov.u64 %rd1, buffer; cvta.local.u64 %rd1, %rd1;
    st.u64 [%rd1], 0; st.u64 [%rd1+8], 1; st.u64 [%rd1+16], 2; st.u64 [%rd1+24], 3;
    mov.u64 %rd2, format;
    { .param .b64 f; .param .b64 v; .param .b32 n; st.param.b64 [f], %rd2;
      st.param.b64 [v], %rd1; call.uni (n), vprintf, (f, v); })",
              {}, 32,
              ".extern .func (.param .b32 n) vprintf (.param .b64 f, .param .b64 v);\n"
              ".global .align 1 .b8 format[" +
                  std::to_string(format.size() + 1) + "] = {" + bytes + "0};");
  if (!snippet.error.empty())
    return snippet.error;
  return snippet.device->getLastReport().output;
}

TEST(Limits, PrintfPassesOnlyPlainConversions) {
  // The host's printf would write through %n, and take arguments nobody gave.
  EXPECT_EQ(print("%n d"), "%n d");
  EXPECT_EQ(print("%2$d"), "%2$d");
  EXPECT_EQ(print("%mlld"), "%mlld");
  EXPECT_EQ(print("%4097d"), "%4097d");
  EXPECT_EQ(print("%99999999999d"), "%99999999999d");
  EXPECT_EQ(print("%4096d").size(), 4096u);
  EXPECT_EQ(print("%lld%5lld|%-5lld|%05lld"), "0    1|2    |00003");
}

TEST(Limits, OutputOfPrintf) {
  Options options;
  options.outputBytes = 100;
  std::string text = print("%64d", 32, options);
  EXPECT_EQ(text.size(),
            100 + std::string("\n[further output is dropped: more than 100 bytes]\n").size());
  expectIn(text, "[further output is dropped: more than 100 bytes]");
}

} // namespace
