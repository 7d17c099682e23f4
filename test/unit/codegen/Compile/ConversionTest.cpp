//===- ConversionTest.cpp - Layout conversions on the emulated device ---------===//
//
// Loads a tile in one layout, converts it and stores it from the other: the
// tile must arrive unchanged, by moves, shuffles or shared memory.
//
//===----------------------------------------------------------------------===//
#include "codegen/Compile/Compile.h"
#include "runtime/Emulator/EmulatedDevice.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"
#include <numeric>

using namespace tilewright;

namespace {
enum class Way { Moves, Shuffles, SharedMemory };

struct Conversion {
  int64_t rows, columns;
  unsigned warps;
  const char *element;
  const char *from, *to; ///< layouts, without #tilegpu.layout
  Way way;
  uint64_t wavefronts = 0; ///< of shared memory, all warps together
};

void PrintTo(const Conversion &c, std::ostream *os) {
  *os << c.rows << "x" << c.columns << "x" << c.element << " <" << c.from << "> to <" << c.to
      << ">";
}

std::string makeProgram(const Conversion &c) {
  return llvm::formatv(R"(
#from = #tilegpu.layout<{3}>
#to = #tilegpu.layout<{4}>
func.func @convert(
    %x: !tile.ptr {{tile.parameter = #tile.parameter<pointer "x", dtype = "any", align = 16>},
    %y: !tile.ptr {{tile.parameter = #tile.parameter<pointer "y", dtype = "any", align = 16, written>})
    attributes {{tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = {5}>} {{
  %c0 = arith.constant 0 : i32
  %source = tile.view %x : !tile.view<{0}x{1}x{2}, strides = [{1}, 1], align = 16>
  %target = tile.view %y : !tile.view<{0}x{1}x{2}, strides = [{1}, 1], align = 16>
  %a = tile.load %source[%c0, %c0] : !tile.view<{0}x{1}x{2}, strides = [{1}, 1], align = 16> -> tensor<{0}x{1}x{2}, #from>
  %b = tilegpu.convert_layout %a : tensor<{0}x{1}x{2}, #from> -> tensor<{0}x{1}x{2}, #to>
  tile.store %b, %target[%c0, %c0] : tensor<{0}x{1}x{2}, #to>, !tile.view<{0}x{1}x{2}, strides = [{1}, 1], align = 16>
  return
})",
                       c.rows, c.columns, c.element, c.from, c.to, c.warps)
      .str();
}

unsigned getBytes(llvm::StringRef element) {
  return element == "i8" ? 1 : element == "f16" ? 2 : 4;
}

class ConversionTest : public testing::TestWithParam<Conversion> {};

TEST_P(ConversionTest, KeepsEveryElement) {
  const Conversion &c = GetParam();
  auto device = llvm::cantFail(emulator::EmulatedDevice::create("a100"));
  auto artifact = compile::compileSource(makeProgram(c), "conversion", device->getModel());
  ASSERT_TRUE(bool(artifact)) << llvm::toString(artifact.takeError());
  llvm::StringRef ptx = artifact->ptx;
  EXPECT_EQ(ptx.contains("shfl.sync"), c.way == Way::Shuffles);
  EXPECT_EQ(ptx.contains("st.shared"), c.way == Way::SharedMemory);

  // Every byte pattern is distinct within its element's width.
  std::vector<uint8_t> in(c.rows * c.columns * getBytes(c.element)), out(in.size(), 0xee);
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = uint8_t(i * 167 + i / 256 * 13);
  auto x = llvm::cantFail(device->allocate(in.size()));
  auto y = llvm::cantFail(device->allocate(out.size()));
  llvm::cantFail(device->copyToDevice(x, in.data(), in.size()));
  llvm::cantFail(device->copyToDevice(y, out.data(), out.size()));
  auto module = llvm::cantFail(device->load({artifact->ptx, {}}));
  device::Kernel *kernel = llvm::cantFail(module->getKernel("convert"));
  uint64_t arguments[] = {x, y};
  device::LaunchConfig config;
  config.block.x = 32 * c.warps;
  config.dynamicSharedBytes = artifact->metadata.dynamicSharedBytes;
  auto error = device->launch(*kernel, config,
                              {reinterpret_cast<const uint8_t *>(arguments), sizeof(arguments)});
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  llvm::cantFail(device->copyToHost(out.data(), y, out.size()));
  EXPECT_EQ(in, out);
  EXPECT_EQ(device->getLastReport().total.sharedWavefronts, c.wavefronts);
}

constexpr const char *rowsOfLanes = "register = [[1, 0]], lane = [[0, 1], [0, 2], [0, 4], [2, 0], "
                                    "[4, 0]], warp = [], repeat = [1, 1]";
constexpr const char *swappedRegisters =
    "register = [[8, 0], [0, 1]], lane = [[0, 2], [0, 4], [1, 0], [2, 0], [4, 0]], warp = [], "
    "repeat = [1, 1]";

INSTANTIATE_TEST_SUITE_P(
    Ways, ConversionTest,
    testing::Values(
        // The two register bits change places: nothing moves between threads.
        Conversion{16, 8, 1, "f32", "mma_accumulator, shape = [16, 8], warps = [1, 1]",
                   swappedRegisters, Way::Moves},
        // Pairs of columns become pairs of rows, within a warp.
        Conversion{8, 8, 1, "f32", "blocked 2, shape = [8, 8], warps = [1]", rowsOfLanes,
                   Way::Shuffles},
        Conversion{8, 8, 1, "f16", "blocked 2, shape = [8, 8], warps = [1]", rowsOfLanes,
                   Way::Shuffles},
        Conversion{8, 8, 1, "i8", "blocked 2, shape = [8, 8], warps = [1]", rowsOfLanes,
                   Way::Shuffles},
        // Between warps only shared memory helps. 4096 floats are 128 wavefronts
        // each way; the best swizzle leaves the stores of pairs a factor of two.
        Conversion{64, 64, 4, "f32", "mma_accumulator, shape = [64, 64], warps = [2, 2]",
                   "blocked 4, shape = [64, 64], warps = [4]", Way::SharedMemory, 256 + 128},
        // What ldmatrix reads is stored and read without a conflict.
        Conversion{32, 64, 2, "f16", "blocked 8, shape = [32, 64], warps = [2]",
                   "mma_operand 0, shape = [32, 64], warps = [2, 1]", Way::SharedMemory, 32 + 32}));
} // namespace
