//===- Constraints.h - Checks that schedule families share ------------------===//
//
// Each message names the parameter, what is expected of it, its value and the
// nearest value that would do; `family` begins it.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_CONSTRAINTS_H
#define TILEWRIGHT_DIALECTS_SUPPORT_SCHEDULE_CONSTRAINTS_H

#include "dialects/Support/Schedule/Schedule.h"
#include "llvm/ADT/ArrayRef.h"

namespace tilewright::schedule {

class Constraints {
public:
  explicit Constraints(llvm::StringRef family) : family(family) {}

  llvm::Error makeError(const llvm::Twine &message) const;

  /// "expects <parameter> to be <what>, but got <value>; the nearest is <nearest>".
  llvm::Error makeError(llvm::StringRef parameter, const llvm::Twine &what, int64_t value,
                        int64_t nearest) const;

  llvm::Error checkRange(llvm::StringRef parameter, int64_t value, int64_t minimum,
                         int64_t maximum) const;

  /// Multiples of `unit` from `unit` to `maximum`, which is one itself.
  llvm::Error checkMultiple(llvm::StringRef parameter, int64_t value, int64_t unit,
                            const llvm::Twine &unitText, int64_t maximum) const;

  /// One of `values`, which rise.
  llvm::Error checkOneOf(llvm::StringRef parameter, int64_t value,
                         llvm::ArrayRef<int64_t> values) const;

  /// Powers of two, at most 8 warps together.
  llvm::Error checkWarps(int64_t warpsM, int64_t warpsN) const;

  /// A target with cp.async and mma.m16n8k16 that can be compiled for.
  llvm::Error checkTarget(const target::Target &target) const;

private:
  llvm::StringRef family;
};

} // namespace tilewright::schedule

#endif
