//===- Pack.h - Weight codes into packed words and back, on the host --------===//
//
// Packs K x N codes of 1..8 bits into the storage layout of
// dialects/Support/Layout/Packing.h. Blocks (128 K x 32 N) are independent, so
// the work is shared among threads by ranges of blocks; a thread needs 12 KB of
// its own whatever the size of the matrix. PackScales.h has scales and zero
// points.
//
// Words of a block: word i of fragment f is the block's word f*bits + i. Planes
// follow each other, each a packed matrix of one-bit codes.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_PACK_PACK_H
#define TILEWRIGHT_RUNTIME_PACK_PACK_H

#include "dialects/Support/Layout/Packing.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>

namespace tilewright::pack {

/// What packed words hold. It travels with them: words mean nothing without.
struct PackedShape {
  int64_t k = 0, n = 0;
  unsigned bits = 0;
  unsigned version = layout::packingVersion;
  /// In planes, bit bits - 1 - p of a code is that of plane p.
  layout::Storage storage = layout::Storage::Words;
  layout::ActivationClass activations = layout::ActivationClass::Bits16;

  /// Fails unless 1 <= bits <= 8, the extents are not negative, the packed
  /// bytes can be counted and the version is the one this build reads.
  llvm::Error verify() const;
  /// 32-bit words of the packed matrix, whole blocks. Needs verify().
  uint64_t getWordCount() const;
  /// Those of one plane.
  uint64_t getPlaneWords() const { return getWordCount() / bits; }
};

/// A matrix in memory: element (row, column) lies at data[row * rowStride +
/// column * columnStride]. Strides may be negative or zero for reading.
template <typename T> struct Matrix {
  T *data = nullptr;
  int64_t rowStride = 0, columnStride = 1;

  T &at(int64_t row, int64_t column) const { return data[row * rowStride + column * columnStride]; }
  Matrix transposed() const { return {data, columnStride, rowStride}; }
};

/// Packs codes into words. Row k, column n of `codes` is the code of weight
/// (k, n): a "kn" array as it is, an "nk" array transposed().
///
/// One byte a code, in the form that is stored: unsigned codes as they are,
/// signed codes with 2^(bits-1) added (format::Format::storageBias) or, for
/// activations of 8 bits, the `bits` of their two's complement; codes of floats as
/// their bits. A code of 2^bits or more is an error that names the
/// first of them in the order of blocks. `words` must have exactly
/// getWordCount() elements. Padding holds code 0.
///
/// `threads`: how many at most; 0 for as many as the machine runs at once. The
/// result does not depend on it.
llvm::Error packCodes(const PackedShape &shape, Matrix<const uint8_t> codes,
                      llvm::MutableArrayRef<uint32_t> words, unsigned threads = 0);

/// The inverse of packCodes(); padding is dropped.
llvm::Error unpackCodes(const PackedShape &shape, llvm::ArrayRef<uint32_t> words,
                        Matrix<uint8_t> codes, unsigned threads = 0);

} // namespace tilewright::pack

#endif
