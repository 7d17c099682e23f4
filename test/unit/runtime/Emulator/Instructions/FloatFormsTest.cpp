//===- FloatFormsTest.cpp - All forms of floating-point instructions -----------===//
//
// Results against GNU MPFR (Numerics/Precise.h), bit by bit but for NaNs of f64,
// whose payload the PTX ISA leaves open. Approximate instructions are correctly
// rounded on the emulated device, so they are held to that as well.
//
//===----------------------------------------------------------------------===//
#include "../Numerics/Precise.h"
#include "Forms.h"
#include <cmath>

using namespace tilewright::emulator;
using precise::Format;
using precise::formatOf;
using precise::Number;

namespace {

using u64 = uint64_t;

/// Edge values of all formats, found in registers of any width.
const u64 edges[] = {0x0000,
                     0x8000,
                     0x0001,
                     0x8001,
                     0x03ff,
                     0x0400,
                     0x3c00,
                     0x3c01,
                     0xbc00,
                     0x7bff,
                     0x7c00,
                     0xfc00,
                     0x7e00,
                     0x7fff,
                     0x4248,
                     0x3555,
                     0x007f,
                     0x0080,
                     0x3f80,
                     0x3f81,
                     0xbf80,
                     0x7f7f,
                     0x7f80,
                     0xff80,
                     0x7fc0,
                     0x4049,
                     0x00000001,
                     0x80000001,
                     0x007fffff,
                     0x00800000,
                     0x3f800000,
                     0x3f800001,
                     0xbf800000,
                     0x7f7fffff,
                     0x7f800000,
                     0xff800000,
                     0x7fc00000,
                     0x7f800001,
                     0x40490fdb,
                     0x3eaaaaab,
                     0x4b000001,
                     0x4f000000,
                     0x5f000000,
                     0x42fe0000,
                     0xc3150000,
                     0x7e800001,
                     0x33800000,
                     0x3ff0000000000000,
                     0x0000000000000001,
                     0x8000000000000001,
                     0x000fffffffffffff,
                     0x0010000000000000,
                     0x3ff0000000000001,
                     0xbff0000000000000,
                     0x7fefffffffffffff,
                     0x7ff0000000000000,
                     0xfff0000000000000,
                     0x7ff8000000000000,
                     0x400921fb54442d18,
                     0x3fd5555555555555,
                     0x36a0000000000000,
                     0x47efffffe0000000,
                     0x3f10000000000000,
                     0x40effc0000000000,
                     5,
                     0x3c003c01,
                     0x3f803f81,
                     0x7ff77ff7,
                     0x7ff73c00};

std::string elementOf(const std::string &type) {
  return type.ends_with("x2") ? type.substr(0, type.size() - 2) : type;
}
bool isFloat(const std::string &type) { return type.find('f') != std::string::npos; }

mpfr_rnd_t roundingOf(const Statement &s) {
  for (const char *name : {"rz", "rm", "rp", "rzi", "rmi", "rpi"})
    if (s.has(name))
      return precise::roundingOf(name);
  return MPFR_RNDN;
}

/// .sat: to [0, 1], a NaN to +0; .relu: the negative to +0.
u64 clamp(const Statement &s, u64 result, const Format &format) {
  bool isNegative = result & format.signBit();
  if (s.has("sat")) {
    u64 one = precise::round(format, MPFR_RNDN, [](mpfr_ptr r, mpfr_rnd_t rounding) {
      return mpfr_set_ui(r, 1, rounding);
    });
    if (precise::isNaN(result, format) || isNegative)
      return 0;
    return std::min(result, one);
  }
  if (s.has("relu") && isNegative && !precise::isNaN(result, format))
    return 0;
  return result;
}

/// One element through an MPFR function of up to three operands.
template <typename F>
u64 compute(const Statement &s, const Format &format, const u64 *in, F function) {
  Number a, b, c;
  mpfr_ptr numbers[] = {a, b, c};
  for (unsigned k = 0; k < 3; ++k)
    precise::decode(numbers[k], s.has("ftz") ? precise::flush(in[k], format) : in[k], format);
  u64 result = precise::round(format, roundingOf(s), [&](mpfr_ptr r, mpfr_rnd_t rounding) {
    return function(r, numbers[0], numbers[1], numbers[2], rounding);
  });
  if (s.has("ftz"))
    result = precise::flush(result, format);
  return clamp(s, result, format);
}

u64 minMax(const Statement &s, const Format &format, u64 x, u64 y) {
  if (s.has("ftz")) {
    x = precise::flush(x, format);
    y = precise::flush(y, format);
  }
  u64 sign = (x ^ y) & format.signBit();
  if (s.has("xorsign")) {
    x &= ~format.signBit();
    y &= ~format.signBit();
  }
  Number a, b;
  precise::decode(a, x, format);
  precise::decode(b, y, format);
  bool xIsNaN = mpfr_nan_p(a), yIsNaN = mpfr_nan_p(b);
  u64 result;
  if (xIsNaN || yIsNaN)
    result = s.has("NaN") || (xIsNaN && yIsNaN) ? format.nan() : xIsNaN ? y : x;
  else if (mpfr_equal_p(a, b)) // zeros: the negative is the smaller
    result = (s.opcode == "min") == bool(x & format.signBit()) ? x : y;
  else
    result = (mpfr_less_p(a, b) != 0) == (s.opcode == "min") ? x : y;
  if (s.has("xorsign"))
    result = (result & ~format.signBit()) | sign;
  return result;
}

/// One element of an arithmetic instruction; false where there is no model.
bool elementModel(const Statement &s, const Format &f, const u64 *in, u64 &out) {
  const std::string &op = s.opcode;
  auto run = [&](auto function) { out = compute(s, f, in, function); };
  if (op == "add")
    run([](auto r, auto a, auto b, auto, auto m) { return mpfr_add(r, a, b, m); });
  else if (op == "sub")
    run([](auto r, auto a, auto b, auto, auto m) { return mpfr_sub(r, a, b, m); });
  else if (op == "mul")
    run([](auto r, auto a, auto b, auto, auto m) { return mpfr_mul(r, a, b, m); });
  else if (op == "fma" || op == "mad")
    run([](auto r, auto a, auto b, auto c, auto m) { return mpfr_fma(r, a, b, c, m); });
  else if (op == "div")
    run([](auto r, auto a, auto b, auto, auto m) { return mpfr_div(r, a, b, m); });
  else if (op == "rcp")
    run([](auto r, auto a, auto, auto, auto m) { return mpfr_ui_div(r, 1, a, m); });
  else if (op == "sqrt")
    run([](auto r, auto a, auto, auto, auto m) { return mpfr_sqrt(r, a, m); });
  else if (op == "rsqrt") // of -0: -infinity
    run([](auto r, auto a, auto, auto, auto m) {
      return mpfr_zero_p(a) ? mpfr_ui_div(r, 1, a, m) : mpfr_rec_sqrt(r, a, m);
    });
  else if (op == "sin")
    run([](auto r, auto a, auto, auto, auto m) { return mpfr_sin(r, a, m); });
  else if (op == "cos")
    run([](auto r, auto a, auto, auto, auto m) { return mpfr_cos(r, a, m); });
  else if (op == "lg2") // also of -0
    run([](auto r, auto a, auto, auto, auto m) { return mpfr_log2(r, a, m); });
  else if (op == "ex2")
    run([](auto r, auto a, auto, auto, auto m) { return mpfr_exp2(r, a, m); });
  else if (op == "tanh")
    run([](auto r, auto a, auto, auto, auto m) { return mpfr_tanh(r, a, m); });
  else if (op == "abs" || op == "neg")
    out = (s.has("ftz") ? precise::flush(in[0], f) : in[0]) ^ (op == "neg" ? f.signBit() : 0),
    out &= op == "abs" ? ~f.signBit() : ~u64(0);
  else if (op == "min" || op == "max")
    out = minMax(s, f, in[0], in[1]);
  else if (op == "copysign")
    out = (in[0] & f.signBit()) | (in[1] & ~f.signBit());
  else
    return false;
  return true;
}

/// The NaN of fma.oob.
constexpr u64 kOutOfBounds = 0x7ff7;

bool arithmeticModel(const Statement &s, Values &v) {
  Format format = formatOf(elementOf(s.type()));
  if (s.opcode == "testp") {
    u64 magnitude = v.in[0] & (format.signBit() - 1);
    bool isNaN = magnitude > format.infinity(), isFinite = magnitude < format.infinity();
    bool isSubnormal = magnitude && magnitude >> format.mantissaBits() == 0;
    v.out[0] = s.has("finite")       ? isFinite
               : s.has("infinite")   ? magnitude == format.infinity()
               : s.has("number")     ? !isNaN
               : s.has("notanumber") ? isNaN
               : s.has("normal")     ? isFinite && magnitude && !isSubnormal
                                     : isSubnormal;
    return true;
  }
  unsigned parts = s.type().ends_with("x2") ? 2 : 1;
  for (unsigned k = 0; k < parts; ++k) {
    u64 in[3], out = 0, mask = (format.signBit() - 1) | format.signBit();
    for (unsigned i = 0; i < 3; ++i)
      in[i] = v.in[i] >> (16 * k * (parts - 1)) & mask;
    // The lower 32 bits of these do not count (PTX ISA, rcp.approx.ftz.f64).
    bool isCoarse = format.bits == 64 && s.has("approx") && s.has("ftz");
    if (isCoarse)
      in[0] &= ~u64(0xffffffff);
    if (!elementModel(s, format, in, out))
      return false;
    if (s.has("oob") && std::find(in, in + 3, kOutOfBounds) != in + 3)
      out = 0;
    if (isCoarse)
      out = precise::isNaN(out, format) ? 0x7fffffff00000000 : out & ~u64(0xffffffff);
    // div.approx by divisors above 2^126 gives zero (PTX ISA, div).
    bool isHuge = s.opcode == "div" && s.has("approx") && (in[1] & 0x7fffffff) > 0x7e800000 &&
                  (in[1] & 0x7fffffff) < 0x7f800000;
    if (isHuge)
      out = (in[0] & 0x7fffffff) >= 0x7f800000 ? format.nan() : (in[0] ^ in[1]) & format.signBit();
    v.out[0] |= out << (16 * k);
  }
  return true;
}

/// Two NaNs of f64 are as good as each other; rsqrt.approx.f64 may be off by one.
bool judge(const Statement &s, u64 got, u64 expected) {
  std::string type = s.opcode == "cvt" ? s.type() : elementOf(s.type());
  if (type != "f64")
    return false;
  Format format = formatOf("f64");
  if (precise::isNaN(expected, format))
    return precise::isNaN(got, format);
  return s.opcode == "rsqrt" && (got - expected == 1 || expected - got == 1);
}

TEST(FloatForms, Arithmetic) {
  EXPECT_EQ(checkForms("float", "Floating point", arithmeticModel, edges, judge),
            readForms("float", "Floating point").size());
}

TEST(FloatForms, Half) {
  EXPECT_EQ(checkForms("float", "Half precision", arithmeticModel, edges, judge),
            readForms("float", "Half precision").size());
}

//===----------------------------------------------------------------------===//
// Comparisons
//===----------------------------------------------------------------------===//

bool compare(const std::string &name, mpfr_ptr a, mpfr_ptr b) {
  bool isUnordered = mpfr_unordered_p(a, b);
  if (name == "num" || name == "nan")
    return isUnordered == (name == "nan");
  bool takesNaN = name.size() == 3;
  if (isUnordered)
    return takesNaN;
  std::string plain = name.substr(0, 2);
  int order = mpfr_cmp(a, b);
  return plain == "eq"   ? order == 0
         : plain == "ne" ? order != 0
         : plain == "lt" ? order < 0
         : plain == "le" ? order <= 0
         : plain == "gt" ? order > 0
                         : order >= 0;
}

bool compareModel(const Statement &s, Values &v) {
  if (s.opcode == "slct") {
    if (s.type(1) != "f32")
      return false;
    Format format = formatOf("f32");
    Number c;
    precise::decode(c, s.has("ftz") ? precise::flush(v.in[2], format) : v.in[2], format);
    v.out[0] = !mpfr_nan_p(c) && mpfr_cmp_ui(c, 0) >= 0 ? v.in[0] : v.in[1];
    return true;
  }
  std::string source = s.type(s.opcode == "set"), result = s.opcode == "set" ? s.type() : "";
  if ((s.opcode != "set" && s.opcode != "setp") || !isFloat(source))
    return false;
  Format format = formatOf(elementOf(source));
  bool isPacked = source.ends_with("x2");
  for (unsigned k = 0; k < (isPacked ? 2 : 1); ++k) {
    u64 x = v.in[0] >> (16 * k), y = v.in[1] >> (16 * k);
    if (isPacked)
      x &= 0xffff, y &= 0xffff;
    Number a, b;
    precise::decode(a, s.has("ftz") ? precise::flush(x, format) : x, format);
    precise::decode(b, s.has("ftz") ? precise::flush(y, format) : y, format);
    bool is = compare(s.modifiers[0], a, b);
    auto combine = [&](bool value) {
      bool c = v.in[2] ^ (s.operands.back()[0] == '!');
      return s.has("and")   ? value && c
             : s.has("or")  ? value || c
             : s.has("xor") ? value != c
                            : value;
    };
    if (s.opcode == "setp") {
      v.out[k] = combine(is);
      if (!isPacked)
        v.out[1] = combine(!is);
      continue;
    }
    std::string to = elementOf(result);
    u64 yes = to == "f32"    ? 0x3f800000
              : to == "f16"  ? 0x3c00
              : to == "bf16" ? 0x3f80
              : isPacked     ? 0xffff
                             : ~u64(0);
    v.out[0] |= combine(is) ? yes << (16 * k) : 0;
  }
  return true;
}

TEST(FloatForms, Comparison) {
  EXPECT_GE(checkForms("float", "Comparison and selection", compareModel, edges), 300u);
}

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

struct Integer {
  unsigned bits;
  bool isSigned;
  explicit Integer(const std::string &name)
      : bits(std::stoi(name.substr(1))), isSigned(name[0] == 's') {}
  u64 cut(u64 value) const { return bits == 64 ? value : value & ((u64(1) << bits) - 1); }
  /// Extended to 64 bits, as a wider register holds it.
  u64 extend(u64 value) const {
    value = cut(value);
    return isSigned && value >> (bits - 1) & 1 ? value | (bits == 64 ? 0 : ~u64(0) << bits) : value;
  }
};

void setInteger(mpfr_ptr to, u64 value, const Integer &type) {
  type.isSigned ? mpfr_set_sj(to, int64_t(type.extend(value)), MPFR_RNDN)
                : mpfr_set_uj(to, type.cut(value), MPFR_RNDN);
}

/// An integral value clamped to the type.
u64 toInteger(mpfr_ptr value, const Integer &type) {
  Number least, most;
  mpfr_set_si(least, type.isSigned ? -1 : 0, MPFR_RNDN);
  mpfr_mul_2ui(least, least, type.bits - 1, MPFR_RNDN);
  mpfr_set_ui_2exp(most, 1, type.bits - type.isSigned, MPFR_RNDN);
  mpfr_sub_ui(most, most, 1, MPFR_RNDN);
  mpfr_max(value, value, least, MPFR_RNDN);
  mpfr_min(value, value, most, MPFR_RNDN);
  return type.extend(type.isSigned ? u64(mpfr_get_sj(value, MPFR_RNDN))
                                   : mpfr_get_uj(value, MPFR_RNDN));
}

u64 toSmallFloat(const Statement &s, mpfr_ptr value, const std::string &to) {
  bool isE4M3 = to == "e4m3";
  if (mpfr_nan_p(value))
    return 0x7f;
  if (s.has("relu") && mpfr_signbit(value))
    mpfr_set_zero(value, 1);
  // An unbounded exponent, then the largest finite number (.satfinite).
  Format wide = isE4M3 ? Format{4, -9, 20, 8} : Format{3, -16, 20, 8};
  double largest = isE4M3 ? 448 : 57344, magnitude = std::fabs(mpfr_get_d(value, MPFR_RNDA));
  u64 sign = mpfr_signbit(value) ? 0x80 : 0;
  if (magnitude > largest)
    return sign | (isE4M3 ? 0x7e : 0x7b);
  return precise::round(wide, MPFR_RNDN,
                        [&](mpfr_ptr r, mpfr_rnd_t m) { return mpfr_set(r, value, m); });
}

void fromSmallFloat(mpfr_ptr to, u64 bits, bool isE4M3) {
  if (isE4M3 && (bits & 0x7f) == 0x7f)
    return mpfr_set_nan(to);
  precise::decode(to, bits, isE4M3 ? Format{4, -9, 9, 8} : Format{3, -16, 16, 8});
  if (isE4M3 && (bits & 0x78) == 0x78) // has no infinities
    mpfr_set_si_2exp(to, int(8 + (bits & 7)) * (bits & 0x80 ? -1 : 1), 5, MPFR_RNDN);
}

/// Float to float with one rounding.
u64 toFloat(const Statement &s, mpfr_ptr value, const std::string &to) {
  if (to == "e4m3" || to == "e5m2")
    return toSmallFloat(s, value, to);
  Format format = formatOf(to);
  bool isAway = s.has("rna");
  u64 result = precise::round(format, roundingOf(s), [&](mpfr_ptr r, mpfr_rnd_t rounding) {
    if (!isAway)
      return mpfr_set(r, value, rounding);
    // Half away from zero, by a unit that is below the smallest difference.
    Number more(64);
    mpfr_set(more, value, MPFR_RNDN);
    mpfr_nexttoward(more, value);
    mpfr_signbit(value) ? mpfr_nextbelow(more) : mpfr_nextabove(more);
    return mpfr_set(r, mpfr_regular_p(value) ? more : value, MPFR_RNDN);
  });
  if (s.has("satfinite") && !precise::isNaN(result, format) &&
      (result & ~format.signBit()) == format.infinity())
    result -= u64(1) << format.shift;
  if (s.has("ftz") && to == "f32")
    result = precise::flush(result, format);
  return clamp(s, result, format);
}

u64 convertOne(const Statement &s, u64 in, const std::string &from, const std::string &to) {
  bool isIntegral = s.has("rni") || s.has("rzi") || s.has("rmi") || s.has("rpi");
  Number value(64);
  if (!isFloat(from) && from[0] != 'e') {
    setInteger(value, in, Integer(from));
  } else if (from[0] == 'e') {
    fromSmallFloat(value, in, from == "e4m3");
  } else {
    Format format = formatOf(from);
    precise::decode(value, s.has("ftz") && from == "f32" ? precise::flush(in, format) : in, format);
  }
  if (isFloat(to) || to[0] == 'e') {
    if (isIntegral)
      mpfr_rint(value, value, roundingOf(s));
    return toFloat(s, value, to);
  }
  Integer type(to);
  if (mpfr_nan_p(value)) // PTX ISA, cvt: zero, or the top bit alone
    return from == "f64" || type.bits == 64 ? type.extend(u64(1) << (type.bits - 1)) : 0;
  if (isIntegral)
    mpfr_rint(value, value, roundingOf(s));
  if (isIntegral || s.has("sat"))
    return toInteger(value, type);
  return type.extend(Integer(from).extend(in));
}

bool convertModel(const Statement &s, Values &v) {
  std::string to = s.type(0), from = s.type(1);
  if (s.has("pack")) {
    Integer part(to);
    Number a, b;
    setInteger(a, v.in[0], Integer("s32"));
    setInteger(b, v.in[1], Integer("s32"));
    v.out[0] = part.cut(toInteger(a, part)) << part.bits | part.cut(toInteger(b, part));
    if (!s.type(2).empty())
      v.out[0] |= v.in[2] << (2 * part.bits);
    return true;
  }
  if (to.ends_with("x2") && from == "f32") { // the first source is the upper half
    unsigned bits = to[0] == 'e' ? 8 : 16;
    v.out[0] = convertOne(s, v.in[0], from, elementOf(to)) << bits |
               convertOne(s, v.in[1], from, elementOf(to));
  } else if (to.ends_with("x2")) {
    unsigned toBits = to[0] == 'e' ? 8 : 16, fromBits = from[0] == 'e' ? 8 : 16;
    u64 mask = (u64(1) << fromBits) - 1;
    v.out[0] = convertOne(s, v.in[0] >> fromBits & mask, elementOf(from), elementOf(to)) << toBits |
               convertOne(s, v.in[0] & mask, elementOf(from), elementOf(to));
  } else {
    v.out[0] = convertOne(s, v.in[0], from, to);
  }
  return true;
}

TEST(FloatForms, Conversion) {
  EXPECT_EQ(checkForms("convert", "Conversion", convertModel, edges, judge),
            readForms("convert", "Conversion").size());
}

} // namespace
