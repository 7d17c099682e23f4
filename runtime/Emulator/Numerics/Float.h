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
/// canonical: f32 0x7fffffff, f16 0x7fff, bf16 0x7fff, e4m3 0x7f, e5m2 0x7f; f64 NaN payloads
/// follow PTX.
uint64_t convert(uint64_t bits, FloatType from, FloatType to, const ConvertOptions &options = {});

/// Float to integer: `integerBits` in {8,16,32,64}; out-of-range clamps, NaN gives 0.
/// (PTX ISA, cvt: f64 NaN gives 0x8000000000000000 for 64-bit signed destinations.)
uint64_t convertToInteger(uint64_t bits, FloatType from, unsigned integerBits, bool isSigned,
                          Rounding rounding, bool flushInput);
/// Integer to float with one rounding.
uint64_t convertFromInteger(uint64_t value, unsigned integerBits, bool isSigned, FloatType to,
                            Rounding rounding);
/// Rounds to an integral value of the same format (cvt.rni.f32.f32 and kin).
uint64_t roundToIntegral(uint64_t bits, FloatType type, Rounding rounding, bool flush);

struct ArithmeticOptions {
  Rounding rounding = Rounding::NearestEven;
  bool flush = false; ///< .ftz on inputs and result
  bool saturate = false; ///< .sat
  bool relu = false;
};

/// type is F64, F32, F16 or BF16. One rounding each; exact before it.
uint64_t add(uint64_t a, uint64_t b, FloatType type, const ArithmeticOptions &options = {});
uint64_t multiply(uint64_t a, uint64_t b, FloatType type, const ArithmeticOptions &options = {});
uint64_t fma(uint64_t a, uint64_t b, uint64_t c, FloatType type,
             const ArithmeticOptions &options = {});
uint64_t divide(uint64_t a, uint64_t b, FloatType type, const ArithmeticOptions &options = {});
uint64_t squareRoot(uint64_t a, FloatType type, const ArithmeticOptions &options = {});
/// min/max: -0 < +0; one NaN gives the other operand unless `propagateNaN`;
/// `xorSign` takes the magnitude rule of .xorsign.abs.
uint64_t minimum(uint64_t a, uint64_t b, FloatType type, bool flush, bool propagateNaN);
uint64_t maximum(uint64_t a, uint64_t b, FloatType type, bool flush, bool propagateNaN);

/// Approximate instructions, as the correctly rounded value of the function
/// (f32; the PTX ISA bounds the hardware's error, not its bits).
enum class Approximate { Exp2, Log2, Reciprocal, ReciprocalSqrt, Sqrt, Sin, Cos, Tanh };
uint32_t approximateF32(uint32_t a, Approximate function, bool flush);
/// ex2/tanh on f16 and bf16 (one element).
uint16_t approximateHalf(uint16_t a, FloatType type, Approximate function, bool flush);

/// Value as double; exact for every type but F64 NaN payloads.
double toDouble(uint64_t bits, FloatType type);
/// Rounds a double to `type`, once, to nearest even.
uint64_t fromDouble(double value, FloatType type);

} // namespace tilewright::numerics

#endif
