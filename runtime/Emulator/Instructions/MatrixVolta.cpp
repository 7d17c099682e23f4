//===- MatrixVolta.cpp - mma.m8n8k4 of f16 ----------------------------------------------===//
//
// PTX ISA, "Matrix Fragments for mma.m8n8k4 with .f16". A warp multiplies four
// pairs of matrices. Those of number p belong to the lanes 4 * p ... 4 * p + 3, the
// lower four, and 4 * p + 16 ... 4 * p + 19, the upper. With t = lane % 4 and h = 4
// for upper lanes, 0 for lower ones, element i of a lane is
//
//   A, B^T by rows (.row A, .col B)   [t + h][i]
//   A, B^T by columns                 [i + h][t]
//   C of f16                          [t + h][i]
//   C of f32                          [t % 2 + (i & 2) + h][(i & 4) + (t & 2) + i % 2]
//
// Turing has a tensor-core instruction for it. For later GPUs ptxas calls a
// function that multiplies in f32, as its SASS shows: for f32, c is added to the
// chain fma(a3, b3, fma(a2, b2, fma(a1, b1, fma(a0, b0, 0)))); for f16, first
// fma(a1, b1, a0 * b0) and then fma(a3, b3, a2 * b2) are added to c in f32, and the
// sum is rounded to f16 once.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Instructions/Apply.h"
#include "runtime/Emulator/Instructions/MatrixForm.h"
#include "runtime/Emulator/Numerics/Mma.h"

using namespace tilewright;
using namespace tilewright::emulator;
using numerics::FloatType;

namespace {

constexpr unsigned kSize = 8, kDepth = 4, kLanesOfOne = 8;

/// The eight lanes of one product.
unsigned laneOf(unsigned product, unsigned index) {
  return 4 * product + index % 4 + 16 * (index / 4);
}
uint16_t readHalf(Warp &w, const Slot *slots, unsigned lane, unsigned i) {
  return uint16_t(w.at<uint32_t>(slots[i / 2])[lane] >> (16 * (i % 2)));
}

/// A, or B transposed: 8 x 4.
void gatherFactor(Warp &w, const Slot *slots, unsigned product, bool byRows, uint16_t *matrix) {
  for (unsigned index = 0; index < kLanesOfOne; ++index)
    for (unsigned i = 0; i < kDepth; ++i) {
      unsigned t = index % 4, h = index / 4 * 4;
      unsigned row = byRows ? t + h : i + h, column = byRows ? i : t;
      matrix[row * kDepth + column] = readHalf(w, slots, laneOf(product, index), i);
    }
}

/// Element i of a lane of C, as an index into 8 x 8.
unsigned placeOf(bool isHalf, unsigned index, unsigned i) {
  unsigned t = index % 4, h = index / 4 * 4;
  return isHalf ? (t + h) * kSize + i : (t % 2 + (i & 2) + h) * kSize + (i & 4) + (t & 2) + i % 2;
}

void gatherSum(Warp &w, const Slot *slots, unsigned product, bool isHalf, uint32_t *c) {
  for (unsigned index = 0; index < kLanesOfOne; ++index)
    for (unsigned i = 0; i < kSize; ++i) {
      unsigned lane = laneOf(product, index);
      c[placeOf(isHalf, index, i)] =
          isHalf ? readHalf(w, slots, lane, i) : w.at<uint32_t>(slots[i])[lane];
    }
}

void scatterSum(Warp &w, const Slot *slots, unsigned product, bool isHalf, const uint32_t *d) {
  for (unsigned index = 0; index < kLanesOfOne; ++index)
    for (unsigned i = 0; i < kSize; ++i) {
      unsigned lane = laneOf(product, index);
      uint32_t value = d[placeOf(isHalf, index, i)];
      uint32_t &word = w.at<uint32_t>(slots[isHalf ? i / 2 : i])[lane];
      if (!isHalf)
        word = value;
      else
        word = i % 2 ? (word & 0xffff) | value << 16 : (word & 0xffff0000) | value;
    }
}

/// One element as ptxas' function for sm_80 and later computes it. a and b are
/// rows of four.
uint32_t multiplyScalar(const uint16_t *a, const uint16_t *b, uint32_t c, bool isHalfSum) {
  constexpr FloatType f32 = FloatType::F32;
  uint64_t x[kDepth], y[kDepth];
  for (unsigned k = 0; k < kDepth; ++k) {
    x[k] = numerics::convert(a[k], FloatType::F16, f32);
    y[k] = numerics::convert(b[k], FloatType::F16, f32);
  }
  if (!isHalfSum) {
    uint64_t sum = 0;
    for (unsigned k = 0; k < kDepth; ++k)
      sum = numerics::fma(x[k], y[k], sum, f32);
    return uint32_t(numerics::add(c, sum, f32));
  }
  uint64_t sum = c;
  for (unsigned k = 0; k < kDepth; k += 2)
    sum = numerics::add(
        sum, numerics::fma(x[k + 1], y[k + 1], numerics::multiply(x[k], y[k], f32), f32), f32);
  return uint32_t(numerics::convert(sum, f32, FloatType::F16));
}

void multiply(Warp &w, bool isHalfSum, const uint16_t *a, const uint16_t *b, const uint32_t *c,
              uint32_t *d) {
  if (w.launch.tensorCore == target::TensorCore::Turing)
    return numerics::mmaHalf(w.launch.tensorCore, {kSize, kSize, kDepth}, FloatType::F16,
                             isHalfSum ? FloatType::F16 : FloatType::F32, a, b, c, d);
  for (unsigned row = 0; row < kSize; ++row)
    for (unsigned column = 0; column < kSize; ++column) {
      uint32_t sum = c[row * kSize + column];
      if (isHalfSum)
        sum = uint32_t(numerics::convert(sum, FloatType::F16, FloatType::F32));
      d[row * kSize + column] =
          multiplyScalar(a + row * kDepth, b + column * kDepth, sum, isHalfSum);
    }
}

void handleVolta(Warp &w, const Inst &i, uint32_t) {
  MatrixOperands o(w, i);
  bool isHalfC = o.form.accumulator == ScalarType::F16, isHalfD = o.form.result == ScalarType::F16;
  for (unsigned product = 0; product < 4; ++product) {
    uint16_t a[kSize * kDepth], b[kSize * kDepth];
    uint32_t c[kSize * kSize], d[kSize * kSize];
    gatherFactor(w, o.a, product, !o.form.aByColumns, a);
    gatherFactor(w, o.b, product, !o.form.bByRows, b);
    gatherSum(w, o.c, product, isHalfC, c);
    if (isHalfC && !isHalfD)
      for (uint32_t &element : c)
        element = uint32_t(numerics::convert(element, FloatType::F16, FloatType::F32));
    multiply(w, isHalfD, a, b, c, d);
    scatterSum(w, o.d, product, isHalfD, d);
  }
}

} // namespace

void tilewright::emulator::decodeVoltaMma(InstructionDecoder &d) {
  static constexpr MatrixShape shapes[] = {{"m8n8k4", 8, 8, 4}};
  const MatrixShape *shape = takeMatrixShape(d, shapes);
  if (!shape)
    return;
  MatrixForm form{};
  // Four products: registers are counted for 8 x 8 x 4 elements and 32 lanes.
  form.m = 8;
  form.n = 8;
  form.k = 4;
  form.isVolta = true;
  takeMatrixLayouts(d, form);
  takeMatrixTypes(d, form);
  bool isF32 = form.result == ScalarType::F32;
  bool exists =
      form.a == ScalarType::F16 && form.b == ScalarType::F16 &&
      (form.accumulator == ScalarType::F16 || (form.accumulator == ScalarType::F32 && isF32)) &&
      (isF32 || form.result == ScalarType::F16);
  if (!d.hasFailed() && !exists)
    return refuseMatrixTypes(d, *shape, form);
  llvm::SmallVector<Slot, 24> slots;
  if (d.expectOperands(4) && readMatrixOperands(d, form, slots))
    setMatrix(d, form, slots, handleVolta);
}
