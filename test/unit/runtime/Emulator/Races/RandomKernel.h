//===- RandomKernel.h - Small random kernels, and what they did -----------------===//
//
// A kernel is a list of steps that all threads execute in order; each step names
// the threads that take part. Thread c of the model is lane c % 4 of warp
// c / 4 % warps of a block; the other lanes of a warp only keep it whole. Data is
// a few bytes of shared or global memory; flags are words apart from it, which
// strong accesses alone touch. Every value that is stored to a flag is different,
// so what a flag's reader got tells which step it read from.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_RACES_RANDOMKERNEL_H
#define TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_RACES_RANDOMKERNEL_H

#include "runtime/Emulator/Machine/Report.h"
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace tilewright::emulator {

constexpr unsigned kLanesUsed = 4;  ///< of each warp
constexpr unsigned kDataBytes = 64; ///< that accesses fall into

/// Orders of a strong access; Weak: none.
enum class Order : uint8_t { Weak, Relaxed, Volatile, Acquire, Release, AcquireRelease };

struct Step {
  enum class Kind : uint8_t { Access, Flag, Fence, Barrier, WarpSync } kind = Kind::Access;
  uint32_t threads = 0; ///< of the model, a bit each
  Order order = Order::Weak;
  unsigned scope = 0; ///< 0 .cta, 1 .gpu, 2 .sys
  bool writes = false;

  // Access: a thread's bytes are [offset + stride * lane, + bytes).
  unsigned bytes = 1, offset = 0, stride = 0;
  bool isUniform = false; ///< all threads store the same

  // Flag: load, store (writes) or exchange (isExchange, too).
  unsigned flag = 0;
  bool isExchange = false;

  bool isStrongFence = false; ///< fence.sc

  // Barrier: `arrives`: warps that do not wait. Number 0: all warps of a block.
  unsigned number = 0, warpCount = 0;
  uint32_t arrives = 0;  ///< threads, a subset
  uint32_t firstSet = 0; ///< WarpSync: lanes that name each other; so do the others
};

struct Shape {
  unsigned blocks = 1, warps = 2;
  bool isShared = true; ///< data and flags
  unsigned threads() const { return blocks * warps * kLanesUsed; }
  unsigned warpOf(unsigned thread) const { return thread / kLanesUsed; } ///< in the grid
  unsigned blockOf(unsigned thread) const { return warpOf(thread) / warps; }
  unsigned laneOf(unsigned thread) const { return thread % kLanesUsed; }
};

struct Kernel {
  Shape shape;
  std::vector<Step> steps;
  std::string toPtx() const;
};

/// What steps a kernel is made of: how many of 100 are of each kind.
struct Mix {
  unsigned flags = 0, fences = 0, barriers = 0, partBarriers = 0, warpSyncs = 0;
  bool masksCrossWarps = false; ///< an access may be of threads of several warps
};
Kernel makeKernel(std::mt19937 &random, const Shape &shape, unsigned steps, const Mix &mix);

struct Outcome {
  std::vector<Finding> findings;
  /// By step: what the flag's reader got, the number of a step + 1; 0: the start.
  std::vector<uint64_t> got;
};
/// Runs it in an order of warps that `seed` picks.
Outcome run(const Kernel &kernel, uint64_t seed);

/// The step of an instruction of the kernel's text.
unsigned stepOfLine(unsigned line);
/// The thread of the model that a finding or its other party names.
template <typename Place> unsigned threadOf(const Kernel &kernel, const Place &place) {
  return (place.block[0] * kernel.shape.warps + place.warp) * kLanesUsed +
         static_cast<unsigned>(place.lane);
}

} // namespace tilewright::emulator

#endif
