//===- TaintMemoryTest.cpp - Undefined bytes in every kind of memory ----------===//
#include "Undefined.h"
#include "runtime/Emulator/Checkers/DefinedBytes.h"
#include <random>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

bool contains(const std::string &text, llvm::StringRef part) {
  return llvm::StringRef(text).contains(part);
}

TEST(DefinedBytes, AgreesWithAnArrayOfFlags) {
  constexpr unsigned seed = 5;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  constexpr uint32_t size = 1000;
  DefinedBytes bytes(size);
  std::vector<bool> flags(size, false);
  for (int round = 0; round < 3000; ++round) {
    uint32_t offset = random() % size, length = random() % 200 % (size - offset + 1);
    bool isWhole = random() % 2;
    uint32_t undefined = random() % 3 ? 0 : static_cast<uint32_t>(random());
    if (isWhole) {
      undefined ? bytes.undefine(offset, length) : bytes.define(offset, length);
      for (uint32_t i = 0; i < length; ++i)
        flags[offset + i] = !undefined;
    } else {
      length = std::min(length, DefinedBytes::kMaxBytes);
      bytes.assign(offset, length, undefined);
      for (uint32_t i = 0; i < length; ++i)
        flags[offset + i] = !(undefined >> i & 1);
    }
    uint32_t at = random() % size, count = std::min<uint32_t>(random() % 33, size - at);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < count; ++i)
      expected |= uint32_t(!flags[at + i]) << i;
    ASSERT_EQ(bytes.findUndefined(at, count), expected) << round;
    uint32_t many = random() % (size - at + 1);
    ASSERT_EQ(bytes.areDefined(at, many),
              std::all_of(flags.begin() + at, flags.begin() + at + many, [](bool f) { return f; }));
    ASSERT_EQ(bytes.isAll(), std::all_of(flags.begin(), flags.end(), [](bool f) { return f; }));
    uint32_t width = 1u << random() % 5;
    uint64_t addresses[32];
    bool all = true;
    for (uint64_t &address : addresses) {
      address = random() % (size / width) * width;
      for (uint32_t i = 0; i < width; ++i)
        all &= flags[address + i];
      address += 1024;
    }
    ASSERT_EQ(bytes.areDefinedAt(addresses, 1024, width), all);
  }
  bytes.define(0, size);
  EXPECT_TRUE(bytes.isAll());
}

/// Kernels k(in, out) over buffers that the test fills as it likes.
struct Buffers : testing::Test {
  std::string launch(llvm::StringRef body, uint64_t in, uint64_t out, llvm::StringRef module = {}) {
    device::Image image;
    image.ptx = Snippet::wrap(body, module);
    loaded = must(device->load(image));
    auto *kernel = must(loaded->getKernel("k"));
    uint64_t arguments[] = {in, out};
    device::LaunchConfig config;
    config.block.x = 32;
    llvm::ArrayRef<uint8_t> bytes(reinterpret_cast<uint8_t *>(arguments), sizeof arguments);
    return llvm::toString(device->launch(*kernel, config, bytes));
  }
  uint64_t allocate(uint64_t bytes = 256) { return must(device->allocate(bytes)); }

  std::unique_ptr<EmulatedDevice> device = must(EmulatedDevice::create("a100"));
  std::unique_ptr<device::Module> loaded;
};
using GlobalTaint = Buffers;

constexpr const char *kCopy = "ld.global.u64 %rd1, [%in]; st.global.u64 [%out], %rd1;";

TEST_F(GlobalTaint, HostWritesDefine) {
  uint64_t in = allocate(), out = allocate();
  std::string error = launch(kCopy, in, out);
  EXPECT_TRUE(contains(error, "uninitialised: writes 8 undefined of 8 bytes")) << error;
  EXPECT_TRUE(contains(error, "read at global address 0x1000000000 (allocation 0 of 256 bytes, "
                              "offset 0), which nobody has written, by ptx line"))
      << error;
  std::vector<uint8_t> zeros(256);
  llvm::cantFail(device->copyToDevice(in, zeros.data(), 99));
  error = launch(kCopy, in, out);
  EXPECT_TRUE(contains(error, "writes 5 undefined of 8 bytes")) << error;
  EXPECT_TRUE(contains(error, "lane 12")) << error;
  llvm::cantFail(device->fill(in + 99, 1, 157));
  EXPECT_EQ(launch(kCopy, in, out), "");
  // Fresh memory after a release is fresh.
  llvm::cantFail(device->release(in));
  EXPECT_NE(launch(kCopy, allocate(), out), "");
}

TEST_F(GlobalTaint, WhatIsReportedCountsAsDefined) {
  uint64_t in = allocate(), out = allocate(512);
  EXPECT_NE(launch(kCopy + std::string("\nld.global.u64 %rd2, [%out];\nst.global.u64 [%in], %rd2;"),
                   in, out),
            "");
  EXPECT_EQ(device->getLastReport().findings.size(), 1u);
}

TEST_F(GlobalTaint, KernelsDefine) {
  uint64_t in = allocate(), out = allocate();
  EXPECT_EQ(launch("st.global.u64 [%out], %o;", in, out), "");
  EXPECT_EQ(launch(kCopy, out, in), "");
  // Half of a buffer, then all of it.
  uint64_t half = allocate();
  EXPECT_EQ(launch("st.global.u32 [%out], %t;", in, half), "");
  EXPECT_TRUE(contains(launch(kCopy, half, in), "writes 4 undefined of 8 bytes"));
  EXPECT_EQ(launch("st.global.u32 [%out+4], %t;", in, half), "");
  EXPECT_EQ(launch(kCopy, half, in), "");
}

TEST_F(GlobalTaint, UncheckedLaunchesMayHaveWrittenAnything) {
  uint64_t in = allocate(), out = allocate();
  Options unchecked = device->getOptions(), checked = unchecked;
  unchecked.checkInitialisation = false;
  device->setOptions(unchecked);
  EXPECT_EQ(launch("st.global.u64 [%out], %o;", in, out), "");
  device->setOptions(checked);
  EXPECT_EQ(launch(kCopy, out, allocate()), "");
}

TEST_F(GlobalTaint, AtomicsNeedTheOldValue) {
  uint64_t in = allocate(), out = allocate();
  EXPECT_TRUE(contains(launch("red.global.add.u32 [%out], 1;", in, out), "writes 4 undefined"));
  out = allocate();
  EXPECT_EQ(launch("atom.global.exch.b32 %r1, [%out], 1;", in, out), "");
  EXPECT_EQ(launch("red.global.add.u32 [%out], 1;", in, out), "");
  out = allocate();
  EXPECT_TRUE(
      contains(launch("atom.global.exch.b32 %r1, [%out], 1; st.global.u32 [%out+4], %r1;", in, out),
               "which nobody has written, by ptx line"));
  // In shared memory nothing has left the block yet.
  EXPECT_EQ(launch(".shared .u32 n; red.shared.add.u32 [n], 1;", in, out), "");
  EXPECT_NE(launch(".shared .u32 n; red.shared.add.u32 [n], 1; bar.warp.sync -1;\n"
                   "ld.shared.u32 %r1, [n]; st.global.u32 [%out], %r1;",
                   in, out),
            "");
  EXPECT_EQ(launch(".shared .u32 n; st.shared.u32 [n], 0; bar.warp.sync -1;\n"
                   "red.shared.add.u32 [n], 1; bar.warp.sync -1;\n"
                   "ld.shared.u32 %r1, [n]; st.global.u32 [%out], %r1;",
                   in, out),
            "");
}

TEST_F(GlobalTaint, VariablesAreZero) {
  EXPECT_EQ(launch("mov.u64 %rd1, v; add.u64 %rd1, %rd1, %o; ld.global.u64 %rd2, [%rd1];\n"
                   "ld.const.u64 %rd3, [c]; add.u64 %rd2, %rd2, %rd3; st.global.u64 [%out], %rd2;",
                   allocate(), allocate(),
                   ".global .align 8 .b8 v[256]; .const .align 8 .b8 c[8] = {1, 2};"),
            "");
}

TEST_F(GlobalTaint, ElementsOfAVectorAreApart) {
  uint64_t in = allocate(512), out = allocate();
  // The first half of every 16 bytes.
  EXPECT_EQ(launch("add.u64 %out, %out, %o; st.global.u64 [%out], %o;", in, in), "");
  constexpr const char *load =
      "add.u64 %in, %in, %o; ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%in];\n";
  EXPECT_EQ(launch(load + std::string("st.global.v2.u32 [%out], {%r1, %r2};"), in, out), "");
  EXPECT_TRUE(contains(launch(load + std::string("st.global.v2.u32 [%out], {%r1, %r3};"), in, out),
                       "writes 4 undefined of 8 bytes"));
}

TEST_F(GlobalTaint, CopiesInFlightBringWhatTheyRead) {
  for (LandingPolicy landing : {LandingPolicy::Late, LandingPolicy::Eager}) {
    Options options = device->getOptions();
    options.landing = landing;
    device->setOptions(options);
    uint64_t in = allocate(), out = allocate();
    llvm::cantFail(device->fill(in, 1, 128));
    constexpr const char *copy = R"(
      .shared .align 8 .b8 s[256]; mov.u32 %r1, s; cvt.u32.u64 %r2, %o; add.u32 %r1, %r1, %r2;
      cp.async.ca.shared.global [%r1], [%in], 8; cp.async.wait_all;
      ld.shared.u64 %rd1, [%r1];
    )";
    EXPECT_EQ(
        launch(copy + std::string("setp.lt.u32 %p1, %t, 16; @%p1 st.global.u64 [%out], %rd1;"), in,
               out),
        "");
    std::string error = launch(copy + std::string("st.global.u64 [%out], %rd1;"), in, out);
    EXPECT_TRUE(contains(error, "lane 16")) << error;
    // Zero fill is a value.
    EXPECT_EQ(launch(R"(
      .shared .align 8 .b8 s[256]; mov.u32 %r1, s; cvt.u32.u64 %r2, %o; add.u32 %r1, %r1, %r2;
      setp.lt.u32 %p1, %t, 16; selp.u32 %r3, 8, 0, %p1;
      cp.async.ca.shared.global [%r1], [%in], 8, %r3; cp.async.wait_all;
      ld.shared.u64 %rd1, [%r1]; st.global.u64 [%out], %rd1;)",
                     in, out),
              "");
  }
}

TEST(LocalTaint, PaddingMayBeCopied) {
  // struct { char a; int b; } copied as eight bytes, then used by members.
  constexpr const char *copy = R"(
    .local .align 8 .b8 x[8]; .local .align 8 .b8 y[8];
    st.local.u8 [x], 1; st.local.u32 [x+4], %t;
    ld.local.u64 %rd1, [x]; st.local.u64 [y], %rd1;
  )";
  auto run = [&](const char *use) {
    Snippet snippet;
    snippet.run(copy + std::string(use));
    return snippet.error;
  };
  EXPECT_EQ(run("ld.local.u8 %r1, [y]; ld.local.u32 %r2, [y+4]; add.u32 %r1, %r1, %r2;\n"
                "st.global.u32 [%out], %r1;"),
            "");
  EXPECT_TRUE(contains(run("ld.local.u64 %rd2, [y]; st.global.u64 [%out], %rd2;"),
                       "writes 3 undefined of 8 bytes at global address"));
  // A signed byte extends to as undefined a word.
  EXPECT_EQ(run("ld.local.s8 %r1, [y]; st.global.u32 [%out], %r1;"), "");
  EXPECT_TRUE(
      contains(run("ld.local.s8 %r1, [y+1]; st.global.u32 [%out], %r1;"), "writes 4 undefined"));
  EXPECT_TRUE(
      contains(run("ld.local.u8 %r1, [y+1]; st.global.u32 [%out], %r1;"), "writes 1 undefined"));
}

TEST(LocalTaint, FramesAreFresh) {
  constexpr const char *module = R"(
    .func (.param .b32 y) put(.param .b32 x) {
      .reg .b32 %a; .local .align 4 .b8 l[16];
      ld.param.b32 %a, [x]; st.local.u32 [l+4], %a; st.param.b32 [y], %a; ret; }
    .func (.param .b32 y) get(.param .b32 x) {
      .reg .b32 %a; .local .align 4 .b8 l[16];
      ld.local.u32 %a, [l+4]; st.param.b32 [y], %a; ret; }
    .func (.reg .b32 y) add(.reg .b32 x) { add.u32 y, x, 1; ret; }
  )";
  auto run = [&](const char *body) {
    Snippet snippet;
    snippet.run(std::string(".param .b32 x; .param .b32 y; st.param.b32 [x], %t;\n") + body, {}, 32,
                module);
    return snippet.error;
  };
  EXPECT_EQ(run("call (y), put, (x); ld.param.b32 %r1, [y]; st.global.u32 [%out], %r1;"), "");
  // What an earlier call left on the stack is no value.
  EXPECT_NE(run("call (y), put, (x); call (y), get, (x); ld.param.b32 %r1, [y];\n"
                "st.global.u32 [%out], %r1;"),
            "");
  // An unused undefined result is none.
  EXPECT_EQ(run("call (y), get, (x); ld.param.b32 %r1, [y];"), "");
  EXPECT_EQ(run("call (%r1), add, (%t); st.global.u32 [%out], %r1;"), "");
  std::string error = run("call (%r1), add, (%r2); st.global.u32 [%out], %r1;");
  EXPECT_TRUE(contains(error, "register '%r2' has never been assigned")) << error;
  // An unset argument.
  error =
      run(".param .b32 z; call (y), put, (z); ld.param.b32 %r1, [y]; st.global.u32 [%out], %r1;");
  EXPECT_TRUE(contains(error, "uninitialised")) << error;
}

TEST(Taint, PrintedBytesAreUsed) {
  constexpr const char *module = R"(
    .extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 a);
    .global .align 1 .b8 text[4] = {37, 100, 10, 0};
  )";
  auto run = [&](const char *set) {
    Snippet snippet;
    snippet.run(
        std::string(".local .align 8 .b8 l[16]; mov.u64 %rd1, l; cvta.local.u64 %rd1, %rd1;\n"
                    "mov.u64 %rd2, text; cvta.global.u64 %rd2, %rd2;\n") +
            set + R"(
      { .param .b64 f; .param .b64 a; .param .b32 r; st.param.b64 [f], %rd2; st.param.b64 [a], %rd1;
        call.uni (r), vprintf, (f, a); ld.param.b32 %r2, [r]; st.global.u32 [%out], %r2; })",
        {}, 32, module);
    return snippet.error;
  };
  EXPECT_EQ(run("st.local.u32 [l], %t;"), "");
  EXPECT_TRUE(contains(run(""), "uninitialised: prints undefined bytes"));
}

TEST(Taint, MbarriersNeedInit) {
  EXPECT_NE(runUse(".shared .align 8 .b64 bar; mbarrier.arrive.shared.b64 %rd1, [bar];")
                .find("uses an mbarrier that nobody has initialised at shared address"),
            std::string::npos);
  constexpr const char *init = R"(
    .shared .align 8 .b64 bar; setp.eq.u32 %p3, %t, 0; @%p3 mbarrier.init.shared.b64 [bar], 32;
    bar.warp.sync -1;
  )";
  EXPECT_EQ(runUse(init + std::string("mbarrier.arrive.shared.b64 %rd1, [bar];\n"
                                      "W: mbarrier.test_wait.shared.b64 %p4, [bar], %rd1;\n"
                                      "@!%p4 bra W;")),
            "");
  EXPECT_NE(runUse(init + std::string("and.b32 %r10, %r0, 1; add.u32 %r10, %r10, 1;\n"
                                      "mbarrier.arrive.noComplete.shared.b64 %rd1, [bar], %r10;"))
                .find("takes an operand with undefined bits"),
            std::string::npos);
}

//===----------------------------------------------------------------------===//
// Matrices: 16 x 16 halves of which some rows have been written
//===----------------------------------------------------------------------===//

/// Writes rows [0, rows) of the tile `s`, 32 bytes a row, and loads fragments of
/// a (16 x 16, from `s`) and b (from `whole`, all written).
std::string loadTiles(unsigned rows) {
  return R"(
    .shared .align 16 .b8 tile[512]; .shared .align 16 .b8 whole[512];
    mov.u32 %r10, tile; mov.u32 %r11, whole; shr.u32 %r12, %t, 1; shl.b32 %r13, %t, 4;
    add.u32 %r14, %r10, %r13; add.u32 %r15, %r11, %r13;
    st.shared.v4.u32 [%r15], {%t, %t, %t, %t};
    setp.lt.u32 %p5, %r12, )" +
         std::to_string(rows) + R"(; @%p5 st.shared.v4.u32 [%r14], {%t, %t, %t, %t};
    bar.warp.sync -1;
    and.b32 %r16, %t, 15; shl.b32 %r16, %r16, 5; shr.u32 %r17, %t, 4; shl.b32 %r17, %r17, 4;
    add.u32 %r16, %r16, %r17; add.u32 %r14, %r10, %r16; add.u32 %r15, %r11, %r16;
    mov.b32 %f0, 0; mov.b32 %f1, 0; mov.b32 %f2, 0; mov.b32 %f3, 0;
    shr.u32 %r18, %t, 2; and.b32 %r19, %t, 3;
  )";
}

TEST(MatrixTaint, PaddingRowsStayApart) {
  constexpr const char *product = R"(
    ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r20, %r21, %r22, %r23}, [%r14];
    ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r24, %r25}, [%r15];
    mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f0, %f1, %f2, %f3},
      {%r20, %r21, %r22, %r23}, {%r24, %r25}, {%f0, %f1, %f2, %f3};
  )";
  auto run = [&](unsigned rows, const char *store) {
    return runUse(loadTiles(rows) + product + store);
  };
  // Lane 4 * g + t has rows g and g + 8: 11 rows are rows 8 + 0..2 of f2, f3.
  EXPECT_EQ(run(11, "st.global.v2.f32 [%out], {%f0, %f1};"), "");
  EXPECT_EQ(run(11, "setp.lt.u32 %p6, %r18, 3; @%p6 st.global.v2.f32 [%out], {%f2, %f3};"), "");
  std::string error = run(11, "st.global.v2.f32 [%out], {%f2, %f3};");
  EXPECT_TRUE(contains(error, "lane 12")) << error;
  EXPECT_TRUE(contains(error, "(tile + ")) << error;
  EXPECT_EQ(run(16, "st.global.v2.f32 [%out], {%f2, %f3};"), "");
  EXPECT_TRUE(contains(run(5, "st.global.v2.f32 [%out], {%f0, %f1};"), "lane 20"));
}

TEST(MatrixTaint, ColumnsComeFromB) {
  // b from the ragged tile: its rows are columns of the result.
  auto run = [&](unsigned rows, const char *store) {
    return runUse(loadTiles(rows) + std::string(R"(
    ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r20, %r21, %r22, %r23}, [%r15];
    ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r24, %r26, %r25, %r27}, [%r14];
    mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r28, %r29}, {%r20, %r21, %r22, %r23},
      {%r24, %r25}, {0, 0};)") +
                  store);
  };
  EXPECT_EQ(run(8, "st.global.v2.b32 [%out], {%r28, %r29};"), "");
  // Five columns: lane t has 2t and 2t + 1, so lane 2 has one, lane 3 none.
  EXPECT_EQ(run(5, "setp.lt.u32 %p6, %r19, 2; @%p6 st.global.v2.b32 [%out], {%r28, %r29};"), "");
  EXPECT_EQ(run(5, "setp.lt.u32 %p6, %r19, 3; @%p6 st.global.u16 [%out], %r29;"), "");
  EXPECT_TRUE(contains(run(5, "setp.lt.u32 %p6, %r19, 3; @%p6 st.global.b32 [%out], %r29;"),
                       "writes 2 undefined of 4 bytes"));
  EXPECT_TRUE(contains(run(5, "st.global.u16 [%out], %r28;"), "lane 3"));
}

TEST(MatrixTaint, AccumulatorsAreOnesOwn) {
  auto run = [&](const char *store) {
    return runUse(loadTiles(16) + std::string(R"(
    ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r20, %r21, %r22, %r23}, [%r15];
    mov.b32 %f2, %r0; setp.eq.u32 %p6, %t, 9; @%p6 mov.b32 %f1, %r0;
    mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f4, %f5, %f6, %f7},
      {%r20, %r21, %r22, %r23}, {%r20, %r21}, {%f0, %f1, %f2, %f3};)") +
                  store);
  };
  EXPECT_EQ(run("st.global.f32 [%out], %f4; st.global.f32 [%out+4], %f7;"), "");
  EXPECT_TRUE(contains(run("st.global.f32 [%out], %f5;"), "lane 9"));
  EXPECT_TRUE(contains(run("st.global.f32 [%out], %f6;"), "lane 0"));
}

TEST(MatrixTaint, MetadataIsThatOfTheSelectedLanes) {
  // Lanes with t = 1 have metadata, and of these all but lane 9.
  auto run = [&](const char *selector, const char *store) {
    return runUse(loadTiles(16) + std::string(R"(
    ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r20, %r21}, [%r15];
    mov.b32 %r24, %r0; setp.eq.u32 %p6, %r19, 1; @%p6 mov.b32 %r24, 0x44444444;
    setp.eq.u32 %p6, %t, 9; @%p6 mov.b32 %r24, %r0;
    mma.sp.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f4, %f5, %f6, %f7},
      {%r20, %r21}, {%r20, %r21}, {%f0, %f1, %f2, %f3}, %r24, )") +
                  selector + "; setp.eq.u32 %p6, %r18, 2;\n" + store);
  };
  // Lane 9 has the metadata of rows 2 and 10, which lanes 8 to 11 hold.
  EXPECT_EQ(run("1", "@!%p6 st.global.v2.f32 [%out], {%f4, %f6};"), "");
  EXPECT_TRUE(contains(run("1", "st.global.f32 [%out], %f4;"), "lane 8"));
  EXPECT_TRUE(contains(run("1", "st.global.f32 [%out], %f7;"), "lane 8"));
  EXPECT_TRUE(contains(run("0", "st.global.f32 [%out], %f4;"), "lane 0"));
}

TEST(MatrixTaint, TransposedLoadsAndStores) {
  // Row 7 of the first 8 x 8 matrix is missing: transposed, column 7 is.
  auto run = [&](const char *body) { return runUse(loadTiles(7) + body); };
  constexpr const char *load = "ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%r20}, [%r14];\n";
  EXPECT_EQ(run((std::string(load) + "st.global.u16 [%out], %r20;").c_str()), "");
  EXPECT_TRUE(contains(run((std::string(load) + "st.global.u32 [%out], %r20;").c_str()),
                       "writes 2 undefined of 4 bytes"));
  EXPECT_TRUE(contains(run((std::string(load) + "st.global.u32 [%out], %r20;").c_str()), "lane 3"));
  // Put back transposed, the row is missing again.
  constexpr const char *back = R"(
    movmatrix.sync.aligned.m8n8.trans.b16 %r21, %r20;
    shl.b32 %r22, %t, 4; add.u32 %r22, %r50, %r22;
    stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [%r22], {%r20};
    stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r22+128], {%r21}; bar.warp.sync -1;
    setp.lt.u32 %p6, %t, 7; setp.eq.u32 %p7, %t, 7;
  )";
  auto use = [&](const char *store) { return run((std::string(load) + back + store).c_str()); };
  EXPECT_EQ(use("@%p6 ld.shared.u64 %rd1, [%r22]; @%p6 st.global.u64 [%out], %rd1;"), "");
  EXPECT_EQ(use("@%p6 ld.shared.u64 %rd1, [%r22+128]; @%p6 st.global.u64 [%out], %rd1;"), "");
  EXPECT_NE(use("@%p7 ld.shared.u64 %rd1, [%r22]; @%p7 st.global.u64 [%out], %rd1;"), "");
  EXPECT_NE(use("@%p7 ld.shared.u64 %rd1, [%r22+128]; @%p7 st.global.u64 [%out], %rd1;"), "");
}

TEST(MatrixTaint, WmmaFragments) {
  constexpr const char *product = R"(
    .reg .b32 %wa<8>, %wb<8>; .reg .f32 %wc<8>; .shared .align 32 .b8 result[1024];
    mov.b32 %wc0, 0; mov.b32 %wc1, 0; mov.b32 %wc2, 0; mov.b32 %wc3, 0;
    mov.b32 %wc4, 0; mov.b32 %wc5, 0; mov.b32 %wc6, 0; mov.b32 %wc7, 0;
    wmma.load.a.sync.aligned.row.m16n16k16.shared.f16
      {%wa0, %wa1, %wa2, %wa3, %wa4, %wa5, %wa6, %wa7}, [A], 16;
    wmma.load.b.sync.aligned.col.m16n16k16.shared.f16
      {%wb0, %wb1, %wb2, %wb3, %wb4, %wb5, %wb6, %wb7}, [B], 16;
    wmma.mma.sync.aligned.row.col.m16n16k16.f32.f32 {%wc0, %wc1, %wc2, %wc3, %wc4, %wc5, %wc6, %wc7},
      {%wa0, %wa1, %wa2, %wa3, %wa4, %wa5, %wa6, %wa7},
      {%wb0, %wb1, %wb2, %wb3, %wb4, %wb5, %wb6, %wb7},
      {%wc0, %wc1, %wc2, %wc3, %wc4, %wc5, %wc6, %wc7};
    wmma.store.d.sync.aligned.row.m16n16k16.shared.f32 [result],
      {%wc0, %wc1, %wc2, %wc3, %wc4, %wc5, %wc6, %wc7}, 16;
    bar.warp.sync -1;
    mov.u32 %r20, result; shl.b32 %r21, %t, 2; add.u32 %r20, %r20, %r21;
  )";
  auto run = [&](const char *a, const char *b, const char *use) {
    std::string text = loadTiles(11) + product;
    text.replace(text.find("[A]"), 3, a);
    text.replace(text.find("[B]"), 3, b);
    return runUse(text + use);
  };
  // Lane t reads column t % 16 of rows 10 and 11, or 12 and 13.
  constexpr const char *upper = "ld.shared.f32 %f9, [%r20+576]; st.global.f32 [%out], %f9;";
  constexpr const char *lower = "ld.shared.f32 %f9, [%r20+704]; st.global.f32 [%out], %f9;";
  EXPECT_EQ(run("[tile]", "[whole]", upper), "");
  EXPECT_NE(run("[tile]", "[whole]", lower), "");
  // b by columns: 11 columns are there.
  EXPECT_TRUE(contains(run("[whole]", "[tile]", upper), "lane 11"));
  EXPECT_EQ(run("[whole]", "[tile]",
                "and.b32 %r21, %t, 15; setp.lt.u32 %p6, %r21, 11; ld.shared.f32 %f9, [%r20+704];\n"
                "@%p6 st.global.f32 [%out], %f9;"),
            "");
}

} // namespace
