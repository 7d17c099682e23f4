//===- WrittenBytes.h - What a part of a grid gives a value ------------------===//
//
// While parts of a grid run on several host threads (Execution/Parallel.cpp),
// the DefinedBytes of global memory stay as they were before the launch. What a
// part writes it notes here, for itself; what it has written and what was
// written before is all that it may read, for parts that meet in memory run
// again in order (Machine/Footprint.h). After a good end the bytes of all parts
// are published. A launch that is undone leaves nothing behind.
//
// Example: an output of 4096 bytes that nobody has written, two parts. Each
// stores 2048 bytes and reads them again: defined, by what it wrote itself.
// Afterwards both are published, and the allocation needs no bits any more.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_CHECKERS_WRITTENBYTES_H
#define TILEWRIGHT_RUNTIME_EMULATOR_CHECKERS_WRITTENBYTES_H

#include "llvm/ADT/DenseMap.h"
#include <array>
#include <cstdint>

namespace tilewright::emulator {

class GlobalMemory;

class WrittenBytes {
public:
  /// Any number of bytes from a global address.
  void add(uint64_t address, uint64_t bytes);
  /// Without those that were added. Bit i stands for byte `address` + i.
  uint32_t exclude(uint64_t address, uint32_t undefined) const;
  /// Gives the bytes a value for all. No other thread may use the memory.
  void publish(const GlobalMemory &memory) const;

private:
  /// Allocations start at a page.
  static constexpr unsigned kPageBits = 9, kWordBits = 64;
  static constexpr uint64_t kPageBytes = 1 << kPageBits;
  /// A bit a byte.
  using Page = std::array<uint64_t, kPageBytes / kWordBits>;

  llvm::DenseMap<uint64_t, Page> pages; ///< by address / kPageBytes
};

} // namespace tilewright::emulator

#endif
