//===- GlobalMemory.h - The device's global memory, with exact bounds -------===//
//
// Allocations have device addresses of their own, apart from the host's, that
// depend only on the order of calls. They are kept apart by gaps and an address
// is never given twice, so an access outside every live allocation is always
// noticed, also after release.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_GLOBALMEMORY_H
#define TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_GLOBALMEMORY_H

#include "runtime/Emulator/Checkers/DefinedBytes.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>

namespace tilewright::emulator {

/// Host threads that run parts of a grid share it (Execution/Parallel.cpp), and
/// only `storage` is put back when a launch must run again in order. `defined` is
/// changed after all parts have ended (Checkers/WrittenBytes.h). Whatever else a
/// launch may change here needs one of the two, or mayBeIndependent() must refuse
/// such launches.
struct Allocation {
  uint64_t base = 0, bytes = 0;
  std::unique_ptr<uint8_t, decltype(&std::free)> storage{nullptr, &std::free};
  bool isReadOnly = false; ///< .const
  bool isLive = true;
  std::string name; ///< of the variable, or "allocation 3"
  /// Which bytes have been written; null once all have.
  mutable std::unique_ptr<DefinedBytes> defined;
  mutable bool isDiscarded = false; ///< some of it has been: `defined` is kept

  bool contains(uint64_t address, uint64_t size) const {
    return address >= base && size <= bytes && address - base <= bytes - size;
  }
  uint8_t *at(uint64_t address) const { return storage.get() + (address - base); }
  /// Notes a write from the host, which always defines.
  void define(uint64_t address, uint64_t size) const;
  /// Notes that bytes have lost their value.
  void undefine(uint64_t address, uint64_t size) const;
  /// Gives up `defined` where it says nothing any more, and is not likely to.
  void settleDefined() const {
    if (defined && !isDiscarded && defined->isAll())
      defined.reset();
  }
};

class GlobalMemory {
public:
  /// `limit`: bytes that may be allocated at a time.
  explicit GlobalMemory(uint64_t limit) : limit(limit) {}

  /// 512-byte aligned, filled with 0xff (NaN in every float format) so that
  /// use of fresh memory shows. Zero bytes give an address of their own.
  llvm::Expected<Allocation *> allocate(uint64_t bytes, llvm::StringRef name = {}) {
    return allocate(bytes, name, 0xff);
  }
  /// Filled with zeros; pages that nobody touches take no memory of the host.
  llvm::Expected<Allocation *> allocateZeroed(uint64_t bytes, llvm::StringRef name) {
    return allocate(bytes, name, 0);
  }
  llvm::Error release(uint64_t address);

  /// The live allocation that holds all of [address, address + bytes), else null.
  const Allocation *find(uint64_t address, uint64_t bytes) const;
  /// Every byte of every allocation counts as written.
  void defineAll();
  /// Names the nearest allocation: "allocation 3 of 64 bytes + 68", "freed ...".
  std::string describe(uint64_t address) const;

private:
  llvm::Expected<Allocation *> allocate(uint64_t bytes, llvm::StringRef name, uint8_t fill);
  const Allocation *findBelow(uint64_t address) const;

  std::map<uint64_t, Allocation> allocations; ///< by base; freed ones stay, without storage
  uint64_t limit, used = 0, count = 0;
  uint64_t next = uint64_t(0x10) << 32;
};

} // namespace tilewright::emulator

#endif
