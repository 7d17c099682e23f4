//===- PackCodes.h - Calls of pack ----------------------------------------------===//
//
// Codes of weights into packed words by a kernel, from what a caller holds to the problem
// that the compiler and the kernel cache understand. The words are those of
// pack::packCodes(), which does the same on the host.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_LAUNCH_PACKCODES_H
#define TILEWRIGHT_RUNTIME_LAUNCH_PACKCODES_H

#include "runtime/Launch/Call.h"
#include "runtime/Pack/Pack.h"

namespace tilewright::launch {

struct PackCall {
  pack::PackedShape shape;
  bool isAlongN = false; ///< codes are [K,N], not [N,K]
  Tensor codes;          ///< "u8", of any row stride; bits above those of a code are ignored
  Tensor words;          ///< [shape.getWordCount()] "u32", contiguous
};

/// The call by names; all extents are static.
Call describe(const PackCall &call);

/// The problem a call is an instance of. Fails on extents that do not belong together and
/// strides that kernels do not take.
llvm::Expected<problem::Problem> makeProblem(const PackCall &call);

/// Compiles where needed and runs a call; see launchCall(). Of no codes nothing is launched.
llvm::Error launchPack(KernelCache &cache, const PackCall &call,
                       const std::shared_ptr<device::Device> &fallback, device::Stream stream = 0,
                       const std::optional<schedule::Schedule> &pinned = std::nullopt);

} // namespace tilewright::launch

#endif
