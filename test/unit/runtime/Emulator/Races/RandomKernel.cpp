//===- RandomKernel.cpp - Small random kernels, and what they did ---------------===//
//
// See RandomKernel.h. Each step is one line of PTX, after kFirstLine of them.
//
//===----------------------------------------------------------------------===//
#include "RandomKernel.h"
#include "test/unit/runtime/Emulator/Instructions/Snippet.h"
#include "llvm/ADT/StringExtras.h"

using namespace tilewright;
using namespace tilewright::emulator;

static constexpr unsigned kFirstLine = 17, kFlags = 4;

//===----------------------------------------------------------------------===//
// Choosing
//===----------------------------------------------------------------------===//

namespace {

class Chooser {
public:
  Chooser(std::mt19937 &random, const Shape &shape, const Mix &mix)
      : random(random), shape(shape), mix(mix), strongDataIsRead(below(2)) {}
  Step choose();

private:
  unsigned below(unsigned limit) { return random() % limit; }
  uint32_t lanesOf(unsigned warp) const { return ((1u << kLanesUsed) - 1) << warp * kLanesUsed; }
  /// Some lanes of a warp; mostly its first: few threads exchange more by flags.
  uint32_t someLanes() {
    if (below(3))
      return 1u << kLanesUsed * below(shape.blocks * shape.warps);
    uint32_t lanes = below(2) ? (1u << kLanesUsed) - 1 : 1 + below((1u << kLanesUsed) - 1);
    return lanes << kLanesUsed * below(shape.blocks * shape.warps);
  }

  Step access();
  Step flag();
  Step fence();
  Step barrier();
  Step partBarrier();
  Step warpSync();

  std::mt19937 &random;
  const Shape &shape;
  const Mix &mix;
  /// Strong accesses to data are all reads or all writes: that a strong read saw
  /// a strong write would order the two.
  const bool strongDataIsRead;
  unsigned usedBarriers = 0;
};

Step Chooser::access() {
  Step step;
  step.threads = mix.masksCrossWarps ? 1 + random() % ((1u << shape.threads()) - 1) : someLanes();
  if (mix.masksCrossWarps && below(2))
    step.threads &= static_cast<uint32_t>(random());
  if (!step.threads)
    step.threads = 1;
  step.writes = below(2);
  if (below(4) == 0 && step.writes != strongDataIsRead) {
    step.order = below(2) ? Order::Relaxed : Order::Volatile;
    step.scope = step.order == Order::Volatile ? 2 : below(3);
  }
  step.bytes = 1u << below(step.order == Order::Weak ? 5 : 4);
  step.stride = step.bytes * (step.bytes > 8 ? below(2) : below(3));
  const unsigned reach = step.stride * (kLanesUsed - 1) + step.bytes;
  step.offset = below((kDataBytes - reach) / step.bytes + 1) * step.bytes;
  step.isUniform = below(3) == 0;
  return step;
}

Step Chooser::flag() {
  Step step;
  step.kind = Step::Kind::Flag;
  step.threads = 1u << below(shape.threads()) / kLanesUsed * kLanesUsed;
  if (below(3) == 0)
    step.threads <<= below(kLanesUsed);
  // .cta does not reach another block: the first two flags are of all blocks and
  // wider then, the others are of a block each.
  const unsigned block = shape.blockOf(std::countr_zero(step.threads));
  step.flag = below(3) ? below(2) : 2 + block;
  step.scope = step.flag < 2 && shape.blocks > 1 ? 1 + below(2) : below(3);
  const unsigned what = below(3);
  step.writes = what != 0;
  step.isExchange = what == 2;
  static constexpr Order loads[] = {Order::Relaxed, Order::Volatile, Order::Acquire},
                         stores[] = {Order::Relaxed, Order::Volatile, Order::Release},
                         both[] = {Order::Relaxed, Order::Acquire, Order::Release,
                                   Order::AcquireRelease};
  step.order = what == 0 ? loads[below(3)] : what == 1 ? stores[below(3)] : both[below(4)];
  if (step.order == Order::Volatile)
    step.scope = 2;
  return step;
}

Step Chooser::fence() {
  Step step;
  step.kind = Step::Kind::Fence;
  step.threads = someLanes();
  step.scope = below(3);
  step.isStrongFence = below(2);
  return step;
}

Step Chooser::barrier() {
  Step step;
  step.kind = Step::Kind::Barrier;
  step.threads = (shape.threads() == 32 ? 0 : 1u << shape.threads()) - 1;
  return step;
}

/// Two warps of a block or more; some only arrive, one at least waits. A number
/// is used once: who only arrives may be far ahead.
Step Chooser::partBarrier() {
  if (usedBarriers == 15 || shape.warps < 2)
    return barrier();
  Step step;
  step.kind = Step::Kind::Barrier;
  step.number = ++usedBarriers;
  const unsigned first = below(shape.blocks) * shape.warps;
  std::vector<unsigned> warps;
  for (unsigned w = 0; w < shape.warps; ++w)
    warps.push_back(first + w);
  std::shuffle(warps.begin(), warps.end(), random);
  step.warpCount = 2 + below(shape.warps - 1);
  const unsigned arriving = below(step.warpCount);
  for (unsigned i = 0; i < step.warpCount; ++i) {
    step.threads |= lanesOf(warps[i]);
    if (i < arriving)
      step.arrives |= lanesOf(warps[i]);
  }
  return step;
}

Step Chooser::warpSync() {
  Step step;
  step.kind = Step::Kind::WarpSync;
  step.threads = (1 + below((1u << kLanesUsed) - 1))
                 << kLanesUsed * below(shape.blocks * shape.warps);
  step.firstSet = below(2) ? step.threads : step.threads & static_cast<uint32_t>(random());
  return step;
}

Step Chooser::choose() {
  unsigned number = below(100);
  auto isNow = [&](unsigned share) {
    bool isIn = number < share;
    number -= isIn ? 0 : share;
    return isIn;
  };
  if (isNow(mix.flags))
    return flag();
  if (isNow(mix.fences))
    return fence();
  if (isNow(mix.barriers))
    return barrier();
  if (isNow(mix.partBarriers))
    return partBarrier();
  if (isNow(mix.warpSyncs))
    return warpSync();
  return access();
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

std::string getSuffix(Order order, unsigned scope) {
  static constexpr const char *scopes[] = {".cta", ".gpu", ".sys"};
  switch (order) {
  case Order::Weak:
    return "";
  case Order::Volatile:
    return ".volatile";
  case Order::Relaxed:
    return std::string(".relaxed") + scopes[scope];
  case Order::Acquire:
    return std::string(".acquire") + scopes[scope];
  case Order::Release:
    return std::string(".release") + scopes[scope];
  case Order::AcquireRelease:
    return std::string(".acq_rel") + scopes[scope];
  }
  return "";
}

class Writer {
public:
  explicit Writer(const Kernel &kernel) : kernel(kernel) {}
  std::string write(const Step &step, unsigned number);

private:
  /// %p1: the thread takes part.
  static std::string guard(uint32_t threads) {
    return "and.b32 %r9, %r8, " + std::to_string(threads) + "; setp.ne.u32 %p1, %r9, 0; ";
  }
  /// The warps that the threads are all lanes of, by %r6, a bit a warp.
  std::string guardWarps(uint32_t threads) const {
    uint32_t warps = 0;
    for (unsigned t = 0; t < kernel.shape.threads(); ++t)
      warps |= (threads >> t & 1) << kernel.shape.warpOf(t);
    return "and.b32 %r9, %r6, " + std::to_string(warps) + "; setp.ne.u32 %p1, %r9, 0; ";
  }
  std::string access(const Step &step, unsigned number) const;
  std::string flag(const Step &step, unsigned number) const;
  std::string barrier(const Step &step) const;
  std::string warpSync(const Step &step) const;

  const Kernel &kernel;
  const char *space() const { return kernel.shape.isShared ? ".shared" : ".global"; }
};

// Bytes that differ by thread, or those of the step. %rd5 = thread's byte eight times.
std::string Writer::access(const Step &step, unsigned number) const {
  std::string text = guard(step.threads);
  text += "mad.lo.u32 %r10, %r7, " + std::to_string(step.stride) + ", " +
          std::to_string(step.offset) + "; cvt.u64.u32 %rd6, %r10; add.u64 %rd6, %rd3, %rd6; ";
  if (step.isUniform)
    text += "mov.u64 %rd7, 0x" + llvm::utohexstr(0x0101010101010101ull * (number + 64)) + "; ";
  else
    text += "mov.u64 %rd7, %rd5; ";
  const unsigned bits = 8 * std::min(step.bytes, 8u);
  std::string type = (step.bytes == 16 ? ".v2.u" : ".u") + std::to_string(bits);
  std::string value = bits == 64 ? "%rd7" : bits == 32 ? "%r11" : bits == 16 ? "%h1" : "%h2";
  if (bits < 64)
    text += "cvt.u" + std::string(bits == 32 ? "32" : "16") + ".u64 " + value + ", %rd7; ";
  if (step.bytes == 16)
    value = step.writes ? "{%rd7, %rd7}" : "{%rd7, %rd8}";
  std::string name = (step.writes ? "st" : "ld") + getSuffix(step.order, step.scope) + space();
  text += "@%p1 " + name + type + (step.writes ? " [%rd6], " + value : " " + value + ", [%rd6]");
  return text + ";";
}

std::string Writer::flag(const Step &step, unsigned number) const {
  std::string text = guard(step.threads);
  const std::string place = "[%rd4+" + std::to_string(4 * step.flag) + "]";
  const std::string value = std::to_string(number + 1);
  const std::string suffix = getSuffix(step.order, step.scope);
  if (step.isExchange)
    text += "@%p1 atom" + suffix + space() + ".exch.b32 %r12, " + place + ", " + value + ";";
  else if (step.writes)
    text += "@%p1 st" + suffix + space() + ".u32 " + place + ", " + value + ";";
  else
    text += "@%p1 ld" + suffix + space() + ".u32 %r12, " + place + ";";
  if (!step.writes || step.isExchange)
    text += " cvt.u64.u32 %rd9, %r12; @%p1 st.global.u64 [%rd2+" + std::to_string(8 * number) +
            "], %rd9;";
  return text;
}

std::string Writer::barrier(const Step &step) const {
  if (step.number == 0)
    return "bar.sync 0;";
  const std::string operands =
      std::to_string(step.number) + ", " + std::to_string(32 * step.warpCount) + "; ";
  std::string text;
  if (step.arrives)
    text += guardWarps(step.arrives) + "@%p1 barrier.arrive " + operands;
  return text + guardWarps(step.threads & ~step.arrives) + "@%p1 barrier.sync " + operands;
}

std::string Writer::warpSync(const Step &step) const {
  auto lanes = [&](uint32_t threads) {
    uint32_t lanes = 0;
    for (unsigned t = 0; t < kernel.shape.threads(); ++t)
      lanes |= (threads >> t & 1) << kernel.shape.laneOf(t);
    return std::to_string(lanes);
  };
  return guard(step.firstSet) + "selp.b32 %r13, " + lanes(step.firstSet) + ", " +
         lanes(step.threads & ~step.firstSet) + ", %p1; " + guard(step.threads) +
         "@%p1 bar.warp.sync %r13;";
}

std::string Writer::write(const Step &step, unsigned number) {
  switch (step.kind) {
  case Step::Kind::Access:
    return access(step, number);
  case Step::Kind::Flag:
    return flag(step, number);
  case Step::Kind::Fence:
    return guard(step.threads) + "@%p1 fence" + (step.isStrongFence ? ".sc" : ".acq_rel") +
           (step.scope == 0   ? ".cta;"
            : step.scope == 1 ? ".gpu;"
                              : ".sys;");
  case Step::Kind::Barrier:
    return barrier(step);
  case Step::Kind::WarpSync:
    return warpSync(step);
  }
  return "";
}

} // namespace

Kernel tilewright::emulator::makeKernel(std::mt19937 &random, const Shape &shape, unsigned steps,
                                        const Mix &mix) {
  Kernel kernel{shape, {}};
  Chooser chooser(random, shape, mix);
  for (unsigned i = 0; i < steps; ++i)
    kernel.steps.push_back(chooser.choose());
  return kernel;
}

// out: what flags' readers got, by step; then, in global memory, data and flags.
std::string Kernel::toPtx() const {
  const std::string after = std::to_string(8 * steps.size());
  std::string text = ".version 8.7\n.target sm_90a\n.address_size 64\n"
                     ".visible .entry k(.param .u64 out) {\n"
                     ".reg .pred %p<4>; .reg .b16 %h<4>; .reg .b32 %r<16>; .reg .b64 %rd<12>;\n"
                     ".shared .align 16 .b8 s[" +
                     std::to_string(kDataBytes + 4 * kFlags) +
                     "];\n"
                     "ld.param.u64 %rd2, [out]; mov.u64 %rd3, s;\n";
  if (shape.isShared)
    text += "bar.sync 0;\n";
  else
    text += "add.u64 %rd3, %rd2, " + after + ";\n";
  text += "add.u64 %rd4, %rd3, " + std::to_string(kDataBytes) +
          ";\n"
          "mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; shr.u32 %r3, %r1, 5; and.b32 %r7, %r1, 31;\n"
          "mad.lo.u32 %r4, %r2, " +
          std::to_string(shape.warps) +
          ", %r3; mov.u32 %r5, 1; shl.b32 %r6, %r5, %r4;\n"
          "mad.lo.u32 %r14, %r4, " +
          std::to_string(kLanesUsed) +
          ", %r7; shl.b32 %r8, %r5, %r14;\n"
          // The other lanes are no threads of the model.
          "setp.ge.u32 %p2, %r7, " +
          std::to_string(kLanesUsed) +
          "; @%p2 mov.u32 %r8, 0;\n"
          "add.u32 %r14, %r14, 1; cvt.u64.u32 %rd5, %r14; mul.lo.u64 %rd5, %rd5, "
          "0x101010101010101;\n";
  // Flags of a block start as zeros.
  text += shape.isShared
              ? "setp.eq.u32 %p3, %r1, 0; @%p3 st.shared.v2.u64 [%rd4], {0, 0};\nbar.sync 0;\n"
              : "\n\n";
  Writer writer(*this);
  for (unsigned i = 0; i < steps.size(); ++i)
    text += writer.write(steps[i], i) + "\n";
  return text + "ret;\n}\n";
}

unsigned tilewright::emulator::stepOfLine(unsigned line) { return line - kFirstLine; }

Outcome tilewright::emulator::run(const Kernel &kernel, uint64_t seed) {
  Options options;
  options.warpOrderSeed = options.preemptionSeed = seed;
  options.checkInitialisation = false; // what has a race is often read too early as well
  options.strictAcquire = true;
  options.maxFindings = 1000;
  auto device = must(EmulatedDevice::create("h200", options));
  Outcome outcome;
  device::Image image;
  image.ptx = kernel.toPtx();
  auto loaded = device->load(image);
  if (!loaded) {
    ADD_FAILURE() << llvm::toString(loaded.takeError()) << "\n" << image.ptx;
    return outcome;
  }
  outcome.got.resize(kernel.steps.size());
  const uint64_t bytes = 8 * kernel.steps.size() + kDataBytes + 4 * kFlags;
  uint64_t out = must(device->allocate(bytes));
  llvm::cantFail(device->fill(out, 0, bytes));
  device::LaunchConfig config;
  config.grid.x = kernel.shape.blocks;
  config.block.x = 32 * kernel.shape.warps;
  llvm::ArrayRef<uint8_t> arguments(reinterpret_cast<uint8_t *>(&out), sizeof out);
  llvm::consumeError(device->launch(*must((*loaded)->getKernel("k")), config, arguments));
  llvm::cantFail(device->copyToHost(outcome.got.data(), out, 8 * outcome.got.size()));
  outcome.findings = device->getLastReport().findings;
  return outcome;
}
