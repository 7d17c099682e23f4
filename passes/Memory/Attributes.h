//===- Attributes.h - What programs ask of the Memory phase --------------------===//
//
// Names of attributes that Expand sets and passes of this phase follow.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_PASSES_MEMORY_ATTRIBUTES_H
#define TILEWRIGHT_PASSES_MEMORY_ATTRIBUTES_H

#include "llvm/ADT/StringRef.h"

namespace tilewright::memory {

/// On a tile.load or tile.gather outside of loops: the tile stays in shared memory, where
/// each use reads its part.
constexpr llvm::StringLiteral sharedAttrName = "tile.shared";

} // namespace tilewright::memory

#endif
