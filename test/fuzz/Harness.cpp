//===- Harness.cpp - What a fuzzed text goes through -------------------------===//
//
// See Harness.h.
//
//===----------------------------------------------------------------------===//
#include "test/fuzz/Harness.h"
#include "runtime/Emulator/EmulatedDevice.h"
#include "runtime/Emulator/Parser/Parser.h"
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
  options.threads = draws.oneIn(8) ? 2 : 1;
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

std::string launch(Draws &draws, EmulatedDevice &device, device::Kernel &kernel) {
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
  config.grid.x = draws.oneOf<uint32_t>({1, 2});
  config.block.x = draws.oneOf<uint32_t>({1, 31, 32, 33, 64});
  config.dynamicSharedBytes = draws.oneOf<uint32_t>({0, 48, 4096});
  if (kernel.getArgumentBytes() > kMaxArgumentBytes)
    return "too many bytes of arguments for this harness";
  llvm::Error error =
      device.launch(kernel, config, drawArguments(draws, kernel.getArgumentBytes(), buffers));
  // The report must be printable whatever happened.
  std::string json;
  llvm::raw_string_ostream(json) << llvm::json::Value(device.getLastReport().toJSON());
  return llvm::toString(std::move(error));
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
  auto device = llvm::cantFail(EmulatedDevice::create(model, drawOptions(draws)));
  device::Image image;
  image.ptx = text.str();
  auto module = device->load(image);
  if (!module)
    return llvm::toString(module.takeError());
  std::string name = drawKernel(draws, text);
  if (name.empty())
    return "the module has no kernel";
  auto kernel = (*module)->getKernel(name);
  if (!kernel)
    return llvm::toString(kernel.takeError());
  return launch(draws, *device, **kernel);
}
