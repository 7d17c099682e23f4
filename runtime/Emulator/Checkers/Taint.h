//===- Taint.h - What a warp knows of undefined bits --------------------------===//
//
// A register's taint says which of its bits are undefined. It has the shape of
// the register and lies in the same bank, FunctionCode::taintOffset further on,
// so that a handler which only moves bits moves taint too. Taint is looked at
// only in registers that Frame::taintedBy names, and a warp none of whose
// registers is tainted runs as if there were no checker.
//
// The way of a byte that nobody wrote: an access finds it (noteAccess), the
// registers it is loaded into become tainted (noteLoaded), instructions pass
// the taint on (propagate), and where it decides an address, a branch or what
// goes to global memory there is a finding (checkUses, noteAccess).
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_CHECKERS_TAINT_H
#define TILEWRIGHT_RUNTIME_EMULATOR_CHECKERS_TAINT_H

#include "runtime/Emulator/Checkers/DefinedBytes.h"
#include "runtime/Emulator/Parser/Types.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/Twine.h"
#include <optional>
#include <vector>

namespace tilewright::emulator {

/// In Frame::taintedBy: never assigned; the rest is an index into
/// Program::unassigned.
constexpr uint32_t kUnassigned = 1u << 31;

struct Access;
struct Frame;
struct Group;
struct Inst;
struct Passed;
struct Copy;
class Warp;

struct Taint {
  /// Where undefined bytes were read.
  struct Source {
    parser::Space space;
    uint64_t address;
    int lane;
  };

  uint32_t slots = 0;       ///< tainted registers of all frames
  bool hasLoaded = false;   ///< the running instruction has read undefined bytes
  bool hasStored = false;   ///< it writes undefined bytes
  uint32_t loaded[32] = {}; ///< which, by lane: bit i is byte i of its access
  uint32_t stored[32] = {};
  uint32_t storedFrom = 0;                  ///< where those come from, as Frame::taintedBy
  DefinedBytes local;                       ///< of all lanes' local memory
  llvm::DenseMap<uint32_t, Source> sources; ///< by pc of the load, the latest

  bool isTracking() const { return slots != 0; }
};

/// An access has passed all other checks: looks up what a load reads, notes
/// what a store writes.
void noteAccess(Warp &warp, const Access &access);

/// After an instruction that has read undefined bytes.
void noteLoaded(Warp &warp, const Inst &inst, uint32_t active);

/// Before an instruction: findings about undefined guards, addresses and other
/// operands that must be defined.
void checkUses(Warp &warp, const Inst &inst, uint32_t mask, uint32_t active);
/// Before an instruction: the taint of its destinations.
void propagate(Warp &warp, const Inst &inst, uint32_t mask, uint32_t active);

/// For instructions that load or store in pieces: `bytes` bytes from `offset`
/// on of a lane's piece lie in the bank at `place`. The parts of
/// a loaded piece are noted after the access and ended; those of a stored one
/// begun and noted before it.
void noteLoadedPiece(Warp &warp, uint32_t place, unsigned lane, uint32_t offset, uint32_t bytes);
void endLoadedPiece(Warp &warp);
void noteStoredPiece(Warp &warp, uint32_t place, unsigned lane, uint32_t offset, uint32_t bytes);
void beginStoredPiece(Warp &warp);

/// A frame whose code may read unassigned registers starts with them tainted.
void taintUnassigned(Warp &warp, Frame &frame);
/// A callee's variables are fresh.
void enterFrame(Warp &warp, const Frame &frame, uint32_t lanes);
void leaveFrame(Warp &warp, const Frame &frame);
/// So is what alloca gives.
void noteAllocated(Warp &warp, unsigned lane, uint64_t address, uint64_t bytes);
/// Taint goes with the values of a call.
void passTaint(Warp &warp, const std::vector<Passed> &values, Frame &caller, Frame &callee,
               uint32_t lanes, bool isReturn);
/// A value that the system's library has returned.
void noteResult(Warp &warp, const Passed &result, unsigned lane);
/// The bytes a copy in flight will bring, known to be undefined at issue.
void noteCopied(Warp &warp, const Copy &copy);
/// Local memory has a new size a lane.
void growLocalTaint(Warp &warp, uint32_t oldStride, uint32_t newStride);
/// Undefined bytes that printf has read.
void reportPrinted(Warp &warp, unsigned lane);

/// A finding at the running instruction about undefined bits that come from
/// `from`; with the address if there is one.
struct Place {
  parser::Space space;
  uint64_t address;
};
void reportUndefined(Warp &warp, unsigned lane, const llvm::Twine &message, uint32_t from,
                     std::optional<Place> place = {});

} // namespace tilewright::emulator

#endif
