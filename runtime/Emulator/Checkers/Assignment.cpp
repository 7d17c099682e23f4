//===- Assignment.cpp - Registers that may be read before they are written ----===//
//
// See Assignment.h. Forward data flow over blocks: a register may be unassigned
// at a block's start if it may be at the end of some block before it.
//
//===----------------------------------------------------------------------===//
#include "runtime/Emulator/Checkers/Assignment.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>

using namespace tilewright::emulator;

namespace {

constexpr uint64_t kMaxBits = uint64_t(1) << 30; ///< of all blocks together

class Assignment {
public:
  Assignment(const Program &program, const FunctionCode &code,
             llvm::ArrayRef<UnassignedRegister> registers)
      : program(program), code(code), count(registers.size()) {
    for (unsigned i = 0; i < count; ++i)
      indices[registers[i].slot] = i;
  }

  llvm::BitVector run();

private:
  void findBlocks();
  /// Steps over one instruction: `open` are the registers that may be
  /// unassigned. Collects what it reads of them in `found`, if given.
  void step(const Inst &inst, llvm::BitVector &open, llvm::BitVector *found) const;
  template <typename F> void forSuccessors(uint32_t block, F f) const;

  std::optional<unsigned> indexOf(uint32_t slot) const {
    if (slot & kConstantBank) // or no slot
      return std::nullopt;
    auto it = indices.find(slot);
    return it == indices.end() ? std::nullopt : std::optional<unsigned>(it->second);
  }
  void read(uint32_t slot, const llvm::BitVector &open, llvm::BitVector *found) const {
    if (!found)
      return;
    if (auto index = indexOf(slot); index && open.test(*index))
      found->set(*index);
  }
  void write(uint32_t slot, llvm::BitVector &open) const {
    if (auto index = indexOf(slot))
      open.reset(*index);
  }

  const Program &program;
  const FunctionCode &code;
  unsigned count;
  llvm::DenseMap<uint32_t, unsigned> indices; ///< by slot
  std::vector<uint32_t> starts;               ///< first pc of each block, then the end
  std::vector<uint32_t> blockOf;              ///< by pc - firstPc
};

template <typename F> void forTargets(const Program &program, const Inst &inst, F f) {
  if (inst.flow == Flow::Branch)
    f(inst.target);
  if (inst.flow == Flow::BranchIndexed)
    for (uint32_t k = 0; k < inst.aux; ++k)
      f(program.slots[inst.extra + k]);
}

bool endsBlock(const Inst &inst) {
  return inst.flow == Flow::Branch || inst.flow == Flow::BranchIndexed ||
         inst.flow == Flow::Return || inst.flow == Flow::Exit;
}

void Assignment::findBlocks() {
  uint32_t length = code.endPc - code.firstPc;
  llvm::BitVector isStart(length + 1);
  isStart.set(0);
  for (uint32_t pc = code.firstPc; pc < code.endPc; ++pc) {
    const Inst &inst = program.code[pc];
    forTargets(program, inst, [&](uint32_t target) { isStart.set(target - code.firstPc); });
    if (endsBlock(inst))
      isStart.set(pc + 1 - code.firstPc);
  }
  blockOf.resize(length);
  for (uint32_t i = 0; i < length; ++i) {
    if (isStart.test(i))
      starts.push_back(code.firstPc + i);
    blockOf[i] = starts.size() - 1;
  }
  starts.push_back(code.endPc);
}

void Assignment::step(const Inst &inst, llvm::BitVector &open, llvm::BitVector *found) const {
  if (inst.guard != kNoSlot)
    read(inst.guard, open, found);
  // Layout's jumps share the operands of the instruction before them.
  if (inst.flow == Flow::Branch)
    return;
  const TaintFacts &facts = program.taintFacts[inst.origin];
  llvm::ArrayRef<TaintOperand> operands =
      llvm::ArrayRef<TaintOperand>(program.taintOperands).slice(facts.first, facts.count);
  const CallSite *site = inst.flow == Flow::Call ? &program.calls[inst.aux] : nullptr;
  for (const TaintOperand &operand : operands)
    if (operand.role != TaintOperand::Role::Destination)
      read(operand.slot, open, found);
  if (site)
    for (const Passed &argument : site->arguments)
      if (argument.isRegister)
        read(argument.caller, open, found);
  if (inst.guard != kNoSlot)
    return;
  for (const TaintOperand &operand : operands)
    if (operand.role == TaintOperand::Role::Destination)
      write(operand.slot, open);
  if (site)
    for (const Passed &result : site->results)
      if (result.isRegister)
        write(result.caller, open);
}

template <typename F> void Assignment::forSuccessors(uint32_t block, F f) const {
  uint32_t end = starts[block + 1];
  const Inst &last = program.code[end - 1];
  forTargets(program, last, [&](uint32_t target) { f(blockOf[target - code.firstPc]); });
  if ((!endsBlock(last) || last.guard != kNoSlot) && end < code.endPc)
    f(block + 1);
}

llvm::BitVector Assignment::run() {
  findBlocks();
  uint32_t blocks = starts.size() - 1;
  // No compiler writes such code; it is not worth the memory.
  if (uint64_t(blocks) * count > kMaxBits)
    return llvm::BitVector(count);
  std::vector<llvm::BitVector> atStart(blocks, llvm::BitVector(count));
  std::vector<bool> isReached(blocks, false), isPending(blocks, false);
  llvm::SmallVector<uint32_t, 32> pending = {0};
  atStart[0].set();
  isReached[0] = isPending[0] = true;
  while (!pending.empty()) {
    uint32_t block = pending.pop_back_val();
    isPending[block] = false;
    llvm::BitVector open = atStart[block];
    for (uint32_t pc = starts[block]; pc < starts[block + 1]; ++pc)
      step(program.code[pc], open, nullptr);
    forSuccessors(block, [&](uint32_t next) {
      bool isNew = !isReached[next] || open.test(atStart[next]);
      atStart[next] |= open;
      isReached[next] = true;
      if (isNew && !isPending[next]) {
        isPending[next] = true;
        pending.push_back(next);
      }
    });
  }
  llvm::BitVector found(count);
  for (uint32_t block = 0; block < blocks; ++block) {
    if (!isReached[block])
      continue;
    llvm::BitVector open = atStart[block];
    for (uint32_t pc = starts[block]; pc < starts[block + 1]; ++pc)
      step(program.code[pc], open, &found);
  }
  return found;
}

} // namespace

void tilewright::emulator::findUnassigned(Program &program, FunctionCode &code,
                                          std::vector<UnassignedRegister> registers) {
  code.firstUnassigned = program.unassigned.size();
  // Named: the range of a `for` keeps no temporary within it alive.
  const llvm::BitVector unassigned = Assignment(program, code, registers).run();
  for (unsigned index : unassigned.set_bits())
    program.unassigned.push_back(std::move(registers[index]));
  code.endUnassigned = program.unassigned.size();
}
