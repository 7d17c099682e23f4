//===- Mbarrier.h - mbarrier objects in shared memory --------------------------===//
//
// PTX ISA, "Parallel Synchronization and Communication Instructions: mbarrier".
// The object's 64 bits are opaque to programs; here they hold, from bit 0:
// arrivals still pending (20), arrivals a phase expects (20), transactions still
// pending (21, signed), and at the top the phase's parity. A phase ends when
// nothing is pending.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_MBARRIER_H
#define TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_MBARRIER_H

#include <cstdint>

namespace tilewright::emulator {

class Warp;

struct Mbarrier {
  static constexpr uint64_t kMaxCount = (1 << 20) - 1;

  uint32_t pending, expected;
  int32_t transactions;
  bool phase;

  static Mbarrier decode(uint64_t word);
  uint64_t encode() const;

  /// Takes arrivals off; more than are pending is a finding of `lane`.
  void arrive(Warp &warp, unsigned lane, uint64_t address, uint32_t arrivals);
  /// Ends the phase if nothing is pending.
  void completeIfDone(Warp &warp, uint64_t address);
};

} // namespace tilewright::emulator

#endif
