//===- AccessPlan.h - Which registers one memory access moves ----------------===//
//
// Groups the registers of a layout into vector accesses along the last
// dimension.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_CODEGEN_NVVM_ACCESSPLAN_H
#define TILEWRIGHT_CODEGEN_NVVM_ACCESSPLAN_H

#include "dialects/Support/Layout/LinearLayout.h"

namespace tilewright::nvvm {

/// One vector access: `registers[i]` holds the element `i` places after the
/// first along the last dimension.
struct Access {
  layout::Coordinates origin; ///< of the first element, in thread 0
  llvm::SmallVector<unsigned, 16> registers;
};

struct AccessPlan {
  unsigned width = 1; ///< elements an access
  llvm::SmallVector<Access> accesses;
  /// Registers that repeat an element of another: (copy, original).
  llvm::SmallVector<std::pair<unsigned, unsigned>> copies;
};

/// The widest accesses of at most `maxWidth` (a power of two) elements that
/// cover every register once: each starts at a multiple of its width in every
/// thread and its elements are consecutive along the last dimension.
AccessPlan planAccesses(const layout::LinearLayout &layout, unsigned maxWidth);

} // namespace tilewright::nvvm

#endif
