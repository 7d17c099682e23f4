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
#include "runtime/Emulator/Numerics/Mma.h"
#include <cstring>

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

/// What an mma multiplies; encoded in imm.
struct Form {
  uint8_t m, n;
  uint16_t k;
  ScalarType a, b, accumulator, result;
  bool saturates, isXor;
};

Form formOf(const Inst &i) {
  return {uint8_t(i.imm & 31),          uint8_t(i.imm >> 5 & 31),     uint16_t(i.imm >> 10 & 1023),
          ScalarType(i.imm >> 20 & 63), ScalarType(i.imm >> 26 & 63), ScalarType(i.imm >> 32 & 63),
          ScalarType(i.imm >> 38 & 63), bool(i.imm >> 44 & 1),        bool(i.imm >> 45 & 1)};
}
uint64_t encode(const Form &f) {
  return uint64_t(f.m) | uint64_t(f.n) << 5 | uint64_t(f.k) << 10 | uint64_t(f.a) << 20 |
         uint64_t(f.b) << 26 | uint64_t(f.accumulator) << 32 | uint64_t(f.result) << 38 |
         uint64_t(f.saturates) << 44 | uint64_t(f.isXor) << 45;
}

/// The registers of each operand, in slots from inst.extra on: d, a, b, c.
struct Counts {
  unsigned d, a, b, c;
};
Counts countsOf(const Form &f) {
  unsigned bits = parser::getBits(f.a), word = f.a == ScalarType::F64 ? 64 : 32;
  auto accumulators = [&](ScalarType type) {
    return f.m * f.n / kLanes / (type == ScalarType::F16 ? 2 : 1);
  };
  return {accumulators(f.result), f.m * f.k * bits / word / kLanes,
          f.n * f.k * bits / word / kLanes, accumulators(f.accumulator)};
}

constexpr unsigned kMaxA = 16 * 64, kMaxB = 8 * 64, kMaxC = 16 * 8;

/// Calls f(slot, lane, row, column) for each register of C or D that holds one
/// number.
template <typename F> void forAccumulators(const Slot *slots, unsigned count, F f) {
  for (unsigned r = 0; r < count; ++r)
    for (unsigned lane = 0; lane < kLanes; ++lane)
      f(slots[r], lane, lane / 4 + 8 * (r / 2), 2 * (lane % 4) + r % 2);
}

// n is 8 in every shape, so a row of C has one pair of columns a lane, and pairs
// follow each other as lanes do.
void gatherAccumulators(Warp &w, ScalarType type, const Slot *slots, unsigned count, uint32_t *c) {
  if (type == ScalarType::F16) {
    for (unsigned r = 0; r < count; ++r, c += 2 * kLanes) {
      const uint32_t *pairs = w.at<uint32_t>(slots[r]);
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        c[2 * lane] = pairs[lane] & 0xffff;
        c[2 * lane + 1] = pairs[lane] >> 16;
      }
    }
    return;
  }
  for (unsigned r = 0; r < count; r += 2, c += 2 * kLanes) {
    const uint32_t *even = w.at<uint32_t>(slots[r]), *odd = w.at<uint32_t>(slots[r + 1]);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      c[2 * lane] = even[lane];
      c[2 * lane + 1] = odd[lane];
    }
  }
}

void scatterAccumulators(Warp &w, ScalarType type, const Slot *slots, unsigned count,
                         const uint32_t *d) {
  if (type == ScalarType::F16) {
    for (unsigned r = 0; r < count; ++r, d += 2 * kLanes) {
      uint32_t *pairs = w.at<uint32_t>(slots[r]);
      for (unsigned lane = 0; lane < kLanes; ++lane)
        pairs[lane] = d[2 * lane] | d[2 * lane + 1] << 16;
    }
    return;
  }
  for (unsigned r = 0; r < count; r += 2, d += 2 * kLanes) {
    uint32_t *even = w.at<uint32_t>(slots[r]), *odd = w.at<uint32_t>(slots[r + 1]);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      even[lane] = d[2 * lane];
      odd[lane] = d[2 * lane + 1];
    }
  }
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

/// Spreads packed elements to one a word, sign-extended if asked.
void gatherElements(Warp &w, const Slot *slots, unsigned count, unsigned rowBlocks, unsigned k,
                    ScalarType type, uint32_t *matrix) {
  unsigned bits = parser::getBits(type), per = 32 / bits;
  bool isSigned = parser::isSigned(type);
  for (unsigned r = 0; r < count; ++r)
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      uint32_t word = w.at<uint32_t>(slots[r])[lane];
      uint32_t *at = matrix + (lane / 4 + 8 * (r % rowBlocks)) * k + per * (lane % 4) +
                     4 * per * (r / rowBlocks);
      for (unsigned e = 0; e < per; ++e) {
        if (bits == 32)
          at[e] = word;
        else if (isSigned)
          at[e] = uint32_t(int32_t(word << (32 - bits * (e + 1))) >> (32 - bits));
        else
          at[e] = word >> (bits * e) & ((1u << bits) - 1);
      }
    }
}

struct Operands {
  Form form;
  Counts counts;
  const Slot *d, *a, *b, *c;
  Operands(Warp &w, const Inst &i) : form(formOf(i)), counts(countsOf(form)) {
    d = &w.launch.program.slots[i.extra];
    a = d + counts.d;
    b = a + counts.a;
    c = b + counts.b;
    ++w.counters().matrixOperations;
  }
};

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

struct Shape {
  llvm::StringLiteral name;
  uint8_t m, n;
  uint16_t k;
};
constexpr Shape shapes[] = {
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
  const Shape *shape = nullptr;
  for (const Shape &candidate : shapes)
    if (d.take(candidate.name))
      shape = &candidate;
  if (!shape)
    return d.fail("'mma' needs a shape such as .m16n8k16");
  // Volta's form, which later GPUs execute slowly.
  if (shape->k == 4 && shape->m == 8 && d.peekType() != ScalarType::F64)
    return d.fail("'mma.m8n8k4': mma of f16 in this shape is not emulated");
  if (!d.take("row") || !d.take("col"))
    return d.fail("'mma' needs .row.col");
  Form form{};
  form.m = shape->m;
  form.n = shape->n;
  form.k = shape->k;
  form.saturates = d.take("satfinite");
  form.isXor = d.take("xor");
  bool isAnd = !form.isXor && d.take("and");
  if ((form.isXor || isAnd) && !d.take("popc"))
    return d.fail("binary 'mma' needs .popc");
  form.result = d.requireType();
  form.a = d.requireType();
  form.b = d.requireType();
  form.accumulator = d.requireType();
  Handler handler = d.hasFailed() ? nullptr : pickMma(form);
  if (!handler)
    return d.fail("no mma of shape ." + shape->name.str() + " with types ." +
                  parser::getName(form.result).str() + "." + parser::getName(form.a).str() + "." +
                  parser::getName(form.b).str() + "." + parser::getName(form.accumulator));
  if (form.saturates && handler != handleInteger)
    return d.fail("'.satfinite' applies to integer mma");
  if ((form.isXor || isAnd) != (form.a == ScalarType::B1))
    return d.fail("binary 'mma' needs .xor.popc or .and.popc, others neither");
  if (!d.expectOperands(4))
    return;
  Counts counts = countsOf(form);
  unsigned expected[] = {counts.d, counts.a, counts.b, counts.c};
  ScalarType wide = form.a == ScalarType::F64 ? ScalarType::B64 : ScalarType::B32;
  llvm::SmallVector<Slot, 24> slots;
  for (unsigned k = 0; k < 4; ++k) {
    llvm::ArrayRef<parser::Operand> parts = d.requireVector(d.operand(k));
    if (parts.size() != expected[k])
      return d.fail(d.operand(k).location, "expects " + llvm::Twine(expected[k]) +
                                               " registers in operand " + llvm::Twine(k + 1) +
                                               ", but got " + llvm::Twine(parts.size()));
    for (const parser::Operand &part : parts)
      slots.push_back(k == 0 ? d.write(part, wide) : d.read(part, wide));
  }
  d.inst.extra = d.addSlots(slots);
  d.inst.imm = encode(form);
  d.inst.flow = Flow::WarpSync;
  d.set(handler, OpClass::Matrix);
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
