//===- Harness.cpp - What a fuzzed text goes through -------------------------===//
//
// See Harness.h.
//
//===----------------------------------------------------------------------===//
#include "test/fuzz/Harness.h"
#include "runtime/Emulator/EmulatedDevice.h"
#include "runtime/Emulator/Parser/Parser.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

/// SplitMix64: draws that depend on the seed alone.
class Draws {
public:
  explicit Draws(uint64_t seed) : seed(seed), state(seed) {}
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t limit) { return next() % limit; }
  bool oneIn(uint64_t n) { return below(n) == 0; }
  template <typename T> T oneOf(std::initializer_list<T> values) {
    return values.begin()[below(values.size())];
  }

  const uint64_t seed;

private:
  uint64_t state;
};

constexpr uint64_t kBufferBytes = 4096;
constexpr uint32_t kMaxArgumentBytes = 4096;

Options drawOptions(Draws &draws) {
  Options options;
  options.landing = draws.oneOf({LandingPolicy::Late, LandingPolicy::Eager, LandingPolicy::Random});
  options.landingSeed = draws.next();
  options.warpOrderSeed = draws.oneIn(2) ? 0 : draws.next();
  options.preemptionSeed = draws.oneIn(2) ? 0 : draws.next();
  options.instructionBudget = 20000;
  options.timeBudgetSeconds = draws.oneOf({0.05, 0.1});
  options.backEdgeBudget = draws.oneOf<uint32_t>({1, 16, 4096});
  options.maxResidentBlocks = draws.oneOf<uint32_t>({0, 1, 2});
  options.memoryLimit = uint64_t(8) << 20;
  options.localBytesPerThread = draws.oneOf<uint32_t>({256, 16384});
  options.threads = 1;
  options.callDepth = draws.oneOf<uint32_t>({2, 16});
  options.maxFindings = draws.oneOf<uint32_t>({1, 16});
  options.checkAlignment = !draws.oneIn(4);
  options.checkAsync = !draws.oneIn(4);
  options.checkRaces = !draws.oneIn(4);
  options.strictAcquire = draws.oneIn(2);
  options.strictWarps = draws.oneIn(2);
  options.checkInitialisation = !draws.oneIn(4);
  options.countAccesses = !draws.oneIn(4);
  return options;
}

/// Pointers to the buffers, small numbers and noise; pointers alone by seed 0,
/// with which most tests' kernels run to their end.
std::vector<uint8_t> drawArguments(Draws &draws, uint32_t bytes,
                                   llvm::ArrayRef<device::DevicePointer> buffers) {
  std::vector<uint8_t> arguments(bytes);
  for (uint32_t at = 0; at < bytes; at += 8) {
    uint64_t word = buffers[at / 8 % buffers.size()];
    if (draws.seed && draws.oneIn(4))
      word = draws.oneIn(4) ? draws.next() : draws.below(64) << 32 | draws.below(64);
    std::memcpy(&arguments[at], &word, std::min<uint32_t>(8, bytes - at));
  }
  return arguments;
}

/// The name of one of the module's kernels, empty if it has none.
std::string drawKernel(Draws &draws, llvm::StringRef text) {
  llvm::Expected<parser::Module> module = parser::parse(text);
  if (!module) {
    llvm::consumeError(module.takeError());
    return {};
  }
  std::vector<std::string> names;
  for (const parser::Function &function : module->functions)
    if (function.isEntry && function.hasBody)
      names.push_back(function.name);
  return names.empty() ? std::string() : names[draws.below(names.size())];
}

/// What a launch leaves behind.
struct Outcome {
  std::string error;
  std::string report; ///< as JSON
  std::vector<uint8_t> memory;
  bool isTimed = false; ///< by the clock of the host: another run may end elsewhere
};

Outcome launch(Draws &draws, EmulatedDevice &device, device::Kernel &kernel, uint32_t blocks) {
  std::vector<device::DevicePointer> buffers;
  for (int i = 0; i < 2; ++i) {
    buffers.push_back(llvm::cantFail(device.allocate(kBufferBytes)));
    std::vector<uint8_t> bytes(kBufferBytes);
    for (uint8_t &byte : bytes)
      byte = static_cast<uint8_t>(draws.next());
    if (draws.oneIn(2))
      llvm::cantFail(device.copyToDevice(buffers[i], bytes.data(), kBufferBytes));
  }
  device::LaunchConfig config;
  config.grid.x = blocks;
  config.block.x = draws.oneOf<uint32_t>({1, 31, 32, 33, 64});
  config.dynamicSharedBytes = draws.oneOf<uint32_t>({0, 48, 4096});
  Outcome outcome;
  if (kernel.getArgumentBytes() > kMaxArgumentBytes) {
    outcome.error = "too many bytes of arguments for this harness";
    return outcome;
  }
  outcome.error = llvm::toString(
      device.launch(kernel, config, drawArguments(draws, kernel.getArgumentBytes(), buffers)));
  // The report must be printable whatever happened.
  llvm::raw_string_ostream(outcome.report) << llvm::json::Value(device.getLastReport().toJSON());
  for (const Finding &finding : device.getLastReport().findings)
    outcome.isTimed |= finding.kind == FindingKind::TimeBudget;
  outcome.memory.resize(kBufferBytes * buffers.size());
  for (auto [i, buffer] : llvm::enumerate(buffers))
    llvm::cantFail(device.copyToHost(&outcome.memory[i * kBufferBytes], buffer, kBufferBytes));
  return outcome;
}

/// Loads the text and launches one of its kernels.
Outcome loadAndLaunch(llvm::StringRef text, Draws &draws, const char *model, const Options &options,
                      uint32_t blocks) {
  Outcome outcome;
  auto device = llvm::cantFail(EmulatedDevice::create(model, options));
  device::Image image;
  image.ptx = text.str();
  auto module = device->load(image);
  if (!module) {
    outcome.error = llvm::toString(module.takeError());
    return outcome;
  }
  std::string name = drawKernel(draws, text);
  if (name.empty()) {
    outcome.error = "the module has no kernel";
    return outcome;
  }
  auto kernel = (*module)->getKernel(name);
  if (!kernel) {
    outcome.error = llvm::toString(kernel.takeError());
    return outcome;
  }
  return launch(draws, *device, **kernel, blocks);
}

/// Runs a grid on one thread and on several, which must leave the same behind.
std::string compareThreads(llvm::StringRef text, Draws draws, const char *model, Options options) {
  options.warpOrderSeed = options.preemptionSeed = 0;
  if (options.landing == LandingPolicy::Random)
    options.landing = LandingPolicy::Late;
  options.timeBudgetSeconds = 1; // the budget of instructions ends it first
  uint32_t blocks = 2 + draws.below(12), threads = 2 + draws.below(3);
  options.threads = 1;
  Draws again = draws;
  Outcome one = loadAndLaunch(text, draws, model, options, blocks);
  options.threads = threads;
  Outcome several = loadAndLaunch(text, again, model, options, blocks);
  bool isSame =
      one.error == several.error && one.report == several.report && one.memory == several.memory;
  if (isSame || one.isTimed || several.isTimed)
    return one.error;
  llvm::errs() << "on one thread:\n"
               << one.error << '\n'
               << one.report << "\non " << threads << ":\n"
               << several.error << '\n'
               << several.report << '\n'
               << (one.memory == several.memory ? "" : "memory differs\n");
  std::abort();
}

} // namespace

uint64_t fuzz::readSeed(llvm::StringRef text) {
  uint64_t seed = 0;
  if (text.consume_front("//! ") && !text.consumeInteger(10, seed))
    return seed;
  return 0;
}

std::string fuzz::parse(llvm::StringRef text) {
  llvm::Expected<parser::Module> module = parser::parse(text);
  return module ? std::string() : llvm::toString(module.takeError());
}

std::string fuzz::load(llvm::StringRef text) {
  Options options;
  options.memoryLimit = uint64_t(8) << 20;
  auto device = llvm::cantFail(EmulatedDevice::create("h200", options));
  device::Image image;
  image.ptx = text.str();
  auto module = device->load(image);
  return module ? std::string() : llvm::toString(module.takeError());
}

std::string fuzz::run(llvm::StringRef text) {
  Draws draws(readSeed(text));
  const char *model = draws.oneOf({"h200", "a100", "l4", "t4"});
  Options options = drawOptions(draws);
  if (draws.seed % 4 == 3)
    return compareThreads(text, draws, model, options);
  return loadAndLaunch(text, draws, model, options, draws.oneOf<uint32_t>({1, 2})).error;
}
