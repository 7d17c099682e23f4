//===- Mma.h - What the tensor cores add, bit for bit -----------------------===//
//
// The published bit-accurate model of mma: products are not normalised; all
// products of a group and the accumulator are aligned to the largest exponent,
// truncated to F fractional bits, added exactly, normalised and rounded. F,
// the group size and the rounding depend on the generation of tensor core.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_MMA_H
#define TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_MMA_H

#include "dialects/Support/Target/Target.h"
#include "runtime/Emulator/Numerics/Float.h"
#include <cstdint>

namespace tilewright::numerics {

/// d[m][n] = sum_k a[m][k] * b[k][n] + c[m][n] in the arithmetic of `core`.
/// All matrices are dense row-major; b is given transposed, n x k ("column
/// major"), as the instructions name it. Elements are bits in the low part of
/// the container: a, b uint32_t each (16-bit, tf32 or 8-bit formats); c, d f32
/// bits, or f16 bits when `accumulator` is F16.
struct MmaShape {
  unsigned m, n, k;
};

void mmaFloat(target::TensorCore core, MmaShape shape, FloatType aType, FloatType bType,
              FloatType accumulator, const uint32_t *a, const uint32_t *b, const uint32_t *c,
              uint32_t *d);

/// Integer mma: a, b sign- or zero-extended to int32; wraps unless `saturate`.
void mmaInteger(MmaShape shape, const int32_t *a, const int32_t *b, const int32_t *c, bool saturate,
                int32_t *d);

/// f64: a chain of fused multiply-adds in order of k.
void mmaDouble(MmaShape shape, const double *a, const double *b, const double *c, double *d);

} // namespace tilewright::numerics

#endif
