//===- Compile.cpp - How long a kernel takes from nn op to PTX -------------===//
//
// Compiles linear layers again and again in one process, as a program does that
// meets new shapes, and prints the median milliseconds of each step. The design
// asks for tens of milliseconds, at most 100.
//
//   TilewrightCompileBenchmark [repetitions] [substring of a case's name]
//
// The first compilation of the process is shown apart: it initialises the
// backend. With one repetition of one case it is what callgrind should see.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/Compile.h"
#include "llvm/Support/FormatVariadic.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

using namespace tilewright;

namespace {

struct Case {
  const char *weight, *x, *options;
  int64_t m, k, n;
  const char *gpu;

  std::string getName() const {
    return llvm::formatv("{0}-{1}{2}-m{3}-{4}x{5}-{6}", weight, x, *options ? "-zero" : "", m, k, n,
                         gpu);
  }
  std::string getProgram() const {
    return llvm::formatv(
        "func.func @linear(%x: tensor<?x{0}x{1}>, %w: !nn.quantized<{0}x{2}, {3}>)"
        " -> tensor<?x{2}x{1}> {{\n"
        "  %y = nn.quant_matmul %x, %w : tensor<?x{0}x{1}>, "
        "!nn.quantized<{0}x{2}, {3}> -> tensor<?x{2}x{1}>\n"
        "  return %y : tensor<?x{2}x{1}>\n"
        "}\n",
        k, x, n,
        llvm::formatv("#nn.qformat<{0}, group = 128, scale = {1}{2}>", weight, x, options).str());
  }
};

constexpr Case cases[] = {
    {"u4", "f16", "", 16, 1024, 1024, "a100"},
    {"u4", "f16", "", 1, 4096, 4096, "a100"},
    {"u4", "f16", "", 64, 4096, 4096, "a100"},
    {"u4", "f16", "", 1024, 4096, 4096, "a100"},
    {"u4", "f16", ", zero = integer", 16, 4096, 4096, "h200"},
    {"i8", "bf16", "", 16, 1024, 1024, "a100"},
    {"u3", "f16", "", 16, 1024, 1024, "a100"},
    {"u7", "bf16", ", zero = integer", 1024, 4096, 4096, "a100"},
};

struct Sample {
  double total = 0, processor = 0;
  std::vector<std::pair<std::string, double>> steps; ///< in order
};

Sample measure(const Case &test, const target::GpuModel &model) {
  Sample sample;
  compile::Options options;
  options.expectedM = test.m;
  options.time = [&](const std::string &step, double milliseconds) {
    sample.steps.push_back({step, milliseconds});
    sample.total += milliseconds;
  };
  std::clock_t start = std::clock();
  auto artifact = compile::compileSource(test.getProgram(), test.getName(), model, options);
  sample.processor = 1e3 * (std::clock() - start) / CLOCKS_PER_SEC;
  if (!artifact) {
    std::fprintf(stderr, "%s: %s\n", test.getName().c_str(),
                 llvm::toString(artifact.takeError()).c_str());
    std::exit(1);
  }
  return sample;
}

double getMedian(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void run(const Case &test, int repetitions) {
  auto model = target::findGpuModel(test.gpu);
  if (!model) {
    std::fprintf(stderr, "%s\n", llvm::toString(model.takeError()).c_str());
    std::exit(1);
  }
  std::vector<Sample> samples;
  for (int i = 0; i < repetitions; ++i)
    samples.push_back(measure(test, **model));

  std::vector<double> totals, processors;
  for (const Sample &sample : samples) {
    totals.push_back(sample.total);
    processors.push_back(sample.processor);
  }
  std::printf("%-32s %8.1f %8.1f  ", test.getName().c_str(), getMedian(totals),
              getMedian(processors));
  for (size_t step = 0; step < samples.front().steps.size(); ++step) {
    std::vector<double> values;
    for (const Sample &sample : samples)
      values.push_back(sample.steps[step].second);
    std::printf(" %s %.1f", samples.front().steps[step].first.c_str(), getMedian(values));
  }
  std::printf("\n");
}

} // namespace

int main(int argc, char **argv) {
  int repetitions = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  std::string only = argc > 2 ? argv[2] : "";
  std::printf("medians of %d; milliseconds of wall clock, of processor, of each step\n",
              repetitions);
  bool isFirst = repetitions > 1;
  for (const Case &test : cases) {
    if (test.getName().find(only) == std::string::npos)
      continue;
    if (isFirst) {
      std::printf("the first of the process:\n");
      run(test, 1);
      std::printf("from then on:\n");
      isFirst = false;
    }
    run(test, repetitions);
  }
  return 0;
}
