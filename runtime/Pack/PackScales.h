//===- PackScales.h - Scales and zero points in the order of kernels --------===//
//
// Brings the numbers of groups into the tables that kernels read
// (dialects/Support/Layout/ScaleStorage.h) and back.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_PACK_PACKSCALES_H
#define TILEWRIGHT_RUNTIME_PACK_PACKSCALES_H

#include "dialects/Support/Layout/ScaleStorage.h"
#include "runtime/Pack/Pack.h"

namespace tilewright::pack {

/// Packs a matrix of numbers, row: group along K, column: group along N, into
/// exactly storage.getElements() elements; zeros where there is no column. T is
/// uint8_t, uint16_t or uint32_t: numbers as their bits, integer zero points
/// biased as the codes are.
template <typename T>
llvm::Error packScales(const layout::ScaleStorage &storage, Matrix<const T> scales,
                       llvm::MutableArrayRef<T> packed);

/// The inverse of packScales().
template <typename T>
llvm::Error unpackScales(const layout::ScaleStorage &storage, llvm::ArrayRef<T> packed,
                         Matrix<T> scales);

} // namespace tilewright::pack

#endif
