//===- Warp.h - Hot instructions on 32 lanes at once -------------*- C++ -*-===//
//
// The arithmetic that kernels spend their time in, over the 32 lanes of one
// register, compiled for the host's widest vectors and chosen once at run time.
// Every result equals, bit for bit, what the function of Float.h returns for
// the lane.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_WARP_H
#define TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_WARP_H

#include <cstdint>

namespace tilewright::numerics {

/// Lane i of `d` becomes the result where bit i of `mask` is set and keeps its
/// value elsewhere. Operands may be `d`.
using WarpUnary = void (*)(uint32_t *d, const uint32_t *a, uint32_t mask);
using WarpBinary = void (*)(uint32_t *d, const uint32_t *a, const uint32_t *b, uint32_t mask);
using WarpTernary = void (*)(uint32_t *d, const uint32_t *a, const uint32_t *b, const uint32_t *c,
                             uint32_t mask);

/// The same on registers of 16 bits.
using HalfBinary = void (*)(uint16_t *d, const uint16_t *a, const uint16_t *b, uint32_t mask);
using HalfTernary = void (*)(uint16_t *d, const uint16_t *a, const uint16_t *b, const uint16_t *c,
                             uint32_t mask);
using HalfNarrow = void (*)(uint16_t *d, const uint32_t *a, uint32_t mask);

/// An instruction without and with .ftz.
template <typename Function> struct Flushable {
  Function plain, flush;
  Function get(bool wantFlush) const { return wantFlush ? flush : plain; }
};

/// All round to nearest even.
struct WarpOperations {
  Flushable<WarpBinary> addF32, subtractF32, multiplyF32;
  Flushable<WarpTernary> fmaF32;
  /// A NaN gives way to a number, or with .NaN does not.
  Flushable<WarpBinary> minimumF32, maximumF32, minimumNaNF32, maximumNaNF32;
  Flushable<WarpUnary> exp2F32, reciprocalF32, reciprocalSqrtF32;
  WarpBinary addF16x2, subtractF16x2, multiplyF16x2, addBF16x2, subtractBF16x2, multiplyBF16x2;
  WarpTernary fmaF16x2, fmaBF16x2;
  /// cvt.rn.f16x2.f32 and cvt.rn.bf16x2.f32: `a` to the upper half.
  WarpBinary packF16x2, packBF16x2;
  /// cvt.f32.f16 and cvt.f32.bf16 of the lower half.
  WarpUnary widenF16, widenBF16;
  HalfBinary addF16, subtractF16, multiplyF16, addBF16, subtractBF16, multiplyBF16;
  HalfTernary fmaF16, fmaBF16;
  /// cvt.rn.f16.f32 and cvt.rn.bf16.f32.
  HalfNarrow narrowF16, narrowBF16;
  /// prmt in its default mode.
  WarpTernary permute;
};

/// The fastest implementation this host runs.
const WarpOperations &getWarpOperations();
/// The one that needs no instruction beyond the baseline, for comparison.
const WarpOperations &getBaselineWarpOperations();

} // namespace tilewright::numerics

#endif
