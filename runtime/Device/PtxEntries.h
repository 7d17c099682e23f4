//===- PtxEntries.h - The kernels a PTX text declares -----------------------===//
//
// What the driver does not tell (before CUDA 12.4): the names of a module's
// kernels and where their parameters lie. Reads declarations only.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_DEVICE_PTXENTRIES_H
#define TILEWRIGHT_RUNTIME_DEVICE_PTXENTRIES_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace tilewright::device {

struct PtxParameter {
  std::string name;
  std::string type; ///< "u64"; of an array, its element's
  uint32_t offset = 0, bytes = 0, alignment = 0;
  bool isArray = false;
};

struct PtxEntry {
  std::string name;
  /// Every parameter at its alignment, in order, without padding at the end
  /// (PTX ISA 8.0, 5.1.6.1 "Kernel Function Parameters").
  uint32_t argumentBytes = 0;
  std::vector<PtxParameter> parameters;
};

/// The `.entry` declarations of a PTX text, in order. Fails on a parameter it
/// cannot size, naming it.
llvm::Expected<std::vector<PtxEntry>> readPtxEntries(llvm::StringRef ptx);

} // namespace tilewright::device

#endif
