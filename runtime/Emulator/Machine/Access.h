//===- Access.h - The one place where lanes meet memory ----------------------===//
//
// Every memory instruction describes what its lanes touch as an Access and has
// it resolved here: generic addresses become spaces, bounds and alignment are
// checked, copies in flight are honoured, counters go up, and each lane gets a
// host address. A checker that must see all memory traffic belongs here.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_ACCESS_H
#define TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_ACCESS_H

#include "runtime/Emulator/Machine/Machine.h"

namespace tilewright::emulator {

enum class AccessKind : uint8_t { Load, Store, Atomic, AsyncRead, AsyncWrite };

struct Access {
  AccessKind kind = AccessKind::Load;
  Space space = Space::Generic; ///< as written; resolve() replaces Generic
  uint32_t bytes = 4;           ///< a lane
  uint32_t alignment = 4;
  uint32_t mask = 0;
  const MemoryInfo *info = nullptr;
  /// Lanes that each touch the bytes of every address, as in ldmatrix; 0: each
  /// lane touches those of its own.
  uint32_t collective = 0;
  bool isStrong = false; ///< whatever info says; synchronises by means of its own
  bool isSwap = false;   ///< atom.cas
  bool isBlind = false;  ///< an atomic that does not give its thread what it read
  alignas(64) uint64_t address[kLanes];
  alignas(64) uint8_t *host[kLanes];
  /// All lanes are active and follow each other: host[0] spans them all, and
  /// the other entries are not set.
  bool isContiguous = false;
  bool mayBeUndefined = false; ///< global memory not all of which has been written
};

/// Fills the addresses of a memory instruction: base a, offset imm.
void computeAddresses(const Warp &warp, const Inst &inst, const MemoryInfo &info, Access &access);

/// False: a finding was made that stops the launch.
bool resolve(Warp &warp, Access &access);

/// Wavefronts that a shared access needs; `ideal` without bank conflicts.
/// 8-byte accesses go by half warps, 16-byte ones by quarters.
uint32_t countWavefronts(const uint64_t *address, uint32_t mask, uint32_t bytes, uint32_t &ideal);
/// Distinct 32-byte sectors.
uint32_t countSectors(const uint64_t *address, uint32_t mask, uint32_t bytes);

} // namespace tilewright::emulator

#endif
