//===- WordFields.h - Numbers that share a word --------------------*- C++ -*-===//
//
// A number of a tile may be a few bits of a word (tile.fields). Whoever wants it
// as something else than an integer can take it from the word at once.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_CODEGEN_NVVM_WORDFIELDS_H
#define TILEWRIGHT_CODEGEN_NVVM_WORDFIELDS_H

#include "codegen/NVVM/Indexing.h"
#include <optional>

namespace tilewright::nvvm {

/// Bits `offset` .. `offset + bits` of `word`, an i32.
struct WordField {
  mlir::Value word;
  unsigned offset = 0, bits = 0;
};

/// The field as a number of the integer type `type`.
mlir::Value emitField(Emitter &emit, const WordField &field, mlir::Type type);

/// The field that emitField() made `number` of; nullopt for any other number.
std::optional<WordField> matchField(mlir::Value number);

} // namespace tilewright::nvvm

#endif
