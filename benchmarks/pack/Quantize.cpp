//===- Quantize.cpp - How fast weights are rounded on the host -------------===//
//
// Rounds one matrix of floats to several formats on one thread. Prints MB of floats
// a second, of the least processor time of each.
//
//   TilewrightQuantizeBenchmark [--turns N] [--size K N] [part of a case's name]
//
// A case is "u4-f32-nk" and so on; "mse" tries 24 scales for each group.
//
//===----------------------------------------------------------------------===//
#include "runtime/Quantize/Quantize.h"

#include "llvm/ADT/bit.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

using namespace tilewright;

namespace {

struct Options {
  unsigned turns = 5;
  int64_t k = 4096, n = 4096;
  std::string part;
};

Options parse(int count, char **arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    std::string text = arguments[i];
    if (text == "--turns" && i + 1 < count)
      options.turns = std::max(1, std::atoi(arguments[++i]));
    else if (text == "--size" && i + 2 < count) {
      options.k = std::atoll(arguments[++i]);
      options.n = std::atoll(arguments[++i]);
    } else
      options.part = text;
  }
  return options;
}

double processorSeconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

struct Case {
  const char *format;
  format::Zero zero;
  bool searches;
};

/// Numbers between -1 and 1.
template <typename T> std::vector<T> draw(size_t count, T (*convert)(float)) {
  std::vector<T> numbers(count);
  uint32_t state = 1;
  for (T &number : numbers) {
    state = state * 1664525 + 1013904223;
    number = convert(float(int32_t(state)) * 0x1p-31f);
  }
  return numbers;
}

void run(const Options &options, const Case &c, const char *dtype, const void *data, bool isNk) {
  std::string name =
      std::string(c.format) + (c.searches ? "-mse-" : "-") + dtype + (isNk ? "-nk" : "-kn");
  if (name.find(options.part) == std::string::npos)
    return;
  std::vector<float> codebook;
  format::Format code = format::get(c.format);
  for (unsigned i = 0; code.isIndex() && i < 1u << code.bits; ++i)
    codebook.push_back(float(i) / 8 - 1);
  quantize::Rule rule{quantize::Target(code, codebook), {128, 1}, format::get("f16"), c.zero};
  rule.searchesScale = c.searches;
  quantize::Weights weights{data,      format::get(dtype),   options.k,
                            options.n, isNk ? 1 : options.n, isNk ? options.k : 1};
  std::vector<uint8_t> codes(options.k * options.n);
  std::vector<uint32_t> scales((options.k + 127) / 128 * options.n), zeros(scales.size());
  double best = 1e9;
  for (unsigned turn = 0; turn < options.turns; ++turn) {
    double start = processorSeconds();
    if (quantize::quantize(rule, weights, {codes, scales, zeros}, 1))
      std::exit(1);
    best = std::min(best, processorSeconds() - start);
  }
  double size = 1e-6 * double(codes.size()) * weights.dtype.bits / 8;
  std::printf("%-20s %6.0f MB/s\n", name.c_str(), size / best);
}

} // namespace

int main(int count, char **arguments) {
  Options options = parse(count, arguments);
  size_t size = options.k * options.n;
  auto floats = draw<float>(size, [](float x) { return x; });
  // bfloat16: the upper half of the bits.
  auto halves =
      draw<uint16_t>(size, [](float x) { return uint16_t(llvm::bit_cast<uint32_t>(x) >> 16); });
  for (Case c : {Case{"u4", format::Zero::Integer, false},
                 {"i4", format::Zero::None, false},
                 {"f4e2m1", format::Zero::None, false},
                 {"e4m3", format::Zero::None, false},
                 {"lut4", format::Zero::None, false},
                 {"u4", format::Zero::Integer, true}})
    for (bool isNk : {true, false}) {
      run(options, c, "f32", floats.data(), isNk);
      run(options, c, "bf16", halves.data(), isNk);
    }
}
