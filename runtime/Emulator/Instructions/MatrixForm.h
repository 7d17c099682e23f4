//===- MatrixForm.h - Forms and fragments of mma --------------------------------===//
//
// What dense, sparse and Volta's mma (Matrix.cpp, MatrixSparse.cpp,
// MatrixVolta.cpp) share: how a form is kept in an Inst, and how registers become
// matrices. Matrix.cpp has the map of fragments.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_MATRIXFORM_H
#define TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_MATRIXFORM_H

#include "runtime/Emulator/Instructions/Builder.h"

namespace tilewright::emulator {

/// What an mma multiplies; encoded in Inst::imm.
struct MatrixForm {
  uint8_t m, n;
  uint16_t k;
  ScalarType a, b, accumulator, result;
  bool saturates, isXor;
  bool isSparse;            ///< a holds every second element only
  bool isOrdered;           ///< the metadata's positions ascend
  uint8_t selector;         ///< the threads of each four that have the metadata
  bool isVolta;             ///< m8n8k4 of f16: four products at once
  bool aByColumns, bByRows; ///< of these; others have .row.col

  static MatrixForm decode(uint64_t imm);
  uint64_t encode() const;
};

/// The registers of each operand, in slots from Inst::extra on: d, a, b, c, and
/// of a sparse mma the metadata.
struct MatrixCounts {
  unsigned d, a, b, c;
};
MatrixCounts countRegisters(const MatrixForm &form);

struct MatrixOperands {
  MatrixForm form;
  MatrixCounts counts;
  const Slot *d, *a, *b, *c;
  /// Counts the operation.
  MatrixOperands(Warp &w, const Inst &i);
  const Slot *metadata() const { return c + counts.c; }
};

/// c[row * 8 + column] from the registers of C, n being 8.
void gatherAccumulators(Warp &w, ScalarType type, const Slot *slots, unsigned count, uint32_t *c);
void scatterAccumulators(Warp &w, ScalarType type, const Slot *slots, unsigned count,
                         const uint32_t *d);
/// matrix[row * k + column] from the registers of A (rowBlocks = m / 8) or, with
/// rowBlocks = 1 and rows for columns, of B. Elements are spread to one a word,
/// sign-extended if `type` is signed.
void gatherElements(Warp &w, const Slot *slots, unsigned count, unsigned rowBlocks, unsigned k,
                    ScalarType type, uint32_t *matrix);

constexpr unsigned kMaxMatrixA = 16 * 64, kMaxMatrixC = 16 * 8;

/// The shape's modifier taken from `names`; fails without one.
struct MatrixShape {
  llvm::StringLiteral name;
  uint8_t m, n;
  uint16_t k;
};
const MatrixShape *takeMatrixShape(InstructionDecoder &d, llvm::ArrayRef<MatrixShape> shapes);
/// The layouts of A and B, in this order.
void takeMatrixLayouts(InstructionDecoder &d, MatrixForm &form);
/// The types .d.a.b.c, in this order.
void takeMatrixTypes(InstructionDecoder &d, MatrixForm &form);
/// Fails with the shape and the types that have no mma of this kind.
void refuseMatrixTypes(InstructionDecoder &d, const MatrixShape &shape, const MatrixForm &form);
/// d, a, b, c with as many registers as the form has, appended to `slots`.
bool readMatrixOperands(InstructionDecoder &d, const MatrixForm &form,
                        llvm::SmallVectorImpl<Slot> &slots);
/// Makes the instruction one of all lanes.
void setMatrix(InstructionDecoder &d, const MatrixForm &form, llvm::ArrayRef<Slot> slots,
               Handler handler);

/// mma.sp (MatrixSparse.cpp).
void decodeSparseMma(InstructionDecoder &d);
/// The threads of each four whose metadata a sparse form reads, a bit each.
unsigned metadataThreads(const MatrixForm &form);
/// mma.m8n8k4 of f16 (MatrixVolta.cpp).
void decodeVoltaMma(InstructionDecoder &d);

} // namespace tilewright::emulator

#endif
