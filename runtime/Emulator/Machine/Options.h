//===- Options.h - How an emulated device behaves ----------------------------===//
//
// Given at creation of a device; every launch obeys them.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_OPTIONS_H
#define TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_OPTIONS_H

#include <cstdint>

namespace tilewright::emulator {

/// When an asynchronous copy reads its source and writes its destination.
enum class LandingPolicy : uint8_t {
  Late,   ///< at the last legal moment: the wait that covers it
  Eager,  ///< at issue
  Random, ///< at any legal moment, by seed
};

struct Options {
  LandingPolicy landing = LandingPolicy::Late;
  uint64_t landingSeed = 1;
  /// 0: warps take turns by index. Otherwise each round is shuffled.
  uint64_t warpOrderSeed = 0;

  uint64_t instructionBudget = uint64_t(1) << 40; ///< warp instructions a launch
  double timeBudgetSeconds = 600;
  uint32_t backEdgeBudget = 4096; ///< loop turns before other warps run
  /// Blocks that may be resident when those that are cannot go on alone; 0: as
  /// many as the device model holds.
  uint32_t maxResidentBlocks = 0;
  uint64_t memoryLimit = uint64_t(16) << 30; ///< at most the model's memory
  /// Of the host, for registers, local and shared memory of the blocks that are
  /// resident at a time.
  uint64_t launchMemoryLimit = uint64_t(4) << 30;
  uint32_t localBytesPerThread = 512 * 1024;
  uint32_t callDepth = 256;
  /// Host threads that blocks may be spread over; 0: all cores. Kernels whose
  /// blocks meet in global memory run on one; what a launch leaves behind does
  /// not depend on it.
  uint32_t threads = 0;
  uint32_t outputBytes = 1 << 20; ///< of printf that are kept
  uint32_t maxFindings = 16;      ///< further ones are dropped; the launch goes on

  /// Not 0: a warp gives up its turn at memory accesses picked by this seed, so
  /// that warps interleave in ways that turns alone do not show.
  uint64_t preemptionSeed = 0;

  // Checkers; bounds are always checked.
  bool checkAlignment = true;
  bool checkAsync = true; ///< destinations and sources of copies in flight
  bool checkRaces = true; ///< in shared and global memory
  /// Accesses that the race checker remembers at a time; it gives up beyond.
  uint64_t raceRecordLimit = uint64_t(1) << 24;
  /// A thread that reads a flag by an atomic must fence before it reads what the
  /// flag guards. Otherwise a barrier after the atomic will do, as in the usual
  /// reduction by the last block, and a shuffle tells a warp what one lane acquired.
  bool strictAcquire = false;
  /// Lanes of a warp that run in step and exchange words by volatile accesses need
  /// bar.warp.sync between them, though the PTX ISA sees no race in that.
  bool strictWarps = false;
  bool checkInitialisation = true; ///< use of bytes that nobody has written
  bool countAccesses = true;       ///< wavefronts and sectors
  bool keepWorstAccess = false;    ///< the addresses of each instruction's dearest one
};

} // namespace tilewright::emulator

#endif
