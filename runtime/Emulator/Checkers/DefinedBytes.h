//===- DefinedBytes.h - Which bytes of a memory have been written ------------===//
//
// One bit a byte, set once the byte has a value. A count of the bytes without
// one makes the common case free: a memory whose every byte is defined is not
// looked at.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_CHECKERS_DEFINEDBYTES_H
#define TILEWRIGHT_RUNTIME_EMULATOR_CHECKERS_DEFINEDBYTES_H

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace tilewright::emulator {

class DefinedBytes {
public:
  /// The bytes of one access of one lane at most.
  static constexpr uint32_t kMaxBytes = 32;

  DefinedBytes() = default;
  /// Memory of `bytes` bytes that nobody has written.
  explicit DefinedBytes(uint64_t bytes) : missing(bytes) {
    // Zero pages cost nothing until they are touched. Eight bytes more: any
    // access is one load of 64 bits, wherever it starts.
    bits.reset(static_cast<uint8_t *>(std::calloc(bytes / 8 + 16, 1)));
    // Without memory for the bits nothing can be said: all counts as defined.
    if (!bits)
      missing = 0;
  }

  bool isAll() const { return missing == 0; }

  /// Bit i: byte `offset` + i has no value. At most kMaxBytes, of memory that is
  /// not isAll() from the start.
  uint32_t findUndefined(uint64_t offset, uint32_t bytes) const {
    return ~static_cast<uint32_t>(load(offset) >> (offset % 8)) & maskOf(bytes);
  }
  /// All of any number of bytes have a value.
  bool areDefined(uint64_t offset, uint64_t bytes) const {
    if (offset % 8 == 0 && bytes % 64 == 0) {
      uint64_t defined = ~uint64_t(0);
      for (uint64_t done = 0; done < bytes; done += 64)
        defined &= load(offset + done);
      return defined == ~uint64_t(0);
    }
    for (uint64_t done = 0; done < bytes; done += kMaxBytes)
      if (findUndefined(offset + done, std::min<uint64_t>(bytes - done, kMaxBytes)))
        return false;
    return true;
  }
  /// All `bytes` bytes have a value at each of the 32 addresses, multiples of
  /// `bytes`, a power of two of at most 16. The memory starts at address `base`,
  /// a multiple of 32.
  bool areDefinedAt(const uint64_t *addresses, uint64_t base, uint32_t bytes) const {
    // No access crosses a word, and x86 takes a shift's amount modulo 32.
    uintptr_t from = reinterpret_cast<uintptr_t>(bits.get()) - base / 8;
    uint32_t defined = ~0u;
#if defined(__clang__)
#pragma clang loop vectorize(disable)
#endif
    for (unsigned lane = 0; lane < 32; ++lane)
      defined &= *reinterpret_cast<const uint32_t *>(from + addresses[lane] / 32 * 4) >>
                 (addresses[lane] & 31);
    return !(~defined & maskOf(bytes));
  }

  /// Bytes whose bit in `undefined` is set lose their value, the others get
  /// one. At most kMaxBytes.
  void assign(uint64_t offset, uint32_t bytes, uint32_t undefined) {
    if (!bits)
      return;
    unsigned shift = offset % 8;
    uint64_t old = load(offset), all = uint64_t(maskOf(bytes)) << shift,
             next = (old & ~all) | (all & ~(uint64_t(undefined) << shift));
    if (next == old)
      return;
    missing += std::popcount(old) - std::popcount(next);
    std::memcpy(&bits[offset / 8], &next, sizeof next);
  }
  /// Any number of bytes.
  void define(uint64_t offset, uint64_t bytes) { set(offset, bytes, 0); }
  void undefine(uint64_t offset, uint64_t bytes) { set(offset, bytes, ~0u); }

private:
  static constexpr uint32_t maskOf(uint32_t bytes) {
    return static_cast<uint32_t>((uint64_t(1) << bytes) - 1);
  }
  uint64_t load(uint64_t offset) const {
    uint64_t word;
    std::memcpy(&word, &bits[offset / 8], sizeof word);
    return word;
  }
  void set(uint64_t offset, uint64_t bytes, uint32_t undefined) {
    for (uint64_t done = 0; done < bytes && !(isAll() && !undefined); done += kMaxBytes)
      assign(offset + done, std::min<uint64_t>(bytes - done, kMaxBytes), undefined);
  }

  struct Free {
    void operator()(uint8_t *pointer) const { std::free(pointer); }
  };
  std::unique_ptr<uint8_t[], Free> bits;
  uint64_t missing = 0;
};

} // namespace tilewright::emulator

#endif
