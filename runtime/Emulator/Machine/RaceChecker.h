//===- RaceChecker.h - Reports accesses without an order ----------------------===//
//
// Sees every access to shared and global memory (Machine/Access.cpp) and every
// synchronising event, keeps who knows what (Races/Order.h) and who touched what
// (Races/Shadow.h), and makes findings of accesses to the same bytes that no
// chain of events orders, where one of them writes and they are not both atomic
// or otherwise strong with scopes that include each other.
//
// No finding: plain stores of one instruction that leave the same value.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_RACECHECKER_H
#define TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_RACECHECKER_H

#include "runtime/Emulator/Machine/Report.h"
#include "runtime/Emulator/Races/Shadow.h"
#include "llvm/ADT/DenseSet.h"

namespace tilewright::emulator {

struct Access;
struct Copy;
struct Launch;
class Block;
class Warp;

/// Two accesses that race, unless something excuses them. Words are found for it
/// once nothing has.
struct Race {
  races::Record later;
  races::Conflict conflict;
  Space space = Space::Global;
  uint64_t page = 0; ///< address of its first byte
  uint64_t getAddress() const { return page + conflict.begin; }
};

/// A store that races unless it leaves the bytes as they were.
struct UnsettledStore {
  Race race;
  uint32_t lanes = 0;             ///< of the store that met those of another
  bool isSameInstruction = false; ///< met each other in this very instruction
  uint32_t bytes = 0;             ///< a lane
  std::vector<const uint8_t *> host;
  std::vector<uint8_t> before; ///< what memory held, lane after lane

  /// The store is a race, which becomes that of lanes that disagree. `differing`: see
  /// settleStores().
  bool isRace(uint32_t differing);

private:
  bool haveDiffered(uint32_t differing);
  bool haveChanged();
};

/// A weak read that races with an atomic, unless each lane checks the value by
/// atom.cas before it does anything else with those bytes, as in
///   old = *p; do { seen = old; old = atomicCAS(p, seen, f(seen)); } while (old != seen);
struct Guess {
  Race race;
  uint32_t lanes = 0; ///< of the reader, that have not done so yet
  /// Makes the race that of one of them.
  void pickLane(unsigned lane);
  const races::Record &getReader() const {
    return race.later.flags == 0 ? race.later : race.conflict.earlier;
  }
};

class RaceChecker {
public:
  explicit RaceChecker(Launch &launch);

  /// Checks and remembers an access that has been resolved.
  void access(Warp &warp, const Access &access);
  /// What a strong access hands on and takes, once it is executed: lanes in `failed`
  /// have compared and not swapped. access() does it for all but atomics.
  void synchronise(Warp &warp, const Access &access, uint32_t failed);
  /// A copy's bytes are written, and its source was read until now. `isAwaited`: by
  /// its own thread, whose access it is from now on.
  void land(Warp &warp, const Copy &copy, uint32_t lanes, bool isAwaited);

  /// At the end of the launch: reports what was held back.
  void finish();

  /// What it remembers has outgrown its limit: it is to be dropped, which is
  /// sound, while forgetting who is ordered would make false findings.
  bool isFull() const;
  std::string describeFull() const;
  /// A block is done: its shared memory is gone.
  void forget(const Block &block);

  races::Order order;

private:
  using GuessesOfWarp = llvm::SmallVector<Guess, 1>;

  races::Page *getPage(Block &block, Space space, uint64_t page);
  template <typename F> void forRuns(const Access &access, F f);
  template <typename F> void forLaneRuns(const Access &access, F f);
  template <typename F> bool forUnits(const Access &access, F f);
  bool checkRun(Warp &warp, const Access &access, uint64_t page, const races::Record &record);
  void handleConflict(Warp &warp, const Access &access, Race race);
  void checkSelf(Warp &warp, const Access &access, uint64_t page, const races::Record &record);
  void checkSource(Warp &warp, const Copy &copy, unsigned lane);
  void markGuesses(Warp &warp, const Access &access);
  void judgeGuesses(Warp &warp, const Access &access);
  void report(GuessesOfWarp &open);
  Party makeParty(const races::Record &record, unsigned lane) const;
  Finding describe(const Race &race) const;
  friend void settleStores(Warp &warp, uint32_t differing);

  Launch &launch;
  races::GlobalShadow global;
  llvm::DenseSet<uint32_t> reported;               ///< by pc
  llvm::DenseMap<uint64_t, GuessesOfWarp> guesses; ///< by block << 32 | warp
  size_t numGuesses = 0;
  size_t numRecords = 0;
};

/// Once a store has been executed: reports those unsettled that changed what
/// others had stored. `differing`: lanes whose value is not what memory holds; all
/// lanes: nobody has looked.
void settleStores(Warp &warp, uint32_t differing);

} // namespace tilewright::emulator

#endif
