//===- Device.cpp - How fast the emulated device runs instructions -----------===//
//
// Prints warp instructions a second of one core, checkers and counters on, for
// loops of sixteen equal instructions. The design asks for 50 million a second
// in arithmetic, 20 million in shared and coalesced global accesses and 2
// million m16n8k16 mma.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/EmulatedDevice.h"
#include "llvm/Support/FormatVariadic.h"
#include <cstdio>
#include <ctime>

using namespace tilewright;

namespace {
struct Case {
  const char *name;
  const char *instruction; ///< {0} is replaced by the number of the copy, 0..15
  double aim;              ///< million a second; 0 for none
};

/// A kernel that runs sixteen copies of the instruction `turns` times.
std::string makeKernel(const Case &test, unsigned turns) {
  std::string body;
  for (unsigned copy = 0; copy < 16; ++copy)
    body += llvm::formatv(test.instruction, copy % 4, copy).str() + "\n";
  return llvm::formatv(R"(
.version 8.0
.target sm_80
.address_size 64
.visible .entry loop(.param .u64 buffer) {{
  .reg .b32 %r<8>, %s<8>, %a<8>, %b<4>, %i;
  .reg .f32 %f<8>, %c<8>;
  .reg .b64 %p, %o;
  .reg .pred %q, %t;
  .shared .align 16 .b8 tile[1024];
  ld.param.u64 %p, [buffer];
  mov.u32 %s0, %tid.x;
  shl.b32 %s1, %s0, 2;
  mul.wide.u32 %o, %s1, 1;
  add.s64 %p, %p, %o;
  mov.u32 %s2, tile;
  add.u32 %s2, %s2, %s1;
  setp.lt.u32 %t, %s0, 16;
  mov.u32 %i, 0;
again:
{0}
  add.u32 %i, %i, 1;
  setp.lt.u32 %q, %i, {1};
  @%q bra again;
  ret;
})",
                       body, turns)
      .str();
}

/// Warp instructions of the loop body a second, in millions.
llvm::Expected<double> measure(const Case &test) {
  constexpr unsigned turns = 20000, warps = 4;
  auto device = emulator::EmulatedDevice::create("a100");
  if (!device)
    return device.takeError();
  auto buffer = (*device)->allocate(4096);
  if (!buffer)
    return buffer.takeError();
  if (auto error = (*device)->fill(*buffer, 0, 4096))
    return std::move(error);
  auto module = (*device)->load({makeKernel(test, turns), {}});
  if (!module)
    return module.takeError();
  auto kernel = (*module)->getKernel("loop");
  if (!kernel)
    return kernel.takeError();
  device::LaunchConfig config;
  config.block.x = 32 * warps;
  // Processor time: other work on the machine counts less.
  std::clock_t start = std::clock();
  auto error = (*device)->launch(**kernel, config,
                                 {reinterpret_cast<const uint8_t *>(&*buffer), sizeof(*buffer)});
  if (error)
    return std::move(error);
  double seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
  return 16.0 * turns * warps / seconds / 1e6;
}
} // namespace

int main() {
  const Case cases[] = {
      {"add.u32", "add.u32 %r{0}, %r{0}, %s0;", 50},
      {"mad.lo.s32", "mad.lo.s32 %r{0}, %r{0}, %s0, %s1;", 50},
      {"lop3.b32", "lop3.b32 %r{0}, %r{0}, %s0, %s1, 0xEA;", 50},
      {"prmt.b32", "prmt.b32 %r{0}, %r{0}, %s0, 0x6341;", 50},
      {"fma.rn.f32", "fma.rn.f32 %f{0}, %f{0}, %f{0}, %f{0};", 50},
      {"fma.rn.f16x2", "fma.rn.f16x2 %r{0}, %r{0}, %s0, %s1;", 50},
      {"selp.b32", "selp.b32 %r{0}, %r{0}, %s0, %t;", 50},
      {"ld.shared.b32", "ld.shared.b32 %r{0}, [%s2];", 20},
      {"st.shared.b32", "st.shared.b32 [%s2], %s0;", 20},
      {"ld.global.b32", "ld.global.b32 %r{0}, [%p];", 20},
      {"mma.m16n8k16 f16",
       "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {{%f0, %f1, %f2, %f3}, "
       "{{%a0, %a1, %a2, %a3}, {{%b0, %b1}, {{%f0, %f1, %f2, %f3};",
       2},
  };
  std::printf("%-18s %12s %8s\n", "instruction", "M/s", "aim");
  for (const Case &test : cases) {
    auto rate = measure(test);
    if (!rate) {
      std::fprintf(stderr, "%s: %s\n", test.name, llvm::toString(rate.takeError()).c_str());
      return 1;
    }
    std::printf("%-18s %12.2f %8.0f\n", test.name, *rate, test.aim);
  }
  return 0;
}
