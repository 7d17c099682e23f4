//===- Precise.h - Arithmetic of any format by MPFR ----------------------------===//
//
// The reference for arithmetic that tests sample: GNU MPFR computes with the
// format's precision and exponent range and rounds once, in any direction. The
// formats are described here anew; nothing of the code under test is used.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_NUMERICS_PRECISE_H
#define TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_NUMERICS_PRECISE_H

#include <bit>
#include <cmath>
#include <cstdint>
#include <mpfr.h>
#include <string>

namespace precise {

/// significand of `precision` bits; the last bit of a subnormal is worth
/// 2^quantum; finite values are below 2^top; stored in `bits`.
struct Format {
  int precision, quantum, top;
  unsigned bits;
  unsigned shift = 0; ///< unused low bits

  unsigned mantissaBits() const { return precision - 1; }
  uint64_t signBit() const { return uint64_t(1) << (bits - 1); }
  uint64_t infinity() const {
    return ((signBit() >> shift >> mantissaBits()) - 1) << mantissaBits() << shift;
  }
  uint64_t nan() const { return bits == 64 ? 0x7fffffffffffffff : signBit() - 1; }
};

inline Format formatOf(const std::string &name) {
  if (name == "f64")
    return {53, -1074, 1024, 64};
  if (name == "f32")
    return {24, -149, 128, 32};
  if (name == "tf32")
    return {11, -136, 128, 32, 13};
  if (name == "f16")
    return {11, -24, 16, 16};
  return {8, -133, 128, 16}; // bf16
}

inline mpfr_rnd_t roundingOf(const std::string &name) {
  return name == "rz" || name == "rzi"   ? MPFR_RNDZ
         : name == "rm" || name == "rmi" ? MPFR_RNDD
         : name == "rp" || name == "rpi" ? MPFR_RNDU
                                         : MPFR_RNDN;
}

/// A number of MPFR, of 64 bits unless said otherwise.
class Number {
public:
  explicit Number(mpfr_prec_t precision = 64) { mpfr_init2(value, precision); }
  Number(const Number &) = delete;
  ~Number() { mpfr_clear(value); }
  operator mpfr_ptr() { return value; }

private:
  mpfr_t value;
};

inline bool isNaN(uint64_t bits, const Format &format) {
  return (bits & (format.signBit() - 1)) > format.infinity();
}

/// Flushes a subnormal to a zero of its sign.
inline uint64_t flush(uint64_t bits, const Format &format) {
  uint64_t normal =
      (format.signBit() - 1) & ~((uint64_t(1) << format.mantissaBits() << format.shift) - 1);
  return bits & normal ? bits : bits & format.signBit();
}

inline void decode(mpfr_ptr to, uint64_t bits, const Format &format) {
  uint64_t magnitude = bits & (format.signBit() - 1);
  bool isNegative = bits & format.signBit();
  if (magnitude > format.infinity())
    return mpfr_set_nan(to);
  if (magnitude == format.infinity())
    return mpfr_set_inf(to, isNegative ? -1 : 1);
  magnitude >>= format.shift;
  uint64_t fraction = magnitude & ((uint64_t(1) << format.mantissaBits()) - 1);
  int64_t exponent = magnitude >> format.mantissaBits();
  if (exponent)
    fraction |= uint64_t(1) << format.mantissaBits();
  mpfr_set_ui_2exp(to, fraction, format.quantum + (exponent ? exponent - 1 : 0), MPFR_RNDN);
  if (isNegative)
    mpfr_neg(to, to, MPFR_RNDN);
}

/// The bits of a value that the format has.
inline uint64_t encode(mpfr_ptr value, const Format &format) {
  uint64_t sign = mpfr_signbit(value) ? format.signBit() : 0;
  if (mpfr_nan_p(value))
    return format.nan();
  if (mpfr_inf_p(value))
    return sign | format.infinity();
  if (mpfr_zero_p(value))
    return sign;
  // |value| = fraction * 2^exponent with a fraction in [1/2, 1).
  int64_t exponent = mpfr_get_exp(value) - format.precision;
  int64_t field = exponent > format.quantum ? exponent - format.quantum + 1 : 1;
  Number scaled(64);
  mpfr_mul_2si(scaled, value, -(format.quantum + field - 1), MPFR_RNDN);
  uint64_t fraction = std::abs(mpfr_get_sj(scaled, MPFR_RNDN));
  uint64_t implicit = uint64_t(1) << format.mantissaBits();
  uint64_t magnitude = fraction < implicit
                           ? fraction
                           : (uint64_t(field) << format.mantissaBits()) + (fraction - implicit);
  return sign | magnitude << format.shift;
}

/// compute(result, rounding) is an MPFR function that returns the ternary value;
/// its result rounded to the format once, subnormals included.
template <typename F> uint64_t round(const Format &format, mpfr_rnd_t rounding, F compute) {
  mpfr_exp_t least = mpfr_get_emin(), most = mpfr_get_emax();
  mpfr_set_emin(format.quantum + 1);
  mpfr_set_emax(format.top);
  Number result(format.precision);
  int ternary = compute(result, rounding);
  ternary = mpfr_check_range(result, ternary, rounding);
  mpfr_subnormalize(result, ternary, rounding);
  mpfr_set_emin(least);
  mpfr_set_emax(most);
  return encode(result, format);
}

} // namespace precise

#endif
