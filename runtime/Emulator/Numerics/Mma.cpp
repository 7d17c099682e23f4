//===- Mma.cpp - Tensor core sums, rule by rule ---------------------------===//
//
// The table of rules, the exact path that follows Mma.h word by word for any
// operand, and the entry points, which send the usual cases to MmaKernel.cpp.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Numerics/Mma.h"
#include "runtime/Emulator/Numerics/Format.h"
#include "runtime/Emulator/Numerics/MmaKernel.h"
#include "llvm/ADT/SmallVector.h"
#include <algorithm>
#include <bit>
#include <type_traits>

using namespace tilewright;
using namespace tilewright::numerics;

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

namespace {
/// F for 16-bit and tf32 operands, and how many bytes of each operand enter one
/// fused sum (MMA-Sim: F of each architecture, and the longest dot product of
/// its instructions). Turing: F = 24 with all of m16n8k8 in one sum.
struct CoreRow {
  target::TensorCore core;
  unsigned fractionBits, groupBytes;
};
constexpr CoreRow kCores[] = {
    {target::TensorCore::Turing, 24, 16},    {target::TensorCore::Ampere, 24, 16},
    {target::TensorCore::Ada, 24, 16},       {target::TensorCore::Hopper, 25, 32},
    {target::TensorCore::Blackwell, 25, 32},
};
} // namespace

static const CoreRow &getCore(target::TensorCore core) {
  return *llvm::find_if(kCores, [&](const CoreRow &row) { return row.core == core; });
}

static unsigned getOperandBytes(FloatType type) {
  return type == FloatType::TF32 ? 4 : type == FloatType::F16 || type == FloatType::BF16 ? 2 : 1;
}

MmaRule numerics::getMmaRule(target::TensorCore core, MmaInstruction instruction, FloatType aType,
                             FloatType bType) {
  const CoreRow &row = getCore(core);
  unsigned bytes = std::max(getOperandBytes(aType), getOperandBytes(bType));
  MmaRule rule = {row.fractionBits, row.groupBytes / bytes, 23, false};
  if (bytes != 1)
    return rule;
  bool isHopper = core == target::TensorCore::Hopper;
  if (instruction == MmaInstruction::MmaThroughHalf ||
      (isHopper && instruction == MmaInstruction::Mma)) {
    rule.throughHalf = true;
    rule.group = row.groupBytes / 2;
  } else if (isHopper || core == target::TensorCore::Ada) {
    // The 8-bit datapath of Ada and of Hopper's wgmma is narrower.
    rule.fractionBits = rule.mantissaBits = 13;
  }
  return rule;
}

//===----------------------------------------------------------------------===//
// The exact path
//===----------------------------------------------------------------------===//

namespace {
/// One addend of a fused sum: significand * 2^(exponent - fraction).
struct Term {
  Kind kind;
  bool negative;
  uint64_t significand;
  int exponent;
  int fraction;
};
} // namespace

/// Rule 1: the exponent is that of the leading one, but a subnormal's is the
/// smallest normal exponent; both follow from the place of the last bit.
static Term makeTerm(uint64_t bits, FloatType type) {
  Unpacked value = unpack(bits, type);
  int fraction = type == FloatType::UE8M0 ? 0 : static_cast<int>(getFormat(type).mantissaBits);
  return {value.kind, value.negative, value.kind == Kind::Finite ? value.significand : 0,
          value.exponent + fraction, fraction};
}

/// Rule 2, and the products that are NaN or infinite.
static Term multiplyTerms(const Term &a, const Term &b) {
  bool negative = a.negative != b.negative;
  auto either = [&](Kind kind) { return a.kind == kind || b.kind == kind; };
  Kind kind = Kind::Finite;
  if (either(Kind::NaN) || (either(Kind::Infinity) && either(Kind::Zero)))
    kind = Kind::NaN;
  else if (either(Kind::Infinity))
    kind = Kind::Infinity;
  else if (either(Kind::Zero))
    kind = Kind::Zero;
  return {kind, negative, a.significand * b.significand, a.exponent + b.exponent,
          a.fraction + b.fraction};
}

/// The exponent that a zero term brings to the sum.
static constexpr int kZeroExponent = -126;

/// Rule 3: cuts the magnitude to F fractional bits relative to 2^largest.
static __int128_t alignTerm(const Term &term, int largest, int fractionBits) {
  if (term.kind != Kind::Finite)
    return 0;
  int shift = fractionBits - term.fraction + term.exponent - largest;
  UInt128 magnitude = term.significand;
  magnitude = shift >= 0 ? magnitude << shift : shift > -128 ? magnitude >> -shift : 0;
  return term.negative ? -static_cast<__int128_t>(magnitude) : static_cast<__int128_t>(magnitude);
}

/// Rule 4: (-1)^negative * magnitude * 2^exponent as the accumulator's bits.
static uint32_t roundResult(bool negative, UInt128 magnitude, int exponent, FloatType accumulator,
                            unsigned mantissaBits) {
  if (magnitude == 0)
    return 0;
  if (accumulator == FloatType::F16)
    return static_cast<uint32_t>(
        roundToFormat(negative, magnitude, exponent, FloatType::F16, Rounding::NearestEven));
  if (exponent + highestBit(magnitude) > 127)
    return static_cast<uint32_t>(encodeInfinity(negative, FloatType::F32, false));
  uint64_t bits = roundToFormat(negative, magnitude, exponent, FloatType::F32, Rounding::Zero);
  return static_cast<uint32_t>(bits) & ~((1u << (23 - mantissaBits)) - 1);
}

/// One fused sum over `terms`, the accumulator among them.
static uint32_t sumTerms(llvm::ArrayRef<Term> terms, unsigned fractionBits, FloatType accumulator,
                         unsigned mantissaBits) {
  int largest = kZeroExponent;
  bool any = false, isNaN = false, positiveInfinity = false, negativeInfinity = false;
  for (const Term &term : terms) {
    isNaN |= term.kind == Kind::NaN;
    positiveInfinity |= term.kind == Kind::Infinity && !term.negative;
    negativeInfinity |= term.kind == Kind::Infinity && term.negative;
    int exponent = term.kind == Kind::Finite ? term.exponent : kZeroExponent;
    largest = any ? std::max(largest, exponent) : exponent;
    any = true;
  }
  // Rule 5.
  if (isNaN || (positiveInfinity && negativeInfinity))
    return static_cast<uint32_t>(canonicalNaN(accumulator));
  if (positiveInfinity || negativeInfinity)
    return static_cast<uint32_t>(encodeInfinity(negativeInfinity, accumulator, false));
  __int128_t sum = 0;
  for (const Term &term : terms)
    sum += alignTerm(term, largest, static_cast<int>(fractionBits));
  bool negative = sum < 0;
  return roundResult(negative, static_cast<UInt128>(negative ? -sum : sum),
                     largest - static_cast<int>(fractionBits), accumulator, mantissaBits);
}

/// One element: the fused sums in order of k, each starting from the last.
static uint32_t dotProduct(const MmaRule &rule, llvm::ArrayRef<Term> a, llvm::ArrayRef<Term> b,
                           FloatType accumulator, uint32_t c) {
  llvm::SmallVector<Term, 40> terms;
  for (size_t begin = 0; begin < a.size(); begin += rule.group) {
    size_t end = std::min<size_t>(a.size(), begin + rule.group);
    terms.assign(1, makeTerm(c, accumulator));
    for (size_t k = begin; k < end; ++k)
      terms.push_back(multiplyTerms(a[k], b[k]));
    c = sumTerms(terms, rule.fractionBits, accumulator, rule.mantissaBits);
  }
  return c;
}

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

static uint32_t loadElement(const void *data, bool packed, size_t index) {
  return packed ? static_cast<const uint16_t *>(data)[index]
                : static_cast<const uint32_t *>(data)[index];
}

static void decodeRow(const void *data, bool packed, FloatType type, unsigned row, unsigned k,
                      llvm::SmallVectorImpl<Term> &terms) {
  terms.clear();
  for (unsigned i = 0; i < k; ++i)
    terms.push_back(makeTerm(loadElement(data, packed, size_t(row) * k + i), type));
}

/// Rows [row, row + rows) and columns [column, column + columns) by the exact
/// path.
static void runExact(const KernelArguments &arguments, unsigned row, unsigned rows, unsigned column,
                     unsigned columns) {
  const MmaShape &shape = arguments.shape;
  llvm::SmallVector<Term, 64> a, b;
  for (unsigned n = column; n < column + columns; ++n) {
    decodeRow(arguments.b, arguments.packed, arguments.bType, n, shape.k, b);
    for (unsigned m = row; m < row + rows; ++m) {
      decodeRow(arguments.a, arguments.packed, arguments.aType, m, shape.k, a);
      size_t index = size_t(m) * shape.n + n;
      arguments.d[index] =
          dotProduct(arguments.rule, a, b, arguments.accumulator, arguments.c[index]);
    }
  }
}

static void redoBlock(void *context, unsigned row, unsigned column) {
  runExact(*static_cast<const KernelArguments *>(context), row, 1, column, kKernelLanes);
}

static void run(KernelArguments arguments) {
  const unsigned m = arguments.shape.m;
  if (!isKernelCase(arguments))
    return runExact(arguments, 0, m, 0, arguments.shape.n);
  const size_t elementBytes = arguments.packed ? 2 : 4;
  for (unsigned row = 0; row < m; row += kKernelMaxRows) {
    KernelArguments part = arguments;
    part.shape.m = std::min(kKernelMaxRows, m - row);
    part.a = static_cast<const char *>(arguments.a) + elementBytes * row * part.shape.k;
    part.c += size_t(row) * part.shape.n;
    part.d += size_t(row) * part.shape.n;
    if (!runKernel(part, redoBlock, &part))
      runExact(part, 0, part.shape.m, 0, part.shape.n);
  }
}

/// Half of the columns of a k-major matrix, as f16: those with k % 4 < 2 or the
/// others, which is how the unpacking instructions see four bytes of a register.
static llvm::SmallVector<uint16_t> expandHalf(const uint32_t *data, FloatType type, unsigned rows,
                                              unsigned k, unsigned upper) {
  llvm::SmallVector<uint16_t> result;
  result.reserve(size_t(rows) * k / 2);
  for (size_t i = 0, end = size_t(rows) * k; i < end; ++i)
    if ((i % k % 4) / 2 == upper)
      result.push_back(static_cast<uint16_t>(convert(data[i], type, FloatType::F16)));
  return result;
}

/// `MmaRule::throughHalf`: two f16 mma from zero, then an ordinary add of c.
static void runThroughHalf(KernelArguments arguments, const uint32_t *a, const uint32_t *b) {
  MmaShape shape = arguments.shape;
  llvm::SmallVector<uint32_t> sum(size_t(shape.m) * shape.n, 0);
  for (unsigned upper : {0u, 1u}) {
    auto aHalf = expandHalf(a, arguments.aType, shape.m, shape.k, upper);
    auto bHalf = expandHalf(b, arguments.bType, shape.n, shape.k, upper);
    run({arguments.rule,
         {shape.m, shape.n, shape.k / 2},
         FloatType::F16,
         FloatType::F16,
         arguments.accumulator,
         aHalf.data(),
         bHalf.data(),
         true,
         sum.data(),
         sum.data()});
  }
  for (size_t i = 0; i < sum.size(); ++i)
    arguments.d[i] = static_cast<uint32_t>(add(arguments.c[i], sum[i], arguments.accumulator));
}

void numerics::mmaFloat(target::TensorCore core, MmaShape shape, FloatType aType, FloatType bType,
                        FloatType accumulator, const uint32_t *a, const uint32_t *b,
                        const uint32_t *c, uint32_t *d, MmaInstruction instruction) {
  MmaRule rule = getMmaRule(core, instruction, aType, bType);
  KernelArguments arguments = {rule, shape, aType, bType, accumulator, a, b, false, c, d};
  if (rule.throughHalf)
    return runThroughHalf(arguments, a, b);
  run(arguments);
}

void numerics::mmaHalf(target::TensorCore core, MmaShape shape, FloatType type,
                       FloatType accumulator, const uint16_t *a, const uint16_t *b,
                       const uint32_t *c, uint32_t *d, MmaInstruction instruction) {
  MmaRule rule = getMmaRule(core, instruction, type, type);
  run({rule, shape, type, type, accumulator, a, b, true, c, d});
}

//===----------------------------------------------------------------------===//
// Block scales
//===----------------------------------------------------------------------===//

static Term makeScale(uint32_t bits, FloatType scaleType) {
  return makeTerm(scaleType == FloatType::UE8M0 ? bits : bits & 0x7f, scaleType);
}

/// kinds mxf4 and mxf4nvf4: sixteen products of 4-bit numbers, multiples of 1/4
/// that sum exactly, then times both scales. The exponent of the term is that
/// of the scales alone.
static Term sumFours(llvm::ArrayRef<Term> a, llvm::ArrayRef<Term> b, const Term &scale) {
  int64_t sum = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    // Bring both operands to halves: E2M1 is a multiple of 1/2.
    auto halves = [](const Term &term) {
      int64_t value = static_cast<int64_t>(term.significand)
                      << (term.significand ? term.exponent : 0);
      return term.negative ? -value : value;
    };
    sum += halves(a[k]) * halves(b[k]);
  }
  Kind kind = scale.kind == Kind::NaN                ? Kind::NaN
              : sum == 0 || scale.kind == Kind::Zero ? Kind::Zero
                                                     : Kind::Finite;
  uint64_t magnitude = static_cast<uint64_t>(sum < 0 ? -sum : sum);
  return {kind, sum < 0, magnitude * scale.significand, scale.exponent, scale.fraction + 2};
}

void numerics::mmaBlockScaled(MmaShape shape, FloatType aType, FloatType bType, FloatType scaleType,
                              unsigned blockSize, const uint32_t *a, const uint32_t *b,
                              const uint32_t *scaleA, const uint32_t *scaleB, const uint32_t *c,
                              uint32_t *d) {
  // Kind mxf8f6f4 has k = 32 and scales of 32 elements; its 4-bit operands do
  // not take the path of the 4-bit kinds.
  bool isFour = aType == FloatType::E2M1 && bType == FloatType::E2M1 && shape.k == 64;
  unsigned step = isFour ? 16 : 1, fractionBits = isFour ? 35 : 25, group = isFour ? 64 : 32;
  unsigned blocks = shape.k / blockSize;
  llvm::SmallVector<Term, 64> aRow, bRow, terms;
  for (unsigned m = 0; m < shape.m; ++m)
    for (unsigned n = 0; n < shape.n; ++n) {
      decodeRow(a, false, aType, m, shape.k, aRow);
      decodeRow(b, false, bType, n, shape.k, bRow);
      uint32_t result = c[size_t(m) * shape.n + n];
      for (unsigned begin = 0; begin < shape.k; begin += group) {
        terms.assign(1, makeTerm(result, FloatType::F32));
        for (unsigned k = begin; k < std::min(shape.k, begin + group); k += step) {
          Term scale = multiplyTerms(makeScale(scaleA[m * blocks + k / blockSize], scaleType),
                                     makeScale(scaleB[n * blocks + k / blockSize], scaleType));
          llvm::ArrayRef<Term> left(aRow), right(bRow);
          terms.push_back(isFour ? sumFours(left.slice(k, step), right.slice(k, step), scale)
                                 : multiplyTerms(multiplyTerms(aRow[k], bRow[k]), scale));
        }
        result = sumTerms(terms, fractionBits, FloatType::F32, 23);
      }
      d[size_t(m) * shape.n + n] = result;
    }
}

//===----------------------------------------------------------------------===//
// Integers and f64
//===----------------------------------------------------------------------===//

/// Wrapping sums need 32 bits only, saturating ones see every carry.
template <typename Sum>
static void sumIntegers(MmaShape shape, const int32_t *a, const int32_t *b, const int32_t *c,
                        int32_t *d) {
  for (unsigned m = 0; m < shape.m; ++m)
    for (unsigned n = 0; n < shape.n; ++n) {
      const int32_t *left = a + size_t(m) * shape.k, *right = b + size_t(n) * shape.k;
      Sum sum = static_cast<Sum>(c[size_t(m) * shape.n + n]);
      for (unsigned k = 0; k < shape.k; ++k)
        sum += static_cast<Sum>(left[k]) * static_cast<Sum>(right[k]);
      if constexpr (std::is_signed_v<Sum>)
        sum = std::clamp<Sum>(sum, INT32_MIN, INT32_MAX);
      d[size_t(m) * shape.n + n] = static_cast<int32_t>(sum);
    }
}

void numerics::mmaInteger(MmaShape shape, const int32_t *a, const int32_t *b, const int32_t *c,
                          bool saturate, int32_t *d) {
  if (saturate)
    sumIntegers<int64_t>(shape, a, b, c, d);
  else
    sumIntegers<uint32_t>(shape, a, b, c, d);
}

void numerics::mmaDouble(MmaShape shape, const double *a, const double *b, const double *c,
                         double *d) {
  for (unsigned m = 0; m < shape.m; ++m)
    for (unsigned n = 0; n < shape.n; ++n) {
      auto sum = std::bit_cast<uint64_t>(c[size_t(m) * shape.n + n]);
      for (unsigned k = 0; k < shape.k; ++k)
        sum = fma(std::bit_cast<uint64_t>(a[size_t(m) * shape.k + k]),
                  std::bit_cast<uint64_t>(b[size_t(n) * shape.k + k]), sum, FloatType::F64);
      d[size_t(m) * shape.n + n] = std::bit_cast<double>(sum);
    }
}
