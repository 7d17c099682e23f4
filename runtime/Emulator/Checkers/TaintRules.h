//===- TaintRules.h - Reading and writing the taint of registers --------------===//
//
// What the rules of TaintRules.cpp share with the bookkeeping around them
// (TaintTracker.cpp).
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_CHECKERS_TAINTRULES_H
#define TILEWRIGHT_RUNTIME_EMULATOR_CHECKERS_TAINTRULES_H

#include "runtime/Emulator/Machine/Machine.h"

namespace tilewright::emulator {

using Role = TaintOperand::Role;

/// The running instruction's facts and the taint of the running frame.
class TaintView {
public:
  TaintView(Warp &warp, const Inst &inst)
      : warp(warp), inst(inst), facts(warp.launch.program.taintFacts[inst.origin]),
        operands(llvm::ArrayRef<TaintOperand>(warp.launch.program.taintOperands)
                     .slice(facts.first, facts.count)) {}

  static bool isRegister(Slot slot) { return !(slot & kConstantBank); }
  /// Where a slot's undefined bits come from; 0: it has none.
  uint32_t taintedBy(Slot slot) const {
    return isRegister(slot) ? warp.running->taintedBy[slot / 4] : 0;
  }
  /// The slot with the taint of `slot`; constants are never tainted.
  Slot taintOf(Slot slot) const {
    return isRegister(slot) ? slot + warp.running->function->taintOffset
                            : warp.launch.program.zeros;
  }
  uint8_t *bytesOf(Slot slot) const { return warp.at<uint8_t>(taintOf(slot)); }
  uint32_t predicateTaint(Slot slot) const { return warp.predicate(taintOf(slot)); }
  /// At most 8 bytes.
  uint64_t read(const TaintOperand &operand, unsigned lane) const {
    return read(operand.slot, operand.bytes, lane);
  }
  uint64_t read(Slot slot, unsigned bytes, unsigned lane) const {
    if (bytes == 0)
      return predicateTaint(slot) >> lane & 1;
    uint64_t value = 0;
    std::memcpy(&value, bytesOf(slot) + lane * bytes, std::min(bytes, 8u));
    return value;
  }
  void write(const TaintOperand &operand, unsigned lane, uint64_t value) const;
  /// Lanes with any undefined bit.
  uint32_t lanesOf(const TaintOperand &operand) const;
  uint32_t lanesOf(Role role) const;
  /// All bits of these lanes.
  void fill(const TaintOperand &operand, uint32_t lanes, bool isUndefined) const;
  void fillDestinations(uint32_t lanes, bool isUndefined) const;
  /// The operand in a slot of the instruction; null for none or a constant.
  const TaintOperand *find(Slot slot) const;
  llvm::SmallVector<const TaintOperand *, 8> withRole(Role role) const;

  Warp &warp;
  const Inst &inst;
  const TaintFacts &facts;
  llvm::ArrayRef<TaintOperand> operands;
};

/// Sets the taint of all destinations for the lanes in `active`, at least one.
void applyTaintRule(const TaintView &view, uint32_t active);
/// What stmatrix stores, by the lane that names the row.
void spreadMatrixStore(const TaintView &view);
/// Taints the registers that ldmatrix has loaded undefined bytes into.
void gatherMatrixLoad(const TaintView &view);

} // namespace tilewright::emulator

#endif
