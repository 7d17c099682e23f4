//===- ProductRun.h - Compile and run one product on the emulated device ------===//
//
// Harness of the tests here: random small integers as x and codes, scales that
// are powers of two, so that every partial sum is exact.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_CODEGEN_COMPILE_PRODUCTRUN_H
#define TILEWRIGHT_TEST_UNIT_CODEGEN_COMPILE_PRODUCTRUN_H

#include "codegen/Compile/Compile.h"
#include "dialects/Support/Format/Format.h"
#include "runtime/Emulator/EmulatedDevice.h"
#include "runtime/Launch/QuantMatmul.h"
#include "runtime/Launch/Staging.h"
#include <random>

namespace tilewright {

struct Case {
  int64_t m, n, k;
  const char *format = "u4", *activation = "f16", *group = "128", *scale = "f16";
  bool zeros = false, bias = false;
  const char *schedule = nullptr; ///< the family's default otherwise
  const char *device = "a100";
};

void PrintTo(const Case &c, std::ostream *os);

/// One product: inputs, the call that describes them, and what came of it.
class ProductRun {
public:
  ProductRun(const Case &c, uint64_t seed);

  /// Compiles and loads; call launch() after.
  llvm::Error prepare();
  llvm::Error launch() { return launch::launchStaged(*executable, launch::getOperands(call)); }

  /// What the kernel left at (row, column), and what integers say.
  float getResult(int64_t row, int64_t column) const { return y[row * c.n + column]; }
  double getExpected(int64_t row, int64_t column) const;
  const artifact::Artifact &getArtifact() const { return artifact; }
  const emulator::Report &getReport() const { return device->getLastReport(); }
  const target::GpuModel &getModel() const { return device->getModel(); }

private:
  void drawNumbers(uint64_t seed);
  void store();

  Case c;
  format::Format format;
  format::Granularity granularity;
  int64_t groups, columnGroups; ///< along K and N
  std::vector<int64_t> x, q, z, bias;
  std::vector<double> s;
  std::vector<uint16_t> xBits, biasBits, scales;
  std::vector<uint32_t> words;
  std::vector<uint8_t> zeros;
  std::vector<float> y;
  launch::QuantMatmulCall call;
  std::shared_ptr<emulator::EmulatedDevice> device;
  artifact::Artifact artifact;
  std::shared_ptr<launch::Executable> executable;
};

} // namespace tilewright

#endif
