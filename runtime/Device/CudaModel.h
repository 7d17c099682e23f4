//===- CudaModel.h - Which row of the GPU table a driver's device is --------===//
//
// The driver says capability, SM count, cache and memory; schedules and the
// cost model want a GpuModel.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_DEVICE_CUDAMODEL_H
#define TILEWRIGHT_RUNTIME_DEVICE_CUDAMODEL_H

#include "dialects/Support/Target/Target.h"

namespace tilewright::device::cuda {

/// What a driver says about a GPU.
struct Silicon {
  unsigned major = 0, minor = 0; ///< compute capability
  uint32_t smCount = 0;
  uint64_t l2Bytes = 0, memoryBytes = 0;
};

/// The row of the table with the same capability and SM count and the nearest
/// memory size, if that is within a quarter. For other silicon a model named
/// "unlisted": its own sizes, with the rates of the capability's reference
/// model, arithmetic in proportion to the SM count. Fails when no target runs
/// on the capability, listing those that exist.
llvm::Expected<target::GpuModel> chooseModel(const Silicon &silicon);

} // namespace tilewright::device::cuda

#endif
