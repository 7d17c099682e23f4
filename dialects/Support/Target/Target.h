//===- Target.h - Compute capabilities and GPU models as data --------------===//
//
// Two tables. A Target is a compute capability: what instructions exist and
// what a block may use. A GpuModel is silicon: how many SMs of which target,
// how much cache, how fast. Code asks these tables; it never compares
// capability numbers.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_TARGET_TARGET_H
#define TILEWRIGHT_DIALECTS_SUPPORT_TARGET_TARGET_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>

namespace tilewright::target {

/// How the tensor cores add products; see runtime/Emulator/Numerics.
enum class TensorCore { Turing, Ampere, Ada, Hopper, Blackwell };

struct Target {
  llvm::StringLiteral name;       ///< "sm_80", "sm_90a"
  unsigned major, minor;          ///< compute capability
  llvm::StringLiteral ptxFeature; ///< LLVM feature for the PTX version, "+ptx80"
  unsigned ptxVersion;            ///< 80 for PTX 8.0
  TensorCore tensorCore;
  bool canCompile; ///< false: known as data only (sm_75)
  // Resources (CUDA C++ programming guide, "Technical Specifications per
  // Compute Capability").
  uint32_t maxSharedBytesPerBlock; ///< opt-in maximum
  uint32_t sharedBytesPerSM;
  uint32_t reservedSharedBytes; ///< taken by the system in each block
  uint32_t registersPerSM;
  uint32_t maxRegistersPerThread;
  uint32_t maxThreadsPerBlock;
  uint32_t maxThreadsPerSM;
  uint32_t maxBlocksPerSM;
  // Instructions. `hasFp8MmaSync`: mma.sync of e4m3 and e5m2 is one of the
  // machine's own, not expanded by ptxas. `hasFp8Convert`: cvt from f32 to both.
  bool hasCpAsync, hasBF16, hasMmaM16N8K16, hasFp8Convert, hasFp8Mma, hasFp8MmaSync, hasTma,
      hasWgmma, hasTcgen05;
};

struct GpuModel {
  llvm::StringLiteral name;   ///< "a100", "h200"
  llvm::StringLiteral target; ///< name of its Target
  uint32_t smCount;
  uint64_t l2Bytes;
  uint64_t memoryBytes;
  double memoryBandwidth;     ///< bytes a second
  double clock;               ///< boost clock, Hz
  double halfTensorFlops;     ///< dense f16 with f32 accumulation, flop/s
  llvm::StringLiteral source; ///< where the row comes from
};

llvm::ArrayRef<Target> allTargets();
llvm::ArrayRef<GpuModel> allGpuModels();

/// Finds a target by name ("sm_80") or by the name of a GPU model ("a100").
/// The error lists the nearest names.
llvm::Expected<const Target *> findTarget(llvm::StringRef name);
llvm::Expected<const GpuModel *> findGpuModel(llvm::StringRef name);
/// The target a model belongs to.
const Target &getTarget(const GpuModel &model);
/// The model that stands for a target when only "sm_80" was said.
const GpuModel &getReferenceModel(const Target &target);

} // namespace tilewright::target

#endif
