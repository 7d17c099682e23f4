//===- Causality.h - The causality order of a kernel that ran -------------------===//
//
// PTX ISA, "Memory Consistency Model: Axioms", as a relation between events, with
// the two additions of docs/emulator/memory-model.md: barriers carry fences on,
// and plain stores of one instruction that leave the same value do not race. An
// event is what one thread does in one step; a barrier has two, arriving and
// going on. No clocks and no order of time: only who read from whom.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_RACES_CAUSALITY_H
#define TILEWRIGHT_TEST_UNIT_RUNTIME_EMULATOR_RACES_CAUSALITY_H

#include "RandomKernel.h"
#include <bitset>

namespace tilewright::emulator {

struct Event {
  unsigned step, thread;
};

/// Two accesses to data touch a byte in common.
bool overlap(const Kernel &kernel, unsigned stepA, unsigned threadA, unsigned stepB,
             unsigned threadB);
/// They would race without an order: one writes, and they are not morally strong.
bool conflict(const Kernel &kernel, unsigned stepA, unsigned threadA, unsigned stepB,
              unsigned threadB);

class Causality {
public:
  /// `got`: see Outcome.
  Causality(const Kernel &kernel, const std::vector<uint64_t> &got);
  const std::vector<Event> &getEvents() const { return events; }
  bool isBefore(unsigned a, unsigned b) const { return known[b][a]; }

private:
  static constexpr unsigned kMost = 2048;
  using Set = std::bitset<kMost>;
  using Edges = std::vector<std::pair<unsigned, unsigned>>;

  void addEvents();
  void addSynchronisation(const std::vector<uint64_t> &got);
  /// Everything before each event, along edges.
  std::vector<Set> close(const Edges &edges) const;
  /// First events of the release patterns that end in the write `w`; last events
  /// of the acquire patterns that start with the read `r`.
  std::vector<unsigned> findReleases(unsigned w) const;
  std::vector<unsigned> findAcquires(unsigned r) const;
  const Step &stepOf(unsigned event) const { return kernel.steps[events[event].step]; }
  bool isFence(unsigned event) const { return stepOf(event).kind == Step::Kind::Fence; }
  /// Their scopes include each other's thread.
  bool areInclusive(unsigned a, unsigned b) const;

  const Kernel &kernel;
  std::vector<Event> events;
  std::vector<int> last;    ///< event of each thread so far
  Edges edges;              ///< program order and barriers; later all
  std::vector<Set> carried; ///< along program order and barriers alone
  std::vector<Set> known;   ///< in causality order
};

} // namespace tilewright::emulator

#endif
