//===- TaintFacts.h - How each instruction passes undefined bits on ----------===//
//
// Made when a program is decoded (Instructions/TaintRules.cpp), read when a
// warp holds undefined bits (TaintTracker.cpp). For each instruction its
// operands and the rule by which what is undefined in the sources becomes
// undefined in the destinations. An instruction without a rule of its own gets
// the cautious one: any undefined bit of a lane's sources makes all of that
// lane's destinations undefined.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_CHECKERS_TAINTFACTS_H
#define TILEWRIGHT_RUNTIME_EMULATOR_CHECKERS_TAINTFACTS_H

#include <cstdint>
#include <string>
#include <vector>

namespace tilewright::emulator {

enum class TaintRule : uint8_t {
  Ignore,         ///< computes nothing: hints
  All,            ///< any undefined bit of a lane: all of its destinations
  Upward,         ///< all bits from the lowest undefined one up: sums, products
  Elements,       ///< as All, by elements of `parameter` bits
  PackTwo,        ///< cvt d, a, b: halves of `parameter` bits, a above b
  WidenElements,  ///< between packed formats; parameter: element bits, from | to << 8
  Bytes,          ///< mov with vectors: the sources' bytes in order
  Move,           ///< the handler moves bits; parameter: which of a, b, c (1, 2, 4),
                  ///< and by 16, 32, 64, 128 what tells it where: a, b, c, extra
  Logic,          ///< each bit by itself; parameter: the table of lop3
  PredicateLogic, ///< as Logic on predicates; their negation is in the table
  Compare,        ///< setp; parameter: 1 if it is an integer == or !=
  Load,           ///< what it brings is known once it has run
  LoadFragment,   ///< wmma.load, which says itself what it brings where
  LoadMatrix,     ///< parameter: 1 if transposed | matrices << 1
  Store,          ///< the last operands, as many as the vector is wide
  StoreMatrix,    ///< as LoadMatrix
  StoreFragment,  ///< wmma.store, which says itself what it takes from where
  Atomic,         ///< parameter: 1 if the old value does not matter
  Copy,           ///< cp.async
  Object,         ///< mbarrier; parameter: 1 if it makes the object
  Require,        ///< every source must be defined
  Shuffle,        ///< by the lane that the value comes from
  Vote,           ///< parameter: 0 all, 1 any, 2 uniform, 3 ballot, | 4 if negated
  Collective,     ///< any undefined bit of any lane: all of every destination
  Multiply,       ///< mma; parameter: MmaFacts
};

/// The fragments of an mma, in TaintFacts::parameter. With lane = 4 * g + t:
/// register r of a is of row g + 8 * (r % rowBlocks), of b of column g + 8 *
/// (r / steps % columnBlocks); element i of c and d of row g + 8 * (i / 2 %
/// rowBlocks) and column 2 * t + i % 2 + 8 * (i / (2 * rowBlocks)).
struct MmaFacts {
  uint32_t a, b, rowBlocks, columnBlocks;
  uint32_t steps;          ///< registers of b for eight columns
  uint32_t packsC, packsD; ///< two elements a register
  /// The t whose last source is metadata of their rows, a bit each; 0: dense.
  uint32_t metadataThreads = 0;
  uint32_t encode() const {
    return a | b << 5 | rowBlocks << 10 | columnBlocks << 14 | steps << 18 | packsC << 24 |
           packsD << 25 | metadataThreads << 26;
  }
  static MmaFacts decode(uint32_t word) {
    return {word & 31,       word >> 5 & 31, word >> 10 & 15, word >> 14 & 15,
            word >> 18 & 63, word >> 24 & 1, word >> 25 & 1,  word >> 26 & 15};
  }
};

/// An operand, in the order of decoding. Constants are there for their place in
/// the order; `_` is kNoSlot.
struct TaintOperand {
  enum class Role : uint8_t {
    Source,
    Address,  ///< must be defined
    Required, ///< must be defined: a member mask, a barrier's number
    Destination,
  };
  uint32_t slot;
  uint8_t bytes; ///< a lane; 0: a predicate
  Role role;
};

struct TaintFacts {
  TaintRule rule = TaintRule::All;
  bool hasEffect = false; ///< more than destinations depends on the guard
  uint16_t count = 0;     ///< operands
  uint32_t first = 0;     ///< index into Program::taintOperands
  uint32_t parameter = 0;
};

/// A register that code may read before anything has been written to it.
struct UnassignedRegister {
  uint32_t slot;
  uint8_t bytes; ///< as in TaintOperand
  std::string name;
};

} // namespace tilewright::emulator

#endif
