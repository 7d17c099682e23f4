//===- Warp.cpp - Hot instructions on 32 lanes at once --------------------===//
//
// Each instruction is a struct with a per-lane `apply`; one wrapper loops over the
// lanes and is compiled twice, for the baseline and for AVX2 with FMA. The
// wrappers are `flatten`, so that `apply` and what it calls are inlined and the
// loop is vectorised.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Numerics/Warp.h"
#include "runtime/Emulator/Numerics/FastFloat.h"
#include "runtime/Emulator/Numerics/Float.h"
#include "runtime/Emulator/Numerics/WarpHalf.h"
#include <cmath>
#include <cstring>

using namespace tilewright;
using namespace tilewright::numerics;

static constexpr unsigned kLanes = 32;

//===----------------------------------------------------------------------===//
// Per-lane functions
//===----------------------------------------------------------------------===//

namespace {

template <bool Flush> struct AddF32 {
  [[gnu::always_inline]] static uint32_t apply(uint32_t a, uint32_t b) {
    return fast::addF32<Flush>(a, b);
  }
};
template <bool Flush> struct SubtractF32 {
  [[gnu::always_inline]] static uint32_t apply(uint32_t a, uint32_t b) {
    return fast::addF32<Flush>(a, b ^ 0x80000000u);
  }
};
template <bool Flush> struct MultiplyF32 {
  [[gnu::always_inline]] static uint32_t apply(uint32_t a, uint32_t b) {
    return fast::multiplyF32<Flush>(a, b);
  }
};
template <bool Flush> struct FmaF32 {
  [[gnu::always_inline]] static uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
    return fast::fmaF32<Flush>(a, b, c);
  }
};
/// For wrappers compiled with FMA, where the builtin is one instruction.
template <bool Flush> struct HardwareFmaF32 {
  [[gnu::always_inline]] static uint32_t apply(uint32_t a, uint32_t b, uint32_t c) {
    return fast::resultF32<Flush>(__builtin_fmaf(
        fast::operandF32<Flush>(a), fast::operandF32<Flush>(b), fast::operandF32<Flush>(c)));
  }
};
template <bool WantMaximum, bool Flush, bool PropagateNaN> struct SelectF32 {
  [[gnu::always_inline]] static uint32_t apply(uint32_t a, uint32_t b) {
    return fast::selectF32<WantMaximum, Flush, PropagateNaN>(a, b);
  }
};
template <bool Flush> struct ReciprocalF32 {
  [[gnu::always_inline]] static uint32_t apply(uint32_t a) {
    return fast::resultF32<Flush>(1.0f / fast::operandF32<Flush>(a));
  }
};

//===----------------------------------------------------------------------===//
// Eight lanes: two 16-bit elements in a word
//===----------------------------------------------------------------------===//

typedef float Floats __attribute__((vector_size(32)));
typedef uint32_t Words __attribute__((vector_size(32)));
constexpr unsigned kVectorLanes = sizeof(Words) / sizeof(uint32_t);

struct AddF16 {
  [[gnu::always_inline]] static Words apply(Words a, Words b) {
    return fast::addF16Lanes<Floats, Words>(a, b);
  }
};
struct MultiplyF16 {
  [[gnu::always_inline]] static Words apply(Words a, Words b) {
    return fast::multiplyF16Lanes<Floats, Words>(a, b);
  }
};
struct AddBF16 {
  [[gnu::always_inline]] static Words apply(Words a, Words b) {
    return fast::addBF16Lanes<Floats, Words>(a, b);
  }
};
struct MultiplyBF16 {
  [[gnu::always_inline]] static Words apply(Words a, Words b) {
    return fast::multiplyBF16Lanes<Floats, Words>(a, b);
  }
};
struct FmaF16 {
  [[gnu::always_inline]] static Words apply(Words a, Words b, Words c) {
    return fast::fmaF16Lanes<Floats, Words>(a, b, c);
  }
};
/// In f32 where the product is exact there: zero, or in [2^-133, 2^127]; a sum
/// that overflows f32 overflows bf16 too. Any other product, NaN and infinity
/// included, takes the eight lanes through f64 one by one.
struct FmaBF16 {
  [[gnu::always_inline]] static Words apply(Words a, Words b, Words c) {
    Floats x = fast::widenBF16Lanes<Floats, Words>(a), y = fast::widenBF16Lanes<Floats, Words>(b);
    Floats product = x * y;
    Words magnitude = std::bit_cast<Words>(product) & 0x7fffffffu;
    auto isZero = ((std::bit_cast<Words>(x) << 1) == 0) | ((std::bit_cast<Words>(y) << 1) == 0);
    auto isExact = (magnitude <= 0x7f000000u) & ((magnitude >= (1u << 16)) | isZero);
    Words result = fast::narrowBF16Lanes<Floats, Words>(
        fast::addToOddLanes<Floats, Words>(product, fast::widenBF16Lanes<Floats, Words>(c)));
    for (unsigned i = 0; i < kVectorLanes; ++i)
      if (!isExact[i]) [[unlikely]]
        result[i] = fast::fmaBF16(a[i], b[i], c[i]);
    return result;
  }
};

/// Applies an instruction to both halves of each word.
template <typename Element, uint32_t SignFlip = 0> struct BinaryX2 {
  [[gnu::always_inline]] static Words apply(Words a, Words b) {
    b ^= SignFlip;
    return Element::apply(a & 0xffffu, b & 0xffffu) | (Element::apply(a >> 16, b >> 16) << 16);
  }
};
template <typename Element> struct TernaryX2 {
  [[gnu::always_inline]] static Words apply(Words a, Words b, Words c) {
    return Element::apply(a & 0xffffu, b & 0xffffu, c & 0xffffu) |
           (Element::apply(a >> 16, b >> 16, c >> 16) << 16);
  }
};
struct PackF16 {
  [[gnu::always_inline]] static Words apply(Words a, Words b) {
    return fast::narrowF16Lanes<Floats, Words>((Floats)b) |
           (fast::narrowF16Lanes<Floats, Words>((Floats)a) << 16);
  }
};
struct PackBF16 {
  [[gnu::always_inline]] static Words apply(Words a, Words b) {
    return fast::narrowBF16Lanes<Floats, Words>((Floats)b) |
           (fast::narrowBF16Lanes<Floats, Words>((Floats)a) << 16);
  }
};
/// One element a lane; subtraction flips the sign of b.
template <typename Element> struct HalfSubtract {
  [[gnu::always_inline]] static Words apply(Words a, Words b) {
    return Element::apply(a, b ^ 0x8000u);
  }
};
struct NarrowF16 {
  [[gnu::always_inline]] static Words apply(Words a) {
    return fast::narrowF16Lanes<Floats, Words>((Floats)a);
  }
};
struct NarrowBF16 {
  [[gnu::always_inline]] static Words apply(Words a) {
    return fast::narrowBF16Lanes<Floats, Words>((Floats)a);
  }
};
struct WidenF16 {
  [[gnu::always_inline]] static Words apply(Words a) {
    return (Words)fast::widenF16Lanes<Floats, Words>(a & 0xffffu);
  }
};
struct WidenBF16 {
  [[gnu::always_inline]] static Words apply(Words a) {
    return (Words)fast::widenBF16Lanes<Floats, Words>(a & 0xffffu);
  }
};

/// Selector nibble k names byte 0-7 of {b, a} and, with bit 3, its sign.
struct Permute {
  [[gnu::always_inline]] static uint32_t apply(uint32_t a, uint32_t b, uint32_t selectors) {
    uint64_t bytes = uint64_t(b) << 32 | a;
    uint32_t result = 0;
    for (unsigned k = 0; k < 4; ++k) {
      uint32_t selector = selectors >> (4 * k);
      uint32_t byte = bytes >> (8 * (selector & 7)) & 255;
      uint32_t sign = byte & 128 ? 255 : 0;
      result |= (selector & 8 ? sign : byte) << (8 * k);
    }
    return result;
  }
};

//===----------------------------------------------------------------------===//
// Approximations
//===----------------------------------------------------------------------===//

/// A value known to a relative error: its two ends as f32.
struct Enclosure {
  float low, high;
};

/// 2^x in f64 by 2^n * e^(r ln 2), |r| <= 1/2; the Taylor series up to r^13 is
/// cut by less than 2^-56 and the evaluation adds less than 2^-50.
struct Exp2Enclosure {
  static constexpr Approximate kFunction = Approximate::Exp2;
  [[gnu::always_inline]] static Enclosure enclose(float argument) {
    // Beyond, the result is 0 or infinity in f32; NaN takes the first bound.
    double x = argument > -200.0f ? argument : -200.0f;
    x = x < 200.0 ? x : 200.0;
    constexpr double kToInteger = 0x1.8p52;
    double shifted = x + kToInteger;
    double reduced = (x - (shifted - kToInteger)) * 0x1.62e42fefa39efp-1;
    constexpr double kCoefficients[] = {1.0 / 6227020800,
                                        1.0 / 479001600,
                                        1.0 / 39916800,
                                        1.0 / 3628800,
                                        1.0 / 362880,
                                        1.0 / 40320,
                                        1.0 / 5040,
                                        1.0 / 720,
                                        1.0 / 120,
                                        1.0 / 24,
                                        1.0 / 6,
                                        1.0 / 2,
                                        1.0,
                                        1.0};
    double sum = 0;
#pragma GCC unroll 16
    for (double coefficient : kCoefficients)
      sum = sum * reduced + coefficient;
    // The integer sits in the low bits of `shifted`.
    uint64_t exponent = (std::bit_cast<uint64_t>(shifted) + 1023) << 52;
    double value = sum * std::bit_cast<double>(exponent);
    return {static_cast<float>(value * (1 - 0x1p-48)), static_cast<float>(value * (1 + 0x1p-48))};
  }
};

/// Two correctly rounded f64 operations: an error below 2^-51.
struct ReciprocalSqrtEnclosure {
  static constexpr Approximate kFunction = Approximate::ReciprocalSqrt;
  [[gnu::always_inline]] static Enclosure enclose(float argument) {
    double value = 1.0 / std::sqrt(double(argument));
    return {static_cast<float>(value * (1 - 0x1p-50)), static_cast<float>(value * (1 + 0x1p-50))};
  }
};

} // namespace

//===----------------------------------------------------------------------===//
// Wrappers
//===----------------------------------------------------------------------===//

#define TILEWRIGHT_INLINE static inline __attribute__((always_inline))

TILEWRIGHT_INLINE void merge(uint32_t *d, const uint32_t *result, uint32_t mask) {
  if (mask == ~0u) {
    std::memcpy(d, result, kLanes * sizeof(uint32_t));
    return;
  }
  for (unsigned i = 0; i < kLanes; ++i)
    d[i] = (mask >> i) & 1 ? result[i] : d[i];
}

TILEWRIGHT_INLINE void load(uint32_t &word, const uint32_t *source) { word = *source; }
TILEWRIGHT_INLINE void load(Words &words, const uint32_t *source) {
  std::memcpy(&words, source, sizeof(words));
}

/// Applies `Operation` to one lane at a time (Word = uint32_t, vectorised by the
/// compiler) or to eight (Word = Words).
template <typename Operation, typename Word, typename... Sources>
TILEWRIGHT_INLINE void runLanes(uint32_t *d, uint32_t mask, Sources... sources) {
  alignas(64) uint32_t result[kLanes];
  for (unsigned i = 0; i < kLanes; i += sizeof(Word) / sizeof(uint32_t)) {
    auto fetch = [i](const uint32_t *source) __attribute__((always_inline)) {
      Word word;
      load(word, source + i);
      return word;
    };
    Word word = Operation::apply(fetch(sources)...);
    std::memcpy(result + i, &word, sizeof(word));
  }
  merge(d, result, mask);
}

TILEWRIGHT_INLINE void load(Words &words, const uint16_t *source) {
  typedef uint16_t Halves __attribute__((vector_size(16)));
  Halves halves;
  std::memcpy(&halves, source, sizeof(halves));
  words = __builtin_convertvector(halves, Words);
}

/// The same with results of 16 bits.
template <typename Operation, typename... Sources>
TILEWRIGHT_INLINE void runHalves(uint16_t *d, uint32_t mask, Sources... sources) {
  for (unsigned i = 0; i < kLanes; i += kVectorLanes) {
    auto fetch = [i](auto *source) __attribute__((always_inline)) {
      Words words;
      load(words, source + i);
      return words;
    };
    Words words = Operation::apply(fetch(sources)...);
    for (unsigned lane = 0; lane < kVectorLanes; ++lane)
      if (mask >> (i + lane) & 1)
        d[i + lane] = static_cast<uint16_t>(words[lane]);
  }
}

/// Ziv's test on all lanes; a lane whose ends round apart, about one in 2^22,
/// is evaluated again with care.
template <typename Enclosing, bool Flush>
TILEWRIGHT_INLINE void runEnclosed(uint32_t *d, const uint32_t *a, uint32_t mask) {
  alignas(64) uint32_t result[kLanes];
  uint32_t uncertain = 0;
  for (unsigned i = 0; i < kLanes; ++i) {
    float argument = fast::operandF32<Flush>(a[i]);
    Enclosure ends = Enclosing::enclose(argument);
    uint32_t low = fast::resultF32<Flush>(ends.low), high = fast::resultF32<Flush>(ends.high);
    uncertain |= low ^ high;
    result[i] = argument == argument ? low : 0x7fffffffu;
  }
  if (uncertain)
    for (unsigned i = 0; i < kLanes; ++i)
      result[i] = approximateF32(a[i], Enclosing::kFunction, Flush);
  merge(d, result, mask);
}

/// The wrappers of one instruction set: `TARGET` holds their attributes.
#define TILEWRIGHT_WRAPPERS(SET, TARGET)                                                           \
  namespace {                                                                                      \
  struct SET {                                                                                     \
    template <typename Operation, typename Word>                                                   \
    TARGET static void unary(uint32_t *d, const uint32_t *a, uint32_t mask) {                      \
      runLanes<Operation, Word>(d, mask, a);                                                       \
    }                                                                                              \
    template <typename Operation, typename Word>                                                   \
    TARGET static void binary(uint32_t *d, const uint32_t *a, const uint32_t *b, uint32_t mask) {  \
      runLanes<Operation, Word>(d, mask, a, b);                                                    \
    }                                                                                              \
    template <typename Operation, typename Word>                                                   \
    TARGET static void ternary(uint32_t *d, const uint32_t *a, const uint32_t *b,                  \
                               const uint32_t *c, uint32_t mask) {                                 \
      runLanes<Operation, Word>(d, mask, a, b, c);                                                 \
    }                                                                                              \
    template <typename Operation>                                                                  \
    TARGET static void halfBinary(uint16_t *d, const uint16_t *a, const uint16_t *b,               \
                                  uint32_t mask) {                                                 \
      runHalves<Operation>(d, mask, a, b);                                                         \
    }                                                                                              \
    template <typename Operation>                                                                  \
    TARGET static void halfTernary(uint16_t *d, const uint16_t *a, const uint16_t *b,              \
                                   const uint16_t *c, uint32_t mask) {                             \
      runHalves<Operation>(d, mask, a, b, c);                                                      \
    }                                                                                              \
    template <typename Operation>                                                                  \
    TARGET static void narrow(uint16_t *d, const uint32_t *a, uint32_t mask) {                     \
      runHalves<Operation>(d, mask, a);                                                            \
    }                                                                                              \
    template <typename Enclosing, bool Flush>                                                      \
    TARGET static void enclosed(uint32_t *d, const uint32_t *a, uint32_t mask) {                   \
      runEnclosed<Enclosing, Flush>(d, a, mask);                                                   \
    }                                                                                              \
  };                                                                                               \
  }

TILEWRIGHT_WRAPPERS(Baseline, __attribute__((flatten)))
#if defined(__x86_64__)
TILEWRIGHT_WRAPPERS(Avx2, __attribute__((flatten, target("avx2,fma"))))
#endif

template <typename Set, template <bool> typename Fma> static WarpOperations makeOperations() {
  constexpr uint32_t kSigns = 0x80008000;
  WarpOperations result;
  result.addF32 = {Set::template binary<AddF32<false>, uint32_t>,
                   Set::template binary<AddF32<true>, uint32_t>};
  result.subtractF32 = {Set::template binary<SubtractF32<false>, uint32_t>,
                        Set::template binary<SubtractF32<true>, uint32_t>};
  result.multiplyF32 = {Set::template binary<MultiplyF32<false>, uint32_t>,
                        Set::template binary<MultiplyF32<true>, uint32_t>};
  result.fmaF32 = {Set::template ternary<Fma<false>, uint32_t>,
                   Set::template ternary<Fma<true>, uint32_t>};
  auto select = []<bool WantMaximum, bool PropagateNaN>() -> Flushable<WarpBinary> {
    return {Set::template binary<SelectF32<WantMaximum, false, PropagateNaN>, uint32_t>,
            Set::template binary<SelectF32<WantMaximum, true, PropagateNaN>, uint32_t>};
  };
  result.minimumF32 = select.template operator()<false, false>();
  result.maximumF32 = select.template operator()<true, false>();
  result.minimumNaNF32 = select.template operator()<false, true>();
  result.maximumNaNF32 = select.template operator()<true, true>();
  result.exp2F32 = {Set::template enclosed<Exp2Enclosure, false>,
                    Set::template enclosed<Exp2Enclosure, true>};
  result.reciprocalF32 = {Set::template unary<ReciprocalF32<false>, uint32_t>,
                          Set::template unary<ReciprocalF32<true>, uint32_t>};
  result.reciprocalSqrtF32 = {Set::template enclosed<ReciprocalSqrtEnclosure, false>,
                              Set::template enclosed<ReciprocalSqrtEnclosure, true>};
  result.addF16x2 = Set::template binary<BinaryX2<AddF16>, Words>;
  result.subtractF16x2 = Set::template binary<BinaryX2<AddF16, kSigns>, Words>;
  result.multiplyF16x2 = Set::template binary<BinaryX2<MultiplyF16>, Words>;
  result.addBF16x2 = Set::template binary<BinaryX2<AddBF16>, Words>;
  result.subtractBF16x2 = Set::template binary<BinaryX2<AddBF16, kSigns>, Words>;
  result.multiplyBF16x2 = Set::template binary<BinaryX2<MultiplyBF16>, Words>;
  result.fmaF16x2 = Set::template ternary<TernaryX2<FmaF16>, Words>;
  result.fmaBF16x2 = Set::template ternary<TernaryX2<FmaBF16>, Words>;
  result.packF16x2 = Set::template binary<PackF16, Words>;
  result.packBF16x2 = Set::template binary<PackBF16, Words>;
  result.widenF16 = Set::template unary<WidenF16, Words>;
  result.widenBF16 = Set::template unary<WidenBF16, Words>;
  result.addF16 = Set::template halfBinary<AddF16>;
  result.subtractF16 = Set::template halfBinary<HalfSubtract<AddF16>>;
  result.multiplyF16 = Set::template halfBinary<MultiplyF16>;
  result.addBF16 = Set::template halfBinary<AddBF16>;
  result.subtractBF16 = Set::template halfBinary<HalfSubtract<AddBF16>>;
  result.multiplyBF16 = Set::template halfBinary<MultiplyBF16>;
  result.fmaF16 = Set::template halfTernary<FmaF16>;
  result.fmaBF16 = Set::template halfTernary<FmaBF16>;
  result.narrowF16 = Set::template narrow<NarrowF16>;
  result.narrowBF16 = Set::template narrow<NarrowBF16>;
  result.permute = Set::template ternary<Permute, uint32_t>;
  return result;
}

const WarpOperations &numerics::getBaselineWarpOperations() {
  static const WarpOperations operations = makeOperations<Baseline, FmaF32>();
  return operations;
}

const WarpOperations &numerics::getWarpOperations() {
#if defined(__x86_64__)
  static const bool hasAvx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (hasAvx2) {
    static const WarpOperations operations = [] {
      WarpOperations result = makeOperations<Avx2, HardwareFmaF32>();
      useHalfInstructions(result);
      return result;
    }();
    return operations;
  }
#endif
  return getBaselineWarpOperations();
}
