//===- Device.cpp - How fast the emulated device runs instructions -----------===//
//
// For loops of sixteen equal instructions, prints warp instructions a second of
// one core, checkers and counters on, beside what the design asks for.
//
//   TilewrightDeviceBenchmark [--unchecked | --without-initialisation] [--turns N] [--list]
//                             [part of a name]
//
// Each case is one call of measureCase, so that callgrind can tell them apart:
// count.py runs it that way, because instructions do not depend on what else the
// machine does.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/EmulatedDevice.h"
#include "llvm/Support/FormatVariadic.h"
#include <cstdio>
#include <ctime>

using namespace tilewright;

namespace {
constexpr unsigned kCopies = 16, kWarps = 4;

struct Case {
  const char *name;
  /// {0}: a register number 0..3; {1}: the number of the copy, 0..15; {2}: of a
  /// 2 KiB part of each buffer, for the copy.
  const char *instruction;
  double aim;            ///< million a second; 0 for none
  const char *tail = ""; ///< after the sixteen
};

const Case kCases[] = {
    {"add.u32", "add.u32 %r{0}, %r{0}, %s0;", 50},
    {"mad.lo.s32", "mad.lo.s32 %r{0}, %r{0}, %s0, %s1;", 50},
    {"lop3.b32", "lop3.b32 %r{0}, %r{0}, %s0, %s1, 0xEA;", 50},
    {"shr.u32", "shr.u32 %r{0}, %r{0}, %s0;", 50},
    {"bfe.u32", "bfe.u32 %r{0}, %r{0}, 8, 4;", 20},
    {"prmt.b32 constant", "prmt.b32 %r{0}, %r{0}, %s0, 0x6341;", 50},
    {"prmt.b32 register", "prmt.b32 %r{0}, %r{0}, %s0, %s1;", 50},
    {"selp.b32", "selp.b32 %r{0}, %r{0}, %s0, %t;", 50},
    {"setp.lt.s32", "setp.lt.s32 %q, %r{0}, %s0;", 50},
    {"fma.rn.f32", "fma.rn.f32 %f{0}, %f{0}, %f{0}, %f{0};", 50},
    {"ex2.approx.ftz.f32", "ex2.approx.ftz.f32 %f{0}, %f{0};", 20},
    {"fma.rn.f16x2", "fma.rn.f16x2 %r{0}, %r{0}, %s4, %s4;", 50},
    {"add.f16x2", "add.f16x2 %r{0}, %r{0}, %s4;", 50},
    {"mul.f16x2", "mul.f16x2 %r{0}, %r{0}, %s4;", 50},
    {"fma.rn.bf16x2", "fma.rn.bf16x2 %r{0}, %r{0}, %s4, %s4;", 50},
    {"fma.rn.f16", "fma.rn.f16 %h{0}, %h{0}, %h4, %h5;", 50},
    {"cvt.f32.f16", "cvt.f32.f16 %f{0}, %h{0};", 50},
    {"cvt.rn.f16.f32", "cvt.rn.f16.f32 %h{0}, %f{0};", 50},
    {"cvt.rn.f16x2.f32", "cvt.rn.f16x2.f32 %r{0}, %f{0}, %f{0};", 50},
    {"cvt.rn.bf16x2.f32", "cvt.rn.bf16x2.f32 %r{0}, %f{0}, %f{0};", 50},
    {"shfl.sync.bfly", "shfl.sync.bfly.b32 %r{0}, %r{0}, 4, 31, -1;", 20},
    {"ld.shared.b32", "ld.shared.b32 %r{0}, [%s2];", 20},
    {"ld.shared.v4.b32", "ld.shared.v4.b32 {{%r0, %r1, %r2, %r3}, [%s3];", 20},
    {"st.shared.b32", "st.shared.b32 [%s2], %s0;", 20},
    {"st.shared.v4.b32", "st.shared.v4.b32 [%s3 + {2}], {{%r0, %r1, %r2, %r3};", 20},
    {"ldmatrix.x4", "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {{%a0, %a1, %a2, %a3}, [%s3 + {2}];",
     10},
    {"ld.global.b32", "ld.global.b32 %r{0}, [%p];", 20},
    {"ld.global.v4.b32", "ld.global.v4.b32 {{%r0, %r1, %r2, %r3}, [%w + {2}];", 20},
    {"st.global.b32", "st.global.b32 [%p], %s0;", 20},
    {"cp.async.cg 16", "cp.async.cg.shared.global [%s3 + {2}], [%w + {2}], 16;", 4,
     "cp.async.commit_group; cp.async.wait_group 0;"},
    {"atom.shared.add.u32", "atom.shared.add.u32 %r{0}, [%s2], 1;", 4},
    {"red.global.add.u32", "red.relaxed.gpu.global.add.u32 [%p], 1;", 4},
    {"bar.sync", "bar.sync 0;", 4},
    {"mma.m16n8k16 f16",
     "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {{%f0, %f1, %f2, %f3}, "
     "{{%a0, %a1, %a2, %a3}, {{%b0, %b1}, {{%f0, %f1, %f2, %f3};",
     2},
    {"mma.m16n8k16 bf16",
     "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {{%f0, %f1, %f2, %f3}, "
     "{{%a0, %a1, %a2, %a3}, {{%b0, %b1}, {{%f0, %f1, %f2, %f3};",
     2},
};

/// A kernel that runs sixteen copies of the instruction `turns` times.
std::string makeKernel(const Case &test, unsigned turns) {
  std::string body;
  for (unsigned copy = 0; copy < kCopies; ++copy)
    body += llvm::formatv(test.instruction, copy % 4, copy, copy * 2048).str() + "\n";
  return llvm::formatv(R"(
.version 8.0
.target sm_80
.address_size 64
.visible .entry loop(.param .u64 buffer) {{
  .reg .b16 %h<8>;
  .reg .b32 %r<8>, %s<8>, %a<8>, %b<4>, %i;
  .reg .f32 %f<8>;
  .reg .b64 %p, %o, %w;
  .reg .pred %q, %t, %u;
  .shared .align 16 .b8 tile[32768];
  ld.param.u64 %p, [buffer];
  mov.u32 %s0, %tid.x;
  shl.b32 %s1, %s0, 2;
  mul.wide.u32 %o, %s0, 16;
  add.s64 %w, %p, %o;
  mul.wide.u32 %o, %s0, 4;
  add.s64 %p, %p, %o;
  mov.u32 %s2, tile;
  shl.b32 %s3, %s0, 4;
  add.u32 %s3, %s2, %s3;
  add.u32 %s2, %s2, %s1;
  setp.lt.u32 %t, %s0, 16;
  cvt.rn.f32.u32 %f0, %s0;
  mov.b32 %r0, 0x3c003800;
  mov.b32 %s4, %r0;
  mov.b32 {{%h0, %h1}, %r0;
  mov.b32 {{%h4, %h5}, %r0;
  mov.b32 {{%h2, %h3}, %r0;
  mov.b32 %r1, %r0; mov.b32 %r2, %r0; mov.b32 %r3, %r0;
  mov.b32 %a0, %r0; mov.b32 %a1, %r0; mov.b32 %a2, %r0; mov.b32 %a3, %r0;
  mov.b32 %b0, %r0; mov.b32 %b1, %r0;
  mov.f32 %f1, %f0; mov.f32 %f2, %f0; mov.f32 %f3, %f0;
  mov.u32 %i, 0;
fill:
  mad.lo.u32 %r4, %i, 2048, %s3;
  st.shared.v4.b32 [%r4], {{%r0, %r1, %r2, %r3};
  add.u32 %i, %i, 1;
  setp.lt.u32 %u, %i, 16;
  @%u bra fill;
  bar.sync 0;
  mov.u32 %i, 0;
again:
{0}
{2}
  add.u32 %i, %i, 1;
  setp.lt.u32 %u, %i, {1};
  @%u bra again;
  ret;
})",
                       body, turns, test.tail)
      .str();
}

/// Warp instructions of the sixteen a second, in millions.
[[gnu::noinline]] llvm::Expected<double>
measureCase(const Case &test, const emulator::Options &options, unsigned turns) {
  auto device = emulator::EmulatedDevice::create("a100", options);
  if (!device)
    return device.takeError();
  auto buffer = (*device)->allocate(32768);
  if (!buffer)
    return buffer.takeError();
  if (auto error = (*device)->fill(*buffer, 0, 32768))
    return std::move(error);
  auto module = (*device)->load({makeKernel(test, turns), {}});
  if (!module)
    return module.takeError();
  auto kernel = (*module)->getKernel("loop");
  if (!kernel)
    return kernel.takeError();
  device::LaunchConfig config;
  config.block.x = 32 * kWarps;
  // Processor time: other work on the machine counts less.
  std::clock_t start = std::clock();
  auto error = (*device)->launch(**kernel, config,
                                 {reinterpret_cast<const uint8_t *>(&*buffer), sizeof(*buffer)});
  if (error)
    return std::move(error);
  double seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
  return double(kCopies) * turns * kWarps / seconds / 1e6;
}
} // namespace

int main(int argc, char **argv) {
  emulator::Options options;
  unsigned turns = 20000;
  bool isList = false;
  llvm::StringRef part;
  for (int i = 1; i < argc; ++i) {
    llvm::StringRef argument = argv[i];
    if (argument == "--unchecked")
      options.checkAlignment = options.checkAsync = options.checkRaces =
          options.checkInitialisation = options.countAccesses = false;
    else if (argument == "--without-initialisation")
      options.checkInitialisation = false;
    else if (argument == "--list")
      isList = true;
    else if (argument == "--turns" && i + 1 < argc)
      turns = std::max(1, std::atoi(argv[++i]));
    else
      part = argument;
  }
  if (isList) {
    // For count.py: name, aim, warp instructions of the case.
    for (const Case &test : kCases)
      if (llvm::StringRef(test.name).contains(part))
        std::printf("%s\t%g\t%u\n", test.name, test.aim, kCopies * turns * kWarps);
    return 0;
  }
  std::printf("%-20s %12s %8s\n", "instruction", "M/s", "aim");
  for (const Case &test : kCases) {
    if (!llvm::StringRef(test.name).contains(part))
      continue;
    auto rate = measureCase(test, options, turns);
    if (!rate) {
      std::fprintf(stderr, "%s: %s\n", test.name, llvm::toString(rate.takeError()).c_str());
      return 1;
    }
    std::printf("%-20s %12.2f %8.0f\n", test.name, *rate, test.aim);
  }
  return 0;
}
