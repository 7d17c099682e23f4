//===- TaintPropertyTest.cpp - The checker against what really depends --------===//
//
// Random straight-line programs over inputs of which some bytes are undefined.
// The reference needs no rules: the program runs with those bytes filled with
// garbage, a different one in each lane and run, all other inputs alike. Where
// lanes disagree, the result depends on the garbage.
//
//   any program          a result that depends must be found
//   exact instructions,  and a finding must be about a result that depends
//   each value used once
//
//===----------------------------------------------------------------------===//
#include "Undefined.h"
#include <random>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

constexpr unsigned kInputs = 8, kThreads = 32;

/// Input k is a 64-bit word of which the bytes in `undefined` are not given.
struct Input {
  uint64_t value;
  uint8_t undefined;
};

/// A program that loads its inputs, computes, and stores its results.
class Generator {
public:
  Generator(uint64_t seed, bool isExact) : random(seed), isExact(isExact) {
    for (unsigned k = 0; k < kInputs; ++k) {
      uint8_t undefined = random() % 3 ? static_cast<uint8_t>(random() & random()) : 0;
      inputs.push_back({random(), undefined});
      text += "ld.global.u64 %rd" + name(k) + ", [%in+" + name(k * 8) + "];\n";
      text += "mov.b64 {%x" + name(2 * k) + ", %x" + name(2 * k + 1) + "}, %rd" + name(k) + ";\n";
      fresh.push_back(2 * k);
      fresh.push_back(2 * k + 1);
    }
    used = 2 * kInputs;
    unsigned steps = 3 + random() % 10;
    for (unsigned i = 0; i < steps && fresh.size() > 4; ++i)
      step();
    results = std::min<unsigned>(fresh.size(), 4);
    for (unsigned k = 0; k < results; ++k) {
      // One bit or one byte says more than whether any bit depends.
      constexpr uint32_t masks[] = {1, 0xff, ~0u};
      std::string mask = name(masks[random() % 3] << (random() % 32));
      text += "and.b32 %x" + name(190 + k) + ", " + source() + ", " + mask + ";\n";
    }
    for (unsigned k = 0; k < results; ++k)
      text += "st.global.u32 [%out+" + name(4 * k) + "], %x" + name(190 + k) + ";\n";
    text = ".reg .b32 %x<200>; .reg .b16 %y<9>; .reg .f32 %z<9>; .reg .pred %q<9>;\n"
           "mul.wide.u32 %o, %t, 56; add.u64 %in, %in, %o;\n" // 64 bytes a thread
           "mul.wide.u32 %o, %t, 8; add.u64 %out, %out, %o; setp.eq.u32 %q7, %t, 99;\n" +
           text;
  }

  std::string text;
  std::vector<Input> inputs;
  unsigned results = 0;

private:
  static std::string name(unsigned number) { return std::to_string(number); }

  /// A value; exact programs use each once.
  unsigned take() {
    unsigned index = random() % fresh.size(), value = fresh[index];
    if (isExact)
      fresh.erase(fresh.begin() + index);
    return value;
  }
  std::string source() { return "%x" + name(take()); }
  std::string constant() {
    constexpr uint32_t usual[] = {0, 1, 0xff, 0xffff, 0xffffffff, 0xff00ff00, 0x80000000};
    return name(random() % 3 ? usual[random() % std::size(usual)] : uint32_t(random()));
  }
  std::string sourceOrConstant() { return random() % 3 ? source() : constant(); }

  void step() {
    std::string d = "%x" + name(used);
    static const std::vector<std::string> exact = {
        "and.b32 D, S, C",
        "or.b32 D, S, C",
        "xor.b32 D, S, S",
        "not.b32 D, S",
        "and.b32 D, S, S",
        "lop3.b32 D, S, S, C, T",
        "lop3.b32 D, S, C, S, T",
        "shl.b32 D, S, N",
        "shr.u32 D, S, N",
        "shr.s32 D, S, N",
        "shf.l.wrap.b32 D, S, S, N",
        "shf.r.clamp.b32 D, S, C, N",
        "bfe.u32 D, S, N, N",
        "bfe.s32 D, S, N, N",
        "bfi.b32 D, S, S, N, N",
        "brev.b32 D, S",
        "prmt.b32 D, S, S, P",
        "cvt.u32.u8 D, S",
        "cvt.s32.s16 D, S",
        "cvt.u32.u16 D, S",
        "mov.b32 {%y0, %y1}, S; mov.b32 D, {%y1, %y0}",
        "setp.lt.u32 %q0, C, C; selp.b32 D, S, S, %q0",
        "shl.b32 %x199, S, N; mov.b64 %rd20, {%x199, 0}; shr.u64 %rd20, %rd20, N;\n"
        "cvt.u32.u64 D, %rd20",
    };
    static const std::vector<std::string> cautious = {
        "add.u32 D, S, X",
        "sub.u32 D, S, X",
        "mul.lo.u32 D, S, X",
        "mad.lo.u32 D, S, X, S",
        "mul.hi.u32 D, S, X",
        "min.s32 D, S, X",
        "max.u32 D, S, X",
        "add.sat.s32 D, S, X",
        "sad.u32 D, S, X, S",
        "popc.b32 D, S",
        "clz.b32 D, S",
        "bfind.s32 D, S",
        "div.u32 D, S, X",
        "rem.s32 D, S, X",
        "neg.s32 D, S",
        "abs.s32 D, S",
        "dp4a.u32.s32 D, S, X, S",
        "mul24.lo.u32 D, S, X",
        "xor.b32 D, S, S",
        "add.f16x2 D, S, S",
        "fma.rn.bf16x2 D, S, S, S",
        "min.f16x2 D, S, S",
        "mov.b32 %z0, S; mov.b32 %z1, S; add.f32 %z0, %z0, %z1; mov.b32 D, %z0",
        "mov.b32 %z0, S; rcp.approx.f32 %z0, %z0; mov.b32 D, %z0",
        "mov.b32 %z0, S; mov.b32 %z1, S; cvt.rn.f16x2.f32 D, %z0, %z1",
        "cvt.rn.f32.s32 %z0, S; mov.b32 D, %z0",
        "mov.b32 %z0, S; cvt.rzi.s32.f32 D, %z0",
        "cvt.sat.u8.s32 D, S",
        "setp.lt.u32 %q0, S, X; selp.b32 D, S, C, %q0",
        "setp.eq.s32 %q0, S, X; selp.b32 D, 1, 2, %q0",
        "setp.ne.u32 %q1, S, 0; setp.ge.and.u32 %q0|%q2, S, X, %q1;\n"
        "selp.b32 %x198, 3, 5, %q2; selp.b32 D, S, %x198, %q0",
        "setp.gt.s32 %q1, S, 0; setp.ne.or.u32 %q0, S, X, !%q1; selp.b32 D, 7, S, %q0",
        "setp.gt.s32 %q1, S, 0; setp.ne.u32 %q2, S, X; xor.pred %q0, %q1, %q2;\n"
        "or.pred %q0, %q0, !%q2; selp.b32 D, 7, S, %q0",
        "mov.b32 D, S; setp.gt.s32 %q1, S, 0; @%q1 mov.b32 D, X",
        "mov.b32 D, X; setp.gt.s32 %q1, S, 0; @!%q1 add.u32 D, S, 1",
        "and.b32 %x198, S, 31; shl.b32 D, S, %x198",
        "shl.b32 D, S, X",
        "shr.s32 D, S, X",
        "prmt.b32 D, S, S, S",
        "prmt.b32.f4e D, S, S, S",
        "slct.b32.s32 D, S, X, S",
        "add.cc.u32 %x198, S, X; addc.u32 D, S, X",
        "sub.cc.u32 %x198, S, X; subc.u32 D, S, X",
        "mul.wide.u32 %rd20, S, X; mov.b64 {%x198, D}, %rd20",
        "set.lt.u32.u32 D, S, X",
        "mov.b32 %x198, S; lop3.or.b32 D|%q0, %x198, S, X, T, %q7; selp.b32 D, D, 1, %q0",
        "bmsk.clamp.b32 D, S, X",
        "bfe.u32 D, S, S, N",
        "bfi.b32 D, S, S, S, N",
        "mov.b32 {%y0, %y1}, S; mul.lo.u16 %y0, %y0, %y1; cvt.u32.u16 D, %y0",
        "fns.b32 D, S, 3, 2",
    };
    const auto &list = isExact || random() % 2 ? exact : cautious;
    std::string line = list[random() % list.size()];
    for (char c : line)
      switch (c) {
      case 'D':
        text += d;
        break;
      case 'S':
        text += fresh.empty() ? constant() : source();
        break;
      case 'X':
        text += fresh.empty() ? constant() : sourceOrConstant();
        break;
      case 'C':
        text += constant();
        break;
      case 'N':
        text += name(random() % 36);
        break;
      case 'T':
        text += name(random() % 256);
        break;
      case 'P':
        text += name(random() % 0x10000);
        break;
      default:
        text += c;
      }
    text += ";\n";
    fresh.push_back(used++);
  }

  std::mt19937_64 random;
  bool isExact;
  std::vector<unsigned> fresh; ///< values that may be used
  unsigned used = 0;
};

class TaintProperty : public testing::Test {
protected:
  TaintProperty() {
    options.maxFindings = 100;
    device = must(EmulatedDevice::create("h200", options));
  }

  /// The results of all threads; `give` writes the inputs.
  template <typename F> std::vector<uint32_t> launch(const Generator &program, F give) {
    uint64_t in = must(device->allocate(kThreads * kInputs * 8)),
             out = must(device->allocate(kThreads * 16));
    llvm::cantFail(device->fill(out, 0, kThreads * 16));
    give(in);
    device::Image image;
    image.ptx = Snippet::wrap(program.text);
    auto module = must(device->load(image));
    std::vector<uint32_t> results(kThreads * 4);
    if (!module)
      return results;
    uint64_t arguments[] = {in, out};
    device::LaunchConfig config;
    config.block.x = kThreads;
    llvm::consumeError(device->launch(
        *must(module->getKernel("k")), config,
        llvm::ArrayRef<uint8_t>(reinterpret_cast<uint8_t *>(arguments), sizeof arguments)));
    llvm::cantFail(device->copyToHost(results.data(), out, kThreads * 16));
    llvm::cantFail(device->release(in));
    llvm::cantFail(device->release(out));
    return results;
  }

  /// Bit k: result k depends on undefined bytes.
  unsigned findDependent(const Generator &program, std::mt19937_64 &random, unsigned runs) {
    unsigned dependent = 0;
    std::vector<uint32_t> first;
    for (unsigned run = 0; run < runs; ++run) {
      auto results = launch(program, [&](uint64_t in) {
        for (unsigned thread = 0; thread < kThreads; ++thread)
          for (unsigned k = 0; k < kInputs; ++k) {
            uint64_t mask = maskOf(program.inputs[k]);
            // Extremes are likelier to make rare differences.
            uint64_t garbage = thread == 0 ? 0 : thread == 1 ? ~uint64_t(0) : random();
            uint64_t value = (program.inputs[k].value & ~mask) | (garbage & mask);
            llvm::cantFail(
                device->copyToDevice(in + (thread * kInputs + k) * 8, &value, sizeof value));
          }
      });
      EXPECT_TRUE(device->getLastReport().findings.empty()) << program.text;
      if (run == 0)
        first.assign(results.begin(), results.begin() + 4);
      for (unsigned thread = 0; thread < kThreads; ++thread)
        for (unsigned k = 0; k < program.results; ++k)
          dependent |= unsigned(results[thread * 4 + k] != first[k]) << k;
    }
    return dependent;
  }

  /// Bit k: the checker has a finding about the store of result k.
  unsigned findReported(const Generator &program) {
    launch(program, [&](uint64_t in) {
      for (unsigned thread = 0; thread < kThreads; ++thread)
        for (unsigned k = 0; k < kInputs; ++k)
          for (unsigned byte = 0; byte < 8; ++byte)
            if (!(program.inputs[k].undefined >> byte & 1)) {
              uint8_t value = program.inputs[k].value >> (8 * byte);
              llvm::cantFail(
                  device->copyToDevice(in + (thread * kInputs + k) * 8 + byte, &value, 1));
            }
    });
    unsigned reported = 0;
    uint32_t last = 0;
    for (const CounterLine &line : device->getLastReport().lines)
      if (line.text == "st.global.u32")
        last = line.location.line;
    for (const Finding &finding : device->getLastReport().findings) {
      EXPECT_EQ(finding.kind, FindingKind::Uninitialised) << finding.toString();
      EXPECT_EQ(finding.instruction, "st.global.u32") << finding.toString() << program.text;
      reported |= 1u << (program.results - 1 - (last - finding.location.line));
    }
    return reported;
  }

  static uint64_t maskOf(const Input &input) {
    uint64_t mask = 0;
    for (unsigned byte = 0; byte < 8; ++byte)
      if (input.undefined >> byte & 1)
        mask |= uint64_t(255) << (8 * byte);
    return mask;
  }

  Options options;
  std::unique_ptr<EmulatedDevice> device;
};
TEST_F(TaintProperty, WhatDependsIsFound) {
  uint64_t seed = std::random_device{}();
  std::printf("TaintProperty.WhatDependsIsFound: seed %llu\n", (unsigned long long)seed);
  std::mt19937_64 random(seed);
  unsigned dependent = 0, clean = 0, cautious = 0;
  for (unsigned round = 0; round < 400; ++round) {
    Generator program(random(), /*isExact=*/false);
    unsigned needed = findDependent(program, random, 2), found = findReported(program);
    ASSERT_EQ(needed & ~found, 0u) << "round " << round << "\n" << program.text;
    dependent += std::popcount(needed);
    cautious += std::popcount(found & ~needed);
    clean += program.results - std::popcount(found);
  }
  // The programs are not all of one kind.
  EXPECT_GT(dependent, 300u);
  EXPECT_GT(clean, 100u);
  EXPECT_LT(cautious, dependent);
}

TEST_F(TaintProperty, ExactRulesFindNothingElse) {
  uint64_t seed = std::random_device{}();
  std::printf("TaintProperty.ExactRulesFindNothingElse: seed %llu\n", (unsigned long long)seed);
  std::mt19937_64 random(seed);
  unsigned dependent = 0, clean = 0;
  for (unsigned round = 0; round < 400; ++round) {
    Generator program(random(), /*isExact=*/true);
    unsigned found = findReported(program), needed = findDependent(program, random, 2);
    // A dependence may show for few values only: look longer.
    if (needed != found)
      needed |= findDependent(program, random, 100);
    ASSERT_EQ(needed, found) << "round " << round << "\n" << program.text;
    dependent += std::popcount(needed);
    clean += program.results - std::popcount(needed);
  }
  EXPECT_GT(dependent, 200u);
  EXPECT_GT(clean, 200u);
}

} // namespace
