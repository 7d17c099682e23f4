//===- Matrix.cpp - mma.sync --------------------------------------------------------------===//
//
// PTX ISA, "Warp Level Matrix Multiply-Accumulate Instructions". All shapes of
// mma.sync share one fragment map. With per = elements a register holds, lane
// = 4 * g + t and r the register's number:
//
//   A  row g + 8 * (r % (m / 8)), columns per * t + e + 4 * per * (r / (m / 8))
//   B  k = per * t + e + 4 * per * r, column g
//   C  a number a register: row g + 8 * (r / 2), column 2 * t + r % 2
//      f16 pairs:           row g + 8 * r, columns 2 * t and 2 * t + 1
//
// Example, m16n8k16 f16 (per = 2): register 2 of lane 5 (g = 1, t = 1) holds
// A[1][10] and A[1][11].
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Instructions/Fragments.h"
#include "runtime/Emulator/Instructions/MatrixForm.h"
#include "runtime/Emulator/Numerics/Mma.h"
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

using Form = MatrixForm;
using Operands = MatrixOperands;

constexpr unsigned kMaxA = kMaxMatrixA, kMaxB = 8 * 64, kMaxC = kMaxMatrixC;

/// Calls f(slot, lane, row, column) for each register of C or D that holds one
/// number.
template <typename F> void forAccumulators(const Slot *slots, unsigned count, F f) {
  for (unsigned r = 0; r < count; ++r)
    for (unsigned lane = 0; lane < kLanes; ++lane)
      f(slots[r], lane, lane / 4 + 8 * (r / 2), 2 * (lane % 4) + r % 2);
}

// 16-bit operands move as pairs, four lanes' to a part of a row.
void gatherRows(Warp &w, const Slot *slots, unsigned count, unsigned rowBlocks, unsigned k,
                uint16_t *matrix) {
  for (unsigned r = 0; r < count; ++r) {
    const uint32_t *pairs = w.at<uint32_t>(slots[r]);
    uint16_t *to = matrix + 8 * (r % rowBlocks) * k + 8 * (r / rowBlocks);
    for (unsigned row = 0; row < 8; ++row)
      std::memcpy(to + row * k, pairs + 4 * row, 16);
  }
}

void handleHalf(Warp &w, const Inst &i, uint32_t) {
  Operands o(w, i);
  uint16_t a[16 * 16], b[8 * 16];
  uint32_t c[kMaxC], d[kMaxC];
  gatherRows(w, o.a, o.counts.a, o.form.m / 8, o.form.k, a);
  gatherRows(w, o.b, o.counts.b, 1, o.form.k, b);
  gatherAccumulators(w, o.form.accumulator, o.c, o.counts.c, c);
  numerics::mmaHalf(w.launch.tensorCore, {o.form.m, o.form.n, o.form.k}, toFloatType(o.form.a),
                    toFloatType(o.form.accumulator), a, b, c, d);
  scatterAccumulators(w, o.form.result, o.d, o.counts.d, d);
}

void handleFloat(Warp &w, const Inst &i, uint32_t) {
  Operands o(w, i);
  uint32_t a[kMaxA], b[kMaxB], c[kMaxC], d[kMaxC];
  gatherElements(w, o.a, o.counts.a, o.form.m / 8, o.form.k, o.form.a, a);
  gatherElements(w, o.b, o.counts.b, 1, o.form.k, o.form.b, b);
  gatherAccumulators(w, o.form.accumulator, o.c, o.counts.c, c);
  numerics::mmaFloat(w.launch.tensorCore, {o.form.m, o.form.n, o.form.k}, toFloatType(o.form.a),
                     toFloatType(o.form.b), toFloatType(o.form.accumulator), a, b, c, d);
  scatterAccumulators(w, o.form.result, o.d, o.counts.d, d);
}

void handleInteger(Warp &w, const Inst &i, uint32_t) {
  Operands o(w, i);
  uint32_t a[kMaxA], b[kMaxB], c[kMaxC], d[kMaxC];
  gatherElements(w, o.a, o.counts.a, o.form.m / 8, o.form.k, o.form.a, a);
  gatherElements(w, o.b, o.counts.b, 1, o.form.k, o.form.b, b);
  gatherAccumulators(w, ScalarType::S32, o.c, o.counts.c, c);
  numerics::mmaInteger({o.form.m, o.form.n, o.form.k}, reinterpret_cast<const int32_t *>(a),
                       reinterpret_cast<const int32_t *>(b), reinterpret_cast<const int32_t *>(c),
                       o.form.saturates, reinterpret_cast<int32_t *>(d));
  scatterAccumulators(w, ScalarType::S32, o.d, o.counts.d, d);
}

// d = c + popc(a op b), 32 elements a word.
void handleBinary(Warp &w, const Inst &i, uint32_t) {
  Operands o(w, i);
  unsigned words = o.form.k / 32;
  uint32_t a[kMaxA], b[kMaxB], c[kMaxC];
  gatherElements(w, o.a, o.counts.a, o.form.m / 8, words, ScalarType::B32, a);
  gatherElements(w, o.b, o.counts.b, 1, words, ScalarType::B32, b);
  gatherAccumulators(w, ScalarType::S32, o.c, o.counts.c, c);
  for (unsigned row = 0; row < o.form.m; ++row)
    for (unsigned column = 0; column < o.form.n; ++column)
      for (unsigned k = 0; k < words; ++k) {
        uint32_t x = a[row * words + k], y = b[column * words + k];
        c[row * o.form.n + column] += std::popcount(o.form.isXor ? x ^ y : x & y);
      }
  scatterAccumulators(w, ScalarType::S32, o.d, o.counts.d, c);
}

void handleDouble(Warp &w, const Inst &i, uint32_t) {
  Operands o(w, i);
  unsigned k = o.form.k, n = o.form.n, rowBlocks = o.form.m / 8;
  double a[16 * 16], b[8 * 16], c[kMaxC], d[kMaxC];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    for (unsigned r = 0; r < o.counts.a; ++r)
      a[(lane / 4 + 8 * (r % rowBlocks)) * k + lane % 4 + 4 * (r / rowBlocks)] =
          w.at<double>(o.a[r])[lane];
    for (unsigned r = 0; r < o.counts.b; ++r)
      b[lane / 4 * k + lane % 4 + 4 * r] = w.at<double>(o.b[r])[lane];
  }
  forAccumulators(o.c, o.counts.c, [&](Slot s, unsigned lane, unsigned row, unsigned column) {
    c[row * n + column] = w.at<double>(s)[lane];
  });
  numerics::mmaDouble({o.form.m, n, k}, a, b, c, d);
  forAccumulators(o.d, o.counts.d, [&](Slot s, unsigned lane, unsigned row, unsigned column) {
    w.at<double>(s)[lane] = d[row * n + column];
  });
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

constexpr MatrixShape shapes[] = {
    {"m16n8k4", 16, 8, 4},     {"m16n8k8", 16, 8, 8},   {"m16n8k16", 16, 8, 16},
    {"m16n8k32", 16, 8, 32},   {"m16n8k64", 16, 8, 64}, {"m16n8k128", 16, 8, 128},
    {"m16n8k256", 16, 8, 256}, {"m8n8k4", 8, 8, 4},     {"m8n8k16", 8, 8, 16},
    {"m8n8k32", 8, 8, 32},     {"m8n8k128", 8, 8, 128},
};

Handler pickMma(const Form &f) {
  unsigned bits = parser::getBits(f.a), k = f.k;
  bool floatResult =
      f.result == f.accumulator && (f.result == ScalarType::F32 || f.result == ScalarType::F16);
  bool integerResult = f.result == ScalarType::S32 && f.accumulator == ScalarType::S32;
  bool is16 = f.m == 16;
  if (f.a == ScalarType::F16 || f.a == ScalarType::BF16)
    return f.a == f.b && floatResult && is16 && (k == 8 || k == 16) &&
                   (f.a == ScalarType::F16 || f.result == ScalarType::F32)
               ? handleHalf
               : nullptr;
  if (f.a == ScalarType::TF32)
    return f.b == ScalarType::TF32 && f.result == ScalarType::F32 && floatResult && is16 &&
                   (k == 4 || k == 8)
               ? handleFloat
               : nullptr;
  if (f.a == ScalarType::E4M3 || f.a == ScalarType::E5M2)
    return (f.b == ScalarType::E4M3 || f.b == ScalarType::E5M2) && floatResult && is16 &&
                   (k == 16 || k == 32)
               ? handleFloat
               : nullptr;
  if (f.a == ScalarType::F64)
    return f.b == ScalarType::F64 && f.accumulator == ScalarType::F64 &&
                   f.result == ScalarType::F64 && (is16 ? k <= 16 : k == 4)
               ? handleDouble
               : nullptr;
  if (f.a == ScalarType::B1)
    return f.b == ScalarType::B1 && integerResult && k >= 128 ? handleBinary : nullptr;
  bool isInteger = parser::getClass(f.a) == parser::TypeClass::Unsigned ||
                   parser::getClass(f.a) == parser::TypeClass::Signed;
  if (!isInteger || !integerResult || parser::getBits(f.b) != bits || isFloat(f.b))
    return nullptr;
  unsigned base = bits == 8 ? 16 : bits == 4 ? 32 : 0;
  return base && (k == base || (is16 && k == 2 * base)) ? handleInteger : nullptr;
}

void decodeMma(InstructionDecoder &d) {
  if (!d.take("sync") || !d.take("aligned"))
    d.fail("'mma' needs .sync.aligned");
  if (d.has("sp") || d.has("sp::ordered_metadata"))
    return decodeSparseMma(d);
  if (d.has("m8n8k4") && d.peekType() != ScalarType::F64)
    return decodeVoltaMma(d);
  const MatrixShape *shape = takeMatrixShape(d, shapes);
  if (!shape)
    return;
  Form form{};
  takeMatrixLayouts(d, form);
  form.m = shape->m;
  form.n = shape->n;
  form.k = shape->k;
  form.saturates = d.take("satfinite");
  form.isXor = d.take("xor");
  bool isAnd = !form.isXor && d.take("and");
  if ((form.isXor || isAnd) && !d.take("popc"))
    return d.fail("binary 'mma' needs .popc");
  takeMatrixTypes(d, form);
  Handler handler = d.hasFailed() ? nullptr : pickMma(form);
  if (!handler)
    return refuseMatrixTypes(d, *shape, form);
  if (form.saturates && handler != handleInteger)
    return d.fail("'.satfinite' applies to integer mma");
  if ((form.isXor || isAnd) != (form.a == ScalarType::B1))
    return d.fail("binary 'mma' needs .xor.popc or .and.popc, others neither");
  llvm::SmallVector<Slot, 24> slots;
  if (d.expectOperands(4) && readMatrixOperands(d, form, slots))
    setMatrix(d, form, slots, handler);
}

} // namespace

llvm::ArrayRef<InstructionEntry> tilewright::emulator::getMatrixInstructions() {
  static constexpr InstructionEntry entries[] = {
      {"mma", decodeMma},
      {"ldmatrix", decodeLoadMatrix},
      {"stmatrix", decodeStoreMatrix},
      {"movmatrix", decodeTransposeMatrix},
      {"wmma", decodeWmma},
  };
  return entries;
}
