//===- Pack.cpp - How fast weights are packed on the host ------------------===//
//
// Packs and unpacks one matrix of codes (one byte each) in every width and both
// orders, on one thread, and copies as many bytes in between. Prints, of the
// least processor time of each, GB of codes a second and the ratio to copying.
//
//   TilewrightPackBenchmark [--turns N] [--size K N] [part of a case's name, or =name]
//
// A case is "pack-u4-nk" and so on. callgrind should see one turn of one case
// of a small matrix (count.py).
//
//===----------------------------------------------------------------------===//
#include "runtime/Pack/Pack.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

using namespace tilewright;

namespace {

struct Options {
  unsigned turns = 5;
  int64_t k = 4096, n = 14336;
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

double measure(const std::function<void()> &work) {
  double start = processorSeconds();
  work();
  return processorSeconds() - start;
}

void check(llvm::Error error) {
  if (!error)
    return;
  std::fprintf(stderr, "%s\n", llvm::toString(std::move(error)).c_str());
  std::exit(1);
}

/// One matrix in one order and width, packed and unpacked.
class Case {
public:
  Case(const Options &options, unsigned bits, bool isNk)
      : options(options), shape{options.k, options.n, bits}, isNk(isNk),
        codes(options.k * options.n), copy(codes.size()), words(shape.getWordCount()) {
    uint32_t state = 1;
    for (uint8_t &code : codes) {
      state = state * 1664525 + 1013904223;
      code = uint8_t(state >> 24) >> (8 - bits);
    }
  }

  void run(const char *name, const std::function<void()> &work) {
    std::string full =
        std::string(name) + "-u" + std::to_string(shape.bits) + (isNk ? "-nk" : "-kn");
    if (options.part.starts_with("=") ? options.part != "=" + full
                                      : full.find(options.part) == std::string::npos)
      return;
    double best = 1e9, copying = 1e9;
    for (unsigned turn = 0; turn < options.turns; ++turn) {
      copying = std::min(copying, measure([&] { copyCodes(); }));
      best = std::min(best, measure(work));
    }
    double size = 1e-9 * double(codes.size());
    std::printf("%-14s %6.2f GB/s  %5.2f of copying\n", full.c_str(), size / best, copying / best);
  }

  void runAll() {
    run("pack", [&] { check(pack::packCodes(shape, view<const uint8_t>(codes), words, 1)); });
    run("unpack", [&] { check(pack::unpackCodes(shape, words, view<uint8_t>(copy), 1)); });
  }

private:
  template <typename T> pack::Matrix<T> view(std::vector<uint8_t> &data) {
    if (isNk)
      return {data.data(), 1, options.k};
    return {data.data(), options.n, 1};
  }

  void copyCodes() {
    std::memcpy(copy.data(), codes.data(), codes.size());
    // The compiler may not know that nobody reads it.
    asm volatile("" : : "r"(copy.data()) : "memory");
  }

  const Options &options;
  pack::PackedShape shape;
  bool isNk;
  std::vector<uint8_t> codes, copy;
  std::vector<uint32_t> words;
};

} // namespace

int main(int count, char **arguments) {
  Options options = parse(count, arguments);
  for (unsigned bits = 1; bits <= 8; ++bits)
    for (bool isNk : {true, false})
      Case(options, bits, isNk).runAll();
}
