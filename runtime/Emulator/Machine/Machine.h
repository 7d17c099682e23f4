//===- Machine.h - The state of a launch: grid, blocks, warps ---------------===//
//
// What handlers read and change. A Launch holds what all blocks share, a Block
// its shared memory and barriers, a Warp its registers, its groups of lanes and
// its copies in flight. The interpreter (Execution/) moves them.
//
// A warp is a set of groups, each with a frame, a pc and a mask; together they
// cover the lanes that have not exited. Lanes of one frame share its bank.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_MACHINE_H
#define TILEWRIGHT_RUNTIME_EMULATOR_MACHINE_MACHINE_H

#include "dialects/Support/Target/Target.h"
#include "runtime/Device/Device.h"
#include "runtime/Emulator/Checkers/Taint.h"
#include "runtime/Emulator/Checkers/WrittenBytes.h"
#include "runtime/Emulator/Machine/Async.h"
#include "runtime/Emulator/Machine/Footprint.h"
#include "runtime/Emulator/Machine/GlobalMemory.h"
#include "runtime/Emulator/Machine/Options.h"
#include "runtime/Emulator/Machine/RaceChecker.h"
#include "runtime/Emulator/Machine/Report.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <random>

namespace tilewright::emulator {

class Block;

/// Where spaces lie among generic addresses. Global memory is generic as it is.
constexpr uint64_t kSharedWindow = uint64_t(0x7f) << 40;
constexpr uint64_t kLocalWindow = uint64_t(0x7e) << 40;
constexpr uint64_t kParamWindow = uint64_t(0x7d) << 40;
/// Addresses of functions; nothing can be read there.
constexpr uint64_t kCodeWindow = uint64_t(0x7c) << 40;
constexpr uint64_t getFunctionAddress(size_t index) { return kCodeWindow + 256 * (index + 1); }
constexpr uint64_t kWindowBytes = uint64_t(1) << 32;
/// The generic address of byte 0 of a space; 0 for those without a window.
constexpr uint64_t getWindow(Space space) {
  switch (space) {
  case Space::Shared:
    return kSharedWindow;
  case Space::Local:
    return kLocalWindow;
  case Space::Param:
    return kParamWindow;
  default:
    return 0;
  }
}
/// Shared variables start after the bytes that the system reserves in each
/// block, so that address zero is never valid.
constexpr uint32_t kSharedBase = 1024;

/// What all blocks of one launch share, or those of a part of its grid that one
/// host thread runs.
struct Launch {
  const Program &program;
  GlobalMemory &global;
  const Options &options;
  const target::GpuModel &model;
  target::TensorCore tensorCore;
  device::Dim3 grid, blockSize;
  uint32_t dynamicSharedBytes = 0;
  std::vector<uint8_t> parameters;
  uint64_t gridWorkspace = 0; ///< {size, barrier}: zeros at the start

  // What it leaves behind.
  std::vector<Counters> counters;                  ///< by pc
  std::vector<std::unique_ptr<WorstAccess>> worst; ///< by pc; empty: not kept
  std::vector<Finding> findings;
  std::string output;
  std::vector<std::string> notes;
  bool outputIsFull = false; ///< has reached Options::outputBytes
  bool isStopped = false;    ///< by a finding; every loop looks at it

  uint64_t steps = 0;     ///< warp instructions so far; the clock
  uint64_t alarm = 0;     ///< step at which the budgets are looked at
  uint64_t hostBytes = 0; ///< of the resident blocks
  uint64_t progress = 0;  ///< changes others could wait for
  /// Seeded from the options.
  std::mt19937_64 landing, order, preemption;
  const Allocation *recent = nullptr; ///< last allocation found: most accesses hit it again
  std::unique_ptr<RaceChecker> races; ///< null: not checked
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();

  // Of a part (Execution/Parallel.cpp).
  std::unique_ptr<Footprint> footprint; ///< null: this is the whole launch
  WrittenBytes written;                 ///< in global memory not all of which was
  const std::atomic<bool> *isAbandoned = nullptr;
  /// With options of its own: parts share the limits of the launch.
  std::unique_ptr<Launch> makePart(const Options &options, UndoLog &undo,
                                   const std::atomic<bool> &isAbandoned) const;
  /// For what only one thread can do: a part stops, and is run again in order.
  void needsOrder() { isStopped |= footprint != nullptr; }

  /// The variable or allocation nearest to an address.
  std::string describe(Space space, uint64_t address) const;
  /// Keeps the first finding of an instruction and kind.
  void record(Finding finding, bool stops);
  /// %ctaid of a block.
  std::array<uint32_t, 3> blockIndex(uint64_t linear) const {
    return {static_cast<uint32_t>(linear % grid.x), static_cast<uint32_t>(linear / grid.x % grid.y),
            static_cast<uint32_t>(linear / grid.x / grid.y)};
  }
};

/// Registers of one call of one function.
struct Frame {
  const FunctionCode *function = nullptr;
  std::unique_ptr<uint8_t, decltype(&std::free)> registers{nullptr, &std::free};
  uint32_t localBase = 0;                  ///< of the frame's variables in each lane's local memory
  std::array<uint32_t, kLanes> localTop{}; ///< after each lane's variables and what it alloca'd
  uint32_t returnPc = 0;
  uint32_t depth = 0;
  Frame *caller = nullptr;
  const CallSite *site = nullptr;
  uint32_t lanes = 0; ///< that have not returned or exited
  uint64_t hostBytes = 0;
  /// By slot / 4: 0, or where a tainted register's undefined bits come from (a
  /// pc + 1, or kUnassigned). Empty until a register is tainted.
  std::vector<uint32_t> taintedBy;
  uint32_t taintedSlots = 0;
};

enum class GroupState : uint8_t {
  Ready,
  AtBarrier,  ///< has arrived at Group::barrier; goes on when it completes
  AtWarpSync, ///< its pc's instruction waits for lanes in `waitsFor`
};

struct Group {
  Frame *frame = nullptr;
  uint32_t pc = 0, mask = 0;
  GroupState state = GroupState::Ready;
  uint8_t barrier = 0;
  uint32_t waitsFor = 0;
  uint32_t demotion = 0; ///< rounds of spinning; lower runs first
  uint32_t loops = 0;    ///< back edges in turns it has used up
};

class Warp {
public:
  Warp(Launch &launch, Block &block, unsigned index, uint32_t initialLanes);
  Warp(const Warp &) = delete;

  /// The lanes of a slot in the running frame or among the constants.
  template <typename T> T *at(Slot slot) const {
    return reinterpret_cast<T *>(banks[slot >> 31] + (slot & ~kConstantBank));
  }
  uint32_t predicate(Slot slot) const { return *at<uint32_t>(slot); }
  void setPredicate(Slot slot, uint32_t mask, uint32_t value) const {
    uint32_t *bits = at<uint32_t>(slot);
    *bits = (*bits & ~mask) | (value & mask);
  }

  /// Records an error at the running instruction. Those after which lanes could
  /// not go on stop the launch.
  void report(FindingKind kind, int lane, const llvm::Twine &message, bool stops = true);
  void reportAt(FindingKind kind, int lane, const llvm::Twine &message, Space space,
                uint64_t address, bool stops = true);
  Finding makeFinding(FindingKind kind, int lane, uint32_t atPc) const;
  /// At the running instruction, about the bytes at an address.
  Finding makeFindingAt(FindingKind kind, int lane, Space space, uint64_t address) const;
  void record(Finding finding, bool stops) { launch.record(std::move(finding), stops); }
  Counters &counters() { return launch.counters[pc]; }

  /// Makes a frame's registers ready; depth 0 is the kernel. Stops the launch if
  /// it does not fit; the frame has no registers then.
  std::unique_ptr<Frame> makeFrame(const FunctionCode &function, Frame *caller);
  /// Counts memory of the host. Stops the launch at the limit: false.
  bool charge(uint64_t bytes);
  void discharge(uint64_t bytes);
  void enter(Frame &frame) {
    running = &frame;
    banks[0] = frame.registers.get();
    localBase = frame.localBase;
  }
  /// Bytes of a lane's local memory; grows up to the device's limit.
  bool growLocal(uint32_t bytes);
  uint8_t *localAt(unsigned lane, uint64_t offset) {
    return local.data() + size_t(lane) * localStride + offset;
  }

  Launch &launch;
  Block &block;
  const unsigned index;
  const uint32_t initialLanes;
  uint32_t live; ///< lanes that have not exited
  uint8_t *banks[2];
  Frame *running = nullptr;
  uint32_t pc = 0;        ///< of the running instruction
  uint32_t localBase = 0; ///< of the running frame
  uint32_t localStride = 0;
  std::vector<uint8_t> local;

  llvm::SmallVector<Group, 4> groups;
  std::vector<std::unique_ptr<Frame>> frames;
  CopyQueue copies;
  races::WarpOrder clocks;               ///< what its lanes know of others
  std::vector<UnsettledStore> unsettled; ///< of the running instruction
  Taint taint;

  // Said by handlers to the interpreter.
  bool waitFailed = false;     ///< a wait that may succeed later
  bool hasSpun = false;        ///< looked at memory that others change
  uint32_t spentBackEdges = 0; ///< of a turn that preemption has cut short
  bool blockAtBarrier = false;
  uint8_t barrier = 0;
};

/// One of a block's 16 barriers (PTX ISA, "bar, barrier").
struct NamedBarrier {
  uint32_t expectedWarps = 0;    ///< of the open phase, unless countsAll
  bool countsAll = false;        ///< no thread count: every warp that has not exited
  std::vector<uint32_t> arrived; ///< lanes by warp; empty: no phase is open
  // bar.red
  uint32_t population = 0;
  bool all = true, any = false;
  races::BarrierOrder clocks;
};

class Block {
public:
  Block(Launch &launch, uint64_t linearIndex);
  ~Block();

  /// Bytes [address, address + bytes) lie in the block's shared memory.
  bool contains(uint64_t address, uint64_t bytes) const {
    return address >= kSharedBase && bytes <= shared.size() &&
           address - kSharedBase <= shared.size() - bytes;
  }
  uint8_t *at(uint64_t address) { return shared.data() + (address - kSharedBase); }

  /// Lanes arrive at barrier `id`. Completes it when they were the last.
  void arrive(Warp &warp, unsigned id, uint32_t lanes, bool hasCount, uint32_t threads);
  /// Opens a barrier whose warps have all arrived or exited.
  bool completeIfFull(unsigned id);
  /// After lanes exited: a barrier over all warps may now be full.
  void noteExit(Warp &warp);
  bool isDone() const;

  Launch &launch;
  const uint64_t linearIndex;
  device::Dim3 index; ///< %ctaid
  std::vector<uint8_t> shared;
  PendingBytes pending; ///< shared bytes that a copy in flight will write
  DefinedBytes defined; ///< shared bytes that have been written
  std::vector<NamedBarrier> barriers{16};
  races::BlockOrder clocks;
  std::vector<races::Page> pages; ///< of shared memory
  std::vector<std::unique_ptr<Warp>> warps;
  std::vector<unsigned> order; ///< in which warps take turns
  uint64_t hostBytes = 0;      ///< of its warps, as charged
};

} // namespace tilewright::emulator

#endif
