//===- MatrixSparse.cpp - mma.sp: A with half of its elements ------------------------===//
//
// PTX ISA, "Warp Level Sparse Matrix Multiply-Accumulate". A is m x k, of which
// each chunk keeps some elements; the metadata gives their places:
//
//   type         chunk          kept      a place in the metadata
//   f16 bf16     4              2         2 bits
//   s8 u8 fp8    4              2         2 bits
//   s4 u4        4 pairs        2 pairs   2 bits
//   tf32         2              1         4 bits: 0100 the first, 1110 the second
//
// The registers of a hold the kept elements as those of a dense A of k / 2
// columns (Matrix.cpp); b, c and d are those of m x n x k. A row's places stand in
// the order of its elements, the lowest bits first. With lane = 4 * g + t, the
// bits of rows g and g + 8 are in registers of the lanes with
//
//   16 bits a row   t = selector: row g in the lower half, g + 8 in the upper
//   32 bits a row   t = 2 * selector + j: 16-bit types: the j-th half of each of
//                   the rows, as above; others: all of row g + 8 * j
//   64 bits a row   all t: word t / 2 of row g + 8 * (t % 2)
//
// Example, m16n8k16 f16, selector 0: metadata 0x...4 in lane 0 says that the
// first two kept elements of row 0 are A[0][0] and A[0][1].
//
// The products that enter one fused sum are those of kept elements: an mma.sp adds
// as the dense mma of k / 2 does.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Instructions/MatrixForm.h"
#include "runtime/Emulator/Numerics/Mma.h"

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

constexpr unsigned kMaxKept = 64, kMaxB = 8 * 2 * kMaxKept;

/// How a form's metadata is read.
struct Metadata {
  unsigned chunk;    ///< elements of A
  unsigned perPlace; ///< elements that one place moves: 2 of s4
  unsigned bits;     ///< a place
  unsigned places;   ///< of a row
  bool isShort;      ///< 16-bit and tf32: a word has two rows

  explicit Metadata(const MatrixForm &f) {
    unsigned width = parser::getBits(f.a);
    bool isTF32 = width == 32;
    perPlace = width == 4 ? 2 : 1;
    chunk = isTF32 ? 2 : 4 * perPlace;
    bits = isTF32 ? 4 : 2;
    places = f.k / 2 / perPlace;
    isShort = width >= 16;
  }
  unsigned placesPerChunk() const { return bits == 4 ? 1 : 2; }
  unsigned rowBits() const { return places * bits; }
  /// The threads of four that have metadata.
  unsigned threads() const { return rowBits() / 16; }
};

/// The metadata of a row, and the lane that its lowest bits are in.
uint64_t readRow(const MatrixForm &f, const Metadata &how, const uint32_t *words, unsigned row,
                 unsigned &lane) {
  unsigned quad = row % 8 * 4, upper = row / 8;
  if (how.rowBits() == 64) {
    lane = quad + upper;
    return words[lane] | uint64_t(words[lane + 2]) << 32;
  }
  lane = quad + f.selector * how.threads();
  if (!how.isShort)
    return words[lane += upper];
  uint64_t bits = 0;
  for (unsigned j = 0; j < how.threads(); ++j)
    bits |= uint64_t(words[lane + j] >> (16 * upper) & 0xffff) << (16 * j);
  return bits;
}

/// The columns of A that a row's kept elements stand in; false after a finding.
bool findColumns(Warp &w, const MatrixForm &f, const uint32_t *words, unsigned row,
                 unsigned *columns) {
  Metadata how(f);
  unsigned lane = 0;
  uint64_t bits = readRow(f, how, words, row, lane);
  for (unsigned i = 0; i < how.places; ++i) {
    unsigned place = bits >> (i * how.bits) & ((1u << how.bits) - 1),
             chunk = i / how.placesPerChunk();
    if (how.bits == 4) {
      if (place != 4 && place != 14) {
        w.report(FindingKind::InvalidOperand, lane,
                 "the metadata of row " + llvm::Twine(row) + " has " + llvm::Twine(place) +
                     " for chunk " + llvm::Twine(chunk) + ", where tf32 has 4 or 14");
        return false;
      }
      place = place == 14;
    }
    unsigned previous = i % 2 ? bits >> ((i - 1) * how.bits) & 3 : 0;
    if (f.isOrdered && how.bits == 2 && i % 2 && previous >= place) {
      w.report(FindingKind::InvalidOperand, lane,
               "the metadata of row " + llvm::Twine(row) + " has the places " +
                   llvm::Twine(previous) + " and " + llvm::Twine(place) + " for chunk " +
                   llvm::Twine(chunk) + ", where .sp::ordered_metadata needs them to ascend");
      return false;
    }
    for (unsigned e = 0; e < how.perPlace; ++e)
      columns[i * how.perPlace + e] = chunk * how.chunk + place * how.perPlace + e;
  }
  return true;
}

void multiplyRow(Warp &w, const MatrixForm &f, const uint32_t *a, const uint32_t *b,
                 const uint32_t *c, uint32_t *d) {
  numerics::MmaShape shape = {1, f.n, f.k / 2u};
  if (isFloat(f.a))
    return numerics::mmaFloat(w.launch.tensorCore, shape, toFloatType(f.a), toFloatType(f.b),
                              toFloatType(f.accumulator), a, b, c, d);
  auto integers = [](const uint32_t *words) { return reinterpret_cast<const int32_t *>(words); };
  numerics::mmaInteger(shape, integers(a), integers(b), integers(c), f.saturates,
                       reinterpret_cast<int32_t *>(d));
}

void handleSparse(Warp &w, const Inst &i, uint32_t) {
  MatrixOperands o(w, i);
  const MatrixForm &f = o.form;
  const unsigned kept = f.k / 2;
  uint32_t a[16 * kMaxKept], b[kMaxB], c[kMaxMatrixC], d[kMaxMatrixC], chosen[8 * kMaxKept];
  gatherElements(w, o.a, o.counts.a, f.m / 8, kept, f.a, a);
  gatherElements(w, o.b, o.counts.b, 1, f.k, f.b, b);
  gatherAccumulators(w, f.accumulator, o.c, o.counts.c, c);
  const uint32_t *metadata = w.at<uint32_t>(*o.metadata());
  for (unsigned row = 0; row < f.m; ++row) {
    unsigned columns[kMaxKept];
    if (!findColumns(w, f, metadata, row, columns))
      return;
    for (unsigned n = 0; n < f.n; ++n)
      for (unsigned k = 0; k < kept; ++k)
        chosen[n * kept + k] = b[n * f.k + columns[k]];
    multiplyRow(w, f, a + row * kept, chosen, c + row * f.n, d + row * f.n);
  }
  scatterAccumulators(w, f.result, o.d, o.counts.d, d);
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

constexpr MatrixShape shapes[] = {
    {"m16n8k8", 16, 8, 8},   {"m16n8k16", 16, 8, 16},   {"m16n8k32", 16, 8, 32},
    {"m16n8k64", 16, 8, 64}, {"m16n8k128", 16, 8, 128},
};

/// The ISA's table of shapes and types.
bool exists(const MatrixForm &f) {
  bool isF32 = f.result == ScalarType::F32 && f.accumulator == ScalarType::F32;
  bool isF16 = f.result == ScalarType::F16 && f.accumulator == ScalarType::F16;
  bool isS32 = f.result == ScalarType::S32 && f.accumulator == ScalarType::S32;
  auto isOf = [&](ScalarType first, ScalarType second) {
    return (f.a == first || f.a == second) && (f.b == first || f.b == second);
  };
  if (f.a == ScalarType::F16 || f.a == ScalarType::BF16)
    return f.a == f.b && (isF32 || (isF16 && f.a == ScalarType::F16)) && (f.k == 16 || f.k == 32);
  if (isOf(ScalarType::TF32, ScalarType::TF32))
    return isF32 && (f.k == 8 || f.k == 16);
  if (isOf(ScalarType::E4M3, ScalarType::E5M2))
    return isF32 && f.k == 64;
  if (isOf(ScalarType::S8, ScalarType::U8))
    return isS32 && (f.k == 32 || f.k == 64);
  return isOf(ScalarType::S4, ScalarType::U4) && isS32 && (f.k == 64 || f.k == 128);
}

} // namespace

void tilewright::emulator::decodeSparseMma(InstructionDecoder &d) {
  MatrixForm form{};
  form.isSparse = true;
  form.isOrdered = d.take("sp::ordered_metadata");
  if (!form.isOrdered)
    d.take("sp");
  const MatrixShape *shape = takeMatrixShape(d, shapes);
  if (!shape)
    return;
  takeMatrixLayouts(d, form);
  form.m = shape->m;
  form.n = shape->n;
  form.k = shape->k;
  form.saturates = d.take("satfinite");
  takeMatrixTypes(d, form);
  if (!d.hasFailed() && !exists(form))
    return refuseMatrixTypes(d, *shape, form);
  if (form.saturates && isFloat(form.a))
    return d.fail("'.satfinite' applies to integer mma");
  llvm::SmallVector<Slot, 24> slots;
  if (!d.expectOperands(6) || !readMatrixOperands(d, form, slots))
    return;
  if (d.isImmediate(4))
    return d.fail(d.operand(4).location, "expects a register with the metadata");
  slots.push_back(d.read(4, ScalarType::B32));
  form.selector = d.immediate(5, 0, 4 / Metadata(form).threads() - 1);
  setMatrix(d, form, slots, handleSparse);
}

unsigned tilewright::emulator::metadataThreads(const MatrixForm &form) {
  unsigned threads = Metadata(form).threads();
  return ((1u << threads) - 1) << (form.selector * threads);
}
