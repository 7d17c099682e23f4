//===- MmaKernel.h - The vectorised path of mma ------------------*- C++ -*-===//
//
// Private to Mma.cpp: the fused sums of Mma.h for operands of moderate size,
// eight columns at a time.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_MMAKERNEL_H
#define TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_MMAKERNEL_H

#include "runtime/Emulator/Numerics/Mma.h"

namespace tilewright::numerics {

/// What the kernel computes; a and b hold 16- or 32-bit elements.
struct KernelArguments {
  MmaRule rule;
  MmaShape shape;
  FloatType aType, bType, accumulator;
  const void *a, *b;
  bool packed; ///< a and b are uint16_t, else uint32_t
  const uint32_t *c;
  uint32_t *d;
};

/// The limits of the kernel's buffers.
constexpr unsigned kKernelMaxRows = 64, kKernelMaxK = 32, kKernelLanes = 8;

/// Whether the kernel knows the shape and the types. It may still answer that
/// it cannot compute some elements.
bool isKernelCase(const KernelArguments &arguments);

/// Computes d for m <= kKernelMaxRows. Returns false, with d untouched, when an
/// operand is not finite or the exponent of a product may leave [-100, 100].
/// Otherwise calls redo(row, column) for each block of eight columns of a row,
/// not yet written, whose accumulator leaves the range in which f32 scaling is
/// exact.
bool runKernel(const KernelArguments &arguments, void (*redo)(void *, unsigned, unsigned),
               void *context);

} // namespace tilewright::numerics

#endif
