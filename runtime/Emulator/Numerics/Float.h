//===- Float.h - Bit-exact scalar arithmetic of the device -----------------===//
//
// What the scalar floating-point instructions of PTX compute, bit for bit, on
// values kept as bits. Rounding and flushing are arguments; nothing depends on
// the host's floating-point environment.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_FLOAT_H
#define TILEWRIGHT_RUNTIME_EMULATOR_NUMERICS_FLOAT_H

#include <cstdint>

namespace tilewright::numerics {

/// .rn .rz .rm .rp .rna of PTX.
enum class Rounding { NearestEven, Zero, Down, Up, NearestAway };

/// Binary formats. Sub-byte and 8-bit ones come with their saturation rules
/// (PTX ISA, "Alternate Floating-Point Data Formats").
enum class FloatType { F64, F32, TF32, F16, BF16, E4M3, E5M2, E3M2, E2M3, E2M1, UE8M0 };

unsigned getBits(FloatType type);

struct ConvertOptions {
  Rounding rounding = Rounding::NearestEven;
  bool saturateFinite = false; ///< .satfinite: overflow becomes the largest finite value
  bool flushInput = false;     ///< .ftz: subnormal f32 inputs are zero
  bool flushOutput = false;    ///< .ftz: subnormal f32 results are zero
  bool saturateUnit = false;   ///< .sat: clamp to [0, 1], NaN becomes 0
  bool relu = false;           ///< .relu: negative results become 0 (NaN canonical)
};

/// Converts between floating-point formats with one rounding. NaN results are
/// canonical (f32 and tf32 0x7fffffff, f16 and bf16 0x7fff, e4m3 and e5m2 0x7f,
/// ue8m0 0xff); an f64 NaN keeps the payload of an f64 or f32 source, quieted
/// (PTX ISA, "Floating-Point Instructions"). Formats without NaN receive their
/// largest finite number, formats without infinity saturate (cvt .satfinite).
/// ue8m0 keeps the magnitude only. A tf32 value lives in an f32 register whose
/// 13 low bits are ignored when read and zero when written.
uint64_t convert(uint64_t bits, FloatType from, FloatType to, const ConvertOptions &options = {});

/// Float to integer: `integerBits` in {8,16,32,64}; the result is in the low
/// `integerBits`, zero above. Out-of-range values clamp. NaN gives 0, but only
/// the top bit set when the source is f64 or the destination has 64 bits (PTX
/// ISA, cvt).
uint64_t convertToInteger(uint64_t bits, FloatType from, unsigned integerBits, bool isSigned,
                          Rounding rounding, bool flushInput);
/// Integer to float with one rounding; bits above `integerBits` are ignored.
uint64_t convertFromInteger(uint64_t value, unsigned integerBits, bool isSigned, FloatType to,
                            Rounding rounding);
/// Rounds to an integral value of the same format (cvt.rni.f32.f32 and kin).
uint64_t roundToIntegral(uint64_t bits, FloatType type, Rounding rounding, bool flush);

struct ArithmeticOptions {
  Rounding rounding = Rounding::NearestEven;
  bool flush = false;    ///< .ftz: subnormal inputs and rounded results become zero
  bool saturate = false; ///< .sat: clamp to [0, 1], NaN becomes +0
  bool relu = false;     ///< .relu: negative results become +0
};

/// type is F64, F32, F16 or BF16. One rounding each; exact before it.
uint64_t add(uint64_t a, uint64_t b, FloatType type, const ArithmeticOptions &options = {});
uint64_t multiply(uint64_t a, uint64_t b, FloatType type, const ArithmeticOptions &options = {});
uint64_t fma(uint64_t a, uint64_t b, uint64_t c, FloatType type,
             const ArithmeticOptions &options = {});
uint64_t divide(uint64_t a, uint64_t b, FloatType type, const ArithmeticOptions &options = {});
uint64_t squareRoot(uint64_t a, FloatType type, const ArithmeticOptions &options = {});
/// min/max: -0 < +0; one NaN gives the other operand unless `propagateNaN`;
/// `xorSign` compares magnitudes and gives the result the xor of the signs
/// (.xorsign.abs).
uint64_t minimum(uint64_t a, uint64_t b, FloatType type, bool flush, bool propagateNaN,
                 bool xorSign = false);
uint64_t maximum(uint64_t a, uint64_t b, FloatType type, bool flush, bool propagateNaN,
                 bool xorSign = false);

/// Approximate instructions, as the correctly rounded value of the function
/// (the PTX ISA bounds the hardware's error, not its bits). `flush` is .ftz on
/// input and result.
enum class Approximate { Exp2, Log2, Reciprocal, ReciprocalSqrt, Sqrt, Sin, Cos, Tanh };
uint32_t approximateF32(uint32_t a, Approximate function, bool flush);
/// ex2/tanh on f16 and bf16 (one element).
uint16_t approximateHalf(uint16_t a, FloatType type, Approximate function, bool flush);
/// rcp.approx.ftz.f64 and rsqrt.approx.ftz.f64: the upper words only, NaN 0x7fffffff00000000.
uint64_t approximateF64(uint64_t a, Approximate function);
/// div.approx.f32: a / b, but for |b| in (2^126, 2^128) a zero, or NaN when a is
/// infinite (PTX ISA, div).
uint32_t divideApproximate(uint32_t a, uint32_t b, bool flush);

/// Value as double, exact.
double toDouble(uint64_t bits, FloatType type);
/// Rounds a double to `type`, once, to nearest even.
uint64_t fromDouble(double value, FloatType type);

} // namespace tilewright::numerics

#endif
