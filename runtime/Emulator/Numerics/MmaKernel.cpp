//===- MmaKernel.cpp - The vectorised path of mma -------------------------===//
//
// The fused sums of Mma.h, eight columns of one row at a time, in f32 vectors:
//
//   product   t = a * b                     exact: at most 22 significant bits
//   exponent  p = max(pow2(a) * pow2(b))    pow2: 2^e of rule 1, 0 for a zero
//   aligned   trunc(t * 2^F / p)            exact scaling, then a conversion
//   sum       in integers
//
// All of it is exact while the powers of all products, and that of the
// accumulator, are zero or in [2^-100, 2^100]: then 2^F / p is at most 2^125,
// and a result that is not zero is at least 2^-125, a normal number. Scaling may underflow only to
// values below one, which the conversion cuts to zero anyway. Everything else is left to the exact
// path of Mma.cpp.
//
// Example, F = 24: terms 1.5 * 1.5 and c = 2^-30. p = 1, the scaled terms are
// 2.25 * 2^24 and 2^-6, the integers 37748736 and 0, the sum 2.25.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Numerics/MmaKernel.h"
#include <array>
#include <bit>

using namespace tilewright;
using namespace tilewright::numerics;

#define TILEWRIGHT_INLINE static inline __attribute__((always_inline))

namespace {

typedef float Floats __attribute__((vector_size(32)));
typedef int32_t Ints __attribute__((vector_size(32)));
typedef uint32_t Words __attribute__((vector_size(32)));
typedef double Doubles __attribute__((vector_size(64)));
static_assert(sizeof(Floats) / sizeof(float) == kKernelLanes);

constexpr int32_t kExponentField = 0x7f800000;
constexpr int32_t kBias = 127, kTermExponents = 100;
constexpr float kMinTerm = 0x1p-100f, kMaxAccumulator = 0x1p100f;

/// The value of each encoding of an 8-bit or narrower format.
using ValueTable = std::array<float, 256>;

/// The exponent fields of the smallest and the largest power of an operand
/// that is not zero; {255, 0} without one.
struct Range {
  int32_t low, high;
};

/// One operand, decoded: values and the powers of two of rule 1.
struct Operand {
  alignas(64) float values[kKernelMaxRows * kKernelMaxK];
  alignas(64) float powers[kKernelMaxRows * kKernelMaxK];
};

/// Eight rows of b, transposed: [k][column].
struct Columns {
  alignas(64) float values[kKernelMaxK * kKernelLanes];
  alignas(64) float powers[kKernelMaxK * kKernelLanes];
};

} // namespace

static ValueTable makeTable(FloatType type) {
  ValueTable table;
  for (unsigned bits = 0; bits < table.size(); ++bits)
    table[bits] = static_cast<float>(toDouble(bits, type));
  return table;
}

/// Tables are built on first use and never change.
static const ValueTable *getTable(FloatType type) {
  static const ValueTable e4m3 = makeTable(FloatType::E4M3), e5m2 = makeTable(FloatType::E5M2),
                          e3m2 = makeTable(FloatType::E3M2), e2m3 = makeTable(FloatType::E2M3),
                          e2m1 = makeTable(FloatType::E2M1);
  switch (type) {
  case FloatType::E4M3:
    return &e4m3;
  case FloatType::E5M2:
    return &e5m2;
  case FloatType::E3M2:
    return &e3m2;
  case FloatType::E2M3:
    return &e2m3;
  case FloatType::E2M1:
    return &e2m1;
  default:
    return nullptr;
  }
}

/// 2^e of the smallest normal number, where it lies in the kernel's range.
static float getMinPower(FloatType type) {
  switch (type) {
  case FloatType::F16:
  case FloatType::E5M2:
    return 0x1p-14f;
  case FloatType::E4M3:
    return 0x1p-6f;
  case FloatType::E3M2:
    return 0x1p-2f;
  case FloatType::E2M3:
  case FloatType::E2M1:
    return 1.0f;
  default:
    return 0.0f;
  }
}

//===----------------------------------------------------------------------===//
// Decoding (vectors go by reference: wider than the baseline's registers they
// have no stable calling convention, and all of this is inlined)
//===----------------------------------------------------------------------===//

TILEWRIGHT_INLINE void load(Floats &result, const float *source) {
  __builtin_memcpy(&result, source, sizeof(result));
}

TILEWRIGHT_INLINE void loadElements(Words &result, const uint32_t *source) {
  __builtin_memcpy(&result, source, sizeof(result));
}
TILEWRIGHT_INLINE void loadElements(Words &result, const uint16_t *source) {
  typedef uint16_t Halves __attribute__((vector_size(16)));
  Halves halves;
  __builtin_memcpy(&halves, source, sizeof(halves));
  result = __builtin_convertvector(halves, Words);
}

/// Bits to value. f16 keeps its exponent field, which scaling by 2^112 rebiases
/// (subnormals too); infinity and NaN come out at 2^16 and above, where the
/// range check finds them.
TILEWRIGHT_INLINE void decodeVector(Floats &value, const Words &bits, FloatType type) {
  if (type == FloatType::F16)
    value = (Floats)((Words)((Floats)((bits & 0x7fff) << 13) * 0x1p112f) | ((bits & 0x8000) << 16));
  else if (type == FloatType::BF16)
    value = (Floats)(bits << 16);
  else
    value = (Floats)(bits & ~0x1fffu); // tf32: 13 low bits are dropped
}

template <typename Element>
TILEWRIGHT_INLINE void decodeValues(const Element *source, FloatType type, unsigned count,
                                    float *values) {
  if (const ValueTable *table = getTable(type)) {
    for (unsigned i = 0; i < count; ++i)
      values[i] = (*table)[source[i] & 0xff];
    return;
  }
  for (unsigned i = 0; i < count; i += kKernelLanes) {
    Words bits;
    Floats value;
    loadElements(bits, source + i);
    decodeVector(value, bits, type);
    __builtin_memcpy(values + i, &value, sizeof(value));
  }
}

TILEWRIGHT_INLINE void decode(const KernelArguments &arguments, const void *source, size_t offset,
                              FloatType type, unsigned count, float *values) {
  if (arguments.packed)
    decodeValues(static_cast<const uint16_t *>(source) + offset, type, count, values);
  else
    decodeValues(static_cast<const uint32_t *>(source) + offset, type, count, values);
}

TILEWRIGHT_INLINE bool isAnySet(const Ints &mask) {
  typedef int64_t Longs __attribute__((vector_size(32)));
  Longs halves = (Longs)mask;
  return (halves[0] | halves[1] | halves[2] | halves[3]) != 0;
}

/// The powers of `values`, and their range.
TILEWRIGHT_INLINE void findPowers(const float *values, float *powers, FloatType type,
                                  unsigned count, Range &range) {
  Floats lowestPower = (Floats){} + getMinPower(type);
  Ints low = (Ints){} + kExponentField, high = {};
  for (unsigned i = 0; i < count; i += kKernelLanes) {
    Floats value;
    load(value, values + i);
    Ints magnitude = (Ints)value & INT32_MAX;
    Floats power = (Floats)(magnitude & kExponentField);
    power = power > lowestPower ? power : lowestPower;
    Ints isNonzero = magnitude != 0;
    Ints field = (Ints)power & isNonzero, nonzeroField = field | (~isNonzero & kExponentField);
    low = nonzeroField < low ? nonzeroField : low;
    high = field > high ? field : high;
    __builtin_memcpy(powers + i, &field, sizeof(field));
  }
  range = {kExponentField, 0};
  for (unsigned lane = 0; lane < kKernelLanes; ++lane) {
    range.low = low[lane] < range.low ? low[lane] : range.low;
    range.high = high[lane] > range.high ? high[lane] : range.high;
  }
  range.low >>= 23;
  range.high >>= 23;
}

/// Whether every product of the two operands is in the kernel's range. An f16
/// infinity or NaN decodes to 2^16 and above, others have the top field; a
/// subnormal bf16 or tf32 has field 0.
static bool isInRange(const Range &a, const Range &b, const KernelArguments &arguments) {
  auto isFinite = [](const Range &range, FloatType type) {
    return range.high <= (type == FloatType::F16 ? kBias + 15 : 2 * kBias) && range.low > 0;
  };
  return isFinite(a, arguments.aType) && isFinite(b, arguments.bType) &&
         a.low + b.low >= 2 * kBias - kTermExponents &&
         a.high + b.high <= 2 * kBias + kTermExponents;
}

TILEWRIGHT_INLINE bool loadColumns(const KernelArguments &arguments, unsigned column,
                                   const Range &aRange, Columns &columns) {
  const unsigned k = arguments.shape.k;
  alignas(64) float rows[kKernelLanes * kKernelMaxK];
  decode(arguments, arguments.b, size_t(column) * k, arguments.bType, kKernelLanes * k, rows);
  for (unsigned i = 0; i < k; ++i)
    for (unsigned lane = 0; lane < kKernelLanes; ++lane)
      columns.values[i * kKernelLanes + lane] = rows[lane * k + i];
  Range range;
  findPowers(columns.values, columns.powers, arguments.bType, k * kKernelLanes, range);
  return isInRange(aRange, range, arguments);
}

//===----------------------------------------------------------------------===//
// Vector steps
//===----------------------------------------------------------------------===//

TILEWRIGHT_INLINE void toInts(Ints &result, const Floats &value) {
  result = __builtin_convertvector(value, Ints);
}

/// An integer below 2^31 as f32, cut toward zero or rounded to odd.
template <bool ToOdd> TILEWRIGHT_INLINE void cutSum(Floats &result, const Ints &sum) {
  Floats nearest = __builtin_convertvector(sum, Floats);
  Ints back = __builtin_convertvector(nearest, Ints);
  Ints magnitude = sum < 0 ? -sum : sum, backMagnitude = back < 0 ? -back : back;
  Ints bits = (Ints)nearest + (backMagnitude > magnitude); // true is -1
  if (ToOdd)
    bits |= (back != sum) & 1;
  result = (Floats)bits;
}

/// The same for a sum in two parts, each below 2^31.
template <bool ToOdd>
TILEWRIGHT_INLINE void cutWideSum(Floats &result, const Ints &first, const Ints &second) {
  Doubles exact =
      __builtin_convertvector(first, Doubles) + __builtin_convertvector(second, Doubles);
  Floats nearest = __builtin_convertvector(exact, Floats);
  Doubles back = __builtin_convertvector(nearest, Doubles);
  Doubles past = exact < 0 ? exact - back : back - exact;
  Ints bits = (Ints)nearest + __builtin_convertvector(past > 0, Ints);
  if (ToOdd)
    bits |= __builtin_convertvector(past != 0, Ints) & 1;
  result = (Floats)bits;
}

/// Rounds f32 to the values of f16, to nearest even (fast::narrowF16, kept in
/// f32).
TILEWRIGHT_INLINE void roundToHalf(Floats &value) {
  Ints bits = (Ints)value, sign = bits & INT32_MIN, magnitude = bits & INT32_MAX;
  Ints normal = (magnitude + 0xfff + ((magnitude >> 13) & 1)) & ~0x1fff;
  Floats shifted = (Floats)magnitude + 0.5f;
  Ints subnormal = (Ints)(shifted - 0.5f);
  Ints rounded = magnitude < 0x38800000 ? subnormal : normal;
  rounded = rounded < 0x47800000 ? rounded : (Ints){} + kExponentField;
  // A sum that is zero is +0; a rounded one keeps its sign.
  value = (Floats)(rounded | sign);
}

/// The encoding of a value that `roundToHalf` has left.
TILEWRIGHT_INLINE void encodeHalf(Words &bits, const Floats &value) {
  Words magnitude = (Words)value & INT32_MAX;
  Words normal = (magnitude - (112u << 23)) >> 13;
  Words subnormal = (Words)((Floats)magnitude + 0.5f) - 0x3f000000u;
  Words finite = magnitude < 0x38800000u ? subnormal : normal;
  bits =
      (magnitude < 0x47800000u ? finite : (Words){} + 0x7c00u) | (((Words)value >> 16) & 0x8000u);
}

/// 2^e of an accumulator, and which lanes leave the kernel's range. Those become
/// zero, so that nothing below computes with them.
TILEWRIGHT_INLINE void findAccumulatorPower(Floats &c, bool isHalf, Floats &power, Ints &outside) {
  Ints magnitude = (Ints)c & INT32_MAX;
  Floats field = (Floats)(magnitude & kExponentField);
  Floats low = (Floats){} + (isHalf ? 0x1p-14f : 0.0f);
  field = field > low ? field : low;
  // An f16 infinity or NaN decodes to 2^16 and above.
  const float limit = isHalf ? 0x1p15f : kMaxAccumulator;
  outside |= (field > limit) | ((magnitude != 0) & (field < kMinTerm));
  c = (Floats)((Ints)c & ~outside);
  power = (Floats)((magnitude != 0) & ~outside & (Ints)field);
}

//===----------------------------------------------------------------------===//
// The sums
//===----------------------------------------------------------------------===//

/// Whether Group products of significand below 4 and an accumulator below 2 stay
/// under 2^31 with F fractional bits. If not, half of the group does: 16-bit
/// operands have at most 16 products, and the significands of 8-bit products
/// are at most 1.875^2, 32 of them in two sums of 2^25 * (16 * 1.875^2 + 2).
template <unsigned F, unsigned Group> constexpr bool fitsOneSum() {
  return (Group * 4 + 2) << (F - 13) < 1u << (31 - 13);
}

/// One fused sum of one row: c += a[0..Group) * b[0..Group).
template <unsigned F, unsigned Group, unsigned Mantissa, bool IsHalf>
TILEWRIGHT_INLINE void fusedSum(const float *a, const float *aPowers, const float *b,
                                const float *bPowers, Floats &c, Ints &outside) {
  // The products do not wait for the accumulator, which the previous sum may
  // still be computing.
  Floats products[Group], largest = (Floats){} + kMinTerm;
#pragma GCC unroll 32
  for (unsigned k = 0; k < Group; ++k) {
    Floats values, powers;
    load(values, b + k * kKernelLanes);
    load(powers, bPowers + k * kKernelLanes);
    products[k] = values * a[k];
    powers = powers * aPowers[k];
    largest = powers > largest ? powers : largest;
  }
  Floats accumulatorPower;
  findAccumulatorPower(c, IsHalf, accumulatorPower, outside);
  largest = accumulatorPower > largest ? accumulatorPower : largest;
  // 2^F / largest and largest / 2^F, by their exponents.
  Floats scale = (Floats)(((254u + F) << 23) - (Words)largest);
  Floats unscale = (Floats)((Words)largest - (F << 23));
  constexpr bool kOneSum = fitsOneSum<F, Group>();
  Ints sums[2] = {};
  toInts(sums[0], c * scale);
#pragma GCC unroll 32
  for (unsigned k = 0; k < Group; ++k) {
    Ints term;
    toInts(term, products[k] * scale);
    sums[kOneSum ? 0 : k % 2] += term;
  }
  Floats cut;
  if constexpr (kOneSum)
    cutSum<IsHalf>(cut, sums[0]);
  else
    cutWideSum<IsHalf>(cut, sums[0], sums[1]);
  c = cut * unscale;
  if constexpr (IsHalf)
    roundToHalf(c);
  else if constexpr (Mantissa < 23)
    c = (Floats)((Ints)c & ~((1 << (23 - Mantissa)) - 1));
}

TILEWRIGHT_INLINE void loadAccumulator(const KernelArguments &arguments, size_t index, bool isHalf,
                                       Floats &c) {
  if (!isHalf) {
    __builtin_memcpy(&c, arguments.c + index, sizeof(c));
    return;
  }
  Words bits;
  loadElements(bits, arguments.c + index);
  decodeVector(c, bits, FloatType::F16);
}

TILEWRIGHT_INLINE void storeResult(const KernelArguments &arguments, size_t index, bool isHalf,
                                   const Floats &c) {
  if (!isHalf) {
    __builtin_memcpy(arguments.d + index, &c, sizeof(c));
    return;
  }
  Words bits;
  encodeHalf(bits, c);
  __builtin_memcpy(arguments.d + index, &bits, sizeof(bits));
}

template <unsigned F, unsigned Group, unsigned Mantissa, bool IsHalf>
TILEWRIGHT_INLINE void runRows(const KernelArguments &arguments, const Operand &a, const Columns &b,
                               unsigned column, void (*redo)(void *, unsigned, unsigned),
                               void *context) {
  const MmaShape &shape = arguments.shape;
  for (unsigned m = 0; m < shape.m; ++m) {
    size_t index = size_t(m) * shape.n + column;
    Floats c;
    loadAccumulator(arguments, index, IsHalf, c);
    Ints outside = {};
    for (unsigned k = 0; k < shape.k; k += Group)
      fusedSum<F, Group, Mantissa, IsHalf>(a.values + m * shape.k + k, a.powers + m * shape.k + k,
                                           b.values + k * kKernelLanes, b.powers + k * kKernelLanes,
                                           c, outside);
    if (isAnySet(outside))
      redo(context, m, column);
    else
      storeResult(arguments, index, IsHalf, c);
  }
}

//===----------------------------------------------------------------------===//
// Dispatch
//===----------------------------------------------------------------------===//

/// The groups of Mma.cpp's rules; a shape with a smaller k has one group of k.
static constexpr unsigned getKey(unsigned fractionBits, unsigned group) {
  return fractionBits << 8 | group;
}

static unsigned getKey(const KernelArguments &arguments) {
  const MmaRule &rule = arguments.rule;
  return getKey(rule.fractionBits, rule.group < arguments.shape.k ? rule.group : arguments.shape.k);
}

template <bool IsHalf>
TILEWRIGHT_INLINE void runRule(const KernelArguments &arguments, const Operand &a, const Columns &b,
                               unsigned column, void (*redo)(void *, unsigned, unsigned),
                               void *context) {
  switch (getKey(arguments)) {
  case getKey(24, 4):
    return runRows<24, 4, 23, IsHalf>(arguments, a, b, column, redo, context);
  case getKey(24, 8):
    return runRows<24, 8, 23, IsHalf>(arguments, a, b, column, redo, context);
  case getKey(25, 8):
    return runRows<25, 8, 23, IsHalf>(arguments, a, b, column, redo, context);
  case getKey(25, 16):
    return runRows<25, 16, 23, IsHalf>(arguments, a, b, column, redo, context);
  case getKey(25, 32):
    return runRows<25, 32, 23, IsHalf>(arguments, a, b, column, redo, context);
  case getKey(13, 16):
    return runRows<13, 16, 13, IsHalf>(arguments, a, b, column, redo, context);
  case getKey(13, 32):
    return runRows<13, 32, 13, IsHalf>(arguments, a, b, column, redo, context);
  }
}

TILEWRIGHT_INLINE bool runTile(const KernelArguments &arguments,
                               void (*redo)(void *, unsigned, unsigned), void *context) {
  const MmaShape &shape = arguments.shape;
  Operand a;
  decode(arguments, arguments.a, 0, arguments.aType, shape.m * shape.k, a.values);
  Range range;
  findPowers(a.values, a.powers, arguments.aType, shape.m * shape.k, range);
  // All columns are checked before anything is written.
  Columns b;
  if (shape.n > kKernelLanes)
    for (unsigned column = 0; column < shape.n; column += kKernelLanes)
      if (!loadColumns(arguments, column, range, b))
        return false;
  for (unsigned column = 0; column < shape.n; column += kKernelLanes) {
    if (!loadColumns(arguments, column, range, b))
      return false;
    if (arguments.accumulator == FloatType::F16)
      runRule<true>(arguments, a, b, column, redo, context);
    else
      runRule<false>(arguments, a, b, column, redo, context);
  }
  return true;
}

static bool runBaseline(const KernelArguments &arguments, void (*redo)(void *, unsigned, unsigned),
                        void *context) {
  return runTile(arguments, redo, context);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static bool
runAvx2(const KernelArguments &arguments, void (*redo)(void *, unsigned, unsigned), void *context) {
  return runTile(arguments, redo, context);
}
#endif

bool numerics::isKernelCase(const KernelArguments &arguments) {
  const MmaShape &shape = arguments.shape;
  if (shape.n % kKernelLanes != 0 || shape.k > kKernelMaxK || shape.k == 0)
    return false;
  switch (getKey(arguments)) {
  case getKey(24, 4):
  case getKey(24, 8):
  case getKey(25, 8):
  case getKey(25, 16):
  case getKey(25, 32):
  case getKey(13, 16):
  case getKey(13, 32):
    return (shape.k % arguments.rule.group == 0 || shape.k < arguments.rule.group) &&
           shape.m * shape.k % kKernelLanes == 0;
  }
  return false;
}

bool numerics::runKernel(const KernelArguments &arguments, void (*redo)(void *, unsigned, unsigned),
                         void *context) {
#if defined(__x86_64__)
  static const bool hasAvx2 = __builtin_cpu_supports("avx2");
  if (hasAvx2)
    return runAvx2(arguments, redo, context);
#endif
  return runBaseline(arguments, redo, context);
}
