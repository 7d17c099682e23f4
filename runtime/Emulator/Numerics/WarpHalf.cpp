//===- WarpHalf.cpp - 16-bit arithmetic and prmt with AVX2 and F16C --------===//
//
// Private to Warp.cpp, which takes these functions on hosts that have the
// instructions. Sixteen 16-bit elements at a time, computed in f32 as
// FastFloat.h explains: widen, one operation (for fma: an exact product and a
// sum rounded to odd), round once to 16 bits.
//
// A NaN needs no care before the end: whatever it meets stays NaN, and the
// narrowing makes it canonical.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Numerics/WarpHalf.h"

#if defined(__x86_64__)
#include "runtime/Emulator/Numerics/FastFloat.h"
#include <immintrin.h>

using namespace tilewright::numerics;

#define TILEWRIGHT_TARGET __attribute__((target("avx2,fma,f16c")))
#define TILEWRIGHT_INLINE TILEWRIGHT_TARGET __attribute__((always_inline)) static inline

namespace {

/// Sixteen elements as f32, in an order that only narrow() of the type knows.
struct Pair {
  __m256 low, high;
};

//===----------------------------------------------------------------------===//
// The two types
//===----------------------------------------------------------------------===//

struct F16 {
  TILEWRIGHT_INLINE Pair widen(__m256i x) {
    return {_mm256_cvtph_ps(_mm256_castsi256_si128(x)),
            _mm256_cvtph_ps(_mm256_extracti128_si256(x, 1))};
  }
  TILEWRIGHT_INLINE __m256i narrow(Pair x) {
    __m256i bits = _mm256_set_m128i(_mm256_cvtps_ph(x.high, _MM_FROUND_TO_NEAREST_INT),
                                    _mm256_cvtps_ph(x.low, _MM_FROUND_TO_NEAREST_INT));
    __m256i largest = _mm256_set1_epi16(0x7fff), magnitude = _mm256_and_si256(bits, largest);
    __m256i isNaN = _mm256_cmpgt_epi16(magnitude, _mm256_set1_epi16(0x7c00));
    return _mm256_blendv_epi8(bits, largest, isNaN);
  }
};

struct BF16 {
  TILEWRIGHT_INLINE Pair widen(__m256i x) {
    __m256i zero = _mm256_setzero_si256();
    return {_mm256_castsi256_ps(_mm256_unpacklo_epi16(zero, x)),
            _mm256_castsi256_ps(_mm256_unpackhi_epi16(zero, x))};
  }
  TILEWRIGHT_INLINE __m256i round(__m256 x) {
    __m256i bits = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i sum = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    __m256i isNaN = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(_mm256_srli_epi32(sum, 16), _mm256_set1_epi32(0x7fff), isNaN);
  }
  TILEWRIGHT_INLINE __m256i narrow(Pair x) {
    return _mm256_packus_epi32(round(x.low), round(x.high));
  }
};

/// fast::addToOddLanes.
TILEWRIGHT_INLINE __m256 addToOdd(__m256 a, __m256 b) {
  __m256 sum = _mm256_add_ps(a, b), bPart = _mm256_sub_ps(sum, a);
  __m256 error =
      _mm256_add_ps(_mm256_sub_ps(a, _mm256_sub_ps(sum, bPart)), _mm256_sub_ps(b, bPart));
  __m256i bits = _mm256_castps_si256(sum), one = _mm256_set1_epi32(1);
  // +1 where the exact sum is farther from zero, else -1.
  __m256i step = _mm256_or_si256(
      _mm256_srai_epi32(_mm256_xor_si256(bits, _mm256_castps_si256(error)), 31), one);
  __m256i isInexact = _mm256_castps_si256(_mm256_cmp_ps(error, _mm256_setzero_ps(), _CMP_NEQ_OQ));
  __m256i isEven = _mm256_cmpeq_epi32(_mm256_and_si256(bits, one), _mm256_setzero_si256());
  step = _mm256_and_si256(step, _mm256_and_si256(isInexact, isEven));
  return _mm256_castsi256_ps(_mm256_add_epi32(bits, step));
}

//===----------------------------------------------------------------------===//
// Operations on sixteen elements
//===----------------------------------------------------------------------===//

template <typename Type> struct Add {
  TILEWRIGHT_INLINE __m256i apply(__m256i a, __m256i b) {
    Pair x = Type::widen(a), y = Type::widen(b);
    return Type::narrow({_mm256_add_ps(x.low, y.low), _mm256_add_ps(x.high, y.high)});
  }
};
template <typename Type> struct Subtract {
  TILEWRIGHT_INLINE __m256i apply(__m256i a, __m256i b) {
    return Add<Type>::apply(a, _mm256_xor_si256(b, _mm256_set1_epi16(int16_t(0x8000))));
  }
};
template <typename Type> struct Multiply {
  TILEWRIGHT_INLINE __m256i apply(__m256i a, __m256i b) {
    Pair x = Type::widen(a), y = Type::widen(b);
    return Type::narrow({_mm256_mul_ps(x.low, y.low), _mm256_mul_ps(x.high, y.high)});
  }
};

struct FmaF16 {
  TILEWRIGHT_INLINE __m256i apply(__m256i a, __m256i b, __m256i c) {
    Pair x = F16::widen(a), y = F16::widen(b), z = F16::widen(c);
    return F16::narrow({addToOdd(_mm256_mul_ps(x.low, y.low), z.low),
                        addToOdd(_mm256_mul_ps(x.high, y.high), z.high)});
  }
};

/// Whether f32 holds each product: zero, or in [2^-133, 2^127].
TILEWRIGHT_INLINE __m256i isExact(__m256 x, __m256 y, __m256 product) {
  __m256i magnitude = _mm256_and_si256(_mm256_castps_si256(product), _mm256_set1_epi32(0x7fffffff));
  __m256 zero = _mm256_setzero_ps();
  __m256 isZero =
      _mm256_or_ps(_mm256_cmp_ps(x, zero, _CMP_EQ_OQ), _mm256_cmp_ps(y, zero, _CMP_EQ_OQ));
  __m256i isLarge = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7f000000));
  __m256i isNotSmall = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32((1 << 16) - 1));
  return _mm256_andnot_si256(isLarge, _mm256_or_si256(isNotSmall, _mm256_castps_si256(isZero)));
}

struct FmaBF16 {
  TILEWRIGHT_INLINE __m256i apply(__m256i a, __m256i b, __m256i c) {
    Pair x = BF16::widen(a), y = BF16::widen(b), z = BF16::widen(c);
    Pair product = {_mm256_mul_ps(x.low, y.low), _mm256_mul_ps(x.high, y.high)};
    __m256i result = BF16::narrow({addToOdd(product.low, z.low), addToOdd(product.high, z.high)});
    __m256i exact = _mm256_packs_epi32(isExact(x.low, y.low, product.low),
                                       isExact(x.high, y.high, product.high));
    uint32_t rest = ~static_cast<uint32_t>(_mm256_movemask_epi8(exact));
    return rest == 0 ? result : redo(a, b, c, result, rest);
  }

  /// `rest`: two bits for each element to compute through f64.
  TILEWRIGHT_TARGET __attribute__((noinline)) static __m256i redo(__m256i a, __m256i b, __m256i c,
                                                                  __m256i result, uint32_t rest) {
    alignas(32) uint16_t x[16], y[16], z[16], d[16];
    _mm256_store_si256(reinterpret_cast<__m256i *>(x), a);
    _mm256_store_si256(reinterpret_cast<__m256i *>(y), b);
    _mm256_store_si256(reinterpret_cast<__m256i *>(z), c);
    _mm256_store_si256(reinterpret_cast<__m256i *>(d), result);
    for (unsigned i = 0; i < 16; ++i)
      if (rest >> (2 * i) & 1)
        d[i] = fast::fmaBF16(x[i], y[i], z[i]);
    return _mm256_load_si256(reinterpret_cast<const __m256i *>(d));
  }
};

/// prmt: selector nibble k names byte 0-7 of {b, a} and, with bit 3, its sign.
struct Permute {
  TILEWRIGHT_INLINE __m256i apply(__m256i a, __m256i b, __m256i c) {
    // The four nibbles, one to a byte.
    __m256i spread = _mm256_and_si256(c, _mm256_set1_epi32(0xffff));
    spread = _mm256_and_si256(_mm256_or_si256(spread, _mm256_slli_epi32(spread, 8)),
                              _mm256_set1_epi32(0x00ff00ff));
    spread = _mm256_and_si256(_mm256_or_si256(spread, _mm256_slli_epi32(spread, 4)),
                              _mm256_set1_epi8(0x0f));
    // A shuffle takes byte (index & 15) of its 16, and 0 where bit 7 is set.
    const __m256i base = _mm256_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 0, 0,
                                          0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
    __m256i within = _mm256_add_epi8(_mm256_and_si256(spread, _mm256_set1_epi8(3)), base);
    __m256i isB = _mm256_and_si256(_mm256_slli_epi32(spread, 5), _mm256_set1_epi8(int8_t(0x80)));
    __m256i isA = _mm256_xor_si256(isB, _mm256_set1_epi8(int8_t(0x80)));
    __m256i bytes = _mm256_or_si256(_mm256_shuffle_epi8(a, _mm256_or_si256(within, isB)),
                                    _mm256_shuffle_epi8(b, _mm256_or_si256(within, isA)));
    __m256i sign = _mm256_cmpgt_epi8(_mm256_setzero_si256(), bytes);
    // blendv looks at bit 7, where bit 3 of the nibble is put.
    return _mm256_blendv_epi8(bytes, sign, _mm256_slli_epi32(spread, 4));
  }
};

//===----------------------------------------------------------------------===//
// Whole warps
//===----------------------------------------------------------------------===//

template <typename Element> TILEWRIGHT_INLINE __m256i load(const Element *from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from));
}

/// The elements in `mask`, as bytes of ones.
TILEWRIGHT_INLINE __m256i spreadMask(uint32_t mask, const uint32_t *) {
  const __m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(int(mask)), bits), bits);
}
TILEWRIGHT_INLINE __m256i spreadMask(uint32_t mask, const uint16_t *) {
  const __m256i bits = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096,
                                         8192, 16384, int16_t(0x8000));
  return _mm256_cmpeq_epi16(_mm256_and_si256(_mm256_set1_epi16(int16_t(mask)), bits), bits);
}

template <typename Element>
TILEWRIGHT_INLINE void store(Element *d, __m256i result, uint32_t mask, bool isFull) {
  if (!isFull)
    result = _mm256_blendv_epi8(load(d), result, spreadMask(mask, d));
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(d), result);
}

/// 32-bit registers hold two elements a lane, 16-bit registers one.
template <typename Operation, typename Element>
TILEWRIGHT_TARGET void binary(Element *d, const Element *a, const Element *b, uint32_t mask) {
  constexpr unsigned step = 32 / sizeof(Element);
  bool isFull = mask == ~0u;
  for (unsigned i = 0; i < 32; i += step)
    store(d + i, Operation::apply(load(a + i), load(b + i)), mask >> i, isFull);
}
template <typename Operation, typename Element>
TILEWRIGHT_TARGET void ternary(Element *d, const Element *a, const Element *b, const Element *c,
                               uint32_t mask) {
  constexpr unsigned step = 32 / sizeof(Element);
  bool isFull = mask == ~0u;
  for (unsigned i = 0; i < 32; i += step)
    store(d + i, Operation::apply(load(a + i), load(b + i), load(c + i)), mask >> i, isFull);
}

TILEWRIGHT_TARGET void narrowF16(uint16_t *d, const uint32_t *a, uint32_t mask) {
  for (unsigned i = 0; i < 32; i += 16)
    store(d + i,
          F16::narrow({_mm256_castsi256_ps(load(a + i)), _mm256_castsi256_ps(load(a + i + 8))}),
          mask >> i, mask == ~0u);
}
TILEWRIGHT_TARGET void narrowBF16(uint16_t *d, const uint32_t *a, uint32_t mask) {
  for (unsigned i = 0; i < 32; i += 16) {
    __m256i packed =
        BF16::narrow({_mm256_castsi256_ps(load(a + i)), _mm256_castsi256_ps(load(a + i + 8))});
    // Back from the order of the two 128-bit halves.
    store(d + i, _mm256_permute4x64_epi64(packed, 0xd8), mask >> i, mask == ~0u);
  }
}

} // namespace

bool tilewright::numerics::useHalfInstructions(WarpOperations &operations) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("f16c"))
    return false;
  operations.addF16x2 = binary<Add<F16>, uint32_t>;
  operations.subtractF16x2 = binary<Subtract<F16>, uint32_t>;
  operations.multiplyF16x2 = binary<Multiply<F16>, uint32_t>;
  operations.fmaF16x2 = ternary<FmaF16, uint32_t>;
  operations.addBF16x2 = binary<Add<BF16>, uint32_t>;
  operations.subtractBF16x2 = binary<Subtract<BF16>, uint32_t>;
  operations.multiplyBF16x2 = binary<Multiply<BF16>, uint32_t>;
  operations.fmaBF16x2 = ternary<FmaBF16, uint32_t>;
  operations.addF16 = binary<Add<F16>, uint16_t>;
  operations.subtractF16 = binary<Subtract<F16>, uint16_t>;
  operations.multiplyF16 = binary<Multiply<F16>, uint16_t>;
  operations.fmaF16 = ternary<FmaF16, uint16_t>;
  operations.addBF16 = binary<Add<BF16>, uint16_t>;
  operations.subtractBF16 = binary<Subtract<BF16>, uint16_t>;
  operations.multiplyBF16 = binary<Multiply<BF16>, uint16_t>;
  operations.fmaBF16 = ternary<FmaBF16, uint16_t>;
  operations.narrowF16 = narrowF16;
  operations.narrowBF16 = narrowBF16;
  operations.permute = ternary<Permute, uint32_t>;
  return true;
}

#else

bool tilewright::numerics::useHalfInstructions(WarpOperations &) { return false; }

#endif
