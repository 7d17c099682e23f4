//===- QuantMatmul.h - Calls of the quantised matrix product ----------------===//
//
// y[M,N] = epilogue(x[M,K] * dequant(w[K,N])), from what a caller holds to the
// problem that the compiler and the kernel cache understand.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_QUANTMATMUL_H
#define TILEWRIGHT_RUNTIME_LAUNCH_QUANTMATMUL_H

#include "runtime/Launch/Epilogue.h"
#include "runtime/Pack/PackScales.h"

namespace tilewright::launch {

/// Packed weights (runtime/Pack) and what they mean.
struct QuantisedWeights {
  /// Of nested codes the bits that the format names, of a stack as many planes as are
  /// to be added: both begin where the whole begins in memory. Of a batch one matrix.
  pack::PackedShape shape;
  /// Matrices, one behind the other in each tensor but the codebook; 0: one, no batch.
  int64_t batch = 0;
  std::string format;          ///< of the codes: "u4", "i8"
  std::string group;           ///< format::Granularity: "128", "channel", "128x128", "tensor"
  Tensor words;                ///< "u32", packed
  Tensor scales;               ///< "f16", "bf16", "f32", "e8m0", "e4m3" or "ue5m3", packed order
  std::optional<Tensor> zeros; ///< packed order; "u8", or "f16", "bf16" or "f32"
  format::Zero zero = format::Zero::None; ///< the rule that `zeros` are for
  std::optional<Tensor> tensorScale;      ///< [1] "f32", or one for each matrix
  /// "u32", with formats of indices: the words of layout::getTableWords, entries
  /// in the dtype of x.
  std::optional<Tensor> codebook;
};

struct QuantMatmulCall : Epilogue {
  Tensor x; ///< [M,K] "f16", "bf16" or "i8", as the weights are packed for
  QuantisedWeights weights;
  Tensor y;                   ///< [M,N], a float of 8 to 32 bits; half of N with swiglu
  bool deterministic = false; ///< equal bits whatever the schedule and the other rows
};

/// A description of packed memory: `bytes` bytes at `address`.
Tensor makePacked(std::shared_ptr<device::Device> device, uint64_t address, llvm::StringRef dtype,
                  uint64_t bytes);

/// How the scales and the zero points of `weights` are stored, whose shape has
/// been verified; of a stack, those of one plane.
llvm::Expected<layout::ScaleStorage> getScaleStorage(const QuantisedWeights &weights);
llvm::Expected<layout::ScaleStorage> getZeroStorage(const QuantisedWeights &weights);

/// The call by names. Operands are in the order of the problem: x, w, scales,
/// [zeros], [tensor_scale], those of the epilogue, y; the packed ones have their
/// logical extents.
Call describe(const QuantMatmulCall &call);

/// The operands of describe().
llvm::SmallVector<Tensor, 12> getOperands(const QuantMatmulCall &call);

/// The problem a call is an instance of: M is dynamic; N, K, the number of
/// `groups` along K and, where columns share a number, of `columns` groups along
/// N are static; else as for every call (Call.h). Fails on extents that do not
/// belong together, strides that kernels do not take, sizes of packed memory that
/// do not fit the shape, and what the family of kernels does not know.
llvm::Expected<problem::Problem> makeProblem(const QuantMatmulCall &call);

/// The device of a call: that of its operands, which must all be on the same
/// one or in host memory; `fallback` if all are in host memory.
llvm::Expected<std::shared_ptr<device::Device>>
chooseDevice(const QuantMatmulCall &call, const std::shared_ptr<device::Device> &fallback);

/// Compiles where needed and runs a call. `fallback` is where calls with every
/// operand in host memory run. A call with M = 0 compiles nothing. A call like
/// an earlier one builds no problem and allocates nothing.
llvm::Error launchQuantMatmul(KernelCache &cache, const QuantMatmulCall &call,
                              const std::shared_ptr<device::Device> &fallback,
                              device::Stream stream = 0,
                              const std::optional<schedule::Schedule> &pinned = std::nullopt);

} // namespace tilewright::launch

#endif
