//===- Async.h - Copies in flight ---------------------------------------------===//
//
// cp.async as objects with a landing policy (PTX ISA, "Data Movement and
// Conversion Instructions: cp.async"). A copy is issued, belongs to a group
// once committed, and lands when its lanes wait for that group. Until it lands
// its destination is pending: reading it is a finding.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_ASYNC_H
#define TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_ASYNC_H

#include "runtime/Emulator/Machine/Program.h"
#include "runtime/Emulator/Races/Order.h"
#include <array>
#include <bit>
#include <optional>
#include <vector>

namespace tilewright::emulator {

class Warp;

/// One bit a byte of shared memory: some copy in flight will write it. An
/// access is a power of two of bytes, aligned, at most 16: one load answers.
class PendingBytes {
public:
  void resize(size_t bytes) { bits.assign(bytes / 16 + 2, 0); }
  bool isEmpty() const { return count == 0; }
  /// Any of `bytes` bytes from `offset` on.
  bool test(uint32_t offset, uint32_t bytes) const {
    uint32_t word = bits[offset / 16] | uint32_t(bits[offset / 16 + 1]) << 16;
    return word >> (offset % 16) & ((uint64_t(1) << bytes) - 1);
  }
  void set(uint32_t offset, uint32_t bytes) {
    forWords(offset, bytes, [&](uint16_t &word, uint16_t mask) {
      count += std::popcount(static_cast<uint16_t>(mask & ~word));
      word |= mask;
    });
  }
  void clear(uint32_t offset, uint32_t bytes) {
    forWords(offset, bytes, [&](uint16_t &word, uint16_t mask) {
      count -= std::popcount(static_cast<uint16_t>(mask & word));
      word &= ~mask;
    });
  }

private:
  /// Calls f(word, bits) for the words that hold these bytes, 16 at most.
  template <typename F> void forWords(uint32_t offset, uint32_t bytes, F f) {
    uint32_t mask = ((1u << bytes) - 1) << (offset % 16);
    f(bits[offset / 16], static_cast<uint16_t>(mask));
    if (mask >> 16)
      f(bits[offset / 16 + 1], static_cast<uint16_t>(mask >> 16));
  }
  std::vector<uint16_t> bits;
  size_t count = 0;
};

/// One cp.async of one warp.
struct Copy {
  uint32_t pc = 0;
  uint32_t mask = 0; ///< lanes whose part has not landed
  bool isCommitted = false;
  uint32_t group = 0;  ///< number of the group, by lane's own count of commits
  uint32_t bytes = 0;  ///< written, 4, 8 or 16
  uint32_t epoch = 0;  ///< of its issue, as the race checker counts
  uint64_t number = 0; ///< in order of issue
  std::array<uint64_t, kLanes> sourceAddress;
  std::array<const uint8_t *, kLanes> source;
  std::array<uint8_t, kLanes> sourceBytes;  ///< the rest is zero
  std::array<uint32_t, kLanes> destination; ///< shared address
};

/// cp.async.mbarrier.arrive of lanes that know the same: counts once the copies that
/// they issued before have landed.
struct CopyArrival {
  uint64_t address = 0; ///< of the mbarrier
  uint32_t lanes = 0;
  uint64_t before = 0;     ///< copies with lower numbers
  races::Release released; ///< what who waits at the mbarrier will know, but for the copies
};

/// The copies in flight of one warp.
class CopyQueue {
public:
  void issue(Warp &warp, Copy copy);
  void commit(Warp &warp, uint32_t mask);
  /// Lands, for the lanes in `mask`, all but the newest `allowed` groups.
  void waitGroups(Warp &warp, uint32_t mask, uint32_t allowed);
  /// Lands everything of the lanes in `mask`, committed or not.
  void waitAll(Warp &warp, uint32_t mask);
  /// Arrives at an mbarrier for lanes, now or when their copies have landed.
  void arriveOnceLanded(Warp &warp, uint32_t lanes, uint64_t address);
  /// Lands what arrivals at an mbarrier wait for: someone waits for them.
  void landArrivals(Warp &warp, uint64_t address);
  /// Lands everything of lanes that exit without having waited.
  void landAtExit(Warp &warp, uint32_t mask);
  uint64_t bytesInFlight() const;
  bool isEmpty() const { return copies.empty(); }
  /// The pc of the copy, and the lane, that is to write some of these bytes of shared memory.
  std::optional<std::pair<uint32_t, unsigned>> findWriter(uint64_t address, uint32_t bytes) const;

private:
  /// `isAwaited`: by the lanes themselves.
  void land(Warp &warp, Copy &copy, uint32_t lanes, bool isAwaited);
  /// Forgets copies that have wholly landed; arrivals that waited for them count.
  void finish(Warp &warp);
  void finishWait(Warp &warp, uint32_t mask);
  void landArrivals(Warp &warp, uint32_t lanes, size_t end);
  bool hasCopies(const CopyArrival &arrival) const;

  std::vector<Copy> copies; ///< in order of issue
  std::vector<CopyArrival> arrivals;
  uint64_t issued = 0;
  std::array<uint32_t, kLanes> commits{};
  uint32_t unawaited = 0; ///< lanes with copies that landed before the lanes waited
};

} // namespace tilewright::emulator

#endif
