//===- Mma.h - What the tensor cores add, bit for bit ------------*- C++ -*-===//
//
// The published bit-accurate model of mma (Xie et al., "MMA-Sim: Bit-Accurate
// Reference Model of Tensor Cores and Matrix Cores", 2025; Khattak and
// Mikaitis, "Accurate Models of NVIDIA Tensor Cores", 2025). One element of d is
// a chain of fused sums, each over `MmaRule::group` products and the
// accumulator:
//
// 1. An operand is s * 2^e with s in [1, 2); a subnormal keeps the exponent of
//    the smallest normal number of its format, and s below 1.
// 2. A product is (sa * sb) * 2^(ea + eb), its significand in [0, 4) is not
//    renormalised. A term that is zero has exponent -126.
// 3. Every term is cut to F fractional bits relative to the largest exponent of
//    the sum, toward zero; then the terms are added exactly.
// 4. An f32 sum is cut to 24 significant bits toward zero, and overflows to
//    infinity; an f16 sum is rounded to nearest even. A zero sum is +0.
// 5. NaN, infinity * 0 and infinity - infinity give the canonical NaN
//    (0x7fffffff, f16 0x7fff); other infinities propagate.
//
// Example, F = 24: 1 * 1 + 2^-24 * 1.5 + 2^-25 has largest exponent 0; the terms
// become 1, 2^-24 and 0 and the f32 result is 1.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_MMA_H
#define TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_MMA_H

#include "dialects/Support/Target/Target.h"
#include "runtime/Emulator/Numerics/Float.h"
#include <cstdint>

namespace tilewright::numerics {

/// Which unit the instruction reaches. `MmaThroughHalf` is mma.sync of the
/// data-centre Blackwell (sm_100, sm_103), which has no 8-bit datapath behind
/// mma.sync and differs from `Mma` for 8-bit operands only; on Hopper `Mma`
/// already means that.
enum class MmaInstruction { Mma, MmaThroughHalf, Wgmma, Tcgen05 };

/// How one kind of tensor core adds.
struct MmaRule {
  unsigned fractionBits; ///< F
  unsigned group;        ///< products in one fused sum
  unsigned mantissaBits; ///< of an f32 result: 23, or 13 where 8-bit sums are cut
  /// 8-bit operands become f16 and ptxas emits two f16 mma: the first takes the
  /// k with k % 4 < 2 and starts from zero, the second the others; c is added
  /// last, by an ordinary add (seen in the SASS for sm_90 and sm_100).
  bool throughHalf;
};

MmaRule getMmaRule(target::TensorCore core, MmaInstruction instruction, FloatType aType,
                   FloatType bType);

/// d[m][n] = sum_k a[m][k] * b[k][n] + c[m][n] in the arithmetic of `core`.
/// All matrices are dense row-major; b is given transposed, n x k ("column
/// major"), as the instructions name it. Elements are bits in the low part of
/// the container: a, b uint32_t each (16-bit, tf32, 8-bit or narrower formats);
/// c, d f32 bits, or f16 bits when `accumulator` is F16. d may be c.
struct MmaShape {
  unsigned m, n, k;
};

void mmaFloat(target::TensorCore core, MmaShape shape, FloatType aType, FloatType bType,
              FloatType accumulator, const uint32_t *a, const uint32_t *b, const uint32_t *c,
              uint32_t *d, MmaInstruction instruction = MmaInstruction::Mma);

/// The same for `type` F16 or BF16 with operands packed two to a word, as
/// registers and shared memory hold them.
void mmaHalf(target::TensorCore core, MmaShape shape, FloatType type, FloatType accumulator,
             const uint16_t *a, const uint16_t *b, const uint32_t *c, uint32_t *d,
             MmaInstruction instruction = MmaInstruction::Mma);

/// Block-scaled mma of Blackwell (PTX ISA, "mma.sync with block scaling"):
/// scaleA is m x (k / blockSize), scaleB n x (k / blockSize), of `scaleType`
/// UE8M0 or E4M3 (read as ue4m3, its sign ignored). Operands of 4 bits with a
/// block of 16 or 32 (kinds mxf4 and mxf4nvf4, k = 64) sum 16 products exactly,
/// scale them, and add with F = 35; others (kind mxf8f6f4) scale each product
/// and add with F = 25.
void mmaBlockScaled(MmaShape shape, FloatType aType, FloatType bType, FloatType scaleType,
                    unsigned blockSize, const uint32_t *a, const uint32_t *b,
                    const uint32_t *scaleA, const uint32_t *scaleB, const uint32_t *c, uint32_t *d);

/// Integer mma: a, b sign- or zero-extended to int32; wraps unless `saturate`.
void mmaInteger(MmaShape shape, const int32_t *a, const int32_t *b, const int32_t *c, bool saturate,
                int32_t *d);

/// f64: a chain of fused multiply-adds in order of k.
void mmaDouble(MmaShape shape, const double *a, const double *b, const double *c, double *d);

} // namespace tilewright::numerics

#endif
