//===- Target.cpp - The tables of compute capabilities and GPU models ------===//
//
// Below every room: the compiler reads what exists and what fits, the tuner
// what is fast, the emulated device what to imitate.
//
// Capabilities follow the CUDA C++ Programming Guide, "Compute Capabilities",
// table "Technical Specifications per Compute Capability". PTX versions are
// the lowest that hold every instruction the target offers (PTX ISA, "Release
// Notes"): 8.0 for cp.async and mma of f16/bf16 (7.0) with what LLVM relies
// on; 8.4 for fp8 mma.sync (sm_89 on); 8.8 for block-scaled tcgen05 on sm_100a
// and for sm_103a itself; 8.7 for sm_120a.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Target/Target.h"
#include "dialects/Support/Text/Text.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/ErrorHandling.h"
#include <iterator>

using namespace llvm;

namespace tilewright::target {

namespace {

constexpr uint32_t operator""_KiB(unsigned long long n) { return uint32_t(n << 10); }
constexpr uint64_t operator""_MiB(unsigned long long n) { return n << 20; }
constexpr uint64_t operator""_GiB(unsigned long long n) { return n << 30; }
constexpr double operator""_GBps(unsigned long long n) { return double(n) * 1e9; }
constexpr double operator""_MHz(unsigned long long n) { return double(n) * 1e6; }
constexpr double operator""_Tflops(long double n) { return double(n) * 1e12; }

constexpr Target targets[] = {
    {.name = "sm_75",
     .major = 7,
     .minor = 5,
     .ptxFeature = "+ptx80",
     .ptxVersion = 80,
     .tensorCore = TensorCore::Turing,
     .canCompile = false,
     .maxSharedBytesPerBlock = 64_KiB,
     .sharedBytesPerSM = 64_KiB,
     .reservedSharedBytes = 0,
     .registersPerSM = 65536,
     .maxRegistersPerThread = 255,
     .maxThreadsPerBlock = 1024,
     .maxThreadsPerSM = 1024,
     .maxBlocksPerSM = 16,
     .hasCpAsync = false,
     .hasBF16 = false,
     .hasMmaM16N8K16 = false,
     .hasFp8Convert = false,
     .hasFp8Mma = false,
     .hasFp8MmaSync = false,
     .hasTma = false,
     .hasWgmma = false,
     .hasTcgen05 = false},
    {.name = "sm_80",
     .major = 8,
     .minor = 0,
     .ptxFeature = "+ptx80",
     .ptxVersion = 80,
     .tensorCore = TensorCore::Ampere,
     .canCompile = true,
     .maxSharedBytesPerBlock = 163_KiB,
     .sharedBytesPerSM = 164_KiB,
     .reservedSharedBytes = 1_KiB,
     .registersPerSM = 65536,
     .maxRegistersPerThread = 255,
     .maxThreadsPerBlock = 1024,
     .maxThreadsPerSM = 2048,
     .maxBlocksPerSM = 32,
     .hasCpAsync = true,
     .hasBF16 = true,
     .hasMmaM16N8K16 = true,
     .hasFp8Convert = false,
     .hasFp8Mma = false,
     .hasFp8MmaSync = false,
     .hasTma = false,
     .hasWgmma = false,
     .hasTcgen05 = false},
    {.name = "sm_86",
     .major = 8,
     .minor = 6,
     .ptxFeature = "+ptx80",
     .ptxVersion = 80,
     .tensorCore = TensorCore::Ampere,
     .canCompile = true,
     .maxSharedBytesPerBlock = 99_KiB,
     .sharedBytesPerSM = 100_KiB,
     .reservedSharedBytes = 1_KiB,
     .registersPerSM = 65536,
     .maxRegistersPerThread = 255,
     .maxThreadsPerBlock = 1024,
     .maxThreadsPerSM = 1536,
     .maxBlocksPerSM = 16,
     .hasCpAsync = true,
     .hasBF16 = true,
     .hasMmaM16N8K16 = true,
     .hasFp8Convert = false,
     .hasFp8Mma = false,
     .hasFp8MmaSync = false,
     .hasTma = false,
     .hasWgmma = false,
     .hasTcgen05 = false},
    {.name = "sm_89",
     .major = 8,
     .minor = 9,
     .ptxFeature = "+ptx84",
     .ptxVersion = 84,
     .tensorCore = TensorCore::Ada,
     .canCompile = true,
     .maxSharedBytesPerBlock = 99_KiB,
     .sharedBytesPerSM = 100_KiB,
     .reservedSharedBytes = 1_KiB,
     .registersPerSM = 65536,
     .maxRegistersPerThread = 255,
     .maxThreadsPerBlock = 1024,
     .maxThreadsPerSM = 1536,
     .maxBlocksPerSM = 24,
     .hasCpAsync = true,
     .hasBF16 = true,
     .hasMmaM16N8K16 = true,
     .hasFp8Convert = true,
     .hasFp8Mma = true,
     .hasFp8MmaSync = true,
     .hasTma = false,
     .hasWgmma = false,
     .hasTcgen05 = false},
    {.name = "sm_90a",
     .major = 9,
     .minor = 0,
     .ptxFeature = "+ptx84",
     .ptxVersion = 84,
     .tensorCore = TensorCore::Hopper,
     .canCompile = true,
     .maxSharedBytesPerBlock = 227_KiB,
     .sharedBytesPerSM = 228_KiB,
     .reservedSharedBytes = 1_KiB,
     .registersPerSM = 65536,
     .maxRegistersPerThread = 255,
     .maxThreadsPerBlock = 1024,
     .maxThreadsPerSM = 2048,
     .maxBlocksPerSM = 32,
     .hasCpAsync = true,
     .hasBF16 = true,
     .hasMmaM16N8K16 = true,
     .hasFp8Convert = true,
     .hasFp8Mma = true,
     .hasFp8MmaSync = false,
     .hasTma = true,
     .hasWgmma = true,
     .hasTcgen05 = false},
    {.name = "sm_100a",
     .major = 10,
     .minor = 0,
     .ptxFeature = "+ptx88",
     .ptxVersion = 88,
     .tensorCore = TensorCore::Blackwell,
     .canCompile = true,
     .maxSharedBytesPerBlock = 227_KiB,
     .sharedBytesPerSM = 228_KiB,
     .reservedSharedBytes = 1_KiB,
     .registersPerSM = 65536,
     .maxRegistersPerThread = 255,
     .maxThreadsPerBlock = 1024,
     .maxThreadsPerSM = 2048,
     .maxBlocksPerSM = 32,
     .hasCpAsync = true,
     .hasBF16 = true,
     .hasMmaM16N8K16 = true,
     .hasFp8Convert = true,
     .hasFp8Mma = true,
     .hasFp8MmaSync = false,
     .hasTma = true,
     .hasWgmma = false,
     .hasTcgen05 = true},
    {.name = "sm_103a",
     .major = 10,
     .minor = 3,
     .ptxFeature = "+ptx88",
     .ptxVersion = 88,
     .tensorCore = TensorCore::Blackwell,
     .canCompile = true,
     .maxSharedBytesPerBlock = 227_KiB,
     .sharedBytesPerSM = 228_KiB,
     .reservedSharedBytes = 1_KiB,
     .registersPerSM = 65536,
     .maxRegistersPerThread = 255,
     .maxThreadsPerBlock = 1024,
     .maxThreadsPerSM = 2048,
     .maxBlocksPerSM = 32,
     .hasCpAsync = true,
     .hasBF16 = true,
     .hasMmaM16N8K16 = true,
     .hasFp8Convert = true,
     .hasFp8Mma = true,
     .hasFp8MmaSync = false,
     .hasTma = true,
     .hasWgmma = false,
     .hasTcgen05 = true},
    {.name = "sm_120a",
     .major = 12,
     .minor = 0,
     .ptxFeature = "+ptx87",
     .ptxVersion = 87,
     .tensorCore = TensorCore::Blackwell,
     .canCompile = true,
     .maxSharedBytesPerBlock = 99_KiB,
     .sharedBytesPerSM = 100_KiB,
     .reservedSharedBytes = 1_KiB,
     .registersPerSM = 65536,
     .maxRegistersPerThread = 255,
     .maxThreadsPerBlock = 1024,
     .maxThreadsPerSM = 1536,
     .maxBlocksPerSM = 24,
     .hasCpAsync = true,
     .hasBF16 = true,
     .hasMmaM16N8K16 = true,
     .hasFp8Convert = true,
     .hasFp8Mma = true,
     .hasFp8MmaSync = true,
     .hasTma = true,
     .hasWgmma = false,
     .hasTcgen05 = false},
};

// The first model of a target is its reference. Memory is what the product is
// sold with; tensor rates are the dense ones, which Hopper and Blackwell reach
// at a tensor clock below their boost clock.
constexpr GpuModel models[] = {
    {"t4", "sm_75", 40, 4_MiB, 16_GiB, 320_GBps, 1590_MHz, 65.0_Tflops,
     "NVIDIA T4 datasheet; NVIDIA Turing GPU Architecture whitepaper"},
    {"a100", "sm_80", 108, 40_MiB, 40_GiB, 1555_GBps, 1410_MHz, 312.0_Tflops,
     "NVIDIA A100 Tensor Core GPU Architecture whitepaper (A100-SXM4-40GB)"},
    {"a100-80gb", "sm_80", 108, 40_MiB, 80_GiB, 2039_GBps, 1410_MHz, 312.0_Tflops,
     "NVIDIA A100 80GB datasheet (A100-SXM4-80GB)"},
    {"a10", "sm_86", 72, 6_MiB, 24_GiB, 600_GBps, 1695_MHz, 125.0_Tflops,
     "NVIDIA A10 datasheet; NVIDIA Ampere GA102 GPU Architecture whitepaper"},
    {"rtx3090", "sm_86", 82, 6_MiB, 24_GiB, 936_GBps, 1695_MHz, 71.0_Tflops,
     "NVIDIA Ampere GA102 GPU Architecture whitepaper (GeForce RTX 3090)"},
    {"l40s", "sm_89", 142, 96_MiB, 48_GiB, 864_GBps, 2520_MHz, 362.05_Tflops,
     "NVIDIA L40S datasheet; NVIDIA Ada GPU Architecture whitepaper"},
    {"l4", "sm_89", 58, 48_MiB, 24_GiB, 300_GBps, 2040_MHz, 121.0_Tflops,
     "NVIDIA L4 datasheet; NVIDIA Ada GPU Architecture whitepaper"},
    {"rtx4090", "sm_89", 128, 72_MiB, 24_GiB, 1008_GBps, 2520_MHz, 165.2_Tflops,
     "NVIDIA Ada GPU Architecture whitepaper (GeForce RTX 4090)"},
    {"h200", "sm_90a", 132, 50_MiB, 141_GiB, 4800_GBps, 1980_MHz, 989.4_Tflops,
     "NVIDIA H200 datasheet (SXM); NVIDIA H100 Tensor Core GPU Architecture whitepaper"},
    {"h100-sxm", "sm_90a", 132, 50_MiB, 80_GiB, 3352_GBps, 1980_MHz, 989.4_Tflops,
     "NVIDIA H100 Tensor Core GPU Architecture whitepaper (H100 SXM5)"},
    {"h100-pcie", "sm_90a", 114, 50_MiB, 80_GiB, 2039_GBps, 1755_MHz, 756.0_Tflops,
     "NVIDIA H100 Tensor Core GPU Architecture whitepaper (H100 PCIe)"},
    {"b200", "sm_100a", 148, 126_MiB, 180_GiB, 8000_GBps, 1965_MHz, 2250.0_Tflops,
     "NVIDIA HGX B200 datasheet; SM count, L2 and clock as the driver reports them"},
    {"b300", "sm_103a", 148, 126_MiB, 288_GiB, 8000_GBps, 2032_MHz, 2250.0_Tflops,
     "NVIDIA HGX B300 datasheet; SM count, L2 and clock as the driver reports them"},
    {"rtx5090", "sm_120a", 170, 96_MiB, 32_GiB, 1792_GBps, 2407_MHz, 209.5_Tflops,
     "NVIDIA RTX Blackwell GPU Architecture whitepaper (GeForce RTX 5090)"},
};

template <typename Row> const Row *findRow(ArrayRef<Row> rows, StringRef name) {
  const Row *row = find_if(rows, [&](const Row &r) { return r.name.equals_insensitive(name); });
  return row == rows.end() ? nullptr : row;
}

} // namespace

ArrayRef<Target> allTargets() { return targets; }
ArrayRef<GpuModel> allGpuModels() { return models; }

Expected<const Target *> findTarget(StringRef name) {
  if (const Target *target = findRow(allTargets(), name))
    return target;
  if (const GpuModel *model = findRow(allGpuModels(), name))
    return &getTarget(*model);
  SmallVector<StringRef> known;
  for (const Target &target : targets)
    known.push_back(target.name);
  for (const GpuModel &model : models)
    known.push_back(model.name);
  return text::makeUnknownNameError("target", name, known);
}

Expected<const GpuModel *> findGpuModel(StringRef name) {
  if (const GpuModel *model = findRow(allGpuModels(), name))
    return model;
  SmallVector<StringRef> known;
  for (const GpuModel &model : models)
    known.push_back(model.name);
  return text::makeUnknownNameError("GPU model", name, known);
}

const Target &getTarget(const GpuModel &model) {
  if (const Target *target = findRow(allTargets(), StringRef(model.target)))
    return *target;
  llvm_unreachable("a GPU model names a target that is not in the table");
}

const GpuModel &getReferenceModel(const Target &target) {
  for (const GpuModel &model : models)
    if (StringRef(model.target) == StringRef(target.name))
      return model;
  llvm_unreachable("a target without a GPU model");
}

} // namespace tilewright::target
