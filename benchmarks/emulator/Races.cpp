//===- Races.cpp - What the race checker costs where threads synchronise -------===//
//
// Kernels of many blocks that meet in a few words of one page: loops of
// compare-and-swap, locks, atomics that order, fences. Prints seconds of one core
// with and without the race checker, and nanoseconds it adds for an access of a
// warp. Twice the grid should cost twice the time: the last column is the cost of an
// access in the whole grid over that in a quarter of it.
//
//   TilewrightRacesBenchmark [--blocks N] [part of a name]
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/EmulatedDevice.h"
#include "llvm/Support/FormatVariadic.h"
#include <cstdio>
#include <ctime>
#include <string>

using namespace tilewright;

namespace {

struct Case {
  const char *name;
  unsigned threads;
  /// %a: eight words that the grid shares, of which %w is the thread's; %t, %b:
  /// thread and block; %first: lane 0 of its warp.
  const char *body;
};

const Case kCases[] = {
    {"guess, then swap until it holds", 256,
     "ld.global.u32 %r0, [%w];\n"
     "L: add.u32 %r1, %r0, 1; atom.global.cas.b32 %r2, [%w], %r0, %r1;\n"
     "setp.ne.u32 %p, %r0, %r2; mov.u32 %r0, %r2; @%p bra L;"},
    {"guess anew each turn", 256,
     "L: ld.global.u32 %r0, [%w]; add.u32 %r1, %r0, 1;\n"
     "atom.global.cas.b32 %r2, [%w], %r0, %r1; setp.ne.u32 %p, %r0, %r2; @%p bra L;"},
    {"volatile read, then swap", 256,
     "ld.volatile.global.u32 %r0, [%w];\n"
     "L: add.u32 %r1, %r0, 1; atom.global.cas.b32 %r2, [%w], %r0, %r1;\n"
     "setp.ne.u32 %p, %r0, %r2; mov.u32 %r0, %r2; @%p bra L;"},
    {"lock of a warp, fences", 256,
     "@!%first bra E;\n"
     "L: atom.global.cas.b32 %r0, [%a], 0, 1; setp.ne.u32 %p, %r0, 0; @%p bra L;\n"
     "membar.gl; ld.global.u32 %r1, [%a+64]; add.u32 %r1, %r1, 1;\n"
     "st.global.u32 [%a+64], %r1; membar.gl; atom.global.exch.b32 %r0, [%a], 0;\nE:"},
    {"lock of every thread, acquire", 256,
     "mov.u32 %r3, 0;\n"
     "L: atom.acquire.gpu.global.cas.b32 %r0, [%a], 0, 1; setp.ne.u32 %p, %r0, 0; @%p bra N;\n"
     "ld.global.u32 %r1, [%a+64]; add.u32 %r1, %r1, 1; st.global.u32 [%a+64], %r1;\n"
     "atom.release.gpu.global.exch.b32 %r0, [%a], 0; mov.u32 %r3, 1;\n"
     "N: setp.eq.u32 %p, %r3, 0; @%p bra L;"},
    {"atom.acq_rel of every lane", 1024, "atom.acq_rel.gpu.global.add.u32 %r0, [%w], 1;"},
    {"atom.acq_rel.cta in shared memory", 1024, "atom.acq_rel.cta.shared.add.u32 %r0, [word], 1;"},
    {"red.release of every lane", 1024, "red.release.gpu.global.add.u32 [%w], 1;"},
    {"fence, atom, fence", 1024,
     "fence.acq_rel.gpu; atom.relaxed.gpu.global.add.u32 %r0, [%w], 1; fence.acq_rel.gpu;"},
    {"a flag that all set", 256, "st.global.u32 [%w], 1;"},
    {"relaxed atom", 1024, "atom.global.add.u32 %r0, [%w], 1;"},
};

std::string makeKernel(const Case &test) {
  return llvm::formatv(R"(
.version 8.0
.target sm_80
.address_size 64
.visible .entry meet(.param .u64 words) {{
  .reg .b32 %r<8>, %t, %b, %i;
  .reg .b64 %a, %w, %o;
  .reg .pred %p, %first;
  .shared .align 16 .b32 word;
  ld.param.u64 %a, [words];
  mov.u32 %t, %tid.x;
  mov.u32 %b, %ctaid.x;
  and.b32 %i, %t, 7;
  mul.wide.u32 %o, %i, 4;
  add.s64 %w, %a, %o;
  and.b32 %i, %t, 31;
  setp.eq.u32 %first, %i, 0;
  setp.eq.u32 %p, %t, 0;
  @%p st.shared.u32 [word], 0;
  bar.sync 0;
  {0}
  ret;
})",
                       test.body)
      .str();
}

struct Cost {
  double seconds = 0;
  uint64_t accesses = 0; ///< of warps
};

llvm::Expected<Cost> run(const Case &test, bool checksRaces, unsigned blocks) {
  emulator::Options options;
  options.checkRaces = checksRaces;
  options.threads = 1;
  auto device = emulator::EmulatedDevice::create("a100", options);
  if (!device)
    return device.takeError();
  auto words = (*device)->allocate(512);
  if (!words)
    return words.takeError();
  if (auto error = (*device)->fill(*words, 0, 512))
    return std::move(error);
  auto module = (*device)->load({makeKernel(test), {}});
  if (!module)
    return module.takeError();
  auto kernel = (*module)->getKernel("meet");
  if (!kernel)
    return kernel.takeError();
  device::LaunchConfig config;
  config.grid.x = blocks;
  config.block.x = test.threads;
  std::clock_t start = std::clock();
  if (auto error = (*device)->launch(**kernel, config,
                                     {reinterpret_cast<const uint8_t *>(&*words), sizeof(*words)}))
    return std::move(error);
  Cost cost;
  cost.seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
  const emulator::Counters &total = (*device)->getLastReport().total;
  cost.accesses = total.globalRequests + total.sharedAccesses;
  return cost;
}

} // namespace

int main(int argc, char **argv) {
  unsigned blocks = 128;
  llvm::StringRef part;
  for (int i = 1; i < argc; ++i) {
    llvm::StringRef argument = argv[i];
    if (argument == "--blocks" && i + 1 < argc)
      blocks = static_cast<unsigned>(std::max(4, std::atoi(argv[++i])));
    else
      part = argument;
  }
  std::printf("%u blocks\n%-34s %9s %9s %12s %10s %7s\n", blocks, "kernel", "checked s", "off s",
              "accesses", "ns each", "growth");
  for (const Case &test : kCases) {
    if (!llvm::StringRef(test.name).contains(part))
      continue;
    Cost costs[3];
    for (unsigned i = 0; i < 3; ++i) {
      auto cost = run(test, i != 1, i == 2 ? blocks / 4 : blocks);
      if (!cost) {
        std::fprintf(stderr, "%s: %s\n", test.name, llvm::toString(cost.takeError()).c_str());
        return 1;
      }
      costs[i] = *cost;
    }
    auto each = [](const Cost &cost) { return cost.seconds / double(cost.accesses) * 1e9; };
    std::printf("%-34s %9.2f %9.2f %12llu %10.0f %7.1f\n", test.name, costs[0].seconds,
                costs[1].seconds, static_cast<unsigned long long>(costs[0].accesses),
                each(costs[0]) - each(costs[1]), each(costs[0]) / each(costs[2]));
  }
  return 0;
}
